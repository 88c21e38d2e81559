#include "spec/c/support/test.h"

#include "spec/c/http/transcript.h"

#include <zlib.h>

static char words[SL_EXCESS_ROOM]; /* for messages */

struct fixture {
    struct test_allocator allocator;
    struct sl_decoder_shelf shelf;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_response_limits limits;
    struct sl_response response;
};

static const struct sl_request_traits get = {.is_head = false};

static void open_fixture(struct fixture *fixture, size_t segment_size,
                         bool decodes)
{
    struct sl_pool_options options = {0};

    options.mode = SL_POOL_DIRECT;
    options.segment_size = segment_size;
    test_allocator_init(&fixture->allocator);
    sl_pool_init(&fixture->pool, &fixture->allocator.base, &options);
    sl_buffer_init(&fixture->input, &fixture->pool, SIZE_MAX);
    sl_decoder_shelf_init(&fixture->shelf, &fixture->allocator.base);
    sl_response_limits_default(&fixture->limits);
    sl_response_init(&fixture->response, &fixture->pool, &fixture->limits, get,
                     decodes ? &fixture->shelf : NULL);
}

static void close_fixture(struct fixture *fixture)
{
    sl_response_fini(&fixture->response);
    sl_buffer_fini(&fixture->input);
    sl_decoder_shelf_fini(&fixture->shelf);
    CHECK_INT(sl_pool_fini(&fixture->pool), 0);
    test_allocator_fini(&fixture->allocator);
}

static void append(struct fixture *fixture, struct sl_view bytes)
{
    CHECK_INT(sl_buffer_append(&fixture->input, bytes), SL_OK);
}

static enum sl_status step(struct fixture *fixture, size_t window,
                           enum sl_response_event *event)
{
    return sl_response_step(&fixture->response, &fixture->input, window, event);
}

static void expect(struct fixture *fixture, enum sl_response_event expected)
{
    enum sl_response_event event;

    REQUIRE(step(fixture, SIZE_MAX, &event) == SL_OK);
    CHECK_INT(event, expected);
}

static void expect_status(struct fixture *fixture, enum sl_status expected)
{
    enum sl_response_event event;

    CHECK_INT(step(fixture, SIZE_MAX, &event), expected);
}

/* gzip of `size` bytes made of `pattern` over and over; free it. */
static struct sl_view compress_pattern(const char *pattern, size_t size)
{
    size_t period = strlen(pattern);
    unsigned char *plain = malloc(size + 1);
    unsigned char *coded = malloc(size + 1024);
    z_stream stream;
    size_t i;

    for (i = 0; i < size; i++)
        plain[i] = (unsigned char)pattern[i % period];
    memset(&stream, 0, sizeof(stream));
    deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = plain;
    stream.avail_in = (unsigned)size;
    stream.next_out = coded;
    stream.avail_out = (unsigned)(size + 1024);
    CHECK_INT(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    free(plain);
    return sl_view((char *)coded, stream.total_out);
}

TEST("reports each event once, then the end for ever")
{
    struct fixture fixture;

    open_fixture(&fixture, 0, true);
    append(&fixture,
           SL_VIEW("HTTP/1.1 103 Hints\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX"));
    expect(&fixture, SL_EVENT_INTERIM);
    CHECK_INT(fixture.response.head.status, 103);
    expect(&fixture, SL_EVENT_HEAD);
    CHECK_INT(fixture.response.head.status, 200);
    CHECK_INT(sl_response_expected(&fixture.response), 2);
    expect(&fixture, SL_EVENT_BODY);
    CHECK_VIEW(sl_buffer_peek(&fixture.response.body), "ok");
    expect(&fixture, SL_EVENT_END);
    expect_status(&fixture, SL_END);
    expect_status(&fixture, SL_END);
    CHECK_INT(sl_response_end_input(&fixture.response, false), SL_OK);
    CHECK_VIEW(sl_buffer_peek(&fixture.input), "X");
    close_fixture(&fixture);
}

TEST("takes limits for equal only if all of them are")
{
    struct sl_response_limits all, others;

    sl_response_limits_default(&all);
    others = all;
    CHECK(sl_response_limits_equal(&all, &others));
    for (int i = 0; i < 6; i++) {
        test_note("limit %d", i);
        others = all;
        others.head.head -= i == 0;
        others.head.line -= i == 1;
        others.head.lines -= i == 2;
        others.head.lenient_lf = i == 3;
        others.interim -= i == 4;
        others.body -= i == 5;
        CHECK(!sl_response_limits_equal(&all, &others));
        CHECK(!sl_response_limits_equal(&others, &all));
    }
}

/* The limits that were left are gone: no part may look at them again. */
static void move_limits(struct fixture *fixture,
                        struct sl_response_limits *limits)
{
    *limits = fixture->limits;
    sl_response_set_limits(&fixture->response, limits);
    memset(&fixture->limits, 0, sizeof fixture->limits);
}

TEST("moves to other limits within a head, a body and trailers")
{
    static const char wire[] = "HTTP/1.1 103 Hints\r\n\r\n"
                               "HTTP/1.1 200 OK\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "2\r\nok\r\n0\r\nX: y\r\n\r\n";
    struct fixture fixture;
    struct sl_response_limits limits;
    enum sl_response_event event;
    enum sl_status status;

    for (size_t cut = 0; cut < sizeof wire; cut++) {
        test_note("after %zu bytes", cut);
        open_fixture(&fixture, 0, false);
        append(&fixture, sl_view(wire, cut));
        while ((status = step(&fixture, SIZE_MAX, &event)) == SL_OK)
            continue;
        move_limits(&fixture, &limits);
        append(&fixture, sl_view(wire + cut, sizeof wire - 1 - cut));
        while ((status = step(&fixture, SIZE_MAX, &event)) == SL_OK)
            continue;
        CHECK_INT(status, SL_END);
        CHECK_VIEW(sl_buffer_peek(&fixture.response.body), "ok");
        close_fixture(&fixture);
    }
}

TEST("knows whether a body has a declared length, and which")
{
    static const struct {
        const char *head;
        uint64_t expected;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 7},
        {"HTTP/1.1 204 None\r\nContent-Length: 7\r\n\r\n", 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", UINT64_MAX},
        {"HTTP/1.1 200 OK\r\n\r\n", UINT64_MAX},
    };
    struct fixture fixture;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_fixture(&fixture, 0, false);
        append(&fixture, sl_view(cases[i].head, strlen(cases[i].head)));
        expect(&fixture, SL_EVENT_HEAD);
        CHECK(sl_response_expected(&fixture.response) == cases[i].expected);
        close_fixture(&fixture);
    }
}

TEST("shows payload in place, without copying it")
{
    static const size_t size = 8000;
    struct fixture fixture;
    struct sl_room room;
    struct sl_view body;
    int used;
    int framing;

    for (framing = 0; framing < 3; framing++) {
        open_fixture(&fixture, 0, false);
        CHECK_INT(sl_buffer_reserve(&fixture.input, 16384, &room), SL_OK);
        used = snprintf(room.data, room.size,
                        framing == 0   ? "HTTP/1.1 200 OK\r\n"
                                         "Content-Length: 8000\r\n\r\n"
                        : framing == 1 ? "HTTP/1.1 200 OK\r\n"
                                         "Transfer-Encoding: chunked\r\n\r\n"
                                         "1f40\r\n"
                                       : "HTTP/1.1 200 OK\r\n\r\n");
        memset(room.data + used, 'x', size);
        sl_buffer_commit(&fixture.input, (size_t)used + size);
        expect(&fixture, SL_EVENT_HEAD);
        expect(&fixture, SL_EVENT_BODY);
        body = sl_buffer_peek(&fixture.response.body);
        CHECK(body.data == room.data + used);
        CHECK_INT(body.size, size);
        close_fixture(&fixture);
    }
}

TEST("only reads an input that others hold")
{
    static const char wire[] = "HTTP/1.1 200 OK\r\n"
                               "Transfer-Encoding: chunked\r\n"
                               "X: a\r\n b\r\n\r\n"
                               "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n";
    struct fixture fixture;
    struct sl_buffer other;

    open_fixture(&fixture, 0, false);
    sl_buffer_init(&other, &fixture.pool, SIZE_MAX);
    CHECK_INT(sl_buffer_append(&other, sl_view(wire, sizeof(wire) - 1)), SL_OK);
    CHECK_INT(sl_buffer_link(&fixture.input, sl_buffer_front(&other).segment,
                             sl_buffer_front(&other).data, other.length),
              SL_OK);
    fixture.response.keeps_input = true;
    expect(&fixture, SL_EVENT_HEAD);
    expect(&fixture, SL_EVENT_BODY);
    expect(&fixture, SL_EVENT_END);
    CHECK_VIEW(sl_head_value(&fixture.response.head, 1), "a   b");
    CHECK_INT(fixture.response.body.length, 6);
    CHECK_VIEW(sl_buffer_peek(&other), wire);
    sl_buffer_fini(&other);
    close_fixture(&fixture);
}

TEST("lets a body of known length be received directly")
{
    struct fixture fixture;
    struct sl_room room;

    open_fixture(&fixture, 0, true);
    CHECK_INT(sl_response_direct(&fixture.response), 0);
    append(&fixture,
           SL_VIEW("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
    expect(&fixture, SL_EVENT_HEAD);
    CHECK_INT(sl_response_direct(&fixture.response), 10);
    expect(&fixture, SL_EVENT_BODY);
    CHECK_INT(sl_response_direct(&fixture.response), 7);
    CHECK_INT(sl_buffer_reserve(&fixture.response.body, 7, &room), SL_OK);
    memcpy(room.data, "defghij", 7);
    sl_buffer_commit(&fixture.response.body, 7);
    sl_response_received(&fixture.response, 7);
    CHECK_INT(sl_response_direct(&fixture.response), 0);
    expect(&fixture, SL_EVENT_BODY);
    CHECK_INT(fixture.response.received, 10);
    CHECK_INT(fixture.response.delivered, 10);
    expect(&fixture, SL_EVENT_END);
    CHECK_VIEW(sl_buffer_peek(&fixture.response.body), "abcdefghij");
    close_fixture(&fixture);
}

TEST("allows no direct receive if the body needs decoding or checks")
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 204 None\r\nContent-Length: 10\r\n\r\n",
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
         "Content-Length: 10\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", /* over the limit */
    };
    struct fixture fixture;
    size_t i;

    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        test_note("head %zu", i);
        open_fixture(&fixture, 0, true);
        fixture.limits.body = 10;
        append(&fixture, sl_view(heads[i], strlen(heads[i])));
        expect(&fixture, SL_EVENT_HEAD);
        CHECK_INT(sl_response_direct(&fixture.response), 0);
        close_fixture(&fixture);
    }
}

TEST("is complete if the input ends after the last byte")
{
    struct fixture fixture;
    struct sl_room room;

    open_fixture(&fixture, 0, false);
    append(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
    expect(&fixture, SL_EVENT_HEAD);
    CHECK_INT(sl_buffer_reserve(&fixture.response.body, 2, &room), SL_OK);
    memcpy(room.data, "ok", 2);
    sl_buffer_commit(&fixture.response.body, 2);
    sl_response_received(&fixture.response, 2);
    CHECK_INT(sl_response_end_input(&fixture.response, false), SL_OK);
    expect(&fixture, SL_EVENT_BODY);
    expect(&fixture, SL_EVENT_END);
    close_fixture(&fixture);
}

TEST("repeats its failure")
{
    struct fixture fixture;

    open_fixture(&fixture, 0, false);
    append(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n"
                             "Transfer-Encoding: chunked\r\n\r\nx"));
    expect(&fixture, SL_EVENT_HEAD);
    expect_status(&fixture, SL_PROTOCOL);
    append(&fixture, SL_VIEW("5\r\nhello\r\n"));
    expect_status(&fixture, SL_PROTOCOL);
    CHECK_INT(sl_response_end_input(&fixture.response, true), SL_PROTOCOL);
    CHECK_STR(sl_response_explain(&fixture.response, words),
              "chunk size is not a hexadecimal number");
    close_fixture(&fixture);
}

TEST("decodes at most its window until that is drained")
{
    static const size_t size = 1000000;
    static const size_t window = 4096;
    struct sl_view coded = compress_pattern("0123456789abcdef", size);
    struct fixture fixture;
    enum sl_response_event event;
    enum sl_status status;
    size_t total = 0;
    char head[128];

    open_fixture(&fixture, 0, true);
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
             "Content-Length: %zu\r\n\r\n",
             coded.size);
    append(&fixture, sl_view(head, strlen(head)));
    append(&fixture, coded);
    expect(&fixture, SL_EVENT_HEAD);
    do {
        status = step(&fixture, window, &event);
        CHECK(fixture.response.body.length <= window);
        if (status == SL_AGAIN)
            REQUIRE(sl_response_is_full(&fixture.response, window));
        if (sl_response_is_full(&fixture.response, window)) {
            CHECK_INT(step(&fixture, window, &event), SL_AGAIN);
            total += fixture.response.body.length;
            sl_buffer_consume(&fixture.response.body,
                              fixture.response.body.length);
        }
    } while (status == SL_AGAIN || (status == SL_OK && event == SL_EVENT_BODY));
    total += fixture.response.body.length;
    CHECK_INT(status, SL_OK);
    CHECK_INT(total, size);
    CHECK_INT(fixture.response.delivered, size);
    CHECK_INT(fixture.response.received, coded.size);
    free((void *)(uintptr_t)coded.data);
    close_fixture(&fixture);
}

/* A bomb in two layers: memory is bounded by the window, whatever the ratio. */
TEST("holds little memory while a bomb is streamed, and stops at the limit")
{
    static const size_t size = 40000000;
    struct sl_view inner = compress_pattern("0", size);
    struct sl_view outer;
    struct fixture fixture;
    enum sl_response_event event;
    enum sl_status status;
    unsigned char *coded = malloc(inner.size + 1024);
    char head[128];
    z_stream stream;

    memset(&stream, 0, sizeof(stream));
    deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = (unsigned char *)(uintptr_t)inner.data;
    stream.avail_in = (unsigned)inner.size;
    stream.next_out = coded;
    stream.avail_out = (unsigned)(inner.size + 1024);
    CHECK_INT(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    outer = sl_view((char *)coded, stream.total_out);

    open_fixture(&fixture, 0, true);
    fixture.limits.body = size - 1;
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n"
             "Content-Length: %zu\r\n\r\n",
             outer.size);
    append(&fixture, sl_view(head, strlen(head)));
    append(&fixture, outer);
    expect(&fixture, SL_EVENT_HEAD);
    do {
        status = step(&fixture, 65536, &event);
        CHECK(fixture.pool.stats.bytes <= 400000);
        sl_buffer_consume(&fixture.response.body, fixture.response.body.length);
    } while (!sl_is_failure(status) && status != SL_END);
    CHECK_INT(status, SL_LIMIT);
    CHECK_INT(fixture.response.delivered, size - 1);
    CHECK_STR(sl_response_explain(&fixture.response, words),
              "body exceeds 39999999 bytes (limits.body)");
    free((void *)(uintptr_t)inner.data);
    free(coded);
    close_fixture(&fixture);
}

static void check_coded_end(struct sl_view coded, const char *error)
{
    struct fixture fixture;
    enum sl_response_event event;
    enum sl_status status;

    open_fixture(&fixture, 23, true);
    append(&fixture,
           SL_VIEW("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"));
    append(&fixture, coded);
    expect(&fixture, SL_EVENT_HEAD);
    do
        status = step(&fixture, SIZE_MAX, &event);
    while (status == SL_OK);
    if (status == SL_AGAIN) {
        CHECK_INT(sl_response_end_input(&fixture.response, true), SL_OK);
        do
            status = step(&fixture, SIZE_MAX, &event);
        while (status == SL_OK);
    }
    CHECK_INT(status, error == NULL ? SL_END : SL_DECODE);
    CHECK_INT(sl_response_explain(&fixture.response, words) == NULL,
              error == NULL);
    close_fixture(&fixture);
}

TEST("reports a pool that is full in the body as a limit, in any framing")
{
    static const char *const heads[] = {
        "Content-Length: 9000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2328\r\n",
        "\r\n",
        "Content-Encoding: gzip\r\n\r\n",
    };
    char *noise = malloc(9000);
    unsigned state = 5;
    struct sl_view coded;
    size_t i;

    for (i = 0; i < 9000; i++)
        noise[i] =
            (char)(33 + (state = state * 1103515245 + 12345) / 65536 % 90);
    noise[8999] = '\0';
    coded = compress_pattern(noise, 8999);
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct sl_view body = i == 3 ? coded : sl_view(noise, 9000);
        struct fixture fixture;
        size_t at;

        test_note("head %zu", i);
        open_fixture(&fixture, 1024, true);
        append(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n"));
        append(&fixture, sl_view(heads[i], strlen(heads[i])));
        expect(&fixture, SL_EVENT_HEAD);
        for (at = 0; at < body.size && fixture.response.failed == SL_OK;
             at += 10) {
            enum sl_response_event event;

            fixture.pool.options.max_bytes = SIZE_MAX;
            append(&fixture,
                   sl_view(body.data + at,
                           body.size - at < 10 ? body.size - at : 10));
            fixture.pool.options.max_bytes = fixture.pool.stats.bytes;
            while (step(&fixture, SIZE_MAX, &event) == SL_OK)
                continue;
        }
        CHECK_INT(fixture.response.failed, SL_LIMIT);
        CHECK_STR(sl_response_explain(&fixture.response, words),
                  "the pool is full");
        close_fixture(&fixture);
    }
    free(noise);
    free((void *)(uintptr_t)coded.data);
}

TEST("refuses coded data that is cut anywhere, or continues after its end")
{
    struct sl_view coded = compress_pattern("hello ", 600);
    char *longer = malloc(coded.size + 1);
    size_t size;

    check_coded_end(coded, NULL);
    for (size = 1; size < coded.size; size++) {
        test_note("cut at %zu of %zu", size, coded.size);
        check_coded_end(sl_view(coded.data, size), "truncated");
    }
    memcpy(longer, coded.data, coded.size);
    longer[coded.size] = 'x';
    check_coded_end(sl_view(longer, coded.size + 1), "more");
    free(longer);
    free((void *)(uintptr_t)coded.data);
}

static void open_chunked(struct fixture *fixture, const char *rest)
{
    open_fixture(fixture, 0, false);
    append(fixture, SL_VIEW("HTTP/1.1 200 OK\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n"));
    append(fixture, sl_view(rest, strlen(rest)));
    expect(fixture, SL_EVENT_HEAD);
}

TEST("refuses framing fields among trailers, first, last or alone")
{
    static const char *const names[] = {"Content-Length", "content-length",
                                        "Transfer-Encoding",
                                        "transfer-encoding"};
    struct fixture fixture;
    char rest[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int place = 0; place < 4; place++) {
            snprintf(rest, sizeof rest, "0\r\n%s%s: 1\r\n%s\r\n",
                     place & 1 ? "A: b\r\n" : "", names[i],
                     place & 2 ? "C: d\r\n" : "");
            test_note("%s", rest);
            open_chunked(&fixture, rest);
            expect_status(&fixture, SL_PROTOCOL);
            CHECK_STR(sl_response_explain(&fixture.response, words),
                      "framing field in the trailer section");
            close_fixture(&fixture);
        }
    }
}

TEST("keeps nothing for trailers that there are not")
{
    struct fixture fixture;
    struct sl_room room;

    open_chunked(&fixture, "0\r\n\r\n");
    expect(&fixture, SL_EVENT_END);
    CHECK(fixture.response.trailers == NULL);
    CHECK_INT(sl_response_trailers(&fixture.response)->count, 0);
    close_fixture(&fixture);

    /* An LF that has not arrived ends nothing, though it is in memory. */
    open_chunked(&fixture, "");
    CHECK_INT(sl_buffer_reserve(&fixture.input, 5, &room), SL_OK);
    memcpy(room.data, "0\r\n\r\n", 5);
    sl_buffer_commit(&fixture.input, 4);
    expect_status(&fixture, SL_AGAIN);
    append(&fixture, SL_VIEW("\n"));
    expect(&fixture, SL_EVENT_END);
    CHECK_INT(fixture.input.length, 0);
    close_fixture(&fixture);
}

TEST("keeps head, trailers and body when it is finished")
{
    struct sl_view coded = compress_pattern("ab", 2);
    struct fixture fixture;
    char line[16];

    open_fixture(&fixture, 0, true);
    append(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"));
    snprintf(line, sizeof(line), "%zx\r\n", coded.size);
    append(&fixture, sl_view(line, strlen(line)));
    append(&fixture, coded);
    append(&fixture, SL_VIEW("\r\n0\r\nX: y\r\n\r\n"));
    expect(&fixture, SL_EVENT_HEAD);
    expect(&fixture, SL_EVENT_BODY);
    expect(&fixture, SL_EVENT_END);
    sl_response_settle(&fixture.response);
    sl_response_settle(&fixture.response);
    CHECK_INT(fixture.response.head.status, 200);
    CHECK_VIEW(sl_head_value(fixture.response.trailers, 0), "y");
    CHECK_VIEW(sl_buffer_peek(&fixture.response.body), "ab");
    expect_status(&fixture, SL_END);
    free((void *)(uintptr_t)coded.data);
    close_fixture(&fixture);
}

TEST("decodes nothing of a body that nobody wants")
{
    static const char wire[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                               "Content-Length: 8\r\n\r\nnot gzipnext";
    const size_t head = sizeof(wire) - 1 - strlen("not gzipnext");
    struct fixture fixture;
    enum sl_response_event event;
    enum sl_status status;
    size_t i;

    open_fixture(&fixture, 23, true);
    append(&fixture, sl_view(wire, head));
    expect(&fixture, SL_EVENT_HEAD);
    sl_response_discard(&fixture.response);
    for (i = head; i < sizeof(wire) - 1; i++) {
        append(&fixture, sl_view(wire + i, 1));
        while ((status = step(&fixture, SIZE_MAX, &event)) == SL_OK)
            sl_response_discard(&fixture.response);
        CHECK_INT(status, i < head + 7 ? SL_AGAIN : SL_END);
        CHECK_INT(fixture.response.body.length, 0);
    }
    CHECK_INT(fixture.response.received, 8);
    CHECK_INT(fixture.input.length, 4);
    close_fixture(&fixture);
}

TEST("may be disposed at any byte, also twice")
{
    static const char wire[] =
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
    struct fixture fixture;
    enum sl_response_event event;
    size_t size;

    for (size = 0; size < sizeof(wire); size++) {
        test_note("after %zu bytes", size);
        open_fixture(&fixture, 23, true);
        append(&fixture, sl_view(wire, size));
        while (step(&fixture, SIZE_MAX, &event) == SL_OK)
            continue;
        sl_response_fini(&fixture.response);
        close_fixture(&fixture);
    }
}

int main(void)
{
    return test_main();
}
