/* codec/isal_deflate.c - raw deflate, written by Intel's ISA-L */
#include "codec/compressor.h"

#include <isa-l/igzip_lib.h>

#define LEVEL      1
#define LEVEL_SIZE ISAL_DEF_LVL1_SMALL

struct isal {
    struct sl_compressor base;
    struct isal_zstream stream;
    uint8_t level[LEVEL_SIZE];
};

static enum sl_status isal_init(struct sl_compressor *compressor, unsigned bits)
{
    struct isal *self = (struct isal *)compressor;

    isal_deflate_init(&self->stream);
    self->stream.level = LEVEL;
    self->stream.level_buf = self->level;
    self->stream.level_buf_size = sizeof self->level;
    self->stream.hist_bits = (uint16_t)bits;
    return SL_OK;
}

static void isal_fini(struct sl_compressor *compressor)
{
    (void)compressor;
}

static uint32_t at_most(size_t size)
{
    return size > INT32_MAX ? INT32_MAX : (uint32_t)size;
}

static enum sl_status isal_run(struct sl_compressor *compressor,
                               struct sl_view *input, struct sl_room *room,
                               bool flushes)
{
    struct isal_zstream *stream = &((struct isal *)compressor)->stream;
    uint32_t in = at_most(input->size);
    uint32_t out = at_most(room->size);

    stream->next_in = (uint8_t *)(uintptr_t)input->data;
    stream->avail_in = in;
    stream->next_out = (uint8_t *)room->data;
    stream->avail_out = out;
    stream->flush = flushes && in == input->size ? SYNC_FLUSH : NO_FLUSH;
    isal_deflate(stream);
    input->data += in - stream->avail_in;
    input->size -= in - stream->avail_in;
    room->data += out - stream->avail_out;
    room->size -= out - stream->avail_out;
    return stream->avail_out == 0 || input->size > 0 ? SL_OK : SL_AGAIN;
}

const struct sl_compressor_class sl_compressor_isal = {
    .size = sizeof(struct isal),
    .init = isal_init,
    .fini = isal_fini,
    .run = isal_run,
};
