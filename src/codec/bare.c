#include "codec/bare.h"

#include "codec/engine.h"

struct bare {
    struct sl_decoder base;
    bool is_inside; /* a frame has begun and not ended */
    bool has_ended; /* at least one frame has ended */
};

static void start(struct sl_decoder *decoder)
{
    struct bare *self = (struct bare *)decoder;

    self->is_inside = false;
    self->has_ended = false;
}

/* Begins the next frame with any byte between frames. */
static enum sl_status enter(struct bare *self, struct sl_buffer *input)
{
    struct sl_engine *engine = self->base.engine;

    if (sl_engine_peek(engine, input).size == 0)
        return SL_AGAIN;
    if (self->has_ended && engine->class->restart == NULL) {
        self->base.reason = "data after the end of compressed data";
        return SL_DECODE;
    }
    self->is_inside = true;
    return self->has_ended ? sl_engine_restart(engine) : SL_OK;
}

static enum sl_status step(struct sl_decoder *decoder, struct sl_buffer *input,
                           struct sl_buffer *output, size_t limit)
{
    struct bare *self = (struct bare *)decoder;
    struct sl_view produced;
    enum sl_status status;

    if (!self->is_inside)
        return enter(self, input);
    status = sl_engine_step(decoder->engine, input, output, limit, &produced,
                            &decoder->reason);
    sl_engine_commit(decoder->engine, output, produced);
    if (status != SL_END)
        return status;
    self->is_inside = false;
    self->has_ended = true;
    return SL_OK;
}

static bool is_inside(const struct sl_decoder *decoder)
{
    return ((const struct bare *)decoder)->is_inside;
}

static bool is_complete(const struct sl_decoder *decoder)
{
    return !is_inside(decoder);
}

const struct sl_format sl_format_bare = {
    .size = sizeof(struct bare),
    .start = start,
    .step = step,
    .is_inside = is_inside,
    .is_complete = is_complete,
};
