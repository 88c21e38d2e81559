#include "ws/incoming.h"

#include <string.h>

/* What the next byte belongs to. */
enum phase {
    HEAD,    /* the head of a frame */
    DATA,    /* the payload of a fragment, perhaps none */
    CONTROL, /* the payload of a control frame, perhaps none */
    CLOSED   /* nothing that counts */
};

void sl_ws_incoming_init(struct sl_ws_incoming *incoming, struct sl_pool *pool,
                         const struct sl_ws_options *options)
{
    memset(incoming, 0, sizeof(*incoming));
    sl_ws_reader_init(&incoming->reader, options->is_server,
                      options->compression.is_agreed);
    sl_ws_message_init(&incoming->message, pool, options);
    incoming->phase = HEAD;
}

void sl_ws_incoming_fini(struct sl_ws_incoming *incoming)
{
    sl_ws_message_fini(&incoming->message);
}

bool sl_ws_incoming_is_idle(const struct sl_ws_incoming *incoming)
{
    const struct sl_ws_reader *reader = &incoming->reader;

    return incoming->phase == HEAD && incoming->failed == SL_OK &&
           reader->held == 0 && !reader->is_in_message && !reader->may_compress;
}

bool sl_ws_incoming_is_between(const struct sl_ws_incoming *incoming)
{
    return incoming->phase == HEAD && incoming->failed == SL_OK;
}

static enum sl_status fail(struct sl_ws_incoming *incoming,
                           enum sl_status status, const char *error)
{
    incoming->failed = status;
    incoming->error = error;
    return status;
}

/* Why there is no message. */
static enum sl_status fail_message(struct sl_ws_incoming *incoming,
                                   enum sl_status status)
{
    if (status == SL_DECODE)
        return fail(incoming, status, incoming->message.error);
    if (status == SL_LIMIT)
        return fail(incoming, status, "a message is too large");
    return fail(incoming, status, "out of memory");
}

/* SL_AGAIN: more bytes are needed. SL_OK: go on. */
static enum sl_status read_head(struct sl_ws_incoming *incoming,
                                struct sl_buffer *input)
{
    enum sl_status status;
    size_t used;

    if (input->length == 0)
        return SL_AGAIN;
    status = sl_ws_reader_next(&incoming->reader, sl_buffer_peek(input), &used,
                               &incoming->frame);
    sl_buffer_consume(input, used);
    if (status == SL_AGAIN)
        return SL_OK; /* the head goes on in the next segment, if any */
    if (status != SL_OK)
        return fail(incoming, status, incoming->reader.error);
    if (sl_ws_is_control(&incoming->frame)) {
        incoming->control_size = 0;
        incoming->phase = CONTROL;
        return SL_OK;
    }
    status = sl_ws_message_begin(&incoming->message, &incoming->frame);
    if (status != SL_OK)
        return fail_message(incoming, status);
    incoming->phase = DATA;
    return SL_OK;
}

/* SL_OK: the event is complete. SL_END: go on. */
static enum sl_status read_data(struct sl_ws_incoming *incoming,
                                struct sl_buffer *input,
                                struct sl_ws_event *event, size_t *budget)
{
    enum sl_status status =
        sl_ws_message_take(&incoming->message, input, budget);

    event->payload = sl_view(NULL, 0);
    event->type = SL_WS_GOT_PART;
    if (status == SL_AGAIN)
        return *budget == 0 ? SL_OK : SL_AGAIN;
    if (status != SL_OK && status != SL_END)
        return fail_message(incoming, status);
    incoming->phase = HEAD;
    event->type = SL_WS_GOT_MESSAGE;
    return status;
}

static enum sl_status read_closing(struct sl_ws_incoming *incoming,
                                   struct sl_ws_event *event)
{
    enum sl_status status = sl_ws_closing_read(event->payload, &event->closing);

    if (status == SL_DECODE)
        return fail(incoming, status, "the reason of a Close is not UTF-8");
    if (status != SL_OK)
        return fail(incoming, status, "the code of a Close is invalid");
    incoming->phase = CLOSED;
    return SL_OK;
}

/* SL_OK: the event is complete. */
static enum sl_status read_control(struct sl_ws_incoming *incoming,
                                   struct sl_buffer *input,
                                   struct sl_ws_event *event)
{
    const struct sl_ws_frame *frame = &incoming->frame;
    char *rest = incoming->control + incoming->control_size;
    size_t size = sl_buffer_copy_out(
        input, 0, rest, (size_t)frame->size - incoming->control_size);

    if (frame->is_masked)
        sl_mask_copy(rest, rest, size, frame->key, incoming->control_size);
    sl_buffer_consume(input, size);
    incoming->control_size += size;
    if (incoming->control_size < frame->size)
        return SL_AGAIN;
    incoming->phase = HEAD;
    event->payload = sl_view(incoming->control, incoming->control_size);
    if (frame->opcode == SL_WS_CLOSE) {
        event->type = SL_WS_GOT_CLOSE;
        return read_closing(incoming, event);
    }
    event->type = frame->opcode == SL_WS_PING ? SL_WS_GOT_PING : SL_WS_GOT_PONG;
    return SL_OK;
}

enum sl_status sl_ws_incoming_next(struct sl_ws_incoming *incoming,
                                   struct sl_buffer *input,
                                   struct sl_ws_event *event)
{
    enum sl_status status = incoming->failed;
    size_t budget = SL_WS_PART;

    while (status == SL_OK) {
        switch ((enum phase)incoming->phase) {
        case HEAD:
            status = read_head(incoming, input);
            break;
        case DATA:
            status = read_data(incoming, input, event, &budget);
            if (status == SL_OK)
                return SL_OK;
            if (status == SL_END)
                status = SL_OK;
            break;
        case CONTROL:
            status = read_control(incoming, input, event);
            if (status == SL_OK)
                return SL_OK;
            break;
        case CLOSED:
            sl_buffer_consume(input, input->length);
            return SL_END;
        }
    }
    return status;
}
