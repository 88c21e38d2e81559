#include "spec/c/http/urls.h"

#include <stdio.h>

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

TEST("distinguishes absent parts from empty ones")
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

TEST("knows the default ports, also for an empty port")
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

TEST("accepts every form of IPv6 address and nothing else")
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

TEST("refuses text that is not a URL reference")
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
    check_bad("http://a:65536/", "the port is larger than 65535");
    check_bad("http://a:99999/", "the port is larger than 65535");
    check_bad("//a:4294967376", "the port is larger than 65535");
    check_bad("http://a:99999999999999999999/",
              "the port is larger than 65535");
}

TEST("takes a colon after the first slash as part of the path")
{
    struct sl_url url = parse_good("./a:b");

    CHECK_INT(url.scheme.size, 0);
    CHECK_VIEW(url.path, "./a:b");
    CHECK_VIEW(parse_good("?a:b").query, "a:b");
    CHECK_VIEW(parse_good("#a:b").fragment, "a:b");
}

TEST("returns nothing if it refuses")
{
    const char *error;
    struct sl_url url = {0};

    url.port = 7;
    CHECK_INT(parse(&url, "http://[/", &error), SL_INVALID);
    CHECK_INT(url.port, 7);
}

TEST("accepts URLs to which a request may be sent")
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

TEST("refuses URLs to which no request may be sent")
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
    check_target("http://a:00000/", "the port is not between 1 and 65535");
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
        "0x",         "a.0X",
    };
    char text[64];
    size_t i;

    for (i = 0; i < sizeof(rare) / sizeof(rare[0]); i++) {
        snprintf(text, sizeof(text), "http://%s/", rare[i]);
        check_target(text, "the host is a malformed IPv4 address");
    }
}

/* "the path", and so on, instead of the "it" in the text. */
static void check_parts(char byte, const char *expected)
{
    static const struct {
        const char *before;
        const char *name;
    } parts[] = {{"http://a/x", "path"},
                 {"http://a/?x", "query"},
                 {"http://a/#x", "fragment"}};
    char text[64];
    char reason[96];
    size_t i;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        snprintf(text, sizeof(text), "%s%cz", parts[i].before, byte);
        if (expected != NULL)
            snprintf(reason, sizeof(reason), expected, parts[i].name);
        check_target(text, expected == NULL ? NULL : reason);
    }
}

TEST("refuses bytes that must be percent-encoded, and names them")
{
    check_parts(' ', "a space in the %s must be percent-encoded");
    check_parts('"', "'\"' in the %s must be percent-encoded");
    check_parts('<', "'<' in the %s must be percent-encoded");
    check_parts('>', "'>' in the %s must be percent-encoded");
    check_parts('\\', "'\\' in the %s must be percent-encoded");
    check_parts('%', "'%%' without two hexadecimal digits in the %s");
    check_parts('\x80',
                "a byte outside ASCII in the %s must be percent-encoded");
    check_parts('\xff',
                "a byte outside ASCII in the %s must be percent-encoded");
    check_target("http://a/#x#", "'#' in the fragment must be percent-encoded");
}

TEST("accepts other visible bytes, also those outside the grammar")
{
    int byte;

    for (byte = '!'; byte <= '~'; byte++) {
        if (strchr("\"<>\\%#", byte) == NULL)
            check_parts((char)byte, NULL);
    }
    check_target("http://a/[x]|^`{y}?a[]=1|2&q={\"",
                 "'\"' in the query must be percent-encoded");
    check_target("http://a/[x]|^`{y}?a[]=1|2&q={}^`#[|]", NULL);
}

TEST("accepts no such byte in a host")
{
    check_bad("http://a[b]/", "invalid character in the host");
    check_bad("http://a|b/", "invalid character in the host");
    check_bad("http://a^b/", "invalid character in the host");
    check_bad("http://{a}/", "invalid character in the host");
    check_bad("http://`a`/", "invalid character in the host");
    check_bad("http://a|@b/", "invalid character in the user info");
    check_bad("http://a\\@b/", "invalid character in the user info");
}

int main(void)
{
    return test_main();
}
