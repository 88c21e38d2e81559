#include "spec/c/conn/sockets.h"

static char *large_text(size_t size, char letter)
{
    char *text = malloc(size);

    memset(text, letter, size);
    return text;
}

static enum sl_status put(struct talk *talk, struct sl_ws_place *place,
                          const char *text, size_t size, bool is_last)
{
    struct sl_ws_piece piece = {sl_view(text, size), NULL};

    return sl_websocket_put(talk->socket, place, SL_WS_TEXT, &piece, is_last);
}

static void begin(struct talk *talk, const struct manner *manner)
{
    talk_defaults(talk);
    talk->is_small = true;
    talk_init(talk, manner);
}

/* ---- order ---- */

static void in_order(const struct manner *manner)
{
    struct talk talk;
    struct load load;
    struct sl_ws_place second;
    struct sl_ws_place third;
    struct sl_ws_piece short_one = piece_of("short");

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    sl_websocket_init_place(talk.socket, &second);
    sl_websocket_init_place(talk.socket, &third);
    CHECK_INT(sl_websocket_send(talk.socket, SL_WS_TEXT, &short_one), SL_END);
    CHECK_INT(put(&talk, &second, "second", 6, true), SL_AGAIN);
    CHECK_INT(put(&talk, &third, "", 0, true), SL_AGAIN);
    for (int i = 0; i < 20; i++)
        talk_step(&talk);
    CHECK_INT(load.place.completion.state, SL_COMPLETION_PENDING);
    load_arrives(&load, &talk);
    READS(&talk, "\x81\x86" KEY "second\x81\x80" KEY);
    CHECK_INT(talk_wait(&talk, &second), SL_OK);
    CHECK_INT(talk_wait(&talk, &third), SL_OK);
    CHECK(
        !sl_is_failure(sl_websocket_send(talk.socket, SL_WS_TEXT, &short_one)));
    READS(&talk, "\x81\x85" KEY "short");
    sl_ws_place_fini(&second);
    sl_ws_place_fini(&third);
    load_end(&load, &talk);
}

TEST("puts senders in order, and holds them back while the peer reads nothing")
{
    each_manner(in_order);
}

static void shared(const struct manner *manner)
{
    struct talk talk;
    struct load load;
    struct sl_ws_place place;
    struct sl_buffer buffer;
    struct sl_sequence sequence;
    struct sl_ws_piece piece = {{NULL, 0}, &sequence};

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    sl_buffer_init(&buffer, &talk.world.pool, SIZE_MAX);
    sl_sequence_init(&sequence, talk.world.allocator);
    CHECK_INT(sl_buffer_append(&buffer, sl_view(load.text, LOAD)), SL_OK);
    CHECK_INT(sl_sequence_take(&sequence, &buffer), SL_OK);
    CHECK_INT(sl_websocket_put(talk.socket, &place, SL_WS_TEXT, &piece, true),
              SL_AGAIN);
    sl_sequence_fini(&sequence); /* disposed meanwhile */
    load_arrives(&load, &talk);
    peer_reads(&talk, sl_view(load.frame, 14 + LOAD));
    CHECK_INT(talk_wait(&talk, &place), SL_OK);
    sl_ws_place_fini(&place);
    sl_buffer_fini(&buffer);
    load_end(&load, &talk);
}

TEST("sends sequences, which may be disposed meanwhile")
{
    each_manner(shared);
}

static void followed(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place place;
    char *text = large_text(60000, 'c');
    struct sl_ws_piece piece = {sl_view(text, 60000), NULL};
    enum sl_status status = SL_OK;
    size_t sent = 0;

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &place);
    for (; sent < 100 && status == SL_OK; sent++) {
        status = sl_websocket_send(talk.socket, SL_WS_BINARY, &piece);
        for (int i = 0; i < 3 && status == SL_OK; i++)
            talk_step(&talk);
    }
    CHECK_INT(status, SL_AGAIN);
    CHECK_INT(sl_websocket_send(talk.socket, SL_WS_BINARY, &piece), SL_END);
    CHECK_INT(sl_websocket_follow(talk.socket, &place), SL_AGAIN);
    for (; sent > 0; sent--) {
        READS(&talk, "\x82\xfe\xea\x60" KEY);
        peer_reads(&talk, sl_view(text, 60000));
    }
    CHECK_INT(talk_wait(&talk, &place), SL_OK);
    CHECK_INT(sl_websocket_follow(talk.socket, &place), SL_OK);
    sl_ws_place_fini(&place);
    talk_fini(&talk);
    free(text);
}

TEST("takes a short message, whose sender waits until it has left")
{
    each_manner(followed);
}

/* ---- fragments ---- */

static void fragments(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place stream;
    struct sl_ws_place other;
    char *text = large_text(SL_WS_STEP + 1, 'd');

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &stream);
    sl_websocket_init_place(talk.socket, &other);
    CHECK_INT(put(&talk, &stream, "one", 3, false), SL_OK);
    READS(&talk, "\x01\x83" KEY "one");
    CHECK_INT(put(&talk, &other, "other", 5, true), SL_AGAIN);
    SAYS(&talk, "\x89\x01p");
    READS(&talk, "\x8a\x81" KEY "p"); /* between two fragments */
    CHECK_INT(put(&talk, &stream, text, SL_WS_STEP + 1, false), SL_AGAIN);
    READS(&talk, "\x00\xff\0\0\0\0\0\x01\0\0" KEY);
    peer_reads(&talk, sl_view(text, SL_WS_STEP));
    READS(&talk, "\x00\x81" KEY "d");
    CHECK_INT(talk_wait(&talk, &stream), SL_OK);
    CHECK_INT(other.completion.state, SL_COMPLETION_PENDING);
    CHECK(!sl_is_failure(put(&talk, &stream, "", 0, true)));
    READS(&talk, "\x80\x80" KEY "\x81\x85" KEY "other");
    CHECK_INT(talk_wait(&talk, &other), SL_OK);
    sl_ws_place_fini(&stream);
    sl_ws_place_fini(&other);
    talk_fini(&talk);
    free(text);
}

TEST("keeps the fragments of a message together, control frames between them")
{
    each_manner(fragments);
}

/* ---- control frames ---- */

static void newest_pong(const struct manner *manner)
{
    struct talk talk;
    struct load load;

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    for (int i = 0; i < 5; i++)
        talk_step(&talk);
    CHECK_INT(sl_websocket_ping(talk.socket, SL_VIEW("old")), SL_OK);
    CHECK_INT(sl_websocket_ping(talk.socket, SL_VIEW("new")), SL_OK);
    SAYS(&talk, "\x89\x01"
                "1\x89\x01"
                "2\x89\x01"
                "3\x82\x00");
    CHECK_INT(talk_want(&talk), SL_OK);
    load_arrives(&load, &talk);
    READS(&talk, "\x8a\x81" KEY "3\x89\x83" KEY "new");
    load_end(&load, &talk);
}

TEST("answers only the newest ping when it could not answer before")
{
    each_manner(newest_pong);
}

/* ---- senders that give up ---- */

static void left_in_line(const struct manner *manner)
{
    struct talk talk;
    struct load load;
    struct sl_ws_place second;
    struct sl_ws_place third;

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    sl_websocket_init_place(talk.socket, &second);
    sl_websocket_init_place(talk.socket, &third);
    CHECK_INT(put(&talk, &second, "second", 6, true), SL_AGAIN);
    CHECK_INT(put(&talk, &third, "third", 5, true), SL_AGAIN);
    second.completion.cancel(&second.completion);
    CHECK_INT(talk_wait(&talk, &second), SL_CANCELLED);
    load_arrives(&load, &talk);
    READS(&talk, "\x81\x85" KEY "third");
    CHECK_INT(talk_wait(&talk, &third), SL_OK);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OPEN);
    sl_ws_place_fini(&second);
    sl_ws_place_fini(&third);
    load_end(&load, &talk);
}

TEST("goes on when a sender gives up of whom nothing was sent")
{
    each_manner(left_in_line);
}

static void left_in_frame(const struct manner *manner)
{
    struct talk talk;
    struct load load;
    struct sl_ws_place second;

    talk_defaults(&talk);
    load_begin(&load, &talk, manner);
    sl_websocket_init_place(talk.socket, &second);
    CHECK_INT(put(&talk, &second, "second", 6, true), SL_AGAIN);
    sl_websocket_leave(&load.place);
    CHECK_INT(talk_wait(&talk, &load.place), SL_CANCELLED);
    CHECK_INT(talk_wait(&talk, &second), SL_CLOSED);
    CHECK_INT(talk.socket->phase, SL_WEBSOCKET_OVER);
    talk_ends(&talk, SL_CANCELLED, SL_WS_ABNORMAL,
              "a send ended in the middle of its message");
    sl_ws_place_fini(&second);
    load_end(&load, &talk);
}

TEST("is lost when a sender gives up in the middle of a frame")
{
    each_manner(left_in_frame);
}

static void left_between(const struct manner *manner)
{
    struct talk talk;
    struct sl_ws_place stream;

    begin(&talk, manner);
    sl_websocket_init_place(talk.socket, &stream);
    CHECK_INT(put(&talk, &stream, "one", 3, false), SL_OK);
    sl_websocket_leave(&stream);
    READS(&talk, "\x01\x83" KEY "one\x88\xab" KEY "\x03\xf3"
                 "a send ended in the middle of its message");
    talk_ends(&talk, SL_CANCELLED, SL_WS_INTERNAL,
              "a send ended in the middle of its message");
    peer_ends(&talk);
    talk_until_over(&talk);
    sl_ws_place_fini(&stream);
    talk_fini(&talk);
}

TEST("fails when a sender gives up between two fragments, and says so")
{
    each_manner(left_between);
}

int main(void)
{
    return test_main();
}
