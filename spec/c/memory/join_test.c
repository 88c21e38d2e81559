#include "memory/join.h"

#include <string.h>

#include "memory/sequence.h"
#include "spec/c/memory/stream.h"

/* The segments that a reader has partly consumed and a writer partly filled. */
static size_t ends_of(const struct sl_buffer *buffer)
{
    uint32_t last = buffer->first + buffer->count - 1;
    size_t head, tail;

    if (buffer->count == 0)
        return 0;
    head = sl_buffer_front(buffer).segment->capacity;
    tail = buffer->slices[last & (buffer->capacity - 1)].segment->capacity;
    return head + (tail > pool.options.segment_size ? tail : 0);
}

TEST("room skipped for a larger piece is not lost")
{
    struct sl_buffer buffer;
    struct sl_room room;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    for (size_t at = 0; at < 50; at++) {
        REQUIRE(sl_buffer_reserve(&buffer, 1000, &room) == SL_OK);
        room.data[0] = byte_at(at);
        sl_buffer_commit(&buffer, 1);
    }
    CHECK(holds(&buffer, 0, 50));
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a piece larger than a segment becomes a block")
{
    struct sl_buffer buffer;
    struct sl_room room;

    pool_open(23);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_reserve(&buffer, 300, &room) == SL_OK);
    CHECK(room.size >= 300);
    fill(room.data, 0, 300);
    sl_buffer_commit(&buffer, 300);
    CHECK(holds(&buffer, 0, 300));
    CHECK(is_within_bound(&buffer));
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("tiny pieces are joined as they arrive")
{
    struct sl_buffer body, wire;

    pool_open(0);
    sl_buffer_init(&body, &pool, SIZE_MAX);
    sl_buffer_init(&wire, &pool, SIZE_MAX);
    for (size_t at = 0; at < 64000; at += 16) {
        REQUIRE(sl_buffer_append(&wire, SL_VIEW("10\r\n")) == SL_OK);
        REQUIRE(append(&wire, at, 16) == SL_OK);
        sl_buffer_consume(&wire, 4);
        REQUIRE(sl_buffer_move(&body, &wire, 16) == SL_OK);
    }
    CHECK(holds(&body, 0, 64000));
    CHECK(body.count <= 5);
    CHECK(is_within_bound(&body));
    sl_buffer_fini(&body);
    sl_buffer_fini(&wire);
    pool_close();
}

TEST("pieces of a useful size are moved, not copied")
{
    struct sl_buffer body, wire;
    uint64_t rented;

    pool_open(0);
    sl_buffer_init(&body, &pool, SIZE_MAX);
    sl_buffer_init(&wire, &pool, SIZE_MAX);
    for (size_t at = 0; at < 400000; at += 4000) {
        REQUIRE(sl_buffer_append(&wire, SL_VIEW("fa0\r\n")) == SL_OK);
        REQUIRE(append(&wire, at, 4000) == SL_OK);
    }
    rented = pool.stats.rented;
    for (size_t at = 0; at < 400000; at += 4000) {
        sl_buffer_consume(&wire, 5);
        REQUIRE(sl_buffer_move(&body, &wire, 4000) == SL_OK);
    }
    CHECK(holds(&body, 0, 400000));
    CHECK(is_within_bound(&body));
    CHECK_INT(pool.stats.rented, rented);
    sl_buffer_fini(&body);
    sl_buffer_fini(&wire);
    pool_close();
}

TEST("a small part of a large block is copied, however much came before")
{
    struct sl_buffer buffer;
    struct sl_segment *block;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(append(&buffer, 0, 50000) == SL_OK);
    REQUIRE(sl_pool_rent_block(&pool, 8192, &block) == SL_OK);
    fill(block->data, 50000, 2000);
    block->filled = 8192;
    REQUIRE(sl_buffer_link(&buffer, block, block->data, 2000) == SL_OK);
    CHECK_INT(block->refs, 1);
    sl_segment_release(block);
    sl_buffer_consume(&buffer, 50000);
    CHECK(holds(&buffer, 50000, 2000));
    CHECK(is_within_bound(&buffer));
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("a whole large block is linked")
{
    struct sl_buffer buffer;
    struct sl_segment *block;

    pool_open(1000);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_pool_rent_block(&pool, 8192, &block) == SL_OK);
    fill(block->data, 0, 8000);
    block->filled = 8000;
    REQUIRE(sl_buffer_link(&buffer, block, block->data, 8000) == SL_OK);
    CHECK_INT(block->refs, 2);
    sl_segment_release(block);
    CHECK(is_within_bound(&buffer));
    sl_buffer_fini(&buffer);
    pool_close();
}

/* ---- any pattern of arrival ---- */

struct random {
    uint64_t state;
};

static size_t draw(struct random *random, size_t limit)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random->state >> 33) % limit;
}

/* Mostly small, sometimes around a unit, sometimes several of them. */
static size_t draw_size(struct random *random, size_t unit)
{
    switch (draw(random, 5)) {
    case 0:
        return 1 + draw(random, 4);
    case 1:
        return 1 + draw(random, unit / 8 + 1);
    case 2:
        return 1 + draw(random, unit);
    case 3:
        return unit - unit / 8 + draw(random, unit / 4 + 1);
    default:
        return 1 + draw(random, 3 * unit);
    }
}

/* A foreign segment with the next bytes of the stream in it. */
static struct sl_segment *foreign(struct random *random, size_t position,
                                  size_t *offset, size_t *size)
{
    size_t unit = pool.options.segment_size;
    struct sl_segment *segment;
    size_t room;

    if (draw(random, 4) == 0) {
        REQUIRE(sl_pool_rent_block(&pool, draw_size(random, unit), &segment) ==
                SL_OK);
    } else {
        REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    }
    *offset = draw(random, 3) == 0 ? 0 : draw(random, segment->capacity);
    room = segment->capacity - *offset;
    *size = draw(random, 3) == 0 ? room : 1 + draw(random, room);
    memset(segment->data, '-', segment->capacity);
    fill(segment->data + *offset, position, *size);
    /* Sometimes there is room behind it, sometimes others' bytes. */
    segment->filled =
        draw(random, 2) == 0 ? segment->capacity : *offset + *size;
    return segment;
}

#define KEPT 4

enum kind { ARRIVES, CONSUMED, GATHERED };

static void random_life(uint64_t seed, size_t unit, enum kind kind)
{
    struct random random = {seed * 2654435761u + unit};
    static const size_t kinds[] = {6, 8, 9};
    struct sl_segment *kept[KEPT] = {NULL};
    struct sl_buffer buffer, source;
    size_t start = 0, end = 0;

    pool_open(unit);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_buffer_init(&source, &pool, SIZE_MAX);
    for (int step = 0; step < 120; step++) {
        size_t size = draw_size(&random, unit);
        size_t offset, what = draw(&random, kinds[kind]);

        test_note("seed %llu, segments of %zu, step %d: %zu",
                  (unsigned long long)seed, unit, step, what);
        switch (what) {
        case 0:
            REQUIRE(append(&buffer, end, size) == SL_OK);
            end += size;
            break;
        case 1: {
            struct sl_room room;

            REQUIRE(sl_buffer_reserve(&buffer, size, &room) == SL_OK);
            size = draw(&random, size + 1);
            fill(room.data, end, size);
            sl_buffer_commit(&buffer, size);
            end += size;
            break;
        }
        case 2: {
            struct sl_room rooms[4];
            size_t count = 1 + draw(&random, 4), total = 0;

            REQUIRE(sl_buffer_reserve_many(&buffer, size, rooms, &count) ==
                    SL_OK);
            for (size_t i = 0; i < count; i++) {
                fill(rooms[i].data, end + total, rooms[i].size);
                total += rooms[i].size;
            }
            size = draw(&random, total + 1);
            sl_buffer_commit(&buffer, size);
            end += size;
            break;
        }
        case 3:
        case 4: {
            struct sl_segment *segment = foreign(&random, end, &offset, &size);
            size_t half = draw(&random, size + 1);

            /* As one range, as two, or as two with something between. */
            if (draw(&random, 2) == 0)
                half = size;
            REQUIRE(sl_buffer_link(&buffer, segment, segment->data + offset,
                                   half) == SL_OK);
            if (draw(&random, 2) == 0)
                REQUIRE(sl_buffer_link(&buffer, segment,
                                       segment->data + offset + half,
                                       size - half) == SL_OK);
            else
                size = half;
            end += size;
            if (draw(&random, 2) == 0) {
                size_t slot = draw(&random, KEPT);

                if (kept[slot] != NULL)
                    sl_segment_release(kept[slot]);
                kept[slot] = segment;
            } else {
                sl_segment_release(segment);
            }
            break;
        }
        case 5: {
            size_t moved = 0;

            /* As from the wire: what is between the pieces is dropped. */
            sl_buffer_reset(&source);
            while (moved < size) {
                size_t piece = 1 + draw(&random, size - moved);
                size_t gap = draw(&random, 8);

                REQUIRE(append(&source, 0, gap) == SL_OK);
                REQUIRE(append(&source, end + moved, piece) == SL_OK);
                sl_buffer_consume(&source, gap);
                REQUIRE(sl_buffer_move(&buffer, &source, piece) == SL_OK);
                moved += piece;
            }
            end += size;
            break;
        }
        case 6:
        case 7:
            size = draw(&random, end - start + 1);
            if (draw(&random, 2) == 0 && size > unit)
                size = draw(&random, unit);
            sl_buffer_consume(&buffer, size);
            start += size;
            break;
        default: {
            struct sl_view view;

            if (size > end - start)
                size = end - start;
            if (draw(&random, 4) == 0)
                sl_buffer_compact(&buffer);
            REQUIRE(sl_buffer_gather(&buffer, size, &view) == SL_OK);
            CHECK(view.size >= size);
            break;
        }
        }
        if (step % 8 == 7 || end - start < 2000)
            REQUIRE(holds(&buffer, start, end - start));
        if (kind == ARRIVES)
            REQUIRE(is_within_bound(&buffer));
        /* Bytes consumed since have left their share of the ends behind. */
        if (kind == CONSUMED)
            REQUIRE(cost_of(&buffer) <= buffer.length + buffer.length / 4 +
                                            unit + ends_of(&buffer));
    }
    for (size_t i = 0; i < KEPT; i++) {
        if (kept[i] != NULL)
            sl_segment_release(kept[i]);
    }
    sl_buffer_fini(&buffer);
    sl_buffer_fini(&source);
    pool_close();
}

TEST("the bound holds for any pattern of arrival")
{
    static const size_t units[] = {23, 64, 1000, 16384};

    for (uint64_t seed = 1; seed <= 100; seed++) {
        for (size_t u = 0; u < 4; u++)
            random_life(seed, units[u], ARRIVES);
    }
}

TEST("random lives keep every byte, also while being consumed")
{
    static const size_t units[] = {1, 23, 64, 1000};

    for (uint64_t seed = 1; seed <= 100; seed++) {
        for (size_t u = 0; u < 4; u++)
            random_life(seed, units[u], seed % 2 == 0 ? CONSUMED : GATHERED);
    }
}

/* ---- failures ---- */

/* Settles, small blocks and links under the same scarcity. */
static void link_and_fail(struct sl_allocator *base, void *argument)
{
    const struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT,
        .segment_size = 1000,
        .spare_limit = SIZE_MAX,
    };
    struct random random = {*(uint64_t *)argument};
    struct sl_buffer buffer;
    size_t length = 0;

    test_allocator_init(&allocator); /* a plentiful pool for the sources */
    sl_pool_init(&pool, &allocator.base, &options);
    {
        struct sl_pool scarce;

        sl_pool_init(&scarce, base, &options);
        sl_buffer_init(&buffer, &scarce, SIZE_MAX);
        for (int i = 0; i < 12; i++) {
            size_t offset, size;
            struct sl_segment *segment =
                foreign(&random, length, &offset, &size);

            if (sl_buffer_link(&buffer, segment, segment->data + offset,
                               size) == SL_OK)
                length += size;
            else
                CHECK(test_allocator_has_failed(base));
            sl_segment_release(segment);
            CHECK(holds(&buffer, 0, length));
        }
        sl_buffer_fini(&buffer);
        CHECK_INT(sl_pool_fini(&scarce), 0);
    }
    pool_close();
}

TEST("any allocation may fail while ranges are linked")
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        test_each_failure(link_and_fail, &seed);
}

TEST("a range that just fills the tail's room leaves no empty slice")
{
    for (size_t size = 1; size <= 5; size++) {
        struct sl_buffer buffer, source;
        struct sl_sequence taken;

        pool_open(5);
        sl_buffer_init(&buffer, &pool, SIZE_MAX);
        sl_buffer_init(&source, &pool, SIZE_MAX);
        sl_sequence_init(&taken, &allocator.base);
        REQUIRE(sl_buffer_append(&source, sl_view("abcde", 5)) == SL_OK);
        REQUIRE(sl_buffer_append(&buffer, sl_view("0123456", 7)) == SL_OK);
        REQUIRE(sl_buffer_link(&buffer, sl_buffer_front(&source).segment,
                               sl_buffer_front(&source).data, size) == SL_OK);
        for (uint32_t i = 0; i < buffer.count; i++)
            CHECK(sl_slices_at(&buffer, i)->size > 0);
        REQUIRE(sl_sequence_take(&taken, &buffer) == SL_OK);
        CHECK_INT(taken.size, 7 + size);
        sl_sequence_fini(&taken);
        sl_buffer_fini(&source);
        sl_buffer_fini(&buffer);
        pool_close();
    }
}

int main(void)
{
    return test_main();
}
