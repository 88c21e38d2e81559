/* http/scan.h - the first byte of a run that no field content may hold
 *
 * The inner loop of head parsing: sixteen bytes at a time where the compiler
 * targets SSE2, else one at a time. Never reads past `end`.
 */
#ifndef SL_HTTP_SCAN_H
#define SL_HTTP_SCAN_H

#include <stdbool.h>

/* Controls but tab, and DEL (RFC 9110 5.5). */
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

#if defined(__SSE2__)
#include <emmintrin.h>

/* `end` when there is no control. */
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
static inline const char *sl_scan_control(const char *at, const char *end)
{
    return sl_scan_bytes(at, end);
}
#endif

#endif
