/* memory/lease.h - the single owner of finished bytes
 *
 * A lease is filled once (a writer's or buffer's detach), may be moved, and is
 * disposed once. Sending it as a body moves it into the exchange, which
 * disposes it at its terminal state, whatever that is.
 */
#ifndef SL_MEMORY_LEASE_H
#define SL_MEMORY_LEASE_H

#include "memory/sequence.h"

struct sl_lease {
    struct sl_sequence content;
    bool is_live;
};

void sl_lease_init(struct sl_lease *lease, struct sl_allocator *allocator);
/* Fills an empty lease; `buffer` is left empty. SL_MEMORY changes nothing. */
enum sl_status sl_lease_take(struct sl_lease *lease, struct sl_buffer *buffer);
/* Fills an empty lease with all that the segment has; the caller's reference
 * moves into the lease. SL_MEMORY changes nothing. */
enum sl_status sl_lease_hold(struct sl_lease *lease,
                             struct sl_segment *segment);
/* True when this call gave the bytes back, false when they were gone. */
bool sl_lease_dispose(struct sl_lease *lease);

#endif
