/* memory/slab.h - 2 MiB of segments, carved for a pool
 *
 * in, out: memory/pool.c, and memory/block.c for pages
 *
 *   headers   [ 0 | 1 | 2 | 3 | ... ]     free ones linked, last returned first
 *   data      [ 0 | 1 | 2 | 3 | ... ]     page-aligned; neighbours adjoin
 *
 * A pool keeps slabs with free segments in one list and full ones in another.
 */
#ifndef SL_MEMORY_SLAB_H
#define SL_MEMORY_SLAB_H

#include "memory/pool.h"

#define SL_ALIGNMENT ((size_t)16)
#define SL_NO_CLASS  255

/* Headers stay apart from the data: a return touches no cold page, and an
 * overrun of one segment cannot damage another's counts. */
struct sl_slab {
    struct sl_slab *next;
    struct sl_slab *previous;
    struct sl_segment *free;
    size_t used; /* segments rented */
    size_t count;
    char *data;
    size_t mapped;
    size_t present; /* bytes from `data` on whose pages need no fault, or do not
                       matter; fewer than all of them only in a hurry */
    struct sl_segment segments[];
};

static inline size_t sl_round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static inline void sl_slab_link(struct sl_slab **list, struct sl_slab *slab)
{
    slab->previous = NULL;
    slab->next = *list;
    if (slab->next != NULL)
        slab->next->previous = slab;
    *list = slab;
}

static inline void sl_slab_unlink(struct sl_slab **list, struct sl_slab *slab)
{
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        *list = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
}

/* With all segments free, in the pool's list; NULL without memory. */
struct sl_slab *sl_slab_create(struct sl_pool *pool);
/* Destroys a slab whose segments are all returned, and which is in no list. */
void sl_slab_destroy(struct sl_pool *pool, struct sl_slab *slab);

/* The first of up to `*count` free segments that stand side by side, in one of
 * the groups of so many; sets `*count` to how many they are. There is a free
 * one. */
struct sl_segment *sl_slab_find_run(struct sl_slab *slab, size_t *count);
/* Takes those out of the free list. */
void sl_slab_take_run(struct sl_slab *slab, const struct sl_segment *first,
                      size_t count);

/* Makes the pages of the bytes before `end` present, all with one call. */
void sl_slab_make_present(struct sl_slab *slab, size_t end);

/* Gives the last `size` bytes of what is present back to the system. */
void sl_slab_make_absent(struct sl_slab *slab, size_t size);

/* NULL without memory. */
void *sl_map_pages(size_t size);

#endif
