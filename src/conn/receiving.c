#include "conn/exchange_parts.h"

/* Received at once: a head and a small body, or a large piece that still fits
 * into the cache next to the core. */
#define WANT_SMALL ((size_t)16 * 1024)
#define WANT_LARGE ((size_t)64 * 1024)

static void head_came(struct sl_exchange *exchange)
{
    exchange->origin->speaks_1_0 = exchange->response.head.minor_version == 0;
    exchange->continue_until = 0;
    /* A final answer other than "go on, it is done" ends the upload. One of 2xx
     * may be written while the request is still being read. */
    if (!exchange->is_upload_over && exchange->response.head.status >= 300) {
        exchange->is_upload_over = true;
        exchange->was_cut = true;
    }
    if (exchange->is_upload_over)
        sl_exchange_release_head(exchange);
}

static enum sl_status parse_within(struct sl_exchange *exchange, size_t window)
{
    struct sl_response *response = &exchange->response;

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

static void charge(size_t *budget, uint64_t count)
{
    *budget -= count < *budget ? (size_t)count : *budget;
}

/* Uses what is in the input. SL_AGAIN: more is needed (or, when the body is
 * full, somebody must drain it, and when the budget is used up, the next turn
 * goes on). SL_END: the message is complete. */
static enum sl_status parse(struct sl_exchange *exchange, size_t *budget)
{
    struct sl_response *response = &exchange->response;
    uint64_t before = response->delivered;
    enum sl_status status;
    size_t window =
        exchange->wanted > WANT_LARGE ? exchange->wanted : WANT_LARGE;

    /* A few bytes may decode to a thousand times as many. */
    if (exchange->interest == SL_WANT_WHOLE)
        window = response->body.length + *budget;
    status = parse_within(exchange, window);
    charge(budget, response->delivered - before);
    return status;
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
    /* Streamed, too: bytes gather only while they come faster than they are
     * taken, and not for long. */
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
    exchange->last_activity = sl_exchange_loop(exchange)->now;
    if (!exchange->has_response_bytes) {
        exchange->has_response_bytes = true;
        exchange->times.first_byte = exchange->last_activity;
    }
    if (exchange->drain_until != 0)
        exchange->drained += *count;
    if (target == &exchange->response.body)
        sl_response_received(&exchange->response, *count);
    return SL_OK;
}

/* The peer sends no more: the end of a body, or too early. */
static void input_ended(struct sl_exchange *exchange, size_t *budget)
{
    struct sl_response *response = &exchange->response;
    enum sl_status status = sl_response_end_input(
        response, exchange->connection->link.is_clean_end);

    if (status == SL_OK)
        status = parse(exchange, budget);
    if (status == SL_END) {
        sl_exchange_finish(exchange);
        return;
    }
    if (status == SL_AGAIN)
        return; /* decoded bytes wait for somebody to want them, or a turn */
    /* What sending reported says more than "closed without a response". */
    if (exchange->failure.status == SL_OK ||
        exchange->failure.stage != SL_STAGE_SEND)
        sl_fail(&exchange->failure, status, SL_STAGE_NONE, "%s",
                response->error);
    sl_exchange_lose(exchange);
}

bool sl_exchange_is_receiving(const struct sl_exchange *exchange)
{
    if (exchange->drain_until != 0)
        return true;
    /* Whoever pushes wants a head, too: it may say that no more is wanted. */
    if (exchange->room.state == SL_COMPLETION_PENDING &&
        exchange->response.phase == SL_PHASE_HEAD)
        return true;
    return exchange->interest != SL_WANT_NOTHING &&
           !sl_exchange_is_satisfied(exchange);
}

void sl_exchange_discard_body(struct sl_exchange *exchange)
{
    sl_response_discard(&exchange->response);
    if (exchange->drained > SL_DRAIN_LIMIT) {
        sl_fail(&exchange->failure, SL_CANCELLED, SL_STAGE_BODY,
                "let go before its end");
        sl_exchange_fail(exchange);
    }
}

bool sl_exchange_receive_some(struct sl_exchange *exchange, size_t *budget)
{
    size_t count = 0;
    /* What came with the last piece. */
    enum sl_status status = parse(exchange, budget);

    if (status == SL_AGAIN && *budget > 0 &&
        sl_exchange_is_receiving(exchange)) {
        status = receive_next(exchange, &count);
        if (status == SL_END) {
            input_ended(exchange, budget);
            return false;
        }
        /* A peer may end a connection by an alert, too. The certificate is none
         * of these: no request was made before it was accepted. */
        if (status == SL_CLOSED || status == SL_TLS) {
            sl_exchange_lose(exchange);
            return false;
        }
        if (status == SL_OK) {
            size_t before = *budget;

            status = parse(exchange, budget);
            if (count > before - *budget)
                charge(budget, count - (before - *budget));
        }
    }
    if (status == SL_END) {
        sl_exchange_finish(exchange);
        return false;
    }
    if (sl_is_failure(status)) {
        sl_exchange_fail(exchange);
        return false;
    }
    if (exchange->drain_until != 0)
        sl_exchange_discard_body(exchange);
    return count > 0;
}
