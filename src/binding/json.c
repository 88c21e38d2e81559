/* JSON texts to Lua values, by codec/json.h. */
#include "binding/json.h"

#include "binding/types.h"
#include "codec/json.h"
#include "http/token.h"
#include "task/outcome.h"
#include "task/userdata.h"

static const char array_type[] = "sluice.json.array";

const char slb_json_empty_array;

/* Values wait on the stack until their table can be made in its size, or until
 * there are so many. */
#define WAITING_ITEMS 64
#define WAITING_PAIRS (WAITING_ITEMS / 2)

/* At `place`: its table, else nothing, and behind it the values (keys and
 * values) that wait. */
struct building {
    int place;
    bool is_object;
    bool is_made;
    lua_Integer count;
};

struct decoding {
    lua_State *L;
    const struct sl_sequence *sequence; /* NULL: a string */
    size_t size;
    struct sl_json json;
    size_t depth;
    struct building levels[SL_JSON_DEPTH];
};

/* Whatever allocates may run a finaliser that disposes the input. */
static void check_input(const struct decoding *decoding)
{
    if (decoding->sequence != NULL &&
        decoding->sequence->size != decoding->size)
        slb_raise_disposed(decoding->L, "sequence");
}

static void make_table(lua_State *L, struct building *level)
{
    int count = (int)level->count;
    int i;

    lua_createtable(L, level->is_object ? 0 : count,
                    level->is_object ? count : 0);
    lua_replace(L, level->place);
    level->is_made = true;
    if (level->is_object) { /* in their order: the last of equal keys wins */
        for (i = 0; i < count; i++) {
            lua_pushvalue(L, level->place + 1 + 2 * i);
            lua_pushvalue(L, level->place + 2 + 2 * i);
            lua_rawset(L, level->place);
        }
        lua_settop(L, level->place);
    } else {
        for (i = count; i > 0; i--)
            lua_rawseti(L, level->place, i);
    }
}

/* stack: ..., value -> ... with the value in its level, if there is one */
static void keep(struct decoding *decoding)
{
    lua_State *L = decoding->L;
    struct building *level;

    if (decoding->depth == 0)
        return;
    level = &decoding->levels[decoding->depth - 1];
    level->count++;
    if (!level->is_made) {
        if (level->count == (level->is_object ? WAITING_PAIRS : WAITING_ITEMS))
            make_table(L, level);
    } else if (level->is_object) {
        lua_rawset(L, level->place);
    } else {
        lua_rawseti(L, level->place, level->count);
    }
}

static enum sl_status begin_table(struct decoding *decoding, bool is_object)
{
    lua_State *L = decoding->L;
    struct building *level = &decoding->levels[decoding->depth];

    if (!lua_checkstack(L, WAITING_ITEMS + LUA_MINSTACK))
        return SL_MEMORY;
    lua_pushnil(L);
    level->place = lua_gettop(L);
    level->is_object = is_object;
    level->is_made = false;
    level->count = 0;
    decoding->depth++;
    return SL_OK;
}

static void end_table(struct decoding *decoding)
{
    lua_State *L = decoding->L;
    struct building *level = &decoding->levels[--decoding->depth];

    if (!level->is_made)
        make_table(L, level);
    if (level->count == 0 && !level->is_object) { /* [] stays one */
        lua_pushvalue(L, SLB_JSON_ARRAY);
        lua_setmetatable(L, -2);
    }
    keep(decoding);
}

static void push_text(const struct decoding *decoding, struct sl_view text)
{
    lua_State *L = decoding->L;
    luaL_Buffer buffer;
    char *room;

    if (text.data != NULL) {
        lua_pushlstring(L, text.data, text.size);
        return;
    }
    room = luaL_buffinitsize(L, &buffer, text.size);
    check_input(decoding);
    sl_json_read_text(&decoding->json, room);
    luaL_pushresultsize(&buffer, text.size);
}

static enum sl_status take_event(struct decoding *decoding,
                                 const struct sl_json_event *event)
{
    lua_State *L = decoding->L;

    switch (event->type) {
    case SL_JSON_ARRAY:
        return begin_table(decoding, false);
    case SL_JSON_OBJECT:
        return begin_table(decoding, true);
    case SL_JSON_ARRAY_END:
    case SL_JSON_OBJECT_END:
        end_table(decoding);
        return SL_OK;
    case SL_JSON_KEY:
        push_text(decoding, event->text);
        return SL_OK; /* waits for its value */
    case SL_JSON_STRING:
        push_text(decoding, event->text);
        break;
    case SL_JSON_INTEGER:
        lua_pushinteger(L, event->integer);
        break;
    case SL_JSON_DOUBLE:
        lua_pushnumber(L, event->number);
        break;
    case SL_JSON_TRUE:
    case SL_JSON_FALSE:
        lua_pushboolean(L, event->type == SL_JSON_TRUE);
        break;
    case SL_JSON_NULL:
        lua_pushlightuserdata(L, SLB_JSON_NULL);
        break;
    }
    keep(decoding);
    return SL_OK;
}

/* nil, message, err with `position`: of the first wrong byte, from 1 */
static int push_bad_text(struct decoding *decoding, struct sl_view text)
{
    size_t offset = decoding->json.input.offset;
    struct sl_failure failure;
    char excerpt[24];
    char shown[4 * sizeof excerpt + 1];

    text.size = decoding->size - offset;
    if (text.size > sizeof excerpt)
        text.size = sizeof excerpt;
    if (decoding->sequence != NULL)
        sl_sequence_copy_out(decoding->sequence, offset, excerpt, text.size);
    else if (text.size > 0)
        memcpy(excerpt, text.data + offset, text.size);
    sl_escape(shown, sizeof shown, sl_view(excerpt, text.size));
    sl_fail(&failure, SL_DECODE, SL_STAGE_BODY, "byte %zu: %s%s%s%s",
            offset + 1, decoding->json.input.error,
            text.size > 0 ? " at \"" : " at the end", shown,
            text.size > 0 ? "\"" : "");
    slb_push_failure(decoding->L, &failure, "decode JSON");
    lua_pushinteger(decoding->L, (lua_Integer)offset + 1);
    lua_setfield(decoding->L, -2, "position");
    return 3;
}

/* json.decode(string | sequence | lease) -> value
 *                                       | nil, message, err (decode, memory) */
static int json_decode(lua_State *L)
{
    struct decoding decoding;
    struct sl_json_event event;
    struct slb_bytes input;
    enum sl_status status;

    slb_check_bytes(L, 1, &input);
    lua_settop(L, 1);
    decoding.L = L;
    decoding.sequence = input.sequence;
    decoding.size = input.size;
    decoding.depth = 0;
    if (input.sequence != NULL)
        sl_json_init(&decoding.json, input.sequence);
    else
        sl_json_init_view(&decoding.json, input.text);
    for (;;) {
        status = sl_json_next(&decoding.json, &event);
        if (status == SL_OK)
            status = take_event(&decoding, &event);
        if (status != SL_OK)
            break;
        check_input(&decoding);
    }
    if (status == SL_END)
        return 1;
    if (status == SL_DECODE)
        return push_bad_text(&decoding, input.text);
    return slb_push_outcome(L, status, "decode JSON");
}

static const luaL_Reg functions[] = {{"decode", json_decode},
                                     {"encode", slb_json_encode},
                                     {"text", slb_json_text},
                                     {NULL, NULL}};

void slb_json_open(lua_State *L)
{
    lua_createtable(L, 0, 6);
    luaL_newmetatable(L, array_type); /* the same whenever it is opened again */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "array_mt");
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, SLB_JSON_NULL);
    lua_setfield(L, -2, "null");
    lua_pushlightuserdata(L, (void *)(uintptr_t)&slb_json_empty_array);
    lua_setfield(L, -2, "empty_array");
    lua_setfield(L, -2, "json");
}
