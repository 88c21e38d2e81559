/* task/run.h - a function as a task, and the loop driven until all have ended
 *
 * above: task/task.c
 */
#ifndef SLB_RUN_H
#define SLB_RUN_H

#include "task/task.h"

void slb_run_open(lua_State *L);

#endif
