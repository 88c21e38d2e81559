/* An origin as a Lua type: where requests lead, and how they are sent. */
#include "binding/origin.h"

#include "binding/body.h"
#include "binding/head.h"
#include "binding/options.h"
#include "binding/response.h"
#include "binding/types.h"
#include "task/wait.h"

#include <errno.h>

const char slb_origin_type[] = "sluice.origin";

struct slb_origin *slb_check_origin(lua_State *L, int index)
{
    struct slb_origin *handle = slb_check(L, index, slb_origin_type);

    if (handle->origin == NULL)
        slb_raise_disposed(L, "origin");
    slb_check_usable(L, handle->runtime);
    return handle;
}

/* ---- sending ---- */

/* Keeps the body's value alive as long as the response sends it. */
static void keep_body(lua_State *L, struct slb_response *response)
{
    if (lua_type(L, 5) != LUA_TSTRING && lua_type(L, 5) != LUA_TTABLE)
        return;
    lua_pushvalue(L, 5);
    lua_setiuservalue(L, -2, RESPONSE_TEXT); /* until the answer's */
    response->keeps_body = true;
}

/* The length of the body: a text knows its own. */
static uint64_t body_length(lua_State *L)
{
    if (lua_isinteger(L, 7))
        return (uint64_t)lua_tointeger(L, 7);
    return lua_type(L, 5) == LUA_TSTRING ? lua_rawlen(L, 5) : 0;
}

/* origin, head, options, info, body, is_stream, size, lines, deadline,
 * authorization
 *   -> response on top of the stack, its exchange created but not started
 * `refused`: the name of the file that has failed, or NULL. */
static struct slb_response *create(lua_State *L, enum sl_status *status,
                                   const char **refused)
{
    struct slb_options *options = slb_check(L, 3, slb_options_type);
    struct slb_origin *origin = slb_check_origin(L, 1);
    const struct slb_head *made;
    char room[SLB_HEAD_ROOM];
    struct slb_response *response;
    struct sl_view head;

    *refused = NULL;
    slb_reserve_wait(L, origin->runtime);
    made = slb_check_head(L, 2);
    head =
        slb_fill_head(L, made, 8, made->has_length ? body_length(L) : 0, room);
    luaL_checktype(L, 4, LUA_TTABLE);
    response = slb_new(L, slb_response_type, sizeof *response, RESPONSE_VALUES);
    lua_pushvalue(L, 4);
    lua_setiuservalue(L, -2, RESPONSE_INFO);
    keep_body(L, response);
    if (origin->origin == NULL) /* ended by a finaliser */
        slb_check_origin(L, 1);
    *status = sl_exchange_create(origin->exchanges, origin->origin,
                                 &options->options, head, &response->exchange);
    if (*status != SL_OK)
        return response;
    response->runtime = origin->runtime;
    slb_runtime_retain(response->runtime);
    if (lua_isinteger(L, 9))
        sl_exchange_set_deadline(response->exchange, lua_tointeger(L, 9));
    if (lua_type(L, 10) == LUA_TSTRING)
        *status = sl_exchange_set_authorization(response->exchange,
                                                lua_tostring(L, 10));
    if (*status == SL_OK)
        *status = slb_set_body(
            L, 5, &response->exchange->request->outgoing.upload, refused);
    if (*status != SL_OK) {
        int error = errno; /* says why a file could not be taken */

        slb_abandon_response(response);
        errno = error;
    }
    return response;
}

/* origin:send(head, options, info, body, is_stream, size, lines, deadline,
 *             authorization)
 *   -> response | response, "redirect" (to be followed)
 *    | nil, message, err, values of Set-Cookie in a head that came before (nil:
 *      none)
 * Sends and waits for the whole response, or its head; yields. `size` is that
 * of any body but a text; `lines` are further field lines of this sending;
 * `authorization` is for the proxy of a tunnel that is made for it. */
static int origin_send(lua_State *L)
{
    struct slb_response *response;
    enum sl_status status;
    const char *refused;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 10);
    response = create(L, &status, &refused);
    if (status != SL_OK)
        return slb_push_body_refusal(L, status, refused);
    response->is_stream = is_stream;
    lua_replace(L, 1);
    lua_settop(L, 1);
    sl_exchange_start(response->exchange);
    return slb_settle_response(L, response);
}

/* origin:begin(head, options, info, body, is_stream, size, lines, deadline,
 *              authorization)
 *   -> response | nil, message, err
 * The same without waiting: for bodies that are pushed. */
static int origin_begin(lua_State *L)
{
    struct slb_response *response;
    enum sl_status status;
    const char *refused;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 10);
    response = create(L, &status, &refused);
    if (status != SL_OK)
        return slb_push_body_refusal(L, status, refused);
    response->is_stream = is_stream;
    sl_exchange_start(response->exchange);
    return 1;
}

/* origin:wait(response) -> as origin:send, for what origin:begin gave;
 * yields */
static int origin_wait(lua_State *L)
{
    slb_check(L, 1, slb_origin_type);
    slb_reserve_wait(L, slb_check_response(L, 2)->runtime);
    lua_settop(L, 2);
    lua_remove(L, 1);
    return slb_settle_response(L, slb_check_response(L, 1));
}

/* origin:is_old() -> whether its last answer was HTTP/1.0 */
static int origin_is_old(lua_State *L)
{
    lua_pushboolean(L, slb_check_origin(L, 1)->origin->speaks_1_0);
    return 1;
}

static int origin_gc(lua_State *L)
{
    struct slb_origin *handle = luaL_checkudata(L, 1, slb_origin_type);

    if (handle->origin == NULL)
        return 0;
    sl_origin_release(handle->origin);
    sl_exchanges_release(handle->exchanges);
    handle->origin = NULL;
    slb_runtime_release(handle->runtime);
    return 0;
}

static const luaL_Reg methods[] = {{"is_old", origin_is_old},
                                   {"send", origin_send},
                                   {"begin", origin_begin},
                                   {"wait", origin_wait},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", origin_gc}, {NULL, NULL}};

void slb_origin_open(lua_State *L)
{
    slb_type(L, slb_origin_type, methods, meta);
}
