#include "conn/pool.h"

#include "spec/c/conn/crowd.h"

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
    CHECK_INT(pool->expiry.due, sl_connection_expires(pool->idle.newest));
    CHECK_INT(sl_connection_expires(pool->idle.newest) -
                  pool->idle.newest->idle_since,
              4 * SL_SECOND);
    /* Time passes. */
    pool->idle.newest->idle_since = world.loop.now - 4 * SL_SECOND;
    sl_timer_arm(&world.loop.timers, &pool->expiry, world.loop.now);
    world_settle(&world);
    CHECK_INT(pool->stats.idle, 1);
    CHECK_INT(pool->short_count, 0);
    CHECK_INT(pool->expiry.due, sl_connection_expires(pool->idle.oldest));
    CHECK_INT(ask(2, 0), SL_OK);
    announced = 1; /* no time at all is left */
    put(2);
    CHECK_INT(pool->stats.idle, 0);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

TEST("waits for the server that closes first, wherever its connection stands")
{
    static const int64_t seconds[] = {9, 5, 7};
    int peers[3];

    setup(3, 3);
    for (size_t i = 0; i < 3; i++)
        peers[i] = open_for(i, 0);
    for (size_t i = 0; i < 3; i++) {
        announced = seconds[i];
        put(i);
    }
    /* The timer looks at all of them before one is due. */
    sl_timer_arm(&world.loop.timers, &pool->expiry, world.loop.now);
    world_settle(&world);
    CHECK_INT(pool->stats.idle, 3);
    CHECK_INT(pool->expiry.due,
              sl_connection_expires(pool->idle.oldest->newer));
    for (size_t i = 0; i < 3; i++)
        close(peers[i]);
    teardown();
}

TEST("lets idle connections rest behind a burst, which ends with the last one")
{
    int peers[2];

    setup(2, 2);
    peers[0] = open_for(0, 0);
    peers[1] = open_for(1, 0);
    pool->had_burst = true; /* as if hundreds had been active */
    put(0);
    CHECK(pool->rest.is_armed);
    put(1);
    CHECK_INT(ask(2, 0), SL_OK); /* the newest, which leaves the other awake */
    CHECK(pool->oldest_awake == pool->idle.oldest);
    /* Time passes. */
    pool->idle.oldest->idle_since -= 100 * SL_MILLISECOND;
    sl_timer_arm(&world.loop.timers, &pool->rest, world.loop.now);
    world_settle(&world);
    CHECK(pool->oldest_awake == NULL);
    CHECK(!pool->had_burst);
    CHECK(!pool->rest.is_armed);
    put(2); /* a plain one gives nothing back */
    CHECK(!pool->rest.is_armed);
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

int main(void)
{
    return test_main();
}
