/* The completion of a transport's direction, to be awaited later. */
#include "binding/transport.h"

#include "binding/types.h"
#include "task/userdata.h"
#include "task/wait.h"

static const char completion_type[] = "sluice.completion";

/* A completion handle: a direction of the transport in user value 1. */
struct slb_completion {
    bool is_send;
};

/* The completion of a direction of the transport at index 1, made once, and its
 * version: two values. */
static int push_completion(lua_State *L, bool is_send)
{
    int value = is_send ? SLB_TRANSPORT_SENDING : SLB_TRANSPORT_RECEIVING;

    if (lua_getiuservalue(L, 1, value) == LUA_TNIL) {
        struct slb_completion *completion;

        completion = slb_new(L, completion_type, sizeof *completion, 1);
        completion->is_send = is_send;
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, -2, 1);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, value);
    }
    lua_pushinteger(L, slb_transport_core(slb_check_transport(L, 1), is_send)
                           ->completion.version);
    return 2;
}

/* transport:begin_send(bytes, timeout) -> completion, version */
static int transport_begin_send(lua_State *L)
{
    slb_begin_transport(L, slb_check_open_transport(L), true);
    lua_settop(L, 1);
    return push_completion(L, true);
}

/* transport:begin_receive(n or buffer, ...) -> completion, version */
static int transport_begin_receive(lua_State *L)
{
    slb_begin_transport(L, slb_check_open_transport(L), false);
    lua_settop(L, 1);
    return push_completion(L, false);
}

/* Puts the transport at index 1, below the arguments. */
static struct slb_completion *check_completion(lua_State *L)
{
    struct slb_completion *completion = slb_check(L, 1, completion_type);

    lua_getiuservalue(L, 1, 1);
    lua_insert(L, 1);
    return completion;
}

/* completion:await(version) -> the operation's results; yields when it is not
 * done. Raises for a version that is over, results that were collected, and
 * while another coroutine waits. */
static int completion_await(lua_State *L)
{
    bool is_send = check_completion(L)->is_send;
    struct slb_transport *handle;
    const struct sl_channel_operation *core;

    slb_reserve_wait(L, slb_check_transport(L, 1)->runtime);
    handle = slb_check_transport(L, 1);
    core = slb_transport_core(handle, is_send);
    if (!lua_isnoneornil(L, 3) &&
        luaL_checkinteger(L, 3) != core->completion.version)
        return luaL_error(L, "await: version is over, the completion was used "
                             "again");
    if (core->is_taken)
        return luaL_error(L, "await: nothing is under way");
    if (slb_is_awaited(&core->completion))
        return luaL_error(L, "await: another coroutine waits already");
    lua_settop(L, 1);
    return slb_await_transport(L, handle, is_send);
}

/* completion:cancel() - asks the operation to end with `cancelled` */
static int completion_cancel(lua_State *L)
{
    struct slb_completion *completion = check_completion(L);
    struct sl_completion *core =
        &slb_transport_core(slb_check_open_transport(L), completion->is_send)
             ->completion;

    if (core->state == SL_COMPLETION_PENDING)
        core->cancel(core);
    return 0;
}

static void push_state(lua_State *L, struct slb_transport *handle, bool is_send)
{
    const struct sl_channel_operation *core;

    if (handle->channel == NULL || handle->is_closed) {
        lua_pushliteral(L, "closed");
        return;
    }
    core = slb_transport_core(handle, is_send);
    if (core->completion.state == SL_COMPLETION_PENDING)
        lua_pushliteral(L, "pending");
    else
        lua_pushstring(L, core->is_taken ? "idle" : "done");
}

/* completion.version, completion.state ("idle" "pending" "done" "closed"), and
 * methods (upvalue 1 has them) */
static int completion_index(lua_State *L)
{
    struct slb_completion *completion = check_completion(L);
    struct slb_transport *handle = slb_transport_at(L, 1);
    const char *name = luaL_checkstring(L, 3);

    if (strcmp(name, "state") == 0) {
        push_state(L, handle, completion->is_send);
    } else if (strcmp(name, "version") == 0) {
        lua_pushinteger(L, slb_transport_core(slb_check_transport(L, 1),
                                              completion->is_send)
                               ->completion.version);
    } else {
        lua_pushvalue(L, 3);
        lua_rawget(L, lua_upvalueindex(1));
    }
    return 1;
}

static const luaL_Reg transport_methods[] = {
    {"begin_send", transport_begin_send},
    {"begin_receive", transport_begin_receive},
    {NULL, NULL}};

static const luaL_Reg completion_methods[] = {
    {"await", completion_await}, {"cancel", completion_cancel}, {NULL, NULL}};

static const luaL_Reg completion_meta[] = {{NULL, NULL}};

/* After the type of transports is open. */
void slb_transport_completion_open(lua_State *L)
{
    luaL_getmetatable(L, slb_transport_type);
    lua_getfield(L, -1, "__index");
    luaL_setfuncs(L, transport_methods, 0);
    lua_pop(L, 2);

    slb_type(L, completion_type, NULL, completion_meta);
    luaL_getmetatable(L, completion_type);
    lua_newtable(L);
    luaL_setfuncs(L, completion_methods, 0);
    lua_pushcclosure(L, completion_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
