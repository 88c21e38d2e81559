#include "spec/c/support/test.h"

#include "http/url.h"
#include "memory/pool.h"

#include <stdio.h>

struct fixture {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_writer writer;
};

static void open_fixture(struct fixture *fixture)
{
    struct sl_pool_options options = {0};

    options.mode = SL_POOL_DIRECT;
    test_allocator_init(&fixture->allocator);
    sl_pool_init(&fixture->pool, &fixture->allocator.base, &options);
    sl_writer_init(&fixture->writer, &fixture->pool, 256, SIZE_MAX);
}

static void close_fixture(struct fixture *fixture)
{
    sl_writer_dispose(&fixture->writer);
    CHECK_INT(sl_pool_fini(&fixture->pool), 0);
    test_allocator_fini(&fixture->allocator);
}

/* Parses from guarded memory: one byte too many is a crash. */
static enum sl_status parse(struct sl_url *url, const char *text,
                            const char **error)
{
    size_t size = strlen(text);

    return sl_url_parse(url, sl_view(guard_copy(text, size), size), error);
}

static struct sl_url parse_good(const char *text)
{
    const char *error = NULL;
    struct sl_url url = {0};

    test_note("%s", text);
    CHECK_INT(parse(&url, text, &error), SL_OK);
    CHECK_STR(error, NULL);
    return url;
}

static void check_bad(const char *text, const char *expected)
{
    const char *error = NULL;
    struct sl_url url;

    test_note("%s", text);
    CHECK_INT(parse(&url, text, &error), SL_INVALID);
    CHECK_STR(error, expected);
}

static void check_target(const char *text, const char *expected)
{
    struct sl_url url = parse_good(text);
    const char *error = NULL;
    enum sl_status status = sl_url_check_target(&url, &error);

    CHECK_INT(status, expected == NULL ? SL_OK : SL_INVALID);
    CHECK_STR(error, expected);
}

static void check_resolved(struct fixture *fixture, const char *base_text,
                           const char *reference_text, const char *expected)
{
    struct sl_url base = parse_good(base_text);
    struct sl_url reference = parse_good(reference_text);

    CHECK_INT(sl_writer_reset(&fixture->writer), SL_OK);
    CHECK_INT(sl_url_resolve(&base, &reference, &fixture->writer), SL_OK);
    CHECK_VIEW(sl_writer_view(&fixture->writer), expected);
}

struct vector {
    const char *reference;
    const char *target;
};

static void check_vectors(const struct vector *vectors, size_t count)
{
    struct fixture fixture;
    size_t i;

    open_fixture(&fixture);
    for (i = 0; i < count; i++)
        check_resolved(&fixture, "http://a/b/c/d;p?q", vectors[i].reference,
                       vectors[i].target);
    close_fixture(&fixture);
}

#define CHECK_VECTORS(vectors) \
    check_vectors(vectors, sizeof(vectors) / sizeof((vectors)[0]))

TEST("splits a URL into its parts without copying")
{
    struct sl_url url =
        parse_good("HTTP://us%65r:pw@Example.ORG:8080/a/b?c=d&e#f/?");

    CHECK_VIEW(url.scheme, "HTTP");
    CHECK_VIEW(url.userinfo, "us%65r:pw");
    CHECK_VIEW(url.host, "Example.ORG");
    CHECK_VIEW(url.port_text, "8080");
    CHECK_INT(url.port, 8080);
    CHECK_VIEW(url.path, "/a/b");
    CHECK_VIEW(url.query, "c=d&e");
    CHECK_VIEW(url.fragment, "f/?");
    CHECK(url.has_authority);
    CHECK(!url.is_ipv6);
}

TEST("tells absent parts from empty ones")
{
    struct sl_url url = parse_good("http://a");

    CHECK(url.userinfo.data == NULL);
    CHECK(url.port_text.data == NULL);
    CHECK(url.query.data == NULL);
    CHECK(url.fragment.data == NULL);
    CHECK_INT(url.path.size, 0);

    url = parse_good("http://@a:?#");
    CHECK(url.userinfo.data != NULL && url.userinfo.size == 0);
    CHECK(url.port_text.data != NULL && url.port_text.size == 0);
    CHECK(url.query.data != NULL && url.query.size == 0);
    CHECK(url.fragment.data != NULL && url.fragment.size == 0);
    CHECK_INT(url.port, 80);
}

TEST("knows the default ports, also when the port is empty")
{
    CHECK_INT(parse_good("http://a").port, 80);
    CHECK_INT(parse_good("https://a").port, 443);
    CHECK_INT(parse_good("ws://a").port, 80);
    CHECK_INT(parse_good("WSS://a:/").port, 443);
    CHECK_INT(parse_good("ftp://a").port, 0);
    CHECK_INT(parse_good("//a:81").port, 81);
}

TEST("reads an IPv6 host without its brackets")
{
    struct sl_url url = parse_good("http://[2001:DB8::1]:81/");

    CHECK_VIEW(url.host, "2001:DB8::1");
    CHECK(url.is_ipv6);
    CHECK_INT(url.port, 81);
}

TEST("takes every form of IPv6 address and no other")
{
    static const char *const good[] = {
        "::",
        "::1",
        "1::",
        "1::8",
        "1:2::7:8",
        "1:2:3:4:5:6:7:8",
        "1::3:4:5:6:7:8",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::ffff:127.0.0.1",
        "1:2:3:4:5:6:1.2.3.4",
        "::1.2.3.4",
        "1:2:3:4:5::1.2.3.4",
        "abcd:EF01::",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":::",
        "1",
        "1:2",
        "1:::2",
        "1::2::3",
        "12345::",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:",
        ":1:2:3:4:5:6:7",
        "g::",
        "::1.2.3",
        "::1.2.3.256",
        "::1.2.3.4.5",
        "::01.2.3.4",
        "1.2.3.4",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "fe80::1%25eth0",
        "v1.x:y",
        "::1 ",
    };
    char text[64];
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "http://[%s]/", good[i]);
        parse_good(text);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "http://[%s]/", bad[i]);
        check_bad(text, "the host is not an IPv6 address");
    }
}

TEST("refuses what is no reference")
{
    check_bad("http://a/\n", "control character in the URL");
    check_bad("http://a/\x7f", "control character in the URL");
    check_bad("1http://a/", "the scheme is malformed");
    check_bad("ht tp://a/", "the scheme is malformed");
    check_bad("://a/", "the scheme is malformed");
    check_bad("a_b:c", "the scheme is malformed");
    check_bad("http://a@b@c/", "more than one \"@\" in the authority");
    check_bad("http://a[@b/", "invalid character in the user info");
    check_bad("http://a%4@b/", "invalid character in the user info");
    check_bad("http://[::1/", "\"[\" without \"]\" in the host");
    check_bad("http://[::1]a/", "something other than a port after the host");
    check_bad("http://a b/", "invalid character in the host");
    check_bad("http://a%zz/", "invalid character in the host");
    check_bad("http://a\\b/", "invalid character in the host");
    check_bad("http://\xc3\xa9/", "invalid character in the host");
    check_bad("http://a:80a/", "the port is not a number");
    check_bad("http://a:-1/", "the port is not a number");
    check_bad("http://::1/", "the port is not a number");
}

TEST("takes a colon behind the first slash for no scheme")
{
    struct sl_url url = parse_good("./a:b");

    CHECK_INT(url.scheme.size, 0);
    CHECK_VIEW(url.path, "./a:b");
    CHECK_VIEW(parse_good("?a:b").query, "a:b");
    CHECK_VIEW(parse_good("#a:b").fragment, "a:b");
}

TEST("gives nothing out when it refuses")
{
    const char *error;
    struct sl_url url = {0};

    url.port = 7;
    CHECK_INT(parse(&url, "http://[/", &error), SL_INVALID);
    CHECK_INT(url.port, 7);
}

TEST("accepts as a target what a request may be sent to")
{
    check_target("http://a", NULL);
    check_target("https://example.org:1/a%20b?c=%ff&d='(*)'#frag", NULL);
    check_target("HTTP://EXAMPLE.org./", NULL);
    check_target("http://my_host-1.local:65535/", NULL);
    check_target("http://user:secret@a/", NULL);
    check_target("http://127.0.0.1/", NULL);
    check_target("http://255.255.255.255/", NULL);
    check_target("http://1.2.3.4.example/", NULL);
    check_target("http://[::1]:8080/", NULL);
    check_target("ws://a/chat?x", NULL);
    check_target("http+unix://%2Frun%2Fx.sock/a", NULL);
}

TEST("refuses as a target what a request may not be sent to")
{
    check_target("/a", "the URL has no scheme");
    check_target("//a/b", "the URL has no scheme");
    check_target("ftp://a/", "the scheme is not supported");
    check_target("httpx://a/", "the scheme is not supported");
    check_target("javascript:alert(1)", "the scheme is not supported");
    check_target("http:/a", "the URL has no host");
    check_target("http:a", "the URL has no host");
    check_target("http://", "the URL has no host");
    check_target("http:///a", "the URL has no host");
    check_target("http://:80/", "the URL has no host");
    check_target("http://user@/", "the URL has no host");
    check_target("http://a:0/", "the port is not between 1 and 65535");
    check_target("http://a:65536/", "the port is not between 1 and 65535");
    check_target("http://a:99999999999999999999/",
                 "the port is not between 1 and 65535");
    check_target("http://./", "the host has an empty label");
    check_target("http://a..b/", "the host has an empty label");
    check_target("http://.a/", "the host has an empty label");
    check_target("http://a../", "the host has an empty label");
    check_target("http://a%2eb/", "invalid character in the host");
    check_target("http://a,b/", "invalid character in the host");
    check_target("ws://a/#f", "a WebSocket URL has no fragment");
    check_target("wss://a#", "a WebSocket URL has no fragment");
    check_target("http+unix:///a", "the URL has no socket path");
    check_target("http+unix:/a", "the URL has no socket path");
    check_target("http+unix://%2Fa:80/", "a socket path has no port");
    check_target("http+unix://[::1]/", "a socket path has no port");
}

TEST("refuses the rare forms of IPv4 addresses")
{
    static const char *const rare[] = {
        "127.1",      "127.0.1",    "2130706433",   "0X7f.1",    "0x7f.0.0.1",
        "0x7f000001", "0177.0.0.1", "1.2.3.4.5",    "256.0.0.1", "1.2.3.0x4",
        "1.2.3.04",   "1.2.3.",     "127.0.0.1.1.", "a.1",       "0",
    };
    char text[64];
    size_t i;

    for (i = 0; i < sizeof(rare) / sizeof(rare[0]); i++) {
        snprintf(text, sizeof(text), "http://%s/", rare[i]);
        check_target(text, "the host is a malformed IPv4 address");
    }
}

TEST("refuses as a target what must be percent-encoded")
{
    static const char bad[] = " \"<>\\^`{|}\x80\xff[]%";
    char text[64];
    size_t i;

    for (i = 0; i < sizeof(bad) - 1; i++) {
        snprintf(text, sizeof(text), "http://a/x%cz", bad[i]);
        check_target(text, "the path holds what must be percent-encoded");
        snprintf(text, sizeof(text), "http://a/?x%cz", bad[i]);
        check_target(text, "the query holds what must be percent-encoded");
        snprintf(text, sizeof(text), "http://a/#x%cz", bad[i]);
        check_target(text, "the fragment holds what must be percent-encoded");
    }
}

/* RFC 3986 5.4.1: all of them. */
TEST("resolves the normal examples of RFC 3986")
{
    static const struct vector vectors[] = {
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
    };

    CHECK_INT(sizeof(vectors) / sizeof(vectors[0]), 23);
    CHECK_VECTORS(vectors);
}

/* RFC 3986 5.4.2: all of them, the last strictly. */
TEST("resolves the abnormal examples of RFC 3986")
{
    static const struct vector vectors[] = {
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/./x", "http://a/b/c/g#s/./x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
        {"http:g", "http:g"},
    };

    CHECK_INT(sizeof(vectors) / sizeof(vectors[0]), 19);
    CHECK_VECTORS(vectors);
}

TEST("resolves against bases of every shape")
{
    struct fixture fixture;

    open_fixture(&fixture);
    check_resolved(&fixture, "http://a", "b", "http://a/b");
    check_resolved(&fixture, "http://a", "", "http://a");
    check_resolved(&fixture, "http://a", "?q", "http://a?q");
    check_resolved(&fixture, "http://a/b?q", "c", "http://a/c");
    check_resolved(&fixture, "http://a/b?q#f", "", "http://a/b?q");
    check_resolved(&fixture, "http://u:p@a:8080/b", "/c",
                   "http://u:p@a:8080/c");
    check_resolved(&fixture, "http://a:/b", "c", "http://a:/c");
    check_resolved(&fixture, "http://[::1]:1/b", "c", "http://[::1]:1/c");
    check_resolved(&fixture, "http://a/b", "//c:1?q", "http://c:1?q");
    check_resolved(&fixture, "http://a/b", "https://c/./d/../e", "https://c/e");
    check_resolved(&fixture, "http://a/b/../c", "", "http://a/b/../c");
    check_resolved(&fixture, "http://a/b/c/", "../..//d", "http://a//d");
    check_resolved(&fixture, "http://a/b", "/c/%2e%2e/d",
                   "http://a/c/%2e%2e/d");
    check_resolved(&fixture, "mailto:a", "b", "mailto:b");
    check_resolved(&fixture, "mailto:a", "./b", "mailto:b");
    check_resolved(&fixture, "mailto:a", "../b", "mailto:b");
    check_resolved(&fixture, "mailto:a", ".", "mailto:");
    check_resolved(&fixture, "mailto:a", "..", "mailto:");
    check_resolved(&fixture, "mailto:a", "...", "mailto:...");
    check_resolved(&fixture, "mailto:a/b", "c/../../d", "mailto:/d");
    check_resolved(&fixture, "x:/a", "/.//b", "x:/.//b");
    check_resolved(&fixture, "/a/b", "c", "/a/c");
    close_fixture(&fixture);
}

TEST("writes only what may be sent, and encodes nothing twice")
{
    struct fixture fixture;

    open_fixture(&fixture);
    check_resolved(&fixture, "http://a/b", "c d?e\"f|g#\xc3\xa9",
                   "http://a/c%20d?e%22f%7Cg#%C3%A9");
    check_resolved(&fixture, "http://a/b", "%20%zz%", "http://a/%20%25zz%25");
    check_resolved(&fixture, "http://a/b", "[x]\\", "http://a/%5Bx%5D%5C");
    close_fixture(&fixture);
}

TEST("leaves the writer as it was when there is no room")
{
    struct fixture fixture;
    struct sl_url base = parse_good("http://a/b");
    struct sl_url reference = parse_good("c");

    open_fixture(&fixture);
    sl_writer_dispose(&fixture.writer);
    sl_writer_init(&fixture.writer, &fixture.pool, 16, 16);
    CHECK_INT(sl_writer_write(&fixture.writer, SL_VIEW("GET ")), SL_OK);
    CHECK_INT(sl_url_resolve(&base, &reference, &fixture.writer), SL_LIMIT);
    base = parse_good("http://a-name-of-many-letters/");
    CHECK_INT(sl_url_write_host(&base, &fixture.writer), SL_LIMIT);
    CHECK_INT(sl_url_escape(&fixture.writer, SL_VIEW("/////"), false),
              SL_LIMIT);
    CHECK_INT(sl_url_unescape(&fixture.writer, SL_VIEW("0123456789abc")),
              SL_LIMIT);
    CHECK_VIEW(sl_writer_view(&fixture.writer), "GET ");
    close_fixture(&fixture);
}

TEST("writes the host in lower case without one trailing dot")
{
    static const struct {
        const char *text;
        const char *host;
    } cases[] = {
        {"http://Example.ORG", "example.org"},
        {"http://example.org.", "example.org"},
        {"http://a../", "a."},
        {"http://[2001:DB8::A]/", "2001:db8::a"},
        {"/x", ""},
    };
    struct fixture fixture;
    size_t i;

    open_fixture(&fixture);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_url url = parse_good(cases[i].text);

        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(sl_url_write_host(&url, &fixture.writer), SL_OK);
        CHECK_VIEW(sl_writer_view(&fixture.writer), cases[i].host);
    }
    close_fixture(&fixture);
}

TEST("escapes what a segment or a query's field may not hold")
{
    struct fixture fixture;

    open_fixture(&fixture);
    CHECK_INT(sl_url_escape(&fixture.writer,
                            SL_VIEW("a-b.c_d~e/f?g#h&i=j+k:l@m%20 \xc3\xa9"),
                            false),
              SL_OK);
    CHECK_VIEW(sl_writer_view(&fixture.writer),
               "a-b.c_d~e%2Ff%3Fg%23h&i=j+k:l@m%2520%20%C3%A9");
    CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
    CHECK_INT(sl_url_escape(&fixture.writer,
                            SL_VIEW("a-b.c_d~e/f?g#h&i=j+k;\0 "), true),
              SL_OK);
    CHECK_VIEW(sl_writer_view(&fixture.writer),
               "a-b.c_d~e%2Ff%3Fg%23h%26i%3Dj%2Bk%3B%00%20");
    close_fixture(&fixture);
}

TEST("unescapes each escape once")
{
    struct fixture fixture;

    open_fixture(&fixture);
    CHECK_INT(sl_url_unescape(&fixture.writer, SL_VIEW("a%20%2541+%c3%A9%00")),
              SL_OK);
    CHECK_BYTES(sl_writer_view(&fixture.writer).data,
                sl_writer_view(&fixture.writer).size, "a %41+\xc3\xa9\0", 9);
    close_fixture(&fixture);
}

TEST("refuses a malformed escape and writes nothing")
{
    static const char *const bad[] = {"a%", "a%4", "%4g", "%g4", "%%41"};
    struct fixture fixture;
    size_t i;

    open_fixture(&fixture);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        test_note("%s", bad[i]);
        CHECK_INT(
            sl_url_unescape(&fixture.writer, sl_view(bad[i], strlen(bad[i]))),
            SL_INVALID);
        CHECK_INT(sl_writer_view(&fixture.writer).size, 0);
    }
    close_fixture(&fixture);
}

static void resolve_failing(struct sl_allocator *allocator, void *argument)
{
    struct sl_url base = parse_good("http://a/b");
    struct sl_url reference = parse_good("../c d");
    struct sl_pool_options options = {0};
    struct sl_writer writer;
    struct sl_pool pool;
    enum sl_status status;

    (void)argument;
    options.mode = SL_POOL_DIRECT;
    sl_pool_init(&pool, allocator, &options);
    sl_writer_init(&writer, &pool, 1, SIZE_MAX);
    status = sl_url_resolve(&base, &reference, &writer);
    if (status == SL_OK)
        CHECK_VIEW(sl_writer_view(&writer), "http://a/c%20d");
    else
        CHECK(status == SL_MEMORY && test_allocator_has_failed(allocator));
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("survives every failing allocation")
{
    test_each_failure(resolve_failing, NULL);
}

int main(void)
{
    return test_main();
}
