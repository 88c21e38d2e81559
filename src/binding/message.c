#include "binding/message.h"

#include "binding/feed.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "memory/sequence.h"
#include "task/userdata.h"

#include <stddef.h>
#include <string.h>

static const char message_type[] = "sluice.message";
static const char small_type[] = "sluice.message (small)";

/* The bytes of a small message at most: beyond, a block of the pool is smaller
 * than what collecting it takes. */
#define SMALL_MOST 256

/* A value of the handle: the text, once made. */
enum { MESSAGE_TEXT = 1, MESSAGE_VALUES = 1 };

/* What every message begins with. */
struct slb_message {
    size_t size; /* of the payload */
    bool is_text;
    bool is_small;
    bool is_disposed;
    bool is_detached; /* the payload was handed over */
};

/* One in segments. */
struct large {
    struct slb_message base;
    struct slb_runtime *runtime; /* NULL: disposed */
    size_t noted;                /* see slb_hold_bytes */
    bool has_text;               /* value 1 is set; the segments may be gone */
    struct sl_buffer payload;
};

/* One whose bytes are Lua's as those of a string are: nothing has to be given
 * back, so that it needs no finaliser, which would cost more than all else. */
struct small {
    struct slb_message base;
    int runtime; /* its number: no one keeps it */
    char bytes[SMALL_MOST];
};

static struct large *large_of(struct slb_message *message)
{
    return (struct large *)(void *)message;
}

static struct small *small_of(struct slb_message *message)
{
    return (struct small *)(void *)message;
}

/* ---- making one ---- */

static struct slb_message *
new_small(lua_State *L, const struct slb_runtime *runtime, size_t size)
{
    struct small *small =
        slb_new(L, small_type, offsetof(struct small, bytes) + size, 0);

    small->runtime = runtime->number;
    small->base.is_small = true;
    return &small->base;
}

static struct slb_message *new_large(lua_State *L, struct slb_runtime *runtime)
{
    struct large *large =
        slb_new(L, message_type, sizeof *large, MESSAGE_VALUES);

    sl_buffer_init(&large->payload, &runtime->pool, SIZE_MAX);
    large->runtime = runtime;
    slb_runtime_retain(runtime);
    return &large->base;
}

struct slb_message *slb_new_message(lua_State *L, struct slb_runtime *runtime,
                                    bool is_text, size_t size)
{
    struct slb_message *message = size <= SMALL_MOST
                                      ? new_small(L, runtime, size)
                                      : new_large(L, runtime);

    message->is_text = is_text;
    message->size = size;
    return message;
}

enum sl_status slb_fill_message(struct slb_message *message,
                                struct sl_buffer *payload)
{
    struct large *large = large_of(message);
    enum sl_status status;

    sl_assert(payload->length == message->size);
    if (message->is_small) {
        sl_buffer_copy_out(payload, 0, small_of(message)->bytes, message->size);
        sl_buffer_reset(payload);
        return SL_OK;
    }
    status = sl_buffer_take(&large->payload, payload);
    if (status != SL_OK)
        return status;
    sl_buffer_compact(&large->payload); /* it may be kept for long */
    large->noted = message->size;
    slb_hold_bytes(large->runtime, large->noted);
    return SL_OK;
}

/* ---- checks ---- */

static struct slb_message *check_message(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);

    if (message->is_disposed)
        slb_raise_disposed(L, "message");
    if (message->is_small)
        slb_runtime_of(L, small_of(message)->runtime);
    else
        slb_check_usable(L, large_of(message)->runtime);
    return message;
}

static struct slb_message *check_payload(lua_State *L)
{
    struct slb_message *message = check_message(L);

    if (message->is_detached)
        luaL_error(L, "use of detached message");
    return message;
}

/* ---- the payload ---- */

static void forget_bytes(struct large *large)
{
    slb_forget_handle(large->runtime, large->noted);
    large->noted = 0;
}

static enum sl_status copy_to(struct sl_buffer *to, struct sl_view bytes)
{
    struct sl_room room;
    enum sl_status status;

    if (bytes.size == 0)
        return SL_OK;
    status = sl_buffer_reserve_fitting(to, bytes.size, &room);
    if (status != SL_OK)
        return status;
    memcpy(room.data, bytes.data, bytes.size);
    sl_buffer_commit(to, bytes.size);
    return SL_OK;
}

/* The text, once made, is the payload: puts it back into segments. */
static enum sl_status restore(lua_State *L, struct large *large)
{
    struct sl_view text;
    enum sl_status status;

    if (large->payload.length == large->base.size)
        return SL_OK;
    lua_getiuservalue(L, 1, MESSAGE_TEXT);
    text.data = lua_tolstring(L, -1, &text.size);
    status = sl_buffer_append(&large->payload, text);
    lua_pop(L, 1);
    return status;
}

/* The buffer that has the payload of the message at index 1: its own, or `copy`
 * for a small one. NULL: out of memory. */
static struct sl_buffer *find_payload(lua_State *L, struct slb_message *message,
                                      struct sl_buffer *copy)
{
    struct large *large = large_of(message);

    if (!message->is_small)
        return restore(L, large) == SL_OK ? &large->payload : NULL;
    return copy_to(copy, sl_view(small_of(message)->bytes, message->size)) ==
                   SL_OK
               ? copy
               : NULL;
}

static int text_of_large(lua_State *L, struct large *large)
{
    if (large->has_text) {
        lua_getiuservalue(L, 1, MESSAGE_TEXT);
        return 1;
    }
    slb_push_buffer_string(L, &large->payload);
    large = large_of(check_payload(L)); /* a finaliser may have disposed it */
    sl_buffer_reset(&large->payload);
    forget_bytes(large);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, MESSAGE_TEXT);
    large->has_text = true;
    return 1;
}

/* message:text() -> string of the payload, whatever its type
 * Flattens once and keeps it; the segments go back. */
static int message_text(lua_State *L)
{
    struct slb_message *message = check_payload(L);

    if (!message->is_small)
        return text_of_large(L, large_of(message));
    lua_pushlstring(L, small_of(message)->bytes, message->size);
    return 1;
}

/* message:sequence() -> sequence over the payload
 * Copies nothing, unless the message is small or text() was called before; good
 * after the message is gone. */
static int message_sequence(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_message *message;
    struct sl_sequence *sequence;
    struct sl_buffer copy;
    const struct sl_buffer *payload;
    enum sl_status status = SL_MEMORY;

    check_payload(L);
    sequence = slb_new_sequence(L);
    message = check_payload(L);
    sl_buffer_init(&copy, &runtime->pool, SIZE_MAX);
    payload = find_payload(L, message, &copy);
    if (payload != NULL)
        status = sl_sequence_show(sequence, payload);
    sl_buffer_fini(&copy);
    if (status != SL_OK)
        return luaL_error(L, "out of memory");
    slb_hold_sequence(sequence);
    slb_collect(L, runtime);
    return 1;
}

/* message:detach() -> lease over the payload; refuses its use afterwards */
static int message_detach(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_message *message;
    struct sl_lease *lease;
    struct sl_buffer copy;
    struct sl_buffer *payload;
    enum sl_status status = SL_MEMORY;

    check_payload(L);
    lease = slb_new_lease(L);
    message = check_payload(L);
    sl_buffer_init(&copy, &runtime->pool, SIZE_MAX);
    payload = find_payload(L, message, &copy);
    if (payload != NULL)
        status = sl_lease_take(lease, payload);
    sl_buffer_fini(&copy);
    if (status != SL_OK)
        return luaL_error(L, "out of memory");
    if (!message->is_small)
        forget_bytes(large_of(message));
    message->is_detached = true;
    return 1;
}

static int message_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_payload(L)->size);
    return 1;
}

/* ---- its end ---- */

static void end_large(struct large *large)
{
    struct slb_runtime *runtime = large->runtime;

    forget_bytes(large);
    sl_buffer_fini(&large->payload);
    large->runtime = NULL;
    slb_runtime_release(runtime);
}

/* message:dispose() - gives its segments back; idempotent */
static int message_dispose(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);

    if (!message->is_small && large_of(message)->runtime != NULL)
        end_large(large_of(message));
    message->is_disposed = true;
    return 0;
}

static int message_gc(lua_State *L)
{
    struct slb_message *message = slb_check(L, 1, message_type);
    struct large *large = large_of(message);

    if (!message->is_small && large->runtime != NULL &&
        large->payload.length > 0)
        large->runtime->leaked++;
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
    const struct slb_message *message = slb_check(L, 1, message_type);

    if (message->is_disposed)
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
                                {"__tostring", message_describe},
                                {NULL, NULL}};

static const luaL_Reg large_meta[] = {{"__gc", message_gc}, {NULL, NULL}};

void slb_message_open(lua_State *L)
{
    slb_type(L, message_type, NULL, meta);
    slb_type_variant(L, small_type, message_type, meta);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, message_index, 1);
    luaL_getmetatable(L, small_type);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_getmetatable(L, message_type);
    luaL_setfuncs(L, large_meta, 0);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
