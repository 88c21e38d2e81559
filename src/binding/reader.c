#include "memory/reader.h"

#include "binding/types.h"

static const char reader_type[] = "sluice.reader";

/* The upvalues that a closure may have. */
#define FORMATS_MAX 250

/* values: the sequence it reads, which owns the segments */
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

/* At most `size` bytes, then `skipped` more are passed over. Making room may run
 * finalisers: the sequence may be disposed after that. */
static void push_rest(lua_State *L, struct sl_reader *reader, size_t size,
                      size_t skipped)
{
    luaL_Buffer text;
    size_t count = sl_reader_left(reader);
    char *room;

    if (count > size)
        count = size;
    room = luaL_buffinitsize(L, &text, count);
    check_reader(L);
    sl_reader_read(reader, room, count);
    sl_reader_skip(reader, skipped);
    luaL_pushresultsize(&text, count);
}

static bool push_line(lua_State *L, struct sl_reader *reader, bool keeps_end)
{
    size_t size;
    bool has_end = sl_reader_find(reader, '\n', &size);

    if (!has_end)
        size = sl_reader_left(reader);
    if (!has_end && size == 0)
        return false;
    if (has_end && keeps_end)
        size++;
    push_rest(L, reader, size, has_end && !keeps_end);
    return true;
}

/* ---- "n": what liolib reads as a number, and not a byte more ---- */

struct numeral {
    struct sl_reader *reader;
    size_t size;
    char text[201]; /* as long as liolib's */
};

static int next_byte(const struct numeral *numeral)
{
    struct sl_view view = sl_reader_peek(numeral->reader);

    return view.size > 0 ? (unsigned char)view.data[0] : '\0';
}

/* Takes one byte; a numeral that is too long becomes invalid. */
static bool take_byte(struct numeral *numeral)
{
    if (numeral->size >= sizeof numeral->text - 1) {
        numeral->text[0] = '\0';
        return false;
    }
    numeral->text[numeral->size++] = (char)next_byte(numeral);
    sl_reader_skip(numeral->reader, 1);
    return true;
}

static bool take_one_of(struct numeral *numeral, const char *set)
{
    int byte = next_byte(numeral);

    return byte != '\0' && strchr(set, byte) != NULL && take_byte(numeral);
}

static size_t take_digits(struct numeral *numeral, bool is_hexadecimal)
{
    const char *set = is_hexadecimal ? "0123456789abcdefABCDEF" : "0123456789";
    size_t count = 0;

    while (take_one_of(numeral, set))
        count++;
    return count;
}

static bool push_number(lua_State *L, struct sl_reader *reader)
{
    struct numeral numeral = {.reader = reader, .size = 0};
    size_t digits = 0;
    bool is_hexadecimal = false;

    while (next_byte(&numeral) != '\0' &&
           strchr(" \f\n\r\t\v", next_byte(&numeral)) != NULL)
        sl_reader_skip(reader, 1);
    take_one_of(&numeral, "+-");
    if (take_one_of(&numeral, "0")) {
        if (take_one_of(&numeral, "xX"))
            is_hexadecimal = true;
        else
            digits = 1;
    }
    digits += take_digits(&numeral, is_hexadecimal);
    if (take_one_of(&numeral, "."))
        digits += take_digits(&numeral, is_hexadecimal);
    if (digits > 0 && take_one_of(&numeral, is_hexadecimal ? "pP" : "eE")) {
        take_one_of(&numeral, "+-");
        take_digits(&numeral, false);
    }
    numeral.text[numeral.size] = '\0';
    return lua_stringtonumber(L, numeral.text) != 0;
}

/* One format at `index`; false at the end, with nothing pushed. */
static bool push_format(lua_State *L, struct sl_reader *reader, int index)
{
    const char *format;

    if (lua_type(L, index) == LUA_TNUMBER) {
        lua_Integer size = luaL_checkinteger(L, index);

        luaL_argcheck(L, size >= 0, index, "count is negative");
        if (sl_reader_left(reader) == 0)
            return false;
        push_rest(L, reader, (size_t)size, 0);
        return true;
    }
    format = luaL_checkstring(L, index);
    if (*format == '*')
        format++;
    switch (*format) {
    case 'n':
        return push_number(L, reader);
    case 'l':
        return push_line(L, reader, false);
    case 'L':
        return push_line(L, reader, true);
    case 'a':
        push_rest(L, reader, SIZE_MAX, 0);
        return true;
    default:
        return luaL_argerror(L, index, "invalid format") != 0;
    }
}

/* reader:read(...) -> as file:read: counts, "l", "L", "n", "a"; nil at the end */
static int reader_read(lua_State *L)
{
    struct sl_reader *reader = check_reader(L);
    int count = lua_gettop(L);

    if (count == 1) {
        if (!push_line(L, reader, false))
            lua_pushnil(L);
        return 1;
    }
    luaL_checkstack(L, count + LUA_MINSTACK, "too many formats");
    for (int i = 2; i <= count; i++) {
        if (!push_format(L, check_reader(L), i)) {
            lua_pushnil(L);
            return i - 1;
        }
    }
    return count - 1;
}

/* upvalues: the reader, the formats */
static int next_formats(lua_State *L)
{
    lua_settop(L, 0);
    luaL_checkstack(L, FORMATS_MAX + 1, NULL);
    for (int i = 1; !lua_isnone(L, lua_upvalueindex(i)); i++)
        lua_pushvalue(L, lua_upvalueindex(i));
    return reader_read(L);
}

/* for ... in reader:lines(...): as file:lines, what read(...) gives until the
 * first is nil; lines without their ends when no format is given */
static int reader_lines(lua_State *L)
{
    check_reader(L);
    luaL_argcheck(L, lua_gettop(L) <= FORMATS_MAX, FORMATS_MAX + 1,
                  "too many formats");
    lua_pushcclosure(L, next_formats, lua_gettop(L));
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
