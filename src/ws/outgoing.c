#include "ws/outgoing.h"

#include <string.h>

/* So much payload, or what there is of it, stands in one piece of memory with its
 * head: a small message is sent at once. */
#define WITH_HEAD ((size_t)4096)

void sl_ws_outgoing_init(struct sl_ws_outgoing *outgoing, struct sl_pool *pool,
                         const struct sl_ws_options *options)
{
    memset(outgoing, 0, sizeof(*outgoing));
    outgoing->pool = pool;
    outgoing->options = *options;
}

void sl_ws_outgoing_fini(struct sl_ws_outgoing *outgoing)
{
    outgoing->is_in_message = false;
    outgoing->is_writing = false;
    outgoing->is_head_due = false;
    outgoing->frame_left = 0;
}

/* ---- frames ---- */

/* Makes sure of a key for the next frame. Random bytes come in batches: asking
 * for them costs more than making them. */
static enum sl_status have_key(struct sl_ws_outgoing *outgoing)
{
    enum sl_status status;

    if (outgoing->options.is_server || outgoing->keys_left > 0)
        return SL_OK;
    status = outgoing->options.random(outgoing->keys, sizeof outgoing->keys);
    if (status == SL_OK)
        outgoing->keys_left = SL_WS_KEYS;
    return status;
}

/* Each key is used once, and then forgotten. */
static void take_key(struct sl_ws_outgoing *outgoing, struct sl_ws_frame *frame)
{
    unsigned char *key;

    frame->is_masked = !outgoing->options.is_server;
    if (!frame->is_masked)
        return;
    key = outgoing->keys[--outgoing->keys_left];
    memcpy(frame->key, key, SL_MASK_SIZE);
    memset(key, 0, SL_MASK_SIZE);
}

/* The next frame of the message is due. */
static void begin_frame(struct sl_ws_outgoing *outgoing, uint64_t size,
                        bool is_final)
{
    struct sl_ws_frame *frame = &outgoing->frame;

    memset(frame, 0, sizeof *frame);
    frame->opcode = outgoing->next_opcode;
    frame->is_final = is_final;
    frame->size = size;
    take_key(outgoing, frame);
    outgoing->next_opcode = SL_WS_CONTINUATION;
    outgoing->frame_left = size;
    outgoing->is_head_due = true;
}

/* Appends bytes of a frame from `offset` in its payload, behind its head if that
 * is due, as many as there is room for in one piece of memory. */
static enum sl_status append(const struct sl_ws_frame *frame, bool is_head_due,
                             struct sl_view payload, struct sl_buffer *output,
                             uint64_t offset, size_t *consumed)
{
    char head[SL_WS_HEAD_MAX];
    size_t head_size = is_head_due ? sl_ws_frame_write(frame, head) : 0;
    size_t size = payload.size < WITH_HEAD ? payload.size : WITH_HEAD;
    struct sl_room room;
    enum sl_status status =
        sl_buffer_reserve(output, is_head_due ? head_size + size : 1, &room);

    if (status != SL_OK)
        return status;
    size = room.size - head_size;
    if (size > payload.size)
        size = payload.size;
    memcpy(room.data, head, head_size);
    if (frame->is_masked)
        sl_mask_copy(room.data + head_size, payload.data, size, frame->key,
                     offset);
    else if (size > 0)
        memcpy(room.data + head_size, payload.data, size);
    sl_buffer_commit(output, head_size + size);
    *consumed = size;
    return SL_OK;
}

/* Appends what belongs to the frame under way. A failure counts only when nothing
 * was appended: the next call meets it again. */
static enum sl_status append_frame(struct sl_ws_outgoing *outgoing,
                                   struct sl_view payload,
                                   struct sl_buffer *output, size_t *consumed)
{
    *consumed = 0;
    if (payload.size > outgoing->frame_left)
        payload.size = (size_t)outgoing->frame_left;
    while (outgoing->is_head_due || payload.size > 0) {
        size_t size;
        enum sl_status status =
            append(&outgoing->frame, outgoing->is_head_due, payload, output,
                   outgoing->frame.size - outgoing->frame_left, &size);

        if (status != SL_OK)
            return *consumed > 0 ? SL_OK : status;
        outgoing->is_head_due = false;
        outgoing->frame_left -= size;
        payload.data += size;
        payload.size -= size;
        *consumed += size;
    }
    return SL_OK;
}

/* ---- messages ---- */

enum sl_status sl_ws_outgoing_begin(struct sl_ws_outgoing *outgoing,
                                    enum sl_ws_opcode type, uint64_t size,
                                    bool is_last)
{
    enum sl_status status;

    if (outgoing->is_closed)
        return SL_CLOSED;
    if (outgoing->is_writing || type > SL_WS_BINARY || size > INT64_MAX ||
        outgoing->is_in_message != (type == SL_WS_CONTINUATION))
        return SL_MISUSE;
    status = have_key(outgoing);
    if (status != SL_OK)
        return status;
    outgoing->next_opcode = (unsigned char)type;
    outgoing->is_in_message = !is_last;
    outgoing->is_writing = true;
    begin_frame(outgoing, size, is_last);
    return SL_OK;
}

enum sl_status sl_ws_outgoing_write(struct sl_ws_outgoing *outgoing,
                                    struct sl_view payload,
                                    struct sl_buffer *output, size_t *consumed)
{
    enum sl_status status;

    *consumed = 0;
    if (!outgoing->is_writing)
        return outgoing->is_closed ? SL_CLOSED : SL_MISUSE;
    if (payload.size > SL_WS_STEP)
        payload.size = SL_WS_STEP;
    status = append_frame(outgoing, payload, output, consumed);
    outgoing->is_writing = status != SL_OK || outgoing->frame_left > 0;
    return status;
}

/* ---- control frames ---- */

enum sl_status sl_ws_outgoing_control(struct sl_ws_outgoing *outgoing,
                                      enum sl_ws_opcode opcode,
                                      struct sl_view payload,
                                      struct sl_buffer *output)
{
    struct sl_ws_frame frame = {
        .opcode = (uint8_t)opcode, .is_final = true, .size = payload.size};
    enum sl_status status;
    size_t consumed;

    if (outgoing->is_closed)
        return SL_CLOSED;
    if (payload.size > SL_WS_CONTROL_MAX)
        return SL_INVALID;
    if (!sl_ws_outgoing_is_between(outgoing))
        return SL_AGAIN;
    status = have_key(outgoing);
    if (status != SL_OK)
        return status;
    take_key(outgoing, &frame);
    return append(&frame, true, payload, output, 0, &consumed);
}

enum sl_status sl_ws_outgoing_close(struct sl_ws_outgoing *outgoing,
                                    const struct sl_ws_closing *closing,
                                    struct sl_buffer *output)
{
    char payload[SL_WS_CONTROL_MAX];
    size_t size;
    enum sl_status status = sl_ws_closing_write(closing, payload, &size);

    if (status != SL_OK)
        return status;
    status = sl_ws_outgoing_control(outgoing, SL_WS_CLOSE,
                                    sl_view(payload, size), output);
    if (status != SL_OK)
        return status;
    sl_ws_outgoing_fini(outgoing);
    outgoing->is_closed = true;
    return SL_OK;
}
