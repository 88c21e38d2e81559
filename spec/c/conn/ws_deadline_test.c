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

int main(void)
{
    return test_main();
}
