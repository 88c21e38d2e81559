/* codec/decimal.h - numbers as decimal text and back
 *
 * Reading rounds to the nearest double. Writing takes the fewest digits that
 * read as the same double, 17 at most. Neither looks at the locale.
 */
#ifndef SL_CODEC_DECIMAL_H
#define SL_CODEC_DECIMAL_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* ---- reading ---- */

#define SL_DECIMAL_HEAD 19

/* The exact middle between two doubles has 767 digits at most: of the digits
 * behind those, it only matters whether all are zero. */
#define SL_DECIMAL_TAIL 768

/* digits * 10 ^ exponent, as they are read from left to right. */
struct sl_decimal {
    uint64_t head;    /* the first SL_DECIMAL_HEAD digits */
    size_t count;     /* digits in all, without leading zeros */
    int64_t exponent; /* the caller subtracts the digits behind a point */
    bool has_rest;    /* a digit that was not kept is not zero */
    char tail[SL_DECIMAL_TAIL]; /* the digits behind `head` */
};

static inline void sl_decimal_init(struct sl_decimal *decimal)
{
    decimal->head = 0;
    decimal->count = 0;
    decimal->exponent = 0;
    decimal->has_rest = false;
}

void sl_decimal_push_far(struct sl_decimal *decimal, char digit);

/* Appends a digit at the right. */
static inline void sl_decimal_push(struct sl_decimal *decimal, char digit)
{
    if (decimal->count >= SL_DECIMAL_HEAD) {
        sl_decimal_push_far(decimal, digit);
        return;
    }
    decimal->head = decimal->head * 10 + (uint64_t)(digit - '0');
    decimal->count += decimal->head != 0;
}

/* The nearest double. SL_LIMIT: it would be infinite, or zero for a decimal
 * that is not. */
enum sl_status sl_decimal_to_double(const struct sl_decimal *decimal,
                                    double *value);

/* ---- writing ---- */

/* Room for any number; nothing is terminated. */
#define SL_DECIMAL_SIZE 32

/* Returns the size of the text. */
size_t sl_decimal_write_integer(char *to, int64_t value);
/* Writes a finite value, always with a point or an exponent: 1.0, 0.25,
 * 1e+22. */
size_t sl_decimal_write_double(char *to, double value);

#endif
