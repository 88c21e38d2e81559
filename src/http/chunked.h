/* http/chunked.h - the chunked transfer coding, removed in place
 *
 *   1a;name=value CR LF  payload CR LF  ...  0 CR LF  | trailer section
 *
 * Works on bytes where they were received. A run of small chunks is joined by
 * moving payload down over framing already read, so that one piece handed on
 * spans many chunks; large chunks are shown where they are. RFC 9112 section
 * 7.1.
 */
#ifndef SL_HTTP_CHUNKED_H
#define SL_HTTP_CHUNKED_H

#include "base/status.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_CHUNK_EXTENSION_LIMIT 256

struct sl_chunked {
    uint64_t left; /* payload bytes missing from this chunk */
    const char *error;
    uint32_t line;  /* of the size line: its digits, then its extension's */
    uint8_t state;  /* see chunked.c */
    uint8_t failed; /* enum sl_status */
    bool lenient_lf;
    bool keeps_input; /* others see the bytes too: leave them as they are */
};

void sl_chunked_init(struct sl_chunked *chunked, bool lenient_lf);

/* Decodes from `bytes`, rewriting them unless `keeps_input` was set after init:
 * then each chunk is a payload of its own. `*consumed` bytes are done with;
 * `*payload` is a run of payload inside them, perhaps empty.
 * SL_OK: call again with what follows. SL_AGAIN: all was consumed and more is
 * needed. SL_END: the last chunk's line was consumed (with payload before it);
 * a trailer section follows. SL_PROTOCOL, SL_LIMIT: `error` says why. */
enum sl_status sl_chunked_decode(struct sl_chunked *chunked,
                                 struct sl_room bytes, size_t *consumed,
                                 struct sl_view *payload);

#endif
