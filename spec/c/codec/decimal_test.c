#include "spec/c/support/test.h"

#include "codec/decimal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 42;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static const char *written(double value)
{
    static char text[SL_DECIMAL_SIZE + 1];

    text[sl_decimal_write_double(text, value)] = '\0';
    return text;
}

/* Digits, perhaps with a point, then an exponent; no sign. */
static enum sl_status read(const char *text, double *value)
{
    struct sl_decimal decimal;
    bool is_behind = false;

    sl_decimal_init(&decimal);
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '.') {
            is_behind = true;
            continue;
        }
        sl_decimal_push(&decimal, *text);
        decimal.exponent -= is_behind;
    }
    if (*text == 'e')
        decimal.exponent += atoll(text + 1);
    return sl_decimal_to_double(&decimal, value);
}

static void check_read(const char *text)
{
    double value = -1;
    double expected = strtod(text, NULL);

    test_note("%.60s", text);
    if (!isfinite(expected)) {
        CHECK_INT(read(text, &value), SL_LIMIT);
        return;
    }
    CHECK_INT(read(text, &value), SL_OK);
    if (value != expected)
        CHECK_STR(written(value), written(expected));
}

TEST("integers are written in full")
{
    static const int64_t values[] = {
        0,         1,         9,  10,  99,      100,    101,          12345,
        INT64_MAX, INT64_MIN, -1, -10, 1000000, -99999, INT64_MAX - 1};
    size_t i;

    for (i = 0; i < sizeof values / sizeof *values; i++) {
        char text[SL_DECIMAL_SIZE];
        char expected[SL_DECIMAL_SIZE];
        size_t size = sl_decimal_write_integer(text, values[i]);
        int expected_size =
            snprintf(expected, sizeof expected, "%lld", (long long)values[i]);

        CHECK_BYTES(text, size, expected, (size_t)expected_size);
    }
}

TEST("doubles are written as a person would write them")
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.0, "0.0"},
                 {-0.0, "-0.0"},
                 {1, "1.0"},
                 {-2.5, "-2.5"},
                 {0.1, "0.1"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1.0 / 3, "0.3333333333333333"},
                 {123.45, "123.45"},
                 {19.99, "19.99"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "10000000000000000.0"},
                 {123456789012345680.0, "1.2345678901234568e+17"},
                 {9007199254740993.0, "9007199254740992.0"},
                 {1e22, "1e+22"},
                 {1e23, "1e+23"},
                 {1e-5, "0.00001"},
                 {1.5e-7, "1.5e-7"},
                 {12345.678901234567, "12345.678901234567"},
                 {999999999999999.9, "999999999999999.9"},
                 {DBL_MAX, "1.7976931348623157e+308"},
                 {DBL_MIN, "2.2250738585072014e-308"},
                 {5e-324, "5e-324"},
                 {1.5e-323, "1.5e-323"},
                 {2251799813685249.5, "2251799813685249.5"}};
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(written(cases[i].value), cases[i].text);
}

/* The digits of the shortest %.*e that reads as the value. */
static int shortest(double value)
{
    char text[64];
    int digits;

    for (digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return digits;
}

static int digits_of(const char *text)
{
    const char *at = text;
    int digits = 0;
    int zeros = 0;

    for (; *at != '\0' && *at != 'e'; at++) {
        if (*at == '0' && digits > 0)
            zeros++;
        if (*at >= '1' && *at <= '9') {
            digits += zeros + 1;
            zeros = 0;
        }
    }
    return digits;
}

static void check_written(double value)
{
    const char *text = written(value);
    double back = 0;

    test_note("%.17g as %s", value, text);
    if (strtod(text, NULL) != value)
        CHECK(false);
    CHECK_INT(read(text, &back), SL_OK);
    if (back != value || digits_of(text) > 17)
        CHECK(false);
    if (digits_of(text) > shortest(value))
        CHECK_INT(digits_of(text), shortest(value));
}

TEST("any double is written in the fewest digits that read back as it")
{
    int i;

    for (i = 0; i < 100000; i++) {
        uint64_t bits = any() & (UINT64_MAX >> 1);
        double value;

        memcpy(&value, &bits, sizeof value);
        if (isfinite(value) && value != 0)
            check_written(value);
        check_written((double)(any() >> 11) * 0x1p-53 + 0x1p-60);
        check_written((double)(any() % 100000000 + 1) / 100);
        check_written((double)(any() % 1000000000000 + 1) / 1e6);
    }
}

TEST("a decimal is read as the nearest double")
{
    int i;

    for (i = 0; i < 100000; i++) {
        char text[80];
        size_t size = 1 + any() % 40;
        size_t k;

        for (k = 0; k < size; k++)
            text[k] = (char)('0' + any() % 10);
        snprintf(text + size, sizeof text - size, "e%d",
                 (int)(any() % 600) - 300);
        check_read(text);
    }
}

TEST("long decimals between two doubles fall on the right side")
{
    static const char *const middles[] = {
        "9007199254740993", "9007199254740995",
        "0.5000000000000000277555756156289135105907917022705078125"};
    char text[2000];
    size_t i;

    for (i = 0; i < sizeof middles / sizeof *middles; i++) {
        const char *point = strchr(middles[i], '.') == NULL ? "." : "";

        check_read(middles[i]);
        snprintf(text, sizeof text, "%s%s%0900d", middles[i], point, 0);
        check_read(text);
        snprintf(text, sizeof text, "%s%s%0900d", middles[i], point, 1);
        check_read(text);
        snprintf(text, sizeof text, "%s%s%0900de+30", middles[i], point, 1);
        check_read(text);
    }
    for (i = 1; i < 1200; i += 7) {
        memset(text, '9', i);
        snprintf(text + i, sizeof text - i, "e-%zu", i);
        check_read(text);
        text[0] = '0';
        text[1] = '.';
        memset(text + 2, '0', i);
        snprintf(text + 2 + i, sizeof text - i - 2, "12345e%zu", i);
        check_read(text);
    }
}

TEST("a decimal beyond the range of doubles is refused, zero is not")
{
    double value;

    CHECK_INT(read("1e999", &value), SL_LIMIT);
    CHECK_INT(read("1e309", &value), SL_LIMIT);
    CHECK_INT(read("1.7976931348623159e308", &value), SL_LIMIT);
    CHECK_INT(read("1e-999", &value), SL_LIMIT);
    CHECK_INT(read("1e-324", &value), SL_LIMIT);
    CHECK_INT(read("1e9000000000000000", &value), SL_LIMIT);
    CHECK_INT(read("1e-9000000000000000", &value), SL_LIMIT);
    CHECK_INT(read("1.7976931348623157e308", &value), SL_OK);
    CHECK(value == DBL_MAX);
    CHECK_INT(read("3e-324", &value), SL_OK);
    CHECK(value == 5e-324);
    CHECK_INT(read("0e9000000000000000", &value), SL_OK);
    CHECK(value == 0);
    CHECK_INT(read("000.000", &value), SL_OK);
    CHECK(value == 0);
}

TEST("the locale of the program changes nothing")
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8"};
    double value = 0;
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        setlocale(LC_ALL, names[i]);
        CHECK_STR(written(0.1 + 0.2), "0.30000000000000004");
        CHECK_STR(written(1.0 / 3 * 1e300), "3.3333333333333335e+299");
        CHECK_INT(read("0.30000000000000004", &value), SL_OK);
        setlocale(LC_ALL, "C");
        CHECK(value == 0.1 + 0.2);
    }
}

int main(void)
{
    return test_main();
}
