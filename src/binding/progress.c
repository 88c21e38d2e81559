/* Shows a user the progress of an exchange. The handle keeps the counters, but
 * not the response, which may be disposed or forgotten. */
#include "binding/response.h"
#include "binding/types.h"
#include "task/userdata.h"

#define PROGRESS "sluice.progress"

struct progress {
    struct slb_runtime *runtime;
    struct sl_exchange *exchange; /* NULL: closed */
};

static struct sl_exchange *check_exchange(lua_State *L)
{
    struct progress *progress = luaL_checkudata(L, 1, PROGRESS);

    if (progress->exchange == NULL)
        luaL_error(L, "use of closed progress");
    return progress->exchange;
}

static void push_count(lua_State *L, uint64_t count)
{
    if (count == UINT64_MAX)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)count);
}

/* -> body bytes sent, received, `total` to be sent, and to be received (nil:
 * unknown). They are counted as they travel: without framing, before
 * decoding. */
static int push_counts(lua_State *L, const struct sl_exchange *exchange)
{
    const struct sl_response *response = &exchange->incoming.response;

    lua_settop(L, 2);
    push_count(L, sl_exchange_uploaded(exchange));
    push_count(L, response->received);
    lua_pushvalue(L, 2);
    push_count(L, response->phase == SL_PHASE_HEAD
                      ? UINT64_MAX
                      : sl_response_expected(response));
    return 4;
}

/* progress:counts(total) */
static int progress_counts(lua_State *L)
{
    return push_counts(L, check_exchange(L));
}

/* progress:is_over() -> whether it ended, whether the whole body arrived
 * A response that is only drained counts as over: its rest is not wanted. */
static int progress_is_over(lua_State *L)
{
    const struct sl_exchange *exchange = check_exchange(L);

    lua_pushboolean(L, exchange->phase >= SL_EXCHANGE_DONE ||
                           sl_incoming_is_draining(&exchange->incoming));
    lua_pushboolean(L, exchange->phase == SL_EXCHANGE_DONE);
    return 2;
}

/* progress:fail(reason) - ends the exchange */
static int progress_fail(lua_State *L)
{
    struct sl_exchange *exchange = check_exchange(L);

    sl_exchange_abort(exchange, SL_INVALID, luaL_checkstring(L, 2));
    return 0;
}

static int progress_close(lua_State *L)
{
    struct progress *progress = luaL_checkudata(L, 1, PROGRESS);
    struct sl_exchange *exchange = progress->exchange;

    if (exchange == NULL)
        return 0;
    progress->exchange = NULL;
    sl_exchange_release(exchange);
    slb_runtime_release(progress->runtime);
    return 0;
}

/* response:watch() -> progress */
static int response_watch(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);
    struct progress *progress = slb_new(L, PROGRESS, sizeof *progress, 0);

    slb_check_response(L, 1); /* a finaliser may have disposed it */
    progress->runtime = response->runtime;
    slb_runtime_retain(progress->runtime);
    progress->exchange = response->exchange;
    sl_exchange_retain(progress->exchange);
    return 1;
}

/* response:progress(total) -> as progress:counts */
static int response_progress(lua_State *L)
{
    return push_counts(L, slb_check_response(L, 1)->exchange);
}

static const luaL_Reg methods[] = {{"counts", progress_counts},
                                   {"is_over", progress_is_over},
                                   {"fail", progress_fail},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", progress_close}, {"__close", progress_close}, {NULL, NULL}};

static const luaL_Reg response_methods[] = {
    {"watch", response_watch}, {"progress", response_progress}, {NULL, NULL}};

/* After the type of responses is open. */
void slb_progress_open(lua_State *L)
{
    slb_type(L, PROGRESS, methods, meta);
    lua_getfield(L, -1, "response_methods");
    luaL_setfuncs(L, response_methods, 0);
    lua_pop(L, 1);
}
