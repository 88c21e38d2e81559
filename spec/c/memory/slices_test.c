#include "memory/slices.h"

#include "spec/c/memory/stream.h"

/* `count` slices of one byte, each of a segment of its own. */
static void push_bytes(struct sl_buffer *buffer, size_t position, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sl_segment *segment;

        REQUIRE(sl_slices_ensure(buffer, 1) == SL_OK);
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        fill(segment->data, position + i, 1);
        segment->filled = 1;
        sl_slices_push(buffer, segment, segment->data, 1);
    }
}

static void pop(struct sl_buffer *buffer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sl_slices_pop_front(buffer);
        buffer->length--;
    }
}

TEST("the ring grows wherever its first slice stands")
{
    for (size_t before = 0; before < 9; before++) {
        for (size_t count = 0; count < 20; count++) {
            struct sl_buffer buffer;

            test_note("%zu after %zu", count, before);
            pool_open(1);
            sl_buffer_init(&buffer, &pool, SIZE_MAX);
            for (size_t i = 0; i < before; i++) {
                push_bytes(&buffer, 0, 1);
                pop(&buffer, 1);
            }
            push_bytes(&buffer, 0, count);
            CHECK(holds(&buffer, 0, count));
            CHECK_INT(buffer.count, count);
            CHECK_INT(buffer.cost, count);
            pop(&buffer, count / 2);
            push_bytes(&buffer, count, 5);
            CHECK(holds(&buffer, count / 2, count - count / 2 + 5));
            sl_buffer_fini(&buffer);
            pool_close();
        }
    }
}

TEST("the first slices need no allocation")
{
    struct sl_buffer buffer;

    pool_open(1);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    push_bytes(&buffer, 0, SL_BUFFER_INLINE_SLICES);
    CHECK(buffer.slices == buffer.inline_slices);
    push_bytes(&buffer, SL_BUFFER_INLINE_SLICES, 1);
    CHECK(buffer.slices != buffer.inline_slices);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a reset keeps a small ring and frees a large one")
{
    struct sl_buffer buffer;

    pool_open(1);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    push_bytes(&buffer, 0, SL_BUFFER_INLINE_SLICES + 1);
    sl_buffer_reset(&buffer);
    CHECK(buffer.slices != buffer.inline_slices);
    push_bytes(&buffer, 0, 100);
    sl_buffer_reset(&buffer);
    CHECK(buffer.slices == buffer.inline_slices);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("slices of one segment count it once while they stand together")
{
    struct sl_buffer buffer;
    struct sl_segment *a, *b;

    pool_open(10);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_slices_ensure(&buffer, 4) == SL_OK);
    REQUIRE(sl_pool_rent(&pool, &a) == SL_OK);
    REQUIRE(sl_pool_rent(&pool, &b) == SL_OK);
    a->filled = b->filled = 10;
    sl_segment_retain(a);
    sl_segment_retain(a);
    sl_slices_push(&buffer, a, a->data, 1);
    CHECK_INT(buffer.cost, 10);
    sl_slices_push(&buffer, a, a->data + 2, 1);
    CHECK_INT(buffer.cost, 10);
    sl_slices_push(&buffer, b, b->data, 1);
    CHECK_INT(buffer.cost, 20);
    sl_slices_push(&buffer, a, a->data + 4, 1);
    CHECK_INT(buffer.cost, 30);
    CHECK(sl_buffer_is_valid(&buffer));
    pop(&buffer, 1);
    CHECK_INT(buffer.cost, 30);
    CHECK_INT(buffer.head_consumed, 1);
    pop(&buffer, 1);
    CHECK_INT(buffer.cost, 20);
    CHECK_INT(buffer.head_consumed, 0);
    CHECK(sl_buffer_is_valid(&buffer));
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a swap moves all slices and keeps both rings in use")
{
    for (size_t have = 0; have < 6; have++) {
        for (size_t grown = 0; grown < 2; grown++) {
            struct sl_buffer to, from;
            uint64_t calls;

            test_note("%zu slices, to a ring %s", have,
                      grown ? "of its own" : "inside");
            pool_open(1);
            sl_buffer_init(&to, &pool, SIZE_MAX);
            sl_buffer_init(&from, &pool, SIZE_MAX);
            push_bytes(&to, 0, grown ? 3 : 0);
            pop(&to, to.count);
            push_bytes(&from, 0, have);
            calls = allocator.base.calls;
            sl_slices_swap(&to, &from);
            CHECK_INT(to.count, have);
            CHECK_INT(from.count, 0);
            CHECK_INT(allocator.base.calls, calls);
            for (uint32_t i = 0; i < have; i++)
                CHECK_INT(*sl_slices_at(&to, i)->data, byte_at(i));
            to.length = to.cost = have;
            from.length = from.cost = 0;
            CHECK(holds(&to, 0, have));
            CHECK(holds(&from, 0, 0));
            push_bytes(&from, 7, 4);
            CHECK(holds(&from, 7, 4));
            sl_buffer_fini(&to);
            sl_buffer_fini(&from);
            pool_close();
        }
    }
}

TEST("there is room after a range that ends with the segment's content")
{
    struct sl_buffer buffer;
    struct sl_segment *segment;

    pool_open(10);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    CHECK_INT(sl_slices_room(&buffer), 0);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    fill(segment->data, 0, 4);
    segment->filled = 4;
    sl_slices_push(&buffer, segment, segment->data, 4);
    CHECK_INT(sl_slices_room(&buffer), 6);
    sl_segment_pin(segment);
    CHECK_INT(sl_slices_room(&buffer), 0);
    sl_segment_unpin(segment);
    segment->filled = 5;
    CHECK_INT(sl_slices_room(&buffer), 0);
    segment->filled = 4;
    sl_slices_write(&buffer, "xyz", 3);
    CHECK_INT(segment->filled, 7);
    CHECK_INT(buffer.length, 7);
    CHECK_INT(sl_slices_room(&buffer), 3);
    CHECK(sl_slices_end(&buffer) == segment->data + 7);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a ring that cannot grow stays as it is")
{
    struct sl_buffer buffer;

    pool_open(1);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    push_bytes(&buffer, 0, 4);
    test_allocator_fail(&allocator, TEST_FAIL_FROM, 1);
    CHECK_INT(sl_slices_ensure(&buffer, 1), SL_MEMORY);
    CHECK(holds(&buffer, 0, 4));
    test_allocator_fail(&allocator, TEST_FAIL_NEVER, 0);
    CHECK_INT(sl_slices_ensure(&buffer, (size_t)UINT32_MAX), SL_MEMORY);
    CHECK(holds(&buffer, 0, 4));
    sl_buffer_fini(&buffer);
    pool_close();
}

int main(void)
{
    return test_main();
}
