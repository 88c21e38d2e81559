#include "task/report.h"

#include <stdio.h>

/* In the registry: the handler; nil: what is reported is printed. */
static const char handler_key;

/* print(error, traceback, task) */
static int print(lua_State *L)
{
    const char *traceback = lua_tostring(L, 2);

    lua_pushfstring(L, "sluice: error in a %s: %s\n%s%s",
                    lua_isnil(L, 3) ? "coroutine" : "task that nobody awaited",
                    luaL_tolstring(L, 1, NULL),
                    traceback != NULL ? traceback : "",
                    traceback != NULL ? "\n" : "");
    fputs(lua_tostring(L, -1), stderr);
    fflush(stderr);
    return 0;
}

/* Calls the function on top of the stack with the three values at `first`.
 * False: its error is left on top. */
static bool call_with(lua_State *L, int first)
{
    for (int i = 0; i < 3; i++)
        lua_pushvalue(L, first + i);
    return lua_pcall(L, 3, 0, 0) == LUA_OK;
}

void slb_report(lua_State *L)
{
    int first = lua_gettop(L) - 2;

    if (!lua_checkstack(L, LUA_MINSTACK)) {
        fputs("sluice: an error that nobody awaited is lost: out of memory\n",
              stderr);
        lua_settop(L, first - 1);
        return;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key);
    if (lua_isnil(L, -1) || !call_with(L, first)) {
        if (!lua_isnil(L, -1))
            fprintf(stderr, "sluice: error in the handler of on_error: %s\n",
                    lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                   : luaL_typename(L, -1));
        lua_pushcfunction(L, print);
        if (!call_with(L, first))
            fputs("sluice: error in a task: cannot be printed\n", stderr);
    }
    lua_settop(L, first - 1);
}

/* stack: the coroutine's error -> error, traceback, nil */
static int add_traceback(lua_State *L)
{
    luaL_traceback(L, lua_touserdata(L, 2), NULL, 0);
    lua_pushnil(L);
    lua_remove(L, 2);
    return 3;
}

void slb_report_thread(lua_State *L, lua_State *coroutine)
{
    lua_pushcfunction(L, add_traceback);
    lua_pushvalue(coroutine, -1);
    lua_xmove(coroutine, L, 1);
    lua_pushlightuserdata(L, coroutine);
    if (lua_pcall(L, 2, 3, 0) != LUA_OK) {
        lua_pushnil(L); /* out of memory is what is reported */
        lua_pushnil(L);
    }
    slb_report(L);
}

/* on_error(handler) -> the handler before; each nil for printing on stderr
 * handler(message, traceback, task) is called by the loop, or by the collector,
 * and cannot wait. */
static int on_error(lua_State *L)
{
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key);
    lua_insert(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handler_key);
    return 1;
}

/* report_error(message, traceback, task) */
static int report_error(lua_State *L)
{
    lua_settop(L, 3);
    slb_report(L);
    return 0;
}

static const luaL_Reg functions[] = {
    {"on_error", on_error}, {"report_error", report_error}, {NULL, NULL}};

void slb_report_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
