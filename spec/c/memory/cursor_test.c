#include "spec/c/support/test.h"

#include "memory/cursor.h"
#include "memory/pool.h"

/* A buffer of several slices of up to `SLICE` bytes, whose ring has wrapped. */
#define SLICE 8

struct fixture {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer buffer;
    char bytes[5 * SLICE];
};

static void open_fixture(struct fixture *fixture)
{
    struct sl_pool_options options = {0};

    options.mode = SL_POOL_DIRECT;
    options.segment_size = SLICE;
    test_allocator_init(&fixture->allocator);
    sl_pool_init(&fixture->pool, &fixture->allocator.base, &options);
    sl_buffer_init(&fixture->buffer, &fixture->pool, SIZE_MAX);
    for (size_t i = 0; i < sizeof fixture->bytes; i++)
        fixture->bytes[i] = (char)i;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(
            sl_buffer_append(&fixture->buffer,
                             sl_view(fixture->bytes, sizeof fixture->bytes)),
            SL_OK);
        if (i == 0)
            sl_buffer_consume(&fixture->buffer, sizeof fixture->bytes);
    }
    CHECK(fixture->buffer.count > 2);
    CHECK(fixture->buffer.first + fixture->buffer.count >
          fixture->buffer.capacity);
}

static void close_fixture(struct fixture *fixture)
{
    sl_buffer_fini(&fixture->buffer);
    CHECK_INT(sl_pool_fini(&fixture->pool), 0);
    test_allocator_fini(&fixture->allocator);
}

TEST("finds each byte, whatever the steps, also where the ring wraps")
{
    struct fixture fixture;

    open_fixture(&fixture);
    for (size_t step = 1; step < sizeof fixture.bytes; step++) {
        struct sl_cursor cursor;

        sl_cursor_init(&cursor, &fixture.buffer);
        for (size_t i = 0; i < sizeof fixture.bytes; i += step) {
            const char *at = sl_cursor_seek(&cursor, i);

            test_note("offset %zu in steps of %zu", i, step);
            CHECK_INT(*at, fixture.bytes[i]);
            CHECK(cursor.start <= i && i < cursor.start + cursor.size);
            CHECK(at == cursor.data + (i - cursor.start));
        }
    }
    close_fixture(&fixture);
}

TEST("stays where it is for a byte of the same slice, also an earlier one")
{
    struct fixture fixture;
    struct sl_cursor cursor;

    open_fixture(&fixture);
    sl_cursor_init(&cursor, &fixture.buffer);
    CHECK_INT(*sl_cursor_seek(&cursor, SLICE + 3), SLICE + 3);
    CHECK_INT(*sl_cursor_seek(&cursor, SLICE + 1), SLICE + 1);
    CHECK_INT(cursor.start, SLICE);
    close_fixture(&fixture);
}

int main(void)
{
    return test_main();
}
