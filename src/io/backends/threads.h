/* io/backends/threads.h - what the thread backend keeps with each operation
 *
 * A worker writes it, but for `is_unwanted`, from when it takes the operation
 * until the post arrives.
 */
#ifndef SL_IO_BACKENDS_THREADS_H
#define SL_IO_BACKENDS_THREADS_H

#include "io/loop.h"

#include <stdatomic.h>

struct sl_operation;

struct sl_threads_tail {
    struct sl_post post;
    struct sl_operation *next; /* in the worker's inbox or list */
    size_t worker;
    size_t result; /* the outcome of the call: these three */
    enum sl_status status;
    int error;
    atomic_bool is_unwanted; /* it was cancelled */
};

#endif
