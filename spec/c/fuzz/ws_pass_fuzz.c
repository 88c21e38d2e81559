/* Messages from one end to the other: what is received is what was sent,
 * however it is cut, compressed and framed.
 *
 *   byte 0   1: a server sends  2: compression  4: without context
 *   byte 1   bits of the window
 *   byte 2   the least size that is compressed
 *   byte 3   the limit of the wire
 *   rest     commands: a letter's worth of what to do, a size, and payload
 *
 * An input passes more code than any other target's: to weigh the rarity of all
 * of it takes as long as the run.
 * flags: -entropic=0
 */
#include "spec/c/fuzz/ground.h"
#include "ws/incoming.h"
#include "ws/outgoing.h"

#include <string.h>

#define INPUT_MOST 160
#define OPTIONS    4

struct ends {
    struct sl_pool *pool;
    struct sl_buffer wire;
    struct sl_buffer received;
    struct sl_buffer sent;
    struct sl_ws_outgoing outgoing;
    struct sl_ws_incoming incoming;
    size_t sent_messages;
    size_t received_messages;
    size_t sent_pings;
    size_t received_pings;
};

static enum sl_status fill(void *bytes, size_t size)
{
    memset(bytes, 0xa5, size);
    return SL_OK;
}

static void begin(struct ends *ends, const uint8_t *options)
{
    unsigned char bits = (unsigned char)(8 + (options[1] & 7));
    struct sl_ws_options ws = {.is_server = (options[0] & 1) != 0,
                               .max_size = SIZE_MAX,
                               .compress_from = options[2],
                               .random = fill};

    memset(ends, 0, sizeof *ends);
    if ((options[0] & 2) != 0) {
        bool forgets = (options[0] & 4) != 0;

        ws.compression =
            (struct sl_ws_compression){true, forgets, forgets, bits, bits};
    }
    ends->pool = ground_pool(SL_POOL_SLABS, 64);
    sl_buffer_init(&ends->wire, ends->pool, (size_t)options[3] + 64);
    sl_buffer_init(&ends->received, ends->pool, SIZE_MAX);
    sl_buffer_init(&ends->sent, ends->pool, SIZE_MAX);
    sl_ws_outgoing_init(&ends->outgoing, ends->pool, &ws);
    ws.is_server = !ws.is_server;
    sl_ws_incoming_init(&ends->incoming, ends->pool, &ws);
}

static void end(struct ends *ends)
{
    sl_ws_outgoing_fini(&ends->outgoing);
    sl_ws_incoming_fini(&ends->incoming);
    sl_buffer_fini(&ends->wire);
    sl_buffer_fini(&ends->received);
    sl_buffer_fini(&ends->sent);
    ground_all_returned();
}

/* Takes what is on the wire. */
static void receive(struct ends *ends)
{
    struct sl_ws_event event;
    enum sl_status status;

    while ((status = sl_ws_incoming_next(&ends->incoming, &ends->wire,
                                         &event)) == SL_OK) {
        if (event.type == SL_WS_GOT_PING) {
            ends->received_pings++;
            continue;
        }
        if (event.type == SL_WS_GOT_PART)
            continue;
        ground_demand(event.type == SL_WS_GOT_MESSAGE,
                      "messages and pings alone");
        ends->received_messages++;
        ground_demand(sl_ws_message_detach(&ends->incoming.message,
                                           &ends->received) == SL_OK,
                      "memory");
    }
    ground_demand(status == SL_AGAIN, "what is sent is good");
}

static void ping(struct ends *ends, struct sl_view payload)
{
    enum sl_status status = sl_ws_outgoing_control(&ends->outgoing, SL_WS_PING,
                                                   payload, &ends->wire);

    ground_demand(status == SL_OK || status == SL_LIMIT,
                  "a ping goes between frames");
    if (status == SL_OK)
        ends->sent_pings++;
}

/* Sends a piece, `step` bytes at a time. */
static void send(struct ends *ends, struct sl_view payload, bool is_last,
                 size_t step)
{
    enum sl_ws_opcode type =
        ends->outgoing.is_in_message ? SL_WS_CONTINUATION : SL_WS_BINARY;

    ground_demand(sl_buffer_append(&ends->sent, payload) == SL_OK, "memory");
    ground_demand(sl_ws_outgoing_begin(&ends->outgoing, type, payload.size,
                                       is_last) == SL_OK,
                  "a piece begins");
    while (ends->outgoing.is_writing) {
        size_t consumed;
        struct sl_view piece =
            sl_view(payload.data, payload.size < step ? payload.size : step);
        enum sl_status status = sl_ws_outgoing_write(&ends->outgoing, piece,
                                                     &ends->wire, &consumed);

        ground_demand(status == SL_OK || status == SL_LIMIT,
                      "only the wire is full");
        ground_demand(consumed <= piece.size, "no more is taken than there is");
        payload.data += consumed;
        payload.size -= consumed;
        receive(ends);
    }
    ground_demand(payload.size == 0, "all of it is taken");
    if (is_last)
        ends->sent_messages++;
}

static void compare(struct ends *ends)
{
    ground_demand(ends->sent_messages == ends->received_messages,
                  "each message");
    ground_demand(ends->sent_pings == ends->received_pings, "each ping");
    ground_demand(ends->sent.length == ends->received.length, "each byte");
    while (ends->sent.length > 0) {
        struct sl_view a = sl_buffer_peek(&ends->sent);
        struct sl_view b = sl_buffer_peek(&ends->received);
        size_t size = a.size < b.size ? a.size : b.size;

        ground_demand(memcmp(a.data, b.data, size) == 0, "the same bytes");
        sl_buffer_consume(&ends->sent, size);
        sl_buffer_consume(&ends->received, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ends ends;
    size_t at = OPTIONS;

    if (size < OPTIONS)
        return 0;
    begin(&ends, data);
    while (at + 2 <= size) {
        uint8_t command = data[at];
        size_t most = (size_t)data[at + 1] << ((command & 1) != 0 ? 3 : 0);
        size_t left = size - at - 2;
        struct sl_view payload =
            sl_view((const char *)data + at + 2, most < left ? most : left);

        at += 2 + payload.size;
        if ((command & 2) != 0) {
            if (payload.size > SL_WS_CONTROL_MAX)
                payload.size = SL_WS_CONTROL_MAX;
            ping(&ends, payload);
        } else {
            send(&ends, payload, (command & 4) != 0, (command >> 3) + 1u);
        }
        receive(&ends);
    }
    if (ends.outgoing.is_in_message)
        send(&ends, sl_view("", 0), true, 1);
    compare(&ends);
    end(&ends);
    return 0;
}
