#include "codec/json.h"

#include "base/ascii.h"
#include "base/debug.h"
#include "codec/decimal.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

#define END_OF_TEXT (-1)

void sl_json_init_view(struct sl_json *json, struct sl_view text)
{
    json->sequence = NULL;
    json->place.start = text.data;
    json->place.at = text.data;
    json->place.end = text.data == NULL ? NULL : text.data + text.size;
    json->place.before = 0;
    json->place.next = 0;
    json->text = json->place;
    json->state = SL_JSON_AT_VALUE;
    json->depth = 0;
    json->error = NULL;
    json->offset = 0;
}

void sl_json_init(struct sl_json *json, const struct sl_sequence *sequence)
{
    sl_json_init_view(json, sl_view(NULL, 0));
    json->sequence = sequence;
}

/* ---- the next byte, wherever it lies ---- */

static bool move_on(const struct sl_sequence *sequence,
                    struct sl_json_place *place)
{
    const struct sl_sequence_slice *slice;

    if (sequence == NULL || place->next == sequence->count)
        return false;
    slice = &sequence->slices[place->next++];
    place->start = place->at = slice->data;
    place->end = slice->data + slice->size;
    place->before = slice->index;
    return true;
}

static inline int peek(struct sl_json *json)
{
    if (json->place.at == json->place.end &&
        !move_on(json->sequence, &json->place))
        return END_OF_TEXT;
    return (unsigned char)*json->place.at;
}

static inline int step(struct sl_json *json)
{
    json->place.at++;
    return peek(json);
}

static inline int peek_behind_blanks(struct sl_json *json)
{
    int c = peek(json);

    while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        c = step(json);
    return c;
}

static size_t offset_of(const struct sl_json *json, const char *at)
{
    return json->place.before + (size_t)(at - json->place.start);
}

static enum sl_status fail_at(struct sl_json *json, size_t offset,
                              const char *error)
{
    json->state = SL_JSON_BROKEN;
    json->offset = offset;
    json->error = error;
    return SL_DECODE;
}

/* Fails at the next byte. */
static enum sl_status fail(struct sl_json *json, const char *error)
{
    return fail_at(json, offset_of(json, json->place.at), error);
}

/* ---- strings ---- */

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
static enum sl_status check_text(struct sl_json *json, struct sl_utf8 *utf8,
                                 const char *at, const char *end, bool has_high)
{
    struct sl_utf8 before = *utf8;

    if (!has_high && utf8->missing == 0)
        return SL_OK;
    if (sl_utf8_check(utf8, sl_view(at, (size_t)(end - at))) == SL_OK)
        return SL_OK;
    at = bad_byte(before, at, end);
    return fail_at(json, offset_of(json, at), bad_utf8);
}

static bool read_hex(struct sl_json *json, uint32_t *unit)
{
    int i;

    *unit = 0;
    for (i = 0; i < 4; i++) {
        int c = step(json);
        unsigned value = c < 0 ? 16 : sl_hex_value((char)c);

        if (value > 15)
            return false;
        *unit = *unit << 4 | value;
    }
    return true;
}

/* RFC 8259 7 and 8.2: a pair of surrogates is one character; half a pair is
 * invalid. */
static enum sl_status read_unit(struct sl_json *json, uint32_t *code)
{
    static const char no_hex[] = "four hexadecimal digits expected";
    static const char no_pair[] = "half of a surrogate pair";
    size_t begin = offset_of(json, json->place.at) - 1;
    uint32_t low;

    if (!read_hex(json, code))
        return fail(json, no_hex);
    if (*code < 0xd800 || *code > 0xdfff)
        return SL_OK;
    if (*code > 0xdbff)
        return fail_at(json, begin, no_pair);
    if (step(json) != '\\' || step(json) != 'u')
        return fail_at(json, begin, no_pair);
    if (!read_hex(json, &low))
        return fail(json, no_hex);
    if (low < 0xdc00 || low > 0xdfff)
        return fail_at(json, begin, no_pair);
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
static inline enum sl_status read_escape(struct sl_json *json, uint32_t *code)
{
    int c = step(json);
    enum sl_status status = SL_OK;

    *code = c == END_OF_TEXT ? 0 : (unsigned char)simple_escapes[c];
    if (*code == 0) {
        if (c != 'u')
            return fail(json, "no such escape");
        status = read_unit(json, code);
    }
    if (status == SL_OK)
        json->place.at++;
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

void sl_json_read_text(const struct sl_json *json, char *to)
{
    struct sl_json again; /* only what the functions used here look at */
    bool has_high = false;

    again.sequence = json->sequence;
    again.place = json->text;
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
        } else if (peek(&again) == '"') {
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
static inline void append(struct sl_json *json, struct sl_view *text,
                          const char *data, size_t size)
{
    if (text->size + size <= SL_JSON_SMALL)
        memcpy(json->small + text->size, data, size);
    text->size += size;
}

/* Reads a text with escapes, or one that goes on in the next piece. Escapes are
 * ASCII: the bytes between `begin` and `at` are checked as they stand. */
static enum sl_status read_hard_text(struct sl_json *json, struct sl_view *text)
{
    const char *at = json->place.at;
    const char *begin = at;
    bool has_high = false;
    struct sl_utf8 utf8;

    json->text = json->place;
    text->size = 0;
    sl_utf8_init(&utf8);
    for (;;) {
        const char *end = sl_json_plain_end(at, json->place.end, &has_high);
        char character[4];
        enum sl_status status;
        uint32_t code;

        if (end > at)
            append(json, text, at, (size_t)(end - at));
        at = end;
        if (is_simple_escape(at, json->place.end)) {
            append(json, text, &simple_escapes[(unsigned char)at[1]], 1);
            at += 2;
            continue;
        }
        json->place.at = at;
        status = check_text(json, &utf8, begin, at, has_high);
        if (status != SL_OK)
            return status;
        if (at == json->place.end) {
            if (!move_on(json->sequence, &json->place))
                return fail(json, "a closing quote expected");
        } else if (utf8.missing > 0) {
            return fail(json, bad_utf8);
        } else if (*at == '"') {
            json->place.at++;
            text->data = text->size > SL_JSON_SMALL ? NULL : json->small;
            return SL_OK;
        } else if (*at != '\\') {
            return fail(json, "a control character within a string");
        } else {
            status = read_escape(json, &code);
            if (status != SL_OK)
                return status;
            append(json, text, character, put_character(character, code));
        }
        begin = at = json->place.at;
        has_high = false;
    }
}

/* Reads a text; the next byte is its quote. */
static enum sl_status read_text(struct sl_json *json, struct sl_view *text)
{
    const char *from = ++json->place.at;
    bool has_high = false;
    const char *end = sl_json_plain_end(from, json->place.end, &has_high);

    if (end == json->place.end || *end != '"')
        return read_hard_text(json, text);
    *text = sl_view(from, (size_t)(end - from));
    if (has_high) {
        struct sl_utf8 utf8;
        enum sl_status status;

        sl_utf8_init(&utf8);
        status = check_text(json, &utf8, from, end, true);
        if (status != SL_OK)
            return status;
        if (sl_utf8_end(&utf8) != SL_OK)
            return fail_at(json, offset_of(json, end), bad_utf8);
    }
    json->place.at = end + 1;
    return SL_OK;
}

/* ---- numbers ---- */

/* Reads the digits that come next. */
static size_t read_digits(struct sl_json *json, struct sl_decimal *decimal)
{
    size_t count = 0;

    do {
        const char *at = json->place.at;
        const char *end = json->place.end;
        const char *from = at;

        for (; at < end && sl_is_digit(*at); at++)
            sl_decimal_push(decimal, *at);
        count += (size_t)(at - from);
        json->place.at = at;
    } while (json->place.at == json->place.end &&
             move_on(json->sequence, &json->place));
    return count;
}

/* Reads an exponent; the next byte is the E. Beyond what any text can balance,
 * only its size matters. */
static bool read_exponent(struct sl_json *json, int64_t *exponent)
{
    int c = step(json);
    bool is_negative = c == '-';
    int64_t value = 0;

    if (c == '-' || c == '+')
        c = step(json);
    if (c < '0' || c > '9')
        return false;
    for (; c >= '0' && c <= '9'; c = step(json)) {
        if (value < INT64_MAX / 100)
            value = value * 10 + (c - '0');
    }
    *exponent += is_negative ? -value : value;
    return true;
}

static bool is_beyond_integers(const struct sl_decimal *decimal,
                               bool is_negative)
{
    uint64_t most = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);

    return decimal->count > SL_DECIMAL_HEAD || decimal->head > most;
}

static enum sl_status finish_integer(struct sl_json *json, size_t begin,
                                     struct sl_json_event *event,
                                     const struct sl_decimal *decimal,
                                     bool is_negative)
{
    if (is_beyond_integers(decimal, is_negative))
        return fail_at(json, begin, "an integer beyond 64 bits");
    if (is_negative && decimal->head == 0) {
        event->type = SL_JSON_DOUBLE; /* the only one that has a -0 */
        event->number = -0.0;
        return SL_OK;
    }
    event->type = SL_JSON_INTEGER;
    event->integer = (int64_t)(is_negative ? 0 - decimal->head : decimal->head);
    return SL_OK;
}

/* Reads a number; the next byte is a digit or a minus sign. */
static enum sl_status read_number(struct sl_json *json,
                                  struct sl_json_event *event)
{
    static const char no_digit[] = "a digit expected";
    size_t begin = offset_of(json, json->place.at);
    bool is_negative = peek(json) == '-';
    struct sl_decimal decimal;
    bool has_leading_zero;
    bool is_integer = true;
    size_t count;
    int c;

    sl_decimal_init(&decimal);
    if (is_negative)
        json->place.at++;
    has_leading_zero = peek(json) == '0';
    count = read_digits(json, &decimal);
    if (count == 0)
        return fail(json, no_digit);
    if (has_leading_zero && count > 1)
        return fail_at(json, begin, "a number with a leading zero");
    c = peek(json);
    if (c == '.') {
        is_integer = false;
        json->place.at++;
        count = read_digits(json, &decimal);
        if (count == 0)
            return fail(json, no_digit);
        decimal.exponent -= (int64_t)count;
        c = peek(json);
    }
    if (c == 'e' || c == 'E') {
        is_integer = false;
        if (!read_exponent(json, &decimal.exponent))
            return fail(json, no_digit);
    }
    if (is_integer)
        return finish_integer(json, begin, event, &decimal, is_negative);
    event->type = SL_JSON_DOUBLE;
    if (sl_decimal_to_double(&decimal, &event->number) != SL_OK)
        return fail_at(json, begin, "a number beyond the range of doubles");
    if (is_negative)
        event->number = -event->number;
    return SL_OK;
}

/* ---- structure ---- */

static inline bool is_in_object(const struct sl_json *json)
{
    size_t level = json->depth - 1;

    return (json->levels[level / 64] >> level % 64 & 1) != 0;
}

static enum sl_status open_level(struct sl_json *json,
                                 struct sl_json_event *event, bool is_object)
{
    uint64_t bit = UINT64_C(1) << json->depth % 64;

    if (json->depth == SL_JSON_DEPTH)
        return fail(json,
                    "more than " SL_NUMERAL(
                        SL_JSON_DEPTH) " levels of arrays and objects (fixed)");
    if (is_object)
        json->levels[json->depth / 64] |= bit;
    else
        json->levels[json->depth / 64] &= ~bit;
    json->depth++;
    json->place.at++;
    json->state = is_object ? SL_JSON_AT_FIRST_KEY : SL_JSON_AT_FIRST_VALUE;
    event->type = is_object ? SL_JSON_OBJECT : SL_JSON_ARRAY;
    return SL_OK;
}

static enum sl_status close_level(struct sl_json *json,
                                  struct sl_json_event *event)
{
    event->type = is_in_object(json) ? SL_JSON_OBJECT_END : SL_JSON_ARRAY_END;
    json->depth--;
    json->place.at++;
    json->state = SL_JSON_BEHIND_VALUE;
    return SL_OK;
}

static enum sl_status read_word(struct sl_json *json,
                                struct sl_json_event *event, const char *word,
                                enum sl_json_type type)
{
    size_t begin = offset_of(json, json->place.at);
    int c = peek(json);

    for (; *word != '\0'; word++) {
        if (c != *word)
            return fail_at(json, begin, "a value expected");
        c = step(json);
    }
    event->type = type;
    return SL_OK;
}

/* A failure has set the state already, and it stays. */
static enum sl_status behind(struct sl_json *json, enum sl_status status)
{
    if (status == SL_OK)
        json->state = SL_JSON_BEHIND_VALUE;
    return status;
}

/* Reads a value; `c` is the next byte. */
static enum sl_status read_value(struct sl_json *json,
                                 struct sl_json_event *event, int c)
{
    switch (c) {
    case '"':
        event->type = SL_JSON_STRING;
        return behind(json, read_text(json, &event->text));
    case '{':
        return open_level(json, event, true);
    case '[':
        return open_level(json, event, false);
    case 'n':
        return behind(json, read_word(json, event, "null", SL_JSON_NULL));
    case 't':
        return behind(json, read_word(json, event, "true", SL_JSON_TRUE));
    case 'f':
        return behind(json, read_word(json, event, "false", SL_JSON_FALSE));
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return behind(json, read_number(json, event));
    case 0xef:
        if (offset_of(json, json->place.at) == 0)
            return fail(json, "a value expected, no byte order mark");
        break;
    default:
        break;
    }
    return fail(json, "a value expected");
}

static enum sl_status read_key(struct sl_json *json,
                               struct sl_json_event *event, int c)
{
    enum sl_status status;

    if (c != '"')
        return fail(json, "a key in quotes expected");
    event->type = SL_JSON_KEY;
    status = read_text(json, &event->text);
    if (status != SL_OK)
        return status;
    if (peek_behind_blanks(json) != ':')
        return fail(json, "':' expected");
    json->place.at++;
    json->state = SL_JSON_AT_VALUE;
    return SL_OK;
}

static enum sl_status read_behind(struct sl_json *json,
                                  struct sl_json_event *event)
{
    int c = peek_behind_blanks(json);
    bool is_object;

    if (json->depth == 0) {
        if (c != END_OF_TEXT)
            return fail(json, "the end of the text expected behind its value");
        json->state = SL_JSON_AT_END;
        return SL_END;
    }
    is_object = is_in_object(json);
    if (c == ',') {
        json->place.at++;
        c = peek_behind_blanks(json);
        return is_object ? read_key(json, event, c)
                         : read_value(json, event, c);
    }
    if (c == (is_object ? '}' : ']'))
        return close_level(json, event);
    return fail(json,
                is_object ? "',' or '}' expected" : "',' or ']' expected");
}

enum sl_status sl_json_next(struct sl_json *json, struct sl_json_event *event)
{
    int c;

    switch (json->state) {
    case SL_JSON_BEHIND_VALUE:
        return read_behind(json, event);
    case SL_JSON_AT_VALUE:
        return read_value(json, event, peek_behind_blanks(json));
    case SL_JSON_AT_FIRST_VALUE:
        c = peek_behind_blanks(json);
        return c == ']' ? close_level(json, event) : read_value(json, event, c);
    case SL_JSON_AT_FIRST_KEY:
        c = peek_behind_blanks(json);
        return c == '}' ? close_level(json, event) : read_key(json, event, c);
    case SL_JSON_AT_END:
        return SL_END;
    case SL_JSON_BROKEN:
        break;
    }
    return SL_DECODE;
}
