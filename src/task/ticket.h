/* task/ticket.h - a coroutine's wait for a completion
 *
 *   free --find--> in use (in a to-be-closed slot) --end--> free
 *
 * above: task/wait.c, which begins waits and goes on after them
 *
 * A ticket knows a coroutine, which it holds unless a task does, and what that
 * waits for. Tickets are used again; as many stay as ever waited at one time.
 * Closing its slot ends its wait.
 */
#ifndef SLB_TICKET_H
#define SLB_TICKET_H

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

/* Where a coroutine goes on behind a wait, and with what. */
struct slb_onward {
    struct slb_ticket *ticket;
    lua_KFunction k;
    int context;
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
    bool is_endless; /* waits for a task, however long it takes */
    bool has_host;   /* which resumes the coroutine */
    bool has_values; /* of those below, some may be set */
    bool is_handed;  /* over, which the host knows: not counted */
    struct slb_onward
        onward; /* without a frame for the yield, or by its host */
    struct sl_completion own; /* for waits on timers and tasks */
    struct sl_timer timer;
};

/* values of a ticket: its coroutine, unless a task holds that; its host */
enum { SLB_TICKET_COROUTINE = 1, SLB_TICKET_HOST = 2, SLB_TICKET_VALUES = 2 };

/* A ticket that is not in use; it may raise, and stays the next one to be found
 * until the caller takes it out of runtime->free_tickets. */
struct slb_ticket *slb_find_ticket(lua_State *L, struct slb_runtime *runtime);

/* The ticket's coroutine waits for `target` from now on. */
void slb_begin_wait(struct slb_ticket *ticket, struct sl_completion *target);

/* The ticket's own completion is signalled with all of that list. */
void slb_enter_waiters(struct slb_ticket *ticket, struct slb_ticket **list);

/* Whether what the ticket waits for is over, also for somebody else. */
static inline bool slb_is_over(const struct slb_ticket *ticket)
{
    const struct sl_completion *target = ticket->target;

    return target == NULL || target->version != ticket->version ||
           target->state == SL_COMPLETION_DONE;
}

/* Asks the operation that a coroutine waits for to end with SL_CANCELLED,
 * unless it is over. */
void slb_cancel(struct slb_ticket *ticket);

/* The ticket is out of use; its slot is closed already, or will be by the same
 * function. If the coroutine did not go on with the result, the operation is
 * notified. */
void slb_end_wait(struct slb_ticket *ticket);

/* The host resumes the coroutine when it likes, or drops it: the ticket no
 * longer holds it. stack: ticket, coroutine -> nothing */
void slb_hand_over(lua_State *L, struct slb_ticket *ticket);

/* Ends the own waits in a list. */
void slb_signal_all(struct slb_ticket **list, enum sl_status status);

/* Whether a coroutine waits for it: its mark is the number of that one's
 * ticket. */
static inline bool slb_is_awaited(const struct sl_completion *completion)
{
    return completion->mark != 0;
}

void slb_ticket_open(lua_State *L);

#endif
