/* binding/options.h - option tables, read by C, and the type made of one
 *
 * The Lua layer has checked names and types for users; these checks are the
 * second door, and raise.
 */
#ifndef SLB_OPTIONS_H
#define SLB_OPTIONS_H

#include "conn/exchange.h"
#include "task/runtime.h"

/* The options of requests of one kind, compiled once. */
struct slb_options {
    struct sl_exchange_options options;
};

extern const char slb_options_type[];

/* The field `name` of the table at index 1; absent fields give `otherwise`. */
bool slb_field_boolean(lua_State *L, const char *name, bool otherwise);
uint64_t slb_field_size(lua_State *L, const char *name, uint64_t otherwise);
int64_t slb_field_seconds(lua_State *L, const char *name, int64_t otherwise);
/* Stays on the stack, so that it lives as long as the call. */
const char *slb_field_string(lua_State *L, const char *name);
struct sl_view slb_field_view(lua_State *L, const char *name);

/* head, line, lines, interim, body, lenient_lf; defaults for those absent. */
void slb_read_limits(lua_State *L, struct sl_response_limits *limits);

/* Raises when the table at index 1 has a key that is not in `names`. */
void slb_check_fields(lua_State *L, const char *function,
                      const char *const *names);

#endif
