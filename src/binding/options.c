#include "binding/options.h"

#include "binding/types.h"
#include "task/seconds.h"
#include "task/userdata.h"

const char slb_options_type[] = "sluice.options";

/* ---- fields ---- */

/* Raises for the value on top of the stack, naming the option and the
 * function. */
static void refuse(lua_State *L, const char *name, const char *expected)
{
    const char *text = lua_pushfstring(L, "%s: %s expected, got %s", name,
                                       expected, luaL_typename(L, -1));

    luaL_argerror(L, 1, text);
}

bool slb_field_boolean(lua_State *L, const char *name, bool otherwise)
{
    bool value = otherwise;

    if (lua_getfield(L, 1, name) != LUA_TNIL) {
        if (!lua_isboolean(L, -1))
            refuse(L, name, "boolean");
        value = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    return value;
}

uint64_t slb_field_size(lua_State *L, const char *name, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (lua_getfield(L, 1, name) != LUA_TNIL) {
        int is_integer;
        lua_Integer integer = lua_tointegerx(L, -1, &is_integer);

        if (lua_type(L, -1) != LUA_TNUMBER || !is_integer || integer < 0)
            refuse(L, name, "integer, not negative,");
        value = (uint64_t)integer;
    }
    lua_pop(L, 1);
    return value;
}

int64_t slb_field_seconds(lua_State *L, const char *name, int64_t otherwise)
{
    int64_t value = otherwise;

    if (lua_getfield(L, 1, name) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0))
            refuse(L, name, "number of seconds, not negative,");
        value = sl_clock_from_seconds(lua_tonumber(L, -1));
    }
    lua_pop(L, 1);
    return value;
}

struct sl_view slb_field_view(lua_State *L, const char *name)
{
    struct sl_view view = {NULL, 0};

    luaL_checkstack(L, 4, "too many options");
    if (lua_getfield(L, 1, name) == LUA_TNIL)
        return view;
    if (lua_type(L, -1) != LUA_TSTRING)
        refuse(L, name, "string");
    view.data = lua_tolstring(L, -1, &view.size);
    return view;
}

const char *slb_field_string(lua_State *L, const char *name)
{
    struct sl_view view = slb_field_view(L, name);

    /* Bytes behind a zero byte would be lost silently. */
    if (view.data != NULL && memchr(view.data, '\0', view.size) != NULL)
        refuse(L, name, "string without zero bytes");
    return view.data;
}

void slb_check_fields(lua_State *L, const char *function,
                      const char *const *names)
{
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        bool is_known = false;

        for (size_t i = 0; names[i] != NULL && !is_known; i++)
            is_known = lua_type(L, -2) == LUA_TSTRING &&
                       strcmp(lua_tostring(L, -2), names[i]) == 0;
        if (!is_known)
            luaL_error(L, "%s: unknown option '%s'", function,
                       luaL_tolstring(L, -2, NULL));
        lua_pop(L, 1);
    }
}

void slb_read_limits(lua_State *L, struct sl_response_limits *limits)
{
    sl_response_limits_default(limits);
    limits->head.head = (size_t)slb_field_size(L, "head", limits->head.head);
    limits->head.line = (size_t)slb_field_size(L, "line", limits->head.line);
    limits->head.lines = (size_t)slb_field_size(L, "lines", limits->head.lines);
    limits->head.lenient_lf = slb_field_boolean(L, "lenient_lf", false);
    limits->interim = (size_t)slb_field_size(L, "interim", limits->interim);
    limits->body = slb_field_size(L, "body", limits->body);
}

/* ---- the type ---- */

static void read_deadlines(lua_State *L, struct sl_deadlines *deadlines)
{
    struct sl_opening_deadlines *opening = &deadlines->opening;

    sl_deadlines_default(deadlines);
    deadlines->queue = slb_field_seconds(L, "queue", deadlines->queue);
    opening->resolve = slb_field_seconds(L, "resolve", opening->resolve);
    opening->connect = slb_field_seconds(L, "connect", opening->connect);
    opening->proxy = slb_field_seconds(L, "proxy", opening->proxy);
    opening->tls = slb_field_seconds(L, "tls", opening->tls);
    deadlines->first_byte =
        slb_field_seconds(L, "first_byte", deadlines->first_byte);
    deadlines->idle = slb_field_seconds(L, "idle", deadlines->idle);
    deadlines->has_own_idle = lua_getfield(L, 1, "idle") != LUA_TNIL;
    lua_pop(L, 1);
    deadlines->total = slb_field_seconds(L, "total", deadlines->total);
    deadlines->rate_bytes = slb_field_size(L, "rate_bytes", 0);
    deadlines->rate_within = slb_field_seconds(L, "rate_within", SL_NEVER);
}

/* options{ deadlines, limits and traits, flat } -> options */
static int new_options(lua_State *L)
{
    struct slb_options *handle;
    struct sl_exchange_options *options;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    handle = slb_new(L, slb_options_type, sizeof *handle, 0);
    options = &handle->options;
    read_deadlines(L, &options->deadlines);
    slb_read_limits(L, &options->limits);
    options->traits.is_head = slb_field_boolean(L, "is_head", false);
    options->traits.wants_close = slb_field_boolean(L, "wants_close", false);
    options->traits.wants_upgrade =
        slb_field_boolean(L, "wants_upgrade", false);
    options->traits.follows_redirects =
        slb_field_boolean(L, "follows_redirects", false);
    options->is_idempotent = slb_field_boolean(L, "is_idempotent", false);
    options->expects_continue = slb_field_boolean(L, "expects_continue", false);
    options->is_streamed = slb_field_boolean(L, "is_streamed", false);
    if (slb_field_boolean(L, "decodes", true))
        options->shelf = &slb_runtime(L)->shelf;
    return 1;
}

/* deadline(seconds) -> the end of that time, by the loop's clock; nil if it
 * never ends. Without a number: the end of a request's default total time. */
static int new_deadline(lua_State *L)
{
    struct sl_deadlines deadlines;
    int64_t due;

    sl_deadlines_default(&deadlines);
    if (!lua_isnoneornil(L, 1))
        deadlines.total = slb_check_seconds(L, 1);
    due = sl_clock_after(sl_clock_now(), deadlines.total);
    if (due == SL_NEVER)
        lua_pushnil(L);
    else
        lua_pushinteger(L, due);
    return 1;
}

static const luaL_Reg functions[] = {
    {"options", new_options}, {"deadline", new_deadline}, {NULL, NULL}};

static const luaL_Reg meta[] = {{NULL, NULL}};

void slb_options_open(lua_State *L)
{
    slb_type(L, slb_options_type, NULL, meta);
    luaL_setfuncs(L, functions, 0);
}
