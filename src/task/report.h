/* task/report.h - errors that reach nobody
 *
 * in:  task/task.c, task/resume.c
 * out: the handler that on_error sets, or stderr
 *
 * An error ends a task that nobody awaits, or a coroutine of the caller's own
 * that the loop resumed: it is handed to the handler, once. Where there is no
 * handler, or the handler raises, the error is printed on stderr.
 */
#ifndef SLB_REPORT_H
#define SLB_REPORT_H

#include "task/runtime.h"

/* Reports what is on top of the stack and pops it: the error's value, a
 * traceback or nil, the task or nil. Raises nothing. */
void slb_report(lua_State *L);

/* The same for the error with which a coroutine without a task ended; it is on
 * top of the coroutine's own stack. */
void slb_report_thread(lua_State *L, lua_State *coroutine);

void slb_report_open(lua_State *L);

#endif
