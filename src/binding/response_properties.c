/* Properties of a response that a script reads by name: response.status,
 * response.headers. */
#include "binding/response.h"
#include "binding/tls.h"
#include "binding/types.h"

#include <string.h>

static int push_timings(lua_State *L, struct slb_response *response)
{
    const struct sl_exchange *exchange = response->exchange;
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

/* How often the request was sent, all redirects and retries of its call
 * included: the pool may have sent it once more than the Lua layer knows. */
static int push_attempts(lua_State *L, struct slb_response *response)
{
    bool is_resent = response->exchange->use == SL_EXCHANGE_RESENT;

    lua_getiuservalue(L, 1, SLB_RESPONSE_INFO);
    lua_pushliteral(L, "attempts");
    lua_rawget(L, -2);
    if (is_resent && lua_isinteger(L, -1))
        lua_pushinteger(L, lua_tointeger(L, -1) + 1);
    return 1;
}

static const struct sl_head *head_of(const struct slb_response *response)
{
    return &response->exchange->incoming.response.head;
}

static int push_status(lua_State *L, struct slb_response *response)
{
    lua_pushinteger(L, head_of(response)->status);
    return 1;
}

static int push_ok(lua_State *L, struct slb_response *response)
{
    int status = head_of(response)->status;

    lua_pushboolean(L, status >= 200 && status <= 299);
    return 1;
}

static int push_reason(lua_State *L, struct slb_response *response)
{
    struct sl_view reason = sl_head_reason(head_of(response));

    lua_pushlstring(L, reason.data, reason.size);
    return 1;
}

static int push_version(lua_State *L, struct slb_response *response)
{
    lua_pushstring(L, head_of(response)->minor_version == 0 ? "1.0" : "1.1");
    return 1;
}

static int push_headers(lua_State *L, struct slb_response *response)
{
    (void)response;
    slb_push_headers(L, 1, false);
    return 1;
}

static int push_trailers(lua_State *L, struct slb_response *response)
{
    (void)response;
    slb_push_headers(L, 1, true);
    return 1;
}

static int push_tls(lua_State *L, struct slb_response *response)
{
    struct slb_peer *held = slb_new_peer(L);

    (void)response; /* a finaliser may have disposed it */
    slb_push_peer(L, held, slb_check_response(L, 1)->exchange->peer);
    return 1;
}

/* The live response is at index 1, the value goes on top. */
static const struct property {
    const char *name;
    int (*push)(lua_State *L, struct slb_response *response);
} properties[] = {{"status", push_status},
                  {"body", push_body},
                  {"ok", push_ok},
                  {"reason", push_reason},
                  {"version", push_version},
                  {"headers", push_headers},
                  {"trailers", push_trailers},
                  {"timings", push_timings},
                  {"attempts", push_attempts},
                  {"tls", push_tls}};

#define PROPERTY_COUNT (sizeof properties / sizeof *properties)

/* upvalues of response_index: properties by name, methods, what functions make,
 * what finds the first of these sooner */
enum { PROPERTIES = 1, METHODS, MADE, NAMES, UPVALUES = NAMES };

/* Lua has one object for equal short strings: the address of a name tells which
 * it is. PROPERTIES keeps the names. */
struct names {
    struct slb_runtime **runtime; /* value 1 of this userdata */
    const void *names[PROPERTY_COUNT];
};

static const struct property *find_name(const struct names *names,
                                        const void *name)
{
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        if (names->names[i] == name)
            return &properties[i];
    }
    return NULL;
}

/* The response at index 1, if it is the one that was looked at just before, as
 * it is as a rule; NULL: another value, perhaps a response. */
static struct slb_response *find_known(lua_State *L, const struct names *names)
{
    const struct slb_runtime *runtime = *names->runtime;
    struct slb_response *response = lua_touserdata(L, 1);

    if (runtime == NULL || response == NULL || response != runtime->known)
        return NULL;
    slb_check_usable(L, runtime);
    return response;
}

/* The live response at index 1. */
static struct slb_response *check_and_know(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);

    response->runtime->known = response;
    return response;
}

/* The value that the request gave, else what the function of that name makes of
 * the response, else nil. */
static int push_made(lua_State *L)
{
    lua_getiuservalue(L, 1, SLB_RESPONSE_INFO);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(MADE)) == LUA_TNIL)
        return 1;
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* response[name]: a property, a method, or a property that is made */
static int response_index(lua_State *L)
{
    const struct names *names = lua_touserdata(L, lua_upvalueindex(NAMES));
    const struct property *property = find_name(names, lua_topointer(L, 2));
    struct slb_response *response;

    if (property != NULL && (response = find_known(L, names)) != NULL)
        return property->push(L, response);
    if (lua_gettop(L) != 2)
        lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(PROPERTIES)) != LUA_TNIL) {
        property = lua_touserdata(L, -1);
        return property->push(L, check_and_know(L));
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(METHODS)) != LUA_TNIL)
        return 1;
    luaL_checkstring(L, 2);
    slb_check_response(L, 1);
    return push_made(L);
}

/* -> properties by name */
static void push_properties(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)&properties[i]);
        lua_setfield(L, -2, properties[i].name);
    }
}

/* -> struct names, for the table of properties at `index` */
static void push_names(lua_State *L, int index)
{
    struct names *names = lua_newuserdatauv(L, sizeof *names, 1);

    slb_push_runtime(L);
    names->runtime = lua_touserdata(L, -1);
    lua_setiuservalue(L, -2, 1);
    memset(names->names, 0, sizeof names->names);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        const struct property *property = lua_touserdata(L, -1);

        lua_pop(L, 1);
        names->names[property - properties] = lua_topointer(L, -1);
    }
}

/* After the type of responses is open. */
void slb_response_properties_open(lua_State *L)
{
    int by_name;

    luaL_getmetatable(L, slb_response_type);
    push_properties(L);
    by_name = lua_gettop(L);
    lua_getfield(L, -3, "response_methods");
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -6, "response_properties");
    push_names(L, by_name);
    lua_pushcclosure(L, response_index, UPVALUES);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
