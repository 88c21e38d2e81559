#include "io/round.h"

#include "io/backend.h"

#include <poll.h>

/* The most times that backends are queried again before a late timer fires: a
 * receive takes 64 KiB as a rule, so this is what a turn of conn/ would take,
 * too. */
#define LATE_ROUNDS 16

/* Coroutines that begin in one step, where it has no budget. */
#define STARTS_MOST  50
#define STARTS_LEAST 10

/* Turns in a budget, so that a connection with much work leaves time for the
 * others. */
#define TURNS 4

/* How long a step with a budget takes no new look at the timers. What was armed
 * for now since its first is for the next one. */
#define TIMERS_STAY (10 * SL_MILLISECOND)

/* ---- waiting ---- */

static void wait_without_backends(struct sl_loop *loop, int64_t timeout)
{
    struct pollfd wake = {loop->wake_fd, POLLIN, 0};

    /* Such a wait could not be ended. */
    if (timeout == SL_NEVER && loop->wake_fd < 0)
        return;
    if (timeout == 0 && loop->wake_fd < 0)
        return;
    if (poll(&wake, loop->wake_fd >= 0, sl_wait_milliseconds(timeout)) > 0)
        loop->is_woken = true;
}

void sl_round_wait(struct sl_loop *loop, int64_t timeout)
{
    struct sl_backend *host;

    if (loop->backend_count == 0) {
        wait_without_backends(loop, timeout);
        return;
    }
    /* The others' operations are submitted before the first one blocks. */
    for (size_t i = 1; i < loop->backend_count; i++) {
        struct sl_backend *other = loop->backends[i];

        if (other->class->has_pending(other))
            other->class->wait(other, 0);
        if (other->class->has_pending(other))
            timeout = 0;
    }
    if (loop->ready.first != NULL)
        timeout = 0;
    host = loop->backends[0];
    host->class->wait(host, timeout);
    for (size_t i = 1; i < loop->backend_count; i++)
        loop->backends[i]->class->wait(loop->backends[i], 0);
}

bool sl_round_has_something(const struct sl_loop *loop)
{
    return sl_loop_has_ready(loop) || loop->is_woken;
}

/* Polls for a while where an answer usually comes sooner than a wake-up. */
static void wait_spinning(struct sl_loop *loop, int64_t timeout)
{
    int64_t began = sl_clock_now();
    int64_t now = began;
    int64_t most = loop->spin < timeout ? loop->spin : timeout;

    if (loop->usual_wait <= 2 * loop->spin) {
        while (!sl_round_has_something(loop) && now - began < most) {
            sl_round_wait(loop, 0);
            now = sl_clock_now();
        }
    }
    if (!sl_round_has_something(loop) && now - began < timeout) {
        sl_round_wait(loop,
                      timeout == SL_NEVER ? SL_NEVER : timeout - (now - began));
        now = sl_clock_now();
    }
    loop->usual_wait += (now - began - loop->usual_wait) / 8;
}

int64_t sl_round_until_timer(const struct sl_loop *loop)
{
    int64_t due = sl_timers_next(&loop->timers);
    int64_t now;

    if (due == SL_NEVER)
        return SL_NEVER;
    now = sl_clock_now();
    return due > now ? due - now : 0;
}

/* ---- a budget ---- */

/* Whether the step has to end. If not, the next unit of work has its turn. */
static bool is_spent(struct sl_loop *loop)
{
    int64_t now;

    if (loop->until == SL_NEVER)
        return false;
    now = sl_clock_now();
    loop->turn_until =
        loop->turn < loop->until - now ? now + loop->turn : loop->until;
    return now >= loop->until;
}

bool sl_loop_has_time(const struct sl_loop *loop, int64_t cost)
{
    int64_t most = loop->turn * (TURNS - 1);

    return !sl_loop_has_budget(loop) ||
           loop->until - sl_clock_now() >= (cost < most ? cost : most);
}

static void begin_budget(struct sl_loop *loop, int64_t budget)
{
    int64_t now = sl_clock_now();

    /* SL_NEVER itself means that there is none. */
    if (budget > SL_NEVER - 1 - now)
        budget = SL_NEVER - 1 - now;
    loop->until = now + budget;
    loop->turn = budget / TURNS;
    is_spent(loop);
}

/* ---- the phases of a round: false when the budget is over before its end ----
 */

/* Waits for what a new round begins with. */
static void begin_round(struct sl_loop *loop, int64_t max_wait)
{
    int64_t timeout = 0;
    int64_t now;

    /* A wake-up may have been seen since posts were taken. */
    if (max_wait > 0 && !sl_round_has_something(loop)) {
        timeout = sl_round_until_timer(loop);
        if (timeout > max_wait)
            timeout = max_wait;
    }
    if (loop->spin > 0 && timeout > 0 && loop->backend_count > 0)
        wait_spinning(loop, timeout);
    else
        sl_round_wait(loop, timeout);
    now = sl_loop_refresh(loop);
    if (!loop->has_looked || now - loop->looked_at > TIMERS_STAY)
        loop->looked_at = now;
    loop->has_looked = true;
    loop->delivered = loop->late_rounds = 0;
    loop->is_in_time = false;
}

/* Takes events that were ready when the wait ended but did not fit its report:
 * without waiting, and each socket once. */
static bool finish_look(struct sl_loop *loop)
{
    for (size_t i = 0; i < loop->backend_count; i++) {
        struct sl_backend *backend = loop->backends[i];

        while (backend->unreported > 0) {
            backend->class->wait(backend, 0);
            if (is_spent(loop) && backend->unreported > 0)
                return false;
        }
    }
    if (loop->is_woken)
        sl_loop_take_posts(loop);
    return true;
}

/* Whether a timer was due before the look, for which an event may have come in
 * time. */
static bool is_late(const struct sl_loop *loop)
{
    const struct sl_timer *first = loop->timers.first;

    return first != NULL && first->due < loop->looked_at &&
           !(first->is_pause && sl_loop_has_budget(loop));
}

static bool deliver_batch(struct sl_loop *loop)
{
    struct sl_completion *mark = &loop->mark;

    if (mark->state != SL_COMPLETION_READY) {
        if (loop->ready.first == NULL)
            return true;
        /* Ends the batch: whatever is signalled from here on stands behind it,
         * and any completion before it may be taken out while others are
         * delivered. */
        sl_completion_init(mark, loop, NULL);
        mark->is_background = true;
        mark->state = SL_COMPLETION_PENDING;
        sl_completion_signal(mark, SL_OK, 0);
    }
    while (loop->ready.first != mark) {
        sl_completion_deliver(loop->ready.first);
        loop->delivered++;
        if (is_spent(loop) && loop->ready.first != mark)
            return false;
    }
    sl_completion_fini(mark);
    return true;
}

/* Queries the backends, without waiting, for operations that were submitted
 * since the look. */
static void look_again(struct sl_loop *loop)
{
    for (size_t i = 0; i < loop->backend_count; i++) {
        struct sl_backend *backend = loop->backends[i];

        if (backend->class->settle != NULL && backend->in_flight > 0)
            backend->class->settle(backend);
    }
}

/* Events that arrived in time are delivered before a late timer fires, however
 * many deliveries that takes: a receive of the rest, a task that waits for the
 * task with the answer. */
static bool deliver_late(struct sl_loop *loop)
{
    /* A batch that a budget has ended is no further one. */
    bool is_under_way = loop->mark.state == SL_COMPLETION_READY;

    while (is_under_way || (loop->late_rounds < LATE_ROUNDS && is_late(loop))) {
        if (!is_under_way &&
            (loop->late_rounds++ == 0 || loop->ready.first == NULL))
            look_again(loop);
        is_under_way = false;
        if (loop->ready.first == NULL)
            break;
        if (!deliver_batch(loop) || is_spent(loop))
            return false;
    }
    loop->is_in_time = true;
    return true;
}

static bool deliver_in_time(struct sl_loop *loop)
{
    if (loop->late_rounds == 0 && !deliver_batch(loop))
        return false;
    return (loop->late_rounds == 0 && !is_late(loop)) || deliver_late(loop);
}

static bool fire_timers(struct sl_loop *loop)
{
    if (loop->mark.state == SL_COMPLETION_READY && !deliver_batch(loop))
        return false;
    while (loop->firing > 0) {
        struct sl_timer *timer;

        /* Behind a pause, a deadline. */
        if (sl_loop_has_budget(loop) && !loop->is_in_time && is_late(loop) &&
            !deliver_late(loop))
            return false;
        timer = sl_timers_take_due(&loop->timers, loop->looked_at);
        if (timer == NULL)
            return true;
        loop->firing--;
        timer->fire(timer);
        loop->delivered++;
        /* A delivery may make the answer ready that the next timer waits
         * for. */
        if (loop->ready.first != NULL && is_late(loop) && !deliver_batch(loop))
            return false;
        if (is_spent(loop))
            return false;
    }
    return true;
}

/* However many coroutines were begun at once, a step takes no longer than for
 * some of them: fewer where it has delivered much besides. The others begin in
 * the steps that follow, behind what has become ready meanwhile, and those that
 * these begin in turn wait for a later step, too. Under a budget the time
 * decides how many begin. */
static bool deliver_starts(struct sl_loop *loop)
{
    const struct sl_completion *last = loop->starts.last;
    bool has_budget = sl_loop_has_budget(loop);
    int left = STARTS_MOST - loop->delivered;

    if (loop->has_started)
        return true;
    loop->has_started = has_budget;
    for (left = left < STARTS_LEAST ? STARTS_LEAST : left;
         (left > 0 || has_budget) && loop->starts.first != NULL; left--) {
        bool is_last = loop->starts.first == last;

        sl_completion_deliver(loop->starts.first);
        loop->delivered++;
        if (is_last || is_spent(loop))
            return true;
    }
    return true;
}

static bool pass(struct sl_loop *loop)
{
    switch (loop->phase) {
    case SL_LOOP_LOOKING:
        return finish_look(loop);
    case SL_LOOP_DELIVERING:
        return deliver_in_time(loop);
    case SL_LOOP_FIRING:
        return fire_timers(loop);
    case SL_LOOP_STARTING:
        return deliver_starts(loop);
    default:
        return deliver_batch(loop);
    }
}

/* ---- a round, and rounds ---- */

/* Whether the phases that follow have something to do. */
static bool is_round_empty(const struct sl_loop *loop)
{
    return !sl_loop_has_ready(loop) &&
           sl_timers_next(&loop->timers) > loop->looked_at;
}

/* Goes on with the round under way, or begins one. Delivery runs once more at
 * its end, since an event mostly makes an awaited answer ready, and querying
 * the kernel in between would be a system call for nothing. */
bool sl_round_run(struct sl_loop *loop, int64_t max_wait)
{
    if (loop->phase == SL_LOOP_WAITING) {
        begin_round(loop, max_wait);
        loop->phase = SL_LOOP_LOOKING;
    }
    while (pass(loop)) {
        if (loop->phase == SL_LOOP_FINISHING) {
            loop->phase = SL_LOOP_WAITING;
            return true;
        }
        loop->phase++;
        /* A timer that is armed while firing waits for the next round, in
         * however many steps this one is done. */
        if (loop->phase == SL_LOOP_FIRING)
            loop->firing = loop->timers.count;
        if (is_spent(loop) && !is_round_empty(loop))
            return false;
    }
    return false;
}

/* Rounds until nothing is left to do, or the budget is over. */
void sl_rounds_run(struct sl_loop *loop, int64_t max_wait, int64_t budget)
{
    begin_budget(loop, budget);
    sl_loop_refresh(loop);
    if (!loop->pool->is_hurried)
        sl_pool_hurry(loop->pool, true);
    if (loop->phase == SL_LOOP_WAITING && max_wait > 0) {
        begin_round(loop, max_wait);
        loop->phase = SL_LOOP_LOOKING;
        begin_budget(loop, budget);
    }
    while (sl_round_run(loop, 0) && loop->delivered > 0 && !is_spent(loop))
        continue;
    /* What is given back to the system takes time, too. */
    while (!is_spent(loop) && sl_pool_trim_some(loop->pool))
        continue;
}
