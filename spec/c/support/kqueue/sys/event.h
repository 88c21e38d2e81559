/* kqueue(2) for the tests of io/backends/kqueue.c on Linux: the subset that it
 * uses, over epoll; see ../kqueue.c
 *
 * Of filters EVFILT_READ and EVFILT_WRITE, of flags those below.
 */
#ifndef SPEC_C_SUPPORT_KQUEUE_SYS_EVENT_H
#define SPEC_C_SUPPORT_KQUEUE_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ  (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD    0x0001
#define EV_DELETE 0x0002
#define EV_CLEAR  0x0020
#define EV_OOBAND 0x2000
#define EV_ERROR  0x4000
#define EV_EOF    0x8000

struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int change_count,
           struct kevent *events, int event_count,
           const struct timespec *timeout);

#endif
