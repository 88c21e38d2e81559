/* task/runtime.h - everything of one Lua state, and how bindings reach it
 *
 *   userdata  types of objects, and how they are recognised
 *   runtime   pools, loop, resolver
 *   outcome   what a call returns                          above: runtime
 *   seconds   how long the program wants to wait           above: runtime
 *   wait      how a coroutine waits for a completion       above: runtime
 *   task      coroutines that the loop runs                above: wait
 *
 * One runtime per Lua state, found in the registry. It is reference-counted by
 * the userdata that need it, because a closing state finalises objects in an
 * order of its own: whatever is finalised last takes the pool with it.
 *
 * Whatever allocates in Lua may run finalisers, and those may dispose, close or
 * finalise any handle: what a handle was checked for is checked again after it.
 * Each type has one function for that.
 */
#ifndef SLB_RUNTIME_H
#define SLB_RUNTIME_H

#include "base/allocator.h"
#include "codec/decoder.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "memory/pool.h"

#include <lauxlib.h>
#include <lua.h>

struct sl_connections;
struct slb_task;
struct slb_ticket;

/* A pool with a segment size of the caller's choice. It goes with its last
 * user, or later with the last of its segments. */
struct slb_sized_pool {
    struct slb_sized_pool *next;
    size_t users;
    struct sl_pool pool;
};

struct slb_runtime {
    size_t refs;
    int number; /* registry reference of what finds it, for good */
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_pool direct;        /* for clients with pooling = false */
    struct slb_sized_pool *sized; /* pools of other segment sizes */
    struct sl_pool_stats gone;    /* sums over those that went */
    struct sl_decoder_shelf shelf;
    struct sl_loop loop;
    struct sl_resolver *resolver; /* NULL until the first client */
    lua_State *stepping;          /* who called step; resumes come from it */
    struct slb_ticket *free_tickets;
    size_t tickets; /* made so far */
    int tasks;      /* registry reference of task by coroutine */
    int hosts; /* registry reference of the hosts to ask; 0: there are none */
    /* The coroutine that runs and its task (NULL: none), so that a wait need
     * not look it up. */
    lua_State *running;
    struct slb_task *running_task;
    /* Set by task.c. A task's coroutine ended with `count` results, or with an
     * error, on its stack; or it yielded (`status`) without waiting for
     * anything. L resumed it. */
    void (*task_stopped)(lua_State *L, struct slb_runtime *runtime,
                         struct slb_task *task, lua_State *coroutine,
                         int status, int count);
    /* The program is given a failure `cancelled`: if L runs a task that was
     * cancelled, it has learned of that now. The reason is on top of the stack;
     * false: nothing was pushed. */
    bool (*take_cancel)(lua_State *L, struct slb_runtime *runtime);
    struct slb_ticket *yielded; /* for which a coroutine yielded last */
    /* Tasks of the program's own: those that have not ended, those whose error
     * has reached nobody. Who waits for the former to be none. */
    struct slb_task *spawned;
    struct slb_task *failed;
    struct slb_ticket *idle_waiters;
    /* Userdata whose type need not be asked for again: the ticket whose wait
     * has ended last, and the response that was looked at last, as long as it
     * is live. */
    const struct slb_ticket *ended;
    const void *known;
    size_t waiting;   /* tickets in use */
    size_t endless;   /* of these, for a task and without a timeout */
    size_t debt;      /* bytes held by handles since the last collector step */
    size_t collected; /* fewest rented since the last full collection */
    uint64_t leaked;  /* handles collected while they still held bytes */
    struct sl_connections *connections; /* of each client, for their stats */
    uint64_t requests;
    uint64_t resends;
    bool is_closing;
};

/* Raises when the module was not opened in this state, or after fork. */
struct slb_runtime *slb_runtime(lua_State *L);

/* The same for an object that outlives its runtime, by the number that it noted
 * as runtime->number. */
struct slb_runtime *slb_runtime_of(lua_State *L, int number);

/* Pushes a userdata that points to the runtime, and to NULL once the state
 * closes: for upvalues. */
void slb_push_runtime(lua_State *L);

/* The runtime by such an upvalue, or NULL. */
static inline struct slb_runtime *slb_upvalue_runtime(lua_State *L, int number)
{
    struct slb_runtime **box = lua_touserdata(L, lua_upvalueindex(number));

    return *box;
}

/* Whether it may be used: not after fork, on another thread, and once the state
 * closes. */
static inline bool slb_is_usable(const struct slb_runtime *runtime)
{
    return !runtime->is_closing && sl_loop_check(&runtime->loop) == SL_OK;
}

/* Says why it may not. */
void slb_raise_unusable(lua_State *L, const struct slb_runtime *runtime);

/* Raises where it may not be used: for handles that know their runtime. */
static inline void slb_check_usable(lua_State *L,
                                    const struct slb_runtime *runtime)
{
    if (!slb_is_usable(runtime))
        slb_raise_unusable(L, runtime);
}

void slb_runtime_retain(struct slb_runtime *runtime);
void slb_runtime_release(struct slb_runtime *runtime);

/* Creates this state's runtime, at luaopen. */
void slb_runtime_open(lua_State *L);

/* The pool whose segments have that size, with one user more: the runtime's
 * own, or one that is made for it. NULL out of memory. */
struct sl_pool *slb_pool_of_size(struct slb_runtime *runtime,
                                 size_t segment_size);
/* Adds and removes a user of any pool of the runtime's. */
void slb_pool_retain(struct slb_runtime *runtime, struct sl_pool *pool);
void slb_pool_release(struct slb_runtime *runtime, struct sl_pool *pool);

/* Steps the collector in proportion to the bytes which handles hold and it
 * cannot see, where they are many since the last time. Where steps do not help,
 * it collects everything. May run finalisers. */
void slb_collect(lua_State *L, struct slb_runtime *runtime);

/* A handle now holds such bytes. */
static inline void slb_hold_bytes(struct slb_runtime *runtime, size_t bytes)
{
    runtime->debt += bytes;
}

/* Both, in that order. */
static inline void slb_note_bytes(lua_State *L, struct slb_runtime *runtime,
                                  size_t bytes)
{
    slb_hold_bytes(runtime, bytes);
    slb_collect(L, runtime);
}

/* Bytes noted have been freed before the collector had to. */
static inline void slb_forget_bytes(struct slb_runtime *runtime, size_t bytes)
{
    runtime->debt -= bytes < runtime->debt ? bytes : runtime->debt;
}

/* The part of a handle's bytes that stays noted once it is disposed: the
 * collector shall come for the handles, too. */
#define SLB_KEPT_NOTED 16

/* A handle that had noted so many bytes is disposed before it is collected. */
static inline void slb_forget_handle(struct slb_runtime *runtime, size_t noted)
{
    slb_forget_bytes(runtime, noted - noted / SLB_KEPT_NOTED);
}

#endif
