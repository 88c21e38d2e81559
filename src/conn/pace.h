/* conn/pace.h - whether bytes move fast enough while somebody waits for them
 *
 *   PAUSED <--> RUNNING --> due
 *
 * The next `least` bytes have `within` nanoseconds. Once that many have moved,
 * the next ones get as long again. Only the time that is RUNNING counts, so a
 * peer is not blamed for a program that takes its time.
 */
#ifndef SL_CONN_PACE_H
#define SL_CONN_PACE_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_pace {
    uint64_t least;  /* 0: any pace will do, and nothing below is read */
    int64_t within;  /* SL_NEVER: the same */
    uint64_t moved;  /* of `least` */
    int64_t left;    /* PAUSED: of `within` */
    int64_t running; /* RUNNING: when `left` began; -1: PAUSED */
};

/* PAUSED, with all of its time before it. */
void sl_pace_init(struct sl_pace *pace, uint64_t least, int64_t within);
/* Begins again, RUNNING or PAUSED as it is. */
void sl_pace_restart(struct sl_pace *pace, int64_t now);

void sl_pace_run(struct sl_pace *pace, bool is_running, int64_t now);
/* `count` bytes have moved. */
void sl_pace_move(struct sl_pace *pace, uint64_t count, int64_t now);

/* When the pace was too slow; SL_NEVER while PAUSED. */
int64_t sl_pace_due(const struct sl_pace *pace);

static inline bool sl_pace_is_kept(const struct sl_pace *pace)
{
    return pace->least > 0;
}

#endif
