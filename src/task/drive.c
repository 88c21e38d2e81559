#include "task/drive.h"

/* Slots that resuming a coroutine and keeping its results take. */
#define DELIVERY_SLOTS 16

enum sl_status slb_step(lua_State *L, struct slb_runtime *runtime,
                        int64_t max_wait, int64_t budget)
{
    lua_State *outer = runtime->stepping;
    enum sl_status status;

    if (runtime->loop.is_stepping)
        return SL_MISUSE;
    /* Deliveries have no way to say that there is no room. */
    if (!lua_checkstack(L, DELIVERY_SLOTS))
        return SL_MEMORY;
    runtime->stepping = L;
    status = sl_loop_step_within(&runtime->loop, max_wait, budget);
    runtime->stepping = outer;
    return status;
}

bool slb_run_hook(lua_State *L)
{
    if (lua_gethook(L) == NULL)
        return true;
    return luaL_loadstring(L, "return") == LUA_OK &&
           lua_pcall(L, 0, 0, 0) == LUA_OK;
}

/* Only waits for tasks are left, which no running code can end. */
static bool is_deadlock(const struct slb_runtime *runtime)
{
    return !sl_loop_has_ready(&runtime->loop) &&
           runtime->loop.operations == runtime->endless;
}

/* Drives the loop once. Answers why it cannot be driven on, or NULL. */
static const char *drive_once(lua_State *L, struct slb_runtime *runtime)
{
    if (is_deadlock(runtime))
        return "deadlock: every task waits for another";
    switch (slb_step(L, runtime, SLB_DRIVE_SLICE, SL_NEVER)) {
    case SL_OK:
        return NULL;
    case SL_MEMORY:
        return "out of memory";
    default:
        return "sluice cannot be used after fork or from another thread";
    }
}

bool slb_drive(lua_State *L, const struct slb_ticket *ticket)
{
    const struct sl_completion *target = ticket->target;

    while (ticket->target == target && target->state != SL_COMPLETION_DONE) {
        const char *error = drive_once(L, ticket->runtime);

        if (error != NULL) {
            lua_pushstring(L, error);
            return false;
        }
        if (!slb_run_hook(L))
            return false;
    }
    return true;
}
