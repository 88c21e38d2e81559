/* Arbitrary gzip and deflate: first byte the coding, second the cuts, rest the
 * data. The outcome is the same wherever the data is cut. What zlib decodes,
 * every engine decodes to the same bytes; ISA-L also takes code tables that zlib
 * refuses because they leave codes unused. */
#include "spec/c/fuzz/decoding.h"

#include "codec/codings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sl_decoder_class *const classes[][2] = {
        {&sl_coding_gzip_zlib, &sl_coding_deflate_zlib},
#ifdef SL_HAVE_ISAL
        {&sl_coding_gzip_isal, &sl_coding_deflate_isal},
#endif
    };
    struct decoded first;
    struct sl_view coded;
    size_t piece;
    size_t coding;
    size_t i;

    if (size < 2)
        return 0;
    coding = data[0] & 1;
    piece = (size_t)data[1] + 1;
    coded = sl_view((const char *)data + 2, size - 2);
    first = decode(classes[0][coding], coded, 0, 16384, 20000);
    for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        struct decoded whole =
            decode(classes[i][coding], coded, 0, 16384, 30000);
        struct decoded cut =
            decode(classes[i][coding], coded, piece, 23, 16 + 7 * piece);

        compare(&whole, &cut);
        if (first.status == SL_END)
            compare(&first, &whole);
        free(whole.data);
        free(cut.data);
    }
    free(first.data);
    return 0;
}
