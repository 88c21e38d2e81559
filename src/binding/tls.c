#include "binding/tls.h"

#include "binding/options.h"
#include "http/token.h"
#include "task/outcome.h"
#include "task/userdata.h"

#define CONTEXT "sluice.tls"
#define PEER    "sluice.peer"

/* ---- peers ---- */

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_certificate(lua_State *L,
                             const struct sl_tls_certificate *certificate)
{
    lua_createtable(L, 0, 7);
    set_text(L, "subject", certificate->subject);
    set_text(L, "issuer", certificate->issuer);
    set_text(L, "names", certificate->names);
    set_text(L, "not_before", certificate->not_before);
    set_text(L, "not_after", certificate->not_after);
    set_text(L, "sha256", certificate->sha256);
    set_text(L, "spki_sha256", certificate->spki_sha256);
}

struct slb_peer *slb_new_peer(lua_State *L)
{
    return slb_new(L, PEER, sizeof(struct slb_peer), 0);
}

static void let_go(struct slb_peer *held)
{
    sl_peer_release(held->peer);
    held->peer = NULL;
}

static int peer_gc(lua_State *L)
{
    let_go(luaL_checkudata(L, 1, PEER));
    return 0;
}

void slb_push_peer(lua_State *L, struct slb_peer *held, struct sl_peer *peer)
{
    if (peer == NULL) {
        lua_pop(L, 1);
        lua_pushnil(L);
        return;
    }
    held->peer = sl_peer_retain(peer);
    lua_createtable(L, 0, 6);
    set_text(L, "version", peer->info.version);
    set_text(L, "cipher", peer->info.cipher);
    set_text(L, "alpn", peer->info.alpn);
    lua_pushboolean(L, peer->info.is_resumed);
    lua_setfield(L, -2, "resumed");
    lua_pushboolean(L, peer->info.is_verified);
    lua_setfield(L, -2, "verified");
    if (peer->has_certificate) {
        push_certificate(L, &peer->certificate);
        lua_setfield(L, -2, "peer");
    }
    let_go(held);
    lua_remove(L, -2);
}

/* ---- the verify callback ---- */

/* Runs under lua_pcall. stack: function, certificate -> accepted, reason */
static int call_verifier(lua_State *L)
{
    const struct sl_tls_certificate *certificate = lua_touserdata(L, 2);

    lua_settop(L, 1);
    push_certificate(L, certificate);
    lua_call(L, 1, 2);
    return 2;
}

/* False refuses. No Lua error leaves this function. */
static bool verify(void *owner, const struct sl_tls_certificate *peer,
                   char *reason, size_t reason_size)
{
    struct slb_verifier *verifier = owner;
    lua_State *L = verifier->runtime->stepping;
    int top = lua_gettop(L);
    bool is_accepted = false;
    const char *text;
    size_t size;

    reason[0] = '\0';
    if (verifier->function == LUA_NOREF || verifier->runtime->is_closing ||
        !lua_checkstack(L, LUA_MINSTACK))
        return false;
    lua_pushcfunction(L, call_verifier);
    lua_rawgeti(L, LUA_REGISTRYINDEX, verifier->function);
    lua_pushlightuserdata(L, (void *)peer);
    if (lua_pcall(L, 2, 2, 0) == LUA_OK)
        is_accepted = lua_toboolean(L, -2);
    text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (!is_accepted && text != NULL)
        sl_escape(reason, reason_size, sl_view(text, size));
    lua_settop(L, top);
    return is_accepted;
}

/* The context is gone, so the function can no longer be called. */
static void forget(void *forgotten)
{
    struct slb_verifier *verifier = forgotten;

    sl_free(&verifier->runtime->allocator, verifier, sizeof *verifier);
}

/* Takes the function on top of the stack for a context that is still to be
 * made. */
static void set_verifier(lua_State *L, struct slb_runtime *runtime,
                         struct slb_tls_context *handle,
                         struct sl_tls_options *options)
{
    luaL_checktype(L, -1, LUA_TFUNCTION);
    handle->verifier =
        sl_allocate(&runtime->allocator, sizeof *handle->verifier);
    if (handle->verifier == NULL)
        luaL_error(L, "out of memory");
    handle->verifier->runtime = runtime;
    handle->verifier->function = LUA_NOREF;
    handle->verifier->function = luaL_ref(L, LUA_REGISTRYINDEX);
    options->verify = verify;
    options->forget = forget;
    options->forgotten = handle->verifier;
}

/* ---- contexts ---- */

struct slb_tls_context *slb_check_tls_context(lua_State *L, int index)
{
    struct slb_tls_context *handle = luaL_checkudata(L, index, CONTEXT);

    if (handle->context == NULL)
        slb_raise_disposed(L, "tls context");
    slb_check_usable(L, handle->runtime);
    return handle;
}

static enum sl_tls_version read_version(lua_State *L, const char *name)
{
    const char *text = slb_field_string(L, name);

    if (text == NULL)
        return SL_TLS_DEFAULT;
    if (strcmp(text, "1.2") == 0)
        return SL_TLS_1_2;
    if (strcmp(text, "1.3") == 0)
        return SL_TLS_1_3;
    luaL_error(L, "%s: \"1.2\" or \"1.3\" expected, got \"%s\"", name, text);
    return SL_TLS_DEFAULT;
}

/* pins: an array of SHA-256 digests, 32 bytes each */
static void read_pins(lua_State *L, struct sl_tls_options *options)
{
    lua_Integer count;

    if (lua_getfield(L, 1, "pins") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    count = luaL_len(L, -1);
    if (count > SL_TLS_PINS)
        luaL_error(L, "pins: at most %d", SL_TLS_PINS);
    for (lua_Integer i = 1; i <= count; i++) {
        size_t size;
        const char *pin;

        lua_geti(L, -1, i);
        pin = luaL_checklstring(L, -1, &size);
        if (size != SL_TLS_PIN_SIZE)
            luaL_error(L, "pins: a SHA-256 digest has %d bytes",
                       SL_TLS_PIN_SIZE);
        memcpy(options->pins[i - 1], pin, size);
        lua_pop(L, 1);
    }
    options->pin_count = (size_t)count;
    lua_pop(L, 1);
}

/* tls_context{ verify, ca_file, ca_path, ca, crl_file, cert_file, key_file,
 *              key_password, pkcs12_file, min_version, max_version, ciphers,
 *              alpn, pins, resume, own_records, key_log, provider, verifier }
 *   -> context | nil, message, err
 * Loads what the files hold once; `alpn` is the wire's list. `verifier` is
 * called with the peer's certificate and may refuse: false, reason. */
static int new_context(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_tls_context *handle;
    struct sl_tls_options options;
    struct sl_failure failure;
    const char *name;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sl_tls_options_default(&options);
    options.verifies = slb_field_boolean(L, "verify", true);
    options.resumes = slb_field_boolean(L, "resume", options.resumes);
    options.has_own_records =
        slb_field_boolean(L, "own_records", options.has_own_records);
    options.ca_file = slb_field_string(L, "ca_file");
    options.ca_path = slb_field_string(L, "ca_path");
    options.ca = slb_field_view(L, "ca");
    options.crl_file = slb_field_string(L, "crl_file");
    options.cert_file = slb_field_string(L, "cert_file");
    options.key_file = slb_field_string(L, "key_file");
    options.key_password = slb_field_string(L, "key_password");
    options.pkcs12_file = slb_field_string(L, "pkcs12_file");
    options.min_version = read_version(L, "min_version");
    options.max_version = read_version(L, "max_version");
    options.ciphers = slb_field_string(L, "ciphers");
    options.alpn = slb_field_view(L, "alpn");
    options.key_log_file = slb_field_string(L, "key_log");
    read_pins(L, &options);

    name = slb_field_string(L, "provider");
    handle = slb_new(L, CONTEXT, sizeof *handle, 0);
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    if (lua_getfield(L, 1, "verifier") != LUA_TNIL)
        set_verifier(L, runtime, handle, &options);
    else
        lua_pop(L, 1);
    handle->provider =
        name != NULL ? sl_tls_provider_find(name) : sl_tls_providers[0];
    if (handle->provider == NULL)
        return luaL_error(L, "provider: '%s' is not in this build",
                          name != NULL ? name : "TLS");
    if (handle->provider->context_create(&runtime->allocator, &options,
                                         &handle->context, &failure) != SL_OK)
        return slb_push_failure(L, &failure, "tls");
    return 1;
}

static int context_gc(lua_State *L)
{
    struct slb_tls_context *handle = luaL_checkudata(L, 1, CONTEXT);
    struct slb_runtime *runtime = handle->runtime;

    if (runtime == NULL)
        return 0;
    handle->runtime = NULL;
    if (handle->verifier != NULL) {
        luaL_unref(L, LUA_REGISTRYINDEX, handle->verifier->function);
        handle->verifier->function = LUA_NOREF;
    }
    if (handle->context != NULL)
        handle->provider->context_release(handle->context);
    else if (handle->verifier != NULL)
        forget(handle->verifier);
    handle->context = NULL;
    handle->verifier = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static const luaL_Reg functions[] = {{"tls_context", new_context},
                                     {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", context_gc}, {NULL, NULL}};

static const luaL_Reg peer_meta[] = {{"__gc", peer_gc}, {NULL, NULL}};

void slb_tls_open(lua_State *L)
{
    slb_type(L, PEER, NULL, peer_meta);
    slb_type(L, CONTEXT, NULL, meta);
    luaL_setfuncs(L, functions, 0);
}
