#include "conn/pushing.h"

#include "conn/course.h"

bool sl_exchange_is_taking(const struct sl_exchange *exchange)
{
    return !sl_exchange_is_over(exchange) &&
           exchange->request->outgoing.phase != SL_OUTGOING_CUT;
}

enum sl_status sl_exchange_want_room(struct sl_exchange *exchange)
{
    struct sl_completion *room = &exchange->request->room;

    if (room->state == SL_COMPLETION_PENDING ||
        room->state == SL_COMPLETION_READY)
        return SL_MISUSE;
    if (sl_exchange_has_room(exchange)) {
        if (exchange->request->outgoing.phase == SL_OUTGOING_HELD) {
            sl_outgoing_ask(&exchange->request->outgoing);
            sl_exchange_take_turn(exchange);
        }
        return SL_OK;
    }
    exchange->last_activity = sl_loop_refresh(sl_exchange_loop(exchange));
    sl_completion_begin(room);
    sl_exchange_arm(exchange);
    return SL_AGAIN;
}

static enum sl_status push_piece(struct sl_exchange *exchange,
                                 struct sl_view text,
                                 const struct sl_sequence *sequence)
{
    struct sl_buffer piece;
    enum sl_status status;

    sl_buffer_init(&piece, exchange->origin->connections->pool, SIZE_MAX);
    status = sequence != NULL ? sl_sequence_link(sequence, &piece)
                              : sl_buffer_append(&piece, text);
    if (status == SL_OK)
        status = sl_upload_push(&exchange->request->outgoing.upload, &piece);
    sl_buffer_fini(&piece);
    return status;
}

/* Pushed bytes are ready to be sent. */
static void send_pushed(struct sl_exchange *exchange)
{
    struct sl_outgoing *outgoing = &exchange->request->outgoing;

    if (exchange->phase != SL_EXCHANGE_ACTIVE)
        return;
    if (!outgoing->upload.is_complete &&
        outgoing->upload.pushed.length < SL_SEND_AT_ONCE) {
        sl_outgoing_ask(outgoing);
        sl_exchange_take_turn(exchange);
        return;
    }
    sl_outgoing_let_go(outgoing, true);
    sl_exchange_advance(exchange);
}

/* Sends what was pushed, or ends: SL_INVALID has that reason. */
static enum sl_status go_on_pushing(struct sl_exchange *exchange,
                                    enum sl_status status, const char *reason)
{
    if (status == SL_OK)
        send_pushed(exchange);
    else
        sl_exchange_abort(exchange, status,
                          status == SL_INVALID ? reason : "out of memory");
    return status;
}

enum sl_status sl_exchange_push(struct sl_exchange *exchange,
                                struct sl_view text,
                                const struct sl_sequence *sequence)
{
    if (!sl_exchange_is_taking(exchange))
        return SL_END;
    return go_on_pushing(exchange, push_piece(exchange, text, sequence),
                         "more body than was declared");
}

enum sl_status sl_exchange_end_body(struct sl_exchange *exchange,
                                    struct sl_view trailers)
{
    if (sl_outgoing_is_over(&exchange->request->outgoing))
        return SL_END;
    return go_on_pushing(
        exchange,
        sl_upload_finish(&exchange->request->outgoing.upload, trailers),
        "less body than was declared");
}
