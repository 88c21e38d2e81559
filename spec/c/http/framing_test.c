#include "spec/c/support/test.h"

#include "http/framing.h"
#include "http/head_parse.h"
#include "memory/pool.h"

#include <stdio.h>

static const struct sl_head_limits limits = {65536, 16384, 256, false};

struct decision {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_head head;
    struct sl_framing framing;
    struct sl_content_codings codings;
    enum sl_status status;
    const char *error;
};

/* Close what is decided with undo. */
static void decide(struct decision *decision, const char *text,
                   struct sl_request_traits request)
{
    struct sl_pool_options options = {0};

    options.mode = SL_POOL_DIRECT;
    test_note("%.80s", text);
    memset(decision, 0, sizeof(*decision));
    test_allocator_init(&decision->allocator);
    sl_pool_init(&decision->pool, &decision->allocator.base, &options);
    sl_buffer_init(&decision->input, &decision->pool, SIZE_MAX);
    sl_head_init(&decision->head, &decision->pool, &limits);
    sl_buffer_append(&decision->input, sl_view(text, strlen(text)));
    REQUIRE(sl_head_parse(&decision->head, &decision->input) == SL_OK);
    decision->status =
        sl_framing_decide(&decision->framing, &decision->codings,
                          &decision->head, request, &decision->error);
}

static void undo(struct decision *decision)
{
    sl_head_fini(&decision->head);
    sl_buffer_fini(&decision->input);
    CHECK_INT(sl_pool_fini(&decision->pool), 0);
    test_allocator_fini(&decision->allocator);
}

static const struct sl_request_traits get = {.is_head = false};
static const struct sl_request_traits head = {.is_head = true};
static const struct sl_request_traits tunnel = {.is_connect = true};
static const struct sl_request_traits upgrade = {.wants_upgrade = true};

static void check_kind(const char *text, struct sl_request_traits request,
                       enum sl_framing_kind kind, bool keeps_alive)
{
    struct decision decision;

    decide(&decision, text, request);
    CHECK_INT(decision.status, SL_OK);
    CHECK_INT(decision.framing.kind, kind);
    CHECK_INT(decision.framing.keeps_alive, keeps_alive);
    undo(&decision);
}

TEST("gives no body to any answer to HEAD, 1xx, 204 and 304")
{
    static const char *const fields[] = {"", "Content-Length: 5\r\n",
                                         "Transfer-Encoding: chunked\r\n"};
    char text[128];
    int status;
    size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (status = 100; status < 1000; status++) {
            bool is_bodyless = status < 200 || status == 204 || status == 304;

            if (status == 101)
                continue;
            snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%s\r\n", status,
                     fields[i]);
            check_kind(text, head, SL_FRAMING_NONE, true);
            check_kind(text, get,
                       is_bodyless ? SL_FRAMING_NONE
                       : i == 0    ? SL_FRAMING_CLOSE
                       : i == 1    ? SL_FRAMING_LENGTH
                                   : SL_FRAMING_CHUNKED,
                       is_bodyless || i != 0);
        }
    }
}

TEST("ends a bodiless response at its head, and retires a misframed one")
{
    static const char *const fields[] = {
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    };
    char text[128];

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct decision decision;

        snprintf(text, sizeof text, "HTTP/1.1 200 X\r\n%s\r\n", fields[i]);
        check_kind(text, head, SL_FRAMING_NONE, false);
        decide(&decision, text, get);
        CHECK_INT(decision.status, SL_PROTOCOL);
        undo(&decision);
        snprintf(text, sizeof text, "HTTP/1.1 304 X\r\n%s\r\n", fields[i]);
        check_kind(text, get, SL_FRAMING_NONE, false);
    }
}

TEST("keeps a connection of HTTP/1.0 for no option but keep-alive")
{
    static const struct {
        const char *options;
        bool is_kept;
    } cases[] = {
        {"Keep-Alive", true},  {"x, keep-alive", true},
        {"upgrade", false},    {"keep-alive-x", false},
        {"keep-aliv", false},  {"\"keep-alive\"", false},
        {"keep alive", false}, {"keep-alive, Close", false},
        {"", false},           {", ,", false},
    };
    char text[128];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "HTTP/1.0 200 X\r\nConnection: %s\r\n"
                 "Content-Length: 5\r\n\r\n",
                 cases[i].options);
        check_kind(text, get, SL_FRAMING_LENGTH, cases[i].is_kept);
    }
}

static void check_idle(const char *fields, int64_t expected)
{
    struct decision decision;
    char text[256];

    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n%s\r\n", fields);
    decide(&decision, text, get);
    CHECK_INT(decision.status, SL_OK);
    CHECK_INT(decision.framing.idle, expected);
    undo(&decision);
}

TEST("reads how long the server keeps the connection")
{
    check_idle("", -1);
    check_idle("Keep-Alive: timeout=5\r\n", 5);
    check_idle("keep-alive: max=100, Timeout=15\r\n", 15);
    check_idle("Keep-Alive: timeout=0\r\n", 0);
    check_idle("Keep-Alive: timeout=\r\n", -1);
    check_idle("Keep-Alive: timeout=5x, max=1\r\n", -1);
    check_idle("Keep-Alive: 300\r\n", -1);
    check_idle("Keep-Alive: timeout=99999999999999999999\r\n", -1);
}

TEST("ignores framing fields in a tunnel's answer, even invalid ones")
{
    struct decision decision;

    decide(&decision, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\n\r\n",
           tunnel);
    CHECK_INT(decision.status, SL_OK);
    CHECK_INT(decision.framing.idle, -1);
    undo(&decision);
    check_kind("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", tunnel,
               SL_FRAMING_NONE, false);
    check_kind("HTTP/1.1 299 OK\r\nTransfer-Encoding: gzip\r\n\r\n", tunnel,
               SL_FRAMING_NONE, false);
    check_kind("HTTP/1.1 407 Auth\r\nContent-Length: 5\r\n\r\n", tunnel,
               SL_FRAMING_LENGTH, true);
    check_kind("HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\n", tunnel,
               SL_FRAMING_LENGTH, true);
}

TEST("takes for a redirect what has a status and a location of one")
{
    struct decision decision;
    char text[128];

    for (int status = 200; status < 1000; status++) {
        bool is_one =
            (status >= 301 && status <= 303) || status == 307 || status == 308;

        snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nLocation: /\r\n\r\n",
                 status);
        decide(&decision, text, get);
        CHECK_INT(sl_is_redirect(&decision.head), is_one);
        undo(&decision);
        snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nLocations: /\r\n\r\n",
                 status);
        decide(&decision, text, get);
        CHECK(!sl_is_redirect(&decision.head));
        undo(&decision);
    }
}

TEST("accepts 101 only when an upgrade was asked for")
{
    struct decision decision;

    decide(&decision, "HTTP/1.1 101 Switch\r\n\r\n", upgrade);
    CHECK_INT(decision.status, SL_OK);
    CHECK(decision.framing.is_upgrade);
    CHECK(!decision.framing.keeps_alive);
    CHECK_INT(decision.framing.kind, SL_FRAMING_NONE);
    undo(&decision);
    decide(&decision, "HTTP/1.1 101 Switch\r\n\r\n", get);
    CHECK_INT(decision.status, SL_PROTOCOL);
    undo(&decision);
    decide(&decision, "HTTP/1.0 101 Switch\r\n\r\n", upgrade);
    CHECK_INT(decision.status, SL_PROTOCOL);
    undo(&decision);
}

static void check_codings(const char *fields, const char *first,
                          const char *second, size_t count, bool has_many)
{
    char text[256];
    struct decision decision;

    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n%s\r\n", fields);
    decide(&decision, text, get);
    CHECK_INT(decision.status, SL_OK);
    CHECK_INT(decision.codings.count, count);
    CHECK_INT(decision.codings.has_many, has_many);
    if (first != NULL)
        CHECK_VIEW(decision.codings.names[0], first);
    if (second != NULL)
        CHECK_VIEW(decision.codings.names[1], second);
    undo(&decision);
}

TEST("lists content codings in the order of their removal")
{
    check_codings("", NULL, NULL, 0, false);
    check_codings("Content-Encoding: gzip\r\n", "gzip", NULL, 1, false);
    check_codings("Content-Encoding: gzip, br\r\n", "br", "gzip", 2, false);
    check_codings("Content-Encoding: gzip\r\ncontent-encoding: br\r\n", "br",
                  "gzip", 2, false);
    check_codings("Content-Encoding: a, b, c\r\n", "c", "b", 2, true);
    check_codings("Content-Encoding: identity, , gzip,\r\n", "gzip", NULL, 1,
                  false);
    check_codings("Content-Encoding:\r\n", NULL, NULL, 0, false);
}

static void check_length(const char *value, bool is_good, uint64_t length)
{
    char text[256];
    struct decision decision;

    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n", value);
    decide(&decision, text, get);
    CHECK_INT(decision.status, is_good ? SL_OK : SL_PROTOCOL);
    CHECK_INT(decision.error != NULL, !is_good);
    if (is_good)
        CHECK(decision.framing.length == length);
    undo(&decision);
}

TEST("reads lengths without overflow")
{
    check_length("0", true, 0);
    check_length("9223372036854775807", true, INT64_MAX);
    check_length("00009223372036854775807", true, INT64_MAX);
    check_length("9223372036854775808", false, 0);
    check_length("9223372036854775810", false, 0);
    check_length("18446744073709551615", false, 0);
    check_length("18446744073709551616", false, 0);
    check_length("99999999999999999999999999", false, 0);
    check_length("7,7, 7 ,7", true, 7);
    check_length("7,07", true, 7);
    check_length("7,,7", false, 0);
    check_length(",7", false, 0);
    check_length("7 7", false, 0);
    check_length("\"7\"", false, 0);
    check_length("7;q=1", false, 0);
}

TEST("ignores fields with similar names")
{
    check_kind("HTTP/1.1 200 OK\r\nContent-Lengthy: 5\r\nXontent-Length: 5\r\n"
               "Transfer_Encoding: chunked\r\nConnectiox: close\r\n"
               "Content_Encoding: x\r\nContent-Length: 5\r\n\r\n",
               get, SL_FRAMING_LENGTH, true);
}

int main(void)
{
    return test_main();
}
