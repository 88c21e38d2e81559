#include "io/timer.h"

#include "base/clock.h"
#include "base/debug.h"

/* A node's children are a list, the eldest's `previous` is the parent. */

/* The root of two heaps; either may be NULL. */
static struct sl_timer *meld(struct sl_timer *a, struct sl_timer *b)
{
    struct sl_timer *under;

    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    /* The first given wins a tie, so that equal deadlines keep their order
     * where that costs nothing. */
    if (b->due < a->due) {
        under = a;
        a = b;
    } else {
        under = b;
    }
    under->previous = a;
    under->next = a->child;
    if (a->child != NULL)
        a->child->previous = under;
    a->child = under;
    return a;
}

/* Melds a list of siblings in pairs from the left, then those from the right:
 * the order that gives the pairing heap its logarithmic bound. */
static struct sl_timer *meld_siblings(struct sl_timer *first)
{
    struct sl_timer *pairs = NULL;
    struct sl_timer *root = NULL;

    while (first != NULL) {
        struct sl_timer *a = first;
        struct sl_timer *b = a->next;
        struct sl_timer *pair;

        first = b != NULL ? b->next : NULL;
        a->next = a->previous = NULL;
        if (b != NULL)
            b->next = b->previous = NULL;
        pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct sl_timer *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

void sl_timers_init(struct sl_timers *timers)
{
    timers->first = NULL;
    timers->count = 0;
}

void sl_timer_arm(struct sl_timers *timers, struct sl_timer *timer, int64_t due)
{
    if (timer->is_armed)
        sl_timer_disarm(timers, timer);
    timer->due = due;
    timer->is_armed = true;
    timers->first = meld(timers->first, timer);
    timers->count++;
}

void sl_timer_disarm(struct sl_timers *timers, struct sl_timer *timer)
{
    struct sl_timer *rest;

    if (!timer->is_armed)
        return;
    rest = meld_siblings(timer->child);
    if (timers->first == timer) {
        timers->first = rest;
    } else {
        if (timer->previous->child == timer)
            timer->previous->child = timer->next;
        else
            timer->previous->next = timer->next;
        if (timer->next != NULL)
            timer->next->previous = timer->previous;
        timers->first = meld(timers->first, rest);
    }
    timer->child = timer->next = timer->previous = NULL;
    timer->is_armed = false;
    timers->count--;
}

int64_t sl_timers_next(const struct sl_timers *timers)
{
    return timers->first != NULL ? timers->first->due : SL_NEVER;
}

struct sl_timer *sl_timers_take_due(struct sl_timers *timers, int64_t now)
{
    struct sl_timer *timer = timers->first;

    if (timer == NULL || timer->due > now)
        return NULL;
    sl_timer_disarm(timers, timer);
    return timer;
}
