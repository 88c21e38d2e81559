/* spec/c/conn/crowd.h - a pool with three origins, and users that wait
 *
 * Users are what exchanges are to the pool: a place each, and events. Connects
 * are answered by the test, see spec/c/support/script_backend.h.
 */
#ifndef SPEC_C_CONN_CROWD_H
#define SPEC_C_CONN_CROWD_H

#include "conn/origin.h"

#include "conn/tunnel_socks5.h"
#include "spec/c/io/world.h"
#include "spec/c/support/script_backend.h"
#include "spec/c/tls/framed.h"

#include <stdio.h>

#define USERS 8

/* One that wants a connection, as an exchange does. */
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

static inline void can_move(void *user)
{
    ((struct user *)user)->moves++;
}

static const struct sl_transport_events moves = {can_move, can_move};

static inline struct user *user_of(struct sl_place *place)
{
    return (struct user *)(void *)((char *)place -
                                   offsetof(struct user, place));
}

static inline void hold(struct user *user, struct sl_connection *connection,
                        bool is_new)
{
    user->connection = connection;
    user->is_new = is_new;
    user->order = ++served;
    user->granted++;
    sl_connection_lend(connection, &moves, user);
}

static inline void granted(struct sl_place *place,
                           struct sl_connection *connection, bool is_new)
{
    hold(user_of(place), connection, is_new);
}

static inline void refused(struct sl_place *place,
                           const struct sl_failure *failure)
{
    user_of(place)->failure = *failure;
    user_of(place)->refused++;
}

static const struct sl_place_events events = {granted, refused};

static inline enum sl_status find(const char *key, struct sl_origin **origin)
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

static inline enum sl_status open_pool(struct sl_allocator *allocator,
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

static inline void close_pool(void)
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

static inline void setup(size_t per_origin, size_t total)
{
    test_allocator_init(&world.own);
    REQUIRE(open_pool(&world.own.base, per_origin, total) == SL_OK);
}

static inline void teardown(void)
{
    close_pool();
    test_allocator_fini(&world.own);
}

static inline enum sl_status ask(size_t user, size_t origin)
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

static inline void put(size_t user)
{
    struct sl_connection *connection = users[user].connection;

    users[user].connection = NULL;
    sl_connection_put(connection, announced);
}

static inline void discard(size_t user)
{
    struct sl_connection *connection = users[user].connection;

    users[user].connection = NULL;
    sl_connection_discard(connection, true);
}

static inline void step_until_held(size_t count)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (script_held() < count && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(script_held() == count);
}

static inline void step_until_granted(size_t user, int times)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (users[user].granted < times && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(users[user].granted == times);
}

/* Asks, and is granted a new connection; the peer's end. */
static inline int open_for(size_t user, size_t origin)
{
    int peer;

    CHECK_INT(ask(user, origin), SL_AGAIN);
    step_until_held(1);
    peer = script_accept();
    step_until_granted(user, users[user].granted + 1);
    return peer;
}

#endif
