#include "binding/response.h"

#include "binding/text.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "task/outcome.h"
#include "task/userdata.h"
#include "task/wait.h"

/* The bytes read at once when no size is given. */
#define CHUNK ((size_t)64 * 1024)

/* The most pieces read before others get their turn. */
#define TURN_PIECES 64

/* Under a budget: the most items between two readings of the clock, and the
 * time between them for which their number grows. */
#define PACE_MOST   31
#define QUICK_ITEMS (SL_MILLISECOND / 50)

/* Nanoseconds that it takes to copy 16 KiB of a body, with the page faults of
 * the copy; to show and release them. */
#define COST_OF_COPY 10000
#define COST_OF_LINK 30

static struct slb_response *check_body(lua_State *L)
{
    struct slb_response *response = slb_check(L, 1, slb_response_type);

    slb_check_unread(L, response);
    return response;
}

/* The response, with a wait reserved for a method that may have to wait. */
static struct slb_response *check_waiting(lua_State *L)
{
    slb_reserve_wait(L, check_body(L)->runtime);
    return check_body(L);
}

/* ---- pieces and turns ---- */

/* The first `size` body bytes as a string; the body shrinks afterwards, so that
 * an error while the string is made loses nothing. */
static void push_bytes(lua_State *L, struct slb_response *response, size_t size)
{
    char *room = slb_text_room(L, size);
    struct sl_view view;

    if (size == 0) {
        lua_pushliteral(L, "");
        return;
    }
    if (room != NULL) {
        sl_buffer_copy_out(slb_body_of(response), 0, room, size);
        slb_push_room(L, room, size);
    } else {
        if (sl_buffer_gather(slb_body_of(response), size, &view) != SL_OK)
            luaL_error(L, "out of memory");
        lua_pushlstring(L, view.data, size);
    }
    /* A finaliser may have disposed it, or read on. */
    if (response->exchange != NULL && slb_body_of(response)->length >= size)
        sl_buffer_consume(slb_body_of(response), size);
}

static int push_stream_end(lua_State *L, struct slb_response *response,
                           enum sl_status status)
{
    if (status == SL_END) {
        lua_pushnil(L);
        return 1;
    }
    if (status == SL_MISUSE)
        return luaL_error(L, "body is being read by another coroutine");
    return slb_push_exchange_failure(L, 1, response->exchange);
}

bool slb_is_item_in_turn(struct slb_response *response)
{
    int64_t now = sl_clock_now();

    if (now - response->clocked_at > QUICK_ITEMS)
        response->pace = 0;
    else if (response->pace < PACE_MOST)
        response->pace = (uint8_t)(2 * response->pace + 1);
    response->unclocked = response->pace;
    response->clocked_at = now;
    return now < response->runtime->loop.turn_until;
}

bool slb_is_turn_over(lua_State *L, struct slb_response *response)
{
    bool has_turn = response->has_turn;

    response->has_turn = false;
    if (has_turn || slb_is_within_turn(response))
        return false;
    response->given = 0;
    return slb_can_take_turn(L, response->runtime);
}

static void count_piece(struct slb_response *response, size_t size)
{
    slb_count_given(response, size, TURN_PIECES);
}

bool slb_may_read_on(lua_State *L, lua_KContext context,
                     struct slb_response *response)
{
    enum sl_status status = slb_waited(L, context);

    response->given = 0;
    response->has_turn = true;
    if (response->exchange == NULL)
        return true;
    if (status == SL_TIMEOUT) /* the turn has come */
        sl_exchange_check_deadline(response->exchange);
    if (status != SL_CANCELLED)
        return true;
    sl_exchange_abort(response->exchange, SL_CANCELLED, "cancelled");
    if (slb_is_complete(response)) /* a turn, while its whole body is read */
        sl_exchange_note_cancelled(response->exchange);
    return false;
}

/* A way to take the body: how much to wait for, and how to hand it out. */
struct taking {
    enum sl_interest interest;
    bool takes_turns; /* may be called again and again: others run between */
    int cost; /* of handing out all of it: nanoseconds for 16 KiB, about */
    /* The wanted bytes are there. stack: response, wanted, taking */
    int (*give)(lua_State *L, struct slb_response *response);
};

static int go_on(lua_State *L, int status, lua_KContext context);

/* Whether to hand out the body in the next step, as the time that is left in
 * this one is short for it. Only once: that step may have other work, too. */
static bool put_off(lua_State *L, struct slb_response *response, int cost)
{
    size_t units = slb_body_of(response)->length / SL_SEGMENT_SIZE;

    response->is_put_off =
        units > 0 && !response->is_put_off &&
        !sl_loop_has_time(&response->runtime->loop, (int64_t)units * cost) &&
        slb_can_take_turn(L, response->runtime);
    return response->is_put_off;
}

/* Waits for the body of the response at index 1 as `taking` says, then gives
 * it, or its end, or its failure. stack: response, wanted, taking */
static int await_body(lua_State *L, struct slb_response *response)
{
    const struct taking *taking = lua_touserdata(L, 3);
    size_t wanted = (size_t)lua_tointeger(L, 2);
    enum sl_status status;

    if (taking->takes_turns && slb_is_turn_over(L, response))
        return slb_wait_turn(L, response->runtime, slb_abandon_response,
                             response, go_on);
    status = sl_exchange_want(response->exchange, taking->interest, wanted);
    if (status == SL_AGAIN)
        return slb_wait(L, response->runtime, &response->exchange->completion,
                        slb_abandon_response, response, go_on);
    if (status != SL_OK)
        return push_stream_end(L, response, status);
    if (taking->cost > 0 && put_off(L, response, taking->cost))
        return slb_wait_step(L, response->runtime, slb_abandon_response,
                             response, go_on);
    return taking->give(L, response);
}

static int go_on(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    if (!slb_may_read_on(L, context, lua_touserdata(L, 1)))
        return slb_push_exchange_failure(L, 1, check_body(L)->exchange);
    return await_body(L, check_body(L));
}

/* The response is at index 1. */
static int take_body(lua_State *L, struct slb_response *response,
                     const struct taking *taking, lua_Integer wanted)
{
    lua_settop(L, 1);
    lua_pushinteger(L, wanted);
    lua_pushlightuserdata(L, (void *)(uintptr_t)taking);
    return await_body(L, response);
}

static int give_bytes(lua_State *L, struct slb_response *response)
{
    size_t wanted = (size_t)lua_tointeger(L, 2);
    struct sl_buffer *body = slb_body_of(response);

    if (wanted > body->length)
        wanted = body->length;
    count_piece(response, wanted);
    push_bytes(L, response, wanted);
    return 1;
}

/* response:read(n = 65536) -> string of n bytes, fewer before the end
 *                           | nil (end) | nil, message, err
 * Yields. After text() or detach() there is nothing left to read. */
static int response_read(lua_State *L)
{
    static const struct taking reading = {SL_WANT_BODY, true, 0, give_bytes};
    lua_Integer wanted = luaL_optinteger(L, 2, (lua_Integer)CHUNK);
    struct slb_response *response = check_waiting(L);

    luaL_argcheck(L, wanted > 0, 2, "positive count expected");
    return take_body(L, response, &reading, wanted);
}

/* response:is_ready(n = 65536) -> whether read(n) would return at once: with
 * that many bytes, or what is left before the end, or a failure. Until then
 * they are received while the loop is stepped. Never yields. */
static int response_is_ready(lua_State *L)
{
    struct slb_response *response = check_body(L);
    lua_Integer wanted = luaL_optinteger(L, 2, (lua_Integer)CHUNK);

    luaL_argcheck(L, wanted > 0, 2, "positive count expected");
    lua_pushboolean(L,
                    sl_exchange_is_ready(response->exchange, (size_t)wanted));
    return 1;
}

static int give_chunk(lua_State *L, struct slb_response *response)
{
    size_t most = response->is_stream ? CHUNK : SIZE_MAX;
    struct sl_sequence *sequence = slb_new_sequence(L);
    struct sl_buffer *body = slb_body_of(check_body(L));

    sl_buffer_compact(body); /* it may be kept for long */
    if (sl_sequence_take_front(sequence, body, most) != SL_OK)
        return luaL_error(L, "out of memory");
    count_piece(response, sequence->size);
    slb_hold_sequence(sequence);
    return 1;
}

/* response:next_chunk() -> sequence | nil (end) | nil, message, err; yields */
static int response_next_chunk(lua_State *L)
{
    static const struct taking next = {SL_WANT_BODY, true, 0, give_chunk};

    struct slb_response *response = check_body(L);

    /* Before more arrives and while the last piece is young: a step makes older
     * whatever it meets. */
    if (slb_body_of(response)->length == 0)
        slb_collect(L, response->runtime);
    return take_body(L, check_waiting(L), &next, 1);
}

static int give_text(lua_State *L, struct slb_response *response)
{
    if (response->has_text) {
        lua_getiuservalue(L, 1, SLB_RESPONSE_TEXT);
        return 1;
    }
    push_bytes(L, response, slb_body_of(response)->length);
    slb_forget_body(response);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, SLB_RESPONSE_TEXT);
    response->has_text = true;
    return 1;
}

int slb_push_text(lua_State *L, struct slb_response *response)
{
    if (slb_is_being_read(response))
        return push_stream_end(L, response, SL_MISUSE);
    return give_text(L, response);
}

/* response:text() -> string | nil, message, err
 * Flattens once and keeps it; the segments go back. Yields when streamed, and
 * where a budget is too short for it. */
static int response_text(lua_State *L)
{
    static const struct taking text = {SL_WANT_WHOLE, false, COST_OF_COPY,
                                       give_text};

    return take_body(L, check_waiting(L), &text, 0);
}

/* The text, once made, is the body. */
static enum sl_status show_body(lua_State *L, struct slb_response *response,
                                struct sl_sequence *sequence)
{
    struct sl_buffer *body = slb_body_of(response);
    enum sl_status status = SL_OK;

    if (response->has_text && body->length == 0) {
        struct sl_view text;

        lua_getiuservalue(L, 1, SLB_RESPONSE_TEXT);
        text.data = lua_tolstring(L, -1, &text.size);
        status = sl_buffer_append(body, text);
        lua_pop(L, 1);
    }
    return status == SL_OK ? sl_sequence_show(sequence, body) : status;
}

static int give_sequence(lua_State *L, struct slb_response *response)
{
    struct sl_sequence *sequence = slb_new_sequence(L);
    enum sl_status status;

    sl_exchange_compact(check_body(L)->exchange); /* it may be kept for long */
    status = show_body(L, check_body(L), sequence);

    if (status != SL_OK)
        return slb_push_outcome(L, status, "body");
    slb_hold_sequence(sequence);
    slb_collect(L, response->runtime);
    return 1;
}

/* response:sequence() -> sequence | nil, message, err
 * The whole body without a copy; good after the response is gone. Yields when
 * streamed. */
static int response_sequence(lua_State *L)
{
    static const struct taking whole = {SL_WANT_WHOLE, false, COST_OF_LINK,
                                        give_sequence};

    return take_body(L, check_waiting(L), &whole, 0);
}

static int give_lease(lua_State *L, struct slb_response *response)
{
    struct sl_lease *lease = slb_new_lease(L);
    enum sl_status status;

    sl_exchange_compact(check_body(L)->exchange);
    status = sl_lease_take(lease, slb_body_of(check_body(L)));

    if (status != SL_OK)
        return slb_push_outcome(L, status, "detach body");
    response->is_detached = true;
    slb_forget_body(response);
    return 1;
}

/* response:detach() -> lease over the body | nil, message, err
 * The response keeps its head. Raises after text(), whose string is the body
 * then, and when part of the body was read. Yields when streamed. */
static int response_detach(lua_State *L)
{
    static const struct taking detaching = {SL_WANT_WHOLE, false, COST_OF_LINK,
                                            give_lease};
    struct slb_response *response = check_waiting(L);

    if (response->has_text || response->exchange->incoming.response.delivered !=
                                  slb_body_of(response)->length)
        return luaL_error(L, "detach: part of the body was taken already");
    return take_body(L, response, &detaching, 0);
}

const luaL_Reg slb_response_body_methods[] = {
    {"read", response_read},
    {"next_chunk", response_next_chunk},
    {"text", response_text},
    {"sequence", response_sequence},
    {"detach", response_detach},
    {"is_ready", response_is_ready},
    {NULL, NULL}};
