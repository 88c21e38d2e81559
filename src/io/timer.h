/* io/timer.h - deadlines in a heap of intrusive nodes
 *
 * Arming and disarming never allocate and never fail. A pairing heap: the
 * earliest is found at once, the rest costs logarithmic time, amortised.
 */
#ifndef SL_IO_TIMER_H
#define SL_IO_TIMER_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_timer {
    int64_t due; /* nanoseconds, sl_clock_now; valid while armed */
    void (*fire)(struct sl_timer *timer); /* from sl_loop_step, disarmed */
    struct sl_timer *child;
    struct sl_timer *next;
    struct sl_timer *previous; /* parent of a first child */
    bool is_armed;
    /* It is nothing's deadline: no event has to be looked at before it fires.
     */
    bool is_pause;
};

struct sl_timers {
    struct sl_timer *first; /* the earliest */
    size_t count;
};

void sl_timers_init(struct sl_timers *timers);
static inline void sl_timer_init(struct sl_timer *timer,
                                 void (*fire)(struct sl_timer *))
{
    timer->due = SL_NEVER;
    timer->fire = fire;
    timer->child = NULL;
    timer->next = NULL;
    timer->previous = NULL;
    timer->is_armed = timer->is_pause = false;
}
/* Arms a timer; also moves an armed one. */
void sl_timer_arm(struct sl_timers *timers, struct sl_timer *timer,
                  int64_t due);
void sl_timer_disarm(struct sl_timers *timers, struct sl_timer *timer);
/* The time of the next timer; SL_NEVER without one. */
int64_t sl_timers_next(const struct sl_timers *timers);
/* Takes out the earliest timer that is due at `now`; NULL: none is. */
struct sl_timer *sl_timers_take_due(struct sl_timers *timers, int64_t now);

#endif
