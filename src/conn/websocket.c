#include "conn/websocket.h"

#include "base/debug.h"
#include "conn/ws_deadline.h"
#include "conn/ws_ending.h"
#include "conn/ws_receiving.h"
#include "tls/provider.h"

#include <string.h>

#define MESSAGE_MOST ((size_t)16 * 1024 * 1024)

/* Smaller messages gain nothing from compression. */
#define COMPRESS_FROM ((size_t)1024)

void sl_websocket_options_default(struct sl_websocket_options *options)
{
    memset(options, 0, sizeof *options);
    options->protocol.max_size = MESSAGE_MOST;
    options->protocol.random = sl_tls_random;
    options->protocol.compress_from = COMPRESS_FROM;
    options->queue_count = 100;
    options->queue_bytes = MESSAGE_MOST;
    options->ping_interval = 25 * SL_SECOND;
    options->pong_timeout = 10 * SL_SECOND;
    options->idle = SL_NEVER;
    options->close_timeout = 5 * SL_SECOND;
    options->send_timeout = 30 * SL_SECOND;
}

#define FROM(type, member, pointer) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* ---- sending ---- */

/* Nothing can be sent any more: what the peer said before may say why. */
static void meet_loss(struct sl_websocket *socket,
                      const struct sl_failure *failure, size_t *budget)
{
    socket->cannot_send = true;
    sl_ws_sending_end(&socket->sending, SL_CLOSED);
    while (socket->phase < SL_WEBSOCKET_PARTING && !socket->is_held &&
           sl_websocket_receive_some(socket, budget))
        ;
    if (socket->phase == SL_WEBSOCKET_PARTING)
        sl_websocket_end(socket, true);
    else if (socket->phase < SL_WEBSOCKET_PARTING)
        sl_websocket_lose(socket, failure);
}

static bool send_some(struct sl_websocket *socket, size_t *budget)
{
    struct sl_failure failure;
    size_t before = *budget;
    enum sl_status status;

    if (sl_ws_sending_is_idle(&socket->sending) &&
        sl_link_is_flushed(&socket->link)) {
        socket->sending.moved_at = socket->loop->now;
        return false;
    }
    status = sl_ws_sending_advance(&socket->sending, &socket->link,
                                   socket->loop->now, budget, &failure);
    if (*budget < before)
        socket->is_resting = false;
    if (!sl_is_failure(status))
        return *budget < before;
    if (status == SL_CLOSED || socket->phase == SL_WEBSOCKET_PARTING)
        meet_loss(socket, &failure, budget);
    else
        sl_websocket_fail(socket, SL_WS_INTERNAL, &failure);
    return false;
}

/* ---- going on ---- */

void sl_websocket_rest(struct sl_websocket *socket)
{
    if (socket->phase < SL_WEBSOCKET_OVER && !socket->is_held &&
        !socket->has_ended && !socket->has_turn &&
        sl_link_is_flushed(&socket->link) &&
        socket->completion.state != SL_COMPLETION_PENDING &&
        sl_transport_watch(socket->link.transport) == SL_OK)
        socket->has_turn = true;
}

static void move(struct sl_websocket *socket)
{
    size_t budget = sl_turn_begin(socket->loop);
    bool has_moved = true;

    while (has_moved && socket->phase < SL_WEBSOCKET_OVER && budget > 0) {
        bool was_stuck = sl_link_is_stuck(&socket->link);

        has_moved = send_some(socket, &budget);
        if (socket->phase < SL_WEBSOCKET_OVER)
            has_moved |= sl_websocket_receive_some(socket, &budget);
        if (socket->phase < SL_WEBSOCKET_OVER && was_stuck)
            has_moved |= !sl_link_is_stuck(&socket->link);
        budget = sl_turn_go_on(socket->loop, budget);
    }
    if (has_moved && budget == 0)
        socket->has_turn = true;
}

/* Whether nothing is left to be done for a WebSocket that is PARTING. */
static bool has_parted(const struct sl_websocket *socket)
{
    return socket->phase == SL_WEBSOCKET_PARTING && socket->has_ended &&
           (socket->cannot_send ||
            sl_ws_sending_is_closed(&socket->sending, &socket->link));
}

void sl_websocket_advance(struct sl_websocket *socket)
{
    if (socket->phase == SL_WEBSOCKET_OVER)
        return;
    socket->has_turn = false;
    move(socket);
    if (has_parted(socket))
        sl_websocket_end(socket, false);
    sl_websocket_wake(socket);
    if (socket->phase == SL_WEBSOCKET_OVER)
        return;
    sl_websocket_rest(socket);
    if (socket->has_turn && socket->late_turns < UINT8_MAX)
        socket->late_turns++;
    sl_websocket_arm(socket);
}

static void can_move(void *owner)
{
    sl_websocket_advance(owner);
}

static const struct sl_transport_events events = {can_move, can_move};

/* ---- a life ---- */

static void cancel(struct sl_completion *completion)
{
    sl_completion_signal(completion, SL_CANCELLED, 0);
}

static void cancel_place(struct sl_completion *completion)
{
    struct sl_ws_place *place =
        FROM(struct sl_ws_place, completion, completion);

    sl_websocket_leave(place);
}

void sl_websocket_init_place(struct sl_websocket *socket,
                             struct sl_ws_place *place)
{
    sl_ws_place_init(place, socket->loop);
    place->completion.cancel = cancel_place;
}

enum sl_status sl_websocket_create(struct sl_loop *loop, struct sl_pool *pool,
                                   const struct sl_websocket_options *options,
                                   struct sl_websocket **socket)
{
    struct sl_websocket *created = sl_cells_rent(&loop->cells, sizeof *created);

    if (created == NULL)
        return SL_MEMORY;
    created->phase = SL_WEBSOCKET_OVER; /* until it is opened */
    created->loop = loop;
    created->pool = pool;
    created->protocol = options->protocol;
    sl_ws_sending_init(&created->sending, loop->allocator, pool,
                       &created->protocol);
    sl_ws_queue_init(&created->queue, loop->allocator, options->queue_count,
                     options->queue_bytes);
    sl_completion_init(&created->completion, loop, NULL);
    created->completion.cancel = cancel;
    sl_timer_init(&created->timer, sl_websocket_time_came);
    created->ping_interval = options->ping_interval;
    created->pong_timeout = options->pong_timeout;
    created->idle = options->idle;
    created->close_timeout = options->close_timeout;
    created->send_timeout = options->send_timeout;
    if (!sl_websocket_have_intake(created)) { /* for what has come already */
        sl_websocket_destroy(created);
        return SL_MEMORY;
    }
    *socket = created;
    return SL_OK;
}

void sl_websocket_open(struct sl_websocket *socket, const struct sl_link *link,
                       struct sl_buffer *input)
{
    int64_t now = sl_loop_refresh(socket->loop);

    sl_assert(socket->end == NULL && input->pool == socket->pool);
    socket->link = *link;
    sl_buffer_take(&socket->intake->input, input); /* empty: cannot fail */
    socket->phase = SL_WEBSOCKET_OPEN;
    socket->heard_at = socket->message_at = now;
    socket->sending.moved_at = now;
    sl_transport_bind(socket->link.transport, &events, socket);
    socket->has_turn = true;
    sl_websocket_arm(socket);
}

void sl_websocket_destroy(struct sl_websocket *socket)
{
    sl_websocket_abort(socket, SL_WS_GOING_AWAY, "disposed");
    sl_completion_fini(&socket->completion);
    sl_websocket_drop_intake(socket);
    sl_ws_sending_fini(&socket->sending);
    sl_ws_queue_fini(&socket->queue);
    sl_websocket_forget_end(socket);
    sl_cells_return(&socket->loop->cells, socket, sizeof *socket);
}

/* ---- receiving ---- */

enum sl_status sl_websocket_want(struct sl_websocket *socket, int64_t due)
{
    struct sl_completion *completion = &socket->completion;

    if (completion->state == SL_COMPLETION_PENDING ||
        completion->state == SL_COMPLETION_READY)
        return SL_MISUSE;
    /* Otherwise it has looked, and waits for an event. */
    if (socket->has_turn && socket->queue.count == 0 && socket->end == NULL) {
        sl_loop_refresh(socket->loop);
        sl_websocket_advance(socket);
    }
    if (socket->queue.count > 0)
        return SL_OK;
    if (socket->end != NULL)
        return SL_END;
    if (due <= socket->loop->now)
        return SL_TIMEOUT;
    socket->receive_due = due;
    sl_completion_begin(completion);
    if (!socket->timer.is_armed || due < socket->timer.due)
        sl_websocket_arm(socket);
    return SL_AGAIN;
}

void sl_websocket_unwant(struct sl_websocket *socket)
{
    sl_completion_fini(&socket->completion);
    sl_websocket_rest(socket);
}

void sl_websocket_drop(struct sl_websocket *socket)
{
    sl_ws_queue_drop(&socket->queue);
    if (!socket->is_held || !sl_ws_queue_has_room(&socket->queue))
        return;
    socket->is_held = false;
    socket->has_turn = true;
    socket->heard_at = socket->loop->now;
    sl_websocket_arm(socket);
}

/* ---- sending ---- */

/* The failure of a WebSocket that takes no messages; SL_OK: it does. */
static enum sl_status check_open(const struct sl_websocket *socket)
{
    if (socket->end != NULL)
        return socket->end->failure.status;
    return socket->phase == SL_WEBSOCKET_OPEN ? SL_OK : SL_CLOSED;
}

/* A message is on its way. */
static void begin_message(struct sl_websocket *socket)
{
    socket->message_at = sl_loop_refresh(socket->loop);
    sl_websocket_advance(socket);
}

/* The same for one that is framed already. As a rule it leaves at once, and
 * nothing else follows from that. */
static void send_framed(struct sl_websocket *socket)
{
    size_t budget = sl_turn_begin(socket->loop);
    bool was_resting = socket->is_resting;

    socket->message_at = sl_loop_refresh(socket->loop);
    send_some(socket, &budget);
    if (socket->phase != SL_WEBSOCKET_OPEN || sl_websocket_is_sending(socket) ||
        socket->has_turn)
        sl_websocket_advance(socket);
    else if (was_resting)
        sl_websocket_arm(socket);
}

enum sl_status sl_websocket_send(struct sl_websocket *socket,
                                 enum sl_ws_opcode type,
                                 const struct sl_ws_piece *piece)
{
    enum sl_status status = check_open(socket);

    if (status != SL_OK)
        return status;
    status = sl_ws_sending_frame(&socket->sending, type, piece);
    if (status == SL_AGAIN)
        return SL_END;
    if (status != SL_OK) {
        sl_websocket_run_out(socket);
        sl_websocket_advance(socket);
        return status;
    }
    send_framed(socket);
    status = check_open(socket);
    if (status != SL_OK)
        return status;
    return sl_ws_sending_length(&socket->sending) > 0 ? SL_AGAIN : SL_OK;
}

enum sl_status sl_websocket_follow(struct sl_websocket *socket,
                                   struct sl_ws_place *place)
{
    enum sl_status status = check_open(socket);

    if (status != SL_OK)
        return status;
    sl_ws_place_follow(place, &socket->sending.line);
    if (sl_ws_sending_length(&socket->sending) == 0)
        sl_ws_line_sent(&socket->sending.line);
    return sl_ws_place_want(place);
}

enum sl_status sl_websocket_put(struct sl_websocket *socket,
                                struct sl_ws_place *place,
                                enum sl_ws_opcode type,
                                const struct sl_ws_piece *piece, bool is_last)
{
    enum sl_status status = place->line == NULL ? check_open(socket) : SL_OK;

    if (status == SL_OK)
        status =
            sl_ws_place_put(place, &socket->sending.line, type, piece, is_last);
    if (status != SL_OK)
        return status;
    begin_message(socket);
    return sl_ws_place_want(place);
}

void sl_websocket_leave(struct sl_ws_place *place)
{
    struct sl_websocket *socket;
    struct sl_failure failure;

    if (place->line == NULL)
        return;
    socket = FROM(struct sl_websocket, sending.line, place->line);
    if (sl_ws_place_leave(place) == SL_OK)
        return;
    sl_fail(&failure, SL_CANCELLED, SL_STAGE_WEBSOCKET,
            "a send ended in the middle of its message");
    if (sl_ws_sending_is_between(&socket->sending))
        sl_websocket_fail(socket, SL_WS_INTERNAL, &failure);
    else
        sl_websocket_lose(socket, &failure);
    sl_websocket_advance(socket);
}

enum sl_status sl_websocket_ping(struct sl_websocket *socket,
                                 struct sl_view payload)
{
    enum sl_status status = check_open(socket);

    if (status == SL_OK)
        status = sl_ws_sending_ping(&socket->sending, payload);
    if (status != SL_OK)
        return status;
    sl_loop_refresh(socket->loop);
    sl_websocket_advance(socket);
    return check_open(socket);
}

/* ---- the end ---- */

enum sl_status sl_websocket_want_over(struct sl_websocket *socket,
                                      struct sl_ws_place *place)
{
    if (socket->phase == SL_WEBSOCKET_OVER)
        return SL_OK;
    sl_ws_place_wait(place, &socket->sending.line);
    return sl_ws_place_want(place);
}
