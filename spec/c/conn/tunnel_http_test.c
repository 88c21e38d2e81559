#include "conn/tunnel_http.h"

#include "spec/c/conn/talk.h"

#include <stdlib.h>

static const struct sl_tunnel_target plain = {"www.example", 443, NULL, NULL,
                                              NULL};
static const struct sl_tunnel_target known = {"www.example", 443, "Aladdin",
                                              "open sesame", NULL};

/* What the proxy is asked with its credentials. */
#define LOGIN                              \
    "CONNECT www.example:443 HTTP/1.1\r\n" \
    "Host: www.example:443\r\n"            \
    "Proxy-Authorization: Basic "          \
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"

static void expect(const char *answer, const struct sl_tunnel_target *target,
                   enum sl_status status, const char *reason)
{
    talk_expect(sl_view(answer, strlen(answer)),
                (struct talk_expected){
                    &sl_tunnel_http, target, status, reason, {NULL, 0}});
}

static void expect_request(const struct sl_tunnel_target *target,
                           const char *request)
{
    struct talk_expected expected = {&sl_tunnel_http, target, SL_AGAIN, NULL,
                                     sl_view(request, strlen(request))};

    talk_expect_pieces(NULL, 0, &expected);
}

TEST("asks for host and port, with the proxy's credentials")
{
    const struct sl_tunnel_target literal = {"2001:db8::1", 8443, NULL, NULL,
                                             NULL};
    const struct sl_tunnel_target nameless = {"192.0.2.1", 1, "u", NULL, NULL};

    expect_request(&plain, "CONNECT www.example:443 HTTP/1.1\r\n"
                           "Host: www.example:443\r\n\r\n");
    expect_request(&literal, "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n"
                             "Host: [2001:db8::1]:8443\r\n\r\n");
    /* RFC 7617 2 */
    expect_request(&known, LOGIN);
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
    expect("HTTP/1.1 407 Aladdin:open sesame\r\nContent-Length: 0\r\n\r\n",
           &known, SL_PROXY,
           "answered 407 to CONNECT www.example:443: it does not accept the "
           "credentials");
    expect("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", &known,
           SL_PROXY,
           "answered 401 to CONNECT www.example:443: it does not accept the "
           "credentials");
    expect("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", &plain,
           SL_PROXY,
           "answered 403 to CONNECT www.example:443: it does not allow that");
    expect("HTTP/1.1 405 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           &plain, SL_PROXY,
           "answered 405 to CONNECT www.example:443: it makes no tunnels");
    expect("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", &plain,
           SL_PROXY,
           "answered 502 to CONNECT www.example:443: it cannot reach that "
           "host");
    expect("HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", &plain,
           SL_PROXY,
           "answered 504 to CONNECT www.example:443: that host did not answer");
    expect("HTTP/1.1 304 Not Modified\r\n\r\n", &plain, SL_PROXY,
           "answered 304 to CONNECT www.example:443");
}

TEST("sends the value that it is given, instead of user and password")
{
    struct sl_tunnel_target given = known;

    given.authorization = "Digest username=\"x\"";
    expect_request(&given,
                   "CONNECT www.example:443 HTTP/1.1\r\n"
                   "Host: www.example:443\r\n"
                   "Proxy-Authorization: Digest username=\"x\"\r\n\r\n");
    given.user = NULL;
    expect("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", &given, SL_PROXY,
           "answered 407 to CONNECT www.example:443: it does not accept the "
           "credentials");
    given.authorization = "Digest\r\nX: y";
    talk_expect_begin(&sl_tunnel_http, &given, SL_INVALID, NULL);
}

/* ---- the answer of a proxy that refuses ---- */

struct refusal {
    const char *body;
    bool ends; /* the proxy closes then */
    bool is_clean;
    bool is_whole;
};

static void read_refusal(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct refusal *expected = argument;
    struct test_allocator allocator;
    struct sl_refusal *refusal;
    struct sl_failure failure;
    struct talk talk;
    char body[64];
    size_t size;

    test_allocator_init(&allocator);
    talk_begin(&talk, &allocator.base, &sl_tunnel_http, &plain);
    for (size_t i = 0; i < count; i++)
        talk_answer(&talk, pieces[i]);
    CHECK_INT(talk.status, expected->ends ? SL_AGAIN : SL_PROXY);
    CHECK(talk.tunnel->is_refused);
    if (expected->ends)
        CHECK_INT(
            sl_tunnel_end_input(talk.tunnel, expected->is_clean, &talk.failure),
            SL_PROXY);
    CHECK(sl_tunnel_give_up(talk.tunnel, &failure));
    CHECK_STR(failure.reason, talk.failure.reason);
    CHECK_STR(failure.reason, "answered 403 to CONNECT www.example:443: it "
                              "does not allow that");
    refusal = sl_tunnel_take_refusal(talk.tunnel);
    REQUIRE(refusal != NULL);
    CHECK(sl_tunnel_take_refusal(talk.tunnel) == NULL);
    CHECK_INT(refusal->response.head.status, 403);
    CHECK_INT(refusal->is_whole, expected->is_whole);
    size = sl_buffer_copy_out(&refusal->response.body, 0, body, sizeof body);
    CHECK_BYTES(body, size, expected->body, strlen(expected->body));
    sl_refusal_destroy(refusal);
    talk_end(&talk);
    test_allocator_fini(&allocator);
}

#define REFUSED "HTTP/1.1 403 Forbidden\r\n"

static void expect_refusal(const char *answer, struct refusal expected)
{
    test_note("%s", answer);
    test_each_cut(sl_view(answer, strlen(answer)), read_refusal, &expected);
    test_note(" ");
}

TEST("keeps the answer of a proxy that refuses, however it is cut")
{
    expect_refusal(REFUSED "Content-Length: 2\r\n\r\nno",
                   (struct refusal){.body = "no", .is_whole = true});
    expect_refusal("HTTP/1.1 102 Wait\r\n\r\n" REFUSED
                   "Transfer-Encoding: chunked\r\n\r\n1\r\nn\r\n1\r\no\r\n"
                   "0\r\nX: y\r\n\r\n",
                   (struct refusal){.body = "no", .is_whole = true});
    expect_refusal(REFUSED "\r\nno", (struct refusal){.body = "no",
                                                      .ends = true,
                                                      .is_clean = true,
                                                      .is_whole = true});
}

TEST("an answer that was cut off is still a refusal")
{
    expect_refusal(REFUSED "\r\nno",
                   (struct refusal){.body = "no", .ends = true});
    expect_refusal(
        REFUSED "Content-Length: 5\r\n\r\nno",
        (struct refusal){.body = "no", .ends = true, .is_clean = true});
    expect_refusal(
        REFUSED "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n",
        (struct refusal){.body = "no", .ends = true, .is_clean = true});
    expect_refusal(REFUSED "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\nx",
                   (struct refusal){.body = "no"});
}

TEST("keeps a bounded part of a body")
{
    static const char text[1000];
    struct test_allocator allocator;
    struct sl_refusal *refusal;
    struct talk talk;
    int rounds = 0;

    test_allocator_init(&allocator);
    talk_begin(&talk, &allocator.base, &sl_tunnel_http, &plain);
    talk_answer(&talk, SL_VIEW(REFUSED "\r\n"));
    for (; rounds < 1000 && talk.status == SL_AGAIN; rounds++)
        talk_answer(&talk, sl_view(text, sizeof text));
    CHECK_INT(talk.status, SL_PROXY);
    CHECK_INT(rounds, 1 + (int)(SL_REFUSAL_MOST / sizeof text));
    refusal = sl_tunnel_take_refusal(talk.tunnel);
    REQUIRE(refusal != NULL);
    CHECK(!refusal->is_whole);
    CHECK(refusal->response.body.length < SL_REFUSAL_MOST + sizeof text);
    sl_refusal_destroy(refusal);
    talk_end(&talk);
    test_allocator_fini(&allocator);
}

TEST("has no answer to show where the proxy has not refused")
{
    struct test_allocator allocator;
    struct sl_failure failure;
    struct talk talk;

    test_allocator_init(&allocator);
    talk_begin(&talk, &allocator.base, &sl_tunnel_http, &plain);
    talk_answer(&talk, SL_VIEW("HTTP/1.1 40"));
    CHECK(!sl_tunnel_give_up(talk.tunnel, &failure));
    CHECK_INT(sl_tunnel_end_input(talk.tunnel, true, &failure), SL_CLOSED);
    CHECK(sl_tunnel_take_refusal(talk.tunnel) == NULL);
    talk_end(&talk);
    test_allocator_fini(&allocator);
}

TEST("refuses a proxy that speaks another protocol")
{
    expect("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", &plain, SL_PROXY, NULL);
    expect("HTTP/1.1 101 Switching Protocols\r\n\r\n", &plain, SL_PROXY, NULL);
    expect("HTTP/1.1 2x0 OK\r\n\r\n", &plain, SL_PROXY, NULL);
}

/* The cut decides how much is surplus when the head ends. */
TEST("refuses bytes after the head of a 2xx")
{
    struct sl_view answer =
        SL_VIEW("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    struct talk_expected expected = {
        &sl_tunnel_http,
        &plain,
        SL_PROXY,
        "bytes follow the head of its answer to CONNECT www.example:443",
        {NULL, 0}};

    talk_expect_pieces(&answer, 1, &expected);
    answer = SL_VIEW("HTTP/1.1 200 OK\r\n\r\n\x16");
    talk_expect_pieces(&answer, 1, &expected);
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
    struct sl_tunnel_target target = {"a b", 1, NULL, NULL, NULL};

    talk_expect_begin(&sl_tunnel_http, &target, SL_INVALID, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *host = calloc(1, cases[i].host + 1);
        char *user = calloc(1, cases[i].user + 1);

        REQUIRE(host != NULL && user != NULL);
        memset(host, 'h', cases[i].host);
        memset(user, 'u', cases[i].user);
        target = (struct sl_tunnel_target){host, 65535, user, user, NULL};
        talk_expect_begin(&sl_tunnel_http, &target, cases[i].status, NULL);
        free(host);
        free(user);
    }
}

TEST("releases everything whichever allocation fails")
{
    struct talk_life life = {
        &sl_tunnel_http, &known,
        SL_VIEW("HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n"),
        SL_OK, sizeof LOGIN - 1};

    test_each_failure(talk_live, &life);
    life.answers = SL_VIEW(REFUSED "Content-Length: 2\r\n\r\nno");
    life.status = SL_PROXY;
    test_each_failure(talk_live, &life);
}

int main(void)
{
    return test_main();
}
