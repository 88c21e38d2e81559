/* binding/feed.h - what the parsers for hosts have in common: bytes in, events
 * out
 *
 * in, out: parser.c, event_parser.c, ws_parser.c
 */
#ifndef SLB_FEED_H
#define SLB_FEED_H

#include "memory/buffer.h"
#include "task/runtime.h"

/* parser:feed(bytes) -> parser | nil, message, err (memory): appends them to
 * the input of the parser at index 1. A string is copied, a sequence or lease
 * linked. Raises if the input has ended. The count of values. */
int slb_feed(lua_State *L, struct slb_runtime *runtime, struct sl_buffer *input,
             bool has_ended);

/* The iterator of parser:events(): what `next` gives for the parser in the
 * upvalue of that number, with nil instead of false. Raises failures. */
int slb_iterate(lua_State *L, int upvalue, lua_CFunction next);

/* Pushes all bytes of the buffer, which keeps them, as a string. Raises out of
 * memory. */
void slb_push_buffer_string(lua_State *L, struct sl_buffer *buffer);

#endif
