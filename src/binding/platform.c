#include "io/platform.h"

#include "binding/types.h"
#include "tls/provider.h"

/* platform() -> { supported, completion_model, expected_benefit, backends,
 *                 tls_providers }
 * Says what this machine offers to completion transports, detected once, and
 * which TLS providers this build has, the default first. */
static int get_platform(lua_State *L)
{
    const struct sl_platform *platform = sl_platform();

    lua_createtable(L, 0, 5);
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
    lua_newtable(L);
    for (int i = 0; sl_tls_providers[i] != NULL; i++) {
        lua_pushstring(L, sl_tls_providers[i]->name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "tls_providers");
    return 1;
}

/* is_built(name) -> boolean
 * Whether this build has the backend, if the machine grants it or not. */
static int is_built(lua_State *L)
{
    lua_pushboolean(L, sl_backend_find(luaL_checkstring(L, 1)) != NULL);
    return 1;
}

static const luaL_Reg functions[] = {
    {"platform", get_platform},
    {"is_built", is_built},
    {NULL, NULL},
};

void slb_platform_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
