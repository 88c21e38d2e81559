/* conn/exchange.h - one request and its response
 *
 * in:  binding/response.c    below: conn/origin.c, conn/link.c, http/response.c
 *
 *   QUEUED -> DIALING -> SECURING -> ACTIVE -> DONE
 *      \__________\__________\_________\-----> FAILED
 *
 * Driven by what somebody wants from it: sl_exchange_want says what, and answers
 * at once or has `completion` signalled when it is there. Nothing is received
 * that nobody wants, so a slow consumer holds back its peer. Whoever pushes a
 * body waits for room apart from that, so that both directions run at once.
 *
 * A request is sent again once, on a new connection, when a reused one failed
 * before any byte of the response and sending twice cannot do the work twice.
 */
#ifndef SL_CONN_EXCHANGE_H
#define SL_CONN_EXCHANGE_H

#include "conn/origin.h"
#include "conn/upload.h"
#include "http/response.h"

enum sl_exchange_phase {
    SL_EXCHANGE_NEW,
    SL_EXCHANGE_QUEUED,
    SL_EXCHANGE_DIALING,
    SL_EXCHANGE_SECURING,
    SL_EXCHANGE_ACTIVE,
    SL_EXCHANGE_DONE,
    SL_EXCHANGE_FAILED
};

enum sl_interest {
    SL_WANT_NOTHING,
    SL_WANT_HEAD, /* the final head */
    SL_WANT_BODY, /* at least `wanted` body bytes, or the end */
    SL_WANT_WHOLE /* the end */
};

/* Durations in nanoseconds, SL_NEVER for none. */
struct sl_deadlines {
    int64_t queue;
    int64_t resolve;
    int64_t connect;
    int64_t tls;
    int64_t first_byte;
    int64_t idle;
    int64_t total;
};

/* What one request asks for beside its bytes. */
struct sl_exchange_options {
    struct sl_request_traits traits;
    bool is_idempotent;
    bool expects_continue;
    bool decodes;
    struct sl_response_limits limits;
    struct sl_deadlines deadlines;
};

void sl_deadlines_default(struct sl_deadlines *deadlines);

/* Points in time, sl_clock_now; 0: not reached. */
struct sl_exchange_times {
    int64_t started;
    int64_t placed; /* out of the queue */
    int64_t resolved;
    int64_t connected;
    int64_t secured;
    int64_t sent; /* the whole request */
    int64_t first_byte;
    int64_t ended;
};

struct sl_exchange {
    size_t refs;
    enum sl_exchange_phase phase;
    struct sl_origin *origin;
    struct sl_connection *connection; /* SECURING, ACTIVE */
    struct sl_connector *connector;   /* DIALING */
    struct sl_exchange *next; /* in the queue, the draining or the spare list */
    struct sl_exchange *previous;
    struct sl_exchange_options options;

    struct sl_completion completion; /* what is wanted is there */
    struct sl_completion room;       /* pushed bytes can be taken */
    struct sl_completion turn;       /* go on in the next step of the loop */
    enum sl_interest interest;
    size_t wanted;

    struct sl_segment *head; /* request head; NULL once no resend is possible */
    size_t head_sent;
    struct sl_upload upload;
    struct sl_response response;

    struct sl_timer timer;
    int64_t deadline; /* total, absolute */
    int64_t stage_began;
    int64_t last_activity;  /* a byte moved */
    int64_t continue_until; /* 0: not waiting for 100 */
    int64_t drain_until;    /* 0: not draining */
    size_t drained;         /* bytes of the wire, framing too, since then */
    bool is_reused;
    bool has_resent;
    bool has_response_bytes;
    bool has_sent_bytes;
    bool is_upload_over; /* all sent, or no longer wanted */
    bool was_cut;        /* the upload was ended early */
    bool is_overdue;     /* its time was over while nobody waited */
    bool holds_head; /* until the first pushed pieces are there to go with it */
    bool was_asked;  /* whoever pushes has had the time to give some */
    bool is_in_engine; /* inside the handshake, which may ask its owner */
    bool must_fail;    /* ended from there, `failure` says how */
    uint64_t uploaded; /* body bytes sent, once it is over */
    struct sl_exchange_times times;
    struct sl_failure failure;
    struct sl_peer *peer; /* of the connection; NULL: plain */
};

/* A new exchange with one reference; `head` is copied. SL_MEMORY. */
enum sl_status sl_exchange_create(struct sl_origin *origin,
                                  const struct sl_exchange_options *options,
                                  struct sl_view head,
                                  struct sl_exchange **exchange);
void sl_exchange_retain(struct sl_exchange *exchange);
/* The last one aborts what is still under way and gives everything back. */
void sl_exchange_release(struct sl_exchange *exchange);

/* The end of the total time, where that began before this exchange did. Call it
 * before the start. */
void sl_exchange_set_deadline(struct sl_exchange *exchange, int64_t deadline);

/* Set `upload` before. Failures show in sl_exchange_want. */
void sl_exchange_start(struct sl_exchange *exchange);

/* SL_OK: it is there. SL_END (SL_WANT_BODY): the end came and the body is
 * drained. SL_AGAIN: `completion` will be signalled; call again then. Failures:
 * `failure` has all of it; a head and body bytes received before are there
 * first, the same whatever pieces they came in. */
enum sl_status sl_exchange_want(struct sl_exchange *exchange,
                                enum sl_interest interest, size_t wanted);

/* SL_OK: pushed bytes can be taken, or will not be any more (`is_upload_over`).
 * SL_AGAIN, also while there is no connection yet and while 100 is waited for:
 * `room` will be signalled; call again then. */
enum sl_status sl_exchange_want_room(struct sl_exchange *exchange);
/* Tells that pushed bytes are there to be sent. They go with what follows in the
 * same turn of the loop while that is little. */
void sl_exchange_pushed(struct sl_exchange *exchange);

/* Bytes of the request's body that were sent so far, without framing. */
uint64_t sl_exchange_uploaded(const struct sl_exchange *exchange);

/* For whoever reads without having to wait, now and then: a peer that is always
 * faster must not outrun the total deadline. */
void sl_exchange_check_deadline(struct sl_exchange *exchange);

/* Ends it now with that status: the connection closes, waiters are told. From
 * inside its own handshake (the owner's verify): as soon as that returns. */
void sl_exchange_abort(struct sl_exchange *exchange, enum sl_status status,
                       const char *reason);

/* Nobody wants the rest of the body: it is drained when little is missing, else
 * the connection closes. Body bytes held are given back. */
void sl_exchange_drop(struct sl_exchange *exchange);

/* ---- called by conn/origin.c ---- */

/* A place has become free for a queued exchange. */
void sl_exchange_place(struct sl_exchange *exchange);
/* The lent connection can move bytes again. */
void sl_exchange_ready(struct sl_exchange *exchange);

#endif
