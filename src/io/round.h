/* io/round.h - what a step of the loop consists of
 *
 * below: io/backend.h waits    above: io/loop.c, whose step runs rounds
 *
 * The phases of a round are drawn in io/loop.h. Only the loop calls these
 * functions; the fields they write are the loop's.
 */
#ifndef SL_IO_ROUND_H
#define SL_IO_ROUND_H

#include "io/loop.h"

/* Goes on with the round under way, or begins one by waiting at most `max_wait`
 * nanoseconds. False: the budget was over before the end of the round. */
bool sl_round_run(struct sl_loop *loop, int64_t max_wait);
/* Rounds until nothing is left to do, or `budget` nanoseconds are over; the
 * first one waits. */
void sl_rounds_run(struct sl_loop *loop, int64_t max_wait, int64_t budget);

/* ---- parts that the loop needs outside a round ---- */

/* Waits in the backends, and delivers nothing. */
void sl_round_wait(struct sl_loop *loop, int64_t timeout);
/* Whether a round would begin without waiting. */
bool sl_round_has_something(const struct sl_loop *loop);
/* The nanoseconds until the first timer is due; SL_NEVER. */
int64_t sl_round_until_timer(const struct sl_loop *loop);

#endif
