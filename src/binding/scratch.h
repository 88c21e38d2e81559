/* binding/scratch.h - a writer for the length of one call from Lua
 *
 * It lives in a userdata, so that an error raised by Lua gives its block back.
 */
#ifndef SLB_SCRATCH_H
#define SLB_SCRATCH_H

#include "binding/runtime.h"
#include "memory/writer.h"

/* Pushes an empty writer of at most that size. */
struct sl_writer *slb_push_scratch(lua_State *L, size_t max_size);

/* Pushes the written bytes as a string; the writer is disposed. 1. */
int slb_push_written(lua_State *L, struct sl_writer *writer);

/* Pushes nil, message, err; the writer is disposed. `error` is the reason of
 * SL_INVALID. 3. */
int slb_push_unwritten(lua_State *L, struct sl_writer *writer,
                       enum sl_status status, const char *attempt,
                       const char *error);

/* The string at `index`; raises for another value. */
struct sl_view slb_check_view(lua_State *L, int index);

void slb_scratch_open(lua_State *L);

#endif
