#include "conn/deadline.h"

static int64_t after(int64_t start, int64_t duration)
{
    return duration >= SL_NEVER - start ? SL_NEVER : start + duration;
}

void sl_deadlines_default(struct sl_deadlines *deadlines)
{
    deadlines->queue = 10 * SL_SECOND;
    deadlines->resolve = 5 * SL_SECOND;
    deadlines->connect = 10 * SL_SECOND;
    deadlines->tls = 10 * SL_SECOND;
    deadlines->first_byte = 30 * SL_SECOND;
    deadlines->idle = 30 * SL_SECOND;
    deadlines->total = 300 * SL_SECOND;
}

enum sl_stage sl_exchange_stage(const struct sl_exchange *exchange)
{
    switch (exchange->phase) {
    case SL_EXCHANGE_NEW:
    case SL_EXCHANGE_QUEUED:
        return SL_STAGE_QUEUE;
    case SL_EXCHANGE_DIALING:
        return sl_connect_stage(exchange->connector);
    case SL_EXCHANGE_SECURING:
        return SL_STAGE_TLS;
    default:
        break;
    }
    if (exchange->response.phase > SL_PHASE_HEAD)
        return SL_STAGE_BODY;
    return exchange->is_upload_over || exchange->has_response_bytes
               ? SL_STAGE_HEAD
               : SL_STAGE_SEND;
}

/* The deadline of the stage it is in, without the total one. */
static int64_t stage_due(const struct sl_exchange *exchange)
{
    const struct sl_deadlines *deadlines = &exchange->options.deadlines;
    int64_t moved = exchange->last_activity;

    switch (exchange->phase) {
    case SL_EXCHANGE_QUEUED:
        return after(exchange->stage_began, deadlines->queue);
    case SL_EXCHANGE_SECURING:
        return after(exchange->stage_began, deadlines->tls);
    case SL_EXCHANGE_ACTIVE:
        if (exchange->is_upload_over && !exchange->has_response_bytes)
            return after(moved, deadlines->first_byte);
        return after(moved, deadlines->idle);
    default:
        return SL_NEVER; /* dialing keeps its own */
    }
}

int64_t sl_exchange_due(const struct sl_exchange *exchange)
{
    int64_t due = exchange->deadline;
    int64_t stage = stage_due(exchange);

    if (exchange->drain_until != 0)
        return exchange->drain_until;
    if (exchange->phase == SL_EXCHANGE_DIALING)
        return SL_NEVER; /* the connector knows the total one, too */
    if (stage < due)
        due = stage;
    if (exchange->continue_until != 0 && exchange->continue_until < due)
        due = exchange->continue_until;
    return due;
}

static double seconds(int64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

void sl_exchange_time_out(struct sl_exchange *exchange)
{
    const struct sl_deadlines *deadlines = &exchange->options.deadlines;
    enum sl_stage stage = sl_exchange_stage(exchange);
    struct sl_failure *failure = &exchange->failure;
    int64_t now = exchange->origin->connections->loop->now;

    if (now >= exchange->deadline) {
        sl_fail(failure, SL_TIMEOUT, stage, "not complete within %g s",
                seconds(deadlines->total));
        return;
    }
    switch (stage) {
    case SL_STAGE_QUEUE:
        sl_fail(failure, SL_TIMEOUT, stage,
                "no connection became free within %g s",
                seconds(deadlines->queue));
        return;
    case SL_STAGE_TLS:
        sl_fail(failure, SL_TIMEOUT, stage,
                "handshake not complete within %g s", seconds(deadlines->tls));
        return;
    case SL_STAGE_HEAD:
        if (!exchange->has_response_bytes) {
            sl_fail(failure, SL_TIMEOUT, stage, "no response within %g s",
                    seconds(deadlines->first_byte));
            return;
        }
        break;
    default:
        break;
    }
    sl_fail(failure, SL_TIMEOUT, stage, "no byte moved for %g s",
            seconds(deadlines->idle));
}
