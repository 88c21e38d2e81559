/* The chunked coding: whole, in two pieces and byte by byte it must come to the
 * same payload and the same end.
 *
 *   byte 0   lenient_lf
 *   byte 1   where it is cut
 *   rest     bytes as received
 */
#include "http/chunked.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    char *payload;
    size_t size;
    size_t consumed;
    enum sl_status status;
    const char *error;
};

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* One piece, in memory of its own so that no byte behind it can be touched. */
static void decode_piece(struct outcome *outcome, struct sl_chunked *chunked,
                         struct sl_view piece)
{
    char *copy = malloc(piece.size + 1);
    struct sl_room rest = {copy, piece.size};

    demand(copy != NULL, "memory");
    copy = realloc(copy, piece.size ? piece.size : 1);
    rest.data = copy;
    if (piece.size > 0)
        memcpy(copy, piece.data, piece.size);
    do {
        struct sl_view payload = {NULL, 0};
        size_t consumed = 0;

        outcome->status = sl_chunked_decode(chunked, rest, &consumed, &payload);
        if (sl_is_failure(outcome->status))
            break;
        demand(consumed <= rest.size, "it consumes what there is");
        demand(payload.size <= consumed, "payload is part of that");
        demand(outcome->status != SL_OK || consumed > 0, "it goes on");
        if (payload.size > 0)
            memcpy(outcome->payload + outcome->size, payload.data,
                   payload.size);
        outcome->size += payload.size;
        outcome->consumed += consumed;
        rest.data += consumed;
        rest.size -= consumed;
    } while (outcome->status == SL_OK);
    outcome->error = chunked->error;
    free(copy);
}

/* Pieces of `first`, then `step` bytes. */
static void decode(struct outcome *outcome, struct sl_view wire, size_t first,
                   size_t step, bool lenient_lf)
{
    struct sl_chunked chunked;
    size_t next = first;

    memset(outcome, 0, sizeof(*outcome));
    outcome->payload = malloc(wire.size + 1);
    demand(outcome->payload != NULL, "memory");
    outcome->status = SL_AGAIN;
    sl_chunked_init(&chunked, lenient_lf);
    while (wire.size > 0 && outcome->status == SL_AGAIN) {
        size_t size = next < wire.size ? next : wire.size;

        decode_piece(outcome, &chunked, sl_view(wire.data, size));
        wire.data += size;
        wire.size -= size;
        next = step;
    }
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    demand(a->status == b->status, "the same status");
    demand(a->error == b->error, "the same error");
    demand(a->size == b->size && memcmp(a->payload, b->payload, a->size) == 0,
           "the same payload");
    demand(a->status != SL_END || a->consumed == b->consumed, "the same end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, halves, bytes;
    struct sl_view wire;
    bool lenient_lf;

    if (size < OPTIONS)
        return 0;
    lenient_lf = data[0] & 1;
    wire = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    decode(&whole, wire, wire.size, wire.size, lenient_lf);
    decode(&halves, wire, (size_t)data[1] + 1, SIZE_MAX, lenient_lf);
    decode(&bytes, wire, 1, 1, lenient_lf);
    compare(&whole, &halves);
    compare(&whole, &bytes);
    free(whole.payload);
    free(halves.payload);
    free(bytes.payload);
    return 0;
}
