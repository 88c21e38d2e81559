#include "io/platform.h"

#include "binding/types.h"

/* platform() -> { supported, completion_model, expected_benefit, backends }
 * What this machine offers to completion transports; detected once. */
static int get_platform(lua_State *L)
{
    const struct sl_platform *platform = sl_platform();

    lua_createtable(L, 0, 4);
    lua_pushboolean(L, platform->is_supported);
    lua_setfield(L, -2, "supported");
    lua_pushstring(L, platform->completion_model);
    lua_setfield(L, -2, "completion_model");
    lua_pushstring(L, platform->expected_benefit);
    lua_setfield(L, -2, "expected_benefit");
    lua_newtable(L);
    for (int i = 0; platform->backends[i] != NULL; i++) {
        lua_pushstring(L, platform->backends[i]->name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "backends");
    return 1;
}

static const luaL_Reg functions[] = {{"platform", get_platform}, {NULL, NULL}};

void slb_platform_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
