/* Request heads and their field lines, for the Lua layer. */
#include "binding/head.h"

#include "binding/scratch.h"
#include "binding/types.h"
#include "http/token.h"
#include "task/userdata.h"

#include <stdio.h>

#define HEAD_MAX ((size_t)1024 * 1024)

static const char head_type[] = "sluice.head";

/* What was tried, with a name of the caller's: what is not printable is
 * escaped, what is long is cut off. */
static const char *push_attempt(lua_State *L, const char *kind,
                                struct sl_view name)
{
    enum { SHOWN = 64 };
    luaL_Buffer shown;

    luaL_buffinit(L, &shown);
    for (size_t i = 0; i < name.size && i < SHOWN; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        char *room = luaL_prepbuffsize(&shown, 5);
        const char *format = byte >= ' ' && byte <= '~' ? "%c" : "\\x%02X";

        luaL_addsize(&shown, (size_t)snprintf(room, 5, format, byte));
    }
    if (name.size > SHOWN)
        luaL_addstring(&shown, "...");
    luaL_pushresult(&shown);
    return lua_pushfstring(L, "%s '%s'", kind, lua_tostring(L, -1));
}

/* Field lines from the array at `index`: name, value, name, value, ... */
static enum sl_status write_fields(lua_State *L, int index,
                                   struct sl_writer *writer, const char **error)
{
    lua_Integer count = luaL_len(L, index);

    for (lua_Integer i = 1; i < count; i += 2) {
        struct sl_view name;
        struct sl_view value;
        enum sl_status status;

        lua_geti(L, index, i);
        name = slb_check_view(L, -1);
        lua_geti(L, index, i + 1);
        value = slb_check_view(L, -1);
        status = sl_request_write_field(writer, name, value, error);
        if (status != SL_OK)
            return status; /* the name stays below for the message */
        lua_pop(L, 2);
    }
    return SL_OK;
}

/* A head of the bytes in the writer, which is disposed. */
static int push_head(lua_State *L, struct sl_writer *writer, size_t offset,
                     bool has_length)
{
    struct sl_view bytes = sl_writer_view(writer);
    struct slb_head *head = slb_new(L, head_type, sizeof *head + bytes.size, 0);

    memcpy(head->bytes, bytes.data, bytes.size);
    head->template.head = sl_view(head->bytes, bytes.size);
    head->template.offset = offset;
    head->has_length = has_length;
    sl_writer_dispose(writer);
    return 1;
}

/* head(method, target, host, fields, defaults, has_length)
 *   -> head | nil, message, err
 * Lines of a single sending are written between `fields` and `defaults`, which
 * are arrays of names and values by turns; with `has_length` a Content-Length
 * is one of them. `host` is the value of Host. */
static int new_head(lua_State *L)
{
    struct sl_view method = slb_check_view(L, 1);
    struct sl_view target = slb_check_view(L, 2);
    struct sl_view host = slb_check_view(L, 3);
    struct sl_writer *writer;
    const char *error = NULL;
    const char *attempt = "request line";
    enum sl_status status;
    size_t offset = 0;

    luaL_checktype(L, 4, LUA_TTABLE);
    luaL_checktype(L, 5, LUA_TTABLE);
    lua_settop(L, 6);
    writer = slb_push_scratch(L, HEAD_MAX);
    status = sl_request_write_line(writer, method, target, host, &error);
    if (status == SL_INVALID && !sl_is_token(method))
        attempt = push_attempt(L, "request method", method);
    for (int index = 4; status == SL_OK && index <= 5; index++) {
        status = write_fields(L, index, writer, &error);
        if (status != SL_OK)
            attempt = push_attempt(L, "header", slb_check_view(L, -2));
        else if (index == 4)
            offset = sl_writer_view(writer).size;
    }
    if (status == SL_OK)
        status = sl_request_write_end(writer);
    if (status != SL_OK)
        return slb_push_unwritten(L, writer, status, attempt, error);
    return push_head(L, writer, offset, lua_toboolean(L, 6));
}

const struct slb_head *slb_check_head(lua_State *L, int index)
{
    return slb_check(L, index, head_type);
}

struct sl_view slb_fill_head(lua_State *L, const struct slb_head *head,
                             int fields, uint64_t length,
                             char room[SLB_HEAD_ROOM])
{
    struct sl_request_lines lines = {{"", 0}, UINT64_MAX};
    bool has_fields = fields != 0 && !lua_isnil(L, fields);
    char *bytes = room;
    size_t size;

    if (head->has_length)
        lines.length = length;
    else if (!has_fields)
        return head->template.head;
    if (has_fields)
        lines.fields = slb_check_view(L, fields);
    size = sl_request_size(&head->template, &lines);
    if (size > SLB_HEAD_ROOM)
        bytes = lua_newuserdatauv(L, size, 0);
    sl_request_fill(&head->template, &lines, bytes);
    return sl_view(bytes, size);
}

/* field_lines(fields, kind = "trailer") -> string | nil, message, err
 * `kind` names a line in messages. */
static int field_lines(lua_State *L)
{
    const char *kind = luaL_optstring(L, 2, "trailer");
    struct sl_writer *writer;
    const char *error = NULL;
    enum sl_status status;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    writer = slb_push_scratch(L, HEAD_MAX);
    status = write_fields(L, 1, writer, &error);
    if (status != SL_OK)
        return slb_push_unwritten(L, writer, status,
                                  push_attempt(L, kind, slb_check_view(L, -2)),
                                  error);
    return slb_push_written(L, writer);
}

/* is_framing_field(name) -> whether only the client may set it */
static int is_framing_field(lua_State *L)
{
    lua_pushboolean(L, sl_request_is_framing_field(slb_check_view(L, 1)));
    return 1;
}

static const luaL_Reg functions[] = {{"head", new_head},
                                     {"field_lines", field_lines},
                                     {"is_framing_field", is_framing_field},
                                     {NULL, NULL}};

static const luaL_Reg head_meta[] = {{NULL, NULL}};

void slb_head_open(lua_State *L)
{
    slb_type(L, head_type, NULL, head_meta);
    luaL_setfuncs(L, functions, 0);
}
