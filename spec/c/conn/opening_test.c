#include "conn/opening.h"

#include "conn/tunnel_http.h"
#include "conn/tunnel_socks5.h"

#include "spec/c/io/world.h"
#include "spec/c/support/script_backend.h"
#include "spec/c/tls/framed.h"

/* One opening, and who waits for it. */
struct wait {
    struct sl_opening *opening;
    struct sl_link link;
    struct sl_peer *peer;
    struct sl_failure failure;
    enum sl_status status;
    bool is_done;
};

static struct world world;
static enum sl_transport_mode mode; /* of what is connected */
static struct sl_tls_context *context;
static struct wait *asked;
static bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                      char *reason, size_t reason_size);

static void done(void *owner)
{
    struct wait *wait = owner;

    wait->is_done = true;
    wait->status = sl_opening_result(wait->opening, &wait->link, &wait->peer,
                                     &wait->failure);
}

static enum sl_status open_world(struct sl_allocator *allocator)
{
    struct sl_pool_options pool = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_tls_options tls = {.verifies = true, .verify = verify};
    struct sl_failure failure;

    context = NULL;
    if (!world_open(&world, allocator, &pool))
        return SL_MEMORY;
    return framed_provider.context_create(allocator, &tls, &context, &failure);
}

static void close_world(void)
{
    if (context != NULL)
        framed_provider.context_release(context);
    world_close(&world);
}

static void setup(void)
{
    test_allocator_init(&world.own);
    REQUIRE(open_world(&world.own.base) == SL_OK);
}

static void teardown(void)
{
    close_world();
    test_allocator_fini(&world.own);
}

static enum sl_status
begin_through(struct wait *wait, const struct sl_tunnel_class *tunnel,
              bool is_secure, const struct sl_opening_deadlines *deadlines)
{
    struct sl_opening_options options = {
        .connect.host = "192.0.2.1", /* RFC 5737: nobody */
        .connect.port = 80,
        .connect.backend = script_backend(),
        .connect.mode = mode,
        .connect.deadline = SL_NEVER,
        .deadlines = {SL_NEVER, SL_NEVER, SL_NEVER, SL_NEVER},
        .identity = "x",
        .tunnel = tunnel,
        .target = {"www.example", 443, "me", "pass"},
    };

    memset(wait, 0, sizeof *wait);
    if (deadlines != NULL)
        options.deadlines = *deadlines;
    if (is_secure) {
        options.provider = &framed_provider;
        options.context = context;
    }
    return sl_opening_begin(&world.loop, &world.pool, world.resolver, &options,
                            done, wait, &wait->opening, &wait->failure);
}

static enum sl_status begin(struct wait *wait, bool is_secure,
                            const struct sl_opening_deadlines *deadlines)
{
    return begin_through(wait, NULL, is_secure, deadlines);
}

static void finish(struct wait *wait)
{
    if (wait->is_done && wait->status == SL_OK) {
        sl_link_close(&wait->link, true);
        sl_peer_release(wait->peer);
    }
    if (wait->opening != NULL)
        sl_opening_destroy(wait->opening);
}

static void step_until_held(size_t count)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (script_held() < count && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(script_held() == count);
}

static void welcome(int peer)
{
    /* "W", no bytes: welcome */
    REQUIRE(send(peer, "W\0\0", 3, MSG_NOSIGNAL) == 3);
}

TEST("returns a plain link and the time at which each stage ended")
{
    struct wait wait;
    const struct sl_opening_times *times;
    int peer;

    setup();
    REQUIRE(begin(&wait, false, NULL) == SL_OK);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_CONNECT);
    step_until_held(1);
    CHECK(!wait.is_done);
    peer = script_accept();
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    CHECK(wait.link.transport != NULL);
    CHECK(wait.link.tls == NULL);
    CHECK(wait.peer == NULL);
    times = sl_opening_times(wait.opening);
    CHECK(times->began > 0);
    CHECK(times->began <= times->resolved);
    CHECK(times->resolved <= times->connected);
    CHECK_INT(times->secured, 0);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("secures its connection, and returns the peer's identity")
{
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    world_settle(&world);
    CHECK(!wait.is_done);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    welcome(peer);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    CHECK(wait.link.tls != NULL);
    CHECK(wait.peer != NULL);
    CHECK(sl_opening_times(wait.opening)->connected <=
          sl_opening_times(wait.opening)->secured);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("names the stage that failed")
{
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    script_refuse(ECONNREFUSED);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_CONNECT);
    CHECK_INT(wait.failure.stage, SL_STAGE_CONNECT);
    CHECK_INT(wait.failure.system_error, ECONNREFUSED);
    finish(&wait);

    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    REQUIRE(send(peer, "X\0\3\x34\x35\x2e", 6, MSG_NOSIGNAL) == 6);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TLS);
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    finish(&wait);
    close(peer);

    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    close(script_accept());
    world_until(&world, &wait.is_done);
    CHECK(sl_is_failure(wait.status));
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    finish(&wait);
    teardown();
}

TEST("gives each stage its own deadline")
{
    struct sl_opening_deadlines deadlines = {SL_NEVER, 20 * SL_MILLISECOND,
                                             SL_NEVER, SL_NEVER};
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin(&wait, true, &deadlines) == SL_OK);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TIMEOUT);
    CHECK_INT(wait.failure.stage, SL_STAGE_CONNECT);
    finish(&wait);

    deadlines = (struct sl_opening_deadlines){SL_NEVER, SL_NEVER, SL_NEVER,
                                              20 * SL_MILLISECOND};
    REQUIRE(begin(&wait, true, &deadlines) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TIMEOUT);
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    CHECK_STR(wait.failure.reason, "handshake not complete within 0.02 s");
    finish(&wait);
    close(peer);
    teardown();
}

TEST("leaves nothing behind whenever it is destroyed")
{
    for (int steps = 0; steps < 4; steps++) {
        struct wait wait;
        int peer = -1;

        test_note("after %d steps", steps);
        setup();
        REQUIRE(begin(&wait, true, NULL) == SL_OK);
        if (steps > 0)
            step_until_held(1);
        if (steps > 1) {
            peer = script_accept();
            world_settle(&world);
        }
        if (steps > 2) {
            welcome(peer);
            world_until(&world, &wait.is_done);
        }
        finish(&wait);
        CHECK_INT(wait.is_done, steps > 2);
        if (peer >= 0)
            close(peer);
        teardown();
    }
}

static bool destroy_it(void *owner, const struct sl_tls_certificate *peer,
                       char *reason, size_t reason_size)
{
    (void)owner;
    (void)peer;
    (void)reason;
    (void)reason_size;
    sl_opening_destroy(asked->opening);
    asked->opening = NULL;
    return true;
}

/* The engine that calls this must still be there when it returns. */
TEST("may be destroyed from inside its own handshake")
{
    struct wait wait;
    int64_t until = sl_clock_now() + PATIENCE;
    int peer;

    verify = destroy_it;
    asked = &wait;
    setup();
    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    welcome(peer);
    while (wait.opening != NULL && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    CHECK(wait.opening == NULL);
    CHECK(!wait.is_done);
    verify = NULL;
    close(peer);
    teardown();
}

/* ---- through a proxy ---- */

static void say(int peer, struct sl_view bytes)
{
    REQUIRE(send(peer, bytes.data, bytes.size, MSG_NOSIGNAL) ==
            (ssize_t)bytes.size);
}

/* What the proxy must have been asked. */
static void hear(int peer, struct sl_view question)
{
    char bytes[512];

    REQUIRE(question.size <= sizeof bytes);
    world_settle(&world);
    REQUIRE(recv(peer, bytes, question.size, MSG_WAITALL) ==
            (ssize_t)question.size);
    CHECK_BYTES(bytes, question.size, question.data, question.size);
}

#define QUESTION                                          \
    SL_VIEW("CONNECT www.example:443 HTTP/1.1\r\n"        \
            "Host: www.example:443\r\n"                   \
            "Proxy-Authorization: Basic bWU6cGFzcw==\r\n" \
            "\r\n")
#define ANSWER SL_VIEW("HTTP/1.1 200 OK\r\n\r\n")

TEST("tunnels before it secures, and reports when the tunnel was open")
{
    struct wait wait;
    const struct sl_opening_times *times;
    int peer;

    setup();
    REQUIRE(begin_through(&wait, &sl_tunnel_http, true, NULL) == SL_OK);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_CONNECT);
    step_until_held(1);
    peer = script_accept();
    hear(peer, QUESTION);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_PROXY);
    say(peer, ANSWER);
    world_settle(&world);
    CHECK(!wait.is_done);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    welcome(peer);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    CHECK(wait.link.tls != NULL);
    CHECK(wait.peer != NULL);
    times = sl_opening_times(wait.opening);
    CHECK(times->connected > 0);
    CHECK(times->connected <= times->tunneled);
    CHECK(times->tunneled <= times->secured);
    finish(&wait);
    close(peer);
    teardown();
}

static void expect_rest(void)
{
    struct sl_failure failure;
    enum sl_status status;
    struct sl_buffer buffer;
    struct wait wait;
    size_t received;
    int peer;

    setup();
    REQUIRE(begin_through(&wait, &sl_tunnel_socks5, false, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    hear(peer, SL_VIEW("\5\2\0\2"));
    say(peer, SL_VIEW("\5\2"));
    hear(peer, SL_VIEW("\1\2me\4pass"));
    say(peer, SL_VIEW("\1\0"));
    hear(peer, SL_VIEW("\5\1\0\3\013www.example\x01\xbb"));
    CHECK(!wait.is_done);
    say(peer, SL_VIEW("\5\0\0\1\0\0\0\0\0\0hello"));
    world_until(&world, &wait.is_done);
    REQUIRE(wait.status == SL_OK);
    CHECK(wait.link.tls == NULL);
    CHECK_INT(sl_opening_times(wait.opening)->secured, 0);
    sl_buffer_init(&buffer, &world.pool, SIZE_MAX);
    do
        status = sl_link_receive(&wait.link, &buffer, 100, &received, &failure);
    while (status == SL_AGAIN &&
           CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK));
    CHECK_INT(status, SL_OK);
    CHECK_VIEW(sl_buffer_peek(&buffer), "hello");
    sl_buffer_fini(&buffer);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("leaves bytes after a SOCKS5 reply to the link")
{
    expect_rest();
    mode = SL_TRANSPORT_COMPLETION;
    expect_rest();
    mode = SL_TRANSPORT_STREAM;
}

static void answer_in_pieces(const struct sl_view *pieces, size_t count,
                             void *argument)
{
    struct wait wait;
    int peer;

    (void)argument;
    setup();
    REQUIRE(begin_through(&wait, &sl_tunnel_http, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    hear(peer, QUESTION);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_PROXY);
        say(peer, pieces[i]);
        world_settle(&world);
    }
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    welcome(peer);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("reads the proxy's answer however it is cut")
{
    test_each_cut(ANSWER, answer_in_pieces, NULL);
}

/* A proxy's answer, or its silence and end, and what becomes of it. */
static void expect_refusal(struct sl_view answer, enum sl_status status,
                           const char *reason)
{
    struct sl_opening_deadlines deadlines = {SL_NEVER, SL_NEVER,
                                             20 * SL_MILLISECOND, SL_NEVER};
    bool is_silent = status == SL_TIMEOUT;
    struct wait wait;
    int peer;

    test_note("%s", reason);
    setup();
    REQUIRE(begin_through(&wait, &sl_tunnel_http, true,
                          is_silent ? &deadlines : NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    if (answer.size > 0)
        say(peer, answer);
    if (status == SL_CLOSED)
        shutdown(peer, SHUT_WR);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, status);
    CHECK_INT(wait.failure.stage, SL_STAGE_PROXY);
    CHECK_STR(wait.failure.reason, reason);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_PROXY);
    CHECK_INT(sl_opening_times(wait.opening)->tunneled, 0);
    finish(&wait);
    close(peer);
    teardown();
    test_note(" ");
}

TEST("a proxy's refusal, end and silence are failures of its stage")
{
    expect_refusal(SL_VIEW("HTTP/1.1 403 Forbidden\r\n\r\n"), SL_PROXY,
                   "answered 403 to CONNECT www.example:443: it does not allow "
                   "that");
    expect_refusal(SL_VIEW("HTTP/1.1 200 OK\r\n\r\nW"), SL_PROXY,
                   "bytes follow the head of its answer to CONNECT "
                   "www.example:443");
    expect_refusal(SL_VIEW(""), SL_CLOSED,
                   "connection closed before the whole answer");
    expect_refusal(SL_VIEW("HTTP/1.1 200 O"), SL_CLOSED,
                   "connection closed before the whole answer");
    expect_refusal(SL_VIEW(""), SL_TIMEOUT, "tunnel not open within 0.02 s");
    expect_refusal(SL_VIEW("HTTP/1.1 102 Wait\r\n\r\nHTTP"), SL_TIMEOUT,
                   "tunnel not open within 0.02 s");
}

TEST("TLS has its own deadline after a tunnel")
{
    struct sl_opening_deadlines deadlines = {SL_NEVER, SL_NEVER, 20 * SL_SECOND,
                                             20 * SL_MILLISECOND};
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin_through(&wait, &sl_tunnel_http, true, &deadlines) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    say(peer, ANSWER);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TIMEOUT);
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("does not begin if the proxy cannot take the request")
{
    struct sl_opening_options options = {
        .connect.host = "192.0.2.1",
        .connect.port = 80,
        .connect.backend = script_backend(),
        .connect.deadline = SL_NEVER,
        .tunnel = &sl_tunnel_socks5,
        .target = {"www.example", 443, "", NULL},
    };
    struct wait wait = {0};

    setup();
    CHECK_INT(sl_opening_begin(&world.loop, &world.pool, world.resolver,
                               &options, done, &wait, &wait.opening,
                               &wait.failure),
              SL_INVALID);
    CHECK_INT(wait.failure.stage, SL_STAGE_PROXY);
    CHECK_INT(script_held(), 0);
    teardown();
}

TEST("leaves nothing behind whenever its tunnel is destroyed")
{
    for (int steps = 0; steps < 5; steps++) {
        struct wait wait;
        int peer = -1;

        test_note("after %d steps", steps);
        setup();
        REQUIRE(begin_through(&wait, &sl_tunnel_http, true, NULL) == SL_OK);
        if (steps > 0) {
            step_until_held(1);
            peer = script_accept();
            world_settle(&world);
        }
        if (steps > 1) {
            say(peer, sl_view(ANSWER.data, 9));
            world_settle(&world);
        }
        if (steps > 2) {
            say(peer, sl_view(ANSWER.data + 9, ANSWER.size - 9));
            world_settle(&world);
        }
        if (steps > 3) {
            welcome(peer);
            world_until(&world, &wait.is_done);
        }
        finish(&wait);
        CHECK_INT(wait.is_done, steps > 3);
        if (peer >= 0)
            close(peer);
        teardown();
    }
}

/* What the peer of a whole life says, when it is its turn. */
static void take_part(const struct wait *wait, bool is_tunneled, int *peer,
                      bool *is_welcome)
{
    if (*peer < 0 && script_held() > 0) {
        *peer = script_accept();
        if (is_tunneled)
            send(*peer, ANSWER.data, ANSWER.size, MSG_NOSIGNAL);
    }
    if (!*is_welcome && !wait->is_done &&
        sl_opening_stage(wait->opening) == SL_STAGE_TLS) {
        *is_welcome = true;
        send(*peer, "W\0\0", 3, MSG_NOSIGNAL);
    }
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    bool is_tunneled = *(const bool *)argument;
    bool is_welcome = false;
    struct wait wait;
    enum sl_status status;
    int peer = -1;

    world.resolver = NULL;
    status = open_world(allocator);
    if (context == NULL && world.resolver == NULL)
        return; /* the world could not be opened */
    if (status == SL_OK)
        status = begin_through(&wait, is_tunneled ? &sl_tunnel_http : NULL,
                               true, NULL);
    if (status == SL_OK) {
        while (!wait.is_done) {
            CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
            take_part(&wait, is_tunneled, &peer, &is_welcome);
        }
        status = wait.status;
        finish(&wait);
    }
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    if (peer >= 0)
        close(peer);
    close_world();
}

TEST("releases everything whichever allocation fails")
{
    bool is_tunneled = false;

    test_each_failure(whole_life, &is_tunneled);
    is_tunneled = true;
    test_each_failure(whole_life, &is_tunneled);
}

int main(void)
{
    return test_main();
}
