#include "binding/text.h"
#include "binding/types.h"

#include "memory/sequence.h"
#include "task/userdata.h"

static const char sequence_type[] = "sluice.sequence";

struct slb_sequence {
    struct slb_runtime *runtime; /* NULL: disposed */
    size_t noted;                /* see slb_hold_bytes */
    struct sl_sequence content;
};

#define HANDLE_OF(pointer)                                       \
    ((struct slb_sequence *)(void *)((char *)(pointer)-offsetof( \
        struct slb_sequence, content)))

struct sl_sequence *slb_new_sequence(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_sequence *handle = slb_new(L, sequence_type, sizeof *handle, 0);

    sl_sequence_init(&handle->content, &runtime->allocator);
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    return &handle->content;
}

void slb_hold_sequence(struct sl_sequence *sequence)
{
    struct slb_sequence *handle = HANDLE_OF(sequence);

    handle->noted = sequence->size;
    slb_hold_bytes(handle->runtime, handle->noted);
}

struct sl_sequence *slb_test_sequence(lua_State *L, int index)
{
    struct slb_sequence *handle = slb_test(L, index, sequence_type);

    if (handle == NULL)
        return NULL;
    if (handle->runtime == NULL)
        slb_raise_disposed(L, "sequence");
    slb_check_usable(L, handle->runtime);
    return &handle->content;
}

struct sl_sequence *slb_check_sequence(lua_State *L, int index)
{
    struct slb_sequence *handle = slb_check(L, index, sequence_type);

    if (handle->runtime == NULL)
        slb_raise_disposed(L, "sequence");
    slb_check_usable(L, handle->runtime);
    return &handle->content;
}

/* A single slice is copied once, into the string. Several are gathered first,
 * where Lua cannot take over what was gathered. */
void slb_push_sequence_string(lua_State *L,
                              const struct sl_sequence *(*check)(lua_State *L))
{
    const struct sl_sequence *sequence = check(L);
    size_t size = sequence->size;
    luaL_Buffer text;
    char *room = slb_text_room(L, size);

    if (room != NULL) {
        sl_sequence_copy_out(sequence, 0, room, size);
        slb_push_room(L, room, size);
        return;
    }
    if (sequence->count <= 1) {
        struct sl_view view = sl_sequence_at(sequence, 0);

        lua_pushlstring(L, view.data, view.size);
        return;
    }
    room = luaL_buffinitsize(L, &text, size);
    sl_sequence_copy_out(check(L), 0, room, size);
    luaL_pushresultsize(&text, size);
}

static const struct sl_sequence *check_first(lua_State *L)
{
    return slb_check_sequence(L, 1);
}

/* Byte positions as in string.sub: from 1, negative from the end. */
static size_t position_from(lua_Integer position, size_t size)
{
    if (position > 0)
        return (size_t)position;
    if (position == 0 || position < -(lua_Integer)size)
        return 1;
    return size + (size_t)position + 1;
}

static size_t position_to(lua_Integer position, size_t size)
{
    if (position > (lua_Integer)size)
        return size;
    if (position >= 0)
        return (size_t)position;
    if (position < -(lua_Integer)size)
        return 0;
    return size + (size_t)position + 1;
}

/* sequence:sub(i, j = -1) -> sequence over those bytes; copies nothing */
static int sequence_sub(lua_State *L)
{
    struct sl_sequence *from = slb_check_sequence(L, 1);
    size_t first = position_from(luaL_checkinteger(L, 2), from->size);
    size_t last = position_to(luaL_optinteger(L, 3, -1), from->size);
    struct sl_sequence *sub = slb_new_sequence(L);

    if (first > last)
        return 1;
    from = slb_check_sequence(L, 1);
    if (sl_sequence_sub(sub, from, first - 1, last - first + 1) != SL_OK)
        return luaL_error(L, "out of memory");
    return 1;
}

/* sequence:byte(i = 1) -> integer | nil past an end */
static int sequence_byte(lua_State *L)
{
    struct sl_sequence *sequence = slb_check_sequence(L, 1);
    lua_Integer position = luaL_optinteger(L, 2, 1);
    lua_Integer size = (lua_Integer)sequence->size;

    if (position < 0)
        position += size + 1;
    if (position < 1 || position > size)
        lua_pushnil(L);
    else
        lua_pushinteger(
            L, (unsigned char)sl_sequence_at(sequence, (size_t)position - 1)
                   .data[0]);
    return 1;
}

/* sequence:tostring() -> string; the one copy */
static int sequence_tostring(lua_State *L)
{
    slb_push_sequence_string(L, check_first);
    return 1;
}

/* stack: sequence, (ignored); upvalue 1: bytes shown so far */
static int next_segment(lua_State *L)
{
    struct sl_sequence *sequence = slb_check_sequence(L, 1);
    size_t offset = (size_t)lua_tointeger(L, lua_upvalueindex(1));
    struct sl_view view;

    if (offset >= sequence->size) {
        lua_pushnil(L);
        return 1;
    }
    view = sl_sequence_at(sequence, offset);
    lua_pushlstring(L, view.data, view.size);
    lua_pushinteger(L, (lua_Integer)(offset + view.size));
    lua_replace(L, lua_upvalueindex(1));
    return 1;
}

/* for piece in sequence:segments(): each slice as a string */
static int sequence_segments(lua_State *L)
{
    slb_check_sequence(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_segment, 1);
    lua_pushvalue(L, 1);
    return 2;
}

static int sequence_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)slb_check_sequence(L, 1)->size);
    return 1;
}

/* Both sides by content, without flattening. */
static int sequence_equal(lua_State *L)
{
    struct sl_sequence *a = slb_test_sequence(L, 1);
    struct sl_sequence *b = slb_test_sequence(L, 2);
    size_t offset = 0;

    if (a == NULL || b == NULL || a->size != b->size) {
        lua_pushboolean(L, false);
        return 1;
    }
    while (offset < a->size) {
        struct sl_view left = sl_sequence_at(a, offset);
        struct sl_view right = sl_sequence_at(b, offset);
        size_t size = left.size < right.size ? left.size : right.size;

        if (memcmp(left.data, right.data, size) != 0)
            break;
        offset += size;
    }
    lua_pushboolean(L, offset == a->size);
    return 1;
}

void slb_dispose_sequence(lua_State *L, int index)
{
    struct slb_sequence *handle = slb_check(L, index, sequence_type);
    struct slb_runtime *runtime = handle->runtime;

    if (runtime == NULL)
        return;
    slb_forget_handle(runtime, handle->noted);
    sl_sequence_fini(&handle->content);
    handle->runtime = NULL;
    slb_runtime_release(runtime);
}

/* sequence:dispose() - gives its segments back; idempotent */
static int sequence_dispose(lua_State *L)
{
    slb_dispose_sequence(L, 1);
    return 0;
}

static int sequence_gc(lua_State *L)
{
    struct slb_sequence *handle = slb_check(L, 1, sequence_type);

    if (handle->runtime != NULL && handle->content.size > 0)
        handle->runtime->leaked++;
    return sequence_dispose(L);
}

static int sequence_describe(lua_State *L)
{
    struct slb_sequence *handle = slb_check(L, 1, sequence_type);

    if (handle->runtime == NULL)
        lua_pushliteral(L, "sluice.sequence (disposed)");
    else
        lua_pushfstring(L, "sluice.sequence (%I bytes)",
                        (LUAI_UACINT)handle->content.size);
    return 1;
}

static const luaL_Reg methods[] = {{"sub", sequence_sub},
                                   {"byte", sequence_byte},
                                   {"tostring", sequence_tostring},
                                   {"segments", sequence_segments},
                                   {"reader", slb_sequence_reader},
                                   {"dispose", sequence_dispose},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", sequence_length},
                                {"__eq", sequence_equal},
                                {"__gc", sequence_gc},
                                {"__close", sequence_dispose},
                                {"__tostring", sequence_describe},
                                {NULL, NULL}};

void slb_sequence_open(lua_State *L)
{
    slb_type(L, sequence_type, methods, meta);
}
