/* codec/json_scan.h - finds where a JSON string needs a second look */
#ifndef SL_CODEC_JSON_SCAN_H
#define SL_CODEC_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool sl_json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/* Finds the first quote, backslash or control character, or `end`.
 * Raises `has_high` when a byte before it is not ASCII (it may also for one
 * shortly behind). Eight bytes at once: the lowest mark is a true one. */
static inline const char *sl_json_plain_end(const char *at, const char *end,
                                            bool *has_high)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    uint64_t high = 0;

    for (; end - at >= 8; at += 8) {
        uint64_t bytes, quote, slash, marks;

        memcpy(&bytes, at, 8);
        quote = bytes ^ (ones * '"');
        slash = bytes ^ (ones * '\\');
        marks = ((bytes - ones * 0x20) & ~bytes) | ((quote - ones) & ~quote) |
                ((slash - ones) & ~slash);
        high |= bytes;
        if ((marks & tops) != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            at += (unsigned)__builtin_ctzll(marks & tops) / 8;
            *has_high = *has_high || (high & tops) != 0;
            return at;
#else
            break;
#endif
        }
    }
    for (; at < end && sl_json_is_plain(*at); at++)
        high |= (uint64_t)(unsigned char)*at;
    *has_high = *has_high || (high & tops) != 0;
    return at;
}

#endif
