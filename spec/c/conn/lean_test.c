/* A stream of events, whose exchange has given its request back and waits. */
#include "conn/course.h"

#include "spec/c/conn/scene.h"

#define STREAM "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct scene scene;

struct stream {
    struct sl_exchange *exchange;
    int peer;
};

/* A stream whose head is there, and which is waited for. */
static struct stream begin(void)
{
    struct stream stream;

    stream.exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(stream.exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    stream.peer = scene_accept(&scene);
    scene_expect(&scene, stream.peer, GET);
    peer_send(stream.peer, STREAM);
    CHECK_INT(scene_want(&scene, stream.exchange, SL_WANT_HEAD, 0), SL_OK);
    sl_exchange_expect_events(stream.exchange);
    CHECK_INT(sl_exchange_want(stream.exchange, SL_WANT_BODY, 1), SL_AGAIN);
    return stream;
}

static void finish(struct stream *stream)
{
    sl_exchange_release(stream->exchange);
    close(stream->peer);
}

static void expect_event(struct stream *stream)
{
    struct sl_buffer *body = &stream->exchange->incoming.response.body;

    peer_send(stream->peer, "5\r\nevent\r\n");
    CHECK_INT(scene_want(&scene, stream->exchange, SL_WANT_BODY, 5), SL_OK);
    scene_check_body(stream->exchange, "event");
    sl_buffer_consume(body, 5);
    CHECK_INT(sl_exchange_want(stream->exchange, SL_WANT_BODY, 1), SL_AGAIN);
}

static void expect_failure(struct stream *stream, enum sl_status status,
                           const char *reason)
{
    CHECK_INT(scene_want(&scene, stream->exchange, SL_WANT_BODY, 1), status);
    CHECK_INT(stream->exchange->failure->status, status);
    CHECK_INT(stream->exchange->failure->stage, SL_STAGE_BODY);
    CHECK_STR(stream->exchange->failure->reason, reason);
}

static void in_each_mode(void (*check)(void))
{
    for (int i = 0; i < 2; i++) {
        test_note(i == 0 ? "stream" : "completion");
        scene_init(&scene);
        scene.connections->options.mode =
            i == 0 ? SL_TRANSPORT_STREAM : SL_TRANSPORT_COMPLETION;
        check();
        scene_fini(&scene);
    }
}

static void resume(void)
{
    struct stream streams[3];

    for (int i = 0; i < 3; i++)
        streams[i] = begin();
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 3; i++)
            expect_event(&streams[i]);
    for (int i = 0; i < 3; i++) {
        CHECK(streams[i].exchange->request->exchange == NULL);
        CHECK(streams[i].exchange->input == NULL);
        peer_send(streams[i].peer, "0\r\n\r\n");
        CHECK_INT(scene_want(&scene, streams[i].exchange, SL_WANT_BODY, 1),
                  SL_END);
        CHECK_INT(streams[i].exchange->failure->status, SL_OK);
        finish(&streams[i]);
    }
    world_settle(&scene.world);
}

TEST("gives what arrives, and its end")
{
    in_each_mode(resume);
}

static void cut(void)
{
    static const char event[] = "5;a=b\r\nevent\r\n0\r\nA: b\r\n\r\n";

    scene.connections->options.reuses = false;
    for (size_t at = 1; at < sizeof event - 1; at++) {
        struct stream stream = begin();
        struct sl_exchange *exchange = stream.exchange;

        test_note("cut at %zu", at);
        REQUIRE(send(stream.peer, event, at, MSG_NOSIGNAL) == (ssize_t)at);
        world_settle(&scene.world);
        peer_send(stream.peer, event + at);
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 5), SL_OK);
        scene_check_body(exchange, "event");
        sl_buffer_consume(&exchange->incoming.response.body, 5);
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 1), SL_END);
        finish(&stream);
        world_settle(&scene.world);
    }
}

TEST("goes on wherever what arrives is cut")
{
    in_each_mode(cut);
}

static void fail_apart(void)
{
    struct stream streams[] = {begin(), begin(), begin()};

    peer_send(streams[0].peer, "x");
    peer_reset(streams[1].peer);
    close(streams[2].peer);
    for (int i = 0; i < 3; i++)
        while (!sl_exchange_is_over(streams[i].exchange))
            CHECK_INT(sl_loop_step(&scene.world.loop, SL_SECOND), SL_OK);
    expect_failure(&streams[0], SL_PROTOCOL,
                   "chunk size is not a hexadecimal number");
    CHECK_INT(scene_want(&scene, streams[1].exchange, SL_WANT_BODY, 1),
              SL_CLOSED);
    expect_failure(&streams[2], SL_CLOSED,
                   "connection closed in a chunked body");
    CHECK(streams[1].exchange->failure != streams[2].exchange->failure);
    for (int i = 0; i < 3; i++)
        sl_exchange_release(streams[i].exchange);
    close(streams[0].peer);
}

TEST("keeps the reason of each stream that fails")
{
    in_each_mode(fail_apart);
}

static void fail_without_memory(void)
{
    struct stream stream = begin();

    expect_event(&stream);
    peer_send(stream.peer, "x");
    test_allocator_fail(&scene.world.own, TEST_FAIL_FROM, 1);
    expect_failure(&stream, SL_MEMORY, "out of memory");
    test_allocator_fail(&scene.world.own, TEST_FAIL_NEVER, 0);
    CHECK(!stream.exchange->failure->is_retryable);
    finish(&stream);
}

TEST("says that there is no memory where its reason cannot be kept")
{
    in_each_mode(fail_without_memory);
}

static void receive_without_memory(void)
{
    struct stream streams[] = {begin(), begin()};

    /* Another exchange has the buffer of the client. */
    struct sl_buffer *taken = sl_exchanges_rent_input(scene.exchanges);

    peer_send(streams[0].peer, "5\r\nevent\r\n");
    test_allocator_fail(&scene.world.own, TEST_FAIL_FROM, 1);
    expect_failure(&streams[0], SL_MEMORY, "out of memory");
    test_allocator_fail(&scene.world.own, TEST_FAIL_NEVER, 0);
    sl_exchanges_return_input(scene.exchanges, taken);
    expect_event(&streams[1]);
    finish(&streams[0]);
    finish(&streams[1]);
}

TEST("fails without memory for what arrives, and others go on")
{
    in_each_mode(receive_without_memory);
}

static void pass_deadlines(void)
{
    struct stream stream;

    stream = begin(); /* between events any time may pass */
    CHECK(stream.exchange->idle == SL_NEVER);
    finish(&stream);
    scene.options.deadlines.idle = 20 * SL_MILLISECOND;
    scene.options.deadlines.has_own_idle = true;
    stream = begin();
    expect_failure(&stream, SL_TIMEOUT,
                   "no data in either direction for 0.02 s (timeout.idle)");
    finish(&stream);
    scene.options.deadlines.has_own_idle = false;
    stream = begin();
    expect_event(&stream);
    stream.exchange->deadline = sl_clock_now() + 20 * SL_MILLISECOND;
    sl_exchange_arm(stream.exchange);
    expect_failure(&stream, SL_TIMEOUT,
                   "not complete within 300 s (timeout.total)");
    finish(&stream);
}

TEST("keeps an idle time of its own, and the total one")
{
    in_each_mode(pass_deadlines);
}

static void end_from_here(void)
{
    struct stream streams[] = {begin(), begin(), begin()};

    sl_exchange_abort(streams[0].exchange, SL_CANCELLED, "cancelled");
    expect_failure(&streams[0], SL_CANCELLED, "cancelled");
    streams[1].exchange->completion.cancel(&streams[1].exchange->completion);
    expect_failure(&streams[1], SL_CANCELLED, "cancelled");
    sl_exchange_release(streams[2].exchange); /* while it waits */
    close(streams[2].peer);
    finish(&streams[0]);
    finish(&streams[1]);
    CHECK_INT(scene.connections->stats.open, 0);
}

TEST("is cancelled, aborted or released while it waits")
{
    in_each_mode(end_from_here);
}

TEST("holds less than a KiB beside its connection while it waits")
{
    struct stream streams[9];
    size_t before;

    scene_init(&scene);
    streams[0] = begin();
    before = scene.world.own.bytes;
    for (int i = 1; i < 9; i++)
        streams[i] = begin();
    CHECK((scene.world.own.bytes - before) / 8 < 1024);
    for (int i = 0; i < 9; i++)
        finish(&streams[i]);
    scene_fini(&scene);
}

static void take_turns(void)
{
    struct stream streams[] = {begin(), begin()};

    for (int i = 0; i < 2; i++) {
        CHECK(streams[0].exchange->turn == NULL);
        sl_exchange_take_turn(streams[0].exchange);
        sl_exchange_take_turn(streams[0].exchange); /* it has one already */
        CHECK(streams[0].exchange->turn != NULL);
        CHECK_INT(sl_loop_step(&scene.world.loop, 0), SL_OK);
        CHECK(streams[0].exchange->turn == NULL);
        expect_event(&streams[0]);
    }
    test_allocator_fail(&scene.world.own, TEST_FAIL_ONCE, 1);
    sl_exchange_take_turn(streams[1].exchange);
    test_allocator_fail(&scene.world.own, TEST_FAIL_NEVER, 0);
    expect_failure(&streams[1], SL_MEMORY, "out of memory");
    sl_exchange_take_turn(streams[0].exchange); /* released before it comes */
    finish(&streams[0]);
    finish(&streams[1]);
}

TEST("takes a turn, for which it then needs memory")
{
    in_each_mode(take_turns);
}

static void close_client(void)
{
    struct stream stream = begin();

    sl_exchanges_close(scene.exchanges);
    expect_event(&stream); /* requests under way go on */
    finish(&stream);
}

TEST("goes on when the client is closed")
{
    in_each_mode(close_client);
}

TEST("keeps its request where its rate is watched")
{
    struct stream stream;

    scene_init(&scene);
    scene.options.deadlines.rate_bytes = 1;
    scene.options.deadlines.rate_within = SL_SECOND;
    stream = begin();
    CHECK(stream.exchange->request->exchange == stream.exchange);
    finish(&stream);
    scene_fini(&scene);
}

TEST("gives its request back for the next one when the response is whole")
{
    struct stream stream;
    struct sl_exchange_request *request;
    struct sl_exchange *exchange;
    size_t size;

    scene_init(&scene);
    exchange = scene_begin(&scene, GET);
    request = exchange->request;
    size = sl_exchange_size(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    stream.peer = scene_accept(&scene);
    scene_expect(&scene, stream.peer, GET);
    peer_send(stream.peer, STREAM "5\r\nevent\r\n0\r\n\r\n");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK(exchange->request->exchange == NULL);
    CHECK(scene.exchanges->spare_request == request);
    CHECK_INT(sl_exchange_size(exchange),
              sizeof *exchange +
                  sl_head_size(&exchange->incoming.response.head));
    CHECK(sl_exchange_size(exchange) < size);
    sl_exchange_forget_head(exchange);
    CHECK_INT(exchange->incoming.response.head.count, 0);
    CHECK_INT(sl_exchange_size(exchange), sizeof *exchange);
    sl_exchange_expect_events(exchange);
    sl_exchange_note_cancelled(exchange);
    CHECK_STR(exchange->failure->reason, "cancelled");
    stream.exchange = scene_begin(&scene, GET);
    CHECK(stream.exchange->request == request);
    CHECK(request->exchange == stream.exchange);
    sl_exchange_release(exchange);
    finish(&stream);
    scene_fini(&scene);
}

static void keep_limits(void)
{
    struct stream usual = begin();
    struct stream other, alike;

    scene.options.limits.body = 7;
    other = begin();
    scene.options.limits.body = UINT64_MAX;
    alike = begin();
    CHECK(usual.exchange->incoming.response.limits ==
          alike.exchange->incoming.response.limits);
    for (int i = 0; i < 3; i++) {
        expect_event(&usual);
        expect_event(&alike);
    }
    expect_event(&other);
    peer_send(other.peer, "5\r\nevent\r\n");
    CHECK_INT(scene_want(&scene, other.exchange, SL_WANT_BODY, 1), SL_OK);
    scene_check_body(other.exchange, "ev");
    sl_buffer_consume(&other.exchange->incoming.response.body, 2);
    expect_failure(&other, SL_LIMIT, "body exceeds 7 bytes (limits.body)");
    finish(&usual);
    finish(&other);
    expect_event(&alike);
    finish(&alike);
}

TEST("each stream has its own limits")
{
    in_each_mode(keep_limits);
}

static int peer;

/* Waits for a part; the peer answers as soon as it is connected. */
static enum sl_status await(struct sl_exchange *exchange,
                            enum sl_interest interest, size_t wanted)
{
    enum sl_status status = sl_exchange_want(exchange, interest, wanted);

    while (status == SL_AGAIN) {
        CHECK_INT(sl_loop_step(&scene.world.loop, SL_MILLISECOND), SL_OK);
        if (peer < 0) {
            peer = accept(scene.listener, NULL, NULL);
            /* A client out of memory may have left already. */
            if (peer >= 0)
                send(peer, STREAM, strlen(STREAM), MSG_NOSIGNAL);
        }
        if (exchange->completion.state == SL_COMPLETION_DONE)
            status = sl_exchange_want(exchange, interest, wanted);
    }
    return status;
}

static void read_events(struct sl_exchange *exchange)
{
    static const char event[] = "5\r\nevent\r\nx";

    if (await(exchange, SL_WANT_HEAD, 0) != SL_OK)
        return;
    sl_exchange_expect_events(exchange);
    send(peer, event, strlen(event), MSG_NOSIGNAL);
    if (await(exchange, SL_WANT_BODY, 5) == SL_OK)
        scene_check_body(exchange, "event");
    sl_buffer_reset(&exchange->incoming.response.body);
    CHECK(sl_is_failure(await(exchange, SL_WANT_BODY, 1)));
    CHECK(exchange->failure->reason[0] != '\0');
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    struct sl_connections_options limits;
    struct sl_exchange *exchange;
    enum sl_status status;

    peer = -1;
    sl_connections_options_default(&limits);
    status = scene_open(&scene, allocator, &limits);
    if (scene.exchanges == NULL && status == SL_MEMORY &&
        scene.world.resolver == NULL)
        return;
    /* As after a stream with others. */
    if (status == SL_OK && argument != NULL)
        scene.exchanges->has_limits = true;
    if (status == SL_OK)
        status = sl_exchange_create(scene.exchanges, scene.origin,
                                    &scene.options, SL_VIEW(GET), &exchange);
    if (status == SL_OK) {
        make_nonblocking(scene.listener);
        sl_exchange_start(exchange);
        read_events(exchange);
        CHECK(exchange->failure->status == SL_PROTOCOL ||
              test_allocator_has_failed(allocator));
        sl_exchange_release(exchange);
    }
    if (peer >= 0)
        close(peer);
    scene_close(&scene);
}

TEST("releases everything whichever allocation fails")
{
    bool has_other_limits = true;

    test_each_failure(whole_life, NULL);
    test_each_failure(whole_life, &has_other_limits);
}

int main(void)
{
    return test_main();
}
