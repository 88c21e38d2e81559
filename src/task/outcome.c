#include "task/outcome.h"

#include "task/runtime.h"

#define ERROR "sluice.error"

static int error_tostring(lua_State *L)
{
    lua_getfield(L, 1, "message");
    return 1;
}

/* err:dispose(): the response that it holds, if there is one */
static int error_dispose(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushliteral(L, "response");
    if (lua_rawget(L, 1) == LUA_TNIL)
        return 0;
    lua_getfield(L, 2, "dispose");
    lua_insert(L, 2);
    lua_call(L, 1, 0);
    return 0;
}

static void set_error_metatable(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__tostring", error_tostring},
                                    {"__close", error_dispose},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"dispose", error_dispose},
                                       {NULL, NULL}};

    if (luaL_newmetatable(L, ERROR)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
}

static void push_error(lua_State *L, const struct sl_failure *failure)
{
    /* stack: message */
    lua_createtable(L, 0, 5);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, sl_status_name(failure->status));
    lua_setfield(L, -2, "code");
    if (failure->stage != SL_STAGE_NONE) {
        lua_pushstring(L, sl_stage_name(failure->stage));
        lua_setfield(L, -2, "stage");
    }
    lua_pushboolean(L, failure->is_retryable);
    lua_setfield(L, -2, "retryable");
    if (failure->system_error != 0) {
        lua_pushinteger(L, failure->system_error);
        lua_setfield(L, -2, "errno");
    }
    set_error_metatable(L);
}

static bool take_cancel(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);

    return runtime->take_cancel(L, runtime);
}

int slb_push_failure(lua_State *L, const struct sl_failure *failure,
                     const char *attempt)
{
    /* A connector's reason begins with the name or address that it tried. */
    bool has_object = failure->status != SL_CANCELLED &&
                      (failure->stage == SL_STAGE_CONNECT ||
                       failure->stage == SL_STAGE_RESOLVE);

    lua_pushnil(L);
    lua_pushfstring(L, has_object ? "%s %s" : "%s: %s", attempt,
                    failure->reason);
    if (failure->status == SL_CANCELLED && take_cancel(L)) {
        lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    push_error(L, failure);
    return 3;
}

int slb_push_outcome(lua_State *L, enum sl_status status, const char *attempt)
{
    struct sl_failure failure;

    switch (status) {
    case SL_OK:
        lua_pushboolean(L, true);
        return 1;
    case SL_AGAIN:
        lua_pushboolean(L, false);
        return 1;
    case SL_END:
        lua_pushnil(L);
        return 1;
    case SL_MISUSE:
        return luaL_error(L, "%s: not in this state", attempt);
    case SL_TIMEOUT:
        sl_fail(&failure, status, SL_STAGE_NONE, "timed out");
        break;
    case SL_MEMORY:
        sl_fail(&failure, status, SL_STAGE_NONE, "out of memory");
        break;
    case SL_LIMIT:
        sl_fail(&failure, status, SL_STAGE_NONE, "limit exceeded");
        break;
    default:
        sl_fail(&failure, status, SL_STAGE_NONE, "%s", sl_status_name(status));
        break;
    }
    return slb_push_failure(L, &failure, attempt);
}

int slb_push_excess(lua_State *L, const char *attempt, size_t limit)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_LIMIT, SL_STAGE_NONE,
            "content exceeds %zu bytes (max_size)", limit);
    return slb_push_failure(L, &failure, attempt);
}
