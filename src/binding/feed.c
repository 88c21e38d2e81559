#include "binding/feed.h"

#include "binding/text.h"
#include "binding/types.h"
#include "task/outcome.h"

int slb_feed(lua_State *L, struct slb_runtime *runtime, struct sl_buffer *input,
             bool has_ended)
{
    struct slb_bytes bytes;
    enum sl_status status;

    slb_check_bytes(L, 2, &bytes);
    if (has_ended)
        return luaL_error(L, "feed: the input has ended");
    status = bytes.sequence != NULL ? sl_sequence_link(bytes.sequence, input)
                                    : sl_buffer_append(input, bytes.text);
    if (status != SL_OK)
        return slb_push_outcome(L, status, "feed");
    slb_note_bytes(L, runtime, bytes.size);
    lua_settop(L, 1);
    return 1;
}

int slb_iterate(lua_State *L, int upvalue, lua_CFunction next)
{
    int count;

    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(upvalue)); /* stack: parser */
    count = next(L);
    if (count == 3) /* nil, message, err */
        return lua_error(L);
    if (!lua_toboolean(L, -1))
        lua_pushnil(L);
    return 1;
}

void slb_push_buffer_string(lua_State *L, struct sl_buffer *buffer)
{
    struct sl_view view = {"", 0};
    size_t size = buffer->length;
    char *room = slb_text_room(L, size);

    if (room != NULL) {
        sl_buffer_copy_out(buffer, 0, room, size);
        slb_push_room(L, room, size);
        return;
    }
    if (buffer->length > 0 &&
        sl_buffer_gather(buffer, buffer->length, &view) != SL_OK)
        luaL_error(L, "out of memory");
    lua_pushlstring(L, view.data, view.size);
}
