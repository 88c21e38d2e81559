#include "binding/ws_parser.h"

#include "binding/feed.h"
#include "binding/handshake.h"
#include "binding/message.h"
#include "binding/options.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "task/userdata.h"
#include "tls/provider.h"

#include <string.h>

static const char parser_type[] = "sluice.ws_parser";

#define MAX_SIZE ((uint64_t)16 * 1024 * 1024)

/* Messages of fewer bytes are not worth compressing. */
#define THRESHOLD 1024

struct slb_ws_parser *slb_check_ws_parser(lua_State *L)
{
    struct slb_ws_parser *parser = slb_check(L, 1, parser_type);

    if (parser->runtime == NULL)
        slb_raise_disposed(L, "ws_parser");
    slb_check_usable(L, parser->runtime);
    return parser;
}

/* The role is required: the wrong one breaks every frame. */
static bool read_role(lua_State *L)
{
    const char *role = slb_field_string(L, "role");
    bool is_server = role != NULL && strcmp(role, "server") == 0;

    if (!is_server && (role == NULL || strcmp(role, "client") != 0))
        luaL_error(L, "ws_parser: role: \"client\" or \"server\" expected");
    return is_server;
}

void slb_start_ws_parser(struct slb_ws_parser *parser)
{
    struct sl_pool *pool = &parser->runtime->pool;

    sl_ws_incoming_init(&parser->incoming, pool, &parser->options);
    sl_ws_outgoing_init(&parser->outgoing, pool, &parser->options);
}

/* The option compress, on top of the stack, takes the place of the options. */
static void read_compress(lua_State *L, struct slb_ws_parser *parser)
{
    static const char *const names[] = {"threshold",
                                        "server_no_context_takeover",
                                        "client_no_context_takeover",
                                        "server_max_window_bits",
                                        "client_max_window_bits",
                                        NULL};

    if (!lua_toboolean(L, -1))
        return;
    if (lua_isboolean(L, -1))
        lua_createtable(L, 0, 0);
    if (!lua_istable(L, -1))
        luaL_error(L, "ws_parser: compress: boolean or table expected, got %s",
                   luaL_typename(L, -1));
    lua_replace(L, 1);
    slb_check_fields(L, "ws_parser: compress", names);
    slb_read_compression(L, &parser->wish);
    parser->options.compress_from =
        (size_t)slb_field_size(L, "threshold", THRESHOLD);
}

/* ws_parser{ role = "client" | "server", max_message_size = 16777216,
 *            compress = false } -> parser
 * The role is ours: a server's peer masks its frames. Sizes are in bytes.
 * `compress` is true, or a table of the parameters of RFC 7692 7.1 to ask for,
 * with a threshold; the handshake says whether it is used, see agree. */
static int new_parser(lua_State *L)
{
    static const char *const names[] = {"role", "max_message_size", "compress",
                                        NULL};
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_ws_parser *parser;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    slb_check_fields(L, "ws_parser", names);
    parser = slb_new(L, parser_type, sizeof *parser, 0);
    parser->options.is_server = read_role(L);
    parser->options.max_size =
        (size_t)slb_field_size(L, "max_message_size", MAX_SIZE);
    if (parser->options.max_size == 0)
        return luaL_argerror(L, 1,
                             "max_message_size: integer above zero "
                             "expected, got 0");
    parser->options.random = sl_tls_random;
    lua_getfield(L, 1, "compress");
    read_compress(L, parser);
    lua_settop(L, 2);
    sl_buffer_init(&parser->input, &runtime->pool, SIZE_MAX);
    sl_buffer_init(&parser->output, &runtime->pool, SIZE_MAX);
    parser->runtime = runtime;
    slb_runtime_retain(runtime);
    slb_start_ws_parser(parser);
    return 1;
}

/* parser:feed(bytes) -> parser | nil, message, err (memory)
 * A string is copied, a sequence or lease linked. */
static int parser_feed(lua_State *L)
{
    struct slb_ws_parser *parser = slb_check_ws_parser(L);

    parser->is_used = true;
    return slb_feed(L, parser->runtime, &parser->input, parser->has_ended);
}

/* parser:finish() -> parser
 * The input has ended: without a Close frame the connection is lost. */
static int parser_finish(lua_State *L)
{
    slb_check_ws_parser(L)->has_ended = true;
    lua_settop(L, 1);
    return 1;
}

/* ---- events ---- */

/* nil, message, err with the code that the connection is to be closed with, or
 * that is reported. */
static int push_failure(lua_State *L, enum sl_status status, const char *reason,
                        unsigned code)
{
    struct sl_failure failure;

    sl_fail(&failure, status, SL_STAGE_WEBSOCKET, "%s", reason);
    slb_push_failure(L, &failure, "websocket");
    lua_pushinteger(L, (lua_Integer)code);
    lua_setfield(L, -2, "close_code");
    return 3;
}

static int push_error(lua_State *L, const struct sl_ws_incoming *incoming,
                      enum sl_status status)
{
    unsigned code = sl_ws_code_of(status);

    if (status != SL_LIMIT)
        return push_failure(L, status, incoming->error, code);
    lua_pushfstring(L, "a message exceeds %I bytes (max_message_size)",
                    (LUAI_UACINT)incoming->message.max_size);
    return push_failure(L, status, lua_tostring(L, -1), code);
}

/* Whether the event of that number waits to be pushed, still: whatever is made
 * for it may run a finaliser that calls next, too. */
static bool is_there(lua_State *L, uint32_t number)
{
    const struct slb_ws_parser *parser = slb_check_ws_parser(L);

    return parser->has_event && parser->events == number;
}

/* Its segments change hands; that cannot fail where the other hand is empty. */
static int push_message(lua_State *L, bool is_text)
{
    struct slb_ws_parser *parser = slb_check_ws_parser(L);
    uint32_t number = parser->events;
    size_t size = parser->incoming.message.payload.length;
    struct slb_message *message =
        slb_new_message(L, parser->runtime, is_text, size);
    struct sl_buffer payload;
    enum sl_status status;

    if (!is_there(L, number))
        return 1;
    sl_buffer_init(&payload, &parser->runtime->pool, SIZE_MAX);
    status = sl_ws_message_detach(&parser->incoming.message, &payload);
    if (status == SL_OK)
        status = slb_fill_message(message, &payload);
    sl_buffer_fini(&payload);
    if (status != SL_OK)
        return luaL_error(L, "out of memory");
    slb_forget_bytes(parser->runtime, size); /* noted when fed */
    return 1;
}

static void set_view(lua_State *L, const char *name, struct sl_view view)
{
    lua_pushlstring(L, view.data, view.size);
    lua_setfield(L, -2, name);
}

static int push_control(lua_State *L, const char *type)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    set_view(L, "payload", slb_check_ws_parser(L)->event.payload);
    return 1;
}

static int push_close(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "close");
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)slb_check_ws_parser(L)->event.closing.code);
    lua_setfield(L, -2, "code");
    set_view(L, "reason", slb_check_ws_parser(L)->event.closing.reason);
    return 1;
}

static int push_event(lua_State *L, const struct slb_ws_parser *parser)
{
    switch (parser->event.type) {
    case SL_WS_GOT_MESSAGE:
        return push_message(L, parser->incoming.message.is_text);
    case SL_WS_GOT_PING:
        return push_control(L, "ping");
    case SL_WS_GOT_PONG:
        return push_control(L, "pong");
    case SL_WS_GOT_CLOSE:
        return push_close(L);
    case SL_WS_GOT_PART: /* not found */
        break;
    }
    return 0;
}

static enum sl_status find_event(struct slb_ws_parser *parser)
{
    enum sl_status status;

    do {
        status = sl_ws_incoming_next(&parser->incoming, &parser->input,
                                     &parser->event);
    } while (status == SL_OK && parser->event.type == SL_WS_GOT_PART);
    if (status == SL_OK) {
        parser->events++;
        parser->has_event =
            true; /* until it was pushed, whatever that raises */
    }
    return status;
}

/* What there is instead of an event. */
static int push_no_event(lua_State *L, const struct slb_ws_parser *parser,
                         enum sl_status status)
{
    if (status == SL_AGAIN && parser->has_ended)
        return push_failure(L, SL_CLOSED,
                            "the connection ended without a Close frame",
                            SL_WS_ABNORMAL);
    if (sl_is_failure(status))
        return push_error(L, &parser->incoming, status);
    return slb_push_outcome(L, status, "websocket");
}

/* parser:next() -> event | false (more bytes are needed) | nil (the peer has
 *                  closed) | nil, message, err
 * An event is a message, or a table by `type`: "ping" and "pong" (payload),
 * "close" (code, reason). A failure repeats; err.close_code is the code to
 * close with, or 1006 where the input has ended. */
static int parser_next(lua_State *L)
{
    struct slb_ws_parser *parser = slb_check_ws_parser(L);

    for (;;) {
        enum sl_status status = parser->has_event ? SL_OK : find_event(parser);
        uint32_t number = parser->events;
        int count;

        if (status != SL_OK)
            return push_no_event(L, parser, status);
        count = push_event(L, parser);
        if (is_there(L, number)) {
            parser->has_event = false;
            return count;
        }
        lua_settop(L, 1); /* a finaliser took it: the one behind it, then */
    }
}

static int next_event(lua_State *L)
{
    return slb_iterate(L, 1, parser_next);
}

/* parser:events() -> iterator over what parser:next() gives, until more bytes
 * are needed or the peer has closed. A failure is raised. */
static int parser_events(lua_State *L)
{
    slb_check_ws_parser(L);
    lua_settop(L, 1);
    lua_pushcclosure(L, next_event, 1);
    return 1;
}

/* ---- its end ---- */

/* parser:dispose() - gives everything back; idempotent */
static int parser_dispose(lua_State *L)
{
    struct slb_ws_parser *parser = slb_check(L, 1, parser_type);
    struct slb_runtime *runtime = parser->runtime;

    if (runtime == NULL)
        return 0;
    sl_ws_incoming_fini(&parser->incoming);
    sl_ws_outgoing_fini(&parser->outgoing);
    sl_buffer_fini(&parser->input);
    sl_buffer_fini(&parser->output);
    parser->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int parser_gc(lua_State *L)
{
    struct slb_ws_parser *parser = slb_check(L, 1, parser_type);

    if (parser->runtime != NULL &&
        (parser->input.length > 0 || parser->output.length > 0 ||
         parser->incoming.message.payload.length > 0))
        parser->runtime->leaked++;
    return parser_dispose(L);
}

static const luaL_Reg functions[] = {{"ws_parser", new_parser}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"feed", parser_feed},       {"finish", parser_finish},
    {"next", parser_next},       {"events", parser_events},
    {"dispose", parser_dispose}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", parser_gc}, {"__close", parser_dispose}, {NULL, NULL}};

void slb_ws_parser_open(lua_State *L)
{
    slb_type(L, parser_type, methods, meta);
    luaL_getmetatable(L, parser_type);
    lua_getfield(L, -1, "__index");
    slb_add_ws_writer(L);
    slb_add_ws_terms(L);
    lua_pop(L, 2);
    luaL_setfuncs(L, functions, 0);
}
