/* What a WebSocket peer sends: whole, in two pieces and byte by byte it must come
 * to the same events and the same end.
 *
 *   byte 0   1: the peer is a client  2: compression was agreed on  4: without
 *            context
 *   byte 1   where it is cut
 *   byte 2   the limit of a message
 *   rest     bytes as received
 */
#include "ws/incoming.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Events as bytes: a letter, sizes, contents. */
struct outcome {
    char *events;
    size_t size;
    size_t room;
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

static void note(struct outcome *outcome, const void *bytes, size_t size)
{
    demand(outcome->size + size <= outcome->room, "few bytes make few events");
    if (size > 0)
        memcpy(outcome->events + outcome->size, bytes, size);
    outcome->size += size;
}

static void note_message(struct outcome *outcome,
                         struct sl_ws_incoming *incoming, size_t limit)
{
    struct sl_buffer whole;
    char bytes[256];

    sl_buffer_init(&whole, incoming->message.payload.pool, SIZE_MAX);
    demand(sl_ws_message_detach(&incoming->message, &whole) == SL_OK, "memory");
    demand(whole.length <= limit, "a message keeps its limit");
    note(outcome, incoming->message.is_text ? "T" : "B", 1);
    note(outcome, bytes, sl_buffer_copy_out(&whole, 0, bytes, sizeof bytes));
    sl_buffer_fini(&whole);
}

static void take_events(struct outcome *outcome,
                        struct sl_ws_incoming *incoming,
                        struct sl_buffer *input, size_t limit)
{
    struct sl_ws_event event;

    while ((outcome->status = sl_ws_incoming_next(incoming, input, &event)) ==
           SL_OK) {
        if (event.type == SL_WS_GOT_MESSAGE) {
            note_message(outcome, incoming, limit);
            continue;
        }
        if (event.type == SL_WS_GOT_PART)
            continue;
        note(outcome, &"??pqc"[1 + event.type], 1);
        note(outcome, event.payload.data, event.payload.size);
        if (event.type == SL_WS_GOT_CLOSE)
            demand(event.closing.code == SL_WS_NO_CODE ||
                       sl_ws_may_send_code(event.closing.code),
                   "a code may be sent");
    }
    demand(outcome->status != SL_AGAIN || input->length == 0,
           "all is taken before more is asked for");
}

/* Pieces of `first`, then `step` bytes. */
static void receive(struct outcome *outcome, struct sl_view wire, size_t first,
                    size_t step, const uint8_t *options)
{
    struct sl_pool_options small = {.segment_size = 64,
                                    .spare_limit = SIZE_MAX};
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_ws_options ws = {.is_server = (options[0] & 1) != 0,
                               .max_size = options[2]};
    struct sl_ws_incoming incoming;
    size_t next = first;

    memset(outcome, 0, sizeof *outcome);
    outcome->room = wire.size * 256 + 1; /* of messages that were inflated */
    outcome->events = malloc(outcome->room);
    demand(outcome->events != NULL, "memory");
    outcome->status = SL_AGAIN;
    if ((options[0] & 2) != 0) {
        bool forgets = (options[0] & 4) != 0;

        ws.compression =
            (struct sl_ws_compression){true, forgets, forgets, 15, 15};
    }
    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, &small);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_ws_incoming_init(&incoming, &pool, &ws);
    while (wire.size > 0 && outcome->status == SL_AGAIN) {
        size_t size = next < wire.size ? next : wire.size;

        demand(sl_buffer_append(&input, sl_view(wire.data, size)) == SL_OK,
               "memory");
        take_events(outcome, &incoming, &input, options[2]);
        wire.data += size;
        wire.size -= size;
        next = step;
    }
    outcome->error = incoming.error;
    sl_ws_incoming_fini(&incoming);
    sl_buffer_fini(&input);
    demand(sl_pool_fini(&pool) == 0, "everything is given back");
}

static bool is_of_content(enum sl_status status)
{
    return status == SL_DECODE || status == SL_LIMIT;
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    /* ISA-L looks ahead: bytes that are corrupt behind the limit may be met
     * first. */
    demand(a->status == b->status ||
               (is_of_content(a->status) && is_of_content(b->status)),
           "the same status");
    /* Where bytes are both corrupt and not text, the cut decides which is said. */
    demand(a->error == b->error || is_of_content(a->status), "the same error");
    demand(a->size == b->size && memcmp(a->events, b->events, a->size) == 0,
           "the same events");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole;
    struct outcome halves;
    struct outcome bytes;
    struct sl_view wire;

    if (size < OPTIONS)
        return 0;
    wire = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    receive(&whole, wire, wire.size, wire.size, data);
    receive(&halves, wire, (size_t)data[1] + 1, SIZE_MAX, data);
    receive(&bytes, wire, 1, 1, data);
    compare(&whole, &halves);
    compare(&whole, &bytes);
    free(whole.events);
    free(halves.events);
    free(bytes.events);
    return 0;
}
