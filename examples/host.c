/* examples/host.c - a C program with an event loop of its own
 *
 * Two threads, each with a Lua state, an epoll and a timer. Each state fetches
 * a URL in a coroutine and holds a WebSocket, over which the timer's ticks go
 * and come back; the body is read where it lies.
 *
 *     cc -Isrc -I/usr/include/lua5.4 examples/host.c \
 *        -llua5.4 -lpthread -lm -o host
 *     LUA_PATH='lua/?.lua;lua/?/init.lua' LUA_CPATH='build/?.so' \
 *         ./host http://127.0.0.1:8080/json ws://127.0.0.1:8080/echo
 *
 * Without a second URL there is no WebSocket. What fails says why, and the
 * program ends with 1.
 */
#include "sluice.h"

#include <errno.h>
#include <lualib.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICKS  5
#define BUDGET 0.002 /* seconds of one step */

static const char script[] =
    "local sluice, url, echo = require 'sluice', ...\n"
    "local host = { ticks = 0 }\n"
    "local function go(f)\n"
    "  coroutine.wrap(function()\n"
    "    local ok, message = xpcall(f, debug.traceback)\n"
    "    if not ok then host.failure = message end\n"
    "  end)()\n"
    "end\n"
    "go(function()\n"
    "  local response <close> = assert(sluice.get(url))\n"
    "  host.body = response:sequence()\n"
    "end)\n"
    "if not echo then return host end\n"
    "go(function()\n"
    "  host.socket = assert(sluice.websocket(echo))\n"
    "  for message in host.socket:messages() do\n"
    "    host.ticks = host.ticks + 1\n"
    "    message:dispose()\n"
    "  end\n"
    "  host.is_closed = true\n"
    "end)\n"
    "function host.tick(number)\n"
    "  go(function() assert(host.socket:send('tick ' .. number)) end)\n"
    "end\n"
    "function host.close() go(function() host.socket:close() end) end\n"
    "return host\n";

struct host {
    pthread_t thread;
    int number;
    const char *url;
    const char *echo; /* NULL: no WebSocket */
    lua_State *L;     /* the script's table lies at index 1 */
    const struct sluice_api *sluice;
    int epoll;
    int timer;
    int ticks;
    int failed;
};

/* Prints why, once: an error of the system's, or a message. */
static int fail(struct host *host, const char *what, const char *why)
{
    fprintf(stderr, "host %d: %s: %s\n", host->number, what, why);
    host->failed = 1;
    return 0;
}

static int fail_lua(struct host *host, const char *what)
{
    const char *why = lua_tostring(host->L, -1);

    return fail(host, what, why != NULL ? why : "error without a message");
}

/* ---- the events ---- */

static int watch(struct host *host, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(host->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return fail(host, "epoll_ctl", strerror(errno));
    return 1;
}

static int open_events(struct host *host)
{
    const struct itimerspec every = {.it_interval.tv_nsec = 10 * 1000 * 1000,
                                     .it_value.tv_nsec = 10 * 1000 * 1000};
    int pollfd = host->sluice->pollfd(host->L);

    if (pollfd < 0)
        return fail_lua(host, "pollfd");
    host->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (host->epoll < 0)
        return fail(host, "epoll_create1", strerror(errno));
    host->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (host->timer < 0 || timerfd_settime(host->timer, 0, &every, NULL) != 0)
        return fail(host, "timer", strerror(errno));
    return watch(host, pollfd) && watch(host, host->timer);
}

/* The script's table has that field. */
static int has(struct host *host, const char *name)
{
    int is_there = lua_getfield(host->L, 1, name) != LUA_TNIL;

    lua_pop(host->L, 1);
    return is_there;
}

/* Calls a function of the script's table with a number. */
static int call(struct host *host, const char *name, int number)
{
    lua_getfield(host->L, 1, name);
    lua_pushinteger(host->L, number);
    if (lua_pcall(host->L, 1, 0, 0) != LUA_OK)
        return fail_lua(host, name);
    return 1;
}

static int tick(struct host *host)
{
    uint64_t times;

    if (read(host->timer, &times, sizeof times) < 0 || !has(host, "socket"))
        return 1;
    host->ticks++;
    if (host->ticks <= TICKS)
        return call(host, "tick", host->ticks);
    return 1;
}

/* Waits for events, or until the loop is due, and handles them. */
static int turn(struct host *host)
{
    struct epoll_event events[8];
    double timeout = host->sluice->timeout(host->L);
    int milliseconds = timeout < 0 ? -1 : (int)ceil(timeout * 1000);
    int count = epoll_wait(host->epoll, events, 8, milliseconds);

    if (count < 0 && errno != EINTR)
        return fail(host, "epoll_wait", strerror(errno));
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == host->timer && !tick(host))
            return 0;
    }
    if (host->sluice->step(host->L, 0, BUDGET) < 0)
        return fail_lua(host, "step");
    return 1;
}

/* ---- the script ---- */

static int open_script(struct host *host)
{
    lua_State *L = host->L = luaL_newstate();

    if (L == NULL)
        return fail(host, "luaL_newstate", "out of memory");
    luaL_openlibs(L);
    host->sluice = sluice_open(L);
    if (host->sluice == NULL)
        return fail_lua(host, "sluice");
    if (luaL_loadstring(L, script) != LUA_OK)
        return fail_lua(host, "script");
    lua_pushstring(L, host->url);
    lua_pushstring(L, host->echo);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
        return fail_lua(host, "script");
    return 1;
}

/* Reads the body where it lies, then gives its memory back. */
static int show_body(struct host *host)
{
    lua_State *L = host->L;
    size_t total = 0, size = 0, sum = 0;

    lua_getfield(L, 1, "body");
    do {
        const char *bytes = host->sluice->bytes_at(L, -1, total, &size);

        if (bytes == NULL)
            return fail_lua(host, "body");
        for (size_t i = 0; i < size; i++)
            sum += (unsigned char)bytes[i];
        total += size;
    } while (size > 0);
    if (!host->sluice->dispose(L, -1))
        return fail_lua(host, "dispose");
    printf("host %d: %zu bytes, sum %zu\n", host->number, total, sum);
    return 1;
}

static int echoed(struct host *host)
{
    lua_getfield(host->L, 1, "ticks");
    return (int)lua_tointeger(host->L, -1);
}

static int serve(struct host *host)
{
    int is_shown = 0, is_closing = 0;

    if (!open_script(host) || !open_events(host))
        return 0;
    while (!is_shown || (host->echo != NULL && !has(host, "is_closed"))) {
        if (!turn(host))
            return 0;
        if (lua_getfield(host->L, 1, "failure") != LUA_TNIL)
            return fail_lua(host, "script");
        if (!is_shown && has(host, "body")) {
            is_shown = 1;
            if (!show_body(host))
                return 0;
        }
        if (host->ticks > TICKS && !is_closing && echoed(host) > 0) {
            is_closing = 1;
            if (!call(host, "close", 0))
                return 0;
        }
        lua_settop(host->L, 1);
    }
    if (host->echo != NULL)
        printf("host %d: %d ticks came back\n", host->number, echoed(host));
    return 1;
}

static void *run(void *argument)
{
    struct host *host = argument;

    serve(host);
    if (host->L != NULL)
        lua_close(host->L);
    if (host->epoll >= 0)
        close(host->epoll);
    if (host->timer >= 0)
        close(host->timer);
    return NULL;
}

int main(int argc, char **argv)
{
    struct host hosts[2];
    int failed = 0;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: host URL [WEBSOCKET]\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        hosts[i] = (struct host){.number = i + 1,
                                 .url = argv[1],
                                 .echo = argv[2],
                                 .epoll = -1,
                                 .timer = -1};
        if (pthread_create(&hosts[i].thread, NULL, run, &hosts[i]) != 0) {
            fprintf(stderr, "host %d: no thread\n", i + 1);
            return 1;
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(hosts[i].thread, NULL);
        failed |= hosts[i].failed;
    }
    return failed;
}
