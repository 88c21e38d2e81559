#include "binding/splitter.h"

#include "task/outcome.h"

#include <string.h>

static const char event_type[] = "sluice.event";

void slb_splitter_init_events(struct slb_splitter *splitter,
                              struct sl_pool *pool,
                              const struct sl_sse_limits *limits)
{
    splitter->has_records = false;
    splitter->is_live = true;
    sl_sse_init(&splitter->sse, pool, limits);
}

void slb_splitter_init_records(struct slb_splitter *splitter,
                               struct sl_pool *pool, size_t limit)
{
    splitter->has_records = true;
    splitter->is_live = true;
    sl_records_init(&splitter->json.parser, pool, limit);
}

void slb_splitter_fini(struct slb_splitter *splitter)
{
    if (!splitter->is_live)
        return;
    splitter->is_live = false;
    splitter->is_ready = false;
    if (splitter->has_records) {
        sl_records_fini(&splitter->json.parser);
        return;
    }
    splitter->unfinished = sl_sse_unfinished(&splitter->sse);
    sl_sse_fini(&splitter->sse);
}

/* ---- splitting ---- */

enum sl_status slb_split_end(struct slb_splitter *splitter)
{
    enum sl_status status = SL_END;

    if (splitter->is_ready)
        return SL_OK;
    if (splitter->has_records)
        status = sl_records_end(&splitter->json.parser, &splitter->json.record);
    splitter->is_ready = status == SL_OK;
    splitter->used = 0;
    return status;
}

int slb_push_split_failure(lua_State *L, const struct slb_splitter *splitter,
                           const char *attempt)
{
    struct sl_failure failure;

    if (splitter->has_records)
        sl_records_explain(&splitter->json.parser, &failure);
    else
        sl_sse_explain(&splitter->sse, &failure);
    return slb_push_failure(L, &failure, attempt);
}

/* ---- values ---- */

void slb_push_event_type(lua_State *L)
{
    luaL_newmetatable(L, event_type);
}

void slb_push_event_upvalues(lua_State *L)
{
    slb_push_event_type(L);
    lua_pushliteral(L, "type");
    lua_pushliteral(L, "data");
    lua_pushliteral(L, "message");
}

/* A value that is being pushed: finalisers may end its handle, or read on. */
struct pushing {
    struct slb_splitter *splitter;
    void (*check)(lua_State *L, uint64_t taken); /* see slb_push_split */
    uint64_t taken;
    uint64_t number; /* of the value */
};

/* The number of the value that is ready. */
static uint64_t number_of(const struct slb_splitter *splitter)
{
    return splitter->has_records ? splitter->json.record.number
                                 : splitter->sse.events;
}

static bool is_ready(const struct pushing *pushing)
{
    return pushing->splitter->is_ready &&
           number_of(pushing->splitter) == pushing->number;
}

static void recheck(lua_State *L, const struct pushing *pushing)
{
    pushing->check(L, pushing->taken);
    if (!is_ready(pushing))
        luaL_error(L, "the stream was read meanwhile");
}

/* Pushes the last event ID or nil. True: a string was made of it, and
 * finalisers may have run. */
static bool push_id(lua_State *L, struct slb_splitter *splitter)
{
    struct sl_sse *parser = &splitter->sse;
    struct sl_view id = sl_sse_id(parser);

    if (!parser->is_id_new) {
        lua_getiuservalue(L, 1, splitter->id_value);
        return false;
    }
    if (id.size > 0)
        lua_pushlstring(L, id.data, id.size);
    else
        lua_pushnil(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, splitter->id_value);
    sl_sse_note_id(parser);
    return true;
}

bool slb_push_split_property(lua_State *L, struct slb_splitter *splitter,
                             const char *name)
{
    const struct sl_sse *parser = &splitter->sse;

    if (splitter->has_records) {
        lua_pushnil(L);
        return false;
    }
    if (strcmp(name, "last_id") == 0) {
        push_id(L, splitter);
    } else if (strcmp(name, "retry") == 0 && parser->retry != SL_SSE_NO_RETRY) {
        lua_pushinteger(L, (lua_Integer)parser->retry);
    } else if (strcmp(name, "unfinished") == 0) {
        lua_pushinteger(L, (lua_Integer)(splitter->is_live
                                             ? sl_sse_unfinished(parser)
                                             : splitter->unfinished));
    } else {
        lua_pushnil(L);
        return strcmp(name, "retry") == 0;
    }
    return true;
}

/* Fills the event on top. What makes a string may run finalisers, but only once
 * it has copied the bytes: the data is copied last, as nearly all events have
 * nothing else. */
static void fill_event(lua_State *L, const struct pushing *pushing)
{
    struct slb_splitter *splitter = pushing->splitter;
    const struct sl_sse *parser = &splitter->sse;

    lua_pushvalue(L, lua_upvalueindex(SLB_EVENT_KEY_TYPE));
    if (parser->has_type && sl_sse_type(parser).size > 0) {
        const struct sl_view type = sl_sse_type(parser);

        lua_pushlstring(L, type.data, type.size);
        recheck(L, pushing);
    } else {
        lua_pushvalue(L, lua_upvalueindex(SLB_EVENT_MESSAGE));
    }
    lua_rawset(L, -3);
    if (parser->had_id) {
        if (push_id(L, splitter))
            recheck(L, pushing);
        lua_setfield(L, -2, "id");
    }
    if (parser->has_retry) {
        lua_pushinteger(L, (lua_Integer)parser->retry);
        lua_setfield(L, -2, "retry");
    }
    lua_pushvalue(L, lua_upvalueindex(SLB_EVENT_KEY_DATA));
    lua_pushlstring(L, parser->shown.data, parser->shown.size);
    lua_rawset(L, -3);
    lua_pushvalue(L, lua_upvalueindex(SLB_EVENT_TYPE));
    lua_setmetatable(L, -2);
}

static int push_record(lua_State *L, const struct slb_splitter *splitter)
{
    const struct sl_record record = splitter->json.record;

    lua_pushlstring(L, record.text.data, record.text.size);
    lua_pushinteger(L, (lua_Integer)record.number);
    lua_pushstring(L, splitter->json.parser.is_sequence ? "record" : "line");
    lua_pushboolean(L, record.is_cut);
    return 4;
}

int slb_push_split(lua_State *L, struct slb_splitter *splitter,
                   void (*check)(lua_State *L, uint64_t taken), uint64_t taken,
                   size_t *consumed)
{
    const struct pushing pushing = {splitter, check, taken,
                                    number_of(splitter)};
    int count = 1;

    splitter->taken = (uint32_t)taken;
    if (splitter->has_records)
        count = push_record(L, splitter);
    else
        fill_event(L, &pushing);
    *consumed = 0;
    /* A finaliser may have taken it, too. */
    if (is_ready(&pushing)) {
        *consumed = splitter->used;
        splitter->is_ready = false;
    }
    return count;
}

void slb_set_index(lua_State *L, const char *type, const luaL_Reg *methods,
                   lua_CFunction index)
{
    luaL_getmetatable(L, type);
    lua_newtable(L);
    slb_push_event_upvalues(L);
    luaL_setfuncs(L, methods, SLB_EVENT_UPVALUES);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "methods");
    lua_pushcclosure(L, index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
