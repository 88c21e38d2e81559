/* examples/host.c - a C program with a loop of its own
 *
 * Opens the module, writes a body, sends it in a coroutine, and polls one
 * descriptor until the answer has come. Neither body becomes a Lua string.
 *
 *     cc -Isrc -I/usr/include/lua5.4 examples/host.c build/sluice/core.so \
 *        -Wl,-rpath,$PWD/build/sluice -llua5.4 -o host && ./host URL [BYTES]
 *
 * Without a count of bytes to send, the request is a GET.
 */
#include "sluice.h"

#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char script[] =
    "local sluice, url, writer = require 'sluice', ...\n"
    "local fetch = coroutine.wrap(function()\n"
    "  local response <close> = assert(writer\n"
    "    and sluice.post(url, { body = writer:detach() })\n"
    "    or sluice.get(url))\n"
    "  body = response:sequence()\n"
    "end)\n"
    "fetch()\n";

/* A writer with that many bytes on top of the stack; false: an error is. */
static int push_body(lua_State *L, size_t size)
{
    char *room;

    if (luaL_loadstring(L, "return require 'sluice'.writer()") != LUA_OK ||
        lua_pcall(L, 0, 1, 0) != LUA_OK)
        return 0;
    room = sluice_writer_reserve(L, -1, size);
    if (room == NULL) {
        lua_pushliteral(L, "too much, or out of memory");
        return 0;
    }
    memset(room, 'x', size);
    sluice_writer_commit(L, -1, size);
    return 1;
}

/* The body, counted slice by slice where it lies. */
static int show_body(lua_State *L)
{
    size_t whole = sluice_sequence_size(L, -1);
    size_t total = 0;
    size_t size;

    do {
        sluice_sequence_at(L, -1, total, &size);
        total += size;
    } while (size > 0);
    printf("%zu bytes\n", total);
    lua_close(L);
    return total == whole ? 0 : 1;
}

static int fail(lua_State *L)
{
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return 1;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();

    if (argc < 2 || argc > 3 || L == NULL)
        return 1;
    luaL_openlibs(L);
    luaL_requiref(L, "sluice.core", luaopen_sluice_core, 0);
    lua_pop(L, 1);
    if (luaL_loadstring(L, script) != LUA_OK)
        return fail(L);
    lua_pushstring(L, argv[1]);
    if (argc == 3 && !push_body(L, strtoul(argv[2], NULL, 10)))
        return fail(L);
    if (lua_pcall(L, argc - 1, 0, 0) != LUA_OK)
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
    return show_body(L);
}
