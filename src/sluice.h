/* sluice.h - what a C host needs
 *
 * A host that links or loads the module itself opens it like any other:
 *
 *     luaL_requiref(L, "sluice.core", luaopen_sluice_core, 0);
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

SLUICE_API int luaopen_sluice_core(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
