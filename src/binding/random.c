/* Bytes that nobody can guess, for the Lua layer. */
#include "binding/types.h"
#include "task/outcome.h"
#include "tls/provider.h"

#include <lauxlib.h>

#define RANDOM_MAX 256

/* random(n) -> string of n random bytes, 1 to 256 | nil, message, err (tls) */
static int push_random(lua_State *L)
{
    lua_Integer size = luaL_checkinteger(L, 1);
    char bytes[RANDOM_MAX];
    enum sl_status status;

    luaL_argcheck(L, size >= 1 && size <= RANDOM_MAX, 1, "1 to 256 expected");
    status = sl_tls_random(bytes, (size_t)size);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "random bytes");
    lua_pushlstring(L, bytes, (size_t)size);
    return 1;
}

void slb_random_open(lua_State *L)
{
    lua_pushcfunction(L, push_random);
    lua_setfield(L, -2, "random");
}
