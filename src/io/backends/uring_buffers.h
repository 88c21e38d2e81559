/* io/backends/uring_buffers.h - memory chosen by the kernel when bytes arrive
 *
 * in:  memory/pool.h    out: io/backends/uring.c, which alone includes this
 *
 *   ring   [ run | run | run |     |     ]    a run: up to four segments that
 *            ^ the kernel takes     ^ tail    adjoin, received into as one
 *
 * A receive that chooses has no memory until bytes have arrived for it, so that
 * many waiting streams share few runs: one for each, up to SL_URING_RUNS. A run
 * is pinned from when it is put into the ring until the completion that names
 * it, which hands it over. When the last receive that could choose is over, the
 * runs left in the ring go back to the pool.
 */
#ifndef SL_IO_BACKENDS_URING_BUFFERS_H
#define SL_IO_BACKENDS_URING_BUFFERS_H

#include "memory/pool.h"

#include <liburing.h>

#define SL_URING_RUNS 64 /* a power of two */

struct sl_uring_buffers {
    struct io_uring *ring;
    struct sl_pool *pool;
    struct io_uring_buf_ring *entries; /* NULL: not registered */
    /* The runs in the ring, each a chain, by the kernel's number for it. */
    struct sl_segment *runs[SL_URING_RUNS];
    size_t count;
    size_t choosing; /* receives in flight that may take one */
    uint16_t tail;
    bool is_refused;
};

/* Acquires nothing. */
void sl_uring_buffers_init(struct sl_uring_buffers *buffers,
                           struct io_uring *ring, struct sl_pool *pool);
/* Called when the ring is closed. Runs that a receive without end could choose
 * stay pinned for good. */
void sl_uring_buffers_fini(struct sl_uring_buffers *buffers);

/* Registers at the first call. False: this kernel has no buffer rings. */
bool sl_uring_buffers_are_open(struct sl_uring_buffers *buffers);

/* A further receive will choose a run. False: for want of memory there is
 * nothing to choose from. */
bool sl_uring_buffers_begin(struct sl_uring_buffers *buffers);
/* Makes the entry such a receive. */
void sl_uring_buffers_prepare(struct io_uring_sqe *entry, int fd);
/* The receive is over, in whatever way. Answers the chain with its bytes, now
 * the caller's; NULL without any. */
struct sl_segment *sl_uring_buffers_end(struct sl_uring_buffers *buffers,
                                        const struct io_uring_cqe *entry);

#endif
