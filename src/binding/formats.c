#include "binding/formats.h"

/* As an integer a count is itself, any other kind lies below zero. */
static lua_Integer from_kind(enum sl_item_kind kind)
{
    return -1 - (lua_Integer)kind;
}

lua_Integer slb_check_format(lua_State *L, int index)
{
    const char *format;

    if (lua_type(L, index) == LUA_TNUMBER) {
        lua_Integer size = luaL_checkinteger(L, index);

        luaL_argcheck(L, size >= 0, index, "count is negative");
        return size;
    }
    format = luaL_checkstring(L, index);
    if (*format == '*')
        format++;
    switch (*format) {
    case 'n':
        return from_kind(SL_ITEM_NUMBER);
    case 'l':
        return from_kind(SL_ITEM_LINE);
    case 'L':
        return from_kind(SL_ITEM_WHOLE_LINE);
    case 'a':
        return from_kind(SL_ITEM_ALL);
    default:
        return luaL_argerror(L, index, "invalid format");
    }
}

int slb_check_formats(lua_State *L, int first)
{
    int count = lua_gettop(L) - first + 1;

    luaL_argcheck(L, count <= SLB_FORMATS_MAX, first + SLB_FORMATS_MAX,
                  "too many formats");
    if (count == 0) {
        lua_pushinteger(L, SLB_LINE);
        return 1;
    }
    for (int i = first; i < first + count; i++) {
        lua_pushinteger(L, slb_check_format(L, i));
        lua_replace(L, i);
    }
    return count;
}

void slb_begin_item(lua_Integer format, struct sl_item *item)
{
    if (format >= 0)
        sl_item_begin(item, SL_ITEM_COUNT, (size_t)format);
    else
        sl_item_begin(item, (enum sl_item_kind)(-1 - format), 0);
}

bool slb_push_numeral(lua_State *L, const struct sl_item *item)
{
    return lua_stringtonumber(L, item->numeral) != 0;
}

bool slb_push_item(lua_State *L, struct sl_reader *reader,
                   const struct sl_item *item, void (*check)(lua_State *L))
{
    size_t after = reader->position + item->used;
    struct sl_view view;

    if (item->kind == SL_ITEM_NUMBER) {
        sl_reader_skip(reader, item->used);
        return slb_push_numeral(L, item);
    }
    view = sl_reader_peek(reader);
    if (view.size >= item->size) {
        lua_pushlstring(L, view.data, item->size);
    } else {
        luaL_Buffer text;
        char *room = luaL_buffinitsize(L, &text, item->size);

        check(L);
        sl_sequence_copy_out(reader->sequence, after - item->used, room,
                             item->size);
        luaL_pushresultsize(&text, item->size);
    }
    /* Wherever a finaliser has moved it, or whatever it disposed. */
    return sl_reader_seek(reader, SL_SEEK_SET, (int64_t)after) == SL_OK;
}

bool slb_push_next(lua_State *L, struct sl_reader *reader, struct sl_item *item,
                   void (*check)(lua_State *L))
{
    if (!sl_item_scan_reader(item, reader) && !sl_item_end(item))
        return false;
    return slb_push_item(L, reader, item, check);
}
