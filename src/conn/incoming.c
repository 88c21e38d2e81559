#include "conn/incoming.h"

/* Received at once: a head and a small body, or a large piece. */
#define WANT_SMALL ((size_t)16 * 1024)
#define WANT_LARGE ((size_t)64 * 1024)

/* Bytes that are read, with their framing, to keep a connection whose response
 * was disposed early. */
#define DRAIN_LIMIT ((uint64_t)64 * 1024)

/* ---- a life ---- */

void sl_incoming_init(struct sl_incoming *incoming, struct sl_pool *pool,
                      const struct sl_response_limits *limits,
                      struct sl_request_traits traits,
                      struct sl_decoder_shelf *shelf)
{
    incoming->phase = SL_INCOMING_SILENT;
    incoming->drain_until = 0;
    incoming->drained = 0;
    incoming->is_flowing = false;
    sl_response_init(&incoming->response, pool, limits, traits, shelf);
}

void sl_incoming_fini(struct sl_incoming *incoming)
{
    sl_response_fini(&incoming->response);
}

/* ---- parsing ---- */

static void charge(size_t *budget, uint64_t count)
{
    *budget -= count < *budget ? (size_t)count : *budget;
}

static enum sl_status fail(const struct sl_response *response,
                           enum sl_status status, struct sl_failure *failure)
{
    char room[SL_EXCESS_ROOM];

    return sl_fail(failure, status, SL_STAGE_NONE, "%s",
                   sl_response_explain(response, room));
}

static enum sl_status parse_within(struct sl_incoming *incoming,
                                   struct sl_buffer *input, size_t window,
                                   struct sl_incoming_news *news,
                                   struct sl_failure *failure)
{
    struct sl_response *response = &incoming->response;

    for (;;) {
        enum sl_response_event event;
        enum sl_status status =
            sl_response_step(response, input, window, &event);

        if (sl_is_failure(status))
            return fail(response, status, failure);
        if (status != SL_OK)
            return status;
        if (event == SL_EVENT_END)
            return SL_END;
        if (event == SL_EVENT_INTERIM && response->head.status == 100)
            news->continues = true;
    }
}

/* Uses the bytes of the input. SL_AGAIN: more is needed (or, when the body is
 * full, the caller must drain it, and when the budget is used up, the next turn
 * goes on). SL_END: the message is complete. */
static enum sl_status parse(struct sl_incoming *incoming,
                            struct sl_buffer *input, size_t *budget,
                            struct sl_incoming_news *news,
                            struct sl_failure *failure)
{
    struct sl_response *response = &incoming->response;
    uint64_t before = response->delivered;
    enum sl_status status;
    size_t window = incoming->wanted > SL_FLOW ? incoming->wanted : SL_FLOW;

    /* A few bytes may decode to a thousand times as many. */
    if (incoming->interest == SL_WANT_WHOLE ||
        window > response->body.length + *budget)
        window = response->body.length + *budget;
    status = parse_within(incoming, input, window, news, failure);
    charge(budget, response->delivered - before);
    return status;
}

/* ---- receiving ---- */

/* More than the limit is not told apart. */
static void count_drained(struct sl_incoming *incoming, size_t count)
{
    uint32_t room = UINT32_MAX - incoming->drained;

    incoming->drained += count < room ? (uint32_t)count : room;
}

/* Receives for large pieces end with one of them: the next one begins with a
 * segment then, and may be one piece of memory. */
static size_t align(const struct sl_incoming *incoming, size_t most)
{
    size_t length = incoming->response.body.length;
    size_t wanted = incoming->wanted;

    if (incoming->interest != SL_WANT_BODY || wanted < WANT_SMALL ||
        wanted <= length || wanted - length > most)
        return most;
    return most - (most - (wanted - length)) % wanted;
}

/* Chooses the buffer to receive into, and how much to ask for. */
static struct sl_buffer *choose_target(struct sl_incoming *incoming,
                                       const struct sl_incoming_source *source,
                                       size_t *want)
{
    struct sl_response *response = &incoming->response;
    uint64_t direct = sl_response_direct(response);

    if (response->phase == SL_PHASE_HEAD) {
        *want = WANT_SMALL;
        return source->input;
    }
    *want = incoming->is_flowing ? source->flow : WANT_LARGE;
    if (direct == 0 || source->input->length > 0)
        return source->input;
    /* Streamed bodies, too: bytes gather only while they arrive faster than
     * they are taken, and not for long. */
    *want = sl_transport_expect(source->link->transport,
                                direct < SIZE_MAX ? (size_t)direct : SIZE_MAX)
                ? source->flow
                : WANT_LARGE;
    *want = align(incoming, *want);
    if (direct < *want)
        *want = (size_t)direct;
    return &response->body;
}

static enum sl_status receive(struct sl_incoming *incoming,
                              const struct sl_incoming_source *source,
                              struct sl_incoming_news *news,
                              struct sl_failure *failure)
{
    size_t want;
    size_t count;
    struct sl_buffer *target = choose_target(incoming, source, &want);
    enum sl_status status =
        sl_link_receive(source->link, target, want, &count, failure);

    if (status != SL_OK)
        return status;
    news->received = count;
    incoming->is_flowing = count >= WANT_LARGE;
    if (incoming->phase == SL_INCOMING_SILENT)
        incoming->phase = SL_INCOMING_BEGUN;
    if (incoming->phase == SL_INCOMING_DRAINING)
        count_drained(incoming, count);
    if (target == &incoming->response.body)
        sl_response_received(&incoming->response, count);
    return SL_OK;
}

/* The peer sends no more: the body has ended, or the input ended too early. */
static enum sl_status input_ended(struct sl_incoming *incoming,
                                  const struct sl_incoming_source *source,
                                  size_t *budget, struct sl_incoming_news *news,
                                  struct sl_failure *failure)
{
    struct sl_response *response = &incoming->response;
    struct sl_failure ending;
    enum sl_status status =
        sl_response_end_input(response, source->link->is_clean_end);

    if (status == SL_OK)
        status = parse(incoming, source->input, budget, news, &ending);
    /* The failure of sending says more than "closed without a response". */
    if (sl_is_failure(status) &&
        (failure->status == SL_OK || failure->stage != SL_STAGE_SEND))
        fail(response, status, failure);
    /* SL_AGAIN: decoded bytes wait for a reader, or for a turn. */
    return sl_is_failure(status) ? SL_CLOSED : status;
}

/* Drops body bytes of a response that is not wanted any more. */
static enum sl_status discard_body(struct sl_incoming *incoming,
                                   struct sl_failure *failure)
{
    sl_response_discard(&incoming->response);
    if (incoming->drained <= DRAIN_LIMIT)
        return SL_OK;
    return sl_fail(failure, SL_CANCELLED, SL_STAGE_BODY,
                   "response was disposed before its end");
}

/* A head needs bytes; a body may end without any. */
static bool has_nothing_to_parse(const struct sl_incoming *incoming,
                                 const struct sl_incoming_source *source)
{
    return incoming->response.phase == SL_PHASE_HEAD &&
           source->input->length == 0;
}

enum sl_status sl_incoming_advance(struct sl_incoming *incoming,
                                   const struct sl_incoming_source *source,
                                   bool wants_head, size_t *budget,
                                   struct sl_incoming_news *news,
                                   struct sl_failure *failure)
{
    enum sl_status status;

    news->received = 0;
    news->continues = false;
    /* Parse the bytes that arrived with the last piece. */
    status = has_nothing_to_parse(incoming, source)
                 ? SL_AGAIN
                 : parse(incoming, source->input, budget, news, failure);
    if (status == SL_AGAIN && *budget > 0 &&
        sl_incoming_is_wanted(incoming, wants_head)) {
        size_t before = *budget;

        status = receive(incoming, source, news, failure);
        if (status == SL_END)
            return input_ended(incoming, source, budget, news, failure);
        if (status == SL_OK) {
            status = parse(incoming, source->input, budget, news, failure);
            if (news->received > before - *budget)
                charge(budget, news->received - (before - *budget));
        }
    }
    if (status != SL_AGAIN)
        return status;
    if (sl_incoming_is_draining(incoming) &&
        discard_body(incoming, failure) != SL_OK)
        return SL_CANCELLED;
    return news->received > 0 ? SL_OK : SL_AGAIN;
}

void sl_incoming_drain(struct sl_incoming *incoming, int64_t until, size_t held)
{
    incoming->phase = SL_INCOMING_DRAINING;
    incoming->drain_until = until;
    incoming->drained = 0;
    count_drained(incoming, held);
    sl_response_discard(&incoming->response);
}

bool sl_incoming_is_short(const struct sl_incoming *incoming)
{
    const struct sl_response *response = &incoming->response;
    uint64_t expected = sl_response_expected(response);

    return expected == UINT64_MAX ||
           expected - response->received <= DRAIN_LIMIT;
}
