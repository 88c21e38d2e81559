/* binding/modules.h - the Lua layer, compiled when this module was built
 *
 * mk/modules.lua makes the list of lua/. So `require "sluice"` reads one file
 * of Lua and compiles no other, and a module that is required later, within a
 * frame or behind a chroot, reads none.
 */
#ifndef SLB_MODULES_H
#define SLB_MODULES_H

#include <lauxlib.h>
#include <lua.h>

struct slb_module {
    const char *name; /* as require takes it */
    const char *bytes;
    size_t size;
};

/* Sorted by name. */
extern const struct slb_module slb_modules[];
extern const size_t slb_module_count;

/* Lets require find them. A loader that a program has set for one of them
 * stays. */
void slb_modules_open(lua_State *L);

#endif
