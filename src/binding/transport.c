#include "binding/transport.h"

#include "binding/options.h"
#include "binding/tls.h"
#include "binding/types.h"
#include "io/backend.h"
#include "task/outcome.h"
#include "task/seconds.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <stdio.h>

const char slb_transport_type[] = "sluice.transport";

static bool is_awaited(const struct sl_channel *channel)
{
    return slb_is_awaited(&channel->opening.completion) ||
           slb_is_awaited(&channel->sending.completion) ||
           slb_is_awaited(&channel->receiving.completion);
}

/* Releases the channel of a finalised handle once it has no waiter. */
static void end_channel(struct slb_transport *handle)
{
    struct sl_channel *channel = handle->ending;

    if (channel == NULL || is_awaited(channel))
        return;
    handle->ending = NULL;
    sl_channel_destroy(channel);
    slb_runtime_release(handle->runtime);
}

struct slb_transport *slb_transport_at(lua_State *L, int index)
{
    return slb_check(L, index, slb_transport_type);
}

struct slb_transport *slb_check_transport(lua_State *L, int index)
{
    struct slb_transport *handle = slb_transport_at(L, index);

    if (handle->channel == NULL) {
        end_channel(handle);
        luaL_error(L, "use of closed transport");
    }
    slb_check_usable(L, handle->runtime);
    return handle;
}

struct slb_transport *slb_check_open_transport(lua_State *L)
{
    struct slb_transport *handle = slb_check_transport(L, 1);

    if (handle->is_closed)
        luaL_error(L, "use of closed transport");
    return handle;
}

struct sl_channel_operation *slb_transport_core(struct slb_transport *handle,
                                                bool is_send)
{
    return is_send ? &handle->channel->sending : &handle->channel->receiving;
}

/* The transport, with a wait reserved for a method that may have to wait. */
static struct slb_transport *check_waiting(lua_State *L)
{
    slb_reserve_wait(L, slb_check_open_transport(L)->runtime);
    return slb_check_open_transport(L);
}

/* Closes the channel, which stays until the handle goes: a coroutine may wait
 * for it. */
static void close_handle(struct slb_transport *handle)
{
    if (handle->channel == NULL || handle->is_closed)
        return;
    handle->is_closed = true;
    sl_channel_close(handle->channel);
}

static void abandon(void *subject)
{
    close_handle(subject);
    end_channel(subject);
}

/* "host:port", or the path of a unix socket. */
static const char *push_peer(lua_State *L, const struct slb_transport *handle)
{
    if (handle->is_unix)
        return lua_pushstring(L, handle->host);
    return lua_pushfstring(L, "%s:%d", handle->host, handle->port);
}

/* `failure` is a copy: making values may finalise the channel. */
static int push_failure(lua_State *L, const struct slb_transport *handle,
                        struct sl_failure failure, const char *verb)
{
    const char *attempt;

    if (failure.stage == SL_STAGE_CONNECT)
        return slb_push_failure(L, &failure, "connect");
    if (failure.stage == SL_STAGE_RESOLVE)
        return slb_push_failure(L, &failure, "resolve");
    attempt = lua_pushfstring(L, "%s %s",
                              failure.stage == SL_STAGE_TLS ? "tls" : verb,
                              push_peer(L, handle));
    return slb_push_failure(L, &failure, attempt);
}

/* ---- connecting ---- */

static int opened(lua_State *L, int status, lua_KContext context)
{
    struct slb_transport *handle;

    (void)status;
    slb_waited(L, context);
    handle = slb_check_transport(L, -1);
    if (handle->channel->opening.completion.status != SL_OK) {
        int count = push_failure(L, handle, handle->channel->opening.failure,
                                 "connect");

        close_handle(handle);
        return count;
    }
    return 1;
}

static void read_options(lua_State *L, struct sl_opening_options *options)
{
    const char *backend = slb_field_string(L, "backend");

    memset(options, 0, sizeof *options);
    options->connect.host = slb_field_string(L, "host");
    options->connect.port = (int)slb_field_size(L, "port", 0);
    options->connect.unix_path = slb_field_string(L, "unix_path");
    options->deadlines.resolve = slb_field_seconds(L, "resolve", 5 * SL_SECOND);
    options->deadlines.connect =
        slb_field_seconds(L, "connect", 10 * SL_SECOND);
    options->deadlines.tls =
        slb_field_seconds(L, "tls_timeout", 10 * SL_SECOND);
    options->connect.deadline = SL_NEVER;
    options->tls.engine.identity = slb_field_string(L, "identity");
    if (slb_field_boolean(L, "completion", false))
        options->connect.mode = SL_TRANSPORT_COMPLETION;
    if (backend != NULL) {
        options->connect.backend = sl_backend_find(backend);
        if (options->connect.backend == NULL)
            luaL_error(L, "backend: '%s' is not in this build", backend);
    }
}

static void read_tls(lua_State *L, struct sl_opening_options *options)
{
    if (lua_getfield(L, 1, "tls") != LUA_TNIL) {
        struct slb_tls_context *tls = slb_check_tls_context(L, -1);

        options->tls.provider = tls->provider;
        options->tls.context = tls->context;
        options->tls.engine.owner = tls->verifier;
    }
    lua_pop(L, 1); /* stays in the options, which stay at index 1 */
}

/* connect{ host, port, unix_path, completion, backend, tls, identity, resolve,
 *          connect, tls_timeout } -> transport | nil, message, err
 * Durations in seconds, `tls` a context; yields. */
static int connect_transport(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_transport *handle;
    struct sl_opening_options options;
    struct sl_failure failure;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_options(L, &options);
    slb_reserve_wait(L, runtime);
    handle = slb_new(L, slb_transport_type, sizeof *handle, 4);
    read_tls(L, &options);
    snprintf(handle->host, sizeof handle->host, "%s",
             options.connect.unix_path != NULL ? options.connect.unix_path
                                               : options.connect.host);
    handle->is_unix = options.connect.unix_path != NULL;
    handle->port = options.connect.port;
    if (runtime->resolver == NULL &&
        sl_resolver_create(&runtime->loop, &runtime->resolver) != SL_OK)
        return luaL_error(L, "out of memory");
    sl_loop_refresh(&runtime->loop);
    if (sl_channel_create(&runtime->loop, &runtime->pool, runtime->resolver,
                          &options, &handle->channel, &failure) != SL_OK)
        return push_failure(L, handle, failure, "connect");
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    handle->pool = &runtime->pool;
    return slb_wait(L, runtime, &handle->channel->opening.completion, abandon,
                    handle, opened);
}

/* ---- results ---- */

static int push_sent(lua_State *L, struct slb_transport *handle)
{
    struct sl_channel_operation *operation = &handle->channel->sending;

    sl_channel_settle(operation);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, SLB_TRANSPORT_TEXT);
    if (operation->completion.status != SL_OK)
        return push_failure(L, handle, operation->failure, "send to");
    lua_pushinteger(L, (lua_Integer)operation->completion.result);
    return 1;
}

static void settle_receive(lua_State *L, struct slb_transport *handle)
{
    sl_channel_settle(&handle->channel->receiving);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, SLB_TRANSPORT_TARGET);
}

/* Moves the bytes to the buffer handle on top of the stack, which may be gone
 * by now, or near its limit: the others are there for the next receive. */
static int fill_target(lua_State *L, struct slb_transport *handle, size_t size)
{
    struct sl_buffer *target;
    enum sl_status status;

    settle_receive(L, handle);
    target = slb_check_buffer(L, -1);
    status = sl_channel_take(handle->channel, target, size);
    if (status == SL_LIMIT)
        return slb_push_excess(L, "receive into buffer", target->max_size);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "receive into buffer");
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int push_bytes(lua_State *L, struct slb_transport *handle, size_t size)
{
    struct sl_view view;

    if (sl_channel_peek(handle->channel, size, &view) != SL_OK)
        return luaL_error(L, "out of memory");
    lua_pushlstring(L, view.data, size);
    if (handle->channel == NULL)
        return 1; /* a finaliser has finalised it */
    sl_channel_consume(handle->channel, size);
    settle_receive(L, handle);
    return 1;
}

static int push_received(lua_State *L, struct slb_transport *handle)
{
    struct sl_channel_operation *operation = &handle->channel->receiving;
    size_t size = sl_channel_received(handle->channel);

    if (operation->completion.status != SL_OK)
        settle_receive(L, handle);
    if (operation->completion.status == SL_END) {
        lua_pushnil(L);
        return 1;
    }
    if (operation->completion.status != SL_OK)
        return push_failure(L, handle, operation->failure, "receive from");
    if (size == 0)
        return luaL_error(L, "use of closed transport");
    if (lua_getiuservalue(L, 1, SLB_TRANSPORT_TARGET) != LUA_TNIL)
        return fill_target(L, handle, size);
    return push_bytes(L, handle, size);
}

/* The transport is at index 1. */
static int await_send(lua_State *L, struct slb_transport *handle);
static int await_receive(lua_State *L, struct slb_transport *handle);

static int sent(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return await_send(L, slb_check_transport(L, 1));
}

static int await_send(lua_State *L, struct slb_transport *handle)
{
    struct sl_completion *completion = &handle->channel->sending.completion;

    if (completion->state == SL_COMPLETION_DONE)
        return push_sent(L, handle);
    return slb_wait(L, handle->runtime, completion, abandon, handle, sent);
}

static int received(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return await_receive(L, slb_check_transport(L, 1));
}

static int await_receive(lua_State *L, struct slb_transport *handle)
{
    struct sl_completion *completion = &handle->channel->receiving.completion;

    if (completion->state == SL_COMPLETION_DONE)
        return push_received(L, handle);
    return slb_wait(L, handle->runtime, completion, abandon, handle, received);
}

int slb_await_transport(lua_State *L, struct slb_transport *handle,
                        bool is_send)
{
    return is_send ? await_send(L, handle) : await_receive(L, handle);
}

/* ---- beginning ---- */

static int64_t read_due(lua_State *L, struct slb_runtime *runtime, int index)
{
    int64_t now = sl_loop_refresh(&runtime->loop);
    int64_t timeout = lua_isnoneornil(L, index) ? 30 * SL_SECOND
                                                : slb_check_seconds(L, index);

    return sl_clock_after(now, timeout);
}

static int raise_busy(lua_State *L, const char *verb)
{
    return luaL_error(L, "%s: one is under way already", verb);
}

/* stack: transport, bytes, timeout */
static void begin_send(lua_State *L, struct slb_transport *handle)
{
    struct slb_bytes bytes;
    struct sl_sequence content;
    enum sl_status status;
    int64_t due = read_due(L, handle->runtime, 3);

    slb_check_bytes(L, 2, &bytes);
    if (handle->channel->sending.completion.state == SL_COMPLETION_PENDING)
        raise_busy(L, "send");
    if (bytes.sequence == NULL) {
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, 1, SLB_TRANSPORT_TEXT);
    }
    sl_sequence_init(&content, &handle->runtime->allocator);
    status = SL_OK;
    if (bytes.sequence != NULL)
        status = sl_sequence_sub(&content, bytes.sequence, 0, bytes.size);
    if (status == SL_OK)
        status = sl_channel_begin_send(
            handle->channel,
            bytes.sequence == NULL ? bytes.text : sl_view(NULL, 0), &content,
            due);
    sl_sequence_fini(&content);
    if (status == SL_MISUSE)
        raise_busy(L, "send");
    if (status != SL_OK)
        luaL_error(L, "out of memory");
}

struct receive {
    struct sl_pool *pool;
    size_t room;
    size_t wanted;
    int64_t due;
    bool fills_target;
};

/* stack: transport, count or buffer, timeout or count, timeout */
static void read_receive(lua_State *L, struct slb_transport *handle,
                         struct receive *receive)
{
    lua_Integer wanted;

    receive->pool = &handle->runtime->pool;
    receive->room = SIZE_MAX;
    receive->fills_target = lua_isuserdata(L, 2);
    if (receive->fills_target) {
        const struct sl_buffer *target = slb_check_buffer(L, 2);
        size_t room = target->max_size - target->length;

        receive->pool = target->pool;
        receive->room = room;
        wanted = luaL_optinteger(L, 3, 64 * 1024);
        if (room > 0 && wanted > 0 && (size_t)wanted > room)
            wanted = (lua_Integer)room;
        receive->due = read_due(L, handle->runtime, 4);
    } else {
        wanted = luaL_optinteger(L, 2, 64 * 1024);
        receive->due = read_due(L, handle->runtime, 3);
    }
    luaL_argcheck(L, wanted > 0, receive->fills_target ? 3 : 2,
                  "positive count expected");
    receive->wanted = (size_t)wanted;
}

/* Holds the pool of received bytes as long as they are in it. */
static void hold_pool(struct slb_transport *handle)
{
    struct sl_pool *pool = handle->channel->incoming.pool;

    if (pool == handle->pool)
        return;
    slb_pool_retain(handle->runtime, pool);
    slb_pool_release(handle->runtime, handle->pool);
    handle->pool = pool;
}

/* Begins a receive, with the same stack. */
static void begin_receive(lua_State *L, struct slb_transport *handle)
{
    struct receive receive;

    read_receive(L, handle, &receive);
    if (sl_channel_is_unasked(handle->channel))
        luaL_error(L, "receive: await the previous receive first");
    if (sl_channel_begin_receive(handle->channel, receive.pool, receive.room,
                                 receive.wanted, receive.due) != SL_OK)
        raise_busy(L, "receive");
    hold_pool(handle);
    if (receive.fills_target)
        lua_pushvalue(L, 2);
    else
        lua_pushnil(L);
    lua_setiuservalue(L, 1, SLB_TRANSPORT_TARGET);
}

void slb_begin_transport(lua_State *L, struct slb_transport *handle,
                         bool is_send)
{
    if (is_send)
        begin_send(L, handle);
    else
        begin_receive(L, handle);
}

/* transport:send(bytes, timeout = 30) -> count of bytes | nil, message, err
 * All of a string, sequence or lease; yields. */
static int transport_send(lua_State *L)
{
    struct slb_transport *handle = check_waiting(L);

    begin_send(L, handle);
    lua_settop(L, 1);
    return await_send(L, handle);
}

/* transport:receive(n = 65536, timeout = 30) -> string of up to n bytes
 * transport:receive(buffer, n, timeout) -> count of bytes appended to it
 *   | nil (end) | nil, message, err; yields */
static int transport_receive(lua_State *L)
{
    struct slb_transport *handle = check_waiting(L);

    begin_receive(L, handle);
    lua_settop(L, 1);
    return await_receive(L, handle);
}

/* transport:close() - operations under way end with `cancelled`; idempotent */
static int transport_close(lua_State *L)
{
    close_handle(slb_transport_at(L, 1));
    return 0;
}

static int transport_gc(lua_State *L)
{
    struct slb_transport *handle = slb_transport_at(L, 1);

    if (handle->channel == NULL)
        return 0;
    if (!handle->is_closed)
        handle->runtime->leaked++;
    close_handle(handle);
    handle->ending = handle->channel;
    handle->channel = NULL;
    slb_pool_release(handle->runtime, handle->pool);
    /* If a coroutine still waits for it, the end of that wait ends it. */
    end_channel(handle);
    return 0;
}

/* transport:tls() -> the outcome of the handshake | nil: plain */
static int transport_tls(lua_State *L)
{
    struct slb_peer *held = slb_new_peer(L);

    slb_push_peer(L, held, slb_check_open_transport(L)->channel->peer);
    return 1;
}

static int transport_tostring(lua_State *L)
{
    struct slb_transport *handle = slb_transport_at(L, 1);

    if (handle->channel == NULL || handle->is_closed)
        lua_pushliteral(L, "sluice.transport (closed)");
    else
        lua_pushfstring(L, "sluice.transport (%s)", push_peer(L, handle));
    return 1;
}

static const luaL_Reg functions[] = {{"connect", connect_transport},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{"send", transport_send},
                                   {"receive", transport_receive},
                                   {"tls", transport_tls},
                                   {"close", transport_close},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", transport_close},
                                {"__gc", transport_gc},
                                {"__tostring", transport_tostring},
                                {NULL, NULL}};

void slb_transport_open(lua_State *L)
{
    slb_type(L, slb_transport_type, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
