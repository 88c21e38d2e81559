/* A proxy's refusing answer as Lua values: the field `response` of a
 * failure. */
#include "binding/refusal.h"

#include "binding/types.h"
#include "task/userdata.h"

#define HOLDER  "sluice.refusal_holder"
#define REFUSAL "sluice.refusal"
#define HEADERS "sluice.refusal_headers"

/* Holds an answer while its parts are made into Lua values, which may run
 * finalisers and raise. */
struct holder {
    struct slb_runtime *runtime;
    struct sl_refusal *refusal; /* NULL: none yet, or released */
};

static void let_go(struct holder *holder)
{
    if (holder->refusal == NULL)
        return;
    sl_refusal_destroy(holder->refusal);
    holder->refusal = NULL;
    slb_runtime_release(holder->runtime);
}

static int holder_gc(lua_State *L)
{
    let_go(luaL_checkudata(L, 1, HOLDER));
    return 0;
}

/* Pushes an array of { name, value }, in the order of the wire. */
static void push_headers(lua_State *L, const struct sl_head *head)
{
    lua_createtable(L, (int)head->count, 0);
    for (size_t i = 0; i < head->count; i++) {
        struct sl_view name = sl_head_name(head, i);
        struct sl_view value = sl_head_value(head, i);

        lua_createtable(L, 2, 0);
        lua_pushlstring(L, name.data, name.size);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, value.data, value.size);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    luaL_setmetatable(L, HEADERS);
}

static void push_body(lua_State *L, const struct sl_buffer *body)
{
    size_t size =
        body->length < SL_REFUSAL_MOST ? body->length : SL_REFUSAL_MOST;
    luaL_Buffer text;
    char *room = luaL_buffinitsize(L, &text, size);

    luaL_pushresultsize(&text, sl_buffer_copy_out(body, 0, room, size));
}

static void push_answer(lua_State *L, const struct sl_refusal *refusal)
{
    const struct sl_response *response = &refusal->response;
    struct sl_view reason = sl_head_reason(&response->head);

    lua_createtable(L, 0, 8);
    lua_pushinteger(L, response->head.status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, reason.data, reason.size);
    lua_setfield(L, -2, "reason");
    lua_pushstring(L, response->head.minor_version == 0 ? "1.0" : "1.1");
    lua_setfield(L, -2, "version");
    lua_pushboolean(L, !refusal->is_whole);
    lua_setfield(L, -2, "truncated");
    push_headers(L, &response->head);
    lua_setfield(L, -2, "headers");
    push_body(L, &response->body);
    lua_setfield(L, -2, "body");
    luaL_setmetatable(L, REFUSAL);
}

void slb_add_refusal(lua_State *L, int index)
{
    struct slb_response *response = lua_touserdata(L, index);
    struct holder *holder;

    holder = slb_new(L, HOLDER, sizeof *holder, 0); /* stack: err, holder */
    if (response->exchange == NULL ||
        response->exchange->request->place.refusal ==
            NULL) { /* a finaliser was here */
        lua_pop(L, 1);
        return;
    }
    holder->runtime = response->runtime;
    slb_runtime_retain(holder->runtime);
    holder->refusal = response->exchange->request->place.refusal;
    response->exchange->request->place.refusal = NULL;
    push_answer(L, holder->refusal);
    lua_setfield(L, -3, "response");
    let_go(holder);
    lua_pop(L, 1);
}

void slb_refusal_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", holder_gc}, {NULL, NULL}};

    slb_type(L, HOLDER, NULL, meta);
    lua_createtable(L, 0, 2); /* the Lua layer fills what it finds here */
    luaL_newmetatable(L, REFUSAL);
    lua_setfield(L, -2, "refusal");
    luaL_newmetatable(L, HEADERS);
    lua_setfield(L, -2, "headers");
    lua_setfield(L, -2, "refusal_types");
}
