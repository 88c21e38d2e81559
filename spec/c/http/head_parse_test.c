#include "spec/c/http/heads.h"

#include <stdio.h>
#include <stdlib.h>

static char words[SL_EXCESS_ROOM]; /* for messages */

static struct sl_view view_of(const char *text)
{
    return sl_view(text, strlen(text));
}

static void check_nginx(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    struct fixture fixture;
    enum sl_status status = SL_AGAIN;
    const struct sl_head *head = &fixture.head;
    size_t i;

    open_fixture(&fixture, *(const size_t *)argument);
    for (i = 0; i < count; i++) {
        CHECK_INT(status, SL_AGAIN);
        status = feed(&fixture, pieces[i]);
        if (status == SL_AGAIN)
            CHECK(fixture.input.length > 0);
    }
    REQUIRE(status == SL_OK);
    CHECK_INT(fixture.input.length, 0);
    CHECK_INT(head->status, 200);
    CHECK_INT(head->minor_version, 1);
    CHECK_VIEW(sl_head_reason(head), "OK");
    CHECK_INT(head->count, 10);
    CHECK_INT(head->size, sizeof(nginx) - 1);
    CHECK_BYTES(head->text, head->size, nginx, sizeof(nginx) - 1);
    CHECK_VIEW(sl_head_name(head, 0), "Server");
    CHECK_VIEW(sl_head_value(head, 0), "nginx/1.22.1");
    CHECK_VIEW(sl_head_name(head, 9), "Accept-Ranges");
    CHECK_VIEW(sl_head_value(head, 9), "bytes");
    /* scratch is given back: one block holds it all */
    CHECK_INT(sl_pool_outstanding(&fixture.pool), 1);
    close_fixture(&fixture);
}

TEST("keeps table and text in one block of their own, however it is cut")
{
    size_t segment_size = 23;

    test_each_cut(sl_view(nginx, sizeof(nginx) - 1), check_nginx,
                  &segment_size);
    segment_size = 0;
    test_each_cut(sl_view(nginx, sizeof(nginx) - 1), check_nginx,
                  &segment_size);
}

TEST("consumes only its own bytes")
{
    struct fixture fixture;

    open_fixture(&fixture, 23);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.0 404 Not Found\r\n\r\nrest")),
              SL_OK);
    CHECK_INT(fixture.head.minor_version, 0);
    CHECK_INT(fixture.head.count, 0);
    CHECK_VIEW(sl_head_reason(&fixture.head), "Not Found");
    CHECK_VIEW(sl_buffer_peek(&fixture.input), "rest");
    close_fixture(&fixture);
}

TEST("starts again after reset, also from the middle and after a failure")
{
    struct fixture fixture;

    open_fixture(&fixture, 23);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\nA: b\r\nC")),
              SL_AGAIN);
    sl_head_reset(&fixture.head);
    sl_buffer_reset(&fixture.input);
    CHECK_INT(feed(&fixture, SL_VIEW("nonsense")), SL_PROTOCOL);
    CHECK_STR(sl_head_explain(&fixture.head, words), "not an HTTP response");
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n\r\n")), SL_PROTOCOL);
    sl_head_reset(&fixture.head);
    sl_buffer_reset(&fixture.input);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n\r\n")), SL_OK);
    CHECK(sl_head_explain(&fixture.head, words) == NULL);
    close_fixture(&fixture);
}

TEST("fails at the first byte that cannot start a response")
{
    static const char good[] = "HTTP/1.1 200";
    struct fixture fixture;
    size_t at;
    int byte;

    for (at = 0; at < sizeof(good) - 1; at++) {
        for (byte = 0; byte < 256; byte++) {
            char text[sizeof(good)];
            bool is_good =
                byte == good[at] || (at == 7 && byte == '0') ||
                (at >= 9 && byte >= (at == 9 ? '1' : '0') && byte <= '9');

            memcpy(text, good, sizeof(good));
            text[at] = (char)byte;
            test_note("byte %d at %zu", byte, at);
            open_fixture(&fixture, 23);
            CHECK_INT(feed(&fixture, sl_view(text, at + 1)),
                      is_good ? SL_AGAIN : SL_PROTOCOL);
            close_fixture(&fixture);
        }
    }
}

TEST("takes every status from 100 to 999")
{
    struct fixture fixture;
    int status;

    for (status = 100; status < 1000; status++) {
        char text[32];

        snprintf(text, sizeof(text), "HTTP/1.1 %d\r\n\r\n", status);
        open_fixture(&fixture, 0);
        CHECK_INT(feed(&fixture, view_of(text)), SL_OK);
        CHECK_INT(fixture.head.status, status);
        CHECK_INT(fixture.head.reason_size, 0);
        close_fixture(&fixture);
    }
}

/* Every byte in every place of a field line, at sizes around a vector's. */
TEST("refuses controls in values and non-token bytes in names")
{
    struct fixture fixture;
    int byte, size;

    for (byte = 0; byte < 256; byte++) {
        bool good_value = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        bool good_name = byte > ' ' && byte < 0x7f &&
                         strchr("\"(),/;<=>?@[\\]{}", byte) == NULL;

        for (size = 1; size < 40; size += 3) {
            char text[128];
            int used = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nA: ");

            test_note("byte %d behind %d", byte, size);
            memset(text + used, 'v', (size_t)size);
            used += size;
            text[used++] = (char)byte;
            memcpy(text + used, "w\r\n\r\n", 5);
            open_fixture(&fixture, 23);
            CHECK_INT(feed(&fixture, sl_view(text, (size_t)used + 5)),
                      good_value ? SL_OK : SL_PROTOCOL);
            close_fixture(&fixture);

            used = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");
            memset(text + used, 'n', (size_t)size);
            used += size;
            text[used++] = (char)byte;
            memcpy(text + used, "m: x\r\n\r\n", 8);
            open_fixture(&fixture, 23);
            CHECK_INT(feed(&fixture, sl_view(text, (size_t)used + 8)),
                      good_name ? SL_OK : SL_PROTOCOL);
            close_fixture(&fixture);
        }
    }
}

/* nginx with `extra` before the byte at `at`, at once and byte by byte. */
static void check_inserted(size_t at, char extra, bool lenient_lf)
{
    struct sl_head_limits limits = defaults;
    char wire[sizeof(nginx)];
    struct fixture fixture;
    enum sl_status status = SL_AGAIN;
    size_t i;

    test_note("byte %d before %zu", extra, at);
    limits.lenient_lf = lenient_lf;
    memcpy(wire, nginx, at);
    wire[at] = extra;
    memcpy(wire + at + 1, nginx + at, sizeof(nginx) - 1 - at);
    open_limited(&fixture, 0, &limits);
    CHECK_INT(feed(&fixture, sl_view(wire, sizeof(nginx))), SL_PROTOCOL);
    CHECK_STR(sl_head_explain(&fixture.head, words),
              "a line holds CR without LF");
    close_fixture(&fixture);
    open_limited(&fixture, 0, &limits);
    for (i = 0; i < sizeof(nginx) && status == SL_AGAIN; i++)
        status = feed(&fixture, sl_view(wire + i, 1));
    CHECK_INT(status, SL_PROTOCOL);
    CHECK_INT(i, at + 1);
    close_fixture(&fixture);
}

TEST("ends no line, and no head, at a CR and an LF that are apart")
{
    for (size_t at = 0; at < sizeof(nginx) - 1; at++) {
        if (nginx[at] != '\n')
            continue;
        check_inserted(at, 'x', false);
        check_inserted(at, 'x', true);
        check_inserted(at, ' ', true);
        check_inserted(at, '\r', true);
    }
}

struct limit_case {
    struct sl_head_limits limits;
    char *text;
    size_t size;
    enum sl_status expected;
    const char *error;
};

static void check_limit(struct limit_case *limit_case, size_t segment_size)
{
    struct fixture fixture;
    size_t i;

    open_limited(&fixture, segment_size, &limit_case->limits);
    CHECK_INT(feed(&fixture, sl_view(limit_case->text, limit_case->size)),
              limit_case->expected);
    CHECK_STR(sl_head_explain(&fixture.head, words), limit_case->error);
    close_fixture(&fixture);

    open_limited(&fixture, segment_size, &limit_case->limits);
    for (i = 0; i < limit_case->size; i += 97) {
        size_t n = limit_case->size - i < 97 ? limit_case->size - i : 97;

        if (feed(&fixture, sl_view(limit_case->text + i, n)) != SL_AGAIN)
            break;
    }
    CHECK_INT(sl_is_failure(limit_case->expected) ? fixture.head.failed
              : fixture.head.text != NULL         ? SL_OK
                                                  : SL_AGAIN,
              limit_case->expected);
    CHECK_STR(sl_head_explain(&fixture.head, words), limit_case->error);
    close_fixture(&fixture);
}

/* One field whose line is `line` bytes long, in a head of `head` bytes. */
static void build(struct limit_case *limit_case, size_t line, size_t head)
{
    char *text = malloc(head + 64);
    size_t used = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");

    while (used + line + 4 <= head) {
        text[used] = 'A';
        text[used + 1] = ':';
        memset(text + used + 2, 'v', line - 2);
        memcpy(text + used + line, "\r\n", 2);
        used += line + 2;
    }
    if (head - used > 2) {
        size_t rest = head - used - 4;

        text[used] = 'B';
        text[used + 1] = ':';
        memset(text + used + 2, 'w', rest > 2 ? rest - 2 : 0);
        memcpy(text + used + rest, "\r\n", 2);
        used += rest + 2;
    }
    memcpy(text + used, "\r\n", 2);
    limit_case->text = text;
    limit_case->size = used + 2;
}

TEST("keeps its limits to the byte")
{
    struct limit_case limit_case = {defaults, NULL, 0, SL_OK, NULL};

    build(&limit_case, 1000, 65536);
    CHECK_INT(limit_case.size, 65536);
    check_limit(&limit_case, 0);
    limit_case.limits.head = 65535;
    limit_case.expected = SL_LIMIT;
    limit_case.error = "response head exceeds 65535 bytes (limits.head)";
    check_limit(&limit_case, 0);
    free(limit_case.text);

    limit_case.limits = defaults;
    limit_case.expected = SL_OK;
    limit_case.error = NULL;
    build(&limit_case, 16384, 16384 + 21);
    check_limit(&limit_case, 0);
    check_limit(&limit_case, 23);
    limit_case.limits.line = 16383;
    limit_case.expected = SL_LIMIT;
    limit_case.error = "a line of the head exceeds 16383 bytes (limits.line)";
    check_limit(&limit_case, 0);
    check_limit(&limit_case, 23);
    free(limit_case.text);

    limit_case.limits = defaults;
    limit_case.expected = SL_OK;
    limit_case.error = NULL;
    build(&limit_case, 10, 17 + 12 * 256 + 2);
    check_limit(&limit_case, 0);
    limit_case.limits.lines = 255;
    limit_case.expected = SL_LIMIT;
    limit_case.error = "response head exceeds 255 lines (limits.lines)";
    check_limit(&limit_case, 0);
    free(limit_case.text);
}

TEST("refuses a name longer than its table can record")
{
    struct limit_case limit_case = {{200000, 200000, 256, false},
                                    NULL,
                                    0,
                                    SL_LIMIT,
                                    "a field name exceeds 65535 bytes (fixed)"};
    size_t used = 17;

    limit_case.text = malloc(100000);
    limit_case.size = 17 + 65536 + 8;
    memcpy(limit_case.text, "HTTP/1.1 200 OK\r\n", 17);
    memset(limit_case.text + used, 'n', 65536);
    memcpy(limit_case.text + used + 65536, ": vvvv\r\n", 8);
    check_limit(&limit_case, 0);
    memcpy(limit_case.text + used + 65535, ": vv\r\n\r\n", 8);
    limit_case.expected = SL_OK;
    limit_case.error = NULL;
    check_limit(&limit_case, 0);
    free(limit_case.text);
}

TEST("grows its table past one block when the limits allow it")
{
    struct limit_case limit_case = {defaults, NULL, 0, SL_OK, NULL};
    struct fixture fixture;

    limit_case.limits.lines = 100000;
    build(&limit_case, 10, 65536);
    open_limited(&fixture, 0, &limit_case.limits);
    CHECK_INT(feed(&fixture, sl_view(limit_case.text, limit_case.size)), SL_OK);
    CHECK(fixture.head.count > 5000);
    CHECK_VIEW(sl_head_name(&fixture.head, 5000), "A");
    CHECK_VIEW(sl_head_value(&fixture.head, 5000), "vvvvvvvv");
    close_fixture(&fixture);
    free(limit_case.text);
}

/* "F00: 0" and so on: each field of it has a value of its own. */
static size_t write_fields(char *text, size_t size, int count)
{
    size_t used = (size_t)snprintf(text, size, "HTTP/1.1 200 OK\r\n");

    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "F%02d: %d\r\n", i,
                                 i * i);
    return used + (size_t)snprintf(text + used, size - used, "\r\n");
}

static void check_fields(const struct sl_head *head, int count)
{
    char expected[16];

    CHECK_INT(head->count, count);
    for (int i = 0; i < count; i++) {
        snprintf(expected, sizeof expected, "F%02d", i);
        CHECK_VIEW(sl_head_name(head, (size_t)i), expected);
        snprintf(expected, sizeof expected, "%d", i * i);
        CHECK_VIEW(sl_head_value(head, (size_t)i), expected);
    }
}

TEST("keeps its fields, few or many, when it arrives in two pieces")
{
    static const int counts[] = {1, 31, 32, 33, 65};
    struct fixture fixture;
    char text[2048];

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t size = write_fields(text, sizeof text, counts[i]);

        for (size_t cut = 0; cut < size; cut++) {
            open_fixture(&fixture, 0);
            if (cut > 0)
                CHECK_INT(feed(&fixture, sl_view(text, cut)), SL_AGAIN);
            CHECK_INT(feed(&fixture, sl_view(text + cut, size - cut)), SL_OK);
            check_fields(&fixture.head, counts[i]);
            CHECK_INT(sl_pool_outstanding(&fixture.pool), 1);
            close_fixture(&fixture);
        }
    }
}

TEST("obeys limits that are smaller than a status line")
{
    struct sl_head_limits limits = {4, 16384, 256, false};
    struct fixture fixture;

    open_limited(&fixture, 0, &limits);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n\r\n")), SL_LIMIT);
    close_fixture(&fixture);
    limits = defaults;
    limits.line = 4;
    open_limited(&fixture, 0, &limits);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n\r\n")), SL_LIMIT);
    CHECK_STR(sl_head_explain(&fixture.head, words),
              "a line of the head exceeds 4 bytes (limits.line)");
    close_fixture(&fixture);
    open_limited(&fixture, 0, &limits);
    CHECK_INT(feed(&fixture, SL_VIEW("H")), SL_AGAIN);
    CHECK_INT(feed(&fixture, SL_VIEW("T")), SL_AGAIN);
    CHECK_INT(feed(&fixture, SL_VIEW("T")), SL_AGAIN);
    CHECK_INT(feed(&fixture, SL_VIEW("P")), SL_AGAIN);
    CHECK_INT(feed(&fixture, SL_VIEW("/")), SL_LIMIT);
    close_fixture(&fixture);
}

TEST("parses trailers by the same rules, without a status line")
{
    struct fixture fixture;

    open_fixture(&fixture, 23);
    sl_head_init_trailers(&fixture.head, &fixture.pool, &defaults);
    CHECK_INT(feed(&fixture, SL_VIEW("\r\nHTTP/1.1")), SL_OK);
    CHECK_INT(fixture.head.count, 0);
    CHECK(fixture.head.text != NULL);
    CHECK_VIEW(sl_buffer_peek(&fixture.input), "HTTP/1.1");
    sl_buffer_reset(&fixture.input);
    sl_head_reset(&fixture.head);
    CHECK(fixture.head.is_trailers);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n\r\n")), SL_PROTOCOL);
    sl_buffer_reset(&fixture.input);
    sl_head_reset(&fixture.head);
    CHECK_INT(feed(&fixture, SL_VIEW("X-Sum: 1\r\n 2\r\n\r\n")), SL_OK);
    CHECK_VIEW(sl_head_value(&fixture.head, 0), "1   2");
    close_fixture(&fixture);
}

static void parse_failing(struct sl_allocator *allocator, void *argument)
{
    size_t cut = *(const size_t *)argument;
    struct sl_pool_options options = {0};
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_head head;
    enum sl_status status;

    options.mode = SL_POOL_DIRECT;
    options.segment_size = cut == 200 ? 0 : 23;
    sl_pool_init(&pool, allocator, &options);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_head_init(&head, &pool, &defaults);
    status = sl_buffer_append(&input, sl_view(nginx, cut));
    if (status == SL_OK)
        status = sl_head_parse(&head, &input);
    if (status == SL_AGAIN)
        status = sl_buffer_append(
            &input, sl_view(nginx + cut, sizeof(nginx) - 1 - cut));
    if (status == SL_OK && head.text == NULL)
        status = sl_head_parse(&head, &input);
    if (status == SL_OK)
        CHECK_INT(head.count, 10);
    else
        CHECK(status == SL_MEMORY && test_allocator_has_failed(allocator));
    if (head.failed != SL_OK) {
        CHECK_INT(sl_head_parse(&head, &input), SL_MEMORY);
        CHECK_STR(sl_head_explain(&head, words),
                  "no memory for the response head");
    }
    sl_head_fini(&head);
    sl_buffer_fini(&input);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("survives every failing allocation, and repeats its failure")
{
    size_t cut = sizeof(nginx) - 1;

    test_each_failure(parse_failing, &cut);
    cut = 200;
    test_each_failure(parse_failing, &cut);
}

int main(void)
{
    return test_main();
}
