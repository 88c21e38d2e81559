#include "binding/types.h"
#include "conn/pool.h"
#include "task/drive.h"
#include "task/outcome.h"
#include "task/seconds.h"
#include "task/userdata.h"

#include <errno.h>
#include <string.h>

#define LOOP "sluice.loop"

static const char loop_key;

/* A handle to the state's one loop; holds nothing of its own. */
static struct slb_runtime *check_loop(lua_State *L)
{
    luaL_checkudata(L, 1, LOOP);
    return slb_runtime(L);
}

static void step(lua_State *L, struct slb_runtime *runtime, int64_t max_wait,
                 int64_t budget, const char *name)
{
    enum sl_status status = slb_step(L, runtime, max_wait, budget);

    if (status == SL_MISUSE)
        luaL_error(L, "%s: already inside a step of this loop", name);
    if (status == SL_MEMORY)
        luaL_error(L, "out of memory");
}

/* loop:step(max_seconds = 0, budget = none)
 *     -> true while there is a waiter, else false
 *      , true while there is work for a step at once, else false
 * Delivers what is ready, waiting at most that long for it; ends after the unit
 * of work in which `budget` seconds were used up. Raises inside a step. Never
 * yields. */
static int loop_step(lua_State *L)
{
    struct slb_runtime *runtime = check_loop(L);
    const struct sl_loop *loop = &runtime->loop;
    int64_t max_wait = lua_isnoneornil(L, 2) ? 0 : slb_check_seconds(L, 2);
    int64_t budget = lua_isnoneornil(L, 3) ? SL_NEVER : slb_check_seconds(L, 3);

    step(L, runtime, max_wait, budget, "step");
    lua_pushboolean(L, runtime->waiting > 0 || loop->operations > 0 ||
                           sl_loop_has_work(loop));
    lua_pushboolean(L, sl_loop_has_work(loop));
    return 2;
}

/* The option `budget` of run's table at index 2, if there is one. */
static int64_t check_budget(lua_State *L)
{
    int64_t budget = SL_NEVER;

    if (lua_isnoneornil(L, 2))
        return SL_NEVER;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 2) != 0) {
        int is_number;
        lua_Number seconds = lua_tonumberx(L, -1, &is_number);

        lua_pushvalue(L, -2);
        if (strcmp(luaL_tolstring(L, -1, NULL), "budget") != 0)
            luaL_error(L, "run: unknown option '%s' (there is budget)",
                       lua_tostring(L, -1));
        if (!is_number || !(seconds >= 0))
            luaL_error(L,
                       "run: option 'budget': number of seconds, not negative, "
                       "expected, got %s",
                       luaL_tolstring(L, -3, NULL));
        budget = sl_clock_from_seconds(seconds);
        lua_pop(L, 3);
    }
    return budget;
}

/* loop:run { budget = none } -> steps until there is no waiter left, each of
 * them with that budget in seconds */
static int loop_run(lua_State *L)
{
    struct slb_runtime *runtime = check_loop(L);
    int64_t budget = check_budget(L);

    while (runtime->waiting > 0 || sl_loop_has_work(&runtime->loop)) {
        step(L, runtime, SLB_DRIVE_SLICE, budget, "run");
        if (!slb_run_hook(L))
            return lua_error(L);
    }
    return 0;
}

/* loop:spin(seconds) - sets how long a step polls before it sleeps, where
 * answers arrive sooner than a process wakes up; 0, the default: never */
static int loop_spin(lua_State *L)
{
    struct slb_runtime *runtime = check_loop(L);
    int64_t spin = slb_check_seconds(L, 2);

    if (spin > SL_MILLISECOND)
        return luaL_argerror(
            L, 2,
            lua_pushfstring(L, "at most 0.001 seconds expected, got %f",
                            lua_tonumber(L, 2)));
    runtime->loop.spin = spin;
    runtime->loop.usual_wait = 0;
    return 0;
}

/* loop:pollfd() -> a descriptor, constant for life, readable when there is work
 *                | nil, message, err */
static int loop_pollfd(lua_State *L)
{
    struct slb_runtime *runtime = check_loop(L);
    struct sl_failure failure;
    int fd;

    errno = 0;
    fd = sl_loop_pollfd(&runtime->loop);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        sl_fail_system(&failure, SL_LIMIT, SL_STAGE_NONE, errno);
        return slb_push_failure(L, &failure, "open the loop's descriptor");
    }
    if (fd < 0)
        return slb_push_outcome(L, SL_MEMORY, "open the loop's descriptor");
    lua_pushinteger(L, fd);
    return 1;
}

/* loop:events() -> "r", always: the event to poll the descriptor for */
static int loop_events(lua_State *L)
{
    check_loop(L);
    lua_pushliteral(L, "r");
    return 1;
}

/* loop:timeout() -> seconds after which to step without an event | nil:
 * never */
static int loop_timeout(lua_State *L)
{
    struct slb_runtime *runtime = check_loop(L);
    int64_t timeout = sl_loop_timeout(&runtime->loop);

    if (timeout == SL_NEVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)timeout / 1e9);
    return 1;
}

/* loop() -> the loop of this Lua state */
static int get_loop(lua_State *L)
{
    slb_runtime(L);
    lua_settop(L, 0);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key) == LUA_TNIL) {
        slb_new(L, LOOP, 1, 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key);
    }
    return 1;
}

static void add_stats(struct sl_pool_stats *sum,
                      const struct sl_pool_stats *stats)
{
    sum->rented += stats->rented;
    sum->returned += stats->returned;
    sum->high_water += stats->high_water;
    sum->bytes += stats->bytes;
    sum->spare += stats->spare;
    sum->quarantined += stats->quarantined;
}

/* stats() -> counters of this Lua state, see doc/guide/memory.md */
static int get_stats(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct sl_pool_stats pools = {0};
    struct slb_sized_pool *sized;
    size_t idle;
    size_t open;

    add_stats(&pools, &runtime->pool.stats);
    add_stats(&pools, &runtime->direct.stats);
    add_stats(&pools, &runtime->gone);
    for (sized = runtime->sized; sized != NULL; sized = sized->next)
        add_stats(&pools, &sized->pool.stats);
    sl_connections_count(runtime->connections, &idle, &open);

    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"outstanding", pools.rented - pools.returned},
        {"rented", pools.rented},
        {"returned", pools.returned},
        {"high_water", pools.high_water},
        {"bytes", pools.bytes},
        {"spare", pools.spare},
        {"quarantined", pools.quarantined},
        {"leaked", runtime->leaked},
        {"allocations", runtime->allocator.calls},
        {"operations", runtime->loop.operations},
        {"late_writes", runtime->loop.late_writes},
        {"timers", runtime->loop.timers.count},
        {"descriptors", runtime->loop.descriptors},
        {"waiting", runtime->waiting},
        {"connections", open},
        {"idle", idle},
        {"active", open - idle},
        {"requests", runtime->requests},
        {"resends", runtime->resends},
    };
    size_t count = sizeof counters / sizeof *counters;

    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)counters[i].value);
        lua_setfield(L, -2, counters[i].name);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"loop", get_loop}, {"stats", get_stats}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"step", loop_step},
                                   {"run", loop_run},
                                   {"pollfd", loop_pollfd},
                                   {"events", loop_events},
                                   {"timeout", loop_timeout},
                                   {"spin", loop_spin},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{NULL, NULL}};

void slb_loop_open(lua_State *L)
{
    slb_type(L, LOOP, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
