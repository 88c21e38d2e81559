#include "spec/c/support/test.h"

#include "base/ascii.h"

TEST("recognises digits, blanks and capitals, and no other bytes")
{
    static const char hex[] = "0123456789abcdef";
    static const char capitals[] = "0123456789ABCDEF";
    int i;

    for (i = 0; i < 256; i++) {
        char c = (char)i;
        const char *small = i ? strchr(hex, c) : NULL;
        const char *large = i ? strchr(capitals, c) : NULL;
        unsigned value = sl_hex_value(c);

        test_note("byte %d", i);
        CHECK_INT(sl_is_digit(c), i >= '0' && i <= '9');
        CHECK_INT(sl_is_blank(c), i == ' ' || i == '\t');
        CHECK_INT(sl_lower(c), i >= 'A' && i <= 'Z' ? c + 32 : c);
        if (small != NULL)
            CHECK_INT(value, small - hex);
        else if (large != NULL)
            CHECK_INT(value, large - capitals);
        else
            CHECK(value > 15);
    }
}

TEST("ignores case for ASCII letters only")
{
    CHECK(sl_equal_ignoring_case(SL_VIEW("Content-LENGTH"),
                                 SL_VIEW("content-length")));
    CHECK(sl_equal_ignoring_case(SL_VIEW(""), SL_VIEW("")));
    CHECK(!sl_equal_ignoring_case(SL_VIEW("a"), SL_VIEW("ab")));
    CHECK(!sl_equal_ignoring_case(SL_VIEW("@"), SL_VIEW("`")));
    CHECK(!sl_equal_ignoring_case(SL_VIEW("["), SL_VIEW("{")));
    CHECK(!sl_equal_ignoring_case(SL_VIEW("\xc4"), SL_VIEW("\xe4")));
}

int main(void)
{
    return test_main();
}
