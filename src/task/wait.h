/* task/wait.h - how a Lua coroutine waits for a completion
 *
 *   coroutine --(ticket in a to-be-closed slot, yield)--> loop
 *   loop step --(completion delivered: resume)----------> continuation
 *
 * A ticket knows a coroutine, which it holds unless a task does, and what that
 * waits for. Tickets are used again; as many stay as ever waited at one time.
 * Closing the coroutine closes the ticket, which abandons the wait: the
 * operation is notified and nothing is resumed. The continuation reads results
 * from the operation and never from what it was resumed with. Outside
 * coroutines the loop is driven here until the result is there. A coroutine
 * without a task may be resumed by its host instead: task/host.h.
 */
#ifndef SLB_WAIT_H
#define SLB_WAIT_H

#include "io/timer.h"
#include "task/runtime.h"

struct slb_ticket;

/* A task as far as waiting goes; task.c keeps the rest behind it. */
struct slb_task {
    struct slb_ticket *ticket; /* what its coroutine waits for; NULL: nothing */
    bool must_cancel;          /* until it is given a failure `cancelled` */
    struct slb_task **list;    /* of the runtime's, which it is in; or NULL */
    struct slb_task *next;
    struct slb_task *previous;
};

struct slb_ticket {
    struct slb_runtime *runtime;
    struct slb_ticket *next; /* free, or in a task's list of waiters */
    struct slb_ticket *previous;
    struct slb_ticket **list;     /* whose list it is in */
    struct sl_completion *target; /* what is waited for; NULL: not in use */
    uint32_t version;             /* of target, when the wait began */
    uint32_t waits;               /* so far: tells one from the next */
    int number;                   /* in the registry, which keeps it for good */
    uint32_t step;                /* of the loop, which it outlasts; 0: none */
    lua_State *coroutine;         /* NULL: waits outside of any */
    struct slb_task *task;        /* whose coroutine this is; NULL: a foreign */
    void (*abandon)(void *subject);
    void *subject;
    bool is_endless;          /* waits for a task, however long it takes */
    bool has_host;            /* which resumes the coroutine */
    bool has_values;          /* of those below, some may be set */
    bool is_handed;           /* over, which the host knows: not counted */
    lua_KFunction k;          /* without a frame for the yield, or by its
                               * host: where the coroutine goes on, */
    int context;              /* and with what */
    struct sl_completion own; /* for waits on timers and tasks */
    struct sl_timer timer;
};

/* values of a ticket: its coroutine, unless a task holds that; its host */
enum { SLB_TICKET_COROUTINE = 1, SLB_TICKET_HOST = 2, SLB_TICKET_VALUES = 2 };

/* How long a driven loop sleeps at most before it looks whether a debug hook,
 * which is how a host interrupts a script, wants to run. */
#define SLB_DRIVE_SLICE (200 * SL_MILLISECOND)

/* Makes sure that the next wait allocates nothing in Lua, and so runs no
 * finaliser: to be called before what is waited for is looked at. May raise. */
void slb_reserve_wait(lua_State *L, struct slb_runtime *runtime);

/* Waits until `target` is DONE, then goes on in `k`, whose context is to be
 * given to slb_waited; to be returned from the C function: `return
 * slb_wait(...)`. If the wait is abandoned `abandon(subject)` is called;
 * `subject` must be kept alive by the function's own stack. Raises when this
 * thread may neither yield nor drive the loop; the wait is abandoned then. */
int slb_wait(lua_State *L, struct slb_runtime *runtime,
             struct sl_completion *target, void (*abandon)(void *subject),
             void *subject, lua_KFunction k);

/* The same for the ticket's own completion, which ends at `due` with
 * SL_TIMEOUT, or earlier by a signal from the code that keeps `*list`, unless
 * `list` is NULL. */
int slb_wait_own(lua_State *L, struct slb_runtime *runtime,
                 struct slb_ticket **list, int64_t due, lua_KFunction k);

/* The same until the loop's next round (io/loop.h), so that a coroutine that
 * never has to wait does not keep others from running. SL_TIMEOUT: the step
 * came; SL_CANCELLED. */
int slb_wait_turn(lua_State *L, struct slb_runtime *runtime,
                  void (*abandon)(void *subject), void *subject,
                  lua_KFunction k);
/* The same until the next step, however many rounds are left in this one. */
int slb_wait_step(lua_State *L, struct slb_runtime *runtime,
                  void (*abandon)(void *subject), void *subject,
                  lua_KFunction k);
/* Whether this thread may wait for a turn. */
bool slb_can_take_turn(lua_State *L, const struct slb_runtime *runtime);

/* Pushes `core.waiting`, which a coroutine yields when it begins to wait. */
void slb_push_waiting(lua_State *L);

/* First thing in a continuation: ends the ticket and removes it, with whatever
 * lies above it, from the stack. Raises when the wait was ended meanwhile. The
 * status it ended with. */
enum sl_status slb_waited(lua_State *L, lua_KContext context);

/* Whether what the ticket waits for is over, also for somebody else. */
bool slb_is_over(const struct slb_ticket *ticket);

/* Yields from the frame of L until the ticket's wait is over; to be
 * returned. */
int slb_stay(lua_State *L, struct slb_ticket *ticket);

/* The ticket is out of use. If the coroutine did not go on with the result, the
 * operation is notified. */
void slb_end_wait(struct slb_ticket *ticket);

/* Ends the own waits in a list. */
void slb_signal_all(struct slb_ticket **list, enum sl_status status);

/* Whether a coroutine waits for it: its mark is the number of that one's
 * ticket. */
static inline bool slb_is_awaited(const struct sl_completion *completion)
{
    return completion->mark != 0;
}

/* Asks the operation that a coroutine waits for to end with SL_CANCELLED, unless
 * it is over. */
void slb_cancel(struct slb_ticket *ticket);

/* Makes one step, as sl_loop_step_within does, with resumes from L. SL_MISUSE:
 * inside a step; SL_MEMORY: nothing was done. */
enum sl_status slb_step(lua_State *L, struct slb_runtime *runtime,
                        int64_t max_wait, int64_t budget);

/* Lets a hook run that was set meanwhile, by a signal handler for example.
 * False when it raised; the error is on top of the stack. */
bool slb_run_hook(lua_State *L);

/* The task that runs the coroutine L, perhaps by a generator; NULL: none. */
struct slb_task *slb_task_of(lua_State *L, struct slb_runtime *runtime);

/* Whether L runs a task that was cancelled and has not learned of it: for what
 * may go on for long without a wait that could be cancelled. */
static inline bool slb_is_cancelled(const lua_State *L,
                                    const struct slb_runtime *runtime)
{
    return runtime->running == L && runtime->running_task != NULL &&
           runtime->running_task->must_cancel;
}

/* Runs a coroutine until it waits or ends. What it does but for waiting is
 * reported to runtime->task_stopped, if a task runs it. */
void slb_resume(struct slb_runtime *runtime, lua_State *coroutine,
                struct slb_task *task, int argument_count);

/* lua_resume from L, for L's task if it has one. Sets runtime->yielded: NULL,
 * or the ticket for which a coroutine yielded meanwhile. */
int slb_resume_within(lua_State *L, struct slb_runtime *runtime,
                      lua_State *coroutine, int argument_count, int *count);

/* L waits for what another coroutine's ticket waits for, which L will resume:
 * then goes on in `k`, whose context is the top of the stack now. */
int slb_wait_along(lua_State *L, struct slb_ticket *ticket, lua_KFunction k);

/* A coroutine that ended with an error: its variables that are to be closed are
 * closed, and its stack is empty. */
void slb_close_thread(lua_State *coroutine, lua_State *from);

void slb_wait_open(lua_State *L);

#endif
