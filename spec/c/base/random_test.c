#include "base/random.h"

#include "spec/c/support/test.h"

#include <string.h>

static bool is_filled(const unsigned char *bytes, size_t size, unsigned char by)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != by)
            return false;
    return true;
}

TEST(
    "gives as many bytes as asked for, also more than the system gives at once")
{
    static const size_t sizes[] = {0, 1, 16, 31, 255, 256, 257, 512, 1000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char first[1024];
        unsigned char second[1024];
        size_t size = sizes[i];

        memset(first, 0xaa, sizeof first);
        memset(second, 0xaa, sizeof second);
        CHECK_INT(sl_random(first, size), SL_OK);
        CHECK_INT(sl_random(second, size), SL_OK);
        CHECK(size < 16 || memcmp(first, second, size) != 0);
        CHECK(size < 16 ||
              memcmp(first + size - 16, second + size - 16, 16) != 0);
        CHECK(is_filled(first + size, sizeof first - size, 0xaa));
        CHECK(is_filled(second + size, sizeof second - size, 0xaa));
    }
}

int main(void)
{
    return test_main();
}
