/* conn/deadline.h - when an exchange has waited long enough, and for what */
#ifndef SL_CONN_DEADLINE_H
#define SL_CONN_DEADLINE_H

#include "conn/exchange.h"

/* The stage that an exchange has reached, for failures. */
enum sl_stage sl_exchange_stage(const struct sl_exchange *exchange);

/* The next point in time at which a wait ends, for a response, for 100
 * (Continue) or for the end of a drain; SL_NEVER. */
int64_t sl_exchange_due(const struct sl_exchange *exchange);

/* Lets the pace run while there is a waiter for bytes that the peer could move
 * now: of a request that is sent, or of a response that has begun. Between the
 * two it begins again. */
void sl_exchange_keep_pace(struct sl_exchange *exchange);

/* Fills `failure` for the deadline that has passed. */
void sl_exchange_time_out(struct sl_exchange *exchange);

#endif
