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

/* Replaces the formats from index `first` to the top, or "l" if there are none,
 * by integers for slb_begin_item. Raises for other values. Returns their count,
 * at least one. */
int slb_check_formats(lua_State *L, int first);

/* The integer for the format at `index`; raises for an unknown format. */
lua_Integer slb_check_format(lua_State *L, int index);

/* Begins the item of such an integer. */
void slb_begin_item(lua_Integer format, struct sl_item *item);

/* The integers of a line without its LF, and of one without its LF or CRLF. */
#define SLB_LINE      (-1 - (lua_Integer)SL_ITEM_LINE)
#define SLB_TEXT_LINE (-1 - (lua_Integer)SL_ITEM_TEXT_LINE)

/* Makes a complete item a value, and moves `reader` behind it; false: a numeral
 * is malformed. Making the value may run finalisers: `check` raises if they
 * disposed the sequence that is read. */
bool slb_push_item(lua_State *L, struct sl_reader *reader,
                   const struct sl_item *item, void (*check)(lua_State *L));
/* The same for the next item, which has just begun; false at the end, too. */
bool slb_push_next(lua_State *L, struct sl_reader *reader, struct sl_item *item,
                   void (*check)(lua_State *L));

/* Pushes a complete numeral as a number, or false when it is malformed. */
bool slb_push_numeral(lua_State *L, const struct sl_item *item);

#endif
