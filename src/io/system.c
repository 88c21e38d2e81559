#include "io/system.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* ---- descriptors ---- */

#if defined(__linux__) && !defined(SL_PORTABLE)

int sl_pipe_open(int ends[2])
{
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}

int sl_socket_open(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

#else

/* A program that another thread starts between the two calls inherits the
 * descriptor: such systems have no way around that. */
static int prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void close_all(const int *fds, int count)
{
    int error = errno;

    for (int i = 0; i < count; i++)
        close(fds[i]);
    errno = error;
}

int sl_pipe_open(int ends[2])
{
    if (pipe(ends) != 0)
        return -1;
    if (prepare(ends[0]) == 0 && prepare(ends[1]) == 0)
        return 0;
    close_all(ends, 2);
    return -1;
}

int sl_socket_open(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);

    if (fd < 0)
        return -1;
    if (prepare(fd) != 0) {
        close_all(&fd, 1);
        return -1;
    }
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
    return fd;
}

#endif

/* ---- conditions ---- */

#ifdef __APPLE__

int sl_condition_init(pthread_cond_t *condition)
{
    return pthread_cond_init(condition, NULL);
}

/* Conditions have no choice of clock here, but waits for a span of time. */
int sl_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                      int64_t until)
{
    int64_t left = until - sl_clock_now();
    struct timespec span = {0};

    if (left <= 0)
        return ETIMEDOUT;
    span.tv_sec = (time_t)(left / SL_SECOND);
    span.tv_nsec = (long)(left % SL_SECOND);
    return pthread_cond_timedwait_relative_np(condition, lock, &span);
}

#else

int sl_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);

    if (error != 0)
        return error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

int sl_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                      int64_t until)
{
    struct timespec at = {0};

    at.tv_sec = (time_t)(until / SL_SECOND);
    at.tv_nsec = (long)(until % SL_SECOND);
    return pthread_cond_timedwait(condition, lock, &at);
}

#endif
