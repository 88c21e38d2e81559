#include "conn/tunnel_http.h"
#include "conn/tunnel_socks5.h"

#include "spec/c/conn/openings.h"

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

/* What a proxy says to the greeting or to CONNECT, or its silence and end, is
 * a failure of its stage. */
static void expect_failure(struct sl_view answer, enum sl_status status,
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
    expect_failure(
        SL_VIEW("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
        SL_PROXY,
        "answered 403 to CONNECT www.example:443: it does not allow that");
    expect_failure(SL_VIEW("HTTP/1.1 200 OK\r\n\r\nW"), SL_PROXY,
                   "bytes follow the head of its answer to CONNECT "
                   "www.example:443");
    expect_failure(SL_VIEW(""), SL_CLOSED,
                   "connection closed before the whole answer");
    expect_failure(SL_VIEW("HTTP/1.1 200 O"), SL_CLOSED,
                   "connection closed before the whole answer");
    expect_failure(SL_VIEW(""), SL_TIMEOUT,
                   "tunnel not open within 0.02 s (timeout.proxy)");
    expect_failure(SL_VIEW("HTTP/1.1 102 Wait\r\n\r\nHTTP"), SL_TIMEOUT,
                   "tunnel not open within 0.02 s (timeout.proxy)");
}

/* A refusal whose body stops in the middle, and how long that is waited for. */
static void stop_in_refusal(int64_t deadline, int64_t least)
{
    struct sl_opening_deadlines deadlines = {SL_NEVER, SL_NEVER, deadline,
                                             SL_NEVER};
    struct sl_refusal *refusal;
    struct wait wait;
    char body[16];
    int64_t began;
    int peer;

    setup();
    REQUIRE(begin_through(&wait, &sl_tunnel_http, true, &deadlines) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    began = sl_clock_now();
    say(peer, SL_VIEW("HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\npart"));
    world_until(&world, &wait.is_done);
    CHECK(sl_clock_now() - began >= least);
    CHECK_INT(wait.status, SL_PROXY);
    CHECK_INT(wait.failure.stage, SL_STAGE_PROXY);
    CHECK_STR(wait.failure.reason,
              "answered 407 to CONNECT www.example:443: it does not accept the "
              "credentials");
    refusal = sl_opening_take_refusal(wait.opening);
    REQUIRE(refusal != NULL);
    CHECK(sl_opening_take_refusal(wait.opening) == NULL);
    CHECK(!refusal->is_whole);
    CHECK_INT(sl_buffer_copy_out(&refusal->response.body, 0, body, 16), 4);
    finish(&wait);
    sl_refusal_destroy(refusal);
    close(peer);
    teardown();
}

TEST("does not wait long for the rest of a refusal, and reports the refusal")
{
    stop_in_refusal(20 * SL_MILLISECOND, 20 * SL_MILLISECOND);
    stop_in_refusal(SL_NEVER, SL_SECOND);
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
        .target = {"www.example", 443, "", NULL, NULL},
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
    const struct sl_view sayings[] = {sl_view(ANSWER.data, 9),
                                      sl_view(ANSWER.data + 9, ANSWER.size - 9),
                                      SL_VIEW("W\0\0")};

    destroy_after_each(&sl_tunnel_http, sayings, 3);
}

/* ---- a proxy that speaks TLS itself ---- */

/* Frames of the proxy's layer around what it says. */
static void say_in_tls(int peer, struct sl_view bytes)
{
    struct sl_buffer wire;
    char framed[512];
    size_t size;

    sl_buffer_init(&wire, &world.pool, SIZE_MAX);
    REQUIRE(framed_put(&wire, 'D', bytes) == SL_OK);
    size = sl_buffer_copy_out(&wire, 0, framed, sizeof framed);
    sl_buffer_fini(&wire);
    say(peer, sl_view(framed, size));
}

/* What the proxy must have been told, by one frame. */
static void hear_in_tls(int peer, char kind, struct sl_view expected)
{
    struct sl_buffer wire;
    char bytes[512];
    char heard = 0;
    size_t size = 0;

    world_settle(&world);
    REQUIRE(recv(peer, bytes, expected.size + 3, MSG_WAITALL) ==
            (ssize_t)expected.size + 3);
    sl_buffer_init(&wire, &world.pool, SIZE_MAX);
    REQUIRE(sl_buffer_append(&wire, sl_view(bytes, expected.size + 3)) ==
            SL_OK);
    REQUIRE(framed_take(&wire, &heard, bytes, sizeof bytes, &size) == SL_OK);
    sl_buffer_fini(&wire);
    CHECK_INT(heard, kind);
    CHECK_BYTES(bytes, size, expected.data, expected.size);
}

static int greet(struct wait *wait, const struct sl_tunnel_class *tunnel,
                 bool is_secure)
{
    int peer;

    REQUIRE(begin_through(wait, tunnel, is_secure, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    hear_in_tls(peer, 'H', SL_VIEW("proxy.example"));
    CHECK_INT(sl_opening_stage(wait->opening), SL_STAGE_PROXY);
    welcome(peer);
    return peer;
}

static void open_in_tls(void)
{
    struct wait wait;
    const struct sl_opening_times *times;
    int peer;

    setup();
    peer = greet(&wait, &sl_tunnel_http, true);
    hear_in_tls(peer, 'D', QUESTION);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_PROXY);
    say_in_tls(peer, ANSWER);
    world_settle(&world);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    say_in_tls(peer, SL_VIEW("W\0\0"));
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    REQUIRE(wait.link.tls != NULL && wait.link.tls->below != NULL);
    CHECK(wait.link.tls->below->below == NULL);
    CHECK(wait.peer != NULL);
    times = sl_opening_times(wait.opening);
    CHECK(times->connected > 0);
    CHECK(times->connected <= times->tunneled);
    CHECK(times->tunneled <= times->secured);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("greets a proxy by TLS, and secures the peer behind it inside of that")
{
    greets = true;
    open_in_tls();
    mode = SL_TRANSPORT_COMPLETION;
    open_in_tls();
    mode = SL_TRANSPORT_STREAM;
    greets = false;
}

TEST("a proxy that is asked itself is no peer of a request")
{
    struct wait wait;
    int peer;

    greets = true;
    setup();
    peer = greet(&wait, NULL, false);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    REQUIRE(wait.link.tls != NULL);
    CHECK(wait.link.tls->below == NULL);
    CHECK(wait.peer == NULL);
    CHECK(sl_opening_times(wait.opening)->tunneled > 0);
    CHECK_INT(sl_opening_times(wait.opening)->secured, 0);
    finish(&wait);
    close(peer);
    teardown();
    greets = false;
}

TEST("a greeting that fails is a failure of the proxy's stage")
{
    greets = true;
    expect_failure(SL_VIEW("X\0\3\x34\x35\x2e"), SL_TLS, "not");
    expect_failure(SL_VIEW(""), SL_CLOSED,
                   "connection closed during the handshake");
    expect_failure(SL_VIEW(""), SL_TIMEOUT,
                   "handshake not complete within 0.02 s (timeout.proxy)");
    expect_failure(SL_VIEW("W\0\0"), SL_TIMEOUT,
                   "tunnel not open within 0.02 s (timeout.proxy)");
    greets = false;
}

/* The answer to CONNECT in a frame of the proxy's TLS. */
#define ANSWER_IN_TLS                                             \
    "D\0\x13\x12\x0e\x0e\x0a\x75\x6b\x74\x6b\x7a\x68\x6a\x6a\x7a" \
    "\x15\x11\x57\x50\x57\x50"

TEST("leaves nothing behind whenever its greeting is destroyed")
{
    const struct sl_view sayings[] = {SL_VIEW("W\0\0"), SL_VIEW(ANSWER_IN_TLS),
                                      SL_VIEW("D\0\1\x0d"),
                                      SL_VIEW("D\0\2\x5a\x5a")};

    greets = true;
    destroy_after_each(&sl_tunnel_http, sayings, 4);
    greets = false;
}

TEST("releases everything whichever allocation fails")
{
    struct life life = {&sl_tunnel_http, ANSWER, SL_VIEW("W\0\0")};

    test_each_failure(whole_life, &life);
    greets = true;
    life.first = SL_VIEW("W\0\0" ANSWER_IN_TLS);
    life.last = SL_VIEW("D\0\3\x0d\x5a\x5a");
    test_each_failure(whole_life, &life);
    greets = false;
}

int main(void)
{
    return test_main();
}
