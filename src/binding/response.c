#include "binding/response.h"

#include "binding/refusal.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <string.h>

const char slb_response_type[] = "sluice.response";

void slb_note_body(lua_State *L, struct slb_response *response)
{
    response->noted =
        sl_exchange_size(response->exchange) + slb_body_of(response)->length;
    slb_note_bytes(L, response->runtime, response->noted);
}

static void forget_bytes(struct slb_response *response, size_t kept)
{
    if (response->noted <= kept)
        return;
    slb_forget_bytes(response->runtime, response->noted - kept);
    response->noted = kept;
}

static void release(struct slb_response *response, struct sl_exchange *exchange)
{
    sl_exchange_release(exchange);
    slb_runtime_release(response->runtime);
}

/* Whether a coroutine reads, or pushes. */
static bool is_awaited(const struct sl_exchange *exchange)
{
    return slb_is_awaited(&exchange->completion) ||
           slb_is_awaited(&exchange->request->room);
}

void slb_end_response(struct slb_response *response)
{
    struct sl_exchange *exchange = response->ending;

    if (exchange == NULL || is_awaited(exchange))
        return;
    response->ending = NULL;
    release(response, exchange);
}

/* Raises for a response that is disposed, or not to be used here. */
static void check_live(lua_State *L, struct slb_response *response)
{
    if (response->exchange == NULL) {
        slb_end_response(response);
        slb_raise_disposed(L, "response");
    }
    slb_check_usable(L, response->runtime);
}

void slb_raise_read(lua_State *L, struct slb_response *response)
{
    check_live(L, response);
    luaL_error(L, "use of detached body");
}

struct slb_response *slb_check_response(lua_State *L, int index)
{
    struct slb_response *response = slb_check(L, index, slb_response_type);

    check_live(L, response);
    return response;
}

void slb_forget_body(struct slb_response *response)
{
    /* A finaliser may have disposed it, and all of its bytes are forgotten. */
    if (response->exchange != NULL)
        forget_bytes(response, sl_exchange_size(response->exchange));
}

static void let_go(struct slb_response *response)
{
    struct sl_exchange *exchange = response->exchange;

    response->exchange = NULL;
    if (response->runtime->known == response)
        response->runtime->known = NULL;
    forget_bytes(response, 0);
    sl_exchange_drop(exchange);
    if (is_awaited(exchange))
        response->ending = exchange;
    else
        release(response, exchange);
}

void slb_abandon_response(void *subject)
{
    struct slb_response *response = subject;

    if (response->exchange == NULL) {
        slb_end_response(response);
        return;
    }
    sl_exchange_abort(response->exchange, SL_CANCELLED, "cancelled");
    let_go(response);
}

/* ---- failures ---- */

const char *slb_push_request_name(lua_State *L, int index)
{
    lua_getiuservalue(L, index, SLB_RESPONSE_INFO);
    lua_getfield(L, -1, "method");
    lua_getfield(L, -2, "url");
    return lua_pushfstring(L, "%s %s", lua_tostring(L, -2),
                           lua_tostring(L, -1));
}

/* Pushes the name of the attempt: the verb and its object. */
static const char *push_attempt(lua_State *L, int index,
                                const struct sl_exchange *exchange)
{
    const struct sl_origin *origin = exchange->origin;

    /* Nothing allocates before the origin is read: a finaliser may end it. */
    switch (exchange->failure->stage) {
    case SL_STAGE_CONNECT:
        return lua_pushfstring(
            L, "connect %s%s:%d",
            origin->options.proxy_host != NULL ? "proxy " : "",
            sl_origin_next_host(origin), sl_origin_next_port(origin));
    case SL_STAGE_PROXY:
        return lua_pushfstring(L, "proxy %s:%d", sl_origin_next_host(origin),
                               sl_origin_next_port(origin));
    case SL_STAGE_TLS:
        return lua_pushfstring(L, "tls %s:%d", origin->options.host,
                               origin->options.port);
    default:
        return slb_push_request_name(L, index);
    }
}

int slb_push_exchange_failure(lua_State *L, int index,
                              const struct sl_exchange *exchange)
{
    const struct sl_failure failure = *exchange->failure;
    bool has_proxy = exchange->origin != NULL &&
                     exchange->origin->options.proxy_host != NULL;

    luaL_checkstack(L, 12, NULL);
    if (failure.stage == SL_STAGE_CONNECT && failure.status != SL_CANCELLED)
        return slb_push_failure(L, &failure,
                                has_proxy ? "connect proxy" : "connect");
    if (failure.stage == SL_STAGE_RESOLVE)
        return slb_push_failure(L, &failure,
                                has_proxy ? "resolve proxy" : "resolve");
    slb_push_failure(L, &failure, push_attempt(L, index, exchange));
    if (failure.status == SL_PROXY)
        slb_add_refusal(L, index);
    return 3;
}

int slb_fail_reader(lua_State *L, struct slb_response *response,
                    enum sl_status status, bool is_loop)
{
    if (status == SL_MISUSE)
        return luaL_error(L, "body is being read by another coroutine");
    lua_getiuservalue(L, 1, 1);
    slb_push_exchange_failure(L, lua_gettop(L), response->exchange);
    return is_loop ? lua_error(L) : 3;
}

/* ---- waiting for a head, or for all of it ---- */

static void update_counters(struct slb_runtime *runtime,
                            struct sl_exchange *exchange)
{
    runtime->requests++;
    if (exchange->use == SL_EXCHANGE_RESENT)
        runtime->resends++;
}

static int answered(lua_State *L, int status, lua_KContext context);

/* Whether it redirects, and its request follows redirects. */
static bool may_lead_on(const struct slb_response *response)
{
    const struct sl_exchange *exchange = response->exchange;

    return exchange->incoming.response.request.follows_redirects &&
           exchange->incoming.response.phase > SL_PHASE_HEAD &&
           sl_is_redirect(&exchange->incoming.response.head);
}

/* Wants the head of a streamed response or a redirect; else the whole. */
static enum sl_status want_answer(const struct slb_response *response,
                                  bool *is_redirect)
{
    struct sl_exchange *exchange = response->exchange;
    bool may_redirect = exchange->incoming.response.request.follows_redirects &&
                        exchange->incoming.response.phase == SL_PHASE_HEAD;

    *is_redirect = may_lead_on(response);
    if (response->is_stream || *is_redirect || may_redirect) {
        enum sl_status status = sl_exchange_want(exchange, SL_WANT_HEAD, 0);

        *is_redirect = may_lead_on(response);
        if (status != SL_OK || response->is_stream || *is_redirect)
            return status;
    }
    return sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
}

int slb_settle_response(lua_State *L, struct slb_response *response)
{
    struct sl_exchange *exchange = response->exchange;
    bool is_redirect;
    enum sl_status status = want_answer(response, &is_redirect);

    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &exchange->completion,
                        slb_abandon_response, response, answered);
    if (status == SL_MISUSE)
        return luaL_error(L, "response is being waited for already");
    update_counters(response->runtime, exchange);
    if (status != SL_OK) {
        bool is_resent = exchange->use == SL_EXCHANGE_RESENT;
        int count = slb_push_exchange_failure(L, 1, exchange);

        if (is_resent) {
            lua_pushinteger(L, 2);
            lua_setfield(L, -2, "attempts");
        }
        count += slb_push_set_cookies(L, 1);
        slb_abandon_response(response);
        return count;
    }
    if (response->keeps_body &&
        sl_outgoing_is_over(&exchange->request->outgoing)) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, SLB_RESPONSE_TEXT);
        response->keeps_body = false;
    }
    if (!response->is_stream)
        slb_note_body(L, response);
    if (response->exchange != NULL) /* unless a finaliser has disposed it */
        response->runtime->known = response;
    if (lua_gettop(L) != 1)
        lua_settop(L, 1);
    if (!is_redirect)
        return 1;
    lua_pushliteral(L, "redirect");
    return 2;
}

static int answered(lua_State *L, int status, lua_KContext context)
{
    struct slb_response *response = lua_touserdata(L, 1);

    (void)status;
    slb_waited(L, context);
    check_live(L, response);
    return slb_settle_response(L, response);
}

/* ---- ends ---- */

bool slb_response_take_link(struct slb_response *response, struct sl_link *link,
                            struct sl_buffer *input)
{
    return response->exchange != NULL &&
           sl_exchange_take_link(response->exchange, link, input);
}

void slb_dispose_response(struct slb_response *response)
{
    if (response->exchange != NULL)
        let_go(response);
}

/* response:dispose() - gives everything back; the rest of an arriving body is
 * drained or the connection closed. Idempotent. */
static int response_dispose(lua_State *L)
{
    slb_dispose_response(slb_check(L, 1, slb_response_type));
    return 0;
}

/* Each response is finalised: the address of their metatable, an upvalue, tells
 * one sooner than its type does. */
static int response_gc(lua_State *L)
{
    const void *metatable = lua_touserdata(L, lua_upvalueindex(1));
    struct slb_response *response;

    if (!lua_getmetatable(L, 1) || lua_topointer(L, -1) != metatable)
        return luaL_typeerror(L, 1, slb_response_type);
    response = lua_touserdata(L, 1);
    if (response->exchange != NULL) {
        if (slb_body_of(response)->length > 0 || !slb_is_complete(response) ||
            sl_exchange_is_upgraded(response->exchange))
            response->runtime->leaked++;
        let_go(response);
    }
    /* If a coroutine still waits for it, the end of that wait ends it. */
    slb_end_response(response);
    return 0;
}

/* ---- the handle ---- */

/* #response -> bytes of the body that are there */
static int response_length(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);

    if (response->has_text) {
        lua_getiuservalue(L, 1, SLB_RESPONSE_TEXT);
        lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    } else {
        lua_pushinteger(L, (lua_Integer)slb_body_of(response)->length);
    }
    return 1;
}

static int response_tostring(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    if (response->exchange == NULL)
        lua_pushliteral(L, "sluice.response (disposed)");
    else
        lua_pushfstring(L, "sluice.response (%d)",
                        response->exchange->incoming.response.head.status);
    return 1;
}

/* leads_on(value) -> whether it is a live response that redirects, and whose
 * request follows redirects */
static int leads_on(lua_State *L)
{
    const struct slb_response *response = slb_test(L, 1, slb_response_type);

    lua_pushboolean(L, response != NULL && response->exchange != NULL &&
                           may_lead_on(response));
    return 1;
}

/* is_upgraded(response) -> whether the server has gone over to the protocol
 * that was offered, and nobody has taken the connection yet */
static int is_upgraded(lua_State *L)
{
    lua_pushboolean(
        L, sl_exchange_is_upgraded(slb_check_response(L, 1)->exchange));
    return 1;
}

/* is_decoded(response) -> whether a content coding was, or is being, removed */
static int is_decoded(lua_State *L)
{
    const struct sl_head *head =
        &slb_check_response(L, 1)->exchange->incoming.response.head;
    bool is_hidden = false;

    for (size_t i = 0; i < head->count && !is_hidden; i++)
        is_hidden = sl_head_is_hidden(head, i);
    lua_pushboolean(L, is_hidden);
    return 1;
}

/* Whether a cache may have to do with it. */
static bool has_caching_fields(const struct sl_head *head)
{
    static const char *const names[] = {"cache-control", "expires", "etag",
                                        "last-modified"};
    bool is_there = false;

    for (size_t i = 0; i < sizeof names / sizeof *names && !is_there; i++)
        is_there = sl_head_find(head, 0, sl_view(names[i], strlen(names[i]))) !=
                   SIZE_MAX;
    return is_there;
}

/* outcome(response) -> status, bytes of the body, whether a field says how it
 * may be cached (Cache-Control, Expires, ETag or Last-Modified) */
static int push_outcome(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);
    const struct sl_head *head = &response->exchange->incoming.response.head;

    lua_pushinteger(L, head->status);
    lua_pushinteger(L, (lua_Integer)slb_body_of(response)->length);
    lua_pushboolean(L, has_caching_fields(head));
    return 3;
}

/* now() -> nanoseconds, by the clock of deadlines */
static int push_now(lua_State *L)
{
    lua_pushinteger(L, sl_clock_now());
    return 1;
}

/* response:deadline() -> when its total time ends, by the loop's clock | nil */
static int response_deadline(lua_State *L)
{
    int64_t deadline = slb_check_response(L, 1)->exchange->deadline;

    if (deadline == SL_NEVER)
        lua_pushnil(L);
    else
        lua_pushinteger(L, deadline);
    return 1;
}

/* response:is_complete() -> whether the whole body has arrived */
static int response_is_complete(lua_State *L)
{
    lua_pushboolean(L, slb_is_complete(slb_check_response(L, 1)));
    return 1;
}

/* response:is_live() -> false once disposed */
static int response_is_live(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    lua_pushboolean(L, response->exchange != NULL);
    return 1;
}

static const luaL_Reg methods[] = {{"is_live", response_is_live},
                                   {"dispose", response_dispose},
                                   {"deadline", response_deadline},
                                   {"is_complete", response_is_complete},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", response_dispose},
                                {"__len", response_length},
                                {"__tostring", response_tostring},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"leads_on", leads_on},     {"is_upgraded", is_upgraded},
    {"is_decoded", is_decoded}, {"outcome", push_outcome},
    {"now", push_now},          {NULL, NULL}};

void slb_response_open(lua_State *L)
{
    slb_type(L, slb_response_type, NULL, meta);
    luaL_getmetatable(L, slb_response_type);
    lua_pushlightuserdata(L, (void *)(uintptr_t)lua_topointer(L, -1));
    lua_pushcclosure(L, response_gc, 1);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    slb_share_methods(L, slb_response_type, "response_methods", methods,
                      slb_response_body_methods);
    luaL_setfuncs(L, functions, 0);
}
