/* examples/host.c - a C program with a loop of its own
 *
 * Opens the module, starts a request in a coroutine, and polls one descriptor
 * until the answer has come. The body is read without making a Lua string.
 *
 *     cc -Isrc -I/usr/include/lua5.4 examples/host.c build/sluice/core.so \
 *        -Wl,-rpath,$PWD/build/sluice -llua5.4 -o host && ./host URL
 */
#include "sluice.h"

#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>

static const char script[] =
    "local sluice, url = require 'sluice', ...\n"
    "local fetch = coroutine.wrap(function()\n"
    "  local response <close> = assert(sluice.get(url))\n"
    "  body = response:sequence()\n"
    "end)\n"
    "fetch()\n";

static int fail(lua_State *L)
{
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return 1;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    size_t total = 0;
    size_t size;

    if (argc != 2 || L == NULL)
        return 1;
    luaL_openlibs(L);
    luaL_requiref(L, "sluice.core", luaopen_sluice_core, 0);
    lua_pop(L, 1);
    if (luaL_loadstring(L, script) != LUA_OK)
        return fail(L);
    lua_pushstring(L, argv[1]);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        return fail(L);

    while (lua_getglobal(L, "body") == LUA_TNIL) {
        struct pollfd events = {.fd = sluice_pollfd(L), .events = POLLIN};
        double timeout = sluice_timeout(L);

        lua_pop(L, 1);
        poll(&events, 1, timeout < 0 ? 1000 : (int)(timeout * 1000) + 1);
        if (!sluice_step(L, 0) && lua_getglobal(L, "body") == LUA_TNIL)
            break; /* nobody waits, and there is no body: it failed */
    }
    if (lua_isnil(L, -1)) {
        lua_close(L);
        return 1;
    }

    do {
        sluice_sequence_at(L, -1, total, &size);
        total += size;
    } while (size > 0);
    printf("%zu bytes\n", total);
    lua_close(L);
    return 0;
}
