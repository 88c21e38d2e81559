#include "spec/c/support/test.h"

#include "base/token.h"

#include <string.h>

TEST("knows the token characters of RFC 9110 and no other")
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz";
    int byte;

    for (byte = 0; byte < 256; byte++) {
        bool expected = byte != 0 && strchr(token, byte) != NULL;

        test_note("byte %d", byte);
        CHECK_INT(sl_is_token_byte((unsigned char)byte), expected);
    }
}

TEST("accepts only a whole token, and never an empty one")
{
    CHECK(sl_is_token(SL_VIEW("Content-Type")));
    CHECK(!sl_is_token(SL_VIEW("")));
    CHECK(!sl_is_token(sl_view(NULL, 0)));
    CHECK(!sl_is_token(SL_VIEW("a b")));
    CHECK(!sl_is_token(SL_VIEW("a:")));
    CHECK(!sl_is_token(SL_VIEW("\xe4")));
    CHECK_INT(sl_token_length(SL_VIEW("name: value")), 4);
    CHECK_INT(sl_token_length(SL_VIEW("name")), 4);
    CHECK_INT(sl_token_length(SL_VIEW(":")), 0);
}

TEST("trims spaces and tabs at both ends")
{
    CHECK_VIEW(sl_trim(SL_VIEW(" \t a b \t ")), "a b");
    CHECK_VIEW(sl_trim(SL_VIEW("a")), "a");
    CHECK_VIEW(sl_trim(SL_VIEW(" \t ")), "");
    CHECK_VIEW(sl_trim(SL_VIEW("")), "");
    CHECK_VIEW(sl_trim(SL_VIEW("\r a")), "\r a");
}

static void check_list(const char *text, const char *const *expected)
{
    size_t size = strlen(text);
    struct sl_view rest = sl_view(guard_copy(text, size), size);
    struct sl_view element;

    test_note("%s", text);
    for (; *expected != NULL; expected++) {
        REQUIRE(sl_list_next(&rest, &element));
        CHECK_VIEW(element, *expected);
    }
    CHECK(!sl_list_next(&rest, &element));
    CHECK(!sl_list_next(&rest, &element));
}

TEST("splits a list, skipping empty members")
{
    check_list("a, b,c", (const char *const[]){"a", "b", "c", NULL});
    check_list(", ,a,,\t b ,", (const char *const[]){"a", "b", NULL});
    check_list("", (const char *const[]){NULL});
    check_list(" , ,\t", (const char *const[]){NULL});
    check_list("a;q=0.5, b", (const char *const[]){"a;q=0.5", "b", NULL});
}

TEST("does not split inside quoted strings")
{
    check_list("a=\"x, y\", b", (const char *const[]){"a=\"x, y\"", "b", NULL});
    check_list("\"\\\",\", b", (const char *const[]){"\"\\\",\"", "b", NULL});
    check_list("a\\,b", (const char *const[]){"a\\", "b", NULL});
    check_list("\"open, b", (const char *const[]){"\"open, b", NULL});
    check_list("\"open\\", (const char *const[]){"\"open\\", NULL});
}

int main(void)
{
    return test_main();
}
