/* Request heads and URLs, for the Lua layer. */
#include "binding/options.h"
#include "binding/types.h"
#include "codec/base64.h"
#include "codec/decoder.h"
#include "http/request.h"
#include "http/url_write.h"

#define HEAD_MAX ((size_t)1024 * 1024)

/* A writer that lives in a userdata, so that an error gives its block back. Its
 * pool is the runtime's: NULL once finalised. */
static const char scratch_type[] = "sluice.scratch";

static struct sl_writer *push_scratch(lua_State *L, size_t max_size)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct sl_writer *writer = slb_new(L, scratch_type, sizeof *writer, 0);

    sl_writer_init(writer, &runtime->pool, 512, max_size);
    slb_runtime_retain(runtime);
    return writer;
}

static int scratch_gc(lua_State *L)
{
    struct sl_writer *writer = slb_check(L, 1, scratch_type);
    struct sl_pool *pool = writer->pool;

    if (pool == NULL)
        return 0;
    sl_writer_dispose(writer);
    writer->pool = NULL;
    slb_runtime_release(
        (struct slb_runtime *)(void *)((char *)pool -
                                       offsetof(struct slb_runtime, pool)));
    return 0;
}

/* The written bytes as a string; the writer is disposed. */
static int push_written(lua_State *L, struct sl_writer *writer)
{
    struct sl_view view = sl_writer_view(writer);

    lua_pushlstring(L, view.data, view.size);
    sl_writer_dispose(writer);
    return 1;
}

static int push_invalid(lua_State *L, struct sl_writer *writer,
                        enum sl_status status, const char *attempt,
                        const char *error)
{
    struct sl_failure failure;

    sl_writer_dispose(writer);
    if (status != SL_INVALID)
        return slb_push_outcome(L, status, attempt);
    sl_fail(&failure, status, SL_STAGE_QUEUE, "%s", error);
    return slb_push_failure(L, &failure, attempt);
}

static struct sl_view check_view(lua_State *L, int index)
{
    struct sl_view view;

    view.data = luaL_checklstring(L, index, &view.size);
    return view;
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
        name = check_view(L, -1);
        lua_geti(L, index, i + 1);
        value = check_view(L, -1);
        status = sl_request_write_field(writer, name, value, error);
        if (status != SL_OK)
            return status; /* the name stays below for the message */
        lua_pop(L, 2);
    }
    return SL_OK;
}

/* request_head(method, target, host, fields) -> string | nil, message, err
 * The complete head; `fields` is an array of names and values by turns, `host`
 * the value of Host. */
static int request_head(lua_State *L)
{
    struct sl_view method = check_view(L, 1);
    struct sl_view target = check_view(L, 2);
    struct sl_view host = check_view(L, 3);
    struct sl_writer *writer;
    const char *error = NULL;
    const char *attempt = "request line";
    enum sl_status status;

    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    writer = push_scratch(L, HEAD_MAX);
    status = sl_request_write_line(writer, method, target, host, &error);
    if (status == SL_OK) {
        status = write_fields(L, 4, writer, &error);
        if (status != SL_OK)
            attempt = lua_pushfstring(L, "header '%s'", lua_tostring(L, -2));
    }
    if (status == SL_OK)
        status = sl_request_write_end(writer);
    if (status != SL_OK)
        return push_invalid(L, writer, status, attempt, error);
    return push_written(L, writer);
}

/* field_lines(fields) -> string | nil, message, err: for trailers */
static int field_lines(lua_State *L)
{
    struct sl_writer *writer;
    const char *error = NULL;
    enum sl_status status;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    writer = push_scratch(L, HEAD_MAX);
    status = write_fields(L, 1, writer, &error);
    if (status != SL_OK)
        return push_invalid(
            L, writer, status,
            lua_pushfstring(L, "trailer '%s'", lua_tostring(L, -2)), error);
    return push_written(L, writer);
}

/* is_framing_field(name) -> whether only the client may set it */
static int is_framing_field(lua_State *L)
{
    lua_pushboolean(L, sl_request_is_framing_field(check_view(L, 1)));
    return 1;
}

/* accepted_codings() -> value for Accept-Encoding */
static int accepted_codings(lua_State *L)
{
    lua_pushstring(L, sl_decoder_accepted());
    return 1;
}

/* ---- URLs ---- */

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
 * Any reference; absent parts are nil, `port` is the scheme's when not given. */
static int url_parse(lua_State *L)
{
    struct sl_url url;
    const char *error;

    if (sl_url_parse(&url, check_view(L, 1), &error) != SL_OK)
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

    if (sl_url_parse(&url, check_view(L, 1), &error) != SL_OK ||
        sl_url_check_target(&url, &error) != SL_OK)
        return push_url_error(L, error);
    lua_settop(L, 1);
    url_parse(L);
    writer = push_scratch(L, HEAD_MAX);
    status = sl_url_write_host(&url, writer);
    if (status != SL_OK)
        return push_invalid(L, writer, status, "url", "host");
    push_written(L, writer);
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

    if (sl_url_parse(&base, check_view(L, 1), &error) != SL_OK ||
        sl_url_parse(&reference, check_view(L, 2), &error) != SL_OK)
        return push_url_error(L, error);
    writer = push_scratch(L, HEAD_MAX);
    status = resolve(&base, &reference, writer);
    if (status != SL_OK)
        return push_invalid(L, writer, status, "url", "base is not absolute");
    return push_written(L, writer);
}

/* url.resolve(base, reference) -> text | nil, message, err (RFC 3986 5.2) */
static int url_resolve(lua_State *L)
{
    return push_resolved(L, sl_url_resolve);
}

/* url.follow(base, location) -> the same for what a server wrote, with %xx for
 * what could not be sent | nil, message, err */
static int url_follow(lua_State *L)
{
    return push_resolved(L, sl_url_follow);
}

/* url.escape(text) -> text with everything but unreserved bytes as %xx */
static int url_escape(lua_State *L)
{
    struct sl_view text = check_view(L, 1);
    struct sl_writer *writer = push_scratch(L, text.size * 3 + 512);

    if (sl_url_escape(writer, text) != SL_OK)
        return slb_push_outcome(L, SL_MEMORY, "escape");
    return push_written(L, writer);
}

/* url.unescape(text) -> text with each %xx decoded once | nil, message, err */
static int url_unescape(lua_State *L)
{
    struct sl_view text = check_view(L, 1);
    struct sl_writer *writer = push_scratch(L, text.size + 512);
    enum sl_status status = sl_url_unescape(writer, text);

    if (status != SL_OK)
        return push_invalid(L, writer, status, "unescape",
                            "malformed percent-encoding");
    return push_written(L, writer);
}

/* base64(text) -> text (RFC 4648 section 4) | nil, message, err */
static int base64(lua_State *L)
{
    struct sl_view text = check_view(L, 1);
    struct sl_writer *writer = push_scratch(L, text.size * 2 + 512);
    enum sl_status status = sl_base64_write(writer, text);

    if (status != SL_OK)
        return push_invalid(L, writer, status, "base64", "too long");
    return push_written(L, writer);
}

static const luaL_Reg functions[] = {{"base64", base64},
                                     {"request_head", request_head},
                                     {"field_lines", field_lines},
                                     {"is_framing_field", is_framing_field},
                                     {"accepted_codings", accepted_codings},
                                     {NULL, NULL}};

static const luaL_Reg url_functions[] = {{"parse", url_parse},
                                         {"target", url_target},
                                         {"resolve", url_resolve},
                                         {"follow", url_follow},
                                         {"escape", url_escape},
                                         {"unescape", url_unescape},
                                         {NULL, NULL}};

static const luaL_Reg scratch_meta[] = {{"__gc", scratch_gc}, {NULL, NULL}};

void slb_request_open(lua_State *L)
{
    slb_type(L, scratch_type, NULL, scratch_meta);
    luaL_setfuncs(L, functions, 0);
    luaL_newlib(L, url_functions);
    lua_setfield(L, -2, "url");
}
