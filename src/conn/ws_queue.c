#include "conn/ws_queue.h"

#include <string.h>

void sl_ws_queue_init(struct sl_ws_queue *queue, struct sl_allocator *allocator,
                      size_t max_count, size_t max_bytes)
{
    memset(queue, 0, sizeof *queue);
    queue->allocator = allocator;
    queue->max_count = max_count;
    queue->max_bytes = max_bytes;
}

static void destroy(struct sl_ws_queue *queue, struct sl_ws_arrival *arrival)
{
    sl_buffer_fini(&arrival->payload);
    if (queue->spare == NULL)
        queue->spare = arrival;
    else
        sl_free(queue->allocator, arrival, sizeof *arrival);
}

/* NULL: out of memory. */
static struct sl_ws_arrival *create(struct sl_ws_queue *queue)
{
    struct sl_ws_arrival *arrival = queue->spare;

    queue->spare = NULL;
    return arrival != NULL ? arrival
                           : sl_allocate(queue->allocator, sizeof *arrival);
}

void sl_ws_queue_rest(struct sl_ws_queue *queue)
{
    if (queue->spare != NULL)
        sl_free(queue->allocator, queue->spare, sizeof *queue->spare);
    queue->spare = NULL;
}

void sl_ws_queue_fini(struct sl_ws_queue *queue)
{
    while (queue->first != NULL)
        sl_ws_queue_drop(queue);
    sl_ws_queue_rest(queue);
}

enum sl_status sl_ws_queue_add(struct sl_ws_queue *queue,
                               struct sl_ws_message *message)
{
    struct sl_ws_arrival *arrival = create(queue);
    enum sl_status status;

    if (arrival == NULL)
        return SL_MEMORY;
    arrival->next = NULL;
    arrival->is_text = message->is_text;
    sl_buffer_init(&arrival->payload, message->payload.pool, SIZE_MAX);
    status = sl_ws_message_detach(message, &arrival->payload);
    if (status != SL_OK) {
        destroy(queue, arrival);
        return status;
    }
    sl_buffer_compact(&arrival->payload); /* it may lie here for long */
    arrival->size = arrival->payload.length;
    if (queue->last != NULL)
        queue->last->next = arrival;
    else
        queue->first = arrival;
    queue->last = arrival;
    queue->count++;
    queue->bytes += arrival->size;
    return SL_OK;
}

void sl_ws_queue_drop(struct sl_ws_queue *queue)
{
    struct sl_ws_arrival *arrival = queue->first;

    queue->first = arrival->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->count--;
    queue->bytes -= arrival->size;
    destroy(queue, arrival);
}
