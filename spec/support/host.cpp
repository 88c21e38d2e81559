// A host in C++ that uses everything of sluice.h, in a Lua state of its own. Arguments: a URL. Prints
// what went wrong and ends with 1, or prints "good".

#include "sluice.h"

#include <lualib.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

static const sluice_api *sluice;

#define REQUIRE(condition)                                                   \
    do {                                                                     \
        if (!(condition)) {                                                  \
            std::printf("line %d: %s\n", __LINE__, #condition);              \
            std::exit(1);                                                    \
        }                                                                    \
    } while (0)

static void count_release(void *owner)
{
    ++*static_cast<int *>(owner);
}

static bool fails(lua_State *L, bool is_good, const char *text)
{
    std::string message = is_good ? "" : lua_tostring(L, -1);

    lua_pop(L, 1);
    return !is_good && message.find(text) != std::string::npos;
}

static void run(lua_State *L, const char *script, int arguments, int results)
{
    REQUIRE(luaL_loadstring(L, script) == LUA_OK);
    lua_insert(L, -1 - arguments);
    if (lua_pcall(L, arguments, results, 0) != LUA_OK) {
        std::printf("%s: %s\n", script, lua_tostring(L, -1));
        std::exit(1);
    }
}

static void step_until(lua_State *L, const char *global)
{
    for (int i = 0; i < 6000; i++) {
        bool is_there = lua_getglobal(L, global) != LUA_TNIL;

        lua_pop(L, 1);
        if (is_there)
            return;
        REQUIRE(sluice->timeout(L) != 1e9);
        REQUIRE(sluice->step(L, 0.01, 0.001) >= 0);
    }
    REQUIRE(!"in time");
}

static void test_writer_and_bytes(lua_State *L, const char *url)
{
    size_t size = 0, total = 0;

    run(L, "return require 'sluice'.writer { max_size = 100000 }", 0, 1);
    REQUIRE(fails(L, sluice->writer_reserve(L, -1, 200000) != nullptr, "max_size"));
    char *room = sluice->writer_reserve(L, -1, 70000);
    REQUIRE(room != nullptr);
    std::memset(room, 'x', 70000);
    REQUIRE(fails(L, sluice->writer_commit(L, -1, 1 << 20), "reserved"));
    REQUIRE(sluice->writer_commit(L, -1, 70000));
    lua_pushstring(L, url);
    run(L, "local writer, url = ...\n"
           "coroutine.wrap(function()\n"
           "  local response <close> = assert(require 'sluice'.post(url, { body = writer:detach() }))\n"
           "  bytes = response:sequence()\n"
           "end)()", 2, 0);
    step_until(L, "bytes");
    lua_getglobal(L, "bytes");
    REQUIRE(sluice->bytes_size(L, -1) == 70000);
    do {
        const char *bytes = sluice->bytes_at(L, -1, total, &size);

        REQUIRE(bytes != nullptr);
        for (size_t i = 0; i < size; i++)
            REQUIRE(bytes[i] == 'x');
        total += size;
    } while (size > 0);
    REQUIRE(total == 70000);
    REQUIRE(sluice->dispose(L, -1));
    REQUIRE(fails(L, sluice->bytes_at(L, -1, 0, &size) != nullptr, "disposed"));
    REQUIRE(fails(L, sluice->bytes_size(L, -1) != static_cast<size_t>(-1), "disposed"));
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    REQUIRE(fails(L, sluice->bytes_size(L, -1) != static_cast<size_t>(-1), "expected"));
    REQUIRE(fails(L, sluice->dispose(L, -1), ""));
    lua_pop(L, 1);
}

static void test_lease(lua_State *L, const char *url)
{
    static const char text[] = "bytes of the host's own";
    int released = 0;

    REQUIRE(sluice->push_lease(L, text, sizeof text - 1, count_release, &released));
    run(L, "local lease = ... assert(lease:tostring() == \"bytes of the host's own\")\n"
           "assert(#lease == 23) return lease", 1, 1);
    REQUIRE(sluice->bytes_size(L, -1) == sizeof text - 1);
    REQUIRE(released == 0);
    lua_pushstring(L, url);
    run(L, "local lease, url = ...\n"
           "coroutine.wrap(function()\n"
           "  local response <close> = assert(require 'sluice'.post(url, { body = lease }))\n"
           "  sent = response:text()\n"
           "end)()", 2, 0);
    step_until(L, "sent");
    run(L, "assert(sent == \"bytes of the host's own\")", 0, 0);
    REQUIRE(released == 1);
    REQUIRE(sluice->push_lease(L, text, 5, count_release, &released));
    run(L, "local sequence = (...):sequence() return ..., sequence", 1, 2);
    REQUIRE(sluice->dispose(L, -2));
    REQUIRE(released == 1); // the sequence shows it
    REQUIRE(sluice->dispose(L, -1));
    REQUIRE(released == 2);
    lua_pop(L, 2);
    REQUIRE(sluice->push_lease(L, nullptr, 0, count_release, &released));
    REQUIRE(released == 3);
    REQUIRE(sluice->bytes_size(L, -1) == 0);
    REQUIRE(sluice->dispose(L, -1));
    lua_pop(L, 1);
    REQUIRE(released == 3);
}

static void test_signal(lua_State *L)
{
    sluice_signal *early = sluice->push_signal(L);
    sluice_signal *late = sluice->push_signal(L);

    REQUIRE(early != nullptr && late != nullptr);
    std::thread([early] { REQUIRE(sluice->signal(early, "early", 5)); }).join();
    run(L, "local early, late = ...\n"
           "coroutine.wrap(function()\n"
           "  assert(early:await() == 'early' and early:await() == 'early')\n"
           "  local _, message, err = late:await(0.001)\n"
           "  assert(err.code == 'timeout', message)\n"
           "  waited = late:await()\n"
           "end)()", 2, 0);
    std::thread thread([late] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        REQUIRE(sluice->signal(late, "la\0te", 5));
    });
    step_until(L, "waited");
    thread.join();
    run(L, "assert(waited == 'la\\0te')", 0, 0);
    // Collected before: the thread's result is dropped.
    sluice_signal *lost = sluice->push_signal(L);
    lua_pop(L, 1);
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT);
    REQUIRE(sluice->signal(lost, nullptr, 0));
    // Signalled and never awaited.
    sluice_signal *unheard = sluice->push_signal(L);
    REQUIRE(sluice->signal(unheard, "x", 1));
    lua_pop(L, 1);
    // Outside of coroutines, and by a task that is cancelled.
    sluice_signal *cancelled = sluice->push_signal(L);
    run(L, "local signal, sluice = ..., require 'sluice'\n"
           "local task = sluice.spawn(function() return signal:await() end)\n"
           "sluice.loop():step(0)\n"
           "task:cancel()\n"
           "assert(select(3, task:await()).code == 'cancelled')\n"
           "return signal", 1, 1);
    std::thread other([cancelled] { REQUIRE(sluice->signal(cancelled, "end", 3)); });
    run(L, "local signal = ... assert(signal:await() == 'end')\n"
           "assert(tostring(signal) == 'sluice.signal (done)')", 1, 0);
    other.join();
}

static lua_State *open_state()
{
    lua_State *L = luaL_newstate();

    REQUIRE(L != nullptr);
    luaL_openlibs(L);
    sluice = sluice_open(L);
    if (sluice == nullptr)
        std::printf("%s\n", lua_tostring(L, -1));
    REQUIRE(sluice != nullptr);
    REQUIRE(sluice_open(L) == sluice); // as often as one likes
    REQUIRE(lua_gettop(L) == 0);
    return L;
}

// Signals of a state that has closed meanwhile, in every order of the two.
static void test_closing()
{
    for (int i = 0; i < 30; i++) {
        lua_State *L = open_state();
        sluice_signal *signal = sluice->push_signal(L);
        std::thread thread([signal, i] {
            if (i % 3 == 0)
                std::this_thread::sleep_for(std::chrono::microseconds(i));
            REQUIRE(sluice->signal(signal, "x", 1));
        });

        if (i % 2 == 0)
            REQUIRE(sluice->step(L, 0, -1) >= 0);
        lua_close(L);
        thread.join();
    }
}

static void test_misuse(lua_State *L)
{
    int status = 0;

    lua_pushlightuserdata(L, &status);
    lua_pushcclosure(L, [](lua_State *inner) {
        int *result = static_cast<int *>(lua_touserdata(inner, lua_upvalueindex(1)));

        *result = sluice->step(inner, 0, -1);
        return lua_error(inner); // the message
    }, 1);
    run(L, "local step = ...\n"
           "local ok, message = require 'sluice'.spawn(pcall, step):await()\n"
           "assert(not ok and message:find 'already inside a step', message)", 1, 0);
    REQUIRE(status == -1);
    std::thread([L] {
        REQUIRE(sluice->step(L, 0, -1) == -1);
        REQUIRE(std::strstr(lua_tostring(L, -1), "another thread") != nullptr);
        REQUIRE(sluice->timeout(L) == 0);
        lua_pop(L, 1);
    }).join();
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2);
    lua_State *L = open_state();

    REQUIRE(sluice->pollfd(L) >= 0);
    REQUIRE(sluice->pollfd(L) == sluice->pollfd(L));
    test_writer_and_bytes(L, argv[1]);
    test_lease(L, argv[1]);
    test_signal(L);
    test_misuse(L);
    REQUIRE(lua_gettop(L) == 0);
    run(L, "local sluice = require 'sluice'\n"
           "local loop, deadline = sluice.loop(), os.clock() + 10\n"
           "repeat loop:step(0.01) until sluice.stats().outstanding == 0 or os.clock() > deadline\n"
           "local stats = sluice.stats()\n"
           "assert(stats.outstanding == 0 and stats.operations == 0)", 0, 0);
    lua_close(L);
    test_closing();
    std::printf("good\n");
    return 0;
}
