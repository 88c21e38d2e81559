/* codec/isal.c - raw deflate by Intel's ISA-L, and the codings over it */
#include "codec/codings.h"
#include "codec/engine.h"
#include "codec/gzip.h"

#include <isa-l/igzip_lib.h>

#include <stddef.h>
#include <string.h>

struct isal {
    struct sl_engine base;
    bool is_fresh; /* nothing was run since it was set up or reset */
    struct inflate_state state;
};

/* The library compares distances with its 32 bit count of bytes so far, which
 * would refuse good data each time it wraps. No distance exceeds 32 KiB, so a
 * count that stays above that says the same. */
#define COUNTED ((uint32_t)1 << 20)

static enum sl_status isal_init(struct sl_engine *engine)
{
    struct isal *self = (struct isal *)engine;

    isal_inflate_init(&self->state);
    self->is_fresh = true;
    return SL_OK;
}

static enum sl_status isal_reset(struct sl_engine *engine)
{
    struct isal *self = (struct isal *)engine;

    isal_inflate_reset(&self->state);
    self->is_fresh = true;
    return SL_OK;
}

static uint32_t at_most(size_t size)
{
    return size > INT32_MAX ? INT32_MAX : (uint32_t)size;
}

/* One call of the library; moves past what was used, but not after an error:
 * its pointers may stand behind the input then, and behind what it wrote. */
static int inflate(struct inflate_state *state, struct sl_view *input,
                   struct sl_room *room)
{
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
    if (result < ISAL_DECOMP_OK)
        return result;
    input->data += in - state->avail_in;
    input->size -= in - state->avail_in;
    room->data += out - state->avail_out;
    room->size -= out - state->avail_out;
    return result;
}

/* ---- everything before a fault ---- */

/* Copies all that the next call may read. */
static void copy_state(struct inflate_state *to,
                       const struct inflate_state *from)
{
    memcpy(to, from,
           offsetof(struct inflate_state, tmp_out_buffer) +
               (size_t)from->tmp_out_valid);
}

/* What the library has decoded and had no room for. */
static void give_held(struct inflate_state *state, struct sl_room *room)
{
    size_t size = (size_t)(state->tmp_out_valid - state->tmp_out_processed);

    if (size > room->size)
        size = room->size;
    memcpy(room->data, state->tmp_out_buffer + state->tmp_out_processed, size);
    state->tmp_out_processed += (int32_t)size;
    room->data += size;
    room->size -= size;
}

/* The library does not say how much of its output came before an error. So the
 * bytes in front of the faulty one are run again, from the state before it, in
 * pieces that are halved where the fault is in them. False: that one is the
 * next; else the room is full. */
static bool run_before_fault(struct inflate_state *state,
                             struct inflate_state *before,
                             struct sl_view *input, struct sl_room *room)
{
    size_t piece = input->size;

    give_held(before, room);
    copy_state(state, before);
    while (piece > 0 && room->size > 0) {
        struct sl_view bytes =
            sl_view(input->data, piece < input->size ? piece : input->size);
        size_t size = bytes.size;

        if (inflate(state, &bytes, room) < ISAL_DECOMP_OK) {
            copy_state(state, before);
            piece /= 2;
            continue;
        }
        input->data += size - bytes.size;
        input->size -= size - bytes.size;
        copy_state(before, state);
    }
    return room->size == 0;
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

/* A copy of the state before a run, for run_before_fault; NULL where the run
 * begins with a fresh one, as it does for a small body. A copy costs a few
 * microseconds, for a run of perhaps hundreds. It is no part of the engine, of
 * which there may be many. */
static struct inflate_state *remember(const struct isal *self)
{
    struct inflate_state *before;

    if (self->is_fresh)
        return NULL;
    before = sl_allocate(self->base.allocator, sizeof *before);
    if (before != NULL)
        copy_state(before, &self->state);
    return before;
}

static struct inflate_state *recall_fresh(const struct isal *self)
{
    struct inflate_state *before =
        sl_allocate(self->base.allocator, sizeof *before);

    if (before != NULL)
        isal_inflate_init(before);
    return before;
}

/* Answers to an error of the library. */
static enum sl_status fault(struct isal *self, struct inflate_state **before,
                            int result, struct sl_view *input,
                            struct sl_room *room, const char **error)
{
    if (self->is_fresh)
        *before = recall_fresh(self);
    if (*before != NULL && run_before_fault(&self->state, *before, input, room))
        return SL_OK;
    *error = explain(result);
    return SL_DECODE;
}

static enum sl_status run(struct isal *self, struct inflate_state **before,
                          struct sl_view *input, struct sl_room *room,
                          const char **error)
{
    struct inflate_state *state = &self->state;
    size_t size = input->size;
    int result = inflate(state, input, room);

    if (result < ISAL_DECOMP_OK)
        return fault(self, before, result, input, room, error);
    if (state->block_state == ISAL_BLOCK_FINISH) {
        give_back(self, input, size - input->size);
        return SL_END;
    }
    if (room->size == 0)
        return SL_OK;
    if (input->size == 0)
        return SL_AGAIN;
    *error = "compressed data makes no progress";
    return SL_DECODE;
}

static enum sl_status isal_run(struct sl_engine *engine, struct sl_view *input,
                               struct sl_room *room, const char **error)
{
    struct isal *self = (struct isal *)engine;
    struct inflate_state *before = remember(self);
    enum sl_status status = run(self, &before, input, room, error);

    self->is_fresh = false;
    sl_free(engine->allocator, before, sizeof *before);
    return status;
}

static enum sl_status isal_prime(struct sl_engine *engine,
                                 struct sl_view before)
{
    struct isal *self = (struct isal *)engine;
    int result = isal_inflate_set_dict(
        &self->state, (uint8_t *)(uintptr_t)before.data, (uint32_t)before.size);

    self->is_fresh = false;
    return result == COMP_OK ? SL_OK : SL_MEMORY;
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
