/* codec/json_input.h - the next byte of a JSON text, wherever it lies
 *
 * in:  a sequence, or one view    out: codec/json.c and codec/json_text.c
 *
 *   slices  [ {"a": ] [ [1, "b" ] [ ]} ]
 *                       ^ start
 *                           ^ at: the next byte
 *
 * The input must outlive its reader and stay unchanged.
 */
#ifndef SL_CODEC_JSON_INPUT_H
#define SL_CODEC_JSON_INPUT_H

#include "base/status.h"
#include "base/view.h"
#include "memory/sequence.h"

#define SL_JSON_END_OF_TEXT (-1)

/* Strings that are cut or have escapes are put together up to this size. */
#define SL_JSON_SMALL 256

struct sl_json_place {
    const char *at;    /* the next byte */
    const char *end;   /* of the piece that it lies in */
    const char *start; /* of that piece */
    size_t before;     /* bytes in the pieces before it */
    size_t next;       /* index of the slice behind it */
};

struct sl_json_input {
    const struct sl_sequence *sequence; /* NULL: there is one piece */
    struct sl_json_place place;
    const char *error; /* one clause, once it has failed */
    size_t offset;     /* of the wrong byte, from 0 */
    /* Of codec/json_text.c: where the last text began, and a small one. */
    struct sl_json_place text;
    char small[SL_JSON_SMALL];
};

static inline void sl_json_input_init(struct sl_json_input *input,
                                      const struct sl_sequence *sequence,
                                      struct sl_view first)
{
    input->sequence = sequence;
    input->place.start = first.data;
    input->place.at = first.data;
    input->place.end = first.data == NULL ? NULL : first.data + first.size;
    input->place.before = 0;
    input->place.next = 0;
    input->error = NULL;
    input->offset = 0;
    input->text = input->place;
}

/* Goes on to the next piece. False: there is none. */
static inline bool sl_json_move_on(struct sl_json_input *input)
{
    const struct sl_sequence *sequence = input->sequence;
    struct sl_json_place *place = &input->place;
    const struct sl_sequence_slice *slice;

    if (sequence == NULL || place->next == sequence->count)
        return false;
    slice = &sequence->slices[place->next++];
    place->start = place->at = slice->data;
    place->end = slice->data + slice->size;
    place->before = slice->index;
    return true;
}

/* The next byte, or SL_JSON_END_OF_TEXT. */
static inline int sl_json_peek(struct sl_json_input *input)
{
    if (input->place.at == input->place.end && !sl_json_move_on(input))
        return SL_JSON_END_OF_TEXT;
    return (unsigned char)*input->place.at;
}

/* Takes the next byte; returns the one behind it. */
static inline int sl_json_step(struct sl_json_input *input)
{
    input->place.at++;
    return sl_json_peek(input);
}

static inline size_t sl_json_offset_of(const struct sl_json_input *input,
                                       const char *at)
{
    return input->place.before + (size_t)(at - input->place.start);
}

static inline enum sl_status sl_json_fail_at(struct sl_json_input *input,
                                             size_t offset, const char *error)
{
    input->offset = offset;
    input->error = error;
    return SL_DECODE;
}

/* Fails at the next byte. */
static inline enum sl_status sl_json_fail(struct sl_json_input *input,
                                          const char *error)
{
    return sl_json_fail_at(input, sl_json_offset_of(input, input->place.at),
                           error);
}

#endif
