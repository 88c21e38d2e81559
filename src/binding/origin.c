/* Where requests lead, and what sends them there. */
#include "binding/origin.h"

#include "binding/options.h"
#include "binding/response.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "task/wait.h"

#include <fcntl.h>
#include <stdio.h>

const char slb_origin_type[] = "sluice.origin";

struct slb_origin *slb_check_origin(lua_State *L, int index)
{
    struct slb_origin *handle = slb_check(L, index, slb_origin_type);

    if (handle->origin == NULL)
        slb_raise_disposed(L, "origin");
    slb_check_usable(L, handle->runtime);
    return handle;
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

/* origin, head, options, info, body, is_stream, size, name (the last two of a
 * file) -> response on top of the stack, its exchange created but not started */
static struct slb_response *create(lua_State *L, enum sl_status *status)
{
    struct slb_options *options = slb_check(L, 3, slb_options_type);
    struct slb_origin *origin;
    struct slb_response *response;
    struct sl_view head;

    slb_reserve_wait(L, slb_check_origin(L, 1)->runtime);
    head.data = luaL_checklstring(L, 2, &head.size);
    luaL_checktype(L, 4, LUA_TTABLE);
    response = slb_new(L, slb_response_type, sizeof *response, RESPONSE_VALUES);
    lua_pushvalue(L, 4);
    lua_setiuservalue(L, -2, RESPONSE_INFO);
    keep_body(L, response);
    origin = slb_check_origin(L, 1);
    *status = sl_exchange_create(origin->exchanges, origin->origin,
                                 &options->options, head, &response->exchange);
    if (*status != SL_OK)
        return response;
    response->runtime = origin->runtime;
    slb_runtime_retain(response->runtime);
    *status = set_body(L, 5, &response->exchange->outgoing.upload);
    if (*status != SL_OK)
        slb_abandon_response(response);
    return response;
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

/* origin:send(head, options, info, body, is_stream, size, name)
 *   -> response | response, "redirect" (to be followed) | nil, message, err
 * Sends and waits for the whole response, or its head; yields. */
static int origin_send(lua_State *L)
{
    struct slb_response *response;
    enum sl_status status;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 8);
    response = create(L, &status);
    if (status != SL_OK)
        return push_refusal(L, status);
    response->is_stream = is_stream;
    lua_replace(L, 1);
    lua_settop(L, 1);
    sl_exchange_start(response->exchange);
    return slb_settle_response(L, response);
}

/* origin:begin(head, options, info, body, is_stream, size, name)
 *   -> response | nil, message, err
 * The same without waiting: for bodies that are pushed. */
static int origin_begin(lua_State *L)
{
    struct slb_response *response;
    enum sl_status status;
    bool is_stream = lua_toboolean(L, 6);

    lua_settop(L, 8);
    response = create(L, &status);
    if (status != SL_OK)
        return push_refusal(L, status);
    response->is_stream = is_stream;
    sl_exchange_start(response->exchange);
    return 1;
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
                                   {"is_busy", origin_is_busy},
                                   {"send", origin_send},
                                   {"begin", origin_begin},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", origin_gc}, {NULL, NULL}};

void slb_origin_open(lua_State *L)
{
    slb_type(L, slb_origin_type, methods, meta);
}
