#include "spec/c/support/test.h"

#include "base/address.h"

static bool holds(bool (*parse)(struct sl_view text, unsigned char *address),
                  const char *text)
{
    unsigned char address[16];
    size_t size = strlen(text);

    test_note("%s", text);
    return parse(sl_view(guard_copy(text, size), size), address);
}

TEST("takes four decimal octets for an IPv4 address and nothing else")
{
    static const char *const good[] = {"0.0.0.0", "127.0.0.1", "1.23.199.250",
                                       "255.255.255.255"};
    static const char *const bad[] = {
        "",           "1",        "1.2.3",    "1.2.3.",    "1.2.3.4.",
        "1.2.3.4.5",  ".1.2.3",   "1..2.3",   "1.2.3.256", "1.2.3.04",
        "00.1.2.3",   "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4",  "1.2.3.0x4",
        "1.2.3.1000", "1.2.3.4a", "1,2,3,4",  "999.1.1.1",
    };
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK(holds(sl_address_parse_ipv4, good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!holds(sl_address_parse_ipv4, bad[i]));
}

TEST("takes eight groups, or fewer around a gap, for an IPv6 address")
{
    static const char *const good[] = {
        "::",
        "::1",
        "1::",
        "1::8",
        "a:B:c:D:e:F:0:9",
        "1234:5678::",
        "::1.2.3.4",
        "::ffff:1.2.3.4",
        "1:2:3:4:5:6:1.2.3.4",
        "1:2:3:4:5:6:7::",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":::",
        "1:",
        ":1",
        "1::2::",
        "12345::",
        "g::",
        "1.2.3.4",
        "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1%lo",
        "[::1]",
    };
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK(holds(sl_address_parse_ipv6, good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!holds(sl_address_parse_ipv6, bad[i]));
}

TEST("gives the bytes in the order of the network")
{
    unsigned char address[16];

    REQUIRE(sl_address_parse_ipv4(SL_VIEW("1.20.255.0"), address));
    CHECK_BYTES(address, 4, "\1\x14\xff\0", 4);
    REQUIRE(
        sl_address_parse_ipv6(SL_VIEW("2001:DB8::8:800:200c:417a"), address));
    CHECK_BYTES(address, 16,
                "\x20\x01\x0d\xb8\0\0\0\0\0\x08\x08\0\x20\x0c\x41\x7a", 16);
    REQUIRE(sl_address_parse_ipv6(SL_VIEW("1::1.2.3.4"), address));
    CHECK_BYTES(address, 16, "\0\1\0\0\0\0\0\0\0\0\0\0\1\2\3\4", 16);
    REQUIRE(sl_address_parse_ipv6(SL_VIEW("1:2:3:4:5:6:7::"), address));
    CHECK_BYTES(address, 16, "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0", 16);
}

int main(void)
{
    return test_main();
}
