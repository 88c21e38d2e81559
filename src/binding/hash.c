/* Hashes of texts, for the Lua layer. */
#include "binding/scratch.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "task/userdata.h"
#include "tls/provider.h"

#define HASHER "sluice.hasher"

static const char *const names[] = {"md5", "sha256", "sha512", NULL};
static const enum sl_tls_hash kinds[] = {SL_TLS_MD5, SL_TLS_SHA256,
                                         SL_TLS_SHA512};

struct hasher {
    struct sl_tls_hasher *hasher; /* NULL: closed */
};

static int push_refusal(lua_State *L, enum sl_status status, const char *name)
{
    struct sl_failure failure;

    if (status != SL_UNSUPPORTED)
        return slb_push_outcome(L, status, name);
    sl_fail(&failure, status, SL_STAGE_QUEUE,
            "the TLS library does not offer it (FIPS mode?)");
    return slb_push_failure(L, &failure, name);
}

static int push_hexadecimal(lua_State *L, const unsigned char *hash,
                            size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * SL_TLS_HASH_MAX];

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    lua_pushlstring(L, text, 2 * size);
    return 1;
}

/* hash("md5" | "sha256" | "sha512", text)
 *   -> the hash in hexadecimal, lower case
 *    | nil, message, err (unsupported, memory) */
static int push_hash(lua_State *L)
{
    int index = luaL_checkoption(L, 1, NULL, names);
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size;
    enum sl_status status =
        sl_tls_hash(kinds[index], slb_check_view(L, 2), hash, &size);

    if (status != SL_OK)
        return push_refusal(L, status, names[index]);
    return push_hexadecimal(L, hash, size);
}

/* ---- piece by piece ---- */

/* hasher("md5" | "sha256" | "sha512") -> hasher
 *                                      | nil, message, err (as above) */
static int new_hasher(lua_State *L)
{
    const struct sl_tls_provider *provider = sl_tls_provider_find(NULL);
    int index = luaL_checkoption(L, 1, NULL, names);
    struct hasher *handle = slb_new(L, HASHER, sizeof *handle, 0);
    enum sl_status status = SL_UNSUPPORTED;

    if (provider != NULL)
        status = provider->hasher_create(kinds[index], &handle->hasher);
    return status == SL_OK ? 1 : push_refusal(L, status, names[index]);
}

static struct hasher *check_hasher(lua_State *L)
{
    struct hasher *handle = luaL_checkudata(L, 1, HASHER);

    if (handle->hasher == NULL)
        luaL_error(L, "use of closed hasher");
    return handle;
}

/* hasher:update(text) -> true | nil, message, err (memory) */
static int hasher_update(lua_State *L)
{
    struct hasher *handle = check_hasher(L);
    enum sl_status status = sl_tls_provider_find(NULL)->hasher_update(
        handle->hasher, slb_check_view(L, 2));

    if (status != SL_OK)
        return push_refusal(L, status, "hash");
    lua_pushboolean(L, true);
    return 1;
}

static int hasher_close(lua_State *L)
{
    struct hasher *handle = luaL_checkudata(L, 1, HASHER);

    if (handle->hasher != NULL)
        sl_tls_provider_find(NULL)->hasher_destroy(handle->hasher);
    handle->hasher = NULL;
    return 0;
}

/* hasher:finish() -> the hash in hexadecimal | nil, message, err (memory)
 * Closes the hasher. */
static int hasher_finish(lua_State *L)
{
    struct hasher *handle = check_hasher(L);
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size;
    enum sl_status status =
        sl_tls_provider_find(NULL)->hasher_finish(handle->hasher, hash, &size);

    hasher_close(L);
    if (status != SL_OK)
        return push_refusal(L, status, "hash");
    return push_hexadecimal(L, hash, size);
}

static const luaL_Reg methods[] = {
    {"update", hasher_update}, {"finish", hasher_finish}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", hasher_close}, {"__close", hasher_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"hash", push_hash}, {"hasher", new_hasher}, {NULL, NULL}};

void slb_hash_open(lua_State *L)
{
    slb_type(L, HASHER, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
