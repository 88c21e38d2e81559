#include "conn/exchange.h"

#include "base/debug.h"
#include "conn/course.h"
#include "conn/lean.h"

#include <string.h>

#define DRAIN_TIMEOUT (100 * SL_MILLISECOND)

/* ---- a life ---- */

/* Whether a connection that is opened for it ends soon: it carries nothing
 * else, and neither a stream that may go on for hours nor another protocol. */
static bool is_short_lived(const struct sl_exchange_options *options)
{
    return options->traits.wants_close && !options->traits.wants_upgrade &&
           !options->is_streamed;
}

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
    /* Its reason is read only where one was noted. */
    memset(&created->request->failure, 0,
           offsetof(struct sl_failure, reason) + 1);
    created->failure = &sl_exchange_no_failure;
    created->total = options->deadlines.total;
    created->idle = options->deadlines.idle;
    created->request->place.deadlines = options->deadlines.opening;
    created->request->place.is_short_lived = is_short_lived(options);
    sl_pace_init(&created->request->pace, options->deadlines.rate_bytes,
                 options->deadlines.rate_within);
    sl_exchange_init_course(created);
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

    sl_buffer_init(&input, response->body.pool, SIZE_MAX);
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
    response->has_grown = response->body.length > 0;
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
    sl_exchange_end(*exchange, SL_EXCHANGE_DONE);
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
        sl_connection_discard(sl_exchange_part(exchange), false);
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
    if (exchanges->loose == exchange)
        exchanges->loose = NULL;
    if (!sl_exchange_is_over(exchange))
        sl_exchange_abort(exchange, SL_CANCELLED, "cancelled");
    leave_link(exchange);
    if (exchanges->loose == exchange)
        exchanges->loose = NULL;
    sl_exchange_free_failure(exchange);
    sl_exchange_free_turn(exchange);
    sl_exchange_end_request(exchange);
    sl_completion_fini(&exchange->completion);
    sl_incoming_fini(&exchange->incoming);
    sl_exchange_free_limits(exchange);
    sl_peer_release(exchange->peer);
    if (exchange->origin != NULL)
        sl_origin_release(exchange->origin);
    sl_exchanges_return(exchanges, exchange);
    sl_exchanges_release(exchanges);
}

void sl_exchange_set_deadline(struct sl_exchange *exchange, int64_t deadline)
{
    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->deadline = deadline;
}

void sl_exchange_start(struct sl_exchange *exchange)
{
    struct sl_loop *loop = sl_exchange_loop(exchange);

    sl_assert(exchange->phase == SL_EXCHANGE_NEW);
    exchange->times.started = sl_loop_refresh(loop);
    exchange->last_activity = loop->now;
    exchange->exchanges->requests++;
    if (exchange->deadline == 0) {
        exchange->deadline = sl_clock_after(loop->now, exchange->total);
    } else if (loop->now >= exchange->deadline) {
        sl_exchange_fail_late(exchange);
        return;
    }
    sl_exchange_ask(exchange);
}

/* Whether to hold a request for others that are about to be made: sent
 * together, one after the other, they wake their peers less often. */
static bool may_gather(const struct sl_exchange *exchange)
{
    return exchange->phase == SL_EXCHANGE_ACTIVE &&
           !sl_outgoing_has_sent(&exchange->request->outgoing) &&
           sl_loop_has_more(sl_exchange_loop(exchange));
}

static bool has_turn(const struct sl_exchange *exchange)
{
    return exchange->turn != NULL &&
           exchange->turn->completion.state == SL_COMPLETION_READY;
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
    if (!sl_exchange_is_satisfied(exchange)) {
        exchange->last_activity = sl_loop_refresh(sl_exchange_loop(exchange));
        if (may_gather(exchange))
            sl_exchange_take_turn(exchange);
        else
            sl_exchange_advance(exchange);
    }
    if (!sl_exchange_is_satisfied(exchange) &&
        exchange->total_time == SL_EXCHANGE_OVERDUE)
        sl_exchange_check_deadline(exchange);
    if (!sl_exchange_is_satisfied(exchange)) {
        sl_completion_begin(completion);
        /* A turn that is queued arms the timer when it comes: until then the
         * loop does not sleep. */
        if (!has_turn(exchange))
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
    sl_exchange_give_back_request(exchange);
    if (interest == SL_WANT_WHOLE)
        hold_body(exchange);
    return interest == SL_WANT_BODY ? SL_END : SL_OK;
}

bool sl_exchange_is_ready(struct sl_exchange *exchange, size_t wanted)
{
    if (is_taken(exchange))
        return false;
    sl_incoming_want(&exchange->incoming, SL_WANT_BODY, wanted);
    if (!sl_exchange_is_satisfied(exchange)) {
        if (!exchange->is_polled)
            exchange->last_activity =
                sl_loop_refresh(sl_exchange_loop(exchange));
        exchange->is_polled = true;
        sl_exchange_advance(exchange);
    }
    if (!sl_exchange_is_satisfied(exchange))
        return false;
    exchange->is_polled = false;
    sl_incoming_want(&exchange->incoming, SL_WANT_NOTHING, wanted);
    return true;
}

size_t sl_exchange_size(const struct sl_exchange *exchange)
{
    const struct sl_exchange_request *request = exchange->request;

    return sizeof *exchange +
           (request->exchange != NULL ? sizeof *request : 0) +
           sl_head_size(&exchange->incoming.response.head);
}

uint64_t sl_exchange_uploaded(const struct sl_exchange *exchange)
{
    if (exchange->request->exchange == NULL)
        return exchange->uploaded;
    return sl_exchange_is_over(exchange)
               ? exchange->request->outgoing.uploaded
               : sl_upload_delivered(&exchange->request->outgoing.upload);
}

void sl_exchange_forget_head(struct sl_exchange *exchange)
{
    sl_head_forget(&exchange->incoming.response.head);
}

void sl_exchange_check_deadline(struct sl_exchange *exchange)
{
    if (exchange->phase == SL_EXCHANGE_ACTIVE &&
        sl_exchange_loop(exchange)->now >= exchange->deadline)
        sl_exchange_fail_late(exchange);
}

void sl_exchange_abort(struct sl_exchange *exchange, enum sl_status status,
                       const char *reason)
{
    if (sl_exchange_is_over(exchange))
        return;
    sl_fail(&exchange->request->failure, status, SL_STAGE_NONE, "%s", reason);
    sl_exchange_fail(exchange);
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
    sl_assert(input->length == 0 &&
              input->pool == exchange->exchanges->connections->pool);
    if (exchange->input != NULL)
        sl_buffer_take(input, exchange->input); /* empty: cannot fail */
    sl_connection_take(sl_exchange_part(exchange), link);
    sl_transport_bind(link->transport, NULL, NULL);
    return true;
}
