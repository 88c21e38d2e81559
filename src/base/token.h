/* base/token.h - tokens and lists in field values (RFC 9110 5.6) */
#ifndef SL_BASE_TOKEN_H
#define SL_BASE_TOKEN_H

#include "base/view.h"

#include <stdbool.h>

/* Whether a text is a token (RFC 9110 5.6.2). */
bool sl_is_token(struct sl_view text);
bool sl_is_token_byte(unsigned char byte);
/* The count of token bytes at the front of `text`. */
size_t sl_token_length(struct sl_view text);

/* The text without leading and trailing spaces and tabs. */
struct sl_view sl_trim(struct sl_view text);

/* Takes the next element of a comma-separated list, trimmed, skipping empty
 * ones; commas in quoted strings do not split. False at the end. `*rest` starts
 * as the whole. */
bool sl_list_next(struct sl_view *rest, struct sl_view *element);

#endif
