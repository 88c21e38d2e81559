#include "memory/block.h"
#include "memory/poison.h"
#include "memory/slab.h"

#include <string.h>

#define SMALLEST_BLOCK  ((size_t)256)
#define QUARANTINE_SIZE 256
#define SLABS_SEARCHED  8   /* for a run */
#define ADOPTED_CLASS   254 /* not a free list */

/* A segment over bytes of another owner's. */
struct adopted {
    struct sl_block block;
    void (*release)(void *owner);
    void *owner;
};

/* ---- counting ---- */

static inline void count_rent(struct sl_pool *pool, struct sl_segment *segment)
{
    uint64_t outstanding;

    segment->next = NULL;
    segment->filled = 0;
    segment->refs = 1;
    segment->pins = 0;
    segment->is_free = false;
    pool->stats.rented++;
    outstanding = sl_pool_outstanding(pool);
    if (outstanding > pool->stats.high_water)
        pool->stats.high_water = outstanding;
    pool->stats.bytes += segment->capacity;
}

static inline void count_return(struct sl_pool *pool,
                                struct sl_segment *segment)
{
    segment->generation++;
    segment->is_free = true;
    pool->stats.returned++;
    pool->stats.bytes -= segment->capacity;
}

/* ---- slabs ---- */

/* After `count` segments have left its free list. */
static inline void count_used(struct sl_pool *pool, struct sl_slab *slab,
                              size_t count)
{
    slab->used += count;
    if (slab->free == NULL) {
        sl_slab_unlink(&pool->slabs, slab);
        sl_slab_link(&pool->full_slabs, slab);
    }
}

static inline void open_segment(struct sl_pool *pool,
                                struct sl_segment *segment)
{
    sl_unhide(segment->data, segment->capacity);
    if (pool->options.poison)
        sl_poison_verify(segment);
    count_rent(pool, segment);
    pool->stats.spare -= segment->capacity;
}

/* Before the first of `count` segments side by side is used. */
static inline void make_present(struct sl_slab *slab,
                                const struct sl_segment *first, size_t count)
{
    const struct sl_segment *last = first + count - 1;
    size_t end = (size_t)(last->data - slab->data) + last->capacity;

    if (end > slab->present)
        sl_slab_make_present(slab, end);
}

static inline enum sl_status rent_from_slab(struct sl_pool *pool,
                                            struct sl_segment **out)
{
    struct sl_slab *slab = pool->slabs;
    struct sl_segment *segment;

    if (slab == NULL && (slab = sl_slab_create(pool)) == NULL)
        return SL_MEMORY;
    segment = slab->free;
    slab->free = segment->next;
    make_present(slab, segment, 1);
    count_used(pool, slab, 1);
    open_segment(pool, segment);
    *out = segment;
    return SL_OK;
}

/* The longest run of up to `most` that a few slabs have. */
static enum sl_status rent_run_from_slabs(struct sl_pool *pool, size_t most,
                                          struct sl_segment **out)
{
    struct sl_segment *first = NULL;
    struct sl_slab *slab = pool->slabs;
    size_t longest = 0;

    if (slab == NULL && (slab = sl_slab_create(pool)) == NULL)
        return SL_MEMORY;
    for (size_t i = 0; i < SLABS_SEARCHED && slab != NULL && longest < most;
         i++) {
        size_t count = most;
        struct sl_segment *found = sl_slab_find_run(slab, &count);

        if (count > longest) {
            longest = count;
            first = found;
        }
        slab = slab->next;
    }
    sl_assert(first != NULL); /* a slab in the list has a free segment */
    sl_slab_take_run(first->slab, first, longest);
    make_present(first->slab, first, longest);
    count_used(pool, first->slab, longest);
    for (size_t i = 0; i < longest; i++)
        open_segment(pool, &first[i]);
    for (size_t i = 1; i < longest; i++)
        first[i - 1].next = &first[i];
    *out = first;
    return SL_OK;
}

static inline bool has_excess(const struct sl_pool *pool)
{
    return pool->stats.spare - pool->spare_blocks > pool->options.spare_limit;
}

static inline void return_to_slab(struct sl_pool *pool,
                                  struct sl_segment *segment)
{
    struct sl_slab *slab = segment->slab;

    /* The segment returned last goes out first: its bytes are in cache. */
    if (slab != pool->slabs) {
        sl_slab_unlink(slab->free == NULL ? &pool->full_slabs : &pool->slabs,
                       slab);
        sl_slab_link(&pool->slabs, slab);
    }
    segment->next = slab->free;
    slab->free = segment;
    slab->used--;
    pool->stats.spare += segment->capacity;
    if (pool->options.poison)
        sl_poison_fill(segment);
    sl_hide(segment->data, segment->capacity);
    if (slab->used == 0 && has_excess(pool) && !pool->is_hurried) {
        sl_slab_unlink(&pool->slabs, slab);
        sl_slab_destroy(pool, slab);
    }
}

/* Returns the segments that were fused to this one, which is returned next. */
static void return_fused(struct sl_pool *pool, struct sl_segment *segment)
{
    size_t count = segment->capacity / pool->options.segment_size;

    segment->capacity = pool->options.segment_size;
    while (count-- > 1) {
        count_return(pool, &segment[count]);
        return_to_slab(pool, &segment[count]);
    }
}

/* ---- blocks ---- */

static void link_block(struct sl_pool *pool, struct sl_block *block)
{
    block->previous = NULL;
    block->next = pool->rented_blocks;
    if (block->next != NULL)
        block->next->previous = block;
    pool->rented_blocks = block;
}

static enum sl_status rent_from_block(struct sl_pool *pool, size_t capacity,
                                      uint8_t size_class,
                                      struct sl_segment **out)
{
    struct sl_segment *segment = NULL;
    struct sl_block *block;

    if (size_class != SL_NO_CLASS)
        segment = pool->free_blocks[size_class];
    if (segment != NULL) {
        block = sl_block_of(segment);
        pool->free_blocks[size_class] = segment->next;
        pool->stats.spare -= capacity;
        pool->spare_blocks -= capacity;
        sl_unhide(segment->data, capacity);
        if (pool->options.poison)
            sl_poison_verify(segment);
    } else {
        block = sl_block_create(pool, capacity, size_class);
        if (block == NULL)
            return SL_MEMORY;
        segment = &block->segment;
    }
    link_block(pool, block);
    count_rent(pool, segment);
    *out = segment;
    return SL_OK;
}

static void quarantine(struct sl_pool *pool, struct sl_block *block)
{
    sl_block_close(block);
    block->next = NULL;
    if (pool->quarantine == NULL)
        pool->quarantine = block;
    else
        pool->quarantine_last->next = block;
    pool->quarantine_last = block;
    if (pool->quarantine_count < QUARANTINE_SIZE) {
        pool->quarantine_count++;
        return;
    }
    block = pool->quarantine;
    pool->quarantine = block->next;
    sl_block_destroy(pool, block);
}

/* Frees a spare block of the largest class above that one. False: there is
 * none. */
static bool drop_larger(struct sl_pool *pool, size_t size_class)
{
    for (size_t i = SL_POOL_CLASSES; i-- > size_class + 1;) {
        struct sl_segment *segment = pool->free_blocks[i];

        if (segment == NULL)
            continue;
        pool->free_blocks[i] = segment->next;
        pool->stats.spare -= segment->capacity;
        pool->spare_blocks -= segment->capacity;
        sl_block_destroy(pool, sl_block_of(segment));
        return true;
    }
    return false;
}

/* Makes room among the spare blocks: a few large ones must not cost each small
 * one its place. */
static bool has_place(struct sl_pool *pool, const struct sl_segment *segment)
{
    size_t most = pool->options.spare_limit / 4;

    if (segment->size_class == SL_NO_CLASS || segment->capacity > most)
        return false;
    while (segment->capacity > most - pool->spare_blocks)
        if (!drop_larger(pool, segment->size_class))
            return false;
    return true;
}

/* `pool` is NULL when it is gone, and its allocator with it. */
static void release_adopted(struct sl_pool *pool, struct adopted *adopted)
{
    void (*release)(void *owner) = adopted->release;
    void *owner = adopted->owner;

    if (pool != NULL)
        sl_free(pool->allocator, adopted, sizeof *adopted);
    release(owner);
}

static void return_block(struct sl_pool *pool, struct sl_segment *segment)
{
    struct sl_block *block = sl_block_of(segment);

    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        pool->rented_blocks = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;

    if (segment->size_class == ADOPTED_CLASS) {
        release_adopted(pool, (struct adopted *)(void *)block);
        return;
    }
    if (pool->options.mode == SL_POOL_GUARD) {
        quarantine(pool, block);
        return;
    }
    if (pool->options.poison)
        sl_poison_fill(segment);
    if (pool->options.mode == SL_POOL_DIRECT || !has_place(pool, segment)) {
        sl_block_destroy(pool, block);
        return;
    }
    sl_hide(segment->data, segment->capacity);
    segment->next = pool->free_blocks[segment->size_class];
    pool->free_blocks[segment->size_class] = segment;
    pool->stats.spare += segment->capacity;
    pool->spare_blocks += segment->capacity;
}

/* ---- the pool ---- */

void sl_pool_init(struct sl_pool *pool, struct sl_allocator *allocator,
                  const struct sl_pool_options *options)
{
    memset(pool, 0, sizeof *pool);
    pool->allocator = allocator;
    pool->options.spare_limit = SIZE_MAX;
    if (options != NULL)
        pool->options = *options;
    if (pool->options.segment_size == 0)
        pool->options.segment_size = SL_SEGMENT_SIZE;
    if (pool->options.max_bytes == 0)
        pool->options.max_bytes = SIZE_MAX;
    if (pool->options.spare_limit == SIZE_MAX)
        pool->options.spare_limit = SL_SPARE_LIMIT;
    if (SL_DEBUG >= 2)
        pool->options.poison = true;
}

static void abandon_slab(struct sl_slab *slab)
{
    for (size_t i = 0; i < slab->count; i++)
        slab->segments[i].pool = NULL;
}

size_t sl_pool_fini(struct sl_pool *pool)
{
    size_t abandoned = (size_t)sl_pool_outstanding(pool);
    struct sl_slab *slab;
    struct sl_block *block;

    sl_pool_trim(pool, 0);
    while ((block = pool->quarantine) != NULL) {
        pool->quarantine = block->next;
        sl_block_destroy(pool, block);
    }
    pool->quarantine_count = 0;
    /* A holder of a segment may release it later: the segment must not come
     * looking for a pool that is gone. */
    for (slab = pool->slabs; slab != NULL; slab = slab->next)
        abandon_slab(slab);
    for (slab = pool->full_slabs; slab != NULL; slab = slab->next)
        abandon_slab(slab);
    for (block = pool->rented_blocks; block != NULL; block = block->next)
        block->segment.pool = NULL;
    pool->slabs = pool->full_slabs = NULL;
    pool->rented_blocks = NULL;
    pool->stats.quarantined += abandoned;
    return abandoned;
}

enum sl_status sl_pool_rent(struct sl_pool *pool, struct sl_segment **segment)
{
    size_t size = pool->options.segment_size;

    if (size > pool->options.max_bytes - pool->stats.bytes)
        return SL_LIMIT;
    if (pool->options.mode == SL_POOL_SLABS)
        return rent_from_slab(pool, segment);
    return rent_from_block(pool, size, SL_NO_CLASS, segment);
}

enum sl_status sl_pool_rent_run(struct sl_pool *pool, size_t most,
                                struct sl_segment **run)
{
    size_t size = pool->options.segment_size;
    size_t left = (pool->options.max_bytes - pool->stats.bytes) / size;

    sl_assert(most > 0);
    if (most > left)
        most = left;
    /* Segments of an odd size do not adjoin, nor do those of one mapping or
     * allocation each. */
    if (most <= 1 || pool->options.mode != SL_POOL_SLABS ||
        size % SL_ALIGNMENT != 0)
        return sl_pool_rent(pool, run);
    return rent_run_from_slabs(pool, most, run);
}

/* The class of blocks that `size` bytes go into, and the capacity of these. */
static inline uint8_t find_class(size_t size, size_t *capacity)
{
    int bits;

    if (size <= SMALLEST_BLOCK) {
        *capacity = SMALLEST_BLOCK;
        return 0;
    }
    if (size > SMALLEST_BLOCK << (SL_POOL_CLASSES - 1)) {
        *capacity = size;
        return SL_NO_CLASS;
    }
    bits = 64 - __builtin_clzll((unsigned long long)size - 1);
    *capacity = (size_t)1 << bits;
    return (uint8_t)(bits - 8);
}

size_t sl_pool_block_capacity(size_t size)
{
    size_t capacity;

    find_class(size, &capacity);
    return capacity;
}

enum sl_status sl_pool_rent_block(struct sl_pool *pool, size_t size,
                                  struct sl_segment **block)
{
    size_t capacity;
    uint8_t size_class = find_class(size, &capacity);

    if (capacity > pool->options.max_bytes - pool->stats.bytes)
        return SL_LIMIT;
    if (capacity == pool->options.segment_size &&
        pool->options.mode == SL_POOL_SLABS)
        return rent_from_slab(pool, block);
    return rent_from_block(pool, capacity, size_class, block);
}

enum sl_status sl_pool_rent_exact(struct sl_pool *pool, size_t size,
                                  struct sl_segment **block)
{
    if (size > pool->options.max_bytes - pool->stats.bytes)
        return SL_LIMIT;
    return rent_from_block(pool, size, SL_NO_CLASS, block);
}

enum sl_status sl_pool_adopt(struct sl_pool *pool, const void *data,
                             size_t size, void (*release)(void *owner),
                             void *owner, struct sl_segment **segment)
{
    struct adopted *adopted;

    if (size > pool->options.max_bytes - pool->stats.bytes)
        return SL_LIMIT;
    adopted = sl_allocate(pool->allocator, sizeof *adopted);
    if (adopted == NULL)
        return SL_MEMORY;
    memset(adopted, 0, sizeof *adopted);
    adopted->release = release;
    adopted->owner = owner;
    adopted->block.segment.pool = pool;
    adopted->block.segment.data = (char *)(uintptr_t)data;
    adopted->block.segment.capacity = size;
    adopted->block.segment.size_class = ADOPTED_CLASS;
    link_block(pool, &adopted->block);
    count_rent(pool, &adopted->block.segment);
    adopted->block.segment.filled = size;
    *segment = &adopted->block.segment;
    return SL_OK;
}

void sl_pool_return(struct sl_segment *segment)
{
    struct sl_pool *pool = segment->pool;

    if (pool == NULL) { /* abandoned: its memory stays for good */
        if (segment->size_class == ADOPTED_CLASS)
            release_adopted(NULL, (struct adopted *)(void *)segment);
        return;
    }
    if (segment->slab != NULL) {
        if (segment->capacity > pool->options.segment_size)
            return_fused(pool, segment);
        count_return(pool, segment);
        return_to_slab(pool, segment);
    } else {
        count_return(pool, segment);
        return_block(pool, segment);
    }
}

void sl_pool_trim(struct sl_pool *pool, size_t keep)
{
    struct sl_slab *slab = pool->slabs;

    for (size_t i = SL_POOL_CLASSES; i-- > 0;) {
        struct sl_segment *segment;

        while (pool->stats.spare > keep &&
               (segment = pool->free_blocks[i]) != NULL) {
            pool->free_blocks[i] = segment->next;
            pool->stats.spare -= segment->capacity;
            pool->spare_blocks -= segment->capacity;
            sl_block_destroy(pool, sl_block_of(segment));
        }
    }
    while (slab != NULL && pool->stats.spare > keep) {
        struct sl_slab *next = slab->next;

        if (slab->used == 0) {
            sl_slab_unlink(&pool->slabs, slab);
            sl_slab_destroy(pool, slab);
        }
        slab = next;
    }
}

/* Those of a slab are given back in parts: each page of them takes time. */
#define TRIMMED_AT_ONCE ((size_t)512 * 1024)

bool sl_pool_trim_some(struct sl_pool *pool)
{
    struct sl_slab *slab = pool->slabs;

    if (!has_excess(pool))
        return false;
    while (slab != NULL && slab->used > 0)
        slab = slab->next;
    if (slab == NULL)
        return false;
    if (pool->is_hurried && slab->present > TRIMMED_AT_ONCE &&
        !pool->options.poison) {
        sl_slab_make_absent(slab, TRIMMED_AT_ONCE);
        return true;
    }
    sl_slab_unlink(&pool->slabs, slab);
    sl_slab_destroy(pool, slab);
    return true;
}

void sl_pool_hurry(struct sl_pool *pool, bool is_hurried)
{
    pool->is_hurried = is_hurried;
    while (!is_hurried && sl_pool_trim_some(pool))
        continue;
}
