#include "task/runtime.h"

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
