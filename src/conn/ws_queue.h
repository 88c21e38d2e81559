/* conn/ws_queue.h - messages that have arrived, until the program takes them
 *
 * in: ws/message.c, payload linked    out: binding/websocket.c, the same
 * payload
 *
 * Bounded in messages and in bytes: once it is full nothing more is received,
 * so that the peer is held back. One message fits whatever its size is.
 */
#ifndef SL_CONN_WS_QUEUE_H
#define SL_CONN_WS_QUEUE_H

#include "base/allocator.h"
#include "ws/message.h"

struct sl_ws_arrival {
    struct sl_ws_arrival *next;
    struct sl_buffer payload; /* the reader's to take */
    size_t size;              /* of it */
    bool is_text;
};

struct sl_ws_queue {
    struct sl_allocator *allocator;
    struct sl_ws_arrival *first;
    struct sl_ws_arrival *last;
    struct sl_ws_arrival *spare; /* for the next message; or NULL */
    size_t count;
    size_t bytes; /* of payload in all */
    size_t max_count;
    size_t max_bytes;
};

void sl_ws_queue_init(struct sl_ws_queue *queue, struct sl_allocator *allocator,
                      size_t max_count, size_t max_bytes);
/* Releases all messages. Idempotent. */
void sl_ws_queue_fini(struct sl_ws_queue *queue);
/* Frees what is kept for the next message. */
void sl_ws_queue_rest(struct sl_ws_queue *queue);

/* Whether nothing may follow, where `pending` bytes of the next message are
 * there already. */
static inline bool sl_ws_queue_is_full(const struct sl_ws_queue *queue,
                                       size_t pending)
{
    return queue->count >= queue->max_count ||
           (queue->count > 0 && (queue->bytes >= queue->max_bytes ||
                                 pending > queue->max_bytes - queue->bytes));
}
/* Whether half of it is free again. */
static inline bool sl_ws_queue_has_room(const struct sl_ws_queue *queue)
{
    return queue->count <= queue->max_count / 2 &&
           queue->bytes <= queue->max_bytes / 2;
}

/* Moves the complete message to the end. SL_MEMORY: it is lost in part. */
enum sl_status sl_ws_queue_add(struct sl_ws_queue *queue,
                               struct sl_ws_message *message);
/* Releases the first message, which is there. */
void sl_ws_queue_drop(struct sl_ws_queue *queue);

#endif
