#include "task/scheduler.h"

#include <string.h>

/* In the registry: the start of the names of this library's own files. */
static const char own_files_key;

bool slb_is_of_scheduler(lua_State *L)
{
    int top = lua_gettop(L);
    bool is_it = false;

    /* cqueues.running() -> controller, whether it runs this very coroutine */
    if (lua_checkstack(L, LUA_MINSTACK) &&
        lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE &&
        lua_getfield(L, -1, "cqueues") == LUA_TTABLE &&
        lua_getfield(L, -1, "running") == LUA_TFUNCTION)
        is_it = lua_pcall(L, 0, 2, 0) == LUA_OK && lua_toboolean(L, -1);
    lua_settop(L, top);
    return is_it;
}

/* Whether a function is one of this library's. */
static bool is_own(lua_State *L, const lua_Debug *info)
{
    const char *own;
    bool is_it;

    if (*info->what == 'C')
        return true;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &own_files_key);
    own = lua_tostring(L, -1);
    is_it = own != NULL && strncmp(info->source, own, strlen(own)) == 0;
    lua_pop(L, 1);
    return is_it;
}

/* "file:line: " of the function that called into the library; or "". */
static void push_position(lua_State *L)
{
    lua_Debug info;

    for (int level = 1; lua_getstack(L, level, &info); level++) {
        lua_getinfo(L, "Sl", &info);
        if (!is_own(L, &info) && info.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", info.short_src, info.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

void slb_push_refusal(lua_State *L)
{
    push_position(L);
    lua_pushliteral(
        L, "cannot wait in a coroutine of cqueues without its adapter: call "
           "this in a task (sluice.spawn), and step sluice.loop() in a "
           "coroutine of cqueues");
    lua_concat(L, 2);
}

/* own_files(start): how the names of the library's own files begin */
static int own_files(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &own_files_key);
    return 0;
}

void slb_scheduler_open(lua_State *L)
{
    lua_pushcfunction(L, own_files);
    lua_setfield(L, -2, "own_files");
}
