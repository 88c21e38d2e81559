/* task/wait.h - how a Lua coroutine waits for a completion
 *
 *   coroutine --(ticket in a to-be-closed slot, yield)--> loop
 *   loop step --(completion delivered: resume)----------> continuation
 *
 * Closing the coroutine closes the ticket, which abandons the wait: the
 * operation is notified and nothing is resumed. The continuation reads results
 * from the operation and never from what it was resumed with. Outside
 * coroutines the loop is driven here until the result is there. A coroutine
 * without a task may be resumed by its host instead: task/host.h.
 */
#ifndef SLB_WAIT_H
#define SLB_WAIT_H

#include "task/resume.h"
#include "task/ticket.h"

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

/* A wait of a coroutine without a task, in which another one waits along. */
struct slb_along {
    struct slb_ticket *ticket; /* NULL: none */
    uint32_t waits;            /* of the ticket */
    struct slb_onward onward;  /* by a host: of the one that waits along */
};

/* Before L waits along: pushes the coroutine whose wait it is, or nil. Raises
 * where it is another task's, which would be resumed no more. */
void slb_begin_along(lua_State *L, struct slb_ticket *ticket,
                     struct slb_along *along);

/* The wait, unless it was ended, is that of the pushed value again, which it
 * pops: the code that L resumes may go on with it, else the loop does. */
void slb_end_along(lua_State *L, struct slb_along *along);

/* L waits for what another coroutine's ticket waits for, which L will resume:
 * then goes on in `k`, whose context is the top of the stack now. `along`: of
 * slb_begin_along, which lives as long. */
int slb_wait_along(lua_State *L, struct slb_ticket *ticket,
                   struct slb_along *along, lua_KFunction k);

/* Yields from the frame of L until the ticket's wait is over; to be
 * returned. */
int slb_stay(lua_State *L, struct slb_ticket *ticket);

void slb_wait_open(lua_State *L);

#endif
