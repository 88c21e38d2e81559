#include "io/completion.h"

#include "base/debug.h"
#include "io/loop.h"

#include <string.h>

static void count_up(struct sl_completion *completion)
{
    if (!completion->is_background)
        completion->loop->operations++;
}

static void count_down(struct sl_completion *completion)
{
    if (!completion->is_background)
        completion->loop->operations--;
    completion->is_background = false;
}

static struct sl_ready_queue *queue_of(const struct sl_completion *completion)
{
    return completion->is_start ? &completion->loop->starts
                                : &completion->loop->ready;
}

static void unlink_ready(struct sl_completion *completion)
{
    struct sl_ready_queue *queue = queue_of(completion);

    if (completion->previous != NULL)
        completion->previous->next = completion->next;
    else
        queue->first = completion->next;
    if (completion->next != NULL)
        completion->next->previous = completion->previous;
    else
        queue->last = completion->previous;
    completion->next = NULL;
    completion->previous = NULL;
}

void sl_completion_stop(struct sl_completion *completion)
{
    if (completion->state == SL_COMPLETION_READY)
        unlink_ready(completion);
    count_down(completion);
}

void sl_completion_begin(struct sl_completion *completion)
{
    sl_assert(completion->state == SL_COMPLETION_IDLE ||
              completion->state == SL_COMPLETION_DONE);
    completion->version++;
    completion->state = SL_COMPLETION_PENDING;
    completion->status = SL_OK;
    completion->system_error = 0;
    completion->result = 0;
    count_up(completion);
    sl_loop_tell_host(completion->loop);
}

void sl_completion_signal(struct sl_completion *completion,
                          enum sl_status status, size_t result)
{
    struct sl_ready_queue *queue = queue_of(completion);

    sl_assert(completion->state == SL_COMPLETION_PENDING);
    completion->status = (uint8_t)status;
    completion->result = result;
    completion->state = SL_COMPLETION_READY;
    completion->next = NULL;
    completion->previous = queue->last;
    if (queue->last != NULL)
        queue->last->next = completion;
    else
        queue->first = completion;
    queue->last = completion;
    sl_loop_tell_host(completion->loop);
}

void sl_completion_finish(struct sl_completion *completion,
                          enum sl_status status, size_t result)
{
    sl_assert(completion->state == SL_COMPLETION_PENDING);
    completion->status = (uint8_t)status;
    completion->result = result;
    completion->state = SL_COMPLETION_DONE;
    count_down(completion);
}

void sl_completion_set_background(struct sl_completion *completion,
                                  bool is_background)
{
    sl_assert(completion->state == SL_COMPLETION_PENDING ||
              completion->state == SL_COMPLETION_READY);
    if (completion->is_background == is_background)
        return;
    if (is_background)
        completion->loop->operations--;
    else
        completion->loop->operations++;
    completion->is_background = is_background;
}

void sl_completion_deliver(struct sl_completion *completion)
{
    sl_assert(completion->state == SL_COMPLETION_READY);
    unlink_ready(completion);
    completion->state = SL_COMPLETION_DONE;
    count_down(completion);
    if (completion->deliver != NULL)
        completion->deliver(completion);
}
