/* spec/support/llhttp.c - support.llhttp: what strict llhttp makes of a response
 *
 * llhttp is the parser of node; Debian's node-llhttp holds it as C source, which
 * is compiled with it.
 *
 *   judge(bytes, { head, connect, ended }) -> verdict, detail
 *     verdict.is      "accept", "refuse" or "wait" (for more bytes)
 *     verdict.status, .body, .keep_alive, .fields (an array: name, value, ...)
 *     detail          llhttp's word for why it refuses
 *
 * `ended` closes the input behind the bytes. What follows a whole message is not
 * this message's fault.
 */
#include <stdbool.h>

#include <llhttp.h>

#include <lauxlib.h>
#include <lua.h>

struct judgement {
    llhttp_t parser;
    lua_State *L; /* stack: wire, options, verdict, fields, part */
    bool is_head;
    bool is_connect;
    bool is_done;
    bool is_final; /* past the head of a final response */
    int status;
};

enum { VERDICT = 3, FIELDS, PART };

static struct judgement *of(llhttp_t *parser)
{
    return (struct judgement *)parser;
}

/* A name or a value, or a part of it. */
static int on_part(llhttp_t *parser, const char *at, size_t length)
{
    lua_State *L = of(parser)->L;

    lua_pushvalue(L, PART);
    lua_pushlstring(L, at, length);
    lua_concat(L, 2);
    lua_replace(L, PART);
    return 0;
}

static int on_part_complete(llhttp_t *parser)
{
    lua_State *L = of(parser)->L;

    if (!of(parser)->is_final) {
        lua_pushvalue(L, PART);
        lua_rawseti(L, FIELDS, (lua_Integer)lua_rawlen(L, FIELDS) + 1);
    }
    lua_pushliteral(L, "");
    lua_replace(L, PART);
    return 0;
}

static int on_message_begin(llhttp_t *parser)
{
    lua_State *L = of(parser)->L;

    lua_newtable(L);
    lua_replace(L, FIELDS);
    return 0;
}

/* As node's client does: 2 hands the connection over, 1 skips the body. */
static int on_headers_complete(llhttp_t *parser)
{
    struct judgement *judgement = of(parser);
    int status = judgement->status = parser->status_code;
    bool is_tunnel = judgement->is_connect && status >= 200 && status < 300;

    judgement->is_final = status >= 200 || parser->upgrade;
    if (parser->upgrade || is_tunnel) {
        judgement->is_done = true;
        return 2;
    }
    return judgement->is_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
    lua_State *L = of(parser)->L;

    lua_getfield(L, VERDICT, "body");
    lua_pushlstring(L, at, length);
    lua_concat(L, 2);
    lua_setfield(L, VERDICT, "body");
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct judgement *judgement = of(parser);

    if (!judgement->is_final)
        return 0;
    judgement->is_done = true;
    lua_pushboolean(judgement->L, llhttp_should_keep_alive(parser));
    lua_setfield(judgement->L, VERDICT, "keep_alive");
    return HPE_PAUSED;
}

static const char *run(struct judgement *judgement, const char *wire,
                       size_t size, bool has_ended, const char **detail)
{
    llhttp_errno_t error = llhttp_execute(&judgement->parser, wire, size);

    *detail = "";
    if (judgement->is_done)
        return "accept";
    if (error == HPE_OK && has_ended)
        error = llhttp_finish(&judgement->parser);
    else if (error == HPE_OK)
        return "wait";
    if (judgement->is_done)
        return "accept";
    *detail = error != HPE_OK ? llhttp_get_error_reason(&judgement->parser)
                              : "the message is not complete";
    if (*detail == NULL)
        *detail = llhttp_errno_name(error);
    return "refuse";
}

static bool option(lua_State *L, const char *name)
{
    bool is_set;

    lua_getfield(L, 2, name);
    is_set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_set;
}

static int judge(lua_State *L)
{
    static const llhttp_settings_t settings = {
        .on_message_begin = on_message_begin,
        .on_header_field = on_part,
        .on_header_value = on_part,
        .on_header_field_complete = on_part_complete,
        .on_header_value_complete = on_part_complete,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    struct judgement judgement = {.L = L};
    size_t size;
    const char *wire = luaL_checklstring(L, 1, &size);
    const char *detail;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "");
    lua_pushliteral(L, "");
    lua_setfield(L, VERDICT, "body");
    judgement.is_head = option(L, "head");
    judgement.is_connect = option(L, "connect");
    llhttp_init(&judgement.parser, HTTP_RESPONSE, &settings);
    lua_pushstring(L, run(&judgement, wire, size, option(L, "ended"), &detail));
    lua_setfield(L, VERDICT, "is");
    lua_pushinteger(L, judgement.status);
    lua_setfield(L, VERDICT, "status");
    lua_pushvalue(L, FIELDS);
    lua_setfield(L, VERDICT, "fields");
    lua_pushvalue(L, VERDICT);
    lua_pushstring(L, detail);
    return 2;
}

int luaopen_support_llhttp(lua_State *L);
int luaopen_support_llhttp(lua_State *L)
{
    static const luaL_Reg functions[] = {{"judge", judge}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
