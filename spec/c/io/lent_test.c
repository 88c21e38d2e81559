#include "io/lent.h"

#include "spec/c/io/world.h"

#include <string.h>

#define BLOCK 40

static struct world world;
static struct sl_lent lent;
static struct sl_operation receive;
static struct sl_segment *block;
static struct sl_buffer buffer;

static void open_lent_of(size_t segment_size)
{
    const struct sl_pool_options options = {.segment_size = segment_size,
                                            .spare_limit = SIZE_MAX};

    world_init(&world, &options);
    memset(&receive, 0, sizeof receive);
    CHECK_INT(sl_pool_rent_block(&world.pool, BLOCK, &block), SL_OK);
    sl_lent_init(&lent, block, BLOCK);
    sl_buffer_init(&buffer, &world.pool, SIZE_MAX);
}

static void open_lent(void)
{
    open_lent_of(23);
}

static void close_lent(void)
{
    sl_buffer_fini(&buffer);
    sl_lent_release(&lent);
    sl_segment_release(block);
    world_fini(&world);
}

/* As a backend would: the first bytes of the alphabet to where they belong. */
static void fill(size_t count)
{
    for (size_t i = 0, at = 0; at < count; i++) {
        char *to = lent.pieces[i].iov_base;

        for (size_t k = 0; k < lent.pieces[i].iov_len && at < count; k++)
            to[k] = (char)('a' + at++ % 26);
    }
    sl_lent_end(&lent, &receive);
    lent.held = count;
}

static void check_in_order(size_t total)
{
    size_t at = 0;

    CHECK_INT(buffer.length, total);
    while (buffer.length > 0) {
        struct sl_view view = sl_buffer_peek(&buffer);

        for (size_t i = 0; i < view.size; i++, at++)
            CHECK_INT(view.data[i], 'a' + at % 26);
        sl_buffer_consume(&buffer, view.size);
    }
}

TEST("a small receive goes to the block, a large one to segments")
{
    open_lent();
    sl_lent_begin(&lent, &receive, &world.pool, BLOCK, false);
    CHECK_INT(lent.count, 0);
    CHECK_INT(receive.message.msg_iovlen, 1);
    CHECK_INT(sl_lent_room(&lent), BLOCK);
    fill(0);
    sl_lent_begin(&lent, &receive, &world.pool, BLOCK + 1, false);
    CHECK_INT(lent.count, 2);
    CHECK_INT(receive.message.msg_iovlen, 2);
    CHECK_INT(sl_lent_room(&lent), 46);
    fill(0);
    sl_lent_release(&lent);
    sl_lent_begin(&lent, &receive, &world.pool, 100000, false);
    CHECK_INT(lent.count, SL_PROVIDED_MOST);
    fill(0);
    sl_lent_release(&lent);
    close_lent();
}

TEST("received bytes are handed over in order, in parts of any size")
{
    for (size_t want = 1; want < 95; want++) {
        for (size_t size = 1; size <= 92; size += 13) {
            size_t total = 0;
            size_t count;

            open_lent();
            sl_lent_begin(&lent, &receive, &world.pool, size, false);
            fill(size);
            while (lent.held > 0) {
                CHECK_INT(sl_lent_hand_over(&lent, &buffer, want, &count),
                          SL_OK);
                CHECK(count > 0 && count <= want);
                total += count;
            }
            CHECK_INT(total, size);
            CHECK_INT(lent.count, 0);
            check_in_order(size);
            close_lent();
        }
    }
}

TEST("a large body has a quarter of the links that its segments would have")
{
    size_t size = 64 * SL_PROVIDED_MOST;
    size_t total = 0;
    size_t count;

    open_lent_of(64);
    while (total < 100 * size) {
        sl_lent_begin(&lent, &receive, &world.pool, size, false);
        fill(size);
        CHECK_INT(sl_lent_hand_over(&lent, &buffer, size, &count), SL_OK);
        total += count;
    }
    CHECK_INT(buffer.length, total);
    CHECK(buffer.count <= 64 + 100);
    while (total > 0) { /* the alphabet began anew with each receive */
        struct sl_view view = sl_buffer_peek(&buffer);

        for (size_t i = 0; i < view.size; i++, total--)
            CHECK_INT(view.data[i], 'a' + (100 * size - total) % size % 26);
        sl_buffer_consume(&buffer, view.size);
    }
    close_lent();
}

TEST("lent memory outlives its lender until the operation is over")
{
    size_t count;

    open_lent();
    sl_lent_begin(&lent, &receive, &world.pool, BLOCK + 1, false);
    CHECK(lent.segments[0]->pins > 0);
    CHECK(lent.segments[1]->pins > 0);
    sl_lent_end(&lent, &receive);
    CHECK_INT(lent.segments[0]->pins, 0);
    lent.held = 5;
    memset(lent.segments[0]->data, 'x', 5);
    CHECK_INT(sl_lent_hand_over(&lent, &buffer, 100, &count), SL_OK);
    CHECK_INT(count, 5);
    sl_lent_begin(&lent, &receive, &world.pool, 1, false);
    CHECK(block->pins > 0);
    sl_lent_forget(&lent);
    CHECK_INT(block->pins, 0);
    close_lent();
}

TEST("segments that a backend chose are handed over like lent ones")
{
    size_t count;

    open_lent();
    sl_lent_begin(&lent, &receive, &world.pool, 100, true);
    CHECK(receive.takes_provided);
    CHECK_INT(lent.count, 0);
    CHECK_INT(sl_pool_rent(&world.pool, &receive.provided), SL_OK);
    CHECK_INT(sl_pool_rent(&world.pool, &receive.provided->next), SL_OK);
    sl_lent_end(&lent, &receive);
    CHECK(receive.provided == NULL);
    CHECK_INT(sl_lent_room(&lent), 46);
    memcpy(lent.segments[0]->data, "abcdefghijklmnopqrstuvw", 23);
    memcpy(lent.segments[1]->data, "xyzab", 5);
    lent.held = 28;
    CHECK_INT(sl_lent_hand_over(&lent, &buffer, 100, &count), SL_OK);
    CHECK_INT(count, 28);
    check_in_order(28);
    close_lent();
}

/* Nothing is lost when there is no memory: the rest comes with a later call. */
static void fail_somewhere(struct sl_allocator *allocator, void *unused)
{
    enum sl_status status;
    size_t refusals = 0;
    size_t count;

    (void)unused;
    if (!world_open(&world, allocator, NULL))
        return;
    memset(&receive, 0, sizeof receive);
    status = sl_pool_rent_block(&world.pool, BLOCK, &block);
    if (status == SL_OK) {
        sl_lent_init(&lent, block, BLOCK);
        sl_buffer_init(&buffer, &world.pool, SIZE_MAX);
        sl_lent_begin(&lent, &receive, &world.pool, BLOCK, false);
        fill(BLOCK);
        while (lent.held > 0) {
            status = sl_lent_hand_over(&lent, &buffer, 7, &count);
            CHECK(status == SL_OK || test_allocator_has_failed(allocator));
            if (status != SL_OK && ++refusals == 3)
                break;
        }
        check_in_order(BLOCK - lent.held);
        sl_buffer_fini(&buffer);
        sl_lent_release(&lent);
        sl_segment_release(block);
    }
    world_close(&world);
}

TEST("loses nothing if an allocation fails")
{
    test_each_failure(fail_somewhere, NULL);
}

int main(void)
{
    return test_main();
}
