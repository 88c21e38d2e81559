/* conn/lean.h - an exchange that lives on without its request
 *
 *   with its request    turn, failure and limits lie there
 *   without             a turn is allocated where one is taken, a failure when
 *                       it fails; limits are those of the first such one of
 *                       its client, or a copy where they differ
 *
 * A stream of events may wait for hours, beside thousands of others: it gives
 * its request back once that is sent and the head is there. A response that is
 * whole may be kept for as long, and gives it back when its user has been told.
 * In its place stands one which all such exchanges of a client share. What they
 * note there is theirs until the call that noted it returns.
 */
#ifndef SL_CONN_LEAN_H
#define SL_CONN_LEAN_H

#include "base/status.h"

#include <stdbool.h>

struct sl_exchange;
struct sl_exchange_turn;

/* Releases what the request still has. Idempotent. */
void sl_exchange_end_request(struct sl_exchange *exchange);

/* The exchange is DONE: gives the request back, if all of it was sent. */
void sl_exchange_give_back_request(struct sl_exchange *exchange);
/* Frees a copy of its limits. */
void sl_exchange_free_limits(struct sl_exchange *exchange);

/* ---- turns ---- */

void sl_exchange_init_turn(struct sl_exchange *exchange,
                           struct sl_exchange_turn *turn);
/* Goes on in the next step of the loop. False: there is no memory for that. */
bool sl_exchange_queue_turn(struct sl_exchange *exchange);
/* Takes it back. Idempotent. */
void sl_exchange_free_turn(struct sl_exchange *exchange);

/* ---- failures ---- */

/* SL_OK. */
extern const struct sl_failure sl_exchange_no_failure;

/* Keeps what was noted; without memory for that it is another failure. */
const struct sl_failure *
sl_exchange_keep_failure(const struct sl_exchange *exchange);
void sl_exchange_free_failure(struct sl_exchange *exchange);

#endif
