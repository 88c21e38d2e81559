/* http/token.h - the character classes of RFC 9110, and lists of tokens */
#ifndef SL_HTTP_TOKEN_H
#define SL_HTTP_TOKEN_H

#include "base/view.h"

#include <stdbool.h>

/* Whether a text is a token (RFC 9110 5.6.2). */
bool sl_is_token(struct sl_view text);
bool sl_is_token_byte(unsigned char byte);
/* The count of token bytes at the front of `text`. */
size_t sl_token_length(struct sl_view text);
/* Whether a text is field content: visible, space, tab, obs-text; no other
 * control, no DEL. */
bool sl_is_field_value(struct sl_view text);
/* The text without leading and trailing spaces and tabs. */
struct sl_view sl_trim(struct sl_view text);

/* Takes the next element of a comma-separated list, trimmed, skipping empty
 * ones; commas in quoted strings do not split. False at the end. `*rest` starts
 * as the whole. */
bool sl_list_next(struct sl_view *rest, struct sl_view *element);

/* Writes bytes from the wire for a message: escaped as \xHH, cut at 128,
 * terminated. */
void sl_escape(char *to, size_t size, struct sl_view bytes);

#endif
