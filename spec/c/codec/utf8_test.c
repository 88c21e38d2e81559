#include "spec/c/support/test.h"

#include "codec/utf8.h"

#include <stdio.h>
#include <string.h>

/* RFC 3629 4, written down as it stands there. The size of the character at
 * `s`, 0 if no character begins there. */
static size_t character(const unsigned char *s, size_t size)
{
#define TAIL(i)          (size > (i) && s[i] >= 0x80 && s[i] <= 0xbf)
#define IN(i, low, high) (size > (i) && s[i] >= (low) && s[i] <= (high))
    if (IN(0, 0x00, 0x7f))
        return 1;
    if (IN(0, 0xc2, 0xdf) && TAIL(1))
        return 2;
    if ((IN(0, 0xe0, 0xe0) && IN(1, 0xa0, 0xbf) && TAIL(2)) ||
        (IN(0, 0xe1, 0xec) && TAIL(1) && TAIL(2)) ||
        (IN(0, 0xed, 0xed) && IN(1, 0x80, 0x9f) && TAIL(2)) ||
        (IN(0, 0xee, 0xef) && TAIL(1) && TAIL(2)))
        return 3;
    if ((IN(0, 0xf0, 0xf0) && IN(1, 0x90, 0xbf) && TAIL(2) && TAIL(3)) ||
        (IN(0, 0xf1, 0xf3) && TAIL(1) && TAIL(2) && TAIL(3)) ||
        (IN(0, 0xf4, 0xf4) && IN(1, 0x80, 0x8f) && TAIL(2) && TAIL(3)))
        return 4;
    return 0;
}

static bool is_utf8(const char *bytes, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t step = character((const unsigned char *)bytes + at, size - at);

        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

static enum sl_status check_pieces(const struct sl_view *pieces, size_t count)
{
    struct sl_utf8 utf8;
    enum sl_status status = SL_OK;
    size_t i;

    sl_utf8_init(&utf8);
    for (i = 0; i < count && status == SL_OK; i++)
        status = sl_utf8_check(&utf8, pieces[i]);
    return status == SL_OK ? sl_utf8_end(&utf8) : status;
}

static enum sl_status check_whole(const char *bytes, size_t size)
{
    struct sl_view piece = sl_view(bytes, size);

    return check_pieces(&piece, 1);
}

TEST("judges every pair of bytes, alone and within blocks of ASCII")
{
    static const size_t places[] = {0, 15, 30, 31, 32, 62, 63, 90};
    char text[100];
    unsigned value;
    size_t i;

    for (value = 0; value < 0x10000; value++) {
        char two[2] = {(char)(value >> 8), (char)(value & 0xff)};
        bool is_good = is_utf8(two, 2);

        test_note("%04x", value);
        if ((check_whole(two, 2) == SL_OK) != is_good)
            CHECK_INT(check_whole(two, 2), is_good ? SL_OK : SL_DECODE);
        for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            memset(text, 'a', sizeof(text));
            memcpy(text + places[i], two, 2);
            if ((check_whole(text, sizeof(text)) == SL_OK) != is_good)
                CHECK_INT(places[i], -1);
        }
    }
}

/* The bytes at which a rule changes, and their neighbours. */
static const unsigned char edges[] = {
    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
    0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4,
    0xf5, 0xf7, 0xf8, 0xfb, 0xfc, 0xff, 'a',  0xbe, 0xd0, 0x85};

#define EDGES (sizeof(edges))

TEST("judges every four bytes of those at which a rule changes")
{
    char text[96];
    size_t n;

    for (n = 0; n < EDGES * EDGES * EDGES * EDGES; n++) {
        char four[4] = {(char)edges[n % EDGES], (char)edges[n / EDGES % EDGES],
                        (char)edges[n / EDGES / EDGES % EDGES],
                        (char)edges[n / EDGES / EDGES / EDGES]};
        bool is_good = is_utf8(four, 4);
        size_t place = n % 70;

        memset(text, 'a', sizeof(text));
        memcpy(text + place, four, 4);
        if ((check_whole(four, 4) == SL_OK) != is_good ||
            (check_whole(text, sizeof(text)) == SL_OK) != is_good) {
            test_note("%02x %02x %02x %02x at %zu", four[0] & 0xff,
                      four[1] & 0xff, four[2] & 0xff, four[3] & 0xff, place);
            CHECK_INT(SL_DECODE, is_good ? SL_OK : -1);
        }
    }
}

static const char mixed[] =
    "ascii, \xc3\xa9\xc3\xa8\xc3\xa0 and \xd0\x96\xd0\xb8\xd0\xb2 "
    "\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87 "
    "\xf0\x9f\x98\x80\xf0\x9f\x98\x81\xf0\x9f\x98\x82 \xed\x9f\xbf\xee\x80\x80 "
    "\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\xe0\xa0\x80\xc2\x80\xdf\xbf\xef\xbf\xbf "
    "and ascii enough for a block or two of it to be skipped at once.";

static void run_cut(const struct sl_view *pieces, size_t count, void *argument)
{
    const enum sl_status *expected = argument;

    CHECK_INT(check_pieces(pieces, count), *expected);
}

TEST("characters may be cut anywhere")
{
    enum sl_status expected = SL_OK;

    test_each_cut(sl_view(mixed, sizeof(mixed) - 1), run_cut, &expected);
}

TEST("a damaged byte is found wherever it is and wherever text is cut")
{
    size_t at;

    for (at = 0; at < sizeof(mixed) - 1; at++) {
        char damaged[sizeof(mixed) - 1];
        enum sl_status expected;

        memcpy(damaged, mixed, sizeof(damaged));
        damaged[at] ^= (char)0x80;
        expected = is_utf8(damaged, sizeof(damaged)) ? SL_OK : SL_DECODE;
        test_each_cut(sl_view(damaged, sizeof(damaged)), run_cut, &expected);
    }
}

TEST("text that ends within a character is incomplete")
{
    static const char *const beginnings[] = {
        "\xc3",     "\xe4",         "\xe4\xb8",         "\xf0",
        "\xf0\x9f", "\xf0\x9f\x98", "text \xf0\x9f\x98"};
    size_t i;

    for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        struct sl_utf8 utf8;

        sl_utf8_init(&utf8);
        CHECK_INT(
            sl_utf8_check(&utf8, sl_view(beginnings[i], strlen(beginnings[i]))),
            SL_OK);
        CHECK_INT(sl_utf8_end(&utf8), SL_DECODE);
    }
}

TEST("fails at the first byte not allowed in its place, and for good")
{
    static const char *const wrong[] = {"\x80",     "\xc0",     "\xe0\x9f",
                                        "\xed\xa0", "\xf0\x8f", "\xf4\x90",
                                        "\xf5",     "\xe4\xb8z"};
    size_t i;
    size_t k;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sl_utf8 utf8;
        size_t size = strlen(wrong[i]);

        sl_utf8_init(&utf8);
        for (k = 0; k < size; k++)
            CHECK_INT(sl_utf8_check(&utf8, sl_view(wrong[i] + k, 1)),
                      k + 1 < size ? SL_OK : SL_DECODE);
        CHECK_INT(sl_utf8_check(&utf8, SL_VIEW("good")), SL_DECODE);
        CHECK_INT(sl_utf8_check(&utf8, SL_VIEW("")), SL_DECODE);
        CHECK_INT(sl_utf8_end(&utf8), SL_DECODE);
        sl_utf8_init(&utf8);
        CHECK_INT(sl_utf8_check(&utf8, SL_VIEW("good")), SL_OK);
        CHECK_INT(sl_utf8_end(&utf8), SL_OK);
    }
}

TEST("long text of every script agrees with the grammar, damaged or not")
{
    uint32_t state = 7;
    size_t round;

    for (round = 0; round < 20000; round++) {
        char text[300];
        size_t size = 0;
        char *guarded;
        bool is_good;

        while (size + sizeof(mixed) < sizeof(text)) {
            size_t from;

            state = state * 1664525 + 1013904223;
            from = (state >> 8) % (sizeof(mixed) - 1);
            while ((mixed[from] & 0xc0) == 0x80)
                from--;
            memcpy(text + size, mixed + from, sizeof(mixed) - 1 - from);
            size += sizeof(mixed) - 1 - from;
        }
        state = state * 1664525 + 1013904223;
        if ((state & 0x10000) != 0)
            text[(state >> 8) % size] = (char)(state >> 24);
        guarded = guard_copy(text, size);
        is_good = is_utf8(guarded, size);
        if ((check_whole(guarded, size) == SL_OK) != is_good)
            CHECK_INT(round, is_good ? -1 : -2);
        guard_free(guarded);
    }
}

int main(void)
{
    return test_main();
}
