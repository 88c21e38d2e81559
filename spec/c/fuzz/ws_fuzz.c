/* What a WebSocket peer sends: whole and in pieces it must come to the same
 * events and the same end.
 *
 *   byte 0   1: the peer is a client  2: compression was agreed on  4: without
 *            context
 *   byte 1   where it is cut, once or again and again
 *   byte 2   the limit of a message
 *   rest     bytes as received
 */
#include "spec/c/fuzz/ground.h"
#include "ws/incoming.h"

#include <string.h>

#define INPUT_MOST 512
#define OPTIONS    3
#define EVENTS     ((INPUT_MOST * 256) + 1) /* of messages that were inflated */

/* Events as bytes: a letter, sizes, contents. */
struct outcome {
    char *events;
    size_t size;
    enum sl_status status;
    const char *error;
};

static void note(struct outcome *outcome, const void *bytes, size_t size)
{
    ground_demand(outcome->size + size <= EVENTS, "few bytes make few events");
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
    ground_demand(sl_ws_message_detach(&incoming->message, &whole) == SL_OK,
                  "memory");
    ground_demand(whole.length <= limit, "a message keeps its limit");
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
            ground_demand(event.closing.code == SL_WS_NO_CODE ||
                              sl_ws_may_send_code(event.closing.code),
                          "a code may be sent");
    }
    ground_demand(outcome->status != SL_AGAIN || input->length == 0,
                  "all is taken before more is asked for");
}

/* Pieces of `first`, then `step` bytes. */
static void receive(struct outcome *outcome, struct sl_view wire, size_t first,
                    size_t step, const uint8_t *options)
{
    struct sl_pool *pool = ground_pool(SL_POOL_SLABS, 64);
    struct sl_buffer input;
    struct sl_ws_options ws = {.is_server = (options[0] & 1) != 0,
                               .max_size = options[2]};
    struct sl_ws_incoming incoming;
    size_t next = first;

    outcome->size = 0;
    outcome->status = SL_AGAIN;
    if ((options[0] & 2) != 0) {
        bool forgets = (options[0] & 4) != 0;

        ws.compression =
            (struct sl_ws_compression){true, forgets, forgets, 15, 15};
    }
    sl_buffer_init(&input, pool, SIZE_MAX);
    sl_ws_incoming_init(&incoming, pool, &ws);
    while (wire.size > 0 && outcome->status == SL_AGAIN) {
        size_t size = next < wire.size ? next : wire.size;

        ground_demand(sl_buffer_append(&input, sl_view(wire.data, size)) ==
                          SL_OK,
                      "memory");
        take_events(outcome, &incoming, &input, options[2]);
        wire.data += size;
        wire.size -= size;
        next = step;
    }
    outcome->error = incoming.error;
    sl_ws_incoming_fini(&incoming);
    sl_buffer_fini(&input);
    ground_all_returned();
}

static bool is_of_content(enum sl_status status)
{
    return status == SL_DECODE || status == SL_LIMIT;
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    /* ISA-L looks ahead: bytes that are corrupt behind the limit may be met
     * first. */
    ground_demand(a->status == b->status ||
                      (is_of_content(a->status) && is_of_content(b->status)),
                  "the same status");
    /* Bytes both corrupt and not text: the cut decides which is reported. */
    ground_demand(a->error == b->error || is_of_content(a->status),
                  "the same error");
    ground_demand(a->size == b->size &&
                      memcmp(a->events, b->events, a->size) == 0,
                  "the same events");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole_events[EVENTS];
    static char cut_events[EVENTS];
    struct outcome whole = {.events = whole_events};
    struct outcome cut = {.events = cut_events};
    struct sl_view wire;
    size_t first;

    if (size < OPTIONS || size > INPUT_MOST)
        return 0;
    first = (size_t)(data[1] >> 1) + 1;
    wire = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    receive(&whole, wire, wire.size, wire.size, data);
    receive(&cut, wire, first, data[1] & 1 ? first : SIZE_MAX, data);
    compare(&whole, &cut);
    return 0;
}
