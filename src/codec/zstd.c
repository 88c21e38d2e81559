/* codec/zstd.c - RFC 8878 by Facebook's library */
#include "codec/bare.h"
#include "codec/codings.h"
#include "codec/engine.h"
#include "codec/foreign.h"

#define ZSTD_STATIC_LINKING_ONLY /* for the allocator */
#include <zstd.h>
#include <zstd_errors.h>

/* RFC 9659: a content coding uses windows of at most 8 MiB. */
#define WINDOW_LOG 23
/* An idle decoder keeps no more than this. */
#define KEPT ((size_t)512 * 1024)

struct zstd {
    struct sl_engine base;
    ZSTD_DCtx *context; /* NULL before the first run, and after a large body */
    size_t next;   /* bytes up to the end of the next block, with the header
                        * of the one behind it; 0: a frame begins */
    bool has_more; /* the last call filled its room */
};

/* RFC 8878 3.1: a frame, or one to be skipped. The library may also be built to
 * read its formats from before that: none of those begins like this, and their
 * decoders put out memory that was never written. */
static bool begins_frame(char first)
{
    return first == 0x28 || (first & 0xf0) == 0x50;
}

static void drop(struct zstd *self)
{
    ZSTD_freeDCtx(self->context);
    self->context = NULL;
}

static void zstd_fini(struct sl_engine *engine)
{
    drop((struct zstd *)engine);
}

static enum sl_status zstd_restart(struct sl_engine *engine)
{
    struct zstd *self = (struct zstd *)engine;

    self->next = 0;
    self->has_more = false;
    ZSTD_DCtx_reset(self->context, ZSTD_reset_session_only);
    return SL_OK;
}

static enum sl_status zstd_reset(struct sl_engine *engine)
{
    struct zstd *self = (struct zstd *)engine;

    self->next = 0;
    self->has_more = false;
    if (self->context == NULL)
        return SL_OK;
    if (ZSTD_sizeof_DCtx(self->context) > KEPT) {
        drop(self);
        return SL_OK;
    }
    return zstd_restart(engine);
}

static ZSTD_DCtx *make_context(struct sl_allocator *allocator)
{
    ZSTD_customMem memory = {sl_foreign_allocate, sl_foreign_free, allocator};
    ZSTD_DCtx *context = ZSTD_createDCtx_advanced(memory);

    if (context != NULL)
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG);
    return context;
}

/* RFC 8878 3.1.1.2 */
#define BLOCK_HEADER ((size_t)3)
#define FRAME_BEGIN  ((size_t)5)

/* The bytes for one call, which does not say what it wrote before an error: so
 * it is given nothing behind a block, and nothing before all that was decoded
 * has been taken. */
static size_t piece_of(const struct zstd *self, size_t size)
{
    size_t piece = self->next == 0 ? FRAME_BEGIN : self->next;

    if (self->has_more)
        return 0;
    if (piece > BLOCK_HEADER && self->next > 0)
        piece -= BLOCK_HEADER;
    return piece < size ? piece : size;
}

/* One call of the library; moves past what was used. */
static size_t decompress(struct zstd *self, struct sl_view *input,
                         struct sl_room *room)
{
    ZSTD_inBuffer in = {input->data, piece_of(self, input->size), 0};
    ZSTD_outBuffer out = {room->data, room->size, 0};
    size_t result = ZSTD_decompressStream(self->context, &out, &in);

    if (ZSTD_isError(result))
        return result;
    self->next = result;
    self->has_more = out.pos == out.size;
    input->data += in.pos;
    input->size -= in.pos;
    room->data += out.pos;
    room->size -= out.pos;
    return result;
}

static enum sl_status explain(size_t result, const char **error)
{
    *error = ZSTD_getErrorName(result);
    return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation
               ? SL_MEMORY
               : SL_DECODE;
}

static enum sl_status zstd_run(struct sl_engine *engine, struct sl_view *input,
                               struct sl_room *room, const char **error)
{
    struct zstd *self = (struct zstd *)engine;

    if (self->context == NULL)
        self->context = make_context(engine->allocator);
    if (self->context == NULL) {
        *error = "out of memory";
        return SL_MEMORY;
    }
    if (self->next == 0 && input->size > 0 && !begins_frame(input->data[0])) {
        *error = "not a zstd frame";
        return SL_DECODE;
    }
    for (;;) {
        bool had_more = self->has_more;
        size_t left = input->size + room->size;
        size_t result = decompress(self, input, room);

        if (ZSTD_isError(result))
            return explain(result, error);
        if (result == 0)
            return SL_END;
        if (room->size == 0)
            return SL_OK;
        if (input->size == 0)
            return SL_AGAIN;
        if (left == input->size + room->size && !had_more)
            break;
    }
    *error = "compressed data makes no progress";
    return SL_DECODE;
}

static const struct sl_engine_class engine_class = {
    .size = sizeof(struct zstd),
    .fini = zstd_fini,
    .reset = zstd_reset,
    .restart = zstd_restart,
    .run = zstd_run,
};

const struct sl_decoder_class sl_coding_zstd = {
    .name = "zstd",
    .format = &sl_format_bare,
    .engine = &engine_class,
};
