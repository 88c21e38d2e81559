/* Hashes of texts, for the Lua layer. */
#include "binding/scratch.h"
#include "binding/types.h"
#include "tls/provider.h"

/* hash("md5" | "sha256", text) -> the hash in hexadecimal, lower case
 *                               | nil, message, err (unsupported, memory) */
static int push_hash(lua_State *L)
{
    static const char *const names[] = {"md5", "sha256", NULL};
    static const enum sl_tls_hash kinds[] = {SL_TLS_MD5, SL_TLS_SHA256};
    static const char digits[] = "0123456789abcdef";
    int index = luaL_checkoption(L, 1, NULL, names);
    unsigned char hash[SL_TLS_HASH_MAX];
    char text[2 * sizeof hash];
    struct sl_failure failure;
    size_t size;
    enum sl_status status =
        sl_tls_hash(kinds[index], slb_check_view(L, 2), hash, &size);

    if (status == SL_UNSUPPORTED) {
        sl_fail(&failure, status, SL_STAGE_QUEUE,
                "the TLS library does not offer it (FIPS mode?)");
        return slb_push_failure(L, &failure, names[index]);
    }
    if (status != SL_OK)
        return slb_push_outcome(L, status, names[index]);
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    lua_pushlstring(L, text, 2 * size);
    return 1;
}

static const luaL_Reg functions[] = {{"hash", push_hash}, {NULL, NULL}};

void slb_hash_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
