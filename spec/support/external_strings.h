/* The external strings of Lua 5.5 for a module that is built for Lua 5.4: the
 * same contract, but the bytes are copied. Checked are the zero behind them,
 * and that the block is given back once, with its size.
 *
 * `make external` builds with it.
 */
#ifndef SPEC_SUPPORT_EXTERNAL_STRINGS_H
#define SPEC_SUPPORT_EXTERNAL_STRINGS_H

#include <lua.h>
#include <stdint.h>
#include <stdlib.h>

#define SL_EXTERNAL_STRINGS 1

static inline const char *lua_pushexternalstring(lua_State *L,
                                                 const char *bytes, size_t size,
                                                 lua_Alloc release, void *owner)
{
    const char *string;

    if (bytes[size] != '\0')
        abort();
    string = lua_pushlstring(L, bytes, size);
    release(owner, (void *)(uintptr_t)bytes, size + 1, 0);
    return string;
}

#endif
