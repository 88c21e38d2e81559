/* sluice.h - what a C or C++ host needs of sluice: doc/guide/embedding.md
 *
 *     const struct sluice_api *sluice = sluice_open(L);
 *     if (sluice == NULL)
 *         ... lua_tostring(L, -1) says why
 *
 *     poll sluice->pollfd(L) for reading, at most sluice->timeout(L) seconds
 *     sluice->step(L, 0, 0.002)
 *
 * The functions come from the module that is loaded in the state, as a table
 * with a version: a host links nothing of sluice. All of them belong to the
 * thread of their state, but `signal`, which any thread may call.
 *
 * None raises a Lua error. A function that fails leaves a message on top of the
 * Lua stack, where it needs up to 8 free slots.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <lua.h>
#include <lauxlib.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function of the table changes; functions are added at its
 * end. */
#define SLUICE_API_VERSION 1

/* For hosts that link the module instead of having it found by `require`:
 *     luaL_requiref(L, "sluice.core", luaopen_sluice_core, 0); */
int luaopen_sluice_core(lua_State *L);

struct sluice_signal;

struct sluice_api {
    int version;
    size_t size; /* of this table */

    /* ---- the loop ---- */

    /* A descriptor, constant for the state's life, readable when there is work;
     * -1: a message. */
    int (*pollfd)(lua_State *L);
    /* Seconds after which to step without an event; negative: never. */
    double (*timeout)(lua_State *L);
    /* Delivers what is ready, waiting at most `max_wait` seconds for it; 0
     * never blocks. It ends once `budget` seconds are used up; negative: there
     * is no budget. 1: something is under way or waits; 0: nothing; -1: a
     * message (inside a step, on another thread). Coroutines run in it: errors
     * of theirs go to sluice.on_error. */
    int (*step)(lua_State *L, double max_wait, double budget);

    /* ---- sequences: bytes without a Lua string ---- */

    /* The bytes of the sequence or lease at `index`; (size_t)-1: a message. */
    size_t (*bytes_size)(lua_State *L, int index);
    /* Those from `offset` to the end of their segment, `*size` of them, 0 at
     * the end. They are good until the sequence or lease is disposed or
     * collected. NULL: a message. */
    const char *(*bytes_at)(lua_State *L, int index, size_t offset,
                            size_t *size);
    /* Disposes what is at `index` (a response, sequence, lease, message): its
     * memory goes back now. 1; 0: a message. */
    int (*dispose)(lua_State *L, int index);

    /* ---- bytes of the host's, for a body ---- */

    /* Room for `size` bytes in the writer at `index`, good until the next call
     * that writes. NULL: a message (more than its maximum, out of memory). */
    char *(*writer_reserve)(lua_State *L, int index, size_t size);
    /* The first `size` bytes of the room become content. 1; 0: a message. */
    int (*writer_commit)(lua_State *L, int index, size_t size);
    /* Pushes a lease over the host's own bytes, which are neither copied nor
     * written to, and stay as they are until `release(owner)` is called: once,
     * on this thread, when nothing reads them any more; never if the state
     * closes while the kernel still reads them. 1; 0: a message, and `release`
     * was called. */
    int (*push_lease)(lua_State *L, const void *data, size_t size,
                      void (*release)(void *owner), void *owner);

    /* ---- results of the host's other threads ---- */

    /* Pushes an object that coroutines await, `signal:await(timeout)`, until
     * some thread signals. The result is for that thread. NULL: a message. */
    struct sluice_signal *(*push_signal)(lua_State *L);
    /* From any thread, once, also if the state is closed by now: `await`
     * returns those bytes as a string. `signal` is over. 1; 0: out of memory,
     * nothing was done. */
    int (*signal)(struct sluice_signal *signal, const void *bytes, size_t size);
};

/* The functions of the module in that state, which `require "sluice"` loads if
 * it is not there. NULL: a message on top of the stack. */
static inline const struct sluice_api *sluice_open(lua_State *L)
{
    const struct sluice_api *api;

    lua_getglobal(L, "require");
    lua_pushliteral(L, "sluice");
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        return NULL;
    lua_getfield(L, LUA_REGISTRYINDEX, "sluice.api");
    api = (const struct sluice_api *)lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (api != NULL && api->version == SLUICE_API_VERSION &&
        api->size >= sizeof *api)
        return api;
    lua_pushfstring(L, "sluice.h of version %d: the module has version %d",
                    SLUICE_API_VERSION, api != NULL ? api->version : 0);
    return NULL;
}

#ifdef __cplusplus
}
#endif

#endif
