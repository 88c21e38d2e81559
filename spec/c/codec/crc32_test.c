#include "spec/c/support/test.h"

#include "codec/crc32.h"

#include <stdlib.h>
#include <zlib.h>

static char noise[5000];

static void make_noise(void)
{
    uint32_t state = 1;
    size_t i;

    for (i = 0; i < sizeof(noise); i++) {
        state = state * 1664525 + 1013904223;
        noise[i] = (char)(state >> 24);
    }
}

TEST("gives the check value of the standard")
{
    CHECK_INT(sl_crc32(0, SL_VIEW("123456789")), 0xcbf43926);
    CHECK_INT(sl_crc32(0, SL_VIEW("")), 0);
}

TEST("agrees with zlib for every size, against an unreadable page")
{
    size_t size;

    make_noise();
    for (size = 0; size < 1200; size++) {
        char *bytes = guard_copy(noise, size);
        uint32_t before = (uint32_t)(size * 2654435761u);

        CHECK_INT(sl_crc32(before, sl_view(bytes, size)),
                  crc32_z(before, (const Bytef *)bytes, size));
        guard_free(bytes);
    }
}

TEST("does not depend on where the bytes are cut")
{
    uint32_t whole = sl_crc32(0, sl_view(noise, sizeof(noise)));
    size_t cut;

    for (cut = 0; cut <= 700; cut++) {
        uint32_t sum = sl_crc32(0, sl_view(noise, cut));

        sum = sl_crc32(sum, sl_view(noise + cut, sizeof(noise) - cut));
        CHECK_INT(sum, whole);
    }
}

int main(void)
{
    return test_main();
}
