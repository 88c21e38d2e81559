/* task/scheduler.h - coroutines that belong to another scheduler
 *
 * above: task/wait.c, before a coroutine yields
 *
 * cqueues takes no yields but its own: its loop fails, and what waits is lost.
 * copas forgets a coroutine that yields anything else, and closes its socket. A
 * wait in a coroutine of such a scheduler is refused with an error instead.
 */
#ifndef SLB_SCHEDULER_H
#define SLB_SCHEDULER_H

#include "task/wait.h"

/* What the names of the modules that were compiled with this one begin with, as
 * a lua_Debug has them. */
#define SLB_OWN_SOURCE "=sluice/"

/* Why the coroutine L may not yield a wait: a scheduler runs it that would lose
 * it. NULL: it may. */
const char *slb_scheduler_refusal(lua_State *L,
                                  const struct slb_runtime *runtime);

/* The error for that, which names the adapter that is missing, at the line of
 * the program's own that called. */
void slb_push_refusal(lua_State *L, const char *refusal);

void slb_scheduler_open(lua_State *L);

#endif
