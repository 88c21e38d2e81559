#include "io/loop.h"

#include "base/debug.h"
#include "io/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
 * for now since it began is for the next one. */
#define TIMERS_STAY (10 * SL_MILLISECOND)

/* The poll backend has no descriptor that an outer loop could wait for. */
#define BLIND_TIMEOUT (10 * SL_MILLISECOND)

/* ---- one process, one thread ---- */

#ifdef MADV_WIPEONFORK
static long *make_stamp(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    long *stamp = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (stamp == MAP_FAILED)
        return NULL;
    if (madvise(stamp, size, MADV_WIPEONFORK) != 0) {
        munmap(stamp, size);
        return NULL;
    }
    *stamp = 1;
    return stamp;
}
#else
static long *make_stamp(void)
{
    return NULL;
}
#endif

bool sl_loop_is_forked(const struct sl_loop *loop)
{
    return loop->stamp != NULL ? *loop->stamp != 1
                               : loop->process != (long)getpid();
}

enum sl_status sl_loop_check(const struct sl_loop *loop)
{
    if (sl_loop_is_forked(loop) || !pthread_equal(loop->thread, pthread_self()))
        return SL_MISUSE;
    return SL_OK;
}

/* ---- a life ---- */

enum sl_status sl_loop_init(struct sl_loop *loop,
                            struct sl_allocator *allocator,
                            struct sl_pool *pool)
{
    memset(loop, 0, sizeof *loop);
    loop->allocator = allocator;
    loop->pool = pool;
    sl_cells_init(&loop->cells, allocator);
    loop->wake_fd = -1;
    loop->wake_write_fd = -1;
    loop->poll_fd = -1;
    loop->until = SL_NEVER;
    loop->process = (long)getpid();
    loop->thread = pthread_self();
    sl_timers_init(&loop->timers);
    if (pthread_mutex_init(&loop->post_lock, NULL) != 0)
        return SL_MEMORY;
    loop->stamp = make_stamp();
    sl_loop_refresh(loop);
    return SL_OK;
}

static size_t in_flight(const struct sl_loop *loop)
{
    size_t count = 0;

    for (size_t i = 0; i < loop->backend_count; i++)
        count += loop->backends[i]->in_flight;
    return count;
}

static void wait_for_events(struct sl_loop *loop, int64_t timeout);

/* Delivers only what frees memory, without running any user's code. */
static void deliver_quietly(struct sl_ready_queue *queue)
{
    while (queue->first != NULL) {
        if (!queue->first->is_internal)
            queue->first->deliver = NULL;
        sl_completion_deliver(queue->first);
    }
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_descriptors(struct sl_loop *loop)
{
    close_descriptor(&loop->poll_fd);
    close_descriptor(&loop->wake_fd);
    close_descriptor(&loop->wake_write_fd);
    if (loop->stamp != NULL)
        munmap(loop->stamp, (size_t)sysconf(_SC_PAGESIZE));
    loop->stamp = NULL;
}

/* In a child of fork the descriptors are still the parent's too: taking
 * something out of an epoll or cancelling in a ring would do it there. A thread
 * that does not exist in the child may hold the lock. */
static bool abandon(struct sl_loop *loop)
{
    loop->quarantined = loop->operations;
    loop->backend_count = 0;
    /* Its number may belong to another descriptor by now. */
    if (sl_gatherer != NULL && sl_gatherer->is_left_behind)
        loop->poll_fd = -1;
    close_descriptors(loop);
    return loop->quarantined == 0;
}

bool sl_loop_close(struct sl_loop *loop, int64_t patience)
{
    int64_t until;

    /* Perhaps from inside a step: a program may exit wherever it is. */
    loop->is_closing = true;
    if (sl_loop_is_forked(loop))
        return abandon(loop);
    until = patience == SL_NEVER ? SL_NEVER : sl_loop_refresh(loop) + patience;
    for (size_t i = 0; i < loop->backend_count; i++)
        loop->backends[i]->class->cancel_all(loop->backends[i]);
    sl_loop_take_posts(loop);
    deliver_quietly(&loop->ready);
    deliver_quietly(&loop->starts);
    while (in_flight(loop) > 0 && loop->now < until) {
        wait_for_events(loop, until == SL_NEVER ? SL_NEVER : until - loop->now);
        sl_loop_refresh(loop);
        sl_loop_take_posts(loop);
        deliver_quietly(&loop->ready);
        deliver_quietly(&loop->starts);
    }
    loop->quarantined = in_flight(loop);
    while (loop->backend_count > 0) {
        struct sl_backend *backend = loop->backends[--loop->backend_count];

        backend->class->close(backend);
    }
    sl_loop_take_posts(loop);
    deliver_quietly(&loop->ready);
    deliver_quietly(&loop->starts);
    pthread_mutex_lock(&loop->post_lock);
    close_descriptors(loop);
    pthread_mutex_unlock(&loop->post_lock);
    pthread_mutex_destroy(&loop->post_lock);
    return loop->quarantined == 0;
}

void sl_loop_late_write(struct sl_loop *loop)
{
    loop->late_writes++;
    sl_assert(loop->late_writes == 0 &&
              "memory was given back before its operation had ended");
}

/* ---- backends ---- */

static const struct sl_backend_class *best_for_streams(void)
{
    for (size_t i = 0;; i++) {
        sl_assert(sl_backend_classes[i] != NULL);
        if (sl_backend_classes[i]->has_readiness)
            return sl_backend_classes[i];
    }
}

/* Finds the descriptor by which `backend` is watched from outside; -1: none, or
 * the wake descriptor, which is watched anyway. */
static enum sl_status outer_descriptor(const struct sl_loop *loop,
                                       struct sl_backend *backend, int *fd)
{
    *fd = -1;
    if (backend->class->pollfd == NULL)
        return SL_OK;
    *fd = backend->class->pollfd(backend);
    if (*fd < 0)
        return SL_LIMIT;
    if (*fd == loop->wake_fd)
        *fd = -1;
    return SL_OK;
}

/* Makes `host` wake for the wake descriptor and for all other backends. */
static enum sl_status watch_all(struct sl_loop *loop, struct sl_backend *host)
{
    enum sl_status status = SL_OK;

    if (loop->wake_fd >= 0)
        status = host->class->watch(host, loop->wake_fd);
    for (size_t i = 0; i < loop->backend_count && status == SL_OK; i++) {
        int fd;

        status = outer_descriptor(loop, loop->backends[i], &fd);
        if (status == SL_OK && fd >= 0)
            status = host->class->watch(host, fd);
    }
    return status;
}

static enum sl_status add_backend(struct sl_loop *loop,
                                  struct sl_backend *backend)
{
    struct sl_backend *host =
        loop->backend_count > 0 ? loop->backends[0] : NULL;
    bool is_host = host == NULL || backend->class->rank > host->class->rank;
    bool is_gathered = loop->poll_fd >= 0 && sl_gatherer != NULL;
    enum sl_status status = SL_OK;
    int fd = -1;

    if (loop->backend_count == SL_LOOP_BACKENDS)
        return SL_LIMIT;
    if (!is_host || is_gathered)
        status = outer_descriptor(loop, backend, &fd);
    if (status != SL_OK)
        return status;
    /* The gatherer forgets what is closed; a watch is for life and comes
     * last. */
    if (fd >= 0 && is_gathered && sl_gatherer->add(loop->poll_fd, fd) != 0)
        return SL_LIMIT;
    if (is_host)
        status = watch_all(loop, backend);
    else if (fd >= 0)
        status = host->class->watch(host, fd);
    if (status != SL_OK)
        return status;
    loop->backends[loop->backend_count++] = backend;
    if (is_host) {
        loop->backends[loop->backend_count - 1] = loop->backends[0];
        loop->backends[0] = backend;
    }
    return SL_OK;
}

enum sl_status sl_loop_backend(struct sl_loop *loop,
                               const struct sl_backend_class *class,
                               struct sl_backend **backend)
{
    struct sl_backend *opened;
    enum sl_status status;

    if (class == NULL)
        class = best_for_streams();
    for (size_t i = 0; i < loop->backend_count; i++) {
        if (loop->backends[i]->class == class) {
            *backend = loop->backends[i];
            return SL_OK;
        }
    }
    if (loop->is_closing || sl_loop_check(loop) != SL_OK)
        return SL_MISUSE;
    status = class->open(loop, &opened);
    if (status != SL_OK)
        return status;
    status = add_backend(loop, opened);
    if (status != SL_OK) {
        int error = errno;

        class->close(opened);
        errno = error;
        return status;
    }
    *backend = opened;
    return SL_OK;
}

/* ---- a step ---- */

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

static void wait_for_events(struct sl_loop *loop, int64_t timeout)
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

static bool has_something(const struct sl_loop *loop)
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
        while (!has_something(loop) && now - began < most) {
            wait_for_events(loop, 0);
            now = sl_clock_now();
        }
    }
    if (!has_something(loop) && now - began < timeout) {
        wait_for_events(loop, timeout == SL_NEVER ? SL_NEVER
                                                  : timeout - (now - began));
        now = sl_clock_now();
    }
    loop->usual_wait += (now - began - loop->usual_wait) / 8;
}

static int64_t until_timer(const struct sl_loop *loop)
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
    if (max_wait > 0 && !has_something(loop)) {
        timeout = until_timer(loop);
        if (timeout > max_wait)
            timeout = max_wait;
    }
    if (loop->spin > 0 && timeout > 0 && loop->backend_count > 0)
        wait_spinning(loop, timeout);
    else
        wait_for_events(loop, timeout);
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
    /* A timer that is armed while firing waits for the next step. */
    size_t most = loop->timers.count;

    if (loop->mark.state == SL_COMPLETION_READY && !deliver_batch(loop))
        return false;
    for (size_t i = 0; i < most; i++) {
        struct sl_timer *timer;

        /* Behind a pause, a deadline. */
        if (sl_loop_has_budget(loop) && !loop->is_in_time && is_late(loop) &&
            !deliver_late(loop))
            return false;
        timer = sl_timers_take_due(&loop->timers, loop->looked_at);
        if (timer == NULL)
            return true;
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

/* ---- a step ---- */

/* Whether the phases that follow have something to do. */
static bool is_round_empty(const struct sl_loop *loop)
{
    return !sl_loop_has_ready(loop) &&
           sl_timers_next(&loop->timers) > loop->looked_at;
}

/* Goes on with the round under way, or begins one. Delivery runs once more at
 * its end, since an event mostly makes an awaited answer ready, and querying
 * the kernel in between would be a system call for nothing. */
static bool run_round(struct sl_loop *loop, int64_t max_wait)
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
        if (is_spent(loop) && !is_round_empty(loop))
            return false;
    }
    return false;
}

/* Rounds until nothing is left to do, or the budget is over. */
static void run_rounds(struct sl_loop *loop, int64_t max_wait, int64_t budget)
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
    while (run_round(loop, 0) && loop->delivered > 0 && !is_spent(loop))
        continue;
    /* What is given back to the system takes time, too. */
    while (!is_spent(loop) && sl_pool_trim_some(loop->pool))
        continue;
}

/* Submits operations begun during delivery, when an outer loop does the
 * waiting. */
static void flush(struct sl_loop *loop)
{
    for (size_t i = 0; i < loop->backend_count; i++) {
        if (loop->backends[i]->class->has_pending(loop->backends[i]))
            loop->backends[i]->class->wait(loop->backends[i], 0);
    }
}

enum sl_status sl_loop_step_within(struct sl_loop *loop, int64_t max_wait,
                                   int64_t budget)
{
    if (loop->is_stepping || loop->is_closing || sl_loop_check(loop) != SL_OK)
        return SL_MISUSE;
    loop->is_stepping = true;
    if (loop->is_host_told)
        sl_loop_take_posts(loop);
    if (budget != SL_NEVER) {
        run_rounds(loop, max_wait, budget);
    } else {
        if (loop->pool->is_hurried)
            sl_pool_hurry(loop->pool, false);
        run_round(loop, max_wait);
    }
    /* A host with a budget does not come back at once either. */
    if (loop->poll_fd >= 0 || sl_loop_has_budget(loop))
        flush(loop);
    loop->until = SL_NEVER;
    loop->has_looked = loop->has_started = false;
    loop->is_stepping = false;
    return SL_OK;
}

enum sl_status sl_loop_step(struct sl_loop *loop, int64_t max_wait)
{
    return sl_loop_step_within(loop, max_wait, SL_NEVER);
}

int64_t sl_loop_timeout(const struct sl_loop *loop)
{
    int64_t timeout;

    if (has_something(loop) || loop->phase != SL_LOOP_WAITING)
        return 0;
    for (size_t i = 0; i < loop->backend_count; i++) {
        if (loop->backends[i]->class->has_pending(loop->backends[i]))
            return 0;
    }
    timeout = until_timer(loop);
    if (loop->backend_count > 0 && loop->operations > 0 &&
        loop->backends[0]->class->pollfd == NULL && timeout > BLIND_TIMEOUT)
        timeout = BLIND_TIMEOUT;
    return timeout;
}

/* Notifies a new host, which does not know of operations begun before. */
static void greet_host(struct sl_loop *loop)
{
    loop->has_host = true;
    if (sl_loop_has_ready(loop) || loop->operations > 0 ||
        loop->timers.count > 0)
        sl_loop_tell_host(loop);
}

int sl_loop_pollfd(struct sl_loop *loop)
{
    int error;
    int fd;

    if (loop->poll_fd >= 0)
        return loop->poll_fd;
    /* The wake descriptor notifies the host of operations begun outside a
     * step. */
    if (sl_loop_open_posts(loop) != SL_OK)
        return -1;
    if (sl_gatherer == NULL) {
        greet_host(loop);
        return loop->wake_fd;
    }
    fd = sl_gatherer->open();
    if (fd < 0)
        return -1;
    if (sl_gatherer->add(fd, loop->wake_fd) != 0)
        goto fail;
    for (size_t i = 0; i < loop->backend_count; i++) {
        int inner;

        if (outer_descriptor(loop, loop->backends[i], &inner) != SL_OK ||
            (inner >= 0 && sl_gatherer->add(fd, inner) != 0))
            goto fail;
    }
    loop->poll_fd = fd;
    greet_host(loop);
    return fd;

fail:
    error = errno;
    close_descriptor(&fd);
    errno = error;
    return -1;
}
