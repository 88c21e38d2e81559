#include "binding/response.h"

#include "binding/tls.h"
#include "binding/types.h"
#include "binding/wait.h"
#include "memory/lease.h"

/* Read at once when no size is given. */
#define CHUNK ((size_t)64 * 1024)

/* Read at most before others get their turn. */
#define TURN_BYTES  ((uint32_t)256 * 1024)
#define TURN_PIECES 64

/* What an exchange takes beside its body, about. */
#define EXCHANGE_SIZE ((size_t)2 * 1024)

const char slb_response_type[] = "sluice.response";

void slb_note_body(lua_State *L, struct slb_response *response)
{
    response->noted =
        EXCHANGE_SIZE + response->exchange->incoming.response.body.length;
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

/* Somebody reads, or pushes. */
static bool is_awaited(const struct sl_exchange *exchange)
{
    return exchange->completion.waiter != 0 || exchange->room.waiter != 0;
}

void slb_end_response(struct slb_response *response)
{
    struct sl_exchange *exchange = response->ending;

    if (exchange == NULL || is_awaited(exchange))
        return;
    response->ending = NULL;
    release(response, exchange);
}

struct slb_response *slb_check_response(lua_State *L, int index)
{
    struct slb_response *response = slb_check(L, index, slb_response_type);

    if (response->exchange == NULL) {
        slb_end_response(response);
        slb_raise_disposed(L, "response");
    }
    slb_check_usable(L, response->runtime);
    return response;
}

bool slb_leads_on(const struct slb_response *response)
{
    const struct sl_exchange *exchange = response->exchange;

    return exchange->options.traits.follows_redirects &&
           exchange->incoming.response.phase > SL_PHASE_HEAD &&
           sl_is_redirect(&exchange->incoming.response.head);
}

static struct sl_buffer *body_of(struct slb_response *response)
{
    return &response->exchange->incoming.response.body;
}

static bool is_complete(const struct slb_response *response)
{
    return response->exchange->phase == SL_EXCHANGE_DONE;
}

static struct slb_response *check_body(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);

    if (response->is_detached)
        luaL_error(L, "use of detached body");
    return response;
}

/* For what may have to wait: the wait is reserved. */
static struct slb_response *check_waiting(lua_State *L)
{
    slb_reserve_wait(L, check_body(L)->runtime);
    return check_body(L);
}

static void let_go(struct slb_response *response)
{
    struct sl_exchange *exchange = response->exchange;

    response->exchange = NULL;
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

/* ---- reading ---- */

/* The first `size` body bytes as a string; the body shrinks afterwards, so that
 * an error while the string is made loses nothing. */
static void push_bytes(lua_State *L, struct slb_response *response, size_t size)
{
    struct sl_view view;

    if (size == 0) {
        lua_pushliteral(L, "");
        return;
    }
    if (sl_buffer_gather(body_of(response), size, &view) != SL_OK)
        luaL_error(L, "out of memory");
    lua_pushlstring(L, view.data, size);
    /* A finaliser may have disposed it, or read on. */
    if (response->exchange != NULL && body_of(response)->length >= size)
        sl_buffer_consume(body_of(response), size);
}

static int push_stream_end(lua_State *L, struct slb_response *response,
                           enum sl_status status)
{
    if (status == SL_END) {
        lua_pushnil(L);
        return 1;
    }
    if (status == SL_MISUSE)
        return luaL_error(L, "body is being read by another coroutine");
    return slb_push_exchange_failure(L, 1, response->exchange);
}

/* A body whose bytes are always there before they are asked for must not keep
 * everybody else from running, timers neither. */
static bool is_turn_over(lua_State *L, struct slb_response *response)
{
    if (response->given < TURN_BYTES)
        return false;
    response->given = 0;
    return slb_can_take_turn(L, response->runtime);
}

static void count_piece(struct slb_response *response, size_t size)
{
    if (size < TURN_BYTES / TURN_PIECES)
        size = TURN_BYTES / TURN_PIECES;
    response->given += size < TURN_BYTES ? (uint32_t)size : TURN_BYTES;
}

/* First thing in a continuation of slb_wait or slb_wait_turn: whether to go on. */
static bool may_go_on(lua_State *L, lua_KContext context)
{
    enum sl_status status = slb_waited(L, context);
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    response->given = 0;
    if (response->exchange == NULL)
        return true;
    if (status == SL_TIMEOUT) /* the turn has come */
        sl_exchange_check_deadline(response->exchange);
    if (status != SL_CANCELLED)
        return true;
    sl_exchange_abort(response->exchange, SL_CANCELLED, "cancelled");
    return false;
}

static int read_more(lua_State *L, int status, lua_KContext context);

/* stack: response, wanted */
static int read_body(lua_State *L, struct slb_response *response)
{
    size_t wanted = (size_t)lua_tointeger(L, 2);
    struct sl_buffer *body = body_of(response);
    enum sl_status status;

    if (is_turn_over(L, response))
        return slb_wait_turn(L, response->runtime, slb_abandon_response,
                             response, read_more);
    status = sl_exchange_want(response->exchange, SL_WANT_BODY, wanted);
    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &response->exchange->completion,
                        slb_abandon_response, response, read_more);
    if (status != SL_OK)
        return push_stream_end(L, response, status);
    if (wanted > body->length)
        wanted = body->length;
    count_piece(response, wanted);
    push_bytes(L, response, wanted);
    return 1;
}

static int read_more(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    if (!may_go_on(L, context))
        return slb_push_exchange_failure(L, 1, check_body(L)->exchange);
    return read_body(L, check_body(L));
}

/* response:read(n = 65536) -> string of n bytes, fewer before the end
 *                           | nil (end) | nil, message, err
 * Yields. After text() or detach() there is nothing left to read. */
static int response_read(lua_State *L)
{
    lua_Integer wanted = luaL_optinteger(L, 2, (lua_Integer)CHUNK);
    struct slb_response *response = check_waiting(L);

    luaL_argcheck(L, wanted > 0, 2, "positive count expected");
    lua_settop(L, 1);
    lua_pushinteger(L, wanted);
    return read_body(L, response);
}

static int next_ready(lua_State *L, int status, lua_KContext context);

static int next_chunk(lua_State *L, struct slb_response *response)
{
    enum sl_status status;
    struct sl_sequence *sequence;
    struct sl_buffer *body;

    if (is_turn_over(L, response))
        return slb_wait_turn(L, response->runtime, slb_abandon_response,
                             response, next_ready);
    status = sl_exchange_want(response->exchange, SL_WANT_BODY, 1);
    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &response->exchange->completion,
                        slb_abandon_response, response, next_ready);
    if (status != SL_OK)
        return push_stream_end(L, response, status);
    sequence = slb_new_sequence(L);
    body = body_of(check_body(L));
    sl_buffer_compact(body); /* it may be kept for long */
    count_piece(response, body->length);
    if (sl_sequence_take(sequence, body) != SL_OK)
        return luaL_error(L, "out of memory");
    slb_note_bytes(L, response->runtime, sequence->size);
    return 1;
}

static int next_ready(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    if (!may_go_on(L, context))
        return slb_push_exchange_failure(L, 1, check_body(L)->exchange);
    return next_chunk(L, check_body(L));
}

/* response:next_chunk() -> sequence | nil (end) | nil, message, err; yields */
static int response_next_chunk(lua_State *L)
{
    struct slb_response *response = check_waiting(L);

    lua_settop(L, 1);
    return next_chunk(L, response);
}

static int text_ready(lua_State *L, int status, lua_KContext context);

/* The whole body as a string, made once. */
static int push_text(lua_State *L, struct slb_response *response)
{
    enum sl_status status;

    if (response->has_text) {
        lua_getiuservalue(L, 1, RESPONSE_TEXT);
        return 1;
    }
    status = sl_exchange_want(response->exchange, SL_WANT_WHOLE, 0);
    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &response->exchange->completion,
                        slb_abandon_response, response, text_ready);
    if (status != SL_OK)
        return push_stream_end(L, response, status);
    push_bytes(L, response, body_of(response)->length);
    forget_bytes(response, EXCHANGE_SIZE);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, RESPONSE_TEXT);
    response->has_text = true;
    return 1;
}

static int text_ready(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return push_text(L, check_body(L));
}

/* response:text() -> string | nil, message, err
 * Flattens once and keeps it; the segments go back. Yields when streamed. */
static int response_text(lua_State *L)
{
    struct slb_response *response = check_waiting(L);

    lua_settop(L, 1);
    return push_text(L, response);
}

static int sequence_ready(lua_State *L, int status, lua_KContext context);

static int push_sequence(lua_State *L, struct slb_response *response)
{
    struct sl_buffer *body;
    struct sl_sequence *sequence;
    enum sl_status status =
        sl_exchange_want(response->exchange, SL_WANT_WHOLE, 0);

    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &response->exchange->completion,
                        slb_abandon_response, response, sequence_ready);
    if (status != SL_OK)
        return push_stream_end(L, response, status);
    sequence = slb_new_sequence(L);
    body = body_of(check_body(L));
    if (response->has_text && body->length == 0) {
        struct sl_view text;

        lua_getiuservalue(L, 1, RESPONSE_TEXT);
        text.data = lua_tolstring(L, -1, &text.size);
        status = sl_buffer_append(body, text);
        lua_pop(L, 1);
    }
    if (status == SL_OK)
        status = sl_sequence_show(sequence, body);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "body");
    slb_note_bytes(L, response->runtime, sequence->size);
    return 1;
}

static int sequence_ready(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return push_sequence(L, check_body(L));
}

/* response:sequence() -> sequence | nil, message, err
 * The whole body without a copy; good after the response is gone. Yields when
 * streamed. */
static int response_sequence(lua_State *L)
{
    struct slb_response *response = check_waiting(L);

    lua_settop(L, 1);
    return push_sequence(L, response);
}

static int detach_ready(lua_State *L, int status, lua_KContext context);

static int detach(lua_State *L, struct slb_response *response)
{
    struct sl_lease *lease;
    enum sl_status status =
        sl_exchange_want(response->exchange, SL_WANT_WHOLE, 0);

    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &response->exchange->completion,
                        slb_abandon_response, response, detach_ready);
    if (status != SL_OK)
        return push_stream_end(L, response, status);
    lease = slb_new_lease(L);
    status = sl_lease_take(lease, body_of(check_body(L)));
    if (status != SL_OK)
        return slb_push_outcome(L, status, "detach body");
    response->is_detached = true;
    forget_bytes(response, EXCHANGE_SIZE);
    return 1;
}

static int detach_ready(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return detach(L, check_body(L));
}

/* response:detach() -> lease over the body | nil, message, err
 * The response keeps its head. Raises after text(), whose string is the body
 * then, and when part of the body was read. Yields when streamed. */
static int response_detach(lua_State *L)
{
    struct slb_response *response = check_waiting(L);

    if (response->has_text || response->exchange->incoming.response.delivered !=
                                  body_of(response)->length)
        return luaL_error(L, "detach: part of the body was taken already");
    lua_settop(L, 1);
    return detach(L, response);
}

/* ---- ends ---- */

/* response:dispose() - gives everything back; of a body still on its way the
 * rest is drained or the connection closed. Idempotent. */
static int response_dispose(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    if (response->exchange != NULL)
        let_go(response);
    return 0;
}

static int response_gc(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    if (response->exchange != NULL) {
        if (body_of(response)->length > 0 || !is_complete(response))
            response->runtime->leaked++;
        let_go(response);
    }
    /* Where somebody waits for it still, the end of that wait ends it. */
    slb_end_response(response);
    return 0;
}

/* ---- properties ---- */

static int push_timings(lua_State *L, const struct sl_exchange *exchange)
{
    const struct sl_exchange_times times = exchange->times;
    bool is_reused = exchange->use == SL_EXCHANGE_REUSED;
    const struct {
        const char *name;
        int64_t from;
        int64_t to;
    } spans[] = {
        {"queue", times.started, times.placed},
        {"resolve", times.placed, times.resolved},
        {"connect", times.resolved, times.connected},
        {"proxy", times.connected, times.tunneled},
        {"tls", times.tunneled != 0 ? times.tunneled : times.connected,
         times.secured},
        {"first_byte", times.started, times.first_byte},
        {"total", times.started, times.ended},
    };

    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        if (spans[i].from == 0 || spans[i].to == 0)
            continue;
        lua_pushnumber(L, (lua_Number)(spans[i].to - spans[i].from) / 1e9);
        lua_setfield(L, -2, spans[i].name);
    }
    lua_pushboolean(L, is_reused);
    lua_setfield(L, -2, "reused");
    return 1;
}

static int push_body(lua_State *L, struct slb_response *response)
{
    if (!is_complete(response))
        return luaL_error(L, "body is still on its way: call text()");
    if (response->is_detached)
        return luaL_error(L, "use of detached body");
    return push_text(L, response);
}

/* The property at index 2, which is no method. */
static int push_property(lua_State *L, struct slb_response *response,
                         const char *name)
{
    const struct sl_head *head = &response->exchange->incoming.response.head;
    struct sl_view reason;

    if (strcmp(name, "status") == 0) {
        lua_pushinteger(L, head->status);
    } else if (strcmp(name, "body") == 0) {
        return push_body(L, response);
    } else if (strcmp(name, "ok") == 0) {
        lua_pushboolean(L, head->status >= 200 && head->status <= 299);
    } else if (strcmp(name, "reason") == 0) {
        reason = sl_head_reason(head);
        lua_pushlstring(L, reason.data, reason.size);
    } else if (strcmp(name, "version") == 0) {
        lua_pushstring(L, head->minor_version == 0 ? "1.0" : "1.1");
    } else if (strcmp(name, "headers") == 0) {
        slb_push_headers(L, 1, false);
    } else if (strcmp(name, "trailers") == 0) {
        slb_push_headers(L, 1, true);
    } else if (strcmp(name, "timings") == 0) {
        return push_timings(L, response->exchange);
    } else if (strcmp(name, "tls") == 0) {
        struct slb_peer *held = slb_new_peer(L);

        slb_push_peer(L, held, slb_check_response(L, 1)->exchange->peer);
    } else {
        lua_getiuservalue(L, 1, RESPONSE_INFO);
        lua_pushvalue(L, 2);
        lua_rawget(L, -2);
    }
    return 1;
}

/* response[name]: a method (upvalue 1 has them), else a property */
static int response_index(lua_State *L)
{
    const char *name;

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    name = luaL_checkstring(L, 2);
    return push_property(L, slb_check_response(L, 1), name);
}

/* #response -> bytes of the body that are there */
static int response_length(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);

    if (response->has_text) {
        lua_getiuservalue(L, 1, RESPONSE_TEXT);
        lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    } else {
        lua_pushinteger(L, (lua_Integer)body_of(response)->length);
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

/* leads_on(value) -> whether it is a response, not disposed, that asks to go
 * elsewhere and whose request follows */
static int leads_on(lua_State *L)
{
    const struct slb_response *response = slb_test(L, 1, slb_response_type);

    lua_pushboolean(L, response != NULL && response->exchange != NULL &&
                           slb_leads_on(response));
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

/* response:is_complete() -> whether the whole body has come */
static int response_is_complete(lua_State *L)
{
    lua_pushboolean(L, is_complete(slb_check_response(L, 1)));
    return 1;
}

/* response:is_live() -> false once disposed */
static int response_is_live(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    lua_pushboolean(L, response->exchange != NULL);
    return 1;
}

static const luaL_Reg methods[] = {
    {"is_live", response_is_live},         {"read", response_read},
    {"next_chunk", response_next_chunk},   {"text", response_text},
    {"sequence", response_sequence},       {"detach", response_detach},
    {"dispose", response_dispose},         {"deadline", response_deadline},
    {"is_complete", response_is_complete}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", response_gc},
                                {"__close", response_dispose},
                                {"__len", response_length},
                                {"__tostring", response_tostring},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {{"leads_on", leads_on}, {NULL, NULL}};

/* A module that is opened again finds the methods of the first time, with what
 * the Lua layer added to them. stack: module, metatable -> the same */
static void set_methods(lua_State *L)
{
    if (lua_getfield(L, -1, "methods") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "methods");
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, response_index, 1);
        lua_setfield(L, -3, "__index");
    }
    lua_setfield(L, -3, "response_methods"); /* the Lua layer adds its own */
}

void slb_response_open(lua_State *L)
{
    slb_type(L, slb_response_type, NULL, meta);
    luaL_getmetatable(L, slb_response_type);
    set_methods(L);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
    slb_exchange_open(L);
}
