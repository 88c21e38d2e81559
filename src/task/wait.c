#include "task/drive.h"
#include "task/host.h"
#include "task/scheduler.h"

static struct slb_runtime *runtime_of(struct sl_completion *completion)
{
    return (struct slb_runtime *)((char *)completion->loop -
                                  offsetof(struct slb_runtime, loop));
}

/* The ticket's coroutine goes on. stack: ..., anchored here while it runs */
static void resume_waiter(lua_State *L, struct slb_ticket *ticket)
{
    lua_State *coroutine = ticket->coroutine;

    lua_pushthread(coroutine);
    lua_xmove(coroutine, L, 1);
    if (ticket->has_host)
        slb_resume_by_host(L);
    else
        slb_resume(ticket->runtime, coroutine, ticket->task, 0);
}

/* The coroutine of the completion's waiter goes on. */
static void deliver(struct sl_completion *completion)
{
    struct slb_runtime *runtime = runtime_of(completion);
    lua_State *L = runtime->stepping;
    struct slb_ticket *ticket;
    lua_State *coroutine;
    uint32_t waits;
    bool is_unchanged;
    int index;

    if (!slb_is_awaited(completion) || runtime->is_closing)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, (lua_Integer)completion->mark);
    ticket = lua_touserdata(L, -1);
    if (ticket->coroutine == NULL) {
        lua_pop(L, 1);
        return;
    }
    index = lua_gettop(L);
    waits = ticket->waits;
    for (;;) {
        coroutine = ticket->coroutine;
        resume_waiter(L, ticket);
        is_unchanged = ticket->target != NULL && ticket->waits == waits;
        if (!is_unchanged || ticket->coroutine == NULL ||
            ticket->coroutine == coroutine)
            break;
        /* One that waited along has left the wait to its own coroutine. */
        lua_settop(L, index);
    }
    if (!is_unchanged)
        lua_pop(L, 2); /* it went on */
    else if (ticket->has_host)
        slb_hand_over(L, ticket);
    else {
        /* It could not go on: calling __close takes memory. */
        slb_end_wait(ticket);
        lua_pop(L, 2);
    }
}

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* Whether L was resumed by this library, for a task: then the function that
 * waits can yield by itself. */
static bool can_yield_here(lua_State *L, const struct slb_runtime *runtime)
{
    return runtime->running == L && runtime->running_task != NULL &&
           lua_isyieldable(L);
}

/* What the frame of the yield takes is there afterwards: want of memory at a
 * call from a function that waits already cannot be undone. */
static void reserve_frame(lua_State *L, const struct slb_runtime *runtime)
{
    if (can_yield_here(L, runtime))
        return; /* without a frame */
    luaL_checkstack(L, 6 + 2 * LUA_MINSTACK, "too many values to wait");
    if (!lua_isyieldable(L))
        return; /* it drives the loop and yields nothing */
    lua_pushcfunction(L, nothing);
    lua_call(L, 0, 0);
}

void slb_reserve_wait(lua_State *L, struct slb_runtime *runtime)
{
    reserve_frame(L, runtime);
    slb_find_ticket(L, runtime);
}

/* A ticket on the stack of L, in a to-be-closed slot. */
static struct slb_ticket *push_ticket(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_ticket *ticket;

    reserve_frame(L, runtime);
    ticket = slb_find_ticket(L, runtime);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
    lua_toclose(L, -1);
    /* Nothing raises from here to its use. */
    runtime->free_tickets = ticket->next;
    ticket->next = NULL;
    return ticket;
}

/* A coroutine that ends with an error keeps its slots until the caller closes
 * it, which may be never: the wait ends before, and what is at `index` is
 * closed. */
static int raise_on_top(lua_State *L, struct slb_ticket *ticket, int index)
{
    slb_end_wait(ticket);
    lua_closeslot(L, index);
    return lua_error(L);
}

static int raise_unfinished(lua_State *L, struct slb_ticket *ticket, int index,
                            const char *message)
{
    luaL_where(L, 1);
    lua_pushstring(L, message);
    lua_concat(L, 2);
    return raise_on_top(L, ticket, index);
}

/* The frame that yields is above that of the function that waits: a scheduler
 * that does not know what was yielded may take every value it finds there, as
 * cqueues does. A coroutine that somebody resumes too early yields again. */
static int stay(lua_State *L, int status, lua_KContext context)
{
    struct slb_ticket *ticket = (struct slb_ticket *)context;

    (void)status;
    lua_settop(L, 0);
    if (slb_is_over(ticket))
        return 0;
    ticket->runtime->yielded = ticket;
    slb_push_waiting(L);
    return lua_yieldk(L, 1, context, stay);
}

int slb_stay(lua_State *L, struct slb_ticket *ticket)
{
    return stay(L, LUA_OK, (lua_KContext)ticket);
}

static int begin_stay(lua_State *L)
{
    return slb_stay(L, lua_touserdata(L, 1));
}

/* L, which was resumed by this library, yields from the frame that waits. */
static int yield_here(lua_State *L, struct slb_ticket *ticket);

/* A coroutine that somebody resumes too early, with whatever values, yields
 * again. */
static int resumed_here(lua_State *L, int status, lua_KContext context)
{
    struct slb_ticket *ticket = (struct slb_ticket *)context;

    (void)status;
    if (lua_gettop(L) != ticket->onward.context)
        lua_settop(L, ticket->onward.context);
    return yield_here(L, ticket);
}

static int yield_here(lua_State *L, struct slb_ticket *ticket)
{
    if (slb_is_over(ticket))
        return ticket->onward.k(L, LUA_YIELD, ticket->onward.context);
    ticket->runtime->yielded = ticket;
    slb_push_waiting(L);
    return lua_yieldk(L, 1, (lua_KContext)ticket, resumed_here);
}

/* For the task, if L is one's. */
static void bind_task(lua_State *L, struct slb_ticket *ticket,
                      struct slb_task *task)
{
    ticket->coroutine = L;
    ticket->task = task;
    if (task == NULL)
        return;
    task->ticket = ticket;
    if (task->must_cancel)
        slb_cancel(ticket);
}

/* Drives the loop, as L cannot yield. */
static int drive_for(lua_State *L, struct slb_ticket *ticket, int index,
                     lua_KFunction k)
{
    ticket->coroutine = NULL; /* the loop resumes none */
    if (ticket->runtime->loop.is_stepping)
        return raise_unfinished(L, ticket, index,
                                "attempt to wait where a coroutine cannot "
                                "yield");
    if (!slb_drive(L, ticket))
        return raise_on_top(L, ticket, index);
    return k(L, LUA_OK, index);
}

/* A wait that has begun, by whatever can resume L; then goes on in `k`.
 * `index`: of the to-be-closed slot that ends the wait, on top of the stack.
 * `onward` is for a host. */
static int wait_on(lua_State *L, struct slb_ticket *ticket,
                   struct slb_onward *onward, int index, lua_KFunction k)
{
    struct slb_runtime *runtime = ticket->runtime;

    if (!lua_isyieldable(L))
        return drive_for(L, ticket, index, k);
    bind_task(L, ticket, slb_task_of(L, runtime));
    if (ticket->task == NULL) {
        const char *refusal;

        lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
        lua_pushthread(L);
        lua_setiuservalue(L, -2, SLB_TICKET_COROUTINE);
        lua_pop(L, 1);
        ticket->has_values = true;
        if (slb_asks_hosts(L, runtime))
            return slb_wait_by_host(L, ticket, onward, index, k);
        refusal = slb_scheduler_refusal(L, runtime);
        if (refusal != NULL) {
            slb_push_refusal(L, refusal);
            return raise_on_top(L, ticket, index);
        }
    }
    lua_pushcfunction(L, begin_stay);
    lua_pushlightuserdata(L, ticket);
    lua_callk(L, 1, 0, index, k);
    return k(L, LUA_OK, index);
}

/* The wait itself, for a ticket that is on top of the stack. */
static int wait_for(lua_State *L, struct slb_ticket *ticket,
                    struct sl_completion *target, lua_KFunction k)
{
    struct slb_runtime *runtime = ticket->runtime;
    int index = lua_gettop(L);

    slb_begin_wait(ticket, target);
    target->deliver = deliver;
    if (!can_yield_here(L, runtime))
        return wait_on(L, ticket, &ticket->onward, index, k);
    bind_task(L, ticket, runtime->running_task);
    ticket->onward.k = k;
    ticket->onward.context = index;
    return yield_here(L, ticket);
}

void slb_begin_along(lua_State *L, struct slb_ticket *ticket,
                     struct slb_along *along)
{
    along->ticket = NULL;
    if (ticket->task != NULL && ticket->task != slb_task_of(L, ticket->runtime))
        luaL_error(L, "a generator cannot wait for what another task waits "
                      "for");
    /* A generator of this task goes on in any case: the task resumes it. */
    if (ticket->target == NULL || ticket->task != NULL) {
        lua_pushnil(L);
        return;
    }
    along->ticket = ticket;
    along->waits = ticket->waits;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
    lua_getiuservalue(L, -1, SLB_TICKET_COROUTINE);
    lua_remove(L, -2);
}

void slb_end_along(lua_State *L, struct slb_along *along)
{
    struct slb_ticket *ticket = along->ticket;

    along->ticket = NULL;
    if (ticket == NULL || ticket->runtime == NULL || ticket->target == NULL ||
        ticket->waits != along->waits || ticket->is_handed) {
        lua_pop(L, 1);
        return;
    }
    if (ticket->task != NULL) {
        ticket->task->ticket = NULL;
        ticket->task = NULL;
    }
    ticket->has_host = false;
    ticket->coroutine = lua_tothread(L, -1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, SLB_TICKET_COROUTINE);
    lua_pop(L, 1);
}

int slb_wait_along(lua_State *L, struct slb_ticket *ticket,
                   struct slb_along *along, lua_KFunction k)
{
    int index = lua_gettop(L);

    if (ticket->target == NULL)
        return k(L, LUA_OK, index); /* the one that waited was closed */
    return wait_on(L, ticket, &along->onward, index, k);
}

int slb_wait(lua_State *L, struct slb_runtime *runtime,
             struct sl_completion *target, void (*abandon)(void *subject),
             void *subject, lua_KFunction k)
{
    struct slb_ticket *ticket = push_ticket(L, runtime);

    ticket->abandon = abandon;
    ticket->subject = subject;
    return wait_for(L, ticket, target, k);
}

int slb_wait_own(lua_State *L, struct slb_runtime *runtime,
                 struct slb_ticket **list, int64_t due, lua_KFunction k)
{
    struct slb_ticket *ticket = push_ticket(L, runtime);

    ticket->abandon = NULL;
    ticket->step = 0;
    sl_completion_begin(&ticket->own);
    if (list != NULL)
        slb_enter_waiters(ticket, list);
    ticket->timer.is_pause = list == NULL;
    if (due != SL_NEVER)
        sl_timer_arm(&runtime->loop.timers, &ticket->timer, due);
    return wait_for(L, ticket, &ticket->own, k);
}

bool slb_can_take_turn(lua_State *L, const struct slb_runtime *runtime)
{
    return lua_isyieldable(L) || !runtime->loop.is_stepping;
}

static int pause_until(lua_State *L, struct slb_runtime *runtime, int64_t due,
                       uint32_t step, void (*abandon)(void *subject),
                       void *subject, lua_KFunction k)
{
    struct slb_ticket *ticket = push_ticket(L, runtime);

    ticket->abandon = abandon;
    ticket->subject = subject;
    ticket->step = step;
    sl_completion_begin(&ticket->own);
    ticket->timer.is_pause = true;
    sl_timer_arm(&runtime->loop.timers, &ticket->timer, due);
    return wait_for(L, ticket, &ticket->own, k);
}

int slb_wait_turn(lua_State *L, struct slb_runtime *runtime,
                  void (*abandon)(void *subject), void *subject,
                  lua_KFunction k)
{
    return pause_until(L, runtime, sl_loop_next_turn(&runtime->loop), 0,
                       abandon, subject, k);
}

int slb_wait_step(lua_State *L, struct slb_runtime *runtime,
                  void (*abandon)(void *subject), void *subject,
                  lua_KFunction k)
{
    struct sl_loop *loop = &runtime->loop;

    /* Those that begin to wait in one step end in the same order. */
    return pause_until(L, runtime, sl_loop_refresh(loop), loop->steps, abandon,
                       subject, k);
}

void slb_push_waiting(lua_State *L)
{
    static const char waiting;

    lua_pushlightuserdata(L, (void *)(uintptr_t)&waiting);
}

enum sl_status slb_waited(lua_State *L, lua_KContext context)
{
    int index = (int)context;
    struct slb_ticket *ticket = lua_touserdata(L, index);
    enum sl_status status;

    if (ticket->target == NULL || !sl_completion_is_over(ticket->target))
        raise_unfinished(L, ticket, index,
                         "the wait was ended by somebody else");
    status = ticket->target->status;
    ticket->abandon = NULL;
    slb_end_wait(ticket); /* whatever comes of closing the slot */
    ticket->runtime->ended = ticket;
    /* lua_settop alone would close it, too, but that of Lua 5.4.4 must not:
     * __close may move the stack. */
    lua_closeslot(L, index);
    lua_settop(L, index - 1);
    return status;
}

void slb_wait_open(lua_State *L)
{
    slb_push_waiting(L);
    lua_setfield(L, -2, "waiting");
}
