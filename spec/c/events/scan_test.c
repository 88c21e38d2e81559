#include "events/scan.h"

#include "spec/c/support/test.h"

#include <string.h>

/* Room for three blocks, a part of one and single bytes. */
#define MOST 230

static const char *first_end(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r')
            return bytes + i;
    return NULL;
}

/* `filling`: bytes that end no line, over and over. */
static void find_in(const char *filling)
{
    char text[MOST];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = filling[i % strlen(filling)];
    for (size_t size = 0; size <= sizeof text; size++) {
        char *copy = guard_copy(text, size);

        CHECK(sl_scan_line_end(copy, copy + size) == NULL);
        for (size_t at = 0; at < size; at++) {
            copy[at] = at % 2 == 0 ? '\n' : '\r';
            if (at + 1 < size)
                copy[at + 1] = '\r';
            CHECK(sl_scan_line_end(copy, copy + size) == copy + at);
            CHECK(sl_scan_line_end(copy, copy + size) == first_end(copy, size));
            copy[at] = text[at];
            if (at + 1 < size)
                copy[at + 1] = text[at + 1];
        }
        guard_free(copy);
    }
}

TEST("finds the first line end of any size, and reads no byte behind it")
{
    find_in("a b\x8a\x8d\xffz"); /* some are negative where char is signed */
    find_in("\x09\x0b\x0c\x0e\x8a\x8d z"); /* neighbours of both */
    find_in("\t....................................................."
            "......................................................");
}

int main(void)
{
    return test_main();
}
