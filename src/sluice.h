/* sluice.h - what a C host needs
 *
 * A host that links the module opens it like any other:
 *
 *     luaL_requiref(L, "sluice.core", luaopen_sluice_core, 0);
 *
 * and drives its loop among its own events: poll sluice_pollfd for reading, for
 * at most sluice_timeout seconds, then call sluice_step(L, 0). All functions
 * belong to the thread of their Lua state; those that raise do so as Lua
 * errors.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <lua.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

SLUICE_API int luaopen_sluice_core(lua_State *L);

/* ---- the loop ---- */

/* A descriptor, constant for the state's life, readable when there is work; -1
 * when it cannot be made. */
SLUICE_API int sluice_pollfd(lua_State *L);
/* Seconds after which to step without an event; negative: never. */
SLUICE_API double sluice_timeout(lua_State *L);
/* Delivers what is ready, waiting at most `max_seconds` for it; 0 never blocks.
 * 1: there are waiters left; 0: there are not. Raises inside a step and out of
 * memory. */
SLUICE_API int sluice_step(lua_State *L, double max_seconds);

/* ---- sequences: bytes without a Lua string ---- */

/* Bytes of the sequence at `index`; raises for anything else, or a disposed
 * one. */
SLUICE_API size_t sluice_sequence_size(lua_State *L, int index);
/* The bytes from `offset` to the end of their segment, `*size` of them (0 at
 * the end); good as long as the sequence is neither disposed nor collected. */
SLUICE_API const char *sluice_sequence_at(lua_State *L, int index,
                                          size_t offset, size_t *size);

/* ---- writers: bytes for a body ---- */

/* Room for `size` bytes in the writer at `index`, good until the next call that
 * writes; NULL when that is more than its maximum, or memory is short. */
SLUICE_API char *sluice_writer_reserve(lua_State *L, int index, size_t size);
/* The first `size` bytes of the room become content; raises for more. */
SLUICE_API void sluice_writer_commit(lua_State *L, int index, size_t size);

#ifdef __cplusplus
}
#endif

#endif
