#include "spec/c/conn/sockets.h"

static void begin(struct talk *talk, const struct manner *manner)
{
    talk_defaults(talk);
    talk_init(talk, manner);
}

/* ---- cuts ---- */

static const struct manner *cut_manner;

static void in_pieces(const struct sl_view *pieces, size_t count,
                      void *argument)
{
    struct talk talk;

    (void)argument;
    begin(&talk, cut_manner);
    for (size_t i = 0; i < count; i++) {
        peer_says(&talk, pieces[i]);
        talk_step(&talk);
    }
    RECEIVES(&talk, "hello, w\xc3\xb6rld");
    talk_receives(&talk, SL_VIEW(""), false);
    READS(&talk, "\x8a\x82" KEY "no\x88\x82" KEY "\x03\xe8");
    talk_ends(&talk, SL_CLOSED, 1000, "closed by the peer, code 1000");
    talk_fini(&talk);
}

static void cut_everywhere(const struct manner *manner)
{
    cut_manner = manner;
    test_each_cut(
        SL_VIEW("\x01\x05hello\x89\x02no\x00\x00\x80\x08, w\xc3\xb6rld"
                "\x82\x00\x88\x02\x03\xe8"),
        in_pieces, NULL);
}

TEST("understands what the peer sends wherever it is cut")
{
    struct manner list[MANNERS_MOST];

    REQUIRE(manners(list) > 0);
    cut_everywhere(&list[0]);
    cut_everywhere(&list[1]);
}

/* ---- back-pressure ---- */

static void too_many(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.queue_count = 4;
    talk_init(&talk, manner);
    SAYS(&talk, "\x89\x01"
                "1\x81\x01"
                "a\x81\x01"
                "b\x81\x01"
                "c\x81\x01"
                "d"
                "\x89\x01"
                "2\x81\x01"
                "e\x89\x01"
                "3");
    READS(&talk, "\x8a\x81" KEY "1");
    for (int i = 0; i < 10; i++)
        talk_step(&talk);
    CHECK_INT(talk.socket->queue.count, 4);
    CHECK(talk.socket->is_held);
    CHECK_INT(talk.world.loop.operations, 0);
    RECEIVES(&talk, "a");
    CHECK(talk.socket->is_held);
    RECEIVES(&talk, "b");
    CHECK(!talk.socket->is_held);
    READS(&talk, "\x8a\x81" KEY "3");
    RECEIVES(&talk, "c");
    RECEIVES(&talk, "d");
    RECEIVES(&talk, "e");
    talk_fini(&talk);
}

TEST("holds the peer back while too many messages wait")
{
    each_manner(too_many);
}

static void too_much(const struct manner *manner)
{
    struct talk talk;
    size_t size = 60000;
    char *text = malloc(size);

    memset(text, 'x', size);
    talk_defaults(&talk);
    talk.options.queue_bytes = 100 * 1000;
    talk_init(&talk, manner);
    for (int i = 0; i < 3; i++) {
        SAYS(&talk, "\x82\x7e\xea\x60");
        peer_says(&talk, sl_view(text, size));
    }
    for (int64_t until = sl_clock_now() + PATIENCE;
         !talk.socket->is_held && sl_clock_now() < until;)
        talk_step(&talk);
    CHECK(talk.socket->is_held);
    CHECK_INT(talk.socket->queue.count, 1);
    CHECK(talk.world.pool.stats.bytes < 3 * (100 * 1000 + 65536));
    for (int i = 0; i < 3; i++)
        talk_receives(&talk, sl_view(text, size), false);
    talk_fini(&talk);
    free(text);
}

TEST("holds the peer back while too many bytes wait")
{
    each_manner(too_much);
}

static void closing_when_full(const struct manner *manner)
{
    struct talk talk;
    const struct sl_ws_closing closing = {1000, {NULL, 0}};

    talk_defaults(&talk);
    talk.options.queue_count = 2;
    talk_init(&talk, manner);
    SAYS(&talk, "\x81\x01"
                "a\x81\x01"
                "b\x81\x01"
                "c\x81\x01"
                "d"
                "\x88\x02\x03\xe8");
    while (!talk.socket->is_held)
        talk_step(&talk);
    CHECK_INT(sl_websocket_close(talk.socket, &closing), SL_OK);
    READS(&talk, "\x88\x82" KEY "\x03\xe8");
    RECEIVES(&talk, "a");
    RECEIVES(&talk, "b");
    talk_ends(&talk, SL_CLOSED, 1000,
              "closed by this side, the peer answered with code 1000");
    talk_fini(&talk);
}

TEST("finds the peer's Close behind messages for which there is no room")
{
    each_manner(closing_when_full);
}

/* ---- signs of life ---- */

static void half_a_frame(const struct manner *manner)
{
    static char part[4085]; /* 4095 bytes with the head of its frame */
    int64_t until = sl_clock_now() + PATIENCE;
    struct talk talk;

    memset(part, 'x', sizeof part);
    begin(&talk, manner);
    talk.socket->heard_at = 1;
    SAYS(&talk, "\x82\x7f\0\0\0\0\0\x01\0\0");
    peer_says(&talk, sl_view(part, sizeof part));
    while (talk.socket->unheard < 4095 && sl_clock_now() < until)
        talk_step(&talk);
    CHECK_INT(talk.socket->unheard, 4095);
    CHECK_INT(talk.socket->heard_at, 1);
    SAYS(&talk, "x");
    while (talk.socket->heard_at == 1 && sl_clock_now() < until)
        talk_step(&talk);
    CHECK(talk.socket->heard_at > 1);
    CHECK_INT(talk.socket->unheard, 0);
    talk_fini(&talk);
}

TEST("takes 4 KiB of a frame, and no less, for a sign of life")
{
    each_manner(half_a_frame);
}

/* ---- what a peer may not do ---- */

struct violation {
    struct sl_view bytes;
    unsigned code;
    enum sl_status status;
    const char *reason;
};

#define BYTES(text)           \
    {                         \
        text, sizeof text - 1 \
    }

static const struct violation violations[] = {
    {BYTES("\x81\x82" KEY "hi"), 1002, SL_PROTOCOL,
     "a server's frame is masked"},
    {BYTES("\xc1\x02hi"), 1002, SL_PROTOCOL, NULL},
    {BYTES("\x83\x00"), 1002, SL_PROTOCOL, NULL},
    {BYTES("\x80\x00"), 1002, SL_PROTOCOL, NULL},
    {BYTES("\x89\x7e\x00\x7e"), 1002, SL_PROTOCOL, NULL},
    {BYTES("\x88\x01x"), 1002, SL_PROTOCOL, "the code of a Close is invalid"},
    {BYTES("\x88\x02\x03\xed"), 1002, SL_PROTOCOL,
     "the code of a Close is invalid"},
    {BYTES("\x81\x02\xc3\x28"), 1007, SL_DECODE, "text is not UTF-8"},
    {BYTES("\x81\x05\xc3\x28"), 1007, SL_DECODE, "text is not UTF-8"},
    {BYTES("\x88\x03\x03\xe8\xff"), 1007, SL_DECODE,
     "the reason of a Close is not UTF-8"},
    {BYTES("\x82\x7e\x03\xe9"), 1009, SL_LIMIT,
     "a message exceeds 1000 bytes (max_message_size)"},
};

static void violate(const struct manner *manner)
{
    for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
        const struct violation *violation = &violations[i];
        char code[] = {(char)(violation->code >> 8), (char)violation->code};
        struct talk talk;

        talk_defaults(&talk);
        talk.options.protocol.max_size = 1000;
        talk_init(&talk, manner);
        SAYS(&talk, "\x81\x01"
                    "a");
        peer_says(&talk, violation->bytes);
        RECEIVES(&talk, "a");
        CHECK_INT(talk_want(&talk), SL_END);
        CHECK_INT(talk.socket->end->code, violation->code);
        CHECK_INT(talk.socket->end->failure.status, violation->status);
        if (violation->reason != NULL)
            CHECK_STR(talk.socket->end->failure.reason, violation->reason);
        SAYS(&talk, "\x81\x05 more and more");
        peer_reads(&talk, sl_view("\x88", 1));
        talk.is_small = true;
        for (int n = 0; n < 5; n++) {
            char byte; /* of the size and the key */

            peer_reads(&talk, sl_view(&byte, 0));
            while (recv(talk.peer, &byte, 1, MSG_DONTWAIT) != 1)
                talk_step(&talk);
        }
        peer_reads(&talk, sl_view(code, 2));
        peer_ends(&talk);
        talk_until_over(&talk);
        talk_fini(&talk);
    }
}

TEST("fails for each violation with its close code")
{
    each_manner(violate);
}

/* ---- floods ---- */

static void flooded(const struct manner *manner)
{
    struct talk talk;
    char pings[6000];
    size_t most = 0;

    for (size_t i = 0; i < sizeof pings; i += 2)
        memcpy(pings + i, i % 4 == 0 ? "\x89\x00" : "\x00\x00", 2);
    talk_defaults(&talk);
    talk.is_small = true;
    talk_init(&talk, manner);
    SAYS(&talk, "\x01\x00");
    for (int64_t until = sl_clock_now() + 100 * SL_MILLISECOND;
         sl_clock_now() < until;) {
        if (send(talk.peer, pings, sizeof pings, MSG_NOSIGNAL) < 0)
            talk_step(&talk);
        talk_step(&talk);
        if (talk.world.pool.stats.bytes > most)
            most = talk.world.pool.stats.bytes;
    }
    CHECK(most < 512 * 1024);
    CHECK(sl_ws_sending_length(&talk.socket->sending) <=
          SL_WS_CONTROL_MAX + 14);
    talk_fini(&talk);
}

TEST("keeps its memory when a peer floods it with pings and reads nothing")
{
    each_manner(flooded);
}

static void talks_on(const struct manner *manner)
{
    struct talk talk;
    char rest[4096];

    memset(rest, 'x', sizeof rest);
    talk_defaults(&talk);
    talk.options.close_timeout = 50 * SL_MILLISECOND;
    talk_init(&talk, manner);
    SAYS(&talk, "\x88\x02\x03\xe8");
    while (talk.socket->phase != SL_WEBSOCKET_OVER) {
        send(talk.peer, rest, sizeof rest, MSG_NOSIGNAL);
        talk_step(&talk);
        CHECK(talk.world.pool.stats.bytes < 512 * 1024);
    }
    talk_ends(&talk, SL_CLOSED, 1000, "closed by the peer, code 1000");
    talk_fini(&talk);
}

TEST("is over in time when the peer sends on behind its Close")
{
    each_manner(talks_on);
}

int main(void)
{
    return test_main();
}
