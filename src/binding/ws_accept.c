/* What a server answers to the handshake of a WebSocket, for hosts with sockets
 * of their own. */
#include "base/token.h"
#include "binding/scratch.h"
#include "binding/types.h"
#include "tls/provider.h"
#include "ws/handshake.h"

#include <string.h>

static enum sl_status sha1(struct sl_view bytes,
                           unsigned char digest[SL_WS_DIGEST_SIZE])
{
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size;
    enum sl_status status = sl_tls_hash(SL_TLS_SHA1, bytes, hash, &size);

    if (status == SL_OK)
        memcpy(digest, hash, SL_WS_DIGEST_SIZE);
    return status;
}

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
    status = sl_ws_make_accept(sha1, key.data, accept);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "ws_accept");
    lua_pushlstring(L, accept, sizeof accept);
    return 1;
}

void slb_ws_accept_open(lua_State *L)
{
    lua_pushcfunction(L, ws_accept);
    lua_setfield(L, -2, "ws_accept");
}
