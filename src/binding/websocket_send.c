/* What a WebSocket sends: whole messages, fragments, pings. */
#include "binding/websocket.h"

#include "binding/types.h"
#include "codec/utf8.h"
#include "memory/lease.h"
#include "task/scheduler.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <string.h>

static const char sender_type[] = "sluice.websocket_sender";

/* A place among those who send, for one call or for a message in fragments;
 * value 1 is its WebSocket. */
struct slb_sender {
    struct slb_runtime *runtime; /* NULL: finalised */
    struct sl_ws_place place;
    struct sl_utf8 utf8; /* of the fragments so far */
    enum sl_ws_opcode type;
    bool is_over; /* the message is complete, or was given up */
};

/* ---- places ---- */

/* A place in no queue, on top of the stack, for the WebSocket at index 1. */
static struct slb_sender *new_sender(lua_State *L)
{
    struct slb_sender *sender = slb_new(L, sender_type, sizeof *sender, 1);
    struct slb_websocket *handle = slb_check_websocket(L, 1);

    sl_websocket_init_place(handle->socket, &sender->place);
    sender->runtime = handle->runtime;
    slb_runtime_retain(sender->runtime);
    sl_utf8_init(&sender->utf8);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return sender;
}

struct sl_ws_place *slb_new_websocket_place(lua_State *L)
{
    return &new_sender(L)->place;
}

void slb_abandon_websocket_place(void *place)
{
    sl_websocket_leave(place);
}

/* sender:close() - gives up a message that is not complete; idempotent */
static int sender_close(lua_State *L)
{
    struct slb_sender *sender = slb_check(L, 1, sender_type);

    sender->is_over = true;
    sl_websocket_leave(&sender->place);
    return 0;
}

static int sender_gc(lua_State *L)
{
    struct slb_sender *sender = slb_check(L, 1, sender_type);
    struct slb_runtime *runtime = sender->runtime;

    if (runtime == NULL)
        return 0;
    sender->is_over = true;
    sl_websocket_leave(&sender->place);
    sl_ws_place_fini(&sender->place);
    sender->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

/* ---- outcomes ---- */

/* What has become of a piece; the WebSocket is at index 1. */
static int push_outcome(lua_State *L, struct slb_websocket *handle,
                        enum sl_status status)
{
    if (status != SL_OK)
        return slb_push_websocket_failure(L, 1, handle, status, "send to");
    lua_pushboolean(L, true);
    return 1;
}

static int turn_came(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    slb_waited(L, context); /* what was sent is sent: a cancel ends the next */
    slb_waited_websocket(L, 1)->given = 0;
    lua_pushboolean(L, true);
    return 1;
}

/* The piece has been sent at once: others may have to get their turn. */
static int push_sent(lua_State *L, struct slb_websocket *handle, size_t size)
{
    if (slb_is_websocket_turn_over(L, handle, size))
        return slb_wait_turn(L, handle->runtime, NULL, handle, turn_came);
    lua_pushboolean(L, true);
    return 1;
}

/* stack: socket, ..., sender */
static int sent(lua_State *L, int status, lua_KContext context)
{
    struct slb_websocket *handle;
    struct slb_sender *sender;

    (void)status;
    slb_waited(L, context);
    sender = lua_touserdata(L, -1);
    handle = slb_waited_websocket(L, 1);
    handle->given = 0;
    return push_outcome(L, handle, sl_ws_place_want(&sender->place));
}

/* The sender is on top of the stack; a wait is reserved. */
static int await_place(lua_State *L, struct slb_websocket *handle,
                       struct slb_sender *sender, enum sl_status status)
{
    if (status != SL_AGAIN)
        return push_outcome(L, handle, status);
    return slb_wait(L, handle->runtime, &sender->place.completion,
                    slb_abandon_websocket_place, &sender->place, sent);
}

/* ---- what is sent ---- */

int slb_raise_websocket_misuse(lua_State *L, const char *what)
{
    slb_push_refusal(L, what);
    return lua_error(L);
}

static void check_socket(lua_State *L, const char *name)
{
    if (slb_test(L, 1, slb_websocket_type) == NULL)
        slb_raise_websocket_misuse(
            L, lua_pushfstring(L,
                               "%s: called without a socket: write "
                               "socket:%s(...), with a colon",
                               name, name));
}

struct sl_view slb_check_websocket_text(lua_State *L, int index,
                                        const char *name)
{
    struct sl_view text = {"", 0};

    if (lua_isnoneornil(L, index))
        return text;
    text.data = lua_tolstring(L, index, &text.size);
    if (text.data == NULL)
        slb_raise_websocket_misuse(
            L, lua_pushfstring(L, "%s: string expected, got %s", name,
                               luaL_typename(L, index)));
    return text;
}

static enum sl_ws_opcode check_type(lua_State *L, int index)
{
    const char *name = NULL;
    size_t size = 0;

    if (lua_isnoneornil(L, index))
        return SL_WS_TEXT;
    if (lua_type(L, index) == LUA_TSTRING)
        name = lua_tolstring(L, index, &size);
    if (size == sizeof "text" - 1 && memcmp(name, "text", size) == 0)
        return SL_WS_TEXT;
    if (size != sizeof "binary" - 1 || memcmp(name, "binary", size) != 0)
        slb_raise_websocket_misuse(
            L, lua_pushfstring(L,
                               "send: type: \"text\" or \"binary\" expected, "
                               "got %s",
                               luaL_tolstring(L, index, NULL)));
    return SL_WS_BINARY;
}

static void check_payload(lua_State *L, int index, struct slb_bytes *bytes)
{
    if (!slb_to_bytes(L, index, bytes))
        slb_raise_websocket_misuse(
            L, lua_pushfstring(L,
                               "send: string, sequence, lease, "
                               "function or reader expected, got %s",
                               luaL_typename(L, index)));
}

static struct sl_view view_at(const struct slb_bytes *bytes, size_t offset)
{
    if (bytes->sequence != NULL)
        return sl_sequence_at(bytes->sequence, offset);
    return sl_view(bytes->text.data + offset, bytes->text.size - offset);
}

static bool may_follow(struct sl_utf8 *utf8, const struct slb_bytes *bytes)
{
    size_t offset = 0;

    while (offset < bytes->size) {
        struct sl_view view = view_at(bytes, offset);

        if (sl_utf8_check(utf8, view) != SL_OK)
            return false;
        offset += view.size;
    }
    return true;
}

static int raise_not_text(lua_State *L)
{
    return slb_raise_websocket_misuse(
        L, "send: text is not UTF-8; other bytes are sent as "
           "\"binary\"");
}

static void check_text(lua_State *L, const struct slb_bytes *bytes)
{
    struct sl_utf8 utf8;

    sl_utf8_init(&utf8);
    if (!may_follow(&utf8, bytes) || sl_utf8_end(&utf8) != SL_OK)
        raise_not_text(L);
}

/* The bytes are in the WebSocket's hands, or not wanted any more. */
static void consume(lua_State *L, int index)
{
    struct sl_lease *lease = slb_test_lease(L, index);

    if (lease != NULL)
        sl_lease_dispose(lease);
}

static struct sl_ws_piece piece_of(const struct slb_bytes *bytes)
{
    struct sl_ws_piece piece = {{NULL, 0}, bytes->sequence};

    if (bytes->sequence == NULL)
        piece.text = bytes->text;
    return piece;
}

/* ---- whole messages ---- */

/* Others are in front of it, or it is large. stack: socket, bytes, type */
static int send_in_turn(lua_State *L)
{
    struct slb_websocket *handle;
    struct slb_sender *sender;
    struct slb_bytes bytes;
    struct sl_ws_piece piece;
    enum sl_status status;

    slb_reserve_websocket_wait(L);
    sender = new_sender(L);
    handle = slb_live_websocket(L, 1);
    slb_check_bytes(L, 2, &bytes);
    piece = piece_of(&bytes);
    status = sl_websocket_put(handle->socket, &sender->place, check_type(L, 3),
                              &piece, true);
    consume(L, 2);
    return await_place(L, handle, sender, status);
}

/* It was taken, and the peer has not. stack: socket, bytes, type */
static int send_behind(lua_State *L)
{
    struct slb_websocket *handle;
    struct slb_sender *sender;

    slb_reserve_websocket_wait(L);
    sender = new_sender(L);
    handle = slb_live_websocket(L, 1);
    return await_place(L, handle, sender,
                       sl_websocket_follow(handle->socket, &sender->place));
}

static int sent_pieces(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    return lua_gettop(L);
}

/* What is no bytes is the Lua layer's, if it may give some. stack: socket,
 * source, type */
static int send_pieces(lua_State *L)
{
    int kind = lua_type(L, 2);
    bool may_give =
        kind == LUA_TFUNCTION || kind == LUA_TTABLE || kind == LUA_TUSERDATA;
    struct slb_bytes none;

    if (!may_give || lua_getfield(L, lua_upvalueindex(1), "send") == LUA_TNIL)
        check_payload(L, 2, &none); /* raises */
    lua_insert(L, 1);
    lua_callk(L, 3, LUA_MULTRET, 0, sent_pieces);
    return sent_pieces(L, LUA_OK, 0);
}

/* socket:send(bytes, type = "text") -> true | nil, "closed", err
 *                                    | nil, message, err
 * A string, sequence or lease, which is consumed, as one message, "text" or
 * "binary". Waits until the peer's side of the connection has taken it; yields.
 * Raises for text that is not UTF-8. Other values are given to `send` of the
 * Lua layer (upvalue 1, a table). */
static int socket_send(lua_State *L)
{
    enum sl_ws_opcode type;
    struct slb_websocket *handle;
    struct slb_bytes bytes;
    struct sl_ws_piece piece;
    enum sl_status status;

    check_socket(L, "send");
    type = check_type(L, 3);
    handle = slb_live_websocket(L, 1);
    lua_settop(L, 3);
    if (!slb_to_bytes(L, 2, &bytes))
        return send_pieces(L);
    if (type == SL_WS_TEXT)
        check_text(L, &bytes);
    if (slb_is_cancelled(L, handle->runtime)) {
        consume(L, 2);
        return push_outcome(L, handle, SL_CANCELLED);
    }
    piece = piece_of(&bytes);
    status = sl_websocket_send(handle->socket, type, &piece);
    if (status == SL_END)
        return send_in_turn(L);
    if (bytes.sequence != NULL)
        consume(L, 2);
    if (status == SL_AGAIN)
        return send_behind(L);
    if (status == SL_OK)
        return push_sent(L, handle, bytes.size);
    return push_outcome(L, handle, status);
}

/* socket:ping(payload = "") -> true | nil, "closed", err | nil, message, err
 * Sends a ping of at most 125 bytes when it can, and does not wait for that. It
 * takes the place of one that has not left yet. */
static int socket_ping(lua_State *L)
{
    struct slb_websocket *handle;
    struct sl_view payload;

    slb_check_websocket(L, 1);
    payload = slb_check_websocket_text(L, 2, "ping: payload");
    if (payload.size > SL_WS_CONTROL_MAX)
        slb_raise_websocket_misuse(L,
                                   "ping: payload: at most 125 bytes expected");
    handle = slb_check_websocket(L, 1); /* a number has become a string */
    return push_outcome(L, handle, sl_websocket_ping(handle->socket, payload));
}

/* ---- messages in fragments ---- */

/* socket:fragments(type = "text") -> sender, for one message */
static int socket_fragments(lua_State *L)
{
    enum sl_ws_opcode type = check_type(L, 2);

    slb_check_websocket(L, 1);
    new_sender(L)->type = type;
    return 1;
}

/* The sender at index 1, below its WebSocket: stack: socket, sender, ... A wait
 * is reserved. */
static struct slb_sender *check_sender(lua_State *L,
                                       struct slb_websocket **handle)
{
    struct slb_sender *sender = slb_check(L, 1, sender_type);

    if (sender->is_over)
        slb_raise_disposed(L, "websocket_sender");
    lua_getiuservalue(L, 1, 1);
    lua_insert(L, 1);
    slb_check_waiting_websocket(L);
    sender = lua_touserdata(L, 2);
    if (sender->is_over)
        slb_raise_disposed(L, "websocket_sender");
    if (sender->place.phase != SL_WS_PLACE_IDLE &&
        sender->place.phase != SL_WS_PLACE_HOLDING &&
        sender->place.phase != SL_WS_PLACE_ENDED)
        luaL_error(L, "send: another coroutine sends this message");
    *handle = slb_check_websocket(L, 1);
    return sender;
}

static int put_fragment(lua_State *L, struct slb_websocket *handle,
                        struct slb_sender *sender,
                        const struct sl_ws_piece *piece, bool is_last)
{
    enum sl_status status;

    if (slb_is_cancelled(L, handle->runtime)) {
        consume(L, 3);
        return push_outcome(L, handle, SL_CANCELLED);
    }
    status = sl_websocket_put(handle->socket, &sender->place, sender->type,
                              piece, is_last);
    sender->is_over = is_last;
    consume(L, 3);
    if (status == SL_OK)
        return push_sent(L, handle, sender->place.size);
    lua_pushvalue(L, 2); /* the text stays below it */
    return await_place(L, handle, sender, status);
}

/* sender:push(bytes) -> true | nil, "closed", err | nil, message, err
 * Sends the next piece, in fragments of at most 64 KiB. Others send no message
 * until this one is finished. Yields. */
static int sender_push(lua_State *L)
{
    struct slb_websocket *handle;
    struct slb_sender *sender = check_sender(L, &handle);
    struct slb_bytes bytes;
    struct sl_ws_piece piece;

    lua_settop(L, 3);
    check_payload(L, 3, &bytes);
    if (sender->type == SL_WS_TEXT && !may_follow(&sender->utf8, &bytes))
        raise_not_text(L);
    if (bytes.size == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    piece = piece_of(&bytes);
    return put_fragment(L, handle, sender, &piece, false);
}

/* sender:finish() -> true | nil, "closed", err | nil, message, err
 * The message is complete; yields. */
static int sender_finish(lua_State *L)
{
    const struct sl_ws_piece nothing = {{"", 0}, NULL};
    struct slb_websocket *handle;
    struct slb_sender *sender = check_sender(L, &handle);

    lua_settop(L, 2);
    lua_pushnil(L);
    if (sender->type == SL_WS_TEXT && sl_utf8_end(&sender->utf8) != SL_OK)
        raise_not_text(L);
    return put_fragment(L, handle, sender, &nothing, true);
}

/* ---- the types ---- */

static const luaL_Reg socket_methods[] = {
    {"ping", socket_ping}, {"fragments", socket_fragments}, {NULL, NULL}};

static const luaL_Reg sender_methods[] = {{"push", sender_push},
                                          {"finish", sender_finish},
                                          {"close", sender_close},
                                          {NULL, NULL}};

static const luaL_Reg sender_meta[] = {
    {"__close", sender_close}, {"__gc", sender_gc}, {NULL, NULL}};

/* The table for `send` of the Lua layer; a module that is opened again finds
 * the one of the first time. stack: module, methods -> the same, the table */
static void push_sources(lua_State *L)
{
    luaL_getmetatable(L, slb_websocket_type);
    if (lua_getfield(L, -1, "sources") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "sources");
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -5, "websocket_sources");
    lua_remove(L, -2);
}

/* After the type of WebSockets is open. */
void slb_websocket_send_open(lua_State *L)
{
    slb_type(L, sender_type, sender_methods, sender_meta);
    lua_getfield(L, -1, "websocket_methods");
    luaL_setfuncs(L, socket_methods, 0);
    push_sources(L);
    lua_pushcclosure(L, socket_send, 1);
    lua_setfield(L, -2, "send");
    lua_pop(L, 1);
}
