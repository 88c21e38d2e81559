#include "memory/buffer.h"

#include <string.h>

#include "spec/c/memory/mixture.h"
#include "spec/c/memory/stream.h"

TEST("an empty buffer holds nothing and shows nothing")
{
    struct sl_buffer buffer;
    struct sl_view view;
    char byte;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    CHECK_INT(sl_buffer_peek(&buffer).size, 0);
    CHECK(sl_buffer_front(&buffer).segment == NULL);
    CHECK_INT(sl_buffer_copy_out(&buffer, 0, &byte, 1), 0);
    CHECK_INT(sl_buffer_append(&buffer, sl_view("", 0)), SL_OK);
    sl_buffer_consume(&buffer, 0);
    CHECK_INT(sl_buffer_gather(&buffer, 0, &view), SL_OK);
    sl_buffer_compact(&buffer);
    CHECK_INT(allocator.base.calls, 0);
    sl_buffer_fini(&buffer);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("appends of every size around a segment keep their bytes")
{
    for (size_t unit = 1; unit <= 30; unit++) {
        for (size_t size = 0; size <= 3 * unit + 1; size++) {
            struct sl_buffer buffer;

            test_note("%zu bytes in segments of %zu", size, unit);
            pool_open(unit);
            sl_buffer_init(&buffer, &pool, SIZE_MAX);
            for (size_t at = 0; at < 5 * size; at += size)
                REQUIRE(append(&buffer, at, size) == SL_OK);
            CHECK(holds(&buffer, 0, 5 * size));
            CHECK(is_within_bound(&buffer));
            CHECK_INT(sl_pool_outstanding(&pool), (5 * size + unit - 1) / unit);
            sl_buffer_fini(&buffer);
            pool_close();
        }
    }
}

TEST("reserved room becomes content only as far as it is committed")
{
    struct sl_buffer buffer;
    struct sl_room room;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_reserve(&buffer, 1, &room) == SL_OK);
    CHECK_INT(room.size, 23);
    fill(room.data, 0, 23);
    sl_buffer_commit(&buffer, 5);
    CHECK(holds(&buffer, 0, 5));
    REQUIRE(sl_buffer_reserve(&buffer, 18, &room) == SL_OK);
    CHECK_INT(room.size, 18);
    fill(room.data, 5, 18);
    sl_buffer_commit(&buffer, 18);
    CHECK(holds(&buffer, 0, 23));
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    CHECK_INT(sl_buffer_peek(&buffer).size, 23);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a reservation of nothing gives room for something")
{
    struct sl_buffer buffer;
    struct sl_room room = {NULL, 0};

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_reserve(&buffer, 0, &room) == SL_OK);
    CHECK(room.size >= 1);
    sl_buffer_commit(&buffer, 0);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a cancelled reservation leaves no trace")
{
    struct sl_buffer buffer;
    struct sl_room room, rooms[4];
    size_t count = 4;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 10) == SL_OK);
    REQUIRE(sl_buffer_reserve(&buffer, 20, &room) == SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 2);
    sl_buffer_commit(&buffer, 0);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    REQUIRE(sl_buffer_reserve_many(&buffer, 60, rooms, &count) == SL_OK);
    CHECK_INT(count, 4);
    CHECK_INT(sl_pool_outstanding(&pool), 4);
    sl_buffer_commit(&buffer, 0);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    CHECK(holds(&buffer, 0, 10));
    REQUIRE(append(&buffer, 10, 13) == SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("an abandoned reservation goes with its buffer")
{
    struct sl_buffer buffer;
    struct sl_room rooms[3];
    size_t count = 3;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 10) == SL_OK);
    REQUIRE(sl_buffer_reserve_many(&buffer, 50, rooms, &count) == SL_OK);
    sl_buffer_reset(&buffer);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    REQUIRE(append(&buffer, 0, 30) == SL_OK);
    CHECK(holds(&buffer, 0, 30));
    sl_buffer_fini(&buffer);
    pool_close();
}

/* The segment of the reserved piece of that index. */
static struct sl_segment *reserved_segment(const struct sl_buffer *buffer,
                                           size_t index)
{
    struct sl_segment *segment = buffer->spare;

    if (buffer->reserved_tail != 0 && index-- == 0)
        return buffer->slices[buffer->first + buffer->count - 1].segment;
    while (index-- > 0)
        segment = segment->next;
    return segment;
}

TEST("what the kernel writes to outlives the buffer")
{
    struct sl_buffer buffer;
    struct sl_room rooms[3];
    struct sl_segment *segments[3];
    size_t count = 3;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 10) == SL_OK);
    REQUIRE(sl_buffer_reserve_many(&buffer, 59, rooms, &count) == SL_OK);
    REQUIRE(count == 3);
    for (size_t i = 0; i < 3; i++) {
        segments[i] = reserved_segment(&buffer, i);
        CHECK(rooms[i].data >= segments[i]->data &&
              rooms[i].data + rooms[i].size <=
                  segments[i]->data + segments[i]->capacity);
        sl_segment_pin(segments[i]);
    }
    sl_buffer_fini(&buffer);
    CHECK_INT(sl_pool_outstanding(&pool), 3);
    for (size_t i = 0; i < 3; i++) {
        memset(rooms[i].data, 'k', rooms[i].size);
        sl_segment_unpin(segments[i]);
    }
    pool_close();
}

TEST("a scatter reservation fills the tail first and is cut anywhere")
{
    for (size_t before = 0; before <= 23; before++) {
        for (size_t got = 0; got <= 69; got++) {
            struct sl_buffer buffer;
            struct sl_room rooms[8];
            size_t count = 8, total = 0, left = got;

            test_note("%zu bytes before, %zu arrive", before, got);
            pool_open(23);
            sl_buffer_init(&buffer, &pool, SIZE_MAX);
            REQUIRE(append(&buffer, 0, before) == SL_OK);
            REQUIRE(sl_buffer_reserve_many(&buffer, 69, rooms, &count) ==
                    SL_OK);
            for (size_t i = 0; i < count; i++) {
                size_t here = rooms[i].size < left ? rooms[i].size : left;

                fill(rooms[i].data, before + got - left, here);
                left -= here;
                total += rooms[i].size;
            }
            CHECK(total >= 69 && total < 69 + 23);
            sl_buffer_commit(&buffer, got);
            CHECK(holds(&buffer, 0, before + got));
            CHECK(is_within_bound(&buffer));
            CHECK_INT(sl_pool_outstanding(&pool), (before + got + 22) / 23);
            sl_buffer_fini(&buffer);
            pool_close();
        }
    }
}

TEST("a reservation of one piece is not a remnant of the tail")
{
    struct sl_buffer buffer;
    struct sl_room room;
    size_t count = 1;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 990) == SL_OK);
    REQUIRE(sl_buffer_reserve_many(&buffer, 500, &room, &count) == SL_OK);
    CHECK_INT(room.size, 1000);
    fill(room.data, 990, 100);
    sl_buffer_commit(&buffer, 100);
    CHECK(holds(&buffer, 0, 1090));
    CHECK_INT(sl_buffer_peek(&buffer).size, 990);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a reader may empty the buffer while room is reserved")
{
    for (size_t got = 0; got <= 40; got++) {
        struct sl_buffer buffer;
        struct sl_room rooms[2];
        struct sl_view view;
        size_t count = 2;

        test_note("%zu arrive", got);
        pool_open(23);
        sl_buffer_init(&buffer, &pool, SIZE_MAX);
        REQUIRE(append(&buffer, 0, 30) == SL_OK);
        REQUIRE(sl_buffer_reserve_many(&buffer, 39, rooms, &count) == SL_OK);
        REQUIRE(sl_buffer_gather(&buffer, 30, &view) == SL_OK);
        CHECK_INT(view.data[29], byte_at(29));
        sl_buffer_consume(&buffer, 29);
        CHECK_INT(buffer.length, 1);
        sl_buffer_consume(&buffer, 1);
        CHECK_INT(sl_buffer_peek(&buffer).size, 0);
        for (size_t i = 0, left = got; i < 2 && left > 0; i++) {
            size_t here = rooms[i].size < left ? rooms[i].size : left;

            fill(rooms[i].data, 30 + got - left, here);
            left -= here;
        }
        if (got > rooms[0].size + rooms[1].size)
            got = rooms[0].size + rooms[1].size;
        sl_buffer_commit(&buffer, got);
        CHECK(holds(&buffer, 30, got));
        CHECK_INT(sl_pool_outstanding(&pool), got == 0 ? 0 : got <= 16 ? 1 : 2);
        sl_buffer_fini(&buffer);
        pool_close();
        if (got == 39)
            break;
    }
}

TEST("a gather of everything does not touch the reserved room")
{
    for (size_t got = 0; got <= 5; got++) {
        struct sl_buffer buffer;
        struct sl_room room;
        struct sl_view view;

        test_note("%zu arrive", got);
        pool_open(23);
        sl_buffer_init(&buffer, &pool, SIZE_MAX);
        REQUIRE(append(&buffer, 0, 30) == SL_OK);
        REQUIRE(sl_buffer_reserve(&buffer, 5, &room) == SL_OK);
        REQUIRE(sl_buffer_gather(&buffer, 30, &view) == SL_OK);
        fill(room.data, 30, got);
        sl_buffer_commit(&buffer, got);
        CHECK(holds(&buffer, 0, 30 + got));
        sl_buffer_fini(&buffer);
        pool_close();
    }
}

TEST("the maximum fits exactly, one byte more does not")
{
    struct sl_buffer buffer, other;
    struct sl_room room, rooms[4];
    struct sl_segment *segment;
    size_t count = 4;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, 50);
    sl_buffer_init(&other, &pool, SIZE_MAX);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    segment->filled = 23;
    CHECK_INT(append(&buffer, 0, 51), SL_LIMIT);
    CHECK_INT(sl_buffer_reserve(&buffer, 51, &room), SL_LIMIT);
    REQUIRE(append(&buffer, 0, 40) == SL_OK);
    REQUIRE(append(&other, 0, 40) == SL_OK);
    CHECK_INT(sl_buffer_link(&buffer, segment, segment->data, 11), SL_LIMIT);
    CHECK_INT(sl_buffer_move(&buffer, &other, 11), SL_LIMIT);
    CHECK_INT(sl_buffer_take(&buffer, &other), SL_LIMIT);
    CHECK_INT(sl_buffer_reserve(&buffer, 11, &room), SL_LIMIT);
    REQUIRE(sl_buffer_reserve_many(&buffer, 100, rooms, &count) == SL_OK);
    CHECK_INT(rooms[0].size + (count > 1 ? rooms[1].size : 0), 10);
    sl_buffer_commit(&buffer, 0);
    CHECK(holds(&buffer, 0, 40));
    CHECK(holds(&other, 0, 40));
    REQUIRE(append(&buffer, 40, 10) == SL_OK);
    count = 4;
    CHECK_INT(sl_buffer_reserve_many(&buffer, 1, rooms, &count), SL_LIMIT);
    CHECK_INT(append(&buffer, 0, 1), SL_LIMIT);
    CHECK(holds(&buffer, 0, 50));
    sl_buffer_reset(&buffer);
    REQUIRE(append(&buffer, 40, 20) == SL_OK);
    CHECK_INT(sl_buffer_take(&buffer, &other), SL_LIMIT);
    sl_buffer_fini(&buffer);
    sl_buffer_fini(&other);
    sl_segment_release(segment);
    pool_close();
}

TEST("each way of appending reaches the maximum")
{
    for (int way = 0; way < 4; way++) {
        struct sl_buffer buffer, other;
        struct sl_room room;
        struct sl_segment *segment;

        test_note("way %d", way);
        pool_open(23);
        sl_buffer_init(&buffer, &pool, 50);
        sl_buffer_init(&other, &pool, SIZE_MAX);
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
        fill(segment->data, 40, 10);
        segment->filled = 10;
        REQUIRE(append(&buffer, 0, 40) == SL_OK);
        REQUIRE(append(&other, 40, 10) == SL_OK);
        if (way == 0)
            CHECK_INT(sl_buffer_link(&buffer, segment, segment->data, 10),
                      SL_OK);
        else if (way == 1)
            CHECK_INT(sl_buffer_move(&buffer, &other, 10), SL_OK);
        else if (way == 2)
            CHECK_INT(sl_buffer_take(&buffer, &other), SL_OK);
        else if (sl_buffer_reserve(&buffer, 10, &room) == SL_OK) {
            fill(room.data, 40, 10);
            sl_buffer_commit(&buffer, 10);
        }
        CHECK(holds(&buffer, 0, 50));
        CHECK_INT(append(&buffer, 50, 1), SL_LIMIT);
        sl_buffer_fini(&buffer);
        sl_buffer_fini(&other);
        sl_segment_release(segment);
        pool_close();
    }
}

TEST("an empty buffer does not take more than its maximum")
{
    struct sl_buffer buffer, other;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, 39);
    sl_buffer_init(&other, &pool, SIZE_MAX);
    REQUIRE(append(&other, 0, 40) == SL_OK);
    CHECK_INT(sl_buffer_take(&buffer, &other), SL_LIMIT);
    CHECK(holds(&other, 0, 40));
    sl_buffer_consume(&other, 1);
    REQUIRE(sl_buffer_take(&buffer, &other) == SL_OK);
    CHECK(holds(&buffer, 1, 39));
    CHECK(holds(&other, 0, 0));
    sl_buffer_fini(&buffer);
    sl_buffer_fini(&other);
    pool_close();
}

TEST("linked bytes are not copied and outlive their first owner")
{
    struct sl_buffer buffer;
    struct sl_segment *segment;
    struct sl_slice front;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    fill(segment->data, 0, 1000);
    segment->filled = 1000;
    REQUIRE(sl_buffer_link(&buffer, segment, segment->data + 100, 300) ==
            SL_OK);
    CHECK_INT(segment->refs, 2);
    front = sl_buffer_front(&buffer);
    CHECK(front.segment == segment && front.data == segment->data + 100);
    CHECK_INT(front.size, 300);
    REQUIRE(sl_buffer_link(&buffer, segment, segment->data + 400, 10) == SL_OK);
    CHECK_INT(segment->refs, 2);
    CHECK_INT(buffer.count, 1);
    REQUIRE(sl_buffer_link(&buffer, segment, segment->data + 600, 400) ==
            SL_OK);
    CHECK_INT(segment->refs, 3);
    CHECK_INT(buffer.length, 710);
    sl_segment_release(segment);
    sl_buffer_consume(&buffer, 310);
    CHECK(holds(&buffer, 600, 400));
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_buffer_consume(&buffer, 400);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    sl_buffer_fini(&buffer);
    pool_close();
}

/* Receives `size` bytes into a block of `capacity`. */
static bool receive_into_block(struct sl_buffer *buffer, size_t capacity,
                               size_t position, size_t size)
{
    struct sl_room room;

    if (sl_buffer_reserve(buffer, capacity, &room) != SL_OK)
        return false;
    fill(room.data, position, size);
    sl_buffer_commit(buffer, size);
    return true;
}

/* In front a block of 16 segments that holds `size` bytes and has no room,
 * since somebody has pinned it; behind it `pieces` fresh segments, in a ring
 * that has as many places. */
static void receive_behind_block(size_t unit, size_t size, size_t pieces)
{
    struct sl_buffer buffer;
    struct sl_room rooms[8];
    struct sl_segment *block;

    test_note("%zu bytes of %zu, then %zu pieces", size, 16 * unit, pieces);
    pool_open(unit);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(receive_into_block(&buffer, 64 * unit, 0, 64 * unit));
    REQUIRE(receive_into_block(&buffer, 16 * unit, 64 * unit, size));
    sl_buffer_consume(&buffer, 64 * unit);
    block = sl_buffer_front(&buffer).segment;
    sl_segment_pin(block);
    REQUIRE(sl_buffer_reserve_many(&buffer, pieces * unit, rooms, &pieces) ==
            SL_OK);
    for (size_t i = 0, at = 64 * unit + size; i < pieces; at += rooms[i++].size)
        fill(rooms[i].data, at, rooms[i].size);
    sl_buffer_commit(&buffer, pieces * unit);
    sl_segment_unpin(block);
    CHECK(holds(&buffer, 64 * unit, size + pieces * unit));
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("bytes copied together find room for their slices")
{
    for (size_t unit = 512; unit <= 4096; unit *= 2) {
        for (size_t eighths = 1; eighths < 128; eighths++) {
            for (size_t pieces = 1; pieces <= 7; pieces += 2)
                receive_behind_block(unit, eighths * unit / 8, pieces);
        }
    }
}

TEST("two buffers that show one range do not write into the same room")
{
    struct sl_buffer a, b;
    struct sl_room room, other;

    pool_open(1000);
    sl_buffer_init(&a, &pool, SIZE_MAX);
    sl_buffer_init(&b, &pool, SIZE_MAX);
    REQUIRE(append(&a, 0, 500) == SL_OK);
    REQUIRE(sl_buffer_link(&b, sl_buffer_front(&a).segment,
                           sl_buffer_front(&a).data, 500) == SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    REQUIRE(sl_buffer_reserve(&a, 10, &room) == SL_OK);
    REQUIRE(sl_buffer_reserve(&b, 10, &other) == SL_OK);
    CHECK(room.data + room.size <= other.data ||
          other.data + other.size <= room.data);
    fill(room.data, 500, 10);
    fill(other.data, 500, 20);
    sl_buffer_commit(&a, 10);
    sl_buffer_commit(&b, 20);
    CHECK(holds(&a, 0, 510));
    CHECK(holds(&b, 0, 520));
    REQUIRE(append(&b, 520, 300) == SL_OK);
    REQUIRE(append(&a, 510, 300) == SL_OK);
    CHECK(holds(&a, 0, 810));
    CHECK(holds(&b, 0, 820));
    sl_buffer_fini(&a);
    CHECK(holds(&b, 0, 820));
    sl_buffer_fini(&b);
    pool_close();
}

TEST("a pinned segment's room is not the buffer's")
{
    struct sl_buffer buffer;
    struct sl_segment *segment;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 500) == SL_OK);
    segment = sl_buffer_front(&buffer).segment;
    sl_segment_pin(segment);
    REQUIRE(append(&buffer, 500, 100) == SL_OK);
    CHECK_INT(segment->filled, 500);
    CHECK(holds(&buffer, 0, 600));
    sl_segment_unpin(segment);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("moves of every size keep order and empty the source")
{
    for (size_t have = 0; have <= 60; have += 5) {
        for (size_t size = 0; size <= 100; size++) {
            struct sl_buffer to, from;

            test_note("%zu bytes after %zu", size, have);
            pool_open(23);
            sl_buffer_init(&to, &pool, SIZE_MAX);
            sl_buffer_init(&from, &pool, SIZE_MAX);
            REQUIRE(append(&to, 0, have) == SL_OK);
            REQUIRE(append(&from, have, 100) == SL_OK);
            REQUIRE(sl_buffer_move(&to, &from, size) == SL_OK);
            CHECK(holds(&to, 0, have + size));
            CHECK(holds(&from, have + size, 100 - size));
            CHECK(is_within_bound(&to));
            REQUIRE(sl_buffer_take(&to, &from) == SL_OK);
            CHECK(holds(&to, 0, have + 100));
            CHECK(holds(&from, 0, 0));
            CHECK(is_within_bound(&to));
            REQUIRE(append(&from, 7, 30) == SL_OK);
            CHECK(holds(&from, 7, 30));
            sl_buffer_fini(&to);
            sl_buffer_fini(&from);
            pool_close();
        }
    }
}

TEST("an empty buffer takes the whole ring")
{
    struct sl_buffer to, from;
    const char *data;

    pool_open(23);
    sl_buffer_init(&to, &pool, SIZE_MAX);
    sl_buffer_init(&from, &pool, SIZE_MAX);
    for (size_t size = 10; size <= 300; size += 145) {
        REQUIRE(append(&from, 0, size) == SL_OK);
        sl_buffer_consume(&from, 5);
        data = sl_buffer_peek(&from).data;
        REQUIRE(sl_buffer_take(&to, &from) == SL_OK);
        CHECK(holds(&to, 5, size - 5));
        CHECK(sl_buffer_peek(&to).data == data);
        CHECK(holds(&from, 0, 0));
        sl_buffer_reset(&to);
    }
    sl_buffer_fini(&to);
    sl_buffer_fini(&from);
    pool_close();
}

TEST("gather makes any prefix one piece and loses nothing")
{
    for (size_t eaten = 0; eaten < 46; eaten++) {
        for (size_t size = 0; size <= 100 - eaten; size++) {
            struct sl_buffer buffer;
            struct sl_view view;

            test_note("%zu after %zu", size, eaten);
            pool_open(23);
            sl_buffer_init(&buffer, &pool, SIZE_MAX);
            REQUIRE(append(&buffer, 0, 100) == SL_OK);
            sl_buffer_consume(&buffer, eaten);
            REQUIRE(sl_buffer_gather(&buffer, size, &view) == SL_OK);
            CHECK(view.size >= size);
            for (size_t i = 0; i < view.size; i++)
                REQUIRE(view.data[i] == byte_at(eaten + i));
            CHECK(holds(&buffer, eaten, 100 - eaten));
            REQUIRE(append(&buffer, 100, 30) == SL_OK);
            CHECK(holds(&buffer, eaten, 130 - eaten));
            sl_buffer_fini(&buffer);
            pool_close();
        }
    }
}

TEST("segments that lie side by side are one piece without a copy")
{
    struct sl_room rooms[9];
    struct sl_buffer buffer;
    struct sl_view view;
    size_t count = 9;
    size_t run = 4 * SL_SEGMENT_SIZE;
    uint64_t rented;

    pool_open(0);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_reserve_many(&buffer, 8 * SL_SEGMENT_SIZE, rooms,
                                   &count) == SL_OK);
    CHECK_INT(count, 8);
    for (size_t i = 0; i < count; i++) {
        if (i % 4 > 0)
            CHECK(rooms[i].data == rooms[i - 1].data + SL_SEGMENT_SIZE);
        fill(rooms[i].data, i * SL_SEGMENT_SIZE, SL_SEGMENT_SIZE);
    }
    if (rooms[4].data == rooms[3].data + SL_SEGMENT_SIZE)
        run *= 2;
    sl_buffer_commit(&buffer, 8 * SL_SEGMENT_SIZE);
    rented = pool.stats.rented;
    for (size_t eaten = 0; eaten < 50000; eaten += 7000) {
        size_t size = 4 * SL_SEGMENT_SIZE - eaten;

        REQUIRE(sl_buffer_gather(&buffer, size, &view) == SL_OK);
        CHECK(view.data == rooms[0].data + eaten);
        CHECK_INT(view.size, size);
        sl_buffer_consume(&buffer, 7000);
    }
    CHECK_INT(pool.stats.rented, rented);
    view = sl_buffer_peek_run(&buffer);
    CHECK(view.data == sl_buffer_peek(&buffer).data);
    CHECK_INT(view.size, run - 8 * 7000);
    /* another segment takes the place beside the last one */
    while (buffer.count > 1)
        sl_buffer_consume(&buffer, 1000);
    rooms[0].data = (char *)sl_buffer_peek(&buffer).data;
    REQUIRE(append(&buffer, 0, SL_SEGMENT_SIZE) == SL_OK);
    CHECK_INT(sl_buffer_peek_run(&buffer).size, sl_buffer_peek(&buffer).size);
    REQUIRE(sl_buffer_gather(&buffer, buffer.length, &view) == SL_OK);
    CHECK(view.data != rooms[0].data);
    CHECK(pool.stats.rented > rented);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a buffer shows the bytes at each of its offsets")
{
    struct sl_buffer buffer;

    pool_open(7);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    CHECK_INT(sl_buffer_at(&buffer, 0).size, 0);
    REQUIRE(append(&buffer, 0, 60) == SL_OK);
    for (size_t consumed = 0; consumed < 60; consumed++) {
        for (size_t at = consumed; at < 60; at++) {
            struct sl_view view = sl_buffer_at(&buffer, at - consumed);

            CHECK_INT(view.size, at / 7 == 8 ? 60 - at : 7 - at % 7);
            CHECK_INT(view.data[0], byte_at(at));
        }
        CHECK_INT(sl_buffer_at(&buffer, 60 - consumed).size, 0);
        sl_buffer_consume(&buffer, 1);
    }
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("views show the front, slice by slice, as far as there are any")
{
    struct sl_view views[8];
    struct sl_buffer buffer;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    CHECK_INT(sl_buffer_views(&buffer, views, 8), 0);
    REQUIRE(append(&buffer, 0, 100) == SL_OK);
    sl_buffer_consume(&buffer, 30);
    for (size_t most = 0; most <= 8; most++) {
        size_t count = sl_buffer_views(&buffer, views, most);
        size_t offset = 0;

        CHECK_INT(count, most < 4 ? most : 4);
        for (size_t i = 0; i < count; i++) {
            CHECK(views[i].data == sl_buffer_at(&buffer, offset).data);
            CHECK_INT(views[i].size, sl_buffer_at(&buffer, offset).size);
            offset += views[i].size;
        }
        CHECK(most < 4 || offset == 70);
    }
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a view stays good while more is written behind it")
{
    struct sl_buffer buffer;
    struct sl_segment *segment;
    struct sl_view view;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    fill(segment->data, 0, 200);
    segment->filled = 1000; /* somebody else's bytes follow */
    REQUIRE(sl_buffer_link(&buffer, segment, segment->data, 200) == SL_OK);
    sl_segment_release(segment);
    view = sl_buffer_peek(&buffer);
    for (size_t at = 200; at < 20000; at += 99)
        REQUIRE(append(&buffer, at, 99) == SL_OK);
    CHECK(sl_buffer_peek(&buffer).data == view.data);
    for (size_t i = 0; i < 200; i++)
        REQUIRE(view.data[i] == byte_at(i));
    CHECK(is_within_bound(&buffer));
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a small body is compacted into a block of its size")
{
    struct sl_buffer buffer;

    pool_open(0);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 1024) == SL_OK);
    CHECK_INT(cost_of(&buffer), 16384);
    sl_buffer_compact(&buffer);
    CHECK_INT(cost_of(&buffer), 1024);
    CHECK(holds(&buffer, 0, 1024));
    sl_buffer_compact(&buffer);
    CHECK(holds(&buffer, 0, 1024));
    REQUIRE(append(&buffer, 1024, 20000) == SL_OK);
    sl_buffer_compact(&buffer);
    CHECK(holds(&buffer, 0, 21024));
    CHECK(is_within_bound(&buffer));
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("room for all of a small body leaves nothing to compact")
{
    const size_t sizes[] = {1, 255, 256, 257, 4096, 8192};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sl_buffer buffer;
        struct sl_room room;
        const char *data;

        test_note("%zu bytes", sizes[i]);
        pool_open(0);
        sl_buffer_init(&buffer, &pool, 8192);
        REQUIRE(sl_buffer_reserve_fitting(&buffer, sizes[i], &room) == SL_OK);
        CHECK_INT(room.size, sizes[i]);
        fill(room.data, 0, sizes[i]);
        sl_buffer_commit(&buffer, sizes[i]);
        CHECK(cost_of(&buffer) < 2 * sizes[i] + 256);
        data = sl_buffer_peek(&buffer).data;
        sl_buffer_compact(&buffer);
        CHECK(sl_buffer_peek(&buffer).data == data);
        CHECK(holds(&buffer, 0, sizes[i]));
        sl_buffer_reset(&buffer);
        CHECK_INT(sl_buffer_reserve_fitting(&buffer, 8193, &room), SL_LIMIT);
        sl_buffer_fini(&buffer);
        pool_close();
    }
}

static void reserve_fitting(struct sl_allocator *failing, void *argument)
{
    struct sl_pool own;
    struct sl_buffer buffer;
    struct sl_room room;

    (void)argument;
    sl_pool_init(&own, failing, NULL);
    sl_buffer_init(&buffer, &own, SIZE_MAX);
    if (sl_buffer_reserve_fitting(&buffer, 100, &room) == SL_OK) {
        CHECK_INT(room.size, 100);
        sl_buffer_commit(&buffer, 0);
    }
    CHECK_INT(buffer.length, 0);
    CHECK(sl_buffer_is_valid(&buffer));
    sl_buffer_fini(&buffer);
    CHECK_INT(sl_pool_fini(&own), 0);
}

TEST("such room without memory leaves the buffer as it was")
{
    test_each_failure(reserve_fitting, NULL);
}

TEST("ranges of a shared segment are compacted together")
{
    struct sl_buffer buffer;
    struct sl_segment *segment;

    pool_open(0);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    segment->filled = 16384;
    for (size_t i = 0; i < 4; i++) {
        fill(segment->data + i * 2000, i * 1000, 1000);
        REQUIRE(sl_buffer_link(&buffer, segment, segment->data + i * 2000,
                               1000) == SL_OK);
    }
    CHECK_INT(buffer.count, 4);
    sl_buffer_compact(&buffer);
    CHECK_INT(segment->refs, 1);
    CHECK_INT(buffer.count, 1);
    CHECK(holds(&buffer, 0, 4000));
    sl_segment_release(segment);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a steady stream through a buffer allocates nothing")
{
    struct sl_buffer buffer, body;
    uint64_t calls = 0;

    pool_open(0);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_buffer_init(&body, &pool, SIZE_MAX);
    for (int round = 0; round < 200; round++) {
        struct sl_room rooms[4];
        size_t count = 4;

        REQUIRE(sl_buffer_reserve_many(&buffer, 65536, rooms, &count) == SL_OK);
        memset(rooms[0].data, 'x', rooms[0].size);
        sl_buffer_commit(&buffer, 30000);
        sl_buffer_consume(&buffer, 300);
        REQUIRE(sl_buffer_take(&body, &buffer) == SL_OK);
        sl_buffer_consume(&body, body.length);
        if (round == 1)
            calls = allocator.base.calls;
    }
    CHECK_INT(allocator.base.calls, calls);
    sl_buffer_fini(&buffer);
    sl_buffer_fini(&body);
    pool_close();
}

TEST("lengths beyond 2^31 are counted")
{
    struct sl_buffer buffer;
    struct sl_segment *block;
    size_t size = (size_t)8 * 1024 * 1024;
    char byte = 0;

    pool_open(0);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_pool_rent_block(&pool, size, &block) == SL_OK);
    memset(block->data, 'x', size);
    block->data[size - 1] = 'y';
    block->filled = size;
    for (int i = 0; i < 600; i++)
        REQUIRE(sl_buffer_link(&buffer, block, block->data, size) == SL_OK);
    CHECK_INT(buffer.length, 600 * size);
    CHECK(buffer.length > (size_t)UINT32_MAX);
    CHECK_INT(sl_buffer_copy_out(&buffer, 599 * size + size - 1, &byte, 1), 1);
    CHECK_INT(byte, 'y');
    sl_buffer_consume(&buffer, 599 * size + size - 1);
    CHECK_INT(buffer.length, 1);
    CHECK_INT(sl_buffer_peek(&buffer).data[0], 'y');
    sl_buffer_fini(&buffer);
    sl_segment_release(block);
    pool_close();
}

TEST("the validity check notices each wrong count")
{
    struct sl_buffer buffer, saved;
    struct sl_slice slice;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    CHECK(sl_buffer_is_valid(&buffer));
    REQUIRE(append(&buffer, 0, 40) == SL_OK);
    saved = buffer;
    CHECK(sl_buffer_is_valid(&saved));
    saved.length++;
    CHECK(!sl_buffer_is_valid(&saved));
    saved.length--;
    saved.cost--;
    CHECK(!sl_buffer_is_valid(&saved));
    saved.cost++;
    saved.max_size = 39;
    CHECK(!sl_buffer_is_valid(&saved));
    saved.max_size = 40;
    saved.reserved_tail = 1;
    CHECK(!sl_buffer_is_valid(&saved));
    saved.reserved_tail = 0;
    slice = saved.slices[0];
    saved.slices[0].data--;
    CHECK(!sl_buffer_is_valid(&saved));
    saved.slices[0] = slice;
    saved.slices[0].size = 0;
    saved.length -= 23;
    CHECK(!sl_buffer_is_valid(&saved));
    saved.slices[0] = slice;
    saved.length += 23;
    CHECK(sl_buffer_is_valid(&saved));
    sl_buffer_fini(&buffer);
    pool_close();
}

/* ---- failures ---- */

static void live_and_fail(struct sl_allocator *base, void *argument)
{
    static char bytes[200];
    size_t unit = *(size_t *)argument;
    const struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT,
        .segment_size = unit,
        .spare_limit = SIZE_MAX,
    };
    struct sl_pool scarce;
    struct sl_buffer buffer, other;
    struct sl_room rooms[4];
    struct sl_view view;
    size_t count = 4, length;

    fill(bytes, 0, sizeof bytes);
    sl_pool_init(&scarce, base, &options);
    sl_buffer_init(&buffer, &scarce, SIZE_MAX);
    sl_buffer_init(&other, &scarce, SIZE_MAX);

    if (sl_buffer_append(&buffer, sl_view(bytes, 100)) != SL_OK) {
        CHECK(test_allocator_has_failed(base));
        CHECK(holds(&buffer, 0, 0));
    }
    length = buffer.length;
    if (sl_buffer_reserve_many(&buffer, 90, rooms, &count) == SL_OK) {
        size_t got = rooms[0].size;

        fill(rooms[0].data, length, got);
        sl_buffer_commit(&buffer, got);
        length += got;
    } else {
        CHECK(test_allocator_has_failed(base));
    }
    CHECK(holds(&buffer, 0, length));
    if (sl_buffer_reserve(&buffer, 30, rooms) == SL_OK) {
        fill(rooms[0].data, length, 7);
        sl_buffer_commit(&buffer, 7);
        length += 7;
    } else {
        CHECK(test_allocator_has_failed(base));
    }
    CHECK(holds(&buffer, 0, length));
    if (sl_buffer_append(&other, sl_view(bytes, 150)) == SL_OK) {
        size_t before = length % 31;
        size_t size = other.length < 90 ? other.length : 90;

        /* A failed move has moved a prefix. */
        sl_buffer_reset(&buffer);
        sl_buffer_consume(&other, before);
        if (sl_buffer_move(&buffer, &other, size) != SL_OK)
            CHECK(test_allocator_has_failed(base));
        CHECK(holds(&buffer, before, buffer.length));
        CHECK(holds(&other, before + buffer.length,
                    150 - before - buffer.length));
        if (sl_buffer_take(&buffer, &other) != SL_OK)
            CHECK(test_allocator_has_failed(base));
        CHECK(holds(&buffer, before, buffer.length));
        length = buffer.length;
        if (sl_buffer_gather(&buffer, length / 2, &view) != SL_OK)
            CHECK(test_allocator_has_failed(base));
        CHECK(holds(&buffer, before, length));
        sl_buffer_compact(&buffer);
        CHECK(holds(&buffer, before, length));
    } else {
        CHECK(test_allocator_has_failed(base));
    }
    sl_buffer_fini(&buffer);
    sl_buffer_fini(&other);
    CHECK_INT(sl_pool_fini(&scarce), 0);
}

/* ---- a large body ---- */

/* Receives up to `most` bytes of the stream, in pieces as they come. */
static size_t receive(struct sl_buffer *buffer, size_t position, size_t most)
{
    struct sl_room rooms[8];
    size_t count = 8;
    size_t got = 0;

    REQUIRE(sl_buffer_reserve_many(buffer, most, rooms, &count) == SL_OK);
    for (size_t i = 0; i < count && got < most; i++) {
        size_t here = rooms[i].size < most - got ? rooms[i].size : most - got;

        fill(rooms[i].data, position + got, here);
        got += here;
    }
    sl_buffer_commit(buffer, got);
    return got;
}

TEST("a large body has a quarter of the links that its segments would have")
{
    struct sl_buffer buffer;
    size_t size = 0;

    pool_open(64);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    while (size < (size_t)64 * 1024)
        size += receive(&buffer, size, 512);
    CHECK(holds(&buffer, 0, size));
    CHECK(is_within_bound(&buffer));
    CHECK(buffer.count < 64 + 1024 / 4 + 16);
    sl_buffer_consume(&buffer, size - 100);
    CHECK(holds(&buffer, size - 100, 100));
    sl_buffer_fini(&buffer);
    CHECK_INT(pool.stats.bytes, 0);
    pool_close();
}

TEST("links of a large body that others hold stay as they are")
{
    struct sl_buffer buffer, other;
    struct sl_slice held;
    size_t size = 0;

    pool_open(64);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_buffer_init(&other, &pool, SIZE_MAX);
    while (size < 5000)
        size += receive(&buffer, size, 64);
    held =
        buffer
            .slices[(buffer.first + buffer.count - 1) & (buffer.capacity - 1)];
    CHECK_INT(sl_buffer_link(&other, held.segment, held.data, held.size),
              SL_OK);
    while (size < 6000)
        size += receive(&buffer, size, 64);
    CHECK_INT(held.segment->refs, 2);
    CHECK_INT(held.segment->capacity,
              held.segment->filled); /* not a part of another one */
    CHECK(holds(&buffer, 0, size));
    sl_buffer_fini(&buffer);
    CHECK_INT(other.length, held.size);
    sl_buffer_fini(&other);
    pool_close();
}

TEST("a large body holds what arrived, however it comes, is shown and taken")
{
    unsigned random = 1;

    for (int round = 0; round < 40; round++) {
        struct sl_buffer buffer, other;
        size_t begin = 0, end = 0, shown = 0, shown_size = 0;

        test_note("round %d", round);
        pool_open(64);
        sl_buffer_init(&buffer, &pool, SIZE_MAX);
        sl_buffer_init(&other, &pool, SIZE_MAX);
        for (int i = 0; i < 400; i++) {
            struct sl_slice front;

            random = random * 1103515245 + 12345;
            end += receive(&buffer, end, 1 + (random >> 8) % 300);
            front = sl_buffer_front(&buffer);
            if (round % 2 == 1 && (random >> 20) % 16 == 0) {
                sl_buffer_reset(&other);
                REQUIRE(sl_buffer_link(&other, front.segment, front.data,
                                       front.size) == SL_OK);
                shown = begin;
                shown_size = front.size;
            }
            if (round % 4 >= 2 && end - begin > 6000) {
                size_t taken = (random >> 12) % 900;

                sl_buffer_consume(&buffer, taken);
                begin += taken;
            }
        }
        CHECK(holds(&buffer, begin, end - begin));
        CHECK(holds(&other, shown, shown_size));
        sl_buffer_fini(&buffer);
        CHECK(holds(&other, shown, shown_size));
        sl_buffer_fini(&other);
        pool_close();
    }
}

TEST("a failing allocation leaves the buffer as it was")
{
    static size_t units[] = {7, 23, 64};

    for (size_t i = 0; i < 3; i++)
        test_each_failure(live_and_fail, &units[i]);
}

TEST("holds what a model holds, after any operations in any order")
{
    struct sl_pool_options options = {.spare_limit = SIZE_MAX};
    struct sl_allocator system;

    sl_allocator_init_system(&system);
    for (options.segment_size = 512; options.segment_size <= 4096;
         options.segment_size *= 2) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct mixture_choices choices = {seed * 2654435761u, NULL, 0};
            struct sl_pool mixed;

            options.mode = seed % 2 == 0 ? SL_POOL_SLABS : SL_POOL_DIRECT;
            sl_pool_init(&mixed, &system, &options);
            test_note("segments of %zu, seed %d", options.segment_size,
                      (int)seed);
            if (!CHECK_STR(mixture_run(&choices, &mixed, 400), NULL))
                return;
            sl_pool_fini(&mixed);
        }
    }
}

int main(void)
{
    return test_main();
}
