#include "conn/connection.h"

#include "spec/c/conn/crowd.h"

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
    struct sl_link link;
    char bytes[16];
    int peers[2];
    size_t sent;

    setup(1, 1);
    peers[0] = open_for(0, 0);
    CHECK_INT(ask(1, 0), SL_AGAIN);
    sl_connection_take(users[0].connection, &link);
    CHECK_INT(pool->stats.open, 0);
    step_until_held(1);
    peers[1] = script_accept();
    step_until_granted(1, 1);
    sl_transport_bind(link.transport, &moves, &users[0]);
    CHECK_INT(sl_link_send(&link, &hello, 1, &sent, &failure), SL_OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    CHECK_INT(recv(peers[0], bytes, sizeof bytes, 0), 5);
    sl_link_close(&link, false);
    put(1);
    close(peers[0]);
    close(peers[1]);
    teardown();
}

int main(void)
{
    return test_main();
}
