/* conn/exchange.h - one request and its response
 *
 * in:     binding/response.c
 * below:  conn/course.c, conn/lean.c, conn/deadline.c
 *
 *   NEW --> WAITING --> ACTIVE --> DONE
 *      \________\__________\_____> FAILED
 *
 * WAITING is the place's: in the queue of its origin, or while a connection is
 * opened for it. ACTIVE is the work of two parts, each with phases of its own:
 * the outgoing request and the incoming response. They answer a status; only
 * conn/course.c finishes, loses or fails.
 *
 *   connections   FIRST (a new one) or REUSED --lost--> RESENT (a new one)
 *                 a new one whose server speaks first: UNASKED
 *   total time    IN_TIME --its end, without a waiter--> OVERDUE
 *   upgrade       DONE at 101 (Switching Protocols), with its connection, whose
 *                 link somebody may take; nothing but that ends it
 *
 * Driven by what its user wants: sl_exchange_want says what, and answers at
 * once or has `completion` signalled when it is there. The pusher of a body
 * waits for room apart from that, so that both directions run at once.
 *
 * A request is sent again once, on a new connection, when a reused one failed
 * before any byte of the response and sending twice cannot do the work twice.
 */
#ifndef SL_CONN_EXCHANGE_H
#define SL_CONN_EXCHANGE_H

#include "conn/exchanges.h"
#include "conn/incoming.h"
#include "conn/origin.h"
#include "conn/outgoing.h"
#include "conn/pace.h"

enum sl_exchange_phase {
    SL_EXCHANGE_NEW,
    SL_EXCHANGE_WAITING,
    SL_EXCHANGE_ACTIVE,
    SL_EXCHANGE_DONE,
    SL_EXCHANGE_FAILED
};

enum sl_exchange_use {
    SL_EXCHANGE_FIRST,
    SL_EXCHANGE_REUSED,
    SL_EXCHANGE_RESENT,
    /* The answer began before the request was sent (a 408 or 503 of a server
     * that has no room): it is delivered, and the connection is not used
     * again. */
    SL_EXCHANGE_UNASKED
};

enum sl_exchange_time {
    SL_EXCHANGE_IN_TIME,
    SL_EXCHANGE_OVERDUE /* a want that is not met at once fails */
};

/* Durations in nanoseconds, SL_NEVER for none. */
struct sl_deadlines {
    int64_t queue;
    struct sl_opening_deadlines opening; /* resolve, connect, proxy, tls */
    int64_t first_byte;
    int64_t idle;
    int64_t total;
    bool has_own_idle;   /* not the default */
    uint64_t rate_bytes; /* at least so many within each `rate_within`, */
    int64_t rate_within; /* see conn/pace.h; SL_NEVER: any rate will do */
};

/* The options of a request, beside its bytes. */
struct sl_exchange_options {
    struct sl_request_traits traits;
    bool is_idempotent;
    bool expects_continue;
    bool is_streamed;               /* the response is read while it arrives */
    struct sl_decoder_shelf *shelf; /* of decoders; NULL: none is used */
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
    int64_t tunneled;
    int64_t secured;
    int64_t first_byte;
    int64_t ended;
};

/* Goes on with an exchange in the next step of the loop. */
struct sl_exchange_turn {
    struct sl_completion completion;
    struct sl_exchange *exchange;
};

/* What is needed until the request is over and its answer has begun. */
struct sl_exchange_request {
    struct sl_exchange *exchange;     /* NULL: stands for those given back */
    struct sl_exchange_request *next; /* spare */
    struct sl_place place;            /* WAITING */
    int64_t stage_began;              /* the wait for a connection */

    /* From here on each has an init of its own, and is not zeroed before. */
    struct sl_outgoing outgoing;
    struct sl_completion room; /* pushed bytes can be taken */
    struct sl_exchange_turn turn;
    struct sl_pace pace;
    /* Its limits are those of the response until it is given back. */
    struct sl_exchange_options options;
    struct sl_failure failure; /* being noted; see sl_exchange.failure */
};

struct sl_exchange {
    uint32_t refs;
    uint8_t phase;      /* enum sl_exchange_phase */
    uint8_t use;        /* enum sl_exchange_use */
    uint8_t total_time; /* enum sl_exchange_time */
    bool is_polled : 1; /* its user asks now and then whether bytes are there */
    bool is_compact : 1; /* the body holds no more memory than it should */
    struct sl_exchanges *exchanges;
    struct sl_origin *origin;         /* NULL: of sl_exchange_answer */
    struct sl_connection *connection; /* ACTIVE; DONE: upgraded, not taken */
    struct sl_exchange_request *request;
    struct sl_exchange *next; /* in the active, draining or spare list */
    struct sl_exchange *previous;
    /* In the request; once that was given back it is allocated where it is
     * needed, and NULL until then. */
    struct sl_exchange_turn *turn;

    uint64_t uploaded; /* body bytes sent, once the request was given back */
    int64_t deadline;  /* total, absolute */
    int64_t last_activity; /* a byte moved */
    struct sl_exchange_times times;
    /* FAILED: why. It lies in the request, or is allocated where that was given
     * back; without memory for that it says so. Else SL_OK. */
    const struct sl_failure *failure;
    struct sl_peer *peer;    /* of the connection; NULL: plain */
    struct sl_buffer *input; /* received, not yet parsed; NULL: nothing */

    /* From here on each has an init of its own, and is not zeroed before. */
    int64_t total; /* the durations, for messages */
    int64_t idle;
    struct sl_completion completion; /* the wanted part is there */
    struct sl_timer timer;
    struct sl_incoming incoming;
};

/* A new exchange with one reference; `head` is copied. SL_MEMORY. */
enum sl_status sl_exchange_create(struct sl_exchanges *exchanges,
                                  struct sl_origin *origin,
                                  const struct sl_exchange_options *options,
                                  struct sl_view head,
                                  struct sl_exchange **exchange);
/* A response that no connection gave: an exchange without an origin, DONE from
 * the start, with one reference. `head` is a status line and field lines as a
 * server would send them; `body` is shown, not copied. SL_PROTOCOL, SL_LIMIT:
 * the head is none, `failure` says why; SL_MEMORY. */
enum sl_status sl_exchange_answer(struct sl_exchanges *exchanges,
                                  const struct sl_exchange_options *options,
                                  struct sl_view head,
                                  const struct sl_sequence *body,
                                  struct sl_exchange **exchange,
                                  struct sl_failure *failure);
void sl_exchange_retain(struct sl_exchange *exchange);
/* The last release aborts what is still under way and frees everything. */
void sl_exchange_release(struct sl_exchange *exchange);

/* Sets the end of the total time, if that began before this exchange did. Call
 * it before the start. */
void sl_exchange_set_deadline(struct sl_exchange *exchange, int64_t deadline);

/* Sets the value of Proxy-Authorization for a tunnel that is made for it, which
 * is copied. Call it before the start. SL_MEMORY. */
enum sl_status sl_exchange_set_authorization(struct sl_exchange *exchange,
                                             const char *authorization);

/* Set the upload first. sl_exchange_want reports failures. */
void sl_exchange_start(struct sl_exchange *exchange);

/* SL_OK: the wanted part is there. SL_END (SL_WANT_BODY): the body has ended
 * and is drained. SL_AGAIN: `completion` will be signalled; call again then.
 * Failures: see `failure`. A head and body bytes received before a failure are
 * given first, the same however the bytes were cut. */
enum sl_status sl_exchange_want(struct sl_exchange *exchange,
                                enum sl_interest interest, size_t wanted);

/* The body, which is whole, holds no more memory than it should: for one that
 * is handed over. Of the bodies that sl_exchange_want has given whole, those of
 * a client are compact but for the last one. */
void sl_exchange_compact(struct sl_exchange *exchange);

/* Whether body bytes can be taken without waiting: as many as are wanted, or
 * the last ones before the end or a failure. Until then they are received as
 * for a waiter, with its deadlines. False also while another user waits. */
bool sl_exchange_is_ready(struct sl_exchange *exchange, size_t wanted);

/* The body is a stream of events, between which any time may pass: only an idle
 * time that was chosen for the request holds, and memory that is not needed
 * meanwhile is given back. */
void sl_exchange_expect_events(struct sl_exchange *exchange);

/* Nobody will ask for the reason or a field of the head, which is there: frees
 * them. The status stays. */
void sl_exchange_forget_head(struct sl_exchange *exchange);

/* Bytes of the request's body that were sent so far, without framing. */
uint64_t sl_exchange_uploaded(const struct sl_exchange *exchange);

/* Called now and then by a reader that never has to wait, so that a peer that
 * is always faster does not outrun the total deadline. */
void sl_exchange_check_deadline(struct sl_exchange *exchange);

/* Ends the exchange now with `status`: the connection closes and waiters are
 * notified. Also from inside its own handshake (the owner's verify). */
void sl_exchange_abort(struct sl_exchange *exchange, enum sl_status status,
                       const char *reason);

/* The user of a response that is DONE was cancelled: `failure` says so. */
void sl_exchange_note_cancelled(struct sl_exchange *exchange);

/* The rest of the body is not wanted: it is drained when little is missing,
 * else the connection closes. Body bytes held are given back. */
void sl_exchange_drop(struct sl_exchange *exchange);

/* The server has gone over to the protocol that the request offered: moves the
 * link out of the exchange, for good, and to `input`, an empty buffer of the
 * connection's pool, what arrived behind the head, which belongs to that
 * protocol. The pool forgets the connection. The caller binds the transport.
 * False: nothing was moved, since there was no upgrade, or its link was taken
 * already. */
bool sl_exchange_take_link(struct sl_exchange *exchange, struct sl_link *link,
                           struct sl_buffer *input);

/* ---- what others know of it ---- */

/* The bytes that it holds beside its body. */
size_t sl_exchange_size(const struct sl_exchange *exchange);

/* Whether there is a waiter: for the wanted part, or for room. */
static inline bool sl_exchange_is_awaited(const struct sl_exchange *exchange)
{
    return exchange->completion.state == SL_COMPLETION_PENDING ||
           exchange->request->room.state == SL_COMPLETION_PENDING ||
           exchange->is_polled;
}

static inline struct sl_loop *
sl_exchange_loop(const struct sl_exchange *exchange)
{
    return exchange->exchanges->connections->loop;
}

static inline bool sl_exchange_is_over(const struct sl_exchange *exchange)
{
    return exchange->phase >= SL_EXCHANGE_DONE;
}

/* Whether there is a link to take. */
static inline bool sl_exchange_is_upgraded(const struct sl_exchange *exchange)
{
    return exchange->phase == SL_EXCHANGE_DONE && exchange->connection != NULL;
}

#endif
