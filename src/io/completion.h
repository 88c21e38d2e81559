/* io/completion.h - one thing that will be finished later, reusable, versioned
 *
 *   IDLE --begin--> PENDING --signal--> READY --(loop step)--> DONE
 *     ^                |                                        |
 *     |                +-------finish (at once)---------------->+
 *     +------------------------- begin again (version + 1) <----+
 *
 * A completion is made once and used for every operation of its kind. begin
 * raises its version, so that a holder of an older version can be recognised.
 * signal only queues it: `deliver` runs from sl_loop_step and nowhere else, so
 * no callback ever runs inside the call that caused it.
 */
#ifndef SL_IO_COMPLETION_H
#define SL_IO_COMPLETION_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sl_loop;

enum sl_completion_state {
    SL_COMPLETION_IDLE,
    SL_COMPLETION_PENDING,
    SL_COMPLETION_READY, /* signalled, queued for delivery */
    SL_COMPLETION_DONE
};

struct sl_completion {
    struct sl_loop *loop;
    struct sl_completion *next; /* in the loop's ready queue, doubly linked */
    struct sl_completion *previous;
    void (*deliver)(struct sl_completion *completion); /* NULL: no callback */
    void (*cancel)(
        struct sl_completion *completion); /* a request; NULL: cannot */
    size_t result;
    uint32_t version;
    uint32_t mark; /* the owner's to use; 0 at first */
    int system_error;
    uint8_t state;  /* enum sl_completion_state */
    uint8_t status; /* enum sl_status, when READY or DONE */
    /* It has no waiter and is not among the loop's operations, so that an idle
     * connection does not keep a program running. */
    bool is_background : 1;
    bool is_internal : 1; /* `deliver` only frees memory: also when closing */
    /* `deliver` begins work of its own, as a new coroutine does: a step
     * delivers a bounded number of these. */
    bool is_start : 1;
};

static inline void sl_completion_init(struct sl_completion *completion,
                                      struct sl_loop *loop,
                                      void (*deliver)(struct sl_completion *))
{
    memset(completion, 0, sizeof *completion);
    completion->loop = loop;
    completion->deliver = deliver;
}

/* For sl_completion_fini: one that is PENDING or READY counts no more. */
void sl_completion_stop(struct sl_completion *completion);

/* Out of the ready queue, IDLE; the caller notifies the waiter. */
static inline void sl_completion_fini(struct sl_completion *completion)
{
    if (completion->state == SL_COMPLETION_PENDING ||
        completion->state == SL_COMPLETION_READY)
        sl_completion_stop(completion);
    completion->state = SL_COMPLETION_IDLE;
}

/* IDLE or DONE -> PENDING, counted by the loop as an operation outstanding. */
void sl_completion_begin(struct sl_completion *completion);
/* PENDING -> READY, queued. Only on the loop's thread. */
void sl_completion_signal(struct sl_completion *completion,
                          enum sl_status status, size_t result);
/* PENDING -> DONE without delivery: the result was there at once. */
void sl_completion_finish(struct sl_completion *completion,
                          enum sl_status status, size_t result);
/* Until it is DONE: counted among the loop's operations or not. */
void sl_completion_set_background(struct sl_completion *completion,
                                  bool is_background);

/* The loop's part: READY -> DONE, then `deliver`, which may end it. */
void sl_completion_deliver(struct sl_completion *completion);

static inline bool sl_completion_is_over(const struct sl_completion *completion)
{
    return completion->state >= SL_COMPLETION_READY;
}

#endif
