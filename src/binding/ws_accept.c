#include "binding/ws_parser.h"

#include "base/token.h"
#include "binding/handshake.h"
#include "binding/scratch.h"
#include "binding/types.h"
#include "task/outcome.h"

#include <string.h>

/* Base64 of 16 bytes: 22 digits, and what fills the last group. */
static bool is_key(struct sl_view key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < 22 && i < key.size; i++)
        if (memchr(digits, key.data[i], sizeof digits - 1) == NULL)
            return false;
    return key.size == SL_WS_KEY_SIZE && key.data[22] == '=' &&
           key.data[23] == '=';
}

/* ws_accept(key) -> value of Sec-WebSocket-Accept for that Sec-WebSocket-Key
 *                 | nil, message, err (protocol: no key; unsupported) */
static int ws_accept(lua_State *L)
{
    struct sl_view key = sl_trim(slb_check_view(L, 1));
    char accept[SL_WS_ACCEPT_SIZE];
    struct sl_failure failure;
    enum sl_status status;

    if (!is_key(key)) {
        sl_fail(&failure, SL_PROTOCOL, SL_STAGE_WEBSOCKET,
                "Sec-WebSocket-Key is not 16 bytes in base64");
        return slb_push_failure(L, &failure, "ws_accept");
    }
    status = sl_ws_make_accept(slb_sha1, key.data, accept);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "ws_accept");
    lua_pushlstring(L, accept, sizeof accept);
    return 1;
}

/* ---- permessage-deflate ---- */

/* Memory of libraries that one parser may hold, about. */
#define COMPRESSION_SIZE ((size_t)256 * 1024)

static struct slb_ws_parser *check_unused(lua_State *L, const char *name)
{
    struct slb_ws_parser *parser = slb_check_ws_parser(L);

    if (parser->is_used)
        luaL_error(L, "%s: call it in the handshake, before frames", name);
    return parser;
}

/* parser:offer() -> what a client offers in Sec-WebSocket-Extensions; nil:
 * nothing */
static int terms_offer(lua_State *L)
{
    struct slb_ws_parser *parser = check_unused(L, "offer");
    char text[SL_WS_EXTENSION_MAX];

    if (parser->options.is_server)
        return luaL_error(L, "offer: a server answers offers: call agree");
    if (!parser->wish.is_agreed)
        return 0;
    lua_pushlstring(L, text, sl_ws_extension_offer(&parser->wish, text));
    return 1;
}

/* Writes what a server answers; without a size it is nothing. */
static enum sl_status agree(struct slb_ws_parser *parser, struct sl_view field,
                            char text[SL_WS_EXTENSION_MAX], size_t *size,
                            const char **error)
{
    struct sl_ws_compression *agreed = &parser->options.compression;
    struct sl_view rest = field;
    struct sl_view element;

    *size = 0;
    if (parser->options.is_server)
        return parser->wish.is_agreed
                   ? sl_ws_extension_accept(&parser->wish, field, agreed, text,
                                            size, error)
                   : SL_OK;
    *error = "an extension was not offered";
    if (!parser->wish.is_agreed)
        return sl_list_next(&rest, &element) ? SL_PROTOCOL : SL_OK;
    return sl_ws_extension_agree(&parser->wish, field, agreed, error);
}

/* parser:agree(field) -> string | false: messages are not compressed
 *                      | nil, message, err (protocol)
 * `field` is the Sec-WebSocket-Extensions of the peer's head, its lines joined
 * by commas, or nil. The string is what the server answers. */
static int terms_agree(lua_State *L)
{
    struct slb_ws_parser *parser = check_unused(L, "agree");
    struct sl_view field = {NULL, 0};
    char text[SL_WS_EXTENSION_MAX];
    struct sl_failure failure;
    const char *error;
    size_t size;

    if (!lua_isnoneornil(L, 2))
        field = slb_check_view(L, 2);
    if (agree(parser, field, text, &size, &error) != SL_OK) {
        sl_fail(&failure, SL_PROTOCOL, SL_STAGE_WEBSOCKET, "%s", error);
        slb_push_failure(L, &failure, "agree");
        lua_pushinteger(L, SL_WS_NO_EXTENSION);
        lua_setfield(L, -2, "close_code");
        return 3;
    }
    sl_ws_incoming_fini(&parser->incoming);
    sl_ws_outgoing_fini(&parser->outgoing);
    slb_start_ws_parser(parser);
    if (!parser->options.compression.is_agreed) {
        lua_pushboolean(L, false);
        return 1;
    }
    if (parser->options.is_server)
        lua_pushlstring(L, text, size);
    else
        lua_pushvalue(L, 2);
    slb_note_bytes(L, slb_check_ws_parser(L)->runtime, COMPRESSION_SIZE);
    return 1;
}

static const luaL_Reg methods[] = {
    {"offer", terms_offer}, {"agree", terms_agree}, {NULL, NULL}};

void slb_add_ws_terms(lua_State *L)
{
    luaL_setfuncs(L, methods, 0);
}

void slb_ws_accept_open(lua_State *L)
{
    lua_pushcfunction(L, ws_accept);
    lua_setfield(L, -2, "ws_accept");
}
