#include "conn/ws_receiving.h"

#include "conn/ws_ending.h"

/* Received at once where much arrives, and else: more room costs more to find
 * than little to receive. */
#define WANT_MUCH   ((size_t)64 * 1024)
#define WANT_LITTLE ((size_t)16 * 1024)

/* So many receives of little show that much arrives no more. */
#define MUCH_STAYS 8

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

/* Whether it takes more bytes to go on. */
static bool is_waiting(const struct sl_ws_intake *intake)
{
    return intake->input.length == 0 &&
           sl_ws_incoming_is_between(&intake->incoming);
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
        if (socket->intake == NULL || is_waiting(socket->intake))
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

/* Bytes were received. */
static void count_received(struct sl_websocket *socket, size_t count)
{
    if (count >= WANT_LITTLE)
        socket->much = MUCH_STAYS;
    else if (socket->much > 0)
        socket->much--;
    socket->unheard += count;
    if (socket->unheard >= SIGN_OF_LIFE)
        hear(socket);
}

/* Whether bytes were received, into `target`. */
static bool receive_into(struct sl_websocket *socket, struct sl_buffer *target,
                         size_t *budget)
{
    struct sl_failure failure;
    size_t count;
    enum sl_status status = sl_link_receive(
        &socket->link, target, socket->much > 0 ? WANT_MUCH : WANT_LITTLE,
        &count, &failure);

    if (status == SL_OK) {
        charge(budget, count);
        count_received(socket, count);
    } else if (status == SL_END) {
        meet_end(socket);
    } else if (status != SL_AGAIN) {
        failure.status = status;
        meet_failure(socket, &failure);
    }
    return status == SL_OK;
}

/* The same where there is no intake: it is made for what has come. */
static bool receive_first(struct sl_websocket *socket, size_t *budget)
{
    struct sl_buffer fresh;
    bool has_received;

    sl_buffer_init(&fresh, socket->pool, SIZE_MAX);
    has_received = receive_into(socket, &fresh, budget);
    if (socket->phase < SL_WEBSOCKET_PARTING && fresh.length > 0) {
        if (!sl_websocket_have_intake(socket))
            sl_websocket_run_out(socket);
        else
            sl_buffer_take(&socket->intake->input, &fresh); /* cannot fail */
    }
    sl_buffer_fini(&fresh);
    return has_received;
}

/* Whether it has received something. */
static bool receive(struct sl_websocket *socket, size_t *budget)
{
    if (socket->has_ended || *budget == 0)
        return false;
    return socket->intake != NULL
               ? receive_into(socket, &socket->intake->input, budget)
               : receive_first(socket, budget);
}

bool sl_websocket_receive_some(struct sl_websocket *socket, size_t *budget)
{
    bool has_moved = parse(socket, budget);

    if (socket->phase == SL_WEBSOCKET_OVER || socket->is_held ||
        !receive(socket, budget))
        return has_moved;
    parse(socket, budget);
    return true;
}
