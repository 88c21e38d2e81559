#include "conn/lean.h"

#include "base/debug.h"
#include "conn/course.h"

#include <string.h>

/* ---- turns ---- */

void sl_exchange_init_turn(struct sl_exchange *exchange,
                           struct sl_exchange_turn *turn)
{
    sl_completion_init(&turn->completion, sl_exchange_loop(exchange),
                       sl_exchange_turn_came);
    turn->exchange = exchange;
    exchange->turn = turn;
}

void sl_exchange_free_turn(struct sl_exchange *exchange)
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

bool sl_exchange_queue_turn(struct sl_exchange *exchange)
{
    struct sl_exchange_turn *turn = exchange->turn;

    if (turn == NULL) {
        turn = sl_allocate(exchange->exchanges->connections->allocator,
                           sizeof *turn);
        if (turn == NULL)
            return false;
        sl_exchange_init_turn(exchange, turn);
    }
    if (turn->completion.state == SL_COMPLETION_PENDING ||
        turn->completion.state == SL_COMPLETION_READY)
        return true;
    sl_completion_begin(&turn->completion);
    sl_completion_signal(&turn->completion, SL_OK, 0);
    return true;
}

/* ---- failures ---- */

const struct sl_failure sl_exchange_no_failure = {.status = SL_OK};
static const struct sl_failure no_memory = {SL_MEMORY, SL_STAGE_BODY, 0, false,
                                            "out of memory"};
static const struct sl_failure cancelled = {SL_CANCELLED, SL_STAGE_BODY, 0,
                                            false, "cancelled"};

const struct sl_failure *
sl_exchange_keep_failure(const struct sl_exchange *exchange)
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

void sl_exchange_free_failure(struct sl_exchange *exchange)
{
    const struct sl_failure *failure = exchange->failure;

    if (failure == &sl_exchange_no_failure || failure == &no_memory ||
        failure == &cancelled || failure == &exchange->request->failure)
        return;
    sl_free(exchange->exchanges->connections->allocator, (void *)failure,
            sizeof *failure);
}

void sl_exchange_note_cancelled(struct sl_exchange *exchange)
{
    sl_assert(exchange->phase == SL_EXCHANGE_DONE);
    exchange->failure = &cancelled;
}

/* ---- limits ---- */

/* Moves the limits of the response out of the request. False: there is no
 * memory for a copy. */
static bool move_limits(struct sl_exchange *exchange)
{
    struct sl_exchanges *exchanges = exchange->exchanges;
    struct sl_response *response = &exchange->incoming.response;
    struct sl_response_limits *kept = &exchanges->over->options.limits;

    if (!exchanges->has_limits) {
        *kept = *response->limits;
        exchanges->has_limits = true;
    } else if (!sl_response_limits_equal(kept, response->limits)) {
        kept = sl_allocate(exchanges->connections->allocator, sizeof *kept);
        if (kept == NULL)
            return false;
        *kept = *response->limits;
    }
    sl_response_set_limits(response, kept);
    return true;
}

void sl_exchange_free_limits(struct sl_exchange *exchange)
{
    const struct sl_response_limits *limits =
        exchange->incoming.response.limits;

    if (limits != &exchange->request->options.limits)
        sl_free(exchange->exchanges->connections->allocator, (void *)limits,
                sizeof *limits);
}

/* ---- giving the request back ---- */

void sl_exchange_end_request(struct sl_exchange *exchange)
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

/* Whether all of the request was sent, and nobody goes on with it. A pusher may
 * give more than it declared, and is to learn of that. */
static bool has_sent_all(const struct sl_exchange *exchange)
{
    const struct sl_exchange_request *request = exchange->request;

    return request->exchange != NULL &&
           request->outgoing.phase == SL_OUTGOING_SENT &&
           !request->outgoing.upload.is_pushed &&
           request->turn.completion.state != SL_COMPLETION_READY;
}

static void give_back(struct sl_exchange *exchange)
{
    exchange->uploaded = sl_exchange_uploaded(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        sl_outgoing_end(&exchange->request->outgoing);
    sl_exchange_free_turn(exchange);
    sl_exchange_end_request(exchange);
    sl_exchanges_return_request(exchange);
}

void sl_exchange_give_back_request(struct sl_exchange *exchange)
{
    sl_assert(exchange->phase == SL_EXCHANGE_DONE);
    if (has_sent_all(exchange) && move_limits(exchange))
        give_back(exchange);
}

void sl_exchange_expect_events(struct sl_exchange *exchange)
{
    if (exchange->request->exchange != NULL &&
        !exchange->request->options.deadlines.has_own_idle)
        exchange->idle = SL_NEVER;
    sl_head_compact(&exchange->incoming.response.head);
    if (!has_sent_all(exchange) || exchange->phase != SL_EXCHANGE_ACTIVE ||
        sl_pace_is_kept(&exchange->request->pace) ||
        exchange->incoming.response.phase == SL_PHASE_HEAD ||
        !move_limits(exchange))
        return;
    give_back(exchange);
}
