/* task/task.h - coroutines that the loop runs, as the type sluice.task
 *
 * above: task/wait.c, which calls what this sets in the runtime
 * below: task/run.c
 *
 * A task whose error reached nobody is reported once: when it is collected, at
 * the end of run, or when the state closes.
 */
#ifndef SLB_TASK_H
#define SLB_TASK_H

#include "task/wait.h"

/* stack: f, arguments... -> the task, at index 1. The runtime lists those that
 * are counted until they have ended. */
int slb_spawn(lua_State *L, bool is_counted);

/* ---- the task at index 1 ---- */

bool slb_task_is_over(lua_State *L);

/* Who awaits it; and their continuation. */
struct slb_ticket **slb_task_waiters(lua_State *L);
int slb_awaited(lua_State *L, int status, lua_KContext context);

/* It goes on no more: its variables that are to be closed are closed. */
void slb_stop_task(lua_State *L);

/* ---- all tasks that are counted ---- */

void slb_cancel_spawned(struct slb_runtime *runtime);
void slb_stop_spawned(lua_State *L, struct slb_runtime *runtime);

/* Those that failed and whose error has reached nobody, in the order they
 * did. */
void slb_report_failed(lua_State *L, struct slb_runtime *runtime);

void slb_task_open(lua_State *L);

#endif
