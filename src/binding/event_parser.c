#include "binding/feed.h"
#include "binding/options.h"
#include "binding/splitter.h"
#include "binding/types.h"
#include "task/userdata.h"

#define PARSER "sluice.event_parser"

/* value: the last event ID */
enum { VALUE_ID = 1 };

/* of an iterator, behind those of events */
enum { UPVALUE_PARSER = SLB_EVENT_UPVALUES + 1 };

struct slb_event_parser {
    struct slb_runtime *runtime; /* NULL: disposed */
    bool has_ended;              /* the input */
    struct sl_sse_limits limits;
    struct sl_buffer input;
    struct slb_splitter splitter;
};

static struct slb_event_parser *check_parser(lua_State *L)
{
    struct slb_event_parser *parser = luaL_checkudata(L, 1, PARSER);

    if (parser->runtime == NULL)
        slb_raise_disposed(L, "event_parser");
    slb_check_usable(L, parser->runtime);
    return parser;
}

/* No one else takes its bytes. */
static void check(lua_State *L, uint64_t taken)
{
    (void)taken;
    check_parser(L);
}

/* event_parser{ max_line_size, max_event_size, last_id } -> parser */
static int new_parser(lua_State *L)
{
    static const char *const names[] = {"max_line_size", "max_event_size",
                                        "last_id", NULL};
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_event_parser *parser;
    struct sl_sse_limits limits;
    struct sl_view id;

    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    slb_check_fields(L, "event_parser", names);
    limits.line = (size_t)slb_field_size(L, "max_line_size", SL_SSE_LINE_LIMIT);
    limits.event =
        (size_t)slb_field_size(L, "max_event_size", SL_SSE_EVENT_LIMIT);
    id = slb_field_view(L, "last_id"); /* stack: options, id */
    parser = slb_new(L, PARSER, sizeof *parser, VALUE_ID);
    sl_buffer_init(&parser->input, &runtime->pool, SIZE_MAX);
    parser->limits = limits;
    slb_splitter_init_events(&parser->splitter, &runtime->pool,
                             &parser->limits);
    parser->splitter.id_value = VALUE_ID;
    parser->runtime = runtime;
    slb_runtime_retain(runtime);
    if (id.size > 0 && sl_sse_set_id(&parser->splitter.sse, id) != SL_OK)
        return luaL_error(L, "out of memory");
    return 1;
}

/* parser:feed(bytes) -> parser | nil, message, err (memory)
 * A string is copied, a sequence or lease linked. */
static int parser_feed(lua_State *L)
{
    struct slb_event_parser *parser = check_parser(L);

    return slb_feed(L, parser->runtime, &parser->input, parser->has_ended);
}

/* parser:finish() -> parser; the input has ended */
static int parser_finish(lua_State *L)
{
    check_parser(L)->has_ended = true;
    lua_settop(L, 1);
    return 1;
}

static enum sl_status split(struct slb_event_parser *parser)
{
    enum sl_status status;
    struct sl_view view;

    do { /* with no bytes at last: it holds no block while it waits */
        view = sl_buffer_peek(&parser->input);
        status = slb_split(&parser->splitter, view);
        if (status == SL_AGAIN)
            sl_buffer_consume(&parser->input, view.size);
    } while (status == SL_AGAIN && view.size > 0);
    return status;
}

/* parser:next() -> event | false (more bytes are needed) | nil (it is over)
 *                | nil, message, err */
static int parser_next(lua_State *L)
{
    struct slb_event_parser *parser;
    enum sl_status status;
    size_t consumed;

    check_parser(L);
    lua_settop(L, 1);
    slb_prepare_split(L, &check_parser(L)->splitter);
    parser = check_parser(L);
    status = split(parser);
    if (status == SL_OK) {
        slb_push_split(L, &parser->splitter, check, 0, &consumed);
        if (parser->runtime != NULL) {
            sl_buffer_consume(&parser->input, consumed);
            if (parser->input.length == 0)
                slb_split_rest(&parser->splitter);
        }
        lua_settop(L, 2);
        return 1;
    }
    if (status != SL_AGAIN)
        return slb_push_split_failure(L, &parser->splitter, "event stream");
    if (parser->has_ended)
        lua_pushnil(L);
    else
        lua_pushboolean(L, false);
    return 1;
}

static int next_event(lua_State *L)
{
    return slb_iterate(L, UPVALUE_PARSER, parser_next);
}

/* parser:events() -> iterator over what parser:next() gives, until more bytes
 * are needed or the stream is over. A failure is raised. */
static int parser_events(lua_State *L)
{
    check_parser(L);
    slb_push_event_upvalues(L);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_event, UPVALUE_PARSER);
    return 1;
}

/* parser[name]: a method (upvalue 1 has them), else a property */
static int parser_index(lua_State *L)
{
    struct slb_event_parser *parser = luaL_checkudata(L, 1, PARSER);

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    slb_push_split_property(L, &parser->splitter, luaL_checkstring(L, 2));
    return 1;
}

/* parser:reset() -> parser, for another stream; what was fed and not used is
 * forgotten, the last event ID and the reconnection time stay */
static int parser_reset(lua_State *L)
{
    struct slb_event_parser *parser = check_parser(L);

    sl_sse_reset(&parser->splitter.sse);
    sl_buffer_reset(&parser->input);
    parser->splitter.is_ready = false;
    parser->has_ended = false;
    lua_settop(L, 1);
    return 1;
}

/* parser:dispose() - gives everything back; idempotent */
static int parser_dispose(lua_State *L)
{
    struct slb_event_parser *parser = luaL_checkudata(L, 1, PARSER);
    struct slb_runtime *runtime = parser->runtime;

    if (runtime == NULL)
        return 0;
    slb_splitter_fini(&parser->splitter);
    sl_buffer_fini(&parser->input);
    parser->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int parser_gc(lua_State *L)
{
    struct slb_event_parser *parser = luaL_checkudata(L, 1, PARSER);

    if (parser->runtime != NULL && parser->input.length > 0)
        parser->runtime->leaked++;
    return parser_dispose(L);
}

static const luaL_Reg functions[] = {{"event_parser", new_parser},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{"feed", parser_feed},
                                   {"finish", parser_finish},
                                   {"next", parser_next},
                                   {"events", parser_events},
                                   {"reset", parser_reset},
                                   {"dispose", parser_dispose},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", parser_gc}, {"__close", parser_dispose}, {NULL, NULL}};

void slb_event_parser_open(lua_State *L)
{
    slb_type(L, PARSER, NULL, meta);
    slb_set_index(L, PARSER, methods, parser_index);
    luaL_setfuncs(L, functions, 0);
}
