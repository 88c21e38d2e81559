#include "spec/c/support/test.h"

#include "http/request.h"
#include "memory/pool.h"

struct fixture {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_writer writer;
};

static void open_fixture(struct fixture *fixture, size_t max_size)
{
    struct sl_pool_options options = {0};

    options.mode = SL_POOL_DIRECT;
    test_allocator_init(&fixture->allocator);
    sl_pool_init(&fixture->pool, &fixture->allocator.base, &options);
    CHECK_INT(sl_writer_init(&fixture->writer, &fixture->pool, 16, max_size),
              SL_OK);
}

static void close_fixture(struct fixture *fixture)
{
    sl_writer_dispose(&fixture->writer);
    CHECK_INT(sl_pool_fini(&fixture->pool), 0);
    test_allocator_fini(&fixture->allocator);
}

static struct sl_view view_of(const char *text)
{
    return sl_view(text, strlen(text));
}

TEST("writes a request line and Host, then fields and the end")
{
    const char *error = NULL;
    struct fixture fixture;
    struct sl_writer *writer = &fixture.writer;

    open_fixture(&fixture, SIZE_MAX);
    CHECK_INT(sl_request_write_line(writer, SL_VIEW("POST"), SL_VIEW("/a?b"),
                                    SL_VIEW("example.org:8080"), &error),
              SL_OK);
    CHECK_INT(sl_request_write_field(writer, SL_VIEW("X-Name"),
                                     SL_VIEW(" a\tb \xff "), &error),
              SL_OK);
    CHECK_INT(
        sl_request_write_field(writer, SL_VIEW("Empty"), SL_VIEW(""), &error),
        SL_OK);
    CHECK_INT(sl_request_write_end(writer), SL_OK);
    CHECK_VIEW(sl_writer_view(writer), "POST /a?b HTTP/1.1\r\n"
                                       "Host: example.org:8080\r\n"
                                       "X-Name: a\tb \xff\r\n"
                                       "Empty: \r\n"
                                       "\r\n");
    CHECK_STR(error, NULL);
    close_fixture(&fixture);
}

TEST("writes every form of target")
{
    static const struct {
        const char *method;
        const char *target;
        const char *host;
        const char *expected;
    } cases[] = {
        {"GET", "/", "a", "GET / HTTP/1.1\r\nHost: a\r\n"},
        {"GET", "http://a/b", "a", "GET http://a/b HTTP/1.1\r\nHost: a\r\n"},
        {"CONNECT", "a:443", "a:443",
         "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"},
        {"OPTIONS", "*", "[::1]", "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n"},
        {"GET", "/", "", "GET / HTTP/1.1\r\nHost: \r\n"},
    };
    const char *error = NULL;
    struct fixture fixture;
    size_t i;

    open_fixture(&fixture, SIZE_MAX);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(sl_request_write_line(
                      &fixture.writer, view_of(cases[i].method),
                      view_of(cases[i].target), view_of(cases[i].host), &error),
                  SL_OK);
        CHECK_VIEW(sl_writer_view(&fixture.writer), cases[i].expected);
    }
    close_fixture(&fixture);
}

TEST("refuses every byte that could split a request line")
{
    struct fixture fixture;
    int byte;

    open_fixture(&fixture, SIZE_MAX);
    for (byte = 0; byte < 256; byte++) {
        char text[3] = {'a', (char)byte, 'b'};
        struct sl_view part = sl_view(guard_copy(text, 3), 3);
        bool is_good = byte > ' ' && byte < 0x7f;
        const char *error = NULL;

        test_note("byte %d", byte);
        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(sl_request_write_line(&fixture.writer, SL_VIEW("GET"), part,
                                        SL_VIEW("a"), &error),
                  is_good ? SL_OK : SL_INVALID);
        CHECK_INT(error == NULL, is_good);
        error = NULL;
        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(sl_request_write_line(&fixture.writer, SL_VIEW("GET"),
                                        SL_VIEW("/"), part, &error),
                  is_good ? SL_OK : SL_INVALID);
        CHECK_INT(error == NULL, is_good);
        CHECK_INT(sl_writer_view(&fixture.writer).size == 0, !is_good);
    }
    close_fixture(&fixture);
}

TEST("refuses a method that is not a token, and an empty target")
{
    static const char *const methods[] = {"",        "GET ",   "G ET",
                                          "GET\r\n", "G\xe4T", "GET/"};
    struct fixture fixture;
    const char *error = NULL;
    size_t i;

    open_fixture(&fixture, SIZE_MAX);
    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        error = NULL;
        CHECK_INT(sl_request_write_line(&fixture.writer, view_of(methods[i]),
                                        SL_VIEW("/"), SL_VIEW("a"), &error),
                  SL_INVALID);
        CHECK_STR(error, "not a token");
    }
    CHECK_INT(sl_request_write_line(&fixture.writer, SL_VIEW("GET"),
                                    SL_VIEW(""), SL_VIEW("a"), &error),
              SL_INVALID);
    CHECK_STR(error, "the request target is empty");
    CHECK_INT(sl_writer_view(&fixture.writer).size, 0);
    close_fixture(&fixture);
}

TEST("refuses every byte that could split a field line")
{
    struct fixture fixture;
    int byte;

    open_fixture(&fixture, SIZE_MAX);
    for (byte = 0; byte < 256; byte++) {
        char text[3] = {'a', (char)byte, 'b'};
        struct sl_view part = sl_view(guard_copy(text, 3), 3);
        bool is_good = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        bool is_name = byte > ' ' && byte < 0x7f &&
                       strchr("\"(),/:;<=>?@[\\]{}", byte) == NULL;
        const char *error = NULL;

        test_note("byte %d", byte);
        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(
            sl_request_write_field(&fixture.writer, SL_VIEW("X"), part, &error),
            is_good ? SL_OK : SL_INVALID);
        CHECK_STR(error,
                  is_good ? NULL : "the field value holds a control character");
        CHECK_INT(sl_writer_view(&fixture.writer).size == 0, !is_good);
        error = NULL;
        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(
            sl_request_write_field(&fixture.writer, part, SL_VIEW("x"), &error),
            is_name ? SL_OK : SL_INVALID);
        CHECK_STR(error, is_name ? NULL : "the field name is not a token");
        CHECK_INT(sl_writer_view(&fixture.writer).size == 0, !is_name);
    }
    close_fixture(&fixture);
}

TEST("refuses an empty field name")
{
    struct fixture fixture;
    const char *error = NULL;

    open_fixture(&fixture, SIZE_MAX);
    CHECK_INT(sl_request_write_field(&fixture.writer, SL_VIEW(""), SL_VIEW("x"),
                                     &error),
              SL_INVALID);
    close_fixture(&fixture);
}

TEST("recognises the fields that only the client may set")
{
    static const char *const own[] = {
        "Content-Length",
        "transfer-encoding",
        "CONNECTION",
        "Upgrade",
        "TE",
        "Trailer",
        "Host",
        "Keep-Alive",
        "Proxy-Connection",
    };
    static const char *const other[] = {
        "", "T", "TEE", "Content-Type", "Hosts", "Connection "};
    size_t i;

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        CHECK(sl_request_is_framing_field(view_of(own[i])));
    for (i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        CHECK(!sl_request_is_framing_field(view_of(other[i])));
}

TEST("leaves the writer as it was if there is no room")
{
    struct fixture fixture;
    const char *error = NULL;

    open_fixture(&fixture, 40);
    CHECK_INT(sl_request_write_line(&fixture.writer, SL_VIEW("GET"),
                                    SL_VIEW("/"), SL_VIEW("a"), &error),
              SL_OK);
    CHECK_INT(sl_request_write_field(&fixture.writer, SL_VIEW("X-Long"),
                                     SL_VIEW("0123456789"), &error),
              SL_LIMIT);
    CHECK_VIEW(sl_writer_view(&fixture.writer),
               "GET / HTTP/1.1\r\nHost: a\r\n");
    CHECK_INT(sl_request_write_end(&fixture.writer), SL_OK);
    close_fixture(&fixture);
}

static void write_failing(struct sl_allocator *allocator, void *argument)
{
    struct sl_pool_options options = {0};
    struct sl_writer writer;
    struct sl_pool pool;
    const char *error;
    enum sl_status status;

    (void)argument;
    options.mode = SL_POOL_DIRECT;
    sl_pool_init(&pool, allocator, &options);
    sl_writer_init(&writer, &pool, 1, SIZE_MAX);
    status = sl_request_write_line(&writer, SL_VIEW("GET"), SL_VIEW("/"),
                                   SL_VIEW("a"), &error);
    if (status == SL_OK)
        status = sl_request_write_field(
            &writer, SL_VIEW("X"),
            SL_VIEW("a value that is longer than the block of 256 bytes that "
                    "was rented at first, so that the writer must grow and "
                    "its content be moved, which is a second allocation and "
                    "may fail on its own: what had been written before it "
                    "then has to be there still, and is looked at below"),
            &error);
    if (status != SL_OK)
        CHECK(status == SL_MEMORY && test_allocator_has_failed(allocator));
    if (sl_writer_view(&writer).size > 0)
        CHECK(memcmp(sl_writer_view(&writer).data, "GET / HTTP/1.1\r\n", 16) ==
              0);
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

static void check_filled(struct sl_view head, size_t offset, const char *fields,
                         uint64_t length, const char *expected)
{
    struct sl_request_template template = {head, offset};
    struct sl_request_lines lines = {view_of(fields), length};
    size_t size = sl_request_size(&template, &lines);
    char *to = guard_copy(expected, strlen(expected));

    REQUIRE(size == strlen(expected));
    memset(to, '?', size);
    sl_request_fill(&template, &lines, to);
    CHECK_VIEW(sl_view(to, size), expected);
    guard_free(to);
}

TEST("writes the fields of one sending into a head")
{
    struct sl_view head = SL_VIEW("GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\n\r\n");
    size_t offset = strlen("GET / HTTP/1.1\r\nHost: a\r\n");

    check_filled(head, offset, "", UINT64_MAX,
                 "GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\n\r\n");
    check_filled(head, offset, "C: 2\r\n", UINT64_MAX,
                 "GET / HTTP/1.1\r\nHost: a\r\nC: 2\r\nB: 1\r\n\r\n");
    check_filled(head, offset, "C: 2\r\n", 0,
                 "GET / HTTP/1.1\r\nHost: a\r\nC: 2\r\n"
                 "Content-Length: 0\r\nB: 1\r\n\r\n");
    check_filled(head, head.size - 2, "", 9,
                 "GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\n"
                 "Content-Length: 9\r\n\r\n");
}

TEST("writes lengths of every size")
{
    static const struct {
        uint64_t length;
        const char *expected;
    } cases[] = {
        {0, "Content-Length: 0\r\n\r\n"},
        {9, "Content-Length: 9\r\n\r\n"},
        {10, "Content-Length: 10\r\n\r\n"},
        {99, "Content-Length: 99\r\n\r\n"},
        {100, "Content-Length: 100\r\n\r\n"},
        {UINT64_MAX - 1, "Content-Length: 18446744073709551614\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_filled(SL_VIEW("\r\n"), 0, "", cases[i].length,
                     cases[i].expected);
}

TEST("survives every failing allocation")
{
    test_each_failure(write_failing, NULL);
}

int main(void)
{
    return test_main();
}
