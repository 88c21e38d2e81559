#include "conn/origin.h"

#include "conn/tunnel_socks5.h"
#include "spec/c/io/world.h"
#include "spec/c/support/script_backend.h"
#include "spec/c/tls/framed.h"

#include <stdio.h>

#define USERS 8

/* A user that wants a connection, as an exchange does. */
struct user {
    struct sl_place place;
    struct sl_connection *connection;
    struct sl_failure failure;
    int granted; /* how often */
    int refused;
    int order; /* of being served, from 1 */
    int moves; /* events of the connection */
    bool is_new;
};

static struct world world;
static struct sl_connections *pool;
static struct sl_origin *origins[3];
static struct user users[USERS];
static struct sl_tls_context *context;
static int served;
static int64_t announced; /* by the server, as its time to keep */
static bool is_proxied;   /* the origins lie behind a proxy */

static void can_move(void *user)
{
    ((struct user *)user)->moves++;
}

static const struct sl_transport_events moves = {can_move, can_move};

static struct user *user_of(struct sl_place *place)
{
    return (struct user *)(void *)((char *)place -
                                   offsetof(struct user, place));
}

static void hold(struct user *user, struct sl_connection *connection,
                 bool is_new)
{
    user->connection = connection;
    user->is_new = is_new;
    user->order = ++served;
    user->granted++;
    sl_connection_lend(connection, &moves, user);
}

static void granted(struct sl_place *place, struct sl_connection *connection,
                    bool is_new)
{
    hold(user_of(place), connection, is_new);
}

static void refused(struct sl_place *place, const struct sl_failure *failure)
{
    user_of(place)->failure = *failure;
    user_of(place)->refused++;
}

static const struct sl_place_events events = {granted, refused};

static enum sl_status find(const char *key, struct sl_origin **origin)
{
    struct sl_origin_options options = {
        .key = key, .host = "192.0.2.1", .port = 80}; /* RFC 5737: nobody */

    if (context != NULL) {
        options.provider = &framed_provider;
        options.context = context;
    }
    if (is_proxied) {
        options.proxy_host = "192.0.2.2";
        options.proxy_port = 1080;
        options.tunnel = &sl_tunnel_socks5;
        options.proxy_user = "me";
        options.proxy_password = "pass";
    }
    return sl_origin_find(pool, &options, origin);
}

static enum sl_status open_pool(struct sl_allocator *allocator,
                                size_t per_origin, size_t total)
{
    struct sl_pool_options memory = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_connections_options options;
    enum sl_status status;

    pool = NULL;
    world.resolver = NULL;
    memset(origins, 0, sizeof origins);
    memset(users, 0, sizeof users);
    served = 0;
    announced = -1;
    if (!world_open(&world, allocator, &memory))
        return SL_MEMORY;
    sl_connections_options_default(&options);
    options.per_origin = per_origin;
    options.total = total;
    options.backend = script_backend();
    status = sl_connections_create(allocator, &world.pool, &world.loop,
                                   world.resolver, &options, &pool);
    if (status == SL_OK)
        status = find("a", &origins[0]);
    if (status == SL_OK)
        status = find("b", &origins[1]);
    if (status == SL_OK)
        status = find("c", &origins[2]);
    return status;
}

static void close_pool(void)
{
    for (size_t i = 0; i < 3; i++)
        if (origins[i] != NULL)
            sl_origin_release(origins[i]);
    if (pool != NULL) {
        sl_connections_close(pool);
        sl_connections_release(pool);
    }
    world_close(&world);
}

static void setup(size_t per_origin, size_t total)
{
    test_allocator_init(&world.own);
    REQUIRE(open_pool(&world.own.base, per_origin, total) == SL_OK);
}

static void teardown(void)
{
    close_pool();
    test_allocator_fini(&world.own);
}

static enum sl_status ask(size_t user, size_t origin)
{
    struct user *asking = &users[user];
    struct sl_connection *connection;
    enum sl_status status;

    asking->place.events = &events;
    asking->place.deadlines =
        (struct sl_opening_deadlines){SL_NEVER, SL_NEVER, SL_NEVER, SL_NEVER};
    status = sl_origin_ask(origins[origin], &asking->place, &connection,
                           &asking->failure);
    if (status == SL_OK)
        hold(asking, connection, false);
    return status;
}

static void put(size_t user)
{
    struct sl_connection *connection = users[user].connection;

    users[user].connection = NULL;
    sl_connection_put(connection, announced);
}

static void discard(size_t user)
{
    struct sl_connection *connection = users[user].connection;

    users[user].connection = NULL;
    sl_connection_discard(connection, true);
}

static void step_until_held(size_t count)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (script_held() < count && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(script_held() == count);
}

static void step_until_granted(size_t user, int times)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (users[user].granted < times && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(users[user].granted == times);
}

/* Asks, and is granted a new connection; the peer's end. */
static int open_for(size_t user, size_t origin)
{
    int peer;

    CHECK_INT(ask(user, origin), SL_AGAIN);
    step_until_held(1);
    peer = script_accept();
    step_until_granted(user, users[user].granted + 1);
    return peer;
}

/* ---- lending ---- */

TEST("lends an idle connection at once, the most recently used first")
{
    struct sl_connection *last;
    int peers[2];

    setup(4, 4);
    peers[0] = open_for(0, 0);
    peers[1] = open_for(1, 0);
    CHECK(users[0].is_new);
    last = users[0].connection;
    put(1);
    put(0);
    CHECK_INT(pool->stats.idle, 2);
    CHECK_INT(ask(2, 0), SL_OK);
    CHECK(users[2].connection == last);
    CHECK(!users[2].is_new);
    CHECK_INT(pool->stats.made, 2);
    put(2);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("serves waiters in the order of asking")
{
    int peer;

    setup(1, 4);
    peer = open_for(0, 0);
    for (size_t i = 1; i < 4; i++)
        CHECK_INT(ask(i, 0), SL_AGAIN);
    CHECK_INT(pool->stats.queued, 3);
    sl_place_leave(&users[2].place); /* leaves no hole */
    CHECK_INT(pool->stats.queued, 2);
    put(0);
    CHECK_INT(users[1].granted, 1);
    CHECK(!users[1].is_new);
    CHECK_INT(users[3].granted, 0);
    put(1);
    CHECK_INT(users[3].granted, 1);
    CHECK_INT(users[2].granted, 0);
    CHECK_INT(pool->stats.queued, 0);
    CHECK_INT(pool->stats.made, 1);
    put(3);
    CHECK_INT(pool->stats.idle, 1);
    close(peer);
    teardown();
}

TEST("lends a connection that becomes free before the new one is open")
{
    int peers[2];

    setup(2, 4);
    peers[0] = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN); /* one is opened for it */
    CHECK_INT(ask(2, 0), SL_AGAIN); /* there is no room for another */
    step_until_held(1);
    CHECK_INT(sl_place_stage(&users[1].place), SL_STAGE_CONNECT);
    CHECK_INT(sl_place_stage(&users[2].place), SL_STAGE_QUEUE);
    put(0);
    CHECK_INT(users[1].granted, 1);
    CHECK(!users[1].is_new);
    CHECK_INT(users[2].granted, 0);
    /* The new one is for the next of the queue. */
    peers[1] = script_accept();
    step_until_granted(2, 1);
    CHECK(users[2].is_new);
    put(1);
    put(2);
    CHECK_INT(pool->stats.idle, 2);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("keeps a connection for which nobody waits any more")
{
    int peers[2];

    setup(2, 4);
    peers[0] = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    step_until_held(1);
    put(0);
    put(1);
    CHECK_INT(pool->stats.idle, 1);
    peers[1] = script_accept();
    for (int i = 0; i < 100 && pool->stats.idle < 2; i++)
        CHECK_INT(sl_loop_step(&world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(pool->stats.idle, 2);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("reports nothing if a connection fails for which nobody waits")
{
    int peer;

    setup(2, 4);
    peer = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    step_until_held(1);
    put(0);
    script_refuse(ECONNREFUSED);
    world_settle(&world);
    CHECK_INT(users[1].refused, 0);
    CHECK_INT(pool->stats.active, 1);
    put(1);
    close(peer);
    teardown();
}

TEST("opens a new connection for a waiter that refuses used ones")
{
    int peers[2];

    setup(1, 4);
    peers[0] = open_for(0, 0);
    users[1].place.needs_new = true;
    CHECK_INT(ask(1, 0), SL_AGAIN);
    put(0);
    CHECK_INT(users[1].granted, 0);
    step_until_held(1);
    peers[1] = script_accept();
    step_until_granted(1, 1);
    CHECK(users[1].is_new);
    put(1);
    /* An idle one gives way to it, too. */
    users[2].place.needs_new = true;
    CHECK_INT(ask(2, 0), SL_AGAIN);
    CHECK_INT(pool->stats.idle, 0);
    sl_place_leave(&users[2].place);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("gives the place of a closed connection to the next waiter")
{
    int peer;

    setup(1, 4);
    CHECK_INT(ask(0, 0), SL_AGAIN);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    step_until_held(1);
    sl_place_leave(&users[0].place);
    sl_place_leave(&users[0].place);
    world_settle(&world);
    step_until_held(1);
    peer = script_accept();
    step_until_granted(1, 1);
    CHECK_INT(users[0].granted + users[0].refused, 0);
    put(1);
    close(peer);
    teardown();
}

TEST("refuses only the waiter whose connection could not be opened")
{
    int peer;

    setup(1, 4);
    CHECK_INT(ask(0, 0), SL_AGAIN);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    step_until_held(1);
    script_refuse(ECONNREFUSED);
    for (int i = 0; i < 100 && users[0].refused == 0; i++)
        CHECK_INT(sl_loop_step(&world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(users[0].refused, 1);
    CHECK_INT(users[0].failure.status, SL_CONNECT);
    step_until_held(1);
    peer = script_accept();
    step_until_granted(1, 1);
    put(1);
    close(peer);
    teardown();
}

/* ---- limits ---- */

TEST("gives a place under the total to the origin of the oldest waiter")
{
    int peers[3];

    setup(4, 1);
    peers[0] = open_for(0, 0);
    CHECK_INT(ask(1, 1), SL_AGAIN);
    CHECK_INT(ask(2, 2), SL_AGAIN);
    CHECK_INT(ask(3, 1), SL_AGAIN);
    CHECK_INT(ask(4, 0), SL_AGAIN);
    put(0); /* closes: origin 0 has a waiter, but an older one lacks room */
    step_until_held(1);
    peers[1] = script_accept();
    step_until_granted(1, 1);
    CHECK_INT(users[4].granted, 0);
    discard(1);
    step_until_held(1);
    peers[2] = script_accept();
    step_until_granted(2, 1);
    CHECK_INT(users[3].granted, 0);
    CHECK_INT(pool->stats.idle + pool->stats.active, 1);
    sl_place_leave(&users[3].place);
    sl_place_leave(&users[4].place);
    put(2);
    for (size_t i = 0; i < 3; i++)
        close(peers[i]);
    teardown();
}

TEST("takes the place of other origins' idle connections, the oldest first")
{
    int peers[3];

    setup(4, 2);
    peers[0] = open_for(0, 0);
    peers[1] = open_for(1, 1);
    put(1);
    put(0);
    peers[2] = open_for(2, 2);
    CHECK_INT(origins[1]->count, 0);
    CHECK_INT(origins[0]->count, 1);
    put(2);
    for (size_t i = 0; i < 3; i++)
        close(peers[i]);
    teardown();
}

TEST("serving costs the same, whatever waits elsewhere")
{
    static struct user crowd[1000];
    int peers[2];

    setup(1, 2);
    peers[0] = open_for(0, 0);
    peers[1] = open_for(1, 1);
    for (size_t i = 0; i < 1000; i++) {
        struct sl_connection *connection;

        memset(&crowd[i], 0, sizeof crowd[i]);
        crowd[i].place.events = &events;
        CHECK_INT(sl_origin_ask(origins[0], &crowd[i].place, &connection,
                                &crowd[i].failure),
                  SL_AGAIN);
    }
    /* No walk over the crowd: its origin has no turn at its own limit. */
    CHECK(pool->turns.first == NULL);
    CHECK_INT(ask(2, 1), SL_AGAIN);
    put(1);
    CHECK_INT(users[2].granted, 1);
    put(2);
    for (size_t i = 0; i < 1000; i++)
        sl_place_leave(&crowd[i].place);
    CHECK_INT(pool->stats.queued, 0);
    put(0);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

/* ---- connections ---- */

TEST(
    "notifies the user alone while it is lent, and watches it while it is idle")
{
    int peer;

    setup(1, 1);
    peer = open_for(0, 0);
    put(0);
    CHECK_INT(ask(0, 0), SL_OK);
    peer_send(peer, "x");
    for (int i = 0; i < 100 && users[0].moves == 0; i++)
        CHECK_INT(sl_loop_step(&world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK(users[0].moves > 0);
    put(0); /* with bytes unread: it may not be used again */
    CHECK_INT(pool->stats.idle, 0);
    close(peer);

    peer = open_for(1, 0);
    put(1);
    CHECK_INT(pool->stats.idle, 1);
    close(peer);
    for (int i = 0; i < 100 && pool->stats.idle > 0; i++)
        CHECK_INT(sl_loop_step(&world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(pool->stats.idle, 0);
    teardown();
}

TEST("hands a connection over for good, and its place to the next waiter")
{
    struct sl_view hello = SL_VIEW("hello");
    struct sl_failure failure;
    struct sl_buffer input;
    struct sl_link link;
    char bytes[16];
    int peers[2];
    size_t sent;

    setup(1, 1);
    peers[0] = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    REQUIRE(sl_buffer_append(&users[0].connection->input,
                             SL_VIEW("early bytes")) == SL_OK);
    sl_buffer_init(&input, &world.pool, SIZE_MAX);
    sl_connection_take(users[0].connection, &link, &input);
    CHECK_INT(pool->stats.open, 0);
    CHECK_INT(sl_buffer_copy_out(&input, 0, bytes, sizeof bytes), 11);
    CHECK_BYTES(bytes, 11, "early bytes", 11);
    step_until_held(1);
    peers[1] = script_accept();
    step_until_granted(1, 1);
    sl_transport_bind(link.transport, &moves, &users[0]);
    CHECK_INT(sl_link_send(&link, &hello, 1, &sent, &failure), SL_OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    CHECK_INT(recv(peers[0], bytes, sizeof bytes, 0), 5);
    sl_link_close(&link, false);
    sl_buffer_fini(&input);
    put(1);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("closes connections that have been idle for too long")
{
    int peer;

    setup(1, 1);
    pool->options.idle = 20 * SL_MILLISECOND;
    peer = open_for(0, 0);
    put(0);
    CHECK_INT(pool->stats.idle, 1);
    for (int i = 0; i < 1000 && pool->stats.idle > 0; i++)
        CHECK_INT(sl_loop_step(&world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(pool->stats.idle, 0);
    CHECK_INT(origins[0]->count, 0);
    close(peer);
    teardown();
}

TEST("closes an idle connection before its server does")
{
    int peers[2];

    setup(2, 2);
    peers[0] = open_for(0, 0);
    peers[1] = open_for(1, 0);
    announced = 100; /* longer than the pool keeps any */
    put(0);
    CHECK_INT(pool->short_count, 0);
    announced = 5;
    put(1);
    CHECK_INT(pool->short_count, 1);
    CHECK_INT(pool->expiry.due, pool->idle.newest->expires);
    CHECK_INT(pool->idle.newest->expires - pool->idle.newest->idle_since,
              4 * SL_SECOND);
    /* Time passes. */
    pool->idle.newest->expires = world.loop.now;
    sl_timer_arm(&world.loop.timers, &pool->expiry, world.loop.now);
    world_settle(&world);
    CHECK_INT(pool->stats.idle, 1);
    CHECK_INT(pool->short_count, 0);
    CHECK_INT(pool->expiry.due, pool->idle.oldest->expires);
    CHECK_INT(ask(2, 0), SL_OK);
    announced = 1; /* no time at all is left */
    put(2);
    CHECK_INT(pool->stats.idle, 0);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

/* ---- ends ---- */

TEST("refuses queued waiters when it closes, and lets others finish")
{
    int peers[2];

    setup(2, 2);
    peers[0] = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN); /* opened for it */
    CHECK_INT(ask(2, 0), SL_AGAIN);
    CHECK_INT(ask(3, 1), SL_AGAIN);
    step_until_held(1);
    sl_connections_close(pool);
    CHECK_INT(users[2].refused, 1);
    CHECK_INT(users[3].refused, 1);
    CHECK_INT(users[2].failure.status, SL_CLOSED);
    peers[1] = script_accept();
    step_until_granted(1, 1);
    put(0);
    put(1);
    CHECK_INT(pool->stats.idle + pool->stats.active, 0);
    CHECK_INT(ask(4, 0), SL_CLOSED);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("cancels connections that are opened for nobody when it closes")
{
    int peer;

    setup(2, 2);
    peer = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    step_until_held(1);
    put(0);
    sl_connections_close(pool);
    CHECK_INT(pool->stats.active, 1);
    put(1);
    CHECK_INT(pool->stats.active, 0);
    close(peer);
    teardown();
}

/* ---- what is remembered ---- */

TEST("has one origin for each key, and forgets the oldest unused one")
{
    struct sl_origin *again;
    char key[16];

    setup(1, 1);
    pool->options.unused = 3;
    REQUIRE(find("a", &again) == SL_OK);
    CHECK(again == origins[0]);
    sl_origin_release(again);
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "key %d", i);
        REQUIRE(find(key, &again) == SL_OK);
        again->speaks_1_0 = true;
        sl_origin_release(again);
    }
    CHECK_INT(pool->directory.count, 6);
    CHECK_INT(pool->directory.unused_count, 3);
    REQUIRE(find("key 9", &again) == SL_OK);
    CHECK(again->speaks_1_0);
    sl_origin_release(again);
    REQUIRE(find("key 1", &again) == SL_OK);
    CHECK(!again->speaks_1_0);
    sl_origin_release(again);
    teardown();
}

/* "no login, succeeded" */
#define THROUGH "\5\0\5\0\0\1\0\0\0\0\0\0"

TEST("connections lead through the proxy to the origin's host")
{
    static const char asked[] = "\5\2\0\2\5\1\0\1\300\0\2\1\0\120";
    char bytes[sizeof asked - 1];
    int peer;

    is_proxied = true;
    setup(1, 2);
    CHECK_STR(sl_origin_next_host(origins[0]), "192.0.2.2");
    CHECK_INT(sl_origin_next_port(origins[0]), 1080);
    CHECK_INT(ask(0, 0), SL_AGAIN);
    step_until_held(1);
    peer = script_accept();
    world_settle(&world);
    CHECK_INT(sl_place_stage(&users[0].place), SL_STAGE_PROXY);
    REQUIRE(send(peer, THROUGH, sizeof THROUGH - 1, MSG_NOSIGNAL) > 0);
    world_settle(&world);
    CHECK_INT(users[0].granted, 1);
    CHECK(users[0].place.times.tunneled > 0);
    REQUIRE(recv(peer, bytes, sizeof bytes, MSG_WAITALL) > 0);
    CHECK_BYTES(bytes, sizeof bytes, asked, sizeof asked - 1);
    put(0);
    CHECK_INT(ask(1, 0), SL_OK);
    discard(1);
    close(peer);
    teardown();
    is_proxied = false;
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    enum sl_status status = open_pool(allocator, 1, 2);
    int peer = -1;

    (void)argument;
    if (pool == NULL && world.resolver == NULL)
        return; /* the world could not be opened */
    if (status == SL_OK) {
        status = ask(0, 0);
        ask(1, 0);
        for (int i = 0; i < 200 && users[0].granted + users[0].refused == 0 &&
                        status == SL_AGAIN;
             i++) {
            CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
            if (peer < 0 && script_held() > 0) {
                peer = script_accept();
                if (is_proxied)
                    send(peer, THROUGH, sizeof THROUGH - 1, MSG_NOSIGNAL);
            }
        }
        if (users[0].granted > 0)
            put(0);
        if (users[1].granted > 0)
            put(1);
        sl_place_leave(&users[0].place);
        sl_place_leave(&users[1].place);
        status = users[0].granted > 0 ? SL_OK : SL_MEMORY;
    }
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    if (peer >= 0)
        close(peer);
    close_pool();
}

TEST("releases everything whichever allocation fails")
{
    test_each_failure(whole_life, NULL);
    is_proxied = true;
    test_each_failure(whole_life, NULL);
    is_proxied = false;
}

int main(void)
{
    return test_main();
}
