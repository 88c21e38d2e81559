#include "task/seconds.h"

#include <math.h>

int64_t slb_check_seconds(lua_State *L, int index)
{
    lua_Number seconds = luaL_checknumber(L, index);

    if (isnan(seconds) || seconds < 0)
        luaL_argerror(L, index,
                      lua_pushfstring(L,
                                      "number of seconds expected, not "
                                      "negative, got %f",
                                      seconds));
    return sl_clock_from_seconds(seconds);
}

int64_t slb_check_due(lua_State *L, int index, struct slb_runtime *runtime)
{
    int64_t timeout, now;

    if (lua_isnoneornil(L, index))
        return SL_NEVER;
    timeout = slb_check_seconds(L, index);
    now = sl_loop_refresh(&runtime->loop);
    return sl_clock_after(now, timeout);
}
