#include "ws/message.h"

#include "spec/c/support/test.h"

#include <stdlib.h>
#include <string.h>

/* ---- a reader and a message, as a socket would use them ---- */

struct scene {
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_ws_reader reader;
    struct sl_ws_message message;
    struct sl_buffer whole; /* what the last message was */
    size_t messages;
};

static void begin(struct scene *scene, struct sl_allocator *allocator,
                  size_t segment_size, bool is_server, size_t max_size)
{
    struct sl_pool_options options = {
        .segment_size = segment_size, .spare_limit = SIZE_MAX, .poison = true};
    struct sl_ws_options ws = {.is_server = is_server, .max_size = max_size};

    memset(scene, 0, sizeof *scene);
    sl_pool_init(&scene->pool, allocator, &options);
    sl_buffer_init(&scene->input, &scene->pool, SIZE_MAX);
    sl_buffer_init(&scene->whole, &scene->pool, SIZE_MAX);
    sl_ws_reader_init(&scene->reader, is_server, false);
    sl_ws_message_init(&scene->message, &scene->pool, &ws);
}

static void end(struct scene *scene)
{
    sl_ws_message_fini(&scene->message);
    sl_ws_message_fini(&scene->message);
    sl_buffer_fini(&scene->whole);
    sl_buffer_fini(&scene->input);
    CHECK_INT(sl_pool_fini(&scene->pool), 0);
}

/* Reads what has come. SL_AGAIN: more is needed. */
static enum sl_status go_on(struct scene *scene)
{
    size_t budget = SIZE_MAX;
    enum sl_status status;

    for (;;) {
        struct sl_ws_frame frame;
        size_t used;

        if (scene->message.left == 0) {
            status = sl_ws_reader_next(
                &scene->reader, sl_buffer_peek(&scene->input), &used, &frame);
            sl_buffer_consume(&scene->input, used);
            if (status == SL_AGAIN && scene->input.length > 0)
                continue;
            if (status == SL_OK)
                status = sl_ws_message_begin(&scene->message, &frame);
            if (status != SL_OK)
                return status;
        }
        status = sl_ws_message_take(&scene->message, &scene->input, &budget);
        if (status == SL_OK) {
            sl_buffer_reset(&scene->whole);
            scene->messages++;
            status = sl_ws_message_detach(&scene->message, &scene->whole);
        }
        if (status != SL_OK && status != SL_END)
            return status;
    }
}

static enum sl_status feed(struct scene *scene, struct sl_view bytes)
{
    enum sl_status status = sl_buffer_append(&scene->input, bytes);

    return status == SL_OK ? go_on(scene) : status;
}

struct expectation {
    const char *text;
    size_t size;
    size_t messages;
    enum sl_status status;
    bool is_server;
    size_t max_size;
};

static void check_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct expectation *expected = argument;
    struct sl_allocator allocator;
    struct scene scene;
    enum sl_status status = SL_AGAIN;
    char whole[256];
    size_t i;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, 23, expected->is_server, expected->max_size);
    for (i = 0; i < count && status == SL_AGAIN; i++)
        status = feed(&scene, pieces[i]);
    CHECK_INT(status, expected->status);
    CHECK_INT(scene.messages, expected->messages);
    CHECK_INT(scene.whole.length, expected->size);
    sl_buffer_copy_out(&scene.whole, 0, whole, sizeof whole);
    CHECK_BYTES(whole, scene.whole.length, expected->text, expected->size);
    if (sl_is_failure(status)) {
        struct sl_ws_frame frame = {SL_WS_BINARY, true, false, false, {0}, 0};
        size_t budget = SIZE_MAX;

        if (scene.message.failed != SL_OK) {
            scene.message.left = 0;
            CHECK_INT(sl_ws_message_begin(&scene.message, &frame), status);
        }
        sl_ws_message_reset(&scene.message);
        CHECK_INT(sl_ws_message_begin(&scene.message, &frame), SL_OK);
        CHECK_INT(sl_ws_message_take(&scene.message, &scene.input, &budget),
                  SL_OK);
    }
    end(&scene);
}

static void check(struct sl_view wire, size_t messages, const char *last)
{
    struct expectation expected = {last,     strlen(last), messages,
                                   SL_AGAIN, false,        1000};

    test_note("%s", last);
    test_each_cut(wire, check_pieces, &expected);
}

static void check_fails(struct sl_view wire, enum sl_status status,
                        size_t max_size)
{
    struct expectation expected = {"", 0, 0, status, false, max_size};

    test_note("%zu bytes at most %zu", wire.size, max_size);
    test_each_cut(wire, check_pieces, &expected);
}

TEST("joins fragments, of no bytes too, wherever they are cut")
{
    check(SL_VIEW("\x81\x05Hello"), 1, "Hello");
    check(SL_VIEW("\x82\x00"), 1, "");
    check(SL_VIEW("\x01\x03Hel\x80\x02lo"), 1, "Hello");
    check(SL_VIEW("\x02\x00\x00\x02He\x00\x00\x00\x03llo\x80\x00"), 1, "Hello");
    check(SL_VIEW("\x81\x01"
                  "a\x82\x01"
                  "b\x01\x01"
                  "c\x80\x01"
                  "d"),
          3, "cd");
    check(
        SL_VIEW("\x81\x1a"
                "abcdefghijklmnopqrstuvwxyz\x82\x7e\x00\x7e"
                "0123456789012345678901234567890123456789012345678901234567890"
                "1234567890123456789012345678901234567890123456789012345678901"
                "2345"),
        2,
        "0123456789012345678901234567890123456789012345678901234567890"
        "1234567890123456789012345678901234567890123456789012345678901"
        "2345");
}

TEST("takes masks off, in every fragment anew")
{
    struct expectation expected = {"Hello, World", 12, 1, SL_AGAIN, true, 1000};

    test_each_cut(SL_VIEW("\x01\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                          "\x00\x80\1\2\3\4"
                          "\x80\x87\x01\x02\x03\x04\x2d\x22\x54\x6b\x73\x6e"
                          "\x67"),
                  check_pieces, &expected);
}

TEST("limits a message however it comes, before its payload")
{
    check(SL_VIEW("\x81\x05Hello"), 1, "Hello");
    check_fails(SL_VIEW("\x82\x06"), SL_LIMIT, 5);
    check_fails(SL_VIEW("\x02\x03"
                        "abc\x80\x03"),
                SL_LIMIT, 5);
    check_fails(SL_VIEW("\x02\x05"
                        "abcde\x00\x00\x00\x01"),
                SL_LIMIT, 5);
    check_fails(SL_VIEW("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), SL_LIMIT,
                SIZE_MAX / 4);
    {
        struct expectation exact = {"abcde", 5, 1, SL_AGAIN, false, 5};

        test_each_cut(SL_VIEW("\x02\x03"
                              "abc\x80\x02"
                              "de"),
                      check_pieces, &exact);
        test_each_cut(SL_VIEW("\x82\x05"
                              "abcde"),
                      check_pieces, &exact);
    }
}

TEST("refuses text at the first byte that is wrong, long before its end")
{
    check_fails(SL_VIEW("\x81\x7e\x01\x00"
                        "a\xff"),
                SL_DECODE, 1000);
    check_fails(SL_VIEW("\x01\x02"
                        "a\xc3\x00\x00\x80\x7e\x01\x00"
                        "a"),
                SL_DECODE, 1000);
    check_fails(SL_VIEW("\x01\x01\xed\x00\x01\xa0"), SL_DECODE, 1000);
    check_fails(SL_VIEW("\x81\x04\xc0\xaf"), SL_DECODE, 1000);
    check_fails(SL_VIEW("\x01\x01\xf4\x00\x01\x90"), SL_DECODE, 1000);
}

TEST("refuses text that ends within a character")
{
    check_fails(SL_VIEW("\x81\x01\xc3"), SL_DECODE, 1000);
    check_fails(SL_VIEW("\x01\x02\xe2\x82\x80\x00"), SL_DECODE, 1000);
    check_fails(SL_VIEW("\x01\x03\xf0\x9f\x98\x00\x00\x80\x00"), SL_DECODE,
                1000);
}

TEST("does not look at the bytes of binary messages, nor at the last text")
{
    check(SL_VIEW("\x82\x02\xff\xc3"), 1, "\xff\xc3");
    check(SL_VIEW("\x02\x01\xc3\x80\x01\x28\x81\x01"
                  "a"),
          2, "a");
}

/* Each character in fragments of one byte. */
TEST("lets characters be cut between any fragments")
{
    static const char text[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 z";
    char wire[3 * sizeof text];
    size_t used = 0;
    size_t i;

    for (i = 0; i < sizeof text - 1; i++) {
        wire[used++] = i + 2 == sizeof text ? '\x80' : i == 0 ? '\x01' : '\0';
        wire[used++] = '\x01';
        wire[used++] = text[i];
    }
    check(sl_view(wire, used), 1, text);
}

/* ---- memory ---- */

static void assemble(struct sl_allocator *allocator, void *argument)
{
    const struct sl_view wire =
        SL_VIEW("\x01\x03Hel\x00\x21lo, a text of some more segments.\x80\x0c"
                "and the end.\x82\x02xy");
    struct scene scene;
    enum sl_status status = SL_AGAIN;
    size_t i;

    (void)argument;
    begin(&scene, allocator, 23, false, 1000);
    for (i = 0; i < wire.size && status == SL_AGAIN; i += 5)
        status = feed(&scene, sl_view(wire.data + i,
                                      wire.size - i < 5 ? wire.size - i : 5));
    if (status == SL_AGAIN) {
        CHECK_INT(scene.messages, 2);
        CHECK_INT(scene.whole.length, 2);
    } else {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    end(&scene);
}

TEST("gives everything back, whatever allocation fails")
{
    test_each_failure(assemble, NULL);
}

TEST("shows payload where it was received, and copies few bytes together")
{
    struct sl_allocator allocator;
    struct scene scene;
    char *large = malloc(100000);
    struct sl_ws_frame frame = {SL_WS_BINARY, true, false, false, {0}, 100000};
    char head[SL_WS_HEAD_MAX];
    const char *received;
    size_t size;

    memset(large, 'l', 100000);
    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, SL_SEGMENT_SIZE, false, 1 << 20);
    size = sl_ws_frame_write(&frame, head);
    CHECK_INT(feed(&scene, sl_view(head, size)), SL_AGAIN);
    CHECK_INT(sl_buffer_append(&scene.input, sl_view(large, 100000)), SL_OK);
    received = sl_buffer_peek(&scene.input).data;
    CHECK_INT(go_on(&scene), SL_AGAIN);
    CHECK_INT(scene.messages, 1);
    CHECK_INT(scene.whole.length, 100000);
    CHECK(sl_buffer_peek(&scene.whole).data == received);
    end(&scene);
    free(large);
}

/* 16 MiB in fragments of 64 bytes, fed as a socket would: their count is not
 * limited, and their memory is that of what they hold. */
TEST("takes any number of fragments, in little more memory than they have")
{
    enum { FRAGMENTS = 262144, SIZE = 64, BATCH = 64 };
    struct sl_allocator allocator;
    struct scene scene;
    char batch[BATCH * (2 + SIZE)];
    size_t i;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, SL_SEGMENT_SIZE, false, (size_t)FRAGMENTS * SIZE);
    for (i = 0; i < FRAGMENTS; i++) {
        char *at = batch + i % BATCH * (2 + SIZE);

        at[0] = i + 1 == FRAGMENTS ? '\x80' : i == 0 ? '\x01' : '\0';
        at[1] = SIZE;
        memset(at + 2, 'a' + (int)(i % 26), SIZE);
        if (i % BATCH == BATCH - 1)
            CHECK_INT(feed(&scene, sl_view(batch, sizeof batch)), SL_AGAIN);
    }
    CHECK_INT(scene.messages, 1);
    CHECK_INT(scene.whole.length, (size_t)FRAGMENTS * SIZE);
    CHECK(scene.pool.stats.bytes <=
          (size_t)FRAGMENTS * SIZE / 4 * 5 + 4 * SL_SEGMENT_SIZE);
    end(&scene);
}

int main(void)
{
    return test_main();
}
