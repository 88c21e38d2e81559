/* A body read as Lua's files are. A body that is still arriving is read from
 * the head of its buffer, forward only, and waits for missing bytes; a whole
 * one is read by a cursor over its sequence. */
#include "binding/formats.h"
#include "binding/response.h"
#include "binding/types.h"
#include "task/outcome.h"
#include "task/userdata.h"
#include "task/wait.h"

static const char body_reader_type[] = "sluice.body_reader";

/* The most items read before others get their turn: lines are short, and so is
 * the work for each. */
#define TURN_ITEMS 1024

/* values: the response; the sequence of a whole body, which is the reader's */
struct slb_body_reader {
    struct slb_response *response;
    struct sl_reader reader; /* over that sequence */
    uint64_t position;       /* bytes taken of a body that is arriving */
    bool is_whole;
    bool is_closed;
    bool is_loop;   /* of response:lines(): leaving it ends the response */
    bool is_at_end; /* the loop has come to its end */
};

/* The stack of a read: reader, count of formats, bytes that are known not to
 * complete the next item, the formats, the values read so far. */
enum { STACK_COUNT = 2, STACK_KNOWN = 3, STACK_FORMATS = 4 };

/* Raises when it was closed, or its body cannot be read any more. */
static struct slb_body_reader *check_reader(lua_State *L)
{
    struct slb_body_reader *reader = slb_check(L, 1, body_reader_type);

    if (reader->is_closed)
        luaL_error(L, "use of closed body reader");
    if (!reader->is_whole) {
        slb_check_unread(L, reader->response);
        return reader;
    }
    lua_getiuservalue(L, 1, 2);
    slb_check_sequence(L, -1);
    lua_pop(L, 1);
    return reader;
}

static void recheck(lua_State *L)
{
    check_reader(L);
}

/* ---- bodies that are arriving ---- */

static struct sl_buffer *body_of(struct slb_body_reader *reader)
{
    return &reader->response->exchange->incoming.response.body;
}

static void consume(struct slb_body_reader *reader, size_t size)
{
    sl_buffer_consume(body_of(reader), size);
    reader->position += size;
}

/* Wants the bytes that the incomplete item misses. SL_OK: more is there, to be
 * looked at; SL_END: the body is over, with or without more. */
static enum sl_status want_more(struct slb_body_reader *reader,
                                const struct sl_item *item)
{
    struct sl_exchange *exchange = reader->response->exchange;
    size_t before = body_of(reader)->length;
    size_t wanted = before + 1;
    enum sl_status status;

    if (item->kind == SL_ITEM_ALL) {
        status = sl_exchange_want(exchange, SL_WANT_WHOLE, 0);
        return status == SL_OK ? SL_END : status;
    }
    if (item->kind == SL_ITEM_COUNT && item->wanted > wanted)
        wanted = item->wanted;
    status = sl_exchange_want(exchange, SL_WANT_BODY, wanted);
    if (status != SL_OK || body_of(reader)->length > before)
        return status;
    /* A line or a number cut by a failure is not returned; a counted run of
     * bytes is, as far as it arrived. */
    if (exchange->phase == SL_EXCHANGE_FAILED && item->kind != SL_ITEM_COUNT)
        return exchange->failure->status;
    return SL_END;
}

/* Notes what is known of an incomplete item. */
static void keep_known(lua_State *L, size_t known)
{
    lua_pushinteger(L, (lua_Integer)known);
    lua_replace(L, STACK_KNOWN);
}

/* Completes the item from the body. SL_END: nothing is left; SL_AGAIN: wait for
 * the exchange, or for a turn if its bytes are there, then begin again. */
static enum sl_status complete(lua_State *L, struct slb_body_reader *reader,
                               struct sl_item *item, lua_Integer format)
{
    struct slb_response *response = reader->response;
    size_t known = (size_t)lua_tointeger(L, STACK_KNOWN);
    enum sl_status status = SL_OK;

    for (;;) {
        struct sl_buffer *body = body_of(reader);

        slb_begin_item(format, item);
        if (known <= body->length) /* else others have read, too */
            sl_item_resume(item, known);
        if (sl_item_scan_buffer(item, body))
            return SL_OK;
        if (status == SL_END)
            return sl_item_end(item) ? SL_OK : SL_END;
        if (item->kind == SL_ITEM_NUMBER) /* the space need not be kept */
            consume(reader, item->skipped);
        known = body->length;
        status = want_more(reader, item);
        if (status == SL_OK) {
            slb_count_given(response, body->length - known, TURN_ITEMS);
            if (!slb_is_within_turn(response))
                status = SL_AGAIN;
        }
        if (status == SL_AGAIN)
            keep_known(L, known);
        if (status != SL_OK && status != SL_END)
            return status;
    }
}

/* Makes the item a value and takes it from the body, in that order: an error
 * while the value is made loses nothing. False: a numeral is malformed. */
static bool push_item(lua_State *L, struct slb_body_reader *reader,
                      const struct sl_item *item)
{
    struct sl_view view = sl_buffer_peek(body_of(reader));
    bool is_value = true;

    if (item->kind == SL_ITEM_NUMBER) {
        is_value = slb_push_numeral(L, item);
    } else if (view.size >= item->size) {
        lua_pushlstring(L, view.data, item->size);
    } else {
        luaL_Buffer text;
        char *room = luaL_buffinitsize(L, &text, item->size);

        if (body_of(check_reader(L))->length < item->size)
            luaL_error(L, "body was read meanwhile");
        sl_buffer_copy_out(body_of(reader), 0, room, item->size);
        luaL_pushresultsize(&text, item->size);
    }
    /* A finaliser may have disposed it, or read on. */
    if (reader->response->exchange != NULL &&
        body_of(reader)->length >= item->used)
        consume(reader, item->used);
    slb_count_given(reader->response, item->used, TURN_ITEMS);
    return is_value;
}

static enum sl_status
read_streamed(lua_State *L, struct slb_body_reader *reader, lua_Integer format)
{
    struct sl_item item;
    enum sl_status status;

    if (slb_is_being_read(reader->response))
        return SL_MISUSE;
    status = complete(L, reader, &item, format);
    if (status != SL_OK)
        return status;
    keep_known(L, 0);
    return push_item(L, reader, &item) ? SL_OK : SL_END;
}

/* ---- either ---- */

static enum sl_status read_item(lua_State *L, struct slb_body_reader *reader,
                                lua_Integer format)
{
    struct sl_item item;

    if (!reader->is_whole)
        return read_streamed(L, reader, format);
    slb_begin_item(format, &item);
    return slb_push_next(L, &reader->reader, &item, recheck) ? SL_OK : SL_END;
}

/* Reads the formats for which there is no value yet. */
static int read_on(lua_State *L, bool is_loop, lua_KFunction k)
{
    int count = (int)lua_tointeger(L, STACK_COUNT);

    for (;;) {
        int given = lua_gettop(L) - (STACK_FORMATS - 1) - count;
        struct slb_body_reader *reader;
        struct slb_response *response;
        enum sl_status status;

        if (given == count)
            return count;
        reader = check_reader(L);
        response = reader->response;
        if (slb_takes_turns(response, reader->is_whole) &&
            slb_is_turn_over(L, response))
            return slb_wait_turn(L, response->runtime, slb_abandon_response,
                                 response, k);
        status = read_item(L, reader, lua_tointeger(L, STACK_FORMATS + given));
        if (status == SL_AGAIN && !slb_is_being_read(response))
            continue; /* its turn is over */
        if (status == SL_AGAIN)
            return slb_wait(L, response->runtime,
                            &response->exchange->completion,
                            slb_abandon_response, response, k);
        if (status == SL_END) {
            lua_pushnil(L);
            reader->is_at_end = reader->is_at_end || given == 0;
            return given + 1;
        }
        if (status != SL_OK)
            return slb_fail_reader(L, response, status, is_loop);
    }
}

static int go_on(lua_State *L, lua_KContext context, bool is_loop,
                 lua_KFunction k)
{
    struct slb_body_reader *reader = lua_touserdata(L, 1);

    if (!slb_may_read_on(L, context, reader->response)) {
        reader = check_reader(L);
        return slb_fail_reader(L, reader->response, SL_CANCELLED, is_loop);
    }
    return read_on(L, is_loop, k);
}

static int read_more(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return go_on(L, context, false, read_more);
}

static int loop_more(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return go_on(L, context, true, loop_more);
}

/* Whether its turn lasts for one more item. */
static bool may_go_on(const struct slb_body_reader *reader)
{
    struct slb_response *response = reader->response;

    return !slb_takes_turns(response, reader->is_whole) ||
           slb_may_take_item(response);
}

/* Pushes the next item where it lies in one piece and is there already, as
 * nearly all do; false: read it the general way. For an open reader. */
static bool push_at_once(lua_State *L, struct slb_body_reader *reader,
                         lua_Integer format)
{
    struct slb_response *response = reader->response;
    struct sl_exchange *exchange = response->exchange;
    struct sl_item item;
    struct sl_view view;
    bool is_value;

    if (reader->is_whole)
        view = sl_reader_peek(&reader->reader);
    else if (exchange != NULL && !response->is_detached &&
             !slb_is_being_read(response))
        view = sl_buffer_peek(body_of(reader));
    else
        return false;
    if (!may_go_on(reader))
        return false;
    slb_begin_item(format, &item);
    if (!sl_item_feed(&item, view))
        return false;
    slb_check_usable(L, response->runtime);
    is_value = reader->is_whole
                   ? slb_push_item(L, &reader->reader, &item, recheck)
                   : push_item(L, reader, &item);
    if (!is_value)
        lua_pushnil(L);
    return true;
}

/* Reserves what a read needs before it begins: see slb_reserve_wait. */
static void prepare(lua_State *L, const struct slb_body_reader *reader,
                    int count)
{
    luaL_checkstack(L, count + LUA_MINSTACK, "too many formats");
    if (slb_takes_turns(reader->response, reader->is_whole))
        slb_reserve_wait(L, reader->response->runtime);
}

/* reader:read(...) -> as file:read: counts, "l", "L", "n", "a"; nil for the
 * first that is missing | nil, message, err; yields while the body arrives */
static int reader_read(lua_State *L)
{
    struct slb_body_reader *reader = slb_check(L, 1, body_reader_type);
    int count = lua_gettop(L) - 1;

    if (!reader->is_closed && count <= 1 &&
        push_at_once(L, reader, count == 0 ? SLB_LINE : slb_check_format(L, 2)))
        return 1;
    check_reader(L);
    count = slb_check_formats(L, 2);
    prepare(L, reader, count);
    lua_pushinteger(L, count);
    lua_insert(L, STACK_COUNT);
    lua_pushinteger(L, 0);
    lua_insert(L, STACK_KNOWN);
    return read_on(L, false, read_more);
}

/* ---- loops ---- */

/* upvalues: the reader, the count of formats, these */
static int next_values(lua_State *L)
{
    struct slb_body_reader *reader = lua_touserdata(L, lua_upvalueindex(1));
    int count = (int)lua_tointeger(L, lua_upvalueindex(2));

    lua_settop(L, 0);
    if (!reader->is_closed && count == 1 &&
        push_at_once(L, reader, lua_tointeger(L, lua_upvalueindex(3))))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    check_reader(L);
    prepare(L, reader, count);
    lua_pushinteger(L, count);
    lua_pushinteger(L, 0);
    for (int i = 0; i < count; i++)
        lua_pushvalue(L, lua_upvalueindex(3 + i));
    return read_on(L, true, loop_more);
}

/* for ... in reader:lines(...): the results of read(...) until the first is
 * nil; a failure is raised. Yields while the body arrives. */
static int reader_lines(lua_State *L)
{
    int count;

    check_reader(L);
    count = slb_check_formats(L, 2);
    lua_pushinteger(L, count);
    lua_insert(L, 2);
    lua_pushcclosure(L, next_values, count + 2);
    return 1;
}

/* ---- places ---- */

static uint64_t position_of(const struct slb_body_reader *reader)
{
    return reader->is_whole ? reader->reader.position : reader->position;
}

/* reader:position() -> bytes before it, since it was made */
static int reader_position(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)position_of(check_reader(L)));
    return 1;
}

/* reader:seek(whence = "cur", offset = 0) -> position | nil, message, err
 * A reader of an arriving body can only be asked for its position; any other
 * seek raises. */
static int reader_seek(lua_State *L)
{
    static const char *const names[] = {"set", "cur", "end", NULL};
    static const enum sl_whence whences[] = {SL_SEEK_SET, SL_SEEK_CURRENT,
                                             SL_SEEK_END};
    struct slb_body_reader *reader = check_reader(L);
    enum sl_whence whence = whences[luaL_checkoption(L, 2, "cur", names)];
    lua_Integer offset = luaL_optinteger(L, 3, 0);

    if (!reader->is_whole && (whence != SL_SEEK_CURRENT || offset != 0))
        return luaL_error(L, "seek: a streamed body is read forward only");
    if (reader->is_whole &&
        sl_reader_seek(&reader->reader, whence, offset) != SL_OK)
        return slb_push_outcome(L, SL_INVALID, "seek before the start");
    lua_pushinteger(L, (lua_Integer)position_of(reader));
    return 1;
}

/* #reader -> bytes of the whole body */
static int reader_length(lua_State *L)
{
    struct slb_body_reader *reader = check_reader(L);

    if (!reader->is_whole)
        return luaL_error(L, "the length of a streamed body is not known");
    lua_pushinteger(L, (lua_Integer)reader->reader.sequence->size);
    return 1;
}

/* ---- life ---- */

/* reader:close() - gives back the segments it shows; a response that is still
 * arriving is left alone, unless its loop was left early. Idempotent. */
static int reader_close(lua_State *L)
{
    struct slb_body_reader *reader = slb_check(L, 1, body_reader_type);

    if (reader->is_closed)
        return 0;
    reader->is_closed = true;
    if (reader->is_loop && !reader->is_at_end)
        slb_dispose_response(reader->response);
    if (reader->is_whole) {
        lua_getiuservalue(L, 1, 2);
        slb_dispose_sequence(L, -1);
    }
    return 0;
}

static int reader_describe(lua_State *L)
{
    const struct slb_body_reader *reader = slb_check(L, 1, body_reader_type);

    lua_pushstring(L, reader->is_closed ? "sluice.body_reader (closed)"
                                        : "sluice.body_reader");
    return 1;
}

/* stack: response, its whole body as a sequence or nil */
static struct slb_body_reader *push_reader(lua_State *L)
{
    struct slb_response *response = slb_check_response(L, 1);
    bool is_whole = !lua_isnoneornil(L, 2);
    struct slb_body_reader *reader;

    if (is_whole)
        slb_check_sequence(L, 2);
    lua_settop(L, 2);
    reader = slb_new(L, body_reader_type, sizeof *reader, 2);
    reader->response = response;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    if (is_whole) {
        sl_reader_init(&reader->reader, slb_check_sequence(L, 2));
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, 2);
    }
    reader->is_whole = is_whole;
    return reader;
}

/* is_streamed(response) -> whether reading takes its body, though all of it may
 * be there; false once it is a string, which stays */
static int is_streamed(lua_State *L)
{
    const struct slb_response *response = slb_check_response(L, 1);

    lua_pushboolean(L, response->is_stream && !response->has_text);
    return 1;
}

/* body_reader(response, sequence) -> reader, which owns the sequence; without a
 * sequence it reads the arriving body */
static int new_reader(lua_State *L)
{
    push_reader(L);
    return 1;
}

/* body_lines(response, sequence) -> the four values of a loop over lines
 * without their ends, LF or CRLF */
static int new_lines(lua_State *L)
{
    push_reader(L)->is_loop = true; /* stack: ..., reader */
    lua_pushvalue(L, 3);
    lua_pushinteger(L, 1);
    lua_pushinteger(L, SLB_TEXT_LINE);
    lua_pushcclosure(L, next_values, 3);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 3);
    return 4;
}

static const luaL_Reg methods[] = {
    {"read", reader_read},   {"lines", reader_lines},
    {"seek", reader_seek},   {"position", reader_position},
    {"close", reader_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", reader_length},
                                {"__close", reader_close},
                                {"__tostring", reader_describe},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {{"is_streamed", is_streamed},
                                     {"body_reader", new_reader},
                                     {"body_lines", new_lines},
                                     {NULL, NULL}};

void slb_body_reader_open(lua_State *L)
{
    slb_type(L, body_reader_type, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
