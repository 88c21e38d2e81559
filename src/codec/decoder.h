/* codec/decoder.h - content codings, removed from segments into segments
 *
 * in:  http/decoding.c feeds a buffer    out: a buffer
 *
 *   find(coding) -> rent -> decode* -> finish -> release
 *
 * A coding is a format over an engine: one file for each format and each
 * library; the table in decoder.c lists those of this build. Decoders are made
 * once and reset for the next body; idle ones lie on a shelf, which outlives
 * all decoders rented from it.
 */
#ifndef SL_CODEC_DECODER_H
#define SL_CODEC_DECODER_H

#include "base/allocator.h"
#include "base/status.h"
#include "base/view.h"
#include "memory/buffer.h"

struct sl_decoder;
struct sl_engine;
struct sl_engine_class;

/* A format around an engine's data: gzip.c, bare.c. */
struct sl_format {
    size_t size; /* of its struct, which begins with a struct sl_decoder */
    void (*start)(struct sl_decoder *decoder); /* for a new body */
    /* Goes on by one piece. SL_OK: there may be more. SL_AGAIN: all input is
     * used. SL_DECODE: as in sl_decoder_decode, with `reason` set; else as
     * sl_engine_step. */
    enum sl_status (*step)(struct sl_decoder *decoder, struct sl_buffer *input,
                           struct sl_buffer *output, size_t limit);
    /* Whether the next step may put out bytes: then `limit` is at least 1. */
    bool (*is_inside)(const struct sl_decoder *decoder);
    /* Whether the body may end here. */
    bool (*is_complete)(const struct sl_decoder *decoder);
};

struct sl_decoder_class {
    const char *name;                     /* the content coding, lower case */
    const char *const *aliases;           /* NULL-terminated, or NULL */
    const struct sl_format *format;       /* what surrounds the data */
    const struct sl_engine_class *engine; /* the library beneath */
};

/* Idle decoders, the last used first. */
struct sl_decoder_shelf {
    struct sl_allocator *allocator;
    struct sl_decoder *idle;
};

struct sl_decoder {
    const struct sl_decoder_class *class;
    struct sl_decoder_shelf *shelf; /* where it returns to */
    struct sl_decoder *next;        /* there */
    struct sl_engine *engine;
    enum sl_status failed;
    const char *reason;     /* why; NULL when `failed` says it all */
    struct sl_buffer input; /* the owner's, for bytes to be decoded */
};

/* The class of `coding`, compared without case. NULL: unknown here, or
 * identity. */
const struct sl_decoder_class *sl_decoder_find(struct sl_view coding);
/* "gzip, deflate" and the other codings of this build, for Accept-Encoding. */
const char *sl_decoder_accepted(void);

/* Raw deflate by the fastest library of this build. */
extern const struct sl_engine_class *const sl_decoder_inflate;

void sl_decoder_shelf_init(struct sl_decoder_shelf *shelf,
                           struct sl_allocator *allocator);
/* Destroys the idle decoders; none is rented. */
void sl_decoder_shelf_fini(struct sl_decoder_shelf *shelf);

/* An idle decoder of the class, or a new one; give it back with
 * sl_decoder_release. Inflate keeps its window: no allocation. SL_MEMORY. */
enum sl_status sl_decoder_rent(const struct sl_decoder_class *class,
                               struct sl_decoder_shelf *shelf,
                               struct sl_decoder **decoder);
/* Resets a decoder and keeps it, at most SL_DECODER_IDLE of them, the last used
 * longest. NULL is allowed. */
#define SL_DECODER_IDLE 16
void sl_decoder_release(struct sl_decoder *decoder);

/* Decodes from `input` to `output` until `output` has grown by `room` bytes (at
 * least 1) or `input` is used up.
 * SL_OK: room is full, more may come without input. SL_AGAIN: all input is used
 * and all that can be decoded from it is in `output`. SL_DECODE: corrupt, or
 * there are bytes behind the end of the coded data. SL_LIMIT: `output` or the
 * pool is full and the data has not ended. SL_MEMORY. Failures set `*error` (a
 * static clause) and repeat until the release. Before SL_DECODE, `output` has
 * got all that the bytes before the faulty one decode to (zstd: whole blocks;
 * brotli: in more than 512 bytes at once, perhaps without the last 15 bytes of
 * these). */
enum sl_status sl_decoder_decode(struct sl_decoder *decoder,
                                 struct sl_buffer *input,
                                 struct sl_buffer *output, size_t room,
                                 const char **error);
/* No more input will arrive, after decode answered SL_AGAIN. SL_END: complete,
 * also when there was no input at all. SL_DECODE: truncated. */
enum sl_status sl_decoder_finish(struct sl_decoder *decoder,
                                 const char **error);

#endif
