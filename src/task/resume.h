/* task/resume.h - which coroutine runs, for which task
 *
 * in:  task/wait.c from deliveries, task/task.c to begin, task/generator.c
 * out: runtime->running and running_task; runtime->task_stopped, an end
 */
#ifndef SLB_RESUME_H
#define SLB_RESUME_H

#include "task/ticket.h"

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

/* A coroutine that ended with an error: its variables that are to be closed are
 * closed, and its stack is empty. */
void slb_close_thread(lua_State *coroutine, lua_State *from);

#endif
