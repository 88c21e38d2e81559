#include "task/run.h"

/* How long tasks that were cancelled, because run raises, may take to end. */
#define STOP_PATIENCE SL_SECOND

/* await_main(task) */
static int await_main(lua_State *L)
{
    return slb_wait_own(L, slb_runtime(L), slb_task_waiters(L), SL_NEVER,
                        slb_awaited);
}

static int idled(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return 0;
}

/* await_others(patience) */
static int await_others(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    int64_t due = SL_NEVER;

    if (runtime->spawned == NULL)
        return 0;
    if (!lua_isnil(L, 1))
        due = sl_loop_refresh(&runtime->loop) + lua_tointeger(L, 1);
    return slb_wait_own(L, runtime, &runtime->idle_waiters, due, idled);
}

/* The error on top of the stack ends all tasks that there are. */
static int raise(lua_State *L, struct slb_runtime *runtime)
{
    if (!slb_task_is_over(L))
        slb_stop_task(L);
    slb_cancel_spawned(runtime);
    lua_pushcfunction(L, await_others);
    lua_pushinteger(L, STOP_PATIENCE);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_pop(L, 1); /* the first error counts */
    slb_stop_spawned(L, runtime);
    slb_report_failed(L, runtime);
    return lua_error(L);
}

/* run(f, ...) -> results of f; raises its error
 * Drives the loop until f and every task that was spawned have ended. Where f
 * raises the others are cancelled, and stopped if they have not ended a second
 * later. Raises inside a task, and when every task waits for another. */
static int run(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);

    if (runtime->loop.is_stepping || lua_isyieldable(L))
        return luaL_error(L, "run: already inside a coroutine: call the "
                             "function, or spawn it");
    slb_reserve_wait(L, runtime);
    slb_spawn(L, false);
    lua_settop(L, 1);
    lua_pushcfunction(L, await_main);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK)
        return raise(L, runtime);
    luaL_checkstack(L, LUA_MINSTACK, "too many results");
    lua_pushcfunction(L, await_others);
    lua_pushnil(L);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        return raise(L, runtime);
    slb_report_failed(L, runtime);
    return lua_gettop(L) - 1;
}

/* is_stepping() -> whether the loop runs: what waits now is resumed by it */
static int is_stepping(lua_State *L)
{
    lua_pushboolean(L, slb_runtime(L)->loop.is_stepping);
    return 1;
}

void slb_run_open(lua_State *L)
{
    lua_pushcfunction(L, is_stepping);
    lua_setfield(L, -2, "is_stepping");
    lua_pushcfunction(L, run);
    lua_setfield(L, -2, "run");
}
