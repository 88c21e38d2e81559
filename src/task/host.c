#include "task/host.h"

#include "task/report.h"
#include "task/scheduler.h"
#include "task/userdata.h"

static const char guard_type[] = "sluice.guard";

/* On the stack of a coroutine that its host has suspended: collected with it.
 */
struct guard {
    struct slb_ticket *ticket;
    uint32_t waits;
};

/* A host is a table of its functions. */
enum { HOST_SUSPEND = 1, HOST_RESUME = 2 };

/* In the registry: the hosts by coroutine, with weak keys. */
static const char bound_key;

/* The frame in which a coroutine is suspended. */
enum { FRAME_TICKET = 1, FRAME_GUARD = 2 };

static int guard_gc(lua_State *L)
{
    struct guard *guard = slb_check(L, 1, guard_type);
    struct slb_ticket *ticket = guard->ticket;

    if (ticket != NULL && ticket->runtime != NULL &&
        ticket->waits == guard->waits)
        slb_end_wait(ticket);
    guard->ticket = NULL;
    return 0;
}

/* Pushes the host that is asked in that position, 0 the one that L is bound to.
 * False: nothing is pushed. */
static bool push_host(lua_State *L, const struct slb_runtime *runtime,
                      lua_KContext position)
{
    if (position == 0) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &bound_key);
        lua_pushthread(L);
    } else {
        lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->hosts);
        lua_pushinteger(L, (lua_Integer)position);
    }
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* No host takes the coroutine. */
static int stay_without_host(lua_State *L, struct slb_ticket *ticket)
{
    struct guard *guard = lua_touserdata(L, FRAME_GUARD);
    const char *refusal = slb_scheduler_refusal(L, ticket->runtime);

    guard->ticket = NULL; /* the loop holds the coroutine */
    ticket->has_host = false;
    if (refusal == NULL)
        return slb_stay(L, ticket);
    slb_push_refusal(L, refusal);
    return lua_error(L);
}

static int ask(lua_State *L, lua_KContext position);

/* `suspend` has returned. A host may resume a coroutine for reasons of its own:
 * it is suspended again. */
static int returned(lua_State *L, int status, lua_KContext position)
{
    struct slb_ticket *ticket = lua_touserdata(L, FRAME_TICKET);
    bool is_declined = lua_isboolean(L, -1) && !lua_toboolean(L, -1);

    lua_settop(L, FRAME_GUARD);
    if (slb_is_over(ticket))
        return 0;
    if (status != LUA_OK)
        return ask(L, position);
    if (!is_declined)
        return luaL_error(L, "suspend returned before resume was called: it "
                             "has to yield, or to return false");
    return ask(L, position + 1);
}

static int ask(lua_State *L, lua_KContext position)
{
    struct slb_ticket *ticket = lua_touserdata(L, FRAME_TICKET);
    bool is_there = push_host(L, ticket->runtime, position);

    if (!is_there && position == 0)
        is_there = push_host(L, ticket->runtime, ++position);
    if (!is_there)
        return stay_without_host(L, ticket);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, SLB_TICKET_HOST);
    lua_pop(L, 1);
    ticket->has_values = true;
    ticket->has_host = true;
    lua_rawgeti(L, -1, HOST_SUSPEND);
    lua_pushthread(L);
    lua_callk(L, 1, 1, position, returned);
    return returned(L, LUA_OK, position);
}

/* stack: the ticket's address */
static int begin(lua_State *L)
{
    struct slb_ticket *ticket = lua_touserdata(L, FRAME_TICKET);
    struct guard *guard = slb_new(L, guard_type, sizeof *guard, 0);

    guard->ticket = ticket;
    guard->waits = ticket->waits;
    return ask(L, 0);
}

static int went_on(lua_State *L, int status, lua_KContext context)
{
    const struct slb_onward *onward = (const struct slb_onward *)context;
    struct slb_ticket *ticket = onward->ticket;
    int index = onward->context;

    if (status == LUA_OK || status == LUA_YIELD)
        return onward->k(L, status, index);
    slb_end_wait(ticket);
    lua_closeslot(L, index); /* it could end a later wait of the ticket */
    return lua_error(L);
}

int slb_wait_by_host(lua_State *L, struct slb_ticket *ticket,
                     struct slb_onward *onward, int index, lua_KFunction k)
{
    lua_KContext context = (lua_KContext)onward;

    *onward = (struct slb_onward){ticket, k, index};
    lua_pushcfunction(L, begin);
    lua_pushlightuserdata(L, ticket);
    return went_on(L, lua_pcallk(L, 1, 0, 0, context, went_on), context);
}

void slb_resume_by_host(lua_State *L)
{
    lua_getiuservalue(L, -2, SLB_TICKET_HOST);
    lua_rawgeti(L, -1, HOST_RESUME);
    lua_replace(L, -2);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return;
    lua_pushnil(L);
    lua_pushnil(L);
    slb_report(L);
}

/* host(suspend, resume) -> a host, to be entered */
static int new_host(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, HOST_SUSPEND);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, HOST_RESUME);
    return 1;
}

/* The table of hosts that are asked. */
static void push_hosts(lua_State *L, struct slb_runtime *runtime)
{
    if (runtime->hosts == 0) {
        lua_newtable(L);
        runtime->hosts = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->hosts);
}

/* Its place in the hosts at index 2, or the one behind them. */
static lua_Integer place_of_host(lua_State *L)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, 2);

    for (lua_Integer i = 1; i <= count; i++) {
        bool is_it;

        lua_rawgeti(L, 2, i);
        is_it = lua_rawequal(L, 1, -1);
        lua_pop(L, 1);
        if (is_it)
            return i;
    }
    return count + 1;
}

/* add_host(host) - asks it from now on, after those that are there. Idempotent
 */
static int add_host(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_hosts(L, runtime);
    lua_pushvalue(L, 1);
    lua_rawseti(L, 2, place_of_host(L));
    return 0;
}

/* remove_host(host) - asks it no more; what waits by it goes on by it.
 * Idempotent */
static int remove_host(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    lua_Integer count;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_hosts(L, runtime);
    count = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = place_of_host(L); i <= count; i++) {
        lua_rawgeti(L, 2, i + 1);
        lua_rawseti(L, 2, i);
    }
    return 0;
}

/* enter_host(host) - binds the coroutine that calls to it, unless a task runs
 * the coroutine */
static int enter_host(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);

    if (!lua_isyieldable(L) || slb_task_of(L, runtime) != NULL)
        return 0;
    push_hosts(L, runtime);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &bound_key);
    lua_pushthread(L);
    lua_pushvalue(L, 1);
    lua_rawset(L, -3);
    return 0;
}

/* is_busy() -> whether somebody waits: what loop:step answers */
static int is_busy(lua_State *L)
{
    const struct slb_runtime *runtime = slb_runtime(L);

    lua_pushboolean(L, runtime->waiting > 0 || runtime->loop.operations > 0 ||
                           sl_loop_has_work(&runtime->loop));
    return 1;
}

static const luaL_Reg functions[] = {
    {"host", new_host},           {"add_host", add_host},
    {"remove_host", remove_host}, {"enter_host", enter_host},
    {"is_busy", is_busy},         {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", guard_gc}, {NULL, NULL}};

void slb_host_open(lua_State *L)
{
    slb_type(L, guard_type, NULL, meta);
    slb_weak_table(L, "k", &bound_key);
    luaL_setfuncs(L, functions, 0);
}
