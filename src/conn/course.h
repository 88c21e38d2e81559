/* conn/course.h - an exchange on its way: place, connection, both directions
 *
 * in:     conn/exchange.c, which wants and ends; conn/pushing.c
 * below:  conn/origin.c, conn/outgoing.c, conn/incoming.c, conn/lean.c
 *
 * The parts answer a status; this unit finishes, loses or fails. The phases are
 * drawn in conn/exchange.h.
 */
#ifndef SL_CONN_COURSE_H
#define SL_CONN_COURSE_H

#include "conn/exchange.h"

/* Sets what is called from the loop. The rest of the exchange is set before. */
void sl_exchange_init_course(struct sl_exchange *exchange);

static inline bool sl_exchange_is_satisfied(const struct sl_exchange *exchange)
{
    return sl_exchange_is_over(exchange) ||
           sl_incoming_is_satisfied(&exchange->incoming);
}

/* NEW, or it lost its connection: asks for one. */
void sl_exchange_ask(struct sl_exchange *exchange);

/* Takes the connection from the exchange; NULL: it has none. */
struct sl_connection *sl_exchange_part(struct sl_exchange *exchange);
/* Releases everything but the response. */
void sl_exchange_end(struct sl_exchange *exchange,
                     enum sl_exchange_phase phase);
/* Fails by what its request has noted, but for what depends on the stage
 * reached. */
void sl_exchange_fail(struct sl_exchange *exchange);
/* Fails by a deadline that has passed. */
void sl_exchange_fail_late(struct sl_exchange *exchange);

/* ---- also called by conn/pushing.c ---- */

/* Whether pushed bytes can be taken, or will not be any more. */
bool sl_exchange_has_room(const struct sl_exchange *exchange);
/* Moves bytes until nothing more moves or the turn is over. */
void sl_exchange_advance(struct sl_exchange *exchange);
/* Goes on in the next step of the loop. */
void sl_exchange_take_turn(struct sl_exchange *exchange);
/* Sets the timer for the next deadline, when somebody waits. */
void sl_exchange_arm(struct sl_exchange *exchange);

/* ---- called by conn/lean.c ---- */

/* Delivers a sl_exchange_turn. */
void sl_exchange_turn_came(struct sl_completion *completion);

#endif
