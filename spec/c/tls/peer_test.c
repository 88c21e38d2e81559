#include "tls/peer.h"

#include "spec/c/support/test.h"

#include <string.h>

static struct sl_tls_peer parse(const char *host)
{
    struct sl_tls_peer peer;
    struct sl_failure failure;

    test_note("%s", host);
    REQUIRE(sl_tls_peer_parse(host, &peer, &failure) == SL_OK);
    return peer;
}

TEST("knows literal addresses in all their forms")
{
    static const struct {
        const char *host;
        size_t size;
        const char *bytes;
    } rows[] = {
        {"127.0.0.1", 4, "\x7f\0\0\1"},
        {"255.255.255.255", 4, "\xff\xff\xff\xff"},
        {"0.0.0.0", 4, "\0\0\0\0"},
        {"::", 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"},
        {"::1", 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"},
        {"1::", 16, "\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0"},
        {"2001:DB8::8:800:200c:417a", 16,
         "\x20\x01\x0d\xb8\0\0\0\0\0\x08\x08\0\x20\x0c\x41\x7a"},
        {"1:2:3:4:5:6:7:8", 16, "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x08"},
        {"1:2:3:4:5:6:7::", 16, "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0"},
        {"::ffff:129.144.52.38", 16,
         "\0\0\0\0\0\0\0\0\0\0\xff\xff\x81\x90\x34\x26"},
        {"1:2:3:4:5:6:1.2.3.4", 16, "\0\1\0\2\0\3\0\4\0\5\0\6\1\2\3\4"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sl_tls_peer peer = parse(rows[i].host);

        CHECK_BYTES(peer.address, peer.address_size, rows[i].bytes,
                    rows[i].size);
        CHECK(sl_tls_peer_has_address(&peer,
                                      sl_view(rows[i].bytes, rows[i].size)));
        CHECK(!sl_tls_peer_has_address(
            &peer, sl_view(rows[i].bytes, rows[i].size - 1)));
        CHECK(!sl_tls_peer_has_name(
            &peer, sl_view(rows[i].host, strlen(rows[i].host))));
    }
}

TEST("has no address where it has a name, not even an empty one")
{
    struct sl_tls_peer peer = parse("www.test");

    CHECK(!sl_tls_peer_has_address(&peer, SL_VIEW("")));
    CHECK(!sl_tls_peer_has_address(&peer, SL_VIEW("\1\2\3\4")));
}

TEST("takes text that only looks like an address as a name, and refuses it")
{
    static const char *const hosts[] = {
        "1.2.3", "1.2.3.4.5",  "256.1.1.1", "01.2.3.4", "1.2.3.0004",
        "127.1", "0x7f.0.0.1", "1.2.3.4a",  "1..2.3",   "a.b.c.d",
    };

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        CHECK_INT(parse(hosts[i]).address_size, 0);
}

TEST("the final dot of a rooted name is removed for certificates")
{
    struct sl_tls_peer peer = parse("a.test.");
    struct sl_failure failure;

    CHECK_INT(peer.host_size, 6);
    CHECK(sl_tls_peer_has_name(&peer, sl_view("a.test", 6)));
    CHECK(!sl_tls_peer_has_name(&peer, sl_view("a.test.", 7)));
    CHECK_INT(sl_tls_peer_refuse(&peer, "DNS:b.test", &failure), SL_TLS);
    CHECK_STR(failure.reason,
              "certificate is not for a.test but for DNS:b.test");
    peer = parse("127.0.0.1.");
    CHECK_INT(peer.address_size, 4);
    CHECK_INT(peer.host_size, 9);
}

TEST("refuses text that is neither a name nor an address")
{
    static const char *const hosts[] = {
        "",
        ".",
        "..",
        ".a.test",
        "a.test..",
        "::1.",
        "a test",
        "a.test/",
        "a.test:443",
        "*.a.test",
        "a\n",
        ":",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        "g::",
        "1:2:",
        ":1:2:3:4:5:6:7:8",
        "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:6:7:8::",
        "::1%eth0",
        "[::1]",
        "\xc3\xa4.test",
        "1:2:3:4::5:6:7:8:9",
    };
    struct sl_tls_peer peer;
    struct sl_failure failure;

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        test_note("%s", hosts[i]);
        CHECK_INT(sl_tls_peer_parse(hosts[i], &peer, &failure), SL_INVALID);
    }
    CHECK_INT(sl_tls_peer_parse(NULL, &peer, &failure), SL_INVALID);
}

TEST("reads no byte beyond a host")
{
    static const char *const hosts[] = {
        "1.2.3.4", "::1", "1:2:", "::", "a.b", "1.2.3.", "::1.2"};
    struct sl_tls_peer peer;
    struct sl_failure failure;

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        sl_tls_peer_parse(guard_copy(hosts[i], strlen(hosts[i]) + 1), &peer,
                          &failure);
    CHECK_INT(sl_tls_peer_parse(guard_copy("", 1), &peer, &failure),
              SL_INVALID);
}

TEST("compares a host with a certificate's name")
{
    static const struct {
        const char *host;
        const char *name;
        bool matches;
    } rows[] = {
        {"a.test", "a.test", true},        {"A.test", "a.TEST", true},
        {"a.test", "b.test", false},       {"a.test", "a.tes", false},
        {"a.test", "a.test.", false},      {"a.test", "", false},
        {"x.a.test", "*.a.test", true},    {"X.a.test", "*.A.test", true},
        {"a.test", "*.a.test", false},     {"x.y.a.test", "*.a.test", false},
        {"a.test", "*.test", false},       {"a.test", "*", false},
        {"a.test", "*.", false},           {"xy.a.test", "x*.a.test", false},
        {"xy.a.test", "*y.a.test", false}, {"x.a.test", "x.*.test", false},
        {"x.a.test", "*.*.test", false},   {"localhost", "localhost", true},
        {"localhost", "*", false},         {"1.2.3", "*.2.3", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sl_tls_peer peer = parse(rows[i].host);
        size_t size = strlen(rows[i].name);

        test_note("%s and %s", rows[i].host, rows[i].name);
        CHECK_INT(sl_tls_peer_has_name(
                      &peer, sl_view(guard_copy(rows[i].name, size), size)),
                  rows[i].matches);
    }
}

TEST("is not misled by a NUL in a certificate's name")
{
    struct sl_tls_peer peer = parse("a.test");

    CHECK(!sl_tls_peer_has_name(&peer, sl_view("a.test\0.evil.test", 17)));
    CHECK(!sl_tls_peer_has_name(&peer, sl_view("a.test\0", 7)));
}

int main(void)
{
    return test_main();
}
