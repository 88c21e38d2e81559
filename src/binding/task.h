/* binding/task.h - coroutines that the loop runs */
#ifndef SLB_TASK_H
#define SLB_TASK_H

#include "binding/wait.h"

enum slb_task_status {
    SLB_TASK_READY, /* not started yet */
    SLB_TASK_RUNNING,
    SLB_TASK_DONE,
    SLB_TASK_FAILED
};

struct slb_task {
    struct slb_runtime *runtime; /* NULL: finalised; its coroutine may go on */
    struct sl_completion start;
    struct slb_ticket *waiters; /* who awaits it */
    struct slb_ticket *ticket;  /* what it waits for itself */
    enum slb_task_status status;
    bool is_observed; /* its error has reached somebody */
    bool must_cancel; /* the next wait ends at once */
    int argument_count;
};

/* The task of the coroutine L; NULL for a foreign one. */
struct slb_task *slb_task_of(lua_State *L, struct slb_runtime *runtime);

/* Its coroutine ended with `count` results, or an error, on its stack. */
void slb_task_ended(lua_State *from, struct slb_runtime *runtime,
                    struct slb_task *task, lua_State *coroutine, bool is_error,
                    int count);

/* Its coroutine yielded without waiting for anything: it goes on in the next
 * step. */
void slb_task_again(struct slb_task *task);

/* The reason for which the task that L runs was cancelled, on top of the stack;
 * false: nothing was pushed. */
bool slb_push_cancel_reason(lua_State *L);

void slb_task_open(lua_State *L);

#endif
