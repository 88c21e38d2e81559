/* memory/block.h - a segment with memory of its own, for a pool
 *
 * in, out: memory/pool.c, which alone includes this
 *
 *   usually         [ header | data ]
 *   SL_POOL_GUARD   [ header ]   [ ____ data | closed page ]
 */
#ifndef SL_MEMORY_BLOCK_H
#define SL_MEMORY_BLOCK_H

#include "memory/pool.h"

struct sl_block {
    struct sl_segment segment; /* first */
    struct sl_block *next;
    struct sl_block *previous;
};

static inline struct sl_block *sl_block_of(struct sl_segment *segment)
{
    return (struct sl_block *)segment;
}

/* NULL without memory. */
struct sl_block *sl_block_create(struct sl_pool *pool, size_t capacity,
                                 uint8_t size_class);
/* Destroys a block that is in no list. */
void sl_block_destroy(struct sl_pool *pool, struct sl_block *block);

/* SL_POOL_GUARD: from now on any touch of the data is a crash. */
void sl_block_close(struct sl_block *block);

#endif
