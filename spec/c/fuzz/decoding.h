/* spec/c/fuzz/decoding.h - a decoder's outcome for data in pieces */
#ifndef SPEC_C_FUZZ_DECODING_H
#define SPEC_C_FUZZ_DECODING_H

#include "codec/decoder.h"
#include "memory/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Enough to see a difference, little enough to be fast. */
#define MOST ((size_t)16 * 1024)

struct decoded {
    enum sl_status status; /* SL_AGAIN: stopped at MOST */
    char *data;            /* MOST and a room more */
    size_t size;
};

static inline void need(int held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "decoder: %s\n", what);
    abort();
}

static inline enum sl_status run(struct sl_decoder *decoder,
                                 struct sl_buffer *input,
                                 struct sl_buffer *output, size_t room,
                                 struct decoded *decoded)
{
    const char *error = NULL;
    enum sl_status status;

    do {
        status = sl_decoder_decode(decoder, input, output, room, &error);
        need(output->length <= room, "more than room");
        need(!sl_is_failure(status) || error != NULL, "no reason");
        sl_buffer_copy_out(output, 0, decoded->data + decoded->size,
                           output->length);
        decoded->size += output->length;
        sl_buffer_consume(output, output->length);
    } while (status == SL_OK && decoded->size < MOST);
    return status;
}

/* In pieces of `piece` bytes; 0: whole. */
static inline struct decoded decode(const struct sl_decoder_class *class,
                                    struct sl_view coded, size_t piece,
                                    size_t segment_size, size_t room)
{
    struct sl_pool_options options = {.mode = SL_POOL_DIRECT,
                                      .segment_size = segment_size};
    struct decoded decoded = {SL_AGAIN, malloc(MOST + room), 0};
    struct sl_allocator allocator;
    struct sl_decoder_shelf shelf;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_buffer output;
    struct sl_decoder *decoder;
    const char *error;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, &options);
    sl_decoder_shelf_init(&shelf, &allocator);
    need(sl_decoder_rent(class, &shelf, &decoder) == SL_OK, "no decoder");
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&output, &pool, SIZE_MAX);
    while (coded.size > 0 && decoded.status == SL_AGAIN &&
           decoded.size < MOST) {
        size_t count = piece == 0 || piece > coded.size ? coded.size : piece;

        need(sl_buffer_append(&input, sl_view(coded.data, count)) == SL_OK,
             "no memory");
        coded.data += count;
        coded.size -= count;
        decoded.status = run(decoder, &input, &output, room, &decoded);
    }
    if (decoded.status == SL_OK || decoded.size >= MOST)
        decoded.status = SL_AGAIN;
    else if (decoded.status == SL_AGAIN)
        decoded.status = sl_decoder_finish(decoder, &error);
    sl_buffer_fini(&input);
    sl_buffer_fini(&output);
    sl_decoder_release(decoder);
    sl_decoder_shelf_fini(&shelf);
    need(sl_pool_fini(&pool) == 0, "segments left");
    return decoded;
}

/* Both ended, or both failed. Content may differ in length when something
 * failed or was stopped, but never in its bytes. */
static inline void compare(const struct decoded *a, const struct decoded *b)
{
    size_t common = a->size < b->size ? a->size : b->size;

    need(common == 0 || memcmp(a->data, b->data, common) == 0,
         "different content");
    if (a->status == SL_AGAIN || b->status == SL_AGAIN)
        return;
    need(a->status == b->status, "different outcome");
    need(a->status != SL_END || a->size == b->size, "different size");
}

#endif
