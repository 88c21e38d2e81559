#include "binding/response.h"
#include "binding/types.h"
#include "base/ascii.h"
#include "task/userdata.h"

#include <string.h>

#define HEADERS "sluice.headers"

/* values: the response, whose head it shows */
struct slb_headers {
    bool is_trailers;
};

void slb_push_headers(lua_State *L, int response, bool is_trailers)
{
    struct slb_headers *headers;

    response = lua_absindex(L, response);
    headers = slb_new(L, HEADERS, sizeof *headers, 1);
    headers->is_trailers = is_trailers;
    lua_pushvalue(L, response);
    lua_setiuservalue(L, -2, 1);
}

static const struct sl_head no_fields;

static const struct sl_head *check_head(lua_State *L, int index)
{
    struct slb_headers *headers = luaL_checkudata(L, index, HEADERS);
    struct sl_exchange *exchange;

    lua_getiuservalue(L, index, 1);
    exchange = slb_check_response(L, -1)->exchange;
    lua_pop(L, 1);
    if (!headers->is_trailers)
        return &exchange->incoming.response.head;
    /* Trailers are shown once they are complete; until then they are empty. */
    return exchange->incoming.response.phase >= SL_PHASE_DECODING
               ? sl_response_trailers(&exchange->incoming.response)
               : &no_fields;
}

static void push_value(lua_State *L, const struct sl_head *head, size_t index)
{
    struct sl_view value = sl_head_value(head, index);

    lua_pushlstring(L, value.data, value.size);
}

static struct sl_view check_name(lua_State *L, int index)
{
    struct sl_view name;

    name.data = luaL_checklstring(L, index, &name.size);
    return name;
}

/* Making a string may run finalisers: the head at index 1 is looked up again
 * for each. */

/* Lines of one name count as one list, but for Set-Cookie, whose values hold
 * commas of their own (RFC 9110 5.3): there it is the first. */
static int push_joined(lua_State *L, struct sl_view name)
{
    const struct sl_head *head = check_head(L, 1);
    size_t index = sl_head_find(head, 0, name);
    luaL_Buffer joined;

    if (index == SIZE_MAX) {
        lua_pushnil(L);
        return 1;
    }
    if (sl_head_find(head, index + 1, name) == SIZE_MAX ||
        sl_equal_ignoring_case(name, SL_VIEW("set-cookie"))) {
        push_value(L, head, index);
        return 1;
    }
    luaL_buffinit(L, &joined);
    while (index != SIZE_MAX) {
        size_t size = sl_head_value(check_head(L, 1), index).size;
        char *room = luaL_prepbuffsize(&joined, size + 2);

        head = check_head(L, 1);
        memcpy(room, sl_head_value(head, index).data, size);
        index = sl_head_find(head, index + 1, name);
        if (index != SIZE_MAX)
            memcpy(room + size, ", ", 2);
        luaL_addsize(&joined, index != SIZE_MAX ? size + 2 : size);
    }
    luaL_pushresult(&joined);
    return 1;
}

/* headers:get(name) -> value | nil; the same as headers[name]: lines of that
 * name joined by ", ", but the first Set-Cookie */
static int headers_get(lua_State *L)
{
    return push_joined(L, check_name(L, 2));
}

/* headers:all(name) -> array of the values, in wire order */
static int headers_all(lua_State *L)
{
    struct sl_view name = check_name(L, 2);
    size_t index = 0;
    lua_Integer count = 0;

    lua_newtable(L);
    for (;;) {
        const struct sl_head *head = check_head(L, 1);

        index = sl_head_find(head, index, name);
        if (index == SIZE_MAX)
            return 1;
        push_value(L, head, index++);
        lua_rawseti(L, -2, ++count);
    }
}

/* ---- cookies ---- */

/* The line of the response's final head, complete, at or after `from`;
 * SIZE_MAX: no such line. */
static size_t find_set_cookie(const struct slb_response *response, size_t from)
{
    const struct sl_response *received;

    if (response->exchange == NULL) /* ended by a finaliser */
        return SIZE_MAX;
    received = &response->exchange->incoming.response;
    if (received->phase == SL_PHASE_HEAD)
        return SIZE_MAX;
    return sl_head_find(&received->head, from, SL_VIEW("set-cookie"));
}

int slb_push_set_cookies(lua_State *L, int index)
{
    const struct slb_response *response =
        slb_check(L, index, slb_response_type);
    size_t line = find_set_cookie(response, 0);
    lua_Integer count = 0;

    if (line == SIZE_MAX)
        return 0;
    luaL_checkstack(L, 4, NULL);
    lua_newtable(L);
    for (line = find_set_cookie(response, line); line != SIZE_MAX;
         line = find_set_cookie(response, line + 1)) {
        push_value(L, &response->exchange->incoming.response.head, line);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* set_cookies(response) -> array of the values of Set-Cookie, in wire order |
 * nil: it has none */
static int set_cookies(lua_State *L)
{
    return slb_push_set_cookies(L, 1);
}

/* The position of the line that is shown as that one, from 1; or SIZE_MAX. */
static size_t find_line(const struct sl_head *head, lua_Integer wanted)
{
    for (size_t i = 0; i < head->count; i++) {
        if (!sl_head_is_hidden(head, i) && --wanted == 0)
            return i;
    }
    return SIZE_MAX;
}

/* headers[i] -> { name, value } of one line | nil */
static int push_line(lua_State *L, lua_Integer wanted)
{
    const struct sl_head *head = check_head(L, 1);
    size_t index = wanted > 0 ? find_line(head, wanted) : SIZE_MAX;
    struct sl_view name;

    if (index == SIZE_MAX) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 2, 0);
    name = sl_head_name(check_head(L, 1), index);
    lua_pushlstring(L, name.data, name.size);
    lua_rawseti(L, -2, 1);
    push_value(L, check_head(L, 1), index);
    lua_rawseti(L, -2, 2);
    return 1;
}

static int headers_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_isinteger(L, 2))
        return push_line(L, lua_tointeger(L, 2));
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    return push_joined(L, check_name(L, 2));
}

/* stack: headers, (ignored); upvalue 1 counts */
static int headers_next(lua_State *L)
{
    const struct sl_head *head = check_head(L, 1);
    size_t index = (size_t)lua_tointeger(L, lua_upvalueindex(1));
    struct sl_view name;

    while (index < head->count && sl_head_is_hidden(head, index))
        index++;
    if (index >= head->count) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)index + 1);
    lua_replace(L, lua_upvalueindex(1));
    name = sl_head_name(head, index);
    lua_pushlstring(L, name.data, name.size);
    push_value(L, check_head(L, 1), index);
    return 2;
}

/* for name, value in pairs(headers): every line, in wire order */
static int headers_pairs(lua_State *L)
{
    check_head(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, headers_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

/* #headers -> lines */
static int headers_length(lua_State *L)
{
    const struct sl_head *head = check_head(L, 1);
    lua_Integer count = 0;

    for (size_t i = 0; i < head->count; i++)
        count += !sl_head_is_hidden(head, i);
    lua_pushinteger(L, count);
    return 1;
}

static const luaL_Reg methods[] = {
    {"get", headers_get}, {"all", headers_all}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__pairs", headers_pairs}, {"__len", headers_length}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"set_cookies", set_cookies},
                                     {NULL, NULL}};

void slb_headers_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    slb_type(L, HEADERS, NULL, meta);
    luaL_getmetatable(L, HEADERS);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, headers_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
