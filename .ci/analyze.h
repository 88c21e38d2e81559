/* What Lua's headers do not say: these raise. For `make analyze` only. */
#include <lua.h>
#include <lauxlib.h>

#define RAISES __attribute__((noreturn))

int lua_error(lua_State *L) RAISES;
int luaL_error(lua_State *L, const char *format, ...) RAISES;
int luaL_argerror(lua_State *L, int index, const char *message) RAISES;
int luaL_typeerror(lua_State *L, int index, const char *type) RAISES;
