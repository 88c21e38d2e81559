#include "binding/lookups.h"

#include "task/userdata.h"

static const char question_type[] = "sluice.question";

/* Key in the registry: a table of weak values, owners and the handles of
 * questions, by addresses. */
static const char objects_key = 0;

struct lookups {
    struct sl_lookup_source source; /* first */
    struct slb_runtime *runtime;
    const void *owner;         /* the key of the userdata with the function */
    struct sl_completion wake; /* there is something to do in Lua */
    struct question *first;    /* for which, in order */
    struct question *last;
    size_t refs; /* questions, and one until slb_lookups_end */
};

/* values: the task that finds the answer */
struct handle {
    struct slb_runtime *runtime;
    struct question *question; /* NULL: it is over */
};

/* Lives as long as its look-up or its handle. */
struct question {
    struct lookups *lookups;
    struct question *next;
    struct question *previous;
    struct sl_lookup *lookup; /* NULL: answered, or nobody waits any more */
    struct handle *handle;    /* NULL: not asked yet, or Lua is done with it */
    struct sl_lookup_asker asker; /* of the system, for another name */
    bool is_queued;               /* there is something to do in Lua */
    bool is_busy;                 /* that is being done */
};

/* ---- lives ---- */

static void release_lookups(struct lookups *lookups)
{
    if (--lookups->refs > 0)
        return;
    sl_completion_fini(&lookups->wake);
    sl_lookup_source_fini(&lookups->source);
    sl_free(&lookups->runtime->allocator, lookups, sizeof *lookups);
}

static void enqueue(struct question *question)
{
    struct lookups *lookups = question->lookups;

    if (question->is_queued)
        return;
    question->is_queued = true;
    question->next = NULL;
    question->previous = lookups->last;
    if (lookups->last != NULL)
        lookups->last->next = question;
    else
        lookups->first = question;
    lookups->last = question;
    if (lookups->wake.state == SL_COMPLETION_READY)
        return;
    sl_completion_begin(&lookups->wake);
    sl_completion_signal(&lookups->wake, SL_OK, 0);
}

static void dequeue(struct question *question)
{
    struct lookups *lookups = question->lookups;

    if (!question->is_queued)
        return;
    question->is_queued = false;
    if (question->previous != NULL)
        question->previous->next = question->next;
    else
        lookups->first = question->next;
    if (question->next != NULL)
        question->next->previous = question->previous;
    else
        lookups->last = question->previous;
}

static void release_unused(struct question *question)
{
    struct lookups *lookups = question->lookups;

    if (question->lookup != NULL || question->handle != NULL ||
        question->is_busy)
        return;
    dequeue(question);
    sl_lookup_leave(&question->asker);
    sl_free(&lookups->runtime->allocator, question, sizeof *question);
    release_lookups(lookups);
}

/* Lua is done with it. */
static void leave_handle(struct question *question)
{
    if (question->handle != NULL)
        question->handle->question = NULL;
    question->handle = NULL;
}

/* ---- answers: the question may be gone behind them ---- */

static void fail(struct question *question, const struct sl_failure *failure)
{
    struct sl_lookup *lookup = question->lookup;

    question->lookup = NULL;
    leave_handle(question);
    if (lookup != NULL)
        sl_lookup_fail(lookup, failure);
    release_unused(question);
}

static void fail_with(struct question *question, enum sl_status status,
                      const char *reason)
{
    struct sl_failure failure;

    sl_fail(&failure, status, SL_STAGE_RESOLVE, "%s", reason);
    fail(question, &failure);
}

static void answer(struct question *question,
                   const struct sl_address *addresses, size_t count)
{
    struct sl_lookup *lookup = question->lookup;

    question->lookup = NULL;
    leave_handle(question);
    if (lookup != NULL)
        sl_lookup_answer(lookup, addresses, count);
    release_unused(question);
}

/* ---- the system's answer for another name ---- */

static void other_answered(void *owner)
{
    struct question *question = owner;
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    if (sl_lookup_result(&question->asker, addresses, &count, &failure) ==
        SL_OK)
        answer(question, addresses, count);
    else
        fail(question, &failure);
}

static void ask_other(struct question *question, const char *name)
{
    struct slb_runtime *runtime = question->lookups->runtime;
    enum sl_status status =
        sl_lookup_ask(sl_resolver_source(runtime->resolver), name,
                      sl_lookup_port(question->lookup), other_answered,
                      question, &question->asker);

    if (status != SL_OK)
        fail_with(question, status, "out of memory");
    else
        leave_handle(question);
}

/* ---- handles, as the program's side sees a question ---- */

static struct question *check_question(lua_State *L)
{
    struct handle *handle = slb_check(L, 1, question_type);

    slb_check_usable(L, handle->runtime);
    return handle->question;
}

/* question:answer(addresses) - an array of addresses, or of one other name. It
 * does nothing once nobody waits for the answer any more. */
static int question_answer(lua_State *L)
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES] = {0};
    lua_Integer count = luaL_len(L, 2);
    struct question *question = check_question(L);

    if (question == NULL || question->lookup == NULL)
        return 0;
    if (count > SL_LOOKUP_ADDRESSES)
        count = SL_LOOKUP_ADDRESSES;
    for (lua_Integer i = 0; i < count; i++) {
        const char *text;

        lua_rawgeti(L, 2, i + 1);
        text = luaL_checkstring(L, -1);
        if (!sl_resolve_literal(text, sl_lookup_port(question->lookup),
                                &addresses[i])) {
            if (count == 1)
                ask_other(question, text);
            else
                fail_with(question, SL_RESOLVE,
                          "the resolver gave names among its addresses");
            return 0;
        }
        lua_pop(L, 1);
    }
    answer(question, addresses, (size_t)count);
    return 0;
}

/* question:fail(reason) */
static int question_fail(lua_State *L)
{
    const char *reason = luaL_checkstring(L, 2);
    struct question *question = check_question(L);

    if (question != NULL)
        fail_with(question, SL_RESOLVE, reason);
    return 0;
}

static int question_gc(lua_State *L)
{
    struct handle *handle = slb_check(L, 1, question_type);
    struct slb_runtime *runtime = handle->runtime;

    if (runtime == NULL)
        return 0;
    if (handle->question != NULL)
        fail_with(handle->question, SL_RESOLVE, "the resolver gave no answer");
    handle->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

/* ---- what is done in Lua; finalisers may end any question there ---- */

/* Runs under lua_pcall. stack: question */
static int ask(lua_State *L)
{
    struct question *question = lua_touserdata(L, 1);
    struct handle *handle;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    if (lua_rawgetp(L, 2, question->lookups->owner) != LUA_TUSERDATA)
        return luaL_error(L, "the client is closed");
    lua_getiuservalue(L, 3, 1); /* stack: question, objects, owner, function */
    handle = slb_new(L, question_type, sizeof *handle, 1);
    handle->runtime = question->lookups->runtime;
    slb_runtime_retain(handle->runtime);
    lua_pushvalue(L, 5);
    lua_rawsetp(L, 2, question);
    if (question->lookup == NULL)
        return 0;
    lua_pushvalue(L, 4);
    lua_pushvalue(L, 5);
    lua_pushinteger(L, sl_lookup_port(question->lookup));
    lua_pushstring(L, sl_lookup_host(question->lookup));
    lua_insert(L, -2);
    if (question->lookup == NULL)
        return 0;
    handle->question = question;
    question->handle = handle;
    lua_call(L, 3, 1);
    lua_setiuservalue(L, 5, 1);
    return 0;
}

/* Runs under lua_pcall. stack: question */
static int cancel_task(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_rawgetp(L, 2, lua_touserdata(L, 1));
    if (lua_getiuservalue(L, 3, 1) == LUA_TNIL)
        return 0;
    lua_getfield(L, 4, "cancel");
    lua_pushvalue(L, 4);
    lua_pushliteral(L, "nobody waits for the address any more");
    lua_call(L, 2, 0);
    return 0;
}

/* What a question wants: its look-up and handle say it. */
static void serve(lua_State *L, struct question *question)
{
    bool is_wanted = question->lookup != NULL;

    question->is_busy = true;
    lua_pushcfunction(L, is_wanted ? ask : cancel_task);
    lua_pushlightuserdata(L, question);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        if (is_wanted)
            fail_with(question, SL_RESOLVE,
                      lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                     : "out of memory");
        lua_pop(L, 1);
    }
    if (!is_wanted)
        leave_handle(question); /* the task's answer is nobody's */
    else if (question->lookup == NULL && question->handle != NULL)
        enqueue(question);
    question->is_busy = false;
    release_unused(question);
}

static void serve_all(struct sl_completion *completion)
{
    struct lookups *lookups =
        (struct lookups *)(void *)((char *)completion -
                                   offsetof(struct lookups, wake));
    struct slb_runtime *runtime = lookups->runtime;

    if (runtime->is_closing)
        return;
    lookups->refs++;
    while (lookups->first != NULL) {
        struct question *question = lookups->first;

        dequeue(question);
        serve(runtime->stepping, question);
    }
    release_lookups(lookups);
}

/* ---- the source ---- */

static void start(void *owner, struct sl_lookup *lookup)
{
    struct lookups *lookups = owner;
    struct question *question =
        sl_allocate_zeroed(&lookups->runtime->allocator, sizeof *question);
    struct sl_failure failure;

    if (question == NULL) {
        sl_fail(&failure, SL_MEMORY, SL_STAGE_RESOLVE, "out of memory");
        sl_lookup_fail(lookup, &failure);
        return;
    }
    question->lookups = lookups;
    lookups->refs++;
    question->lookup = lookup;
    sl_lookup_set_data(lookup, question);
    enqueue(question);
}

static void cancel(void *owner, struct sl_lookup *lookup)
{
    struct question *question = sl_lookup_data(lookup);

    (void)owner;
    question->lookup = NULL;
    if (question->handle != NULL && !question->is_busy)
        enqueue(question);
    release_unused(question);
}

enum sl_status slb_lookups_create(lua_State *L, struct slb_runtime *runtime,
                                  int owner, struct sl_lookup_source **source)
{
    struct lookups *lookups;

    owner = lua_absindex(L, owner);
    lua_setiuservalue(L, owner, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_pushvalue(L, owner);
    lua_rawsetp(L, -2, lua_touserdata(L, owner)); /* may raise */
    lua_pop(L, 1);
    lookups = sl_allocate_zeroed(&runtime->allocator, sizeof *lookups);
    if (lookups == NULL)
        return SL_MEMORY;
    sl_lookup_source_init(&lookups->source, &runtime->loop, start, cancel,
                          lookups);
    sl_completion_init(&lookups->wake, &runtime->loop, serve_all);
    lookups->runtime = runtime;
    lookups->owner = lua_touserdata(L, owner);
    lookups->refs = 1;
    *source = &lookups->source;
    return SL_OK;
}

void slb_lookups_end(struct sl_lookup_source *source)
{
    release_lookups((struct lookups *)(void *)source);
}

static const luaL_Reg methods[] = {
    {"answer", question_answer}, {"fail", question_fail}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", question_gc}, {NULL, NULL}};

void slb_lookups_open(lua_State *L)
{
    slb_type(L, question_type, methods, meta);
    slb_weak_table(L, "v", &objects_key);
}
