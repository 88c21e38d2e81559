/* codec/deflate.c - raw deflate, written by zlib */
#include "codec/compressor.h"
#include "codec/foreign.h"

#include <limits.h>
#include <zlib.h>

/* Messages are small and many: speed counts more than the last tenth. */
#define LEVEL  3
#define MEMORY 8

struct deflate {
    struct sl_compressor base;
    z_stream stream;
};

static void *allocate(void *allocator, unsigned count, unsigned size)
{
    return sl_foreign_allocate(allocator, (size_t)count * size);
}

static enum sl_status deflate_init(struct sl_compressor *compressor,
                                   unsigned bits)
{
    z_stream *stream = &((struct deflate *)compressor)->stream;

    stream->zalloc = allocate;
    stream->zfree = sl_foreign_free;
    stream->opaque = compressor->allocator;
    return deflateInit2(stream, LEVEL, Z_DEFLATED, -(int)bits, MEMORY,
                        Z_DEFAULT_STRATEGY) == Z_OK
               ? SL_OK
               : SL_MEMORY;
}

static void deflate_fini(struct sl_compressor *compressor)
{
    deflateEnd(&((struct deflate *)compressor)->stream);
}

static unsigned at_most(size_t size)
{
    return size > UINT_MAX ? UINT_MAX : (unsigned)size;
}

static enum sl_status deflate_run(struct sl_compressor *compressor,
                                  struct sl_view *input, struct sl_room *room,
                                  bool flushes)
{
    z_stream *stream = &((struct deflate *)compressor)->stream;
    unsigned in = at_most(input->size);
    unsigned out = at_most(room->size);

    stream->next_in = (Bytef *)(uintptr_t)input->data;
    stream->avail_in = in;
    stream->next_out = (Bytef *)room->data;
    stream->avail_out = out;
    /* Z_BUF_ERROR says that there was nothing to do. */
    deflate(stream, flushes && in == input->size ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    input->data += in - stream->avail_in;
    input->size -= in - stream->avail_in;
    room->data += out - stream->avail_out;
    room->size -= out - stream->avail_out;
    return stream->avail_out == 0 || input->size > 0 ? SL_OK : SL_AGAIN;
}

const struct sl_compressor_class sl_compressor_zlib = {
    .size = sizeof(struct deflate),
    .init = deflate_init,
    .fini = deflate_fini,
    .run = deflate_run,
};
