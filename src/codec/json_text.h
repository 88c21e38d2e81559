/* codec/json_text.h - a string or key of a JSON text, without its escapes
 *
 * in:  codec/json_input.h    out: codec/json.c
 *
 * The text between two quotes is shown where it lies, if it lies there in one
 * piece and has no escapes. Else a small one is put together in the input; of a
 * long one only the size is known until it is copied. Its UTF-8 is checked.
 */
#ifndef SL_CODEC_JSON_TEXT_H
#define SL_CODEC_JSON_TEXT_H

#include "codec/json_input.h"

/* Reads a text; the next byte is its quote. `text` is good until the next read;
 * its `data` is NULL if it is long, and cut or with escapes. SL_DECODE. */
enum sl_status sl_json_text_read(struct sl_json_input *input,
                                 struct sl_view *text);

/* Copies the text that was read last, and whose `data` is NULL. */
void sl_json_text_copy(const struct sl_json_input *input, char *to);

#endif
