/* io/thread.h - threads of the library's own
 *
 * They have all signals blocked: signals stay with the program's own threads.
 */
#ifndef SL_IO_THREAD_H
#define SL_IO_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts one with a stack of that size. 0 or an error. */
int sl_thread_start(pthread_t *thread, size_t stack_size,
                    void *(*run)(void *argument), void *argument);

#endif
