#include "task/resume.h"

#include "task/report.h"

struct slb_task *slb_task_of(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_task *task;

    if (runtime->running == L)
        return runtime->running_task;
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
    lua_pushthread(L);
    lua_rawget(L, -2);
    task = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return task;
}

void slb_close_thread(lua_State *coroutine, lua_State *from)
{
#if LUA_VERSION_RELEASE_NUM >= 50406
    lua_closethread(coroutine, from);
#else
    (void)from;
    lua_resetthread(coroutine);
#endif
    lua_settop(coroutine, 0);
}

int slb_resume_within(lua_State *L, struct slb_runtime *runtime,
                      lua_State *coroutine, int argument_count, int *count)
{
    lua_State *outer = runtime->running;
    struct slb_task *outer_task = runtime->running_task;
    struct slb_task *task = slb_task_of(L, runtime);
    int status;

    runtime->yielded = NULL;
    runtime->running = coroutine;
    runtime->running_task = task;
    status = lua_resume(coroutine, L, argument_count, count);
    runtime->running = outer;
    runtime->running_task = outer_task;
    return status;
}

void slb_resume(struct slb_runtime *runtime, lua_State *coroutine,
                struct slb_task *task, int argument_count)
{
    lua_State *L = runtime->stepping;
    lua_State *outer = runtime->running;
    struct slb_task *outer_task = runtime->running_task;
    int count;
    int status;

    runtime->running = coroutine;
    runtime->running_task = task;
    status = lua_resume(coroutine, L, argument_count, &count);
    runtime->running = outer;
    runtime->running_task = outer_task;

    /* Values yielded by hand have no receiver. A task that yields them lets
     * others run; a coroutine of the caller's own is the caller's again. With
     * results left on its stack, one that has ended would not look dead. */
    if (status == LUA_YIELD || (status == LUA_OK && task == NULL))
        lua_pop(coroutine, count);
    if (task != NULL) {
        /* Want of memory at the yield itself, and then at calling __close. */
        if (status != LUA_YIELD && task->ticket != NULL)
            slb_end_wait(task->ticket);
        if (status != LUA_YIELD || task->ticket == NULL)
            runtime->task_stopped(L, runtime, task, coroutine, status, count);
        return;
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        slb_report_thread(L, coroutine);
        slb_close_thread(coroutine, L);
    }
}
