/* binding/formats.h - the formats of Lua's files: "l", "L", "n", "a" and counts
 *
 * in: binding/reader.c, binding/body_reader.c     below: memory/item.c
 */
#ifndef SLB_FORMATS_H
#define SLB_FORMATS_H

#include "memory/item.h"

#include <lauxlib.h>
#include <lua.h>

/* The formats that one call may have: a closure keeps them as upvalues. */
#define SLB_FORMATS_MAX 240

/* Replaces the formats from index `first` to the top, of which there may be
 * none ("l" then), by integers for slb_begin_item. Raises for others. How many
 * there are now, at least one. */
int slb_check_formats(lua_State *L, int first);

/* The integer for the format at `index`; raises for an unknown format. */
lua_Integer slb_check_format(lua_State *L, int index);

/* Begins what such an integer asks for. */
void slb_begin_item(lua_Integer format, struct sl_item *item);

/* The integers of a line without its LF, and of one without its LF or CRLF. */
#define SLB_LINE      (-1 - (lua_Integer)SL_ITEM_LINE)
#define SLB_TEXT_LINE (-1 - (lua_Integer)SL_ITEM_TEXT_LINE)

/* A complete item as a value, which `reader` then has passed; false when a
 * numeral is no number. Making the value may run finalisers: `check` raises
 * where they disposed what is read. */
bool slb_push_item(lua_State *L, struct sl_reader *reader,
                   const struct sl_item *item, void (*check)(lua_State *L));
/* The same of the next one, which has just begun; false at the end, too. */
bool slb_push_next(lua_State *L, struct sl_reader *reader, struct sl_item *item,
                   void (*check)(lua_State *L));

/* Pushes a complete numeral as a number, or false when it is malformed. */
bool slb_push_numeral(lua_State *L, const struct sl_item *item);

#endif
