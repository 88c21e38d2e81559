#include "conn/link.h"
#include "io/transport_class.h"

#include "spec/c/io/world.h"
#include "spec/c/tls/framed.h"

/* The layers of TLS of a link. */
enum layers { PLAIN, TLS, TLS_IN_TLS };

/* A link over one end of a socket pair; the test is the other end. */
struct pair {
    struct world world;
    struct sl_tls_context *context;
    struct sl_link link;
    struct sl_buffer buffer;
    bool is_open;
    int peer;
};

static enum sl_status add_layer(struct pair *pair, enum sl_stage stage)
{
    struct sl_tls_engine *engine;
    struct sl_failure failure;
    enum sl_status status = framed_provider.engine_create(
        pair->context, &pair->world.pool,
        &(struct sl_tls_engine_options){.host = "host.test", .identity = "x"},
        &engine, &failure);

    if (status == SL_OK)
        status = sl_link_secure(&pair->link, &pair->world.pool,
                                &framed_provider, engine, stage);
    return status;
}

static enum sl_status make_context(struct pair *pair)
{
    struct sl_tls_options options = {.verifies = true};
    struct sl_failure failure;

    return framed_provider.context_create(pair->world.allocator, &options,
                                          &pair->context, &failure);
}

static enum sl_status pair_open(struct pair *pair,
                                struct sl_allocator *allocator,
                                const struct manner *manner, enum layers layers)
{
    struct sl_pool_options pool = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_transport *transport;
    enum sl_status status;
    int ours;

    memset(&pair->link, 0, sizeof pair->link);
    pair->context = NULL;
    pair->is_open = false;
    pair->peer = -1;
    if (!world_open(&pair->world, allocator, &pool))
        return SL_MISUSE;
    sl_buffer_init(&pair->buffer, &pair->world.pool, SIZE_MAX);
    peer_pair(&ours, &pair->peer);
    make_nonblocking(pair->peer);
    status = transport_create(&pair->world.loop, manner->backend, manner->mode,
                              ours, &transport);
    if (status != SL_OK)
        return status;
    sl_link_init(&pair->link, allocator, transport);
    pair->is_open = true;
    status = layers > PLAIN ? make_context(pair) : SL_OK;
    if (status == SL_OK && layers > PLAIN)
        status = add_layer(pair, layers > TLS ? SL_STAGE_PROXY : SL_STAGE_TLS);
    return status;
}

static void pair_close(struct pair *pair)
{
    if (pair->is_open)
        sl_link_close(&pair->link, false);
    if (pair->context != NULL)
        framed_provider.context_release(pair->context);
    sl_buffer_fini(&pair->buffer);
    if (pair->peer >= 0)
        close(pair->peer);
    world_close(&pair->world);
}

static void pair_init(struct pair *pair, const struct manner *manner,
                      enum layers layers)
{
    test_allocator_init(&pair->world.own);
    REQUIRE(pair_open(pair, &pair->world.own.base, manner, layers) == SL_OK);
}

static void pair_fini(struct pair *pair)
{
    pair_close(pair);
    test_allocator_fini(&pair->world.own);
}

/* One frame from the server; false: no memory for it. */
static bool peer_frame(struct pair *pair, char kind, const char *content)
{
    struct sl_buffer wire;
    char bytes[256];
    size_t size;
    enum sl_status status;

    sl_buffer_init(&wire, &pair->world.pool, SIZE_MAX);
    status = framed_put(&wire, kind, sl_view(content, strlen(content)));
    size = sl_buffer_copy_out(&wire, 0, bytes, sizeof bytes);
    sl_buffer_fini(&wire);
    if (status == SL_OK)
        REQUIRE(send(pair->peer, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
    return status == SL_OK;
}

/* The first answer that is not SL_AGAIN. */
static enum sl_status handshake(struct pair *pair)
{
    struct sl_failure failure;
    enum sl_status status;
    int64_t until = sl_clock_now() + PATIENCE;

    while ((status = sl_link_handshake(&pair->link, &failure)) == SL_AGAIN &&
           sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&pair->world.loop, SL_MILLISECOND), SL_OK);
    return status;
}

static enum sl_status receive(struct pair *pair, size_t *received)
{
    struct sl_failure failure;
    enum sl_status status;
    int64_t until = sl_clock_now() + PATIENCE;

    while ((status = sl_link_receive(&pair->link, &pair->buffer, 4096, received,
                                     &failure)) == SL_AGAIN &&
           sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&pair->world.loop, SL_MILLISECOND), SL_OK);
    return status;
}

static enum sl_status send_all(struct pair *pair, struct sl_view text)
{
    struct sl_failure failure;
    enum sl_status status = SL_OK;
    int64_t until = sl_clock_now() + PATIENCE;

    while (text.size > 0 && sl_clock_now() < until) {
        size_t sent = 0;

        status = sl_link_send(&pair->link, &text, 1, &sent, &failure);
        if (status != SL_OK && status != SL_AGAIN)
            return status;
        text = sl_view(text.data + sent, text.size - sent);
        if (status == SL_AGAIN)
            CHECK_INT(sl_loop_step(&pair->world.loop, SL_MILLISECOND), SL_OK);
    }
    while ((status = sl_link_flush(&pair->link, &failure)) == SL_AGAIN &&
           sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&pair->world.loop, SL_MILLISECOND), SL_OK);
    return status;
}

static void check_buffer(struct pair *pair, const char *expected)
{
    char bytes[256];
    size_t size = sl_buffer_copy_out(&pair->buffer, 0, bytes, sizeof bytes);

    CHECK_BYTES(bytes, size, expected, strlen(expected));
    sl_buffer_reset(&pair->buffer);
}

static void plain(const struct manner *manner)
{
    struct pair pair;
    size_t received;
    char bytes[64];

    pair_init(&pair, manner, PLAIN);
    CHECK_INT(send_all(&pair, SL_VIEW("question")), SL_OK);
    world_settle(&pair.world);
    for (int i = 0; i < 1000 && recv(pair.peer, bytes, 8, MSG_PEEK) != 8; i++)
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
    CHECK_INT(recv(pair.peer, bytes, sizeof bytes, 0), 8);
    CHECK_BYTES(bytes, 8, "question", 8);
    peer_send(pair.peer, "answer");
    CHECK_INT(receive(&pair, &received), SL_OK);
    CHECK_INT(received, 6);
    check_buffer(&pair, "answer");
    REQUIRE(shutdown(pair.peer, SHUT_WR) == 0);
    CHECK_INT(receive(&pair, &received), SL_END);
    CHECK(pair.link.is_clean_end);
    pair_fini(&pair);
}

TEST("passes bytes through without TLS, and takes any end as an end")
{
    each_manner(plain);
}

static void ends(const struct manner *manner)
{
    struct pair pair;
    size_t received;

    for (int is_clean = 0; is_clean < 2; is_clean++) {
        pair_init(&pair, manner, TLS);
        REQUIRE(peer_frame(&pair, 'W', ""));
        CHECK_INT(handshake(&pair), SL_OK);
        CHECK_INT(handshake(&pair), SL_OK);
        CHECK_INT(send_all(&pair, SL_VIEW("more than one segment of bytes")),
                  SL_OK);
        REQUIRE(peer_frame(&pair, 'D', "some "));
        REQUIRE(peer_frame(&pair, 'D', "content"));
        if (is_clean)
            REQUIRE(peer_frame(&pair, 'C', ""));
        REQUIRE(shutdown(pair.peer, SHUT_WR) == 0);
        while (pair.buffer.length < 12 && receive(&pair, &received) == SL_OK)
            CHECK(received > 0);
        check_buffer(&pair, "some content");
        CHECK_INT(receive(&pair, &received), SL_END);
        CHECK_INT(pair.link.is_clean_end, is_clean);
        pair_fini(&pair);
    }
}

TEST("delivers all content before its end, and recognises a clean end")
{
    each_manner(ends);
}

/* ---- one system call for all that was encrypted ---- */

static const struct sl_transport_class *counted;
static int sends;

static enum sl_status count_send(struct sl_transport *transport,
                                 const struct sl_view *views, size_t count,
                                 size_t *sent)
{
    sends++;
    return counted->send(transport, views, count, sent);
}

static void begin_counting(struct pair *pair,
                           struct sl_transport_class *counting)
{
    counted = pair->link.transport->class;
    *counting = *counted;
    counting->send = count_send;
    pair->link.transport->class = counting;
    sends = 0;
}

static void sends_at_once(const struct manner *manner)
{
    static const char text[100];
    struct sl_transport_class counting;
    struct sl_view views[2] = {{text, 40}, {text, 60}};
    struct sl_failure failure;
    struct pair pair;
    size_t sent;

    pair_init(&pair, manner, TLS);
    REQUIRE(peer_frame(&pair, 'W', ""));
    CHECK_INT(handshake(&pair), SL_OK);
    world_settle(&pair.world);
    begin_counting(&pair, &counting);
    CHECK_INT(sl_link_send(&pair.link, views, 2, &sent, &failure), SL_OK);
    CHECK_INT(sent, sizeof text);
    CHECK_INT(sends, 1); /* of several segments */
    pair.link.transport->class = counted;
    pair_fini(&pair);
}

TEST("sends what it has encrypted by one call")
{
    each_manner(sends_at_once);
}

static void sends_flight(const struct manner *manner)
{
    for (int is_silent = 0; is_silent < 2; is_silent++) {
        struct sl_transport_class counting;
        struct sl_view text = SL_VIEW("question");
        struct sl_failure failure;
        struct pair pair;
        int64_t until;
        size_t size;

        pair_init(&pair, manner, TLS);
        REQUIRE(peer_frame(&pair, 'W', "?"));
        begin_counting(&pair, &counting);
        CHECK_INT(handshake(&pair), SL_OK);
        until = sl_clock_now() + PATIENCE;
        while (sl_transport_flush(pair.link.transport) == SL_AGAIN &&
               sl_clock_now() < until)
            CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
        sends = 0;
        CHECK_INT(sl_link_unsent(&pair.link), 3);
        CHECK_INT(
            sl_link_receive(&pair.link, &pair.buffer, 10, &size, &failure),
            SL_AGAIN);
        CHECK_INT(sends, 0);
        if (is_silent)
            CHECK_INT(sl_link_flush(&pair.link, &failure), SL_OK);
        else
            CHECK_INT(sl_link_send(&pair.link, &text, 1, &size, &failure),
                      SL_OK);
        CHECK_INT(sends, 1);
        CHECK(sl_link_is_flushed(&pair.link));
        pair.link.transport->class = counted;
        pair_fini(&pair);
    }
}

TEST("sends the end of a handshake with the first content, or when flushed")
{
    each_manner(sends_flight);
}

/* ---- what TLS sends by itself ---- */

static void greet(struct pair *pair, const struct manner *manner)
{
    pair_init(pair, manner, TLS);
    REQUIRE(peer_frame(pair, 'W', ""));
    CHECK_INT(handshake(pair), SL_OK);
}

static void peer_bytes(struct pair *pair, const char *bytes, size_t size)
{
    REQUIRE(send(pair->peer, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static enum sl_status send_once(struct pair *pair, size_t *sent)
{
    struct sl_view text = SL_VIEW("question");
    struct sl_failure failure;

    return sl_link_send(&pair->link, &text, 1, sent, &failure);
}

static enum sl_status receive_once(struct pair *pair)
{
    struct sl_failure failure;
    size_t received;

    return sl_link_receive(&pair->link, &pair->buffer, 4096, &received,
                           &failure);
}

static int decrypts;

static enum sl_status count_decrypt(struct sl_tls_engine *engine,
                                    struct sl_buffer *in,
                                    struct sl_buffer *plain, size_t want,
                                    struct sl_buffer *out,
                                    struct sl_failure *failure)
{
    decrypts++;
    return framed_provider.decrypt(engine, in, plain, want, out, failure);
}

static void asks_once(const struct manner *manner)
{
    struct sl_tls_provider counting = framed_provider;
    int64_t until = sl_clock_now() + PATIENCE;
    struct pair pair;
    size_t count;

    counting.decrypt = count_decrypt;
    greet(&pair, manner);
    pair.link.tls->provider = &counting;
    CHECK_INT(receive_once(&pair), SL_AGAIN);
    decrypts = 0;
    CHECK(sl_link_is_quiet(&pair.link));
    CHECK_INT(send_once(&pair, &count), SL_OK);
    CHECK_INT(receive_once(&pair), SL_AGAIN);
    CHECK_INT(decrypts, 0);
    REQUIRE(peer_frame(&pair, 'D', "answer"));
    CHECK_INT(receive(&pair, &count), SL_OK);
    check_buffer(&pair, "answer");
    CHECK(decrypts > 0);

    /* What a sender has received may hold an end. */
    peer_bytes(&pair, "D\0\1xM\0\10half", 11);
    CHECK_INT(receive(&pair, &count), SL_OK);
    CHECK_INT(receive_once(&pair), SL_AGAIN);
    peer_bytes(&pair, "half", 4);
    REQUIRE(peer_frame(&pair, 'C', ""));
    while (send_once(&pair, &count) == SL_AGAIN && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
    CHECK_INT(receive(&pair, &count), SL_END);
    CHECK(pair.link.is_clean_end);
    pair_fini(&pair);
}

TEST("asks its engine for content only where bytes have come")
{
    each_manner(asks_once);
}

static void stuck(const struct manner *manner)
{
    struct pair pair;
    enum sl_status status = SL_AGAIN;
    int64_t until = sl_clock_now() + PATIENCE;
    size_t received;
    size_t sent;

    greet(&pair, manner);
    peer_bytes(&pair, "D\0\1xM\0\10half", 11);
    CHECK_INT(receive(&pair, &received), SL_OK);
    CHECK_INT(receive_once(&pair), SL_AGAIN);
    CHECK_INT(send_once(&pair, &sent), SL_AGAIN);
    CHECK_INT(sent, 0);
    CHECK(sl_link_is_stuck(&pair.link));

    /* A receiver is notified that it can go on. */
    peer_bytes(&pair, "half", 4);
    while (sl_link_is_stuck(&pair.link) && sl_clock_now() < until) {
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
        CHECK_INT(receive_once(&pair), SL_AGAIN);
    }
    CHECK_INT(send_once(&pair, &sent), SL_OK);
    CHECK_INT(sent, 8);

    /* So is a sender. */
    peer_bytes(&pair, "D\0\1xM\0\10half", 11);
    CHECK_INT(receive(&pair, &received), SL_OK);
    CHECK_INT(receive_once(&pair), SL_AGAIN);
    CHECK_INT(send_once(&pair, &sent), SL_AGAIN);
    peer_bytes(&pair, "half", 4);
    while (status == SL_AGAIN && sl_clock_now() < until) {
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
        status = send_once(&pair, &sent);
    }
    CHECK_INT(status, SL_OK);
    CHECK(!sl_link_is_stuck(&pair.link));

    /* And it fails when the rest does not come. */
    peer_bytes(&pair, "D\0\1xM\0\10half", 11);
    CHECK_INT(receive(&pair, &received), SL_OK);
    CHECK_INT(receive_once(&pair), SL_AGAIN);
    REQUIRE(shutdown(pair.peer, SHUT_WR) == 0);
    while ((status = send_once(&pair, &sent)) == SL_AGAIN &&
           sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
    CHECK_INT(status, SL_CLOSED);
    pair_fini(&pair);
}

TEST("sends nothing while the peer has sent only part of a message")
{
    each_manner(stuck);
}

#define MOST_ASKED ((size_t)600 * 1000)

/* Questions as far as the socket takes them, behind so many bytes of them. */
static size_t ask(const struct pair *pair, size_t before)
{
    char questions[3000];
    size_t count = 0;
    ssize_t n = 1;

    for (size_t i = 0; i < sizeof questions; i += 3)
        memcpy(questions + i, "Q\0\0", 3);
    while (n > 0 && before + count < MOST_ASKED) {
        n = send(pair->peer, questions + (before + count) % 3, 2700,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        count += n > 0 ? (size_t)n : 0;
    }
    return count;
}

static void can_move(void *owner)
{
    CHECK_INT(receive_once(owner), SL_AGAIN);
}

static const struct sl_transport_events whenever = {can_move, can_move};

/* A peer that asks and does not read, until nothing moves; then it reads, and
 * events alone get the rest going. */
static void flood(const struct manner *manner)
{
    struct pair pair;
    int64_t until = sl_clock_now() + PATIENCE;
    size_t asked = 0; /* bytes, three for each */
    size_t answered = 0;
    size_t most = 0;
    char bytes[65536];
    ssize_t n;

    greet(&pair, manner);
    for (int quiet = 0; quiet < 20 && asked < MOST_ASKED; quiet++) {
        size_t count = ask(&pair, asked);

        if (count > 0)
            quiet = 0;
        asked += count;
        CHECK_INT(receive_once(&pair), SL_AGAIN);
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
        if (pair.link.tls->out.length > most)
            most = pair.link.tls->out.length;
    }
    CHECK(most > 0 && most <= 160 * 1024);
    asked -= asked % 3; /* half a question has no answer */
    sl_transport_bind(pair.link.transport, &whenever, &pair);
    can_move(&pair);
    while (answered < asked + 12 && sl_clock_now() < until) {
        while ((n = recv(pair.peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
            answered += (size_t)n;
        CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
    }
    CHECK_INT(answered, asked + 12); /* 12: the greeting */
    pair_fini(&pair);
}

TEST("does not gather answers for a peer that sends and does not read")
{
    each_manner(flood);
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    struct pair pair;
    enum sl_status status = pair_open(&pair, allocator, argument, TLS);
    size_t received;

    if (status == SL_MISUSE)
        return;
    if (status == SL_OK && peer_frame(&pair, 'W', ""))
        status = handshake(&pair);
    if (status == SL_OK)
        status = send_all(&pair, SL_VIEW("question"));
    if (status == SL_OK && peer_frame(&pair, 'D', "answer"))
        status = receive(&pair, &received);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    pair_close(&pair);
}

TEST("survives every failed allocation")
{
    struct manner manner = {SL_TRANSPORT_STREAM, sl_backend_find("poll")};

    test_each_failure(whole_life, &manner);
}

/* ---- TLS in TLS ---- */

/* A frame of the inner layer, in pieces of `size` bytes, each in a frame of the
 * outer one. */
static bool peer_inner(struct pair *pair, char kind, const char *content,
                       size_t size)
{
    struct sl_buffer wire;
    char bytes[256];
    size_t length;
    enum sl_status status;

    sl_buffer_init(&wire, &pair->world.pool, SIZE_MAX);
    status = framed_put(&wire, kind, sl_view(content, strlen(content)));
    length = sl_buffer_copy_out(&wire, 0, bytes, sizeof bytes);
    sl_buffer_reset(&wire);
    for (size_t i = 0; i < length && status == SL_OK; i += size)
        status = framed_put(
            &wire, 'D',
            sl_view(bytes + i, length - i < size ? length - i : size));
    length = sl_buffer_copy_out(&wire, 0, bytes, sizeof bytes);
    sl_buffer_fini(&wire);
    if (status == SL_OK)
        REQUIRE(send(pair->peer, bytes, length, MSG_NOSIGNAL) ==
                (ssize_t)length);
    return status == SL_OK;
}

/* Both handshakes; the peer greets by frames in pieces of `size`. */
static enum sl_status greet_both(struct pair *pair, size_t size)
{
    enum sl_status status = SL_MEMORY;

    if (peer_frame(pair, 'W', ""))
        status = handshake(pair);
    if (status == SL_OK)
        status = add_layer(pair, SL_STAGE_TLS);
    if (status == SL_OK && !peer_inner(pair, 'W', "", size))
        status = SL_MEMORY;
    return status == SL_OK ? handshake(pair) : status;
}

/* The next frame that the client sent, of either layer. */
struct heard {
    struct sl_buffer outer;
    struct sl_buffer inner;
};

static void hear_frame(struct pair *pair, struct heard *heard, bool is_inner,
                       char kind, const char *content)
{
    int64_t until = sl_clock_now() + PATIENCE;
    char bytes[512];
    char got = 0;
    size_t size = 0;

    for (;;) {
        ssize_t n;

        if (is_inner && framed_take(&heard->inner, &got, bytes, sizeof bytes,
                                    &size) == SL_OK)
            break;
        if (framed_take(&heard->outer, &got, bytes, sizeof bytes, &size) ==
            SL_OK) {
            if (!is_inner)
                break;
            CHECK_INT(got, 'D');
            sl_buffer_append(&heard->inner, sl_view(bytes, size));
            continue;
        }
        REQUIRE(sl_clock_now() < until);
        n = recv(pair->peer, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
            sl_buffer_append(&heard->outer, sl_view(bytes, (size_t)n));
        else if (pair->is_open)
            CHECK_INT(sl_loop_step(&pair->world.loop, SL_MILLISECOND), SL_OK);
    }
    CHECK_INT(got, kind);
    CHECK_BYTES(bytes, size, content, strlen(content));
}

static void converse(const struct manner *manner)
{
    for (size_t piece = 1; piece < 12; piece++) {
        struct pair pair;
        struct heard heard;
        size_t received;

        test_note("%s, pieces of %zu", manner->backend->name, piece);
        pair_init(&pair, manner, TLS_IN_TLS);
        sl_buffer_init(&heard.outer, &pair.world.pool, SIZE_MAX);
        sl_buffer_init(&heard.inner, &pair.world.pool, SIZE_MAX);
        REQUIRE(greet_both(&pair, piece) == SL_OK);
        hear_frame(&pair, &heard, false, 'H', "host.test");
        hear_frame(&pair, &heard, true, 'H', "host.test");
        CHECK(!sl_link_can_map(&pair.link));
        CHECK_INT(send_all(&pair, SL_VIEW("question")), SL_OK);
        CHECK(sl_link_is_flushed(&pair.link));
        hear_frame(&pair, &heard, true, 'D', "question");
        REQUIRE(peer_inner(&pair, 'D', "ans", piece));
        REQUIRE(peer_inner(&pair, 'K', "", piece));
        REQUIRE(peer_frame(&pair, 'K', ""));
        REQUIRE(peer_inner(&pair, 'D', "wer", piece));
        while (pair.buffer.length < 6 && receive(&pair, &received) == SL_OK)
            CHECK(received > 0);
        check_buffer(&pair, "answer");
        /* What one layer answers goes through the other. */
        REQUIRE(peer_inner(&pair, 'Q', "", piece));
        CHECK_INT(receive_once(&pair), SL_AGAIN);
        for (int i = 0; i < 50; i++) {
            CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
            CHECK_INT(receive_once(&pair), SL_AGAIN);
        }
        hear_frame(&pair, &heard, true, 'A', "");
        sl_link_rest(&pair.link);
        pair.is_open = false;
        sl_link_close(&pair.link, false);
        world_settle(&pair.world);
        hear_frame(&pair, &heard, true, 'C', "");
        hear_frame(&pair, &heard, false, 'C', "");
        sl_buffer_fini(&heard.outer);
        sl_buffer_fini(&heard.inner);
        pair_fini(&pair);
    }
}

TEST("TLS goes through the TLS of a proxy, however it is cut")
{
    each_manner(converse);
}

/* The end of the inner layer is the peer's; the outer one is the proxy's. */
static void inner_ends(const struct manner *manner)
{
    for (int is_clean = 0; is_clean < 2; is_clean++) {
        struct pair pair;
        size_t received;

        pair_init(&pair, manner, TLS_IN_TLS);
        REQUIRE(greet_both(&pair, 64) == SL_OK);
        REQUIRE(peer_inner(&pair, 'D', "content", 64));
        if (is_clean)
            REQUIRE(peer_inner(&pair, 'C', "", 64));
        REQUIRE(peer_frame(&pair, 'C', ""));
        while (pair.buffer.length < 7 && receive(&pair, &received) == SL_OK)
            CHECK(received > 0);
        check_buffer(&pair, "content");
        CHECK_INT(receive(&pair, &received), SL_END);
        CHECK_INT(pair.link.is_clean_end, is_clean);
        pair_fini(&pair);
    }
}

TEST("a proxy's clean end is not that of the peer behind it")
{
    each_manner(inner_ends);
}

static enum sl_stage failed_stage(const struct manner *manner, bool is_inner,
                                  bool is_late)
{
    struct sl_failure failure = {0};
    struct pair pair;
    enum sl_status status;
    int64_t until = sl_clock_now() + PATIENCE;
    size_t received;

    pair_init(&pair, manner, TLS_IN_TLS);
    if (is_late || is_inner)
        REQUIRE(peer_frame(&pair, 'W', "") && handshake(&pair) == SL_OK);
    if (is_late || is_inner)
        REQUIRE(add_layer(&pair, SL_STAGE_TLS) == SL_OK);
    if (is_late)
        REQUIRE(peer_inner(&pair, 'W', "", 64) && handshake(&pair) == SL_OK);
    if (is_inner)
        REQUIRE(peer_inner(&pair, 'X', "no", 64));
    else
        REQUIRE(peer_frame(&pair, 'X', "no"));
    do {
        status = is_late ? sl_link_receive(&pair.link, &pair.buffer, 1,
                                           &received, &failure)
                         : sl_link_handshake(&pair.link, &failure);
        if (status == SL_AGAIN)
            CHECK_INT(sl_loop_step(&pair.world.loop, SL_MILLISECOND), SL_OK);
    } while (status == SL_AGAIN && sl_clock_now() < until);
    CHECK_INT(status, SL_TLS);
    pair_fini(&pair);
    return failure.stage;
}

TEST("a failure names the stage of its layer")
{
    struct manner manner = {SL_TRANSPORT_STREAM, sl_backend_find("poll")};

    CHECK_INT(failed_stage(&manner, false, false), SL_STAGE_PROXY);
    CHECK_INT(failed_stage(&manner, true, false), SL_STAGE_TLS);
    CHECK_INT(failed_stage(&manner, false, true), SL_STAGE_PROXY);
    CHECK_INT(failed_stage(&manner, true, true), SL_STAGE_TLS);
}

static void whole_inner_life(struct sl_allocator *allocator, void *argument)
{
    struct pair pair;
    enum sl_status status = pair_open(&pair, allocator, argument, TLS_IN_TLS);
    size_t received;

    if (status == SL_MISUSE)
        return;
    if (status == SL_OK)
        status = greet_both(&pair, 64);
    if (status == SL_OK)
        status = send_all(&pair, SL_VIEW("question"));
    if (status == SL_OK && peer_inner(&pair, 'D', "answer", 64))
        status = receive(&pair, &received);
    if (status == SL_OK)
        sl_link_is_quiet(&pair.link);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    pair_close(&pair);
}

TEST("TLS in TLS survives every failed allocation")
{
    struct manner manner = {SL_TRANSPORT_STREAM, sl_backend_find("poll")};

    test_each_failure(whole_inner_life, &manner);
}

/* ---- quiet ---- */

/* Long enough for what was sent to be there, and to be seen. */
static bool is_quiet(struct pair *pair)
{
    int64_t until = sl_clock_now() + SL_MILLISECOND;

    while (sl_loop_refresh(&pair->world.loop) < until)
        continue;
    return sl_link_is_quiet(&pair->link);
}

/* A worker that is just looking counts as one that may have found something. */
static bool is_quiet_now(struct pair *pair, const struct manner *manner,
                         bool is_expected)
{
    int64_t until = sl_clock_now() + PATIENCE;
    bool answer = is_quiet(pair);

    while (answer != is_expected && is_expected &&
           !manner->backend->tells_all && sl_clock_now() < until) {
        sl_loop_step(&pair->world.loop, 0);
        answer = is_quiet(pair);
    }
    return answer;
}

/* What the peer says, and whether a request may follow. */
struct saying {
    const char *kinds; /* frames; lower case: half of one; inner ones as Ek, Ed,
                        * Ec, and Eh: half of one */
    bool ends;         /* then it closes */
    bool is_quiet;
};

static const struct saying sayings_in_tls[] = {
    {"", false, true},    {"K", false, true},    {"Ek", false, true},
    {"KEk", false, true}, {"EkK", false, true},  {"Ed", false, false},
    {"Eh", false, false}, {"Ec", false, false},  {"EkEd", false, false},
    {"C", false, false},  {"EkC", false, false}, {"", true, false},
    {"Ek", true, false},
};

static const struct saying sayings[] = {
    {"", false, true},   {"K", false, true},  {"KKKK", false, true},
    {"D", false, false}, {"d", false, false}, {"KD", false, false},
    {"C", false, false}, {"", true, false},   {"K", true, false},
    {"KC", true, false}, {"D", true, false},
};

static void peer_says(struct pair *pair, const struct saying *saying)
{
    for (const char *kind = saying->kinds; *kind != '\0'; kind++) {
        if (*kind == 'E') {
            kind++;
            if (*kind == 'h')
                REQUIRE(send(pair->peer, "D\0\4\x1eZ\x5f;", 7, MSG_NOSIGNAL) ==
                        7);
            else
                REQUIRE(peer_inner(pair, (char)(*kind - 'a' + 'A'),
                                   *kind == 'd' ? "x" : "", 64));
        } else if (*kind >= 'a')
            REQUIRE(send(pair->peer, "D\0\5a", 4, MSG_NOSIGNAL) == 4);
        else
            REQUIRE(peer_frame(pair, *kind, *kind == 'D' ? "x" : ""));
    }
    if (saying->ends) {
        close(pair->peer);
        pair->peer = -1;
    }
}

static void open_secure(struct pair *pair, const struct manner *manner)
{
    pair_init(pair, manner, TLS);
    REQUIRE(peer_frame(pair, 'W', ""));
    REQUIRE(handshake(pair) == SL_OK);
}

static void say_one(const struct manner *manner, const struct saying *saying,
                    enum layers layers)
{
    static struct pair pair;
    struct sl_transport *transport;

    if (layers == TLS) {
        open_secure(&pair, manner);
    } else {
        pair_init(&pair, manner, layers);
        REQUIRE(greet_both(&pair, 64) == SL_OK);
    }
    transport = pair.link.transport;
    test_note("%s, \"%s\"%s", manner->backend->name, saying->kinds,
              saying->ends ? " and the end" : "");
    CHECK_INT(sl_transport_watch(transport), SL_AGAIN);
    peer_says(&pair, saying);
    CHECK_INT(is_quiet_now(&pair, manner, saying->is_quiet), saying->is_quiet);
    if (saying->is_quiet) {
        /* Watched again it keeps nobody waiting. */
        CHECK_INT(sl_transport_watch(transport), SL_AGAIN);
        if (manner->backend->tells_all) /* else the greeting may be one */
            CHECK_INT(pair.world.loop.operations, 0);
        CHECK(is_quiet_now(&pair, manner, true));
    }
    pair_fini(&pair);
}

static void say_while_idle(const struct manner *manner)
{
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++)
        say_one(manner, &sayings[i], TLS);
    for (size_t i = 0; i < sizeof sayings_in_tls / sizeof *sayings_in_tls; i++)
        say_one(manner, &sayings_in_tls[i], TLS_IN_TLS);
}

TEST("a link is quiet until its peer sends something for the program")
{
    each_manner(say_while_idle);
}

static void say_behind_answer(const struct manner *manner)
{
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        static struct pair pair;
        size_t received;

        open_secure(&pair, manner);
        test_note("%s, \"%s\" behind", manner->backend->name, sayings[i].kinds);
        REQUIRE(peer_frame(&pair, 'D', "answer"));
        peer_says(&pair, &sayings[i]);
        while (pair.buffer.length < 6)
            REQUIRE(receive(&pair, &received) == SL_OK);
        /* What came in the same piece was received with it. */
        if (sl_transport_watch(pair.link.transport) == SL_AGAIN ||
            sayings[i].is_quiet)
            CHECK_INT(is_quiet_now(&pair, manner, sayings[i].is_quiet) &&
                          pair.buffer.length == 6,
                      sayings[i].is_quiet);
        pair_fini(&pair);
    }
}

TEST("bytes after an answer are noticed wherever they are held")
{
    each_manner(say_behind_answer);
}

int main(void)
{
    return test_main();
}
