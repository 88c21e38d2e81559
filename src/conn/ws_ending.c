#include "conn/ws_ending.h"

#include "conn/ws_deadline.h"
#include "conn/ws_receiving.h"

#include <string.h>

/* What is known where there is no memory to say more. */
static const struct sl_ws_end unknown_end = {
    .failure = {.status = SL_MEMORY,
                .stage = SL_STAGE_WEBSOCKET,
                .reason = "out of memory"},
    .code = SL_WS_ABNORMAL};

static void set_end(struct sl_websocket *socket,
                    const struct sl_failure *failure,
                    const struct sl_ws_closing *closing, bool is_clean)
{
    struct sl_ws_end *end;

    if (socket->end != NULL)
        return;
    end = sl_allocate_zeroed(socket->loop->allocator, sizeof *end);
    if (end == NULL) {
        socket->end = &unknown_end;
        return;
    }
    end->failure = *failure;
    end->failure.stage = SL_STAGE_WEBSOCKET;
    end->failure.is_retryable = false;
    end->code = closing->code;
    end->is_clean = is_clean;
    end->reason_size = closing->reason.size;
    if (closing->reason.size > 0)
        memcpy(end->reason, closing->reason.data, closing->reason.size);
    socket->end = end;
}

void sl_websocket_wake(struct sl_websocket *socket)
{
    if (socket->completion.state == SL_COMPLETION_PENDING &&
        (socket->queue.count > 0 || socket->end != NULL))
        sl_completion_signal(&socket->completion, SL_OK, 0);
}

/* Releases everything but the messages that came before, and the end. */
void sl_websocket_end(struct sl_websocket *socket, bool is_abort)
{
    socket->phase = SL_WEBSOCKET_OVER;
    sl_timer_disarm(&socket->loop->timers, &socket->timer);
    sl_ws_sending_end(&socket->sending, SL_CLOSED);
    sl_websocket_drop_intake(socket);
    sl_link_close(&socket->link, is_abort);
    sl_ws_line_over(&socket->sending.line);
    sl_websocket_wake(socket);
}

void sl_websocket_lose(struct sl_websocket *socket,
                       const struct sl_failure *failure)
{
    const struct sl_ws_closing abnormal = {SL_WS_ABNORMAL, {NULL, 0}};

    set_end(socket, failure, &abnormal, false);
    sl_websocket_end(socket, true);
}

/* `end` is set: sends a last Close frame, unless one was sent. */
static void part(struct sl_websocket *socket,
                 const struct sl_ws_closing *closing)
{
    struct sl_ws_sending *sending = &socket->sending;
    int64_t now = socket->loop->now;

    if (socket->phase == SL_WEBSOCKET_OPEN)
        socket->close_due = sl_clock_after(now, socket->close_timeout);
    socket->phase = SL_WEBSOCKET_PARTING;
    socket->is_held = false;
    sl_websocket_drop_intake(socket);
    sl_ws_sending_cut(sending, SL_CLOSED);
    if (!sl_ws_sending_has_closed(sending) && !socket->cannot_send &&
        sl_ws_sending_close(sending, closing) != SL_OK)
        sl_websocket_end(socket, true);
    else
        sl_websocket_wake(socket);
}

void sl_websocket_fail(struct sl_websocket *socket, unsigned code,
                       const struct sl_failure *failure)
{
    struct sl_ws_closing closing = {code, {NULL, 0}};

    if (socket->phase >= SL_WEBSOCKET_PARTING)
        return;
    set_end(socket, failure, &closing, false);
    closing.reason = sl_view(failure->reason, strlen(failure->reason));
    if (closing.reason.size > SL_WS_REASON_MAX)
        closing.reason.size = 0;
    part(socket, &closing);
}

void sl_websocket_run_out(struct sl_websocket *socket)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_MEMORY, SL_STAGE_WEBSOCKET, "out of memory");
    sl_websocket_fail(socket, SL_WS_INTERNAL, &failure);
}

/* RFC 6455 5.5.1: it is answered by the same code. */
void sl_websocket_meet_close(struct sl_websocket *socket,
                             const struct sl_ws_closing *closing)
{
    struct sl_ws_closing echo = {closing->code, {NULL, 0}};
    struct sl_failure failure;

    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET,
            socket->phase == SL_WEBSOCKET_CLOSING
                ? "closed by this side, the peer answered with code %u"
                : "closed by the peer, code %u",
            closing->code);
    set_end(socket, &failure, closing, true);
    part(socket, &echo);
}

/* ---- from this side ---- */

enum sl_status sl_websocket_close(struct sl_websocket *socket,
                                  const struct sl_ws_closing *closing)
{
    enum sl_status status;

    if (socket->phase != SL_WEBSOCKET_OPEN)
        return SL_OK;
    status = sl_ws_sending_close(&socket->sending, closing);
    if (status != SL_OK)
        return status;
    socket->phase = SL_WEBSOCKET_CLOSING;
    socket->is_held = false;
    socket->close_due =
        sl_clock_after(sl_loop_refresh(socket->loop), socket->close_timeout);
    sl_websocket_advance(socket);
    return SL_OK;
}

/* A transport that is sending takes a few bytes behind that. */
static void send_last(struct sl_websocket *socket)
{
    while (socket->link.tls == NULL &&
           sl_ws_sending_length(&socket->sending) > 0) {
        struct sl_buffer *output = &socket->sending.outlet->output;
        struct sl_view view = sl_buffer_peek(output);

        if (!sl_transport_send_last(socket->link.transport, view))
            return;
        sl_buffer_consume(output, view.size);
    }
}

/* Sends a Close frame, as far as that goes without waiting. */
static void say_goodbye(struct sl_websocket *socket,
                        const struct sl_ws_closing *closing)
{
    struct sl_ws_sending *sending = &socket->sending;
    struct sl_failure ignored;
    size_t budget = SL_TURN_BUDGET;

    if (sl_loop_is_forked(socket->loop) || socket->loop->is_closing)
        return;
    sl_ws_sending_cut(sending, SL_CLOSED);
    if (!sl_ws_sending_has_closed(sending) && sending->close == NULL)
        sl_ws_sending_close(sending, closing);
    if (sl_ws_sending_advance(sending, &socket->link, socket->loop->now,
                              &budget, &ignored) == SL_AGAIN)
        send_last(socket);
}

/* Whether all messages that were begun are with the transport. */
static bool has_sent_all(const struct sl_websocket *socket)
{
    return !socket->cannot_send &&
           sl_ws_sending_length(&socket->sending) == 0 &&
           sl_ws_sending_is_between(&socket->sending);
}

void sl_websocket_abort(struct sl_websocket *socket, unsigned code,
                        const char *reason)
{
    const struct sl_ws_closing closing = {code, {NULL, 0}};
    struct sl_failure failure;
    bool is_orderly;

    if (socket->phase == SL_WEBSOCKET_OVER)
        return;
    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET, "%s", reason);
    set_end(socket, &failure, &closing, false);
    is_orderly = has_sent_all(socket);
    if (is_orderly)
        say_goodbye(socket, &closing);
    sl_websocket_end(socket, !is_orderly);
}

void sl_websocket_forget_end(struct sl_websocket *socket)
{
    if (socket->end != NULL && socket->end != &unknown_end)
        sl_free(socket->loop->allocator, (void *)(uintptr_t)socket->end,
                sizeof *socket->end);
    socket->end = NULL;
}
