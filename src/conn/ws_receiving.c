#include "conn/ws_receiving.h"

#include "conn/ws_ending.h"

#define WANT ((size_t)64 * 1024)

/* What an event costs of a turn, if it has fewer bytes. */
#define EVENT_COST ((size_t)64)

/* A peer that sends that much of a frame is alive. */
#define SIGN_OF_LIFE ((size_t)4 * 1024)

/* ---- the intake ---- */

bool sl_websocket_have_intake(struct sl_websocket *socket)
{
    struct sl_ws_intake *intake = socket->intake;

    if (intake != NULL)
        return true;
    intake = sl_allocate(socket->loop->allocator, sizeof *intake);
    if (intake == NULL)
        return false;
    sl_buffer_init(&intake->input, socket->pool, SIZE_MAX);
    sl_ws_incoming_init(&intake->incoming, socket->pool, &socket->protocol);
    socket->intake = intake;
    return true;
}

void sl_websocket_drop_intake(struct sl_websocket *socket)
{
    struct sl_ws_intake *intake = socket->intake;

    if (intake == NULL)
        return;
    socket->intake = NULL;
    sl_ws_incoming_fini(&intake->incoming);
    sl_buffer_fini(&intake->input);
    sl_free(socket->loop->allocator, intake, sizeof *intake);
}

void sl_websocket_rest_intake(struct sl_websocket *socket)
{
    const struct sl_ws_intake *intake = socket->intake;

    if (intake != NULL && intake->input.length == 0 &&
        sl_ws_incoming_is_idle(&intake->incoming))
        sl_websocket_drop_intake(socket);
}

/* ---- what arrives ---- */

static void charge(size_t *budget, size_t count)
{
    *budget -= count < *budget ? count : *budget;
}

static void hear(struct sl_websocket *socket)
{
    socket->heard_at = socket->loop->now;
    socket->unheard = 0;
    socket->pong_due = 0;
    socket->is_resting = false;
}

static void refuse(struct sl_websocket *socket, enum sl_status status)
{
    struct sl_failure failure;

    if (status == SL_LIMIT)
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET,
                "a message exceeds %zu bytes (max_message_size)",
                socket->protocol.max_size);
    else
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET, "%s",
                socket->intake->incoming.error);
    sl_websocket_fail(socket, sl_ws_code_of(status), &failure);
}

/* While it is closing, messages for which there is no room are dropped: the
 * peer's Close frame may stand behind them. */
static void meet_message(struct sl_websocket *socket)
{
    struct sl_ws_message *message = &socket->intake->incoming.message;

    socket->message_at = socket->loop->now;
    if (sl_ws_queue_is_full(&socket->queue, 0))
        sl_ws_message_reset(message);
    else if (sl_ws_queue_add(&socket->queue, message) != SL_OK)
        sl_websocket_run_out(socket);
}

static void meet(struct sl_websocket *socket, const struct sl_ws_event *event)
{
    hear(socket);
    switch (event->type) {
    case SL_WS_GOT_MESSAGE:
        meet_message(socket);
        break;
    case SL_WS_GOT_PING:
        if (sl_ws_sending_pong(&socket->sending, event->payload) != SL_OK)
            sl_websocket_run_out(socket);
        break;
    case SL_WS_GOT_PONG:
        break;
    case SL_WS_GOT_CLOSE:
        sl_websocket_meet_close(socket, &event->closing);
        break;
    case SL_WS_GOT_PART:
        break;
    }
}

/* Whether nothing may be received now. */
static bool is_full(const struct sl_websocket *socket)
{
    const struct sl_ws_intake *intake = socket->intake;
    size_t pending =
        intake != NULL ? intake->incoming.message.payload.length : 0;

    return socket->phase == SL_WEBSOCKET_OPEN &&
           sl_ws_queue_is_full(&socket->queue, pending);
}

/* Uses what was received. Whether anything came of it. */
static bool parse(struct sl_websocket *socket, size_t *budget)
{
    bool has_moved = false;

    while (socket->phase < SL_WEBSOCKET_PARTING && !socket->is_held &&
           *budget > 0) {
        struct sl_ws_event event;
        enum sl_status status;

        if (is_full(socket)) {
            socket->is_held = true;
            socket->pong_due = 0;
            sl_transport_unwait(socket->link.transport, SL_TRANSPORT_RECEIVING);
            break;
        }
        if (socket->intake == NULL)
            break;
        status = sl_ws_incoming_next(&socket->intake->incoming,
                                     &socket->intake->input, &event);
        if (status == SL_AGAIN)
            break;
        if (sl_is_failure(status))
            refuse(socket, status);
        else
            meet(socket, &event);
        charge(budget, status == SL_OK && event.type == SL_WS_GOT_PART
                           ? SL_WS_PART
                           : EVENT_COST);
        has_moved = true;
    }
    return has_moved;
}

/* The peer sends no more. */
static void meet_end(struct sl_websocket *socket)
{
    struct sl_failure failure;

    socket->has_ended = true;
    if (socket->phase == SL_WEBSOCKET_PARTING)
        return;
    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET, "%s",
            socket->link.is_clean_end
                ? "connection closed without a Close frame"
                : "connection closed without a Close frame and close_notify");
    sl_websocket_lose(socket, &failure);
}

/* Nothing was received for that reason. */
static void meet_failure(struct sl_websocket *socket,
                         const struct sl_failure *failure)
{
    if (socket->phase == SL_WEBSOCKET_PARTING)
        sl_websocket_end(socket, true);
    else if (failure->status == SL_MEMORY || failure->status == SL_LIMIT)
        sl_websocket_run_out(socket);
    else
        sl_websocket_lose(socket, failure);
}

/* Bytes were received, into `fresh` or the intake. */
static void keep(struct sl_websocket *socket, struct sl_buffer *fresh,
                 size_t count)
{
    socket->unheard += count;
    if (socket->unheard >= SIGN_OF_LIFE)
        hear(socket);
    if (socket->phase == SL_WEBSOCKET_PARTING || fresh->length == 0)
        return;
    if (!sl_websocket_have_intake(socket))
        sl_websocket_run_out(socket);
    else
        sl_buffer_take(&socket->intake->input, fresh); /* empty: cannot fail */
}

/* Whether it has received something. */
static bool receive(struct sl_websocket *socket, size_t *budget)
{
    struct sl_buffer fresh;
    struct sl_buffer *target =
        socket->intake != NULL ? &socket->intake->input : &fresh;
    struct sl_failure failure;
    size_t count;
    enum sl_status status;

    if (socket->has_ended || *budget == 0)
        return false;
    sl_buffer_init(&fresh, socket->pool, SIZE_MAX);
    status = sl_link_receive(&socket->link, target, WANT, &count, &failure);
    if (status == SL_OK) {
        charge(budget, count);
        keep(socket, &fresh, count);
    } else if (status == SL_END) {
        meet_end(socket);
    } else if (status != SL_AGAIN) {
        failure.status = status;
        meet_failure(socket, &failure);
    }
    sl_buffer_fini(&fresh);
    return status == SL_OK;
}

bool sl_websocket_receive_some(struct sl_websocket *socket, size_t *budget)
{
    bool has_moved = parse(socket, budget);

    if (socket->phase < SL_WEBSOCKET_OVER && !socket->is_held)
        has_moved |= receive(socket, budget);
    return has_moved;
}
