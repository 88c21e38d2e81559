#include "conn/tunnel_http.h"

#include "spec/c/conn/talk.h"

#include <stdlib.h>

static const struct sl_tunnel_target plain = {"www.example", 443, NULL, NULL};
static const struct sl_tunnel_target known = {"www.example", 443, "Aladdin",
                                              "open sesame"};

/* What is expected of an answer, wherever it is cut. */
struct expected {
    const struct sl_tunnel_target *target;
    enum sl_status status;
    const char *reason; /* NULL: not looked at */
};

static void answer_in_pieces(const struct sl_view *pieces, size_t count,
                             void *argument)
{
    const struct expected *expected = argument;
    struct test_allocator allocator;
    struct talk talk;

    test_allocator_init(&allocator);
    talk_whole(&talk, &allocator.base, &sl_tunnel_http, expected->target,
               pieces, count);
    CHECK_INT(talk.status, expected->status);
    if (expected->reason != NULL) {
        CHECK_STR(talk.failure.reason, expected->reason);
        CHECK_INT(talk.failure.stage, SL_STAGE_PROXY);
    }
    test_allocator_fini(&allocator);
}

static void expect(const char *answer, const struct sl_tunnel_target *target,
                   enum sl_status status, const char *reason)
{
    struct expected expected = {target, status, reason};

    test_note("%s", answer);
    test_each_cut(sl_view(answer, strlen(answer)), answer_in_pieces, &expected);
    test_note(" ");
}

static void expect_request(const struct sl_tunnel_target *target,
                           const char *request)
{
    struct test_allocator allocator;
    struct talk talk;

    test_allocator_init(&allocator);
    talk_whole(&talk, &allocator.base, &sl_tunnel_http, target, NULL, 0);
    CHECK_INT(talk.status, SL_AGAIN);
    CHECK_VIEW(sl_view(talk.said, talk.size), request);
    test_allocator_fini(&allocator);
}

TEST("asks for host and port, with the proxy's credentials")
{
    const struct sl_tunnel_target literal = {"2001:db8::1", 8443, NULL, NULL};
    const struct sl_tunnel_target nameless = {"192.0.2.1", 1, "u", NULL};

    expect_request(&plain, "CONNECT www.example:443 HTTP/1.1\r\n"
                           "Host: www.example:443\r\n\r\n");
    expect_request(&literal, "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n"
                             "Host: [2001:db8::1]:8443\r\n\r\n");
    /* RFC 7617 2 */
    expect_request(&known, "CONNECT www.example:443 HTTP/1.1\r\n"
                           "Host: www.example:443\r\n"
                           "Proxy-Authorization: Basic "
                           "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
    expect_request(&nameless, "CONNECT 192.0.2.1:1 HTTP/1.1\r\n"
                              "Host: 192.0.2.1:1\r\n"
                              "Proxy-Authorization: Basic dTo=\r\n\r\n");
}

TEST("opens after the head of any 2xx, whatever it says about a body")
{
    expect("HTTP/1.1 200 Connection established\r\n\r\n", &plain, SL_OK, NULL);
    expect("HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", &plain, SL_OK, NULL);
    expect("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", &plain,
           SL_OK, NULL);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &plain,
           SL_OK, NULL);
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n"
           "HTTP/1.1 200 OK\r\n\r\n",
           &plain, SL_OK, NULL);
}

TEST("refusals have messages that show no credentials")
{
    expect("HTTP/1.1 407 Proxy Authentication Required\r\n"
           "Proxy-Authenticate: Basic realm=\"x\"\r\n"
           "Content-Length: 2\r\n\r\nno",
           &plain, SL_PROXY,
           "answered 407 to CONNECT www.example:443: it asks for credentials");
    expect("HTTP/1.1 407 Aladdin:open sesame\r\n\r\n", &known, SL_PROXY,
           "answered 407 to CONNECT www.example:443: it does not accept the "
           "credentials");
    expect("HTTP/1.1 401 Unauthorized\r\n\r\n", &known, SL_PROXY,
           "answered 401 to CONNECT www.example:443: it does not accept the "
           "credentials");
    expect("HTTP/1.1 403 Forbidden\r\n\r\n", &plain, SL_PROXY,
           "answered 403 to CONNECT www.example:443: it does not allow that");
    expect("HTTP/1.1 405 No\r\n\r\n", &plain, SL_PROXY,
           "answered 405 to CONNECT www.example:443: it makes no tunnels");
    expect("HTTP/1.1 502 Bad Gateway\r\n\r\n", &plain, SL_PROXY,
           "answered 502 to CONNECT www.example:443: it cannot reach that "
           "host");
    expect("HTTP/1.1 504 Gateway Timeout\r\n\r\n", &plain, SL_PROXY,
           "answered 504 to CONNECT www.example:443: that host did not answer");
    expect("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", &plain,
           SL_PROXY, "answered 302 to CONNECT www.example:443");
}

TEST("refuses a proxy that speaks another protocol")
{
    expect("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", &plain, SL_PROXY, NULL);
    expect("HTTP/1.1 101 Switching Protocols\r\n\r\n", &plain, SL_PROXY, NULL);
    expect("HTTP/1.1 2x0 OK\r\n\r\n", &plain, SL_PROXY, NULL);
}

/* Wherever that is cut: how much is surplus when the head ends depends on it. */
TEST("refuses bytes after the head of a 2xx")
{
    struct sl_view answer =
        SL_VIEW("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    struct expected expected = {
        &plain, SL_PROXY,
        "bytes follow the head of its answer to CONNECT www.example:443"};

    answer_in_pieces(&answer, 1, &expected);
    answer = SL_VIEW("HTTP/1.1 200 OK\r\n\r\n\x16");
    answer_in_pieces(&answer, 1, &expected);
}

TEST("an endless answer meets a limit")
{
    static const char line[] = "X-Long: 0123456789012345678901234567890123\r\n";
    struct test_allocator allocator;
    struct talk talk;

    test_allocator_init(&allocator);
    talk_begin(&talk, &allocator.base, &sl_tunnel_http, &plain);
    talk_answer(&talk, SL_VIEW("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < 100000 && talk.status == SL_AGAIN; i++)
        talk_answer(&talk, sl_view(line, sizeof line - 1));
    CHECK_INT(talk.status, SL_PROXY);
    talk_end(&talk);

    talk_begin(&talk, &allocator.base, &sl_tunnel_http, &plain);
    for (int i = 0; i < 1000 && talk.status == SL_AGAIN; i++)
        talk_answer(&talk, SL_VIEW("HTTP/1.1 102 Wait\r\n\r\n"));
    CHECK_INT(talk.status, SL_PROXY);
    CHECK_STR(talk.failure.reason,
              "its answer to CONNECT www.example:443: more "
              "than 32 interim responses");
    talk_end(&talk);
    test_allocator_fini(&allocator);
}

TEST("refuses what does not fit, and invalid hosts")
{
    static const struct {
        size_t host;
        size_t user;
        enum sl_status status;
    } cases[] = {
        {255, 100, SL_AGAIN}, {4000, 100, SL_INVALID}, {10, 100000, SL_LIMIT}};
    struct sl_tunnel_target target = {"a b", 1, NULL, NULL};
    struct test_allocator allocator;
    struct talk talk;

    test_allocator_init(&allocator);
    talk_whole(&talk, &allocator.base, &sl_tunnel_http, &target, NULL, 0);
    CHECK_INT(talk.status, SL_INVALID);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *host = calloc(1, cases[i].host + 1);
        char *user = calloc(1, cases[i].user + 1);

        REQUIRE(host != NULL && user != NULL);
        memset(host, 'h', cases[i].host);
        memset(user, 'u', cases[i].user);
        target = (struct sl_tunnel_target){host, 65535, user, user};
        talk_whole(&talk, &allocator.base, &sl_tunnel_http, &target, NULL, 0);
        CHECK_INT(talk.status, cases[i].status);
        if (sl_is_failure(cases[i].status))
            CHECK_INT(talk.failure.stage, SL_STAGE_PROXY);
        free(host);
        free(user);
    }
    test_allocator_fini(&allocator);
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    const struct sl_view answer =
        SL_VIEW("HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n");
    struct talk talk;

    (void)argument;
    talk_whole(&talk, allocator, &sl_tunnel_http, &known, &answer, 1);
    if (talk.status != SL_OK) {
        CHECK_INT(talk.status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
}

TEST("releases everything whichever allocation fails")
{
    test_each_failure(whole_life, NULL);
}

int main(void)
{
    return test_main();
}
