#include "binding/body.h"

#include "binding/types.h"
#include "memory/lease.h"
#include "task/outcome.h"

#include <errno.h>
#include <stdio.h>

#include <lauxlib.h>
#include <lualib.h>

static enum sl_status add_text(lua_State *L, int index,
                               struct sl_upload *upload)
{
    struct sl_view text;

    text.data = lua_tolstring(L, index, &text.size);
    return sl_upload_add_text(upload, text);
}

/* A lease is moved, a sequence shown. */
static enum sl_status add_slices(lua_State *L, int index,
                                 struct sl_upload *upload)
{
    struct sl_lease *lease = slb_test_lease(L, index);
    const struct sl_sequence *sequence;
    struct sl_sequence shown;
    enum sl_status status;

    if (lease != NULL) {
        status = sl_upload_add_sequence(upload, &lease->content);
        if (status == SL_OK)
            sl_lease_dispose(lease);
        return status;
    }
    sequence = slb_check_sequence(L, index);
    sl_sequence_init(&shown, sequence->allocator);
    status = sl_sequence_sub(&shown, sequence, 0, sequence->size);
    if (status == SL_OK)
        status = sl_upload_add_sequence(upload, &shown);
    sl_sequence_fini(&shown);
    return status;
}

/* The part { file, offset, size, name } on top of the stack. */
static enum sl_status add_file(lua_State *L, struct sl_upload *upload,
                               const char **refused)
{
    int part = lua_gettop(L);
    luaL_Stream *stream;
    lua_Integer offset;
    lua_Integer size;
    const char *name;
    enum sl_status status = SL_INVALID;

    for (int i = 1; i <= 4; i++)
        lua_rawgeti(L, part, i); /* stack: part, file, offset, size, name */
    stream = luaL_checkudata(L, part + 1, LUA_FILEHANDLE);
    offset = luaL_checkinteger(L, part + 2);
    size = luaL_checkinteger(L, part + 3);
    name = luaL_checkstring(L, part + 4);
    if (stream->closef != NULL)
        status = sl_upload_add_file(upload, fileno(stream->f), offset,
                                    (uint64_t)size, name);
    if (status != SL_OK)
        *refused = name;
    return status;
}

static enum sl_status add_parts(lua_State *L, int index,
                                struct sl_upload *upload, const char **refused)
{
    lua_Unsigned count = lua_rawlen(L, index);
    enum sl_status status = SL_OK;
    int top = lua_gettop(L);

    for (lua_Unsigned i = 1; i <= count && status == SL_OK; i++) {
        switch (lua_rawgeti(L, index, (lua_Integer)i)) {
        case LUA_TSTRING:
            status = add_text(L, -1, upload);
            break;
        case LUA_TTABLE:
            status = add_file(L, upload, refused);
            break;
        default:
            status = add_slices(L, -1, upload);
            break;
        }
        lua_settop(L, top);
    }
    return status;
}

enum sl_status slb_set_body(lua_State *L, int index, struct sl_upload *upload,
                            const char **refused)
{
    *refused = NULL;
    luaL_checkstack(L, 8, NULL);
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return SL_OK;
    case LUA_TSTRING:
        return add_text(L, index, upload);
    case LUA_TNUMBER:
        sl_upload_set_pushed(upload, (uint64_t)luaL_checkinteger(L, index));
        return SL_OK;
    case LUA_TBOOLEAN:
        sl_upload_set_pushed(upload, UINT64_MAX);
        return SL_OK;
    case LUA_TTABLE:
        return add_parts(L, index, upload, refused);
    default:
        return add_slices(L, index, upload);
    }
}

int slb_push_body_refusal(lua_State *L, enum sl_status status,
                          const char *refused)
{
    struct sl_failure failure;

    if (refused == NULL)
        refused = "request body";
    if (status == SL_LIMIT) {
        sl_fail_system(&failure, status, SL_STAGE_QUEUE, errno);
        return slb_push_failure(L, &failure, refused);
    }
    if (status != SL_END && status != SL_INVALID)
        return slb_push_outcome(L, status, refused);
    sl_fail(&failure, SL_INVALID, SL_STAGE_QUEUE,
            status == SL_END ? "has shrunk since the request was made"
                             : "cannot be read");
    return slb_push_failure(L, &failure, refused);
}
