#include "spec/c/fuzz/ground.h"

#include "memory/poison.h"

#include <stdio.h>
#include <stdlib.h>

#define POOLS  16
#define BLOCKS 32

struct kept {
    void *block; /* NULL: a free place */
    size_t size;
};

static struct sl_pool pools[POOLS];
static size_t pool_count;
static struct kept kept[BLOCKS];

void ground_demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static void *find_kept(size_t size)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        void *block = kept[i].block;

        if (block == NULL || kept[i].size != size)
            continue;
        kept[i].block = NULL;
        sl_unhide(block, size);
        return block;
    }
    return malloc(size);
}

static void keep(void *block, size_t size)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        if (kept[i].block != NULL)
            continue;
        kept[i].block = block;
        kept[i].size = size;
        sl_hide(block, size);
        return;
    }
    free(block);
}

static void *resize(struct sl_allocator *self, void *pointer, size_t old_size,
                    size_t new_size)
{
    (void)self;
    if (pointer == NULL)
        return new_size < GROUND_KEPT ? malloc(new_size) : find_kept(new_size);
    if (new_size != 0)
        return realloc(pointer, new_size);
    if (old_size < GROUND_KEPT)
        free(pointer);
    else
        keep(pointer, old_size);
    return NULL;
}

struct sl_allocator *ground_allocator(void)
{
    static struct sl_allocator allocator = {.resize = resize};

    return &allocator;
}

struct sl_pool *ground_pool(enum sl_pool_mode mode, size_t segment_size)
{
    struct sl_pool_options options = {
        .mode = mode, .segment_size = segment_size, .spare_limit = SIZE_MAX};
    size_t i;

    for (i = 0; i < pool_count; i++)
        if (pools[i].options.segment_size == segment_size &&
            pools[i].options.mode == mode)
            return &pools[i];
    ground_demand(pool_count < POOLS, "there are a few pools");
    sl_pool_init(&pools[i], ground_allocator(), &options);
    pool_count++;
    return &pools[i];
}

void ground_all_returned(void)
{
    for (size_t i = 0; i < pool_count; i++)
        ground_demand(sl_pool_outstanding(&pools[i]) == 0,
                      "everything is returned");
}
