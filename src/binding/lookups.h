/* binding/lookups.h - look-ups that a function of the program answers
 *
 *   io/lookup.h --start--> question --(next step: ask)--> task of the program
 *               <--------- answered, failed, or asked of the system's resolver
 *
 * `start` and `cancel` run where no Lua may: what they want is done in the next
 * step of the loop.
 */
#ifndef SLB_LOOKUPS_H
#define SLB_LOOKUPS_H

#include "io/lookup.h"
#include "task/runtime.h"

/* The function on top of the stack, function(question, host, port) -> task, is
 * called for each look-up. It becomes user value 1 of the userdata at `owner`,
 * without which nothing more is asked. The stack is left as it was but for the
 * function. SL_MEMORY. Ended by slb_lookups_end. */
enum sl_status slb_lookups_create(lua_State *L, struct slb_runtime *runtime,
                                  int owner, struct sl_lookup_source **source);
/* The source is not asked any more, and nothing is in progress. */
void slb_lookups_end(struct sl_lookup_source *source);

void slb_lookups_open(lua_State *L);

#endif
