/* URLs, for the Lua layer. */
#include "binding/scratch.h"
#include "binding/types.h"
#include "http/url_write.h"
#include "task/outcome.h"

#define URL_MAX ((size_t)1024 * 1024)

static void set_part(lua_State *L, const char *name, struct sl_view part)
{
    if (part.data == NULL)
        return;
    lua_pushlstring(L, part.data, part.size);
    lua_setfield(L, -2, name);
}

static int push_url_error(lua_State *L, const char *error)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_INVALID, SL_STAGE_QUEUE, "%s", error);
    return slb_push_failure(L, &failure, "url");
}

/* url.parse(text) -> { scheme, userinfo, host, port, path, query, fragment }
 *                  | nil, message, err
 * Any reference; absent parts are nil, `port` is the scheme's when not
 * given. */
static int url_parse(lua_State *L)
{
    struct sl_url url;
    const char *error;

    if (sl_url_parse(&url, slb_check_view(L, 1), &error) != SL_OK)
        return push_url_error(L, error);
    lua_createtable(L, 0, 8);
    set_part(L, "scheme", url.scheme);
    set_part(L, "userinfo", url.userinfo);
    set_part(L, "host", url.host);
    set_part(L, "path", url.path);
    set_part(L, "query", url.query);
    set_part(L, "fragment", url.fragment);
    lua_pushboolean(L, url.is_ipv6);
    lua_setfield(L, -2, "is_ipv6");
    if (url.port != 0) {
        lua_pushinteger(L, url.port);
        lua_setfield(L, -2, "port");
    }
    return 1;
}

/* url.target(text) -> the same, for a URL that a request can be sent to, with
 * `host` in lower case | nil, message, err */
static int url_target(lua_State *L)
{
    struct sl_url url;
    const char *error;
    struct sl_writer *writer;
    enum sl_status status;

    if (sl_url_parse(&url, slb_check_view(L, 1), &error) != SL_OK ||
        sl_url_check_target(&url, &error) != SL_OK)
        return push_url_error(L, error);
    lua_settop(L, 1);
    url_parse(L);
    writer = slb_push_scratch(L, URL_MAX);
    status = sl_url_write_host(&url, writer);
    if (status != SL_OK)
        return slb_push_unwritten(L, writer, status, "url", "host");
    slb_push_written(L, writer);
    lua_setfield(L, 2, "host");
    lua_settop(L, 2);
    return 1;
}

static int push_resolved(lua_State *L,
                         enum sl_status (*resolve)(const struct sl_url *base,
                                                   const struct sl_url *other,
                                                   struct sl_writer *writer))
{
    struct sl_url base;
    struct sl_url reference;
    const char *error;
    struct sl_writer *writer;
    enum sl_status status;

    if (sl_url_parse(&base, slb_check_view(L, 1), &error) != SL_OK ||
        sl_url_parse(&reference, slb_check_view(L, 2), &error) != SL_OK)
        return push_url_error(L, error);
    writer = slb_push_scratch(L, URL_MAX);
    status = resolve(&base, &reference, writer);
    if (status != SL_OK)
        return slb_push_unwritten(L, writer, status, "url",
                                  "base is not absolute");
    return slb_push_written(L, writer);
}

/* url.resolve(base, reference) -> text | nil, message, err (RFC 3986 5.2) */
static int url_resolve(lua_State *L)
{
    return push_resolved(L, sl_url_resolve);
}

/* url.follow(base, location) -> the same for a server's Location, with %xx for
 * bytes that could not be sent | nil, message, err */
static int url_follow(lua_State *L)
{
    return push_resolved(L, sl_url_follow);
}

static int push_escaped(lua_State *L,
                        enum sl_status (*escape)(struct sl_writer *writer,
                                                 struct sl_view text))
{
    struct sl_view text = slb_check_view(L, 1);
    struct sl_writer *writer = slb_push_scratch(L, text.size * 3 + 512);

    if (escape(writer, text) != SL_OK)
        return slb_push_outcome(L, SL_MEMORY, "escape");
    return slb_push_written(L, writer);
}

/* url.escape(text) -> text with everything but unreserved bytes as %xx */
static int url_escape(lua_State *L)
{
    return push_escaped(L, sl_url_escape);
}

/* escape_form(text) -> text as application/x-www-form-urlencoded has it */
static int escape_form(lua_State *L)
{
    return push_escaped(L, sl_url_escape_form);
}

/* url.unescape(text) -> text with each %xx decoded once | nil, message, err */
static int url_unescape(lua_State *L)
{
    struct sl_view text = slb_check_view(L, 1);
    struct sl_writer *writer = slb_push_scratch(L, text.size + 512);
    enum sl_status status = sl_url_unescape(writer, text);

    if (status != SL_OK)
        return slb_push_unwritten(L, writer, status, "unescape",
                                  "malformed percent-encoding");
    return slb_push_written(L, writer);
}

static const luaL_Reg functions[] = {{"parse", url_parse},
                                     {"target", url_target},
                                     {"resolve", url_resolve},
                                     {"follow", url_follow},
                                     {"escape", url_escape},
                                     {"unescape", url_unescape},
                                     {NULL, NULL}};

void slb_url_open(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "url");
    lua_pushcfunction(L, escape_form);
    lua_setfield(L, -2, "escape_form");
}
