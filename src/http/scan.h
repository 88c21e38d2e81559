/* http/scan.h - where a run of plain bytes ends
 *
 * The inner loops of head parsing: sixteen bytes at a time where the compiler
 * targets SSE2, else one at a time. They never read past `end`, and answer it
 * when all of the bytes are plain.
 */
#ifndef SL_HTTP_SCAN_H
#define SL_HTTP_SCAN_H

#include <stdbool.h>

/* Whether a byte is a control but tab, or DEL (RFC 9110 5.5). */
static inline bool sl_is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

static inline const char *sl_scan_bytes(const char *at, const char *end)
{
    while (at < end && !sl_is_control((unsigned char)*at))
        at++;
    return at;
}

static inline bool sl_is_name_byte(unsigned char byte)
{
    unsigned char letter = byte | 0x20;

    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '-';
}

static inline const char *sl_scan_name_bytes(const char *at, const char *end)
{
    while (at < end && sl_is_name_byte((unsigned char)*at))
        at++;
    return at;
}

#if defined(__SSE2__)
#include <emmintrin.h>

static inline __m128i sl_between(__m128i bytes, char first, char last)
{
    __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(first));

    return _mm_cmpeq_epi8(
        _mm_min_epu8(above, _mm_set1_epi8((char)(last - first))), above);
}

/* Finds the first byte that is no letter, digit or hyphen: nearly all field
 * names are made of these. */
static inline const char *sl_scan_name(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i letters =
            sl_between(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
        __m128i others =
            _mm_or_si128(sl_between(bytes, '0', '9'),
                         _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
        int mask = _mm_movemask_epi8(_mm_or_si128(letters, others));

        if (mask != 0xffff)
            return at + __builtin_ctz(~(unsigned)mask);
    }
    return sl_scan_name_bytes(at, end);
}

/* Finds the first control. */
static inline const char *sl_scan_control(const char *at, const char *end)
{
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);

    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        __m128i bad =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low),
                         _mm_cmpeq_epi8(bytes, del));
        int mask = _mm_movemask_epi8(bad);

        if (mask != 0)
            return at + __builtin_ctz((unsigned)mask);
    }
    return sl_scan_bytes(at, end);
}
#else
static inline const char *sl_scan_name(const char *at, const char *end)
{
    return sl_scan_name_bytes(at, end);
}

static inline const char *sl_scan_control(const char *at, const char *end)
{
    return sl_scan_bytes(at, end);
}
#endif

#endif
