/* codec/inflate.c - raw deflate by zlib, and the codings over it */
#include "codec/codings.h"
#include "codec/engine.h"
#include "codec/foreign.h"
#include "codec/gzip.h"

#include <limits.h>
#include <zlib.h>

struct inflate {
    struct sl_engine base;
    z_stream stream;
    bool is_between;
};

static void *allocate(void *allocator, unsigned count, unsigned size)
{
    return sl_foreign_allocate(allocator, (size_t)count * size);
}

static enum sl_status inflate_init(struct sl_engine *engine)
{
    z_stream *stream = &((struct inflate *)engine)->stream;

    stream->zalloc = allocate;
    stream->zfree = sl_foreign_free;
    stream->opaque = engine->allocator;
    return inflateInit2(stream, -MAX_WBITS) == Z_OK ? SL_OK : SL_MEMORY;
}

static void inflate_fini(struct sl_engine *engine)
{
    inflateEnd(&((struct inflate *)engine)->stream);
}

/* Keeps the window, so that the next body allocates nothing. */
static enum sl_status inflate_reset(struct sl_engine *engine)
{
    struct inflate *self = (struct inflate *)engine;

    return inflateReset2(&self->stream, -MAX_WBITS) == Z_OK ? SL_OK : SL_MEMORY;
}

static unsigned at_most(size_t size)
{
    return size > UINT_MAX ? UINT_MAX : (unsigned)size;
}

static enum sl_status translate(const struct inflate *self, int result,
                                const char **error)
{
    switch (result) {
    case Z_STREAM_END:
        return SL_END;
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to take, or nowhere to put it */
        if (self->stream.avail_out == 0)
            return SL_OK;
        if (self->stream.avail_in == 0)
            return SL_AGAIN;
        /* Input and room and yet no step: never again, or we would loop. */
        *error = "compressed data makes no progress";
        return SL_DECODE;
    case Z_MEM_ERROR:
        *error = "out of memory";
        return SL_MEMORY;
    default:
        *error = self->stream.msg != NULL ? self->stream.msg
                                          : "invalid compressed data";
        return SL_DECODE;
    }
}

/* What zlib says in `data_type` after a step. */
#define BEHIND_BLOCK 128
#define BITS_LEFT    63 /* those of the last byte, a count */

static enum sl_status inflate_run(struct sl_engine *engine,
                                  struct sl_view *input, struct sl_room *room,
                                  const char **error)
{
    struct inflate *self = (struct inflate *)engine;
    z_stream *stream = &self->stream;
    unsigned in = at_most(input->size);
    unsigned out = at_most(room->size);
    int result;

    stream->next_in = (Bytef *)(uintptr_t)input->data;
    stream->avail_in = in;
    stream->next_out = (Bytef *)room->data;
    stream->avail_out = out;
    result = inflate(stream, Z_NO_FLUSH);
    if (result == Z_OK)
        self->is_between = (stream->data_type & BEHIND_BLOCK) != 0 &&
                           (stream->data_type & BITS_LEFT) == 0;
    input->data += in - stream->avail_in;
    input->size -= in - stream->avail_in;
    room->data += out - stream->avail_out;
    room->size -= out - stream->avail_out;
    return translate(self, result, error);
}

static enum sl_status inflate_prime(struct sl_engine *engine,
                                    struct sl_view before)
{
    struct inflate *self = (struct inflate *)engine;

    return inflateSetDictionary(&self->stream, (const Bytef *)before.data,
                                (uInt)before.size) == Z_OK
               ? SL_OK
               : SL_MEMORY;
}

static bool inflate_is_between(const struct sl_engine *engine)
{
    return ((const struct inflate *)engine)->is_between;
}

const struct sl_engine_class sl_engine_inflate = {
    .size = sizeof(struct inflate),
    .init = inflate_init,
    .fini = inflate_fini,
    .reset = inflate_reset,
    .restart = inflate_reset,
    .run = inflate_run,
    .prime = inflate_prime,
    .is_between = inflate_is_between,
};

const struct sl_decoder_class sl_coding_gzip_zlib = {
    .name = "gzip",
    .aliases = sl_gzip_aliases,
    .format = &sl_format_gzip,
    .engine = &sl_engine_inflate,
};

const struct sl_decoder_class sl_coding_deflate_zlib = {
    .name = "deflate",
    .format = &sl_format_deflate,
    .engine = &sl_engine_inflate,
};
