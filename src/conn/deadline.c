#include "conn/deadline.h"

#include <inttypes.h>

void sl_deadlines_default(struct sl_deadlines *deadlines)
{
    deadlines->queue = 60 * SL_SECOND;
    deadlines->opening.resolve = 5 * SL_SECOND;
    deadlines->opening.connect = 10 * SL_SECOND;
    deadlines->opening.proxy = 10 * SL_SECOND;
    deadlines->opening.tls = 10 * SL_SECOND;
    deadlines->first_byte = 30 * SL_SECOND;
    deadlines->idle = 30 * SL_SECOND;
    deadlines->total = 300 * SL_SECOND;
    deadlines->has_own_idle = false;
    deadlines->rate_bytes = 0;
    deadlines->rate_within = SL_NEVER;
}

enum sl_stage sl_exchange_stage(const struct sl_exchange *exchange)
{
    switch (exchange->phase) {
    case SL_EXCHANGE_NEW:
        return SL_STAGE_QUEUE;
    case SL_EXCHANGE_WAITING:
        return sl_place_stage(&exchange->request->place);
    default:
        break;
    }
    if (exchange->incoming.response.phase > SL_PHASE_HEAD)
        return SL_STAGE_BODY;
    return sl_outgoing_is_over(&exchange->request->outgoing) ||
                   exchange->incoming.phase != SL_INCOMING_SILENT
               ? SL_STAGE_HEAD
               : SL_STAGE_SEND;
}

/* A response that is announced by an interim one has not begun. */
static bool is_receiving(const struct sl_exchange *exchange)
{
    return exchange->incoming.phase == SL_INCOMING_BEGUN &&
           (exchange->incoming.response.phase > SL_PHASE_HEAD ||
            exchange->input != NULL);
}

void sl_exchange_keep_pace(struct sl_exchange *exchange)
{
    int64_t now = sl_exchange_loop(exchange)->now;
    bool can_move = exchange->phase == SL_EXCHANGE_ACTIVE &&
                    (is_receiving(exchange) ||
                     sl_outgoing_is_moving(&exchange->request->outgoing));

    if (!can_move)
        sl_pace_restart(&exchange->request->pace, now);
    sl_pace_run(&exchange->request->pace,
                can_move && sl_exchange_is_awaited(exchange), now);
}

/* The deadline of the exchange's stage, without the total one. */
static int64_t stage_due(const struct sl_exchange *exchange)
{
    const struct sl_deadlines *deadlines =
        &exchange->request->options.deadlines;
    int64_t moved = exchange->last_activity;

    switch (exchange->phase) {
    case SL_EXCHANGE_WAITING:
        /* A connection that is being opened keeps its own deadlines. */
        return exchange->request->place.opening == NULL
                   ? sl_clock_after(exchange->request->stage_began,
                                    deadlines->queue)
                   : SL_NEVER;
    case SL_EXCHANGE_ACTIVE:
        if (sl_outgoing_is_over(&exchange->request->outgoing) &&
            exchange->incoming.phase == SL_INCOMING_SILENT)
            return sl_clock_after(moved, deadlines->first_byte);
        return sl_clock_after(moved, exchange->idle);
    default:
        return SL_NEVER;
    }
}

int64_t sl_exchange_due(const struct sl_exchange *exchange)
{
    const struct sl_outgoing *outgoing = &exchange->request->outgoing;
    int64_t due = exchange->deadline;
    int64_t stage = stage_due(exchange);
    int64_t pace = sl_pace_is_kept(&exchange->request->pace)
                       ? sl_pace_due(&exchange->request->pace)
                       : SL_NEVER;

    if (sl_incoming_is_draining(&exchange->incoming))
        return exchange->incoming.drain_until;
    if (stage < due)
        due = stage;
    if (pace < due)
        due = pace;
    if (outgoing->phase == SL_OUTGOING_EXPECTING &&
        outgoing->continue_until < due)
        due = outgoing->continue_until;
    return due;
}

static double seconds(int64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

/* The messages of these two stages begin with their object. */
static void total_passed(const struct sl_exchange *exchange,
                         enum sl_stage stage, struct sl_failure *failure)
{
    const struct sl_origin *origin = exchange->origin;
    double limit = seconds(exchange->total);

    if (stage != SL_STAGE_RESOLVE && stage != SL_STAGE_CONNECT)
        sl_fail(failure, SL_TIMEOUT, stage,
                "not complete within %g s (timeout.total)", limit);
    else if (origin->options.unix_path != NULL)
        sl_fail(failure, SL_TIMEOUT, stage,
                "%s: not complete within %g s (timeout.total)",
                origin->options.unix_path, limit);
    else
        sl_fail(failure, SL_TIMEOUT, stage,
                "%s:%d: not complete within %g s (timeout.total)",
                sl_origin_next_host(origin), sl_origin_next_port(origin),
                limit);
}

static void queue_passed(const struct sl_exchange *exchange,
                         struct sl_failure *failure)
{
    const struct sl_origin *origin = exchange->origin;
    size_t unread = sl_exchanges_unread(exchange->exchanges, origin);
    double limit = seconds(exchange->request->options.deadlines.queue);

    if (unread > 0)
        sl_fail(failure, SL_TIMEOUT, SL_STAGE_QUEUE,
                "no connection became free within %g s (timeout.queue): %zu "
                "of %zu are held by streamed responses that are neither read "
                "to their end nor disposed",
                limit, unread, origin->count);
    else
        sl_fail(failure, SL_TIMEOUT, SL_STAGE_QUEUE,
                "no connection became free within %g s (timeout.queue): %zu "
                "are in use",
                limit, origin->count);
}

static void pace_passed(const struct sl_exchange *exchange, enum sl_stage stage,
                        struct sl_failure *failure)
{
    const struct sl_deadlines *deadlines =
        &exchange->request->options.deadlines;

    sl_fail(failure, SL_TIMEOUT, stage,
            "fewer than %" PRIu64 " bytes in %g s (timeout.rate)",
            deadlines->rate_bytes, seconds(deadlines->rate_within));
}

void sl_exchange_time_out(struct sl_exchange *exchange)
{
    const struct sl_deadlines *deadlines =
        &exchange->request->options.deadlines;
    enum sl_stage stage = sl_exchange_stage(exchange);
    struct sl_failure *failure = &exchange->request->failure;
    int64_t now = exchange->origin->connections->loop->now;

    if (now >= exchange->deadline) {
        total_passed(exchange, stage, failure);
        return;
    }
    if (sl_pace_due(&exchange->request->pace) < stage_due(exchange)) {
        pace_passed(exchange, stage, failure);
        return;
    }
    switch (stage) {
    case SL_STAGE_QUEUE:
        queue_passed(exchange, failure);
        return;
    case SL_STAGE_HEAD:
        if (exchange->incoming.phase == SL_INCOMING_SILENT) {
            sl_fail(failure, SL_TIMEOUT, stage,
                    "no response within %g s (timeout.first_byte)",
                    seconds(deadlines->first_byte));
            return;
        }
        break;
    default:
        break;
    }
    sl_fail(failure, SL_TIMEOUT, stage,
            "no data in either direction for %g s (timeout.idle)",
            seconds(exchange->idle));
}
