/* spec/c/fuzz/decoding.h - a decoder's outcome for data in pieces */
#ifndef SPEC_C_FUZZ_DECODING_H
#define SPEC_C_FUZZ_DECODING_H

#include "codec/decoder.h"
#include "spec/c/fuzz/ground.h"

#include <string.h>

/* Enough to see a difference, little enough to be fast. */
#define MOST      ((size_t)4 * 1024)
#define ROOM_MOST ((size_t)8 * 1024)

struct decoded {
    enum sl_status status; /* SL_AGAIN: stopped at MOST */
    char *data;            /* the caller's, for MOST and ROOM_MOST more */
    size_t size;
};

static inline enum sl_status run(struct sl_decoder *decoder,
                                 struct sl_buffer *input,
                                 struct sl_buffer *output, size_t room,
                                 struct decoded *decoded)
{
    const char *error = NULL;
    enum sl_status status;

    do {
        status = sl_decoder_decode(decoder, input, output, room, &error);
        ground_demand(output->length <= room, "more than room");
        ground_demand(!sl_is_failure(status) || error != NULL, "no reason");
        sl_buffer_copy_out(output, 0, decoded->data + decoded->size,
                           output->length);
        decoded->size += output->length;
        sl_buffer_consume(output, output->length);
    } while (status == SL_OK && decoded->size < MOST);
    return status;
}

static inline struct sl_decoder_shelf *decoding_shelf(void)
{
    static struct sl_decoder_shelf shelf;

    if (shelf.allocator == NULL)
        sl_decoder_shelf_init(&shelf, ground_allocator());
    return &shelf;
}

/* In pieces of `piece` bytes, 0: whole, to `data`. `room`: at most
 * ROOM_MOST. */
static inline struct decoded decode(const struct sl_decoder_class *class,
                                    struct sl_view coded, size_t piece,
                                    size_t segment_size, size_t room,
                                    char *data)
{
    struct decoded decoded = {SL_AGAIN, data, 0};
    struct sl_pool *pool = ground_pool(SL_POOL_SLABS, segment_size);
    struct sl_buffer input;
    struct sl_buffer output;
    struct sl_decoder *decoder;
    const char *error;

    ground_demand(sl_decoder_rent(class, decoding_shelf(), &decoder) == SL_OK,
                  "no decoder");
    sl_buffer_init(&input, pool, SIZE_MAX);
    sl_buffer_init(&output, pool, SIZE_MAX);
    while (coded.size > 0 && decoded.status == SL_AGAIN &&
           decoded.size < MOST) {
        size_t count = piece == 0 || piece > coded.size ? coded.size : piece;

        ground_demand(sl_buffer_append(&input, sl_view(coded.data, count)) ==
                          SL_OK,
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
    ground_all_returned();
    return decoded;
}

/* Both ended, or both failed. Content may differ in length when something
 * failed or was stopped, but never in its bytes. */
static inline void compare(const struct decoded *a, const struct decoded *b)
{
    size_t common = a->size < b->size ? a->size : b->size;

    ground_demand(common == 0 || memcmp(a->data, b->data, common) == 0,
                  "different content");
    if (a->status == SL_AGAIN || b->status == SL_AGAIN)
        return;
    ground_demand(a->status == b->status, "different outcome");
    ground_demand(a->status != SL_END || a->size == b->size, "different size");
}

#endif
