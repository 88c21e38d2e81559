/* spec/support/states.c - several Lua states at once, a thread for each:
 * `require "support.states"`
 *
 * Each state is opened, runs the same script and is closed on its own thread.
 */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STATES_MOST   64
#define ARGUMENT_MOST 8
#define RESULT_SIZE   4096

struct job {
    pthread_t thread;
    const char *source;
    const char *path;
    const char *cpath;
    const char *arguments[ARGUMENT_MOST];
    int argument_count;
    int number;
    bool is_good;
    char result[RESULT_SIZE]; /* the first value returned, or the error */
};

static void set_paths(lua_State *L, const struct job *job)
{
    lua_getglobal(L, "package");
    lua_pushstring(L, job->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, job->cpath);
    lua_setfield(L, -2, "cpath");
    lua_pop(L, 1);
}

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static void *run_state(void *argument)
{
    struct job *job = argument;
    lua_State *L = luaL_newstate();

    if (L == NULL) {
        snprintf(job->result, sizeof job->result, "out of memory");
        return NULL;
    }
    luaL_openlibs(L);
    set_paths(L, job);
    lua_pushcfunction(L, add_traceback);
    if (luaL_loadstring(L, job->source) == LUA_OK) {
        lua_pushinteger(L, job->number);
        for (int i = 0; i < job->argument_count; i++)
            lua_pushstring(L, job->arguments[i]);
        job->is_good = lua_pcall(L, job->argument_count + 1, 1, 1) == LUA_OK;
    }
    snprintf(job->result, sizeof job->result, "%s",
             luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return NULL;
}

/* How many have begun. */
static int start_all(struct job *jobs, int count)
{
    for (int i = 0; i < count; i++) {
        if (pthread_create(&jobs[i].thread, NULL, run_state, &jobs[i]) != 0)
            return i;
    }
    return count;
}

static void push_results(lua_State *L, const struct job *jobs, int count)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushboolean(L, jobs[i].is_good);
        lua_setfield(L, -2, "ok");
        lua_pushstring(L, jobs[i].result);
        lua_setfield(L, -2, "result");
        lua_rawseti(L, -2, i + 1);
    }
}

/* states.run(n, source, argument...) -> array of { ok, result }
 *
 * Runs the script in n states at once, each getting its number and the
 * arguments, strings; waits for all. */
static int states_run(lua_State *L)
{
    int count = (int)luaL_checkinteger(L, 1);
    const char *source = luaL_checkstring(L, 2);
    int arguments = lua_gettop(L) - 2;

    luaL_argcheck(L, count > 0 && count <= STATES_MOST, 1, "1 to 64 states");
    luaL_argcheck(L, arguments <= ARGUMENT_MOST, 3, "too many arguments");
    for (int i = 0; i < arguments; i++)
        luaL_checkstring(L, 3 + i);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_getfield(L, -2, "cpath");
    struct job *jobs = lua_newuserdatauv(L, sizeof *jobs * (size_t)count, 0);

    memset(jobs, 0, sizeof *jobs * (size_t)count);
    for (int i = 0; i < count; i++) {
        jobs[i].source = source;
        jobs[i].path = lua_tostring(L, -3);
        jobs[i].cpath = lua_tostring(L, -2);
        jobs[i].number = i + 1;
        jobs[i].argument_count = arguments;
        for (int k = 0; k < arguments; k++)
            jobs[i].arguments[k] = lua_tostring(L, 3 + k);
    }
    int started = start_all(jobs, count);

    for (int i = 0; i < started; i++)
        pthread_join(jobs[i].thread, NULL);
    if (started < count)
        return luaL_error(L, "run: only %d threads", started);
    push_results(L, jobs, count);
    return 1;
}

static void *call_there(void *argument)
{
    lua_State *L = argument;

    lua_pushboolean(L, lua_pcall(L, 0, 1, 0) == LUA_OK);
    return NULL;
}

/* states.elsewhere(f) -> what pcall(f) gives on another thread, while this one
 * waits for it: the state is used by one at a time, and yet by two */
static int states_elsewhere(lua_State *L)
{
    pthread_t thread;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    luaL_checkstack(L, 20, NULL);
    if (pthread_create(&thread, NULL, call_there, L) != 0)
        return luaL_error(L, "elsewhere: no thread");
    pthread_join(thread, NULL);
    lua_insert(L, 1);
    return 2;
}

static const luaL_Reg functions[] = {
    {"run", states_run}, {"elsewhere", states_elsewhere}, {NULL, NULL}};

int luaopen_support_states(lua_State *L);

int luaopen_support_states(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
