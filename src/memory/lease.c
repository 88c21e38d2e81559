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

enum sl_status sl_lease_move(struct sl_lease *to, struct sl_lease *from)
{
    if (!from->is_live || to->is_live)
        return SL_MISUSE;
    sl_sequence_move(&to->content, &from->content);
    to->is_live = true;
    from->is_live = false;
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
