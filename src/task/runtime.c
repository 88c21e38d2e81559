#include "task/runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNTIME "sluice.runtime"

/* How long a closing state waits for operations that the kernel holds. */
#define CLOSE_PATIENCE SL_SECOND

/* Bytes held outside Lua, and not given back meanwhile, that cost the collector
 * one step. */
#define COLLECT_STEP ((size_t)128 * 1024)

/* In generational mode a step collects young objects only: whatever handle two
 * steps have met alive is old, and stays with its bytes until all is collected.
 * Bytes that pile up by that are left alone up to here. */
#define PILE ((size_t)8 * 1024 * 1024)

static const char registry_key;

void slb_raise_unusable(lua_State *L, const struct slb_runtime *runtime)
{
    luaL_error(L, runtime->is_closing
                      ? "sluice is closed in this state"
                      : "sluice cannot be used after fork or from another "
                        "thread");
}

/* stack: ..., the box or nil -> ... */
static struct slb_runtime *pop_runtime(lua_State *L)
{
    struct slb_runtime **box = lua_touserdata(L, -1);
    struct slb_runtime *runtime = box != NULL ? *box : NULL;

    lua_pop(L, 1);
    if (runtime == NULL)
        luaL_error(L, "sluice is closed in this state");
    slb_check_usable(L, runtime);
    return runtime;
}

struct slb_runtime *slb_runtime(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    return pop_runtime(L);
}

void slb_push_runtime(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
}

struct slb_runtime *slb_runtime_of(lua_State *L, int number)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, number);
    return pop_runtime(L);
}

static void drop_sized(struct slb_runtime *runtime,
                       struct slb_sized_pool **place)
{
    struct slb_sized_pool *sized = *place;
    const struct sl_pool_stats *stats = &sized->pool.stats;

    *place = sized->next;
    runtime->gone.rented += stats->rented;
    runtime->gone.returned += stats->returned;
    runtime->gone.high_water += stats->high_water;
    sl_pool_fini(&sized->pool);
    sl_free(&runtime->allocator, sized, sizeof *sized);
}

void slb_runtime_retain(struct slb_runtime *runtime)
{
    runtime->refs++;
}

void slb_runtime_release(struct slb_runtime *runtime)
{
    if (--runtime->refs > 0)
        return;
    while (runtime->sized != NULL)
        drop_sized(runtime, &runtime->sized);
    sl_decoder_shelf_fini(&runtime->shelf);
    sl_pool_fini(&runtime->direct);
    sl_pool_fini(&runtime->pool);
    free(runtime);
}

static void warn_of_quarantine(lua_State *L, size_t count)
{
    char text[128];

    snprintf(text, sizeof text,
             "sluice: %zu operations had not ended when the state closed: "
             "their memory is never freed",
             count);
    lua_warning(L, text, 0);
}

/* The state closes, or the module is dropped: nothing is resumed any more. */
static int runtime_gc(lua_State *L)
{
    struct slb_runtime **box = luaL_checkudata(L, 1, RUNTIME);
    struct slb_runtime *runtime = *box;
    bool is_forked;
    size_t left;

    if (runtime == NULL)
        return 0;
    *box = NULL;
    runtime->is_closing = true;
    if (runtime->resolver != NULL)
        sl_resolver_destroy(runtime->resolver);
    runtime->resolver = NULL;
    /* A child of fork does not wait for what it inherits from its parent. */
    is_forked = sl_loop_is_forked(&runtime->loop);
    sl_loop_close(&runtime->loop, CLOSE_PATIENCE);
    left = is_forked ? 0 : runtime->loop.quarantined;
    slb_runtime_release(runtime);
    if (left > 0)
        warn_of_quarantine(L, left);
    return 0;
}

static int new_registry_table(lua_State *L)
{
    lua_newtable(L);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* `pooling` of the environment, for sanitizers and page-guard runs. */
static void choose_pool(struct sl_pool_options *options)
{
    const char *mode = getenv("SLUICE_POOL");

    *options = (struct sl_pool_options){.mode = SL_POOL_SLABS,
                                        .spare_limit = SIZE_MAX};
    if (mode != NULL && strcmp(mode, "direct") == 0)
        options->mode = SL_POOL_DIRECT;
    else if (mode != NULL && strcmp(mode, "guard") == 0)
        options->mode = SL_POOL_GUARD;
    options->poison = mode != NULL && strcmp(mode, "poison") == 0;
}

/* A module that is loaded a second time finds the runtime of the first. */
static bool is_open(lua_State *L)
{
    struct slb_runtime **box;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    box = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return box != NULL && *box != NULL;
}

void slb_runtime_open(lua_State *L)
{
    struct slb_runtime **box;
    struct slb_runtime *runtime;
    struct sl_pool_options options;

    if (is_open(L))
        return;
    box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, RUNTIME)) {
        lua_pushcfunction(L, runtime_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    runtime = calloc(1, sizeof *runtime);
    if (runtime == NULL)
        luaL_error(L, "out of memory");
    runtime->refs = 1;
    sl_allocator_init_system(&runtime->allocator);
    sl_decoder_shelf_init(&runtime->shelf, &runtime->allocator);
    choose_pool(&options);
    sl_pool_init(&runtime->pool, &runtime->allocator, &options);
    options.mode = SL_POOL_DIRECT;
    sl_pool_init(&runtime->direct, &runtime->allocator, &options);
    if (sl_loop_init(&runtime->loop, &runtime->allocator, &runtime->pool) !=
        SL_OK) {
        slb_runtime_release(runtime);
        luaL_error(L, "out of memory");
    }
    *box = runtime;
    /* Whatever coroutine opens the module may be gone soon. */
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    runtime->stepping = lua_tothread(L, -1);
    lua_pop(L, 1);
    runtime->tasks = new_registry_table(L);
    lua_pushvalue(L, -1);
    runtime->number = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
}

/* Drops unused pools that stayed because their segments were still out. */
static void drop_unused(struct slb_runtime *runtime)
{
    struct slb_sized_pool **place = &runtime->sized;

    while (*place != NULL) {
        if ((*place)->users == 0 && sl_pool_outstanding(&(*place)->pool) == 0)
            drop_sized(runtime, place);
        else
            place = &(*place)->next;
    }
}

struct sl_pool *slb_pool_of_size(struct slb_runtime *runtime,
                                 size_t segment_size)
{
    struct sl_pool_options options = runtime->pool.options;
    struct slb_sized_pool *sized;

    if (segment_size == SL_SEGMENT_SIZE)
        return &runtime->pool;
    for (sized = runtime->sized; sized != NULL; sized = sized->next) {
        if (sized->pool.options.segment_size == segment_size) {
            sized->users++;
            return &sized->pool;
        }
    }
    sized = sl_allocate(&runtime->allocator, sizeof *sized);
    if (sized == NULL)
        return NULL;
    options.mode = SL_POOL_DIRECT;
    options.segment_size = segment_size;
    sl_pool_init(&sized->pool, &runtime->allocator, &options);
    sized->users = 1;
    sized->next = runtime->sized;
    runtime->sized = sized;
    return &sized->pool;
}

static struct slb_sized_pool *sized_of(struct slb_runtime *runtime,
                                       struct sl_pool *pool)
{
    if (pool == &runtime->pool || pool == &runtime->direct)
        return NULL;
    return (
        struct slb_sized_pool *)(void *)((char *)pool -
                                         offsetof(struct slb_sized_pool, pool));
}

void slb_pool_retain(struct slb_runtime *runtime, struct sl_pool *pool)
{
    struct slb_sized_pool *sized = sized_of(runtime, pool);

    if (sized != NULL)
        sized->users++;
}

void slb_pool_release(struct slb_runtime *runtime, struct sl_pool *pool)
{
    struct slb_sized_pool *sized = sized_of(runtime, pool);

    if (sized != NULL && --sized->users == 0)
        drop_unused(runtime);
}

static size_t rented(const struct slb_runtime *runtime)
{
    return runtime->pool.stats.bytes + runtime->direct.stats.bytes;
}

/* As Lua decides about its own heap: more is there than twice what was left the
 * last time, or has been left since. */
static bool has_piled_up(lua_State *L, struct slb_runtime *runtime)
{
    size_t heap = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
    size_t bytes = rented(runtime);

    if (bytes < runtime->collected)
        runtime->collected = bytes;
    return bytes > 2 * runtime->collected + (heap > PILE ? heap : PILE);
}

/* Under a budget the collector works in small steps as long as the turn lasts.
 * The rest of the debt stays for the next one, and nothing is collected as a
 * whole: that takes as long as the program's heap is large. */
static void collect_within(lua_State *L, struct slb_runtime *runtime)
{
    do {
        lua_gc(L, LUA_GCSTEP, (int)(COLLECT_STEP / 1024));
        runtime->debt -= COLLECT_STEP;
    } while (runtime->debt >= COLLECT_STEP &&
             !sl_loop_is_turn_over(&runtime->loop));
}

void slb_collect(lua_State *L, struct slb_runtime *runtime)
{
    size_t bytes = runtime->debt;

    if (bytes < COLLECT_STEP)
        return;
    /* Stopped by the program: the debt stays until it is restarted. */
    if (!lua_gc(L, LUA_GCISRUNNING))
        return;
    if (sl_loop_has_budget(&runtime->loop)) {
        collect_within(L, runtime);
        return;
    }
    runtime->debt = 0;
    lua_gc(L, LUA_GCSTEP,
           (int)(bytes / 1024 > 1 << 20 ? 1 << 20 : bytes / 1024));
    if (!has_piled_up(L, runtime))
        return;
    lua_gc(L, LUA_GCCOLLECT);
    runtime->collected = rented(runtime);
}

/* ---- userdata ---- */

/* The element of a metatable that holds the address of its type's name: of all
 * keys the one that is found soonest, since checks are more frequent than
 * anything else here. */
#define TYPE_MARK 1

void slb_push_type(lua_State *L, const char *type)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, type) == LUA_TNIL) {
        lua_pop(L, 1);
        luaL_getmetatable(L, type);
    }
}

void *slb_new(lua_State *L, const char *type, size_t size, int values)
{
    void *created = lua_newuserdatauv(L, size, values);

    memset(created, 0, size);
    slb_push_type(L, type);
    lua_setmetatable(L, -2);
    return created;
}

void *slb_new_of(lua_State *L, int metatable, size_t size, int values)
{
    void *created = lua_newuserdatauv(L, size, values);

    memset(created, 0, size);
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, -2);
    return created;
}

void *slb_test(lua_State *L, int index, const char *type)
{
    void *object = lua_touserdata(L, index);
    bool is_it;

    if (object == NULL || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgeti(L, -1, TYPE_MARK);
    is_it = lua_touserdata(L, -1) == type;
    lua_pop(L, 2);
    return is_it ? object : luaL_testudata(L, index, type);
}

void *slb_check(lua_State *L, int index, const char *type)
{
    void *object = slb_test(L, index, type);

    return object != NULL ? object : luaL_checkudata(L, index, type);
}

void slb_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta)
{
    luaL_newmetatable(L, type);
    lua_pushlightuserdata(L, (void *)(uintptr_t)type);
    lua_rawseti(L, -2, TYPE_MARK);
    luaL_setfuncs(L, meta, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, type);
    if (methods != NULL) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}

void slb_type_variant(lua_State *L, const char *variant, const char *type,
                      const luaL_Reg *meta)
{
    slb_type(L, variant, NULL, meta);
    luaL_getmetatable(L, variant);
    lua_pushlightuserdata(L, (void *)(uintptr_t)type);
    lua_rawseti(L, -2, TYPE_MARK);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__name");
    lua_pop(L, 1);
}

void slb_share_methods(lua_State *L, const char *type, const char *name,
                       const luaL_Reg *methods, const luaL_Reg *more)
{
    luaL_getmetatable(L, type);
    if (lua_getfield(L, -1, "methods") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        if (more != NULL)
            luaL_setfuncs(L, more, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "methods");
    }
    lua_setfield(L, -3, name);
    lua_pop(L, 1);
}

void slb_weak_table(lua_State *L, const char *mode, const void *key)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

int slb_raise_disposed(lua_State *L, const char *type)
{
    return luaL_error(L, "use of disposed %s", type);
}

/* ---- outcomes ---- */

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
