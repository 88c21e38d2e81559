/* io/backends/uring.h - what a ring keeps with each of its operations */
#ifndef SL_IO_BACKENDS_URING_H
#define SL_IO_BACKENDS_URING_H

#include <stdbool.h>
#include <stdint.h>

struct sl_uring_tail {
    uint64_t handle;    /* slot and generation, as the kernel reports them */
    bool is_cancel_due; /* not handed to the kernel yet */
};

#endif
