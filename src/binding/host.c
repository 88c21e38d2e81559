/* What a C host calls, by the table of sluice.h: no function raises. */
#include "binding/signal.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "memory/writer.h"
#include "task/drive.h"
#include "sluice.h"

/* A function of the table, called in protected mode with the value at `index`,
 * if it is not 0, and this. */
struct call {
    double max_wait, budget;
    size_t offset, size;
    const void *data;
    void (*release)(void *owner);
    void *owner;
    int number;
    double seconds;
    void *found;
};

enum { CALL = 1, VALUE = 2 }; /* stack of the protected function */

/* 1 with the `results` on top; 0 with a message, a string. */
static int run(lua_State *L, lua_CFunction function, struct call *call,
               int index, int results)
{
    index = index != 0 ? lua_absindex(L, index) : 0;
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, call);
    if (index != 0)
        lua_pushvalue(L, index);
    if (lua_pcall(L, index != 0 ? 2 : 1, results, 0) == LUA_OK)
        return 1;
    if (!lua_isstring(L, -1)) {
        lua_pop(L, 1);
        lua_pushliteral(L, "error that is not a string");
    }
    return 0;
}

static struct call *call_of(lua_State *L)
{
    return lua_touserdata(L, CALL);
}

/* ---- the loop ---- */

static int find_pollfd(lua_State *L)
{
    struct call *call = call_of(L);

    call->number = sl_loop_pollfd(&slb_runtime(L)->loop);
    if (call->number < 0)
        return luaL_error(L, "the loop's descriptor cannot be made");
    return 0;
}

static int pollfd(lua_State *L)
{
    struct call call = {0};

    return run(L, find_pollfd, &call, 0, 0) ? call.number : -1;
}

static int find_timeout(lua_State *L)
{
    int64_t timeout = sl_loop_timeout(&slb_runtime(L)->loop);

    call_of(L)->seconds = timeout == SL_NEVER ? -1 : (double)timeout / 1e9;
    return 0;
}

/* What is wrong is reported by the step, which is due then. */
static double timeout(lua_State *L)
{
    struct call call = {0};

    if (run(L, find_timeout, &call, 0, 0))
        return call.seconds;
    lua_pop(L, 1);
    return 0;
}

static int64_t duration(double seconds)
{
    return seconds < 0 ? SL_NEVER : sl_clock_from_seconds(seconds);
}

static int make_step(lua_State *L)
{
    struct call *call = call_of(L);
    struct slb_runtime *runtime = slb_runtime(L);
    enum sl_status status =
        slb_step(L, runtime, duration(call->max_wait), duration(call->budget));

    if (status == SL_MISUSE)
        return luaL_error(L, "step: already inside a step of this loop");
    if (status == SL_MEMORY)
        return luaL_error(L, "out of memory");
    call->number = runtime->waiting > 0 || runtime->loop.operations > 0 ||
                   sl_loop_has_work(&runtime->loop);
    return 0;
}

static int step(lua_State *L, double max_wait, double budget)
{
    struct call call = {.max_wait = max_wait, .budget = budget};

    return run(L, make_step, &call, 0, 0) ? call.number : -1;
}

/* ---- sequences ---- */

static const struct sl_sequence *check_content(lua_State *L)
{
    struct sl_sequence *sequence = slb_test_sequence(L, VALUE);

    if (sequence != NULL)
        return sequence;
    return &slb_check_lease(L, VALUE)->content;
}

static int find_size(lua_State *L)
{
    call_of(L)->size = check_content(L)->size;
    return 0;
}

static size_t bytes_size(lua_State *L, int index)
{
    struct call call = {0};

    return run(L, find_size, &call, index, 0) ? call.size : (size_t)-1;
}

static int find_bytes(lua_State *L)
{
    struct call *call = call_of(L);
    const struct sl_sequence *content = check_content(L);
    struct sl_view view = {"", 0};

    if (call->offset < content->size)
        view = sl_sequence_at(content, call->offset);
    call->data = view.data;
    call->size = view.size;
    return 0;
}

static const char *bytes_at(lua_State *L, int index, size_t offset,
                            size_t *size)
{
    struct call call = {.offset = offset};

    if (!run(L, find_bytes, &call, index, 0))
        return NULL;
    *size = call.size;
    return call.data;
}

static int dispose_value(lua_State *L)
{
    if (lua_getfield(L, VALUE, "dispose") == LUA_TNIL)
        return luaL_error(L, "dispose: %s has nothing to dispose",
                          luaL_typename(L, VALUE));
    lua_pushvalue(L, VALUE);
    lua_call(L, 1, 0);
    return 0;
}

static int dispose(lua_State *L, int index)
{
    struct call call = {0};

    return run(L, dispose_value, &call, index, 0);
}

/* ---- bytes of the host's ---- */

static int reserve_room(lua_State *L)
{
    struct call *call = call_of(L);
    struct sl_room room;
    enum sl_status status =
        sl_writer_reserve(slb_check_writer(L, VALUE), call->size, &room);

    if (status == SL_LIMIT)
        return luaL_error(L, "reserve: more than the writer's max_size");
    if (status != SL_OK)
        return luaL_error(L, "out of memory");
    call->found = room.data;
    return 0;
}

static char *writer_reserve(lua_State *L, int index, size_t size)
{
    struct call call = {.size = size};

    return run(L, reserve_room, &call, index, 0) ? call.found : NULL;
}

static int commit_room(lua_State *L)
{
    if (sl_writer_commit(slb_check_writer(L, VALUE), call_of(L)->size) != SL_OK)
        return luaL_error(L, "commit: more than was reserved");
    return 0;
}

static int writer_commit(lua_State *L, int index, size_t size)
{
    struct call call = {.size = size};

    return run(L, commit_room, &call, index, 0);
}

/* Clears call->release once the lease has the bytes. */
static int make_lease(lua_State *L)
{
    struct call *call = call_of(L);
    struct slb_runtime *runtime = slb_runtime(L);
    struct sl_lease *lease = slb_new_lease(L);
    struct sl_segment *segment;

    if (sl_pool_adopt(&runtime->pool, call->data, call->size, call->release,
                      call->owner, &segment) != SL_OK)
        return luaL_error(L, "out of memory");
    call->release = NULL;
    if (sl_lease_hold(lease, segment) != SL_OK) {
        sl_segment_release(segment);
        return luaL_error(L, "out of memory");
    }
    return 1;
}

static int push_lease(lua_State *L, const void *data, size_t size,
                      void (*release)(void *owner), void *owner)
{
    struct call call = {
        .data = data, .size = size, .release = release, .owner = owner};
    int is_made = run(L, make_lease, &call, 0, 1);

    if (call.release != NULL)
        release(owner);
    return is_made;
}

/* ---- results of other threads ---- */

static int make_signal(lua_State *L)
{
    call_of(L)->found = slb_push_signal(L);
    return 1;
}

static struct sluice_signal *push_signal(lua_State *L)
{
    struct call call = {0};

    return run(L, make_signal, &call, 0, 1) ? call.found : NULL;
}

static int signal_done(struct sluice_signal *signal, const void *bytes,
                       size_t size)
{
    return slb_signal(signal, bytes, size);
}

static const struct sluice_api api = {
    .version = SLUICE_API_VERSION,
    .size = sizeof api,
    .pollfd = pollfd,
    .timeout = timeout,
    .step = step,
    .bytes_size = bytes_size,
    .bytes_at = bytes_at,
    .dispose = dispose,
    .writer_reserve = writer_reserve,
    .writer_commit = writer_commit,
    .push_lease = push_lease,
    .push_signal = push_signal,
    .signal = signal_done,
};

void slb_host_api_open(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&api);
    lua_setfield(L, LUA_REGISTRYINDEX, "sluice.api");
}
