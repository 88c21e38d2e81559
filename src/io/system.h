/* io/system.h - calls that systems name differently, or have only in parts
 *
 * Linux makes a descriptor that does not block and is not inherited in one
 * call; other systems need several. SL_PORTABLE builds the other form on Linux,
 * too, for tests.
 */
#ifndef SL_IO_SYSTEM_H
#define SL_IO_SYSTEM_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Neither end blocks, exec closes both. 0; -1 and errno. */
int sl_pipe_open(int ends[2]);

/* A stream socket that does not block, is closed by exec, and fails with EPIPE,
 * without a signal, if it is sent to with SL_NO_SIGNAL. -1 and errno. */
int sl_socket_open(int family);

/* A flag of send and sendmsg. Where it does not exist, the socket itself has
 * the option. */
#ifdef MSG_NOSIGNAL
#define SL_NO_SIGNAL MSG_NOSIGNAL
#else
#define SL_NO_SIGNAL 0
#endif

/* The type of msg_iovlen, which is not the same everywhere. */
#define SL_PIECES(count) \
    ((__typeof__(((struct msghdr *)NULL)->msg_iovlen))(count))

/* Waits for such a condition are not moved by changes of the wall clock. 0 or
 * an error. */
int sl_condition_init(pthread_cond_t *condition);
/* Waits until `until`, a time of sl_clock_now. 0, or ETIMEDOUT once it is
 * over. */
int sl_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                      int64_t until);

#endif
