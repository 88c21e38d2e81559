/* codec/json.h - one JSON text (RFC 8259) as events, read from where it lies
 *
 * in:    a sequence, or one view        out: binding/json.c makes values of it
 * below: codec/json_text.h, codec/json_input.h
 *
 *   {"a": [1, "b"]}  ->  OBJECT KEY ARRAY INTEGER STRING ARRAY_END OBJECT_END
 *
 * The caller asks for one event after the other. A token may be cut anywhere;
 * nothing is flattened and nothing allocated. The input must outlive the parser
 * and stay unchanged.
 *
 * Strict: a byte order mark, invalid UTF-8, half a surrogate pair, integers
 * beyond 64 bits, and numbers that no double is near to are errors. Keys may
 * come twice: that is the caller's to judge.
 */
#ifndef SL_CODEC_JSON_H
#define SL_CODEC_JSON_H

#include "codec/json_input.h"

#include <stdint.h>

/* The most arrays and objects within each other. */
#define SL_JSON_DEPTH 512

enum sl_json_type {
    SL_JSON_NULL,
    SL_JSON_FALSE,
    SL_JSON_TRUE,
    SL_JSON_INTEGER, /* a number without a point and an exponent, but not -0 */
    SL_JSON_DOUBLE,
    SL_JSON_STRING,
    SL_JSON_KEY, /* the next event begins its value */
    SL_JSON_ARRAY,
    SL_JSON_ARRAY_END,
    SL_JSON_OBJECT,
    SL_JSON_OBJECT_END
};

struct sl_json_event {
    enum sl_json_type type;
    int64_t integer;
    double number;
    /* The bytes of a string or key: good until the next event. `data` is NULL
     * if it is long, and cut or with escapes: then use sl_json_read_text. */
    struct sl_view text;
};

enum sl_json_state {
    SL_JSON_AT_VALUE,
    SL_JSON_AT_FIRST_VALUE, /* or the end of an empty array */
    SL_JSON_AT_FIRST_KEY,   /* or the end of an empty object */
    SL_JSON_BEHIND_VALUE,   /* a comma, an end; the end of the text */
    SL_JSON_AT_END,
    SL_JSON_BROKEN
};

struct sl_json {
    struct sl_json_input input; /* with the error, once broken */
    enum sl_json_state state;
    size_t depth;
    uint64_t levels[SL_JSON_DEPTH / 64]; /* bit set: an object */
};

void sl_json_init(struct sl_json *json, const struct sl_sequence *sequence);
void sl_json_init_view(struct sl_json *json, struct sl_view text);

/* SL_OK: an event. SL_END: the text was one whole value. SL_DECODE, for good:
 * `input` says what is wrong, and where. */
enum sl_status sl_json_next(struct sl_json *json, struct sl_json_event *event);

/* Decodes the string or key that was the last event and whose `data` is
 * NULL. */
void sl_json_read_text(const struct sl_json *json, char *to);

#endif
