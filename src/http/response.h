/* http/response.h - a response from received bytes: heads, body, trailers
 *
 * in:    a buffer of received bytes    out: head, body buffer, trailers
 * below: http/head.h, http/framing.h, http/chunked.h, http/decoding.h
 *
 *   step -> INTERIM* -> HEAD -> BODY* -> END
 *
 * Knows no socket and no clock. The same machine serves buffered and streamed
 * responses and the parser that hosts use with sockets of their own; it gives
 * the same outcome wherever its input is cut.
 */
#ifndef SL_HTTP_RESPONSE_H
#define SL_HTTP_RESPONSE_H

#include "http/chunked.h"
#include "http/decoding.h"
#include "http/framing.h"
#include "http/head_parse.h"

struct sl_response_limits {
    struct sl_head_limits head;
    size_t interim; /* interim responses, 32 */
    uint64_t body;  /* bytes after decoding; UINT64_MAX: none */
};

void sl_response_limits_default(struct sl_response_limits *limits);

enum sl_response_event {
    SL_EVENT_INTERIM, /* 1xx: `head` holds it until the next step */
    SL_EVENT_HEAD,    /* final head: `head`, `framing` are set */
    SL_EVENT_BODY,    /* `body` has grown */
    SL_EVENT_END      /* complete, with its trailers */
};

enum sl_response_phase {
    SL_PHASE_HEAD,
    SL_PHASE_BODY,
    SL_PHASE_TRAILERS,
    SL_PHASE_DECODING, /* framing is complete, the decoder has more */
    SL_PHASE_END
};

struct sl_response {
    const struct sl_response_limits *limits;
    struct sl_decoder_shelf *shelf;
    struct sl_request_traits request;
    bool keeps_input : 1; /* set when others see the input: it is only read */
    bool is_interim_shown : 1; /* `head` is that of an interim response */
    bool must_close : 1;       /* an interim response said so */
    bool has_input_ended : 1;  /* after a body that ends with it */
    bool has_grown : 1;        /* SL_EVENT_BODY is to be reported */
    bool is_end_told : 1;
    uint8_t phase;  /* enum sl_response_phase */
    uint8_t failed; /* enum sl_status */
    uint32_t interim_count;
    struct sl_head head;
    struct sl_framing framing;
    union { /* by the framing's kind */
        struct sl_chunked chunked;
        uint64_t left; /* for SL_FRAMING_LENGTH */
    };
    struct sl_head *trailers; /* NULL: none; see sl_response_trailers */
    uint64_t received;        /* body bytes before decoding */
    uint64_t delivered;       /* body bytes put into `body` so far */
    struct sl_decoding decoding;
    struct sl_buffer body; /* decoded bytes, for the user to drain */
    const char *error;     /* why: a static clause; NULL: sl_response_explain */
};

/* Decoders come from `shelf`; NULL: content codings are not removed. */
void sl_response_init(struct sl_response *response, struct sl_pool *pool,
                      const struct sl_response_limits *limits,
                      struct sl_request_traits request,
                      struct sl_decoder_shelf *shelf);
void sl_response_fini(struct sl_response *response);

/* Moves to limits that say the same and live longer. */
void sl_response_set_limits(struct sl_response *response,
                            const struct sl_response_limits *limits);
bool sl_response_limits_equal(const struct sl_response_limits *a,
                              const struct sl_response_limits *b);

/* Advances until something happened. SL_OK: `*event`. SL_AGAIN: all of `input`
 * is used that can be; more bytes are needed. While `body` holds `window` bytes
 * or more, a decoding response leaves its input alone and answers SL_AGAIN with
 * sl_response_is_full: drain `body` first. Failures repeat; sl_response_explain
 * says why. After SL_EVENT_END answers SL_END; `input` then holds surplus
 * bytes, if any. */
enum sl_status sl_response_step(struct sl_response *response,
                                struct sl_buffer *input, size_t window,
                                enum sl_response_event *event);

/* The input has ended, after step has answered SL_AGAIN to the last of it (a
 * close-delimited body may still wait for its window). `is_clean` is false when
 * the end cannot be trusted (TLS without close_notify). SL_OK: the end
 * completed the body; go on with step. SL_CLOSED: the message is truncated,
 * whatever frames it. */
enum sl_status sl_response_end_input(struct sl_response *response,
                                     bool is_clean);

/* Why it failed: a static clause, or one written into `room`. NULL: it has not
 * failed. */
const char *sl_response_explain(const struct sl_response *response,
                                char room[SL_EXCESS_ROOM]);

static inline bool sl_response_is_full(const struct sl_response *response,
                                       size_t window)
{
    return response->body.length >= window;
}

/* Body bytes that may still be received straight into `body`, bypassing step:
 * identity coding of known length. 0: go through step. After such a receive of
 * `count` bytes call sl_response_received. */
uint64_t sl_response_direct(const struct sl_response *response);
void sl_response_received(struct sl_response *response, size_t count);

/* The declared length of the body before decoding; UINT64_MAX: unknown. */
uint64_t sl_response_expected(const struct sl_response *response);

/* The trailers, after SL_EVENT_END; those of most responses have no field. */
const struct sl_head *sl_response_trailers(const struct sl_response *response);

/* The body is not wanted: held bytes are freed, and later ones are not decoded
 * but only counted, framed and put into `body`, to be discarded again. */
void sl_response_discard(struct sl_response *response);

/* Frees everything but the complete head, trailers and body. */
void sl_response_settle(struct sl_response *response);

#endif
