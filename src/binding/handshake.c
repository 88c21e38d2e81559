/* The opening handshake of a WebSocket, for the Lua layer. */
#include "binding/handshake.h"

#include "binding/options.h"
#include "binding/scratch.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "tls/provider.h"

#include <lauxlib.h>

enum sl_status slb_sha1(struct sl_view bytes,
                        unsigned char digest[SL_WS_DIGEST_SIZE])
{
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size;
    enum sl_status status = sl_tls_hash(SL_TLS_SHA1, bytes, hash, &size);

    if (status == SL_OK)
        memcpy(digest, hash, SL_WS_DIGEST_SIZE);
    return status;
}

/* websocket_key() -> value of Sec-WebSocket-Key, never the same again
 *                  | nil, message, err (tls) */
static int websocket_key(lua_State *L)
{
    unsigned char nonce[SL_WS_NONCE_SIZE];
    char key[SL_WS_KEY_SIZE];
    enum sl_status status = sl_tls_random(nonce, sizeof nonce);

    if (status != SL_OK)
        return slb_push_outcome(L, status, "random bytes");
    sl_ws_make_key(nonce, key);
    lua_pushlstring(L, key, sizeof key);
    return 1;
}

/* Reads the array of strings at `index`, which keeps them. Pushes what holds
 * the views. */
static struct sl_view *push_protocols(lua_State *L, int index, size_t *count)
{
    struct sl_view *protocols;

    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    protocols = lua_newuserdatauv(L, (*count + 1) * sizeof *protocols, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        protocols[i] = slb_check_view(L, -1);
        lua_pop(L, 1);
    }
    return protocols;
}

/* may_offer_protocols(protocols) -> whether they are tokens, none of them
 * twice */
static int may_offer_protocols(lua_State *L)
{
    size_t count;
    struct sl_view *protocols = push_protocols(L, 1, &count);

    lua_pushboolean(L, sl_ws_may_offer(protocols, count));
    return 1;
}

/* check_websocket(answer, key, protocols, has_extensions)
 *   -> the subprotocol that was chosen, or ""
 *    | nil, reason
 * `answer` has the values of { upgrade, connection, accept, protocol,
 * extensions }, each joined by commas; they are nil without such a field. */
static int check_websocket(lua_State *L)
{
    struct sl_ws_offer offer = {.has_extensions = lua_toboolean(L, 4)};
    struct sl_ws_answer answer = {.status = 101};
    struct sl_view key = slb_check_view(L, 2);
    struct sl_view protocol;
    const char *error = NULL;
    enum sl_status status;

    luaL_argcheck(L, key.size == sizeof offer.key, 2, "key expected");
    luaL_checktype(L, 1, LUA_TTABLE);
    memcpy(offer.key, key.data, sizeof offer.key);
    offer.protocols = push_protocols(L, 3, &offer.protocol_count);
    answer.upgrade = slb_field_view(L, "upgrade");
    answer.connection = slb_field_view(L, "connection");
    answer.accept = slb_field_view(L, "accept");
    answer.protocol = slb_field_view(L, "protocol");
    answer.extensions = slb_field_view(L, "extensions");
    status = sl_ws_check_answer(&offer, &answer, slb_sha1, &protocol, &error);
    if (status != SL_OK) {
        lua_pushnil(L);
        lua_pushstring(L, error != NULL ? error : sl_status_name(status));
        return 2;
    }
    lua_pushlstring(L, protocol.data != NULL ? protocol.data : "",
                    protocol.size);
    return 1;
}

/* ---- permessage-deflate ---- */

static unsigned char read_bits(lua_State *L, const char *name)
{
    uint64_t bits = slb_field_size(L, name, SL_WS_WINDOW_MOST);

    if (bits < SL_WS_WINDOW_LEAST || bits > SL_WS_WINDOW_MOST)
        luaL_error(L, "%s: 8 to 15 expected", name);
    return (unsigned char)bits;
}

void slb_read_compression(lua_State *L, struct sl_ws_compression *terms)
{
    terms->is_agreed = true;
    terms->server_forgets =
        slb_field_boolean(L, "server_no_context_takeover", false);
    terms->client_forgets =
        slb_field_boolean(L, "client_no_context_takeover", false);
    terms->server_bits = read_bits(L, "server_max_window_bits");
    terms->client_bits = read_bits(L, "client_max_window_bits");
}

/* Pushes a table that slb_read_compression reads. */
static void push_compression(lua_State *L,
                             const struct sl_ws_compression *terms)
{
    lua_createtable(L, 0, 4);
    lua_pushboolean(L, terms->server_forgets);
    lua_setfield(L, -2, "server_no_context_takeover");
    lua_pushboolean(L, terms->client_forgets);
    lua_setfield(L, -2, "client_no_context_takeover");
    lua_pushinteger(L, terms->server_bits);
    lua_setfield(L, -2, "server_max_window_bits");
    lua_pushinteger(L, terms->client_bits);
    lua_setfield(L, -2, "client_max_window_bits");
}

/* offer_compression(wish) -> value of Sec-WebSocket-Extensions
 * `wish` has the parameters of RFC 7692 7.1 by their names, those without a
 * wish left out. */
static int offer_compression(lua_State *L)
{
    struct sl_ws_compression wish;
    char text[SL_WS_EXTENSION_MAX];

    luaL_checktype(L, 1, LUA_TTABLE);
    slb_read_compression(L, &wish);
    lua_pushlstring(L, text, sl_ws_extension_offer(&wish, text));
    return 1;
}

/* agree_compression(wish, answer) -> the parameters that hold | false: the
 * server does not compress | nil, reason
 * `answer` is the value of Sec-WebSocket-Extensions, nil without any. */
static int agree_compression(lua_State *L)
{
    struct sl_ws_compression wish;
    struct sl_ws_compression agreed;
    struct sl_view answer = {NULL, 0};
    const char *error = NULL;

    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnoneornil(L, 2))
        answer = slb_check_view(L, 2);
    slb_read_compression(L, &wish);
    if (sl_ws_extension_agree(&wish, answer, &agreed, &error) != SL_OK) {
        lua_pushnil(L);
        lua_pushstring(L, error);
        return 2;
    }
    if (agreed.is_agreed)
        push_compression(L, &agreed);
    else
        lua_pushboolean(L, false);
    return 1;
}

static const luaL_Reg functions[] = {
    {"websocket_key", websocket_key},
    {"offer_compression", offer_compression},
    {"agree_compression", agree_compression},
    {"may_offer_protocols", may_offer_protocols},
    {"check_websocket", check_websocket},
    {NULL, NULL}};

void slb_handshake_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
