/* http/token.h - what field values may hold, and bytes from the wire in
 * messages; tokens and lists are in base/token.h */
#ifndef SL_HTTP_TOKEN_H
#define SL_HTTP_TOKEN_H

#include "base/token.h"
#include "base/view.h"

#include <stdbool.h>

/* Whether a text is field content: visible, space, tab, obs-text; no other
 * control, no DEL. */
bool sl_is_field_value(struct sl_view text);

/* Writes bytes from the wire for a message: escaped as \xHH, cut at 128,
 * terminated. */
void sl_escape(char *to, size_t size, struct sl_view bytes);

#endif
