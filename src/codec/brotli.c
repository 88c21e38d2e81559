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

static enum sl_status brotli_run(struct sl_engine *engine,
                                 struct sl_view *input, struct sl_room *room,
                                 const char **error)
{
    struct brotli *self = (struct brotli *)engine;
    const uint8_t *in = (const uint8_t *)input->data;
    uint8_t *out = (uint8_t *)room->data;
    BrotliDecoderResult result;

    if (self->state == NULL)
        self->state = BrotliDecoderCreateInstance(
            sl_foreign_allocate, sl_foreign_free, engine->allocator);
    if (self->state == NULL) {
        *error = "out of memory";
        return SL_MEMORY;
    }
    result = BrotliDecoderDecompressStream(self->state, &input->size, &in,
                                           &room->size, &out, NULL);
    input->data = (const char *)in;
    room->data = (char *)out;
    switch (result) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return SL_END;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        /* also said while decoded bytes wait for room */
        return BrotliDecoderHasMoreOutput(self->state) ? SL_OK : SL_AGAIN;
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
