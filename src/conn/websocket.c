#include "conn/websocket.h"

#include "base/debug.h"
#include "conn/ws_deadline.h"
#include "tls/provider.h"

#include <string.h>

#define WANT ((size_t)64 * 1024)

/* What an event costs of a turn, if it has fewer bytes. */
#define EVENT_COST ((size_t)64)

/* A peer that sends that much of a frame is alive. */
#define SIGN_OF_LIFE ((size_t)4 * 1024)

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

/* ---- how it ends ---- */

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

static void wake(struct sl_websocket *socket)
{
    if (socket->completion.state == SL_COMPLETION_PENDING &&
        (socket->queue.count > 0 || socket->end != NULL))
        sl_completion_signal(&socket->completion, SL_OK, 0);
}

/* Releases everything but the messages that came before, and the end. */
static void end(struct sl_websocket *socket, bool is_abort)
{
    socket->phase = SL_WEBSOCKET_OVER;
    sl_timer_disarm(&socket->loop->timers, &socket->timer);
    sl_ws_sending_end(&socket->sending, SL_CLOSED);
    sl_ws_incoming_fini(&socket->incoming);
    sl_buffer_reset(&socket->input);
    sl_link_close(&socket->link, is_abort);
    sl_ws_sending_over(&socket->sending);
    wake(socket);
}

void sl_websocket_end(struct sl_websocket *socket)
{
    end(socket, sl_websocket_is_sending(socket));
}

void sl_websocket_lose(struct sl_websocket *socket,
                       const struct sl_failure *failure)
{
    const struct sl_ws_closing abnormal = {SL_WS_ABNORMAL, {NULL, 0}};

    set_end(socket, failure, &abnormal, false);
    end(socket, true);
}

/* `end` is set: sends a last Close frame, unless one was sent. */
static void part(struct sl_websocket *socket,
                 const struct sl_ws_closing *closing)
{
    struct sl_ws_sending *sending = &socket->sending;
    int64_t now = socket->loop->now;

    if (socket->phase == SL_WEBSOCKET_OPEN)
        socket->close_due = sl_ws_after(now, socket->close_timeout);
    socket->phase = SL_WEBSOCKET_PARTING;
    socket->is_held = false;
    sl_ws_incoming_fini(&socket->incoming);
    sl_buffer_reset(&socket->input);
    sl_ws_sending_cut(sending, SL_CLOSED);
    if (!sending->outgoing.is_closed && !socket->cannot_send &&
        sl_ws_sending_close(sending, closing) != SL_OK)
        end(socket, true);
    else
        wake(socket);
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

/* The peer's Close frame. RFC 6455 5.5.1: it is answered by the same code. */
static void meet_close(struct sl_websocket *socket,
                       const struct sl_ws_closing *closing)
{
    struct sl_ws_closing echo = {closing->code, {NULL, 0}};
    struct sl_failure failure;

    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET,
            "closed by the peer, code %u", closing->code);
    set_end(socket, &failure, closing, true);
    part(socket, &echo);
}

/* ---- receiving ---- */

static void charge(size_t *budget, size_t count)
{
    *budget -= count < *budget ? count : *budget;
}

static void hear(struct sl_websocket *socket)
{
    socket->heard_at = socket->loop->now;
    socket->unheard = 0;
    socket->pong_due = 0;
}

static void refuse(struct sl_websocket *socket, enum sl_status status)
{
    struct sl_failure failure;

    if (status == SL_LIMIT)
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET,
                "a message exceeds %zu bytes (max_message_size)",
                socket->incoming.message.max_size);
    else
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET, "%s",
                socket->incoming.error);
    sl_websocket_fail(socket, sl_ws_code_of(status), &failure);
}

static void run_out(struct sl_websocket *socket)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_MEMORY, SL_STAGE_WEBSOCKET, "out of memory");
    sl_websocket_fail(socket, SL_WS_INTERNAL, &failure);
}

/* While it is closing, messages for which there is no room are dropped: the
 * peer's Close frame may stand behind them. */
static void meet_message(struct sl_websocket *socket)
{
    struct sl_ws_message *message = &socket->incoming.message;

    socket->message_at = socket->loop->now;
    if (sl_ws_queue_is_full(&socket->queue, 0))
        sl_ws_message_reset(message);
    else if (sl_ws_queue_add(&socket->queue, message) != SL_OK)
        run_out(socket);
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
            run_out(socket);
        break;
    case SL_WS_GOT_PONG:
        break;
    case SL_WS_GOT_CLOSE:
        meet_close(socket, &event->closing);
        break;
    }
}

/* Whether nothing may be received now. */
static bool is_full(const struct sl_websocket *socket)
{
    return socket->phase == SL_WEBSOCKET_OPEN &&
           sl_ws_queue_is_full(&socket->queue,
                               socket->incoming.message.payload.length);
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
        status = sl_ws_incoming_next(&socket->incoming, &socket->input, &event);
        if (status == SL_AGAIN)
            break;
        if (sl_is_failure(status))
            refuse(socket, status);
        else
            meet(socket, &event);
        charge(budget, EVENT_COST);
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

/* Whether it has received something. */
static bool receive(struct sl_websocket *socket, size_t *budget)
{
    struct sl_failure failure;
    size_t count;
    enum sl_status status;

    if (socket->has_ended || *budget == 0)
        return false;
    status =
        sl_link_receive(&socket->link, &socket->input, WANT, &count, &failure);
    switch (status) {
    case SL_OK:
        break;
    case SL_AGAIN:
        return false;
    case SL_END:
        meet_end(socket);
        return false;
    default:
        if (socket->phase == SL_WEBSOCKET_PARTING)
            end(socket, true);
        else if (status == SL_MEMORY || status == SL_LIMIT)
            run_out(socket);
        else
            sl_websocket_lose(socket, &failure);
        return false;
    }
    charge(budget, count);
    socket->unheard += count;
    if (socket->unheard >= SIGN_OF_LIFE)
        hear(socket);
    if (socket->phase == SL_WEBSOCKET_PARTING)
        sl_buffer_reset(&socket->input);
    return true;
}

static bool receive_some(struct sl_websocket *socket, size_t *budget)
{
    bool has_moved = parse(socket, budget);

    if (socket->phase < SL_WEBSOCKET_OVER && !socket->is_held)
        has_moved |= receive(socket, budget);
    return has_moved;
}

/* ---- sending ---- */

/* Nothing can be sent any more: what the peer said before may say why. */
static void meet_loss(struct sl_websocket *socket,
                      const struct sl_failure *failure, size_t *budget)
{
    socket->cannot_send = true;
    sl_ws_sending_end(&socket->sending, SL_CLOSED);
    while (socket->phase < SL_WEBSOCKET_PARTING && !socket->is_held &&
           receive_some(socket, budget))
        ;
    if (socket->phase == SL_WEBSOCKET_PARTING)
        end(socket, true);
    else if (socket->phase < SL_WEBSOCKET_PARTING)
        sl_websocket_lose(socket, failure);
}

static bool send_some(struct sl_websocket *socket, size_t *budget)
{
    struct sl_failure failure;
    size_t before = *budget;
    enum sl_status status = sl_ws_sending_advance(
        &socket->sending, &socket->link, socket->loop->now, budget, &failure);

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
    size_t budget = SL_TURN_BUDGET;
    bool has_moved = true;

    while (has_moved && socket->phase < SL_WEBSOCKET_OVER && budget > 0) {
        bool was_stuck = sl_link_is_stuck(&socket->link);

        has_moved = send_some(socket, &budget);
        if (socket->phase < SL_WEBSOCKET_OVER)
            has_moved |= receive_some(socket, &budget);
        if (socket->phase < SL_WEBSOCKET_OVER && was_stuck)
            has_moved |= !sl_link_is_stuck(&socket->link);
    }
    if (budget == 0)
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
        end(socket, false);
    wake(socket);
    if (socket->phase == SL_WEBSOCKET_OVER)
        return;
    sl_websocket_rest(socket);
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
    struct sl_websocket *created =
        sl_allocate_zeroed(loop->allocator, sizeof *created);

    if (created == NULL)
        return SL_MEMORY;
    created->phase = SL_WEBSOCKET_OVER; /* until it is opened */
    created->loop = loop;
    created->pool = pool;
    sl_buffer_init(&created->input, pool, SIZE_MAX);
    sl_ws_incoming_init(&created->incoming, pool, &options->protocol);
    sl_ws_sending_init(&created->sending, loop->allocator, pool,
                       &options->protocol);
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
    *socket = created;
    return SL_OK;
}

void sl_websocket_open(struct sl_websocket *socket, const struct sl_link *link,
                       struct sl_buffer *input)
{
    int64_t now = sl_loop_refresh(socket->loop);

    sl_assert(socket->end == NULL && input->pool == socket->pool);
    socket->link = *link;
    sl_buffer_take(&socket->input, input); /* cannot fail: it is empty */
    socket->phase = SL_WEBSOCKET_OPEN;
    socket->heard_at = socket->message_at = now;
    socket->sending.moved_at = now;
    sl_transport_bind(socket->link.transport, &events, socket);
    socket->has_turn = true;
    sl_websocket_arm(socket);
}

/* Sends what there is to say, as far as that goes without waiting. */
static void say_goodbye(struct sl_websocket *socket,
                        const struct sl_ws_closing *closing)
{
    struct sl_ws_sending *sending = &socket->sending;
    struct sl_failure ignored;
    size_t budget = SL_TURN_BUDGET;

    if (socket->cannot_send || sl_loop_is_forked(socket->loop) ||
        socket->loop->is_closing)
        return;
    sl_ws_sending_cut(sending, SL_CLOSED);
    if (!sending->outgoing.is_closed && sending->close == NULL)
        sl_ws_sending_close(sending, closing);
    sl_ws_sending_advance(sending, &socket->link, socket->loop->now, &budget,
                          &ignored);
}

void sl_websocket_abort(struct sl_websocket *socket, unsigned code,
                        const char *reason)
{
    const struct sl_ws_closing closing = {code, {NULL, 0}};
    struct sl_failure failure;

    if (socket->phase == SL_WEBSOCKET_OVER)
        return;
    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET, "%s", reason);
    set_end(socket, &failure, &closing, false);
    say_goodbye(socket, &closing);
    end(socket, !sl_ws_sending_is_closed(&socket->sending, &socket->link));
}

void sl_websocket_destroy(struct sl_websocket *socket)
{
    struct sl_allocator *allocator = socket->loop->allocator;

    sl_websocket_abort(socket, SL_WS_GOING_AWAY, "disposed");
    sl_completion_fini(&socket->completion);
    sl_ws_incoming_fini(&socket->incoming);
    sl_ws_sending_fini(&socket->sending);
    sl_ws_queue_fini(&socket->queue);
    sl_buffer_fini(&socket->input);
    if (socket->end != NULL && socket->end != &unknown_end)
        sl_free(allocator, (void *)(uintptr_t)socket->end, sizeof *socket->end);
    sl_free(allocator, socket, sizeof *socket);
}

/* ---- receiving ---- */

enum sl_status sl_websocket_want(struct sl_websocket *socket, int64_t due)
{
    struct sl_completion *completion = &socket->completion;

    if (completion->state == SL_COMPLETION_PENDING ||
        completion->state == SL_COMPLETION_READY)
        return SL_MISUSE;
    if (socket->queue.count == 0 && socket->end == NULL) {
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
        run_out(socket);
        sl_websocket_advance(socket);
        return status;
    }
    begin_message(socket);
    status = check_open(socket);
    if (status != SL_OK)
        return status;
    return socket->sending.output.length > 0 ? SL_AGAIN : SL_OK;
}

enum sl_status sl_websocket_follow(struct sl_websocket *socket,
                                   struct sl_ws_place *place)
{
    enum sl_status status = check_open(socket);

    if (status != SL_OK)
        return status;
    sl_ws_place_follow(place, &socket->sending);
    return sl_ws_place_want(place);
}

enum sl_status sl_websocket_put(struct sl_websocket *socket,
                                struct sl_ws_place *place,
                                enum sl_ws_opcode type,
                                const struct sl_ws_piece *piece, bool is_last)
{
    enum sl_status status = place->sending == NULL ? check_open(socket) : SL_OK;

    if (status == SL_OK)
        status = sl_ws_place_put(place, &socket->sending, type, piece, is_last);
    if (status != SL_OK)
        return status;
    begin_message(socket);
    return sl_ws_place_want(place);
}

void sl_websocket_leave(struct sl_ws_place *place)
{
    struct sl_websocket *socket;
    struct sl_failure failure;

    if (place->sending == NULL)
        return;
    socket = FROM(struct sl_websocket, sending, place->sending);
    if (sl_ws_place_leave(place) == SL_OK)
        return;
    sl_fail(&failure, SL_CANCELLED, SL_STAGE_WEBSOCKET,
            "a send ended in the middle of its message");
    if (sl_ws_outgoing_is_between(&socket->sending.outgoing))
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
        sl_ws_after(sl_loop_refresh(socket->loop), socket->close_timeout);
    sl_websocket_advance(socket);
    return SL_OK;
}

enum sl_status sl_websocket_want_over(struct sl_websocket *socket,
                                      struct sl_ws_place *place)
{
    if (socket->phase == SL_WEBSOCKET_OVER)
        return SL_OK;
    sl_ws_place_wait(place, &socket->sending);
    return sl_ws_place_want(place);
}
