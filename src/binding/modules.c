#include "binding/modules.h"

#include "task/scheduler.h"

#include <stdlib.h>
#include <string.h>

/* In the registry: the environment of all modules. */
static const char environment_key;

static int compare(const void *name, const void *module)
{
    return strcmp(name, ((const struct slb_module *)module)->name);
}

/* "=sluice/client.lua" of "sluice.client", which text needs and compiled code
 * has. */
static const char *push_source(lua_State *L, const char *name)
{
    lua_pushliteral(L, SLB_OWN_SOURCE);
    luaL_gsub(L, name + strlen("sluice."), ".", "/");
    lua_pushliteral(L, ".lua");
    lua_concat(L, 3);
    return lua_tostring(L, -1);
}

/* A loader of require: (name, ":preload:") -> what the module returns */
static int load_module(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct slb_module *module =
        bsearch(name, slb_modules, slb_module_count, sizeof *module, compare);

    if (module == NULL)
        return luaL_error(L, "sluice has no module '%s'", name);
    if (luaL_loadbufferx(L, module->bytes, module->size, push_source(L, name),
                         NULL) != LUA_OK)
        return lua_error(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key);
    lua_setupvalue(L, -2, 1);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* A host may take globals from its programs once its libraries are loaded, and
 * a module may be loaded behind that. Others, as `warn`, are looked up where
 * they are used: programs replace them. */
static void keep_globals(lua_State *L)
{
    static const char *const names[] = {
        "assert", "coroutine", "debug",    "error",        "getmetatable",
        "io",     "ipairs",    "math",     "next",         "os",
        "pairs",  "pcall",     "rawequal", "rawget",       "rawlen",
        "rawset", "require",   "select",   "setmetatable", "string",
        "table",  "tonumber",  "tostring", "type",         "utf8",
        "xpcall"};
    const size_t count = sizeof names / sizeof names[0];

    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_getglobal(L, names[i]);
        lua_setfield(L, -2, names[i]);
    }
    lua_createtable(L, 0, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
}

void slb_modules_open(lua_State *L)
{
    keep_globals(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (size_t i = 0; i < slb_module_count; i++) {
        if (lua_getfield(L, -1, slb_modules[i].name) == LUA_TNIL) {
            lua_pushcfunction(L, load_module);
            lua_setfield(L, -3, slb_modules[i].name);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}
