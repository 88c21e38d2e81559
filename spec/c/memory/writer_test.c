#include "memory/writer.h"

#include <string.h>

#include "spec/c/support/test.h"

#define MIB ((size_t)1024 * 1024)

static struct test_allocator allocator;
static struct sl_pool pool;
static char bytes[4 * 1024 * 1024];

static void pool_open(void)
{
    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + (i >> 8));
}

static void pool_close(void)
{
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

static bool holds(const struct sl_writer *writer, size_t size)
{
    return sl_view_equal(sl_writer_view(writer), sl_view(bytes, size));
}

TEST("invalid sizes are refused")
{
    struct sl_writer writer;

    pool_open();
    CHECK_INT(sl_writer_init(&writer, &pool, 0, 10), SL_INVALID);
    CHECK_INT(sl_writer_init(&writer, &pool, 11, 10), SL_INVALID);
    CHECK_INT(sl_writer_init(&writer, &pool, 10, 10), SL_OK);
    sl_writer_dispose(&writer);
    pool_close();
}

TEST("nothing is rented before the first byte")
{
    struct sl_writer writer;

    pool_open();
    REQUIRE(sl_writer_init(&writer, &pool, 256, SIZE_MAX) == SL_OK);
    CHECK_INT(sl_writer_view(&writer).size, 0);
    CHECK_INT(sl_writer_write(&writer, sl_view(bytes, 0)), SL_OK);
    CHECK_INT(pool.stats.rented, 0);
    sl_writer_dispose(&writer);
    pool_close();
}

TEST("content survives every growth")
{
    static const size_t pieces[] = {1, 3, 255, 256, 257, 5000, 300000};

    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        struct sl_writer writer;
        size_t size = 0;

        test_note("pieces of %zu", pieces[p]);
        pool_open();
        REQUIRE(sl_writer_init(&writer, &pool, 1, SIZE_MAX) == SL_OK);
        while (size + pieces[p] <= 3 * MIB && size < 10000 * pieces[p]) {
            REQUIRE(sl_writer_write(&writer,
                                    sl_view(bytes + size, pieces[p])) == SL_OK);
            size += pieces[p];
        }
        CHECK(holds(&writer, size));
        CHECK(pool.stats.rented <= 16);
        CHECK(pool.stats.bytes <= 2 * size + 256);
        sl_writer_dispose(&writer);
        pool_close();
    }
}

TEST("much content is moved seldom, however small the pieces are")
{
    static const char piece[1024 * 1024];
    struct sl_writer writer;
    uint64_t rented;

    pool_open();
    REQUIRE(sl_writer_init(&writer, &pool, sizeof piece, SIZE_MAX) == SL_OK);
    rented = pool.stats.rented;
    for (int i = 0; i < 24; i++)
        REQUIRE(sl_writer_write(&writer, sl_view(piece, sizeof piece)) ==
                SL_OK);
    CHECK_INT(sl_writer_view(&writer).size, 24 * sizeof piece);
    CHECK(pool.stats.rented - rented <= 6); /* 1, 2, 4, ..., 32 MiB */
    sl_writer_dispose(&writer);
    pool_close();
}

TEST("the maximum fits exactly, one byte more leaves the content intact")
{
    static const size_t limits[] = {1, 2, 255, 256, 257, 1000, 16384, MIB + 1};

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t max = limits[i];
        struct sl_writer writer;
        struct sl_room room;

        test_note("at most %zu", max);
        pool_open();
        REQUIRE(sl_writer_init(&writer, &pool, 1, max) == SL_OK);
        CHECK_INT(sl_writer_write(&writer, sl_view(bytes, max + 1)), SL_LIMIT);
        REQUIRE(sl_writer_write(&writer, sl_view(bytes, max - 1)) == SL_OK);
        CHECK_INT(sl_writer_write(&writer, sl_view(bytes, 2)), SL_LIMIT);
        CHECK_INT(sl_writer_reserve(&writer, 2, &room), SL_LIMIT);
        REQUIRE(sl_writer_reserve(&writer, 1, &room) == SL_OK);
        CHECK_INT(room.size, 1);
        room.data[0] = bytes[max - 1];
        REQUIRE(sl_writer_commit(&writer, 1) == SL_OK);
        CHECK_INT(sl_writer_reserve(&writer, 0, &room), SL_LIMIT);
        CHECK_INT(sl_writer_write(&writer, sl_view(bytes, SIZE_MAX)), SL_LIMIT);
        CHECK(holds(&writer, max));
        sl_writer_dispose(&writer);
        pool_close();
    }
}

TEST("only what was reserved can be committed, once")
{
    struct sl_writer writer;
    struct sl_room room;

    pool_open();
    REQUIRE(sl_writer_init(&writer, &pool, 10, 1000) == SL_OK);
    CHECK_INT(sl_writer_commit(&writer, 1), SL_MISUSE);
    CHECK_INT(sl_writer_commit(&writer, 0), SL_OK);
    REQUIRE(sl_writer_reserve(&writer, 0, &room) == SL_OK);
    CHECK(room.size >= 1);
    CHECK_INT(sl_writer_commit(&writer, room.size + 1), SL_MISUSE);
    memcpy(room.data, bytes, 5);
    CHECK_INT(sl_writer_commit(&writer, 5), SL_OK);
    CHECK_INT(sl_writer_commit(&writer, 1), SL_MISUSE);
    REQUIRE(sl_writer_reserve(&writer, 1, &room) == SL_OK);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes + 5, 5)) == SL_OK);
    CHECK_INT(sl_writer_commit(&writer, 1), SL_MISUSE);
    CHECK(holds(&writer, 10));
    sl_writer_dispose(&writer);
    pool_close();
}

TEST("a lease holds exactly what was written")
{
    static const size_t sizes[] = {0, 1, 255, 256, 257, 100000};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sl_writer writer;
        struct sl_lease lease;
        struct sl_room room;

        test_note("%zu bytes", sizes[i]);
        pool_open();
        sl_lease_init(&lease, &allocator.base);
        REQUIRE(sl_writer_init(&writer, &pool, 16, SIZE_MAX) == SL_OK);
        REQUIRE(sl_writer_write(&writer, sl_view(bytes, sizes[i])) == SL_OK);
        REQUIRE(sl_writer_detach(&writer, &lease) == SL_OK);
        CHECK(lease.is_live);
        CHECK_INT(lease.content.size, sizes[i]);
        CHECK(sl_view_equal(sl_sequence_at(&lease.content, 0),
                            sl_view(bytes, sizes[i])));
        CHECK_INT(sl_pool_outstanding(&pool), sizes[i] > 0);

        /* Detached: nothing but reset and dispose. */
        CHECK_INT(sl_writer_view(&writer).size, 0);
        CHECK_INT(sl_writer_write(&writer, sl_view(bytes, 1)), SL_MISUSE);
        CHECK_INT(sl_writer_write(&writer, sl_view(bytes, 0)), SL_MISUSE);
        CHECK_INT(sl_writer_reserve(&writer, 1, &room), SL_MISUSE);
        CHECK_INT(sl_writer_commit(&writer, 0), SL_MISUSE);
        CHECK_INT(sl_writer_detach(&writer, &lease), SL_MISUSE);

        /* The next content is another's. */
        REQUIRE(sl_writer_reset(&writer) == SL_OK);
        REQUIRE(sl_writer_write(&writer, SL_VIEW("other")) == SL_OK);
        CHECK(sl_view_equal(sl_sequence_at(&lease.content, 0),
                            sl_view(bytes, sizes[i])));
        CHECK_INT(sl_writer_detach(&writer, &lease), SL_MISUSE);
        CHECK_VIEW(sl_writer_view(&writer), "other");
        sl_writer_dispose(&writer);
        CHECK_INT(sl_pool_outstanding(&pool), sizes[i] > 0);
        CHECK(sl_lease_dispose(&lease));
        CHECK(!sl_lease_dispose(&lease));
        pool_close();
    }
}

TEST("a disposed writer stays disposed")
{
    struct sl_writer writer;
    struct sl_lease lease;
    struct sl_room room;

    pool_open();
    sl_lease_init(&lease, &allocator.base);
    REQUIRE(sl_writer_init(&writer, &pool, 16, SIZE_MAX) == SL_OK);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes, 10)) == SL_OK);
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    sl_writer_dispose(&writer);
    CHECK_INT(sl_writer_view(&writer).size, 0);
    CHECK_INT(sl_writer_write(&writer, sl_view(bytes, 1)), SL_MISUSE);
    CHECK_INT(sl_writer_reserve(&writer, 1, &room), SL_MISUSE);
    CHECK_INT(sl_writer_commit(&writer, 0), SL_MISUSE);
    CHECK_INT(sl_writer_detach(&writer, &lease), SL_MISUSE);
    CHECK_INT(sl_writer_reset(&writer), SL_MISUSE);
    CHECK(!lease.is_live);
    pool_close();
}

TEST("a reset keeps the first block and releases a larger one")
{
    struct sl_writer writer;
    const char *data;
    uint64_t rented;

    pool_open();
    REQUIRE(sl_writer_init(&writer, &pool, 1000, SIZE_MAX) == SL_OK);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes, 1000)) == SL_OK);
    data = sl_writer_view(&writer).data;
    rented = pool.stats.rented;
    REQUIRE(sl_writer_reset(&writer) == SL_OK);
    CHECK_INT(sl_writer_view(&writer).size, 0);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes, 5)) == SL_OK);
    CHECK(sl_writer_view(&writer).data == data);
    CHECK_INT(pool.stats.rented, rented);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes + 5, 5000)) == SL_OK);
    REQUIRE(sl_writer_reset(&writer) == SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes, 20)) == SL_OK);
    CHECK(holds(&writer, 20));
    sl_writer_dispose(&writer);
    pool_close();
}

TEST("truncated bytes are dropped, and their room is used again")
{
    struct sl_writer writer;

    pool_open();
    REQUIRE(sl_writer_init(&writer, &pool, 16, SIZE_MAX) == SL_OK);
    CHECK_INT(sl_writer_cut(&writer, 0), SL_OK);
    CHECK_INT(sl_writer_cut(&writer, 1), SL_MISUSE);
    CHECK_INT(sl_writer_write(&writer, sl_view(bytes, 1000)), SL_OK);
    CHECK_INT(sl_writer_cut(&writer, 1001), SL_MISUSE);
    CHECK_INT(sl_writer_cut(&writer, 1000), SL_OK);
    CHECK_INT(sl_writer_cut(&writer, 10), SL_OK);
    CHECK(holds(&writer, 10));
    CHECK_INT(sl_writer_commit(&writer, 1), SL_MISUSE);
    CHECK_INT(sl_writer_write(&writer, sl_view(bytes + 10, 90)), SL_OK);
    CHECK(holds(&writer, 100));
    sl_writer_dispose(&writer);
    CHECK_INT(sl_writer_cut(&writer, 0), SL_MISUSE);
    pool_close();
}

TEST("reaching a pool's cap leaves the content intact")
{
    const struct sl_pool_options options = {.max_bytes = 3000,
                                            .spare_limit = SIZE_MAX};
    struct sl_writer writer;

    pool_open();
    sl_pool_init(&pool, &allocator.base, &options);
    REQUIRE(sl_writer_init(&writer, &pool, 100, SIZE_MAX) == SL_OK);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes, 1000)) == SL_OK);
    CHECK_INT(sl_writer_write(&writer, sl_view(bytes + 1000, 2000)), SL_LIMIT);
    CHECK(holds(&writer, 1000));
    sl_writer_dispose(&writer);
    pool_close();
}

TEST("falls back to the needed size if the initial size is unavailable")
{
    const struct sl_pool_options options = {.max_bytes = 1000,
                                            .spare_limit = SIZE_MAX};
    struct sl_writer writer;

    pool_open();
    sl_pool_init(&pool, &allocator.base, &options);
    REQUIRE(sl_writer_init(&writer, &pool, 4096, SIZE_MAX) == SL_OK);
    REQUIRE(sl_writer_write(&writer, sl_view(bytes, 10)) == SL_OK);
    CHECK(holds(&writer, 10));
    sl_writer_dispose(&writer);
    pool_close();
}

static void live_and_fail(struct sl_allocator *base, void *argument)
{
    struct sl_pool scarce;
    struct sl_writer writer;
    struct sl_lease lease;
    size_t size = 0;

    (void)argument;
    sl_pool_init(&scarce, base, NULL);
    sl_lease_init(&lease, base);
    REQUIRE(sl_writer_init(&writer, &scarce, 16, SIZE_MAX) == SL_OK);
    for (size_t i = 0; i < 8; i++) {
        if (sl_writer_write(&writer, sl_view(bytes + size, 700)) == SL_OK)
            size += 700;
        else
            CHECK(test_allocator_has_failed(base));
        CHECK(holds(&writer, size));
    }
    REQUIRE(sl_writer_detach(&writer, &lease) == SL_OK);
    CHECK_INT(lease.content.size, size);
    CHECK(sl_lease_dispose(&lease));
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&scarce), 0);
}

TEST("a failing allocation leaves the content intact")
{
    test_each_failure(live_and_fail, NULL);
}

int main(void)
{
    return test_main();
}
