/* io/backends/uring_ring.h - a ring: how it is set up, entered and closed
 *
 * in:  the kernel    out: io/backends/uring.c, which alone includes this
 *
 *   entry -> (fill it) -> enter -> completions, in shared memory
 *
 * A ring knows no operations. It belongs to the thread that opened it.
 */
#ifndef SL_IO_BACKENDS_URING_RING_H
#define SL_IO_BACKENDS_URING_RING_H

#include "base/clock.h"

#include <liburing.h>
#include <stdbool.h>

struct sl_uring_ring {
    struct io_uring kernel;
    /* For an outer loop; -1 until it asks. The ring itself does not wake who
     * polls it: its work is left to our own waits. */
    int event_fd;
    int refusal; /* errno of the kernel's last refusal to take entries */
    int broken;  /* errno: the ring takes no calls any more; 0: it does */
};

/* Sets a ring up in the best way that the kernel allows. 0 or errno; ENOSYS: it
 * lacks what a ring of sockets needs. */
int sl_uring_ring_open(struct sl_uring_ring *ring);
void sl_uring_ring_close(struct sl_uring_ring *ring);

/* Whether the kernel does its work for the ring, also the completions, only
 * within the calls of the ring's own thread. */
static inline bool sl_uring_ring_is_deferred(const struct sl_uring_ring *ring)
{
    return (ring->kernel.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
}

struct io_uring_sqe *sl_uring_ring_entry_by_call(struct sl_uring_ring *ring);

/* An entry to fill. NULL only when the kernel refuses to take the entries
 * queued, and `refusal` says why. */
static inline struct io_uring_sqe *
sl_uring_ring_entry(struct sl_uring_ring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->kernel);

    return entry != NULL ? entry : sl_uring_ring_entry_by_call(ring);
}

/* Hands in the filled entries, and waits for a completion unless one is there.
 * 0 or errno; ETIME: the timeout is over. */
int sl_uring_ring_enter(struct sl_uring_ring *ring, int64_t timeout);

/* Notes, by the error of a call, that the ring takes no calls any more. After
 * EBADF and EOPNOTSUPP its descriptor is not closed: others have closed it. */
static inline void sl_uring_ring_break(struct sl_uring_ring *ring, int error)
{
    ring->broken = error;
}

/* Whether the kernel has work of ours for the next time that it is entered. */
static inline bool sl_uring_ring_has_work(const struct sl_uring_ring *ring)
{
    return (IO_URING_READ_ONCE(*ring->kernel.sq.kflags) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* Whether there are entries to hand in, completions to take, or such work. */
static inline bool sl_uring_ring_has_pending(const struct sl_uring_ring *ring)
{
    return io_uring_sq_ready(&ring->kernel) > 0 ||
           io_uring_cq_ready(&ring->kernel) > 0 || sl_uring_ring_has_work(ring);
}

/* ---- for an outer loop ---- */

/* A descriptor that is readable when there are completions. -1: see errno. */
int sl_uring_ring_event(struct sl_uring_ring *ring);

void sl_uring_ring_clear_event(struct sl_uring_ring *ring);

/* Makes it unreadable, if there is one. To be called before the completions are
 * taken: later ones signal again, but not if work was waiting already. */
static inline void sl_uring_ring_take_event(struct sl_uring_ring *ring)
{
    if (ring->event_fd >= 0)
        sl_uring_ring_clear_event(ring);
}

#endif
