/* The target of response:save and of downloads: io/replacement.c as a handle of
 * the Lua layer. */
#include "binding/response.h"
#include "binding/types.h"
#include "io/replacement.h"
#include "task/userdata.h"

#include <string.h>

#define REPLACEMENT "sluice.replacement"

static struct sl_replacement *check_open(lua_State *L)
{
    struct sl_replacement *replacement = luaL_checkudata(L, 1, REPLACEMENT);

    if (replacement->fd < 0)
        luaL_error(L, "use of closed replacement");
    return replacement;
}

static int push_reason(lua_State *L, const struct sl_failure *failure)
{
    lua_pushnil(L);
    lua_pushstring(L, failure->reason);
    return 2;
}

/* A closed replacement is pushed, and the view of the name at index 1 is
 * checked. True; false: nil and a reason are pushed. */
static bool push_closed(lua_State *L, struct sl_replacement **replacement)
{
    size_t size;
    const char *path = luaL_checklstring(L, 1, &size);

    *replacement = lua_newuserdatauv(L, sizeof **replacement, 0);
    sl_replacement_init(*replacement);
    luaL_setmetatable(L, REPLACEMENT);
    if (strlen(path) == size)
        return true;
    lua_pushnil(L);
    lua_pushliteral(L, "the name contains a zero byte");
    return false;
}

/* replace_file(path, is_private) -> replacement | nil, reason
 * `is_private`: only the owner of the file may read it. */
static int replace_file(lua_State *L)
{
    bool is_private = lua_toboolean(L, 2);
    struct sl_replacement *replacement;
    struct sl_failure failure;

    if (!push_closed(L, &replacement))
        return 2;
    if (sl_replacement_open(replacement, lua_tostring(L, 1), is_private,
                            &failure) != SL_OK)
        return push_reason(L, &failure);
    return 1;
}

/* open_parts(path, is_kept, is_private) -> replacement | nil, reason */
static int open_parts(lua_State *L)
{
    bool is_kept = lua_toboolean(L, 2);
    bool is_private = lua_toboolean(L, 3);
    struct sl_replacement *replacement;
    struct sl_failure failure;

    if (!push_closed(L, &replacement))
        return 2;
    if (sl_replacement_open_parts(replacement, lua_tostring(L, 1), is_kept,
                                  is_private, &failure) != SL_OK)
        return push_reason(L, &failure);
    return 1;
}

/* replacement:write(sequence, from, offset) -> where the next write goes on
 * (`from` again when a FIFO is full) | nil, reason
 * `offset`: in the file; without it, behind what was written last. */
static int replacement_write(lua_State *L)
{
    struct sl_replacement *replacement = check_open(L);
    const struct sl_sequence *bytes = slb_check_sequence(L, 2);
    lua_Integer from = luaL_checkinteger(L, 3);
    lua_Integer offset = luaL_optinteger(L, 4, -1);
    size_t count = 0;
    struct sl_failure failure;

    luaL_argcheck(L, from >= 0 && (size_t)from < bytes->size, 3,
                  "out of range");
    if (sl_is_failure(sl_replacement_write(replacement, bytes, (size_t)from,
                                           offset, &count, &failure)))
        return push_reason(L, &failure);
    lua_pushinteger(L, from + (lua_Integer)count);
    return 1;
}

/* replacement:commit(is_durable) -> true | nil, reason */
static int replacement_commit(lua_State *L)
{
    struct sl_replacement *replacement = check_open(L);
    struct sl_failure failure;

    if (sl_replacement_commit(replacement, lua_toboolean(L, 2), &failure) !=
        SL_OK)
        return push_reason(L, &failure);
    lua_pushboolean(L, true);
    return 1;
}

/* replacement:size() -> bytes of the file so far | nil, reason */
static int replacement_size(lua_State *L)
{
    struct sl_failure failure;
    int64_t size;

    if (sl_replacement_size(check_open(L), &size, &failure) != SL_OK)
        return push_reason(L, &failure);
    lua_pushinteger(L, size);
    return 1;
}

/* replacement:cut(size) -> true | nil, reason */
static int replacement_cut(lua_State *L)
{
    struct sl_failure failure;

    if (sl_replacement_cut(check_open(L), luaL_checkinteger(L, 2), &failure) !=
        SL_OK)
        return push_reason(L, &failure);
    lua_pushboolean(L, true);
    return 1;
}

/* replacement:name() -> where its bytes are until it is committed */
static int replacement_name(lua_State *L)
{
    lua_pushstring(L, check_open(L)->temporary);
    return 1;
}

/* replacement:discard() - closes it; nothing is kept. Idempotent. */
static int replacement_discard(lua_State *L)
{
    sl_replacement_discard(luaL_checkudata(L, 1, REPLACEMENT));
    return 0;
}

static int replacement_close(lua_State *L)
{
    sl_replacement_close(luaL_checkudata(L, 1, REPLACEMENT));
    return 0;
}

/* is_untouched(response) -> whether nothing of its body was taken, other than
 * as the string that text() keeps */
static int is_untouched(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);
    const struct sl_response *received;
    size_t there;

    slb_check_unread(L, response);
    received = &response->exchange->incoming.response;
    there = received->body.length;
    if (response->has_text) {
        lua_getiuservalue(L, 1, SLB_RESPONSE_TEXT);
        there = lua_rawlen(L, -1);
    }
    lua_pushboolean(L, received->delivered == there);
    return 1;
}

static const luaL_Reg methods[] = {{"write", replacement_write},
                                   {"size", replacement_size},
                                   {"cut", replacement_cut},
                                   {"name", replacement_name},
                                   {"commit", replacement_commit},
                                   {"discard", replacement_discard},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", replacement_close}, {"__close", replacement_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"replace_file", replace_file},
                                     {"open_parts", open_parts},
                                     {"is_untouched", is_untouched},
                                     {NULL, NULL}};

void slb_save_open(lua_State *L)
{
    slb_type(L, REPLACEMENT, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
