#include "memory/pool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spec/c/support/test.h"

#define MIB ((size_t)1024 * 1024)

/* An absurd size is to be refused, as without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static const enum sl_pool_mode modes[] = {SL_POOL_SLABS, SL_POOL_DIRECT,
                                          SL_POOL_GUARD};
static const char *const mode_names[] = {"slabs", "direct", "guard"};

static struct test_allocator allocator;

static void pool_open(struct sl_pool *pool, enum sl_pool_mode mode,
                      size_t segment_size)
{
    const struct sl_pool_options options = {
        .mode = mode,
        .segment_size = segment_size,
        .spare_limit = SIZE_MAX,
    };

    test_allocator_init(&allocator);
    sl_pool_init(pool, &allocator.base, &options);
}

static void pool_close(struct sl_pool *pool)
{
    CHECK_INT(sl_pool_outstanding(pool), 0);
    CHECK_INT(pool->stats.bytes, 0);
    CHECK_INT(sl_pool_fini(pool), 0);
    CHECK_INT(pool->stats.spare, 0);
    test_allocator_fini(&allocator);
}

/* Runs `act` in a child and checks that it ends with `said` on stderr. */
static void check_death(void (*act)(void *), void *argument, const char *said)
{
    char text[4096];
    size_t size = 0;
    ssize_t got;
    int ends[2], status;
    pid_t child;

    REQUIRE(pipe(ends) == 0);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        act(argument);
        _exit(0);
    }
    close(ends[1]);
    while (size < sizeof text - 1 &&
           (got = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    close(ends[0]);
    text[size] = '\0';
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    if (!CHECK(strstr(text, said) != NULL))
        fprintf(stderr, "it said: %s\n", text);
}

TEST("an unused pool acquires nothing")
{
    struct sl_pool pool;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    CHECK_INT(pool.options.segment_size, SL_SEGMENT_SIZE);
    CHECK_INT(pool.options.spare_limit, SL_SPARE_LIMIT);
    CHECK_INT(allocator.base.calls, 0);
    pool_close(&pool);
    CHECK_INT(allocator.base.calls, 0);
}

TEST("segments of every size are exact, separate and writable in every mode")
{
    static const size_t sizes[] = {1, 7, 23, 64, 4096, 16384, 100000};

    for (size_t m = 0; m < 3; m++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct sl_segment *rented[600];
            struct sl_pool pool;
            size_t count = sizes[s] <= 4096 ? 600 : 30;

            test_note("%s, %zu bytes", mode_names[m], sizes[s]);
            pool_open(&pool, modes[m], sizes[s]);
            for (size_t i = 0; i < count; i++) {
                REQUIRE(sl_pool_rent(&pool, &rented[i]) == SL_OK);
                CHECK_INT(rented[i]->capacity, sizes[s]);
                CHECK_INT(rented[i]->filled, 0);
                CHECK_INT(rented[i]->refs, 1);
                CHECK_INT(rented[i]->pins, 0);
                memset(rented[i]->data, (int)(i & 0xFF), sizes[s]);
            }
            CHECK_INT(sl_pool_outstanding(&pool), count);
            CHECK_INT(pool.stats.bytes, count * sizes[s]);
            for (size_t i = 0; i < count; i++) {
                const unsigned char *data = (unsigned char *)rented[i]->data;

                CHECK_INT(data[0], i & 0xFF);
                CHECK_INT(data[sizes[s] - 1], i & 0xFF);
                sl_segment_release(rented[i]);
            }
            CHECK_INT(pool.stats.high_water, count);
            pool_close(&pool);
        }
    }
}

TEST("blocks come in powers of two, beyond the largest class exactly")
{
    for (size_t m = 0; m < 3; m++) {
        struct sl_pool pool;
        struct sl_segment *block;

        pool_open(&pool, modes[m], 0);
        for (size_t size = 1; size <= 8 * MIB; size = size * 2 + 1) {
            size_t expected = 256;

            while (expected < size)
                expected *= 2;
            test_note("%s, %zu bytes", mode_names[m], size);
            REQUIRE(sl_pool_rent_block(&pool, size, &block) == SL_OK);
            CHECK_INT(block->capacity, expected);
            block->data[0] = 1;
            block->data[expected - 1] = 1;
            sl_segment_release(block);
            REQUIRE(sl_pool_rent_block(&pool, expected, &block) == SL_OK);
            CHECK_INT(block->capacity, expected);
            sl_segment_release(block);
        }
        REQUIRE(sl_pool_rent_block(&pool, 8 * MIB + 1, &block) == SL_OK);
        CHECK_INT(block->capacity, 8 * MIB + 1);
        sl_segment_release(block);
        REQUIRE(sl_pool_rent_exact(&pool, 300, &block) == SL_OK);
        CHECK_INT(block->capacity, 300);
        sl_segment_release(block);
        pool_close(&pool);
    }
}

TEST("the segment returned last is rented first")
{
    struct sl_pool pool;
    struct sl_segment *segments[400], *again;

    pool_open(&pool, SL_POOL_SLABS, 0);
    for (size_t i = 0; i < 400; i++)
        REQUIRE(sl_pool_rent(&pool, &segments[i]) == SL_OK);
    for (size_t i = 0; i < 400; i += 37) {
        sl_segment_release(segments[i]);
        REQUIRE(sl_pool_rent(&pool, &again) == SL_OK);
        CHECK(again == segments[i]);
    }
    /* Also when another slab has had one back in between. */
    sl_segment_release(segments[0]);
    sl_segment_release(segments[200]);
    sl_segment_release(segments[1]);
    REQUIRE(sl_pool_rent(&pool, &again) == SL_OK);
    CHECK(again == segments[1]);
    REQUIRE(sl_pool_rent(&pool, &segments[0]) == SL_OK);
    REQUIRE(sl_pool_rent(&pool, &segments[200]) == SL_OK);
    for (size_t i = 0; i < 400; i++)
        sl_segment_release(segments[i]);
    REQUIRE(sl_pool_rent_block(&pool, 1000, &segments[0]) == SL_OK);
    sl_segment_release(segments[0]);
    REQUIRE(sl_pool_rent_block(&pool, 1000, &again) == SL_OK);
    CHECK(again == segments[0]);
    sl_segment_release(again);
    pool_close(&pool);
}

TEST("a warm pool makes no allocator call")
{
    struct sl_pool pool;
    struct sl_segment *a, *b, *c;
    uint64_t calls = 0;

    pool_open(&pool, SL_POOL_SLABS, 0);
    for (int round = 0; round < 100; round++) {
        REQUIRE(sl_pool_rent(&pool, &a) == SL_OK);
        REQUIRE(sl_pool_rent_block(&pool, 300, &b) == SL_OK);
        REQUIRE(sl_pool_rent_block(&pool, 3000, &c) == SL_OK);
        if (round == 0)
            calls = allocator.base.calls;
        sl_segment_release(b);
        sl_segment_release(a);
        sl_segment_release(c);
    }
    CHECK_INT(allocator.base.calls, calls);
    pool_close(&pool);
}

TEST("direct mode keeps nothing")
{
    struct sl_pool pool;
    struct sl_segment *segment;

    pool_open(&pool, SL_POOL_DIRECT, 0);
    for (int i = 1; i <= 3; i++) {
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        CHECK_INT(allocator.base.calls, i);
        sl_segment_release(segment);
        CHECK_INT(allocator.blocks, 0);
        CHECK_INT(pool.stats.spare, 0);
    }
    pool_close(&pool);
}

TEST("pins keep a segment that has no owner any more")
{
    for (size_t m = 0; m < 3; m++) {
        struct sl_pool pool;
        struct sl_segment *segment;

        test_note("%s", mode_names[m]);
        pool_open(&pool, modes[m], 23);
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        sl_segment_pin(segment);
        sl_segment_pin(segment);
        sl_segment_release(segment);
        CHECK_INT(sl_pool_outstanding(&pool), 1);
        memset(segment->data, 'k', 23);
        sl_segment_unpin(segment);
        CHECK_INT(sl_pool_outstanding(&pool), 1);
        sl_segment_unpin(segment);
        CHECK_INT(sl_pool_outstanding(&pool), 0);

        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        sl_segment_pin(segment);
        sl_segment_retain(segment);
        sl_segment_unpin(segment);
        sl_segment_release(segment);
        CHECK_INT(sl_pool_outstanding(&pool), 1);
        sl_segment_release(segment);
        pool_close(&pool);
    }
}

TEST("every return raises the generation")
{
    struct sl_pool pool;
    struct sl_segment *segment;

    pool_open(&pool, SL_POOL_SLABS, 0);
    for (uint32_t i = 0; i < 5; i++) {
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        CHECK_INT(segment->generation, i);
        sl_segment_release(segment);
        CHECK_INT(segment->generation, i + 1);
    }
    pool_close(&pool);
}

TEST("the cap counts capacity and answers limit until something returns")
{
    for (size_t m = 0; m < 3; m++) {
        const struct sl_pool_options options = {
            .mode = modes[m],
            .segment_size = 1000,
            .max_bytes = 3256,
            .spare_limit = SIZE_MAX,
        };
        struct sl_pool pool;
        struct sl_segment *a, *b, *c, *d;

        test_note("%s", mode_names[m]);
        test_allocator_init(&allocator);
        sl_pool_init(&pool, &allocator.base, &options);
        REQUIRE(sl_pool_rent(&pool, &a) == SL_OK);
        REQUIRE(sl_pool_rent(&pool, &b) == SL_OK);
        REQUIRE(sl_pool_rent(&pool, &c) == SL_OK);
        CHECK_INT(sl_pool_rent(&pool, &d), SL_LIMIT);
        CHECK_INT(sl_pool_rent_block(&pool, 257, &d), SL_LIMIT);
        CHECK_INT(sl_pool_rent_exact(&pool, 257, &d), SL_LIMIT);
        REQUIRE(sl_pool_rent_block(&pool, 256, &d) == SL_OK);
        CHECK_INT(pool.stats.bytes, 3256);
        CHECK_INT(sl_pool_rent_exact(&pool, 1, &d), SL_LIMIT);
        sl_segment_release(a);
        REQUIRE(sl_pool_rent(&pool, &a) == SL_OK);
        sl_segment_release(a);
        sl_segment_release(b);
        sl_segment_release(c);
        sl_segment_release(d);
        pool_close(&pool);
    }
}

static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%zu %zu", &total, &pages) != 2)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

TEST("a large body's memory is released, in any order of return")
{
    enum { COUNT = 64 * 128 }; /* 128 MiB */
    static struct sl_segment *segments[COUNT];

    for (int order = 0; order < 3; order++) {
        struct sl_pool pool;
        size_t before, high, after;
        unsigned random = 1;

        test_note("order %d", order);
        pool_open(&pool, SL_POOL_SLABS, 0);
        before = resident();
        for (size_t i = 0; i < COUNT; i++) {
            REQUIRE(sl_pool_rent(&pool, &segments[i]) == SL_OK);
            memset(segments[i]->data, 1, segments[i]->capacity);
        }
        high = resident();
        CHECK(high - before >= 128 * MIB);
        for (size_t i = 0; i < COUNT; i++) {
            size_t other = COUNT - 1 - i;
            struct sl_segment *held;

            if (order == 0)
                break;
            if (order == 2) {
                random = random * 1103515245 + 12345;
                other = (random >> 8) % COUNT;
            } else if (i >= COUNT / 2) {
                break;
            }
            held = segments[i];
            segments[i] = segments[other];
            segments[other] = held;
        }
        for (size_t i = 0; i < COUNT; i++)
            sl_segment_release(segments[i]);
        after = resident();
        CHECK(pool.stats.spare <= SL_SPARE_LIMIT);
        CHECK(pool.slab_count <= 2);
        /* The sanitizer's own shadow is an eighth of what was touched. */
        CHECK(after <= before + 24 * MIB);
        pool_close(&pool);
    }
}

#define HURRIED 600

TEST("in a hurry nothing large is given back, or made present, at once")
{
    static struct sl_segment *rented[HURRIED];
    struct sl_pool pool;
    size_t slabs, before;
    int calls = 0;

    pool_open(&pool, SL_POOL_SLABS, SL_SEGMENT_SIZE);
    pool.options.poison = false; /* it would touch every page */
    sl_pool_hurry(&pool, true);
    for (size_t i = 0; i < HURRIED; i++) {
        REQUIRE(sl_pool_rent(&pool, &rented[i]) == SL_OK);
        memset(rented[i]->data, 1, SL_SEGMENT_SIZE);
    }
    slabs = pool.slab_count;
    CHECK(slabs > 4);
    for (size_t i = 0; i < HURRIED; i++)
        sl_segment_release(rented[i]);
    CHECK_INT(pool.slab_count, slabs);
    /* A slab in some parts. */
    for (before = resident(); pool.slab_count == slabs; calls++) {
        REQUIRE(calls < 10);
        CHECK(sl_pool_trim_some(&pool));
        CHECK(resident() <= before);
    }
    CHECK(calls > 1);
    CHECK_INT(pool.slab_count, slabs - 1);
    /* A part is absent, and becomes present when it is used again. */
    CHECK(sl_pool_trim_some(&pool));
    for (size_t i = 0; i < HURRIED; i++) {
        REQUIRE(sl_pool_rent(&pool, &rented[i]) == SL_OK);
        memset(rented[i]->data, 2, SL_SEGMENT_SIZE);
    }
    for (size_t i = 0; i < HURRIED; i++)
        sl_segment_release(rented[i]);
    while (sl_pool_trim_some(&pool))
        continue;
    CHECK(pool.stats.spare <= SL_SPARE_LIMIT);
    CHECK(pool.stats.spare > 0);

    for (size_t i = 0; i < HURRIED; i++)
        REQUIRE(sl_pool_rent(&pool, &rented[i]) == SL_OK);
    for (size_t i = 0; i < HURRIED; i++)
        sl_segment_release(rented[i]);
    CHECK(pool.stats.spare > SL_SPARE_LIMIT);
    sl_pool_hurry(&pool, false);
    CHECK(pool.stats.spare <= SL_SPARE_LIMIT);
    pool_close(&pool);
}

TEST("no slab is given back of which a segment is in use")
{
    static struct sl_segment *rented[HURRIED];
    struct sl_segment *held;
    struct sl_pool pool;

    pool_open(&pool, SL_POOL_SLABS, SL_SEGMENT_SIZE);
    sl_pool_hurry(&pool, true);
    for (size_t i = 0; i < HURRIED; i++)
        REQUIRE(sl_pool_rent(&pool, &rented[i]) == SL_OK);
    held = rented[HURRIED - 1];
    memset(held->data, 1, held->capacity);
    /* The slab to which a segment was returned last is looked at first. */
    for (size_t i = 0; i < HURRIED; i++)
        if (rented[i]->slab != held->slab)
            sl_segment_release(rented[i]);
    for (size_t i = 0; i < HURRIED - 1; i++)
        if (rented[i]->slab == held->slab)
            sl_segment_release(rented[i]);
    REQUIRE(held->slab == pool.slabs);
    CHECK(pool.stats.spare > SL_SPARE_LIMIT);
    sl_pool_hurry(&pool, false);
    CHECK(pool.stats.spare <= SL_SPARE_LIMIT);
    CHECK(held->slab == pool.slabs);
    CHECK_INT(held->data[held->capacity - 1], 1);
    sl_segment_release(held);
    pool_close(&pool);
}

TEST("spare blocks cost no slab its place")
{
    enum { COUNT = SL_SPARE_LIMIT / SL_SEGMENT_SIZE };
    static struct sl_segment *segments[COUNT];
    struct sl_segment *block;
    struct sl_pool pool;
    size_t slabs;

    pool_open(&pool, SL_POOL_SLABS, SL_SEGMENT_SIZE);
    for (size_t i = 0; i < COUNT; i++)
        REQUIRE(sl_pool_rent(&pool, &segments[i]) == SL_OK);
    slabs = pool.slab_count;
    REQUIRE(sl_pool_rent_block(&pool, 64 * 1024, &block) == SL_OK);
    sl_segment_release(block);
    for (size_t i = 0; i < COUNT; i++)
        sl_segment_release(segments[i]);
    CHECK_INT(pool.slab_count, slabs);
    CHECK_INT(pool.stats.spare, SL_SPARE_LIMIT + 64 * 1024);
    pool_close(&pool);
}

TEST("spare blocks stay within a quarter of the limit")
{
    struct sl_pool pool;
    struct sl_segment *blocks[64];

    pool_open(&pool, SL_POOL_SLABS, 0);
    for (size_t i = 0; i < 64; i++)
        REQUIRE(sl_pool_rent_block(&pool, 64 * 1024, &blocks[i]) == SL_OK);
    for (size_t i = 0; i < 64; i++)
        sl_segment_release(blocks[i]);
    CHECK_INT(pool.stats.spare, SL_SPARE_LIMIT / 4);
    CHECK_INT(allocator.blocks, 16);
    REQUIRE(sl_pool_rent_block(&pool, 8 * MIB, &blocks[0]) == SL_OK);
    sl_segment_release(blocks[0]);
    CHECK_INT(pool.stats.spare, SL_SPARE_LIMIT / 4);
    pool_close(&pool);
}

TEST("spare blocks that are large give way to small ones")
{
    struct sl_pool pool;
    struct sl_segment *large[16];
    struct sl_segment *small;
    uint64_t calls;

    pool_open(&pool, SL_POOL_SLABS, 0);
    for (size_t i = 0; i < 16; i++)
        REQUIRE(sl_pool_rent_block(&pool, 64 * 1024, &large[i]) == SL_OK);
    REQUIRE(sl_pool_rent_block(&pool, 256, &small) == SL_OK);
    for (size_t i = 0; i < 16; i++)
        sl_segment_release(large[i]);
    CHECK_INT(pool.stats.spare, SL_SPARE_LIMIT / 4);
    sl_segment_release(small);
    CHECK_INT(pool.stats.spare, SL_SPARE_LIMIT / 4 - 64 * 1024 + 256);
    calls = allocator.base.calls;
    for (size_t i = 0; i < 8; i++) {
        REQUIRE(sl_pool_rent_block(&pool, 256, &small) == SL_OK);
        sl_segment_release(small);
    }
    CHECK_INT(allocator.base.calls, calls);
    /* but not the other way round */
    REQUIRE(sl_pool_rent_block(&pool, 256 * 1024, &large[0]) == SL_OK);
    sl_segment_release(large[0]);
    CHECK_INT(pool.stats.spare, SL_SPARE_LIMIT / 4 - 64 * 1024 + 256);
    pool_close(&pool);
}

TEST("a pool with no spare limit keeps nothing")
{
    const struct sl_pool_options options = {.mode = SL_POOL_SLABS};
    struct sl_pool pool;
    struct sl_segment *a, *b;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    REQUIRE(sl_pool_rent(&pool, &a) == SL_OK);
    REQUIRE(sl_pool_rent_block(&pool, 1, &b) == SL_OK);
    sl_segment_release(a);
    sl_segment_release(b);
    CHECK_INT(pool.stats.spare, 0);
    CHECK_INT(allocator.blocks, 0);
    pool_close(&pool);
}

TEST("trim frees spare memory down to its argument, and nothing rented")
{
    struct sl_pool pool;
    struct sl_segment *a, *b, *held;

    pool_open(&pool, SL_POOL_SLABS, 0);
    REQUIRE(sl_pool_rent(&pool, &held) == SL_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(sl_pool_rent_block(&pool, 1000, &a) == SL_OK);
        REQUIRE(sl_pool_rent_block(&pool, 100, &b) == SL_OK);
        sl_segment_release(a);
        sl_segment_release(b);
    }
    CHECK_INT(pool.stats.spare, 127 * 16384 + 1024 + 256);
    sl_pool_trim(&pool, 127 * 16384 + 256);
    CHECK_INT(pool.stats.spare, 127 * 16384 + 256);
    sl_pool_trim(&pool, 0);
    CHECK_INT(pool.stats.spare, 127 * 16384);
    memset(held->data, 1, held->capacity);
    sl_segment_release(held);
    sl_pool_trim(&pool, 0);
    CHECK_INT(pool.stats.spare, 0);
    pool_close(&pool);
}

TEST("missing memory is reported, and the pool goes on")
{
    for (size_t m = 0; m < 3; m++) {
        struct sl_pool_options options = {
            .mode = modes[m],
            .segment_size = (size_t)1 << 50, /* a header, but no pages */
            .spare_limit = SIZE_MAX,
        };
        struct sl_allocator system;
        struct sl_pool pool;
        struct sl_segment *segment;

        test_note("%s", mode_names[m]);
        sl_allocator_init_system(&system);
        sl_pool_init(&pool, &system, &options);
        CHECK_INT(sl_pool_rent(&pool, &segment), SL_MEMORY);
        CHECK_INT(sl_pool_rent_block(&pool, SIZE_MAX, &segment), SL_MEMORY);
        CHECK_INT(sl_pool_rent_exact(&pool, SIZE_MAX, &segment), SL_MEMORY);
        CHECK_INT(sl_pool_outstanding(&pool), 0);
        CHECK_INT(pool.stats.bytes, 0);
        REQUIRE(sl_pool_rent_block(&pool, 1, &segment) == SL_OK);
        sl_segment_release(segment);
        CHECK_INT(sl_pool_fini(&pool), 0);
        options.segment_size = SIZE_MAX;
        sl_pool_init(&pool, &system, &options);
        CHECK_INT(sl_pool_rent(&pool, &segment), SL_MEMORY);
        CHECK_INT(sl_pool_fini(&pool), 0);
    }
}

static void live_and_fail(struct sl_allocator *base, void *argument)
{
    const struct sl_pool_options *options = argument;
    struct sl_segment *segments[20];
    size_t count = 0;
    struct sl_pool pool;

    sl_pool_init(&pool, base, options);
    for (size_t i = 0; i < 20; i++) {
        enum sl_status status =
            i % 3 == 0   ? sl_pool_rent(&pool, &segments[count])
            : i % 3 == 1 ? sl_pool_rent_block(&pool, i * 99, &segments[count])
                         : sl_pool_rent_exact(&pool, i, &segments[count]);

        if (status == SL_OK)
            memset(segments[count]->data, 1, segments[count]->capacity);
        if (status == SL_OK)
            count++;
        else
            CHECK(status == SL_MEMORY && test_allocator_has_failed(base));
        CHECK_INT(sl_pool_outstanding(&pool), count);
    }
    while (count > 0)
        sl_segment_release(segments[--count]);
    CHECK_INT(pool.stats.bytes, 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("any allocation may fail")
{
    for (size_t m = 0; m < 3; m++) {
        struct sl_pool_options options = {
            .mode = modes[m],
            .segment_size = 23,
            .spare_limit = SIZE_MAX,
        };

        test_note("%s", mode_names[m]);
        test_each_failure(live_and_fail, &options);
    }
}

/* An allocator over memory that outlives the pool on purpose. */
static char arena[64 * 1024] __attribute__((aligned(16)));
static size_t arena_used;

static void *arena_resize(struct sl_allocator *self, void *pointer,
                          size_t old_size, size_t new_size)
{
    (void)self;
    (void)old_size;
    (void)pointer;
    if (new_size == 0 || new_size > sizeof arena - arena_used)
        return NULL;
    pointer = arena + arena_used;
    arena_used += (new_size + 15) / 16 * 16;
    return pointer;
}

static void count_release(void *owner)
{
    ++*(int *)owner;
}

TEST("memory still held when the pool ends is abandoned, not freed")
{
    for (size_t m = 0; m < 3; m++) {
        const struct sl_pool_options options = {
            .mode = modes[m],
            .segment_size = 512,
            .spare_limit = SIZE_MAX,
        };
        struct sl_allocator arena_allocator = {.resize = arena_resize};
        struct sl_pool pool;
        struct sl_segment *owned, *pinned, *block, *home, *adopted;
        int released = 0;

        test_note("%s", mode_names[m]);
        arena_used = 0;
        sl_pool_init(&pool, &arena_allocator, &options);
        REQUIRE(sl_pool_rent(&pool, &owned) == SL_OK);
        REQUIRE(sl_pool_rent(&pool, &pinned) == SL_OK);
        REQUIRE(sl_pool_rent_block(&pool, 1, &block) == SL_OK);
        REQUIRE(sl_pool_rent_block(&pool, 1, &home) == SL_OK);
        sl_segment_pin(pinned);
        sl_segment_release(pinned);
        sl_segment_release(home);
        REQUIRE(sl_pool_adopt(&pool, "x", 1, count_release, &released,
                              &adopted) == SL_OK);
        CHECK_INT(sl_pool_fini(&pool), 4);
        CHECK_INT(pool.stats.quarantined, 4);
        memset(&pool, 0xDB, sizeof pool);

        /* The late write and the late release find no pool, but memory. */
        memset(pinned->data, 1, pinned->capacity);
        memset(block->data, 1, block->capacity);
        sl_segment_unpin(pinned);
        sl_segment_release(owned);
        sl_segment_release(block);
        CHECK_INT(released, 0);
        sl_segment_pin(adopted);
        sl_segment_release(adopted);
        CHECK_INT(released, 0);
        sl_segment_unpin(adopted);
        CHECK_INT(released, 1);
    }
}

TEST("bytes of another owner go back to the owner, untouched, in every mode")
{
    for (size_t m = 0; m < 3; m++) {
        char bytes[] = "another owner's";
        struct sl_segment *segment;
        struct sl_pool pool;
        int released = 0;

        test_note("%s", mode_names[m]);
        pool_open(&pool, modes[m], 0);
        pool.options.poison = true;
        REQUIRE(sl_pool_adopt(&pool, bytes, sizeof bytes, count_release,
                              &released, &segment) == SL_OK);
        CHECK(segment->data == bytes);
        CHECK_INT(segment->filled, sizeof bytes);
        CHECK_INT(segment->capacity, sizeof bytes);
        sl_segment_retain(segment);
        sl_segment_release(segment);
        CHECK_INT(released, 0);
        sl_segment_release(segment);
        CHECK_INT(released, 1);
        CHECK(strcmp(bytes, "another owner's") == 0);
        pool_close(&pool);
    }
}

TEST("bytes of another owner count against the cap, which holds behind them")
{
    const struct sl_pool_options options = {.mode = SL_POOL_DIRECT,
                                            .segment_size = 256,
                                            .max_bytes = 1000,
                                            .spare_limit = SIZE_MAX};
    static const char bytes[1001];
    struct sl_segment *segment, *other;
    struct sl_pool pool;
    int released = 0;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    CHECK_INT(
        sl_pool_adopt(&pool, bytes, 1001, count_release, &released, &segment),
        SL_LIMIT);
    CHECK_INT(released, 0);
    REQUIRE(sl_pool_adopt(&pool, bytes, 1000, count_release, &released,
                          &segment) == SL_OK);
    CHECK_INT(sl_pool_rent(&pool, &other), SL_LIMIT);
    sl_segment_release(segment);
    CHECK_INT(released, 1);
    REQUIRE(sl_pool_rent(&pool, &other) == SL_OK);
    sl_segment_release(other);
    pool_close(&pool);
}

TEST("a slab that is all rented out is abandoned as well")
{
    const struct sl_pool_options options = {
        .segment_size = 1024 * 1024, /* two to a slab */
        .spare_limit = SIZE_MAX,
    };
    struct sl_allocator arena_allocator = {.resize = arena_resize};
    struct sl_pool pool;
    struct sl_segment *segments[3];

    arena_used = 0;
    sl_pool_init(&pool, &arena_allocator, &options);
    for (size_t i = 0; i < 3; i++)
        REQUIRE(sl_pool_rent(&pool, &segments[i]) == SL_OK);
    CHECK_INT(pool.slab_count, 2);
    CHECK_INT(sl_pool_fini(&pool), 3);
    memset(&pool, 0xDB, sizeof pool);
    for (size_t i = 0; i < 3; i++) {
        memset(segments[i]->data, 1, segments[i]->capacity);
        sl_segment_release(segments[i]);
    }
}

TEST("slabs lie where a huge page can")
{
    struct sl_pool pool;
    struct sl_segment *segments[300];

    pool_open(&pool, SL_POOL_SLABS, 0);
    for (size_t i = 0; i < 300; i++) {
        REQUIRE(sl_pool_rent(&pool, &segments[i]) == SL_OK);
        if (i % 128 == 0)
            CHECK_INT((uintptr_t)segments[i]->data % (2 * MIB), 0);
    }
    for (size_t i = 0; i < 300; i++)
        sl_segment_release(segments[i]);
    pool_close(&pool);
}

static void release_again(void *argument)
{
    sl_segment_release(argument);
}

static void retain_again(void *argument)
{
    sl_segment_retain(argument);
}

static void pin_again(void *argument)
{
    sl_segment_pin(argument);
}

static void unpin_again(void *argument)
{
    sl_segment_unpin(argument);
}

TEST("using a returned segment is caught")
{
    static void (*const uses[])(void *) = {release_again, retain_again,
                                           pin_again, unpin_again};
    struct sl_pool pool;
    struct sl_segment *segment;

    pool_open(&pool, SL_POOL_SLABS, 0);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    check_death(unpin_again, segment, "assertion failed");
    sl_segment_release(segment);
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        check_death(uses[i], segment, "assertion failed: !segment->is_free");
    pool_close(&pool);
}

struct late {
    struct sl_pool *pool;
    struct sl_segment *segment;
    size_t offset;
};

/* What the kernel or a library would do, which no sanitizer sees. */
__attribute__((no_sanitize("address"))) static void write_late(void *argument)
{
    struct late *late = argument;
    volatile char *data = late->segment->data;
    struct sl_segment *segment;

    data[late->offset] = 1;
    sl_pool_rent(late->pool, &segment);
    _exit(0);
}

TEST("a write after the return is detected by the next rent")
{
    static const size_t offsets[] = {0, 1, 5000, 16383};
    const struct sl_pool_options options = {
        .mode = SL_POOL_SLABS,
        .spare_limit = SIZE_MAX,
        .poison = true,
    };
    struct sl_pool pool;
    struct late late = {.pool = &pool};

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    REQUIRE(sl_pool_rent(&pool, &late.segment) == SL_OK);
    sl_segment_release(late.segment);
    for (size_t i = 0; i < 4; i++) {
        late.offset = offsets[i];
        check_death(write_late, &late, "written after its return");
    }
    pool_close(&pool);
}

static void read_at(void *argument)
{
    struct late *late = argument;
    volatile const char *data = late->segment->data;

    signal(SIGSEGV, SIG_DFL);
    dprintf(2, "reading\n");
    (void)data[late->offset];
    dprintf(2, "and read\n");
}

TEST("a guarded segment cannot be touched after its return, nor overrun")
{
    struct sl_pool pool;
    struct late late;
    int ends[2];

    pool_open(&pool, SL_POOL_GUARD, 23);
    REQUIRE(sl_pool_rent(&pool, &late.segment) == SL_OK);
    late.offset = 23;
    check_death(read_at, &late, "reading");
    late.offset = 22;
    sl_segment_release(late.segment);
    check_death(read_at, &late, "reading");

    /* The kernel is refused as well. */
    REQUIRE(pipe(ends) == 0);
    REQUIRE(write(ends[1], "x", 1) == 1);
    CHECK(read(ends[0], late.segment->data, 1) == -1);
    close(ends[0]);
    close(ends[1]);
    pool_close(&pool);
}

TEST("the quarantine of guarded segments is bounded")
{
    struct sl_pool pool;
    struct sl_segment *segment;
    size_t high = 0;

    pool_open(&pool, SL_POOL_GUARD, 23);
    for (int i = 0; i < 2000; i++) {
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        memset(segment->data, 1, 23);
        sl_segment_release(segment);
        if (allocator.blocks > high)
            high = allocator.blocks;
    }
    CHECK(high <= 257);
    pool_close(&pool);
}

int main(void)
{
    return test_main();
}
