#include "spec/c/support/test.h"

#include "http/token.h"

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

/* Each byte at each place of inputs around the width of a vector. */
TEST("finds a control anywhere in a field value")
{
    char text[40];
    size_t size, at;
    int byte;

    for (byte = 0; byte < 256; byte++) {
        bool good = byte == '\t' || (byte >= 0x20 && byte != 0x7f);

        for (size = 1; size < sizeof(text); size += size < 15 ? 7 : 1) {
            for (at = 0; at < size; at++) {
                char *copy;

                memset(text, 'a', sizeof(text));
                text[at] = (char)byte;
                copy = text + sizeof(text) - size;
                memmove(copy, text, size);
                if (sl_is_field_value(sl_view(copy, size)) == good)
                    continue;
                test_note("byte %d at %zu of %zu", byte, at, size);
                CHECK(false);
            }
        }
    }
    CHECK(sl_is_field_value(SL_VIEW("")));
    CHECK(sl_is_field_value(sl_view(NULL, 0)));
}

TEST("reads no byte past the end of a value")
{
    char text[64];
    size_t size;

    memset(text, 'x', sizeof(text));
    for (size = 0; size <= sizeof(text); size++) {
        char *copy = guard_copy(text, size);

        CHECK(sl_is_field_value(sl_view(copy, size)));
        guard_free(copy);
    }
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

TEST("escapes bytes from the wire")
{
    char text[64];

    sl_escape(text, sizeof(text), SL_VIEW("a\r\n\0\x7f\xff\\~ "));
    CHECK_STR(text, "a\\x0D\\x0A\\x00\\x7F\\xFF\\x5C~ ");
    sl_escape(text, sizeof(text), SL_VIEW(""));
    CHECK_STR(text, "");
}

TEST("shortens escaped text, never inside an escape")
{
    char long_text[256];
    char text[1024];
    size_t size;

    memset(long_text, 'x', sizeof(long_text));
    sl_escape(text, sizeof(text), sl_view(long_text, sizeof(long_text)));
    CHECK_INT(strlen(text), 128);

    for (size = 1; size < 12; size++) {
        char *small = guard_copy("............", size);

        sl_escape(small, size, SL_VIEW("\n\n"));
        CHECK_STR(small, size < 5 ? "" : size < 9 ? "\\x0A" : "\\x0A\\x0A");
        guard_free(small);
    }
    memcpy(text, "z", 2);
    sl_escape(text, 0, SL_VIEW("a"));
    CHECK_STR(text, "z");
}

int main(void)
{
    return test_main();
}
