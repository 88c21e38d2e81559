/* Request bodies that are pushed in pieces: by a task of their own, beside the
 * coroutine that reads the response. */
#include "binding/response.h"
#include "binding/types.h"
#include "conn/pushing.h"
#include "task/userdata.h"
#include "task/wait.h"

/* The pieces and bytes of a body after which others get their turn. */
#define TURN_PIECES 64
#define TURN_BYTES  ((lua_Integer)64 * 1024)

static int has_room(lua_State *L, int status, lua_KContext context);

/* The response at index 1, with a wait reserved; NULL once it was disposed. */
static struct slb_response *live_response(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    if (response->exchange != NULL)
        slb_reserve_wait(L, slb_check_response(L, 1)->runtime);
    if (response->exchange != NULL)
        return response;
    slb_end_response(response);
    return NULL;
}

static int await_room(lua_State *L, struct slb_response *response)
{
    struct sl_exchange *exchange = response->exchange;
    enum sl_status status = sl_exchange_want_room(exchange);

    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &exchange->request->room,
                        slb_abandon_response, response, has_room);
    if (status == SL_MISUSE)
        return luaL_error(L, "body is being pushed by another coroutine");
    /* A failure shows when the response is waited for. */
    lua_pushboolean(L, !sl_outgoing_is_over(&exchange->request->outgoing));
    return 1;
}

static int has_room(lua_State *L, int status, lua_KContext context)
{
    struct slb_response *response;

    (void)status;
    slb_waited(L, context);
    response = live_response(L);
    if (response != NULL)
        return await_room(L, response);
    lua_pushboolean(L, false);
    return 1;
}

static int turn_came(lua_State *L, int status, lua_KContext context)
{
    struct slb_response *response = NULL;

    (void)status;
    if (slb_waited(L, context) != SL_CANCELLED)
        response = live_response(L);
    if (response != NULL)
        return await_room(L, response);
    lua_pushboolean(L, false);
    return 1;
}

/* response:await_turn() -> as await_room, once others have run; yields */
static int response_await_turn(lua_State *L)
{
    struct slb_response *response = live_response(L);

    lua_settop(L, 1);
    if (response != NULL)
        return slb_wait_turn(L, response->runtime, slb_abandon_response,
                             response, turn_came);
    lua_pushboolean(L, false);
    return 1;
}

/* response:must_take_turn(pieces, bytes) -> whether others should run now,
 * after that many in this turn: under a budget its time counts */
static int response_must_take_turn(lua_State *L)
{
    const struct slb_response *response = slb_check(L, 1, slb_response_type);
    const struct sl_loop *loop = &response->runtime->loop;

    lua_pushboolean(L, sl_loop_has_budget(loop)
                           ? sl_loop_is_turn_over(loop)
                           : lua_tointeger(L, 2) >= TURN_PIECES ||
                                 lua_tointeger(L, 3) >= TURN_BYTES);
    return 1;
}

/* response:await_room() -> true | false (no more is wanted)
 * Waits until pieces of the body can be sent; yields. */
static int response_await_room(lua_State *L)
{
    struct slb_response *response = live_response(L);

    lua_settop(L, 1);
    if (response != NULL)
        return await_room(L, response);
    lua_pushboolean(L, false);
    return 1;
}

/* response:push(bytes) -> true | false (no more is wanted)
 * Sends a piece of the body and waits for room for the next; yields. A failure
 * ends the exchange, so that the coroutine that waits for the response gets
 * it. */
static int response_push(lua_State *L)
{
    struct slb_response *response = live_response(L);
    struct slb_bytes bytes;

    slb_check_bytes(L, 2, &bytes); /* allocates nothing */
    if (response != NULL && sl_exchange_push(response->exchange, bytes.text,
                                             bytes.sequence) == SL_OK) {
        lua_settop(L, 1);
        return await_room(L, response);
    }
    lua_pushboolean(L, false);
    return 1;
}

/* response:finish(trailers)
 * The body is complete; `trailers` are complete field lines. */
static int response_finish(lua_State *L)
{
    struct slb_response *response;
    struct sl_view trailers = {"", 0};

    if (!lua_isnoneornil(L, 2))
        trailers.data = luaL_checklstring(L, 2, &trailers.size);
    response = live_response(L);
    if (response != NULL)
        sl_exchange_end_body(response->exchange, trailers);
    return 0;
}

/* response:fail(reason) - ends the exchange: the body cannot be had */
static int response_fail(lua_State *L)
{
    const char *reason = luaL_checkstring(L, 2);
    struct slb_response *response = live_response(L);

    if (response != NULL)
        sl_exchange_abort(response->exchange, SL_INVALID, reason);
    return 0;
}

static const luaL_Reg methods[] = {{"await_room", response_await_room},
                                   {"await_turn", response_await_turn},
                                   {"must_take_turn", response_must_take_turn},
                                   {"push", response_push},
                                   {"finish", response_finish},
                                   {"fail", response_fail},
                                   {NULL, NULL}};

/* After the type of responses is open. */
void slb_push_open(lua_State *L)
{
    lua_getfield(L, -1, "response_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
