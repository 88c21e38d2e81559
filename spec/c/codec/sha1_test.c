#include "codec/sha1.h"

#include "spec/c/support/test.h"

#include <stdlib.h>
#include <string.h>

static void check(struct sl_view bytes, const char *expected)
{
    unsigned char digest[SL_SHA1_SIZE];

    sl_sha1(bytes, digest);
    CHECK(memcmp(digest, expected, SL_SHA1_SIZE) == 0);
}

TEST("hashes the vectors of RFC 3174 7.3")
{
    char *many = malloc(1000000);

    check(SL_VIEW("abc"), "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e"
                          "\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d");
    check(SL_VIEW("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
          "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae"
          "\x4a\xa1\xf9\x51\x29\xe5\xe5\x46\x70\xf1");
    REQUIRE(many != NULL);
    memset(many, 'a', 1000000);
    check(sl_view(many, 1000000), "\x34\xaa\x97\x3c\xd4\xc4\xda\xa4\xf6\x1e"
                                  "\xeb\x2b\xdb\xad\x27\x31\x65\x34\x01\x6f");
    free(many);
}

TEST("hashes nothing")
{
    check(sl_view(NULL, 0), "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55"
                            "\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09");
}

/* About each end of a block, where the length no longer fits behind the bytes.
 * Each copy ends where reading on is an error. What is known is the hash of all
 * hashes, as Python's hashlib has it. */
TEST("hashes every size up to some blocks")
{
    unsigned char digests[300][SL_SHA1_SIZE];

    for (size_t size = 1; size <= 300; size++) {
        char *bytes = malloc(size);

        REQUIRE(bytes != NULL);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)(i * 7 + size);
        sl_sha1(sl_view(bytes, size), digests[size - 1]);
        free(bytes);
    }
    check(sl_view((const char *)digests, sizeof digests),
          "\x79\xa5\xcd\x8b\xcd\x75\xbe\x1f\x7f\xf3"
          "\x22\x5d\x0b\xf7\x52\xff\x5a\x6f\xbe\x31");
}

int main(void)
{
    return test_main();
}
