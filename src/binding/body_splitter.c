/* A body as events or JSON texts. A body that is still arriving is read from
 * the head of its buffer, and waits for missing bytes; a whole one is read by a
 * cursor over its sequence. */
#include "binding/response.h"
#include "binding/splitter.h"
#include "binding/types.h"
#include "memory/reader.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <stddef.h>
#include <string.h>

/* The names of what a program holds. The second type is the first in all but
 * its name. */
static const char body_splitter_type[] = "sluice.events";
static const char records_type[] = "sluice.json_lines";

/* Inlined always: what each value passes through. */
#define INLINE __attribute__((always_inline)) static inline

/* The most values given before others get their turn. */
#define TURN_VALUES 1024

/* values: the response; the last event ID; the sequence of a whole body, which
 * is the splitter's, and is a value of such a one alone */
enum { VALUE_RESPONSE = 1, VALUE_ID, VALUE_SEQUENCE };

/* The splitter that a loop has called last, so that its next call need not ask
 * for its type. An upvalue of what loops call, and of the finaliser: it
 * outlives all of these. */
struct known {
    struct slb_body_splitter *splitter; /* NULL once it is collected */
};

/* of what loops call, behind those of events */
enum { UPVALUE_KNOWN = SLB_EVENT_UPVALUES + 1 };

/* Thousands of them may wait at a time for an event: it holds no more than that
 * takes. */
struct slb_body_splitter {
    struct slb_response *response; /* whose runtime it retains */
    struct slb_splitter splitter;  /* the last: see SLB_EVENT_SPLITTER_SIZE */
};

/* One over a whole body, or with limits of its own. */
struct ample {
    struct slb_body_splitter base;
    struct sl_reader reader; /* over the sequence */
    struct sl_sse_limits limits;
};

static struct ample *ample_of(struct slb_body_splitter *self)
{
    return (struct ample *)(void *)self;
}

static const char *type_of(const struct slb_body_splitter *self)
{
    return self->splitter.has_records ? records_type : body_splitter_type;
}

/* Raises when it was closed, or its body cannot be read any more. */
static inline void check_state(lua_State *L, struct slb_body_splitter *self)
{
    if (!self->splitter.is_live)
        luaL_error(L, "use of closed loop over a body");
    if (!self->splitter.is_whole) {
        slb_check_unread(L, self->response);
        return;
    }
    lua_getiuservalue(L, 1, VALUE_SEQUENCE);
    slb_check_sequence(L, -1);
    lua_pop(L, 1);
}

/* The splitter of the method of that name. */
static struct slb_body_splitter *check_method(lua_State *L, const char *name)
{
    if (slb_test(L, 1, body_splitter_type) == NULL)
        luaL_error(L,
                   "%s: called without a loop: write events:%s(), with a colon",
                   name, name);
    return lua_touserdata(L, 1);
}

/* The splitter that a loop calls. */
static inline struct slb_body_splitter *check_known(lua_State *L)
{
    struct known *known = lua_touserdata(L, lua_upvalueindex(UPVALUE_KNOWN));
    struct slb_body_splitter *self = lua_touserdata(L, 1);

    if (self == NULL || self != known->splitter) {
        self = slb_check(L, 1, body_splitter_type);
        known->splitter = self;
    }
    return self;
}

static struct slb_body_splitter *check_open(lua_State *L)
{
    struct slb_body_splitter *self = slb_check(L, 1, body_splitter_type);

    check_state(L, self);
    return self;
}

/* The bytes that were taken out of the body, by any reader. */
static uint64_t taken_of(struct slb_body_splitter *self)
{
    return self->splitter.is_whole
               ? 0
               : self->response->exchange->incoming.response.delivered -
                     slb_body_of(self->response)->length;
}

static void check(lua_State *L, uint64_t taken)
{
    struct slb_body_splitter *self = check_open(L);

    if (taken_of(self) == taken)
        return;
    self->splitter.is_ready = false;
    luaL_error(L, "the stream was read meanwhile");
}

/* Whether it is as it was when it was checked, for all that finalisers do. */
static bool is_open(const struct slb_body_splitter *self)
{
    return self->splitter.is_live && !self->splitter.is_whole &&
           self->response->exchange != NULL && !self->response->is_detached;
}

/* ---- its bytes ---- */

static inline struct sl_view peek(struct slb_body_splitter *self)
{
    if (self->splitter.is_whole)
        return sl_reader_peek(&ample_of(self)->reader);
    return sl_buffer_peek(&self->response->exchange->incoming.response.body);
}

/* Takes away bytes without a value. */
static void drop(struct slb_body_splitter *self, size_t size)
{
    if (self->splitter.is_whole) {
        sl_reader_skip(&ample_of(self)->reader, size);
        return;
    }
    sl_buffer_consume(slb_body_of(self->response), size);
    slb_count_given(self->response, size, SIZE_MAX);
}

/* Goes on where the bytes that come first were not enough. At last there are
 * none: it holds no block while it waits. */
static enum sl_status split_on(struct slb_body_splitter *self)
{
    enum sl_status status;
    struct sl_view view = peek(self);

    do {
        drop(self, view.size);
        view = peek(self);
        status = slb_split(&self->splitter, view);
    } while (status == SL_AGAIN && view.size > 0);
    return status;
}

/* Splits what is there. SL_OK: a value is ready; SL_AGAIN: more bytes are
 * needed. */
static inline enum sl_status split(struct slb_body_splitter *self)
{
    enum sl_status status;
    struct sl_view view;

    if (!self->splitter.is_whole && slb_is_being_read(self->response))
        return SL_MISUSE;
    if (slb_is_split_stale(&self->splitter, taken_of(self)))
        self->splitter.is_ready = false;
    view = peek(self);
    status = slb_split(&self->splitter, view);
    return status == SL_AGAIN && view.size > 0 ? split_on(self) : status;
}

/* Wants more bytes. SL_OK: they are there; SL_END: the body has ended. */
static enum sl_status want(const struct slb_body_splitter *self)
{
    if (self->splitter.is_whole)
        return SL_END;
    return sl_exchange_want(self->response->exchange, SL_WANT_BODY, 1);
}

/* ---- values ---- */

INLINE int give(lua_State *L, struct slb_body_splitter *self)
{
    struct slb_response *response = self->response;
    uint64_t taken = taken_of(self);
    size_t consumed;
    int count = slb_push_split(L, &self->splitter, check, taken, &consumed);

    if (is_open(self)) {
        struct sl_buffer *body = slb_body_of(response);

        if (taken_of(self) == taken)
            sl_buffer_consume(body, consumed);
        slb_count_given(response, consumed, TURN_VALUES);
        if (body->length == 0)
            slb_split_rest(&self->splitter);
    } else if (self->splitter.is_live && self->splitter.is_whole) {
        sl_reader_skip(&ample_of(self)->reader, consumed);
    }
    return count;
}

static int push_end(lua_State *L, struct slb_body_splitter *self)
{
    self->splitter.is_at_end = true;
    if (self->splitter.is_owner)
        slb_dispose_response(self->response);
    lua_pushnil(L);
    return 1;
}

/* nil, message, err of the stream itself, named after its request; `is_loop`
 * raises err instead. */
static int push_fault(lua_State *L, struct slb_body_splitter *self,
                      bool is_loop)
{
    lua_getiuservalue(L, 1, VALUE_RESPONSE);
    slb_push_split_failure(L, &self->splitter,
                           slb_push_request_name(L, lua_gettop(L)));
    return is_loop ? lua_error(L) : 3;
}

/* stack: splitter, what a value fills */
static int read_on(lua_State *L, bool is_loop, lua_KFunction k)
{
    for (;;) {
        struct slb_body_splitter *self = check_open(L);
        struct slb_response *response = self->response;
        enum sl_status status;

        if (slb_takes_turns(response, self->splitter.is_whole) &&
            slb_is_turn_over(L, response))
            return slb_wait_turn(L, response->runtime, slb_abandon_response,
                                 response, k);
        status = split(self);
        if (status == SL_OK)
            return give(L, self);
        if (status != SL_AGAIN && status != SL_MISUSE)
            return push_fault(L, self, is_loop);
        if (status == SL_AGAIN)
            status = want(self);
        if (status == SL_AGAIN)
            return slb_wait(L, response->runtime,
                            &response->exchange->completion,
                            slb_abandon_response, response, k);
        if (status == SL_END) {
            status = slb_split_end(&self->splitter);
            if (status == SL_OK)
                return give(L, self);
            return status == SL_END ? push_end(L, self)
                                    : push_fault(L, self, is_loop);
        }
        if (status != SL_OK)
            return slb_fail_reader(L, response, status, is_loop);
    }
}

static int go_on(lua_State *L, lua_KContext context, bool is_loop,
                 lua_KFunction k)
{
    struct slb_body_splitter *self = lua_touserdata(L, 1);

    if (!slb_may_read_on(L, context, self->response))
        return slb_fail_reader(L, check_open(L)->response, SL_CANCELLED,
                               is_loop);
    return read_on(L, is_loop, k);
}

static int next_more(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return go_on(L, context, false, next_more);
}

static int loop_more(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return go_on(L, context, true, loop_more);
}

/* Reads on where no value was there at once. What a wait needs is reserved
 * before the body is looked at again: see slb_reserve_wait. */
static int read_later(lua_State *L, struct slb_body_splitter *self,
                      bool is_loop, lua_KFunction k)
{
    lua_insert(L, 2);
    lua_settop(L, 2); /* stack: splitter, what a value fills */
    if (slb_takes_turns(self->response, self->splitter.is_whole))
        slb_reserve_wait(L, self->response->runtime);
    return read_on(L, is_loop, k);
}

/* Gives a value that is there at once, as nearly all are. */
INLINE int begin_read(lua_State *L, struct slb_body_splitter *self,
                      bool is_loop, lua_KFunction k)
{
    if (self->splitter.is_at_end) {
        check_state(L, self);
        lua_pushnil(L);
        return 1;
    }
    slb_prepare_split(L, &self->splitter); /* may run finalisers */
    if (!is_open(self) || !slb_is_usable(self->response->runtime))
        check_open(L);
    if (slb_is_within_turn(self->response) && split(self) == SL_OK)
        return give(L, self);
    return read_later(L, self, is_loop, k);
}

/* splitter:next() -> event, or text, number, of what, is_cut | nil (the end)
 *                  | nil, message, err; yields while the body arrives */
static int splitter_next(lua_State *L)
{
    return begin_read(L, check_method(L, "next"), false, next_more);
}

/* splitter() -> the same, for a loop; a failure is raised */
static int splitter_call(lua_State *L)
{
    return begin_read(L, check_known(L), true, loop_more);
}

/* ---- life ---- */

/* splitter:close() - leaves a loop: the response, unless its end was reached,
 * is disposed. Idempotent. */
static int splitter_close(lua_State *L)
{
    struct slb_body_splitter *self = check_method(L, "close");
    struct slb_runtime *runtime = self->response->runtime;

    if (!self->splitter.is_live)
        return 0;
    lua_settop(L, 1);
    slb_push_split_property(L, &self->splitter, "last_id"); /* it stays known */
    if (!self->splitter.is_live)
        return 0; /* by a finaliser */
    slb_splitter_fini(&self->splitter);
    if (!self->splitter.is_at_end)
        slb_dispose_response(self->response);
    if (self->splitter.is_whole) {
        lua_getiuservalue(L, 1, VALUE_SEQUENCE);
        slb_dispose_sequence(L, -1);
    }
    slb_runtime_release(runtime);
    return 0;
}

static int splitter_gc(lua_State *L)
{
    struct slb_body_splitter *self = slb_check(L, 1, body_splitter_type);
    struct known *known = lua_touserdata(L, lua_upvalueindex(1));

    if (known->splitter == self)
        known->splitter = NULL;
    if (!self->splitter.is_live)
        return 0;
    slb_splitter_fini(&self->splitter);
    slb_runtime_release(self->response->runtime);
    return 0;
}

static int splitter_describe(lua_State *L)
{
    const struct slb_body_splitter *self = slb_check(L, 1, body_splitter_type);

    lua_pushfstring(L, "%s%s", type_of(self),
                    !self->splitter.is_live ? " (closed)" : "");
    return 1;
}

/* pairs(splitter): raises. Its line is that of the program, also where a
 * function of Lua's library, as that of ipairs, is between. */
static int splitter_pairs(lua_State *L)
{
    const struct slb_body_splitter *self = slb_check(L, 1, body_splitter_type);

    luaL_where(L, 1);
    if (lua_rawlen(L, -1) == 0)
        luaL_where(L, 2);
    lua_pushfstring(L,
                    "%s%s is a loop, without keys or elements: write `for %s "
                    "do`",
                    lua_tostring(L, -1), type_of(self),
                    self->splitter.has_records
                        ? "value in response:json_lines()"
                        : "event in events");
    return lua_error(L);
}

/* splitter[name]: a method (upvalue 1 has them), else a property, else nil. A
 * number raises: ipairs would find an empty list. */
static int splitter_index(lua_State *L)
{
    struct slb_body_splitter *self = slb_check(L, 1, body_splitter_type);

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TNUMBER)
        return splitter_pairs(L);
    if (lua_type(L, 2) == LUA_TSTRING)
        slb_push_split_property(L, &self->splitter, lua_tostring(L, 2));
    else
        lua_pushnil(L);
    return 1;
}

/* The size of a splitter of events, or of records, that waits. */
static size_t lean_size(bool has_records)
{
    return has_records ? sizeof(struct slb_body_splitter)
                       : offsetof(struct slb_body_splitter, splitter) +
                             SLB_EVENT_SPLITTER_SIZE;
}

/* stack: response, its whole body as a sequence or nil, ... */
static struct slb_body_splitter *push_splitter(lua_State *L, bool has_records,
                                               bool has_limits)
{
    struct slb_response *response = slb_check_response(L, 1);
    bool is_whole = !lua_isnoneornil(L, 2);
    struct slb_body_splitter *self;

    if (is_whole)
        slb_check_sequence(L, 2);
    self = slb_new(L, has_records ? records_type : body_splitter_type,
                   is_whole || has_limits ? sizeof(struct ample)
                                          : lean_size(has_records),
                   is_whole ? VALUE_SEQUENCE : VALUE_ID);
    self->response = response;
    self->splitter.is_whole = is_whole;
    self->splitter.id_value = VALUE_ID;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, VALUE_RESPONSE);
    if (is_whole) {
        sl_reader_init(&ample_of(self)->reader, slb_check_sequence(L, 2));
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, VALUE_SEQUENCE);
    }
    slb_check_response(L, 1);
    return self;
}

/* It has begun: from now on it holds the runtime, until it is over. */
static void hold_runtime(struct slb_body_splitter *self)
{
    slb_runtime_retain(self->response->runtime);
}

/* body_events(response, sequence, max_line_size, max_event_size, last_id,
 *             is_owner) -> splitter, which owns the sequence
 * Without a sequence it reads the arriving body, for whose bytes it waits
 * however long they take, unless the request has an idle time of its own.
 * `is_owner`: the response is disposed at its end, too, and no other code asks
 * for its head. */
static int new_events(lua_State *L)
{
    struct sl_sse_limits limits = {
        (size_t)luaL_optinteger(L, 3, (lua_Integer)SL_SSE_LINE_LIMIT),
        (size_t)luaL_optinteger(L, 4, (lua_Integer)SL_SSE_EVENT_LIMIT)};
    bool has_limits = !lua_isnoneornil(L, 3) || !lua_isnoneornil(L, 4);
    struct slb_body_splitter *self;

    lua_settop(L, 6);
    self = push_splitter(L, false, has_limits);
    if (has_limits)
        ample_of(self)->limits = limits;
    slb_splitter_init_events(&self->splitter, &self->response->runtime->pool,
                             has_limits ? &ample_of(self)->limits : NULL);
    self->splitter.is_owner = lua_toboolean(L, 6);
    hold_runtime(self);
    if (!lua_isnoneornil(L, 5)) {
        struct sl_view id;

        id.data = lua_tolstring(L, 5, &id.size);
        if (sl_sse_set_id(&self->splitter.sse, id) != SL_OK)
            return luaL_error(L, "out of memory");
    }
    if (!self->splitter.is_whole) {
        if (self->splitter.is_owner)
            sl_exchange_forget_head(self->response->exchange);
        sl_exchange_expect_events(self->response->exchange);
    }
    return 1;
}

/* body_records(response, sequence, max_line_size) -> splitter, as above, over
 * JSON texts */
static int new_records(lua_State *L)
{
    size_t limit = (size_t)luaL_optinteger(L, 3, (lua_Integer)SL_RECORD_LIMIT);
    struct slb_body_splitter *self = push_splitter(L, true, false);

    slb_splitter_init_records(&self->splitter, &self->response->runtime->pool,
                              limit);
    hold_runtime(self);
    return 1;
}

static const luaL_Reg methods[] = {
    {"next", splitter_next}, {"close", splitter_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", splitter_close},
                                {"__tostring", splitter_describe},
                                {"__pairs", splitter_pairs},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"body_events", new_events}, {"body_records", new_records}, {NULL, NULL}};

/* The type on top of the stack under the name of the second. */
static void open_records(lua_State *L)
{
    luaL_newmetatable(L, records_type);
    lua_pushnil(L);
    while (lua_next(L, -3) != 0) { /* stack: type, copy, key, value */
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_settable(L, -4);
    }
    lua_pushstring(L, records_type);
    lua_setfield(L, -2, "__name");
    lua_pop(L, 1);
}

void slb_body_splitter_open(lua_State *L)
{
    slb_type(L, body_splitter_type, NULL, meta);
    slb_set_index(L, body_splitter_type, methods, splitter_index);
    memset(lua_newuserdatauv(L, sizeof(struct known), 0), 0,
           sizeof(struct known));
    luaL_getmetatable(L, body_splitter_type); /* stack: known, metatable */
    slb_push_event_upvalues(L);
    lua_pushvalue(L, -2 - SLB_EVENT_UPVALUES);
    lua_pushcclosure(L, splitter_call, UPVALUE_KNOWN);
    lua_setfield(L, -2, "__call");
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, splitter_gc, 1);
    lua_setfield(L, -2, "__gc");
    open_records(L);
    lua_pop(L, 2);
    slb_push_event_type(L);
    lua_setfield(L, -2, "event_type"); /* the Lua layer adds its methods */
    luaL_setfuncs(L, functions, 0);
}
