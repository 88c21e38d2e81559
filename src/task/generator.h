/* task/generator.h - functions whose coroutine may wait between its values
 *
 * above: task/wait.c
 *
 * As coroutine.wrap; but where the coroutine waits its caller waits for it: the
 * loop resumes the caller, which goes on with the coroutine.
 */
#ifndef SLB_GENERATOR_H
#define SLB_GENERATOR_H

#include "task/wait.h"

void slb_generator_open(lua_State *L);

#endif
