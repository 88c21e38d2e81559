/* The properties of a WebSocket, by name. */
#include "binding/types.h"
#include "binding/websocket.h"
#include "task/userdata.h"

#include <string.h>

static const char *state_of(const struct slb_websocket *handle)
{
    if (handle->socket == NULL || handle->socket->end != NULL)
        return "closed";
    return handle->socket->phase == SL_WEBSOCKET_OPEN ? "open" : "closing";
}

/* socket.state: "open", "closing" (from this side) or "closed"; close_code and
 * close_reason once it is that. Others are values of `info`, or made by a
 * function(socket, info) of the Lua layer (upvalue 2). */
static int push_property(lua_State *L, const struct slb_websocket *handle,
                         const char *name)
{
    const struct sl_ws_end *end =
        handle->socket != NULL ? handle->socket->end : NULL;

    if (strcmp(name, "state") == 0) {
        lua_pushstring(L, state_of(handle));
    } else if (strcmp(name, "close_code") == 0) {
        if (end != NULL)
            lua_pushinteger(L, (lua_Integer)end->code);
        else
            lua_pushnil(L);
    } else if (strcmp(name, "close_reason") == 0) {
        if (end != NULL)
            lua_pushlstring(L, end->reason, end->reason_size);
        else
            lua_pushnil(L);
    } else {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TFUNCTION) {
            lua_pushvalue(L, 1);
            lua_getiuservalue(L, 1, SLB_WEBSOCKET_INFO);
            lua_call(L, 2, 1);
            return 1;
        }
        lua_getiuservalue(L, 1, SLB_WEBSOCKET_INFO);
        lua_pushvalue(L, 2);
        lua_rawget(L, -2);
    }
    return 1;
}

/* socket[name]: a method (upvalue 1 has them), else a property */
static int socket_index(lua_State *L)
{
    const struct slb_websocket *handle;
    const char *name;

    /* A method needs no look at the socket: it has its own. */
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    handle = slb_check(L, 1, slb_websocket_type);
    name = luaL_checkstring(L, 2);
    if (handle->runtime == NULL) {
        lua_pushnil(L);
        return 1;
    }
    return push_property(L, handle, name);
}

static int socket_tostring(lua_State *L)
{
    lua_pushfstring(L, "sluice.websocket (%s)",
                    state_of(slb_check(L, 1, slb_websocket_type)));
    return 1;
}

/* After the type of WebSockets is open. */
void slb_websocket_properties_open(lua_State *L)
{
    luaL_getmetatable(L, slb_websocket_type);
    lua_pushcfunction(L, socket_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_getfield(L, -2, "websocket_methods");
    /* A module that is opened again finds those of the first time. */
    if (lua_getfield(L, -2, "properties") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -4, "properties");
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -5, "websocket_properties"); /* the Lua layer adds some */
    lua_pushcclosure(L, socket_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
