#include "conn/course.h"

#include "conn/deadline.h"
#include "conn/lean.h"

/* Received before the first request is sent: a head, as a rule. */
#define UNASKED_MOST ((size_t)16 * 1024)

/* Nanoseconds for a receive of SL_FLOW, or of half of it into new memory. */
#define COST_OF_FLOW (SL_MILLISECOND / 10)

/* ---- notifying those who wait ---- */

bool sl_exchange_has_room(const struct sl_exchange *exchange)
{
    return sl_outgoing_is_over(&exchange->request->outgoing) ||
           (exchange->phase == SL_EXCHANGE_ACTIVE &&
            sl_outgoing_has_room(&exchange->request->outgoing));
}

static void wake(struct sl_exchange *exchange)
{
    if (exchange->completion.state == SL_COMPLETION_PENDING &&
        sl_exchange_is_satisfied(exchange))
        sl_completion_signal(&exchange->completion, SL_OK, 0);
    if (exchange->request->room.state == SL_COMPLETION_PENDING &&
        sl_exchange_has_room(exchange))
        sl_completion_signal(&exchange->request->room, SL_OK, 0);
}

/* Sets the timer for the next deadline, when there is a waiter. */
void sl_exchange_arm(struct sl_exchange *exchange)
{
    int64_t due;

    if (sl_pace_is_kept(&exchange->request->pace))
        sl_exchange_keep_pace(exchange);
    if (!sl_exchange_is_awaited(exchange) &&
        !sl_incoming_is_draining(&exchange->incoming) &&
        exchange->request->outgoing.phase != SL_OUTGOING_EXPECTING)
        return;
    due = sl_exchange_due(exchange);
    /* A timer that fires too early arms itself again; one that fired too late
     * would break a promise. */
    if (due != SL_NEVER &&
        (!exchange->timer.is_armed || exchange->timer.due > due))
        sl_timer_arm(&sl_exchange_loop(exchange)->timers, &exchange->timer,
                     due);
}

/* Lets others run, and goes on in the next step of the loop. */
void sl_exchange_take_turn(struct sl_exchange *exchange)
{
    if (sl_exchange_queue_turn(exchange))
        return;
    sl_fail(&exchange->request->failure, SL_MEMORY, SL_STAGE_NONE,
            "out of memory");
    sl_exchange_fail(exchange);
}

/* ---- ends ---- */

/* The list of an exchange that holds a connection. */
static struct sl_exchange **list_of(const struct sl_exchange *exchange)
{
    return sl_incoming_is_draining(&exchange->incoming)
               ? &exchange->exchanges->draining
               : &exchange->exchanges->active;
}

static void drop_input(struct sl_exchange *exchange)
{
    if (exchange->input != NULL)
        sl_exchanges_return_input(exchange->exchanges, exchange->input);
    exchange->input = NULL;
}

/* Takes the connection from the exchange. */
struct sl_connection *sl_exchange_part(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;

    drop_input(exchange);
    exchange->connection = NULL;
    if (connection != NULL)
        sl_exchanges_unlink(list_of(exchange), exchange);
    return connection;
}

/* Releases everything but the response. */
void sl_exchange_end(struct sl_exchange *exchange, enum sl_exchange_phase phase)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);

    exchange->phase = (uint8_t)phase;
    exchange->times.ended = loop->now;
    sl_timer_disarm(&loop->timers, &exchange->timer);
    if (exchange->request->exchange != NULL)
        sl_outgoing_end(&exchange->request->outgoing);
    sl_response_settle(&exchange->incoming.response);
    wake(exchange);
    if (sl_incoming_is_draining(&exchange->incoming))
        sl_exchange_release(exchange);
}

/* Releases the place or connection on the way to a response. */
static void leave(struct sl_exchange *exchange)
{
    struct sl_connection *connection = sl_exchange_part(exchange);

    sl_place_leave(&exchange->request->place);
    if (connection != NULL)
        sl_connection_discard(connection, true);
}

/* The noted failure is complete but for what depends on the stage reached. */
void sl_exchange_fail(struct sl_exchange *exchange)
{
    struct sl_failure *failure = &exchange->request->failure;

    if (failure->stage == SL_STAGE_NONE)
        failure->stage = sl_exchange_stage(exchange);
    failure->is_retryable =
        failure->status != SL_INVALID && failure->status != SL_MEMORY &&
        (!sl_outgoing_has_sent(&exchange->request->outgoing) ||
         (exchange->request->options.is_idempotent &&
          exchange->incoming.phase == SL_INCOMING_SILENT));
    leave(exchange);
    exchange->failure = sl_exchange_keep_failure(exchange);
    sl_exchange_end(exchange, SL_EXCHANGE_FAILED);
}

void sl_exchange_fail_late(struct sl_exchange *exchange)
{
    sl_exchange_time_out(exchange);
    sl_exchange_fail(exchange);
}

/* ---- from the queue to a connection ---- */

static void can_move(void *user)
{
    sl_exchange_advance(user);
}

static const struct sl_transport_events connection_events = {can_move,
                                                             can_move};

static void activate(struct sl_exchange *exchange,
                     struct sl_connection *connection)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);

    sl_connection_lend(connection, &connection_events, exchange);
    exchange->connection = connection;
    sl_exchanges_link(&exchange->exchanges->active, exchange);
    exchange->phase = SL_EXCHANGE_ACTIVE;
    exchange->peer = sl_peer_retain(connection->peer);
    exchange->last_activity = loop->now;
    sl_outgoing_begin(&exchange->request->outgoing,
                      exchange->request->options.expects_continue);
}

/* Notes the stages of a connection that was opened for this exchange; any other
 * connection was there at once, as seen from here. */
static void note_times(struct sl_exchange *exchange)
{
    const struct sl_opening_times *opened = &exchange->request->place.times;
    struct sl_exchange_times *times = &exchange->times;

    if (opened->began == 0) {
        times->placed = sl_exchange_loop(exchange)->now;
        return;
    }
    times->placed = opened->began;
    times->resolved = opened->resolved;
    times->connected = opened->connected;
    times->tunneled = opened->tunneled;
    times->secured = opened->secured;
}

#define FROM(member, pointer)                                   \
    ((struct sl_exchange *)(void *)((char *)(pointer)-offsetof( \
        struct sl_exchange, member)))

#define OF_REQUEST(member, pointer)                                      \
    (((struct sl_exchange_request *)(void *)((char *)(pointer)-offsetof( \
          struct sl_exchange_request, member)))                          \
         ->exchange)

static void granted(struct sl_place *place, struct sl_connection *connection,
                    bool is_new)
{
    struct sl_exchange *exchange = OF_REQUEST(place, place);

    if (!is_new)
        exchange->use = SL_EXCHANGE_REUSED;
    note_times(exchange);
    activate(exchange, connection);
    if (place->times.began != 0)
        sl_exchange_advance(exchange); /* called from the loop */
    else
        sl_exchange_take_turn(exchange);
}

static void refused(struct sl_place *place, const struct sl_failure *failure)
{
    struct sl_exchange *exchange = OF_REQUEST(place, place);

    exchange->request->failure = *failure;
    sl_exchange_fail(exchange);
}

static const struct sl_place_events place_events = {granted, refused};

void sl_exchange_ask(struct sl_exchange *exchange)
{
    struct sl_connection *connection;

    exchange->phase = SL_EXCHANGE_WAITING;
    exchange->request->stage_began = sl_exchange_loop(exchange)->now;
    /* An offer is made once: what it holds is for one connection. */
    exchange->request->place.needs_new =
        exchange->use == SL_EXCHANGE_RESENT ||
        exchange->request->options.traits.wants_upgrade;
    switch (sl_origin_ask(exchange->origin, &exchange->request->place,
                          &connection, &exchange->request->failure)) {
    case SL_OK:
        exchange->use = SL_EXCHANGE_REUSED;
        note_times(exchange);
        activate(exchange, connection);
        break;
    case SL_AGAIN:
        break;
    default:
        sl_exchange_fail(exchange);
    }
}

/* ---- losing a connection ---- */

static bool may_resend(const struct sl_exchange *exchange)
{
    return exchange->use == SL_EXCHANGE_REUSED &&
           exchange->incoming.phase == SL_INCOMING_SILENT &&
           sl_outgoing_is_replayable(&exchange->request->outgoing) &&
           (!sl_outgoing_has_sent(&exchange->request->outgoing) ||
            exchange->request->options.is_idempotent);
}

static void init_incoming(struct sl_exchange *exchange)
{
    sl_incoming_init(
        &exchange->incoming, exchange->exchanges->connections->pool,
        &exchange->request->options.limits, exchange->request->options.traits,
        exchange->request->options.shelf);
}

/* The connection ended under the exchange. The commonest case is harmless: the
 * server had just given up an idle connection. */
static void lose(struct sl_exchange *exchange)
{
    if (!may_resend(exchange)) {
        sl_exchange_fail(exchange);
        return;
    }
    leave(exchange);
    exchange->use = SL_EXCHANGE_RESENT;
    exchange->request->failure.status = SL_OK;
    sl_outgoing_rewind(&exchange->request->outgoing);
    sl_peer_release(exchange->peer);
    exchange->peer = NULL;
    sl_incoming_fini(&exchange->incoming);
    init_incoming(exchange);
    exchange->exchanges->resends++;
    sl_exchange_ask(exchange);
}

/* Whether the peer may not have read the request's body though it answered: a
 * proxy that asks for credentials may leave it, keep the connection, and never
 * read on (squid 5). */
static bool may_be_unread(const struct sl_exchange *exchange)
{
    return exchange->incoming.response.head.status == 407 &&
           sl_exchange_uploaded(exchange) > 0;
}

/* Whether the server goes over to the protocol that was offered. An answer that
 * began before the offer was sent accepts nothing. */
static bool is_upgrade(const struct sl_exchange *exchange)
{
    return exchange->incoming.response.framing.is_upgrade &&
           exchange->use != SL_EXCHANGE_UNASKED &&
           sl_outgoing_is_sent(&exchange->request->outgoing,
                               &exchange->connection->link);
}

static void finish(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;
    /* An answer may be complete before the end of its request has been
     * noticed. */
    bool can_reuse =
        exchange->incoming.response.framing.keeps_alive &&
        exchange->use != SL_EXCHANGE_UNASKED && exchange->input == NULL &&
        !may_be_unread(exchange) &&
        sl_outgoing_is_sent(&exchange->request->outgoing, &connection->link);

    if (is_upgrade(exchange)) {
        sl_exchange_end(exchange, SL_EXCHANGE_DONE);
        return;
    }
    sl_exchange_part(exchange);
    if (can_reuse)
        sl_connection_put(connection, exchange->incoming.response.framing.idle);
    else
        sl_connection_discard(connection, false);
    sl_exchange_end(exchange, SL_EXCHANGE_DONE);
}

/* ---- going on ---- */

/* Acts on the status answered by a part. True: there may be more to do. */
static bool conclude(struct sl_exchange *exchange, enum sl_status status)
{
    switch (status) {
    case SL_OK:
        return true;
    case SL_AGAIN:
        return false;
    case SL_END:
        finish(exchange);
        return false;
    case SL_CLOSED:
    case SL_TLS: /* a peer may end a connection by an alert, too */
        lose(exchange);
        return false;
    default:
        sl_exchange_fail(exchange);
        return false;
    }
}

/* False: there is no memory for received bytes, and `failure` says so. */
static bool open_input(struct sl_exchange *exchange)
{
    if (exchange->input == NULL)
        exchange->input = sl_exchanges_rent_input(exchange->exchanges);
    if (exchange->input == NULL)
        sl_fail(&exchange->request->failure, SL_MEMORY, SL_STAGE_NONE,
                "out of memory");
    return exchange->input != NULL;
}

/* Keeps the input only for what is left in it. */
static void close_input(struct sl_exchange *exchange)
{
    if (exchange->input->length == 0)
        drop_input(exchange);
}

/* Handles bytes that were there before the first request was sent. On a reused
 * connection they cannot be the answer; on a new one they are taken for it,
 * once. */
static enum sl_status meet_unasked(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;
    struct sl_failure ignored;
    size_t count;

    if (exchange->use == SL_EXCHANGE_UNASKED)
        return SL_OK;
    if (exchange->use == SL_EXCHANGE_REUSED) {
        if (sl_link_is_quiet(&connection->link))
            return SL_OK;
        return sl_fail(&exchange->request->failure, SL_CLOSED, SL_STAGE_SEND,
                       "the server closed the connection, or spoke unasked, "
                       "while the request waited");
    }
    if (!open_input(exchange))
        return SL_MEMORY;
    if (sl_link_receive(&connection->link, exchange->input, UNASKED_MOST,
                        &count, &ignored) == SL_OK)
        exchange->use = SL_EXCHANGE_UNASKED;
    close_input(exchange);
    return SL_OK;
}

static bool send_some(struct sl_exchange *exchange, size_t *budget)
{
    struct sl_outgoing *outgoing = &exchange->request->outgoing;
    int64_t now = sl_exchange_loop(exchange)->now;
    struct sl_failure ignored;
    size_t count;
    enum sl_status status;

    if (!sl_outgoing_has_sent(outgoing)) {
        status = meet_unasked(exchange);
        if (status != SL_OK)
            return conclude(exchange, status);
    }
    status = sl_outgoing_advance(outgoing, &exchange->connection->link, now,
                                 budget, &count, &exchange->request->failure);
    /* The peer waits for the end of the handshake. */
    if (!sl_outgoing_has_sent(outgoing))
        sl_link_flush(&exchange->connection->link, &ignored);
    if (count > 0 || outgoing->phase == SL_OUTGOING_SENT)
        exchange->last_activity = now;
    if (sl_pace_is_kept(&exchange->request->pace))
        sl_pace_move(&exchange->request->pace, count, now);
    return conclude(exchange, status);
}

static void note_news(struct sl_exchange *exchange,
                      const struct sl_incoming_news *news)
{
    const struct sl_response *response = &exchange->incoming.response;
    int64_t now = sl_exchange_loop(exchange)->now;

    if (news->received > 0) {
        exchange->last_activity = now;
        if (sl_pace_is_kept(&exchange->request->pace))
            sl_pace_move(&exchange->request->pace, news->received, now);
        if (exchange->times.first_byte == 0)
            exchange->times.first_byte = exchange->last_activity;
    }
    if (news->continues)
        sl_outgoing_go_on(&exchange->request->outgoing);
    if (response->phase == SL_PHASE_HEAD)
        return;
    exchange->origin->speaks_1_0 = response->head.minor_version == 0;
    sl_outgoing_answered(&exchange->request->outgoing, response->head.status);
}

/* The pusher of a body learns of an early answer through this. */
static bool wants_head(const struct sl_exchange *exchange)
{
    return exchange->request->room.state == SL_COMPLETION_PENDING;
}

/* Under a budget less is received at once where the memory is new, whose pages
 * cost more than the bytes, and where little time is left. */
static size_t flow_of(const struct sl_exchange *exchange)
{
    const struct sl_loop *loop = sl_exchange_loop(exchange);
    size_t flow = SL_FLOW;

    if (!sl_loop_has_budget(loop))
        return flow;
    if (exchange->incoming.interest == SL_WANT_WHOLE)
        flow /= 2;
    return sl_loop_has_time(loop, COST_OF_FLOW) ? flow : flow / 2;
}

static bool receive_some(struct sl_exchange *exchange, size_t *budget)
{
    struct sl_incoming_source source = {.link = &exchange->connection->link,
                                        .flow = flow_of(exchange)};
    struct sl_incoming_news news;
    enum sl_status status;

    if (!open_input(exchange))
        return conclude(exchange, SL_MEMORY);
    source.input = exchange->input;
    status =
        sl_incoming_advance(&exchange->incoming, &source, wants_head(exchange),
                            budget, &news, &exchange->request->failure);
    close_input(exchange);
    note_news(exchange, &news);
    return conclude(exchange, status);
}

static void advance_message(struct sl_exchange *exchange)
{
    const struct sl_loop *loop = sl_exchange_loop(exchange);
    size_t budget = sl_turn_begin(loop);
    bool has_moved = true;

    while (has_moved && exchange->phase == SL_EXCHANGE_ACTIVE) {
        bool was_stuck;

        has_moved = false;
        /* What has gone to its end moves no more: then only what is received
         * counts. */
        if (!sl_outgoing_is_over(&exchange->request->outgoing))
            has_moved = send_some(exchange, &budget) &&
                        !sl_outgoing_is_over(&exchange->request->outgoing);
        if (exchange->phase != SL_EXCHANGE_ACTIVE)
            break;
        was_stuck = sl_link_is_stuck(&exchange->connection->link);
        if (sl_incoming_is_wanted(&exchange->incoming, wants_head(exchange)))
            has_moved |= receive_some(exchange, &budget);
        if (was_stuck && exchange->phase == SL_EXCHANGE_ACTIVE)
            has_moved |= !sl_link_is_stuck(&exchange->connection->link);
        if ((!has_moved && budget > 0) || exchange->phase != SL_EXCHANGE_ACTIVE)
            break;
        budget = sl_turn_go_on(loop, budget);
        if (budget == 0) {
            sl_exchange_take_turn(exchange);
            break;
        }
        has_moved = true;
    }
}

void sl_exchange_advance(struct sl_exchange *exchange)
{
    /* Ending a drain releases the last reference. */
    sl_exchange_retain(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        advance_message(exchange);
    wake(exchange);
    if (!sl_exchange_is_over(exchange))
        sl_exchange_arm(exchange);
    sl_exchange_release(exchange);
}

/* ---- timers, turns, cancellation ---- */

static void time_came(struct sl_timer *timer)
{
    struct sl_exchange *exchange = FROM(timer, timer);
    struct sl_outgoing *outgoing = &exchange->request->outgoing;
    int64_t now = sl_exchange_loop(exchange)->looked_at;

    if (outgoing->phase == SL_OUTGOING_EXPECTING &&
        now >= outgoing->continue_until) {
        sl_outgoing_go_on(outgoing);
        sl_exchange_advance(exchange);
        return;
    }
    if (now < sl_exchange_due(exchange)) {
        sl_exchange_arm(exchange);
        return;
    }
    /* Without a waiter a deadline counts from the next wait. But where each
     * wait is over within the step that began it, its timer always fires here,
     * and the total time must end all the same. */
    if (!sl_exchange_is_awaited(exchange) &&
        !sl_incoming_is_draining(&exchange->incoming)) {
        if (now >= exchange->deadline)
            exchange->total_time = SL_EXCHANGE_OVERDUE;
        return;
    }
    sl_exchange_fail_late(exchange);
}

void sl_exchange_turn_came(struct sl_completion *completion)
{
    struct sl_exchange *exchange =
        ((struct sl_exchange_turn *)(void *)completion)->exchange;

    if (exchange->request->exchange == NULL)
        sl_exchange_free_turn(exchange);
    sl_outgoing_let_go(&exchange->request->outgoing, false);
    sl_exchange_advance(exchange);
}

static void cancel(struct sl_completion *completion)
{
    sl_exchange_abort(FROM(completion, completion), SL_CANCELLED, "cancelled");
}

static void cancel_push(struct sl_completion *room)
{
    sl_exchange_abort(OF_REQUEST(room, room), SL_CANCELLED, "cancelled");
}

/* ---- its beginning ---- */

void sl_exchange_init_course(struct sl_exchange *exchange)
{
    struct sl_exchange_request *request = exchange->request;
    struct sl_loop *loop = sl_exchange_loop(exchange);

    request->place.events = &place_events;
    sl_completion_init(&exchange->completion, loop, NULL);
    exchange->completion.cancel = cancel;
    sl_completion_init(&request->room, loop, NULL);
    request->room.cancel = cancel_push;
    sl_exchange_init_turn(exchange, &request->turn);
    sl_timer_init(&exchange->timer, time_came);
    sl_incoming_want(&exchange->incoming, SL_WANT_NOTHING, 0);
    init_incoming(exchange);
}
