#include "codec/bare.h"

#include "codec/engine.h"

struct bare {
    struct sl_decoder base;
    struct sl_engine *engine;
    bool is_inside; /* a frame has begun and not ended */
    bool has_ended; /* one has */
    enum sl_status failed;
    const char *reason;
};

static void start(struct bare *self)
{
    self->is_inside = false;
    self->has_ended = false;
    self->failed = SL_OK;
    self->reason = NULL;
}

enum sl_status sl_bare_create(const struct sl_decoder_class *class,
                              struct sl_pool *pool, struct sl_decoder **decoder)
{
    struct bare *self = sl_allocate_zeroed(pool->allocator, sizeof(*self));
    enum sl_status status;

    if (self == NULL)
        return SL_MEMORY;
    status = sl_engine_create(class->engine, pool->allocator, &self->engine);
    if (status != SL_OK) {
        sl_free(pool->allocator, self, sizeof(*self));
        return status;
    }
    self->base.class = class;
    self->base.pool = pool;
    start(self);
    *decoder = &self->base;
    return SL_OK;
}

void sl_bare_destroy(struct sl_decoder *decoder)
{
    struct bare *self = (struct bare *)decoder;

    sl_engine_destroy(self->engine);
    sl_free(decoder->pool->allocator, self, sizeof(*self));
}

enum sl_status sl_bare_reset(struct sl_decoder *decoder)
{
    struct bare *self = (struct bare *)decoder;

    start(self);
    return sl_engine_reset(self->engine);
}

/* Between frames a byte begins the next one. */
static enum sl_status enter(struct bare *self, struct sl_buffer *input)
{
    if (sl_engine_peek(self->engine, input).size == 0)
        return SL_AGAIN;
    if (self->has_ended && self->engine->class->restart == NULL) {
        self->reason = "data after the end of compressed data";
        return SL_DECODE;
    }
    self->is_inside = true;
    return self->has_ended ? sl_engine_restart(self->engine) : SL_OK;
}

static enum sl_status step(struct bare *self, struct sl_buffer *input,
                           struct sl_buffer *output, size_t limit)
{
    struct sl_view produced;
    enum sl_status status;

    if (!self->is_inside)
        return enter(self, input);
    status = sl_engine_step(self->engine, input, output, limit, &produced,
                            &self->reason);
    sl_engine_commit(self->engine, output, produced);
    if (status != SL_END)
        return status;
    self->is_inside = false;
    self->has_ended = true;
    return SL_OK;
}

enum sl_status sl_bare_decode(struct sl_decoder *decoder,
                              struct sl_buffer *input, struct sl_buffer *output,
                              size_t room, const char **error)
{
    struct bare *self = (struct bare *)decoder;
    size_t before = output->length;
    enum sl_status status = self->failed;

    sl_assert(room > 0);
    while (status == SL_OK) {
        size_t grown = output->length - before;

        if (self->is_inside && grown >= room)
            return SL_OK;
        status = step(self, input, output, room - grown);
    }
    if (sl_is_failure(status)) {
        self->failed = status;
        *error = self->reason;
    }
    return status;
}

enum sl_status sl_bare_finish(struct sl_decoder *decoder, const char **error)
{
    struct bare *self = (struct bare *)decoder;

    if (self->failed == SL_OK) {
        if (!self->is_inside)
            return SL_END;
        self->failed = SL_DECODE;
        self->reason = "compressed data is truncated";
    }
    *error = self->reason;
    return self->failed;
}
