/* io/loop.h - waits for backends and timers, delivers what is ready
 *
 * in:  backends, timers, posts from other threads    out: deliver functions
 *
 *   round  WAITING -> LOOKING -> DELIVERING -> FIRING -> STARTING -> FINISHING
 *             ^       backends    what is      timers    coroutines     |
 *             |       and posts     READY       due      that begin     |
 *             +---------------- what all that has made READY <----------+
 *
 * A step is one round. With a budget it is as many as fit, while there is work,
 * and may end between any two units of it: the next step goes on there.
 *
 * One loop per runtime, used by one thread and one process: both are stamped
 * and checked. No callback runs outside step. Several backends may be open at
 * once; with one, step blocks inside it.
 */
#ifndef SL_IO_LOOP_H
#define SL_IO_LOOP_H

#include "base/clock.h"
#include "io/completion.h"
#include "io/post.h"
#include "io/timer.h"
#include "memory/cells.h"
#include "memory/pool.h"

#include <pthread.h>

#define SL_LOOP_BACKENDS 5

struct sl_backend;
struct sl_backend_class;

/* Signalled completions, in the order of delivery. */
struct sl_ready_queue {
    struct sl_completion *first;
    struct sl_completion *last;
};

/* Where the round stands. */
enum sl_loop_phase {
    SL_LOOP_WAITING,    /* none is under way: the next step waits for events */
    SL_LOOP_LOOKING,    /* not all that was ready is reported yet */
    SL_LOOP_DELIVERING, /* what was reported */
    SL_LOOP_FIRING,     /* timers that were due before the look */
    SL_LOOP_STARTING,   /* coroutines that begin */
    SL_LOOP_FINISHING   /* what the phases before have made ready */
};

struct sl_loop {
    struct sl_allocator *allocator;
    struct sl_pool *pool;
    struct sl_cells cells; /* for what lives as long as a connection */
    int64_t now; /* read in each step after its wait; see sl_loop_refresh */
    /* Events until then have been delivered when timers fire, and only timers
     * fire that were due by then. */
    int64_t looked_at;
    enum sl_loop_phase phase;
    int64_t until; /* the end of the step's budget; SL_NEVER: it has none */
    int64_t turn;  /* the longest time of one delivery under the budget */
    int64_t turn_until;        /* the end of that of the delivery under way */
    struct sl_completion mark; /* the end of a batch, in the ready queue */
    int delivered;             /* completions and timers in this round */
    size_t firing;             /* timers that this round may still fire */
    uint32_t steps;            /* that were begun: tells one from the next */
    int late_rounds;           /* batches delivered for a timer that is late */
    bool is_in_time;           /* such batches have been delivered */
    bool has_looked;           /* this step has looked at the backends */
    bool has_started;          /* under a budget: at the starts, too */
    struct sl_timers timers;
    struct sl_ready_queue ready;
    struct sl_ready_queue starts; /* those with is_start */
    /* The first is the one that blocks; it watches the others' descriptors. */
    struct sl_backend *backends[SL_LOOP_BACKENDS];
    size_t backend_count;
    int wake_fd; /* eventfd or pipe: readable when posts wait; -1 none yet */
    int wake_write_fd;
    int poll_fd; /* what sl_loop_pollfd gave; -1 none yet */
    pthread_mutex_t post_lock;
    struct sl_post *posts; /* under post_lock */
    size_t operations;     /* completions PENDING or READY */
    size_t descriptors;    /* sockets and files opened through this loop */
    size_t quarantined;    /* operations that had not ended at close */
    uint64_t stale_events; /* for a socket that was closed meanwhile: ignored */
    /* Operations that ended with EFAULT: their memory was given back while they
     * were in flight. Seen only where the pool closes its pages. */
    uint64_t late_writes;
    /* The time that a step polls before it blocks, as long as events tend to
     * arrive sooner: waking up costs more than that. 0, the default: never. Set
     * by the loop's maker, where there is a core to spare. */
    int64_t spin;
    int64_t usual_wait; /* smoothed; measured while `spin` is set */
    /* A word in a page that fork leaves empty in the child, so that checking
     * costs no system call; NULL: query the process number instead. */
    long *stamp;
    long process;
    pthread_t thread;
    bool has_host;     /* an outer loop has asked for a descriptor */
    bool is_host_told; /* and was woken for what was begun outside a step */
    bool is_woken;     /* the wake descriptor was seen readable */
    bool is_stepping;
    bool is_closing; /* nothing new may begin */
};

/* Opens nothing: descriptors are acquired at first use. SL_MEMORY. */
enum sl_status sl_loop_init(struct sl_loop *loop,
                            struct sl_allocator *allocator,
                            struct sl_pool *pool);
/* Cancels every operation, drains up to `patience` nanoseconds without
 * delivering, closes the backends. Operations that did not end keep their
 * memory (quarantine). True: all have ended. */
bool sl_loop_close(struct sl_loop *loop, int64_t patience);

/* Delivers what is ready, waiting at most `max_wait` nanoseconds for it (0
 * never blocks; SL_NEVER until something happens). Work is bounded: a delivery
 * may make another one ready in this step, but what that makes ready waits for
 * the next step, unless a timer is late. Events that arrived before a timer was
 * due are delivered before that timer fires, however late the step is. Returns
 * early, with nothing done, after a signal, so that its handler's owner can
 * look. SL_MISUSE: inside a step, or another thread or process. */
enum sl_status sl_loop_step(struct sl_loop *loop, int64_t max_wait);
/* The same within `budget` nanoseconds behind the wait, or from the beginning
 * where there is no wait. It goes on while there is work, and ends after the
 * unit of work in which the budget was used up: the next step goes on there. No
 * timer fires whose operation may have events that no step has looked at yet.
 * SL_NEVER: no budget. */
enum sl_status sl_loop_step_within(struct sl_loop *loop, int64_t max_wait,
                                   int64_t budget);

/* The nanoseconds until step has work without an event; SL_NEVER. */
int64_t sl_loop_timeout(const struct sl_loop *loop);
/* A descriptor, constant for life, readable when step has events, and when
 * something was begun or cancelled outside a step since the last one. With the
 * poll backend it cannot see sockets: then sl_loop_timeout is at most 10 ms
 * while operations are pending. -1 and errno when it cannot be made. */
int sl_loop_pollfd(struct sl_loop *loop);

/* The part of sl_loop_is_forked that asks the system. */
bool sl_loop_has_other_process(const struct sl_loop *loop);

/* Whether this is a child of the loop's process: nothing shared may be
 * touched. */
static inline bool sl_loop_is_forked(const struct sl_loop *loop)
{
    return loop->stamp != NULL ? *loop->stamp != 1
                               : sl_loop_has_other_process(loop);
}

/* SL_MISUSE after fork or on another thread than the first. */
static inline enum sl_status sl_loop_check(const struct sl_loop *loop)
{
    if (sl_loop_is_forked(loop) || !pthread_equal(loop->thread, pthread_self()))
        return SL_MISUSE;
    return SL_OK;
}

static inline int64_t sl_loop_refresh(struct sl_loop *loop)
{
    return loop->now = sl_clock_now();
}

/* An operation was begun, ended or cancelled. Outside a step an outer loop does
 * not know yet that it has to step. */
static inline void sl_loop_tell_host(struct sl_loop *loop)
{
    if (loop->has_host && !loop->is_stepping && !loop->is_host_told)
        sl_loop_wake_host(loop);
}

/* Whether something is signalled and not delivered yet. */
static inline bool sl_loop_has_ready(const struct sl_loop *loop)
{
    return loop->ready.first != NULL || loop->starts.first != NULL;
}

/* Whether the next step has work without waiting for an event or a timer. */
static inline bool sl_loop_has_work(const struct sl_loop *loop)
{
    return loop->phase != SL_LOOP_WAITING || sl_loop_has_ready(loop);
}

/* Whether a step with a budget is under way. */
static inline bool sl_loop_has_budget(const struct sl_loop *loop)
{
    return loop->until != SL_NEVER;
}

/* To be asked between two units of work by each delivery, timer or coroutine
 * that has several: whether it should leave the rest for its next turn. False
 * without a budget, when turns are counted in bytes; else the clock is read. */
static inline bool sl_loop_is_turn_over(const struct sl_loop *loop)
{
    return loop->until != SL_NEVER && sl_clock_now() >= loop->turn_until;
}

/* The earliest time that no timer of this look is due at: a timer that is armed
 * for it, even while timers fire, waits for the next look. */
static inline int64_t sl_loop_next_look(const struct sl_loop *loop)
{
    return loop->looked_at + 1;
}

/* Whether a unit of work that takes about so long should begin now: it fits
 * into what is left of the budget, or no step would have more time for it. */
bool sl_loop_has_time(const struct sl_loop *loop, int64_t cost);

/* When a timer has to be due that waits for the next turn: in the next step, or
 * in the next round of this one under a budget. */
static inline int64_t sl_loop_next_turn(const struct sl_loop *loop)
{
    return sl_loop_has_budget(loop) ? loop->looked_at : sl_loop_next_look(loop);
}

/* Whether, while delivering, more is ready for this step or the next. */
static inline bool sl_loop_has_more(const struct sl_loop *loop)
{
    /* The end of the batch stands among the others. */
    return loop->is_stepping &&
           (loop->starts.first != NULL ||
            (loop->ready.first != NULL && loop->ready.first->next != NULL));
}

/* For backends: an operation of ours ended with EFAULT. In debug builds the
 * program ends. */
void sl_loop_late_write(struct sl_loop *loop);

/* For backends: a descriptor given to their watch is readable. */
static inline void sl_loop_woken(struct sl_loop *loop, int fd)
{
    if (fd == loop->wake_fd)
        loop->is_woken = true;
}

/* The open backend of that class, opened if need be. SL_UNSUPPORTED when this
 * machine refuses it, SL_LIMIT and errno for want of descriptors, SL_MEMORY.
 * `class` NULL: the best for the stream transport. */
enum sl_status sl_loop_backend(struct sl_loop *loop,
                               const struct sl_backend_class *class,
                               struct sl_backend **backend);

#endif
