/* task/scheduler.h - coroutines that belong to another scheduler
 *
 * above: task/wait.c, before a coroutine yields
 *
 * cqueues takes no yields but its own: its loop fails, and what waits is lost. A
 * wait in a coroutine of such a scheduler is refused with an error instead.
 */
#ifndef SLB_SCHEDULER_H
#define SLB_SCHEDULER_H

#include "task/wait.h"

/* Whether a scheduler that refuses what a wait yields runs the coroutine L. */
bool slb_is_of_scheduler(lua_State *L);

/* The error for that, which names the adapter that is missing, at the line of the
 * program's own that called. */
void slb_push_refusal(lua_State *L);

void slb_scheduler_open(lua_State *L);

#endif
