#include "base/packed.h"

#include "spec/c/support/test.h"

TEST("copies texts one behind the other, and no text at all")
{
    char bytes[16];
    char *room = bytes;
    const char *first;
    const char *none;
    const char *empty;
    const char *last;

    memset(bytes, 'x', sizeof bytes);
    first = sl_packed_copy(&room, "ab");
    none = sl_packed_copy(&room, NULL);
    empty = sl_packed_copy(&room, "");
    last = sl_packed_copy(&room, "c");
    CHECK_STR(first, "ab");
    CHECK(none == NULL);
    CHECK_STR(empty, "");
    CHECK_STR(last, "c");
    CHECK_INT(room - bytes, 6);
    CHECK_INT(sl_packed_size("ab") + sl_packed_size(NULL) + sl_packed_size("") +
                  sl_packed_size("c"),
              6);
    CHECK_INT(bytes[6], 'x');
}

int main(void)
{
    return test_main();
}
