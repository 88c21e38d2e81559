#include "memory/block.h"

#include <string.h>
#include <unistd.h>

#include "spec/c/support/test.h"

static const enum sl_pool_mode modes[] = {SL_POOL_SLABS, SL_POOL_DIRECT,
                                          SL_POOL_GUARD};
static const size_t capacities[] = {1, 256, 4095, 4096, 4097, 100000};

#define MODES      (sizeof modes / sizeof modes[0])
#define CAPACITIES (sizeof capacities / sizeof capacities[0])

static void init_pool(struct sl_pool *pool, struct sl_allocator *allocator,
                      enum sl_pool_mode mode)
{
    const struct sl_pool_options options = {.mode = mode};

    sl_pool_init(pool, allocator, &options);
}

static void live(struct sl_allocator *allocator, void *argument)
{
    const size_t *capacity = argument;

    for (size_t i = 0; i < MODES; i++) {
        struct sl_pool pool;
        struct sl_block *block;

        init_pool(&pool, allocator, modes[i]);
        block = sl_block_create(&pool, *capacity, 3);
        if (block == NULL) {
            CHECK(test_allocator_has_failed(allocator));
        } else {
            CHECK(sl_block_of(&block->segment) == block);
            CHECK(block->segment.pool == &pool);
            CHECK_INT(block->segment.capacity, *capacity);
            CHECK_INT(block->segment.size_class, 3);
            memset(block->segment.data, 'x', *capacity);
            sl_block_destroy(&pool, block);
        }
        CHECK_INT(sl_pool_fini(&pool), 0);
    }
}

TEST("holds as many bytes as asked for, in every mode")
{
    for (size_t i = 0; i < CAPACITIES; i++) {
        size_t capacity = capacities[i];

        test_each_failure(live, &capacity);
    }
}

TEST("is none of a size that no memory has")
{
    for (size_t i = 0; i < MODES; i++) {
        struct test_allocator allocator;
        struct sl_pool pool;

        test_allocator_init(&allocator);
        init_pool(&pool, &allocator.base, modes[i]);
        CHECK(sl_block_create(&pool, SIZE_MAX, 0) == NULL);
        CHECK(sl_block_create(&pool, SIZE_MAX / 2 + 1, 0) == NULL);
        CHECK_INT(sl_pool_fini(&pool), 0);
        test_allocator_fini(&allocator);
    }
}

/* The kernel refuses to write to a page that is closed. */
static bool is_closed(char *at)
{
    int ends[2];
    ssize_t got = -1;

    if (CHECK(pipe(ends) == 0) && CHECK(write(ends[1], "x", 1) == 1))
        got = read(ends[0], at, 1);
    close(ends[0]);
    close(ends[1]);
    return got < 0;
}

TEST("a guarded one ends before a closed page, and is closed itself at last")
{
    struct test_allocator allocator;
    struct sl_pool pool;

    test_allocator_init(&allocator);
    init_pool(&pool, &allocator.base, SL_POOL_GUARD);
    for (size_t i = 0; i < CAPACITIES; i++) {
        struct sl_block *block = sl_block_create(&pool, capacities[i], 0);
        char *data;

        REQUIRE(block != NULL);
        data = block->segment.data;
        CHECK(!is_closed(data));
        CHECK(!is_closed(data + capacities[i] - 1));
        CHECK(is_closed(data + capacities[i]));
        sl_block_close(block);
        CHECK(is_closed(data));
        CHECK(is_closed(data + capacities[i] - 1));
        sl_block_destroy(&pool, block);
    }
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

int main(void)
{
    return test_main();
}
