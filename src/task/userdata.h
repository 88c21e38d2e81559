/* task/userdata.h - types of userdata, and how a call recognises them
 *
 *   registry     "sluice.<type>" -> metatable, also by the address of that text
 *   metatable    [1] = that address, by which an argument is recognised
 *
 * The metatable of a variant holds the address of its type, so that both pass
 * for the same.
 */
#ifndef SLB_USERDATA_H
#define SLB_USERDATA_H

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

/* A new userdata of that type with zeroed content: closed, until filled. */
void *slb_new(lua_State *L, const char *type, size_t size, int values);
/* The same, by the metatable of its type at an index that does not depend on
 * the top of the stack: slb_push_type pushes it. */
void *slb_new_of(lua_State *L, int metatable, size_t size, int values);
void slb_push_type(lua_State *L, const char *type);

/* Registers a type: `methods` become its `__index` unless it has its own,
 * `meta` its metamethods. `type` is "sluice.<type>". */
void slb_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta);

/* Registers another metatable for objects of a type that is registered: what
 * checks accept as that type, too. */
void slb_type_variant(lua_State *L, const char *variant, const char *type,
                      const luaL_Reg *meta);

/* Puts a type's methods into the module table on top of the stack, under that
 * name: the Lua layer adds its own. A module that is opened again finds those
 * of the first time. `more` may be NULL. */
void slb_share_methods(lua_State *L, const char *type, const char *name,
                       const luaL_Reg *methods, const luaL_Reg *more);

/* Sets a new table in the registry, whose keys ("k") or values ("v") are weak.
 */
void slb_weak_table(lua_State *L, const char *mode, const void *key);

/* luaL_testudata and luaL_checkudata for frequent use: a type whose name is one
 * array is recognised by that array's address. */
void *slb_test(lua_State *L, int index, const char *type);
void *slb_check(lua_State *L, int index, const char *type);

/* Raises "use of disposed <type>". */
int slb_raise_disposed(lua_State *L, const char *type);

#endif
