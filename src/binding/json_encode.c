/* Lua values to JSON texts, by codec/json_write.h. */
#include "binding/json.h"

#include "binding/types.h"
#include "codec/json.h"
#include "codec/json_write.h"
#include "http/token.h"
#include "task/outcome.h"

#include <stdio.h>

enum kind {
    OBJECT,  /* keys in whatever order */
    ORDERED, /* an array whose keys have come as 1, 2, 3 until now */
    COUNTED  /* an array of `size` values, gone through by index */
};

/* Each has two slots of the stack: its table and its last key. */
struct writing {
    enum kind kind;
    lua_Integer count; /* values that were begun */
    lua_Integer size;
};

struct encoding {
    lua_State *L;
    struct sl_json_output output;
    int base; /* slot of the first level */
    int depth;
    const char *problem; /* of the value at the path of levels: SL_INVALID */
    const char *subject; /* the type that is one, or "" */
    struct writing levels[SL_JSON_DEPTH];
};

static enum sl_status refuse(struct encoding *encoding, const char *subject,
                             const char *problem)
{
    encoding->subject = subject;
    encoding->problem = problem;
    return SL_INVALID;
}

static enum sl_status refuse_key(struct encoding *encoding, int type)
{
    if (type == LUA_TSTRING || type == LUA_TNUMBER)
        return refuse(encoding, "",
                      "keys of an array and of an object in one table");
    return refuse(encoding, lua_typename(encoding->L, type),
                  " as a key (a string or an index expected)");
}

/* Goes through all keys of the table at `table`, which must be 1 to n in any
 * order. stack: unchanged */
static enum sl_status count_items(struct encoding *encoding, int table,
                                  lua_Integer *size)
{
    lua_State *L = encoding->L;
    lua_Integer last = 0;

    *size = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1))
            return refuse_key(encoding, lua_type(L, -1));
        if (lua_tointeger(L, -1) < 1)
            return refuse(encoding, "", "an index below 1");
        if (lua_tointeger(L, -1) > last)
            last = lua_tointeger(L, -1);
        ++*size;
    }
    if (last != *size)
        return refuse(encoding, "",
                      "an array with holes (json.null may stand there)");
    return SL_OK;
}

/* Whether the table on top is marked as an array. */
static bool is_marked(lua_State *L)
{
    bool is_it;

    if (!lua_getmetatable(L, -1))
        return false;
    is_it = lua_rawequal(L, -1, SLB_JSON_ARRAY);
    lua_pop(L, 1);
    return is_it;
}

/* Begins a level. Its first key and value are on top, and decide its kind.
 * stack: ..., table, key, value -> ..., table, nil */
static enum sl_status begin_level(struct encoding *encoding, bool is_array)
{
    lua_State *L = encoding->L;
    struct writing *level = &encoding->levels[encoding->depth];
    int type = lua_type(L, -2);
    bool is_first = lua_isinteger(L, -2) && lua_tointeger(L, -2) == 1;

    if (encoding->depth == SL_JSON_DEPTH)
        return refuse(
            encoding, "",
            "more than " SL_NUMERAL(SL_JSON_DEPTH) " levels of tables (fixed), "
                                                   "or one within itself");
    lua_pop(L, 2);
    lua_pushnil(L);
    level->count = 0;
    level->kind = OBJECT;
    if (is_array || type != LUA_TSTRING)
        level->kind = ORDERED;
    if (level->kind == ORDERED && !is_first) {
        enum sl_status status =
            count_items(encoding, lua_gettop(L) - 1, &level->size);

        if (status != SL_OK)
            return status;
        level->kind = COUNTED;
    }
    encoding->depth++;
    return sl_json_put(&encoding->output, level->kind == OBJECT ? '{' : '[');
}

/* stack: ..., table -> ... when empty, else ..., table, nil */
static enum sl_status put_table(struct encoding *encoding)
{
    lua_State *L = encoding->L;
    bool is_array;

    if (!lua_checkstack(L, LUA_MINSTACK))
        return SL_MEMORY;
    is_array = is_marked(L);
    lua_pushnil(L);
    if (lua_next(L, -2))
        return begin_level(encoding, is_array);
    lua_pop(L, 1);
    return sl_json_put_word(&encoding->output,
                            is_array ? SL_VIEW("[]") : SL_VIEW("{}"));
}

static enum sl_status put_text(struct encoding *encoding, int index,
                               const char *subject)
{
    struct sl_view text;
    enum sl_status status;

    text.data = lua_tolstring(encoding->L, index, &text.size);
    status = sl_json_put_text(&encoding->output, text);
    if (status == SL_INVALID)
        return refuse(encoding, subject, " that is not UTF-8");
    return status;
}

static enum sl_status put_number(struct encoding *encoding)
{
    lua_State *L = encoding->L;
    enum sl_status status;

    if (lua_isinteger(L, -1))
        return sl_json_put_integer(&encoding->output, lua_tointeger(L, -1));
    status = sl_json_put_double(&encoding->output, lua_tonumber(L, -1));
    if (status == SL_INVALID)
        return refuse(encoding, "", "infinity and NaN have no JSON form");
    return status;
}

/* stack: ..., value -> ..., and what a level has */
static enum sl_status put_value(struct encoding *encoding)
{
    lua_State *L = encoding->L;
    struct sl_json_output *output = &encoding->output;
    int type = lua_type(L, -1);
    enum sl_status status;

    switch (type) {
    case LUA_TSTRING:
        status = put_text(encoding, -1, "a string");
        break;
    case LUA_TNUMBER:
        status = put_number(encoding);
        break;
    case LUA_TBOOLEAN:
        status = sl_json_put_word(
            output, lua_toboolean(L, -1) ? SL_VIEW("true") : SL_VIEW("false"));
        break;
    case LUA_TTABLE:
        return put_table(encoding);
    case LUA_TNIL: /* given, not found in a table */
        status = sl_json_put_word(output, SL_VIEW("null"));
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1) == SLB_JSON_NULL) {
            status = sl_json_put_word(output, SL_VIEW("null"));
            break;
        }
        if (lua_touserdata(L, -1) == &slb_json_empty_array) {
            status = sl_json_put_word(output, SL_VIEW("[]"));
            break;
        }
        /* fall through */
    default:
        return refuse(encoding, lua_typename(L, type), " has no JSON form");
    }
    lua_pop(L, 1);
    return status;
}

/* stack: ..., table, key -> ... */
static enum sl_status end_level(struct encoding *encoding, char bracket,
                                int slots)
{
    lua_pop(encoding->L, slots);
    encoding->depth--;
    return sl_json_put(&encoding->output, bracket);
}

/* stack: ..., table, key -> ..., table, next key, value; or as end_level
 * leaves it */
static enum sl_status put_next_pair(struct encoding *encoding,
                                    struct writing *level)
{
    lua_State *L = encoding->L;
    enum sl_status status = SL_OK;

    if (!lua_next(L, -2))
        return end_level(encoding, '}', 1);
    if (lua_type(L, -2) != LUA_TSTRING) {
        encoding->depth--; /* the table is wrong, not what it holds */
        return refuse_key(encoding, lua_type(L, -2));
    }
    if (level->count++ > 0)
        status = sl_json_put(&encoding->output, ',');
    if (status == SL_OK)
        status = put_text(encoding, -2, "a key");
    if (status == SL_OK)
        status = sl_json_put(&encoding->output, ':');
    return status == SL_OK ? put_value(encoding) : status;
}

static enum sl_status put_next_item(struct encoding *encoding,
                                    struct writing *level)
{
    lua_State *L = encoding->L;
    enum sl_status status = SL_OK;

    if (level->kind == ORDERED) {
        if (!lua_next(L, -2))
            return end_level(encoding, ']', 1);
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != level->count + 1) {
            lua_pop(L, 1);
            status = count_items(encoding, lua_gettop(L) - 1, &level->size);
            if (status != SL_OK) {
                encoding->depth--; /* the table is wrong, not what it holds */
                return status;
            }
            level->kind = COUNTED;
        }
    }
    if (level->kind == COUNTED) {
        if (level->count == level->size)
            return end_level(encoding, ']', 2);
        lua_rawgeti(L, -2, level->count + 1);
    }
    if (level->count++ > 0)
        status = sl_json_put(&encoding->output, ',');
    return status == SL_OK ? put_value(encoding) : status;
}

/* Writes the value on top of the stack, all of it or nothing. Neither raises
 * nor runs a finaliser: it makes nothing that a finaliser could look at. */
static enum sl_status encode(struct encoding *encoding,
                             struct sl_writer *writer)
{
    enum sl_status status;

    encoding->base = lua_gettop(encoding->L);
    encoding->depth = 0;
    sl_json_begin(&encoding->output, writer);
    status = put_value(encoding);
    while (status == SL_OK && encoding->depth > 0) {
        struct writing *level = &encoding->levels[encoding->depth - 1];

        status = level->kind == OBJECT ? put_next_pair(encoding, level)
                                       : put_next_item(encoding, level);
    }
    if (status == SL_OK)
        sl_json_finish(&encoding->output);
    else
        sl_json_undo(&encoding->output);
    return status;
}

/* " at list[2].name", the path of the wrong value; "" for the outermost one. */
static void describe_path(const struct encoding *encoding, char *to,
                          size_t size)
{
    size_t used = 0;
    int i;

    *to = '\0';
    for (i = 0; i < encoding->depth && used < size - 1; i++) {
        const struct writing *level = &encoding->levels[i];
        int key = encoding->base + 2 * i + 1;
        char name[40] = "";
        struct sl_view text;
        int added;

        if (level->kind == OBJECT &&
            lua_type(encoding->L, key) == LUA_TSTRING) {
            text.data = lua_tolstring(encoding->L, key, &text.size);
            sl_escape(name, sizeof name, text);
            added = snprintf(to + used, size - used, "%s%s",
                             used > 0 ? "." : " at ", name);
        } else {
            added = snprintf(to + used, size - used, "%s[%lld]",
                             used > 0 ? "" : " at ", (long long)level->count);
        }
        used += added > 0 ? (size_t)added : 0;
    }
}

static int push_bad_value(struct encoding *encoding, enum sl_status status)
{
    struct sl_failure failure;
    char path[128];

    if (status == SL_LIMIT) {
        sl_fail(&failure, status, SL_STAGE_NONE,
                "text exceeds the %zu bytes of its writer (max_size)",
                encoding->output.writer->max_size);
        return slb_push_failure(encoding->L, &failure, "encode JSON");
    }
    if (status != SL_INVALID)
        return slb_push_outcome(encoding->L, status, "encode JSON");
    describe_path(encoding, path, sizeof path);
    sl_fail(&failure, status, SL_STAGE_NONE, "%s%s%s", encoding->subject,
            encoding->problem, path);
    return slb_push_failure(encoding->L, &failure, "encode JSON");
}

/* json.encode(value, writer) -> writer
 *                             | nil, message, err (invalid, limit, memory) */
int slb_json_encode(lua_State *L)
{
    struct encoding encoding;
    struct sl_writer *writer = slb_check_writer(L, 2);
    size_t before = sl_writer_view(writer).size;
    enum sl_status status;

    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    encoding.L = L;
    status = encode(&encoding, writer);
    if (status != SL_OK)
        return push_bad_value(&encoding, status);
    slb_note_bytes(L, slb_runtime(L), sl_writer_view(writer).size - before);
    lua_settop(L, 2);
    return 1;
}

#define TEXT_INITIAL ((size_t)512)
#define TEXT_MAX     ((size_t)64 * 1024 * 1024)
#define TEXT_SMALL   4096

/* stack: a view -> its string */
static int push_view(lua_State *L)
{
    const struct sl_view *view = lua_touserdata(L, 1);

    lua_pushlstring(L, view->data, view->size);
    return 1;
}

/* The writer is disposed whether the string can be made or not. */
static int push_written(lua_State *L, struct sl_writer *writer)
{
    struct sl_view view = sl_writer_view(writer);
    char small[TEXT_SMALL];
    int status;

    if (view.size <= sizeof small) {
        memcpy(small, view.data, view.size);
        sl_writer_dispose(writer);
        lua_pushlstring(L, small, view.size);
        return 1;
    }
    lua_pushcfunction(L, push_view);
    lua_pushlightuserdata(L, &view);
    status = lua_pcall(L, 1, 1, 0);
    sl_writer_dispose(writer);
    return status == LUA_OK ? 1 : lua_error(L);
}

/* json.text(value) -> string | nil, message, err (invalid, limit, memory) */
int slb_json_text(lua_State *L)
{
    struct encoding encoding;
    struct sl_writer writer;
    enum sl_status status;

    luaL_checkany(L, 1);
    lua_settop(L, 1);
    sl_writer_init(&writer, &slb_runtime(L)->pool, TEXT_INITIAL, TEXT_MAX);
    lua_pushvalue(L, 1);
    encoding.L = L;
    status = encode(&encoding, &writer);
    if (status == SL_OK)
        return push_written(L, &writer);
    sl_writer_dispose(&writer);
    return push_bad_value(&encoding, status);
}
