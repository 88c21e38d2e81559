/* task/seconds.h - seconds that a program gives, as time of the loop */
#ifndef SLB_SECONDS_H
#define SLB_SECONDS_H

#include "task/runtime.h"

/* Converts a number of seconds to nanoseconds; raises for anything else. */
int64_t slb_check_seconds(lua_State *L, int index);

/* The time at which a wait of that many seconds is over, from now on; SL_NEVER
 * if there is none at `index`. Refreshes the loop's clock. */
int64_t slb_check_due(lua_State *L, int index, struct slb_runtime *runtime);

#endif
