#include "ws/outgoing.h"

#include <string.h>

/* So much payload, or what there is of it, stands in one piece of memory with
 * its head: a small message is sent at once. */
#define WITH_HEAD ((size_t)4096)

void sl_ws_outgoing_init(struct sl_ws_outgoing *outgoing, struct sl_pool *pool,
                         const struct sl_ws_options *options)
{
    const struct sl_ws_compression *agreed = &options->compression;

    memset(outgoing, 0, sizeof(*outgoing));
    outgoing->pool = pool;
    outgoing->is_server = options->is_server;
    outgoing->random = options->random;
    outgoing->compress_from = options->compress_from;
    outgoing->bits =
        options->is_server ? agreed->server_bits : agreed->client_bits;
    outgoing->forgets =
        options->is_server ? agreed->server_forgets : agreed->client_forgets;
}

static void drop_deflater(struct sl_ws_outgoing *outgoing)
{
    sl_ws_deflater_destroy(outgoing->deflater);
    outgoing->deflater = NULL;
}

void sl_ws_outgoing_fini(struct sl_ws_outgoing *outgoing)
{
    drop_deflater(outgoing);
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

    if (outgoing->is_server || outgoing->keys_left > 0)
        return SL_OK;
    status = outgoing->random(outgoing->keys, sizeof outgoing->keys);
    if (status == SL_OK)
        outgoing->keys_left = SL_WS_KEYS;
    return status;
}

/* Each key is used once, and then forgotten. */
static void take_key(struct sl_ws_outgoing *outgoing, struct sl_ws_frame *frame)
{
    unsigned char *key;

    frame->is_masked = !outgoing->is_server;
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
    frame->is_compressed =
        outgoing->is_compressed && frame->opcode != SL_WS_CONTINUATION;
    frame->size = size;
    take_key(outgoing, frame);
    outgoing->next_opcode = SL_WS_CONTINUATION;
    outgoing->frame_left = size;
    outgoing->is_head_due = true;
}

/* Appends the first bytes of `payload`, which stand at `offset` in the frame's,
 * behind its head if that is due: as many as there is room for in one piece of
 * memory, and at least `least`, or nothing. */
static enum sl_status append(const struct sl_ws_frame *frame, bool is_head_due,
                             struct sl_view payload, uint64_t offset,
                             size_t least, struct sl_buffer *output,
                             size_t *consumed)
{
    char head[SL_WS_HEAD_MAX];
    size_t head_size = is_head_due ? sl_ws_frame_write(frame, head) : 0;
    size_t size;
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve(output, head_size + least, &room);

    if (status != SL_OK)
        return status;
    size = room.size - head_size;
    if (size > payload.size)
        size = payload.size;
    sl_assert(size == 0 || payload.data != NULL);
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

static size_t at_most(size_t size, size_t most)
{
    return size < most ? size : most;
}

/* Appends a piece of the frame under way. */
static enum sl_status append_piece(struct sl_ws_outgoing *outgoing,
                                   struct sl_view payload,
                                   struct sl_buffer *output, size_t *consumed)
{
    uint64_t offset = outgoing->frame.size - outgoing->frame_left;
    bool is_head_due = outgoing->is_head_due;
    enum sl_status status = append(
        &outgoing->frame, is_head_due, payload, offset,
        at_most(payload.size, is_head_due ? WITH_HEAD : 1), output, consumed);

    /* A buffer with little room takes the head with less. */
    if (status == SL_LIMIT && is_head_due)
        status = append(&outgoing->frame, true, payload, offset,
                        at_most(payload.size, 1), output, consumed);
    return status;
}

/* Appends what belongs to the frame under way. A failure counts only when
 * nothing was appended: the next call meets it again. */
static enum sl_status append_frame(struct sl_ws_outgoing *outgoing,
                                   struct sl_view payload,
                                   struct sl_buffer *output, size_t *consumed)
{
    *consumed = 0;
    if (payload.size > outgoing->frame_left)
        payload.size = (size_t)outgoing->frame_left;
    while (outgoing->is_head_due || payload.size > 0) {
        size_t size;
        enum sl_status status = append_piece(outgoing, payload, output, &size);

        if (status != SL_OK)
            return *consumed > 0 ? SL_OK : status;
        outgoing->is_head_due = false;
        outgoing->frame_left -= size;
        sl_view_cut(&payload, size);
        *consumed += size;
    }
    return SL_OK;
}

/* ---- compressed messages ---- */

static bool should_compress(const struct sl_ws_outgoing *outgoing,
                            uint64_t size, bool is_whole)
{
    if (!sl_ws_deflater_can(outgoing->bits))
        return false;
    return !is_whole || (size > 0 && size >= outgoing->compress_from);
}

/* A message that will be compressed begins. */
static enum sl_status have_deflater(struct sl_ws_outgoing *outgoing)
{
    if (outgoing->deflater != NULL)
        return SL_OK;
    return sl_ws_deflater_create(sl_compressor_fastest, outgoing->pool,
                                 outgoing->bits, &outgoing->deflater);
}

/* Compresses bytes of the piece. When there are enough for a frame, or the
 * message is over, a frame becomes due. */
static enum sl_status compress(struct sl_ws_outgoing *outgoing,
                               struct sl_view *payload)
{
    struct sl_ws_deflater *deflater = outgoing->deflater;
    const struct sl_buffer *deflated = sl_ws_deflater_output(deflater);
    size_t before = payload->size;
    enum sl_status status = sl_ws_deflater_run(deflater, payload);

    outgoing->piece_left -= before - payload->size;
    if (status != SL_OK)
        return status;
    if (outgoing->piece_left == 0 && !outgoing->is_in_message) {
        status = sl_ws_deflater_end(deflater);
        if (status == SL_OK)
            begin_frame(outgoing, deflated->length - SL_WS_TAIL_SIZE, true);
        return status;
    }
    if (deflated->length >= SL_WS_STEP)
        begin_frame(outgoing, deflated->length, false);
    return SL_OK;
}

/* Appends the frame that is due. */
static enum sl_status append_compressed(struct sl_ws_outgoing *outgoing,
                                        struct sl_buffer *output)
{
    struct sl_buffer *deflated = sl_ws_deflater_output(outgoing->deflater);

    while (outgoing->is_head_due || outgoing->frame_left > 0) {
        size_t taken;
        enum sl_status status =
            append_frame(outgoing, sl_buffer_peek(deflated), output, &taken);

        if (status != SL_OK)
            return status;
        sl_buffer_consume(deflated, taken);
    }
    return SL_OK;
}

/* Its last frame is appended. */
static void end_compressed(struct sl_ws_outgoing *outgoing)
{
    sl_buffer_reset(sl_ws_deflater_output(outgoing->deflater));
    if (outgoing->forgets)
        drop_deflater(outgoing);
}

static enum sl_status write_compressed(struct sl_ws_outgoing *outgoing,
                                       struct sl_view payload,
                                       struct sl_buffer *output,
                                       size_t *consumed)
{
    size_t before;
    enum sl_status status = have_key(outgoing);
    bool is_due = outgoing->is_head_due || outgoing->frame_left > 0;

    if (payload.size > outgoing->piece_left)
        payload.size = (size_t)outgoing->piece_left;
    before = payload.size;
    if (status == SL_OK && !is_due)
        status = compress(outgoing, &payload);
    if (status == SL_OK)
        status = append_compressed(outgoing, output);
    *consumed = before - payload.size;
    /* What is due is met again by the next call. */
    if (status != SL_OK)
        return *consumed > 0 ? SL_OK : status;
    outgoing->is_writing = outgoing->piece_left > 0;
    if (!outgoing->is_writing && !outgoing->is_in_message)
        end_compressed(outgoing);
    return SL_OK;
}

/* ---- messages ---- */

enum sl_status sl_ws_outgoing_begin(struct sl_ws_outgoing *outgoing,
                                    enum sl_ws_opcode type, uint64_t size,
                                    bool is_last)
{
    bool is_first = type != SL_WS_CONTINUATION;
    bool is_compressed = is_first ? should_compress(outgoing, size, is_last)
                                  : outgoing->is_compressed;
    enum sl_status status;

    if (outgoing->is_closed)
        return SL_CLOSED;
    if (outgoing->is_writing || type > SL_WS_BINARY || size > INT64_MAX ||
        outgoing->is_in_message == is_first)
        return SL_MISUSE;
    status = is_compressed ? have_deflater(outgoing) : have_key(outgoing);
    if (status != SL_OK)
        return status;
    if (is_first)
        outgoing->next_opcode = (unsigned char)type;
    outgoing->is_compressed = is_compressed;
    outgoing->is_in_message = !is_last;
    outgoing->is_writing = true;
    if (is_compressed)
        outgoing->piece_left = size;
    else
        begin_frame(outgoing, size, is_last);
    return SL_OK;
}

static enum sl_status write_plain(struct sl_ws_outgoing *outgoing,
                                  struct sl_view payload,
                                  struct sl_buffer *output, size_t *consumed)
{
    enum sl_status status = append_frame(outgoing, payload, output, consumed);

    outgoing->is_writing = status != SL_OK || outgoing->frame_left > 0;
    return status;
}

enum sl_status sl_ws_outgoing_write(struct sl_ws_outgoing *outgoing,
                                    struct sl_view payload,
                                    struct sl_buffer *output, size_t *consumed)
{
    *consumed = 0;
    if (!outgoing->is_writing)
        return outgoing->is_closed ? SL_CLOSED : SL_MISUSE;
    if (payload.size > SL_WS_STEP)
        payload.size = SL_WS_STEP;
    return outgoing->is_compressed
               ? write_compressed(outgoing, payload, output, consumed)
               : write_plain(outgoing, payload, output, consumed);
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
    return append(&frame, true, payload, 0, payload.size, output, &consumed);
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
