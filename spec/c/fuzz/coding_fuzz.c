/* Arbitrary brotli and zstd, as far as the build has them. The outcome is the
 * same wherever the data is cut.
 *
 *   byte 0   the coding
 *   byte 1   how the data is cut
 *   rest     the data
 */
#include "spec/c/fuzz/decoding.h"

#define INPUT_MOST 1024
#define OPTIONS    2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole_data[MOST + ROOM_MOST];
    static char cut_data[MOST + ROOM_MOST];
    const struct sl_decoder_class *class;
    struct decoded whole;
    struct decoded cut;
    struct sl_view coded;
    size_t piece;

    if (size <= OPTIONS)
        return 0;
    class =
        sl_decoder_find((data[0] & 1) != 0 ? SL_VIEW("br") : SL_VIEW("zstd"));
    if (class == NULL)
        return 0;
    coded = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    piece = (size_t)data[1] + 1;
    whole = decode(class, coded, 0, 16384, ROOM_MOST, whole_data);
    cut = decode(class, coded, piece, 64, 16 + 7 * piece, cut_data);
    compare(&whole, &cut);
    return 0;
}
