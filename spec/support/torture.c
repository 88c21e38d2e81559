/* spec/support/torture.c - Lua states whose memory runs out on demand: `require
 * "support.torture"`
 *
 *   local state <close> = torture.new(path, ...)   runs a file, which returns two
 *                                functions: a program and what comes after it
 *   state:call()                 runs the program
 *   state:call("pair", n)        its n-th allocation and the next one fail
 *   state:call("from", n)        its n-th and all after it fail
 *   state:call("over", n)        all of more than n bytes fail
 *        -> its error | nil, the error afterwards | nil, whether anything failed
 *
 * One failure alone shows nothing: Lua collects garbage and asks again. Memory is
 * back when the program has ended; garbage is collected, then the second function
 * runs. Nothing here is the code under test.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STATE "support.torture"

struct torture {
    lua_State *state;
    size_t count; /* allocations since the call began */
    size_t first; /* to fail; 0: none */
    size_t last;
    size_t limit; /* bytes of one allocation; 0: none */
    bool has_failed;
};

static bool must_fail(struct torture *torture, size_t size)
{
    if (torture->limit != 0 && size > torture->limit) {
        torture->has_failed = true;
        return true;
    }
    if (torture->first == 0)
        return false;
    torture->count++;
    if (torture->count < torture->first || torture->count > torture->last)
        return false;
    torture->has_failed = true;
    return true;
}

static void *allocate(void *owner, void *block, size_t old, size_t size)
{
    if (size == 0) {
        free(block);
        return NULL;
    }
    /* Without a block, `old` is a kind of object. Lua relies on shrinking. */
    if ((block == NULL || size > old) && must_fail(owner, size))
        return NULL;
    return realloc(block, size);
}

/* torture.new(path, string...) -> state; raises when the file does not run */
static int torture_new(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int count = lua_gettop(L) - 1;
    struct torture *torture = lua_newuserdatauv(L, sizeof *torture, 0);

    memset(torture, 0, sizeof *torture);
    luaL_setmetatable(L, STATE);
    torture->state = lua_newstate(allocate, torture);
    if (torture->state == NULL)
        return luaL_error(L, "no memory for a state");
    luaL_openlibs(torture->state);
    int status = luaL_loadfile(torture->state, path);
    for (int i = 0; i < count && status == LUA_OK; i++)
        lua_pushstring(torture->state, luaL_checkstring(L, i + 2));
    if (status == LUA_OK)
        status = lua_pcall(torture->state, count, 2, 0);
    if (status != LUA_OK)
        return luaL_error(L, "%s", lua_tostring(torture->state, -1));
    return 1;
}

static struct torture *check_state(lua_State *L)
{
    struct torture *torture = luaL_checkudata(L, 1, STATE);

    if (torture->state == NULL)
        luaL_error(L, "state is closed");
    return torture;
}

/* Calls the function at `index` of the state, then memory is back; pushes its
 * error or nil to L. */
static void call(lua_State *L, struct torture *torture, int index)
{
    lua_State *state = torture->state;

    lua_pushvalue(state, index);
    int status = lua_pcall(state, 0, 0, 0);
    torture->first = torture->limit = 0;
    if (status == LUA_OK)
        lua_pushnil(L);
    else
        lua_pushstring(L, luaL_tolstring(state, -1, NULL));
    lua_settop(state, 2);
}

/* state:call(mode, n) -> error | nil, error afterwards | nil, has_failed */
static int torture_call(lua_State *L)
{
    static const char *const modes[] = {"none", "pair", "from", "over", NULL};
    struct torture *torture = check_state(L);
    int mode = luaL_checkoption(L, 2, "none", modes);
    lua_Integer number = mode == 0 ? 0 : luaL_checkinteger(L, 3);
    lua_State *state = torture->state;

    torture->count = 0;
    torture->has_failed = false;
    torture->first = mode == 3 ? 0 : (size_t)number;
    torture->last = mode == 2 ? SIZE_MAX : (size_t)number + 1;
    torture->limit = mode == 3 ? (size_t)number : 0;
    call(L, torture, 1);
    lua_gc(state, LUA_GCCOLLECT);
    call(L, torture, 2);
    lua_pushboolean(L, torture->has_failed);
    return 3;
}

/* state:close(); idempotent */
static int torture_close(lua_State *L)
{
    struct torture *torture = luaL_checkudata(L, 1, STATE);

    if (torture->state != NULL)
        lua_close(torture->state);
    torture->state = NULL;
    return 0;
}

static const luaL_Reg methods[] = {
    {"call", torture_call}, {"close", torture_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", torture_close}, {"__close", torture_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", torture_new}, {NULL, NULL}};

int luaopen_support_torture(lua_State *L);

int luaopen_support_torture(lua_State *L)
{
    luaL_newmetatable(L, STATE);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
