#include "memory/lease.h"

void sl_lease_init(struct sl_lease *lease, struct sl_allocator *allocator)
{
    sl_sequence_init(&lease->content, allocator);
    lease->is_live = false;
}

enum sl_status sl_lease_take(struct sl_lease *lease, struct sl_buffer *buffer)
{
    enum sl_status status;

    if (lease->is_live)
        return SL_MISUSE;
    status = sl_sequence_take(&lease->content, buffer);
    if (status == SL_OK)
        lease->is_live = true;
    return status;
}

enum sl_status sl_lease_hold(struct sl_lease *lease, struct sl_segment *segment)
{
    enum sl_status status;

    if (lease->is_live)
        return SL_MISUSE;
    status = sl_sequence_append(&lease->content, segment, segment->data,
                                segment->filled);
    if (status != SL_OK)
        return status;
    sl_segment_release(segment);
    lease->is_live = true;
    return SL_OK;
}

bool sl_lease_dispose(struct sl_lease *lease)
{
    if (!lease->is_live)
        return false;
    lease->is_live = false;
    sl_sequence_fini(&lease->content);
    return true;
}
