/* Closing a WebSocket. */
#include "binding/types.h"
#include "binding/websocket.h"
#include "task/wait.h"

static unsigned check_code(lua_State *L)
{
    int is_integer;
    lua_Integer code = lua_tointegerx(L, 2, &is_integer);

    if (lua_isnoneornil(L, 2))
        return SL_WS_NORMAL;
    if (!is_integer)
        slb_raise_websocket_misuse(
            L, lua_pushfstring(L, "close: code: integer expected, got %s",
                               luaL_typename(L, 2)));
    if (code < 0 || code > 4999 || !sl_ws_may_send_code((unsigned)code))
        slb_raise_websocket_misuse(
            L, lua_pushfstring(L,
                               "close: code %I may not be sent; 1000 to 1003, "
                               "1007 to 1014 and 3000 to 4999 may",
                               (LUAI_UACINT)code));
    return (unsigned)code;
}

static void check_closing(lua_State *L, struct sl_ws_closing *closing)
{
    char payload[SL_WS_CONTROL_MAX];
    size_t size;

    closing->code = check_code(L);
    closing->reason = slb_check_websocket_text(L, 3, "close: reason");
    if (sl_ws_closing_write(closing, payload, &size) != SL_OK)
        slb_raise_websocket_misuse(
            L, "close: reason: UTF-8 of at most 123 bytes expected");
}

/* How the closing went: what had ended it before is no failure of it.
 * stack: socket, whether it had ended, ... */
static int push_closed(lua_State *L, struct slb_websocket *handle)
{
    const struct sl_ws_end *end = handle->socket->end;

    if (!lua_toboolean(L, 2) && (end == NULL || !end->is_clean))
        return slb_push_websocket_failure(L, 1, handle, SL_CANCELLED, "close");
    lua_pushboolean(L, true);
    return 1;
}

static int closed(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return push_closed(L, slb_waited_websocket(L, 1));
}

/* socket:close(code = 1000, reason = "") -> true | nil, "closed", err
 *                                         | nil, message, err
 * Sends a Close frame behind what is being sent and waits for the peer's, and
 * for the end of the connection, within close_timeout. A WebSocket that has
 * ended before is closed: true. Yields. */
static int socket_close(lua_State *L)
{
    struct sl_ws_closing closing;
    struct slb_websocket *handle;
    struct sl_ws_place *place;
    enum sl_status status;

    check_closing(L, &closing);
    slb_check_waiting_websocket(L);
    lua_settop(L, 3);
    place = slb_new_websocket_place(L);
    handle = slb_check_websocket(L, 1);
    lua_pushboolean(L, handle->socket->end != NULL);
    lua_replace(L, 2); /* the code; the reason stays */
    status = sl_websocket_close(handle->socket, &closing);
    if (status != SL_OK)
        return slb_push_websocket_failure(L, 1, handle, status, "close");
    status = sl_websocket_want_over(handle->socket, place);
    if (status == SL_OK)
        return push_closed(L, handle);
    return slb_wait(L, handle->runtime, &place->completion,
                    slb_abandon_websocket_place, place, closed);
}

/* After the type of WebSockets is open. */
void slb_websocket_close_open(lua_State *L)
{
    lua_getfield(L, -1, "websocket_methods");
    lua_pushcfunction(L, socket_close);
    lua_setfield(L, -2, "close");
    lua_pop(L, 1);
}
