#include "ws/message.h"

#include "codec/decoder.h"

#include <string.h>

/* Masked payload is copied in pieces of at most that many bytes. */
#define PIECE ((size_t)4096)

void sl_ws_message_init(struct sl_ws_message *message, struct sl_pool *pool,
                        const struct sl_ws_options *options)
{
    const struct sl_ws_compression *agreed = &options->compression;

    memset(message, 0, sizeof(*message));
    sl_buffer_init(&message->payload, pool, options->max_size);
    sl_utf8_init(&message->utf8);
    message->max_size = options->max_size;
    message->bits =
        options->is_server ? agreed->client_bits : agreed->server_bits;
    message->peer_forgets =
        options->is_server ? agreed->client_forgets : agreed->server_forgets;
}

static void drop_inflater(struct sl_ws_message *message)
{
    sl_ws_inflater_destroy(message->inflater);
    message->inflater = NULL;
}

void sl_ws_message_fini(struct sl_ws_message *message)
{
    drop_inflater(message);
    sl_buffer_fini(&message->payload);
}

/* The next frame begins a message. */
static void forget(struct sl_ws_message *message)
{
    sl_utf8_init(&message->utf8);
    message->left = 0;
    message->is_begun = false;
    message->failed = SL_OK;
    message->error = NULL;
}

void sl_ws_message_reset(struct sl_ws_message *message)
{
    if (message->failed != SL_OK || message->left > 0 ||
        !message->frame.is_final)
        drop_inflater(message);
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
    enum sl_status status = SL_OK;

    sl_assert(!sl_ws_is_control(frame) && message->left == 0);
    if (message->failed != SL_OK)
        return message->failed;
    if (!message->is_begun) {
        message->is_text = frame->opcode == SL_WS_TEXT;
        message->is_compressed = frame->is_compressed;
    }
    if (!message->is_compressed &&
        frame->size > message->max_size - message->payload.length)
        status = SL_LIMIT;
    if (message->is_compressed && message->inflater == NULL)
        status = sl_ws_inflater_create(
            sl_decoder_inflate, message->payload.pool, message->bits,
            !message->peer_forgets, &message->inflater);
    if (status != SL_OK)
        return fail(message, status);
    message->is_begun = true;
    message->frame = *frame;
    message->left = frame->size;
    return SL_OK;
}

/* ---- payload ---- */

/* Copies the first `size` bytes of `input` and takes their mask off; they are
 * contiguous. */
static enum sl_status copy_unmasked(struct sl_ws_message *message,
                                    struct sl_buffer *input,
                                    struct sl_buffer *to, size_t size)
{
    const struct sl_ws_frame *frame = &message->frame;
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve(to, 1, &room);

    if (status != SL_OK)
        return status;
    if (size > room.size)
        size = room.size;
    sl_mask_copy(room.data, sl_buffer_peek(input).data, size, frame->key,
                 frame->size - message->left);
    sl_buffer_commit(to, size);
    sl_buffer_consume(input, size);
    message->left -= size;
    return SL_OK;
}

/* Whether the piece is all of a message that would be copied out of a segment
 * for its own good in any case: see sl_buffer_compact. */
static bool is_small_whole(const struct sl_ws_message *message,
                           const struct sl_buffer *to, size_t size)
{
    return size == message->frame.size && message->frame.is_final &&
           to->length == 0 && !message->is_compressed &&
           size <= to->pool->options.segment_size / 2;
}

/* Copies it at once to where it can stay. */
static enum sl_status copy_whole(struct sl_ws_message *message,
                                 struct sl_buffer *input, struct sl_buffer *to)
{
    const struct sl_ws_frame *frame = &message->frame;
    const char *from = sl_buffer_peek(input).data;
    size_t size = (size_t)frame->size;
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve_fitting(to, size, &room);

    sl_assert(from != NULL);
    if (status != SL_OK)
        return status;
    if (frame->is_masked)
        sl_mask_copy(room.data, from, size, frame->key, 0);
    else
        memcpy(room.data, from, size);
    sl_buffer_commit(to, size);
    sl_buffer_consume(input, size);
    message->left = 0;
    return SL_OK;
}

/* Moves a piece of the frame's payload, which lies in one segment, to the end
 * of `to`. */
static enum sl_status move_piece(struct sl_ws_message *message,
                                 struct sl_buffer *input, struct sl_buffer *to)
{
    size_t before = to->length;
    size_t size = sl_buffer_peek(input).size;
    enum sl_status status;

    if (size > message->left)
        size = (size_t)message->left;
    if (is_small_whole(message, to, size))
        return copy_whole(message, input, to);
    if (message->frame.is_masked)
        return copy_unmasked(message, input, to, size < PIECE ? size : PIECE);
    status = sl_buffer_move(to, input, size);
    message->left -= to->length - before;
    return status;
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

static enum sl_status take_piece(struct sl_ws_message *message,
                                 struct sl_buffer *input)
{
    size_t before = message->payload.length;
    enum sl_status status = move_piece(message, input, &message->payload);

    if (status == SL_OK && message->is_text)
        status = check_last(message, message->payload.length - before);
    if (status == SL_DECODE)
        message->error = "text is not UTF-8";
    return status;
}

/* Statuses of sl_ws_message_take. */
static enum sl_status take_plain(struct sl_ws_message *message,
                                 struct sl_buffer *input)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && message->left > 0) {
        if (input->length == 0)
            return SL_AGAIN;
        status = take_piece(message, input);
    }
    return status == SL_OK && !message->frame.is_final ? SL_END : status;
}

static struct sl_utf8 *text_check(struct sl_ws_message *message)
{
    return message->is_text ? &message->utf8 : NULL;
}

/* Statuses of sl_ws_message_take. */
static enum sl_status take_compressed(struct sl_ws_message *message,
                                      struct sl_buffer *input, size_t *budget)
{
    struct sl_ws_inflater *inflater = message->inflater;
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        bool is_last = message->left == 0 && message->frame.is_final;

        status =
            sl_ws_inflater_run(inflater, &message->payload, is_last,
                               text_check(message), budget, &message->error);
        if (status == SL_OK)
            return SL_AGAIN;
        if (status != SL_AGAIN)
            return status == SL_END ? SL_OK : status;
        if (message->left == 0)
            return SL_END;
        if (input->length > 0)
            status = move_piece(message, input, sl_ws_inflater_input(inflater));
    }
    return status;
}

/* The message is over. */
static enum sl_status end_message(struct sl_ws_message *message)
{
    if (message->is_text && sl_utf8_end(&message->utf8) != SL_OK) {
        message->error = "text is not UTF-8";
        return SL_DECODE;
    }
    if (message->is_compressed && message->peer_forgets)
        drop_inflater(message);
    return SL_OK;
}

enum sl_status sl_ws_message_take(struct sl_ws_message *message,
                                  struct sl_buffer *input, size_t *budget)
{
    enum sl_status status;

    sl_assert(message->is_begun || message->failed != SL_OK);
    if (message->failed != SL_OK)
        return message->failed;
    status = message->is_compressed ? take_compressed(message, input, budget)
                                    : take_plain(message, input);
    if (status == SL_OK)
        status = end_message(message);
    return sl_is_failure(status) ? fail(message, status) : status;
}

enum sl_status sl_ws_message_detach(struct sl_ws_message *message,
                                    struct sl_buffer *payload)
{
    enum sl_status status;

    /* What was inflated lies in room for more. */
    if (message->is_compressed)
        sl_buffer_compact(&message->payload);
    status = sl_buffer_take(payload, &message->payload);
    if (status == SL_OK)
        forget(message);
    return status;
}
