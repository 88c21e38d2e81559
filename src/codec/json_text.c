#include "codec/json_text.h"

#include "base/ascii.h"
#include "base/debug.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

static const char bad_utf8[] = "invalid UTF-8";

/* The first wrong byte in [at, end), where check_text has found one. */
static const char *bad_byte(struct sl_utf8 utf8, const char *at,
                            const char *end)
{
    while (at < end && sl_utf8_check(&utf8, sl_view(at, 1)) == SL_OK)
        at++;
    return at;
}

/* Checks a text. `has_high`: perhaps not all of it is ASCII. */
static inline enum sl_status check_text(struct sl_json_input *input,
                                        struct sl_utf8 *utf8, const char *at,
                                        const char *end, bool has_high)
{
    struct sl_utf8 before = *utf8;

    if (!has_high && utf8->missing == 0)
        return SL_OK;
    if (sl_utf8_check(utf8, sl_view(at, (size_t)(end - at))) == SL_OK)
        return SL_OK;
    at = bad_byte(before, at, end);
    return sl_json_fail_at(input, sl_json_offset_of(input, at), bad_utf8);
}

static bool read_hex(struct sl_json_input *input, uint32_t *unit)
{
    int i;

    *unit = 0;
    for (i = 0; i < 4; i++) {
        int c = sl_json_step(input);
        unsigned value = c < 0 ? 16 : sl_hex_value((char)c);

        if (value > 15)
            return false;
        *unit = *unit << 4 | value;
    }
    return true;
}

/* RFC 8259 7 and 8.2: a pair of surrogates is one character; half a pair is
 * invalid. */
static enum sl_status read_unit(struct sl_json_input *input, uint32_t *code)
{
    static const char no_hex[] = "four hexadecimal digits expected";
    static const char no_pair[] = "half of a surrogate pair";
    size_t begin = sl_json_offset_of(input, input->place.at) - 1;
    uint32_t low;

    if (!read_hex(input, code))
        return sl_json_fail(input, no_hex);
    if (*code < 0xd800 || *code > 0xdfff)
        return SL_OK;
    if (*code > 0xdbff)
        return sl_json_fail_at(input, begin, no_pair);
    if (sl_json_step(input) != '\\' || sl_json_step(input) != 'u')
        return sl_json_fail_at(input, begin, no_pair);
    if (!read_hex(input, &low))
        return sl_json_fail(input, no_hex);
    if (low < 0xdc00 || low > 0xdfff)
        return sl_json_fail_at(input, begin, no_pair);
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return SL_OK;
}

/* The character for a letter behind a backslash; 0: no escape, or a longer
 * one. */
static const char simple_escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

/* Whether an escape of one letter is at `at`, all of it before `end`. */
static inline bool is_simple_escape(const char *at, const char *end)
{
    return end - at >= 2 && *at == '\\' &&
           simple_escapes[(unsigned char)at[1]] != 0;
}

/* Reads an escape: the next byte is its backslash. */
static inline enum sl_status read_escape(struct sl_json_input *input,
                                         uint32_t *code)
{
    int c = sl_json_step(input);
    enum sl_status status = SL_OK;

    *code = c == SL_JSON_END_OF_TEXT ? 0 : (unsigned char)simple_escapes[c];
    if (*code == 0) {
        if (c != 'u')
            return sl_json_fail(input, "no such escape");
        status = read_unit(input, code);
    }
    if (status == SL_OK)
        input->place.at++;
    return status;
}

static size_t put_character(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

void sl_json_text_copy(const struct sl_json_input *input, char *to)
{
    struct sl_json_input again; /* only what the functions used here look at */
    bool has_high = false;

    again.sequence = input->sequence;
    again.place = input->text;
    for (;;) {
        const char *from = again.place.at;
        const char *end = sl_json_plain_end(from, again.place.end, &has_high);
        uint32_t code;

        if (end > from) {
            memcpy(to, from, (size_t)(end - from));
            to += end - from;
        }
        again.place.at = end;
        if (is_simple_escape(end, again.place.end)) {
            *to++ = simple_escapes[(unsigned char)end[1]];
            again.place.at += 2;
        } else if (sl_json_peek(&again) == '"') {
            return;
        } else if (*again.place.at == '\\') {
            enum sl_status status = read_escape(&again, &code);

            sl_assert(status == SL_OK); /* it was read once */
            if (status != SL_OK)
                return;
            to += put_character(to, code);
        }
    }
}

/* Appends bytes to `text`, which are kept while all of it is small. */
static inline void append(struct sl_json_input *input, struct sl_view *text,
                          const char *data, size_t size)
{
    if (text->size + size <= SL_JSON_SMALL)
        memcpy(input->small + text->size, data, size);
    text->size += size;
}

/* Reads a text with escapes, or one that goes on in the next piece. Escapes are
 * ASCII: the bytes between `begin` and `at` are checked as they stand. */
static enum sl_status read_hard_text(struct sl_json_input *input,
                                     struct sl_view *text)
{
    const char *at = input->place.at;
    const char *begin = at;
    bool has_high = false;
    struct sl_utf8 utf8;

    input->text = input->place;
    text->size = 0;
    sl_utf8_init(&utf8);
    for (;;) {
        const char *end = sl_json_plain_end(at, input->place.end, &has_high);
        char character[4];
        enum sl_status status;
        uint32_t code;

        if (end > at)
            append(input, text, at, (size_t)(end - at));
        at = end;
        if (is_simple_escape(at, input->place.end)) {
            append(input, text, &simple_escapes[(unsigned char)at[1]], 1);
            at += 2;
            continue;
        }
        input->place.at = at;
        status = check_text(input, &utf8, begin, at, has_high);
        if (status != SL_OK)
            return status;
        if (at == input->place.end) {
            if (!sl_json_move_on(input))
                return sl_json_fail(input, "a closing quote expected");
        } else if (utf8.missing > 0) {
            return sl_json_fail(input, bad_utf8);
        } else if (*at == '"') {
            input->place.at++;
            text->data = text->size > SL_JSON_SMALL ? NULL : input->small;
            return SL_OK;
        } else if (*at != '\\') {
            return sl_json_fail(input, "a control character within a string");
        } else {
            status = read_escape(input, &code);
            if (status != SL_OK)
                return status;
            append(input, text, character, put_character(character, code));
        }
        begin = at = input->place.at;
        has_high = false;
    }
}

enum sl_status sl_json_text_read(struct sl_json_input *input,
                                 struct sl_view *text)
{
    const char *from = ++input->place.at;
    bool has_high = false;
    const char *end = sl_json_plain_end(from, input->place.end, &has_high);

    if (end == input->place.end || *end != '"')
        return read_hard_text(input, text);
    *text = sl_view(from, (size_t)(end - from));
    if (has_high) {
        struct sl_utf8 utf8;
        enum sl_status status;

        sl_utf8_init(&utf8);
        status = check_text(input, &utf8, from, end, true);
        if (status != SL_OK)
            return status;
        if (sl_utf8_end(&utf8) != SL_OK)
            return sl_json_fail_at(input, sl_json_offset_of(input, end),
                                   bad_utf8);
    }
    input->place.at = end + 1;
    return SL_OK;
}
