#include "ws/message.h"

#include <string.h>

/* Masked payload is copied in pieces of at most that many bytes. */
#define PIECE ((size_t)4096)

void sl_ws_message_init(struct sl_ws_message *message, struct sl_pool *pool,
                        size_t max_size)
{
    memset(message, 0, sizeof(*message));
    sl_buffer_init(&message->payload, pool, SIZE_MAX);
    sl_utf8_init(&message->utf8);
    message->max_size = max_size;
}

void sl_ws_message_fini(struct sl_ws_message *message)
{
    sl_buffer_fini(&message->payload);
}

/* The next frame begins a message. */
static void forget(struct sl_ws_message *message)
{
    sl_utf8_init(&message->utf8);
    message->left = 0;
    message->is_begun = false;
    message->failed = SL_OK;
}

void sl_ws_message_reset(struct sl_ws_message *message)
{
    sl_buffer_reset(&message->payload);
    forget(message);
}

static enum sl_status fail(struct sl_ws_message *message, enum sl_status status)
{
    message->failed = status;
    return status;
}

enum sl_status sl_ws_message_begin(struct sl_ws_message *message,
                                   const struct sl_ws_frame *frame)
{
    sl_assert(!sl_ws_is_control(frame) && message->left == 0);
    if (message->failed != SL_OK)
        return message->failed;
    if (frame->size > message->max_size - message->payload.length)
        return fail(message, SL_LIMIT);
    if (!message->is_begun) {
        message->is_text = frame->opcode == SL_WS_TEXT;
        message->is_compressed = frame->is_compressed;
    }
    message->is_begun = true;
    message->frame = *frame;
    message->left = frame->size;
    return SL_OK;
}

/* Copies the first `size` bytes of `input` and takes their mask off; they are
 * contiguous. */
static enum sl_status copy_unmasked(struct sl_ws_message *message,
                                    struct sl_buffer *input, size_t size)
{
    const struct sl_ws_frame *frame = &message->frame;
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve(&message->payload, 1, &room);

    if (status != SL_OK)
        return status;
    if (size > room.size)
        size = room.size;
    sl_mask_copy(room.data, sl_buffer_peek(input).data, size, frame->key,
                 frame->size - message->left);
    sl_buffer_commit(&message->payload, size);
    sl_buffer_consume(input, size);
    message->left -= size;
    return SL_OK;
}

/* The last `size` bytes of the payload. */
static enum sl_status check_last(struct sl_ws_message *message, size_t size)
{
    size_t at = message->payload.length - size;

    while (at < message->payload.length) {
        struct sl_view piece = sl_buffer_at(&message->payload, at);

        if (sl_utf8_check(&message->utf8, piece) != SL_OK)
            return SL_DECODE;
        at += piece.size;
    }
    return SL_OK;
}

/* Takes a piece that lies in one segment of `input`. */
static enum sl_status take_piece(struct sl_ws_message *message,
                                 struct sl_buffer *input)
{
    size_t before = message->payload.length;
    size_t size = sl_buffer_peek(input).size;
    enum sl_status status;

    if (size > message->left)
        size = (size_t)message->left;
    if (message->frame.is_masked) {
        status = copy_unmasked(message, input, size < PIECE ? size : PIECE);
    } else {
        status = sl_buffer_move(&message->payload, input, size);
        message->left -= message->payload.length - before;
    }
    if (status == SL_OK && message->is_text && !message->is_compressed)
        status = check_last(message, message->payload.length - before);
    return status;
}

/* The frame is over. */
static enum sl_status end_frame(struct sl_ws_message *message)
{
    if (!message->frame.is_final)
        return SL_END;
    if (message->is_text && !message->is_compressed &&
        sl_utf8_end(&message->utf8) != SL_OK)
        return fail(message, SL_DECODE);
    return SL_OK;
}

enum sl_status sl_ws_message_take(struct sl_ws_message *message,
                                  struct sl_buffer *input)
{
    sl_assert(message->is_begun || message->failed != SL_OK);
    if (message->failed != SL_OK)
        return message->failed;
    while (message->left > 0) {
        enum sl_status status;

        if (input->length == 0)
            return SL_AGAIN;
        status = take_piece(message, input);
        if (status != SL_OK)
            return fail(message, status);
    }
    return end_frame(message);
}

enum sl_status sl_ws_message_detach(struct sl_ws_message *message,
                                    struct sl_buffer *payload)
{
    enum sl_status status = sl_buffer_take(payload, &message->payload);

    if (status == SL_OK)
        forget(message);
    return status;
}
