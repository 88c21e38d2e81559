#include "task/ticket.h"

#include "task/userdata.h"

static const char ticket_type[] = "sluice.ticket";

/* They stay. Made by fewer, they fill the gaps between coroutines and what else
 * comes and goes, and keep one page each when that has gone. */
#define TICKETS_AT_ONCE 256

#define TICKET_FROM(member, pointer)                                     \
    ((struct slb_ticket *)((char *)(pointer)-offsetof(struct slb_ticket, \
                                                      member)))

/* ---- the ticket's own completion ---- */

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

void slb_enter_waiters(struct slb_ticket *ticket, struct slb_ticket **list)
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

void slb_cancel(struct slb_ticket *ticket)
{
    struct sl_completion *target = ticket->target;

    if (target != NULL && target->cancel != NULL &&
        target->version == ticket->version &&
        target->state == SL_COMPLETION_PENDING)
        target->cancel(target);
}

/* ---- a life ---- */

static void make_ticket(lua_State *L, struct slb_runtime *runtime)
{
    struct slb_ticket *ticket =
        slb_new(L, ticket_type, sizeof *ticket, SLB_TICKET_VALUES);

    ticket->runtime = runtime;
    slb_runtime_retain(runtime);
    sl_completion_init(&ticket->own, &runtime->loop, NULL);
    ticket->own.cancel = own_cancelled;
    sl_timer_init(&ticket->timer, own_due);
    ticket->number = luaL_ref(L, LUA_REGISTRYINDEX);
    ticket->next = runtime->free_tickets;
    runtime->free_tickets = ticket;
    runtime->tickets++;
}

/* Many are made at once where there are many, since tickets stay and shall lie
 * side by side. */
struct slb_ticket *slb_find_ticket(lua_State *L, struct slb_runtime *runtime)
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

void slb_begin_wait(struct slb_ticket *ticket, struct sl_completion *target)
{
    struct slb_runtime *runtime = ticket->runtime;

    ticket->target = target;
    ticket->version = target->version;
    ticket->is_endless = target == &ticket->own && !ticket->timer.is_armed;
    ticket->has_host = false;
    ticket->is_handed = false;
    ticket->waits++;
    target->mark = (uint32_t)ticket->number;
    runtime->waiting++;
    if (ticket->is_endless)
        runtime->endless++;
}

/* The loop goes on without the coroutine. */
static void count_down(const struct slb_ticket *ticket)
{
    ticket->runtime->waiting--;
    if (ticket->is_endless)
        ticket->runtime->endless--;
}

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

void slb_hand_over(lua_State *L, struct slb_ticket *ticket)
{
    count_down(ticket);
    ticket->is_handed = true;
    ticket->coroutine = NULL;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setiuservalue(L, -2, SLB_TICKET_COROUTINE);
    lua_pop(L, 1);
}

static struct slb_ticket *check_ticket(lua_State *L)
{
    const struct slb_runtime *runtime = slb_upvalue_runtime(L, 1);
    struct slb_ticket *ticket = lua_touserdata(L, 1);

    return runtime != NULL && ticket != NULL && ticket == runtime->ended
               ? ticket
               : slb_check(L, 1, ticket_type);
}

static int ticket_close(lua_State *L)
{
    struct slb_ticket *ticket = check_ticket(L);

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

static const luaL_Reg ticket_meta[] = {{"__gc", ticket_gc}, {NULL, NULL}};

void slb_ticket_open(lua_State *L)
{
    slb_type(L, ticket_type, NULL, ticket_meta);
    luaL_getmetatable(L, ticket_type);
    slb_push_runtime(L);
    lua_pushcclosure(L, ticket_close, 1);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}
