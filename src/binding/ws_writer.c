#include "binding/ws_parser.h"

#include "binding/feed.h"
#include "binding/types.h"
#include "memory/lease.h"
#include "task/outcome.h"
#include "ws/close.h"

/* nil, message, err for what was not written. A failure in mid-frame is for
 * good: what was written of it must not be sent. */
static int push_unwritten(lua_State *L, struct slb_ws_parser *parser,
                          enum sl_status status, const char *name)
{
    struct sl_failure failure;

    if (status == SL_CLOSED)
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET,
                "a Close frame was written before");
    else if (status == SL_INVALID)
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET, "text is not UTF-8");
    else if (parser->is_broken == SL_OK)
        return slb_push_outcome(L, status, name);
    else
        sl_fail(&failure, status, SL_STAGE_WEBSOCKET,
                "a frame was lost (%s): end the connection",
                sl_status_name(status));
    return slb_push_failure(L, &failure, name);
}

/* ---- messages ---- */

/* The part of `bytes` behind `offset` that lies in one piece. */
static struct sl_view view_at(const struct slb_bytes *bytes, size_t offset)
{
    if (bytes->sequence != NULL)
        return sl_sequence_at(bytes->sequence, offset);
    return sl_view(bytes->text.data + offset, bytes->text.size - offset);
}

/* Text is checked before it is sent: a peer would close for it. Its characters
 * may be cut between fragments. */
static enum sl_status check_text(struct sl_utf8 *utf8,
                                 const struct slb_bytes *bytes, bool is_last)
{
    struct sl_view view;

    for (size_t at = 0; at < bytes->size; at += view.size) {
        view = view_at(bytes, at);
        if (sl_utf8_check(utf8, view) != SL_OK)
            return SL_INVALID;
    }
    return is_last && sl_utf8_end(utf8) != SL_OK ? SL_INVALID : SL_OK;
}

static enum sl_status append(struct slb_ws_parser *parser,
                             const struct slb_bytes *bytes)
{
    size_t at = 0;

    while (parser->outgoing.is_writing) {
        size_t consumed;
        enum sl_status status = sl_ws_outgoing_write(
            &parser->outgoing, view_at(bytes, at), &parser->output, &consumed);

        if (status != SL_OK)
            return status;
        at += consumed;
    }
    return SL_OK;
}

static int raise_order(lua_State *L, enum sl_ws_opcode type, const char *name)
{
    if (type == SL_WS_CONTINUATION)
        return luaL_error(L, "continue: no message is under way: begin one "
                             "with text or binary");
    return luaL_error(L,
                      "%s: a message is under way: go on with continue until "
                      "its last fragment",
                      name);
}

/* parser, bytes, is_last -> parser | nil, message, err */
static int write_message(lua_State *L, enum sl_ws_opcode type, const char *name)
{
    struct slb_ws_parser *parser = slb_check_ws_parser(L);
    bool is_last = lua_isnoneornil(L, 3) || lua_toboolean(L, 3);
    bool is_first = type != SL_WS_CONTINUATION;
    bool is_text = is_first ? type == SL_WS_TEXT : parser->is_text;
    struct sl_utf8 utf8 = parser->utf8;
    struct slb_bytes bytes;
    enum sl_status status;

    slb_check_bytes(L, 2, &bytes);
    if (is_first)
        sl_utf8_init(&utf8);
    if (!parser->outgoing.is_closed && parser->is_broken == SL_OK &&
        parser->outgoing.is_in_message == is_first)
        return raise_order(L, type, name);
    status = parser->is_broken;
    if (status == SL_OK && is_text && !parser->outgoing.is_closed)
        status = check_text(&utf8, &bytes, is_last);
    if (status == SL_OK)
        status =
            sl_ws_outgoing_begin(&parser->outgoing, type, bytes.size, is_last);
    if (status != SL_OK)
        return push_unwritten(L, parser, status, name);
    parser->is_text = is_text;
    parser->utf8 = utf8;
    parser->is_used = true;
    parser->is_broken = append(parser, &bytes);
    if (parser->is_broken != SL_OK) {
        sl_buffer_reset(&parser->output);
        return push_unwritten(L, parser, parser->is_broken, name);
    }
    slb_note_bytes(L, parser->runtime, bytes.size);
    lua_settop(L, 1);
    return 1;
}

/* parser:text(bytes, is_last = true) -> parser | nil, message, err (invalid:
 * not UTF-8; closed, memory, tls: no random bytes)
 * Bytes are a string, sequence or lease. Without is_last they are the first
 * fragment of a message, which continue goes on with. */
static int writer_text(lua_State *L)
{
    return write_message(L, SL_WS_TEXT, "text");
}

/* parser:binary(bytes, is_last = true) -> parser | nil, message, err */
static int writer_binary(lua_State *L)
{
    return write_message(L, SL_WS_BINARY, "binary");
}

/* parser:continue(bytes, is_last = true) -> parser | nil, message, err */
static int writer_continue(lua_State *L)
{
    return write_message(L, SL_WS_CONTINUATION, "continue");
}

/* ---- control frames ---- */

/* The outcome of a control frame, which is written whole or not at all. */
static int push_written(lua_State *L, struct slb_ws_parser *parser,
                        enum sl_status status, const char *name)
{
    if (status != SL_OK)
        return push_unwritten(L, parser, status, name);
    lua_settop(L, 1);
    return 1;
}

static int write_control(lua_State *L, enum sl_ws_opcode opcode,
                         const char *name)
{
    struct slb_ws_parser *parser;
    struct sl_view payload;
    enum sl_status status;

    slb_check_ws_parser(L);
    payload.data = luaL_optlstring(L, 2, "", &payload.size);
    luaL_argcheck(L, payload.size <= SL_WS_CONTROL_MAX, 2,
                  "payload exceeds 125 bytes (RFC 6455 5.5)");
    parser = slb_check_ws_parser(L); /* a number has become a string */
    status = parser->is_broken;
    if (status == SL_OK)
        status = sl_ws_outgoing_control(&parser->outgoing, opcode, payload,
                                        &parser->output);
    return push_written(L, parser, status, name);
}

/* parser:ping(payload = "") -> parser | nil, message, err
 * Also between fragments. At most 125 bytes. */
static int writer_ping(lua_State *L)
{
    return write_control(L, SL_WS_PING, "ping");
}

/* parser:pong(payload = "") -> parser | nil, message, err */
static int writer_pong(lua_State *L)
{
    return write_control(L, SL_WS_PONG, "pong");
}

/* parser:close(code = 1000, reason = "") -> parser | nil, message, err
 * The last frame; 1005 writes one without a code. A message under way is given
 * up. Raises for codes that may not be sent, and for reasons that are longer
 * than 123 bytes or not UTF-8. */
static int writer_close(lua_State *L)
{
    struct slb_ws_parser *parser;
    lua_Integer code = luaL_optinteger(L, 2, SL_WS_NORMAL);
    struct sl_ws_closing closing = {.code = SL_WS_NO_CODE};
    enum sl_status status;

    slb_check_ws_parser(L);
    closing.reason.data = luaL_optlstring(L, 3, "", &closing.reason.size);
    luaL_argcheck(L,
                  (code >= 0 && code <= UINT16_MAX &&
                   sl_ws_may_send_code((unsigned)code)) ||
                      (code == SL_WS_NO_CODE && closing.reason.size == 0),
                  2, "1000 to 1014 but 1004 to 1006, or 3000 to 4999 expected");
    luaL_argcheck(L, closing.reason.size <= SL_WS_REASON_MAX, 3,
                  "reason exceeds 123 bytes (RFC 6455 5.5)");
    closing.code = (unsigned)code;
    parser = slb_check_ws_parser(L); /* a number has become a string */
    status = parser->is_broken;
    if (status == SL_OK)
        status =
            sl_ws_outgoing_close(&parser->outgoing, &closing, &parser->output);
    luaL_argcheck(L, status != SL_INVALID, 3, "reason is not UTF-8");
    return push_written(L, parser, status, "close");
}

/* ---- what is to be sent ---- */

/* parser:output() -> string of the frames written since the last call */
static int writer_output(lua_State *L)
{
    struct slb_ws_parser *parser = slb_check_ws_parser(L);

    slb_push_buffer_string(L, &parser->output);
    parser = slb_check_ws_parser(L);
    if (parser->output.length >= lua_rawlen(L, -1)) /* nobody has taken it */
        sl_buffer_consume(&parser->output, lua_rawlen(L, -1));
    return 1;
}

/* parser:detach() -> lease over the frames written since the last call */
static int writer_detach(lua_State *L)
{
    struct sl_lease *lease;

    slb_check_ws_parser(L);
    lease = slb_new_lease(L);
    if (sl_lease_take(lease, &slb_check_ws_parser(L)->output) != SL_OK)
        return luaL_error(L, "out of memory");
    return 1;
}

static const luaL_Reg methods[] = {{"text", writer_text},
                                   {"binary", writer_binary},
                                   {"continue", writer_continue},
                                   {"ping", writer_ping},
                                   {"pong", writer_pong},
                                   {"close", writer_close},
                                   {"output", writer_output},
                                   {"detach", writer_detach},
                                   {NULL, NULL}};

void slb_add_ws_writer(lua_State *L)
{
    luaL_setfuncs(L, methods, 0);
}
