#include "task/scheduler.h"

#include <string.h>

/* In the registry: the start of the names of this library's own files, of those
 * that are read as files. */
static const char own_files_key;

/* Nesting of resumes, at most: as deep as Lua lets C calls nest. */
#define RESUMES_MOST 200

/* Pushes that field of a loaded module. False: nothing is pushed. */
static bool push_function(lua_State *L, const char *module, const char *name)
{
    int top = lua_gettop(L);

    if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE &&
        lua_getfield(L, -1, module) == LUA_TTABLE &&
        lua_getfield(L, -1, name) == LUA_TFUNCTION) {
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
        return true;
    }
    lua_settop(L, top);
    return false;
}

/* cqueues.running() -> controller, whether it runs this very coroutine */
static bool is_of_cqueues(lua_State *L, const struct slb_runtime *runtime)
{
    (void)runtime;
    return push_function(L, "cqueues", "running") &&
           lua_pcall(L, 0, 2, 0) == LUA_OK && lua_toboolean(L, -1);
}

/* The coroutine that L resumes: the argument of coroutine.resume, or what the
 * function of coroutine.wrap holds. NULL: none. */
static lua_State *resumed_by(lua_State *L)
{
    lua_State *resumed = NULL;
    lua_Debug call;
    int top = lua_gettop(L);

    if (!lua_checkstack(L, 2) || lua_getstack(L, 0, &call) == 0)
        return NULL;
    lua_getinfo(L, "Sf", &call);
    if (*call.what == 'C' &&
        (lua_getupvalue(L, -1, 1) != NULL || lua_getlocal(L, &call, 1) != NULL))
        resumed = lua_tothread(L, -1);
    lua_settop(L, top);
    return resumed;
}

/* The coroutine that has resumed L, found from the one that the loop runs, or
 * from the main thread. NULL: L was resumed by C code. */
static lua_State *resumer_of(lua_State *L, const struct slb_runtime *runtime)
{
    lua_State *from = runtime->running;

    if (from == NULL) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
        from = lua_tothread(L, -1);
        lua_pop(L, 1);
    }
    for (int i = 0; from != NULL && from != L && i < RESUMES_MOST; i++) {
        lua_State *resumed = resumed_by(from);

        if (resumed == L)
            return from;
        from = resumed;
    }
    return NULL;
}

/* Copas does not tell whose coroutine runs; but one of its own functions has
 * resumed it. */
static bool is_of_copas(lua_State *L, const struct slb_runtime *runtime)
{
    lua_State *resumer;
    lua_Debug own, call;

    if (!push_function(L, "copas", "addthread"))
        return false;
    lua_getinfo(L, ">S", &own);
    resumer = resumer_of(L, runtime);
    return resumer != NULL && lua_getstack(resumer, 1, &call) != 0 &&
           lua_getinfo(resumer, "S", &call) != 0 && *call.what != 'C' &&
           strcmp(call.source, own.source) == 0;
}

#define WITHOUT_ADAPTER(name)                                           \
    "cannot wait in a coroutine of " name " without its adapter: call " \
    "require(\"sluice.hosts." name                                      \
    "\").install() first, or do this in a task "                        \
    "(sluice.spawn)"

static const struct scheduler {
    const char *name;
    bool (*runs)(lua_State *L, const struct slb_runtime *runtime);
    const char *refusal;
} schedulers[] = {
    {"cqueues", is_of_cqueues, WITHOUT_ADAPTER("cqueues")},
    {"copas", is_of_copas, WITHOUT_ADAPTER("copas")},
};

/* NULL: there is none that is known. */
static const struct scheduler *find_scheduler(lua_State *L,
                                              const struct slb_runtime *runtime)
{
    const struct scheduler *found = NULL;
    int top = lua_gettop(L);

    if (!lua_checkstack(L, LUA_MINSTACK))
        return NULL;
    for (size_t i = 0;
         i < sizeof schedulers / sizeof schedulers[0] && found == NULL; i++) {
        if (schedulers[i].runs(L, runtime))
            found = &schedulers[i];
        lua_settop(L, top);
    }
    return found;
}

const char *slb_scheduler_refusal(lua_State *L,
                                  const struct slb_runtime *runtime)
{
    const struct scheduler *found = find_scheduler(L, runtime);

    return found != NULL ? found->refusal : NULL;
}

/* scheduler() -> the name of the scheduler that has resumed this very
 * coroutine: "cqueues" | "copas" | nil: none that is known */
static int running_scheduler(lua_State *L)
{
    const struct scheduler *found = find_scheduler(L, slb_runtime(L));

    lua_pushstring(L, found != NULL ? found->name : NULL);
    return 1;
}

static bool has_start(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Whether a function is one of this library's. */
static bool is_own(lua_State *L, const lua_Debug *info)
{
    const char *own;
    bool is_it;

    if (*info->what == 'C' || has_start(info->source, SLB_OWN_SOURCE))
        return true;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &own_files_key);
    own = lua_tostring(L, -1);
    is_it = own != NULL && has_start(info->source, own);
    lua_pop(L, 1);
    return is_it;
}

/* "file:line: " of the function that called into the library; or "". */
static void push_position(lua_State *L)
{
    lua_Debug info;

    for (int level = 1; lua_getstack(L, level, &info); level++) {
        lua_getinfo(L, "Sl", &info);
        if (!is_own(L, &info) && info.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", info.short_src, info.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

void slb_push_refusal(lua_State *L, const char *refusal)
{
    push_position(L);
    lua_pushstring(L, refusal);
    lua_concat(L, 2);
}

/* own_files(start): how the names of the library's own files begin */
static int own_files(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &own_files_key);
    return 0;
}

static const luaL_Reg functions[] = {
    {"own_files", own_files}, {"scheduler", running_scheduler}, {NULL, NULL}};

void slb_scheduler_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
