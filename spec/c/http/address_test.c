#include "spec/c/support/test.h"

#include "http/address.h"

static bool holds(bool (*is)(struct sl_view text), const char *text)
{
    size_t size = strlen(text);

    test_note("%s", text);
    return is(sl_view(guard_copy(text, size), size));
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
        CHECK(holds(sl_is_ipv4, good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!holds(sl_is_ipv4, bad[i]));
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
        CHECK(holds(sl_is_ipv6, good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!holds(sl_is_ipv6, bad[i]));
}

int main(void)
{
    return test_main();
}
