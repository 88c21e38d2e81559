#include "binding/tls.h"

#include "binding/options.h"

#define CONTEXT "sluice.tls"

struct slb_tls_context *slb_check_tls_context(lua_State *L, int index)
{
    return luaL_checkudata(L, index, CONTEXT);
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
 *              alpn, pins, resume, key_log, provider }
 *   -> context | nil, message, err
 * Loads what the files hold once; `alpn` is the wire's list. */
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
    handle->provider =
        name != NULL ? sl_tls_provider_find(name) : sl_tls_providers[0];
    if (handle->provider == NULL)
        return luaL_error(L, "provider: '%s' is not in this build",
                          name != NULL ? name : "TLS");
    if (handle->provider->context_create(&runtime->allocator, &options,
                                         &handle->context, &failure) != SL_OK)
        return slb_push_failure(L, &failure, "tls");
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    return 1;
}

static int context_gc(lua_State *L)
{
    struct slb_tls_context *handle = slb_check_tls_context(L, 1);

    if (handle->context == NULL)
        return 0;
    handle->provider->context_release(handle->context);
    handle->context = NULL;
    slb_runtime_release(handle->runtime);
    return 0;
}

static const luaL_Reg functions[] = {{"tls_context", new_context},
                                     {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", context_gc}, {NULL, NULL}};

void slb_tls_open(lua_State *L)
{
    slb_type(L, CONTEXT, NULL, meta);
    luaL_setfuncs(L, functions, 0);
}
