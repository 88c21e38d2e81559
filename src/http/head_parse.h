/* http/head_parse.h - the bytes of a response head become its table of fields
 *
 * in:  memory/buffer.h, bytes as received    out: http/head.h
 *
 * The parser looks at each line once, as soon as it is complete, wherever the
 * input was cut. When the last line has arrived, head and table move into one
 * block. Its state is in the head.
 */
#ifndef SL_HTTP_HEAD_PARSE_H
#define SL_HTTP_HEAD_PARSE_H

#include "http/head.h"
#include "memory/buffer.h"

/* What a head has more of than its limits allow. */
enum sl_head_excess {
    SL_HEAD_FITS,
    SL_HEAD_TOO_LARGE,
    SL_HEAD_LINE_TOO_LONG,
    SL_HEAD_TOO_MANY_LINES,
    SL_HEAD_NAME_TOO_LONG
};

/* Bytes of a message that names a limit and its option. */
#define SL_EXCESS_ROOM 80

/* Parses from the front of `input`. SL_OK: complete, its bytes are consumed.
 * SL_AGAIN: more is needed, nothing is consumed. SL_PROTOCOL, SL_LIMIT,
 * SL_MEMORY: sl_head_explain says why. */
enum sl_status sl_head_parse(struct sl_head *head, struct sl_buffer *input);

/* Why it failed: a static clause, or one written into `room`. NULL: it has not
 * failed. */
const char *sl_head_explain(const struct sl_head *head,
                            char room[SL_EXCESS_ROOM]);

#endif
