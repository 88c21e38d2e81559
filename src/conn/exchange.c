#include "conn/exchange.h"

#include "base/debug.h"
#include "conn/deadline.h"

#include <string.h>

#define DRAIN_TIMEOUT (100 * SL_MILLISECOND)

/* Received before the first request is sent: a head, as a rule. */
#define UNASKED_MOST ((size_t)16 * 1024)

static void fail(struct sl_exchange *exchange);
static void turn_came(struct sl_completion *completion);

/* ---- notifying those who wait ---- */

static bool is_satisfied(const struct sl_exchange *exchange)
{
    return sl_exchange_is_over(exchange) ||
           sl_incoming_is_satisfied(&exchange->incoming);
}

bool sl_exchange_has_room(const struct sl_exchange *exchange)
{
    return sl_outgoing_is_over(&exchange->request->outgoing) ||
           (exchange->phase == SL_EXCHANGE_ACTIVE &&
            sl_outgoing_has_room(&exchange->request->outgoing));
}

static void wake(struct sl_exchange *exchange)
{
    if (exchange->completion.state == SL_COMPLETION_PENDING &&
        is_satisfied(exchange))
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

static void init_turn(struct sl_exchange *exchange,
                      struct sl_exchange_turn *turn)
{
    sl_completion_init(&turn->completion, sl_exchange_loop(exchange),
                       turn_came);
    turn->exchange = exchange;
    exchange->turn = turn;
}

static void free_turn(struct sl_exchange *exchange)
{
    struct sl_exchange_turn *turn = exchange->turn;

    if (turn == NULL)
        return;
    sl_completion_fini(&turn->completion);
    exchange->turn = NULL;
    if (turn != &exchange->request->turn)
        sl_free(exchange->exchanges->connections->allocator, turn,
                sizeof *turn);
}

/* False: there is no memory for it. */
static bool take_turn(struct sl_exchange *exchange)
{
    struct sl_exchange_turn *turn = exchange->turn;

    if (turn == NULL) {
        turn = sl_allocate(exchange->exchanges->connections->allocator,
                           sizeof *turn);
        if (turn == NULL)
            return false;
        init_turn(exchange, turn);
    }
    if (turn->completion.state == SL_COMPLETION_PENDING ||
        turn->completion.state == SL_COMPLETION_READY)
        return true;
    sl_completion_begin(&turn->completion);
    sl_completion_signal(&turn->completion, SL_OK, 0);
    return true;
}

/* Lets others run, and goes on in the next step of the loop. */
void sl_exchange_take_turn(struct sl_exchange *exchange)
{
    if (take_turn(exchange))
        return;
    sl_fail(&exchange->request->failure, SL_MEMORY, SL_STAGE_NONE,
            "out of memory");
    fail(exchange);
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
static struct sl_connection *part(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;

    drop_input(exchange);
    exchange->connection = NULL;
    if (connection != NULL)
        sl_exchanges_unlink(list_of(exchange), exchange);
    return connection;
}

/* Releases everything but the response. */
static void end(struct sl_exchange *exchange, enum sl_exchange_phase phase)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);

    exchange->phase = phase;
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
    struct sl_connection *connection = part(exchange);

    sl_place_leave(&exchange->request->place);
    if (connection != NULL)
        sl_connection_discard(connection, true);
}

static const struct sl_failure none = {.status = SL_OK};
static const struct sl_failure no_memory = {SL_MEMORY, SL_STAGE_BODY, 0, false,
                                            "out of memory"};
static const struct sl_failure cancelled = {SL_CANCELLED, SL_STAGE_BODY, 0,
                                            false, "cancelled"};

/* Keeps what was noted, where everybody notes that has no request any more. */
static const struct sl_failure *keep_failure(const struct sl_exchange *exchange)
{
    struct sl_exchange_request *request = exchange->request;
    struct sl_failure *kept;

    if (request->exchange != NULL)
        return &request->failure;
    kept =
        sl_allocate(exchange->exchanges->connections->allocator, sizeof *kept);
    if (kept == NULL)
        return &no_memory;
    *kept = request->failure;
    return kept;
}

static void free_failure(struct sl_exchange *exchange)
{
    const struct sl_failure *failure = exchange->failure;

    if (failure == &none || failure == &no_memory || failure == &cancelled ||
        failure == &exchange->request->failure)
        return;
    sl_free(exchange->exchanges->connections->allocator, (void *)failure,
            sizeof *failure);
}

/* The noted failure is complete but for what depends on the stage reached. */
static void fail(struct sl_exchange *exchange)
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
    exchange->failure = keep_failure(exchange);
    end(exchange, SL_EXCHANGE_FAILED);
}

static void time_out(struct sl_exchange *exchange)
{
    sl_exchange_time_out(exchange);
    fail(exchange);
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
    fail(exchange);
}

static const struct sl_place_events place_events = {granted, refused};

static void ask_for_connection(struct sl_exchange *exchange)
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
        fail(exchange);
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
    sl_incoming_init(&exchange->incoming,
                     exchange->exchanges->connections->pool, &exchange->limits,
                     exchange->request->options.traits,
                     exchange->request->options.shelf);
}

/* The connection ended under the exchange. The commonest case is harmless: the
 * server had just given up an idle connection. */
static void lose(struct sl_exchange *exchange)
{
    if (!may_resend(exchange)) {
        fail(exchange);
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
    ask_for_connection(exchange);
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
        end(exchange, SL_EXCHANGE_DONE);
        return;
    }
    part(exchange);
    if (can_reuse)
        sl_connection_put(connection, exchange->incoming.response.framing.idle);
    else
        sl_connection_discard(connection, false);
    end(exchange, SL_EXCHANGE_DONE);
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
        fail(exchange);
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
    size_t count;
    enum sl_status status;

    if (!sl_outgoing_has_sent(outgoing)) {
        status = meet_unasked(exchange);
        if (status != SL_OK)
            return conclude(exchange, status);
    }
    status = sl_outgoing_advance(outgoing, &exchange->connection->link, now,
                                 budget, &count, &exchange->request->failure);
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

static bool receive_some(struct sl_exchange *exchange, size_t *budget)
{
    struct sl_incoming_source source = {
        .link = &exchange->connection->link,
        .is_hurried = sl_loop_has_budget(sl_exchange_loop(exchange))};
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
    time_out(exchange);
}

static void turn_came(struct sl_completion *completion)
{
    struct sl_exchange *exchange =
        ((struct sl_exchange_turn *)(void *)completion)->exchange;

    if (exchange->request->exchange == NULL)
        free_turn(exchange);
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

/* ---- a life ---- */

enum sl_status sl_exchange_create(struct sl_exchanges *exchanges,
                                  struct sl_origin *origin,
                                  const struct sl_exchange_options *options,
                                  struct sl_view head,
                                  struct sl_exchange **exchange)
{
    struct sl_connections *connections = exchanges->connections;
    struct sl_exchange *created = sl_exchanges_rent(exchanges);
    enum sl_status status;

    if (created == NULL)
        return SL_MEMORY;
    status = sl_outgoing_init(&created->request->outgoing,
                              connections->allocator, connections->pool, head);
    if (status != SL_OK) {
        sl_exchanges_return(exchanges, created);
        return status;
    }
    created->refs = 1;
    sl_exchanges_retain(exchanges);
    created->origin = origin;
    if (origin != NULL)
        sl_origin_retain(origin);
    created->request->options = *options;
    created->failure = &none;
    created->limits = options->limits;
    created->total = options->deadlines.total;
    created->idle = options->deadlines.idle;
    created->request->place.events = &place_events;
    created->request->place.deadlines = options->deadlines.opening;
    sl_pace_init(&created->request->pace, options->deadlines.rate_bytes,
                 options->deadlines.rate_within);
    sl_completion_init(&created->completion, connections->loop, NULL);
    created->completion.cancel = cancel;
    sl_completion_init(&created->request->room, connections->loop, NULL);
    created->request->room.cancel = cancel_push;
    init_turn(created, &created->request->turn);
    sl_timer_init(&created->timer, time_came);
    init_incoming(created);
    *exchange = created;
    return SL_OK;
}

/* Parses the head and shows the body. */
static enum sl_status fill(struct sl_exchange *exchange, struct sl_view text,
                           const struct sl_sequence *body)
{
    struct sl_response *response = &exchange->incoming.response;
    struct sl_buffer input;
    enum sl_status status;

    sl_buffer_init(&input, response->pool, SIZE_MAX);
    status = sl_buffer_append(&input, text);
    if (status == SL_OK)
        status = sl_head_parse(&response->head, &input);
    if (status == SL_AGAIN || (status == SL_OK && input.length > 0)) {
        response->head.error = "response head ends elsewhere";
        status = SL_PROTOCOL;
    }
    sl_buffer_fini(&input);
    if (status == SL_OK)
        status = sl_sequence_link(body, &response->body);
    response->delivered = response->received = response->body.length;
    response->phase = SL_PHASE_END;
    return status;
}

enum sl_status sl_exchange_answer(struct sl_exchanges *exchanges,
                                  const struct sl_exchange_options *options,
                                  struct sl_view head,
                                  const struct sl_sequence *body,
                                  struct sl_exchange **exchange,
                                  struct sl_failure *failure)
{
    enum sl_status status =
        sl_exchange_create(exchanges, NULL, options, sl_view("", 0), exchange);

    if (status != SL_OK)
        return sl_fail(failure, status, SL_STAGE_HEAD, "out of memory");
    status = fill(*exchange, head, body);
    (*exchange)->times.started = sl_loop_refresh(sl_exchange_loop(*exchange));
    (*exchange)->deadline = SL_NEVER;
    end(*exchange, SL_EXCHANGE_DONE);
    if (status != SL_OK) {
        char room[SL_EXCESS_ROOM];
        const char *error =
            sl_head_explain(&(*exchange)->incoming.response.head, room);

        sl_fail(failure, status, SL_STAGE_HEAD, "%s",
                error != NULL ? error : "out of memory");
        sl_exchange_release(*exchange);
    }
    return status;
}

void sl_exchange_retain(struct sl_exchange *exchange)
{
    exchange->refs++;
}

/* Closes the connection of an upgrade that nobody has taken. */
static void leave_link(struct sl_exchange *exchange)
{
    if (sl_exchange_is_upgraded(exchange))
        sl_connection_discard(part(exchange), false);
}

/* Releases what the request still has. */
static void end_request(struct sl_exchange *exchange)
{
    struct sl_exchange_request *request = exchange->request;
    const char *text = request->place.authorization;

    if (request->exchange == NULL)
        return;
    sl_completion_fini(&request->room);
    sl_refusal_destroy(request->place.refusal);
    if (text != NULL)
        sl_free(exchange->exchanges->connections->allocator, (void *)text,
                strlen(text) + 1);
}

enum sl_status sl_exchange_set_authorization(struct sl_exchange *exchange,
                                             const char *authorization)
{
    size_t size = strlen(authorization) + 1;
    char *copy = sl_allocate(exchange->exchanges->connections->allocator, size);

    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    if (copy == NULL)
        return SL_MEMORY;
    memcpy(copy, authorization, size);
    exchange->request->place.authorization = copy;
    return SL_OK;
}

void sl_exchange_release(struct sl_exchange *exchange)
{
    struct sl_exchanges *exchanges = exchange->exchanges;

    if (--exchange->refs > 0)
        return;
    exchange->refs = 1; /* while it ends */
    if (!sl_exchange_is_over(exchange))
        sl_exchange_abort(exchange, SL_CANCELLED, "cancelled");
    leave_link(exchange);
    free_failure(exchange);
    free_turn(exchange);
    end_request(exchange);
    sl_completion_fini(&exchange->completion);
    sl_incoming_fini(&exchange->incoming);
    sl_peer_release(exchange->peer);
    if (exchange->origin != NULL)
        sl_origin_release(exchange->origin);
    sl_exchanges_return(exchanges, exchange);
    sl_exchanges_release(exchanges);
}

/* Whether nothing of the request is needed any more. A pusher may give more
 * than it declared, and is to learn of that. */
static bool has_sent_all(const struct sl_exchange *exchange)
{
    const struct sl_exchange_request *request = exchange->request;

    return request->exchange != NULL && exchange->phase == SL_EXCHANGE_ACTIVE &&
           request->outgoing.phase == SL_OUTGOING_SENT &&
           !request->outgoing.upload.is_pushed &&
           !sl_pace_is_kept(&request->pace) &&
           request->turn.completion.state != SL_COMPLETION_READY &&
           exchange->incoming.response.phase > SL_PHASE_HEAD;
}

void sl_exchange_expect_events(struct sl_exchange *exchange)
{
    if (exchange->request->exchange != NULL &&
        !exchange->request->options.deadlines.has_own_idle)
        exchange->idle = SL_NEVER;
    sl_head_compact(&exchange->incoming.response.head);
    if (!has_sent_all(exchange))
        return;
    exchange->uploaded = sl_exchange_uploaded(exchange);
    sl_outgoing_end(&exchange->request->outgoing);
    free_turn(exchange);
    end_request(exchange);
    sl_exchanges_return_request(exchange);
}

void sl_exchange_set_deadline(struct sl_exchange *exchange, int64_t deadline)
{
    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->deadline = deadline;
}

void sl_exchange_start(struct sl_exchange *exchange)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);
    int64_t total = exchange->total;

    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->times.started = sl_loop_refresh(loop);
    exchange->last_activity = loop->now;
    exchange->exchanges->requests++;
    if (exchange->deadline == 0) {
        exchange->deadline =
            total >= SL_NEVER - loop->now ? SL_NEVER : loop->now + total;
    } else if (loop->now >= exchange->deadline) {
        time_out(exchange);
        return;
    }
    ask_for_connection(exchange);
}

/* Whether to hold a request for others that are about to be made: sent
 * together, one after the other, they wake their peers less often. */
static bool may_gather(const struct sl_exchange *exchange)
{
    return exchange->phase == SL_EXCHANGE_ACTIVE &&
           !sl_outgoing_has_sent(&exchange->request->outgoing) &&
           sl_loop_has_more(sl_exchange_loop(exchange));
}

/* Whether another user waits for a part, or nothing can be wanted any more. */
static bool is_taken(const struct sl_exchange *exchange)
{
    return exchange->completion.state == SL_COMPLETION_PENDING ||
           exchange->completion.state == SL_COMPLETION_READY ||
           sl_incoming_is_draining(&exchange->incoming);
}

void sl_exchange_compact(struct sl_exchange *exchange)
{
    struct sl_exchanges *exchanges = exchange->exchanges;

    if (exchanges->loose == exchange)
        exchanges->loose = NULL;
    if (!exchange->is_compact)
        sl_buffer_compact(&exchange->incoming.response.body);
    exchange->is_compact = true;
}

/* The whole body is there, perhaps for long. Most bodies are taken at once, so
 * that this one is compacted only when the next is there. */
static void hold_body(struct sl_exchange *exchange)
{
    struct sl_exchanges *exchanges = exchange->exchanges;

    if (exchange->is_compact || exchanges->loose == exchange)
        return;
    if (exchanges->loose != NULL)
        sl_exchange_compact(exchanges->loose);
    exchanges->loose = exchange;
}

enum sl_status sl_exchange_want(struct sl_exchange *exchange,
                                enum sl_interest interest, size_t wanted)
{
    struct sl_completion *completion = &exchange->completion;
    struct sl_response *response = &exchange->incoming.response;

    if (is_taken(exchange))
        return SL_MISUSE;
    exchange->is_polled = false;
    sl_incoming_want(&exchange->incoming, interest, wanted);
    if (!is_satisfied(exchange)) {
        exchange->last_activity = sl_loop_refresh(sl_exchange_loop(exchange));
        if (may_gather(exchange))
            sl_exchange_take_turn(exchange);
        else
            sl_exchange_advance(exchange);
    }
    if (!is_satisfied(exchange) && exchange->total_time == SL_EXCHANGE_OVERDUE)
        sl_exchange_check_deadline(exchange);
    if (!is_satisfied(exchange)) {
        sl_completion_begin(completion);
        sl_exchange_arm(exchange);
        return SL_AGAIN;
    }

    sl_incoming_want(&exchange->incoming, SL_WANT_NOTHING, wanted);
    if (interest == SL_WANT_BODY && response->body.length > 0)
        return SL_OK;
    /* Bytes that arrived before the end count, wherever the pieces were cut. */
    if (interest == SL_WANT_HEAD && response->phase > SL_PHASE_HEAD)
        return SL_OK;
    if (exchange->phase == SL_EXCHANGE_FAILED)
        return exchange->failure->status;
    if (interest == SL_WANT_WHOLE)
        hold_body(exchange);
    return interest == SL_WANT_BODY ? SL_END : SL_OK;
}

bool sl_exchange_is_ready(struct sl_exchange *exchange, size_t wanted)
{
    if (is_taken(exchange))
        return false;
    sl_incoming_want(&exchange->incoming, SL_WANT_BODY, wanted);
    if (!is_satisfied(exchange)) {
        if (!exchange->is_polled)
            exchange->last_activity =
                sl_loop_refresh(sl_exchange_loop(exchange));
        exchange->is_polled = true;
        sl_exchange_advance(exchange);
    }
    if (!is_satisfied(exchange))
        return false;
    exchange->is_polled = false;
    sl_incoming_want(&exchange->incoming, SL_WANT_NOTHING, wanted);
    return true;
}

uint64_t sl_exchange_uploaded(const struct sl_exchange *exchange)
{
    if (exchange->request->exchange == NULL)
        return exchange->uploaded;
    return sl_exchange_is_over(exchange)
               ? exchange->request->outgoing.uploaded
               : sl_upload_delivered(&exchange->request->outgoing.upload);
}

void sl_exchange_check_deadline(struct sl_exchange *exchange)
{
    if (exchange->phase == SL_EXCHANGE_ACTIVE &&
        sl_exchange_loop(exchange)->now >= exchange->deadline)
        time_out(exchange);
}

void sl_exchange_abort(struct sl_exchange *exchange, enum sl_status status,
                       const char *reason)
{
    if (sl_exchange_is_over(exchange))
        return;
    sl_fail(&exchange->request->failure, status, SL_STAGE_NONE, "%s", reason);
    fail(exchange);
}

void sl_exchange_note_cancelled(struct sl_exchange *exchange)
{
    sl_assert(exchange->phase == SL_EXCHANGE_DONE);
    exchange->failure = &cancelled;
}

/* Whether reading the rest of its response costs less than a new connection. */
static bool is_worth_draining(const struct sl_exchange *exchange)
{
    const struct sl_response *response = &exchange->incoming.response;

    return exchange->phase == SL_EXCHANGE_ACTIVE &&
           response->phase != SL_PHASE_HEAD &&
           exchange->request->outgoing.phase == SL_OUTGOING_SENT &&
           response->framing.keeps_alive &&
           sl_incoming_is_short(&exchange->incoming) &&
           exchange->completion.state != SL_COMPLETION_PENDING &&
           !sl_loop_is_forked(sl_exchange_loop(exchange));
}

void sl_exchange_drop(struct sl_exchange *exchange)
{
    struct sl_buffer *body = &exchange->incoming.response.body;
    int64_t now;

    exchange->is_polled = false;
    if (!is_worth_draining(exchange)) {
        sl_exchange_abort(exchange, SL_CANCELLED,
                          "response was disposed before its end");
        leave_link(exchange);
        sl_buffer_reset(body);
        return;
    }
    sl_exchange_retain(exchange); /* until the drain ends */
    now = sl_loop_refresh(sl_exchange_loop(exchange));
    sl_exchanges_unlink(&exchange->exchanges->active, exchange);
    sl_exchanges_link(&exchange->exchanges->draining, exchange);
    sl_incoming_drain(&exchange->incoming, now + DRAIN_TIMEOUT,
                      exchange->input != NULL ? exchange->input->length : 0);
    sl_exchange_advance(exchange);
}

bool sl_exchange_take_link(struct sl_exchange *exchange, struct sl_link *link,
                           struct sl_buffer *input)
{
    if (!sl_exchange_is_upgraded(exchange))
        return false;
    if (exchange->input != NULL)
        sl_buffer_take(input, exchange->input);
    sl_connection_take(part(exchange), link);
    sl_transport_bind(link->transport, NULL, NULL);
    return true;
}
