/* task/outcome.h - what a call returns besides results of its own
 *
 *   true, false, nil     done; not yet; the end
 *   nil, message, err    a failure of the world; `err` is a table with a code,
 *                        a stage, and whether another attempt makes sense
 *
 * A mistake of the program is none of these: it raises.
 */
#ifndef SLB_OUTCOME_H
#define SLB_OUTCOME_H

#include "base/status.h"

#include <lua.h>
#include <stddef.h>

/* A failure of the world: nil, message, err. `attempt` names what was tried and
 * on what; the message is "<attempt>: <reason>". The count of values, 3. */
int slb_push_failure(lua_State *L, const struct sl_failure *failure,
                     const char *attempt);

/* For SL_LIMIT: the content would exceed the `max_size` of `limit` bytes. */
int slb_push_excess(lua_State *L, const char *attempt, size_t limit);

/* For a status without more to say: SL_OK true; SL_AGAIN false; SL_END nil;
 * SL_MISUSE raises; failures nil, message, err. The count of values. */
int slb_push_outcome(lua_State *L, enum sl_status status, const char *attempt);

#endif
