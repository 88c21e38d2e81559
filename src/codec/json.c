#include "codec/json.h"

#include "base/ascii.h"
#include "codec/decimal.h"
#include "codec/json_text.h"

static void init(struct sl_json *json, const struct sl_sequence *sequence,
                 struct sl_view first)
{
    sl_json_input_init(&json->input, sequence, first);
    json->state = SL_JSON_AT_VALUE;
    json->depth = 0;
}

void sl_json_init_view(struct sl_json *json, struct sl_view text)
{
    init(json, NULL, text);
}

void sl_json_init(struct sl_json *json, const struct sl_sequence *sequence)
{
    init(json, sequence, sl_view(NULL, 0));
}

void sl_json_read_text(const struct sl_json *json, char *to)
{
    sl_json_text_copy(&json->input, to);
}

static enum sl_status fail_at(struct sl_json *json, size_t offset,
                              const char *error)
{
    json->state = SL_JSON_BROKEN;
    return sl_json_fail_at(&json->input, offset, error);
}

/* Fails at the next byte. */
static enum sl_status fail(struct sl_json *json, const char *error)
{
    json->state = SL_JSON_BROKEN;
    return sl_json_fail(&json->input, error);
}

/* ---- numbers ---- */

/* Reads the digits that come next. */
static size_t read_digits(struct sl_json *json, struct sl_decimal *decimal)
{
    size_t count = 0;

    do {
        const char *at = json->input.place.at;
        const char *end = json->input.place.end;
        const char *from = at;

        for (; at < end && sl_is_digit(*at); at++)
            sl_decimal_push(decimal, *at);
        count += (size_t)(at - from);
        json->input.place.at = at;
    } while (json->input.place.at == json->input.place.end &&
             sl_json_move_on(&json->input));
    return count;
}

/* Reads an exponent; the next byte is the E. Beyond what any text can balance,
 * only its size matters. */
static bool read_exponent(struct sl_json *json, int64_t *exponent)
{
    int c = sl_json_step(&json->input);
    bool is_negative = c == '-';
    int64_t value = 0;

    if (c == '-' || c == '+')
        c = sl_json_step(&json->input);
    if (c < '0' || c > '9')
        return false;
    for (; c >= '0' && c <= '9'; c = sl_json_step(&json->input)) {
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
    size_t begin = sl_json_offset_of(&json->input, json->input.place.at);
    bool is_negative = sl_json_peek(&json->input) == '-';
    struct sl_decimal decimal;
    bool has_leading_zero;
    bool is_integer = true;
    size_t count;
    int c;

    sl_decimal_init(&decimal);
    if (is_negative)
        json->input.place.at++;
    has_leading_zero = sl_json_peek(&json->input) == '0';
    count = read_digits(json, &decimal);
    if (count == 0)
        return fail(json, no_digit);
    if (has_leading_zero && count > 1)
        return fail_at(json, begin, "a number with a leading zero");
    c = sl_json_peek(&json->input);
    if (c == '.') {
        is_integer = false;
        json->input.place.at++;
        count = read_digits(json, &decimal);
        if (count == 0)
            return fail(json, no_digit);
        decimal.exponent -= (int64_t)count;
        c = sl_json_peek(&json->input);
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

static inline int peek_behind_blanks(struct sl_json *json)
{
    int c = sl_json_peek(&json->input);

    while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        c = sl_json_step(&json->input);
    return c;
}

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
    json->input.place.at++;
    json->state = is_object ? SL_JSON_AT_FIRST_KEY : SL_JSON_AT_FIRST_VALUE;
    event->type = is_object ? SL_JSON_OBJECT : SL_JSON_ARRAY;
    return SL_OK;
}

static enum sl_status close_level(struct sl_json *json,
                                  struct sl_json_event *event)
{
    event->type = is_in_object(json) ? SL_JSON_OBJECT_END : SL_JSON_ARRAY_END;
    json->depth--;
    json->input.place.at++;
    json->state = SL_JSON_BEHIND_VALUE;
    return SL_OK;
}

static enum sl_status read_word(struct sl_json *json,
                                struct sl_json_event *event, const char *word,
                                enum sl_json_type type)
{
    size_t begin = sl_json_offset_of(&json->input, json->input.place.at);
    int c = sl_json_peek(&json->input);

    for (; *word != '\0'; word++) {
        if (c != *word)
            return fail_at(json, begin, "a value expected");
        c = sl_json_step(&json->input);
    }
    event->type = type;
    return SL_OK;
}

/* What was read is a whole value. */
static enum sl_status behind(struct sl_json *json, enum sl_status status)
{
    json->state = status == SL_OK ? SL_JSON_BEHIND_VALUE : SL_JSON_BROKEN;
    return status;
}

/* Reads a value; `c` is the next byte. */
static enum sl_status read_value(struct sl_json *json,
                                 struct sl_json_event *event, int c)
{
    switch (c) {
    case '"':
        event->type = SL_JSON_STRING;
        return behind(json, sl_json_text_read(&json->input, &event->text));
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
        if (sl_json_offset_of(&json->input, json->input.place.at) == 0)
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
    status = sl_json_text_read(&json->input, &event->text);
    if (status != SL_OK) {
        json->state = SL_JSON_BROKEN;
        return status;
    }
    if (peek_behind_blanks(json) != ':')
        return fail(json, "':' expected");
    json->input.place.at++;
    json->state = SL_JSON_AT_VALUE;
    return SL_OK;
}

static enum sl_status read_behind(struct sl_json *json,
                                  struct sl_json_event *event)
{
    int c = peek_behind_blanks(json);
    bool is_object;

    if (json->depth == 0) {
        if (c != SL_JSON_END_OF_TEXT)
            return fail(json, "the end of the text expected behind its value");
        json->state = SL_JSON_AT_END;
        return SL_END;
    }
    is_object = is_in_object(json);
    if (c == ',') {
        json->input.place.at++;
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
