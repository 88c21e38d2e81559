#include "conn/channel.h"

#include "spec/c/io/world.h"
#include "spec/c/tls/framed.h"

/* What a channel is made of, and the server's end of it. */
struct talk {
    struct world world;
    struct sl_tls_context *context;
    struct sl_channel *channel;
    struct sl_buffer buffer; /* what is taken of received bytes */
    bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                   char *reason, size_t reason_size);
    int64_t tls_timeout; /* 0: a second */
    int listener;
    int peer;
};

static enum sl_status talk_open(struct talk *talk,
                                struct sl_allocator *allocator,
                                const struct manner *manner, bool is_secure)
{
    struct sl_pool_options pool = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_opening_options options = {
        .connect.host = "127.0.0.1",
        .deadlines.resolve = SL_SECOND,
        .deadlines.connect = SL_SECOND,
        .connect.deadline = SL_NEVER,
        .connect.mode = manner->mode,
        .connect.backend = manner->backend,
        .deadlines.tls = talk->tls_timeout != 0 ? talk->tls_timeout : SL_SECOND,
        .tls.engine.identity = "x"};
    struct sl_tls_options tls = {.verifies = true, .verify = talk->verify};
    struct sl_failure failure;
    enum sl_status status = SL_OK;

    talk->context = NULL;
    talk->channel = NULL;
    talk->peer = -1;
    if (!world_open(&talk->world, allocator, &pool))
        return SL_MEMORY;
    sl_buffer_init(&talk->buffer, &talk->world.pool, SIZE_MAX);
    talk->listener = peer_listen(4, &options.connect.port);
    if (is_secure) {
        options.tls.provider = &framed_provider;
        status = framed_provider.context_create(allocator, &tls, &talk->context,
                                                &failure);
        options.tls.context = talk->context;
    }
    if (status == SL_OK)
        status = sl_channel_create(&talk->world.loop, &talk->world.pool,
                                   talk->world.resolver, &options,
                                   &talk->channel, &failure);
    return status;
}

static void talk_close(struct talk *talk)
{
    if (talk->channel != NULL)
        sl_channel_destroy(talk->channel);
    if (talk->context != NULL)
        framed_provider.context_release(talk->context);
    sl_buffer_fini(&talk->buffer);
    if (talk->peer >= 0)
        close(talk->peer);
    close(talk->listener);
    world_close(&talk->world);
}

static void step_until_over(struct talk *talk,
                            struct sl_channel_operation *operation)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (operation->completion.state != SL_COMPLETION_DONE &&
           sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&talk->world.loop, 10 * SL_MILLISECOND), SL_OK);
    REQUIRE(operation->completion.state == SL_COMPLETION_DONE);
}

/* The result of an operation, waiting for it. */
static enum sl_status result_of(struct talk *talk,
                                struct sl_channel_operation *operation)
{
    step_until_over(talk, operation);
    return (enum sl_status)operation->completion.status;
}

static void accept_peer(struct talk *talk)
{
    int64_t until = sl_clock_now() + PATIENCE;

    make_nonblocking(talk->listener);
    while (talk->peer < 0 && sl_clock_now() < until) {
        CHECK_INT(sl_loop_step(&talk->world.loop, SL_MILLISECOND), SL_OK);
        talk->peer = accept(talk->listener, NULL, NULL);
    }
    REQUIRE(talk->peer >= 0);
}

static void talk_init(struct talk *talk, const struct manner *manner)
{
    test_allocator_init(&talk->world.own);
    REQUIRE(talk_open(talk, &talk->world.own.base, manner, false) == SL_OK);
    REQUIRE(result_of(talk, &talk->channel->opening) == SL_OK);
    accept_peer(talk);
}

static void talk_fini(struct talk *talk)
{
    talk_close(talk);
    test_allocator_fini(&talk->world.own);
}

static void begin_send(struct talk *talk, const char *text)
{
    struct sl_sequence none;

    sl_sequence_init(&none, talk->world.allocator);
    REQUIRE(sl_channel_begin_send(talk->channel, sl_view(text, strlen(text)),
                                  &none, SL_NEVER) == SL_OK);
}

static enum sl_status receive(struct talk *talk, size_t wanted, int64_t due)
{
    return sl_channel_begin_receive(talk->channel, &talk->world.pool, SIZE_MAX,
                                    wanted, due);
}

static void begin_receive(struct talk *talk, int64_t due)
{
    REQUIRE(receive(talk, 4096, due) == SL_OK);
}

/* What the peer reads next, which must be this. */
static void peer_expect(struct talk *talk, const char *expected)
{
    size_t size = strlen(expected);
    size_t count = 0;
    char got[256];
    int64_t until = sl_clock_now() + PATIENCE;

    while (count < size && sl_clock_now() < until) {
        ssize_t n = recv(talk->peer, got + count, size - count, MSG_DONTWAIT);

        if (n == 0)
            break;
        if (n > 0)
            count += (size_t)n;
        else
            CHECK_INT(sl_loop_step(&talk->world.loop, SL_MILLISECOND), SL_OK);
    }
    CHECK_BYTES(got, count, expected, size);
}

/* Takes what was received, which must be this. */
static void check_taken(struct talk *talk, const char *expected)
{
    char bytes[256];
    size_t size = sl_channel_received(talk->channel);

    CHECK_INT(sl_channel_take(talk->channel, &talk->buffer, size), SL_OK);
    sl_channel_settle(&talk->channel->receiving);
    size = sl_buffer_copy_out(&talk->buffer, 0, bytes, sizeof bytes);
    CHECK_BYTES(bytes, size, expected, strlen(expected));
    sl_buffer_reset(&talk->buffer);
}

/* ---- both directions ---- */

static void both_ways(const struct manner *manner)
{
    struct talk talk = {0};
    uint32_t version;

    talk_init(&talk, manner);
    version = talk.channel->sending.completion.version;
    for (uint32_t i = 1; i <= 3; i++) {
        begin_receive(&talk, SL_NEVER);
        begin_send(&talk, "a question longer than a segment");
        CHECK_INT(result_of(&talk, &talk.channel->sending), SL_OK);
        CHECK_INT(talk.channel->sending.completion.result, 32);
        CHECK_INT(talk.channel->sending.completion.version, version + i);
        CHECK_INT(talk.channel->receiving.completion.state,
                  SL_COMPLETION_PENDING);
        peer_expect(&talk, "a question longer than a segment");
        peer_send(talk.peer, "an answer");
        CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_OK);
        CHECK_INT(talk.channel->receiving.completion.result, 9);
        check_taken(&talk, "an answer");
    }
    talk_fini(&talk);
}

TEST("sends and receives at once, always with the same two completions")
{
    each_manner(both_ways);
}

static void second_one(const struct manner *manner)
{
    struct talk talk = {0};
    struct sl_sequence none;

    talk_init(&talk, manner);
    sl_sequence_init(&none, talk.world.allocator);
    begin_receive(&talk, SL_NEVER);
    CHECK_INT(receive(&talk, 1, SL_NEVER), SL_MISUSE);
    peer_send(talk.peer, "first");
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_OK);
    check_taken(&talk, "first");
    sl_channel_close(talk.channel);
    CHECK_INT(receive(&talk, 1, SL_NEVER), SL_MISUSE);
    CHECK_INT(
        sl_channel_begin_send(talk.channel, SL_VIEW("x"), &none, SL_NEVER),
        SL_MISUSE);
    talk_fini(&talk);
}

TEST("refuses a second operation in a direction, and any once closed")
{
    each_manner(second_one);
}

/* ---- what a receive leaves ---- */

/* A receive of `text`, which is DONE. */
static void receive_text(struct talk *talk, const char *text)
{
    peer_send(talk->peer, text);
    begin_receive(talk, SL_NEVER);
    CHECK_INT(result_of(talk, &talk->channel->receiving), SL_OK);
}

static void left_over(const struct manner *manner)
{
    struct talk talk = {0};
    struct sl_channel_operation *receiving;

    talk_init(&talk, manner);
    receiving = &talk.channel->receiving;
    receive_text(&talk, "abcdef");
    CHECK_INT(sl_channel_received(talk.channel), 6); /* asked, not taken */
    for (int i = 0; i < 2; i++) {
        CHECK_INT(receive(&talk, 4, SL_NEVER), SL_OK);
        CHECK_INT(receiving->completion.state, SL_COMPLETION_DONE);
        CHECK(!receiving->is_taken);
        check_taken(&talk, i == 0 ? "abcd" : "ef");
        CHECK(receiving->is_taken);
    }
    receive_text(&talk, "more");
    check_taken(&talk, "more");
    talk_fini(&talk);
}

TEST("passes bytes that a receive left to the next one, at once")
{
    each_manner(left_over);
}

static void too_small(const struct manner *manner)
{
    struct talk talk = {0};
    struct sl_buffer small;
    struct sl_view view;

    talk_init(&talk, manner);
    sl_buffer_init(&small, &talk.world.pool, 3);
    receive_text(&talk, "abcdef");
    sl_channel_settle(&talk.channel->receiving);
    CHECK_INT(sl_channel_take(talk.channel, &small, 6), SL_LIMIT);
    CHECK_INT(small.length, 0);
    CHECK_INT(receive(&talk, 3, SL_NEVER), SL_OK);
    CHECK_INT(sl_channel_received(talk.channel), 3);
    CHECK_INT(sl_channel_take(talk.channel, &small, 3), SL_OK);
    CHECK_INT(small.length, 3);
    CHECK_INT(sl_channel_peek(talk.channel, 2, &view), SL_OK);
    CHECK_BYTES(view.data, 2, "de", 2);
    sl_channel_consume(talk.channel, 2);
    CHECK_INT(sl_channel_received(talk.channel), 1);
    sl_buffer_fini(&small);
    talk_fini(&talk);
}

TEST("keeps bytes for which the caller has no room")
{
    each_manner(too_small);
}

static void unasked(const struct manner *manner)
{
    struct talk talk = {0};

    talk_init(&talk, manner);
    CHECK(!sl_channel_is_unasked(talk.channel));
    receive_text(&talk, "abcdef");
    CHECK(sl_channel_is_unasked(talk.channel));
    CHECK_INT(receive(&talk, 1, SL_NEVER), SL_MISUSE);
    CHECK_INT(sl_channel_received(talk.channel), 6);
    CHECK(!sl_channel_is_unasked(talk.channel));
    CHECK_INT(receive(&talk, 1, SL_NEVER), SL_OK);
    check_taken(&talk, "a");

    /* A failure leaves nothing to take. */
    CHECK_INT(receive(&talk, 9, SL_NEVER), SL_OK);
    check_taken(&talk, "bcdef");
    begin_receive(&talk, talk.world.loop.now + SL_MILLISECOND);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_TIMEOUT);
    receive_text(&talk, "on");
    check_taken(&talk, "on");
    talk_fini(&talk);
}

TEST("refuses a receive until the previous one's bytes were taken")
{
    each_manner(unasked);
}

static void dropped(const struct manner *manner)
{
    struct talk talk = {0};

    talk_init(&talk, manner);
    receive_text(&talk, "never taken");
    sl_channel_close(talk.channel);
    CHECK_INT(sl_channel_received(talk.channel), 0);
    CHECK_INT(talk.channel->receiving.completion.status, SL_OK);
    sl_channel_consume(talk.channel, 5); /* a view's owner comes too late */
    talk_fini(&talk);
}

TEST("releases what it holds when it is closed")
{
    each_manner(dropped);
}

/* ---- ends ---- */

static void cancelled(const struct manner *manner)
{
    struct talk talk = {0};
    struct sl_completion *completion;

    talk_init(&talk, manner);
    completion = &talk.channel->receiving.completion;
    begin_receive(&talk, SL_NEVER);
    completion->cancel(completion);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_CANCELLED);
    peer_send(talk.peer, "late");
    begin_receive(&talk, SL_NEVER);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_OK);
    check_taken(&talk, "late");

    begin_receive(&talk, talk.world.loop.now + SL_MILLISECOND);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_TIMEOUT);
    peer_send(talk.peer, "later");
    begin_receive(&talk, talk.world.loop.now + PATIENCE);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_OK);
    check_taken(&talk, "later");
    begin_send(&talk, "still here");
    CHECK_INT(result_of(&talk, &talk.channel->sending), SL_OK);
    peer_expect(&talk, "still here");
    talk_fini(&talk);
}

TEST("loses no bytes when a receive is cancelled or times out")
{
    each_manner(cancelled);
}

static void closed(const struct manner *manner)
{
    struct talk talk = {0};

    talk_init(&talk, manner);
    begin_receive(&talk, SL_NEVER);
    sl_channel_close(talk.channel);
    sl_channel_close(talk.channel);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_CANCELLED);
    CHECK_STR(talk.channel->receiving.failure.reason, "transport is closed");
    CHECK_INT(sl_channel_received(talk.channel), 0);
    talk_fini(&talk);
}

/* A stream tries first: while the socket is full nothing of a send begins. */
static void cancel_unbegun(const struct manner *manner)
{
    static const char filling[65536];
    struct talk talk = {.verify = NULL};
    struct sl_channel_operation *sending;
    char bytes[65536];
    ssize_t n;
    int fd;

    if (manner->mode != SL_TRANSPORT_STREAM)
        return;
    talk_init(&talk, manner);
    sending = &talk.channel->sending;
    fd = talk.channel->link.transport->socket.fd;
    while (send(fd, filling, sizeof filling, MSG_NOSIGNAL) > 0)
        continue;
    CHECK_INT(
        sl_channel_begin_send(talk.channel, SL_VIEW("never"), NULL, SL_NEVER),
        SL_OK);
    CHECK_INT(sending->completion.state, SL_COMPLETION_PENDING);
    sending->completion.cancel(&sending->completion);
    CHECK_INT(result_of(&talk, sending), SL_CANCELLED);
    make_nonblocking(talk.peer);
    CHECK_INT(
        sl_channel_begin_send(talk.channel, SL_VIEW("after"), NULL, SL_NEVER),
        SL_OK);
    for (int i = 0; sending->completion.state != SL_COMPLETION_DONE; i++) {
        REQUIRE(i < 10000);
        while ((n = recv(talk.peer, bytes, sizeof bytes, 0)) > 0)
            continue;
        sl_loop_step(&talk.world.loop, SL_MILLISECOND);
    }
    CHECK_INT(sending->completion.status, SL_OK);
    talk_fini(&talk);
}

TEST("goes on after a cancelled send of which no byte was sent")
{
    each_manner(cancel_unbegun);
}

TEST("ends operations under way with SL_CANCELLED when it is closed")
{
    each_manner(closed);
}

static void peer_ends(const struct manner *manner)
{
    struct talk talk = {0};

    talk_init(&talk, manner);
    peer_send(talk.peer, "last");
    REQUIRE(shutdown(talk.peer, SHUT_WR) == 0);
    begin_receive(&talk, SL_NEVER);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_OK);
    check_taken(&talk, "last");
    for (int i = 0; i < 2; i++) {
        begin_receive(&talk, SL_NEVER);
        CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_END);
    }
    begin_send(&talk, "half open");
    CHECK_INT(result_of(&talk, &talk.channel->sending), SL_OK);
    peer_expect(&talk, "half open");
    talk_fini(&talk);

    talk_init(&talk, manner);
    peer_reset(talk.peer);
    talk.peer = -1;
    begin_receive(&talk, SL_NEVER);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_CLOSED);
    talk_fini(&talk);
}

TEST("distinguishes an end from a reset")
{
    each_manner(peer_ends);
}

/* ---- TLS ---- */

/* One frame from the server, as it would come in. */
static void peer_frame(struct talk *talk, char kind, const char *content)
{
    struct sl_buffer wire;
    char bytes[256];
    size_t size;

    sl_buffer_init(&wire, &talk->world.pool, SIZE_MAX);
    REQUIRE(framed_put(&wire, kind, sl_view(content, strlen(content))) ==
            SL_OK);
    size = sl_buffer_copy_out(&wire, 0, bytes, sizeof bytes);
    sl_buffer_fini(&wire);
    REQUIRE(send(talk->peer, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static void secure(const struct manner *manner)
{
    struct talk talk = {0};

    test_allocator_init(&talk.world.own);
    REQUIRE(talk_open(&talk, &talk.world.own.base, manner, true) == SL_OK);
    accept_peer(&talk);
    peer_frame(&talk, 'W', "");
    CHECK_INT(result_of(&talk, &talk.channel->opening), SL_OK);
    CHECK(talk.channel->peer != NULL);
    begin_receive(&talk, SL_NEVER);
    begin_send(&talk, "hidden");
    CHECK_INT(result_of(&talk, &talk.channel->sending), SL_OK);
    peer_frame(&talk, 'K', "");
    peer_frame(&talk, 'D', "answer");
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_OK);
    check_taken(&talk, "answer");
    peer_frame(&talk, 'C', "");
    begin_receive(&talk, SL_NEVER);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_END);
    talk_fini(&talk);

    /* Cut off: an end without close_notify. */
    test_allocator_init(&talk.world.own);
    REQUIRE(talk_open(&talk, &talk.world.own.base, manner, true) == SL_OK);
    accept_peer(&talk);
    peer_frame(&talk, 'W', "");
    CHECK_INT(result_of(&talk, &talk.channel->opening), SL_OK);
    REQUIRE(shutdown(talk.peer, SHUT_WR) == 0);
    begin_receive(&talk, SL_NEVER);
    CHECK_INT(result_of(&talk, &talk.channel->receiving), SL_CLOSED);
    talk_fini(&talk);
}

TEST("speaks TLS, and does not take a truncation for an end")
{
    each_manner(secure);
}

/* The frame without content that comes next, behind "H127.0.0.1". */
static void peer_expect_end_of_handshake(struct talk *talk)
{
    char got[3 + 9 + 3];
    size_t count = 0;
    int64_t until = sl_clock_now() + PATIENCE;

    while (count < sizeof got && sl_clock_now() < until) {
        ssize_t n =
            recv(talk->peer, got + count, sizeof got - count, MSG_DONTWAIT);

        if (n > 0)
            count += (size_t)n;
        else
            CHECK_INT(sl_loop_step(&talk->world.loop, SL_MILLISECOND), SL_OK);
    }
    REQUIRE(count == sizeof got);
    CHECK_BYTES(got + 12, 3, "A\0\0", 3);
}

static void silent(const struct manner *manner)
{
    struct talk talk = {0};

    test_allocator_init(&talk.world.own);
    REQUIRE(talk_open(&talk, &talk.world.own.base, manner, true) == SL_OK);
    accept_peer(&talk);
    peer_frame(&talk, 'W', "?");
    CHECK_INT(result_of(&talk, &talk.channel->opening), SL_OK);
    peer_expect_end_of_handshake(&talk);
    talk_fini(&talk);
}

TEST("ends its handshake at once, though the program sends nothing")
{
    each_manner(silent);
}

static void refused(const struct manner *manner)
{
    struct talk talk = {0};

    for (int is_silent = 0; is_silent < 2; is_silent++) {
        test_allocator_init(&talk.world.own);
        talk.tls_timeout = is_silent ? 20 * SL_MILLISECOND : SL_SECOND;
        REQUIRE(talk_open(&talk, &talk.world.own.base, manner, true) == SL_OK);
        accept_peer(&talk);
        if (!is_silent)
            peer_frame(&talk, 'X', "not you");
        CHECK_INT(result_of(&talk, &talk.channel->opening),
                  is_silent ? SL_TIMEOUT : SL_TLS);
        CHECK_INT(talk.channel->opening.failure.stage, SL_STAGE_TLS);
        CHECK_INT(talk.channel->phase, SL_CHANNEL_CLOSED);
        talk_fini(&talk);
    }
}

TEST("reports a handshake that fails or takes too long")
{
    each_manner(refused);
}

static struct talk asked;

/* The engine that calls this must still be there when it returns. */
static bool close_it(void *owner, const struct sl_tls_certificate *peer,
                     char *reason, size_t reason_size)
{
    (void)owner;
    (void)peer;
    (void)reason;
    (void)reason_size;
    sl_channel_close(asked.channel);
    return true;
}

static bool cancel_it(void *owner, const struct sl_tls_certificate *peer,
                      char *reason, size_t reason_size)
{
    struct sl_completion *opening = &asked.channel->opening.completion;

    (void)owner;
    (void)peer;
    (void)reason;
    (void)reason_size;
    opening->cancel(opening);
    return true;
}

static bool release_it(void *owner, const struct sl_tls_certificate *peer,
                       char *reason, size_t reason_size)
{
    struct sl_channel *channel = asked.channel;

    close_it(owner, peer, reason, reason_size);
    asked.channel = NULL;
    sl_channel_destroy(channel);
    return false;
}

static void ended_inside(const struct manner *manner)
{
    asked.verify = close_it;
    for (int i = 0; i < 2; i++) {
        test_allocator_init(&asked.world.own);
        REQUIRE(talk_open(&asked, &asked.world.own.base, manner, true) ==
                SL_OK);
        accept_peer(&asked);
        peer_frame(&asked, 'W', "");
        CHECK_INT(result_of(&asked, &asked.channel->opening), SL_CANCELLED);
        CHECK_INT(asked.channel->phase, SL_CHANNEL_CLOSED);
        CHECK(asked.channel->link.transport == NULL);
        talk_fini(&asked);
        asked.verify = cancel_it;
    }

    asked.verify = release_it;
    test_allocator_init(&asked.world.own);
    REQUIRE(talk_open(&asked, &asked.world.own.base, manner, true) == SL_OK);
    accept_peer(&asked);
    peer_frame(&asked, 'W', "");
    for (int64_t until = sl_clock_now() + PATIENCE;
         asked.channel != NULL && sl_clock_now() < until;)
        CHECK_INT(sl_loop_step(&asked.world.loop, SL_MILLISECOND), SL_OK);
    CHECK(asked.channel == NULL);
    talk_fini(&asked);
}

TEST("may be ended from inside its own handshake")
{
    each_manner(ended_inside);
}

int main(void)
{
    return test_main();
}
