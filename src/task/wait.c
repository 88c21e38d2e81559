#include "task/host.h"
#include "task/report.h"
#include "task/scheduler.h"

static const char ticket_type[] = "sluice.ticket";

/* Slots that resuming a coroutine and keeping its results take. */
#define DELIVERY_SLOTS 16

/* They stay. Made by fewer, they fill the gaps between coroutines and what else
 * comes and goes, and keep one page each when that has gone. */
#define TICKETS_AT_ONCE 256

#define TICKET_FROM(member, pointer)                                     \
    ((struct slb_ticket *)((char *)(pointer)-offsetof(struct slb_ticket, \
                                                      member)))

static struct slb_runtime *runtime_of(struct sl_completion *completion)
{
    return (struct slb_runtime *)((char *)completion->loop -
                                  offsetof(struct slb_runtime, loop));
}

/* ---- tickets ---- */

static void leave_list(struct slb_ticket *ticket)
{
    if (ticket->list == NULL)
        return;
    if (ticket->previous != NULL)
        ticket->previous->next = ticket->next;
    else
        *ticket->list = ticket->next;
    if (ticket->next != NULL)
        ticket->next->previous = ticket->previous;
    ticket->list = NULL;
    ticket->next = ticket->previous = NULL;
}

static void enter_list(struct slb_ticket *ticket, struct slb_ticket **list)
{
    ticket->list = list;
    ticket->previous = NULL;
    ticket->next = *list;
    if (*list != NULL)
        (*list)->previous = ticket;
    *list = ticket;
}

static void signal_own(struct slb_ticket *ticket, enum sl_status status)
{
    leave_list(ticket);
    sl_timer_disarm(&ticket->runtime->loop.timers, &ticket->timer);
    if (ticket->own.state == SL_COMPLETION_PENDING)
        sl_completion_signal(&ticket->own, status, 0);
}

/* A step with a budget looks at the timers more than once where it lasts long,
 * or goes on with a round that the one before has begun. */
static void own_due(struct sl_timer *timer)
{
    struct slb_ticket *ticket = TICKET_FROM(timer, timer);
    struct sl_loop *loop = &ticket->runtime->loop;

    if (ticket->step != 0 && ticket->step == loop->steps)
        sl_timer_arm(&loop->timers, timer, sl_loop_next_look(loop));
    else
        signal_own(ticket, SL_TIMEOUT);
}

static void own_cancelled(struct sl_completion *completion)
{
    signal_own(TICKET_FROM(own, completion), SL_CANCELLED);
}

void slb_signal_all(struct slb_ticket **list, enum sl_status status)
{
    while (*list != NULL)
        signal_own(*list, status);
}

/* The loop goes on without the coroutine. */
static void count_down(const struct slb_ticket *ticket)
{
    ticket->runtime->waiting--;
    if (ticket->is_endless)
        ticket->runtime->endless--;
}

/* The host resumes the coroutine when it likes, or drops it: the ticket no
 * longer holds it. stack: ticket, coroutine -> nothing */
static void hand_over(lua_State *L, struct slb_ticket *ticket)
{
    count_down(ticket);
    ticket->is_handed = true;
    ticket->coroutine = NULL;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setiuservalue(L, -2, SLB_TICKET_COROUTINE);
    lua_pop(L, 1);
}

/* The coroutine of the completion's waiter goes on. */
static void deliver(struct sl_completion *completion)
{
    struct slb_runtime *runtime = runtime_of(completion);
    lua_State *L = runtime->stepping;
    struct slb_ticket *ticket;
    lua_State *coroutine;
    uint32_t waits;

    if (!slb_is_awaited(completion) || runtime->is_closing)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, (lua_Integer)completion->mark);
    ticket = lua_touserdata(L, -1);
    coroutine = ticket->coroutine;
    if (coroutine == NULL) {
        lua_pop(L, 1);
        return;
    }
    lua_pushthread(coroutine);
    lua_xmove(coroutine, L, 1); /* anchored here while it runs */
    waits = ticket->waits;
    if (ticket->has_host)
        slb_resume_by_host(L);
    else
        slb_resume(runtime, coroutine, ticket->task, 0);
    if (ticket->target == NULL || ticket->waits != waits)
        lua_pop(L, 2); /* it went on */
    else if (ticket->has_host)
        hand_over(L, ticket);
    else {
        /* It could not go on: calling __close takes memory. */
        slb_end_wait(ticket);
        lua_pop(L, 2);
    }
}

static void make_ticket(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_ticket *ticket =
        slb_new(L, ticket_type, sizeof *ticket, SLB_TICKET_VALUES);

    ticket->runtime = runtime;
    slb_runtime_retain(runtime);
    sl_completion_init(&ticket->own, &runtime->loop, deliver);
    ticket->own.cancel = own_cancelled;
    sl_timer_init(&ticket->timer, own_due);
    ticket->number = luaL_ref(L, LUA_REGISTRYINDEX);
    ticket->next = runtime->free_tickets;
    runtime->free_tickets = ticket;
    runtime->tickets++;
}

/* Finds an unused ticket, or makes one: many at once where there are many,
 * since tickets stay and shall lie side by side. */
static struct slb_ticket *find_ticket(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_ticket *ticket = runtime->free_tickets;
    size_t count = runtime->tickets / 2;

    while (ticket != NULL && ticket->runtime == NULL)
        ticket = ticket->next; /* finalised: the state closes */
    if (ticket != NULL)
        return runtime->free_tickets = ticket;
    if (count > TICKETS_AT_ONCE)
        count = TICKETS_AT_ONCE;
    do
        make_ticket(L, runtime);
    while (count-- > 1);
    return runtime->free_tickets;
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
    find_ticket(L, runtime);
}

/* A ticket on the stack of L, in a to-be-closed slot. */
static struct slb_ticket *push_ticket(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_ticket *ticket;

    reserve_frame(L, runtime);
    ticket = find_ticket(L, runtime);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
    lua_toclose(L, -1);
    /* Nothing raises from here to its use. */
    runtime->free_tickets = ticket->next;
    ticket->next = NULL;
    return ticket;
}

/* The slot it was in is closed already or will be by the same function. */
void slb_end_wait(struct slb_ticket *ticket)
{
    struct slb_runtime *runtime = ticket->runtime;
    struct sl_completion *target = ticket->target;

    if (target == NULL)
        return;
    ticket->target = NULL;
    ticket->coroutine = NULL;
    if (ticket->task != NULL) {
        ticket->task->ticket = NULL;
        ticket->task = NULL;
    }
    if (!ticket->is_handed)
        count_down(ticket);
    if (target == &ticket->own) {
        leave_list(ticket);
        sl_timer_disarm(&runtime->loop.timers, &ticket->timer);
        sl_completion_fini(&ticket->own);
        if (ticket->abandon != NULL)
            ticket->abandon(ticket->subject);
    } else if (target->version == ticket->version &&
               target->mark == (uint32_t)ticket->number) {
        target->mark = 0;
        if (ticket->abandon != NULL)
            ticket->abandon(ticket->subject);
    }
    ticket->next = runtime->free_tickets;
    runtime->free_tickets = ticket;
}

static int ticket_close(lua_State *L)
{
    struct slb_ticket *ticket = slb_check(L, 1, ticket_type);

    slb_end_wait(ticket);
    if (!ticket->has_values)
        return 0;
    ticket->has_values = false;
    for (int i = 1; i <= SLB_TICKET_VALUES; i++) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, i);
    }
    return 0;
}

/* Only a closing state finalises tickets, in any order among what they waited
 * for. */
static int ticket_gc(lua_State *L)
{
    struct slb_ticket *ticket = slb_check(L, 1, ticket_type);
    struct slb_runtime *runtime = ticket->runtime;

    if (runtime == NULL)
        return 0;
    slb_end_wait(ticket);
    ticket->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

/* ---- waiting ---- */

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

/* Drives the loop until what the ticket waits for is DONE. False: the error is
 * on top. */
static bool drive(lua_State *L, const struct slb_ticket *ticket)
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

/* A coroutine that ends with an error keeps its slots until the caller closes
 * it, which may be never: the wait ends before. */
static int raise_on_top(lua_State *L, int index)
{
    slb_end_wait(lua_touserdata(L, index));
    lua_closeslot(L, index);
    return lua_error(L);
}

static int raise_unfinished(lua_State *L, int index, const char *message)
{
    luaL_where(L, 1);
    lua_pushstring(L, message);
    lua_concat(L, 2);
    return raise_on_top(L, index);
}

bool slb_is_over(const struct slb_ticket *ticket)
{
    const struct sl_completion *target = ticket->target;

    return target == NULL || target->version != ticket->version ||
           target->state == SL_COMPLETION_DONE;
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
    lua_settop(L, ticket->context);
    return yield_here(L, ticket);
}

static int yield_here(lua_State *L, struct slb_ticket *ticket)
{
    if (slb_is_over(ticket))
        return ticket->k(L, LUA_YIELD, ticket->context);
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

/* The wait itself, for a ticket that is on top of the stack. */
static int wait_for(lua_State *L, struct slb_ticket *ticket,
                    struct sl_completion *target, lua_KFunction k)
{
    struct slb_runtime *runtime = ticket->runtime;
    int index = lua_gettop(L);

    ticket->target = target;
    ticket->is_endless = target == &ticket->own && !ticket->timer.is_armed;
    if (ticket->is_endless)
        runtime->endless++;
    ticket->has_host = false;
    ticket->is_handed = false;
    ticket->waits++;
    ticket->version = target->version;
    target->mark = (uint32_t)ticket->number;
    target->deliver = deliver;
    runtime->waiting++;
    if (!lua_isyieldable(L)) {
        if (runtime->loop.is_stepping)
            return raise_unfinished(L, index,
                                    "attempt to wait where a "
                                    "coroutine cannot yield");
        if (!drive(L, ticket)) {
            slb_end_wait(ticket);
            return lua_error(L);
        }
        return k(L, LUA_OK, index);
    }

    if (can_yield_here(L, runtime)) {
        bind_task(L, ticket, runtime->running_task);
        ticket->k = k;
        ticket->context = index;
        return yield_here(L, ticket);
    }
    bind_task(L, ticket, slb_task_of(L, runtime));
    if (ticket->task == NULL) {
        const char *refusal;

        lua_pushthread(L);
        lua_setiuservalue(L, index, SLB_TICKET_COROUTINE);
        ticket->has_values = true;
        if (slb_asks_hosts(L, runtime))
            return slb_wait_by_host(L, ticket, index, k);
        refusal = slb_scheduler_refusal(L, runtime);
        if (refusal != NULL) {
            slb_push_refusal(L, refusal);
            return raise_on_top(L, index);
        }
    }
    lua_pushcfunction(L, begin_stay);
    lua_pushlightuserdata(L, ticket);
    lua_callk(L, 1, 0, index, k);
    return k(L, LUA_OK, index);
}

int slb_wait_along(lua_State *L, struct slb_ticket *ticket, lua_KFunction k)
{
    int index = lua_gettop(L);

    if (!lua_isyieldable(L)) {
        ticket->coroutine = NULL;
        if (ticket->runtime->loop.is_stepping)
            return luaL_error(L, "attempt to wait where a coroutine cannot "
                                 "yield");
        if (!drive(L, ticket))
            return lua_error(L);
        return k(L, LUA_OK, index);
    }
    ticket->coroutine = L;
    if (ticket->task == NULL) {
        const char *refusal;

        lua_rawgeti(L, LUA_REGISTRYINDEX, ticket->number);
        lua_pushthread(L);
        lua_setiuservalue(L, -2, SLB_TICKET_COROUTINE);
        lua_pop(L, 1);
        ticket->has_values = true;
        if (slb_asks_hosts(L, ticket->runtime))
            return slb_wait_by_host(L, ticket, index, k);
        refusal = slb_scheduler_refusal(L, ticket->runtime);
        if (refusal != NULL) {
            slb_push_refusal(L, refusal);
            return lua_error(L);
        }
    }
    lua_pushcfunction(L, begin_stay);
    lua_pushlightuserdata(L, ticket);
    lua_callk(L, 1, 0, index, k);
    return k(L, LUA_OK, index);
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
        enter_list(ticket, list);
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
        raise_unfinished(L, index, "the wait was ended by somebody else");
    status = ticket->target->status;
    ticket->abandon = NULL;
    slb_end_wait(ticket); /* whatever comes of closing the slot */
    lua_closeslot(L, index);
    lua_settop(L, index - 1);
    return status;
}

void slb_cancel(struct slb_ticket *ticket)
{
    struct sl_completion *target = ticket->target;

    if (target != NULL && target->cancel != NULL &&
        target->version == ticket->version &&
        target->state == SL_COMPLETION_PENDING)
        target->cancel(target);
}

struct slb_task *slb_task_of(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_task *task;

    if (runtime->running == L)
        return runtime->running_task;
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->tasks);
    lua_pushthread(L);
    lua_rawget(L, -2);
    task = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return task;
}

void slb_close_thread(lua_State *coroutine, lua_State *from)
{
#if LUA_VERSION_RELEASE_NUM >= 50406
    lua_closethread(coroutine, from);
#else
    (void)from;
    lua_resetthread(coroutine);
#endif
    lua_settop(coroutine, 0);
}

int slb_resume_within(lua_State *L, struct slb_runtime *runtime,
                      lua_State *coroutine, int argument_count, int *count)
{
    lua_State *outer = runtime->running;
    struct slb_task *outer_task = runtime->running_task;
    struct slb_task *task = slb_task_of(L, runtime);
    int status;

    runtime->yielded = NULL;
    runtime->running = coroutine;
    runtime->running_task = task;
    status = lua_resume(coroutine, L, argument_count, count);
    runtime->running = outer;
    runtime->running_task = outer_task;
    return status;
}

void slb_resume(struct slb_runtime *runtime, lua_State *coroutine,
                struct slb_task *task, int argument_count)
{
    lua_State *L = runtime->stepping;
    lua_State *outer = runtime->running;
    struct slb_task *outer_task = runtime->running_task;
    int count;
    int status;

    runtime->running = coroutine;
    runtime->running_task = task;
    status = lua_resume(coroutine, L, argument_count, &count);
    runtime->running = outer;
    runtime->running_task = outer_task;

    /* Values yielded by hand have no receiver. A task that yields them lets
     * others run; a coroutine of the caller's own is the caller's again. With
     * results left on its stack, one that has ended would not look dead. */
    if (status == LUA_YIELD || (status == LUA_OK && task == NULL))
        lua_pop(coroutine, count);
    if (task != NULL) {
        /* Want of memory at the yield itself, and then at calling __close. */
        if (status != LUA_YIELD && task->ticket != NULL)
            slb_end_wait(task->ticket);
        if (status != LUA_YIELD || task->ticket == NULL)
            runtime->task_stopped(L, runtime, task, coroutine, status, count);
        return;
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        slb_report_thread(L, coroutine);
        slb_close_thread(coroutine, L);
    }
}

static const luaL_Reg ticket_meta[] = {
    {"__close", ticket_close}, {"__gc", ticket_gc}, {NULL, NULL}};

void slb_wait_open(lua_State *L)
{
    slb_type(L, ticket_type, NULL, ticket_meta);
    slb_push_waiting(L);
    lua_setfield(L, -2, "waiting");
}
