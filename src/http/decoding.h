/* http/decoding.h - the decoders of a body, one behind the other
 *
 * in:    http/response.h, a coded body    out: its body buffer
 * below: codec/decoder.h
 *
 *   input -> [ decoder 0 ] -> input -> [ decoder 1 ] -> body
 *
 *   start -> (fill the input -> pump)* -> finish -> fini
 *
 * The last decoder works first, so that no bytes pile up between them. A chain
 * that is zeroed has no decoders; one that was started owns them until fini.
 */
#ifndef SL_HTTP_DECODING_H
#define SL_HTTP_DECODING_H

#include "codec/decoder.h"
#include "http/framing.h"

struct sl_decoding {
    /* The outermost first; NULL behind the last. Each has its input. */
    struct sl_decoder *decoders[SL_CODINGS];
};

/* Rents the decoders of `codings` from `shelf`. Without codings, or with one
 * that is unknown, there are none, and the body stays coded. SL_DECODE: too
 * many codings. SL_LIMIT, SL_MEMORY. */
enum sl_status sl_decoding_start(struct sl_decoding *decoding,
                                 const struct sl_content_codings *codings,
                                 struct sl_decoder_shelf *shelf,
                                 struct sl_pool *pool);
/* Gives the decoders back, with what they have not decoded. Idempotent. */
void sl_decoding_fini(struct sl_decoding *decoding);

static inline bool sl_decoding_is_active(const struct sl_decoding *decoding)
{
    return decoding->decoders[0] != NULL;
}

/* ---- when it is active ---- */

/* Where coded bytes are put. */
static inline struct sl_buffer *sl_decoding_input(struct sl_decoding *decoding)
{
    return &decoding->decoders[0]->input;
}

/* Decodes into `body`, which may grow to `window` bytes, and by `most`. SL_OK:
 * it holds `window` bytes. SL_AGAIN: all input is decoded. SL_LIMIT without
 * `*error`: there is more than `most`. Other failures set `*error`; what was
 * decoded before is in `body`. */
enum sl_status sl_decoding_pump(struct sl_decoding *decoding,
                                struct sl_buffer *body, size_t window,
                                uint64_t most, const char **error);

/* No more input will arrive, after pump answered SL_AGAIN: each decoder must
 * accept that. SL_DECODE: `*error` says why not. */
enum sl_status sl_decoding_finish(struct sl_decoding *decoding,
                                  const char **error);

#endif
