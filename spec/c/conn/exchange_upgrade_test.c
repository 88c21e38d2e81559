/* Exchanges that offer to go over to another protocol. */
#include "conn/exchange.h"

#include "spec/c/conn/scene.h"

#define ACCEPTED                                             \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n" \
    "Connection: Upgrade\r\n\r\n"
#define REFUSED "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello"

static struct scene scene;

/* Sends the offer; the server has read it. */
static struct sl_exchange *offer(int *peer)
{
    struct sl_exchange *exchange;

    scene.options.traits.wants_upgrade = true;
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    *peer = scene_accept(&scene);
    scene_expect(&scene, *peer, GET);
    return exchange;
}

/* Receives `expected` through the link, behind what `input` holds. */
static void expect_from_link(struct sl_link *link, struct sl_buffer *input,
                             const char *expected)
{
    int64_t until = sl_clock_now() + PATIENCE;
    struct sl_failure failure;
    char bytes[64];
    size_t count;

    while (input->length < strlen(expected) && sl_clock_now() < until)
        if (sl_link_receive(link, input, 64, &count, &failure) == SL_AGAIN)
            CHECK_INT(sl_loop_step(&scene.world.loop, SL_MILLISECOND), SL_OK);
    count = sl_buffer_copy_out(input, 0, bytes, sizeof bytes);
    CHECK_BYTES(bytes, count, expected, strlen(expected));
}

/* Whether the peer sees the end of the connection. */
static bool has_ended(int peer)
{
    int64_t until = sl_clock_now() + PATIENCE;
    ssize_t count = -1;
    char byte;

    while (count < 0 && sl_clock_now() < until) {
        CHECK_INT(sl_loop_step(&scene.world.loop, SL_MILLISECOND), SL_OK);
        count = recv(peer, &byte, 1, MSG_DONTWAIT);
        if (count < 0 && errno == ECONNRESET)
            return true;
    }
    return count == 0;
}

static const char answer[] = ACCEPTED "early";

static void upgrade_cut(size_t cut)
{
    struct sl_exchange *exchange;
    struct sl_buffer input;
    struct sl_link link;
    int peer;

    exchange = offer(&peer);
    REQUIRE(send(peer, answer, cut, MSG_NOSIGNAL) == (ssize_t)cut);
    world_settle(&scene.world);
    peer_send(peer, answer + cut);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(exchange->incoming.response.head.status, 101);
    CHECK(sl_exchange_is_upgraded(exchange));
    sl_buffer_init(&input, &scene.world.pool, SIZE_MAX);
    REQUIRE(sl_exchange_take_link(exchange, &link, &input));
    CHECK(!sl_exchange_take_link(exchange, &link, &input));
    CHECK_INT(scene.connections->stats.open, 0);
    sl_exchange_release(exchange);
    peer_send(peer, " and late");
    expect_from_link(&link, &input, "early and late");
    sl_link_close(&link, false);
    sl_buffer_fini(&input);
    close(peer);
    world_settle(&scene.world);
}

TEST("gives away its link, with what arrived behind the head, wherever it is "
     "cut")
{
    scene_init(&scene);
    for (size_t cut = 0; cut < sizeof answer - 1; cut++)
        upgrade_cut(cut);
    scene_fini(&scene);
}

TEST("gives its room to the next request once the link is taken")
{
    struct sl_exchange *exchange, *next;
    struct sl_buffer input;
    struct sl_link link;
    int peers[2];

    scene_init(&scene);
    scene.connections->options.per_origin = 1;
    exchange = offer(&peers[0]);
    scene.options.traits.wants_upgrade = false;
    next = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(next, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer_send(peers[0], ACCEPTED);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(next->phase, SL_EXCHANGE_WAITING);
    sl_buffer_init(&input, &scene.world.pool, SIZE_MAX);
    REQUIRE(sl_exchange_take_link(exchange, &link, &input));
    peers[1] = scene_accept(&scene);
    scene_expect(&scene, peers[1], GET);
    peer_send(peers[1], REFUSED);
    CHECK_INT(scene_want(&scene, next, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(next);
    sl_exchange_release(exchange);
    sl_link_close(&link, false);
    sl_buffer_fini(&input);
    close(peers[0]);
    close(peers[1]);
    scene_fini(&scene);
}

TEST("closes a link that nobody takes")
{
    struct sl_exchange *exchange;
    int peer;

    for (int drops = 0; drops < 2; drops++) {
        scene_init(&scene);
        exchange = offer(&peer);
        peer_send(peer, ACCEPTED "early");
        CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
        peer_send(peer, "later");
        world_settle(&scene.world);
        if (drops)
            sl_exchange_drop(exchange);
        if (drops)
            CHECK(!sl_exchange_is_upgraded(exchange));
        sl_exchange_release(exchange);
        CHECK_INT(scene.connections->stats.open, 0);
        CHECK(has_ended(peer));
        close(peer);
        scene_fini(&scene);
    }
}

TEST("closes without a reset what nobody takes and is read to its end")
{
    struct sl_exchange *exchange;
    char byte;
    int peer;

    scene_init(&scene);
    exchange = offer(&peer);
    peer_send(peer, ACCEPTED);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    world_settle(&scene.world);
    CHECK_INT(recv(peer, &byte, 1, 0), 0);
    close(peer);
    scene_fini(&scene);
}

TEST("takes any other answer as that of a request, and keeps the connection")
{
    struct sl_exchange *exchange;
    struct sl_buffer input;
    struct sl_link link;
    int peer;

    scene_init(&scene);
    exchange = offer(&peer);
    peer_send(peer, REFUSED);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    scene_check_body(exchange, "hello");
    CHECK_INT(scene.connections->stats.idle, 1);
    sl_buffer_init(&input, &scene.world.pool, SIZE_MAX);
    CHECK(!sl_exchange_take_link(exchange, &link, &input));
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

TEST("makes its offer on a new connection, and once")
{
    struct sl_exchange *exchange;
    int peers[2];

    scene_init(&scene);
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peers[0] = scene_accept(&scene);
    scene_expect(&scene, peers[0], GET);
    peer_send(peers[0], REFUSED);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    sl_exchange_release(exchange);
    CHECK_INT(scene.connections->stats.idle, 1);

    exchange = offer(&peers[1]);
    CHECK_INT(exchange->use, SL_EXCHANGE_FIRST);
    close(peers[1]);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_CLOSED);
    CHECK_INT(scene.exchanges->resends, 0);
    sl_exchange_release(exchange);
    close(peers[0]);
    scene_fini(&scene);
}

TEST("closes the connection that gives its room to an offer, without a reset")
{
    struct sl_exchange *first, *second;
    char byte;
    int peers[2];

    scene_init(&scene);
    scene.connections->options.per_origin = 1;
    first = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(first, SL_WANT_WHOLE, 0), SL_AGAIN);
    peers[0] = scene_accept(&scene);
    scene_expect(&scene, peers[0], GET);
    scene.options.traits.wants_upgrade = true;
    second = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(second, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer_send(peers[0], REFUSED);
    CHECK_INT(scene_want(&scene, first, SL_WANT_WHOLE, 0), SL_OK);
    peers[1] = scene_accept(&scene);
    CHECK_INT(recv(peers[0], &byte, 1, 0), 0);
    sl_exchange_release(first);
    sl_exchange_release(second);
    close(peers[0]);
    close(peers[1]);
    scene_fini(&scene);
}

TEST("takes no 101 that began before the offer was sent, or was not asked for")
{
    struct sl_exchange *exchange;
    struct sl_buffer input;
    struct sl_link link;
    int peer;

    scene_init(&scene);
    scene.options.traits.wants_upgrade = true;
    exchange = scene_begin(&scene, GET);
    make_nonblocking(scene.listener);
    while ((peer = accept(scene.listener, NULL, NULL)) < 0)
        continue;
    peer_send(peer, ACCEPTED); /* before the client has sent a byte */
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_OK);
    CHECK_INT(exchange->use, SL_EXCHANGE_UNASKED);
    sl_buffer_init(&input, &scene.world.pool, SIZE_MAX);
    CHECK(!sl_exchange_take_link(exchange, &link, &input));
    CHECK_INT(scene.connections->stats.open, 0);
    sl_exchange_release(exchange);
    close(peer);

    scene.options.traits.wants_upgrade = false;
    exchange = scene_begin(&scene, GET);
    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    peer = scene_accept(&scene);
    scene_expect(&scene, peer, GET);
    peer_send(peer, ACCEPTED);
    CHECK_INT(scene_want(&scene, exchange, SL_WANT_WHOLE, 0), SL_PROTOCOL);
    CHECK(!sl_exchange_take_link(exchange, &link, &input));
    sl_exchange_release(exchange);
    close(peer);
    scene_fini(&scene);
}

int main(void)
{
    return test_main();
}
