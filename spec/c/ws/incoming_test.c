#include "ws/incoming.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <string.h>

struct log {
    char text[400];
    size_t used;
};

static void note(struct log *log, const char *kind, const char *bytes,
                 size_t size)
{
    log->used +=
        (size_t)snprintf(log->text + log->used, sizeof log->text - log->used,
                         "%s %.*s;", kind, (int)size, bytes);
}

static enum sl_status note_message(struct log *log,
                                   struct sl_ws_incoming *incoming)
{
    struct sl_buffer whole;
    char bytes[200];
    enum sl_status status;
    const char *kind = incoming->message.is_text ? "text" : "binary";

    sl_buffer_init(&whole, incoming->message.payload.pool, SIZE_MAX);
    status = sl_ws_message_detach(&incoming->message, &whole);
    if (status == SL_OK)
        note(log, kind, bytes,
             sl_buffer_copy_out(&whole, 0, bytes, sizeof bytes));
    sl_buffer_fini(&whole);
    return status;
}

/* Notes what there is in the input. */
static enum sl_status take_events(struct sl_ws_incoming *incoming,
                                  struct sl_buffer *input, struct log *log)
{
    static const char *const kinds[] = {"", "ping", "pong"};
    struct sl_ws_event event;
    enum sl_status status;

    for (;;) {
        status = sl_ws_incoming_next(incoming, input, &event);
        if (status != SL_OK)
            return status;
        if (event.type == SL_WS_GOT_MESSAGE) {
            status = note_message(log, incoming);
            if (status != SL_OK)
                return status;
        } else if (event.type == SL_WS_GOT_CLOSE) {
            char code[20];

            snprintf(code, sizeof code, "close %u", event.closing.code);
            note(log, code, event.closing.reason.data,
                 event.closing.reason.size);
        } else {
            note(log, kinds[event.type], event.payload.data,
                 event.payload.size);
        }
    }
}

struct expectation {
    const char *events;
    enum sl_status status;
    const char *error;
    bool is_server;
};

static void read_pieces(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    const struct expectation *expected = argument;
    struct sl_pool_options options = {
        .segment_size = 23, .spare_limit = SIZE_MAX, .poison = true};
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_ws_options ws = {.max_size = 100};
    struct sl_ws_incoming incoming;
    struct log log = {"", 0};
    enum sl_status status = SL_AGAIN;
    size_t i;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, &options);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    ws.is_server = expected->is_server;
    sl_ws_incoming_init(&incoming, &pool, &ws);
    for (i = 0; i < count && status == SL_AGAIN; i++) {
        CHECK_INT(sl_buffer_append(&input, pieces[i]), SL_OK);
        status = take_events(&incoming, &input, &log);
    }
    CHECK_INT(status, expected->status);
    CHECK_STR(log.text, expected->events);
    CHECK_STR(incoming.error, expected->error);
    if (status != SL_AGAIN) {
        struct sl_ws_event event;

        CHECK_INT(sl_buffer_append(&input, SL_VIEW("\x81\x01z")), SL_OK);
        CHECK_INT(sl_ws_incoming_next(&incoming, &input, &event), status);
    }
    sl_ws_incoming_fini(&incoming);
    sl_ws_incoming_fini(&incoming);
    sl_buffer_fini(&input);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

static void check(struct sl_view wire, const char *events)
{
    struct expectation expected = {events, SL_AGAIN, NULL, false};

    test_note("%s", events);
    test_each_cut(wire, read_pieces, &expected);
}

static void check_fails(struct sl_view wire, const char *events,
                        enum sl_status status, const char *error)
{
    struct expectation expected = {events, status, error, false};

    test_note("%s%s", events, error == NULL ? "" : error);
    test_each_cut(wire, read_pieces, &expected);
}

TEST("gives messages whole, and control frames between their fragments")
{
    check(SL_VIEW("\x81\x02hi\x82\x00\x89\x00\x8a\x03you"),
          "text hi;binary ;ping ;pong you;");
    check(SL_VIEW("\x01\x03"
                  "abc\x89\x02"
                  "p1\x00\x01"
                  "d\x89\x02"
                  "p2\x8a\x00\x80\x02"
                  "ef"),
          "ping p1;ping p2;pong ;text abcdef;");
}

TEST("ends at a Close frame, and drops what follows")
{
    check_fails(SL_VIEW("\x81\x01"
                        "a\x88\x06\x03\xe8"
                        "done"),
                "text a;close 1000 done;", SL_END, NULL);
    check_fails(SL_VIEW("\x01\x01"
                        "a\x88\x00"),
                "close 1005 ;", SL_END, NULL);
}

TEST("takes the masks of a client off")
{
    struct expectation expected = {"ping Hello;text Hello;close 1000 ;", SL_END,
                                   NULL, true};

    test_each_cut(SL_VIEW("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                          "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                          "\x88\x82\x37\xfa\x21\x3d\x34\x12"),
                  read_pieces, &expected);
}

TEST("says what was wrong")
{
    check_fails(SL_VIEW("\x81\x01"
                        "a\x83"),
                "text a;", SL_PROTOCOL, "unknown opcode");
    check_fails(SL_VIEW("\x89\x01"
                        "x\x81\x02\xff"),
                "ping x;", SL_DECODE, "text is not UTF-8");
    check_fails(SL_VIEW("\x82\x65"), "", SL_LIMIT, "a message is too large");
    check_fails(SL_VIEW("\x88\x01\x03"), "", SL_PROTOCOL,
                "the code of a Close is invalid");
    check_fails(SL_VIEW("\x88\x02\x03\xed"), "", SL_PROTOCOL,
                "the code of a Close is invalid");
    check_fails(SL_VIEW("\x88\x03\x03\xe8\xff"), "", SL_DECODE,
                "the reason of a Close is not UTF-8");
}

/* For each byte: i, idle behind it; b, between frames or in a head; a dot for
 * neither. */
static void check_states(struct sl_view wire, bool may_compress,
                         const char *expected)
{
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_ws_options ws = {.max_size = 100};
    struct sl_ws_incoming incoming;
    struct log log = {"", 0};
    char states[40];
    size_t i;

    ws.compression.is_agreed = may_compress;
    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_ws_incoming_init(&incoming, &pool, &ws);
    for (i = 0; i < wire.size; i++) {
        CHECK_INT(sl_buffer_append(&input, sl_view(wire.data + i, 1)), SL_OK);
        take_events(&incoming, &input, &log);
        states[i] = sl_ws_incoming_is_idle(&incoming)      ? 'i'
                    : sl_ws_incoming_is_between(&incoming) ? 'b'
                                                           : '.';
    }
    states[i] = '\0';
    CHECK_STR(states, expected);
    sl_ws_incoming_fini(&incoming);
    sl_buffer_fini(&input);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("knows behind each byte whether anything is under way")
{
    check_states(SL_VIEW("\x01\x01"
                         "a\x89\x01p\x80\x02"
                         "bc\x82\x00\x8a\x02xy"),
                 false, "b.bb.bb..ibib..i");
    check_states(SL_VIEW("\x81\x00"), true, "bb");
    check_states(SL_VIEW("\x88\x00\x81"), false, "b..");
    check_states(SL_VIEW("\x83\x00"), false, "..");
}

static void run(struct sl_allocator *allocator, void *argument)
{
    const struct sl_view wire =
        SL_VIEW("\x01\x03"
                "abc\x89\x02"
                "p1\x80\x20"
                "01234567890123456789012345678901\x82\x02"
                "ef\x88\x00");
    struct sl_pool_options options = {.segment_size = 23,
                                      .spare_limit = SIZE_MAX};
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_ws_options ws = {.max_size = 100};
    struct sl_ws_incoming incoming;
    struct log log = {"", 0};
    enum sl_status status = SL_AGAIN;
    size_t i;

    (void)argument;
    sl_pool_init(&pool, allocator, &options);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_ws_incoming_init(&incoming, &pool, &ws);
    for (i = 0; i < wire.size && status == SL_AGAIN; i += 7) {
        size_t size = wire.size - i < 7 ? wire.size - i : 7;

        status = sl_buffer_append(&input, sl_view(wire.data + i, size));
        if (status == SL_OK)
            status = take_events(&incoming, &input, &log);
    }
    if (status == SL_END) {
        CHECK_STR(log.text, "ping p1;text abc01234567890123456789012345678901;"
                            "binary ef;close 1005 ;");
    } else {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    sl_ws_incoming_fini(&incoming);
    sl_buffer_fini(&input);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("gives everything back, whatever allocation fails")
{
    test_each_failure(run, NULL);
}

int main(void)
{
    return test_main();
}
