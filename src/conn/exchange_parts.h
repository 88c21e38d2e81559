/* conn/exchange_parts.h - what the units of the exchange share
 *
 *   exchange.c   a life, what is wanted, deadlines, ends
 *   placing.c    from the queue to a connection
 *   sending.c    the request's bytes
 *   receiving.c  the response's bytes
 *
 * Included by these alone.
 */
#ifndef SL_CONN_EXCHANGE_PARTS_H
#define SL_CONN_EXCHANGE_PARTS_H

#include "conn/exchange.h"

/* Bytes that are read, with their framing, to keep a connection whose response
 * was let go. */
#define SL_DRAIN_LIMIT ((uint64_t)64 * 1024)

static inline struct sl_connections *
sl_exchange_connections(const struct sl_exchange *exchange)
{
    return exchange->origin->connections;
}

static inline struct sl_loop *
sl_exchange_loop(const struct sl_exchange *exchange)
{
    return exchange->origin->connections->loop;
}

static inline bool sl_exchange_is_over(const struct sl_exchange *exchange)
{
    return exchange->phase >= SL_EXCHANGE_DONE;
}

/* ---- exchange.c ---- */

/* What is wanted is there, or will never be. */
bool sl_exchange_is_satisfied(const struct sl_exchange *exchange);
/* Moves bytes until nothing more moves or the budget is used up. */
void sl_exchange_advance(struct sl_exchange *exchange);
/* Goes on in the next step of the loop. */
void sl_exchange_take_turn(struct sl_exchange *exchange);
/* The timer for the next deadline, when somebody waits. */
void sl_exchange_arm(struct sl_exchange *exchange);
/* The connection is ready for the request. */
void sl_exchange_activate(struct sl_exchange *exchange);
/* Ends with `failure`, filled but for what depends on how far it had come. */
void sl_exchange_fail(struct sl_exchange *exchange);
void sl_exchange_fail_with(struct sl_exchange *exchange, enum sl_status status,
                           const char *reason);
/* The connection ended under it, `failure` says how: sends again, or fails. */
void sl_exchange_lose(struct sl_exchange *exchange);
/* The whole message has come. */
void sl_exchange_finish(struct sl_exchange *exchange);
/* No resend is possible any more. */
void sl_exchange_release_head(struct sl_exchange *exchange);

/* ---- placing.c ---- */

/* A connection, a place for one, or the queue. */
void sl_exchange_find_place(struct sl_exchange *exchange);

/* ---- sending.c ---- */

/* True when bytes moved; `*budget` is less by them. */
bool sl_exchange_send_some(struct sl_exchange *exchange, size_t *budget);

/* ---- receiving.c ---- */

/* Whether somebody wants bytes that are still to come. */
bool sl_exchange_is_receiving(const struct sl_exchange *exchange);
/* True when there may be more to do at once. */
bool sl_exchange_receive_some(struct sl_exchange *exchange, size_t *budget);
/* Drops body bytes of a response that nobody wants any more. */
void sl_exchange_discard_body(struct sl_exchange *exchange);

#endif
