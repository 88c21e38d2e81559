#include "codec/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Powers of ten that a double holds exactly. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define POWERS     ((int64_t)(sizeof powers / sizeof *powers))
#define EXACT_TO   (UINT64_C(1) << 53) /* integers that a double holds */
#define FAR        400                 /* no double is 1e400, or 1e-400 */
#define ALL_DIGITS 17                  /* tell any two doubles apart */

/* ---- integers ---- */

static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

static size_t write_unsigned(char *to, uint64_t value)
{
    char text[20];
    size_t at = sizeof text;

    while (value >= 100) {
        at -= 2;
        memcpy(text + at, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(text + at, pairs + value * 2, 2);
    } else {
        text[--at] = (char)('0' + value);
    }
    memcpy(to, text + at, sizeof text - at);
    return sizeof text - at;
}

/* ---- reading ---- */

void sl_decimal_push_far(struct sl_decimal *decimal, char digit)
{
    size_t place = decimal->count - SL_DECIMAL_HEAD;

    if (place < SL_DECIMAL_TAIL) {
        decimal->tail[place] = digit;
        decimal->count++;
        return;
    }
    decimal->has_rest = decimal->has_rest || digit != '0';
    decimal->exponent++;
}

/* Converts digits and an exponent without a point between them, which would
 * depend on the locale. */
static double to_double_by_library(const struct sl_decimal *decimal)
{
    char text[SL_DECIMAL_HEAD + SL_DECIMAL_TAIL + 32];
    int64_t exponent = decimal->exponent - (decimal->has_rest ? 1 : 0);
    size_t size = write_unsigned(text, decimal->head);

    if (decimal->count > SL_DECIMAL_HEAD) {
        size_t more = decimal->count - SL_DECIMAL_HEAD;

        memcpy(text + size, decimal->tail, more);
        size += more;
    }
    if (decimal->has_rest)
        text[size++] = '1';
    text[size++] = 'e';
    if (exponent < 0)
        text[size++] = '-';
    size += write_unsigned(text + size,
                           (uint64_t)(exponent < 0 ? -exponent : exponent));
    text[size] = '\0';
    return strtod(text, NULL);
}

enum sl_status sl_decimal_to_double(const struct sl_decimal *decimal,
                                    double *value)
{
    int64_t exponent = decimal->exponent;
    int64_t magnitude = exponent + (int64_t)decimal->count;
    double result;

    if (decimal->head == 0) {
        *value = 0;
        return SL_OK;
    }
    if (magnitude > FAR || magnitude < -FAR)
        return SL_LIMIT;
    /* Both are exact, so that one operation rounds once: W. Clinger, "How to
     * read floating point numbers accurately" (1990). */
    if (FLT_EVAL_METHOD == 0 && decimal->count <= SL_DECIMAL_HEAD &&
        decimal->head <= EXACT_TO && exponent > -POWERS && exponent < POWERS) {
        result = (double)decimal->head;
        *value = exponent < 0 ? result / powers[-exponent]
                              : result * powers[exponent];
        return SL_OK;
    }
    result = to_double_by_library(decimal);
    if (!isfinite(result) || result == 0)
        return SL_LIMIT;
    *value = result;
    return SL_OK;
}

/* ---- writing ---- */

size_t sl_decimal_write_integer(char *to, int64_t value)
{
    if (value >= 0)
        return write_unsigned(to, (uint64_t)value);
    *to = '-';
    return 1 + write_unsigned(to + 1, 0 - (uint64_t)value);
}

static bool reads_as(uint64_t digits, int exponent, double value)
{
    struct sl_decimal decimal;
    double read;

    sl_decimal_init(&decimal);
    decimal.head = digits;
    decimal.count = SL_DECIMAL_HEAD; /* at most, which is all that is asked */
    decimal.exponent = exponent;
    return sl_decimal_to_double(&decimal, &read) == SL_OK && read == value;
}

/* digits * 10 ^ -places is the value, where that is so with few digits. The
 * quotient of two exact doubles is what a reader makes of that decimal. */
static bool find_short(double value, uint64_t *digits, int *places)
{
    int k;
    int exponent;

    if (FLT_EVAL_METHOD != 0 || value < 1e-5 || value >= 1e15)
        return false;
    for (k = 1; k <= 3; k++) {
        double scaled = value * powers[k] + 0.5;

        *digits = (uint64_t)scaled;
        *places = k;
        if (scaled < 1e15 && (double)*digits / powers[k] == value)
            return true;
    }
    /* As many places as keep it below 2 ^ 50, where the product is off by less
     * than a half: a value with fewer places is found by these, too. */
    frexp(value, &exponent);
    k = (50 - exponent) * 301 / 1000;
    k = k < (int)POWERS ? k : (int)POWERS - 1;
    *digits = (uint64_t)(value * powers[k] + 0.5);
    *places = k;
    return (double)*digits / powers[k] == value;
}

#ifdef __SIZEOF_INT128__

/* 10 ^ k; k is 22 at most. */
static unsigned __int128 power_of(int k)
{
    unsigned __int128 power = 1;

    for (; k >= 4; k -= 4)
        power *= 10000;
    for (; k > 0; k--)
        power *= 10;
    return power;
}

/* A value of that mantissa, which times 10 ^ k is digits + rest / 2 ^ shift,
 * whose next neighbour is step / 2 ^ shift away: without its last digits,
 * rounded, where a reader still takes that for it. It does within half of the
 * way to a neighbour; the one below a power of two is half as far. */
static bool shorten_exactly(uint64_t *digits, uint64_t unit, uint64_t mantissa,
                            unsigned __int128 rest, int shift,
                            unsigned __int128 step)
{
    unsigned __int128 whole = (unsigned __int128)unit << shift;
    unsigned __int128 cut =
        ((unsigned __int128)(*digits % unit) << shift) + rest;
    bool is_up = cut * 2 >= whole;

    if (is_up ? (whole - cut) * 2 >= step
              : cut * (mantissa == EXACT_TO / 2 ? 4 : 2) >= step)
        return false;
    *digits = *digits / unit + (is_up ? 1 : 0);
    return true;
}

/* 15 to 17 digits of a value that is no integer and not below 1e-5, so that it
 * times 10 ^ k is exact in 128 bits. */
static bool find_exact(double value, uint64_t *digits, int *places)
{
    int exponent;
    uint64_t mantissa = (uint64_t)(frexp(value, &exponent) * 0x1p53);
    int shift = 53 - exponent;
    int k = 16 - ((exponent - 1) * 1233 >> 12); /* by log10(2), or one more */
    unsigned __int128 step, rest;

    if (value < 1e-5 || value >= 0x1p53)
        return false;
    step = power_of(k);
    if (mantissa * step >> shift >= 100000000000000000) {
        step /= 10;
        k--;
    }
    *digits = (uint64_t)(mantissa * step >> shift);
    rest = mantissa * step - ((unsigned __int128)*digits << shift);
    *places = k;
    if (shorten_exactly(digits, 100, mantissa, rest, shift, step))
        *places -= 2;
    else if (shorten_exactly(digits, 10, mantissa, rest, shift, step))
        *places -= 1;
    else if (rest * 2 >= (unsigned __int128)1 << shift)
        ++*digits;
    return true;
}

#else

static bool find_exact(double value, uint64_t *digits, int *places)
{
    (void)value;
    (void)digits;
    (void)places;
    return false;
}

#endif

/* Whether `digits` without its last `count`, rounded, still reads as the value.
 * In the middle it may be rounded either way. */
static bool shorten(uint64_t digits, int count, int exponent, double value,
                    uint64_t *shorter)
{
    uint64_t unit = 1;
    int i;

    for (i = 0; i < count; i++)
        unit *= 10;
    *shorter = (digits + unit / 2) / unit;
    if (reads_as(*shorter, exponent + count, value))
        return true;
    if (digits % unit != unit / 2)
        return false;
    --*shorter;
    return reads_as(*shorter, exponent + count, value);
}

/* Finds the digits of every other value: 17 by the library, then as few of them
 * as still read as the value. */
static void find_long(double value, uint64_t *digits, int *places)
{
    char text[48];
    const char *at = text;
    int precision = value < DBL_MIN ? 1 : DBL_DIG;
    uint64_t all = 0;
    int exponent;

    /* d.dddddddddddddddde-ddd, where the point is of the locale */
    snprintf(text, sizeof text, "%.*e", ALL_DIGITS - 1, value);
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9')
            all = all * 10 + (uint64_t)(*at - '0');
    }
    exponent = atoi(at + 1) - (ALL_DIGITS - 1);
    *digits = all;
    for (; precision < ALL_DIGITS; precision++) {
        int fewer = ALL_DIGITS - precision;
        uint64_t shorter;

        if (shorten(all, fewer, exponent, value, &shorter)) {
            *digits = shorter;
            exponent += fewer;
            break;
        }
    }
    *places = -exponent;
}

/* d.ddde+dd */
static size_t write_scientific(char *to, const char *digits, size_t count,
                               int exponent)
{
    size_t size = 0;

    to[size++] = digits[0];
    if (count > 1) {
        to[size++] = '.';
        memcpy(to + size, digits + 1, count - 1);
        size += count - 1;
    }
    to[size++] = 'e';
    to[size++] = exponent < 0 ? '-' : '+';
    return size + write_unsigned(to + size, (uint64_t)abs(exponent));
}

/* `point` digits stand before the point; from -4 to 17. */
static size_t write_plain(char *to, const char *digits, size_t count, int point)
{
    size_t before = point > 0 ? (size_t)point : 0;
    size_t zeros = point < 0 ? (size_t)-point : 0;
    size_t size;

    if (before == 0) {
        memcpy(to, "0.0000", 6);
        memcpy(to + 2 + zeros, digits, count);
        return 2 + zeros + count;
    }
    if (count > before) {
        memcpy(to, digits, before);
        to[before] = '.';
        memcpy(to + before + 1, digits + before, count - before);
        return count + 1;
    }
    memcpy(to, digits, count);
    for (size = count; size < before; size++)
        to[size] = '0';
    memcpy(to + size, ".0", 2);
    return size + 2;
}

size_t sl_decimal_write_double(char *to, double value)
{
    size_t sign = signbit(value) ? 1 : 0;
    char text[20];
    uint64_t digits;
    size_t count;
    int places;

    if (sign > 0) {
        *to++ = '-';
        value = -value;
    }
    if (value < 1e15 && value == (double)(uint64_t)value) {
        count = write_unsigned(to, (uint64_t)value);
        memcpy(to + count, ".0", 2);
        return sign + count + 2;
    }
    if (!find_short(value, &digits, &places) &&
        !find_exact(value, &digits, &places))
        find_long(value, &digits, &places);
    count = write_unsigned(text, digits);
    places = (int)count - places; /* now: digits before the point */
    while (count > 1 && text[count - 1] == '0')
        count--;
    if (places < -4 || places > ALL_DIGITS)
        return sign + write_scientific(to, text, count, places - 1);
    return sign + write_plain(to, text, count, places);
}
