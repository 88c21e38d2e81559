#include "spec/c/codec/coding.h"

#ifdef SL_HAVE_ZSTD
#define EMPTY   "\x28\xb5\x2f\xfd\0\x68\1\0\0"
#define SKIPPED "\x5a\x2a\x4d\x18\1\0\0\0x"

static void check_refused(struct sl_view coded)
{
    struct outcome outcome = decode_whole(&sl_coding_zstd, coded);

    CHECK_STR(outcome.error, "not a zstd frame");
    check_outcome(outcome, SL_DECODE, SL_VIEW(""));
}

TEST("takes frames, and skips those that are to be skipped")
{
    check_outcome(decode_whole(&sl_coding_zstd, SL_VIEW(EMPTY SKIPPED EMPTY)),
                  SL_END, SL_VIEW(""));
}

/* A decoder for zstd 0.7 that libzstd may have answers this with bytes of the
 * heap that it never wrote. */
TEST("refuses the formats from before RFC 8878, whatever the library reads")
{
    check_refused(SL_VIEW("\x27\xb5\x2f\xfd\x2d\x10\x62\x6c\x6f"));
    check_refused(SL_VIEW("\xfd\x2f\xb5\x1e\x2d\x10\x62\x6c\x6f"));
    for (char magic = 0x22; magic < 0x28; magic++) {
        char coded[] = EMPTY "\x22\xb5\x2f\xfd\x2d\x10\x62\x6c\x6f";

        coded[sizeof(EMPTY) - 1] = magic;
        check_refused(sl_view(coded, sizeof(coded) - 1));
    }
}
#else
TEST("is not part of this build")
{
    CHECK(sl_decoder_find(SL_VIEW("zstd")) == NULL);
}
#endif

int main(void)
{
    return test_main();
}
