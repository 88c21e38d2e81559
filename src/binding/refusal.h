/* binding/refusal.h - what a proxy answered when it refused, for scripts
 *
 * Tables and strings of Lua: it holds no pooled memory, so nobody has to
 * dispose it. `lua/sluice/refusal.lua` gives it its methods.
 */
#ifndef SLB_REFUSAL_H
#define SLB_REFUSAL_H

#include "binding/response.h"

/* Moves the refusing answer that the exchange of the response at `index` has
 * met, if there is one, to the field `response` of the failure on top of the
 * stack. */
void slb_add_refusal(lua_State *L, int index);

#endif
