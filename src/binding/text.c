#include "binding/text.h"

#include "task/runtime.h"

#if LUA_VERSION_NUM >= 505 || defined(SL_EXTERNAL_STRINGS)

/* Below, a copy costs less than a block beside the string. */
#define LONG ((size_t)4096)

char *slb_text_room(lua_State *L, size_t size)
{
    void *owner;
    lua_Alloc allocate = lua_getallocf(L, &owner);

    if (size < LONG || size == SIZE_MAX)
        return NULL;
    return allocate(owner, NULL, LUA_TSTRING, size + 1);
}

void slb_push_room(lua_State *L, char *room, size_t size)
{
    void *owner;
    lua_Alloc allocate = lua_getallocf(L, &owner);

    room[size] = '\0';
    lua_pushexternalstring(L, room, size, allocate, owner);
    /* The collector counts the string without its bytes. */
    slb_note_bytes(L, slb_runtime(L), size);
}

#else

char *slb_text_room(lua_State *L, size_t size)
{
    (void)L;
    (void)size;
    return NULL;
}

void slb_push_room(lua_State *L, char *room, size_t size)
{
    lua_pushlstring(L, room, size);
}

#endif
