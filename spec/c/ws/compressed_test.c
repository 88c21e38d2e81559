/* Compressed messages from ws/outgoing.h to ws/incoming.h. */
#include "ws/incoming.h"
#include "ws/outgoing.h"

#include "spec/c/codec/coding.h"

#include <stdio.h>

/* ---- both ends ---- */

struct scene {
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer wire;
    struct sl_ws_outgoing outgoing;
    struct sl_ws_incoming incoming;
    struct sl_buffer whole; /* the last message that was received */
    size_t pings;
};

static enum sl_status no_random(void *bytes, size_t size)
{
    memset(bytes, 0x5a, size);
    return SL_OK;
}

static const struct sl_ws_compression kept = {
    .is_agreed = true, .server_bits = 15, .client_bits = 15};
static const struct sl_ws_compression forgotten = {.is_agreed = true,
                                                   .server_forgets = true,
                                                   .client_forgets = true,
                                                   .server_bits = 15,
                                                   .client_bits = 15};

/* A client sends to a server, or the other way round. */
static void begin(struct scene *scene, struct sl_allocator *allocator,
                  const struct sl_ws_compression *compression,
                  bool is_from_server, size_t max_size)
{
    struct sl_pool_options small = {
        .segment_size = SMALL_SEGMENT, .spare_limit = SIZE_MAX, .poison = true};
    struct sl_ws_options sends = {.is_server = is_from_server,
                                  .compression = *compression,
                                  .compress_from = 10,
                                  .random = no_random};
    struct sl_ws_options receives = {.is_server = !is_from_server,
                                     .compression = *compression,
                                     .max_size = max_size};

    memset(scene, 0, sizeof *scene);
    sl_allocator_init_system(&scene->allocator);
    sl_pool_init(&scene->pool,
                 allocator == NULL ? &scene->allocator : allocator, &small);
    sl_buffer_init(&scene->wire, &scene->pool, SIZE_MAX);
    sl_buffer_init(&scene->whole, &scene->pool, SIZE_MAX);
    sl_ws_outgoing_init(&scene->outgoing, &scene->pool, &sends);
    sl_ws_incoming_init(&scene->incoming, &scene->pool, &receives);
}

static void end(struct scene *scene)
{
    sl_ws_outgoing_fini(&scene->outgoing);
    sl_ws_outgoing_fini(&scene->outgoing);
    sl_ws_incoming_fini(&scene->incoming);
    sl_ws_incoming_fini(&scene->incoming);
    sl_buffer_fini(&scene->whole);
    sl_buffer_fini(&scene->wire);
    CHECK_INT(sl_pool_fini(&scene->pool), 0);
}

/* A piece in steps of at most `step` bytes. */
static enum sl_status send(struct scene *scene, enum sl_ws_opcode type,
                           struct sl_view bytes, bool is_last, size_t step)
{
    enum sl_status status =
        sl_ws_outgoing_begin(&scene->outgoing, type, bytes.size, is_last);

    while (status == SL_OK && scene->outgoing.is_writing) {
        struct sl_view piece =
            sl_view(bytes.data, bytes.size < step ? bytes.size : step);
        size_t consumed;

        status = sl_ws_outgoing_write(&scene->outgoing, piece, &scene->wire,
                                      &consumed);
        bytes.data += consumed;
        bytes.size -= consumed;
    }
    return status;
}

/* Reads up to the next message. */
static enum sl_status receive(struct scene *scene)
{
    struct sl_ws_event event;
    enum sl_status status;

    do {
        status = sl_ws_incoming_next(&scene->incoming, &scene->wire, &event);
        if (status == SL_OK && event.type == SL_WS_GOT_PING)
            scene->pings++;
    } while (status == SL_OK && event.type != SL_WS_GOT_MESSAGE);
    if (status != SL_OK)
        return status;
    sl_buffer_reset(&scene->whole);
    return sl_ws_message_detach(&scene->incoming.message, &scene->whole);
}

static void check_received(struct scene *scene, struct sl_view expected)
{
    struct bytes got;

    CHECK_INT(receive(scene), SL_OK);
    CHECK_INT(scene->wire.length, 0);
    got = bytes_new(scene->whole.length);
    sl_buffer_copy_out(&scene->whole, 0, got.data, got.size);
    CHECK_BYTES(got.data, got.size, expected.data, expected.size);
    bytes_free(&got);
}

/* Heads of the frames on the wire, as "1C 0 8.": opcode, compressed, final. */
static const char *heads(const struct scene *scene)
{
    static char text[300];
    struct bytes wire = bytes_new(scene->wire.length);
    struct sl_view rest = bytes_view(wire);
    struct sl_ws_reader reader;
    struct sl_ws_frame frame;
    size_t used = 0;
    size_t consumed;

    text[0] = '\0';
    sl_buffer_copy_out(&scene->wire, 0, wire.data, wire.size);
    sl_ws_reader_init(&reader, scene->incoming.reader.is_server, true);
    while (sl_ws_reader_next(&reader, rest, &consumed, &frame) == SL_OK) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u%s%s",
                                 used == 0 ? "" : " ", frame.opcode,
                                 frame.is_compressed ? "C" : "",
                                 frame.is_final ? "." : "");
        rest.data += consumed + frame.size;
        rest.size -= consumed + (size_t)frame.size;
    }
    bytes_free(&wire);
    return text;
}

/* ---- what is sent ---- */

TEST("compresses whole messages that are large enough")
{
    struct scene scene;

    begin(&scene, NULL, &kept, false, 1000);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("123456789"), true, 100), SL_OK);
    CHECK_STR(heads(&scene), "1.");
    check_received(&scene, SL_VIEW("123456789"));
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("1234567890"), true, 100),
              SL_OK);
    CHECK_STR(heads(&scene), "1C.");
    check_received(&scene, SL_VIEW("1234567890"));
    CHECK_INT(send(&scene, SL_WS_BINARY, SL_VIEW(""), true, 100), SL_OK);
    CHECK_STR(heads(&scene), "2.");
    check_received(&scene, SL_VIEW(""));
    CHECK_INT(send(&scene, SL_WS_BINARY, SL_VIEW("1234567890"), true, 3),
              SL_OK);
    CHECK_STR(heads(&scene), "2C.");
    check_received(&scene, SL_VIEW("1234567890"));
    end(&scene);
}

TEST("compresses messages in pieces, with control frames between their frames")
{
    struct scene scene;
    struct bytes noise = make_noise(600000, 7);

    begin(&scene, NULL, &kept, true, 600000);
    CHECK_INT(send(&scene, SL_WS_BINARY, SL_VIEW(""), false, 100), SL_OK);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION, SL_VIEW(""), true, 100), SL_OK);
    CHECK_STR(heads(&scene), "2C.");
    CHECK_INT(sl_buffer_peek(&scene.wire).size, 3); /* "\0" alone */
    check_received(&scene, SL_VIEW(""));

    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("abc"), false, 100), SL_OK);
    CHECK_INT(sl_ws_outgoing_control(&scene.outgoing, SL_WS_PING, SL_VIEW(""),
                                     &scene.wire),
              SL_OK);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION, SL_VIEW("def"), true, 100),
              SL_OK);
    CHECK_STR(heads(&scene), "9. 1C.");
    check_received(&scene, SL_VIEW("abcdef"));

    CHECK_INT(
        send(&scene, SL_WS_BINARY, sl_view(noise.data, 400000), false, 20000),
        SL_OK);
    CHECK_INT(sl_ws_outgoing_control(&scene.outgoing, SL_WS_PING, SL_VIEW(""),
                                     &scene.wire),
              SL_OK);
    CHECK_INT(send(&scene, SL_WS_CONTINUATION,
                   sl_view(noise.data + 400000, 200000), true, SIZE_MAX),
              SL_OK);
    /* How many there are is up to the library. */
    CHECK(strncmp(heads(&scene), "2C 0 ", 5) == 0);
    CHECK(strstr(heads(&scene), " 0 9. 0 ") != NULL);
    CHECK_STR(strrchr(heads(&scene), ' '), " 0.");
    check_received(&scene, bytes_view(noise));
    CHECK_INT(scene.pings, 2);
    end(&scene);
    bytes_free(&noise);
}

TEST("takes nothing from behind the end of a piece")
{
    struct sl_view text =
        SL_VIEW("a piece of twenty-six bytes and what follows");
    size_t consumed = 0;
    struct scene scene;

    /* The first one is compressed, the second is too short for that. */
    for (size_t i = 0; i < 2; i++) {
        size_t size = i == 0 ? 26 : 5;

        begin(&scene, NULL, &kept, false, SIZE_MAX);
        CHECK_INT(sl_ws_outgoing_begin(&scene.outgoing, SL_WS_TEXT, size, true),
                  SL_OK);
        CHECK_INT(
            sl_ws_outgoing_write(&scene.outgoing, text, &scene.wire, &consumed),
            SL_OK);
        CHECK_INT(consumed, size);
        CHECK(!scene.outgoing.is_writing);
        check_received(&scene, sl_view(text.data, size));
        end(&scene);
    }
}

TEST("refers to earlier messages, unless no context is kept")
{
    const struct sl_view text =
        SL_VIEW("a text that comes again and again: "
                "3141592653589793238462643383279502884");
    struct scene scene;
    size_t first;

    begin(&scene, NULL, &kept, false, 1000);
    CHECK_INT(send(&scene, SL_WS_TEXT, text, true, 100), SL_OK);
    first = scene.wire.length;
    check_received(&scene, text);
    CHECK_INT(send(&scene, SL_WS_TEXT, text, true, 100), SL_OK);
    CHECK(scene.wire.length < first / 2);
    check_received(&scene, text);
    CHECK(scene.outgoing.deflater != NULL);
    CHECK(scene.incoming.message.inflater != NULL);
    end(&scene);

    begin(&scene, NULL, &forgotten, false, 1000);
    CHECK_INT(send(&scene, SL_WS_TEXT, text, true, 100), SL_OK);
    CHECK(scene.outgoing.deflater == NULL);
    CHECK_INT(scene.wire.length, first);
    check_received(&scene, text);
    CHECK(scene.incoming.message.inflater == NULL);
    CHECK_INT(send(&scene, SL_WS_TEXT, text, true, 100), SL_OK);
    CHECK_INT(scene.wire.length, first);
    check_received(&scene, text);
    end(&scene);
}

TEST("holds no memory for compression before a message needs it")
{
    struct scene scene;
    uint64_t before;

    begin(&scene, NULL, &kept, false, 1000);
    before = scene.allocator.calls;
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("short"), true, 100), SL_OK);
    check_received(&scene, SL_VIEW("short"));
    CHECK(scene.outgoing.deflater == NULL);
    CHECK(scene.incoming.message.inflater == NULL);
    CHECK(scene.allocator.calls - before < 4); /* segments */
    end(&scene);
}

static void check_sets(bool is_from_server)
{
    struct bytes text = make_text(30000, 3);
    unsigned char bits;
    size_t i;

    for (bits = 8; bits <= 15; bits++) {
        for (i = 0; i < 4; i++) {
            struct sl_ws_compression agreed = {true, (i & 1) != 0, (i & 2) != 0,
                                               bits, bits};
            struct scene scene;
            size_t k;

            test_note("%u bits, %zu", bits, i);
            begin(&scene, NULL, &agreed, is_from_server, 30000);
            for (k = 0; k < 3; k++) {
                CHECK_INT(
                    send(&scene, SL_WS_TEXT, bytes_view(text), true, 10000),
                    SL_OK);
                CHECK_STR(heads(&scene), bits == 8 ? "1." : "1C.");
                check_received(&scene, bytes_view(text));
            }
            end(&scene);
        }
    }
    bytes_free(&text);
}

TEST("goes through with each set of parameters, without compression for 8 bits")
{
    check_sets(false);
    check_sets(true);
}

/* ---- what is received ---- */

struct expectation {
    struct sl_view last;
    size_t messages;
    enum sl_status status;
    const char *error; /* NULL: any */
    size_t max_size;
};

static void read_pieces(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    const struct expectation *expected = argument;
    struct scene scene;
    enum sl_status status = SL_AGAIN;
    size_t messages = 0;
    char whole[64];
    size_t i;

    begin(&scene, NULL, &kept, true, expected->max_size);
    for (i = 0; i < count && status == SL_AGAIN; i++) {
        CHECK_INT(sl_buffer_append(&scene.wire, pieces[i]), SL_OK);
        while ((status = receive(&scene)) == SL_OK)
            messages++;
    }
    CHECK_INT(status, expected->status);
    CHECK_INT(messages, expected->messages);
    if (expected->error != NULL)
        CHECK_STR(scene.incoming.error, expected->error);
    CHECK_BYTES(whole, sl_buffer_copy_out(&scene.whole, 0, whole, sizeof whole),
                expected->last.data, expected->last.size);
    CHECK(scene.incoming.message.payload.length <= expected->max_size);
    end(&scene);
}

static void check_read(struct sl_view wire, size_t messages,
                       struct sl_view last)
{
    struct expectation expected = {last, messages, SL_AGAIN, NULL, 10};

    test_each_cut(wire, read_pieces, &expected);
}

static void check_fails(struct sl_view wire, enum sl_status status,
                        const char *error, size_t max_size)
{
    struct expectation expected = {SL_VIEW(""), 0, status, error, max_size};

    test_note("%s", error == NULL ? "" : error);
    test_each_cut(wire, read_pieces, &expected);
}

/* RFC 7692 7.2.3.1, .2 */
TEST("inflates messages of one frame and of several, wherever they are cut")
{
    check_read(SL_VIEW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), 1,
               SL_VIEW("Hello"));
    check_read(SL_VIEW("\x41\x03\xf2\x48\xcd\x89\x01p\x80\x04\xc9\xc9\x07\x00"),
               1, SL_VIEW("Hello"));
    check_read(SL_VIEW("\x41\x00\x00\x00\x00\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                       "\x80\x00"),
               1, SL_VIEW("Hello"));
    check_read(SL_VIEW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                       "\x81\x02hi\xc2\x05\xf2\x00\x11\x00\x00"),
               3, SL_VIEW("Hello"));
    check_read(SL_VIEW("\xc1\x01\x00"), 1, SL_VIEW(""));
    check_read(SL_VIEW("\xc2\x00"), 1, SL_VIEW(""));
}

TEST("limits a message by what is inflated")
{
    const struct sl_view hello =
        SL_VIEW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");

    check_fails(hello, SL_LIMIT, "a message is too large", 4);
    /* "Hello" in as many bytes as it takes */
    check_read(SL_VIEW("\xc2\x15\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff"
                       "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
               1, SL_VIEW("Hello"));
}

TEST("inflates a large message a part at a time, and answers meanwhile")
{
    struct bytes zeroes = bytes_new(1000000);
    struct sl_ws_event event;
    struct scene scene;
    size_t parts = 0;

    memset(zeroes.data, 0, zeroes.size);
    begin(&scene, NULL, &kept, true, zeroes.size);
    CHECK_INT(send(&scene, SL_WS_BINARY, bytes_view(zeroes), true, SIZE_MAX),
              SL_OK);
    CHECK(scene.wire.length < 20000);
    while (sl_ws_incoming_next(&scene.incoming, &scene.wire, &event) == SL_OK &&
           event.type == SL_WS_GOT_PART) {
        parts++;
        CHECK(scene.incoming.message.payload.length <= 5 * parts * SL_WS_PART);
    }
    CHECK(parts >= 4);
    CHECK_INT(event.type, SL_WS_GOT_MESSAGE);
    CHECK_INT(scene.incoming.message.payload.length, zeroes.size);
    end(&scene);
    bytes_free(&zeroes);
}

TEST("refuses compressed text that is not UTF-8 before the message is complete")
{
    check_fails(SL_VIEW("\x41\x09\x00\x04\x00\xfb\xff"
                        "ab\xc0\x80"),
                SL_DECODE, "text is not UTF-8", 10);
    check_fails(SL_VIEW("\xc1\x08\x00\x02\x00\xfd\xff"
                        "a\xc3\x00"),
                SL_DECODE, "text is not UTF-8", 10);
}

TEST("refuses what is corrupt, cut off, or marked where it may not be")
{
    check_fails(SL_VIEW("\xc2\x01\x06"), SL_DECODE, NULL, 10);
    check_fails(SL_VIEW("\xc2\x03\xf2\x48\xcd"), SL_DECODE,
                "a compressed message is cut off", 10);
    check_fails(SL_VIEW("\xc2\x05\xf2\x00\x11\x00\x00"), SL_DECODE, NULL, 10);
    check_fails(SL_VIEW("\x42\x00\xc0\x00"), SL_PROTOCOL,
                "reserved bits are set", 10);
    check_fails(SL_VIEW("\xc9\x00"), SL_PROTOCOL, "reserved bits are set", 10);
    check_fails(SL_VIEW("\xe1\x00"), SL_PROTOCOL, "reserved bits are set", 10);
}

TEST("keeps no more of a small message than it needs")
{
    struct scene scene;
    struct sl_pool pool;
    struct sl_ws_incoming incoming;
    struct sl_ws_event event;
    struct sl_buffer whole;
    struct sl_ws_options receives = {.compression = kept, .max_size = 1000};

    begin(&scene, NULL, &kept, true, 1000);
    sl_pool_init(&pool, &scene.allocator, NULL);
    sl_buffer_init(&whole, &pool, SIZE_MAX);
    sl_ws_incoming_init(&incoming, &pool, &receives);
    CHECK_INT(sl_buffer_append(&scene.wire, SL_VIEW("\xc1\x07\xf2\x48\xcd\xc9"
                                                    "\xc9\x07\x00")),
              SL_OK);
    CHECK_INT(sl_ws_incoming_next(&incoming, &scene.wire, &event), SL_OK);
    CHECK_INT(sl_ws_message_detach(&incoming.message, &whole), SL_OK);
    CHECK_INT(whole.length, 5);
    CHECK(whole.cost <= 1024);
    sl_ws_incoming_fini(&incoming);
    sl_buffer_fini(&whole);
    CHECK_INT(sl_pool_fini(&pool), 0);
    end(&scene);
}

TEST("drops a message that nobody wants, and reads on")
{
    struct scene scene;
    struct sl_ws_event event;

    begin(&scene, NULL, &kept, true, 100);
    CHECK_INT(sl_buffer_append(&scene.wire,
                               SL_VIEW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                                       "\xc1\x05\xf2\x00\x11\x00\x00")),
              SL_OK);
    CHECK_INT(sl_ws_incoming_next(&scene.incoming, &scene.wire, &event), SL_OK);
    sl_ws_message_reset(&scene.incoming.message);
    check_received(&scene, SL_VIEW("Hello"));
    end(&scene);
}

/* ---- failures ---- */

/* Into a buffer that takes at most `most` bytes. What was sent is on the wire
 * afterwards; its size is returned. */
static size_t send_within(struct scene *scene, struct sl_view rest, size_t most)
{
    struct sl_buffer all;
    size_t rounds = 0;
    size_t size;

    sl_buffer_init(&all, &scene->pool, SIZE_MAX);
    scene->wire.max_size = most;
    CHECK_INT(
        sl_ws_outgoing_begin(&scene->outgoing, SL_WS_TEXT, rest.size, true),
        SL_OK);
    while (scene->outgoing.is_writing && rounds++ < 1000) {
        size_t consumed;
        enum sl_status status = sl_ws_outgoing_write(&scene->outgoing, rest,
                                                     &scene->wire, &consumed);

        CHECK(status == SL_OK || status == SL_LIMIT);
        rest.data += consumed;
        rest.size -= consumed;
        if (status == SL_LIMIT)
            CHECK_INT(sl_buffer_take(&all, &scene->wire), SL_OK);
    }
    CHECK(!scene->outgoing.is_writing);
    CHECK_INT(sl_buffer_take(&all, &scene->wire), SL_OK);
    size = all.length;
    scene->wire.max_size = SIZE_MAX;
    CHECK_INT(sl_buffer_take(&scene->wire, &all), SL_OK);
    sl_buffer_fini(&all);
    return size;
}

TEST("goes on where a full buffer stopped it, a byte before the end too")
{
    struct scene scene;
    struct bytes text = make_text(3000, 3);
    size_t limits[] = {50, SIZE_MAX, 0, 0};
    size_t i;

    for (i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t size;

        begin(&scene, NULL, &kept, false, 3000);
        size = send_within(&scene, bytes_view(text), limits[i]);
        CHECK_STR(heads(&scene), "1C.");
        check_received(&scene, bytes_view(text));
        limits[2] = size - 1;
        limits[3] = size - 2;
        end(&scene);
    }
    bytes_free(&text);
}

TEST("says that it took a byte, though a full buffer takes nothing of it")
{
    struct scene scene;
    size_t consumed;

    begin(&scene, NULL, &kept, false, 1000);
    CHECK_INT(send(&scene, SL_WS_TEXT, SL_VIEW("a"), false, 100), SL_OK);
    scene.wire.max_size = 1;
    CHECK_INT(
        sl_ws_outgoing_begin(&scene.outgoing, SL_WS_CONTINUATION, 1, true),
        SL_OK);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW("b"), &scene.wire,
                                   &consumed),
              SL_OK);
    CHECK_INT(consumed, 1);
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW(""), &scene.wire,
                                   &consumed),
              SL_LIMIT);
    scene.wire.max_size = SIZE_MAX;
    CHECK_INT(sl_ws_outgoing_write(&scene.outgoing, SL_VIEW(""), &scene.wire,
                                   &consumed),
              SL_OK);
    CHECK(!scene.outgoing.is_writing);
    check_received(&scene, SL_VIEW("ab"));
    end(&scene);
}

static void pass_some(struct sl_allocator *allocator, void *argument)
{
    struct bytes text = make_text(300, 3);
    struct scene scene;
    enum sl_status status = SL_OK;
    size_t i;

    begin(&scene, allocator, argument, false, 300);
    for (i = 0; i < 2 && status == SL_OK; i++) {
        status = send(&scene, SL_WS_TEXT, bytes_view(text), true, 100);
        if (status == SL_OK)
            status = receive(&scene);
        CHECK(status != SL_OK || scene.whole.length == 300);
    }
    CHECK(status == SL_OK || status == SL_MEMORY);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    end(&scene);
    bytes_free(&text);
}

TEST("gives everything back, whatever allocation fails")
{
    test_each_failure(pass_some, (void *)(uintptr_t)&kept);
    test_each_failure(pass_some, (void *)(uintptr_t)&forgotten);
}

int main(void)
{
    return test_main();
}
