#include "memory/sequence.h"

#include <string.h>

#include "spec/c/support/test.h"

static struct test_allocator allocator;
static struct sl_pool pool;

static void pool_open(size_t segment_size)
{
    const struct sl_pool_options options = {
        .segment_size = segment_size,
        .spare_limit = SIZE_MAX,
    };

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
}

static void pool_close(void)
{
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

static char byte_at(size_t position)
{
    return (char)('a' + position % 23);
}

/* A buffer with bytes 0 to `size` of the stream. */
static void buffer_open(struct sl_buffer *buffer, size_t size)
{
    sl_buffer_init(buffer, &pool, SIZE_MAX);
    for (size_t i = 0; i < size; i++) {
        char byte = byte_at(i);

        REQUIRE(sl_buffer_append(buffer, sl_view(&byte, 1)) == SL_OK);
    }
}

static void sequence_open(struct sl_sequence *sequence, size_t size)
{
    struct sl_buffer buffer;

    buffer_open(&buffer, size);
    sl_sequence_init(sequence, &allocator.base);
    REQUIRE(sl_sequence_take(sequence, &buffer) == SL_OK);
    CHECK_INT(buffer.length, 0);
    sl_buffer_fini(&buffer);
}

static bool holds(const struct sl_sequence *sequence, size_t position,
                  size_t size)
{
    char piece[64];

    if (sequence->size != size || !sl_sequence_is_valid(sequence))
        return false;
    for (size_t offset = 0; offset < size; offset += sizeof piece) {
        size_t here =
            size - offset < sizeof piece ? size - offset : sizeof piece;

        sl_sequence_copy_out(sequence, offset, piece, here);
        for (size_t i = 0; i < here; i++) {
            if (piece[i] != byte_at(position + offset + i))
                return false;
        }
    }
    return true;
}

TEST("an empty sequence is a sequence")
{
    struct sl_sequence sequence, sub;
    struct sl_buffer buffer;

    pool_open(23);
    sl_sequence_init(&sequence, &allocator.base);
    sl_sequence_init(&sub, &allocator.base);
    buffer_open(&buffer, 0);
    CHECK_INT(sl_sequence_show(&sequence, &buffer), SL_OK);
    CHECK_INT(sl_sequence_take(&sequence, &buffer), SL_OK);
    CHECK_INT(sl_sequence_sub(&sub, &sequence, 0, 0), SL_OK);
    CHECK_INT(sl_sequence_link(&sequence, &buffer), SL_OK);
    CHECK_INT(sl_sequence_at(&sequence, 0).size, 0);
    sl_sequence_copy_out(&sequence, 0, NULL, 0);
    CHECK(holds(&sequence, 0, 0));
    CHECK_INT(allocator.base.calls, 0);
    sl_sequence_fini(&sequence);
    sl_sequence_fini(&sequence);
    sl_sequence_fini(&sub);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("running indexes are the sums of the sizes before them")
{
    for (size_t unit = 1; unit <= 24; unit++) {
        struct sl_sequence sequence;
        size_t index = 0;

        test_note("segments of %zu", unit);
        pool_open(unit);
        sequence_open(&sequence, 100);
        CHECK_INT(sequence.count, (100 + unit - 1) / unit);
        for (size_t i = 0; i < sequence.count; i++) {
            CHECK_INT(sequence.slices[i].index, index);
            CHECK(sequence.slices[i].size > 0);
            index += sequence.slices[i].size;
        }
        CHECK_INT(index, sequence.size);
        CHECK(holds(&sequence, 0, 100));
        sl_sequence_fini(&sequence);
        pool_close();
    }
}

TEST("a sequence outlives the buffer it shows")
{
    struct sl_sequence sequence;
    struct sl_buffer buffer;

    pool_open(23);
    buffer_open(&buffer, 100);
    sl_buffer_consume(&buffer, 30);
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_sequence_show(&sequence, &buffer) == SL_OK);
    CHECK_INT(buffer.length, 70);
    sl_buffer_consume(&buffer, 70);
    sl_buffer_fini(&buffer);
    CHECK(holds(&sequence, 30, 70));
    sl_sequence_fini(&sequence);
    pool_close();
}

TEST("bytes written later are not shown")
{
    struct sl_sequence sequence;
    struct sl_buffer buffer;

    pool_open(1000);
    buffer_open(&buffer, 100);
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_sequence_show(&sequence, &buffer) == SL_OK);
    REQUIRE(sl_buffer_append(&buffer, SL_VIEW("later")) == SL_OK);
    CHECK(holds(&sequence, 0, 100));
    sl_buffer_fini(&buffer);
    CHECK(holds(&sequence, 0, 100));
    sl_sequence_fini(&sequence);
    pool_close();
}

TEST("an empty slice before reserved room is not shown")
{
    struct sl_sequence sequence;
    struct sl_buffer buffer;
    struct sl_room room;

    pool_open(23);
    buffer_open(&buffer, 10);
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_buffer_reserve(&buffer, 1, &room) == SL_OK);
    sl_buffer_consume(&buffer, 10);
    REQUIRE(sl_sequence_show(&sequence, &buffer) == SL_OK);
    CHECK_INT(sequence.count, 0);
    sl_sequence_fini(&sequence);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("sub copies nothing, at every offset and size")
{
    struct sl_sequence sequence;
    uint64_t rented;

    pool_open(7);
    sequence_open(&sequence, 40);
    rented = pool.stats.rented;
    for (size_t offset = 0; offset <= 40; offset++) {
        for (size_t size = 0; size <= 40 - offset; size++) {
            struct sl_sequence sub;

            test_note("%zu at %zu", size, offset);
            sl_sequence_init(&sub, &allocator.base);
            REQUIRE(sl_sequence_sub(&sub, &sequence, offset, size) == SL_OK);
            CHECK(holds(&sub, offset, size));
            CHECK(sub.count <= (size + 12) / 7);
            if (size > 0)
                CHECK(sub.slices[0].data ==
                      sl_sequence_at(&sequence, offset).data);
            sl_sequence_fini(&sub);
        }
    }
    CHECK_INT(pool.stats.rented, rented);
    sl_sequence_fini(&sequence);
    pool_close();
}

TEST("a sub outlives the sequence it was cut from")
{
    struct sl_sequence sequence, sub;

    pool_open(7);
    sequence_open(&sequence, 40);
    sl_sequence_init(&sub, &allocator.base);
    REQUIRE(sl_sequence_sub(&sub, &sequence, 5, 20) == SL_OK);
    sl_sequence_fini(&sequence);
    CHECK_INT(sl_pool_outstanding(&pool), 4);
    CHECK(holds(&sub, 5, 20));
    sl_sequence_fini(&sub);
    pool_close();
}

TEST("every position is found, and the end is empty")
{
    for (size_t unit = 1; unit <= 24; unit++) {
        struct sl_sequence sequence;

        test_note("segments of %zu", unit);
        pool_open(unit);
        sequence_open(&sequence, 100);
        for (size_t offset = 0; offset < 100; offset++) {
            struct sl_view view = sl_sequence_at(&sequence, offset);
            size_t rest = unit - offset % unit;

            CHECK_INT(view.size, rest < 100 - offset ? rest : 100 - offset);
            CHECK_INT(view.data[0], byte_at(offset));
        }
        CHECK_INT(sl_sequence_at(&sequence, 100).size, 0);
        sl_sequence_fini(&sequence);
        pool_close();
    }
}

TEST("append shows one more range of a segment")
{
    struct sl_sequence sequence;
    struct sl_segment *segment;

    pool_open(100);
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    for (size_t i = 0; i < 100; i++)
        segment->data[i] = byte_at(i);
    segment->filled = 100;
    CHECK_INT(sl_sequence_append(&sequence, segment, segment->data, 0), SL_OK);
    CHECK_INT(sequence.count, 0);
    for (size_t i = 0; i < 100; i += 10)
        REQUIRE(sl_sequence_append(&sequence, segment, segment->data + i, 10) ==
                SL_OK);
    CHECK_INT(segment->refs, 11);
    sl_segment_release(segment);
    CHECK(holds(&sequence, 0, 100));
    sl_sequence_fini(&sequence);
    pool_close();
}

TEST("a move leaves the source empty and usable")
{
    for (size_t size = 0; size <= 40; size += 4) {
        struct sl_sequence from, to;

        pool_open(7);
        sequence_open(&from, size);
        sl_sequence_init(&to, &allocator.base);
        sl_sequence_move(&to, &from);
        CHECK(holds(&to, 0, size));
        CHECK(holds(&from, 0, 0));
        sl_sequence_move(&from, &to);
        CHECK(holds(&from, 0, size));
        sl_sequence_fini(&from);
        sl_sequence_fini(&to);
        pool_close();
    }
}

TEST("linking appends all of it to a buffer")
{
    struct sl_sequence sequence, again;
    struct sl_buffer buffer;

    pool_open(23);
    sequence_open(&sequence, 100);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_sequence_link(&sequence, &buffer) == SL_OK);
    sl_sequence_init(&again, &allocator.base);
    REQUIRE(sl_sequence_take(&again, &buffer) == SL_OK);
    CHECK(holds(&again, 0, 100));
    CHECK(sl_sequence_at(&again, 0).data == sl_sequence_at(&sequence, 0).data);
    CHECK(holds(&sequence, 0, 100));
    sl_sequence_fini(&again);
    sl_sequence_fini(&sequence);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("linking a part appends that part, from the middle of segments too")
{
    for (size_t offset = 0; offset < 100; offset++) {
        struct sl_sequence sequence, part;
        struct sl_buffer buffer;
        char linked[100], expected[100];
        size_t size = (100 - offset + 1) / 2;

        test_note("%zu from %zu", size, offset);
        pool_open(23);
        sequence_open(&sequence, 100);
        sl_sequence_init(&part, &allocator.base);
        REQUIRE(sl_sequence_sub(&part, &sequence, offset, size) == SL_OK);
        sl_buffer_init(&buffer, &pool, SIZE_MAX);
        REQUIRE(sl_sequence_link(&part, &buffer) == SL_OK);
        CHECK_INT(buffer.length, size);
        sl_buffer_copy_out(&buffer, 0, linked, size);
        sl_sequence_copy_out(&sequence, offset, expected, size);
        CHECK_BYTES(linked, size, expected, size);
        sl_sequence_fini(&part);
        sl_sequence_fini(&sequence);
        sl_buffer_fini(&buffer);
        pool_close();
    }
}

TEST("linking beyond the buffer's maximum changes nothing")
{
    struct sl_sequence sequence;
    struct sl_buffer buffer;

    pool_open(23);
    sequence_open(&sequence, 100);
    sl_buffer_init(&buffer, &pool, 99);
    CHECK_INT(sl_sequence_link(&sequence, &buffer), SL_LIMIT);
    CHECK_INT(buffer.length, 0);
    sl_sequence_fini(&sequence);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("whole slices are taken from the front, the rest stays")
{
    for (size_t consumed = 0; consumed < 100; consumed += 9) {
        for (size_t most = 0; most < 120; most++) {
            struct sl_sequence sequence;
            struct sl_buffer buffer;
            size_t first;

            test_note("%zu of %zu", most, 100 - consumed);
            pool_open(23);
            buffer_open(&buffer, 100);
            sl_buffer_consume(&buffer, consumed);
            first = sl_buffer_peek(&buffer).size;
            sl_sequence_init(&sequence, &allocator.base);
            REQUIRE(sl_sequence_take_front(&sequence, &buffer, most) == SL_OK);
            CHECK(sequence.size <= most || sequence.size == first);
            CHECK(buffer.length == 0 ||
                  sequence.size + sl_buffer_peek(&buffer).size > most);
            CHECK_INT(sequence.size + buffer.length, 100 - consumed);
            CHECK(holds(&sequence, consumed, sequence.size));
            CHECK(sl_buffer_is_valid(&buffer));
            for (size_t i = 0; i < buffer.length; i++)
                REQUIRE(sl_buffer_at(&buffer, i).data[0] ==
                        byte_at(consumed + sequence.size + i));
            sl_buffer_fini(&buffer);
            CHECK(holds(&sequence, consumed, sequence.size));
            sl_sequence_fini(&sequence);
            pool_close();
        }
    }
}

TEST("up to four slices need no allocation")
{
    struct sl_sequence sequence;
    struct sl_buffer buffer;
    uint64_t calls;

    for (size_t size = 50; size <= 200; size += 50) {
        pool_open(50);
        buffer_open(&buffer, size);
        sl_sequence_init(&sequence, &allocator.base);
        calls = allocator.base.calls;
        REQUIRE(sl_sequence_take(&sequence, &buffer) == SL_OK);
        CHECK_INT(sequence.count, size / 50);
        CHECK(holds(&sequence, 0, size));
        CHECK_INT(allocator.base.calls, calls);
        sl_sequence_fini(&sequence);
        sl_buffer_fini(&buffer);
        pool_close();
    }
}

TEST("sizes beyond 2^31 are counted and found")
{
    struct sl_sequence sequence, sub;
    struct sl_segment *block;
    size_t size = (size_t)8 * 1024 * 1024;

    pool_open(0);
    sl_sequence_init(&sequence, &allocator.base);
    sl_sequence_init(&sub, &allocator.base);
    REQUIRE(sl_pool_rent_block(&pool, size, &block) == SL_OK);
    memset(block->data, 'x', size);
    block->data[size - 1] = 'y';
    block->filled = size;
    for (int i = 0; i < 600; i++)
        REQUIRE(sl_sequence_append(&sequence, block, block->data, size) ==
                SL_OK);
    CHECK_INT(sequence.size, 600 * size);
    CHECK_INT(sl_sequence_at(&sequence, 599 * size + size - 1).data[0], 'y');
    REQUIRE(sl_sequence_sub(&sub, &sequence, 1, 600 * size - 2) == SL_OK);
    CHECK_INT(sub.size, 600 * size - 2);
    sl_sequence_fini(&sub);
    sl_sequence_fini(&sequence);
    sl_segment_release(block);
    pool_close();
}

TEST("the validity check notices each wrong count")
{
    struct sl_sequence sequence;

    pool_open(23);
    sequence_open(&sequence, 40);
    CHECK(sl_sequence_is_valid(&sequence));
    sequence.size++;
    CHECK(!sl_sequence_is_valid(&sequence));
    sequence.size--;
    sequence.slices[1].index++;
    CHECK(!sl_sequence_is_valid(&sequence));
    sequence.slices[1].index--;
    sequence.count = 1;
    CHECK(!sl_sequence_is_valid(&sequence));
    sequence.count = 2;
    CHECK(sl_sequence_is_valid(&sequence));
    sl_sequence_fini(&sequence);
    pool_close();
}

static void live_and_fail(struct sl_allocator *base, void *argument)
{
    struct sl_sequence sequence, sub;
    struct sl_buffer buffer;

    (void)argument;
    pool_open(7);
    buffer_open(&buffer, 50);
    sl_sequence_init(&sequence, base);
    sl_sequence_init(&sub, base);
    if (sl_sequence_show(&sequence, &buffer) == SL_OK) {
        CHECK(holds(&sequence, 0, 50));
        sl_sequence_fini(&sequence);
    } else {
        CHECK(test_allocator_has_failed(base));
        CHECK(holds(&sequence, 0, 0));
    }
    if (sl_sequence_take_front(&sequence, &buffer, 45) == SL_OK) {
        CHECK(holds(&sequence, 0, sequence.size));
        CHECK_INT(buffer.length, 50 - sequence.size);
        sl_sequence_fini(&sequence);
        sl_buffer_fini(&buffer);
        buffer_open(&buffer, 50);
    } else {
        CHECK(test_allocator_has_failed(base));
        CHECK_INT(buffer.length, 50);
        CHECK(holds(&sequence, 0, 0));
    }
    if (sl_sequence_take(&sequence, &buffer) == SL_OK) {
        CHECK_INT(buffer.length, 0);
        if (sl_sequence_sub(&sub, &sequence, 3, 40) == SL_OK)
            CHECK(holds(&sub, 3, 40));
        else
            CHECK(holds(&sub, 0, 0));
        CHECK(holds(&sequence, 0, 50));
    } else {
        CHECK(test_allocator_has_failed(base));
        CHECK_INT(buffer.length, 50);
        CHECK(holds(&sequence, 0, 0));
    }
    sl_sequence_fini(&sub);
    for (int i = 0; i < 4 && buffer.length > 0; i++) {
        struct sl_slice front = sl_buffer_front(&buffer);
        size_t size = sequence.size;

        if (sl_sequence_append(&sequence, front.segment, front.data,
                               front.size) != SL_OK) {
            CHECK(test_allocator_has_failed(base));
            CHECK_INT(sequence.size, size);
        }
        CHECK(sl_sequence_is_valid(&sequence));
        sl_buffer_consume(&buffer, front.size);
    }
    sl_sequence_fini(&sequence);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a failing allocation changes nothing")
{
    test_each_failure(live_and_fail, NULL);
}

int main(void)
{
    return test_main();
}
