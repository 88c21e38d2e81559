/* task/task.h - coroutines that the loop runs, as the type sluice.task
 *
 * above: task/wait.c, which calls what this sets in the runtime
 */
#ifndef SLB_TASK_H
#define SLB_TASK_H

#include "task/wait.h"

void slb_task_open(lua_State *L);

#endif
