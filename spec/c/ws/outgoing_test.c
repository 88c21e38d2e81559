#include "ws/outgoing.h"

#include "spec/c/support/test.h"
#include "ws/incoming.h"

#include <stdlib.h>
#include <string.h>

/* ---- random bytes that are known ---- */

static unsigned char next_byte;
static size_t draws;
static enum sl_status random_fails;

static enum sl_status count_up(void *bytes, size_t size)
{
    unsigned char *to = bytes;
    size_t i;

    if (random_fails != SL_OK)
        return random_fails;
    draws++;
    for (i = 0; i < size; i++)
        to[i] = (unsigned char)(next_byte++ ^ (draws & 3));
    return SL_OK;
}

/* RFC 6455 5.7 */
static enum sl_status sample_key(void *bytes, size_t size)
{
    static const unsigned char key[] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *to = bytes;
    size_t i;

    for (i = 0; i < size; i++)
        to[i] = key[i % sizeof key];
    return SL_OK;
}

/* ---- something that sends ---- */

struct scene {
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer output;
    struct sl_ws_outgoing outgoing;
    char sent[1000];
    size_t sent_size;
};

static void begin(struct scene *scene, struct sl_allocator *allocator,
                  size_t segment_size, const struct sl_ws_options *options)
{
    struct sl_pool_options pool = {
        .segment_size = segment_size, .spare_limit = SIZE_MAX, .poison = true};

    memset(scene, 0, sizeof *scene);
    next_byte = 0;
    draws = 0;
    random_fails = SL_OK;
    sl_allocator_init_system(&scene->allocator);
    sl_pool_init(&scene->pool,
                 allocator == NULL ? &scene->allocator : allocator, &pool);
    sl_buffer_init(&scene->output, &scene->pool, SIZE_MAX);
    sl_ws_outgoing_init(&scene->outgoing, &scene->pool, options);
}

static void end(struct scene *scene)
{
    sl_ws_outgoing_fini(&scene->outgoing);
    sl_ws_outgoing_fini(&scene->outgoing);
    sl_buffer_fini(&scene->output);
    CHECK_INT(sl_pool_fini(&scene->pool), 0);
}

static const struct sl_ws_options client = {.random = sample_key};
static const struct sl_ws_options server = {.is_server = true};

static enum sl_status put(struct scene *scene, struct sl_view bytes)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && scene->outgoing.is_writing) {
        size_t consumed;

        status = sl_ws_outgoing_write(&scene->outgoing, bytes, &scene->output,
                                      &consumed);
        bytes.data += consumed;
        bytes.size -= consumed;
        if (bytes.size == 0)
            break;
    }
    return status;
}

static enum sl_status send(struct scene *scene, enum sl_ws_opcode type,
                           struct sl_view bytes, bool is_last)
{
    enum sl_status status =
        sl_ws_outgoing_begin(&scene->outgoing, type, bytes.size, is_last);

    return status == SL_OK ? put(scene, bytes) : status;
}

static enum sl_status ping(struct scene *scene, struct sl_view bytes)
{
    return sl_ws_outgoing_control(&scene->outgoing, SL_WS_PING, bytes,
                                  &scene->output);
}

static enum sl_status say_close(struct scene *scene, unsigned code,
                                struct sl_view reason)
{
    struct sl_ws_closing closing = {code, reason};

    return sl_ws_outgoing_close(&scene->outgoing, &closing, &scene->output);
}

/* All that was appended since the last time. */
static void check_sent(struct scene *scene, struct sl_view expected)
{
    scene->sent_size =
        sl_buffer_copy_out(&scene->output, 0, scene->sent, sizeof scene->sent);
    CHECK_INT(scene->output.length, expected.size);
    CHECK_BYTES(scene->sent, scene->sent_size, expected.data, expected.size);
    sl_buffer_consume(&scene->output, scene->output.length);
}

/* ---- frames ---- */

TEST("sends a message in one frame, masked for a server")
{
    struct scene scene;

    begin(&scene, NULL, 23, &client);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("Hello"), true), SL_OK);
    CHECK(!scene.outgoing.is_writing);
    check_sent(&scene, SL_VIEW("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));
    CHECK_INT(send(&scene, SL_WS_BINARY, SL_VIEW(""), true), SL_OK);
    check_sent(&scene, SL_VIEW("\x82\x80\x37\xfa\x21\x3d"));
    end(&scene);
}

TEST("sends a message in one frame, not masked for a client")
{
    struct scene scene;

    begin(&scene, NULL, 23, &server);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("Hello"), true), SL_OK);
    CHECK_INT(send(&scene, SL_WS_BINARY, SL_VIEW(""), true), SL_OK);
    check_sent(&scene, SL_VIEW("\x81\x05Hello\x82\x00"));
    end(&scene);
}

TEST("sends a message in pieces, and control frames between them")
{
    struct scene scene;

    begin(&scene, NULL, 23, &server);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("abc"), false), SL_OK);
    CHECK_INT(ping(&scene, SL_VIEW("p1")), SL_OK);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION, SL_VIEW(""), false), SL_OK);
    CHECK_INT(sl_ws_outgoing_control(&scene.outgoing, SL_WS_PONG, SL_VIEW(""),
                                     &scene.output),
              SL_OK);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION, SL_VIEW("de"), true), SL_OK);
    CHECK_INT(send(&scene, SL_WS_BINARY, SL_VIEW("x"), true), SL_OK);
    check_sent(&scene, SL_VIEW("\x01\x03"
                               "abc\x89\x02p1\x00\x00\x8a\x00\x80\x02"
                               "de\x82\x01x"));
    end(&scene);
}

static void write_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct sl_view *expected = argument;
    struct scene scene;
    size_t size = 0;
    size_t i;

    for (i = 0; i < count; i++)
        size += pieces[i].size;
    begin(&scene, NULL, 23, &client);
    CHECK_INT(sl_ws_outgoing_begin(&scene.outgoing, SL_WS_BINARY, size, true),
              SL_OK);
    for (i = 0; i < count; i++)
        CHECK_INT(put(&scene, pieces[i]), SL_OK);
    CHECK(!scene.outgoing.is_writing);
    check_sent(&scene, *expected);
    end(&scene);
}

TEST("masks a payload the same, wherever it is cut")
{
    const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz+-";
    const unsigned char key[] = {0x37, 0xfa, 0x21, 0x3d};
    char wire[6 + sizeof text - 1] = "\x82\xa6\x37\xfa\x21\x3d";
    struct sl_view expected = sl_view(wire, sizeof wire);
    size_t i;

    for (i = 0; i < sizeof text - 1; i++)
        wire[6 + i] = (char)((unsigned char)text[i] ^ key[i % 4]);
    test_each_cut(sl_view(text, sizeof text - 1), write_pieces, &expected);
}

TEST("sends no control frame within another frame")
{
    struct scene scene;

    begin(&scene, NULL, 23, &server);
    CHECK_INT(sl_ws_outgoing_begin(&scene.outgoing, SL_WS_TEXT, 3, true),
              SL_OK);
    CHECK(sl_ws_outgoing_is_between(&scene.outgoing));
    CHECK_INT(ping(&scene, SL_VIEW("1")), SL_OK);
    CHECK_INT(put(&scene, SL_VIEW("a")), SL_OK);
    CHECK(scene.outgoing.is_writing);
    CHECK(!sl_ws_outgoing_is_between(&scene.outgoing));
    CHECK_INT(ping(&scene, SL_VIEW("2")), SL_AGAIN);
    CHECK_INT(say_close(&scene, 1000, SL_VIEW("")), SL_AGAIN);
    CHECK_INT(put(&scene, SL_VIEW("bc")), SL_OK);
    CHECK(sl_ws_outgoing_is_between(&scene.outgoing));
    CHECK_INT(ping(&scene, SL_VIEW("3")), SL_OK);
    check_sent(&scene, SL_VIEW("\x89\x01"
                               "1\x81\x03"
                               "abc\x89\x01"
                               "3"));
    end(&scene);
}

/* ---- sizes ---- */

/* Sends that many bytes, and reads them again. */
static void check_size(size_t size, size_t head_size)
{
    const struct sl_ws_options sends = {.random = count_up};
    const struct sl_ws_options receives = {.is_server = true,
                                           .max_size = SIZE_MAX};
    struct scene scene;
    struct sl_ws_incoming incoming;
    struct sl_ws_event event;
    char *bytes = malloc(size + 1);
    char *received = malloc(size + 1);
    size_t i;

    test_note("%zu bytes", size);
    if (bytes == NULL || received == NULL)
        abort();
    for (i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 % 251);
    begin(&scene, NULL, 0, &sends);
    sl_ws_incoming_init(&incoming, &scene.pool, &receives);
    CHECK_INT(send(&scene, SL_WS_BINARY, sl_view(bytes, size), true), SL_OK);
    CHECK_INT(scene.output.length, head_size + size);
    CHECK_INT(sl_ws_incoming_next(&incoming, &scene.output, &event), SL_OK);
    CHECK_INT(scene.output.length, 0);
    CHECK_INT(incoming.message.payload.length, size);
    sl_buffer_copy_out(&incoming.message.payload, 0, received, size);
    CHECK_BYTES(received, size, bytes, size);
    sl_ws_incoming_fini(&incoming);
    end(&scene);
    free(bytes);
    free(received);
}

TEST("announces each size in its shortest form")
{
    check_size(0, 6);
    check_size(125, 6);
    check_size(126, 8);
    check_size(65535, 8);
    check_size(65536, 14);
    check_size(1000000, 14);
}

TEST("puts a small message behind its head, in one piece of memory")
{
    struct scene scene;
    char bytes[200];

    memset(bytes, 'x', sizeof bytes);
    begin(&scene, NULL, 512, &client);
    CHECK_INT(send(&scene, SL_WS_TEXT, sl_view(bytes, 200), true), SL_OK);
    CHECK_INT(send(&scene, SL_WS_TEXT, sl_view(bytes, 200), true), SL_OK);
    CHECK_INT(sl_buffer_peek(&scene.output).size, 2 * 208);
    end(&scene);
}

TEST("takes a large payload step by step")
{
    struct scene scene;
    size_t size = 3 * SL_WS_STEP;
    char *bytes = calloc(1, size);
    size_t consumed;

    if (bytes == NULL)
        abort();
    begin(&scene, NULL, 0, &server);
    CHECK_INT(sl_ws_outgoing_begin(&scene.outgoing, SL_WS_BINARY, size, true),
              SL_OK);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, sl_view(bytes, size),
                                   &scene.output, &consumed),
              SL_OK);
    CHECK_INT(consumed, SL_WS_STEP);
    CHECK_INT(scene.output.length, SL_WS_STEP + 10);
    CHECK(scene.outgoing.is_writing);
    end(&scene);
    free(bytes);
}

/* ---- keys ---- */

TEST("masks each frame with a key of its own, drawn in batches")
{
    const struct sl_ws_options options = {.random = count_up};
    struct scene scene;
    char keys[2 * SL_WS_KEYS][SL_MASK_SIZE];
    size_t i;
    size_t k;

    begin(&scene, NULL, 64, &options);
    for (i = 0; i < 2 * SL_WS_KEYS; i++) {
        CHECK_INT(i % 2 == 0 ? ping(&scene, SL_VIEW(""))
                             : send(&scene, SL_WS_TEXT, SL_VIEW(""), true),
                  SL_OK);
        CHECK_INT(sl_buffer_copy_out(&scene.output, 2, keys[i], SL_MASK_SIZE),
                  SL_MASK_SIZE);
        sl_buffer_consume(&scene.output, scene.output.length);
        for (k = 0; k < i; k++)
            CHECK(memcmp(keys[k], keys[i], SL_MASK_SIZE) != 0);
    }
    CHECK_INT(draws, 2);
    end(&scene);
}

TEST("appends nothing without random bytes, and tries again")
{
    const struct sl_ws_options options = {.random = count_up};
    struct scene scene;

    begin(&scene, NULL, 64, &options);
    random_fails = SL_TLS;
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("a"), true), SL_TLS);
    CHECK_INT(ping(&scene, SL_VIEW("")), SL_TLS);
    CHECK_INT(say_close(&scene, 1000, SL_VIEW("")), SL_TLS);
    CHECK_INT(scene.output.length, 0);
    random_fails = SL_OK;
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("a"), true), SL_OK);
    CHECK_INT(scene.output.length, 7);
    end(&scene);
}

/* ---- the end ---- */

TEST("sends nothing behind a Close frame")
{
    struct scene scene;
    size_t consumed;

    begin(&scene, NULL, 23, &server);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("a"), false), SL_OK);
    CHECK_INT(say_close(&scene, 1001, SL_VIEW("bye")), SL_OK);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION, SL_VIEW("b"), true), SL_CLOSED);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("b"), true), SL_CLOSED);
    CHECK_INT(ping(&scene, SL_VIEW("")), SL_CLOSED);
    CHECK_INT(say_close(&scene, 1000, SL_VIEW("")), SL_CLOSED);
    check_sent(&scene, SL_VIEW("\x01\x01"
                               "a\x88\x05\x03\xe9"
                               "bye"));
    end(&scene);

    begin(&scene, NULL, 23, &server);
    CHECK_INT(sl_ws_outgoing_begin(&scene.outgoing, SL_WS_TEXT, 3, true),
              SL_OK);
    CHECK_INT(say_close(&scene, SL_WS_NO_CODE, SL_VIEW("")), SL_OK);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("abc"),
                                   &scene.output, &consumed),
              SL_CLOSED);
    check_sent(&scene, SL_VIEW("\x88\x00"));
    end(&scene);
}

TEST("refuses what no frame may hold")
{
    struct scene scene;
    char large[126] = "";

    begin(&scene, NULL, 23, &server);
    CHECK_INT(ping(&scene, sl_view(large, 126)), SL_INVALID);
    CHECK_INT(say_close(&scene, 1005, SL_VIEW("x")), SL_INVALID);
    CHECK_INT(say_close(&scene, 999, SL_VIEW("")), SL_INVALID);
    CHECK_INT(say_close(&scene, 1000, SL_VIEW("\xff")), SL_INVALID);
    CHECK_INT(say_close(&scene, 1000, sl_view(large, 124)), SL_INVALID);
    CHECK_INT(scene.output.length, 0);
    CHECK_INT(ping(&scene, sl_view(large, 125)), SL_OK);
    CHECK_INT(scene.output.length, 127);
    end(&scene);
}

TEST("refuses pieces that do not follow each other")
{
    struct scene scene;
    size_t consumed;

    begin(&scene, NULL, 23, &server);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION, SL_VIEW("a"), true), SL_MISUSE);
    CHECK_INT(send(&scene, SL_WS_PING, SL_VIEW("a"), true), SL_MISUSE);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("a"), &scene.output,
                                   &consumed),
              SL_MISUSE);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("a"), false), SL_OK);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("b"), true), SL_MISUSE);
    CHECK_INT(
        sl_ws_outgoing_begin(&scene.outgoing, SL_WS_CONTINUATION, 2, true),
        SL_OK);
    CHECK_INT(
        sl_ws_outgoing_begin(&scene.outgoing, SL_WS_CONTINUATION, 2, true),
        SL_MISUSE);
    CHECK_INT(put(&scene, SL_VIEW("cdef")), SL_OK);
    check_sent(&scene, SL_VIEW("\x01\x01"
                               "a\x80\x02"
                               "cd"));
    end(&scene);
}

/* ---- failures ---- */

TEST("goes on where a full buffer stopped it")
{
    struct scene scene;
    size_t consumed;

    begin(&scene, NULL, 23, &server);
    scene.output.max_size = 6;
    CHECK_INT(ping(&scene, SL_VIEW("1234")), SL_OK);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("abcdefgh"), true), SL_LIMIT);
    CHECK_INT(ping(&scene, SL_VIEW("")), SL_LIMIT);
    check_sent(&scene, SL_VIEW("\x89\x04"
                               "1234"));
    scene.output.max_size = 20;
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("ab"),
                                   &scene.output, &consumed),
              SL_OK);
    CHECK_INT(consumed, 2);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW(""), &scene.output,
                                   &consumed),
              SL_OK);
    CHECK_INT(consumed, 0);
    scene.output.max_size = 5;
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("cdefgh"),
                                   &scene.output, &consumed),
              SL_OK);
    CHECK_INT(consumed, 1);
    scene.output.max_size = 6;
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("defgh"),
                                   &scene.output, &consumed),
              SL_OK);
    CHECK_INT(consumed, 1);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("efgh"),
                                   &scene.output, &consumed),
              SL_LIMIT);
    check_sent(&scene, SL_VIEW("\x81\x08"
                               "abcd"));
    CHECK_INT(put(&scene, SL_VIEW("efgh")), SL_OK);
    CHECK(!scene.outgoing.is_writing);
    check_sent(&scene, SL_VIEW("efgh"));
    end(&scene);
}

static void send_some(struct sl_allocator *allocator, void *argument)
{
    const struct sl_view wire = SL_VIEW("\x02\x1e"
                                        "0123456789abcdefghijklmnopqrst\x89\x02"
                                        "p1\x80\x01z");
    struct scene scene;
    enum sl_status status;
    size_t size;

    (void)argument;
    begin(&scene, allocator, 23, &server);
    status = send(&scene, SL_WS_BINARY,
                  SL_VIEW("0123456789abcdefghijklmnopqrst"), false);
    if (status == SL_OK)
        status = ping(&scene, SL_VIEW("p1"));
    if (status == SL_OK)
        status = send(&scene, SL_WS_CONTINUATION, SL_VIEW("z"), true);
    if (status != SL_OK) {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    size = sl_buffer_copy_out(&scene.output, 0, scene.sent, sizeof scene.sent);
    CHECK(status != SL_OK || size == wire.size);
    CHECK_BYTES(scene.sent, size, wire.data, size);
    end(&scene);
}

TEST("gives everything back, whatever allocation fails")
{
    test_each_failure(send_some, NULL);
}

int main(void)
{
    return test_main();
}
