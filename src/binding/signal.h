/* binding/signal.h - a completion that a thread of the host's signals
 *
 *   host's thread --signal--> [ post of the loop ] --step--> waiters go on
 *
 * Lua's handle and the host's thread each hold the signal: what comes first,
 * the end of the state or the thread's result, does not matter.
 */
#ifndef SLB_SIGNAL_H
#define SLB_SIGNAL_H

#include "task/runtime.h"

struct sluice_signal;

/* Pushes the handle. May raise. */
struct sluice_signal *slb_push_signal(lua_State *L);

/* From any thread, once. False: out of memory, nothing was done. */
bool slb_signal(struct sluice_signal *signal, const void *bytes, size_t size);

void slb_signal_open(lua_State *L);

#endif
