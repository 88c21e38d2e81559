#include "task/outcome.h"
#include "task/report.h"
#include "task/seconds.h"
#include "task/task.h"
#include "task/userdata.h"

static const char task_type[] = "sluice.task";

enum task_status {
    TASK_READY, /* not started yet */
    TASK_RUNNING,
    TASK_DONE,
    TASK_FAILED
};

struct task {
    struct slb_task base;        /* first: what waiting knows of it */
    struct slb_runtime *runtime; /* NULL: finalised; its coroutine may go on */
    struct sl_completion start;
    struct slb_ticket *waiters; /* who awaits it */
    enum task_status status;
    bool is_unheard; /* its error has reached nobody */
    bool is_counted; /* run waits for it */
    bool is_stopped; /* by run, which raised */
    int argument_count;
};

/* values of a task: its coroutine, its results (or error and traceback) */
enum { TASK_COROUTINE = 1, TASK_RESULTS = 2, TASK_REASON = 3, TASK_VALUES = 3 };

static struct task *check_task(lua_State *L)
{
    struct task *task = slb_check(L, 1, task_type);

    if (task->runtime == NULL)
        slb_raise_disposed(L, "task");
    slb_check_usable(L, task->runtime);
    return task;
}

static bool is_over(const struct task *task)
{
    return task->status >= TASK_DONE;
}

/* In the registry: failed tasks by their address, as long as they are there. */
static const char failed_key;

/* ---- lists ---- */

static void leave_list(struct slb_task *task)
{
    if (task->list == NULL)
        return;
    if (task->previous != NULL)
        task->previous->next = task->next;
    else
        *task->list = task->next;
    if (task->next != NULL)
        task->next->previous = task->previous;
    task->list = NULL;
    task->next = task->previous = NULL;
}

static void enter_list(struct slb_task *task, struct slb_task **list)
{
    leave_list(task);
    task->list = list;
    task->next = *list;
    if (*list != NULL)
        (*list)->previous = task;
    *list = task;
}

/* One of those that run waits for has ended. */
static void leave_spawned(struct slb_runtime *runtime, struct task *task)
{
    leave_list(&task->base);
    if (task->is_counted && runtime->spawned == NULL)
        slb_signal_all(&runtime->idle_waiters, SL_OK);
}

/* ---- a task's life ---- */

static void start(struct sl_completion *completion)
{
    struct task *task =
        (struct task *)((char *)completion - offsetof(struct task, start));
    struct slb_runtime *runtime = task->runtime;
    lua_State *L = runtime->stepping;
    lua_State *coroutine;

    if (runtime->is_closing)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
    lua_rawgetp(L, -1, task);
    coroutine = lua_tothread(L, -1); /* stays here while it runs */
    task->status = TASK_RUNNING;
    slb_resume(runtime, coroutine, &task->base, task->argument_count);
    lua_pop(L, 2);
}

struct ending {
    lua_State *coroutine;
    bool is_error;
    int count;
};

/* Runs under lua_pcall. stack: task, ending */
static int keep_results(lua_State *L)
{
    const struct ending *ending = lua_touserdata(L, 2);
    lua_State *coroutine = ending->coroutine;
    int first = lua_gettop(coroutine) - ending->count;

    lua_createtable(L, ending->count, 1);
    lua_pushinteger(L, ending->count);
    lua_setfield(L, -2, "n");
    if (!lua_checkstack(coroutine, 1))
        luaL_error(L, "out of memory");
    for (int i = 1; i <= ending->count; i++) {
        lua_pushvalue(coroutine, first + i);
        lua_xmove(coroutine, L, 1);
        lua_rawseti(L, 3, i);
    }
    if (ending->is_error) {
        lua_pushvalue(L, 3); /* whatever comes of the traceback */
        lua_setiuservalue(L, 1, TASK_RESULTS);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
        lua_pushvalue(L, 1);
        lua_rawsetp(L, -2, lua_touserdata(L, 1));
        luaL_traceback(L, coroutine, NULL, 0);
        lua_setfield(L, 3, "traceback");
        lua_settop(L, 3);
    }
    lua_setiuservalue(L, 1, TASK_RESULTS);
    return 0;
}

/* The task is no longer held by the loop. stack: tasks[coroutine], the task, is
 * left on top of L */
static void forget(lua_State *L, struct slb_runtime *runtime,
                   const struct task *task, lua_State *coroutine)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
    lua_pushthread(coroutine);
    lua_xmove(coroutine, L, 1);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3); /* tasks, coroutine, task */
    lua_insert(L, -3);
    lua_pushnil(L);
    lua_rawset(L, -3); /* task, tasks */
    lua_pushnil(L);
    lua_rawsetp(L, -2, task);
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setiuservalue(L, -2, TASK_COROUTINE);
}

/* The coroutine runs on in the next step of the loop. */
static void go_on(struct task *task)
{
    task->argument_count = 0;
    sl_completion_begin(&task->start);
    sl_completion_signal(&task->start, SL_OK, 0);
}

static void ended(lua_State *L, struct slb_runtime *runtime, struct task *task,
                  const struct ending *ending)
{
    forget(L, runtime, task, ending->coroutine); /* below until the end */
    lua_pushcfunction(L, keep_results);
    lua_pushvalue(L, -2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)ending);
    task->status = ending->is_error ? TASK_FAILED : TASK_DONE;
    leave_spawned(runtime, task);
    /* Out of memory here loses the results, and says so. */
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        task->status = TASK_FAILED;
        lua_pop(L, 1);
    }
    if (task->status == TASK_FAILED && task->runtime != NULL) {
        task->is_unheard = true;
        enter_list(&task->base, &runtime->failed);
    }
    if (ending->is_error)
        slb_close_thread(ending->coroutine, L);
    slb_signal_all(&task->waiters, SL_OK);
    lua_pop(L, 1);
}

/* A coroutine ended, or yielded without waiting for anything: then it goes on
 * in the next step. */
static void stopped(lua_State *L, struct slb_runtime *runtime,
                    struct slb_task *base, lua_State *coroutine, int status,
                    int count)
{
    struct task *task = (struct task *)base;
    bool is_error = status != LUA_OK;
    struct ending ending = {coroutine, is_error, is_error ? 1 : count};

    if (status != LUA_YIELD)
        ended(L, runtime, task, &ending);
    else if (task->runtime != NULL)
        go_on(task);
}

/* The thread on top of the stack and the task below it, for each other, for as
 * long as the coroutine runs. Without memory for both entries the task is not
 * held, and its finaliser removes the first one. */
static void link_task(lua_State *L, struct task *task)
{
    int coroutine = lua_gettop(L);

    lua_pushvalue(L, coroutine);
    lua_setiuservalue(L, coroutine - 1, TASK_COROUTINE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->runtime->tasks);
    lua_pushvalue(L, coroutine);
    lua_rawsetp(L, -2, task); /* tasks[address] = coroutine */
    lua_pushvalue(L, coroutine);
    lua_pushvalue(L, coroutine - 1);
    lua_rawset(L, -3); /* tasks[coroutine] = task */
    lua_settop(L, coroutine);
}

/* Its coroutine has not begun, so that no one looks for it. */
static void unlink_address(lua_State *L, const struct slb_runtime *runtime,
                           const struct task *task)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
    lua_pushnil(L);
    lua_rawsetp(L, -2, task);
    lua_pop(L, 1);
}

int slb_spawn(lua_State *L, bool is_counted)
{
    struct slb_runtime *runtime = slb_runtime(L);
    int count = lua_gettop(L) - 1;
    struct task *task;
    lua_State *coroutine;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    task = slb_new(L, task_type, sizeof *task, TASK_VALUES);
    sl_completion_init(&task->start, &runtime->loop, start);
    task->start.is_start = true;
    task->runtime = runtime;
    slb_runtime_retain(runtime);
    coroutine = lua_newthread(L);
    /* An error must not be raised in the coroutine: it is not running. */
    if (!lua_checkstack(coroutine, count + 1))
        return luaL_error(L, "too many arguments, or out of memory");
    link_task(L, task);
    /* stack: f, arguments..., task, coroutine */
    lua_pop(L, 1);
    lua_insert(L, 1);
    lua_xmove(L, coroutine, count + 1);
    go_on(task);
    task->argument_count = count;
    task->is_counted = is_counted;
    if (is_counted)
        enter_list(&task->base, &runtime->spawned);
    return 1;
}

/* spawn(f, ...) -> task; f runs with the next step of the loop */
static int spawn(lua_State *L)
{
    return slb_spawn(L, true);
}

/* The same for a task of the library's own, which run does not wait for. */
static int spawn_background(lua_State *L)
{
    return slb_spawn(L, false);
}

/* ---- awaiting ---- */

/* The results of the task at index 1. */
static int push_results(lua_State *L, struct task *task)
{
    int count;

    lua_getiuservalue(L, 1, TASK_RESULTS);
    if (task->is_unheard) {
        task->is_unheard = false;
        leave_list(&task->base);
    }
    if (!lua_istable(L, -1))
        return luaL_error(L, task->is_stopped
                                 ? "the task was stopped: sluice.run raised"
                                 : "out of memory");
    if (task->status == TASK_FAILED) {
        lua_rawgeti(L, -1, 1);
        return lua_error(L);
    }
    lua_getfield(L, -1, "n");
    count = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, count, "too many results");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, 2, i);
    return count;
}

/* A task that ended in the same step as the wait for it gives its results: a
 * caller that got a failure instead could take it for one of them. */
int slb_awaited(lua_State *L, int status, lua_KContext context)
{
    enum sl_status outcome = slb_waited(L, context);

    (void)status;
    if (outcome == SL_OK || is_over(slb_check(L, 1, task_type))) {
        lua_settop(L, 1);
        return push_results(L, check_task(L));
    }
    return slb_push_outcome(L, outcome, "await task");
}

/* task:await(timeout) -> its results | nil, message, err (timeout, cancelled)
 * raises the task's error; yields */
static int task_await(lua_State *L)
{
    struct task *task = check_task(L);
    struct slb_runtime *runtime = task->runtime;
    int64_t due;

    slb_reserve_wait(L, runtime);
    check_task(L);
    due = slb_check_due(L, 2, runtime);
    lua_settop(L, 1);
    if (is_over(task))
        return push_results(L, task);
    if (slb_task_of(L, runtime) == &task->base)
        return luaL_error(L, "a task cannot await itself");
    return slb_wait_own(L, runtime, &task->waiters, due, slb_awaited);
}

/* A wait that is over gives its result: then the next one is cancelled. */
static void cancel(struct task *task)
{
    task->base.must_cancel = true;
    if (task->base.ticket != NULL)
        slb_cancel(task->base.ticket);
}

/* task:cancel(reason) -> whether there was something to cancel
 * The wait it is in, or the next one if that is over already, ends with
 * `cancelled` and the reason, a string, in the message. */
static int task_cancel(lua_State *L)
{
    struct task *task = check_task(L);

    luaL_optstring(L, 2, NULL); /* a number becomes a string */
    check_task(L);
    lua_settop(L, 2);
    if (is_over(task)) {
        lua_pushboolean(L, false);
        return 1;
    }
    lua_setiuservalue(L, 1, TASK_REASON);
    cancel(task);
    lua_pushboolean(L, true);
    return 1;
}

static bool take_cancel(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_task *task = slb_task_of(L, runtime);

    if (task == NULL)
        return false;
    task->must_cancel = false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
    lua_rawgetp(L, -1, task); /* tasks[address] = coroutine */
    lua_rawget(L, -2);        /* tasks[coroutine] = task */
    if (lua_getiuservalue(L, -1, TASK_REASON) != LUA_TSTRING) {
        lua_pop(L, 3);
        return false;
    }
    lua_pushnil(L); /* the reason is given once */
    lua_setiuservalue(L, -3, TASK_REASON);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return true;
}

static const char *status_name(const struct task *task)
{
    static const char *const names[] = {"ready", "running", "done", "failed"};

    if (task->status == TASK_RUNNING && task->base.ticket != NULL)
        return "waiting";
    return names[task->status];
}

/* task:status() -> "ready" | "running" | "waiting" | "done" | "failed" */
static int task_status(lua_State *L)
{
    lua_pushstring(L, status_name(check_task(L)));
    return 1;
}

/* task:traceback() -> where it failed | nil: it did not */
static int task_traceback(lua_State *L)
{
    struct task *task = check_task(L);

    if (task->status != TASK_FAILED ||
        lua_getiuservalue(L, 1, TASK_RESULTS) != LUA_TTABLE)
        lua_pushnil(L);
    else
        lua_getfield(L, -1, "traceback");
    return 1;
}

static int task_tostring(lua_State *L)
{
    const struct task *task = slb_check(L, 1, task_type);

    lua_pushfstring(L, "sluice.task (%s)",
                    task->runtime != NULL ? status_name(task) : "disposed");
    return 1;
}

/* The task on top of the stack failed, which nobody has heard of. Pops it. */
static void report(lua_State *L, struct task *task)
{
    int index = lua_gettop(L);

    task->is_unheard = false;
    leave_list(&task->base);
    if (lua_getiuservalue(L, index, TASK_RESULTS) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_getfield(L, -2, "traceback");
    } else {
        lua_pushliteral(L, "out of memory");
        lua_pushnil(L);
    }
    lua_pushvalue(L, index);
    slb_report(L);
    lua_settop(L, index - 1);
}

/* The operation that the coroutine waits for goes on, without a waiter. */
static int task_gc(lua_State *L)
{
    struct task *task = slb_check(L, 1, task_type);
    struct slb_runtime *runtime = task->runtime;

    if (runtime == NULL)
        return 0;
    if (task->is_unheard) {
        lua_settop(L, 1);
        lua_pushvalue(L, 1);
        report(L, task);
    }
    leave_spawned(runtime, task);
    if (task->status == TASK_READY)
        unlink_address(L, runtime, task);
    slb_signal_all(&task->waiters, SL_CANCELLED);
    sl_completion_fini(&task->start);
    task->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

/* ---- for run ---- */

bool slb_task_is_over(lua_State *L)
{
    return is_over(check_task(L));
}

/* The task on top of the stack goes on no more: its variables that are to be
 * closed are closed. Pops it. */
static void stop(lua_State *L, struct task *task)
{
    struct slb_runtime *runtime = task->runtime;
    int index = lua_gettop(L);
    lua_State *coroutine;

    lua_getiuservalue(L, index, TASK_COROUTINE); /* until it is closed */
    coroutine = lua_tothread(L, -1);
    sl_completion_fini(&task->start);
    task->status = TASK_FAILED;
    task->is_stopped = true;
    leave_spawned(runtime, task);
    slb_close_thread(coroutine, L);
    forget(L, runtime, task, coroutine);
    slb_signal_all(&task->waiters, SL_OK);
    lua_settop(L, index - 1);
}

void slb_stop_task(lua_State *L)
{
    struct task *task = check_task(L);

    lua_pushvalue(L, 1);
    stop(L, task);
}

struct slb_ticket **slb_task_waiters(lua_State *L)
{
    return &check_task(L)->waiters;
}

void slb_cancel_spawned(struct slb_runtime *runtime)
{
    struct slb_task *task;

    for (task = runtime->spawned; task != NULL; task = task->next)
        cancel((struct task *)task);
}

void slb_stop_spawned(lua_State *L, struct slb_runtime *runtime)
{
    while (runtime->spawned != NULL) {
        struct task *task = (struct task *)runtime->spawned;

        lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
        lua_rawgetp(L, -1, task); /* tasks[address] = coroutine */
        lua_rawget(L, -2);        /* tasks[coroutine] = task */
        lua_remove(L, -2);
        stop(L, task);
    }
}

void slb_report_failed(lua_State *L, struct slb_runtime *runtime)
{
    while (runtime->failed != NULL) {
        struct task *task = (struct task *)runtime->failed;

        /* The first of the list is the one that failed last. */
        while (task->base.next != NULL)
            task = (struct task *)task->base.next;
        lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
        lua_rawgetp(L, -1, task);
        lua_remove(L, -2);
        if (lua_isnil(L, -1)) { /* about to be collected, which reports it */
            lua_pop(L, 1);
            leave_list(&task->base);
        } else
            report(L, task);
    }
}

/* ---- module functions ---- */

static int slept(lua_State *L, int status, lua_KContext context)
{
    enum sl_status outcome = slb_waited(L, context);

    (void)status;
    if (outcome == SL_TIMEOUT)
        outcome = SL_OK; /* as it should be */
    return slb_push_outcome(L, outcome, "sleep");
}

/* sleep(seconds) -> true | nil, message, err (cancelled); yields */
static int sleep_for(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    int64_t duration = slb_check_seconds(L, 1);
    int64_t now;

    if (duration == 0)
        return slb_wait_step(L, runtime, NULL, NULL, slept);
    now = sl_loop_refresh(&runtime->loop);
    return slb_wait_own(L, runtime, NULL, sl_clock_after(now, duration), slept);
}

static const luaL_Reg functions[] = {{"spawn", spawn},
                                     {"spawn_background", spawn_background},
                                     {"sleep", sleep_for},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{"await", task_await},
                                   {"cancel", task_cancel},
                                   {"status", task_status},
                                   {"traceback", task_traceback},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__tostring", task_tostring}, {"__gc", task_gc}, {NULL, NULL}};

void slb_task_open(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);

    runtime->task_stopped = stopped;
    runtime->take_cancel = take_cancel;
    slb_type(L, task_type, methods, meta);
    slb_weak_table(L, "v", &failed_key);
    luaL_setfuncs(L, functions, 0);
}
