#include "conn/exchange.h"

#include "base/debug.h"
#include "conn/deadline.h"
#include "conn/exchange_parts.h"

#include <string.h>

#define DRAIN_TIMEOUT   (100 * SL_MILLISECOND)
#define SPARE_EXCHANGES 256

/* ---- telling whoever waits ---- */

bool sl_exchange_is_satisfied(const struct sl_exchange *exchange)
{
    const struct sl_response *response = &exchange->response;

    if (sl_exchange_is_over(exchange))
        return true;
    switch (exchange->interest) {
    case SL_WANT_NOTHING:
        return false;
    case SL_WANT_HEAD:
        return response->phase > SL_PHASE_HEAD;
    case SL_WANT_BODY:
        return response->body.length >= exchange->wanted;
    case SL_WANT_WHOLE:
        return false;
    }
    return false;
}

static bool has_room(const struct sl_exchange *exchange)
{
    return exchange->is_upload_over ||
           (exchange->phase == SL_EXCHANGE_ACTIVE &&
            exchange->continue_until == 0 &&
            exchange->upload.pushed.length < SL_UPLOAD_WINDOW);
}

static void wake(struct sl_exchange *exchange)
{
    if (exchange->completion.state == SL_COMPLETION_PENDING &&
        sl_exchange_is_satisfied(exchange))
        sl_completion_signal(&exchange->completion, SL_OK, 0);
    if (exchange->room.state == SL_COMPLETION_PENDING && has_room(exchange))
        sl_completion_signal(&exchange->room, SL_OK, 0);
}

static bool is_awaited(const struct sl_exchange *exchange)
{
    return exchange->completion.state == SL_COMPLETION_PENDING ||
           exchange->room.state == SL_COMPLETION_PENDING;
}

void sl_exchange_arm(struct sl_exchange *exchange)
{
    int64_t due;

    if (!is_awaited(exchange) && exchange->drain_until == 0 &&
        exchange->continue_until == 0)
        return;
    due = sl_exchange_due(exchange);
    /* A timer that comes too early arms itself again; one that came too late
     * would break a promise. */
    if (due != SL_NEVER &&
        (!exchange->timer.is_armed || exchange->timer.due > due))
        sl_timer_arm(&sl_exchange_loop(exchange)->timers, &exchange->timer,
                     due);
}

void sl_exchange_take_turn(struct sl_exchange *exchange)
{
    if (exchange->turn.state == SL_COMPLETION_PENDING ||
        exchange->turn.state == SL_COMPLETION_READY)
        return;
    sl_completion_begin(&exchange->turn);
    sl_completion_signal(&exchange->turn, SL_OK, 0);
}

/* ---- ends ---- */

void sl_exchange_release_head(struct sl_exchange *exchange)
{
    if (exchange->head != NULL) {
        sl_segment_release(exchange->head);
        exchange->head = NULL;
    }
}

static void link_draining(struct sl_exchange *exchange)
{
    struct sl_connections *all = sl_exchange_connections(exchange);

    exchange->previous = NULL;
    exchange->next = all->draining;
    if (all->draining != NULL)
        all->draining->previous = exchange;
    all->draining = exchange;
}

static void unlink_draining(struct sl_exchange *exchange)
{
    struct sl_connections *all = sl_exchange_connections(exchange);

    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        all->draining = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    exchange->next = exchange->previous = NULL;
}

/* Lets go of everything but what was received. */
static void end(struct sl_exchange *exchange, enum sl_exchange_phase phase)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);
    bool was_draining = exchange->drain_until != 0;

    exchange->phase = phase;
    exchange->times.ended = loop->now;
    exchange->continue_until = 0;
    exchange->drain_until = 0;
    exchange->uploaded = sl_upload_delivered(&exchange->upload);
    exchange->is_upload_over = true;
    sl_timer_disarm(&loop->timers, &exchange->timer);
    sl_upload_dispose(&exchange->upload);
    sl_exchange_release_head(exchange);
    sl_response_settle(&exchange->response);
    wake(exchange);
    if (was_draining) {
        unlink_draining(exchange);
        sl_exchange_release(exchange);
    }
}

/* Whatever it holds on the way to its response. */
static void leave(struct sl_exchange *exchange, bool is_abort)
{
    switch (exchange->phase) {
    case SL_EXCHANGE_QUEUED:
        sl_connections_dequeue(sl_exchange_connections(exchange), exchange);
        break;
    case SL_EXCHANGE_DIALING:
        sl_connect_destroy(exchange->connector);
        exchange->connector = NULL;
        sl_origin_free_place(exchange->origin);
        break;
    default:
        break;
    }
    if (exchange->connection != NULL) {
        struct sl_connection *connection = exchange->connection;

        exchange->connection = NULL;
        connection->exchange = NULL;
        sl_connection_discard(connection, is_abort);
    }
}

/* `failure` is filled but for what depends on how far it had come. */
void sl_exchange_fail(struct sl_exchange *exchange)
{
    struct sl_failure *failure = &exchange->failure;

    if (failure->stage == SL_STAGE_NONE)
        failure->stage = sl_exchange_stage(exchange);
    failure->is_retryable =
        failure->status != SL_INVALID && failure->status != SL_MEMORY &&
        (!exchange->has_sent_bytes ||
         (exchange->options.is_idempotent && !exchange->has_response_bytes));
    leave(exchange, true);
    end(exchange, SL_EXCHANGE_FAILED);
}

void sl_exchange_fail_with(struct sl_exchange *exchange, enum sl_status status,
                           const char *reason)
{
    sl_fail(&exchange->failure, status, SL_STAGE_NONE, "%s", reason);
    sl_exchange_fail(exchange);
}

static bool may_resend(const struct sl_exchange *exchange)
{
    return exchange->is_reused && !exchange->has_resent &&
           !exchange->has_response_bytes && exchange->head != NULL &&
           (!exchange->has_sent_bytes || exchange->options.is_idempotent) &&
           sl_upload_is_replayable(&exchange->upload);
}

static void init_response(struct sl_exchange *exchange)
{
    sl_response_init(&exchange->response,
                     sl_exchange_connections(exchange)->pool,
                     &exchange->options.limits, exchange->options.traits,
                     exchange->options.decodes);
}

/* The connection ended under it. The commonest case is harmless: an idle one
 * that its server had just given up. */
void sl_exchange_lose(struct sl_exchange *exchange)
{
    if (!may_resend(exchange)) {
        sl_exchange_fail(exchange);
        return;
    }
    leave(exchange, true);
    exchange->has_resent = true;
    exchange->head_sent = 0;
    exchange->has_sent_bytes = false;
    exchange->is_upload_over = false;
    exchange->was_cut = false;
    exchange->failure.status = SL_OK;
    sl_upload_rewind(&exchange->upload);
    sl_peer_release(exchange->peer);
    exchange->peer = NULL;
    sl_response_fini(&exchange->response);
    init_response(exchange);
    sl_exchange_connections(exchange)->stats.resends++;
    sl_exchange_find_place(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        sl_exchange_take_turn(exchange);
}

/* An answer may be complete before anybody has noticed that its request is. */
static bool has_sent_all(const struct sl_exchange *exchange)
{
    const struct sl_link *link = &exchange->connection->link;

    return exchange->is_upload_over ||
           (exchange->head_sent == exchange->head->filled &&
            sl_upload_is_over(&exchange->upload) &&
            (link->tls == NULL || link->tls->out.length == 0));
}

void sl_exchange_finish(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;
    bool can_reuse = exchange->response.framing.keeps_alive &&
                     has_sent_all(exchange) && !exchange->was_cut;

    exchange->connection = NULL;
    connection->exchange = NULL;
    if (can_reuse)
        sl_connection_put(connection);
    else
        sl_connection_discard(connection, false);
    end(exchange, SL_EXCHANGE_DONE);
}

/* ---- going on ---- */

void sl_exchange_activate(struct sl_exchange *exchange)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);

    exchange->phase = SL_EXCHANGE_ACTIVE;
    exchange->peer = sl_peer_retain(exchange->connection->peer);
    exchange->stage_began = exchange->last_activity = loop->now;
    if (exchange->options.expects_continue)
        exchange->continue_until = SL_NEVER; /* until the head is sent */
    else
        exchange->holds_head = !exchange->upload.is_complete;
}

/* The owner's verify runs in there and may end this exchange, which has to wait:
 * the engine is at work. */
static enum sl_status handshake(struct sl_exchange *exchange)
{
    struct sl_failure failure;
    enum sl_status status;

    exchange->is_in_engine = true;
    status = sl_link_handshake(&exchange->connection->link, &failure);
    exchange->is_in_engine = false;
    if (exchange->must_fail)
        return exchange->failure.status;
    if (sl_is_failure(status))
        exchange->failure = failure;
    return status;
}

static void advance_handshake(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;
    struct sl_link *link = &connection->link;
    enum sl_status status = handshake(exchange);

    if (status == SL_AGAIN)
        return;
    if (status == SL_OK) {
        status = sl_peer_create(link->allocator, link->tls->provider,
                                link->tls->engine, &connection->peer);
        if (status != SL_OK)
            sl_fail(&exchange->failure, status, SL_STAGE_TLS, "out of memory");
    }
    if (status != SL_OK) {
        exchange->failure.stage = SL_STAGE_TLS;
        sl_exchange_fail(exchange);
        return;
    }
    exchange->times.secured = sl_exchange_loop(exchange)->now;
    sl_exchange_activate(exchange);
}

static void advance_message(struct sl_exchange *exchange)
{
    size_t budget = SL_TURN_BUDGET;
    bool has_moved = true;

    while (has_moved && exchange->phase == SL_EXCHANGE_ACTIVE) {
        struct sl_link *link = &exchange->connection->link;
        bool was_stuck;

        has_moved = false;
        if (!exchange->is_upload_over)
            has_moved = sl_exchange_send_some(exchange, &budget);
        if (exchange->phase != SL_EXCHANGE_ACTIVE)
            break;
        was_stuck = sl_link_is_stuck(link);
        if (sl_exchange_is_receiving(exchange))
            has_moved |= sl_exchange_receive_some(exchange, &budget);
        if (was_stuck && exchange->phase == SL_EXCHANGE_ACTIVE)
            has_moved |= !sl_link_is_stuck(link);
        if (budget == 0) {
            sl_exchange_take_turn(exchange);
            break;
        }
    }
}

void sl_exchange_advance(struct sl_exchange *exchange)
{
    /* Ending a drain lets go of the last reference. */
    sl_exchange_retain(exchange);
    if (exchange->phase == SL_EXCHANGE_SECURING && !exchange->is_in_engine)
        advance_handshake(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        advance_message(exchange);
    wake(exchange);
    if (!sl_exchange_is_over(exchange))
        sl_exchange_arm(exchange);
    sl_exchange_release(exchange);
}

void sl_exchange_ready(struct sl_exchange *exchange)
{
    sl_exchange_advance(exchange);
}

/* ---- timers, turns, cancellation ---- */

#define FROM(member, pointer)                                              \
    ((struct sl_exchange *)((char *)(pointer)-offsetof(struct sl_exchange, \
                                                       member)))

static void time_came(struct sl_timer *timer)
{
    struct sl_exchange *exchange = FROM(timer, timer);
    int64_t now = sl_exchange_loop(exchange)->now;

    if (exchange->continue_until != 0 && now >= exchange->continue_until) {
        exchange->continue_until = 0;
        sl_exchange_advance(exchange);
        return;
    }
    if (now < sl_exchange_due(exchange)) {
        sl_exchange_arm(exchange);
        return;
    }
    /* Nobody waits: a deadline counts from the next wait. But where each wait is
     * over within the step that began it, its timer always comes here, and the
     * total time is to end all the same. */
    if (!is_awaited(exchange) && exchange->drain_until == 0) {
        exchange->is_overdue = now >= exchange->deadline;
        return;
    }
    sl_exchange_time_out(exchange);
    sl_exchange_fail(exchange);
}

static void turn_came(struct sl_completion *completion)
{
    struct sl_exchange *exchange = FROM(turn, completion);

    if (exchange->was_asked)
        exchange->holds_head = false;
    sl_exchange_advance(exchange);
}

static void cancel(struct sl_completion *completion)
{
    sl_exchange_abort(FROM(completion, completion), SL_CANCELLED, "cancelled");
}

static void cancel_push(struct sl_completion *room)
{
    sl_exchange_abort(FROM(room, room), SL_CANCELLED, "cancelled");
}

/* ---- a life ---- */

static struct sl_exchange *rent_exchange(struct sl_connections *connections)
{
    struct sl_exchange *exchange = connections->spare;

    if (exchange == NULL)
        return sl_allocate_zeroed(connections->allocator, sizeof *exchange);
    connections->spare = exchange->next;
    connections->spare_count--;
    /* The response in the middle has an init of its own. */
    memset(exchange, 0, offsetof(struct sl_exchange, response));
    memset(&exchange->response + 1, 0,
           sizeof *exchange - offsetof(struct sl_exchange, response) -
               sizeof exchange->response);
    return exchange;
}

static void return_exchange(struct sl_connections *connections,
                            struct sl_exchange *exchange)
{
    if (connections->spare_count >= SPARE_EXCHANGES) {
        sl_free(connections->allocator, exchange, sizeof *exchange);
        return;
    }
    exchange->next = connections->spare;
    connections->spare = exchange;
    connections->spare_count++;
}

enum sl_status sl_exchange_create(struct sl_origin *origin,
                                  const struct sl_exchange_options *options,
                                  struct sl_view head,
                                  struct sl_exchange **exchange)
{
    struct sl_connections *connections = origin->connections;
    struct sl_exchange *created = rent_exchange(connections);
    enum sl_status status;

    if (created == NULL)
        return SL_MEMORY;
    status = sl_pool_rent_block(connections->pool, head.size, &created->head);
    if (status != SL_OK) {
        return_exchange(connections, created);
        return status;
    }
    memcpy(created->head->data, head.data, head.size);
    created->head->filled = head.size;
    created->refs = 1;
    created->origin = origin;
    sl_origin_retain(origin);
    created->options = *options;
    sl_completion_init(&created->completion, connections->loop, NULL);
    created->completion.cancel = cancel;
    sl_completion_init(&created->room, connections->loop, NULL);
    created->room.cancel = cancel_push;
    sl_completion_init(&created->turn, connections->loop, turn_came);
    sl_timer_init(&created->timer, time_came);
    sl_upload_init(&created->upload, connections->allocator, connections->pool);
    init_response(created);
    *exchange = created;
    return SL_OK;
}

void sl_exchange_retain(struct sl_exchange *exchange)
{
    exchange->refs++;
}

void sl_exchange_release(struct sl_exchange *exchange)
{
    struct sl_connections *connections = sl_exchange_connections(exchange);

    if (--exchange->refs > 0)
        return;
    exchange->refs = 1; /* while it ends */
    if (!sl_exchange_is_over(exchange))
        sl_exchange_abort(exchange, SL_CANCELLED, "cancelled");
    sl_completion_fini(&exchange->completion);
    sl_completion_fini(&exchange->room);
    sl_completion_fini(&exchange->turn);
    sl_response_fini(&exchange->response);
    sl_peer_release(exchange->peer);
    sl_connections_retain(connections);
    sl_origin_release(exchange->origin);
    return_exchange(connections, exchange);
    sl_connections_release(connections);
}

void sl_exchange_set_deadline(struct sl_exchange *exchange, int64_t deadline)
{
    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->deadline = deadline;
}

void sl_exchange_start(struct sl_exchange *exchange)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);
    int64_t total = exchange->options.deadlines.total;

    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->times.started = sl_loop_refresh(loop);
    exchange->last_activity = loop->now;
    sl_exchange_connections(exchange)->stats.requests++;
    if (exchange->deadline == 0) {
        exchange->deadline =
            total >= SL_NEVER - loop->now ? SL_NEVER : loop->now + total;
    } else if (loop->now >= exchange->deadline) {
        sl_exchange_time_out(exchange);
        sl_exchange_fail(exchange);
        return;
    }
    sl_exchange_find_place(exchange);
}

/* Requests made while others are about to be made go out together, one after
 * the other: a peer that is not woken for each is cheaper for both. */
static bool may_gather(const struct sl_exchange *exchange)
{
    return exchange->phase == SL_EXCHANGE_ACTIVE && !exchange->has_sent_bytes &&
           sl_loop_has_more(sl_exchange_loop(exchange));
}

enum sl_status sl_exchange_want(struct sl_exchange *exchange,
                                enum sl_interest interest, size_t wanted)
{
    struct sl_completion *completion = &exchange->completion;

    if (completion->state == SL_COMPLETION_PENDING ||
        completion->state == SL_COMPLETION_READY || exchange->drain_until != 0)
        return SL_MISUSE;
    exchange->interest = interest;
    exchange->wanted = wanted;
    if (!sl_exchange_is_satisfied(exchange)) {
        exchange->last_activity = sl_loop_refresh(sl_exchange_loop(exchange));
        /* A handshake goes on by what comes from the peer, inside a step. */
        if (may_gather(exchange))
            sl_exchange_take_turn(exchange);
        else if (exchange->phase != SL_EXCHANGE_SECURING)
            sl_exchange_advance(exchange);
    }
    if (!sl_exchange_is_satisfied(exchange) && exchange->is_overdue)
        sl_exchange_check_deadline(exchange);
    if (!sl_exchange_is_satisfied(exchange)) {
        sl_completion_begin(completion);
        sl_exchange_arm(exchange);
        return SL_AGAIN;
    }

    exchange->interest = SL_WANT_NOTHING;
    if (interest == SL_WANT_BODY && exchange->response.body.length > 0)
        return SL_OK;
    /* What came before the end counts, wherever the pieces were cut. */
    if (interest == SL_WANT_HEAD && exchange->response.phase > SL_PHASE_HEAD)
        return SL_OK;
    if (exchange->phase == SL_EXCHANGE_FAILED)
        return exchange->failure.status;
    if (interest == SL_WANT_WHOLE)
        sl_buffer_compact(&exchange->response.body);
    return interest == SL_WANT_BODY ? SL_END : SL_OK;
}

enum sl_status sl_exchange_want_room(struct sl_exchange *exchange)
{
    struct sl_completion *room = &exchange->room;

    if (room->state == SL_COMPLETION_PENDING ||
        room->state == SL_COMPLETION_READY)
        return SL_MISUSE;
    if (has_room(exchange)) {
        if (exchange->holds_head) { /* what is given at once goes with it */
            exchange->was_asked = true;
            sl_exchange_take_turn(exchange);
        }
        return SL_OK;
    }
    exchange->last_activity = sl_loop_refresh(sl_exchange_loop(exchange));
    sl_completion_begin(room);
    sl_exchange_arm(exchange);
    return SL_AGAIN;
}

void sl_exchange_pushed(struct sl_exchange *exchange)
{
    if (exchange->phase != SL_EXCHANGE_ACTIVE)
        return;
    if (!exchange->upload.is_complete &&
        exchange->upload.pushed.length < SL_SEND_AT_ONCE) {
        exchange->was_asked = true;
        sl_exchange_take_turn(exchange);
        return;
    }
    exchange->holds_head = false;
    sl_exchange_advance(exchange);
}

uint64_t sl_exchange_uploaded(const struct sl_exchange *exchange)
{
    return sl_exchange_is_over(exchange)
               ? exchange->uploaded
               : sl_upload_delivered(&exchange->upload);
}

void sl_exchange_check_deadline(struct sl_exchange *exchange)
{
    if (exchange->phase != SL_EXCHANGE_ACTIVE ||
        sl_exchange_loop(exchange)->now < exchange->deadline)
        return;
    sl_exchange_time_out(exchange);
    sl_exchange_fail(exchange);
}

void sl_exchange_abort(struct sl_exchange *exchange, enum sl_status status,
                       const char *reason)
{
    if (sl_exchange_is_over(exchange) || exchange->must_fail)
        return;
    if (exchange->is_in_engine) {
        exchange->must_fail = true;
        sl_fail(&exchange->failure, status, SL_STAGE_TLS, "%s", reason);
        return;
    }
    sl_exchange_fail_with(exchange, status, reason);
}

void sl_exchange_drop(struct sl_exchange *exchange)
{
    struct sl_response *response = &exchange->response;
    uint64_t expected = sl_response_expected(response);
    bool is_short = expected == UINT64_MAX ||
                    expected - response->received <= SL_DRAIN_LIMIT;

    if (sl_exchange_is_over(exchange)) {
        sl_buffer_reset(&response->body);
        return;
    }
    if (exchange->phase != SL_EXCHANGE_ACTIVE ||
        response->phase == SL_PHASE_HEAD || !exchange->is_upload_over ||
        exchange->was_cut || !response->framing.keeps_alive || !is_short ||
        exchange->completion.state == SL_COMPLETION_PENDING ||
        sl_loop_is_forked(sl_exchange_loop(exchange))) {
        sl_exchange_abort(exchange, SL_CANCELLED, "let go before its end");
        sl_buffer_reset(&response->body);
        return;
    }
    sl_exchange_retain(exchange); /* until the drain ends */
    exchange->drain_until =
        sl_loop_refresh(sl_exchange_loop(exchange)) + DRAIN_TIMEOUT;
    exchange->drained = exchange->connection->input.length;
    link_draining(exchange);
    sl_exchange_discard_body(exchange);
    sl_exchange_advance(exchange);
}
