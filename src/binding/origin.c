/* An origin as a Lua type: where requests lead, and how they are sent. */
#include "binding/origin.h"

#include "binding/body.h"
#include "binding/head.h"
#include "binding/options.h"
#include "binding/response.h"
#include "binding/types.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <errno.h>
#include <string.h>

const char slb_origin_type[] = "sluice.origin";

/* The live origin at index 1; raises for anything else, or a finalised one. */
static struct slb_origin *check_origin(lua_State *L)
{
    struct slb_origin *handle = slb_check(L, 1, slb_origin_type);

    if (handle->origin == NULL)
        slb_raise_disposed(L, "origin");
    slb_check_usable(L, handle->runtime);
    return handle;
}

/* ---- sending ---- */

/* One sending. The indexes are of values on the stack, or of upvalues. */
struct sending {
    struct slb_origin *origin;
    const struct slb_head *head;
    const struct slb_options *options;
    int info; /* the table about the request */
    int body;
    int more; /* size, lines, deadline, authorization; 0: there are none */
};

enum { MORE_SIZE, MORE_LINES, MORE_DEADLINE, MORE_AUTHORIZATION };

/* Keeps the body's value alive as long as the response sends it. */
static void keep_body(lua_State *L, struct slb_response *response, int body,
                      int type)
{
    if (type != LUA_TSTRING && type != LUA_TTABLE)
        return;
    lua_pushvalue(L, body);
    lua_setiuservalue(L, -2, SLB_RESPONSE_TEXT); /* until the answer's */
    response->keeps_body = true;
}

/* The length of the body: a text knows its own. */
static uint64_t body_length(lua_State *L, const struct sending *sending)
{
    if (sending->more != 0 && lua_isinteger(L, sending->more + MORE_SIZE))
        return (uint64_t)lua_tointeger(L, sending->more + MORE_SIZE);
    return lua_type(L, sending->body) == LUA_TSTRING
               ? lua_rawlen(L, sending->body)
               : 0;
}

/* Sets what else holds for this sending alone. */
static enum sl_status set_more(lua_State *L, const struct sending *sending,
                               struct sl_exchange *exchange)
{
    int deadline = sending->more + MORE_DEADLINE;
    int authorization = sending->more + MORE_AUTHORIZATION;

    if (lua_isinteger(L, deadline))
        sl_exchange_set_deadline(exchange, lua_tointeger(L, deadline));
    if (lua_type(L, authorization) != LUA_TSTRING)
        return SL_OK;
    return sl_exchange_set_authorization(exchange,
                                         lua_tostring(L, authorization));
}

static void check_origin_live(lua_State *L, const struct slb_origin *origin)
{
    if (origin->origin == NULL)
        slb_raise_disposed(L, "origin");
}

/* -> response on top of the stack, its exchange created but not started.
 * `metatable` is that of responses. `refused`: the name of the file that has
 * failed, or NULL. A wait is reserved. */
static struct slb_response *create(lua_State *L, const struct sending *sending,
                                   int metatable, enum sl_status *status,
                                   const char **refused)
{
    struct slb_origin *origin = sending->origin;
    int lines = sending->more == 0 ? 0 : sending->more + MORE_LINES;
    int type = lua_type(L, sending->body);
    char room[SLB_HEAD_ROOM];
    struct slb_response *response;
    struct sl_view head;

    *refused = NULL;
    head = slb_fill_head(
        L, sending->head, lines,
        sending->head->has_length ? body_length(L, sending) : 0, room);
    response = slb_new_of(L, metatable, sizeof *response, SLB_RESPONSE_VALUES);
    lua_pushvalue(L, sending->info);
    lua_setiuservalue(L, -2, SLB_RESPONSE_INFO);
    keep_body(L, response, sending->body, type);
    check_origin_live(L, origin); /* a finaliser may have ended it */
    *status = sl_exchange_create(origin->exchanges, origin->origin,
                                 &sending->options->options, head,
                                 &response->exchange);
    if (*status != SL_OK)
        return response;
    response->runtime = origin->runtime;
    slb_runtime_retain(response->runtime);
    if (sending->more != 0)
        *status = set_more(L, sending, response->exchange);
    if (*status == SL_OK && type > LUA_TNIL)
        *status = slb_set_body(L, sending->body,
                               &response->exchange->request->outgoing.upload,
                               refused);
    if (*status != SL_OK) {
        int error = errno; /* says why a file could not be taken */

        slb_abandon_response(response);
        errno = error;
    }
    return response;
}

/* origin, head, options, info, body, is_stream, size, lines, deadline,
 * authorization
 *   -> response on top of the stack, as `create` gives it */
static struct slb_response *create_from_arguments(lua_State *L,
                                                  enum sl_status *status,
                                                  const char **refused)
{
    struct sending sending = {.info = 4, .body = 5, .more = 7};
    struct slb_response *response;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 10);
    sending.options = slb_check(L, 3, slb_options_type);
    sending.origin = check_origin(L);
    slb_reserve_wait(L, sending.origin->runtime);
    sending.head = slb_check_head(L, 2);
    luaL_checktype(L, 4, LUA_TTABLE);
    slb_push_type(L, slb_response_type);
    response = create(L, &sending, 11, status, refused);
    response->is_stream = is_stream;
    return response;
}

/* Sends and waits. stack: response */
static int send_created(lua_State *L, struct slb_response *response)
{
    sl_exchange_start(response->exchange);
    return slb_settle_response(L, response);
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
    enum sl_status status;
    const char *refused;
    struct slb_response *response = create_from_arguments(L, &status, &refused);

    if (status != SL_OK)
        return slb_push_body_refusal(L, status, refused);
    lua_replace(L, 1);
    lua_settop(L, 1);
    return send_created(L, response);
}

/* What `send` of origin:sender has beside its argument: the sending, which is
 * the same each time, and the values that it points to. */
enum {
    SENDER_ORIGIN = 1,
    SENDER_HEAD,
    SENDER_OPTIONS,
    SENDER_INFO,
    SENDER_METATABLE,
    SENDER_SENDING,
    SENDER_VALUES = SENDER_SENDING
};

/* send(text) -> as origin:send */
static int send_again(lua_State *L)
{
    const struct sending *sending =
        lua_touserdata(L, lua_upvalueindex(SENDER_SENDING));
    struct slb_runtime *runtime = sending->origin->runtime;
    struct slb_response *response;
    enum sl_status status;
    const char *refused;

    if (lua_gettop(L) > 1)
        lua_settop(L, 1);
    check_origin_live(L, sending->origin);
    slb_check_usable(L, runtime);
    slb_reserve_wait(L, runtime);
    response = create(L, sending, lua_upvalueindex(SENDER_METATABLE), &status,
                      &refused);
    if (status != SL_OK)
        return slb_push_body_refusal(L, status, refused);
    if (lua_gettop(L) != 1) { /* behind the text, or a head that was filled */
        lua_replace(L, 1);
        lua_settop(L, 1);
    }
    return send_created(L, response);
}

/* origin:sender(head, options, info) -> send
 * A function that sends the same request each time, with a text as its body, or
 * nil: what it is made of is checked here, once. */
static int origin_sender(lua_State *L)
{
    struct sending *sending;

    lua_settop(L, 4);
    check_origin(L);
    slb_check_head(L, 2);
    slb_check(L, 3, slb_options_type);
    luaL_checktype(L, 4, LUA_TTABLE);
    slb_push_type(L, slb_response_type);
    sending = lua_newuserdatauv(L, sizeof *sending, 0);
    memset(sending, 0, sizeof *sending);
    sending->origin = lua_touserdata(L, SENDER_ORIGIN);
    sending->head = lua_touserdata(L, SENDER_HEAD);
    sending->options = lua_touserdata(L, SENDER_OPTIONS);
    sending->info = lua_upvalueindex(SENDER_INFO);
    sending->body = 1;
    lua_pushcclosure(L, send_again, SENDER_VALUES);
    return 1;
}

/* origin:begin(head, options, info, body, is_stream, size, lines, deadline,
 *              authorization)
 *   -> response | nil, message, err
 * The same without waiting: for bodies that are pushed. */
static int origin_begin(lua_State *L)
{
    enum sl_status status;
    const char *refused;
    struct slb_response *response = create_from_arguments(L, &status, &refused);

    if (status != SL_OK)
        return slb_push_body_refusal(L, status, refused);
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
    lua_pushboolean(L, check_origin(L)->origin->speaks_1_0);
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

static const luaL_Reg methods[] = {
    {"is_old", origin_is_old}, {"send", origin_send}, {"sender", origin_sender},
    {"begin", origin_begin},   {"wait", origin_wait}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", origin_gc}, {NULL, NULL}};

void slb_origin_open(lua_State *L)
{
    slb_type(L, slb_origin_type, methods, meta);
}
