/* codec/brotli.c - RFC 7932 by Google's library */
#include "codec/bare.h"
#include "codec/codings.h"
#include "codec/engine.h"
#include "codec/foreign.h"

#include <brotli/decode.h>

/* The library cannot start over: its state is made when a body begins and
 * given back, with a window of up to 16 MiB, at the reset. */
struct brotli {
    struct sl_engine base;
    BrotliDecoderState *state; /* NULL before the first run */
};

static enum sl_status brotli_reset(struct sl_engine *engine)
{
    struct brotli *self = (struct brotli *)engine;

    BrotliDecoderDestroyInstance(self->state);
    self->state = NULL;
    return SL_OK;
}

static void brotli_fini(struct sl_engine *engine)
{
    brotli_reset(engine);
}

static enum sl_status fail(const struct brotli *self, const char **error)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(self->state);

    if (code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
        code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES) {
        *error = "out of memory";
        return SL_MEMORY;
    }
    *error = "invalid brotli data";
    return SL_DECODE;
}

/* After an error the library keeps what it decoded in the same call. So a call
 * gets few bytes: one of a small piece, as streams send them, which costs 80 ns
 * each; of a large piece more, which costs a tenth more than all at once. */
#define PIECE_SMALL ((size_t)512)
#define CALL_MOST   ((size_t)16)

static BrotliDecoderResult decompress(struct brotli *self,
                                      struct sl_view *input, size_t most,
                                      struct sl_room *room)
{
    const uint8_t *in = (const uint8_t *)input->data;
    uint8_t *out = (uint8_t *)room->data;
    /* and none while decoded bytes wait for room */
    size_t size = BrotliDecoderHasMoreOutput(self->state) ? 0
                  : most < input->size                    ? most
                                                          : input->size;
    size_t left = size;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(
        self->state, &left, &in, &room->size, &out, NULL);

    input->data = (const char *)in;
    input->size -= size - left;
    room->data = (char *)out;
    return result;
}

static enum sl_status brotli_run(struct sl_engine *engine,
                                 struct sl_view *input, struct sl_room *room,
                                 const char **error)
{
    struct brotli *self = (struct brotli *)engine;
    size_t most = input->size <= PIECE_SMALL ? 1 : CALL_MOST;
    BrotliDecoderResult result;

    if (self->state == NULL)
        self->state = BrotliDecoderCreateInstance(
            sl_foreign_allocate, sl_foreign_free, engine->allocator);
    if (self->state == NULL) {
        *error = "out of memory";
        return SL_MEMORY;
    }
    do {
        result = decompress(self, input, most, room);
        /* also said while decoded bytes wait for room */
        if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT &&
            BrotliDecoderHasMoreOutput(self->state))
            return SL_OK;
    } while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT &&
             input->size > 0);
    switch (result) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return SL_END;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        return SL_AGAIN;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        return SL_OK;
    default:
        return fail(self, error);
    }
}

static const struct sl_engine_class engine_class = {
    .size = sizeof(struct brotli),
    .fini = brotli_fini,
    .reset = brotli_reset,
    .run = brotli_run,
};

const struct sl_decoder_class sl_coding_brotli = {
    .name = "br",
    .format = &sl_format_bare,
    .engine = &engine_class,
};
