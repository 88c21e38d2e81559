/* task/drive.h - the loop of a Lua state, driven from its thread
 *
 * in:  task/wait.c outside of coroutines; binding/loop.c, binding/host.c
 * out: io/loop.h, whose deliveries resume coroutines from the driving thread
 */
#ifndef SLB_DRIVE_H
#define SLB_DRIVE_H

#include "task/ticket.h"

/* How long a driven loop sleeps at most before it looks whether a debug hook,
 * which is how a host interrupts a script, wants to run. */
#define SLB_DRIVE_SLICE (200 * SL_MILLISECOND)

/* Makes one step, as sl_loop_step_within does, with resumes from L. SL_MISUSE:
 * inside a step; SL_MEMORY: nothing was done. */
enum sl_status slb_step(lua_State *L, struct slb_runtime *runtime,
                        int64_t max_wait, int64_t budget);

/* Lets a hook run that was set meanwhile, by a signal handler for example.
 * False when it raised; the error is on top of the stack. */
bool slb_run_hook(lua_State *L);

/* Steps until what the ticket waits for is DONE. False: the error is on top of
 * the stack. */
bool slb_drive(lua_State *L, const struct slb_ticket *ticket);

#endif
