/* Properties of a response that a script reads by name: response.status,
 * response.headers. */
#include "binding/response.h"
#include "binding/tls.h"
#include "binding/types.h"

#include <string.h>

static int push_timings(lua_State *L, const struct sl_exchange *exchange)
{
    const struct sl_exchange_times times = exchange->times;
    bool is_reused = exchange->use == SL_EXCHANGE_REUSED;
    const struct {
        const char *name;
        int64_t from;
        int64_t to;
    } spans[] = {
        {"queue", times.started, times.placed},
        {"resolve", times.placed, times.resolved},
        {"connect", times.resolved, times.connected},
        {"proxy", times.connected, times.tunneled},
        {"tls", times.tunneled != 0 ? times.tunneled : times.connected,
         times.secured},
        {"first_byte", times.started, times.first_byte},
        {"total", times.started, times.ended},
        {"elapsed", times.started, sl_exchange_loop(exchange)->now},
    };

    lua_createtable(L, 0, 9);
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        if (spans[i].from == 0 || spans[i].to == 0)
            continue;
        lua_pushnumber(L, (lua_Number)(spans[i].to - spans[i].from) / 1e9);
        lua_setfield(L, -2, spans[i].name);
    }
    lua_pushboolean(L, is_reused);
    lua_setfield(L, -2, "reused");
    return 1;
}

static int push_body(lua_State *L, struct slb_response *response)
{
    if (response->exchange->phase != SL_EXCHANGE_DONE)
        return luaL_error(L, "body is still arriving: call text()");
    if (response->is_detached)
        return luaL_error(L, "use of detached body");
    return slb_push_text(L, response);
}

/* The value that the request gave, else what the function of that name (upvalue
 * 2 has them) makes of the response, else nil. */
static int push_made(lua_State *L)
{
    lua_getiuservalue(L, 1, RESPONSE_INFO);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNIL)
        return 1;
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* How often the request was sent, all redirects and retries of its call
 * included: the pool may have sent it once more than the Lua layer knows. */
static int push_attempts(lua_State *L, const struct sl_exchange *exchange)
{
    bool is_resent = exchange->use == SL_EXCHANGE_RESENT;

    lua_getiuservalue(L, 1, RESPONSE_INFO);
    lua_pushliteral(L, "attempts");
    lua_rawget(L, -2);
    if (is_resent && lua_isinteger(L, -1))
        lua_pushinteger(L, lua_tointeger(L, -1) + 1);
    return 1;
}

/* The property at index 2, which is no method. */
static int push_property(lua_State *L, struct slb_response *response,
                         const char *name)
{
    const struct sl_head *head = &response->exchange->incoming.response.head;
    struct sl_view reason;

    if (strcmp(name, "status") == 0) {
        lua_pushinteger(L, head->status);
    } else if (strcmp(name, "body") == 0) {
        return push_body(L, response);
    } else if (strcmp(name, "ok") == 0) {
        lua_pushboolean(L, head->status >= 200 && head->status <= 299);
    } else if (strcmp(name, "reason") == 0) {
        reason = sl_head_reason(head);
        lua_pushlstring(L, reason.data, reason.size);
    } else if (strcmp(name, "version") == 0) {
        lua_pushstring(L, head->minor_version == 0 ? "1.0" : "1.1");
    } else if (strcmp(name, "headers") == 0) {
        slb_push_headers(L, 1, false);
    } else if (strcmp(name, "trailers") == 0) {
        slb_push_headers(L, 1, true);
    } else if (strcmp(name, "timings") == 0) {
        return push_timings(L, response->exchange);
    } else if (strcmp(name, "attempts") == 0) {
        return push_attempts(L, response->exchange);
    } else if (strcmp(name, "tls") == 0) {
        struct slb_peer *held = slb_new_peer(L);

        slb_push_peer(L, held, slb_check_response(L, 1)->exchange->peer);
    } else {
        return push_made(L);
    }
    return 1;
}

/* response[name]: a method (upvalue 1 has them), else a property */
static int response_index(lua_State *L)
{
    const char *name;

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    name = luaL_checkstring(L, 2);
    return push_property(L, slb_check_response(L, 1), name);
}

/* After the type of responses is open. */
void slb_response_properties_open(lua_State *L)
{
    luaL_getmetatable(L, slb_response_type);
    lua_getfield(L, -2, "response_methods");
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -5, "response_properties");
    lua_pushcclosure(L, response_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
