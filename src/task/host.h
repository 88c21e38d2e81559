/* task/host.h - coroutines that a host resumes in a way of its own
 *
 *   coroutine --wait--> suspend(coroutine) --the host's own yield--> host
 *   loop step --over--> resume(coroutine) ------> host, now or later
 *                       host resumes it, suspend returns --> continuation
 *
 * above: task/wait.c, for coroutines without a task
 *
 * A host is two functions. Those that were added are asked in turn; a `suspend`
 * that returns false says that the coroutine is not its own. If no host takes
 * the coroutine, the loop resumes it. A coroutine bound to a host asks that one
 * first.
 *
 * From the call of `resume` on the host alone holds the coroutine. If it drops
 * the coroutine, the wait is abandoned when that is collected.
 */
#ifndef SLB_HOST_H
#define SLB_HOST_H

#include "task/wait.h"

/* Whether the coroutine L, which has no task, may have a host. One that runs is
 * resumed by the loop, or by a generator, which waits in its place. */
static inline bool slb_asks_hosts(const lua_State *L,
                                  const struct slb_runtime *runtime)
{
    return runtime->hosts != 0 && runtime->running != L;
}

/* Waits for the ticket in the way of L's host, then goes on in `k`, which is
 * kept in `onward` meanwhile; to be returned. A raised error ends the wait. */
int slb_wait_by_host(lua_State *L, struct slb_ticket *ticket,
                     struct slb_onward *onward, int index, lua_KFunction k);

/* Tells the host that the wait is over. stack: ticket, coroutine */
void slb_resume_by_host(lua_State *L);

void slb_host_open(lua_State *L);

#endif
