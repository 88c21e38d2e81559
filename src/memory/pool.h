/* memory/pool.h - rents segments of 16 KiB and blocks of other sizes
 *
 * in:  base/allocator.h, the kernel (slabs)    out: everything that holds bytes
 *
 * One pool per runtime, used by that runtime's thread alone. Standard segments
 * are carved from slabs of 2 MiB, most recently returned first so that their
 * bytes are still in cache; blocks of other sizes come in powers of two.
 *
 *   slab   [ seg | seg | seg | ... 128 ]   data page-aligned, headers apart
 *   class  256 B, 512 B, ... 8 MiB          a header and its data, one malloc
 *
 * The first slab uses plain pages so that a small program stays small; later
 * ones ask for huge pages, because a fault costs more than the copy. The fault
 * of a huge page takes half a millisecond at once, or more: not in a hurry.
 * Kept spare: segments up to `spare_limit` bytes, blocks up to a quarter of it.
 * The rest goes back at once, a slab when its last segment has come home.
 */
#ifndef SL_MEMORY_POOL_H
#define SL_MEMORY_POOL_H

#include "base/allocator.h"
#include "base/status.h"
#include "memory/segment.h"

#include <stddef.h>
#include <stdint.h>

#define SL_SEGMENT_SIZE ((size_t)16 * 1024)
#define SL_SPARE_LIMIT  ((size_t)4 * 1024 * 1024)
#define SL_POOL_CLASSES 16 /* 256 B to 8 MiB */

enum sl_pool_mode {
    SL_POOL_SLABS,  /* recycle (the default) */
    SL_POOL_DIRECT, /* rent and free straight from the allocator */
    SL_POOL_GUARD   /* one mapping per block, PROT_NONE after its return */
};

struct sl_pool_options {
    enum sl_pool_mode mode;
    size_t segment_size; /* 0: SL_SEGMENT_SIZE */
    size_t max_bytes;    /* rented at once; 0: no cap */
    size_t spare_limit;  /* free bytes kept; SIZE_MAX: SL_SPARE_LIMIT */
    bool poison;         /* fill with 0xDB on return, verify on rent */
};

struct sl_pool_stats {
    uint64_t rented;      /* segments and blocks, ever */
    uint64_t returned;    /* the same; rented - returned are outstanding */
    uint64_t high_water;  /* the most that were outstanding at once */
    size_t bytes;         /* capacity rented now */
    size_t spare;         /* capacity kept free */
    uint64_t quarantined; /* never freed because something may still write */
};

struct sl_slab;
struct sl_block;

struct sl_pool {
    struct sl_allocator *allocator;
    struct sl_pool_options options; /* defaults filled in */
    struct sl_pool_stats stats;
    struct sl_slab *slabs;      /* with free segments, last returned to first */
    struct sl_slab *full_slabs; /* without */
    size_t slab_count;
    size_t spare_blocks; /* the part of stats.spare that is blocks */
    struct sl_segment *free_blocks[SL_POOL_CLASSES];
    struct sl_block *rented_blocks; /* so that fini can abandon them */
    struct sl_block *quarantine;    /* SL_POOL_GUARD: returned, oldest first */
    struct sl_block *quarantine_last;
    size_t quarantine_count;
    /* No call may take long: a new slab has plain pages, which are made present
     * as they are rented, and one that is not needed stays until
     * sl_pool_trim_some. */
    bool is_hurried;
};

/* `options` NULL: the defaults. Acquires nothing. */
void sl_pool_init(struct sl_pool *pool, struct sl_allocator *allocator,
                  const struct sl_pool_options *options);

/* Gives back all free memory. What is still rented or pinned is abandoned with
 * its memory and counted as quarantined: a leak beats a late write. Returns how
 * many that were. */
size_t sl_pool_fini(struct sl_pool *pool);

/* Rents an empty standard segment, with one reference. SL_MEMORY; SL_LIMIT when
 * `max_bytes` would be exceeded. */
enum sl_status sl_pool_rent(struct sl_pool *pool, struct sl_segment **segment);

/* Rents up to `most` segments that adjoin, with one reference to each: one
 * piece of memory from the first one's data on, as a chain by `next`. The chain
 * is shorter where no group has that many free side by side. Statuses as
 * above. */
enum sl_status sl_pool_rent_run(struct sl_pool *pool, size_t most,
                                struct sl_segment **run);

/* Rents a block of at least `size` bytes, with one reference: the next power of
 * two, above the largest class exactly the size. Statuses as above. */
enum sl_status sl_pool_rent_block(struct sl_pool *pool, size_t size,
                                  struct sl_segment **block);

/* The capacity of the block that it rents. */
size_t sl_pool_block_capacity(size_t size);

/* Rents a block of exactly `size` bytes, freed on its return. */
enum sl_status sl_pool_rent_exact(struct sl_pool *pool, size_t size,
                                  struct sl_segment **block);

/* A segment, with one reference, over `size` bytes that are another owner's and
 * stay as they are: nothing is written to them. `release(owner)` is called once
 * when the segment returns, also if the pool is gone by then; what is pinned
 * for good never returns. SL_MEMORY and SL_LIMIT: nothing was called. */
enum sl_status sl_pool_adopt(struct sl_pool *pool, const void *data,
                             size_t size, void (*release)(void *owner),
                             void *owner, struct sl_segment **segment);

/* Frees spare memory down to `keep` bytes. */
void sl_pool_trim(struct sl_pool *pool, size_t keep);

/* From now on no call takes long, or all may: then what stayed is freed. */
void sl_pool_hurry(struct sl_pool *pool, bool is_hurried);
/* Frees one slab above the spare limit, or in a hurry a part of one. False:
 * there is none. */
bool sl_pool_trim_some(struct sl_pool *pool);

static inline uint64_t sl_pool_outstanding(const struct sl_pool *pool)
{
    return pool->stats.rented - pool->stats.returned;
}

#endif
