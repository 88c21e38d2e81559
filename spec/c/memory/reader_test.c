#include "memory/reader.h"

#include "spec/c/support/test.h"

#define SIZE 50

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_sequence sequence;

static char byte_at(size_t position)
{
    return (char)('a' + position % 23);
}

static void reader_open(struct sl_reader *reader, size_t segment_size)
{
    const struct sl_pool_options options = {
        .segment_size = segment_size,
        .spare_limit = SIZE_MAX,
    };
    struct sl_buffer buffer;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    for (size_t i = 0; i < SIZE; i++) {
        char byte = byte_at(i);

        REQUIRE(sl_buffer_append(&buffer, sl_view(&byte, 1)) == SL_OK);
    }
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_sequence_take(&sequence, &buffer) == SL_OK);
    sl_buffer_fini(&buffer);
    sl_reader_init(reader, &sequence);
}

static void reader_close(void)
{
    sl_sequence_fini(&sequence);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

/* Copies up to `size` bytes, slice by slice; 0 at the end. */
static size_t read_from(struct sl_reader *reader, char *to, size_t size)
{
    size_t got = 0;

    while (got < size && sl_reader_left(reader) > 0) {
        struct sl_view view = sl_reader_peek(reader);
        size_t here = view.size < size - got ? view.size : size - got;

        memcpy(to + got, view.data, here);
        sl_reader_skip(reader, here);
        got += here;
    }
    return got;
}

TEST("reads of every size over segments of every size give the same bytes")
{
    for (size_t unit = 1; unit <= SIZE + 1; unit++) {
        struct sl_reader reader;

        reader_open(&reader, unit);
        for (size_t size = 1; size <= SIZE + 1; size++) {
            char bytes[SIZE + 1];
            size_t position = 0, got;

            test_note("reads of %zu over segments of %zu", size, unit);
            sl_reader_init(&reader, &sequence);
            while ((got = read_from(&reader, bytes, size)) > 0) {
                CHECK(got == size || position + got == SIZE);
                for (size_t i = 0; i < got; i++)
                    CHECK_INT(bytes[i], byte_at(position + i));
                position += got;
                CHECK_INT(reader.position, position);
                CHECK_INT(sl_reader_left(&reader), SIZE - position);
            }
            CHECK_INT(position, SIZE);
            CHECK_INT(read_from(&reader, bytes, 1), 0);
            CHECK_INT(read_from(&reader, bytes, 0), 0);
        }
        reader_close();
    }
}

TEST("a read of zero bytes moves nothing")
{
    struct sl_reader reader;

    reader_open(&reader, 7);
    CHECK_INT(read_from(&reader, NULL, 0), 0);
    CHECK_INT(reader.position, 0);
    reader_close();
}

TEST("reading flattens and allocates nothing")
{
    struct sl_reader reader;
    char bytes[SIZE];
    uint64_t calls, rented;

    reader_open(&reader, 7);
    calls = allocator.base.calls;
    rented = pool.stats.rented;
    CHECK_INT(read_from(&reader, bytes, SIZE), SIZE);
    CHECK_INT(allocator.base.calls, calls);
    CHECK_INT(pool.stats.rented, rented);
    reader_close();
}

TEST("peek shows the rest of a slice, skip takes it")
{
    struct sl_reader reader;
    size_t position = 0;

    reader_open(&reader, 7);
    while (sl_reader_left(&reader) > 0) {
        struct sl_view view = sl_reader_peek(&reader);
        size_t size = view.size > 3 ? 3 : view.size;

        CHECK(view.size > 0 && view.size <= 7);
        CHECK_INT(view.data[0], byte_at(position));
        sl_reader_skip(&reader, size);
        position += size;
        CHECK_INT(reader.position, position);
    }
    CHECK_INT(sl_reader_peek(&reader).size, 0);
    sl_reader_skip(&reader, 0);
    CHECK_INT(position, SIZE);
    reader_close();
}

TEST("seeks reach every offset from everywhere and clamp at the end")
{
    struct sl_reader reader;

    reader_open(&reader, 7);
    for (int64_t from = 0; from <= SIZE; from++) {
        for (int64_t to = -3; to <= SIZE + 3; to++) {
            static const enum sl_whence whences[] = {
                SL_SEEK_SET, SL_SEEK_CURRENT, SL_SEEK_END};
            const int64_t bases[] = {0, from, SIZE};

            for (size_t i = 0; i < 3; i++) {
                enum sl_status status;
                int64_t reached = to > SIZE ? SIZE : to;
                char byte;

                test_note("from %d to %d by %zu", (int)from, (int)to, i);
                REQUIRE(sl_reader_seek(&reader, SL_SEEK_SET, from) == SL_OK);
                status = sl_reader_seek(&reader, whences[i], to - bases[i]);
                CHECK_INT(status, to < 0 ? SL_INVALID : SL_OK);
                CHECK_INT(reader.position, to < 0 ? from : reached);
                if (to < 0 || reached == SIZE)
                    continue;
                CHECK_INT(read_from(&reader, &byte, 1), 1);
                CHECK_INT(byte, byte_at((size_t)reached));
            }
        }
    }
    reader_close();
}

TEST("seeks beyond all sizes are answered, not computed")
{
    struct sl_reader reader;

    reader_open(&reader, 7);
    CHECK_INT(sl_reader_seek(&reader, SL_SEEK_END, INT64_MIN), SL_INVALID);
    CHECK_INT(sl_reader_seek(&reader, SL_SEEK_SET, INT64_MIN), SL_INVALID);
    CHECK_INT(reader.position, 0);
    CHECK_INT(sl_reader_seek(&reader, SL_SEEK_CURRENT, INT64_MAX), SL_OK);
    CHECK_INT(reader.position, SIZE);
    CHECK_INT(sl_reader_seek(&reader, SL_SEEK_CURRENT, INT64_MAX), SL_OK);
    CHECK_INT(reader.position, SIZE);
    reader_close();
}

TEST("a reader shows every byte ahead of it, wherever it looked before")
{
    struct sl_reader reader;

    reader_open(&reader, 7);
    for (size_t from = 0; from <= SIZE; from++) {
        for (size_t to = 0; to <= SIZE; to++) {
            struct sl_view view;

            reader.position = 0;
            sl_reader_at(&reader, from);
            sl_reader_skip(&reader, to / 2);
            view = sl_reader_at(&reader, to - to / 2);
            if (to == SIZE) {
                CHECK_INT(view.size, 0);
                continue;
            }
            CHECK_INT(view.data[0], byte_at(to));
            CHECK_INT(view.size, sl_sequence_at(&sequence, to).size);
        }
    }
    reader_close();
}

TEST("two readers of one sequence are independent")
{
    struct sl_reader a, b;
    char byte;

    reader_open(&a, 7);
    sl_reader_init(&b, &sequence);
    sl_reader_skip(&a, 30);
    CHECK_INT(read_from(&b, &byte, 1), 1);
    CHECK_INT(byte, byte_at(0));
    CHECK_INT(read_from(&a, &byte, 1), 1);
    CHECK_INT(byte, byte_at(30));
    reader_close();
}

int main(void)
{
    return test_main();
}
