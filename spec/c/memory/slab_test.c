#include "memory/slab.h"

#include <string.h>

#include "spec/c/support/test.h"

#define MOST 600

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_segment *held[MOST];

static void open_pool(enum sl_pool_mode mode, size_t segment_size,
                      size_t max_bytes)
{
    const struct sl_pool_options options = {
        .mode = mode,
        .segment_size = segment_size,
        .max_bytes = max_bytes,
        .spare_limit = SIZE_MAX,
    };

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
}

static void close_pool(void)
{
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(pool.stats.bytes, 0);
    sl_pool_trim(&pool, 0);
    CHECK_INT(pool.stats.spare, 0);
    CHECK_INT(pool.slab_count, 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

/* How many segments the run has; all of them are written to as one piece. */
static size_t check_run(struct sl_segment *run)
{
    size_t count = 0;
    size_t size = 0;

    for (struct sl_segment *segment = run; segment != NULL;
         segment = segment->next) {
        CHECK(segment->data == run->data + size);
        CHECK_INT(segment->refs, 1);
        CHECK_INT(segment->filled, 0);
        CHECK(!segment->is_free);
        size += segment->capacity;
        count++;
    }
    memset(run->data, 7, size);
    return count;
}

static struct sl_segment *rent_run(size_t most)
{
    struct sl_segment *run = NULL;

    REQUIRE(sl_pool_rent_run(&pool, most, &run) == SL_OK);
    REQUIRE(run != NULL);
    return run;
}

/* Rents a run and counts it, then gives it back. */
static size_t count_run(size_t most)
{
    struct sl_segment *run = rent_run(most);
    size_t count = check_run(run);

    sl_segment_release_chain(run);
    return count;
}

static void hold(size_t count)
{
    for (size_t i = 0; i < count; i++)
        REQUIRE(sl_pool_rent(&pool, &held[i]) == SL_OK);
}

static void release(size_t index)
{
    sl_segment_release(held[index]);
    held[index] = NULL;
}

static void release_rest(size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (held[i] != NULL)
            release(i);
}

TEST("a run is one piece of memory, and is rented again once returned")
{
    struct sl_segment *run;
    char *data;

    open_pool(SL_POOL_SLABS, 0, 0);
    run = rent_run(4);
    data = run->data;
    CHECK_INT(check_run(run), 4);
    CHECK_INT(sl_pool_outstanding(&pool), 4);
    CHECK_INT(pool.stats.bytes, 4 * SL_SEGMENT_SIZE);
    sl_segment_release_chain(run);
    run = rent_run(4);
    CHECK(run->data == data);
    CHECK_INT(check_run(run), 4);
    /* In whatever order. */
    for (size_t i = 0; i < 4; i++, run = run->next)
        held[i] = run;
    release(2);
    release(0);
    release(3);
    release(1);
    run = rent_run(4);
    CHECK(run->data == data);
    sl_segment_release_chain(run);
    close_pool();
}

TEST("all of a slab can be rented in runs, and then the next slab")
{
    static struct sl_segment *runs[40];

    open_pool(SL_POOL_SLABS, 0, 0);
    for (int i = 0; i < 40; i++) {
        runs[i] = rent_run(4);
        CHECK_INT(check_run(runs[i]), 4);
    }
    CHECK_INT(pool.slab_count, 2);
    CHECK_INT(pool.stats.spare, (256 - 160) * SL_SEGMENT_SIZE);
    for (int i = 0; i < 40; i++)
        sl_segment_release_chain(runs[i]);
    close_pool();
}

TEST("a run is found however free segments are scattered")
{
    static struct sl_segment *runs[32];
    uint32_t random = 3;

    open_pool(SL_POOL_SLABS, 0, 0);
    hold(128);
    for (size_t left = 128; left > 0;) {
        random = random * 1664525u + 1013904223u;
        if (held[(random >> 16) % 128] == NULL)
            continue;
        release((random >> 16) % 128);
        left--;
    }
    for (int i = 0; i < 28; i++) {
        runs[i] = rent_run(4);
        CHECK(check_run(runs[i]) >= 1);
    }
    for (int i = 0; i < 28; i++)
        sl_segment_release_chain(runs[i]);
    CHECK_INT(count_run(4), 4);
    /* One at a time, as a stream takes them, always. */
    for (int i = 0; i < 1000; i++)
        CHECK_INT(count_run(4), 4);
    close_pool();
}

TEST("a run is shorter if fewer free segments adjoin")
{
    open_pool(SL_POOL_SLABS, 0, 0);
    hold(128);
    for (size_t i = 0; i < 128; i += 2)
        release(i);
    CHECK_INT(count_run(4), 1);
    release(63);
    CHECK_INT(count_run(4), 2);
    CHECK_INT(count_run(2), 2);
    release(61);
    CHECK_INT(count_run(4), 4);
    CHECK_INT(count_run(3), 3);
    release_rest(128);
    close_pool();
}

TEST("runs do not leave gaps between each other")
{
    static struct sl_segment *runs[8];

    open_pool(SL_POOL_SLABS, 0, 0);
    /* A reader is behind by some, and lets a run go in two parts. */
    for (int i = 0; i < 8; i++)
        runs[i] = rent_run(4);
    for (int i = 0; i < 1000; i++) {
        struct sl_segment *old = runs[i % 8];
        struct sl_segment *rest = old->next->next;

        old->next->next = NULL;
        sl_segment_release_chain(old);
        runs[i % 8] = rent_run(4);
        CHECK_INT(check_run(runs[i % 8]), 4);
        CHECK(runs[i % 8] < pool.slabs->segments + (9 * 4));
        sl_segment_release_chain(rest);
    }
    for (int i = 0; i < 8; i++)
        sl_segment_release_chain(runs[i]);
    close_pool();
}

TEST("a run comes from another slab if the first has no room")
{
    struct sl_segment *run;

    open_pool(SL_POOL_SLABS, 0, 0);
    hold(256);
    for (size_t i = 128; i < 136; i++)
        release(i);
    for (size_t i = 0; i < 128; i += 2)
        release(i);
    CHECK(pool.slabs->segments <= held[1] &&
          held[1] < pool.slabs->segments + 128);
    run = rent_run(4);
    CHECK_INT(check_run(run), 4);
    CHECK(run->slab != pool.slabs);
    sl_segment_release_chain(run);
    release_rest(256);
    close_pool();
}

TEST("a run stays within the pool's cap")
{
    struct sl_segment *run = NULL;

    open_pool(SL_POOL_SLABS, 1024, 3 * 1024);
    CHECK_INT(count_run(4), 3);
    hold(2);
    CHECK_INT(count_run(4), 1);
    release_rest(2);
    hold(3);
    CHECK_INT(sl_pool_rent_run(&pool, 4, &run), SL_LIMIT);
    CHECK(run == NULL);
    release_rest(3);
    close_pool();
}

TEST("a run is one segment in modes where segments never adjoin")
{
    open_pool(SL_POOL_DIRECT, 0, 0);
    CHECK_INT(count_run(4), 1);
    close_pool();
    open_pool(SL_POOL_GUARD, 0, 0);
    CHECK_INT(count_run(4), 1);
    close_pool();
    open_pool(SL_POOL_SLABS, 23, 0);
    CHECK_INT(count_run(4), 1);
    close_pool();
    open_pool(SL_POOL_SLABS, 3 * 1024 * 1024, 0);
    CHECK_INT(count_run(4), 1);
    close_pool();
}

static void fail_somewhere(struct sl_allocator *failing, void *argument)
{
    struct sl_segment *run = NULL;

    (void)argument;
    sl_pool_init(&pool, failing, NULL);
    if (sl_pool_rent_run(&pool, 4, &run) == SL_OK) {
        CHECK_INT(check_run(run), 4);
        sl_segment_release_chain(run);
    } else {
        CHECK(test_allocator_has_failed(failing));
        CHECK(run == NULL);
    }
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("survives each failing allocation")
{
    test_each_failure(fail_somewhere, NULL);
}

TEST("a run that is rented in a hurry is one piece, and present")
{
    struct sl_segment *run;

    open_pool(SL_POOL_SLABS, SL_SEGMENT_SIZE, 0);
    sl_pool_hurry(&pool, true);
    REQUIRE(sl_pool_rent_run(&pool, 16, &run) == SL_OK);
    CHECK(run->slab->present >= 16 * SL_SEGMENT_SIZE);
    CHECK(run->slab->present < run->slab->mapped);
    for (struct sl_segment *next = run; next != NULL; next = run) {
        memset(next->data, 1, next->capacity);
        run = next->next;
        next->next = NULL;
        sl_segment_release(next);
    }
    close_pool();
}

/* Fills each segment of a run of four with its own number. */
static void fill_run(struct sl_segment *run, struct sl_segment **parts)
{
    for (size_t i = 0; i < 4; i++) {
        parts[i] = run;
        memset(run->data, (int)i + 1, run->capacity);
        run->filled = run->capacity;
        run = run->next;
        parts[i]->next = NULL;
    }
}

TEST("full segments that adjoin become one, and return as what they were")
{
    struct sl_segment *parts[4];
    struct sl_segment *other;
    struct sl_segment *block;
    uint32_t generation;

    open_pool(SL_POOL_SLABS, 64, 0);
    fill_run(rent_run(4), parts);
    generation = parts[3]->generation;
    REQUIRE(sl_pool_rent(&pool, &other) == SL_OK);
    REQUIRE(sl_pool_rent_block(&pool, 5000, &block) == SL_OK);
    other->filled = other->capacity;
    block->filled = block->capacity;

    CHECK(!sl_segment_fuse(parts[0], parts[2]));
    CHECK(!sl_segment_fuse(parts[1], parts[0]));
    CHECK(!sl_segment_fuse(block, parts[0]));
    CHECK(sl_segment_fuse(parts[2], parts[3]));
    CHECK(sl_segment_fuse(parts[0], parts[1]));
    CHECK(sl_segment_fuse(parts[0], parts[2])); /* two pairs */
    CHECK_INT(parts[0]->capacity, 256);
    CHECK_INT(parts[0]->filled, 256);
    CHECK_INT(parts[0]->data[255], 4);
    CHECK_INT(sl_pool_outstanding(&pool), 6);

    sl_segment_release(parts[0]);
    CHECK_INT(sl_pool_outstanding(&pool), 2);
    CHECK_INT(pool.stats.bytes, 64 + block->capacity);
    CHECK_INT(parts[3]->generation, generation + 1);
    for (size_t i = 0; i < 4; i++) {
        CHECK(parts[i]->is_free);
        CHECK_INT(parts[i]->capacity, 64);
    }
    sl_segment_release(other);
    sl_segment_release(block);
    CHECK_INT(count_run(4), 4);
    close_pool();
}

TEST("a fused segment that is held when the pool ends is abandoned whole")
{
    static char bytes[256];
    struct sl_segment *parts[4];

    open_pool(SL_POOL_SLABS, 64, 0);
    fill_run(rent_run(4), parts);
    for (size_t i = 1; i < 4; i++)
        REQUIRE(sl_segment_fuse(parts[0], parts[i]));
    sl_segment_retain(parts[0]);
    sl_segment_release(parts[0]);
    memcpy(bytes, parts[0]->data, sizeof bytes);
    CHECK_INT(bytes[0] + bytes[64] + bytes[128] + bytes[192], 1 + 2 + 3 + 4);
    sl_segment_release(parts[0]);
    close_pool();
}

int main(void)
{
    return test_main();
}
