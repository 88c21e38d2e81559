#include "conn/ws_sending.h"

#include "base/debug.h"

#include <string.h>

/* Pieces of the output that one send takes. */
#define SEND_VIEWS 8

/* Messages that are framed together, to be sent together. */
#define GATHER ((size_t)4 * 1024)

void sl_ws_sending_init(struct sl_ws_sending *sending,
                        struct sl_allocator *allocator, struct sl_pool *pool,
                        const struct sl_ws_options *options)
{
    memset(sending, 0, sizeof *sending);
    sending->allocator = allocator;
    sending->pool = pool;
    sending->options = options;
}

/* False: out of memory. */
static bool have_outlet(struct sl_ws_sending *sending)
{
    struct sl_ws_outlet *outlet = sending->outlet;

    if (outlet != NULL)
        return true;
    outlet = sl_allocate(sending->allocator, sizeof *outlet);
    if (outlet == NULL)
        return false;
    sl_ws_outgoing_init(&outlet->outgoing, sending->pool, sending->options);
    sl_buffer_init(&outlet->output, sending->pool, SIZE_MAX);
    sending->outlet = outlet;
    return true;
}

static void drop_outlet(struct sl_ws_sending *sending)
{
    struct sl_ws_outlet *outlet = sending->outlet;

    if (outlet == NULL)
        return;
    sending->outlet = NULL;
    sl_ws_outgoing_fini(&outlet->outgoing);
    sl_buffer_fini(&outlet->output);
    sl_free(sending->allocator, outlet, sizeof *outlet);
}

void sl_ws_sending_rest(struct sl_ws_sending *sending)
{
    const struct sl_ws_outlet *outlet = sending->outlet;

    if (outlet != NULL && outlet->output.length == 0 &&
        sl_ws_outgoing_is_idle(&outlet->outgoing))
        drop_outlet(sending);
}

static void drop_control(struct sl_ws_sending *sending,
                         struct sl_ws_control **control)
{
    if (*control != NULL)
        sl_free(sending->allocator, *control, sizeof **control);
    *control = NULL;
}

void sl_ws_sending_fini(struct sl_ws_sending *sending)
{
    sl_assert(sending->line.sending.first == NULL &&
              sending->line.waiting.first == NULL);
    drop_control(sending, &sending->pong);
    drop_control(sending, &sending->ping);
    drop_control(sending, &sending->close);
    drop_outlet(sending);
}

/* ---- control frames ---- */

static enum sl_status keep_control(struct sl_ws_sending *sending,
                                   struct sl_ws_control **control,
                                   struct sl_view payload)
{
    sl_assert(payload.size <= SL_WS_CONTROL_MAX);
    if (*control == NULL)
        *control = sl_allocate(sending->allocator, sizeof **control);
    if (*control == NULL)
        return SL_MEMORY;
    if (payload.size > 0)
        memcpy((*control)->payload, payload.data, payload.size);
    (*control)->size = payload.size;
    return SL_OK;
}

enum sl_status sl_ws_sending_pong(struct sl_ws_sending *sending,
                                  struct sl_view payload)
{
    return keep_control(sending, &sending->pong, payload);
}

enum sl_status sl_ws_sending_ping(struct sl_ws_sending *sending,
                                  struct sl_view payload)
{
    return keep_control(sending, &sending->ping, payload);
}

enum sl_status sl_ws_sending_close(struct sl_ws_sending *sending,
                                   const struct sl_ws_closing *closing)
{
    char payload[SL_WS_CONTROL_MAX];
    size_t size;
    enum sl_status status = sl_ws_closing_write(closing, payload, &size);

    return status == SL_OK
               ? keep_control(sending, &sending->close, sl_view(payload, size))
               : status;
}

/* Appends a control frame that waits. SL_END: none does. */
static enum sl_status frame_control(struct sl_ws_sending *sending)
{
    struct sl_ws_control **control =
        sending->pong != NULL ? &sending->pong : &sending->ping;
    enum sl_status status;

    if (*control == NULL)
        return SL_END;
    status = sl_ws_outgoing_control(
        &sending->outlet->outgoing,
        control == &sending->pong ? SL_WS_PONG : SL_WS_PING,
        sl_view((*control)->payload, (*control)->size),
        &sending->outlet->output);
    if (status == SL_OK)
        drop_control(sending, control);
    return status;
}

static enum sl_status frame_close(struct sl_ws_sending *sending)
{
    const struct sl_ws_control *close = sending->close;
    struct sl_ws_closing closing;
    enum sl_status status =
        sl_ws_closing_read(sl_view(close->payload, close->size), &closing);

    if (status == SL_OK)
        status = sl_ws_outgoing_close(&sending->outlet->outgoing, &closing,
                                      &sending->outlet->output);
    if (status == SL_OK)
        drop_control(sending, &sending->close);
    return status;
}

/* ---- framing ---- */

/* Begins a frame for the piece: all of a message that is whole, or a fragment
 * of at most SL_WS_STEP. */
static enum sl_status begin_frame(struct sl_ws_sending *sending,
                                  struct sl_ws_place *place)
{
    size_t size = place->size - place->taken;
    bool is_last = place->is_last;
    enum sl_status status;

    if (size > SL_WS_STEP && (place->is_begun || !is_last)) {
        size = SL_WS_STEP;
        is_last = false;
    }
    status = sl_ws_outgoing_begin(
        &sending->outlet->outgoing,
        place->is_begun ? SL_WS_CONTINUATION : place->type, size, is_last);
    if (status == SL_OK) {
        place->phase = SL_WS_PLACE_FRAMING;
        place->is_begun = true;
    }
    return status;
}

/* The bytes that come next, of which a frame takes as many as it has. */
static struct sl_view next_bytes(const struct sl_ws_place *place)
{
    if (place->text.data == NULL)
        return sl_sequence_at(&place->content, place->taken);
    return sl_view(place->text.data + place->taken, place->size - place->taken);
}

static enum sl_status frame_piece(struct sl_ws_sending *sending,
                                  struct sl_ws_place *place)
{
    struct sl_ws_outgoing *outgoing = &sending->outlet->outgoing;
    enum sl_status status = SL_OK;
    size_t consumed;

    if (!outgoing->is_writing)
        status = begin_frame(sending, place);
    if (status == SL_OK)
        status = sl_ws_outgoing_write(outgoing, next_bytes(place),
                                      &sending->outlet->output, &consumed);
    if (status != SL_OK)
        return status;
    place->taken += consumed;
    if (outgoing->is_writing || place->taken < place->size)
        return SL_OK;
    place->phase = SL_WS_PLACE_FRAMED;
    if (place->is_last) {
        place->is_begun = false;
        sending->line.current = place->next;
    }
    return SL_OK;
}

/* What may stand between two frames. SL_END: nothing has to. */
static enum sl_status frame_between(struct sl_ws_sending *sending)
{
    enum sl_status status;

    if (sending->outlet->outgoing.is_closed)
        return SL_END;
    status = frame_control(sending);
    if (status != SL_END)
        return status;
    if (sending->is_cut)
        sl_ws_line_end(sending->line.current, sending->cut_status);
    if (sending->close != NULL && sending->line.current == NULL)
        return frame_close(sending);
    return SL_END;
}

/* Appends a part of what is to be sent next. SL_END: there is nothing. */
static enum sl_status frame_next(struct sl_ws_sending *sending)
{
    struct sl_ws_place *place;

    if (sl_ws_outgoing_is_between(&sending->outlet->outgoing)) {
        enum sl_status status = frame_between(sending);

        if (status != SL_END)
            return status;
    }
    place = sending->line.current;
    if (place == NULL || (place->phase != SL_WS_PLACE_QUEUED &&
                          place->phase != SL_WS_PLACE_FRAMING))
        return SL_END;
    return frame_piece(sending, place);
}

/* Whether there may be something to frame. */
static bool is_waiting(const struct sl_ws_sending *sending)
{
    return sending->line.current != NULL || sending->pong != NULL ||
           sending->ping != NULL || sending->close != NULL;
}

/* Behind a piece another one may be framed if both are small: it has been sent
 * when the link has taken the other one, too. */
static enum sl_status fill(struct sl_ws_sending *sending)
{
    const struct sl_ws_place *first = sending->line.current;
    enum sl_status status = SL_OK;

    if (!is_waiting(sending))
        return SL_OK;
    if (!have_outlet(sending))
        return SL_MEMORY;
    while (status == SL_OK && sl_ws_sending_length(sending) < SL_WS_STEP &&
           (sending->line.current == first ||
            sl_ws_sending_length(sending) < GATHER))
        status = frame_next(sending);
    return status == SL_END ? SL_OK : status;
}

enum sl_status sl_ws_sending_frame(struct sl_ws_sending *sending,
                                   enum sl_ws_opcode type,
                                   const struct sl_ws_piece *piece)
{
    size_t size = sl_ws_piece_size(piece);
    struct sl_view bytes = piece->text;
    struct sl_ws_outgoing *outgoing;
    enum sl_status status;

    if (piece->sequence != NULL)
        bytes = sl_sequence_at(piece->sequence, 0);
    if (sending->line.sending.first != NULL ||
        sl_ws_sending_length(sending) > 0 || size > SL_WS_STEP ||
        bytes.size < size)
        return SL_AGAIN;
    if (!have_outlet(sending))
        return SL_MEMORY;
    outgoing = &sending->outlet->outgoing;
    sl_assert(!outgoing->is_in_message);
    status = sl_ws_outgoing_begin(outgoing, type, size, true);
    while (status == SL_OK && outgoing->is_writing) {
        size_t consumed;

        status = sl_ws_outgoing_write(outgoing, bytes, &sending->outlet->output,
                                      &consumed);
        if (status == SL_OK)
            bytes = sl_view(bytes.data + consumed, bytes.size - consumed);
    }
    return status;
}

/* ---- moving ---- */

static enum sl_status send_output(struct sl_ws_sending *sending,
                                  struct sl_link *link, size_t *budget,
                                  struct sl_failure *failure)
{
    struct sl_buffer *output = &sending->outlet->output;
    struct sl_view views[SEND_VIEWS];
    size_t count = sl_buffer_views(output, views, SEND_VIEWS);
    size_t sent;
    enum sl_status status = sl_link_send(link, views, count, &sent, failure);

    sl_buffer_consume(output, sent);
    *budget -= sent < *budget ? sent : *budget;
    if (output->length == 0)
        sl_ws_line_sent(&sending->line);
    return status;
}

static enum sl_status frame_and_send(struct sl_ws_sending *sending,
                                     struct sl_link *link, size_t *budget,
                                     struct sl_failure *failure)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        if (sl_ws_sending_length(sending) == 0) {
            status = fill(sending);
            if (status != SL_OK)
                return sl_fail(failure, status, SL_STAGE_WEBSOCKET, "%s",
                               status == SL_TLS ? "no random bytes"
                                                : "out of memory");
        }
        if (sl_ws_sending_length(sending) == 0) {
            /* A compressor may keep a short piece: it is on its way. */
            sl_ws_line_sent(&sending->line);
            return sl_link_flush(link, failure);
        }
        if (*budget == 0)
            return SL_AGAIN;
        status = send_output(sending, link, budget, failure);
    }
    return status;
}

enum sl_status sl_ws_sending_advance(struct sl_ws_sending *sending,
                                     struct sl_link *link, int64_t now,
                                     size_t *budget, struct sl_failure *failure)
{
    size_t before = *budget;
    size_t unsent = sl_link_unsent(link);
    bool was_due = sl_ws_sending_is_due(sending, link);
    enum sl_status status = frame_and_send(sending, link, budget, failure);

    if (!was_due || *budget < before || sl_link_unsent(link) < unsent)
        sending->moved_at = now;
    return status;
}

bool sl_ws_sending_is_due(const struct sl_ws_sending *sending,
                          const struct sl_link *link)
{
    return sl_ws_sending_length(sending) > 0 || !sl_link_is_flushed(link);
}

bool sl_ws_sending_is_closed(const struct sl_ws_sending *sending,
                             const struct sl_link *link)
{
    return sl_ws_sending_has_closed(sending) &&
           !sl_ws_sending_is_due(sending, link);
}

void sl_ws_sending_cut(struct sl_ws_sending *sending, enum sl_status status)
{
    struct sl_ws_place *place = sending->line.current;

    sending->is_cut = true;
    sending->cut_status = status;
    if (place != NULL && !sl_ws_sending_is_between(sending))
        place = place->next;
    sl_ws_line_end(place, status);
}

void sl_ws_sending_end(struct sl_ws_sending *sending, enum sl_status status)
{
    sending->is_cut = true;
    sl_ws_line_end(sending->line.sending.first, status);
    if (sending->outlet != NULL)
        sl_buffer_reset(&sending->outlet->output);
}
