#include "conn/exchange.h"

#include "conn/course.h"
#include "spec/c/conn/scene.h"
#include "spec/c/tls/framed.h"

#include <stdio.h>

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define POST  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"

static struct scene scene;

TEST("delivers a response and keeps the connection")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(exchange->incoming.response.head.status, 200);
    scene_check_body(exchange, "hello");
    CHECK_INT(scene.connections->stats.idle, 1);
    sl_exchange_release(exchange);

    exchange = scene_begin(&scene, GET);
    CHECK_INT(exchange->use, SL_EXCHANGE_REUSED);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(scene.connections->stats.made, 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

static struct sl_exchange *get_hello(int *peer)
{
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    if (*peer < 0)
        *peer = scene_accept(&scene);
    scene_expect(&scene, *peer, GET);
    peer_send(*peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    return exchange;
}

TEST("compacts a body when the next is there or it is handed over")
{
    scene_init(&scene);
    int peer = -1;
    struct sl_exchange *first = get_hello(&peer);

    CHECK(!first->is_compact);
    struct sl_exchange *second = get_hello(&peer);
    CHECK(first->is_compact);
    CHECK(!second->is_compact);
    sl_exchange_release(second); /* which nobody compacts any more */
    sl_exchange_release(first);

    first = get_hello(&peer);
    second = get_hello(&peer);
    sl_exchange_compact(second);
    CHECK(second->is_compact);
    CHECK(scene.exchanges->loose == NULL);
    scene_check_body(first, "hello");
    scene_check_body(second, "hello");
    sl_exchange_release(second);
    sl_exchange_release(first);
    CHECK(scene.exchanges->loose == NULL);
    close(peer);
    scene_fini(&scene);
}

/* ---- addresses from the client's own source ---- */

static struct sl_lookup *wanted;
static int starts;
static int cancels;
static int ends;

static void start_lookup(void *owner, struct sl_lookup *lookup)
{
    (void)owner;
    wanted = lookup;
    starts++;
}

static void cancel_lookup(void *owner, struct sl_lookup *lookup)
{
    (void)owner;
    CHECK(lookup == wanted);
    cancels++;
}

static void tell_address(void)
{
    struct sl_address address;

    REQUIRE(sl_resolve_literal("127.0.0.1", scene.port, &address));
    sl_lookup_answer(wanted, &address, 1);
}

static void end_source(struct sl_lookup_source *source)
{
    (void)source;
    ends++;
}

TEST("asks the client's source for each new connection, not for reused ones")
{
    struct sl_lookup_source source;
    struct sl_exchange *exchanges[3];
    int peers[2];

    starts = cancels = ends = 0;
    scene_init(&scene);
    sl_lookup_source_init(&source, &scene.world.loop, start_lookup,
                          cancel_lookup, NULL);
    scene.connections->options.source = &source;
    scene.connections->options.source_unused = end_source;
    for (int i = 0; i < 2; i++) {
        exchanges[i] = scene_begin(&scene, GET);
        CHECK_INT(sl_exchange_want(exchanges[i], SL_WANT_WHOLE, 0), SL_AGAIN);
    }
    CHECK_INT(starts, 1);
    tell_address();
    for (int i = 0; i < 2; i++) {
        peers[i] = scene_accept(&scene);
        scene_expect(&scene, peers[i], GET);
        peer_send(peers[i], HELLO);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(scene_want(&scene, exchanges[i], SL_WANT_WHOLE, 0), SL_OK);
        sl_exchange_release(exchanges[i]);
    }
    for (int i = 0; i < 3; i++) /* the third finds no idle connection */
        exchanges[i] = scene_begin(&scene, GET);
    CHECK_INT(starts, 2);
    CHECK_INT(cancels, 0);
    sl_exchange_abort(exchanges[2], SL_CANCELLED, "no more");
    CHECK_INT(cancels, 1);
    for (int i = 0; i < 3; i++)
        sl_exchange_release(exchanges[i]);
    sl_lookup_source_fini(&source);
    close(peers[0]);
    close(peers[1]);
    CHECK_INT(ends, 0);
    scene_fini(&scene);
    CHECK_INT(ends, 1);
}

/* ---- every cut ---- */

static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                              "\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

static void exchange_cut(size_t cut)
{
    struct sl_exchange *exchange = scene_begin(&scene, GET);
    int peer;

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    REQUIRE(send(peer, chunked, cut, MSG_NOSIGNAL) == (ssize_t)cut);
    world_settle(&scene.world);
    CHECK(exchange->completion.state == SL_COMPLETION_PENDING);
    peer_send(peer, chunked + cut);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    scene_check_body(exchange, "hello world");
    sl_exchange_release(exchange);
    close(peer);
    world_settle(&scene.world);
}

TEST("waits for the rest wherever a response is cut")
{
    scene_init(&scene);
    scene.connections->options.reuses = false;
    for (size_t cut = 1; cut < sizeof chunked - 1; cut++) {
        test_note("cut at %zu", cut);
        exchange_cut(cut);
    }
    scene_fini(&scene);
}

/* ---- ends of connections ---- */

TEST("sends again, once, if a reused connection had died unnoticed")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);

    exchange = scene_begin(&scene, GET);
    CHECK_INT(exchange->use, SL_EXCHANGE_REUSED);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer_reset(peer);
    peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    CHECK_INT(exchange->use, SL_EXCHANGE_RESENT);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    scene_check_body(exchange, "hello");
    CHECK_INT(scene.exchanges->resends, 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("does not resend a request that is not idempotent and was sent")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);

    scene.options.is_idempotent = false;
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    scene_expect(&scene, peer, GET);
    peer_reset(peer);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_CLOSED);
    CHECK(!exchange->failure->is_retryable);
    CHECK_INT(exchange->failure->stage, SL_STAGE_HEAD);
    CHECK_INT(scene.exchanges->resends, 0);
    sl_exchange_release(exchange);
    scene_fini(&scene);
}

TEST("never reports a truncated body complete")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    close(peer);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_CLOSED);
    CHECK_INT(exchange->failure->stage, SL_STAGE_BODY);
    sl_exchange_release(exchange);
    scene_fini(&scene);
}

TEST("retires a connection with bytes after its message")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO "HTTP/1.1 200 OK\r\n");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(scene.connections->stats.idle, 0);
    CHECK_INT(scene.connections->stats.open, 0);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("delivers what a new server sends unasked, and never uses it again")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);
    int peer;

    /* The server speaks before the client has sent a byte. */
    make_nonblocking(scene.listener);
    while ((peer = accept(scene.listener, NULL, NULL)) < 0)
        continue;
    peer_send(peer, HELLO);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    scene_check_body(exchange, "hello");
    CHECK_INT(exchange->use, SL_EXCHANGE_UNASKED);
    CHECK_INT(scene.connections->stats.idle, 0);
    sl_exchange_release(exchange);
    close(peer);

    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(scene.connections->stats.made, 2);
    CHECK_INT(scene.connections->stats.idle, 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("closes an idle connection whose peer sends or closes")
{
    for (int speaks = 0; speaks < 2; speaks++) {
        scene_init(&scene);
        struct sl_exchange *exchange = scene_begin(&scene, GET);

        sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
        int peer = scene_accept(&scene);
        scene_expect(&scene, peer, GET);
        peer_send(peer, HELLO);
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
        sl_exchange_release(exchange);
        CHECK_INT(scene.connections->stats.idle, 1);
        if (speaks)
            peer_send(peer, "HTTP/1.1 408 Request Timeout\r\n\r\n");
        else
            CHECK_INT(shutdown(peer, SHUT_WR), 0);
        for (int i = 0; i < 100 && scene.connections->stats.idle > 0; i++)
            CHECK_INT(sl_loop_step(&scene.world.loop, 10 * SL_MILLISECOND),
                      SL_OK);
        CHECK_INT(scene.connections->stats.idle, 0);
        close(peer);
        scene_fini(&scene);
    }
}

/* An exchange that has its head and the first byte of its body of two. */
static struct sl_exchange *begin_body(int *peer)
{
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 1), SL_AGAIN);
    *peer = scene_accept(&scene);
    scene_expect(&scene, *peer, GET);
    peer_send(*peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 1), SL_OK);
    return exchange;
}

/* ---- places ---- */

TEST("waits in the queue, in order, for a place")
{
    scene_init(&scene);
    scene.connections->options.per_origin = 1;
    struct sl_exchange *first = scene_begin(&scene, GET);
    struct sl_exchange *second = scene_begin(&scene, GET);
    struct sl_exchange *third = scene_begin(&scene, GET);

    CHECK_INT(second->phase, SL_EXCHANGE_WAITING);
    CHECK_INT(third->phase, SL_EXCHANGE_WAITING);
    sl_exchange_want(first, SL_WANT_WHOLE, 0);
    sl_exchange_want(second, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, first, SL_WANT_WHOLE, 0), SL_OK);
    scene_expect(&scene, peer, GET);
    CHECK_INT(second->phase, SL_EXCHANGE_ACTIVE);
    CHECK_INT(third->phase, SL_EXCHANGE_WAITING);
    sl_exchange_release(third); /* leaving the queue leaves no hole */
    peer_send(peer, HELLO);
    while (second->completion.state != SL_COMPLETION_DONE)
        CHECK_INT(sl_loop_step(&scene.world.loop, SL_SECOND), SL_OK);
    CHECK_INT(scene_want(&scene, second, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(scene.connections->stats.made, 1);
    sl_exchange_release(first);
    sl_exchange_release(second);
    close(peer);
    scene_fini(&scene);
}

TEST("is sent with the next turn over a connection that another has left")
{
    static char body[20001];

    memset(body, 'x', sizeof body - 1);
    scene_init(&scene);
    scene.connections->options.per_origin = 1;
    struct sl_exchange *first = scene_begin(&scene, GET);
    struct sl_exchange *second = scene_begin(&scene, GET);

    CHECK_INT(sl_exchange_want(first, SL_WANT_HEAD, 0), SL_AGAIN);
    CHECK_INT(sl_exchange_want(second, SL_WANT_WHOLE, 0), SL_AGAIN);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n");
    peer_send(peer, body);
    CHECK_INT(scene_want(&scene, first, SL_WANT_HEAD, 0), SL_OK);
    CHECK_INT(second->phase, SL_EXCHANGE_WAITING);
    CHECK_INT(sl_exchange_want(first, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(second->phase, SL_EXCHANGE_ACTIVE);
    CHECK(!sl_outgoing_has_sent(&second->request->outgoing));
    scene_expect(&scene, peer, GET);
    sl_exchange_release(first);
    sl_exchange_release(second);
    close(peer);
    scene_fini(&scene);
}

TEST("fails in the queue when its deadline passes")
{
    scene_init(&scene);
    scene.connections->options.per_origin = 1;
    scene.options.deadlines.queue = SL_MILLISECOND;
    struct sl_exchange *first = scene_begin(&scene, GET);
    struct sl_exchange *second = scene_begin(&scene, GET);

    CHECK_INT(scene_want(&scene, second, SL_WANT_WHOLE, 0), SL_TIMEOUT);
    CHECK_INT(second->failure->stage, SL_STAGE_QUEUE);
    CHECK(second->failure->is_retryable);
    CHECK_STR(second->failure->reason,
              "no connection became free within 0.001 s (timeout.queue): 1 "
              "are in use");
    sl_exchange_release(first);
    sl_exchange_release(second);
    scene_fini(&scene);
}

TEST("names in the queue's failure the responses that are read by nobody")
{
    int peer;

    scene_init(&scene);
    scene.connections->options.per_origin = 1;
    scene.options.deadlines.queue = SL_MILLISECOND;
    struct sl_exchange *first = begin_body(&peer);
    struct sl_exchange *second = scene_begin(&scene, GET);
    CHECK_INT(scene_want(&scene, second, SL_WANT_WHOLE, 0), SL_TIMEOUT);
    CHECK_STR(second->failure->reason,
              "no connection became free within 0.001 s (timeout.queue): 1 "
              "of 1 are held by streamed responses that are neither read to "
              "their end nor disposed");
    sl_exchange_release(second);
    sl_exchange_release(first);
    close(peer);
    scene_fini(&scene);
}

TEST("tells a response that does not begin from one that stops")
{
    scene_init(&scene);
    int peer;
    struct sl_exchange *exchange;

    scene.options.deadlines.first_byte = 20 * SL_MILLISECOND;
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_TIMEOUT);
    CHECK_STR(exchange->failure->reason,
              "no response within 0.02 s (timeout.first_byte)");
    sl_exchange_release(exchange);
    close(peer);

    scene.options.deadlines.first_byte = PATIENCE;
    scene.options.deadlines.idle = 20 * SL_MILLISECOND;
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, "HTTP/1.1 103 Early Hints\r\n\r\n");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_TIMEOUT);
    CHECK_INT(exchange->failure->stage, SL_STAGE_HEAD);
    CHECK_STR(exchange->failure->reason,
              "no data in either direction for 0.02 s (timeout.idle)");
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("ends a response that is slower than its rate")
{
    scene_init(&scene);
    scene.options.deadlines.rate_bytes = 1000;
    scene.options.deadlines.rate_within = 20 * SL_MILLISECOND;
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    CHECK(sl_pace_due(&exchange->request->pace) ==
          SL_NEVER); /* it has not begun */
    peer_send(peer, "HTTP/1.1 103 Early Hints\r\n\r\n");
    while (exchange->incoming.phase == SL_INCOMING_SILENT)
        world_settle(&scene.world);
    CHECK(sl_pace_due(&exchange->request->pace) ==
          SL_NEVER); /* it was only announced */
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_TIMEOUT);
    CHECK_STR(exchange->failure->reason,
              "fewer than 1000 bytes in 0.02 s (timeout.rate)");
    CHECK_INT(exchange->failure->stage, SL_STAGE_BODY);
    CHECK(!exchange->failure->is_retryable);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("measures its rate only while there is a waiter")
{
    scene_init(&scene);
    scene.options.deadlines.rate_bytes = 1000;
    scene.options.deadlines.rate_within = PATIENCE;
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_BODY, 1);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\na");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 1), SL_OK);
    CHECK(sl_pace_due(&exchange->request->pace) == SL_NEVER);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 2), SL_AGAIN);
    CHECK(sl_pace_due(&exchange->request->pace) != SL_NEVER);
    uint64_t moved = exchange->request->pace.moved;
    peer_send(peer, "b");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 2), SL_OK);
    CHECK_INT(exchange->request->pace.moved, moved + 1);
    CHECK(sl_pace_due(&exchange->request->pace) == SL_NEVER);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

/* An exchange whose total time began before it did. */
static struct sl_exchange *begin_late(int64_t deadline)
{
    struct sl_exchange *exchange;

    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(GET), &exchange) == SL_OK);
    sl_exchange_set_deadline(exchange, deadline);
    sl_exchange_start(exchange);
    return exchange;
}

TEST("ends by a total deadline that began before it")
{
    scene_init(&scene);
    int64_t due = sl_clock_now() + 5 * SL_MILLISECOND;
    struct sl_exchange *exchange = begin_late(due);

    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_TIMEOUT);
    CHECK(sl_clock_now() >= due);
    CHECK_STR(exchange->failure->reason,
              "not complete within 300 s (timeout.total)");
    sl_exchange_release(exchange);
    scene_fini(&scene);
}

TEST("opens no connection once its total time is over")
{
    scene_init(&scene);
    struct sl_exchange *exchange = begin_late(sl_clock_now());

    CHECK_INT(exchange->phase, SL_EXCHANGE_FAILED);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_TIMEOUT);
    CHECK_INT(exchange->failure->stage, SL_STAGE_QUEUE);
    CHECK(exchange->failure->is_retryable);
    CHECK_INT(scene.connections->stats.made, 0);
    sl_exchange_release(exchange);
    scene_fini(&scene);
}

/* ---- uploads ---- */

TEST("sends a body behind its head, and again from the start")
{
    scene_init(&scene);
    struct sl_exchange *exchange;

    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    REQUIRE(sl_upload_add_text(&exchange->request->outgoing.upload,
                               SL_VIEW("data")) == SL_OK);
    sl_exchange_start(exchange);
    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, POST "data");
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(scene.connections->stats.idle, 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

/* An exchange whose four bytes are to be pushed, and whose pusher waits. */
static struct sl_exchange *start_pushing(void)
{
    struct sl_exchange *exchange;

    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    sl_upload_set_pushed(&exchange->request->outgoing.upload, 4);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want_room(exchange), SL_AGAIN);
    return exchange;
}

TEST("delivers a final answer that arrives during the upload")
{
    scene_init(&scene);
    struct sl_exchange *exchange = start_pushing();
    int peer = scene_accept(&scene);
    CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    scene_expect(&scene, peer, POST);
    peer_send(peer, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(exchange->incoming.response.head.status, 413);
    CHECK_INT(exchange->request->outgoing.phase, SL_OUTGOING_CUT);
    CHECK_INT(scene.connections->stats.idle, 0);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("accepts pushed bytes while its response is read")
{
    scene_init(&scene);
    struct sl_exchange *exchange;

    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    sl_upload_set_pushed(&exchange->request->outgoing.upload, 8);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    CHECK_INT(sl_exchange_want_room(exchange), SL_AGAIN);
    CHECK_INT(sl_exchange_want_room(exchange), SL_MISUSE);
    int peer = scene_accept(&scene);
    CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    scene_expect(&scene, peer, POST);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nda");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_OK);
    CHECK(!sl_outgoing_is_over(&exchange->request->outgoing));
    CHECK_INT(sl_exchange_uploaded(exchange), 0);

    for (int i = 0; i < 2; i++) {
        CHECK_INT(sl_exchange_push(exchange, SL_VIEW("push"), NULL), SL_OK);
        scene_expect(&scene, peer, "push");
        CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    }
    CHECK(sl_outgoing_is_over(
        &exchange->request->outgoing)); /* all that was declared */
    CHECK_INT(sl_exchange_end_body(exchange, SL_VIEW("")), SL_END);
    peer_send(peer, "ta");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(sl_exchange_uploaded(exchange), 8);
    CHECK(exchange->request->outgoing.phase != SL_OUTGOING_CUT);
    CHECK_INT(scene.connections->stats.idle, 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

/* An exchange whose body of 4 bytes is pushed, its head sent. */
static struct sl_exchange *begin_pushing(int *peer)
{
    struct sl_exchange *exchange;

    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    sl_upload_set_pushed(&exchange->request->outgoing.upload, 4);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    *peer = scene_accept(&scene);
    CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    CHECK(sl_exchange_is_taking(exchange));
    return exchange;
}

static void check_failed(struct sl_exchange *exchange, const char *reason)
{
    CHECK(!sl_exchange_is_taking(exchange));
    CHECK_INT(exchange->phase, SL_EXCHANGE_FAILED);
    CHECK_INT(exchange->failure->status, SL_INVALID);
    CHECK_STR(exchange->failure->reason, reason);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW("x"), NULL), SL_END);
    CHECK_INT(sl_exchange_end_body(exchange, SL_VIEW("")), SL_END);
    sl_exchange_release(exchange);
}

TEST("keeps its idle time running while nothing is sent")
{
    scene_init(&scene);
    int peer;
    struct sl_exchange *exchange = begin_pushing(&peer);

    exchange->last_activity = 1;
    sl_exchange_advance(exchange);
    CHECK_INT(exchange->last_activity, 1);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW("push"), NULL), SL_OK);
    scene_expect(&scene, peer, POST "push");
    CHECK(exchange->last_activity > 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("fails if a pushed body is longer or shorter than declared")
{
    scene_init(&scene);
    struct sl_exchange *exchange;
    int peer;

    exchange = begin_pushing(&peer);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW("four"), NULL), SL_OK);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW("x"), NULL), SL_INVALID);
    check_failed(exchange, "more body than was declared");
    close(peer);

    exchange = begin_pushing(&peer);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW("thr"), NULL), SL_OK);
    CHECK_INT(sl_exchange_end_body(exchange, SL_VIEW("")), SL_INVALID);
    check_failed(exchange, "less body than was declared");
    close(peer);
    scene_fini(&scene);
}

TEST("fails if there is no memory for a pushed piece")
{
    scene_init(&scene);
    struct sl_exchange *exchange;
    int peer;

    exchange = begin_pushing(&peer);
    test_allocator_fail(&scene.world.own, TEST_FAIL_ONCE, 1);
    CHECK_INT(sl_exchange_push(exchange, SL_VIEW("four"), NULL), SL_MEMORY);
    CHECK_INT(exchange->phase, SL_EXCHANGE_FAILED);
    CHECK_STR(exchange->failure->reason, "out of memory");
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("ends when the wait of its pusher is cancelled")
{
    scene_init(&scene);
    struct sl_exchange *exchange = start_pushing();
    exchange->request->room.cancel(&exchange->request->room);
    CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    CHECK_INT(exchange->phase, SL_EXCHANGE_FAILED);
    CHECK_INT(exchange->failure->status, SL_CANCELLED);
    sl_exchange_release(exchange);
    scene_fini(&scene);
}

TEST("notifies no pusher once its exchange is gone")
{
    scene_init(&scene);
    struct sl_exchange *exchange = start_pushing();
    sl_exchange_abort(exchange, SL_CANCELLED, "enough");
    CHECK_INT(exchange->request->room.state, SL_COMPLETION_READY);
    sl_exchange_release(exchange);
    CHECK(scene.world.loop.ready.first == NULL);
    scene_fini(&scene);
}

TEST("notifies the pusher when the deadline has passed")
{
    scene_init(&scene);
    struct sl_exchange *exchange;

    scene.options.deadlines.idle = 20 * SL_MILLISECOND;
    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    sl_upload_set_pushed(&exchange->request->outgoing.upload,
                         SL_UPLOAD_WINDOW + 1);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want_room(exchange), SL_AGAIN);
    int peer = scene_accept(&scene);
    CHECK_INT(scene_want_room(&scene, exchange), SL_OK);
    scene_expect(&scene, peer, POST);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_TIMEOUT);
    CHECK_INT(sl_exchange_want_room(exchange), SL_OK);
    CHECK(sl_outgoing_is_over(&exchange->request->outgoing));
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("waits for 100 until it comes, the server refuses, or a second passes")
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 4\r\nExpect: 100-continue"
                               "\r\n\r\n";

    scene_init(&scene);
    struct sl_exchange *exchange;
    char byte;

    scene.options.expects_continue = true;
    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               sl_view(head, sizeof head - 1),
                               &exchange) == SL_OK);
    REQUIRE(sl_upload_add_text(&exchange->request->outgoing.upload,
                               SL_VIEW("data")) == SL_OK);
    sl_exchange_start(exchange);
    sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, head);
    world_settle(&scene.world);
    CHECK_INT(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
    CHECK(exchange->request->outgoing.continue_until > scene.world.loop.now);
    CHECK(exchange->request->outgoing.continue_until <=
          scene.world.loop.now + SL_SECOND);
    peer_send(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    scene_expect(&scene, peer, "data");
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

/* ---- those who wait ---- */

TEST("has one waiter at a time, and none once its rest is drained")
{
    scene_init(&scene);
    int peer;
    struct sl_exchange *exchange = begin_body(&peer);

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 2), SL_AGAIN);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 1), SL_MISUSE);
    CHECK(!sl_exchange_is_ready(exchange, 1));
    CHECK_INT(exchange->incoming.wanted, 2);
    peer_send(peer, "b");
    while (exchange->completion.state == SL_COMPLETION_PENDING)
        world_settle(&scene.world);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 2), SL_OK);
    sl_exchange_release(exchange);
    close(peer);

    exchange = begin_body(&peer);
    sl_exchange_retain(exchange);
    sl_exchange_drop(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 1), SL_MISUSE);
    CHECK(!sl_exchange_is_ready(exchange, 1));
    sl_exchange_release(exchange);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("counts as awaited from the first poll until its bytes are there")
{
    scene_init(&scene);
    int peer;
    struct sl_exchange *exchange = begin_body(&peer);
    int64_t before;

    CHECK(!sl_exchange_is_awaited(exchange));
    before = sl_clock_now();
    CHECK(!sl_exchange_is_ready(exchange, 2));
    CHECK(exchange->last_activity >= before); /* idle time begins anew */
    CHECK(sl_exchange_is_awaited(exchange));
    before = exchange->last_activity;
    CHECK(!sl_exchange_is_ready(exchange, 2));
    CHECK_INT(exchange->last_activity, before); /* and goes on */
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 2), SL_AGAIN);
    peer_send(peer, "b");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_BODY, 2), SL_OK);
    CHECK(!sl_exchange_is_awaited(exchange));
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("notes when each stage was over, and none for a connection that was there")
{
    scene_init(&scene);
    int peer = -1;
    struct sl_exchange *exchange = get_hello(&peer);
    const struct sl_exchange_times *times = &exchange->times;

    CHECK(times->started > 0);
    CHECK(times->placed >= times->started);
    CHECK(times->resolved >= times->placed);
    CHECK(times->connected >= times->resolved);
    CHECK_INT(times->tunneled, 0);
    CHECK_INT(times->secured, 0);
    CHECK(times->first_byte >= times->connected);
    CHECK(times->ended >= times->first_byte);
    sl_exchange_release(exchange);

    exchange = get_hello(&peer);
    times = &exchange->times;
    CHECK(times->placed >= times->started);
    CHECK_INT(times->resolved, 0);
    CHECK_INT(times->connected, 0);
    CHECK(times->first_byte >= times->placed);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("keeps credentials for its proxy as long as its request")
{
    scene_init(&scene);
    char text[] = "Basic eA==";
    struct sl_exchange *exchange;
    int peer;

    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(GET), &exchange) == SL_OK);
    CHECK_INT(sl_exchange_set_authorization(exchange, text), SL_OK);
    memset(text, 'x', sizeof text - 1);
    CHECK_STR(exchange->request->place.authorization, "Basic eA==");
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, HELLO);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

/* ---- disposing ---- */

TEST("drains a short rest and keeps the connection")
{
    scene_init(&scene);
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_HEAD, 0);
    int peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_OK);
    sl_exchange_drop(exchange);
    sl_exchange_release(exchange);
    CHECK_INT(scene.connections->stats.idle, 0);
    peer_send(peer, "llo");
    for (int i = 0; i < 100 && scene.connections->stats.idle == 0; i++)
        CHECK_INT(sl_loop_step(&scene.world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(scene.connections->stats.idle, 1);
    CHECK(scene.exchanges->draining == NULL);
    close(peer);
    scene_fini(&scene);
}

/* Drops a response of which only the head has arrived. */
static struct sl_exchange *drop_head(int *peer, const char *head)
{
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    sl_exchange_want(exchange, SL_WANT_HEAD, 0);
    *peer = scene_accept(&scene);
    scene_expect(&scene, *peer, GET);
    peer_send(*peer, head);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_OK);
    sl_exchange_drop(exchange);
    return exchange;
}

TEST("drains a rest of 64 KiB and not one byte more")
{
    static char rest[64 * 1024 + 1];
    struct sl_exchange *exchange;
    int peer;

    memset(rest, 'x', sizeof rest - 1);
    scene_init(&scene);
    exchange = drop_head(&peer, "HTTP/1.1 200 OK\r\n"
                                "Content-Length: 65536\r\n\r\n");
    CHECK_INT(exchange->incoming.drained, 0);
    peer_send(peer, rest);
    for (int i = 0; i < 100 && scene.connections->stats.active > 0; i++)
        CHECK_INT(sl_loop_step(&scene.world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(scene.connections->stats.idle, 1);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);

    scene_init(&scene);
    exchange = drop_head(&peer, "HTTP/1.1 200 OK\r\n"
                                "Content-Length: 65537\r\n\r\n");
    CHECK_INT(scene.connections->stats.open, 0);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("closes if the rest is long, late or of unknown length")
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
        "HTTP/1.1 200 OK\r\n\r\nhe",
    };

    for (size_t i = 0; i < 3; i++) {
        scene_init(&scene);
        struct sl_exchange *exchange = scene_begin(&scene, GET);

        sl_exchange_want(exchange, SL_WANT_HEAD, 0);
        int peer = scene_accept(&scene);
        scene_expect(&scene, peer, GET);
        peer_send(peer, heads[i]);
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_HEAD, 0), SL_OK);
        sl_exchange_drop(exchange);
        sl_exchange_release(exchange);
        for (int k = 0; k < 100 && scene.connections->stats.open > 0; k++)
            CHECK_INT(sl_loop_step(&scene.world.loop, 10 * SL_MILLISECOND),
                      SL_OK);
        CHECK_INT(scene.connections->stats.open, 0);
        close(peer);
        scene_fini(&scene);
    }
}

TEST("counts the connections of several clients")
{
    struct sl_connections_options limits;
    struct sl_connections *list = NULL;
    struct sl_connections *all[3];
    size_t idle;
    size_t open;

    scene_init(&scene);
    sl_connections_options_default(&limits);
    limits.list = &list;
    for (size_t i = 0; i < 3; i++) {
        REQUIRE(sl_connections_create(scene.world.allocator, &scene.world.pool,
                                      &scene.world.loop, scene.world.resolver,
                                      &limits, &all[i]) == SL_OK);
        all[i]->stats.open = i + 2; /* as if they had made some */
        all[i]->stats.idle = 1;
    }
    sl_connections_count(list, &idle, &open);
    CHECK_INT(idle, 3);
    CHECK_INT(open, 2 + 3 + 4);
    sl_connections_release(all[1]);
    sl_connections_release(all[2]);
    sl_connections_count(list, &idle, &open);
    CHECK_INT(idle, 1);
    CHECK_INT(open, 2);
    sl_connections_release(all[0]);
    CHECK(list == NULL);
    scene_fini(&scene);
}

TEST("can be cancelled in every phase, and leaves nothing behind")
{
    for (int steps = 0; steps < 6; steps++) {
        test_note("after %d steps", steps);
        scene_init(&scene);
        struct sl_exchange *exchange = scene_begin(&scene, GET);
        int peer = -1;

        CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
        if (steps > 0)
            peer = scene_accept(&scene);
        if (steps > 1)
            scene_expect(&scene, peer, GET);
        if (steps > 2)
            peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Le");
        if (steps > 3)
            peer_send(peer, "ngth: 5\r\n\r\nhe");
        if (steps > 4)
            peer_send(peer, "llo");
        if (steps < 5)
            world_settle(&scene.world);
        exchange->completion.cancel(&exchange->completion);
        while (exchange->completion.state != SL_COMPLETION_DONE)
            CHECK_INT(sl_loop_step(&scene.world.loop, SL_SECOND), SL_OK);
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_CANCELLED);
        sl_exchange_release(exchange);
        if (peer >= 0)
            close(peer);
        scene_fini(&scene);
    }
}

/* ---- allocations that fail ---- */

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    const char *head = argument;
    struct sl_connections_options limits;
    struct sl_exchange *exchange;
    enum sl_status status;
    int peer = -1;

    sl_connections_options_default(&limits);
    status = scene_open(&scene, allocator, &limits);
    if (scene.exchanges == NULL && status == SL_MEMORY &&
        scene.world.resolver == NULL)
        return;
    if (status == SL_OK)
        status =
            sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               sl_view(head, strlen(head)), &exchange);
    if (status == SL_OK) {
        sl_exchange_start(exchange);
        status = sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
        make_nonblocking(scene.listener);
        while (status == SL_AGAIN) {
            CHECK_INT(sl_loop_step(&scene.world.loop, SL_MILLISECOND), SL_OK);
            if (peer < 0) {
                peer = accept(scene.listener, NULL, NULL);
                /* A client out of memory may have left already. */
                if (peer >= 0)
                    send(peer, chunked, sizeof chunked - 1, MSG_NOSIGNAL);
            }
            if (exchange->completion.state == SL_COMPLETION_DONE)
                status = sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
        }
        if (status == SL_OK)
            scene_check_body(exchange, "hello world");
        sl_exchange_release(exchange);
    }
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    if (peer >= 0)
        close(peer);
    scene_close(&scene);
}

TEST("releases everything whichever allocation fails")
{
    char get[] = GET;
    char large[2000];

    /* A large head has memory of its own. */
    snprintf(large, sizeof large,
             "GET / HTTP/1.1\r\nHost: x\r\nA: %01900d\r\n\r\n", 0);
    test_each_failure(whole_life, get);
    test_each_failure(whole_life, large);
}

/* The engine that calls this must still be there when it returns. */
static bool abort_it(void *owner, const struct sl_tls_certificate *peer,
                     char *reason, size_t reason_size)
{
    struct sl_exchange **exchange = owner;

    (void)peer;
    (void)reason;
    (void)reason_size;
    sl_exchange_abort(*exchange, SL_CANCELLED, "asked for");
    sl_exchange_drop(*exchange);
    return true;
}

static bool is_proxied; /* the TLS is with a proxy, and the host speaks none */

static void secure_scene(bool (*verify)(void *owner,
                                        const struct sl_tls_certificate *peer,
                                        char *reason, size_t reason_size),
                         struct sl_exchange **asked)
{
    struct sl_tls_options tls = {.verifies = true, .verify = verify};
    struct sl_origin_options origin = {
        .host = "127.0.0.1", .key = "tls", .verify_owner = asked};
    struct sl_tls_context *context;
    struct sl_failure failure;

    scene_init(&scene);
    sl_origin_release(scene.origin);
    origin.port = scene.port;
    REQUIRE(framed_provider.context_create(scene.world.allocator, &tls,
                                           &context, &failure) == SL_OK);
    if (is_proxied) {
        origin.proxy_host = "127.0.0.1";
        origin.proxy_port = scene.port;
        origin.proxy_provider = &framed_provider;
        origin.proxy_context = context;
    } else {
        origin.provider = &framed_provider;
        origin.context = context;
    }
    REQUIRE(sl_origin_find(scene.connections, &origin, &scene.origin) == SL_OK);
    framed_provider.context_release(context);
}

TEST("ends its handshake though the first bytes of its body are not there")
{
    struct sl_exchange *exchange;
    char got[3 + 9 + 3];
    size_t count = 0;
    int64_t until = sl_clock_now() + PATIENCE;
    int peer;

    secure_scene(NULL, NULL);
    REQUIRE(sl_exchange_create(scene.exchanges, scene.origin, &scene.options,
                               SL_VIEW(POST), &exchange) == SL_OK);
    sl_upload_set_pushed(&exchange->request->outgoing.upload, 4);
    sl_exchange_start(exchange);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    /* "W", one byte: welcome, and answer this */
    REQUIRE(send(peer, "W\0\1?", 4, MSG_NOSIGNAL) == 4);
    while (count < sizeof got && sl_clock_now() < until) {
        ssize_t n = recv(peer, got + count, sizeof got - count, MSG_DONTWAIT);

        if (n > 0)
            count += (size_t)n;
        else
            CHECK_INT(sl_loop_step(&scene.world.loop, SL_MILLISECOND), SL_OK);
    }
    REQUIRE(count == sizeof got); /* "H", its host, "A" */
    CHECK_BYTES(got + 12, 3, "A\0\0", 3);
    CHECK_INT(exchange->request->outgoing.phase, SL_OUTGOING_HELD);
    CHECK_INT(exchange->request->outgoing.head_sent, 0);
    CHECK(exchange->peer != NULL);
    CHECK(exchange->peer == exchange->connection->peer);
    sl_exchange_abort(exchange, SL_CANCELLED, "enough");
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("may be ended from inside its own handshake")
{
    struct sl_exchange *exchange;
    int peer;

    secure_scene(abort_it, &exchange);
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    /* "W", no bytes: welcome */
    REQUIRE(send(peer, "W\0\0", 3, MSG_NOSIGNAL) == 3);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_CANCELLED);
    CHECK_INT(exchange->failure->stage, SL_STAGE_TLS);
    CHECK_STR(exchange->failure->reason, "asked for");
    CHECK_INT(scene.connections->stats.active, 0);
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

/* Whether the engine of a connection that is opened for a request with these
 * options is short-lived. */
static bool is_short_lived(bool wants_close, bool wants_upgrade,
                           bool is_streamed)
{
    struct sl_exchange *exchange;
    bool answer;
    int peer;

    secure_scene(NULL, NULL);
    scene.options.traits.wants_close = wants_close;
    scene.options.traits.wants_upgrade = wants_upgrade;
    scene.options.is_streamed = is_streamed;
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    /* "W", no bytes: welcome */
    REQUIRE(send(peer, "W\0\0", 3, MSG_NOSIGNAL) == 3);
    for (int i = 0; i < 100 && exchange->connection == NULL; i++)
        CHECK_INT(sl_loop_step(&scene.world.loop, 10 * SL_MILLISECOND), SL_OK);
    REQUIRE(exchange->connection != NULL);
    answer = framed_is_short_lived(exchange->connection->link.tls->engine);
    sl_exchange_abort(exchange, SL_CANCELLED, "enough");
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
    return answer;
}

TEST("opens a short-lived connection for a request that closes it, unless the "
     "response is streamed or leads to another protocol")
{
    for (int i = 0; i < 2; i++) {
        is_proxied = i > 0;
        CHECK(is_short_lived(true, false, false));
        CHECK(!is_short_lived(false, false, false));
        CHECK(!is_short_lived(true, true, false));
        CHECK(!is_short_lived(true, false, true));
    }
    is_proxied = false;
}

int main(void)
{
    return test_main();
}

/* ---- answers without a connection ---- */

#define ANSWER "HTTP/1.1 203 Own\r\nA: b\r\n\r\n"

static enum sl_status answer(struct scene *at, const char *head,
                             struct sl_view body, struct sl_exchange **exchange,
                             struct sl_failure *failure)
{
    struct sl_pool *pool = at->connections->pool;
    struct sl_buffer bytes;
    struct sl_sequence shown;
    enum sl_status status;

    sl_buffer_init(&bytes, pool, SIZE_MAX);
    sl_sequence_init(&shown, at->world.loop.allocator);
    status = sl_buffer_append(&bytes, body);
    if (status == SL_OK)
        status = sl_sequence_take(&shown, &bytes);
    if (status == SL_OK)
        status = sl_exchange_answer(at->exchanges, &at->options,
                                    sl_view(head, strlen(head)), &shown,
                                    exchange, failure);
    sl_sequence_fini(&shown);
    sl_buffer_fini(&bytes);
    return status;
}

TEST("answers without a connection, complete from the start")
{
    struct sl_exchange *exchange;
    struct sl_failure failure;

    scene_init(&scene);
    REQUIRE(answer(&scene, ANSWER, SL_VIEW("hello"), &exchange, &failure) ==
            SL_OK);
    CHECK_INT(exchange->phase, SL_EXCHANGE_DONE);
    CHECK_INT(exchange->incoming.response.head.status, 203);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_HEAD, 0), SL_OK);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_OK);
    scene_check_body(exchange, "hello");
    sl_buffer_reset(&exchange->incoming.response.body);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_BODY, 1), SL_END);
    sl_exchange_abort(exchange, SL_CANCELLED, "too late");
    CHECK_INT(exchange->phase, SL_EXCHANGE_DONE);
    sl_exchange_drop(exchange);
    sl_exchange_release(exchange);
    CHECK_INT(scene.connections->stats.made, 0);
    CHECK_INT(scene.exchanges->requests, 0);
    scene_fini(&scene);
}

TEST("answers with no head but one that a server could send")
{
    static const char *const heads[] = {
        "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nA b\r\n\r\n", "200 OK\r\n\r\n"};

    scene_init(&scene);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct sl_failure failure = {.status = SL_OK};
        struct sl_exchange *exchange;

        CHECK_INT(answer(&scene, heads[i], SL_VIEW("x"), &exchange, &failure),
                  SL_PROTOCOL);
        CHECK_INT(failure.status, SL_PROTOCOL);
        CHECK(failure.reason[0] != '\0');
    }
    scene_fini(&scene);
}

static void answer_failing(struct sl_allocator *allocator, void *argument)
{
    struct sl_connections_options limits;
    struct sl_exchange *exchange;
    struct sl_failure failure;
    enum sl_status status;

    (void)argument;
    sl_connections_options_default(&limits);
    status = scene_open(&scene, allocator, &limits);
    if (scene.exchanges == NULL && status == SL_MEMORY &&
        scene.world.resolver == NULL)
        return;
    if (status == SL_OK)
        status = answer(&scene, ANSWER, SL_VIEW("hello"), &exchange, &failure);
    if (status == SL_OK) {
        scene_check_body(exchange, "hello");
        sl_exchange_release(exchange);
    } else {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    scene_close(&scene);
}

TEST("answers nothing half when memory is refused")
{
    test_each_failure(answer_failing, NULL);
}
