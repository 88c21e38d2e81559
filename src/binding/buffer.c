#include "memory/buffer.h"

#include "binding/options.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "task/outcome.h"
#include "task/userdata.h"

static const char buffer_type[] = "sluice.buffer";

enum buffer_state { BUFFER_DISPOSED, BUFFER_LIVE, BUFFER_DETACHED };

struct slb_buffer {
    struct slb_runtime *runtime;
    struct sl_buffer content;
    enum buffer_state state;
};

static struct slb_buffer *check_handle(lua_State *L, int index)
{
    struct slb_buffer *handle = slb_check(L, index, buffer_type);

    if (handle->state == BUFFER_DISPOSED)
        slb_raise_disposed(L, "buffer");
    slb_check_usable(L, handle->runtime);
    return handle;
}

static struct slb_buffer *check_buffer(lua_State *L)
{
    return check_handle(L, 1);
}

struct sl_buffer *slb_check_buffer(lua_State *L, int index)
{
    struct slb_buffer *handle = check_handle(L, index);

    if (handle->state == BUFFER_DETACHED)
        luaL_error(L, "use of detached buffer");
    return &handle->content;
}

static struct sl_buffer *check_live(lua_State *L)
{
    return slb_check_buffer(L, 1);
}

/* buffer{ segment_size = 16384, max_size = unlimited } -> buffer; in bytes
 * A run of bytes in segments that grows at its tail. */
static int new_buffer(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_buffer *handle;
    struct sl_pool *pool;
    uint64_t max_size = SIZE_MAX;
    uint64_t segment_size = SL_SEGMENT_SIZE;

    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
    } else {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        slb_check_fields(
            L, "buffer",
            (const char *const[]){"segment_size", "max_size", NULL});
        max_size = slb_field_size(L, "max_size", SIZE_MAX);
        segment_size = slb_field_size(L, "segment_size", SL_SEGMENT_SIZE);
    }
    if (segment_size == 0)
        return luaL_error(L, "buffer: segment_size: positive size expected");
    handle = slb_new(L, buffer_type, sizeof *handle, 0);
    pool = slb_pool_of_size(runtime, (size_t)segment_size);
    if (pool == NULL)
        return luaL_error(L, "out of memory");
    sl_buffer_init(&handle->content, pool, (size_t)max_size);
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    handle->state = BUFFER_LIVE;
    return 1;
}

/* buffer:append(bytes) -> buffer | nil, message, err (limit, memory)
 * A string is copied into segments; a sequence or lease is linked. */
static int buffer_append(lua_State *L)
{
    struct sl_buffer *buffer = check_live(L);
    struct slb_bytes bytes;
    enum sl_status status;

    slb_check_bytes(L, 2, &bytes);
    status = bytes.sequence != NULL ? sl_sequence_link(bytes.sequence, buffer)
                                    : sl_buffer_append(buffer, bytes.text);
    if (status == SL_LIMIT)
        return slb_push_excess(L, "append", buffer->max_size);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "append");
    if (bytes.sequence == NULL)
        slb_note_bytes(L, check_buffer(L)->runtime, bytes.size);
    lua_settop(L, 1);
    return 1;
}

/* buffer:sequence() -> sequence over what it holds now; copies nothing */
static int buffer_sequence(lua_State *L)
{
    struct sl_sequence *sequence;

    check_live(L);
    sequence = slb_new_sequence(L);
    if (sl_sequence_show(sequence, check_live(L)) != SL_OK)
        return luaL_error(L, "out of memory");
    return 1;
}

static int buffer_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_live(L)->length);
    return 1;
}

/* buffer:reset() -> buffer, empty and ready for use again */
static int buffer_reset(lua_State *L)
{
    struct slb_buffer *handle = check_buffer(L);

    sl_buffer_reset(&handle->content);
    handle->state = BUFFER_LIVE;
    lua_settop(L, 1);
    return 1;
}

/* buffer:detach() -> lease over all its bytes; refuses use until reset */
static int buffer_detach(lua_State *L)
{
    struct sl_lease *lease;

    check_live(L);
    lease = slb_new_lease(L);
    if (sl_lease_take(lease, check_live(L)) != SL_OK)
        return luaL_error(L, "out of memory");
    check_buffer(L)->state = BUFFER_DETACHED;
    return 1;
}

/* buffer:dispose() - gives every segment back; idempotent */
static int buffer_dispose(lua_State *L)
{
    struct slb_buffer *handle = slb_check(L, 1, buffer_type);

    if (handle->state == BUFFER_DISPOSED)
        return 0;
    handle->state = BUFFER_DISPOSED;
    sl_buffer_fini(&handle->content);
    slb_pool_release(handle->runtime, handle->content.pool);
    slb_runtime_release(handle->runtime);
    return 0;
}

static int buffer_gc(lua_State *L)
{
    struct slb_buffer *handle = slb_check(L, 1, buffer_type);

    if (handle->state == BUFFER_LIVE && handle->content.length > 0)
        handle->runtime->leaked++;
    return buffer_dispose(L);
}

static int buffer_describe(lua_State *L)
{
    struct slb_buffer *handle = slb_check(L, 1, buffer_type);

    if (handle->state == BUFFER_DISPOSED)
        lua_pushliteral(L, "sluice.buffer (disposed)");
    else if (handle->state == BUFFER_DETACHED)
        lua_pushliteral(L, "sluice.buffer (detached)");
    else
        lua_pushfstring(L, "sluice.buffer (%I bytes)",
                        (LUAI_UACINT)handle->content.length);
    return 1;
}

static const luaL_Reg functions[] = {{"buffer", new_buffer}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"append", buffer_append},   {"sequence", buffer_sequence},
    {"reset", buffer_reset},     {"detach", buffer_detach},
    {"dispose", buffer_dispose}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", buffer_length},
                                {"__close", buffer_dispose},
                                {"__gc", buffer_gc},
                                {"__tostring", buffer_describe},
                                {NULL, NULL}};

void slb_buffer_open(lua_State *L)
{
    slb_type(L, buffer_type, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
