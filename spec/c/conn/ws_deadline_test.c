#include "conn/ws_deadline.h"

#include "spec/c/conn/sockets.h"

/* Durations are short: the deadlines are real. */
#define SHORT (30 * SL_MILLISECOND)

static void wait_for(struct talk *talk, int64_t duration)
{
    int64_t until = sl_clock_now() + duration;

    while (sl_clock_now() < until)
        talk_step(talk);
}

static void pinged(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.ping_interval = SHORT;
    talk.options.pong_timeout = 60 * SL_SECOND;
    talk_init(&talk, manner);
    for (int i = 0; i < 3; i++) {
        READS(&talk, "\x89\x80" KEY);
        CHECK(talk.socket->pong_due != 0);
        SAYS(&talk, "\x8a\x03"
                    "any");
        while (talk.socket->pong_due != 0)
            talk_step(&talk);
    }
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    CHECK_INT(talk.world.loop.operations, 0);
    talk_fini(&talk);
}

TEST("pings a silent peer, again and again")
{
    each_manner(pinged);
}

static void dead(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.ping_interval = SHORT;
    talk.options.pong_timeout = SHORT;
    talk_init(&talk, manner);
    talk_ends(&talk, SL_CLOSED, SL_WS_ABNORMAL,
              "no pong within 0.03 s (pong_timeout)");
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OVER);
    talk_fini(&talk);
}

TEST("is lost when a peer stays silent")
{
    each_manner(dead);
}

static void dripping(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.ping_interval = SHORT;
    talk.options.pong_timeout = SHORT;
    talk_init(&talk, manner);
    SAYS(&talk, "\x82\x7e\xff\xff");
    while (talk.socket->phase == SL_WEBSOCKET_OPEN) {
        send(talk.peer, "x", 1, MSG_NOSIGNAL);
        wait_for(&talk, 5 * SL_MILLISECOND);
    }
    talk_ends(&talk, SL_CLOSED, SL_WS_ABNORMAL,
              "no pong within 0.03 s (pong_timeout)");
    talk_fini(&talk);
}

TEST("takes a peer that drips bytes for a silent one")
{
    each_manner(dripping);
}

static void flowing(const struct manner *manner)
{
    struct talk talk;
    char piece[5000];

    memset(piece, 'x', sizeof piece);
    talk_defaults(&talk);
    talk.options.ping_interval = 500 * SL_MILLISECOND;
    talk.options.pong_timeout = 500 * SL_MILLISECOND;
    talk_init(&talk, manner);
    SAYS(&talk, "\x82\x7f\0\0\0\0\0\x10\0\0");
    for (int64_t until = sl_clock_now() + 1200 * SL_MILLISECOND;
         sl_clock_now() < until;) {
        peer_says(&talk, sl_view(piece, sizeof piece));
        wait_for(&talk, 20 * SL_MILLISECOND);
    }
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    talk_fini(&talk);
}

TEST("takes a frame that flows for a sign of life")
{
    struct manner list[MANNERS_MOST];

    REQUIRE(manners(list) > 0);
    flowing(&list[0]);
}

static void held(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.ping_interval = SHORT;
    talk.options.pong_timeout = SHORT;
    talk.options.queue_count = 1;
    talk_init(&talk, manner);
    SAYS(&talk, "\x81\x01"
                "a\x81\x01"
                "b");
    wait_for(&talk, 5 * SHORT);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    talk.socket->ping_interval = SL_NEVER;
    RECEIVES(&talk, "a");
    RECEIVES(&talk, "b");
    talk_fini(&talk);
}

TEST("judges no silence while it does not listen itself")
{
    each_manner(held);
}

static void idle(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.idle = SHORT;
    talk_init(&talk, manner);
    talk_ends(&talk, SL_CLOSED, SL_WS_GOING_AWAY,
              "no message for 0.03 s (idle_timeout)");
    READS(&talk, "\x88\xa6" KEY "\x03\xe9"
                 "no message for 0.03 s (idle_timeout)");
    peer_ends(&talk);
    talk_until_over(&talk);
    talk_fini(&talk);
}

TEST("closes when no message has come or gone for a while")
{
    each_manner(idle);
}

static void stalled(const struct manner *manner)
{
    struct talk talk;
    struct load load;

    talk_defaults(&talk);
    talk.options.send_timeout = SHORT;
    load_begin(&load, &talk, manner);
    CHECK_INT(talk_wait(&talk, &load.place), SL_CLOSED);
    talk_ends(&talk, SL_CLOSED, SL_WS_ABNORMAL,
              "the peer takes no bytes for 0.03 s (send_timeout)");
    load_end(&load, &talk);
}

TEST("is lost when the peer takes nothing of what is sent")
{
    each_manner(stalled);
}

/* ---- a peer that sends without end ---- */

/* Empty frames, of which a turn takes few bytes. */
static const char empty_text[] = "\x81\0";
static const char empty_ping[] = "\x89\0";

/* The peer's side of the connection is full: it has always more. */
static void fill(struct talk *talk, const char *frame)
{
    char frames[4096];

    for (size_t i = 0; i < sizeof frames; i += 2)
        memcpy(frames + i, frame, 2);
    for (;;) {
        ssize_t n = send(talk->peer, frames, sizeof frames, MSG_NOSIGNAL);

        if (n < 0)
            break;
        if (n % 2 == 1) /* the other half of a frame */
            peer_says(talk, sl_view(frame + 1, 1));
    }
}

/* More steps than a deadline waits for, and fewer than without end. */
#define STEPS_MOST 200

static void rests(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk_init(&talk, manner);
    SAYS(&talk, "\x81\x01"
                "a");
    RECEIVES(&talk, "a");
    CHECK(talk.socket->queue.spare != NULL);
    sl_timer_disarm(&talk.world.loop.timers, &talk.socket->timer);
    sl_websocket_arm(talk.socket);
    CHECK_INT(talk.socket->timer.due, talk.socket->heard_at + SL_SECOND);
    talk.socket->heard_at = talk.world.loop.looked_at - SL_SECOND;
    talk.socket->sending.moved_at = 0;
    sl_websocket_time_came(&talk.socket->timer);
    CHECK(talk.socket->queue.spare == NULL);
    CHECK(talk.socket->intake == NULL);
    CHECK(talk.socket->is_resting);
    talk_fini(&talk);
}

TEST("rests a second after the last byte, and holds nothing then")
{
    each_manner(rests);
}

static void turns_in_time(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk_init(&talk, manner);
    talk_step(&talk);
    talk.socket->late_turns = 100;
    talk.socket->has_turn = true;
    sl_websocket_time_came(&talk.socket->timer);
    CHECK(talk.socket->late_turns <= 1);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    talk_fini(&talk);
}

TEST("counts for a deadline no turns that were taken in time")
{
    each_manner(turns_in_time);
}

/* Steps that are made behind `due`, until it is over for this socket. */
static int late_steps(struct talk *talk, const char *frame, int64_t due,
                      bool (*is_over)(const struct sl_websocket *))
{
    int steps = 0;

    while (!is_over(talk->socket) && steps < STEPS_MOST) {
        fill(talk, frame);
        talk_step(talk);
        if (talk->world.loop.looked_at >= due)
            steps++;
    }
    return steps;
}

static bool is_closed(const struct sl_websocket *socket)
{
    return socket->phase == SL_WEBSOCKET_OVER;
}

static bool has_received(const struct sl_websocket *socket)
{
    return socket->completion.state == SL_COMPLETION_DONE;
}

static bool is_idle(const struct sl_websocket *socket)
{
    return socket->end != NULL;
}

static void flooded_close(const struct manner *manner)
{
    const struct sl_ws_closing closing = {1000, {NULL, 0}};
    struct talk talk;

    talk_defaults(&talk);
    talk.options.close_timeout = SHORT;
    talk_init(&talk, manner);
    CHECK_INT(sl_websocket_close(talk.socket, &closing), SL_OK);
    if (CHECK(late_steps(&talk, empty_text, talk.socket->close_due, is_closed) <
              STEPS_MOST))
        CHECK_STR(talk.socket->end->failure.reason,
                  "no Close frame within 0.03 s (close_timeout)");
    talk_fini(&talk);
}

TEST("ends a Close in time, however fast the peer goes on")
{
    each_manner(flooded_close);
}

static void flooded_receive(const struct manner *manner)
{
    struct talk talk;
    int64_t due;

    talk_defaults(&talk);
    talk_init(&talk, manner);
    due = sl_clock_now() + SHORT;
    CHECK_INT(sl_websocket_want(talk.socket, due), SL_AGAIN);
    CHECK(late_steps(&talk, empty_ping, due, has_received) < STEPS_MOST);
    CHECK_INT(talk.socket->completion.status, SL_TIMEOUT);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    talk_fini(&talk);
}

TEST("ends a receive in time, however many pings arrive")
{
    each_manner(flooded_receive);
}

static void flooded_idle(const struct manner *manner)
{
    struct talk talk;

    talk_defaults(&talk);
    talk.options.idle = SHORT;
    talk_init(&talk, manner);
    CHECK(late_steps(&talk, empty_ping, talk.socket->message_at + SHORT,
                     is_idle) < STEPS_MOST);
    talk_ends(&talk, SL_CLOSED, SL_WS_GOING_AWAY,
              "no message for 0.03 s (idle_timeout)");
    talk_fini(&talk);
}

TEST("is idle without messages, however many pings arrive")
{
    each_manner(flooded_idle);
}

/* What arrived in time counts, behind more than a turn takes. Where a receive
 * is an operation, each has a round of the loop, and no turn is so long. */
static void late_program(const struct manner *manner)
{
    const struct sl_ws_closing closing = {1000, {NULL, 0}};
    char frames[4096];
    struct talk talk;
    int sent = 0;

    if (!manner->backend->has_readiness)
        return;
    for (size_t i = 0; i < sizeof frames; i += 2)
        memcpy(frames + i, empty_text, 2);
    talk_defaults(&talk);
    talk.options.close_timeout = SHORT;
    talk_init(&talk, manner);
    CHECK_INT(sl_websocket_close(talk.socket, &closing), SL_OK);
    /* Three turns of 16,384 small frames. */
    for (; sent < 24; sent++)
        REQUIRE(send(talk.peer, frames, sizeof frames, MSG_NOSIGNAL) ==
                (ssize_t)sizeof frames);
    REQUIRE(send(talk.peer, "\x88\x02\x03\xe8", 4, MSG_NOSIGNAL) == 4);
    while (sl_clock_now() <= talk.socket->close_due)
        continue; /* the program is busy */
    while (talk.socket->end == NULL)
        talk_step(&talk);
    CHECK(talk.socket->end->is_clean);
    talk_fini(&talk);
}

TEST("knows a Close that arrived in time, however late it looks")
{
    each_manner(late_program);
}

int main(void)
{
    return test_main();
}
