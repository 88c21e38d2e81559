/* codec/isal.c - raw deflate by Intel's ISA-L, and the codings over it */
#include "codec/codings.h"
#include "codec/engine.h"
#include "codec/gzip.h"

#include <isa-l/igzip_lib.h>

struct isal {
    struct sl_engine base;
    struct inflate_state state;
};

/* The library compares distances with its 32 bit count of bytes so far, which
 * would refuse good data each time it wraps. No distance exceeds 32 KiB, so a
 * count that stays above that says the same. */
#define COUNTED ((uint32_t)1 << 20)

static enum sl_status isal_init(struct sl_engine *engine)
{
    isal_inflate_init(&((struct isal *)engine)->state);
    return SL_OK;
}

static enum sl_status isal_reset(struct sl_engine *engine)
{
    isal_inflate_reset(&((struct isal *)engine)->state);
    return SL_OK;
}

static uint32_t at_most(size_t size)
{
    return size > INT32_MAX ? INT32_MAX : (uint32_t)size;
}

/* Gives back bytes taken ahead. The library takes up to eight, perhaps from
 * input that is gone by now. `taken` counts the bytes of `input` that this run
 * took. */
static void give_back(struct isal *self, struct sl_view *input, size_t taken)
{
    struct inflate_state *state = &self->state;
    uint64_t ahead = state->read_in >> (state->read_in_length % 8);
    size_t count = (size_t)state->read_in_length / 8;
    char bytes[8];
    size_t i;

    for (i = 0; i < count; i++)
        bytes[i] = (char)(ahead >> (8 * i) & 0xff);
    state->read_in_length = 0;
    if (taken > count)
        taken = count;
    input->data -= taken;
    input->size += taken;
    sl_engine_unread(&self->base, sl_view(bytes, count - taken));
}

static const char *explain(int result)
{
    switch (result) {
    case ISAL_INVALID_BLOCK:
        return "invalid deflate block";
    case ISAL_INVALID_SYMBOL:
        return "invalid deflate code";
    case ISAL_INVALID_LOOKBACK:
        return "invalid distance too far back";
    default:
        return "invalid compressed data";
    }
}

static enum sl_status isal_run(struct sl_engine *engine, struct sl_view *input,
                               struct sl_room *room, const char **error)
{
    struct isal *self = (struct isal *)engine;
    struct inflate_state *state = &self->state;
    uint32_t in = at_most(input->size);
    uint32_t out = at_most(room->size);
    int result;

    state->next_in = (uint8_t *)(uintptr_t)input->data;
    state->avail_in = in;
    state->next_out = (uint8_t *)room->data;
    state->avail_out = out;
    result = isal_inflate(state);
    if (state->total_out > COUNTED)
        state->total_out = COUNTED;
    /* After an error its pointers may stand behind the input. */
    if (result < ISAL_DECOMP_OK) {
        *error = explain(result);
        return SL_DECODE;
    }
    input->data += in - state->avail_in;
    input->size -= in - state->avail_in;
    room->data += out - state->avail_out;
    room->size -= out - state->avail_out;
    if (state->block_state == ISAL_BLOCK_FINISH) {
        give_back(self, input, in - state->avail_in);
        return SL_END;
    }
    if (state->avail_out == 0)
        return SL_OK;
    if (state->avail_in == 0)
        return SL_AGAIN;
    *error = "compressed data makes no progress";
    return SL_DECODE;
}

static enum sl_status isal_prime(struct sl_engine *engine,
                                 struct sl_view before)
{
    struct inflate_state *state = &((struct isal *)engine)->state;

    return isal_inflate_set_dict(state, (uint8_t *)(uintptr_t)before.data,
                                 (uint32_t)before.size) == COMP_OK
               ? SL_OK
               : SL_MEMORY;
}

/* Behind a block the library has looked for the next one, and found no bit. */
static bool isal_is_between(const struct sl_engine *engine)
{
    const struct inflate_state *state = &((const struct isal *)engine)->state;

    return (state->block_state == ISAL_BLOCK_NEW_HDR ||
            state->block_state == ISAL_BLOCK_HDR) &&
           state->tmp_in_size == 0 && state->read_in_length == 0;
}

const struct sl_engine_class sl_engine_isal = {
    .size = sizeof(struct isal),
    .init = isal_init,
    .reset = isal_reset,
    .restart = isal_reset,
    .run = isal_run,
    .prime = isal_prime,
    .is_between = isal_is_between,
};

const struct sl_decoder_class sl_coding_gzip_isal = {
    .name = "gzip",
    .aliases = sl_gzip_aliases,
    .format = &sl_format_gzip,
    .engine = &sl_engine_isal,
};

const struct sl_decoder_class sl_coding_deflate_isal = {
    .name = "deflate",
    .format = &sl_format_deflate,
    .engine = &sl_engine_isal,
};
