#include "spec/c/conn/sockets.h"

/* ---- messages ---- */

static void both_ways(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_piece hello = piece_of("hello");

    talk_defaults(&talk);
    talk_init(&talk, manner);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(sl_websocket_send(talk.socket, SL_WS_TEXT, &hello), SL_OK);
        READS(&talk, "\x81\x85" KEY "hello");
        SAYS(&talk, "\x81\x0chello, world");
        RECEIVES(&talk, "hello, world");
        SAYS(&talk, "\x02\x01x\x80\x01y");
        talk_receives(&talk, SL_VIEW("xy"), false);
    }
    talk_fini(&talk);
}

TEST("sends and receives messages")
{
    each_manner(both_ways);
}

static void waiting(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk_init(&talk, manner);
    CHECK_INT(sl_websocket_want(talk.socket, SL_NEVER), SL_AGAIN);
    CHECK_INT(sl_websocket_want(talk.socket, SL_NEVER), SL_MISUSE);
    sl_websocket_unwant(talk.socket);
    CHECK_INT(talk.world.loop.operations, 0);
    CHECK_INT(sl_websocket_want(talk.socket, 0), SL_TIMEOUT);
    SAYS(&talk, "\x81\x02hi");
    RECEIVES(&talk, "hi");
    CHECK_INT(sl_websocket_want(talk.socket, sl_clock_now() + SL_MILLISECOND),
              SL_AGAIN);
    while (talk.socket->completion.state != SL_COMPLETION_DONE)
        talk_step(&talk);
    CHECK_INT(talk.socket->completion.status, SL_TIMEOUT);
    CHECK_INT(talk.world.loop.operations, 0);
    SAYS(&talk, "\x81\x02ho");
    RECEIVES(&talk, "ho");
    talk_fini(&talk);
}

TEST("lets one receiver wait, for as long as it likes")
{
    each_manner(waiting);
}

static void behind_the_head(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    test_allocator_init(&talk.world.own);
    REQUIRE(talk_open(&talk, &talk.world.own.base, manner,
                      SL_VIEW("\x89\x01p\x01\x01"
                              "a\x80\x02"
                              "bc")) == SL_OK);
    READS(&talk, "\x8a\x81" KEY "p"); /* without anybody's receive */
    RECEIVES(&talk, "abc");
    talk_fini(&talk);
}

TEST("looks at what arrived with the handshake")
{
    each_manner(behind_the_head);
}

/* ---- while nothing happens ---- */

static void idle(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_piece hello = piece_of("hello");

    talk_defaults(&talk);
    talk_init(&talk, manner);
    CHECK(!sl_is_failure(sl_websocket_send(talk.socket, SL_WS_TEXT, &hello)));
    READS(&talk, "\x81\x85" KEY "hello");
    SAYS(&talk, "\x81\x05hello\x89\x00");
    RECEIVES(&talk, "hello");
    READS(&talk, "\x8a\x80" KEY);
    while (!talk.socket->is_resting)
        talk_step(&talk);
    CHECK(talk.socket->intake == NULL);
    CHECK(talk.socket->sending.outlet == NULL);
    CHECK_INT(sl_pool_outstanding(&talk.world.pool), 0);
    CHECK_INT(talk.world.loop.operations, 0);
    CHECK_INT(talk.world.loop.timers.count, 1);
    CHECK(sizeof *talk.socket <= SL_CELL_LARGEST);
    CHECK_INT(sl_websocket_send(talk.socket, SL_WS_TEXT, &hello), SL_OK);
    SAYS(&talk, "\x81\x02hi");
    RECEIVES(&talk, "hi");
    talk_fini(&talk);
}

/* The completion transport owns memory for both directions. */
TEST("holds nothing but itself and a timer once it was idle for a second")
{
    struct manner list[MANNERS_MOST];
    size_t count = manners(list);

    for (size_t i = 0; i < count; i++) {
        if (list[i].mode != SL_TRANSPORT_STREAM)
            continue;
        idle(&list[i]);
        break;
    }
}

/* ---- without memory ---- */

/* A whole life: messages both ways, a ping, a held queue, both Close frames. */
static void live(struct sl_allocator *allocator, void *argument)
{
    struct talk talk;
    struct sl_ws_place place;
    struct sl_ws_piece piece = piece_of("a text that is longer than a segment");
    struct sl_view said = SL_VIEW("\x89\x01p\x02\x1btwice the size of a segment"
                                  "\x80\x01x\x81\x01"
                                  "c\x81\x01"
                                  "d"
                                  "\x88\x02\x03\xe8");
    enum sl_status status;
    int64_t until = sl_clock_now() + PATIENCE;

    talk_defaults(&talk);
    talk.options.queue_count = 2;
    status = talk_open(&talk, allocator, argument,
                       SL_VIEW("\x81\x01"
                               "a"));
    if (status == SL_OK) {
        sl_websocket_init_place(talk.socket, &place);
        sl_websocket_send(talk.socket, SL_WS_TEXT, &piece);
        sl_websocket_put(talk.socket, &place, SL_WS_TEXT, &piece, true);
        sl_websocket_ping(talk.socket, SL_VIEW("ping"));
        /* The connection may be gone by now. */
        send(talk.peer, said.data, said.size, MSG_NOSIGNAL);
        while (talk.socket->end == NULL && sl_clock_now() < until) {
            talk_step(&talk);
            while (sl_websocket_first(talk.socket) != NULL)
                sl_websocket_drop(talk.socket);
        }
        status = talk.socket->end->failure.status;
        if (status == SL_MEMORY)
            CHECK(talk.socket->end->code == SL_WS_INTERNAL ||
                  talk.socket->end->code == SL_WS_ABNORMAL);
        CHECK(sl_websocket_want(talk.socket, SL_NEVER) != SL_AGAIN);
        sl_websocket_leave(&place);
        sl_ws_place_fini(&place);
    }
    if (status != SL_CLOSED)
        CHECK(test_allocator_has_failed(allocator));
    talk_close(&talk);
}

TEST("has a clear end wherever memory runs out, and keeps nothing")
{
    struct manner list[MANNERS_MOST];

    REQUIRE(manners(list) > 1);
    test_each_failure(live, &list[0]);
    test_each_failure(live, &list[1]);
}

int main(void)
{
    return test_main();
}
