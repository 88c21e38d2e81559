/* base/ascii.h - characters of protocols, whatever the locale says */
#ifndef SL_BASE_ASCII_H
#define SL_BASE_ASCII_H

#include "base/view.h"

#include <stdbool.h>

/* The value of a hexadecimal digit plus one; 0: any other character. */
extern const unsigned char sl_hex_digits[256];

/* The value of a digit, 0 to 15; anything above is no digit. */
static inline unsigned sl_hex_value(char c)
{
    return sl_hex_digits[(unsigned char)c] - 1u;
}

static inline bool sl_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether `c` is a space or tab, which protocols allow around words. */
static inline bool sl_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline char sl_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool sl_equal_ignoring_case(struct sl_view a, struct sl_view b);

#endif
