#include "conn/ws_ending.h"

#include "spec/c/conn/sockets.h"

#include <sys/wait.h>

static void begin(struct talk *talk, const struct manner *manner)
{
    talk_defaults(talk);
    talk_init(talk, manner);
}

static enum sl_status close_with(struct talk *talk, unsigned code,
                                 const char *reason)
{
    struct sl_ws_closing closing = {code, sl_view(reason, strlen(reason))};

    return sl_websocket_close(talk->socket, &closing);
}

static enum sl_status send_text(struct talk *talk, const char *text)
{
    struct sl_ws_piece piece = piece_of(text);

    return sl_websocket_send(talk->socket, SL_WS_TEXT, &piece);
}

/* ---- from this side ---- */

static void ours(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place place;

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    CHECK_INT(close_with(&talk, 1005, "why"), SL_INVALID);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    CHECK_INT(close_with(&talk, 1000, "bye"), SL_OK);
    CHECK_INT(close_with(&talk, 1001, "again"), SL_OK);
    CHECK_INT(send_text(&talk, "late"), SL_CLOSED);
    CHECK_INT(sl_websocket_want_over(talk.socket, &place), SL_AGAIN);
    READS(&talk, "\x88\x85" KEY "\x03\xe8"
                 "bye");
    SAYS(&talk, "\x81\x02hi\x88\x07\x03\xe8"
                "adieu");
    RECEIVES(&talk, "hi"); /* which came before the end */
    talk_ends(&talk, SL_CLOSED, 1000,
              "closed by this side, the peer answered with code 1000");
    CHECK(talk.socket->end->is_clean);
    CHECK_BYTES(talk.socket->end->reason, talk.socket->end->reason_size,
                "adieu", 5);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_PARTING);
    peer_ends(&talk);
    CHECK_INT(talk_wait(&talk, &place), SL_OK);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OVER);
    CHECK_INT(talk.world.loop.operations, 0);
    CHECK_INT(talk.world.loop.timers.count, 0);
    sl_ws_place_fini(&place);
    talk_fini(&talk);
}

TEST("closes from this side: a Close frame, theirs, their end")
{
    each_manner(ours);
}

static void pinged_late(const struct manner *manner)
{
    struct talk talk;
    char byte;

    begin(&talk, manner);
    CHECK_INT(close_with(&talk, 1000, ""), SL_OK);
    READS(&talk, "\x88\x82" KEY "\x03\xe8");
    SAYS(&talk, "\x89\x01p");
    world_settle(&talk.world);
    CHECK_INT(recv(talk.peer, &byte, 1, MSG_DONTWAIT), -1);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_CLOSING);
    SAYS(&talk, "\x88\x02\x03\xe8");
    talk_ends(&talk, SL_CLOSED, 1000,
              "closed by this side, the peer answered with code 1000");
    talk_fini(&talk);
}

/* RFC 6455 5.5.1 */
TEST("sends nothing behind its Close frame, not even a pong")
{
    each_manner(pinged_late);
}

static void behind_senders(const struct manner *manner)
{
    struct talk talk;
    struct load load;

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    CHECK_INT(close_with(&talk, 1000, ""), SL_OK);
    load_arrives(&load, &talk);
    READS(&talk, "\x88\x82" KEY "\x03\xe8");
    load_end(&load, &talk);
}

TEST("closes behind what is being sent")
{
    each_manner(behind_senders);
}

static void nobody_closes(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place place;

    talk_defaults(&talk);
    talk.options.close_timeout = 30 * SL_MILLISECOND;
    talk_init(&talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    CHECK_INT(close_with(&talk, 1000, ""), SL_OK);
    CHECK_INT(sl_websocket_want_over(talk.socket, &place), SL_AGAIN);
    talk_ends(&talk, SL_CLOSED, SL_WS_ABNORMAL,
              "no Close frame within 0.03 s (close_timeout)");
    CHECK_INT(talk_wait(&talk, &place), SL_OK);
    CHECK(!talk.socket->end->is_clean);
    sl_ws_place_fini(&place);
    talk_fini(&talk);
}

TEST("waits for the peer's Close frame no longer than close_timeout")
{
    each_manner(nobody_closes);
}

static void nobody_ends(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place place;

    talk_defaults(&talk);
    talk.options.close_timeout = 30 * SL_MILLISECOND;
    talk_init(&talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    SAYS(&talk, "\x88\x00");
    talk_ends(&talk, SL_CLOSED, SL_WS_NO_CODE, "closed by the peer, code 1005");
    CHECK_INT(sl_websocket_want_over(talk.socket, &place), SL_AGAIN);
    READS(&talk, "\x88\x80" KEY);
    CHECK_INT(talk_wait(&talk, &place), SL_OK);
    peer_meets_end(&talk);
    sl_ws_place_fini(&place);
    talk_fini(&talk);
}

TEST("waits for the peer's end no longer than that either")
{
    each_manner(nobody_ends);
}

/* ---- from the peer ---- */

static void theirs(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place place;

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    SAYS(&talk, "\x81\x01"
                "a\x81\x01"
                "b\x88\x06\x03\xe9"
                "away"
                "\x81\x01"
                "c");
    READS(&talk, "\x88\x82" KEY "\x03\xe9"); /* nobody receives yet */
    CHECK_INT(send_text(&talk, "late"), SL_CLOSED);
    RECEIVES(&talk, "a");
    RECEIVES(&talk, "b");
    SAYS(&talk, "\xff\xff\xff");
    talk_ends(&talk, SL_CLOSED, 1001, "closed by the peer, code 1001");
    CHECK_BYTES(talk.socket->end->reason, talk.socket->end->reason_size, "away",
                4);
    peer_ends(&talk);
    talk_until_over(&talk);
    CHECK_INT(sl_websocket_want_over(talk.socket, &place), SL_OK);
    talk_ends(&talk, SL_CLOSED, 1001, "closed by the peer, code 1001");
    sl_ws_place_fini(&place);
    talk_fini(&talk);
}

TEST("answers the peer's Close, and gives out what came before it")
{
    each_manner(theirs);
}

static void theirs_between(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place stream;
    struct sl_ws_place other;
    struct sl_ws_piece piece = piece_of("piece");

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &stream);
    sl_websocket_init_place(talk.socket, &other);
    CHECK_INT(sl_websocket_put(talk.socket, &stream, SL_WS_TEXT, &piece, false),
              SL_OK);
    CHECK_INT(sl_websocket_put(talk.socket, &other, SL_WS_TEXT, &piece, true),
              SL_AGAIN);
    READS(&talk, "\x01\x85" KEY "piece");
    SAYS(&talk, "\x88\x02\x03\xe8");
    READS(&talk, "\x88\x82" KEY "\x03\xe8");
    CHECK_INT(talk_wait(&talk, &other), SL_CLOSED);
    CHECK_INT(sl_websocket_put(talk.socket, &stream, SL_WS_TEXT, &piece, true),
              SL_CLOSED);
    sl_ws_place_fini(&stream);
    sl_ws_place_fini(&other);
    talk_fini(&talk);
}

TEST("sends no more of a message once the peer has closed")
{
    each_manner(theirs_between);
}

/* ---- without a Close frame ---- */

static void just_ends(const struct manner *manner)
{
    struct talk talk;

    begin(&talk, manner);
    SAYS(&talk, "\x81\x01"
                "a\x81\x05"
                "half");
    peer_ends(&talk);
    RECEIVES(&talk, "a");
    talk_ends(&talk, SL_CLOSED, SL_WS_ABNORMAL,
              "connection closed without a Close frame");
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OVER);
    CHECK_INT(send_text(&talk, "late"), SL_CLOSED);
    talk_fini(&talk);
}

TEST("is lost when the connection ends without a Close frame")
{
    each_manner(just_ends);
}

static void is_reset(const struct manner *manner)
{
    struct talk talk;

    begin(&talk, manner);
    peer_reset(talk.peer);
    talk.peer = -1;
    talk_ends(&talk, SL_CLOSED, SL_WS_ABNORMAL, "Connection reset by peer");
    talk_fini(&talk);
}

TEST("is lost when the peer resets")
{
    each_manner(is_reset);
}

static void gone_while_sending(const struct manner *manner)
{
    struct talk talk;
    struct load load;

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    SAYS(&talk, "\x88\x02\x03\xf1"); /* too large, says the peer, and goes */
    peer_ends(&talk);
    CHECK_INT(talk_wait(&talk, &load.place), SL_CLOSED);
    talk_until_over(&talk);
    CHECK(talk.socket->end->code == 1009 || talk.socket->end->code == 1006);
    load_end(&load, &talk);
}

TEST("ends when the peer goes while much is being sent")
{
    each_manner(gone_while_sending);
}

/* ---- at once ---- */

static void aborted(const struct manner *manner)
{
    struct talk talk;

    begin(&talk, manner);
    SAYS(&talk, "\x81\x01"
                "a");
    CHECK_INT(talk_want(&talk), SL_OK);
    sl_websocket_abort(talk.socket, SL_WS_NORMAL, "disposed");
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OVER);
    READS(&talk, "\x88\x82" KEY "\x03\xe8");
    peer_meets_end(&talk);
    RECEIVES(&talk, "a");
    talk_ends(&talk, SL_CLOSED, SL_WS_NORMAL, "disposed");
    talk_fini(&talk);
}

TEST("says goodbye when it is ended at once")
{
    each_manner(aborted);
}

static void closing_loop(const struct manner *manner)
{
    struct talk talk;

    begin(&talk, manner);
    talk.world.loop.is_closing = true;
    sl_websocket_abort(talk.socket, SL_WS_NORMAL, "disposed");
    talk.world.loop.is_closing = false;
    peer_meets_end(&talk);
    talk_fini(&talk);
}

TEST("says nothing any more once its loop is closing")
{
    each_manner(closing_loop);
}

static void forked(const struct manner *manner)
{
    struct talk talk;
    pid_t child;
    int status;

    begin(&talk, manner);
    SAYS(&talk, "\x81\x01"
                "a");
    RECEIVES(&talk, "a");
    child = fork();
    if (child == 0) {
        sl_websocket_abort(talk.socket, SL_WS_NORMAL, "disposed");
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(send_text(&talk, "parent"), SL_OK);
    READS(&talk, "\x81\x86" KEY "parent");
    talk_fini(&talk);
}

TEST("says nothing for the parent when it is ended in a child of fork")
{
    each_manner(forked);
}

/* ---- failures of this side ---- */

static void why_it_fails(const struct manner *manner)
{
    struct sl_failure failure;
    struct talk talk;
    char reason[SL_WS_REASON_MAX + 1];

    begin(&talk, manner);
    SAYS(&talk, "\x81\x82" KEY "hi");
    READS(&talk, "\x88\x9c" KEY "\x03\xea"
                 "a server's frame is masked");
    talk_fini(&talk);

    for (size_t size = sizeof reason - 1; size <= sizeof reason; size++) {
        memset(reason, 'x', sizeof reason);
        begin(&talk, manner);
        sl_fail(&failure, SL_PROTOCOL, SL_STAGE_WEBSOCKET, "%.*s", (int)size,
                reason);
        sl_websocket_fail(talk.socket, 1002, &failure);
        sl_websocket_advance(talk.socket);
        if (size > SL_WS_REASON_MAX) {
            READS(&talk, "\x88\x82" KEY "\x03\xea");
        } else {
            READS(&talk, "\x88\xfd" KEY "\x03\xea");
            peer_reads(&talk, sl_view(reason, size));
        }
        talk_fini(&talk);
    }
}

TEST("tells the peer why it fails where that fits a Close frame")
{
    each_manner(why_it_fails);
}

static void runs_out(const struct manner *manner)
{
    struct talk talk;

    begin(&talk, manner);
    sl_websocket_run_out(talk.socket);
    sl_websocket_advance(talk.socket);
    READS(&talk, "\x88\x8f" KEY "\x03\xf3"
                 "out of memory");
    talk_ends(&talk, SL_MEMORY, SL_WS_INTERNAL, "out of memory");
    talk_fini(&talk);
}

TEST("fails without memory, and says so")
{
    each_manner(runs_out);
}

static void waiter_at_the_end(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place place;

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    CHECK_INT(close_with(&talk, 1000, ""), SL_OK);
    CHECK_INT(sl_websocket_want_over(talk.socket, &place), SL_AGAIN);
    sl_websocket_leave(&place);
    CHECK_INT(talk_wait(&talk, &place), SL_CANCELLED);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_CLOSING);
    sl_ws_place_fini(&place);
    talk_fini(&talk);
}

TEST("goes on closing when nobody waits for it any more")
{
    each_manner(waiter_at_the_end);
}

int main(void)
{
    return test_main();
}
