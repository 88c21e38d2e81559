/* binding/text.h - long strings that need no second copy
 *
 *     char *room = slb_text_room(L, size);
 *     if (room != NULL)
 *         fill `size` bytes, without an error of Lua, then slb_push_room
 *     else
 *         gather the bytes, then lua_pushlstring
 *
 * Lua 5.5 has strings whose bytes lie in a block that was filled before: what
 * is flattened for a string becomes the string. Lua 5.4 copies it.
 */
#ifndef SL_BINDING_TEXT_H
#define SL_BINDING_TEXT_H

#include <lua.h>
#include <stddef.h>

/* Room for a string of that size, from the state's own allocator. NULL: this
 * Lua has no such strings, the string is short, or there is no memory, which
 * the other way may get by a collection. Runs nothing. */
char *slb_text_room(lua_State *L, size_t size);

/* Pushes the string that was filled; its room belongs to Lua, also when this
 * raises. May run finalisers. */
void slb_push_room(lua_State *L, char *room, size_t size);

#endif
