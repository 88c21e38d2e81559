/* codec/json_write.h - the tokens of a JSON text, put into a writer
 *
 * The caller knows the structure and puts its brackets, commas and colons; here
 * every token is written as RFC 8259 wants it. Bytes go straight into the room
 * of the writer, which belongs to the output from begin to finish or undo.
 *
 * SL_LIMIT and SL_MEMORY are the writer's. After any failure only undo is left.
 */
#ifndef SL_CODEC_JSON_WRITE_H
#define SL_CODEC_JSON_WRITE_H

#include "memory/writer.h"

#include <stdint.h>

struct sl_json_output {
    struct sl_writer *writer;
    size_t begun; /* size of what the writer held before */
    char *start;  /* of the room, NULL: none is reserved */
    char *at;
    char *end;
};

/* Begins at the end of a live writer. */
void sl_json_begin(struct sl_json_output *output, struct sl_writer *writer);
void sl_json_finish(struct sl_json_output *output);
/* Restores the writer's content from before. */
void sl_json_undo(struct sl_json_output *output);

enum sl_status sl_json_put_far(struct sl_json_output *output, char c);

/* Puts a bracket, comma or colon. */
static inline enum sl_status sl_json_put(struct sl_json_output *output, char c)
{
    if (output->at == output->end)
        return sl_json_put_far(output, c);
    *output->at++ = c;
    return SL_OK;
}

/* Puts null, true or false as it stands. */
enum sl_status sl_json_put_word(struct sl_json_output *output,
                                struct sl_view word);
enum sl_status sl_json_put_integer(struct sl_json_output *output,
                                   int64_t value);
/* Puts a number. SL_INVALID: infinite, or no number. */
enum sl_status sl_json_put_double(struct sl_json_output *output, double value);
/* Puts a text, quoted and escaped. SL_INVALID: not UTF-8. */
enum sl_status sl_json_put_text(struct sl_json_output *output,
                                struct sl_view text);

#endif
