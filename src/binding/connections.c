#include "binding/lookups.h"
#include "binding/options.h"
#include "binding/origin.h"
#include "binding/response.h"
#include "binding/scratch.h"
#include "binding/tls.h"
#include "binding/types.h"
#include "conn/tunnel_http.h"
#include "conn/tunnel_socks5.h"
#include "io/backend.h"
#include "memory/lease.h"
#include "task/outcome.h"
#include "task/userdata.h"

#include <string.h>

#define CONNECTIONS "sluice.connections"

/* The connections of one client. values: what asks its resolver */
struct slb_connections {
    struct slb_runtime *runtime;
    struct sl_connections *connections; /* held by `exchanges` */
    struct sl_exchanges *exchanges;
};

static struct slb_connections *check_connections(lua_State *L, int index)
{
    struct slb_connections *handle = luaL_checkudata(L, index, CONNECTIONS);

    if (handle->exchanges == NULL)
        slb_raise_disposed(L, "client");
    slb_check_usable(L, handle->runtime);
    return handle;
}

static const struct sl_backend_class *check_backend(lua_State *L)
{
    const char *name = slb_field_string(L, "backend");
    const struct sl_backend_class *backend;

    if (name == NULL)
        return NULL;
    backend = sl_backend_find(name);
    if (backend == NULL)
        luaL_error(L, "backend: '%s' is not in this build", name);
    return backend;
}

static enum sl_status add_source(lua_State *L, struct slb_runtime *runtime,
                                 int handle,
                                 struct sl_connections_options *options)
{
    if (lua_getfield(L, 1, "ask") == LUA_TNIL) {
        lua_pop(L, 1);
        return SL_OK;
    }
    options->source_unused = slb_lookups_end;
    return slb_lookups_create(L, runtime, handle, &options->source);
}

/* connections{ per_origin, total, idle, lifetime, reuses, pooling, completion,
 *              backend, ask } -> connections | nil, message, err
 * An empty set of connections with those limits; durations in seconds. `ask` is
 * function(question, host, port) -> task, for names (binding/lookups.h). */
static int new_connections(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct sl_connections_options options;
    struct slb_connections *handle;
    struct sl_pool *pool;
    enum sl_status status = SL_OK;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sl_connections_options_default(&options);
    options.per_origin =
        (size_t)slb_field_size(L, "per_origin", options.per_origin);
    options.total = (size_t)slb_field_size(L, "total", options.total);
    options.idle = slb_field_seconds(L, "idle", options.idle);
    options.lifetime = slb_field_seconds(L, "lifetime", options.lifetime);
    options.reuses = slb_field_boolean(L, "reuses", true);
    if (slb_field_boolean(L, "completion", false))
        options.mode = SL_TRANSPORT_COMPLETION;
    options.backend = check_backend(L);
    options.list = &runtime->connections;

    handle = slb_new(L, CONNECTIONS, sizeof *handle, 1);
    if (runtime->resolver == NULL)
        status = sl_resolver_create(&runtime->loop, &runtime->resolver);
    pool = slb_field_boolean(L, "pooling", true) ? &runtime->pool
                                                 : &runtime->direct;
    if (status == SL_OK)
        status = add_source(L, runtime, lua_gettop(L), &options);
    if (status == SL_OK) {
        status = sl_connections_create(&runtime->allocator, pool,
                                       &runtime->loop, runtime->resolver,
                                       &options, &handle->connections);
        if (status != SL_OK && options.source != NULL)
            slb_lookups_end(options.source);
    }
    if (status == SL_OK) {
        status = sl_exchanges_create(handle->connections, &handle->exchanges);
        sl_connections_release(handle->connections);
    }
    if (status != SL_OK)
        return slb_push_outcome(L, status, "create client");
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    return 1;
}

/* connections:close() - idle ones close, waiting requests fail. Idempotent,
 * also once they are collected. */
static int connections_close(lua_State *L)
{
    struct slb_connections *handle = luaL_checkudata(L, 1, CONNECTIONS);

    if (handle->exchanges != NULL)
        sl_exchanges_close(handle->exchanges);
    return 0;
}

/* connections:stats() -> counters: connections by state (`dialing` is the part
 * of `active` that is being made), requests, and the client's pool */
static int connections_stats(lua_State *L)
{
    const struct slb_connections *handle = check_connections(L, 1);
    const struct sl_connections *all = handle->connections;
    const struct sl_connections_stats *stats = &all->stats;
    const struct sl_pool_stats *pool = &all->pool->stats;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"idle", stats->idle},
        {"active", stats->active},
        {"dialing", stats->idle + stats->active - stats->open},
        {"queued", stats->queued},
        {"made", stats->made},
        {"origins", all->directory.count},
        {"requests", handle->exchanges->requests},
        {"resends", handle->exchanges->resends},
        {"outstanding", sl_pool_outstanding(all->pool)},
        {"rented", pool->rented},
        {"returned", pool->returned},
        {"high_water", pool->high_water},
        {"bytes", pool->bytes},
    };
    size_t count = sizeof counters / sizeof *counters;

    lua_createtable(L, 0, (int)count + 2);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)counters[i].value);
        lua_setfield(L, -2, counters[i].name);
    }
    return 1;
}

static int connections_gc(lua_State *L)
{
    struct slb_connections *handle = luaL_checkudata(L, 1, CONNECTIONS);

    if (handle->exchanges == NULL)
        return 0;
    sl_exchanges_close(handle->exchanges);
    sl_exchanges_release(handle->exchanges);
    handle->exchanges = NULL;
    slb_runtime_release(handle->runtime);
    return 0;
}

/* NULL: no tunnel. */
static const struct sl_tunnel_class *find_tunnel(const char *name)
{
    if (name == NULL)
        return NULL;
    return strcmp(name, "socks5") == 0 ? &sl_tunnel_socks5 : &sl_tunnel_http;
}

static void read_origin(lua_State *L, struct sl_origin_options *options)
{
    memset(options, 0, sizeof *options);
    options->host = slb_field_string(L, "host");
    options->port = (int)slb_field_size(L, "port", 0);
    options->address = slb_field_string(L, "address");
    options->unix_path = slb_field_string(L, "unix_path");
    options->local_address = slb_field_string(L, "local_address");
    options->key = slb_field_string(L, "identity");
    options->proxy_host = slb_field_string(L, "proxy_host");
    options->proxy_port = (int)slb_field_size(L, "proxy_port", 0);
    options->proxy_user = slb_field_string(L, "proxy_user");
    options->proxy_password = slb_field_string(L, "proxy_password");
    options->proxy_identity = slb_field_string(L, "proxy_identity");
    options->tunnel = find_tunnel(slb_field_string(L, "tunnel"));
    if (options->host == NULL || options->host[0] == '\0')
        luaL_error(L, "host: missing");
    if (options->key == NULL)
        luaL_error(L, "identity: missing");
}

/* Reads the TLS context in a field, and keeps it as that value of the origin on
 * top of the stack: the verify callback lives as long as origins that may call
 * it. NULL: the field is nil. */
static struct slb_tls_context *read_context(lua_State *L, const char *name,
                                            int value)
{
    struct slb_tls_context *tls = NULL;

    if (lua_getfield(L, 1, name) != LUA_TNIL)
        tls = slb_check_tls_context(L, -1);
    lua_setiuservalue(L, -2, value);
    return tls;
}

/* connections:origin{ identity, host, port, address, unix_path, local_address,
 * tls, proxy_host, proxy_port, tunnel, proxy_user, proxy_password, proxy_tls,
 * proxy_identity } -> origin | nil, message, err
 * The origin known by that identity, which also keys its TLS sessions, or a new
 * one; `tls` and `proxy_tls` are contexts. With a proxy its connections go
 * there, by TLS of its own with `proxy_tls`, whose sessions `proxy_identity`
 * keys; `tunnel` is "http" or "socks5", nil where the proxy itself answers. */
static int connections_origin(lua_State *L)
{
    struct slb_connections *connections;
    struct sl_origin_options options;
    struct slb_tls_context *tls;
    struct slb_origin *handle;
    enum sl_status status;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_insert(L, 1); /* the option readers look at index 1 */
    read_origin(L, &options);
    handle = slb_new(L, slb_origin_type, sizeof *handle, 2);
    tls = read_context(L, "tls", 1);
    if (tls != NULL) {
        options.provider = tls->provider;
        options.context = tls->context;
        options.verify_owner = tls->verifier;
    }
    tls = read_context(L, "proxy_tls", 2);
    if (tls != NULL) {
        options.proxy_provider = tls->provider;
        options.proxy_context = tls->context;
        options.proxy_verify_owner = tls->verifier;
    }
    connections = check_connections(L, 2);
    status =
        sl_origin_find(connections->connections, &options, &handle->origin);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "create origin");
    handle->exchanges = connections->exchanges;
    sl_exchanges_retain(handle->exchanges);
    handle->runtime = connections->runtime;
    slb_runtime_retain(handle->runtime);
    return 1;
}

/* ---- answers that were not sent for ---- */

/* The bytes at `index` (a string, sequence, lease or nil) as a sequence that
 * retains them; a lease is disposed. */
static enum sl_status show_bytes(lua_State *L, int index,
                                 const struct sl_connections *all,
                                 struct sl_sequence *shown)
{
    struct slb_bytes bytes;
    struct sl_buffer copy;
    struct sl_lease *lease = slb_test_lease(L, index);
    enum sl_status status;

    sl_sequence_init(shown, all->allocator);
    if (!slb_to_bytes(L, index, &bytes) || bytes.size == 0) {
        status = SL_OK;
    } else if (bytes.sequence != NULL) {
        status = sl_sequence_sub(shown, bytes.sequence, 0, bytes.size);
    } else {
        sl_buffer_init(&copy, all->pool, SIZE_MAX);
        status = sl_buffer_append(&copy, bytes.text);
        if (status == SL_OK)
            status = sl_sequence_take(shown, &copy);
        sl_buffer_fini(&copy);
    }
    if (lease != NULL)
        sl_lease_dispose(lease);
    return status;
}

/* connections:answer(options, info, head, body, is_stream)
 *   -> response | nil, message, err
 * A response that was not sent for. `head` is a status line and field lines, as
 * a server would send them; `body` is a string (copied), a sequence (shown), a
 * lease (shown and disposed) or nil. */
static int connections_answer(lua_State *L)
{
    struct slb_options *options = slb_check(L, 2, slb_options_type);
    struct slb_connections *connections = check_connections(L, 1);
    struct sl_view head = slb_check_view(L, 4);
    struct slb_response *response;
    struct sl_failure failure;
    struct sl_sequence body;
    enum sl_status status;
    bool is_stream = lua_toboolean(L, 6);

    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 5);
    if (!lua_isnil(L, 5) && lua_type(L, 5) != LUA_TSTRING &&
        slb_test_lease(L, 5) == NULL)
        slb_check_sequence(L, 5);
    response =
        slb_new(L, slb_response_type, sizeof *response, SLB_RESPONSE_VALUES);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, SLB_RESPONSE_INFO);
    check_connections(L, 1); /* a finaliser may have ended it */
    status = show_bytes(L, 5, connections->connections, &body);
    if (status == SL_OK)
        status = sl_exchange_answer(connections->exchanges, &options->options,
                                    head, &body, &response->exchange, &failure);
    else
        sl_fail(&failure, status, SL_STAGE_HEAD, "out of memory");
    sl_sequence_fini(&body);
    if (status != SL_OK) {
        response->exchange = NULL;
        return slb_push_failure(L, &failure, "answer");
    }
    response->runtime = connections->runtime;
    slb_runtime_retain(response->runtime);
    response->is_stream = is_stream;
    slb_note_body(L, response);
    return 1;
}

static const luaL_Reg functions[] = {{"connections", new_connections},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{"origin", connections_origin},
                                   {"answer", connections_answer},
                                   {"stats", connections_stats},
                                   {"close", connections_close},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", connections_gc}, {"__close", connections_gc}, {NULL, NULL}};

void slb_connections_open(lua_State *L)
{
    slb_type(L, CONNECTIONS, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
