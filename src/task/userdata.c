#include "task/userdata.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The element of a metatable that holds the address of its type's name: of all
 * keys the one that is found soonest, since checks are more frequent than
 * anything else here. */
#define TYPE_MARK 1

void slb_push_type(lua_State *L, const char *type)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, type) == LUA_TNIL) {
        lua_pop(L, 1);
        luaL_getmetatable(L, type);
    }
}

void *slb_new(lua_State *L, const char *type, size_t size, int values)
{
    void *created = lua_newuserdatauv(L, size, values);

    memset(created, 0, size);
    slb_push_type(L, type);
    lua_setmetatable(L, -2);
    return created;
}

void *slb_new_of(lua_State *L, int metatable, size_t size, int values)
{
    void *created = lua_newuserdatauv(L, size, values);

    memset(created, 0, size);
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, -2);
    return created;
}

void *slb_test(lua_State *L, int index, const char *type)
{
    void *object = lua_touserdata(L, index);
    bool is_it;

    if (object == NULL || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgeti(L, -1, TYPE_MARK);
    is_it = lua_touserdata(L, -1) == type;
    lua_pop(L, 2);
    return is_it ? object : luaL_testudata(L, index, type);
}

void *slb_check(lua_State *L, int index, const char *type)
{
    void *object = slb_test(L, index, type);

    return object != NULL ? object : luaL_checkudata(L, index, type);
}

void slb_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta)
{
    luaL_newmetatable(L, type);
    lua_pushlightuserdata(L, (void *)(uintptr_t)type);
    lua_rawseti(L, -2, TYPE_MARK);
    luaL_setfuncs(L, meta, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, type);
    if (methods != NULL) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}

void slb_type_variant(lua_State *L, const char *variant, const char *type,
                      const luaL_Reg *meta)
{
    slb_type(L, variant, NULL, meta);
    luaL_getmetatable(L, variant);
    lua_pushlightuserdata(L, (void *)(uintptr_t)type);
    lua_rawseti(L, -2, TYPE_MARK);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__name");
    lua_pop(L, 1);
}

void slb_share_methods(lua_State *L, const char *type, const char *name,
                       const luaL_Reg *methods, const luaL_Reg *more)
{
    luaL_getmetatable(L, type);
    if (lua_getfield(L, -1, "methods") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        if (more != NULL)
            luaL_setfuncs(L, more, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "methods");
    }
    lua_setfield(L, -3, name);
    lua_pop(L, 1);
}

void slb_weak_table(lua_State *L, const char *mode, const void *key)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

int slb_raise_disposed(lua_State *L, const char *type)
{
    return luaL_error(L, "use of disposed %s", type);
}
