#include "memory/block.h"

#include "memory/poison.h"
#include "memory/slab.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t header_size(void)
{
    return sl_round_up(sizeof(struct sl_block), SL_ALIGNMENT);
}

/* Pages for the data of a guarded block, and one more that stays closed. */
static size_t guard_size(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return sl_round_up(capacity, page) + page;
}

/* The data ends where the closed page begins: one byte too many is a crash. */
static char *guard_map(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = guard_size(capacity);
    char *pages = sl_map_pages(size);

    if (pages == NULL)
        return NULL;
    if (mprotect(pages + size - page, page, PROT_NONE) != 0) {
        munmap(pages, size);
        return NULL;
    }
    return pages + size - page - capacity;
}

static char *guard_pages(const struct sl_segment *segment)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return segment->data + segment->capacity + page -
           guard_size(segment->capacity);
}

struct sl_block *sl_block_create(struct sl_pool *pool, size_t capacity,
                                 uint8_t size_class)
{
    bool is_guarded = pool->options.mode == SL_POOL_GUARD;
    size_t header = header_size();
    struct sl_block *block;

    if (capacity > SIZE_MAX / 2)
        return NULL;
    block = sl_allocate(pool->allocator, header + (is_guarded ? 0 : capacity));
    if (block == NULL)
        return NULL;
    memset(block, 0, sizeof *block);
    block->segment.data =
        is_guarded ? guard_map(capacity) : (char *)block + header;
    if (block->segment.data == NULL) {
        sl_free(pool->allocator, block, header);
        return NULL;
    }
    block->segment.pool = pool;
    block->segment.capacity = capacity;
    block->segment.size_class = size_class;
    return block;
}

void sl_block_destroy(struct sl_pool *pool, struct sl_block *block)
{
    struct sl_segment *segment = &block->segment;
    size_t size = header_size();

    if (pool->options.mode == SL_POOL_GUARD) {
        munmap(guard_pages(segment), guard_size(segment->capacity));
    } else {
        sl_unhide(segment->data, segment->capacity);
        size += segment->capacity;
    }
    sl_free(pool->allocator, block, size);
}

void sl_block_close(struct sl_block *block)
{
    struct sl_segment *segment = &block->segment;

    mprotect(guard_pages(segment), guard_size(segment->capacity), PROT_NONE);
}
