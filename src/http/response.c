#include "http/response.h"

#include <inttypes.h>
#include <stdio.h>

void sl_response_limits_default(struct sl_response_limits *limits)
{
    memset(limits, 0, sizeof(*limits));
    limits->head.head = 131072;
    limits->head.line = 65536;
    limits->head.lines = 256;
    limits->interim = 32;
    limits->body = UINT64_MAX;
}

bool sl_response_limits_equal(const struct sl_response_limits *a,
                              const struct sl_response_limits *b)
{
    return a->head.head == b->head.head && a->head.line == b->head.line &&
           a->head.lines == b->head.lines &&
           a->head.lenient_lf == b->head.lenient_lf &&
           a->interim == b->interim && a->body == b->body;
}

static enum sl_status fail(struct sl_response *response, enum sl_status status,
                           const char *error)
{
    response->failed = (uint8_t)status;
    response->error = error;
    return status;
}

/* The pool did not give enough memory. */
static enum sl_status fail_pool(struct sl_response *response,
                                enum sl_status status)
{
    return fail(response, status,
                status == SL_LIMIT ? "the pool is full"
                                   : "no memory for the body");
}

static bool is_decoding(const struct sl_response *response)
{
    return sl_decoding_is_active(&response->decoding);
}

/* ---- life ---- */

void sl_response_init(struct sl_response *response, struct sl_pool *pool,
                      const struct sl_response_limits *limits,
                      struct sl_request_traits request,
                      struct sl_decoder_shelf *shelf)
{
    memset(response, 0, sizeof(*response));
    response->limits = limits;
    response->request = request;
    response->shelf = shelf;
    sl_head_init(&response->head, pool, &limits->head);
    sl_buffer_init(&response->body, pool, SIZE_MAX);
}

void sl_response_set_limits(struct sl_response *response,
                            const struct sl_response_limits *limits)
{
    sl_assert(sl_response_limits_equal(response->limits, limits));
    response->limits = limits;
    response->head.limits = &limits->head;
    if (response->trailers != NULL)
        response->trailers->limits = &limits->head;
}

void sl_response_settle(struct sl_response *response)
{
    if (is_decoding(response))
        sl_decoding_fini(&response->decoding);
}

void sl_response_discard(struct sl_response *response)
{
    sl_response_settle(response);
    sl_buffer_reset(&response->body);
}

static void free_trailers(struct sl_response *response)
{
    if (response->trailers == NULL)
        return;
    sl_head_fini(response->trailers);
    sl_free(response->body.pool->allocator, response->trailers,
            sizeof *response->trailers);
    response->trailers = NULL;
}

void sl_response_fini(struct sl_response *response)
{
    sl_response_settle(response);
    sl_head_fini(&response->head);
    free_trailers(response);
    sl_buffer_fini(&response->body);
}

/* ---- head ---- */

static void hide(struct sl_head *head, struct sl_view name)
{
    size_t i = 0;

    while ((i = sl_head_find(head, i, name)) != SIZE_MAX)
        head->fields[i].is_hidden = true;
}

static bool has_body_to_decode(const struct sl_response *response)
{
    if (response->shelf == NULL || response->framing.kind == SL_FRAMING_NONE)
        return false;
    /* RFC 9110 14.2, 15.3.7: a range is a range of the coded bytes, and a part
     * of them cannot be decoded */
    if (response->head.status == 206)
        return false;
    return !response->request.follows_redirects ||
           !sl_is_redirect(&response->head);
}

static enum sl_status start_decoding(struct sl_response *response,
                                     const struct sl_content_codings *codings)
{
    enum sl_status status;

    if (codings->count == 0 || !has_body_to_decode(response))
        return SL_OK;
    status = sl_decoding_start(&response->decoding, codings, response->shelf,
                               response->body.pool);
    if (status == SL_DECODE)
        return fail(
            response, status,
            "more than " SL_NUMERAL(SL_CODINGS) " content codings (fixed)");
    if (status != SL_OK)
        return fail_pool(response, status);
    if (is_decoding(response)) {
        hide(&response->head, SL_VIEW("Content-Encoding"));
        hide(&response->head, SL_VIEW("Content-Length"));
    }
    return SL_OK;
}

static enum sl_status take_interim(struct sl_response *response,
                                   enum sl_response_event *event)
{
    if (++response->interim_count > response->limits->interim)
        return fail(response, SL_LIMIT, NULL);
    /* RFC 9112 9.6: close means close, whichever head says it */
    if (!response->framing.keeps_alive)
        response->must_close = true;
    response->is_interim_shown = true;
    *event = SL_EVENT_INTERIM;
    return SL_OK;
}

static enum sl_status take_final(struct sl_response *response,
                                 const struct sl_content_codings *codings,
                                 enum sl_response_event *event)
{
    struct sl_framing *framing = &response->framing;
    enum sl_status status;

    if (response->must_close)
        framing->keeps_alive = false;
    status = start_decoding(response, codings);
    if (status != SL_OK)
        return status;
    if (framing->kind == SL_FRAMING_CHUNKED) {
        sl_chunked_init(&response->chunked, response->limits->head.lenient_lf);
        response->chunked.keeps_input = response->keeps_input;
    } else {
        response->left = framing->length;
    }
    response->phase =
        framing->kind == SL_FRAMING_NONE ? SL_PHASE_END : SL_PHASE_BODY;
    *event = SL_EVENT_HEAD;
    return SL_OK;
}

static enum sl_status step_head(struct sl_response *response,
                                struct sl_buffer *input,
                                enum sl_response_event *event)
{
    struct sl_content_codings codings;
    const char *error;
    enum sl_status status;

    if (response->is_interim_shown) {
        sl_head_reset(&response->head);
        response->is_interim_shown = false;
    }
    status = sl_head_parse(&response->head, input);
    if (status == SL_AGAIN)
        return SL_AGAIN;
    if (status != SL_OK)
        return fail(response, status, NULL);
    status = sl_framing_decide(&response->framing, &codings, &response->head,
                               response->request, &error);
    if (status != SL_OK)
        return fail(response, status, error);
    if (response->head.status < 200 && !response->framing.is_upgrade)
        return take_interim(response, event);
    return take_final(response, &codings, event);
}

/* ---- body: from the wire to `body` or to the first decoder ---- */

static uint64_t body_room(const struct sl_response *response)
{
    return response->limits->body - response->delivered;
}

static enum sl_status fail_body_limit(struct sl_response *response)
{
    return fail(response, SL_LIMIT, NULL);
}

/* The part of `size` bytes of identity coding that the limit still allows. */
static size_t allowed(const struct sl_response *response, size_t size)
{
    if (is_decoding(response) || body_room(response) >= size)
        return size;
    return (size_t)body_room(response);
}

static struct sl_buffer *destination(struct sl_response *response)
{
    return is_decoding(response) ? sl_decoding_input(&response->decoding)
                                 : &response->body;
}

static void count_delivered(struct sl_response *response, size_t size)
{
    response->delivered += size;
    response->has_grown |= size > 0;
}

static void count_received(struct sl_response *response, size_t size)
{
    response->received += size;
    if (!is_decoding(response))
        count_delivered(response, size);
}

/* Moves up to `size` bytes; bytes beyond the limit stay, and fail. */
static enum sl_status take_plain(struct sl_response *response,
                                 struct sl_buffer *input, size_t size)
{
    size_t take = allowed(response, size);
    enum sl_status status;

    if (take == 0)
        return fail_body_limit(response);
    status = sl_buffer_move(destination(response), input, take);
    if (status != SL_OK)
        return fail_pool(response, status);
    count_received(response, take);
    return SL_OK;
}

static enum sl_status take_length(struct sl_response *response,
                                  struct sl_buffer *input)
{
    size_t size = input->length;
    enum sl_status status;

    /* the length is known from the head: not one byte too many is taken */
    if (!is_decoding(response) && response->left > body_room(response))
        return fail_body_limit(response);
    if (size > response->left)
        size = (size_t)response->left;
    if (size == 0)
        return SL_AGAIN;
    status = take_plain(response, input, size);
    if (status == SL_OK)
        response->left -= size;
    return status;
}

/* Moves the payload of chunks. SL_END: the last chunk has been read. */
static enum sl_status take_chunks(struct sl_response *response,
                                  struct sl_buffer *input)
{
    struct sl_slice front = sl_buffer_front(input);
    struct sl_room room = {front.data, front.size};
    struct sl_view payload;
    size_t consumed;
    size_t take;
    enum sl_status status, linked = SL_OK;

    status = sl_chunked_decode(&response->chunked, room, &consumed, &payload);
    if (sl_is_failure(status))
        return fail(response, status, response->chunked.error);
    take = allowed(response, payload.size);
    if (take > 0)
        linked = sl_buffer_link(destination(response), front.segment,
                                front.data + (payload.data - front.data), take);
    sl_buffer_consume(input, consumed);
    if (linked != SL_OK)
        return fail_pool(response, linked);
    count_received(response, take);
    if (take < payload.size)
        return fail_body_limit(response);
    return status == SL_END ? SL_END : SL_OK;
}

static enum sl_status take_input(struct sl_response *response,
                                 struct sl_buffer *input)
{
    if (response->framing.kind == SL_FRAMING_LENGTH)
        return take_length(response, input);
    if (input->length == 0)
        return SL_AGAIN;
    if (response->framing.kind == SL_FRAMING_CHUNKED)
        return take_chunks(response, input);
    return take_plain(response, input, input->length);
}

/* ---- steps: SL_OK when the phase has changed ---- */

/* Whether the body's framing has been read to its end. */
static bool has_whole_body(const struct sl_response *response,
                           const struct sl_buffer *input)
{
    if (response->framing.kind == SL_FRAMING_LENGTH)
        return response->left == 0;
    return response->framing.kind == SL_FRAMING_CLOSE &&
           response->has_input_ended && input->length == 0;
}

/* Empties the decoders. SL_OK: nothing is left inside. SL_AGAIN: `body` is
 * full. */
static enum sl_status drain_decoders(struct sl_response *response,
                                     size_t window)
{
    size_t before = response->body.length;
    const char *error;
    enum sl_status status;

    if (!is_decoding(response))
        return SL_OK;
    status = sl_decoding_pump(&response->decoding, &response->body, window,
                              body_room(response), &error);
    count_delivered(response, response->body.length - before);
    if (sl_is_failure(status))
        return fail(response, status, error);
    return status == SL_AGAIN ? SL_OK : SL_AGAIN;
}

static enum sl_status step_body(struct sl_response *response,
                                struct sl_buffer *input, size_t window)
{
    enum sl_status status;

    for (;;) {
        status = drain_decoders(response, window);
        if (status != SL_OK)
            return status;
        if (has_whole_body(response, input)) {
            response->phase = SL_PHASE_DECODING;
            return SL_OK;
        }
        status = take_input(response, input);
        if (status == SL_END) {
            response->phase = SL_PHASE_TRAILERS;
            return SL_OK;
        }
        if (status != SL_OK)
            return status;
    }
}

/* RFC 9110 6.5.1: framing is over; a framing field would be meant for some
 * other parser. */
static bool has_framing_field(const struct sl_head *trailers)
{
    return sl_head_find(trailers, 0, SL_VIEW("Content-Length")) != SIZE_MAX ||
           sl_head_find(trailers, 0, SL_VIEW("Transfer-Encoding")) != SIZE_MAX;
}

/* Nearly all bodies end like this: then no trailers are kept. */
static bool has_no_trailers(const struct sl_response *response,
                            const struct sl_buffer *input)
{
    struct sl_view front = sl_buffer_peek(input);

    return response->trailers == NULL && front.size >= 2 &&
           front.data[0] == '\r' && front.data[1] == '\n';
}

static enum sl_status open_trailers(struct sl_response *response)
{
    if (response->trailers != NULL)
        return SL_OK;
    response->trailers =
        sl_allocate(response->body.pool->allocator, sizeof *response->trailers);
    if (response->trailers == NULL)
        return fail(response, SL_MEMORY, "no memory for the trailers");
    sl_head_init_trailers(response->trailers, response->body.pool,
                          &response->limits->head);
    return SL_OK;
}

static enum sl_status step_trailers(struct sl_response *response,
                                    struct sl_buffer *input, size_t window)
{
    enum sl_status status = drain_decoders(response, window);

    if (status != SL_OK)
        return status;
    if (has_no_trailers(response, input)) {
        sl_buffer_consume(input, 2);
        response->phase = SL_PHASE_DECODING;
        return SL_OK;
    }
    status = open_trailers(response);
    if (status != SL_OK)
        return status;
    status = sl_head_parse(response->trailers, input);
    if (sl_is_failure(status))
        return fail(response, status, NULL);
    if (status == SL_AGAIN)
        return SL_AGAIN;
    if (has_framing_field(response->trailers))
        return fail(response, SL_PROTOCOL,
                    "framing field in the trailer section");
    response->phase = SL_PHASE_DECODING;
    return SL_OK;
}

/* The framing is over: the decoders have to accept that. */
static enum sl_status step_decoding(struct sl_response *response)
{
    const char *error;

    if (is_decoding(response)) {
        enum sl_status status = sl_decoding_finish(&response->decoding, &error);

        if (status != SL_OK)
            return fail(response, status, error);
    }
    response->phase = SL_PHASE_END;
    return SL_OK;
}

static enum sl_status step_phase(struct sl_response *response,
                                 struct sl_buffer *input, size_t window)
{
    switch (response->phase) {
    case SL_PHASE_BODY:
        return step_body(response, input, window);
    case SL_PHASE_TRAILERS:
        return step_trailers(response, input, window);
    default: /* SL_PHASE_DECODING */
        return step_decoding(response);
    }
}

enum sl_status sl_response_step(struct sl_response *response,
                                struct sl_buffer *input, size_t window,
                                enum sl_response_event *event)
{
    enum sl_status status = SL_OK;

    if (response->failed != SL_OK)
        return response->failed;
    if (response->phase == SL_PHASE_HEAD)
        return step_head(response, input, event);
    while (status == SL_OK && response->phase != SL_PHASE_END)
        status = step_phase(response, input, window);
    /* bytes before a failure are still good, and reported first */
    if (response->has_grown) {
        response->has_grown = false;
        *event = SL_EVENT_BODY;
        return SL_OK;
    }
    if (status != SL_OK)
        return status;
    if (response->is_end_told)
        return SL_END;
    response->is_end_told = true;
    *event = SL_EVENT_END;
    return SL_OK;
}

enum sl_status sl_response_end_input(struct sl_response *response,
                                     bool is_clean)
{
    bool is_empty = response->interim_count == 0 && response->head.size == 0;

    if (response->failed != SL_OK)
        return response->failed;
    switch (response->phase) {
    case SL_PHASE_HEAD:
        return fail(response, SL_CLOSED,
                    is_empty ? "connection closed before the response"
                             : "connection closed in the response head");
    case SL_PHASE_TRAILERS:
        return fail(response, SL_CLOSED,
                    "connection closed in the trailer section");
    case SL_PHASE_BODY:
        break;
    default:
        return SL_OK;
    }
    switch (response->framing.kind) {
    case SL_FRAMING_CHUNKED:
        return fail(response, SL_CLOSED, "connection closed in a chunked body");
    case SL_FRAMING_LENGTH:
        if (response->left == 0)
            return SL_OK;
        return fail(response, SL_CLOSED,
                    "connection closed before the end of the body");
    default:
        /* RFC 9112 9.8: an attacker can cut a TLS stream, but not end it */
        if (!is_clean)
            return fail(response, SL_CLOSED,
                        "TLS ended without close_notify in a body that ends "
                        "with the connection");
        response->has_input_ended = true;
        return SL_OK;
    }
}

const char *sl_response_explain(const struct sl_response *response,
                                char room[SL_EXCESS_ROOM])
{
    if (response->failed == SL_OK || response->error != NULL)
        return response->error;
    if (sl_is_failure(response->head.failed))
        return sl_head_explain(&response->head, room);
    if (response->trailers != NULL && response->trailers->failed != SL_OK)
        return sl_head_explain(response->trailers, room);
    if (response->phase == SL_PHASE_HEAD)
        snprintf(room, SL_EXCESS_ROOM,
                 "more than %zu interim responses (limits.interim)",
                 response->limits->interim);
    else
        snprintf(room, SL_EXCESS_ROOM,
                 "body exceeds %" PRIu64 " bytes (limits.body)",
                 response->limits->body);
    return room;
}

/* ---- past the machine ---- */

uint64_t sl_response_direct(const struct sl_response *response)
{
    if (response->failed != SL_OK || response->phase != SL_PHASE_BODY ||
        response->framing.kind != SL_FRAMING_LENGTH || is_decoding(response) ||
        response->left > body_room(response))
        return 0;
    return response->left;
}

void sl_response_received(struct sl_response *response, size_t count)
{
    sl_assert(count <= response->left);
    response->left -= count;
    count_received(response, count);
}

const struct sl_head *sl_response_trailers(const struct sl_response *response)
{
    static const struct sl_head none;

    return response->trailers != NULL ? response->trailers : &none;
}

uint64_t sl_response_expected(const struct sl_response *response)
{
    switch (response->framing.kind) {
    case SL_FRAMING_NONE:
        return 0;
    case SL_FRAMING_LENGTH:
        return response->framing.length;
    default:
        return UINT64_MAX;
    }
}
