#include "spec/c/support/test.h"

#include "http/token.h"

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
