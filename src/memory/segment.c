#include "memory/segment.h"

#include "memory/pool.h"

void sl_segment_unpin(struct sl_segment *segment)
{
    sl_assert(!segment->is_free && segment->pins > 0);
    if (--segment->pins == 0 && segment->refs == 0)
        sl_pool_return(segment);
}

void sl_segment_release_chain(struct sl_segment *segment)
{
    while (segment != NULL) {
        struct sl_segment *next = segment->next;

        segment->next = NULL;
        sl_segment_release(segment);
        segment = next;
    }
}

bool sl_segment_fuse(struct sl_segment *segment, struct sl_segment *next)
{
    if (segment->slab == NULL || segment->slab != next->slab ||
        segment->data + segment->capacity != next->data)
        return false;
    sl_assert(segment->refs == 1 && segment->pins == 0);
    sl_assert(next->refs == 1 && next->pins == 0);
    sl_assert(segment->filled == segment->capacity);
    segment->capacity += next->capacity;
    segment->filled += next->filled;
    next->capacity = segment->pool->options.segment_size;
    next->refs = 0;
    return true;
}
