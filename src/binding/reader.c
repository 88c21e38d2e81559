#include "memory/reader.h"

#include "binding/formats.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "task/userdata.h"

static const char reader_type[] = "sluice.reader";

/* values: the sequence being read, which owns the segments */
struct slb_reader {
    struct sl_reader reader;
    bool is_closed;
};

/* Raises when it was closed or the sequence disposed. */
static struct sl_reader *check_reader(lua_State *L)
{
    struct slb_reader *handle = slb_check(L, 1, reader_type);

    if (handle->is_closed)
        luaL_error(L, "use of closed reader");
    lua_getiuservalue(L, 1, 1);
    slb_check_sequence(L, -1);
    lua_pop(L, 1);
    return &handle->reader;
}

/* sequence:reader() -> reader from its first byte */
int slb_sequence_reader(lua_State *L)
{
    struct sl_sequence *sequence = slb_check_sequence(L, 1);
    struct slb_reader *handle = slb_new(L, reader_type, sizeof *handle, 1);

    sl_reader_init(&handle->reader, sequence);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

/* ---- reading, by the formats of Lua's files ---- */

static void recheck(lua_State *L)
{
    check_reader(L);
}

/* stack: reader, `count` formats */
static int read_formats(lua_State *L, int count)
{
    luaL_checkstack(L, count + LUA_MINSTACK, "too many formats");
    for (int i = 0; i < count; i++) {
        struct sl_item item;

        slb_begin_item(lua_tointeger(L, 2 + i), &item);
        if (!slb_push_next(L, check_reader(L), &item, recheck)) {
            lua_pushnil(L);
            return i + 1;
        }
    }
    return count;
}

/* reader:read(...) -> as file:read: counts, "l", "L", "n", "a"; nil at the
 * end */
static int reader_read(lua_State *L)
{
    check_reader(L);
    return read_formats(L, slb_check_formats(L, 2));
}

/* upvalues: the reader, the count of formats, these */
static int next_formats(lua_State *L)
{
    int count = (int)lua_tointeger(L, lua_upvalueindex(2));

    lua_settop(L, 0);
    luaL_checkstack(L, count + 1, NULL);
    lua_pushvalue(L, lua_upvalueindex(1));
    for (int i = 0; i < count; i++)
        lua_pushvalue(L, lua_upvalueindex(3 + i));
    return read_formats(L, count);
}

/* for ... in reader:lines(...): as file:lines, the results of read(...) until
 * the first is nil; lines without their ends when no format is given */
static int reader_lines(lua_State *L)
{
    int count;

    check_reader(L);
    count = slb_check_formats(L, 2);
    lua_pushinteger(L, count);
    lua_insert(L, 2);
    lua_pushcclosure(L, next_formats, count + 2);
    return 1;
}

/* reader:seek(whence = "cur", offset = 0) -> position | nil, message, err */
static int reader_seek(lua_State *L)
{
    static const char *const names[] = {"set", "cur", "end", NULL};
    static const enum sl_whence whences[] = {SL_SEEK_SET, SL_SEEK_CURRENT,
                                             SL_SEEK_END};
    struct sl_reader *reader = check_reader(L);
    int whence = luaL_checkoption(L, 2, "cur", names);
    enum sl_status status =
        sl_reader_seek(reader, whences[whence], luaL_optinteger(L, 3, 0));

    if (status != SL_OK)
        return slb_push_outcome(L, status, "seek before the start");
    lua_pushinteger(L, (lua_Integer)reader->position);
    return 1;
}

/* reader:position() -> bytes before it */
static int reader_position(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_reader(L)->position);
    return 1;
}

/* #reader -> bytes of the whole sequence */
static int reader_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_reader(L)->sequence->size);
    return 1;
}

/* reader:close() -> true; the segments stay with their sequence. Idempotent. */
static int reader_close(lua_State *L)
{
    struct slb_reader *handle = slb_check(L, 1, reader_type);

    handle->is_closed = true;
    lua_pushboolean(L, true);
    return 1;
}

static int reader_describe(lua_State *L)
{
    struct slb_reader *handle = slb_check(L, 1, reader_type);

    if (handle->is_closed)
        lua_pushliteral(L, "sluice.reader (closed)");
    else
        lua_pushfstring(L, "sluice.reader (at %I)",
                        (LUAI_UACINT)handle->reader.position);
    return 1;
}

static const luaL_Reg methods[] = {
    {"read", reader_read},   {"lines", reader_lines},
    {"seek", reader_seek},   {"position", reader_position},
    {"close", reader_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", reader_length},
                                {"__close", reader_close},
                                {"__tostring", reader_describe},
                                {NULL, NULL}};

void slb_reader_open(lua_State *L)
{
    slb_type(L, reader_type, methods, meta);
}
