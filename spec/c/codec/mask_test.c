#include "codec/mask.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <string.h>

static const unsigned char key[SL_MASK_SIZE] = {0x37, 0xfa, 0x21, 0x3d};

#define LONGEST 200

static void fill(char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + 3);
}

/* RFC 6455 5.3, as it is written there. */
static void mask_each(char *to, const char *from, size_t size, uint64_t offset)
{
    size_t i;

    for (i = 0; i < size; i++)
        to[i] = (char)(from[i] ^ (char)key[(offset + i) % 4]);
}

TEST("masks the example of RFC 6455 5.7, and takes it off again")
{
    char masked[5];

    sl_mask_copy(masked, "Hello", 5, key, 0);
    CHECK_BYTES(masked, 5, "\x7f\x9f\x4d\x51\x58", 5);
    sl_mask_copy(masked, masked, 5, key, 0);
    CHECK_BYTES(masked, 5, "Hello", 5);
}

TEST("does the same as byte by byte, for every size and place in a payload")
{
    char plain[LONGEST];
    char expected[LONGEST];
    size_t size;
    uint64_t offset;

    fill(plain, sizeof plain);
    for (size = 0; size <= LONGEST; size++) {
        for (offset = 0; offset < 5; offset++) {
            char *from = guard_copy(plain, size);
            char *to = guard_copy(plain, size);

            test_note("%zu bytes from %llu", size, (unsigned long long)offset);
            mask_each(expected, plain, size, offset);
            sl_mask_copy(to, from, size, key, offset);
            CHECK_BYTES(to, size, expected, size);
            CHECK_BYTES(from, size, plain, size);
            sl_mask_copy(from, from, size, key, offset);
            CHECK_BYTES(from, size, expected, size);
            guard_free(from);
            guard_free(to);
        }
    }
}

static void mask_pieces(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    const char *expected = argument;
    char masked[LONGEST];
    size_t done = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        sl_mask_copy(masked + done, pieces[i].data, pieces[i].size, key, done);
        done += pieces[i].size;
    }
    CHECK_BYTES(masked, done, expected, LONGEST);
}

TEST("masks a payload in pieces as it does in one")
{
    char plain[LONGEST];
    char expected[LONGEST];

    fill(plain, sizeof plain);
    mask_each(expected, plain, LONGEST, 0);
    test_each_cut(sl_view(plain, LONGEST), mask_pieces, expected);
}

TEST("goes by the offset modulo four, however large it is")
{
    char masked[5];

    sl_mask_copy(masked, "Hello", 5, key, UINT64_MAX - 3);
    CHECK_BYTES(masked, 5, "\x7f\x9f\x4d\x51\x58", 5);
}

int main(void)
{
    return test_main();
}
