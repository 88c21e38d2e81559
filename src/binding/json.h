/* binding/json.h - what both ways between JSON and Lua values agree on
 *
 * Neither way calls a function of Lua's, nor itself: levels are counted on a
 * stack of their own, not nested.
 */
#ifndef SLB_JSON_H
#define SLB_JSON_H

#include <lua.h>

/* json.null, the same as lua-cjson's: as light userdata. */
#define SLB_JSON_NULL NULL

/* json.empty_array: its address, as light userdata. */
extern const char slb_json_empty_array;

/* Upvalue 1 of all functions: json.array_mt, the metatable of arrays. */
#define SLB_JSON_ARRAY lua_upvalueindex(1)

/* json.encode and json.text. */
int slb_json_encode(lua_State *L);
int slb_json_text(lua_State *L);

#endif
