#include "conn/exchange.h"

#include "base/debug.h"
#include "conn/deadline.h"

#include <string.h>
#include <unistd.h>

/* Bytes received before other exchanges get their turn. */
#define TURN_BUDGET ((size_t)1024 * 1024)

/* Received at once: a head and a small body, or a large piece that still fits
 * into the cache next to the core. */
#define WANT_SMALL ((size_t)16 * 1024)
#define WANT_LARGE ((size_t)64 * 1024)

#define CONTINUE_TIMEOUT SL_SECOND
#define DRAIN_TIMEOUT    (100 * SL_MILLISECOND)
#define DRAIN_LIMIT      ((uint64_t)64 * 1024)

#define SPARE_EXCHANGES 256
#define SEND_VIEWS      8

static void advance(struct sl_exchange *exchange);
static void place(struct sl_exchange *exchange);

static struct sl_connections *connections_of(struct sl_exchange *exchange)
{
    return exchange->origin->connections;
}

static struct sl_loop *loop_of(struct sl_exchange *exchange)
{
    return exchange->origin->connections->loop;
}

/* ---- telling whoever waits ---- */

static bool is_over(const struct sl_exchange *exchange)
{
    return exchange->phase >= SL_EXCHANGE_DONE;
}

static bool is_satisfied(const struct sl_exchange *exchange)
{
    const struct sl_response *response = &exchange->response;

    if (is_over(exchange))
        return true;
    switch (exchange->interest) {
    case SL_WANT_NOTHING:
        return false;
    case SL_WANT_ROOM:
        return exchange->is_upload_over ||
               (exchange->phase == SL_EXCHANGE_ACTIVE &&
                exchange->upload.pushed.length < SL_UPLOAD_WINDOW);
    case SL_WANT_HEAD:
        return response->phase > SL_PHASE_HEAD;
    case SL_WANT_BODY:
        return response->body.length >= exchange->wanted;
    case SL_WANT_WHOLE:
        return false;
    }
    return false;
}

static void wake(struct sl_exchange *exchange)
{
    if (exchange->completion.state == SL_COMPLETION_PENDING &&
        is_satisfied(exchange))
        sl_completion_signal(&exchange->completion, SL_OK, 0);
}

static void arm(struct sl_exchange *exchange)
{
    int64_t due;

    if (exchange->completion.state != SL_COMPLETION_PENDING &&
        exchange->drain_until == 0 && exchange->continue_until == 0)
        return;
    due = sl_exchange_due(exchange);
    /* A timer that comes too early arms itself again; one that came too late
     * would break a promise. */
    if (due != SL_NEVER &&
        (!exchange->timer.is_armed || exchange->timer.due > due))
        sl_timer_arm(&loop_of(exchange)->timers, &exchange->timer, due);
}

static void take_turn(struct sl_exchange *exchange)
{
    if (exchange->turn.state == SL_COMPLETION_PENDING ||
        exchange->turn.state == SL_COMPLETION_READY)
        return;
    sl_completion_begin(&exchange->turn);
    sl_completion_signal(&exchange->turn, SL_OK, 0);
}

/* ---- ends ---- */

static void release_head(struct sl_exchange *exchange)
{
    if (exchange->head != NULL) {
        sl_segment_release(exchange->head);
        exchange->head = NULL;
    }
}

static void link_draining(struct sl_exchange *exchange)
{
    struct sl_connections *all = connections_of(exchange);

    exchange->previous = NULL;
    exchange->next = all->draining;
    if (all->draining != NULL)
        all->draining->previous = exchange;
    all->draining = exchange;
}

static void unlink_draining(struct sl_exchange *exchange)
{
    struct sl_connections *all = connections_of(exchange);

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
    struct sl_loop *loop = loop_of(exchange);
    bool was_draining = exchange->drain_until != 0;

    exchange->phase = phase;
    exchange->times.ended = loop->now;
    exchange->continue_until = 0;
    exchange->drain_until = 0;
    exchange->is_upload_over = true;
    sl_timer_disarm(&loop->timers, &exchange->timer);
    sl_upload_dispose(&exchange->upload);
    release_head(exchange);
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
        sl_connections_dequeue(connections_of(exchange), exchange);
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
static void fail(struct sl_exchange *exchange)
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

static void fail_with(struct sl_exchange *exchange, enum sl_status status,
                      const char *reason)
{
    sl_fail(&exchange->failure, status, SL_STAGE_NONE, "%s", reason);
    fail(exchange);
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
    sl_response_init(&exchange->response, connections_of(exchange)->pool,
                     &exchange->options.limits, exchange->options.traits,
                     exchange->options.decodes);
}

/* The connection ended under it. The commonest case is harmless: an idle one
 * that its server had just given up. */
static void lose(struct sl_exchange *exchange)
{
    if (!may_resend(exchange)) {
        fail(exchange);
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
    sl_response_fini(&exchange->response);
    init_response(exchange);
    connections_of(exchange)->stats.resends++;
    place(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        take_turn(exchange);
}

/* The whole message has come. */
static void finish(struct sl_exchange *exchange)
{
    struct sl_connection *connection = exchange->connection;
    bool can_reuse = exchange->response.framing.keeps_alive &&
                     exchange->is_upload_over && !exchange->was_cut;

    exchange->connection = NULL;
    connection->exchange = NULL;
    if (can_reuse)
        sl_connection_put(connection);
    else
        sl_connection_discard(connection, false);
    end(exchange, SL_EXCHANGE_DONE);
}

/* ---- sending ---- */

static size_t gather(const struct sl_exchange *exchange, struct sl_view *views)
{
    size_t count = 0;

    if (exchange->head != NULL && exchange->head_sent < exchange->head->filled)
        views[count++] = sl_view(exchange->head->data + exchange->head_sent,
                                 exchange->head->filled - exchange->head_sent);
    if (exchange->continue_until == 0)
        count += sl_upload_views(&exchange->upload, views + count,
                                 SEND_VIEWS - count);
    return count;
}

static void sent(struct sl_exchange *exchange, size_t size)
{
    size_t head = exchange->head == NULL
                      ? 0
                      : exchange->head->filled - exchange->head_sent;

    if (size == 0)
        return;
    if (head > size)
        head = size;
    exchange->head_sent += head;
    sl_upload_advance(&exchange->upload, size - head);
    exchange->has_sent_bytes = true;
    exchange->last_activity = loop_of(exchange)->now;
}

/* A file goes by its descriptor where the kernel can do that, else in pieces
 * read into the upload's buffer. */
static enum sl_status send_file(struct sl_exchange *exchange, size_t *count)
{
    struct sl_link *link = &exchange->connection->link;
    struct sl_upload *upload = &exchange->upload;
    uint64_t left = upload->size - upload->sent;
    size_t size = left < TURN_BUDGET ? (size_t)left : TURN_BUDGET;
    int64_t offset = upload->file_offset + (int64_t)upload->sent;
    struct sl_room room;
    struct sl_view view;
    ssize_t got;
    enum sl_status status;

    if (link->tls == NULL) {
        status = sl_transport_send_file(link->transport, upload->file, offset,
                                        size, count);
        if (status == SL_END)
            return sl_fail(&exchange->failure, SL_INVALID, SL_STAGE_SEND,
                           "the file is shorter than it was");
        if (status == SL_CLOSED)
            return sl_fail_system(&exchange->failure, status, SL_STAGE_SEND,
                                  sl_transport_error(link->transport));
        if (status != SL_UNSUPPORTED)
            return status;
    }

    status = sl_buffer_reserve(&upload->pushed, WANT_SMALL, &room);
    if (status != SL_OK)
        return sl_fail(&exchange->failure, status, SL_STAGE_SEND,
                       "out of memory");
    got = pread(upload->file, room.data, room.size < size ? room.size : size,
                offset);
    sl_buffer_commit(&upload->pushed, got > 0 ? (size_t)got : 0);
    if (got < 0)
        return sl_fail(&exchange->failure, SL_INVALID, SL_STAGE_SEND,
                       "the file cannot be read");
    if (got == 0)
        return sl_fail(&exchange->failure, SL_INVALID, SL_STAGE_SEND,
                       "the file is shorter than it was");
    view = sl_buffer_peek(&upload->pushed);
    status = sl_link_send(link, &view, 1, count, &exchange->failure);
    sl_buffer_reset(&upload->pushed);
    return status;
}

static bool is_file_next(const struct sl_exchange *exchange)
{
    return exchange->upload.kind == SL_UPLOAD_FILE &&
           exchange->continue_until == 0 &&
           exchange->upload.sent < exchange->upload.size;
}

static enum sl_status send_next(struct sl_exchange *exchange, size_t *count)
{
    struct sl_view views[SEND_VIEWS];
    size_t view_count = gather(exchange, views);

    *count = 0;
    if (view_count > 0)
        return sl_link_send(&exchange->connection->link, views, view_count,
                            count, &exchange->failure);
    if (is_file_next(exchange))
        return send_file(exchange, count);
    if (exchange->continue_until != 0 || !sl_upload_is_over(&exchange->upload))
        return SL_AGAIN; /* for 100, or for the next pushed piece */
    return sl_link_flush(&exchange->connection->link, &exchange->failure);
}

static void await_continue(struct sl_exchange *exchange)
{
    if (exchange->continue_until == SL_NEVER &&
        exchange->head_sent == exchange->head->filled) {
        exchange->continue_until = loop_of(exchange)->now + CONTINUE_TIMEOUT;
        arm(exchange);
    }
}

/* True when bytes moved. */
static bool send_some(struct sl_exchange *exchange)
{
    size_t count;
    enum sl_status status = send_next(exchange, &count);

    sent(exchange, count);
    if (status == SL_OK && count == 0 && !exchange->is_upload_over) {
        exchange->is_upload_over = true;
        exchange->times.sent = loop_of(exchange)->now;
        exchange->last_activity = exchange->times.sent;
        return true;
    }
    if (status == SL_CLOSED) {
        /* The peer may have answered before it closed: see what it said. */
        exchange->failure.stage = SL_STAGE_SEND;
        exchange->is_upload_over = true;
        exchange->was_cut = true;
        return true;
    }
    if (sl_is_failure(status)) {
        fail(exchange);
        return false;
    }
    await_continue(exchange);
    return count > 0;
}

/* ---- receiving ---- */

static void head_came(struct sl_exchange *exchange)
{
    exchange->continue_until = 0;
    /* A final answer other than "go on, it is done" ends the upload. One of 2xx
     * may be written while the request is still being read. */
    if (!exchange->is_upload_over && exchange->response.head.status >= 300) {
        exchange->is_upload_over = true;
        exchange->was_cut = true;
    }
    if (exchange->is_upload_over)
        release_head(exchange);
}

/* Uses what is in the input. SL_AGAIN: more is needed (or, when the body is
 * full, somebody must drain it). SL_END: the message is complete. */
static enum sl_status parse(struct sl_exchange *exchange)
{
    struct sl_response *response = &exchange->response;
    size_t window =
        exchange->wanted > WANT_LARGE ? exchange->wanted : WANT_LARGE;

    if (exchange->interest == SL_WANT_WHOLE)
        window = SIZE_MAX;
    for (;;) {
        enum sl_response_event event;
        enum sl_status status = sl_response_step(
            response, &exchange->connection->input, window, &event);

        if (sl_is_failure(status))
            return sl_fail(&exchange->failure, status, SL_STAGE_NONE, "%s",
                           response->error);
        if (status != SL_OK)
            return status;
        switch (event) {
        case SL_EVENT_INTERIM:
            if (response->head.status == 100)
                exchange->continue_until = 0;
            break;
        case SL_EVENT_HEAD:
            head_came(exchange);
            break;
        case SL_EVENT_BODY:
            break;
        case SL_EVENT_END:
            return SL_END;
        }
    }
}

/* What to ask the transport for, and into which buffer. */
static struct sl_buffer *choose_target(struct sl_exchange *exchange,
                                       size_t *want)
{
    struct sl_response *response = &exchange->response;
    uint64_t direct = sl_response_direct(response);

    if (response->phase == SL_PHASE_HEAD) {
        *want = WANT_SMALL;
        return &exchange->connection->input;
    }
    *want = WANT_LARGE;
    if (direct == 0 || exchange->connection->input.length > 0)
        return &exchange->connection->input;
    if (exchange->interest == SL_WANT_WHOLE)
        sl_transport_expect(exchange->connection->link.transport,
                            direct < SIZE_MAX ? (size_t)direct : SIZE_MAX);
    if (direct < *want)
        *want = (size_t)direct;
    return &response->body;
}

static enum sl_status receive_next(struct sl_exchange *exchange, size_t *count)
{
    size_t want;
    struct sl_buffer *target = choose_target(exchange, &want);
    enum sl_status status = sl_link_receive(&exchange->connection->link, target,
                                            want, count, &exchange->failure);

    if (status != SL_OK) {
        *count = 0;
        return status;
    }
    exchange->last_activity = loop_of(exchange)->now;
    if (!exchange->has_response_bytes) {
        exchange->has_response_bytes = true;
        exchange->times.first_byte = exchange->last_activity;
    }
    if (target == &exchange->response.body)
        sl_response_received(&exchange->response, *count);
    return SL_OK;
}

/* The peer sends no more: the end of a body, or too early. */
static void input_ended(struct sl_exchange *exchange)
{
    struct sl_response *response = &exchange->response;
    enum sl_status status = sl_response_end_input(
        response, exchange->connection->link.is_clean_end);

    if (status == SL_OK)
        status = parse(exchange);
    if (status == SL_END) {
        finish(exchange);
        return;
    }
    if (status == SL_AGAIN)
        return; /* decoded bytes wait for somebody to want them */
    /* What sending reported says more than "closed without a response". */
    if (exchange->failure.status == SL_OK ||
        exchange->failure.stage != SL_STAGE_SEND)
        sl_fail(&exchange->failure, status, SL_STAGE_NONE, "%s",
                response->error);
    lose(exchange);
}

static bool is_receiving(const struct sl_exchange *exchange)
{
    if (exchange->drain_until != 0)
        return true;
    switch (exchange->interest) {
    case SL_WANT_NOTHING:
        return false;
    case SL_WANT_ROOM:
        /* Only its head: it may say that no more is wanted. */
        return exchange->response.phase == SL_PHASE_HEAD;
    default:
        return !is_satisfied(exchange);
    }
}

/* Body bytes of a response that nobody wants any more. */
static void drain(struct sl_exchange *exchange)
{
    sl_buffer_reset(&exchange->response.body);
    if (exchange->response.received > DRAIN_LIMIT + exchange->wanted) {
        sl_fail(&exchange->failure, SL_CANCELLED, SL_STAGE_BODY,
                "let go before its end");
        fail(exchange);
    }
}

/* True when there may be more to do at once. */
static bool receive_some(struct sl_exchange *exchange, size_t *budget)
{
    size_t count = 0;
    enum sl_status status = parse(exchange); /* what came with the last piece */

    if (status == SL_AGAIN && is_receiving(exchange)) {
        status = receive_next(exchange, &count);
        if (status == SL_END) {
            input_ended(exchange);
            return false;
        }
        if (status == SL_CLOSED) {
            lose(exchange);
            return false;
        }
        if (status == SL_OK)
            status = parse(exchange);
    }
    if (status == SL_END) {
        finish(exchange);
        return false;
    }
    if (sl_is_failure(status)) {
        fail(exchange);
        return false;
    }
    *budget -= count < *budget ? count : *budget;
    if (exchange->drain_until != 0)
        drain(exchange);
    return count > 0;
}

/* ---- going on ---- */

static void activate(struct sl_exchange *exchange)
{
    struct sl_loop *loop = loop_of(exchange);

    exchange->phase = SL_EXCHANGE_ACTIVE;
    exchange->stage_began = exchange->last_activity = loop->now;
    if (exchange->options.expects_continue)
        exchange->continue_until = SL_NEVER; /* until the head is sent */
}

static void advance_handshake(struct sl_exchange *exchange)
{
    struct sl_link *link = &exchange->connection->link;
    enum sl_status status = sl_link_handshake(link, &exchange->failure);

    if (status == SL_AGAIN)
        return;
    if (status != SL_OK) {
        exchange->failure.stage = SL_STAGE_TLS;
        fail(exchange);
        return;
    }
    exchange->times.secured = loop_of(exchange)->now;
    activate(exchange);
}

static void advance_message(struct sl_exchange *exchange)
{
    size_t budget = TURN_BUDGET;
    bool has_moved = true;

    while (has_moved && exchange->phase == SL_EXCHANGE_ACTIVE) {
        has_moved = false;
        if (!exchange->is_upload_over)
            has_moved = send_some(exchange);
        if (exchange->phase == SL_EXCHANGE_ACTIVE && is_receiving(exchange))
            has_moved |= receive_some(exchange, &budget);
        if (budget == 0) {
            take_turn(exchange);
            break;
        }
    }
}

static void advance(struct sl_exchange *exchange)
{
    /* Ending a drain lets go of the last reference. */
    sl_exchange_retain(exchange);
    if (exchange->phase == SL_EXCHANGE_SECURING)
        advance_handshake(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        advance_message(exchange);
    wake(exchange);
    if (!is_over(exchange))
        arm(exchange);
    sl_exchange_release(exchange);
}

void sl_exchange_ready(struct sl_exchange *exchange)
{
    advance(exchange);
}

/* ---- on the way to a connection ---- */

static void attach(struct sl_exchange *exchange,
                   struct sl_connection *connection)
{
    connection->exchange = exchange;
    connection->requests++;
    exchange->connection = connection;
}

static void secure(struct sl_exchange *exchange)
{
    struct sl_origin *origin = exchange->origin;
    struct sl_tls_engine *engine;
    enum sl_status status = origin->provider->engine_create(
        origin->context, origin->connections->pool, origin->host,
        origin->identity, origin->verify_owner, &engine, &exchange->failure);

    if (status == SL_OK) {
        status =
            sl_link_secure(&exchange->connection->link,
                           origin->connections->pool, origin->provider, engine);
        if (status != SL_OK)
            sl_fail(&exchange->failure, status, SL_STAGE_TLS, "out of memory");
    }
    exchange->phase = SL_EXCHANGE_SECURING;
    exchange->stage_began = loop_of(exchange)->now;
    if (status != SL_OK) {
        exchange->failure.stage = SL_STAGE_TLS;
        fail(exchange);
    }
}

static void dialed(void *owner)
{
    struct sl_exchange *exchange = owner;
    struct sl_origin *origin = exchange->origin;
    struct sl_transport *transport;
    struct sl_connection *connection;
    int64_t resolve;
    int64_t connect;
    enum sl_status status;

    sl_exchange_retain(exchange);
    status =
        sl_connect_result(exchange->connector, &transport, &exchange->failure);
    if (status != SL_OK) {
        fail(exchange);
        sl_exchange_release(exchange);
        return;
    }
    sl_connect_timings(exchange->connector, &resolve, &connect);
    exchange->times.resolved = exchange->times.placed + resolve;
    exchange->times.connected = exchange->times.resolved + connect;
    status = sl_connection_create(origin, transport, &connection);
    if (status != SL_OK) {
        fail_with(exchange, status, "out of memory");
        sl_exchange_release(exchange);
        return;
    }
    sl_connect_destroy(exchange->connector);
    exchange->connector = NULL;
    attach(exchange, connection);
    if (origin->provider != NULL)
        secure(exchange);
    else
        activate(exchange);
    advance(exchange);
    sl_exchange_release(exchange);
}

static void dial(struct sl_exchange *exchange)
{
    struct sl_origin *origin = exchange->origin;
    struct sl_connections *all = origin->connections;
    struct sl_connect_options options = {
        .host = origin->host,
        .port = origin->port,
        .unix_path = origin->unix_path,
        .local_address = origin->local_address,
        .mode = all->options.mode,
        .backend = all->options.backend,
        .resolve_timeout = exchange->options.deadlines.resolve,
        .connect_timeout = exchange->options.deadlines.connect,
        .deadline = exchange->deadline,
    };
    enum sl_status status;

    exchange->is_reused = false;
    exchange->times.placed = all->loop->now;
    status = sl_connect_begin(all->loop, all->resolver, &options, dialed,
                              exchange, &exchange->connector);
    if (status == SL_OK) {
        exchange->phase = SL_EXCHANGE_DIALING;
        return;
    }
    sl_origin_free_place(origin);
    exchange->phase = SL_EXCHANGE_NEW;
    sl_fail(&exchange->failure, status, SL_STAGE_CONNECT, "%s",
            status == SL_MEMORY ? "out of memory" : "not possible");
    fail(exchange);
}

static void place(struct sl_exchange *exchange)
{
    struct sl_connection *connection;

    if (connections_of(exchange)->is_closed) {
        exchange->phase = SL_EXCHANGE_NEW;
        fail_with(exchange, SL_CLOSED, "client is closed");
        return;
    }
    switch (sl_origin_checkout(exchange->origin, exchange->has_resent,
                               &connection)) {
    case SL_CHECKOUT_REUSED:
        exchange->is_reused = true;
        exchange->times.placed = loop_of(exchange)->now;
        attach(exchange, connection);
        activate(exchange);
        return;
    case SL_CHECKOUT_DIAL:
        dial(exchange);
        return;
    case SL_CHECKOUT_WAIT:
        exchange->phase = SL_EXCHANGE_QUEUED;
        exchange->stage_began = loop_of(exchange)->now;
        sl_connections_enqueue(connections_of(exchange), exchange);
        return;
    }
}

void sl_exchange_place(struct sl_exchange *exchange)
{
    sl_connections_dequeue(connections_of(exchange), exchange);
    place(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        take_turn(exchange);
}

/* ---- timers, turns, cancellation ---- */

#define FROM(member, pointer)                                              \
    ((struct sl_exchange *)((char *)(pointer)-offsetof(struct sl_exchange, \
                                                       member)))

static void time_came(struct sl_timer *timer)
{
    struct sl_exchange *exchange = FROM(timer, timer);
    int64_t now = loop_of(exchange)->now;

    if (exchange->continue_until != 0 && now >= exchange->continue_until) {
        exchange->continue_until = 0;
        advance(exchange);
        return;
    }
    if (now < sl_exchange_due(exchange)) {
        arm(exchange);
        return;
    }
    if (exchange->completion.state != SL_COMPLETION_PENDING &&
        exchange->drain_until == 0)
        return; /* nobody waits: the deadline counts from the next wait */
    sl_exchange_time_out(exchange);
    fail(exchange);
}

static void turn_came(struct sl_completion *completion)
{
    advance(FROM(turn, completion));
}

static void cancel(struct sl_completion *completion)
{
    sl_exchange_abort(FROM(completion, completion), SL_CANCELLED, "cancelled");
}

/* ---- a life ---- */

static struct sl_exchange *rent_exchange(struct sl_connections *connections)
{
    struct sl_exchange *exchange = connections->spare;

    if (exchange == NULL)
        return sl_allocate_zeroed(connections->allocator, sizeof *exchange);
    connections->spare = exchange->next;
    connections->spare_count--;
    memset(exchange, 0, sizeof *exchange);
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
    struct sl_connections *connections = connections_of(exchange);

    if (--exchange->refs > 0)
        return;
    exchange->refs = 1; /* while it ends */
    if (!is_over(exchange))
        sl_exchange_abort(exchange, SL_CANCELLED, "cancelled");
    sl_completion_fini(&exchange->completion);
    sl_completion_fini(&exchange->turn);
    sl_response_fini(&exchange->response);
    sl_connections_retain(connections);
    sl_origin_release(exchange->origin);
    return_exchange(connections, exchange);
    sl_connections_release(connections);
}

void sl_exchange_start(struct sl_exchange *exchange)
{
    struct sl_loop *loop = loop_of(exchange);
    int64_t total = exchange->options.deadlines.total;

    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->times.started = sl_loop_refresh(loop);
    exchange->last_activity = loop->now;
    exchange->deadline =
        total >= SL_NEVER - loop->now ? SL_NEVER : loop->now + total;
    connections_of(exchange)->stats.requests++;
    place(exchange);
}

enum sl_status sl_exchange_want(struct sl_exchange *exchange,
                                enum sl_interest interest, size_t wanted)
{
    struct sl_completion *completion = &exchange->completion;

    if (completion->state == SL_COMPLETION_PENDING ||
        exchange->drain_until != 0)
        return SL_MISUSE;
    exchange->interest = interest;
    exchange->wanted = wanted;
    if (!is_satisfied(exchange)) {
        exchange->last_activity = loop_of(exchange)->now;
        advance(exchange);
    }
    if (!is_satisfied(exchange)) {
        sl_completion_begin(completion);
        arm(exchange);
        return SL_AGAIN;
    }

    exchange->interest = SL_WANT_NOTHING;
    if (interest == SL_WANT_BODY && exchange->response.body.length > 0)
        return SL_OK;
    if (exchange->phase == SL_EXCHANGE_FAILED)
        return exchange->failure.status;
    if (interest == SL_WANT_WHOLE)
        sl_buffer_compact(&exchange->response.body);
    return interest == SL_WANT_BODY ? SL_END : SL_OK;
}

void sl_exchange_pushed(struct sl_exchange *exchange)
{
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        advance(exchange);
}

void sl_exchange_abort(struct sl_exchange *exchange, enum sl_status status,
                       const char *reason)
{
    if (!is_over(exchange))
        fail_with(exchange, status, reason);
}

void sl_exchange_drop(struct sl_exchange *exchange)
{
    struct sl_response *response = &exchange->response;
    uint64_t expected = sl_response_expected(response);
    bool is_short =
        expected == UINT64_MAX || expected - response->received <= DRAIN_LIMIT;

    if (is_over(exchange)) {
        sl_buffer_reset(&response->body);
        return;
    }
    if (exchange->phase != SL_EXCHANGE_ACTIVE ||
        response->phase == SL_PHASE_HEAD || !exchange->is_upload_over ||
        exchange->was_cut || !response->framing.keeps_alive || !is_short ||
        exchange->completion.state == SL_COMPLETION_PENDING) {
        sl_exchange_abort(exchange, SL_CANCELLED, "let go before its end");
        sl_buffer_reset(&response->body);
        return;
    }
    sl_exchange_retain(exchange); /* until the drain ends */
    exchange->drain_until = sl_loop_refresh(loop_of(exchange)) + DRAIN_TIMEOUT;
    exchange->wanted = (size_t)response->received;
    link_draining(exchange);
    drain(exchange);
    advance(exchange);
}
