#include "codec/utf8.h"

void sl_utf8_init(struct sl_utf8 *utf8)
{
    memset(utf8, 0, sizeof(*utf8));
}

enum sl_status sl_utf8_end(const struct sl_utf8 *utf8)
{
    return utf8->is_broken || utf8->missing > 0 ? SL_DECODE : SL_OK;
}

/* ---- one byte after the other ---- */

/* RFC 3629 4: the second byte's bounds keep out longer forms than needed (E0,
 * F0), surrogates (ED) and what lies above U+10FFFF (F4). */
static bool begin(struct sl_utf8 *utf8, unsigned char byte)
{
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
        utf8->missing = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        utf8->missing = 2;
        if (byte == 0xe0)
            utf8->low = 0xa0;
        if (byte == 0xed)
            utf8->high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        utf8->missing = 3;
        if (byte == 0xf0)
            utf8->low = 0x90;
        if (byte == 0xf4)
            utf8->high = 0x8f;
    } else {
        return false;
    }
    return true;
}

static bool go_on(struct sl_utf8 *utf8, unsigned char byte)
{
    if (byte < utf8->low || byte > utf8->high)
        return false;
    utf8->missing--;
    utf8->low = 0x80;
    utf8->high = 0xbf;
    return true;
}

/* The count of ASCII bytes from `data`, rounded down to eights. */
static size_t ascii_size(const char *data, size_t size)
{
    size_t i;

    for (i = 0; i + 8 <= size; i += 8) {
        uint64_t eight;

        memcpy(&eight, data + i, 8);
        if ((eight & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return i;
}

static bool check_each(struct sl_utf8 *utf8, const char *data, size_t size)
{
    size_t i = 0;

    while (i < size) {
        unsigned char byte = (unsigned char)data[i];

        if (utf8->missing > 0) {
            if (!go_on(utf8, byte))
                return false;
            i++;
        } else if (byte < 0x80) {
            size_t ascii = ascii_size(data + i, size - i);

            i += ascii > 0 ? ascii : 1;
        } else {
            if (!begin(utf8, byte))
                return false;
            i++;
        }
    }
    return true;
}

#ifdef __x86_64__

#include <immintrin.h>

#define BLOCK ((size_t)32)

/* J. Keiser and D. Lemire, "Validating UTF-8 in less than one instruction per
 * byte", Software: Practice and Experience 51 (2021). Each bit is a reason why
 * two neighbours may not stand together; it is one when the high half of the
 * first, its low half and the high half of the second all say so. */
enum {
    TOO_SHORT = 1 << 0,    /* a beginning, and no continuation behind it */
    TOO_LONG = 1 << 1,     /* ASCII, and a continuation behind it */
    LONG_FORM_3 = 1 << 2,  /* E0 below A0 */
    TOO_LARGE = 1 << 3,    /* F4 above 8F, and beyond */
    SURROGATE = 1 << 4,    /* ED above 9F */
    LONG_FORM_2 = 1 << 5,  /* C0, C1 */
    LONG_FORM_4 = 1 << 6,  /* F0 below 90; also F5 and beyond with 80 to 8F */
    CONTINUATIONS = 1 << 7 /* two: good when a third or fourth byte is due */
};
#define ANY (TOO_SHORT | TOO_LONG | CONTINUATIONS)

/* Inlined always: the tables stay in registers. */
#define AVX2        __attribute__((target("avx2")))
#define AVX2_INLINE AVX2 __attribute__((always_inline)) static inline

#define TWICE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

AVX2_INLINE __m256i first_high(__m256i halves)
{
    return _mm256_shuffle_epi8(
        TWICE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
              TOO_LONG, TOO_LONG, (char)CONTINUATIONS, (char)CONTINUATIONS,
              (char)CONTINUATIONS, (char)CONTINUATIONS, TOO_SHORT | LONG_FORM_2,
              TOO_SHORT, TOO_SHORT | LONG_FORM_3 | SURROGATE,
              TOO_SHORT | TOO_LARGE | LONG_FORM_4),
        halves);
}

AVX2_INLINE __m256i first_low(__m256i halves)
{
    return _mm256_shuffle_epi8(
        TWICE((char)(ANY | LONG_FORM_3 | LONG_FORM_2 | LONG_FORM_4),
              (char)(ANY | LONG_FORM_2), (char)ANY, (char)ANY,
              (char)(ANY | TOO_LARGE), (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4 | SURROGATE),
              (char)(ANY | TOO_LARGE | LONG_FORM_4),
              (char)(ANY | TOO_LARGE | LONG_FORM_4)),
        halves);
}

AVX2_INLINE __m256i second_high(__m256i halves)
{
    const char common = (char)(TOO_LONG | LONG_FORM_2 | CONTINUATIONS);

    return _mm256_shuffle_epi8(
        TWICE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
              TOO_SHORT, TOO_SHORT, (char)(common | LONG_FORM_3 | LONG_FORM_4),
              (char)(common | LONG_FORM_3 | TOO_LARGE),
              (char)(common | SURROGATE | TOO_LARGE),
              (char)(common | SURROGATE | TOO_LARGE), TOO_SHORT, TOO_SHORT,
              TOO_SHORT, TOO_SHORT),
        halves);
}

/* `bytes` moved up by one to three, filled from the end of `before`. `middle`
 * is the upper half of `before` and the lower half of `bytes`. */
#define MOVED(bytes, middle, count) \
    _mm256_alignr_epi8(bytes, middle, 16 - (count))

/* Marks wrong bytes: not zero there. */
AVX2_INLINE __m256i faults(__m256i before, __m256i bytes)
{
    const __m256i low_half = _mm256_set1_epi8(0x0f);
    __m256i middle = _mm256_permute2x128_si256(before, bytes, 0x21);
    __m256i back_1 = MOVED(bytes, middle, 1);
    __m256i back_2 = MOVED(bytes, middle, 2);
    __m256i back_3 = MOVED(bytes, middle, 3);
    __m256i high_1 = _mm256_and_si256(_mm256_srli_epi16(back_1, 4), low_half);
    __m256i low_1 = _mm256_and_si256(back_1, low_half);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_half);
    __m256i pairs =
        _mm256_and_si256(_mm256_and_si256(first_high(high_1), first_low(low_1)),
                         second_high(high));
    __m256i third = _mm256_subs_epu8(back_2, _mm256_set1_epi8(0xe0 - 0x80));
    __m256i fourth = _mm256_subs_epu8(back_3, _mm256_set1_epi8(0xf0 - 0x80));
    __m256i due = _mm256_and_si256(_mm256_or_si256(third, fourth),
                                   _mm256_set1_epi8((char)0x80));

    return _mm256_xor_si256(due, pairs);
}

AVX2_INLINE __m256i load(const char *data)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)data);
}

/* Checks whole blocks from the beginning of a character. Four at a time are
 * looked at once for anything but ASCII: between ASCII and ASCII nothing can be
 * wrong. In text of both, a branch for each would be mispredicted. */
AVX2 static bool check_blocks(const char *data, size_t count)
{
    __m256i before = _mm256_setzero_si256();
    __m256i wrong = _mm256_setzero_si256();
    size_t i;

    for (i = 0; count - i >= 4; i += 4) {
        __m256i a = load(data + i * BLOCK);
        __m256i b = load(data + (i + 1) * BLOCK);
        __m256i c = load(data + (i + 2) * BLOCK);
        __m256i d = load(data + (i + 3) * BLOCK);
        __m256i any =
            _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));

        if (_mm256_movemask_epi8(_mm256_or_si256(before, any)) != 0) {
            __m256i ab = _mm256_or_si256(faults(before, a), faults(a, b));
            __m256i cd = _mm256_or_si256(faults(b, c), faults(c, d));

            wrong = _mm256_or_si256(wrong, _mm256_or_si256(ab, cd));
        }
        before = d;
    }
    for (; i < count; i++) {
        __m256i bytes = load(data + i * BLOCK);

        wrong = _mm256_or_si256(wrong, faults(before, bytes));
        before = bytes;
    }
    return _mm256_testz_si256(wrong, wrong) != 0;
}

/* False: the text is invalid. Else `checked` bytes from `data` are whole
 * characters. */
static bool check_most(const char *data, size_t size, size_t *checked)
{
    size_t count = size / BLOCK;
    size_t end = count * BLOCK;

    *checked = 0;
    if (count < 2 || !__builtin_cpu_supports("avx2"))
        return true;
    if (!check_blocks(data, count))
        return false;
    /* The last character may go on behind the blocks: it is left out. */
    do {
        end--;
    } while (((unsigned char)data[end] & 0xc0) == 0x80);
    *checked = end;
    return true;
}

#else

static bool check_most(const char *data, size_t size, size_t *checked)
{
    (void)data;
    (void)size;
    *checked = 0;
    return true;
}

#endif

enum sl_status sl_utf8_check(struct sl_utf8 *utf8, struct sl_view bytes)
{
    size_t begun = utf8->missing < bytes.size ? utf8->missing : bytes.size;
    size_t checked = 0;
    bool is_good = !utf8->is_broken;

    if (bytes.size == 0)
        return is_good ? SL_OK : SL_DECODE;
    is_good = is_good && check_each(utf8, bytes.data, begun);
    bytes.data += begun;
    bytes.size -= begun;
    is_good = is_good && check_most(bytes.data, bytes.size, &checked);
    is_good =
        is_good && check_each(utf8, bytes.data + checked, bytes.size - checked);
    utf8->is_broken = !is_good;
    return is_good ? SL_OK : SL_DECODE;
}
