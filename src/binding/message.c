#include "binding/message.h"

#include "binding/feed.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "memory/sequence.h"

#include <stddef.h>
#include <string.h>

static const char message_type[] = "sluice.message";

/* A value of the handle: the text, once made. */
enum { MESSAGE_TEXT = 1, MESSAGE_VALUES = 1 };

/* The part of a message's bytes that stays noted once it is disposed: the
 * collector shall come for the handles, too. */
#define KEPT_NOTED 16

struct slb_message {
    struct slb_runtime *runtime; /* NULL: disposed */
    size_t noted;                /* see slb_hold_bytes */
    size_t size;                 /* of the payload */
    bool is_text;
    bool is_detached; /* the payload was handed over */
    bool has_text;    /* value 1 is set; the segments may be gone */
    struct sl_buffer payload;
};

#define HANDLE_OF(pointer)                                      \
    ((struct slb_message *)(void *)((char *)(pointer)-offsetof( \
        struct slb_message, payload)))

struct sl_buffer *slb_new_message(lua_State *L, bool is_text)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_message *message =
        slb_new(L, message_type, sizeof *message, MESSAGE_VALUES);

    sl_buffer_init(&message->payload, &runtime->pool, SIZE_MAX);
    message->is_text = is_text;
    message->runtime = runtime;
    slb_runtime_retain(runtime);
    return &message->payload;
}

void slb_hold_message(struct sl_buffer *payload)
{
    struct slb_message *message = HANDLE_OF(payload);

    sl_buffer_compact(payload); /* it may be kept for long */
    message->size = payload->length;
    message->noted = payload->length;
    slb_hold_bytes(message->runtime, message->noted);
}

static void forget_bytes(struct slb_message *message)
{
    slb_forget_bytes(message->runtime,
                     message->noted - message->noted / KEPT_NOTED);
    message->noted = 0;
}

static struct slb_message *check_message(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);

    if (message->runtime == NULL)
        slb_raise_disposed(L, "message");
    slb_check_usable(L, message->runtime);
    return message;
}

static struct slb_message *check_payload(lua_State *L)
{
    struct slb_message *message = check_message(L);

    if (message->is_detached)
        luaL_error(L, "use of detached message");
    return message;
}

/* The text, once made, is the payload: puts it back into segments. */
static enum sl_status restore(lua_State *L, struct slb_message *message)
{
    struct sl_view text;
    enum sl_status status;

    if (message->payload.length == message->size)
        return SL_OK;
    lua_getiuservalue(L, 1, MESSAGE_TEXT);
    text.data = lua_tolstring(L, -1, &text.size);
    status = sl_buffer_append(&message->payload, text);
    lua_pop(L, 1);
    return status;
}

/* message:text() -> string of the payload, whatever its type
 * Flattens once and keeps it; the segments go back. */
static int message_text(lua_State *L)
{
    struct slb_message *message = check_payload(L);

    if (message->has_text) {
        lua_getiuservalue(L, 1, MESSAGE_TEXT);
        return 1;
    }
    slb_push_buffer_string(L, &message->payload);
    message = check_payload(L); /* a finaliser may have disposed it */
    sl_buffer_reset(&message->payload);
    forget_bytes(message);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, MESSAGE_TEXT);
    message->has_text = true;
    return 1;
}

/* message:sequence() -> sequence over the payload
 * Copies nothing, unless text() was called before; good after the message is
 * gone. */
static int message_sequence(lua_State *L)
{
    struct slb_message *message = check_payload(L);
    struct sl_sequence *sequence = slb_new_sequence(L);

    message = check_payload(L);
    if (restore(L, message) != SL_OK ||
        sl_sequence_show(sequence, &message->payload) != SL_OK)
        return luaL_error(L, "out of memory");
    slb_hold_sequence(sequence);
    slb_collect(L, message->runtime);
    return 1;
}

/* message:detach() -> lease over the payload; refuses its use afterwards */
static int message_detach(lua_State *L)
{
    struct slb_message *message = check_payload(L);
    struct sl_lease *lease = slb_new_lease(L);

    message = check_payload(L);
    if (restore(L, message) != SL_OK ||
        sl_lease_take(lease, &message->payload) != SL_OK)
        return luaL_error(L, "out of memory");
    message->is_detached = true;
    forget_bytes(message);
    return 1;
}

static int message_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_payload(L)->size);
    return 1;
}

/* ---- its end ---- */

/* message:dispose() - gives its segments back; idempotent */
static int message_dispose(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);
    struct slb_runtime *runtime = message->runtime;

    if (runtime == NULL)
        return 0;
    forget_bytes(message);
    sl_buffer_fini(&message->payload);
    message->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int message_gc(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);

    if (message->runtime != NULL && message->payload.length > 0)
        message->runtime->leaked++;
    return message_dispose(L);
}

/* ---- the handle ---- */

/* message[name]: a method (upvalue 1 has them), or `type`: "text" | "binary" */
static int message_index(lua_State *L)
{
    const char *name;

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "type") == 0)
        lua_pushstring(L, check_message(L)->is_text ? "text" : "binary");
    return 1;
}

static int message_describe(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);

    if (message->runtime == NULL)
        lua_pushliteral(L, "sluice.message (disposed)");
    else if (message->is_detached)
        lua_pushliteral(L, "sluice.message (detached)");
    else
        lua_pushfstring(L, "sluice.message (%s, %I bytes)",
                        message->is_text ? "text" : "binary",
                        (LUAI_UACINT)message->size);
    return 1;
}

static const luaL_Reg methods[] = {{"text", message_text},
                                   {"sequence", message_sequence},
                                   {"detach", message_detach},
                                   {"dispose", message_dispose},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", message_length},
                                {"__close", message_dispose},
                                {"__gc", message_gc},
                                {"__tostring", message_describe},
                                {NULL, NULL}};

void slb_message_open(lua_State *L)
{
    slb_type(L, message_type, NULL, meta);
    luaL_getmetatable(L, message_type);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "methods");
    lua_pushcclosure(L, message_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
