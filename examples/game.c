/* examples/game.c - a game in C whose frames stay short while it downloads
 *
 * Each frame gives sluice a millisecond. Scripts fetch a URL again and again
 * meanwhile; at the end stands how long sluice took in the frames.
 *
 *     cc -Isrc -I/usr/include/lua5.4 examples/game.c -llua5.4 -o game
 *     LUA_PATH='lua/?.lua;lua/?/init.lua' LUA_CPATH='build/?.so' \
 *         ./game http://127.0.0.1:8080/json [FRAMES]
 */
#include "sluice.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FRAME   (1000 * 1000 * 1000 / 60) /* nanoseconds */
#define BUDGET  0.001                     /* seconds of a frame */
#define BUCKETS 8                         /* of a quarter of a millisecond */
#define WIDTH   60                        /* of the longest bar */

static const char script[] =
    "local sluice, url = require 'sluice', ...\n"
    "local scene = { responses = 0, bytes = 0 }\n"
    "local function act()\n"
    "  while not scene.is_over do\n"
    "    local response <close> = assert(sluice.get(url, { stream = true }))\n"
    "    for chunk in response:chunks() do\n"
    "      scene.bytes = scene.bytes + #chunk\n"
    "      chunk:dispose()\n"
    "    end\n"
    "    scene.responses = scene.responses + 1\n"
    "  end\n"
    "end\n"
    "for _ = 1, 8 do\n"
    "  coroutine.wrap(function()\n"
    "    local ok, message = pcall(act)\n"
    "    if not ok then scene.failure = tostring(message) end\n"
    "  end)()\n"
    "end\n"
    "return scene\n";

static int fail(lua_State *L, const char *what)
{
    const char *why = L != NULL ? lua_tostring(L, -1) : "out of memory";

    fprintf(stderr, "game: %s: %s\n", what, why != NULL ? why : "?");
    if (L != NULL)
        lua_close(L);
    return 1;
}

static long long clock_now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* What a game does beside its network. */
static void draw(void)
{
}

static void sleep_until(long long due)
{
    struct timespec time = {due / 1000000000, due % 1000000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
        continue;
}

static void show(lua_State *L, const int *frames, int count)
{
    int most = 1;

    lua_getfield(L, 1, "responses");
    lua_getfield(L, 1, "bytes");
    printf("%lld responses, %lld bytes in %d frames; sluice took\n",
           lua_tointeger(L, -2), lua_tointeger(L, -1), count);
    for (int i = 0; i < BUCKETS; i++)
        most = frames[i] > most ? frames[i] : most;
    for (int i = 0; i < BUCKETS; i++) {
        printf("  %s %.2f ms %6d ", i < BUCKETS - 1 ? "up to" : " more",
               0.25 * (i < BUCKETS - 1 ? i + 1 : i), frames[i]);
        for (int j = 0; j < frames[i] * WIDTH / most; j++)
            putchar('#');
        putchar('\n');
    }
}

static int has_failed(lua_State *L)
{
    int has_failure = lua_getfield(L, 1, "failure") != LUA_TNIL;

    if (!has_failure)
        lua_pop(L, 1);
    return has_failure;
}

static int play(lua_State *L, const struct sluice_api *sluice, int count)
{
    int frames[BUCKETS] = {0};
    long long due = clock_now(CLOCK_MONOTONIC);

    for (int frame = 0; frame < count; frame++) {
        long long began = clock_now(CLOCK_THREAD_CPUTIME_ID);
        long long used;

        if (sluice->step(L, 0, BUDGET) < 0)
            return fail(L, "step");
        if (has_failed(L))
            return fail(L, "script");
        used = (clock_now(CLOCK_THREAD_CPUTIME_ID) - began) / 250000;
        frames[used < BUCKETS ? used : BUCKETS - 1]++;
        draw();
        sleep_until(due += FRAME);
    }
    show(L, frames, count);
    lua_close(L);
    return 0;
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 300;
    const struct sluice_api *sluice;
    lua_State *L;

    if (argc < 2 || argc > 3 || count <= 0) {
        fprintf(stderr, "usage: game URL [FRAMES]\n");
        return 2;
    }
    L = luaL_newstate();
    if (L == NULL)
        return fail(L, "luaL_newstate");
    luaL_openlibs(L);
    sluice = sluice_open(L);
    if (sluice == NULL)
        return fail(L, "sluice");
    if (luaL_loadstring(L, script) != LUA_OK)
        return fail(L, "script");
    lua_pushstring(L, argv[1]);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        return fail(L, "script");
    return play(L, sluice, count);
}
