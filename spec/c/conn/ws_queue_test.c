#include "conn/ws_queue.h"

#include "spec/c/support/test.h"

#include <string.h>

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_ws_queue queue;
static struct sl_ws_message message;
static const struct sl_ws_options options = {.max_size = SIZE_MAX};

static void begin(size_t max_count, size_t max_bytes)
{
    const struct sl_pool_options slabs = {.spare_limit = SIZE_MAX};

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &slabs);
    sl_ws_queue_init(&queue, &allocator.base, max_count, max_bytes);
    sl_ws_message_init(&message, &pool, &options);
}

static void end(void)
{
    sl_ws_queue_fini(&queue);
    sl_ws_queue_fini(&queue);
    sl_ws_message_fini(&message);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

static enum sl_status add(const char *text)
{
    enum sl_status status =
        sl_buffer_append(&message.payload, sl_view(text, strlen(text)));

    return status == SL_OK ? sl_ws_queue_add(&queue, &message) : status;
}

static bool is_first(const char *text)
{
    char bytes[64];
    const struct sl_buffer *payload = &queue.first->payload;

    return payload->length == strlen(text) &&
           queue.first->size == payload->length &&
           sl_buffer_copy_out(payload, 0, bytes, sizeof bytes) ==
               payload->length &&
           memcmp(bytes, text, payload->length) == 0;
}

TEST("gives messages in order, and counts them and their bytes")
{
    begin(3, 100);
    REQUIRE(add("one") == SL_OK && add("") == SL_OK && add("three") == SL_OK);
    CHECK_INT(queue.count, 3);
    CHECK_INT(queue.bytes, 8);
    CHECK(sl_ws_queue_is_full(&queue, 0));
    CHECK(is_first("one"));
    sl_ws_queue_drop(&queue);
    CHECK(is_first(""));
    sl_ws_queue_drop(&queue);
    CHECK(is_first("three"));
    CHECK(sl_ws_queue_has_room(&queue));
    sl_ws_queue_drop(&queue);
    CHECK(queue.first == NULL && queue.last == NULL);
    CHECK_INT(queue.count, 0);
    CHECK_INT(queue.bytes, 0);
    end();
}

TEST("takes one message whatever its size is")
{
    begin(3, 4);
    CHECK(!sl_ws_queue_is_full(&queue, 1000));
    REQUIRE(add("longer") == SL_OK);
    CHECK(sl_ws_queue_is_full(&queue, 0));
    end();
}

TEST("messages that come and go one by one cost no allocation")
{
    size_t live;

    begin(3, 100);
    REQUIRE(add("first") == SL_OK);
    sl_ws_queue_drop(&queue);
    live = allocator.blocks;
    for (int i = 0; i < 10; i++) {
        test_allocator_fail(&allocator, TEST_FAIL_FROM, 1);
        REQUIRE(add("next") == SL_OK);
        CHECK(is_first("next"));
        sl_ws_queue_drop(&queue);
        CHECK_INT(allocator.blocks, live);
    }
    end();
}

TEST("a small message that waits holds no segment")
{
    const struct sl_pool_options segments = {.mode = SL_POOL_DIRECT,
                                             .segment_size = 16 * 1024};
    size_t before;

    begin(100, 1000);
    sl_ws_message_fini(&message);
    CHECK_INT(sl_pool_fini(&pool), 0);
    sl_pool_init(&pool, &allocator.base, &segments);
    sl_ws_message_init(&message, &pool, &options);
    before = allocator.bytes;
    for (int i = 0; i < 50; i++)
        REQUIRE(add("small") == SL_OK);
    CHECK(allocator.bytes - before < 50 * 1024);
    CHECK(is_first("small"));
    end();
}

TEST("keeps nothing once it rests")
{
    size_t live;

    begin(3, 100);
    live = allocator.blocks;
    REQUIRE(add("one") == SL_OK && add("two") == SL_OK);
    sl_ws_queue_drop(&queue);
    sl_ws_queue_drop(&queue);
    sl_ws_queue_rest(&queue);
    sl_ws_queue_rest(&queue);
    sl_pool_trim(&pool, 0);
    CHECK_INT(allocator.blocks, live);
    end();
}

int main(void)
{
    return test_main();
}
