/* binding/message.h - a message that a WebSocket received
 *
 *   LIVE --> TAKEN (its payload belongs to a lease) --> DISPOSED
 *       \________________________________________________/
 *
 * A message owns its payload, in the segments where it was received, until the
 * program disposes it, or detaches it as a lease. A small one has a copy of its
 * bytes in itself.
 */
#ifndef SLB_MESSAGE_H
#define SLB_MESSAGE_H

#include "memory/buffer.h"
#include "task/runtime.h"

struct slb_message;

/* Pushes a new message for `size` bytes, to be filled at once. Making the
 * handle may run finalisers, so look up what the payload comes from afterwards.
 * Raises out of memory. */
struct slb_message *slb_new_message(lua_State *L, struct slb_runtime *runtime,
                                    bool is_text, size_t size);

/* Takes the payload, all of that size, which becomes empty, and makes it known
 * to the collector, which the caller then lets work by slb_collect. SL_MEMORY;
 * raises nothing. */
enum sl_status slb_fill_message(struct slb_message *message,
                                struct sl_buffer *payload);

#endif
