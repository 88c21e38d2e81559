/* The Lua values that are accepted as bytes. */
#include "binding/types.h"

#include "memory/lease.h"

bool slb_to_bytes(lua_State *L, int index, struct slb_bytes *bytes)
{
    struct sl_lease *lease;

    bytes->sequence = NULL;
    bytes->text = sl_view("", 0);
    if (lua_type(L, index) == LUA_TSTRING) {
        bytes->text.data = lua_tolstring(L, index, &bytes->text.size);
        bytes->size = bytes->text.size;
        return true;
    }
    bytes->sequence = slb_test_sequence(L, index);
    if (bytes->sequence == NULL) {
        lease = slb_test_lease(L, index);
        if (lease == NULL)
            return false;
        bytes->sequence = &lease->content;
    }
    bytes->size = bytes->sequence->size;
    return true;
}

void slb_check_bytes(lua_State *L, int index, struct slb_bytes *bytes)
{
    if (!slb_to_bytes(L, index, bytes))
        luaL_typeerror(L, index, "string, sequence or lease");
}
