#include "binding/feed.h"
#include "binding/options.h"
#include "binding/types.h"
#include "http/response.h"
#include "memory/sequence.h"
#include "task/outcome.h"
#include "task/userdata.h"

#include <string.h>

#define PARSER "sluice.http_parser"

/* Decoded body bytes handed out in one event. */
#define WINDOW ((size_t)64 * 1024)

struct slb_parser {
    struct slb_runtime *runtime; /* NULL: disposed */
    struct sl_response_limits limits;
    struct sl_request_traits request;
    bool decodes;
    bool has_ended; /* of the input */
    bool is_clean;
    struct sl_buffer input;
    struct sl_response response;
};

static struct slb_parser *check_parser(lua_State *L)
{
    struct slb_parser *parser = luaL_checkudata(L, 1, PARSER);

    if (parser->runtime == NULL)
        slb_raise_disposed(L, "http_parser");
    slb_check_usable(L, parser->runtime);
    return parser;
}

static void init_response(struct slb_parser *parser)
{
    sl_response_init(&parser->response, &parser->runtime->pool, &parser->limits,
                     parser->request,
                     parser->decodes ? &parser->runtime->shelf : NULL);
    /* a fed sequence may still be read by its owner */
    parser->response.keeps_input = true;
}

static bool is_method(lua_State *L, const char *name)
{
    const char *method = slb_field_string(L, "method");

    return method != NULL && strcmp(method, name) == 0;
}

/* http_parser{ method = "GET", upgrade = false, close = false,
 *              decompress = true,
 *              head, line, lines, interim, body, lenient_lf } -> parser
 * Parses responses to requests of that method, which asked for an upgrade (so
 * that 101 is an answer) or for the connection's end; limits as for clients. */
static int new_parser(lua_State *L)
{
    static const char *const names[] = {
        "method", "upgrade", "close", "decompress", "head", "line",
        "lines",  "interim", "body",  "lenient_lf", NULL};
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_parser *parser;

    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    slb_check_fields(L, "http_parser", names);
    parser = slb_new(L, PARSER, sizeof *parser, 0);
    slb_read_limits(L, &parser->limits);
    parser->request.is_head = is_method(L, "HEAD");
    parser->request.is_connect = is_method(L, "CONNECT");
    parser->request.wants_upgrade = slb_field_boolean(L, "upgrade", false);
    parser->request.wants_close = slb_field_boolean(L, "close", false);
    parser->decodes = slb_field_boolean(L, "decompress", true);
    lua_settop(L, 2);
    parser->runtime = runtime;
    slb_runtime_retain(runtime);
    sl_buffer_init(&parser->input, &runtime->pool, SIZE_MAX);
    init_response(parser);
    return 1;
}

/* parser:feed(bytes) -> parser | nil, message, err (memory)
 * A string is copied, a sequence or lease linked. */
static int parser_feed(lua_State *L)
{
    struct slb_parser *parser = check_parser(L);

    return slb_feed(L, parser->runtime, &parser->input, parser->has_ended);
}

/* parser:finish(is_clean = true) -> parser
 * The input has ended; not clean: the end cannot be trusted. */
static int parser_finish(lua_State *L)
{
    struct slb_parser *parser = check_parser(L);

    parser->has_ended = true;
    parser->is_clean = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    lua_settop(L, 1);
    return 1;
}

/* ---- events ---- */

static void set_view(lua_State *L, const char *name, struct sl_view view)
{
    lua_pushlstring(L, view.data, view.size);
    lua_setfield(L, -2, name);
}

/* Making values may run finalisers: the head is looked up again for each. */
static const struct sl_head *check_head(lua_State *L, bool is_trailers)
{
    const struct sl_response *response = &check_parser(L)->response;

    return is_trailers ? sl_response_trailers(response) : &response->head;
}

/* An array of { name, value }, in wire order. */
static void set_fields(lua_State *L, const char *name, bool is_trailers)
{
    lua_Integer count = 0;

    lua_createtable(L, (int)check_head(L, is_trailers)->count, 0);
    for (size_t i = 0; i < check_head(L, is_trailers)->count; i++) {
        struct sl_view part;

        if (sl_head_is_hidden(check_head(L, is_trailers), i))
            continue;
        lua_createtable(L, 2, 0);
        part = sl_head_name(check_head(L, is_trailers), i);
        lua_pushlstring(L, part.data, part.size);
        lua_rawseti(L, -2, 1);
        part = sl_head_value(check_head(L, is_trailers), i);
        lua_pushlstring(L, part.data, part.size);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, name);
}

static void push_type(lua_State *L, const char *type)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
}

static int push_head(lua_State *L, const char *type)
{
    push_type(L, type);
    lua_pushinteger(L, check_head(L, false)->status);
    lua_setfield(L, -2, "status");
    set_view(L, "reason", sl_head_reason(check_head(L, false)));
    lua_pushstring(L, check_head(L, false)->minor_version == 0 ? "1.0" : "1.1");
    lua_setfield(L, -2, "version");
    set_fields(L, "headers", false);
    return 1;
}

static int push_body(lua_State *L)
{
    struct sl_sequence *sequence;
    struct sl_buffer *body;

    push_type(L, "body");
    sequence = slb_new_sequence(L);
    body = &check_parser(L)->response.body;
    sl_buffer_compact(body); /* it may be kept for long */
    if (sl_sequence_take(sequence, body) != SL_OK)
        return luaL_error(L, "out of memory");
    lua_setfield(L, -2, "body");
    return 1;
}

static int push_end(lua_State *L)
{
    push_type(L, "end");
    set_fields(L, "trailers", true);
    lua_pushboolean(L, check_parser(L)->response.framing.keeps_alive);
    lua_setfield(L, -2, "keep_alive");
    if (check_parser(L)->response.framing.is_upgrade) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "upgrade");
    }
    return 1;
}

static int push_error(lua_State *L, const struct sl_response *response,
                      enum sl_status status)
{
    struct sl_failure failure;
    char room[SL_EXCESS_ROOM];

    sl_fail(&failure, status,
            response->phase == SL_PHASE_HEAD ? SL_STAGE_HEAD : SL_STAGE_BODY,
            "%s", sl_response_explain(response, room));
    return slb_push_failure(L, &failure, "response");
}

/* parser:next() -> event | false (more bytes are needed) | nil (it is over)
 *                | nil, message, err
 * Events are tables by `type`: "interim" and "head" (status, reason, version,
 * headers), "body" (body, a sequence), "end" (trailers, keep_alive; upgrade
 * behind a 101: the surplus is of the other protocol). */
static int parser_next(lua_State *L)
{
    struct slb_parser *parser = check_parser(L);
    struct sl_response *response = &parser->response;
    enum sl_response_event event;
    enum sl_status status;

    status = sl_response_step(response, &parser->input, WINDOW, &event);
    if (status == SL_AGAIN && response->body.length > 0)
        return push_body(L);
    if (status == SL_AGAIN && parser->has_ended) {
        status = sl_response_end_input(response, parser->is_clean);
        if (status == SL_OK)
            status = sl_response_step(response, &parser->input, WINDOW, &event);
    }
    if (sl_is_failure(status))
        return push_error(L, response, status);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "response");
    switch (event) {
    case SL_EVENT_INTERIM:
        return push_head(L, "interim");
    case SL_EVENT_HEAD:
        return push_head(L, "head");
    case SL_EVENT_BODY:
        return push_body(L);
    case SL_EVENT_END:
        return push_end(L);
    }
    return 0;
}

/* parser:surplus() -> string of the bytes that were fed and not used */
static int parser_surplus(lua_State *L)
{
    slb_push_buffer_string(L, &check_parser(L)->input);
    return 1;
}

static int next_event(lua_State *L)
{
    return slb_iterate(L, 1, parser_next);
}

/* parser:events() -> iterator over what parser:next() gives, until more bytes
 * are needed or the response is over. A failure is raised. */
static int parser_events(lua_State *L)
{
    check_parser(L);
    lua_settop(L, 1);
    lua_pushcclosure(L, next_event, 1);
    return 1;
}

/* parser:reset() -> parser, for the next response; surplus stays its input */
static int parser_reset(lua_State *L)
{
    struct slb_parser *parser = check_parser(L);

    sl_response_fini(&parser->response);
    init_response(parser);
    parser->has_ended = false;
    lua_settop(L, 1);
    return 1;
}

/* parser:dispose() - gives everything back; idempotent */
static int parser_dispose(lua_State *L)
{
    struct slb_parser *parser = luaL_checkudata(L, 1, PARSER);
    struct slb_runtime *runtime = parser->runtime;

    if (runtime == NULL)
        return 0;
    sl_response_fini(&parser->response);
    sl_buffer_fini(&parser->input);
    parser->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int parser_gc(lua_State *L)
{
    struct slb_parser *parser = luaL_checkudata(L, 1, PARSER);

    if (parser->runtime != NULL &&
        (parser->input.length > 0 || parser->response.body.length > 0))
        parser->runtime->leaked++;
    return parser_dispose(L);
}

static const luaL_Reg functions[] = {{"http_parser", new_parser}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"feed", parser_feed},       {"finish", parser_finish},
    {"next", parser_next},       {"events", parser_events},
    {"surplus", parser_surplus}, {"reset", parser_reset},
    {"dispose", parser_dispose}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", parser_gc}, {"__close", parser_dispose}, {NULL, NULL}};

void slb_parser_open(lua_State *L)
{
    slb_type(L, PARSER, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
