/* Arbitrary gzip and deflate. The outcome is the same wherever the data is cut.
 * What zlib decodes, every engine decodes to the same bytes; ISA-L also takes
 * code tables that zlib refuses because they leave codes unused.
 *
 *   byte 0   1: deflate  6: which engines are compared
 *   byte 1   how the data is cut
 *   rest     the data
 */
#include "spec/c/fuzz/decoding.h"

#include "codec/codings.h"

#define INPUT_MOST 1024
#define OPTIONS    2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sl_decoder_class *const classes[][2] = {
        {&sl_coding_gzip_zlib, &sl_coding_deflate_zlib},
#ifdef SL_HAVE_ISAL
        {&sl_coding_gzip_isal, &sl_coding_deflate_isal},
#endif
    };
    /* Each engine with itself, and zlib with the other. */
    static const unsigned char pairs[][2] = {{0, 0}, {1, 1}, {0, 1}, {1, 1}};
    static char whole_data[MOST + ROOM_MOST];
    static char cut_data[MOST + ROOM_MOST];
    const size_t engines = sizeof(classes) / sizeof(classes[0]);
    const unsigned char *pair;
    struct decoded whole;
    struct decoded cut;
    struct sl_view coded;
    size_t piece;
    size_t coding;

    if (size < OPTIONS)
        return 0;
    coding = data[0] & 1;
    pair = pairs[data[0] >> 1 & 3];
    piece = (size_t)data[1] + 1;
    coded = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    whole = decode(classes[pair[0] % engines][coding], coded, 0, 16384,
                   ROOM_MOST, whole_data);
    cut = decode(classes[pair[1] % engines][coding], coded, piece, 64,
                 16 + 7 * piece, cut_data);
    if (pair[0] == pair[1] || whole.status == SL_END)
        compare(&whole, &cut);
    return 0;
}
