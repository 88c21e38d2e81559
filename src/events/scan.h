/* events/scan.h - where a line of an event stream ends
 *
 * Sixty-four bytes at a time where the compiler targets SSE2, and both line
 * ends in one pass. Never reads past `end`.
 */
#ifndef SL_EVENTS_SCAN_H
#define SL_EVENTS_SCAN_H

#include <stddef.h>

#if defined(__SSE2__)
#include <emmintrin.h>

/* The bytes that are LF or CR, as 0xff; the others as 0. */
static inline __m128i sl_line_ends_at(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);

    return _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
}

/* Skips blocks without a byte up to CR: in text those are line ends and tabs
 * alone, and one comparison finds them. */
static inline const char *sl_skip_blocks(const char *at, const char *end)
{
    const char *last;

    if (end - at < 64)
        return at;
    for (last = end - 64; at <= last; at += 64) {
        const __m128i *block = (const __m128i *)(const void *)at;
        __m128i least = _mm_min_epu8(
            _mm_min_epu8(_mm_loadu_si128(block), _mm_loadu_si128(block + 1)),
            _mm_min_epu8(_mm_loadu_si128(block + 2),
                         _mm_loadu_si128(block + 3)));
        __m128i above = _mm_subs_epu8(least, _mm_set1_epi8('\r'));

        if (_mm_movemask_epi8(_mm_cmpeq_epi8(above, _mm_setzero_si128())))
            break;
    }
    return at;
}

/* The first LF or CR, or NULL. */
static inline const char *sl_scan_line_end(const char *at, const char *end)
{
    while (end - at >= 16) {
        const char *stop;

        at = sl_skip_blocks(at, end);
        stop = end - at > 64 ? at + 64 : end;
        for (; stop - at >= 16; at += 16) {
            int mask = _mm_movemask_epi8(sl_line_ends_at(at));

            if (mask != 0)
                return at + __builtin_ctz((unsigned)mask);
        }
    }
    for (; at < end; at++)
        if (*at == '\n' || *at == '\r')
            return at;
    return NULL;
}
#else
static inline const char *sl_scan_line_end(const char *at, const char *end)
{
    for (; at < end; at++)
        if (*at == '\n' || *at == '\r')
            return at;
    return NULL;
}
#endif

#endif
