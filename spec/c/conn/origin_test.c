#include "conn/origin.h"

#include "spec/c/conn/crowd.h"

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

TEST("lends no connection whose time is over, though its timer is late")
{
    int peer;

    setup(4, 4);
    peer = open_for(0, 0);
    put(0);
    pool->idle.oldest->idle_since -= pool->options.idle;
    CHECK_INT(ask(1, 0), SL_AGAIN);
    CHECK_INT(pool->stats.idle, 0);
    CHECK_INT(pool->stats.active, 1); /* the one that is opened instead */
    sl_place_leave(&users[1].place);
    close(peer);
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

TEST("lets a place wait again, though a connection was once opened for it")
{
    int peer;

    setup(1, 4);
    peer = open_for(0, 0);
    put(0);
    CHECK_INT(ask(1, 0), SL_OK);
    CHECK_INT(ask(0, 0), SL_AGAIN);
    CHECK_INT(sl_place_stage(&users[0].place), SL_STAGE_QUEUE);
    CHECK_INT(pool->stats.queued, 1);
    sl_place_leave(&users[0].place);
    CHECK_INT(pool->stats.queued, 0);
    CHECK_INT(pool->stats.active, 1);
    put(1);
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

TEST("keeps none for which nobody waits and whose server speaks unasked")
{
    struct sl_tls_options tls = {.verifies = true};
    struct test_allocator allocator;
    struct sl_failure failure;
    int peers[2];

    test_allocator_init(&allocator);
    REQUIRE(framed_provider.context_create(&allocator.base, &tls, &context,
                                           &failure) == SL_OK);
    setup(2, 4);
    CHECK_INT(ask(0, 0), SL_AGAIN);
    step_until_held(1);
    peers[0] = script_accept();
    REQUIRE(send(peers[0], "W\0\0", 3, MSG_NOSIGNAL) == 3);
    step_until_granted(0, 1);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    step_until_held(1);
    put(0);
    CHECK_INT(users[1].granted, 1);
    peers[1] = script_accept();
    CHECK_INT(pool->stats.active, 2);
    REQUIRE(send(peers[1], "W\0\0D\0\1?", 7, MSG_NOSIGNAL) == 7);
    for (int i = 0; i < 100 && pool->stats.active > 1; i++)
        CHECK_INT(sl_loop_step(&world.loop, 10 * SL_MILLISECOND), SL_OK);
    CHECK_INT(pool->stats.active, 1);
    CHECK_INT(pool->stats.open, 1);
    CHECK_INT(pool->stats.idle, 0);
    discard(1);
    close(peers[0]);
    close(peers[1]);
    teardown();
    framed_provider.context_release(context);
    context = NULL;
    test_allocator_fini(&allocator);
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

static void ask_again(struct sl_place *place, const struct sl_failure *failure)
{
    refused(place, failure);
    CHECK_INT(ask(1, 0), SL_AGAIN);
}

TEST("a place that asks again in its refusal stands behind the others")
{
    static const struct sl_place_events again = {granted, ask_again};
    int peers[2];

    setup(2, 2);
    peers[0] = open_for(0, 0);
    peers[1] = open_for(3, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    CHECK_INT(ask(2, 0), SL_AGAIN);
    users[1].place.events = &again;
    test_allocator_fail(&world.own, TEST_FAIL_ONCE, 1);
    discard(0);
    CHECK_INT(users[1].refused, 1);
    CHECK_INT(users[1].failure.status, SL_MEMORY);
    CHECK(users[1].place.opening != NULL);
    CHECK_INT(sl_place_stage(&users[2].place), SL_STAGE_QUEUE);
    put(3);
    CHECK_INT(users[2].granted, 1);
    CHECK_INT(users[1].granted, 0);
    sl_place_leave(&users[1].place);
    put(2);
    close(peers[0]);
    close(peers[1]);
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

TEST("keeps all texts of its options, in one allocation")
{
    enum { KEY, HOST, ADDRESS, PATH, LOCAL, PROXY, USER, PASSWORD, IDENTITY };
    char given[][12] = {"x",     "host", "192.0.2.9", "/path",   "192.0.2.8",
                        "proxy", "user", "password",  "identity"};
    const struct sl_origin_options options = {
        .key = given[KEY],
        .host = given[HOST],
        .address = given[ADDRESS],
        .unix_path = given[PATH],
        .local_address = given[LOCAL],
        .proxy_host = given[PROXY],
        .proxy_user = given[USER],
        .proxy_password = given[PASSWORD],
        .proxy_identity = given[IDENTITY],
    };
    const struct sl_origin_options *kept;
    struct sl_origin *origin;
    uint64_t calls;

    setup(1, 2);
    calls = world.own.base.calls;
    REQUIRE(sl_origin_find(pool, &options, &origin) == SL_OK);
    CHECK_INT(world.own.base.calls - calls, 1);
    memset(given, 'z', sizeof given);
    kept = &origin->options;
    CHECK_STR(kept->key, "x");
    CHECK_STR(kept->host, "host");
    CHECK_STR(kept->address, "192.0.2.9");
    CHECK_STR(kept->unix_path, "/path");
    CHECK_STR(kept->local_address, "192.0.2.8");
    CHECK_STR(kept->proxy_host, "proxy");
    CHECK_STR(kept->proxy_user, "user");
    CHECK_STR(kept->proxy_password, "password");
    CHECK_STR(kept->proxy_identity, "identity");
    sl_origin_release(origin);
    teardown();
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
