#include "task/generator.h"

#include "task/userdata.h"

static const char guard_type[] = "sluice.generator";

/* In the caller's frame while the coroutine waits: closes it with that frame.
 * No other caller may resume it meanwhile. */
struct guard {
    bool is_waiting;
    struct slb_along along;
};

/* upvalues of a generator */
enum { COROUTINE = 1, GUARD = 2 };

/* values of a guard: the coroutine, too; whose wait the caller waits along */
enum { GUARD_COROUTINE = 1, GUARD_WAITER = 2, GUARD_VALUES = 2 };

static int resume(lua_State *L, int count);

/* stack: ..., guard at the index */
static void end_along(lua_State *L, int index, struct guard *guard)
{
    lua_getiuservalue(L, index, GUARD_WAITER);
    slb_end_along(L, &guard->along);
    lua_pushnil(L);
    lua_setiuservalue(L, index, GUARD_WAITER);
}

static int guard_close(lua_State *L)
{
    struct guard *guard = slb_check(L, 1, guard_type);

    if (!guard->is_waiting)
        return 0;
    guard->is_waiting = false;
    lua_getiuservalue(L, 1, GUARD_COROUTINE);
    slb_close_thread(lua_tothread(L, -1), L);
    end_along(L, 1, guard);
    return 0;
}

/* What the coroutine waited for is over. */
static int resumed(lua_State *L, int status, lua_KContext context)
{
    struct guard *guard = lua_touserdata(L, lua_upvalueindex(GUARD));

    (void)status;
    guard->is_waiting = false;
    end_along(L, (int)context, guard);
    lua_closeslot(L, (int)context);
    lua_settop(L, 0);
    return resume(L, 0);
}

/* The coroutine has yielded a wait. */
static int wait_along(lua_State *L, struct slb_ticket *ticket)
{
    struct guard *guard = lua_touserdata(L, lua_upvalueindex(GUARD));

    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(GUARD));
    slb_begin_along(L, ticket, &guard->along); /* stack: guard, waiter */
    lua_setiuservalue(L, 1, GUARD_WAITER);
    guard->is_waiting = true;
    lua_toclose(L, 1);
    return slb_wait_along(L, ticket, &guard->along, resumed);
}

static int resume(lua_State *L, int count)
{
    struct slb_runtime *runtime = slb_runtime(L);
    lua_State *coroutine = lua_tothread(L, lua_upvalueindex(COROUTINE));
    bool is_wait;
    int status = slb_resume_within(L, runtime, coroutine, count, &count);

    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(coroutine, L, 1);
        if (lua_status(coroutine) == status)
            slb_close_thread(coroutine, L);
        return lua_error(L);
    }
    slb_push_waiting(L);
    is_wait = status == LUA_YIELD && count == 1 && runtime->yielded != NULL &&
              lua_touserdata(coroutine, -1) == lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (is_wait) {
        lua_pop(coroutine, 1);
        return wait_along(L, runtime->yielded);
    }
    if (!lua_checkstack(L, count)) {
        lua_pop(coroutine, count);
        return luaL_error(L, "too many results");
    }
    lua_xmove(coroutine, L, count);
    return count;
}

/* Why a coroutine cannot be resumed by a caller; NULL: it can. */
static const char *refusal_of(lua_State *coroutine, const struct guard *guard)
{
    lua_Debug call;

    if (guard->is_waiting)
        return "the generator waits for another caller";
    if (lua_status(coroutine) != LUA_OK)
        return NULL;
    if (lua_getstack(coroutine, 0, &call) != 0)
        return "cannot resume non-suspended coroutine";
    return lua_gettop(coroutine) == 0 ? "cannot resume dead coroutine" : NULL;
}

/* A generator: resumes its coroutine with the arguments. */
static int generate(lua_State *L)
{
    lua_State *coroutine = lua_tothread(L, lua_upvalueindex(COROUTINE));
    int count = lua_gettop(L);
    const char *refusal =
        refusal_of(coroutine, lua_touserdata(L, lua_upvalueindex(GUARD)));

    if (refusal != NULL)
        return luaL_error(L, "%s", refusal);
    if (!lua_checkstack(coroutine, count))
        return luaL_error(L, "too many arguments");
    lua_xmove(L, coroutine, count);
    return resume(L, count);
}

/* wrap(f) -> a function as of coroutine.wrap, in whose f waits are allowed */
static int wrap(lua_State *L)
{
    lua_State *coroutine;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    coroutine = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, coroutine, 1);
    slb_new(L, guard_type, sizeof(struct guard), GUARD_VALUES);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 3, GUARD_COROUTINE);
    lua_pushcclosure(L, generate, 2);
    return 1;
}

static const luaL_Reg meta[] = {{"__close", guard_close}, {NULL, NULL}};

void slb_generator_open(lua_State *L)
{
    slb_type(L, guard_type, NULL, meta);
    lua_pushcfunction(L, wrap);
    lua_setfield(L, -2, "wrap");
}
