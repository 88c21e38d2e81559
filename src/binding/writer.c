#include "memory/writer.h"

#include "binding/options.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "task/userdata.h"

static const char writer_type[] = "sluice.writer";

#define INITIAL_SIZE ((size_t)512)
#define MAX_SIZE     ((size_t)64 * 1024 * 1024)

struct slb_writer {
    struct slb_runtime *runtime; /* NULL: disposed */
    struct sl_writer writer;
};

static struct slb_writer *check_handle(lua_State *L, int index)
{
    struct slb_writer *handle = slb_check(L, index, writer_type);

    if (handle->runtime == NULL)
        slb_raise_disposed(L, "writer");
    slb_check_usable(L, handle->runtime);
    return handle;
}

static struct slb_writer *check_writer(lua_State *L)
{
    return check_handle(L, 1);
}

struct sl_writer *slb_check_writer(lua_State *L, int index)
{
    struct sl_writer *writer = &check_handle(L, index)->writer;

    if (writer->state == SL_WRITER_DETACHED)
        luaL_error(L, "use of detached writer");
    return writer;
}

static struct sl_writer *check_live(lua_State *L)
{
    return slb_check_writer(L, 1);
}

/* writer{ initial_size = 512, max_size = 64 MiB } -> writer; sizes in bytes
 * Makes a contiguous block that grows. Raises for sizes that make no sense. */
static int new_writer(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_writer *handle;
    uint64_t initial_size = INITIAL_SIZE;
    uint64_t max_size = MAX_SIZE;

    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
    } else {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        slb_check_fields(
            L, "writer",
            (const char *const[]){"initial_size", "max_size", NULL});
        max_size = slb_field_size(L, "max_size", MAX_SIZE);
        if (max_size < initial_size)
            initial_size = max_size;
        initial_size = slb_field_size(L, "initial_size", initial_size);
    }
    handle = slb_new(L, writer_type, sizeof *handle, 0);
    if (sl_writer_init(&handle->writer, &runtime->pool, (size_t)initial_size,
                       (size_t)max_size) != SL_OK)
        return luaL_error(L, "writer: initial_size: 1 to max_size expected");
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    return 1;
}

static enum sl_status write_sequence(struct sl_writer *writer,
                                     const struct sl_sequence *sequence)
{
    struct sl_room room;
    enum sl_status status;

    if (sequence->size == 0)
        return SL_OK;
    status = sl_writer_reserve(writer, sequence->size, &room);
    if (status != SL_OK)
        return status;
    sl_sequence_copy_out(sequence, 0, room.data, sequence->size);
    return sl_writer_commit(writer, sequence->size);
}

/* writer:write(...) -> writer | nil, message, err (limit, memory)
 * Appends strings, numbers, sequences and leases; an argument that does not fit
 * leaves the content as it was before it. */
static int writer_write(lua_State *L)
{
    int count = lua_gettop(L);

    check_live(L);
    for (int i = 2; i <= count; i++) {
        struct sl_writer *writer;
        struct slb_bytes bytes;
        enum sl_status status;

        if (lua_type(L, i) == LUA_TNUMBER)
            lua_tostring(L, i);
        slb_check_bytes(L, i, &bytes);
        writer = check_live(L);
        status = bytes.sequence != NULL ? write_sequence(writer, bytes.sequence)
                                        : sl_writer_write(writer, bytes.text);
        if (status == SL_LIMIT)
            return slb_push_excess(L, "write", writer->max_size);
        if (status != SL_OK)
            return slb_push_outcome(L, status, "write");
        slb_note_bytes(L, check_writer(L)->runtime, bytes.size);
    }
    lua_settop(L, 1);
    return 1;
}

/* writer:view() -> string of the bytes written so far */
static int writer_view(lua_State *L)
{
    struct sl_view view = sl_writer_view(check_live(L));

    lua_pushlstring(L, view.data, view.size);
    return 1;
}

static int writer_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)sl_writer_view(check_live(L)).size);
    return 1;
}

/* writer:detach() -> lease over exactly the written bytes
 * The writer refuses use until reset. */
static int writer_detach(lua_State *L)
{
    struct sl_lease *lease;

    check_live(L);
    lease = slb_new_lease(L);
    if (sl_writer_detach(check_live(L), lease) != SL_OK)
        return luaL_error(L, "out of memory");
    return 1;
}

/* writer:reset() -> writer, empty and ready for use again */
static int writer_reset(lua_State *L)
{
    sl_writer_reset(&check_writer(L)->writer);
    lua_settop(L, 1);
    return 1;
}

/* writer:dispose() - gives its block back; idempotent */
static int writer_dispose(lua_State *L)
{
    struct slb_writer *handle = slb_check(L, 1, writer_type);
    struct slb_runtime *runtime = handle->runtime;

    if (runtime == NULL)
        return 0;
    sl_writer_dispose(&handle->writer);
    handle->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int writer_gc(lua_State *L)
{
    struct slb_writer *handle = slb_check(L, 1, writer_type);

    if (handle->runtime != NULL && handle->writer.block != NULL)
        handle->runtime->leaked++;
    return writer_dispose(L);
}

static int writer_describe(lua_State *L)
{
    struct slb_writer *handle = slb_check(L, 1, writer_type);

    if (handle->runtime == NULL)
        lua_pushliteral(L, "sluice.writer (disposed)");
    else if (handle->writer.state == SL_WRITER_DETACHED)
        lua_pushliteral(L, "sluice.writer (detached)");
    else
        lua_pushfstring(L, "sluice.writer (%I bytes)",
                        (LUAI_UACINT)handle->writer.size);
    return 1;
}

static const luaL_Reg functions[] = {{"writer", new_writer}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"write", writer_write},     {"view", writer_view},
    {"detach", writer_detach},   {"reset", writer_reset},
    {"dispose", writer_dispose}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", writer_length},
                                {"__close", writer_dispose},
                                {"__gc", writer_gc},
                                {"__tostring", writer_describe},
                                {NULL, NULL}};

void slb_writer_open(lua_State *L)
{
    slb_type(L, writer_type, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
