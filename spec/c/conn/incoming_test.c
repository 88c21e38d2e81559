#include "conn/incoming.h"

#include "spec/c/io/world.h"

/* A response over one end of a socket pair; the test is the server. */
struct reply {
    struct world world;
    struct sl_link link;
    struct sl_buffer input;
    struct sl_incoming incoming;
    struct sl_response_limits limits;
    struct sl_incoming_news news;
    struct sl_failure failure;
    size_t budget;
    size_t flow;
    int peer;
};

static struct reply reply;

static void can_move(void *owner)
{
    (void)owner;
}

static const struct sl_transport_events events = {can_move, can_move};

static const struct sl_pool_options tiny = {
    .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
static const struct sl_pool_options usual = {.spare_limit = SIZE_MAX};

static enum sl_status reply_open(struct sl_allocator *allocator,
                                 struct sl_pool_options pool)
{
    struct sl_request_traits traits = {0};
    struct sl_transport *transport;
    enum sl_status status;
    int ours;

    memset(&reply.link, 0, sizeof reply.link);
    memset(&reply.incoming, 0, sizeof reply.incoming);
    memset(&reply.failure, 0, sizeof reply.failure);
    reply.world.resolver = NULL;
    reply.peer = -1;
    reply.flow = SL_FLOW;
    if (!world_open(&reply.world, allocator, &pool))
        return SL_MEMORY;
    sl_response_limits_default(&reply.limits);
    sl_buffer_init(&reply.input, &reply.world.pool, SIZE_MAX);
    sl_incoming_init(&reply.incoming, &reply.world.pool, &reply.limits, traits,
                     NULL);
    peer_pair(&ours, &reply.peer);
    status = transport_create(&reply.world.loop, NULL, SL_TRANSPORT_STREAM,
                              ours, &transport);
    if (status == SL_OK) {
        sl_transport_bind(transport, &events, NULL);
        sl_link_init(&reply.link, allocator, transport);
    }
    return status;
}

static void reply_close(void)
{
    if (reply.link.transport != NULL)
        sl_link_close(&reply.link, true);
    sl_incoming_fini(&reply.incoming);
    sl_buffer_fini(&reply.input);
    if (reply.peer >= 0)
        close(reply.peer);
    world_close(&reply.world);
}

static void setup(void)
{
    test_allocator_init(&reply.world.own);
    REQUIRE(reply_open(&reply.world.own.base, tiny) == SL_OK);
}

static void teardown(void)
{
    reply_close();
    test_allocator_fini(&reply.world.own);
}

static enum sl_status advance(void)
{
    struct sl_incoming_source source = {&reply.link, &reply.input, reply.flow};

    world_settle(&reply.world); /* what has arrived shows itself */
    reply.budget = SL_TURN_BUDGET;
    return sl_incoming_advance(&reply.incoming, &source, false, &reply.budget,
                               &reply.news, &reply.failure);
}

/* Advances until the answer is one that does not say "at once more". */
static enum sl_status advance_all(void)
{
    enum sl_status status;

    do
        status = advance();
    while (status == SL_OK);
    return status;
}

static void check_body(const char *expected)
{
    char bytes[256];
    size_t size = sl_buffer_copy_out(&reply.incoming.response.body, 0, bytes,
                                     sizeof bytes);

    CHECK_BYTES(bytes, size, expected, strlen(expected));
}

static const char chunked[] = "HTTP/1.1 100 Continue\r\n\r\n"
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                              "\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

/* Sends `size` bytes of a body, and brings them. */
static void bring(size_t size)
{
    static char bytes[100000];

    while (size > 0) {
        size_t here = size < sizeof bytes ? size : sizeof bytes;

        REQUIRE(send(reply.peer, bytes, here, 0) == (ssize_t)here);
        size -= here;
        advance_all();
    }
}

TEST("ends a receive of pieces with one of them")
{
    const size_t piece = 40000;
    struct sl_buffer *body = &reply.incoming.response.body;

    test_allocator_init(&reply.world.own);
    REQUIRE(reply_open(&reply.world.own.base, usual) == SL_OK);
    sl_incoming_want(&reply.incoming, SL_WANT_BODY, piece);
    peer_send(reply.peer, "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n");
    advance_all();
    bring(1000);
    CHECK_INT(body->length, 1000);
    bring(100000);
    CHECK_INT(body->length, piece);
    /* Small pieces are not worth it, nor are those larger than a receive. */
    for (size_t i = 0; i < 2; i++) {
        sl_buffer_consume(body, body->length);
        sl_incoming_want(&reply.incoming, SL_WANT_BODY, i == 0 ? 1000 : 900000);
        bring(100000);
        CHECK(body->length >= 65536);
    }
    teardown();
}

/* The most that one receive brings of `size` bytes that wait. */
static size_t most_at_once(size_t size)
{
    static char bytes[160 * 1024];
    size_t most = 0;

    REQUIRE(send(reply.peer, bytes, size, MSG_DONTWAIT) == (ssize_t)size);
    for (size_t left = size; left > 0; left -= reply.news.received) {
        REQUIRE(advance() == SL_OK && reply.news.received <= left);
        if (reply.news.received > most)
            most = reply.news.received;
        sl_buffer_consume(&reply.incoming.response.body,
                          reply.incoming.response.body.length);
    }
    return most;
}

TEST("receives no more at once than its source says")
{
    const size_t flows[] = {96 * 1024, 64 * 1024, 128 * 1024};

    test_allocator_init(&reply.world.own);
    REQUIRE(reply_open(&reply.world.own.base, usual) == SL_OK);
    sl_incoming_want(&reply.incoming, SL_WANT_BODY, 900000);
    peer_send(reply.peer, "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n");
    advance_all();
    most_at_once(65536); /* bytes flow fast from here on */
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
        reply.flow = flows[i];
        CHECK_INT(most_at_once(160 * 1024), flows[i]);
    }
    teardown();
}

TEST("brings the same message wherever it is cut, and notes what it met")
{
    for (size_t cut = 1; cut < sizeof chunked - 1; cut++) {
        bool continues;

        test_note("cut at %zu", cut);
        setup();
        sl_incoming_want(&reply.incoming, SL_WANT_WHOLE, 0);
        CHECK_INT(advance_all(), SL_AGAIN);
        CHECK_INT(reply.incoming.phase, SL_INCOMING_SILENT);
        REQUIRE(send(reply.peer, chunked, cut, 0) == (ssize_t)cut);
        CHECK_INT(advance(), SL_OK);
        CHECK_INT(reply.incoming.phase, SL_INCOMING_BEGUN);
        continues = reply.news.continues;
        while (advance() == SL_OK)
            continues |= reply.news.continues;
        peer_send(reply.peer, chunked + cut);
        while (advance() == SL_OK)
            continues |= reply.news.continues;
        continues |= reply.news.continues;
        CHECK_INT(advance(), SL_END);
        CHECK(continues);
        check_body("hello world");
        teardown();
    }
}

TEST("receives nothing that nobody wants")
{
    setup();
    peer_send(reply.peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(!sl_incoming_is_wanted(&reply.incoming, false));
    CHECK_INT(advance(), SL_AGAIN);
    CHECK_INT(reply.news.received, 0);
    /* A pusher wants to know of an early answer. */
    CHECK(sl_incoming_is_wanted(&reply.incoming, true));
    sl_incoming_want(&reply.incoming, SL_WANT_HEAD, 0);
    CHECK(!sl_incoming_is_satisfied(&reply.incoming));
    while (!sl_incoming_is_satisfied(&reply.incoming))
        REQUIRE(advance() != SL_CLOSED);
    CHECK(!sl_incoming_is_wanted(&reply.incoming, true));
    CHECK_INT(reply.incoming.response.head.status, 200);
    sl_incoming_want(&reply.incoming, SL_WANT_BODY, 5);
    CHECK_INT(advance_all(), SL_END);
    check_body("hello");
    teardown();
}

TEST("answers closed where the peer ends too early, and says why")
{
    static const char *const parts[] = {
        "", "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        setup();
        sl_incoming_want(&reply.incoming, SL_WANT_WHOLE, 0);
        if (parts[i][0] != '\0')
            peer_send(reply.peer, parts[i]);
        CHECK_INT(shutdown(reply.peer, SHUT_WR), 0);
        CHECK_INT(advance_all(), SL_CLOSED);
        CHECK(reply.failure.reason[0] != '\0');
        CHECK_INT(reply.incoming.phase,
                  i == 0 ? SL_INCOMING_SILENT : SL_INCOMING_BEGUN);
        teardown();
    }
}

TEST("keeps what sending reported where the peer has said nothing")
{
    setup();
    sl_incoming_want(&reply.incoming, SL_WANT_WHOLE, 0);
    sl_fail(&reply.failure, SL_CLOSED, SL_STAGE_SEND, "broken pipe");
    CHECK_INT(shutdown(reply.peer, SHUT_WR), 0);
    CHECK_INT(advance_all(), SL_CLOSED);
    CHECK_STR(reply.failure.reason, "broken pipe");
    teardown();
}

TEST("drops what it drains, and gives up behind 64 KiB")
{
    static char much[1024];

    setup();
    memset(much, 'x', sizeof much);
    peer_send(reply.peer,
              "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhe");
    sl_incoming_want(&reply.incoming, SL_WANT_HEAD, 0);
    while (!sl_incoming_is_satisfied(&reply.incoming))
        REQUIRE(advance() != SL_CLOSED);
    CHECK(!sl_incoming_is_short(&reply.incoming));
    sl_incoming_drain(&reply.incoming, SL_NEVER, reply.input.length);
    CHECK(sl_incoming_is_draining(&reply.incoming));
    for (int i = 0; i < 64; i++) {
        REQUIRE(send(reply.peer, much, sizeof much, 0) == sizeof much);
        if (i < 63)
            CHECK_INT(advance_all(), SL_AGAIN);
        CHECK_INT(reply.incoming.response.body.length, 0);
    }
    REQUIRE(send(reply.peer, much, sizeof much, 0) == sizeof much);
    CHECK_INT(advance_all(), SL_CANCELLED);
    CHECK_INT(reply.failure.stage, SL_STAGE_BODY);
    teardown();
}

TEST("reports a broken message as what it is")
{
    setup();
    sl_incoming_want(&reply.incoming, SL_WANT_WHOLE, 0);
    peer_send(reply.peer, "HTTP/1.1 2x0 OK\r\n\r\n");
    CHECK_INT(advance_all(), SL_PROTOCOL);
    teardown();
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    enum sl_status status = reply_open(allocator, tiny);

    (void)argument;
    if (status != SL_OK && reply.world.resolver == NULL)
        return; /* the world could not be opened */
    if (status == SL_OK) {
        sl_incoming_want(&reply.incoming, SL_WANT_WHOLE, 0);
        peer_send(reply.peer, chunked);
        status = advance_all();
        if (status == SL_AGAIN)
            status = advance_all();
    }
    CHECK(status == SL_END || test_allocator_has_failed(allocator));
    reply_close();
}

TEST("gives back everything whichever allocation fails")
{
    test_each_failure(whole_life, NULL);
}

int main(void)
{
    return test_main();
}
