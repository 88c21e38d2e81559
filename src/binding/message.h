/* binding/message.h - a message that a WebSocket received
 *
 *   LIVE --> TAKEN (its payload belongs to a lease) --> DISPOSED
 *       \________________________________________________/
 *
 * A message owns its payload, in the segments where it was received, until the
 * program disposes it, or detaches it as a lease.
 */
#ifndef SLB_MESSAGE_H
#define SLB_MESSAGE_H

#include "memory/buffer.h"
#include "task/runtime.h"

/* Pushes a new message without payload, and returns the buffer for it: fill it
 * at once, then hold it. Making the handle may run finalisers, so look up what
 * the payload comes from afterwards. Raises out of memory. */
struct sl_buffer *slb_new_message(lua_State *L, bool is_text);

/* The payload is complete: makes its bytes known to the collector, which the
 * caller then lets work by slb_collect. Raises nothing. */
void slb_hold_message(struct sl_buffer *payload);

#endif
