#include "spec/c/http/urls.h"

#include "http/url_write.h"
#include "memory/pool.h"

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
    close_fixture(&fixture);
}

TEST("refuses a base that is not absolute")
{
    static const char *const bases[] = {"", "a/b", "/a/b", "//a/b", "?q", "#f"};
    struct fixture fixture;
    size_t i;

    open_fixture(&fixture);
    for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct sl_url base = parse_good(bases[i]);
        struct sl_url reference = parse_good("c");
        struct sl_url absolute = parse_good("http://a/");

        CHECK_INT(sl_url_resolve(&base, &reference, &fixture.writer),
                  SL_INVALID);
        CHECK_INT(sl_url_resolve(&base, &absolute, &fixture.writer),
                  SL_INVALID);
        CHECK_INT(sl_url_follow(&base, &reference, &fixture.writer),
                  SL_INVALID);
        CHECK_INT(sl_writer_view(&fixture.writer).size, 0);
    }
    close_fixture(&fixture);
}

TEST("resolves byte by byte, and rewrites no byte")
{
    struct fixture fixture;

    open_fixture(&fixture);
    check_resolved(&fixture, "http://a/b", "c d?e\"f|g#\xc3\xa9",
                   "http://a/c d?e\"f|g#\xc3\xa9");
    check_resolved(&fixture, "http://a/b", "%20%zz%", "http://a/%20%zz%");
    check_resolved(&fixture, "http://a/{x}/b", "[x]\\", "http://a/{x}/[x]\\");
    check_resolved(&fixture, "http://a/{x}?[y]|", "", "http://a/{x}?[y]|");
    close_fixture(&fixture);
}

TEST("follows a Location as it is, except bytes that cannot be sent")
{
    static const struct vector vectors[] = {
        {"c d?e\"f|g#\xc3\xa9", "http://a/c%20d?e%22f|g#%C3%A9"},
        {"%20%zz%", "http://a/%20%25zz%25"},
        {"[x]\\<>", "http://a/[x]%5C%3C%3E"},
        {"/s?X-Amz-Credential=a%2Fb&f[]=1|2^{3}`#[4]",
         "http://a/s?X-Amz-Credential=a%2Fb&f[]=1|2^{3}`#[4]"},
        {"https://b:1/\xff/../{x}", "https://b:1/{x}"},
        {"?\xe2\x82\xac##", "http://a/b?%E2%82%AC#%23"},
    };
    struct fixture fixture;
    size_t i;

    open_fixture(&fixture);
    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct sl_url base = parse_good("http://a/b");
        struct sl_url location = parse_good(vectors[i].reference);
        struct sl_url target;
        const char *error = NULL;

        CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
        CHECK_INT(sl_url_follow(&base, &location, &fixture.writer), SL_OK);
        CHECK_VIEW(sl_writer_view(&fixture.writer), vectors[i].target);
        CHECK_INT(
            sl_url_parse(&target, sl_writer_view(&fixture.writer), &error),
            SL_OK);
        CHECK_INT(sl_url_check_target(&target, &error), SL_OK);
    }
    close_fixture(&fixture);
}

TEST("leaves the writer as it was if there is no room")
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
    CHECK_INT(sl_url_escape(&fixture.writer, SL_VIEW("/////")), SL_LIMIT);
    CHECK_INT(sl_url_escape_form(&fixture.writer, SL_VIEW("/////")), SL_LIMIT);
    CHECK_INT(sl_url_unescape(&fixture.writer, SL_VIEW("0123456789abc")),
              SL_LIMIT);
    CHECK_VIEW(sl_writer_view(&fixture.writer), "GET ");
    close_fixture(&fixture);
}

TEST("writes the host in lower case, with the dot of a rooted name")
{
    static const struct {
        const char *text;
        const char *host;
    } cases[] = {
        {"http://Example.ORG", "example.org"},
        {"http://Example.org.", "example.org."},
        {"http://a../", "a.."},
        {"http://127.0.0.1./", "127.0.0.1"},
        {"http://127.0.0.1/", "127.0.0.1"},
        {"http://127.0.0.1../", "127.0.0.1.."},
        {"http://./", "."},
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

TEST("escapes what a field of a query may not contain")
{
    struct fixture fixture;

    open_fixture(&fixture);
    CHECK_INT(sl_url_escape(&fixture.writer,
                            SL_VIEW("a-b.c_d~e/f?g#h&i=j+k;\0 %20\xc3\xa9")),
              SL_OK);
    CHECK_VIEW(sl_writer_view(&fixture.writer),
               "a-b.c_d~e%2Ff%3Fg%23h%26i%3Dj%2Bk%3B%00%20%2520%C3%A9");
    close_fixture(&fixture);
}

TEST("escapes what a field of a form may not contain")
{
    char all[256];
    struct sl_view view;
    struct fixture fixture;
    size_t kept = 0;

    open_fixture(&fixture);
    CHECK_INT(sl_url_escape_form(&fixture.writer,
                                 SL_VIEW("a-b.c_d*e~f g+h&i=j\r\n%20\xc3\xa9")),
              SL_OK);
    CHECK_VIEW(sl_writer_view(&fixture.writer),
               "a-b.c_d*e%7Ef+g%2Bh%26i%3Dj%0D%0A%2520%C3%A9");

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    CHECK_INT(sl_writer_reset(&fixture.writer), SL_OK);
    CHECK_INT(sl_url_escape_form(&fixture.writer, sl_view(all, sizeof all)),
              SL_OK);
    view = sl_writer_view(&fixture.writer);
    for (size_t i = 0; i < view.size; i += view.data[i] == '%' ? 3 : 1)
        kept += view.data[i] != '%';
    CHECK_INT(kept, 26 + 26 + 10 + 4 + 1); /* letters, digits, *-._, space */
    CHECK_INT(view.size, kept + (sizeof all - kept) * 3);
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
    status = sl_url_follow(&base, &reference, &writer);
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
