#include "memory/segment.h"

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
