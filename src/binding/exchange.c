/* The way from a request's bytes to a response: origin:send and its parts. */
#include "binding/client.h"
#include "binding/head.h"
#include "binding/response.h"
#include "binding/types.h"
#include "binding/wait.h"
#include "memory/lease.h"

#include <fcntl.h>
#include <stdio.h>

static void update_counters(struct slb_runtime *runtime,
                            struct sl_exchange *exchange)
{
    runtime->requests++;
    if (exchange->use == SL_EXCHANGE_RESENT)
        runtime->resends++;
}

/* ---- failures ---- */

/* The attempt's name on top of the stack: the verb and its object. */
static const char *push_attempt(lua_State *L, int index,
                                const struct sl_exchange *exchange)
{
    const struct sl_origin *origin = exchange->origin;

    /* Nothing allocates before what is made of the origin. */
    switch (exchange->failure.stage) {
    case SL_STAGE_CONNECT:
        return lua_pushfstring(L, "connect %s:%d", sl_origin_next_host(origin),
                               sl_origin_next_port(origin));
    case SL_STAGE_PROXY:
        return lua_pushfstring(L, "proxy %s:%d", sl_origin_next_host(origin),
                               sl_origin_next_port(origin));
    case SL_STAGE_TLS:
        return lua_pushfstring(L, "tls %s:%d", origin->host, origin->port);
    default:
        break;
    }
    lua_getiuservalue(L, index, RESPONSE_INFO);
    lua_getfield(L, -1, "method");
    lua_getfield(L, -2, "url");
    return lua_pushfstring(L, "%s %s", lua_tostring(L, -2),
                           lua_tostring(L, -1));
}

int slb_push_exchange_failure(lua_State *L, int index,
                              const struct sl_exchange *exchange)
{
    const struct sl_failure failure = exchange->failure;

    luaL_checkstack(L, 12, NULL);
    if (failure.stage == SL_STAGE_CONNECT && failure.status != SL_CANCELLED)
        return slb_push_failure(L, &failure, "connect");
    if (failure.stage == SL_STAGE_RESOLVE)
        return slb_push_failure(L, &failure, "resolve");
    return slb_push_failure(L, &failure, push_attempt(L, index, exchange));
}

/* ---- bodies ---- */

/* The bytes that were declared of a file, from its position. A few are read at
 * once, to go with the head. */
static enum sl_status set_file(lua_State *L, int index,
                               struct sl_upload *upload)
{
    luaL_Stream *stream = luaL_checkudata(L, index, LUA_FILEHANDLE);
    lua_Integer size = luaL_checkinteger(L, index + 2);
    const char *name = luaL_checkstring(L, index + 3);
    off_t offset;
    int fd;

    if (stream->closef == NULL || (offset = ftello(stream->f)) < 0)
        return SL_INVALID;
    if (size <= (lua_Integer)SL_SEND_AT_ONCE)
        return sl_upload_read_file(upload, fileno(stream->f), offset,
                                   (size_t)size);
    fd = fcntl(fileno(stream->f), F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return SL_LIMIT;
    sl_upload_set_file(upload, fd, offset, (uint64_t)size, name);
    return SL_OK;
}

/* nil | string | sequence | lease (moved) | file | number (pushed, of that
 * length) | true (pushed, chunked). A string, and a file's name, are kept alive by
 * being on the stack or, for as long as the exchange sends, by the response. */
static enum sl_status set_body(lua_State *L, int index,
                               struct sl_upload *upload)
{
    struct sl_sequence *sequence;
    struct sl_lease *lease;
    struct sl_view text;

    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return SL_OK;
    case LUA_TSTRING:
        text.data = lua_tolstring(L, index, &text.size);
        sl_upload_set_text(upload, text);
        return SL_OK;
    case LUA_TNUMBER:
        sl_upload_set_pushed(upload, (uint64_t)luaL_checkinteger(L, index));
        return SL_OK;
    case LUA_TBOOLEAN:
        sl_upload_set_pushed(upload, UINT64_MAX);
        return SL_OK;
    default:
        break;
    }
    lease = slb_test_lease(L, index);
    if (lease != NULL) {
        enum sl_status status = sl_upload_set_sequence(upload, &lease->content);

        if (status == SL_OK)
            sl_lease_dispose(lease);
        return status;
    }
    sequence = slb_test_sequence(L, index);
    if (sequence != NULL) {
        struct sl_sequence shown;
        enum sl_status status;

        sl_sequence_init(&shown, sequence->allocator);
        status = sl_sequence_sub(&shown, sequence, 0, sequence->size);
        if (status == SL_OK)
            status = sl_upload_set_sequence(upload, &shown);
        sl_sequence_fini(&shown);
        return status;
    }
    return set_file(L, index, upload);
}

/* What the response keeps alive for the body that it sends. */
static void keep_body(lua_State *L, struct slb_response *response)
{
    int kept = lua_type(L, 5) == LUA_TSTRING ? 5 : 8;

    if (lua_isnil(L, kept))
        return;
    lua_pushvalue(L, kept);
    lua_setiuservalue(L, -2, RESPONSE_TEXT); /* until the answer's */
    response->keeps_body = true;
}

/* The length of the body, which a text has by itself. */
static uint64_t body_length(lua_State *L)
{
    if (lua_isinteger(L, 7))
        return (uint64_t)lua_tointeger(L, 7);
    return lua_type(L, 5) == LUA_TSTRING ? lua_rawlen(L, 5) : 0;
}

/* origin, head, options, info, body, is_stream, size, name (of a file), lines,
 * deadline -> response on top of the stack, its exchange created but not started */
static struct slb_response *create(lua_State *L, enum sl_status *status)
{
    struct slb_options *options = slb_check(L, 3, slb_options_type);
    const struct slb_head *made;
    char room[SLB_HEAD_ROOM];
    struct slb_origin *origin;
    struct slb_response *response;
    struct sl_view head;

    origin = slb_check_origin(L, 1);
    slb_reserve_wait(L, origin->runtime);
    made = slb_check_head(L, 2);
    head =
        slb_fill_head(L, made, 9, made->has_length ? body_length(L) : 0, room);
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
    if (lua_isinteger(L, 10))
        sl_exchange_set_deadline(response->exchange, lua_tointeger(L, 10));
    *status = set_body(L, 5, &response->exchange->outgoing.upload);
    if (*status != SL_OK)
        slb_abandon_response(response);
    return response;
}

/* ---- waiting for the response at index 1 ---- */

static int answer(lua_State *L, int status, lua_KContext context);

/* Wants the head of a stream, and of what leads elsewhere; else the whole. */
static enum sl_status want_answer(const struct slb_response *response,
                                  bool *is_redirect)
{
    struct sl_exchange *exchange = response->exchange;
    bool may_redirect = exchange->options.traits.follows_redirects &&
                        exchange->incoming.response.phase == SL_PHASE_HEAD;

    *is_redirect = slb_leads_on(response);
    if (response->is_stream || *is_redirect || may_redirect) {
        enum sl_status status = sl_exchange_want(exchange, SL_WANT_HEAD, 0);

        *is_redirect = slb_leads_on(response);
        if (status != SL_OK || response->is_stream || *is_redirect)
            return status;
    }
    return sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
}

/* The response at index 1 as far as is wanted, or its failure. */
static int settle(lua_State *L, struct slb_response *response)
{
    struct sl_exchange *exchange = response->exchange;
    bool is_redirect;
    enum sl_status status = want_answer(response, &is_redirect);

    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &exchange->completion,
                        slb_abandon_response, response, answer);
    if (status == SL_MISUSE)
        return luaL_error(L, "response is being waited for already");
    update_counters(response->runtime, exchange);
    if (status != SL_OK) {
        int count = slb_push_exchange_failure(L, 1, exchange);

        slb_abandon_response(response);
        return count;
    }
    if (response->keeps_body && sl_outgoing_is_over(&exchange->outgoing)) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, RESPONSE_TEXT);
        response->keeps_body = false;
    }
    if (!response->is_stream)
        slb_note_body(L, response);
    lua_settop(L, 1);
    if (!is_redirect)
        return 1;
    lua_pushliteral(L, "redirect");
    return 2;
}

static int answer(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context);
    return settle(L, slb_check_response(L, 1));
}

/* What became of a body that could not be taken; a file may have changed since it
 * was measured. */
static int push_refusal(lua_State *L, enum sl_status status)
{
    struct sl_failure failure;

    if (status != SL_END && status != SL_INVALID)
        return slb_push_outcome(L, status, "request body");
    sl_fail(&failure, SL_INVALID, SL_STAGE_QUEUE,
            status == SL_END ? "shorter than it was" : "cannot be read");
    lua_pushfstring(L, "request body %s", luaL_tolstring(L, 8, NULL));
    return slb_push_failure(L, &failure, lua_tostring(L, -1));
}

/* origin:send(head, options, info, body, is_stream, size, name, lines, deadline)
 *   -> response | response, "redirect" (to be followed) | nil, message, err
 * Sends and waits for the whole response, or its head; yields. `size` is that of
 * any body but a text; `lines` are further field lines of this sending. */
static int origin_send(lua_State *L)
{
    struct slb_response *response;
    enum sl_status status;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 10);
    response = create(L, &status);
    if (status != SL_OK)
        return push_refusal(L, status);
    response->is_stream = is_stream;
    lua_replace(L, 1);
    lua_settop(L, 1);
    sl_exchange_start(response->exchange);
    return settle(L, response);
}

/* origin:begin(head, options, info, body, is_stream, size, name, lines, deadline)
 *   -> response | nil, message, err
 * The same without waiting: for bodies that are pushed. */
static int origin_begin(lua_State *L)
{
    struct slb_response *response;
    enum sl_status status;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 10);
    response = create(L, &status);
    if (status != SL_OK)
        return push_refusal(L, status);
    response->is_stream = is_stream;
    sl_exchange_start(response->exchange);
    return 1;
}

/* response:wait() -> as origin:send; yields */
static int response_wait(lua_State *L)
{
    slb_reserve_wait(L, slb_check_response(L, 1)->runtime);
    lua_settop(L, 1);
    return settle(L, slb_check_response(L, 1));
}

/* ---- pushed bodies: by a task of their own, beside whoever reads ---- */

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
        return slb_wait(L, response->runtime, &exchange->room,
                        slb_abandon_response, response, has_room);
    if (status == SL_MISUSE)
        return luaL_error(L, "body is being pushed by another coroutine");
    /* A failure shows when the response is waited for. */
    lua_pushboolean(L, !sl_outgoing_is_over(&exchange->outgoing));
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

static enum sl_status append_bytes(struct sl_buffer *piece,
                                   const struct slb_bytes *bytes)
{
    if (bytes->sequence != NULL)
        return sl_sequence_link(bytes->sequence, piece);
    return sl_buffer_append(piece, bytes->text);
}

/* What became of pushed bytes; a failure is told to whoever waits for the
 * response. */
static bool is_taken(struct sl_exchange *exchange, enum sl_status status,
                     const char *refused)
{
    if (status == SL_OK) {
        sl_exchange_pushed(exchange);
        return true;
    }
    sl_exchange_abort(exchange, status,
                      status == SL_INVALID ? refused : "out of memory");
    return false;
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

/* Whether bytes are wanted, if only to say that they are too many. */
static bool takes_more(const struct sl_exchange *exchange)
{
    return !sl_exchange_is_over(exchange) &&
           exchange->outgoing.phase != SL_OUTGOING_CUT;
}

/* response:push(bytes) -> true | false (no more is wanted)
 * Sends a piece of the body and waits for room for the next; yields. What goes
 * wrong ends the exchange, so that whoever waits for the response is told. */
static int response_push(lua_State *L)
{
    struct slb_response *response = live_response(L);
    struct sl_exchange *exchange;
    struct slb_bytes bytes;
    struct sl_buffer piece;
    enum sl_status status;

    slb_check_bytes(L, 2, &bytes); /* allocates nothing */
    if (response == NULL || !takes_more(response->exchange)) {
        lua_pushboolean(L, false);
        return 1;
    }
    exchange = response->exchange;
    sl_buffer_init(&piece, &response->runtime->pool, SIZE_MAX);
    status = append_bytes(&piece, &bytes);
    if (status == SL_OK)
        status = sl_upload_push(&exchange->outgoing.upload, &piece);
    sl_buffer_fini(&piece);
    lua_settop(L, 1);
    if (is_taken(exchange, status, "more body than was declared"))
        return await_room(L, response);
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
    if (response != NULL && !sl_outgoing_is_over(&response->exchange->outgoing))
        is_taken(
            response->exchange,
            sl_upload_finish(&response->exchange->outgoing.upload, trailers),
            "less body than was declared");
    return 0;
}

/* response:fail(reason) - the body cannot be had: the exchange ends with it */
static int response_fail(lua_State *L)
{
    const char *reason = luaL_checkstring(L, 2);
    struct slb_response *response = live_response(L);

    if (response != NULL)
        sl_exchange_abort(response->exchange, SL_INVALID, reason);
    return 0;
}

/* origin:is_old() -> whether its last answer was HTTP/1.0 */
static int origin_is_old(lua_State *L)
{
    lua_pushboolean(L, slb_check_origin(L, 1)->origin->speaks_1_0);
    return 1;
}

/* origin:is_busy() -> whether connections or requests lead there */
static int origin_is_busy(lua_State *L)
{
    lua_pushboolean(L, sl_origin_is_shared(slb_check_origin(L, 1)->origin));
    return 1;
}

static const luaL_Reg origin_methods[] = {{"is_old", origin_is_old},
                                          {"is_busy", origin_is_busy},
                                          {"send", origin_send},
                                          {"begin", origin_begin},
                                          {NULL, NULL}};

static const luaL_Reg response_methods[] = {
    {"wait", response_wait}, {"await_room", response_await_room},
    {"push", response_push}, {"finish", response_finish},
    {"fail", response_fail}, {NULL, NULL}};

/* After the types of origin and response are open. */
void slb_exchange_open(lua_State *L)
{
    luaL_getmetatable(L, slb_origin_type);
    lua_newtable(L);
    luaL_setfuncs(L, origin_methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);

    lua_getfield(L, -1, "response_methods");
    luaL_setfuncs(L, response_methods, 0);
    lua_pop(L, 1);
}
