#include "binding/websocket.h"

#include "binding/handshake.h"
#include "binding/message.h"
#include "binding/options.h"
#include "binding/response.h"
#include "binding/types.h"
#include "conn/ws_deadline.h"
#include "task/outcome.h"
#include "task/seconds.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <string.h>

/* The bytes that are moved before others get their turn, and what a message
 * counts at least. */
#define TURN_BYTES   ((uint32_t)256 * 1024)
#define TURN_MESSAGE ((uint32_t)4 * 1024)

const char slb_websocket_type[] = "sluice.websocket";

/* ---- the handle ---- */

/* Frees the WebSocket of a finalised handle once it has no receiver. */
static void end_socket(struct slb_websocket *handle)
{
    struct sl_websocket *socket = handle->ending;

    if (socket == NULL || slb_is_awaited(&socket->completion))
        return;
    handle->ending = NULL;
    sl_websocket_destroy(socket);
    slb_pool_release(handle->runtime, handle->pool);
    slb_runtime_release(handle->runtime);
}

struct slb_websocket *slb_waited_websocket(lua_State *L, int index)
{
    struct slb_websocket *handle = lua_touserdata(L, index);

    if (handle->socket == NULL) {
        end_socket(handle);
        slb_raise_disposed(L, "websocket");
    }
    slb_check_usable(L, handle->runtime);
    return handle;
}

struct slb_websocket *slb_live_websocket(lua_State *L, int index)
{
    struct slb_websocket *handle = slb_waited_websocket(L, index);

    if (handle->is_disposed)
        slb_raise_disposed(L, "websocket");
    return handle;
}

struct slb_websocket *slb_check_websocket(lua_State *L, int index)
{
    slb_check(L, index, slb_websocket_type);
    return slb_live_websocket(L, index);
}

struct slb_websocket *slb_reserve_websocket_wait(lua_State *L)
{
    const struct slb_websocket *handle = lua_touserdata(L, 1);

    slb_reserve_wait(L, handle->runtime);
    return slb_live_websocket(L, 1);
}

struct slb_websocket *slb_check_waiting_websocket(lua_State *L)
{
    slb_check_websocket(L, 1);
    return slb_reserve_websocket_wait(L);
}

bool slb_is_websocket_turn_over(lua_State *L, struct slb_websocket *handle,
                                size_t size)
{
    const struct sl_loop *loop = &handle->runtime->loop;
    bool is_over = sl_loop_has_budget(loop) ? sl_loop_is_turn_over(loop)
                                            : handle->given >= TURN_BYTES;

    if (is_over)
        handle->given = 0;
    handle->given += size < TURN_MESSAGE ? TURN_MESSAGE
                     : size < TURN_BYTES ? (uint32_t)size
                                         : TURN_BYTES;
    return is_over && slb_can_take_turn(L, handle->runtime);
}

/* ---- failures ---- */

/* stack: ..., err -> the same, which says how it ended */
static void add_end(lua_State *L, const struct sl_ws_end *end)
{
    lua_pushinteger(L, (lua_Integer)end->code);
    lua_setfield(L, -2, "close_code");
    lua_pushlstring(L, end->reason, end->reason_size);
    lua_setfield(L, -2, "close_reason");
}

/* "websocket ws://host/path", or what was tried on it. */
static const char *push_attempt(lua_State *L, int index, const char *verb)
{
    lua_getiuservalue(L, index, SLB_WEBSOCKET_INFO);
    lua_getfield(L, -1, "url");
    return lua_pushfstring(L, "%s %s", verb, luaL_tolstring(L, -1, NULL));
}

/* `failure` and `end` are copies: making values may finalise the handle. */
static int push_failure(lua_State *L, int index, struct sl_failure failure,
                        const struct sl_ws_end *end, const char *verb)
{
    slb_push_failure(L, &failure, push_attempt(L, index, verb));
    if (end != NULL)
        add_end(L, end);
    if (failure.status == SL_CLOSED) {
        lua_pushliteral(L, "closed");
        lua_replace(L, -3);
    }
    return 3;
}

int slb_push_websocket_failure(lua_State *L, int index,
                               const struct slb_websocket *handle,
                               enum sl_status status, const char *verb)
{
    struct sl_failure failure;

    index = lua_absindex(L, index);
    luaL_checkstack(L, 16, NULL);
    if (handle->socket->end != NULL) {
        const struct sl_ws_end end = *handle->socket->end;

        return push_failure(L, index, end.failure, &end, "websocket");
    }
    sl_fail(&failure, status, SL_STAGE_WEBSOCKET, "%s",
            status == SL_CLOSED      ? "it is closing"
            : status == SL_MEMORY    ? "out of memory"
            : status == SL_CANCELLED ? "cancelled"
                                     : sl_status_name(status));
    return push_failure(L, index, failure, NULL, verb);
}

static int push_timeout(lua_State *L)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_TIMEOUT, SL_STAGE_WEBSOCKET, "no message within %g s",
            lua_tonumber(L, 2));
    push_failure(L, 1, failure, NULL, "receive from");
    lua_pushliteral(L, "timeout");
    lua_replace(L, -3);
    return 3;
}

/* ---- opening ---- */

/* 0 seconds turn it off. */
static int64_t field_limit(lua_State *L, const char *name, int64_t otherwise)
{
    int64_t limit = slb_field_seconds(L, name, otherwise);

    return limit == 0 ? SL_NEVER : limit;
}

/* The options of the table at index 1. */
static void read_options(lua_State *L, struct sl_websocket_options *options)
{
    struct sl_ws_options *protocol = &options->protocol;

    sl_websocket_options_default(options);
    protocol->max_size =
        (size_t)slb_field_size(L, "max_message_size", protocol->max_size);
    if (slb_field_boolean(L, "compresses", false))
        slb_read_compression(L, &protocol->compression);
    protocol->compress_from =
        (size_t)slb_field_size(L, "compress_from", protocol->compress_from);
    options->queue_count =
        (size_t)slb_field_size(L, "queue_messages", options->queue_count);
    options->queue_bytes =
        (size_t)slb_field_size(L, "queue_bytes", options->queue_bytes);
    options->ping_interval =
        field_limit(L, "ping_interval", options->ping_interval);
    options->pong_timeout =
        field_limit(L, "pong_timeout", options->pong_timeout);
    options->idle = field_limit(L, "idle_timeout", options->idle);
    options->send_timeout =
        field_limit(L, "send_timeout", options->send_timeout);
    options->close_timeout =
        slb_field_seconds(L, "close_timeout", options->close_timeout);
}

/* Moves the link out of the response at index 2. */
static void take_link(lua_State *L, struct sl_websocket *socket)
{
    struct sl_link link;
    struct sl_buffer input;
    bool is_taken;

    sl_buffer_init(&input, socket->pool, SIZE_MAX);
    is_taken = slb_response_take_link(slb_check_response(L, 2), &link, &input);
    if (is_taken)
        sl_websocket_open(socket, &link, &input);
    sl_buffer_fini(&input);
    if (!is_taken)
        luaL_error(L, "websocket: the response has no link to take");
}

/* websocket(response, options, info) -> socket
 * Takes over the link of a response with status 101. `info` is a table about
 * the handshake, whose `url` is named in messages. options: max_message_size,
 * queue_messages, queue_bytes, ping_interval, pong_timeout, idle_timeout,
 * send_timeout, close_timeout (seconds); with `compresses` the parameters that
 * slb_read_compression reads, and compress_from (bytes). */
static int open_websocket(lua_State *L)
{
    struct sl_websocket_options options;
    struct slb_websocket *handle;
    struct slb_response *response;

    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_rotate(L, 1, -1); /* stack: options, info, response */
    lua_rotate(L, 2, 1);  /* stack: options, response, info */
    read_options(L, &options);
    handle =
        slb_new(L, slb_websocket_type, sizeof *handle, SLB_WEBSOCKET_VALUES);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, SLB_WEBSOCKET_INFO);
    response = slb_check_response(L, 2);
    handle->runtime = response->runtime;
    handle->pool = response->exchange->exchanges->connections->pool;
    if (sl_websocket_create(&handle->runtime->loop, handle->pool, &options,
                            &handle->socket) != SL_OK)
        return luaL_error(L, "out of memory");
    slb_runtime_retain(handle->runtime);
    slb_pool_retain(handle->runtime, handle->pool);
    take_link(L, handle->socket);
    handle->noted = sizeof *handle->socket;
    slb_note_bytes(L, handle->runtime, handle->noted);
    return 1;
}

/* ---- receiving ---- */

static void abandon_receive(void *subject)
{
    struct slb_websocket *handle = subject;

    if (handle->socket != NULL)
        sl_websocket_unwant(handle->socket);
    else
        end_socket(handle);
}

/* Moves the first message to a handle. Making that may run finalisers. */
static int give_message(lua_State *L, struct slb_websocket *handle)
{
    struct sl_ws_arrival *arrival = sl_websocket_first(handle->socket);
    bool is_text = arrival->is_text;
    size_t size = arrival->size;
    struct slb_message *message =
        slb_new_message(L, handle->runtime, is_text, size);

    handle = slb_waited_websocket(L, 1);
    arrival = sl_websocket_first(handle->socket);
    if (arrival == NULL || arrival->is_text != is_text || arrival->size != size)
        return luaL_error(L, "receive: a finaliser took the message");
    if (slb_fill_message(message, &arrival->payload) != SL_OK) {
        sl_websocket_abort(handle->socket, SL_WS_INTERNAL, "out of memory");
        return luaL_error(L, "out of memory");
    }
    sl_websocket_drop(handle->socket);
    slb_collect(L, handle->runtime);
    return 1;
}

static int received(lua_State *L, int status, lua_KContext context);
static int turn_came(lua_State *L, int status, lua_KContext context);

/* `has_looked`: the loop has had a turn. Before, that nothing is there is not
 * certain: a program may do nothing else but ask. Behind it one message is due,
 * however short the turn is. stack: socket, timeout, due */
static int await_message(lua_State *L, struct slb_websocket *handle,
                         bool has_looked)
{
    const struct sl_ws_arrival *first = sl_websocket_first(handle->socket);
    enum sl_status status;

    if (first != NULL && slb_is_websocket_turn_over(L, handle, first->size) &&
        !has_looked)
        return slb_wait_turn(L, handle->runtime, NULL, handle, turn_came);
    status = sl_websocket_want(handle->socket, lua_tointeger(L, 3));
    switch (status) {
    case SL_OK:
        return give_message(L, handle);
    case SL_AGAIN:
        return slb_wait(L, handle->runtime, &handle->socket->completion,
                        abandon_receive, handle, received);
    case SL_TIMEOUT:
        if (!has_looked && slb_can_take_turn(L, handle->runtime))
            return slb_wait_turn(L, handle->runtime, NULL, handle, turn_came);
        return push_timeout(L);
    case SL_MISUSE:
        return luaL_error(L, "receive: another coroutine receives already");
    default:
        return slb_push_websocket_failure(L, 1, handle, SL_CLOSED, "receive");
    }
}

static int go_on(lua_State *L, enum sl_status status)
{
    struct slb_websocket *handle = slb_waited_websocket(L, 1);

    handle->given = 0;
    if (status == SL_CANCELLED && handle->socket->end == NULL)
        return slb_push_websocket_failure(L, 1, handle, status, "receive from");
    return await_message(L, handle, true);
}

static int received(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return go_on(L, slb_waited(L, context));
}

static int turn_came(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return go_on(L, slb_waited(L, context));
}

/* socket:receive(timeout) -> message | nil, "timeout", err
 *   | nil, "closed", err (at the end, with err.close_code, err.close_reason)
 *   | nil, message, err (it has failed)
 * The loop has a turn even in 0 seconds. Yields. */
static int socket_receive(lua_State *L)
{
    struct slb_websocket *handle = slb_check_websocket(L, 1);

    lua_settop(L, 2);
    lua_pushinteger(L, slb_check_due(L, 2, handle->runtime));
    if (sl_websocket_first(handle->socket) == NULL)
        handle = slb_reserve_websocket_wait(L);
    return await_message(L, handle, false);
}

/* ---- ends ---- */

static void dispose(struct slb_websocket *handle, unsigned code)
{
    if (handle->socket == NULL || handle->is_disposed)
        return;
    handle->is_disposed = true;
    slb_forget_bytes(handle->runtime, handle->noted);
    sl_websocket_abort(handle->socket, code, "disposed");
    sl_ws_queue_fini(&handle->socket->queue);
}

/* socket:dispose() - says goodbye and closes the connection now, without
 * waiting; idempotent */
static int socket_dispose(lua_State *L)
{
    dispose(slb_check(L, 1, slb_websocket_type), SL_WS_NORMAL);
    return 0;
}

static bool holds_something(const struct sl_websocket *socket)
{
    return (socket->end == NULL && socket->phase != SL_WEBSOCKET_OVER) ||
           socket->queue.count > 0;
}

static int socket_gc(lua_State *L)
{
    struct slb_websocket *handle = slb_check(L, 1, slb_websocket_type);

    if (handle->socket == NULL) {
        end_socket(handle);
        return 0;
    }
    if (!handle->is_disposed && holds_something(handle->socket))
        handle->runtime->leaked++;
    dispose(handle, SL_WS_GOING_AWAY);
    handle->ending = handle->socket;
    handle->socket = NULL;
    /* If a coroutine still waits for it, the end of that wait ends it. */
    end_socket(handle);
    return 0;
}

/* ---- the type ---- */

static const luaL_Reg methods[] = {
    {"receive", socket_receive}, {"dispose", socket_dispose}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__close", socket_dispose}, {"__gc", socket_gc}, {NULL, NULL}};

void slb_websocket_open(lua_State *L)
{
    slb_type(L, slb_websocket_type, NULL, meta);
    slb_share_methods(L, slb_websocket_type, "websocket_methods", methods,
                      NULL);
    lua_pushcfunction(L, open_websocket);
    lua_setfield(L, -2, "websocket");
}
