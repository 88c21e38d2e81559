/* memory/segment.h - a reference-counted block of bytes
 *
 *   data                filled             capacity
 *   [ ######## in use ###|________ room ________ ]
 *
 * Different owners may show different ranges below `filled` at the same time.
 * The owner of a range that ends at `filled` may extend it and write behind it.
 * Below it only the reader of a range writes, inside that range (decoding in
 * place).
 *
 * refs counts owners. pins counts what may touch the bytes without owning them:
 * the kernel, another thread, a library. A segment returns to its pool when
 * both are zero. A pinned segment's room belongs to the code that pinned it.
 */
#ifndef SL_MEMORY_SEGMENT_H
#define SL_MEMORY_SEGMENT_H

#include "base/debug.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_pool;
struct sl_slab;

struct sl_segment {
    struct sl_pool *pool;    /* NULL when its pool is gone (sl_pool_fini) */
    struct sl_segment *next; /* in a free list; else its holder's to use */
    struct sl_slab *slab;    /* NULL for blocks */
    char *data;
    size_t capacity;
    size_t filled;
    uint32_t refs;
    uint32_t pins;
    uint32_t generation; /* rises at every return */
    uint8_t size_class;  /* index of its free list; 255: none */
    bool is_free;
};

static inline void sl_segment_retain(struct sl_segment *segment)
{
    sl_assert(!segment->is_free);
    segment->refs++;
}

/* For the two below: gives a segment without holders back to its pool. */
void sl_pool_return(struct sl_segment *segment);

/* Releases a reference. The last one gives the segment back, unless pinned. */
static inline void sl_segment_release(struct sl_segment *segment)
{
    sl_assert(!segment->is_free && segment->refs > 0);
    if (--segment->refs == 0 && segment->pins == 0)
        sl_pool_return(segment);
}

static inline void sl_segment_pin(struct sl_segment *segment)
{
    sl_assert(!segment->is_free);
    segment->pins++;
}

/* Releases each segment of a chain by `next`; NULL is an empty chain. */
void sl_segment_release_chain(struct sl_segment *segment);

/* Makes one segment of two full ones with one reference each and no pins, where
 * the second lies behind the first: the reference to the second becomes a part
 * of that to the first. They return as the segments that they were, and are
 * counted as such. False: they do not adjoin. */
bool sl_segment_fuse(struct sl_segment *segment, struct sl_segment *next);

/* Gives the segment back when it has no holder left. */
void sl_segment_unpin(struct sl_segment *segment);

#endif
