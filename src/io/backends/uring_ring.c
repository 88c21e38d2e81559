#include "io/backends/uring_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENTRIES 256

/* Best first. The first two keep a ring from being used by another thread or a
 * child of fork, and leave the kernel's work to our own waits. */
static const unsigned setup_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
        IORING_SETUP_CLAMP,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP,
    IORING_SETUP_CLAMP,
};

int sl_uring_ring_open(struct sl_uring_ring *ring)
{
    int error = ENOSYS;

    memset(ring, 0, sizeof *ring);
    ring->event_fd = -1;
    for (size_t i = 0; i < sizeof setup_flags / sizeof setup_flags[0]; i++) {
        struct io_uring_params parameters;

        memset(&parameters, 0, sizeof parameters);
        parameters.flags = setup_flags[i];
        error =
            -io_uring_queue_init_params(ENTRIES, &ring->kernel, &parameters);
        if (error == EINVAL)
            continue;
        if (error != 0)
            return error;
        /* Without these a socket would occupy a kernel thread while it waits,
         * and completions could be lost. */
        if ((parameters.features & IORING_FEAT_FAST_POLL) != 0 &&
            (parameters.features & IORING_FEAT_NODROP) != 0)
            return 0;
        io_uring_queue_exit(&ring->kernel);
        return ENOSYS;
    }
    return error;
}

void sl_uring_ring_close(struct sl_uring_ring *ring)
{
    /* Code outside sluice closed it: the number may be another file's by
     * now. */
    if (ring->broken == EBADF || ring->broken == EOPNOTSUPP)
        ring->kernel.ring_fd = -1;
    io_uring_queue_exit(&ring->kernel);
    if (ring->event_fd >= 0)
        close(ring->event_fd);
}

struct io_uring_sqe *sl_uring_ring_entry_by_call(struct sl_uring_ring *ring)
{
    int taken = io_uring_submit(&ring->kernel);

    ring->refusal = taken < 0 ? -taken : EBUSY;
    return io_uring_get_sqe(&ring->kernel);
}

int sl_uring_ring_enter(struct sl_uring_ring *ring, int64_t timeout)
{
    struct __kernel_timespec until;
    struct io_uring_cqe *entry;
    int result = 0;

    if (timeout == 0 || io_uring_cq_ready(&ring->kernel) > 0) {
        if (io_uring_sq_ready(&ring->kernel) > 0 ||
            sl_uring_ring_has_work(ring))
            result = io_uring_submit_and_get_events(&ring->kernel);
    } else if (timeout == SL_NEVER) {
        result = io_uring_submit_and_wait(&ring->kernel, 1);
    } else {
        until.tv_sec = timeout / SL_SECOND;
        until.tv_nsec = timeout % SL_SECOND;
        result = io_uring_submit_and_wait_timeout(&ring->kernel, &entry, 1,
                                                  &until, NULL);
    }
    return result < 0 ? -result : 0;
}

/* ---- for an outer loop ---- */

int sl_uring_ring_event(struct sl_uring_ring *ring)
{
    int fd = ring->event_fd;
    int error;

    if (fd >= 0)
        return fd;
    fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -1;
    error = -io_uring_register_eventfd(&ring->kernel, fd);
    if (error != 0) {
        close(fd);
        errno = error;
        return -1;
    }
    ring->event_fd = fd;
    return fd;
}

void sl_uring_ring_clear_event(struct sl_uring_ring *ring)
{
    uint64_t count;

    while (read(ring->event_fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    if (sl_uring_ring_has_work(ring))
        io_uring_get_events(&ring->kernel);
}
