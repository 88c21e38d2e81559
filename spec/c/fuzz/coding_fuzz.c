/* Arbitrary brotli and zstd, as far as the build has them: first byte the
 * coding, second the cuts, rest the data. The outcome is the same wherever the
 * data is cut. */
#include "spec/c/fuzz/decoding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sl_decoder_class *class;
    struct decoded whole;
    struct decoded cut;
    struct sl_view coded;
    size_t piece;

    if (size < 3)
        return 0;
    class =
        sl_decoder_find((data[0] & 1) != 0 ? SL_VIEW("br") : SL_VIEW("zstd"));
    if (class == NULL)
        return 0;
    coded = sl_view((const char *)data + 2, size - 2);
    piece = (size_t)data[1] + 1;
    whole = decode(class, coded, 0, 16384, 30000);
    cut = decode(class, coded, piece, 23, 16 + 7 * piece);
    compare(&whole, &cut);
    free(whole.data);
    free(cut.data);
    return 0;
}
