/* ws/message.h - fragments become messages
 *
 * in:  data frames (ws/frame.h), received bytes    out: whole messages, as slices
 *
 *   input    [ head | payload 1 | head | payload 2 ]   received
 *   message  [ payload 1 ]-[ payload 2 ]               the same segments
 *
 * Payload stays in the segments where it was received: the message shows it
 * there; few bytes are copied together, and so are masked ones. The size of a
 * message is limited when a frame begins, before its payload has come. Text is
 * checked as it arrives and refused at the first byte that is wrong.
 */
#ifndef SL_WS_MESSAGE_H
#define SL_WS_MESSAGE_H

#include "base/status.h"
#include "codec/utf8.h"
#include "memory/buffer.h"
#include "ws/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_ws_message {
    struct sl_buffer payload; /* what has come */
    size_t max_size;          /* of a message */
    struct sl_utf8 utf8;
    struct sl_ws_frame frame; /* the one under way */
    uint64_t left;            /* bytes of its payload to come */
    bool is_begun;
    bool is_text;
    bool is_compressed; /* its text is checked where it is inflated */
    enum sl_status failed;
};

void sl_ws_message_init(struct sl_ws_message *message, struct sl_pool *pool,
                        size_t max_size);
/* Gives back what it holds. Idempotent. */
void sl_ws_message_fini(struct sl_ws_message *message);
/* Forgets the message under way, and a failure. */
void sl_ws_message_reset(struct sl_ws_message *message);

/* A data frame begins, of which take gets the payload. Its order was checked by
 * the reader. SL_LIMIT: the message would exceed max_size; repeats until
 * reset. */
enum sl_status sl_ws_message_begin(struct sl_ws_message *message,
                                   const struct sl_ws_frame *frame);

/* Takes bytes of the frame's payload from the head of `input`, as many as there
 * are. SL_OK: the message is complete: detach it. SL_END: the frame is over, and
 * the next one goes on with the message. SL_AGAIN: more bytes are needed.
 * SL_DECODE (text is not UTF-8), SL_MEMORY, SL_LIMIT (of the pool): repeats
 * until reset. */
enum sl_status sl_ws_message_take(struct sl_ws_message *message,
                                  struct sl_buffer *input);

/* Moves the payload of a complete message to the end of `payload`, and is ready
 * for the next one. SL_MEMORY: what was moved stays moved; call again. */
enum sl_status sl_ws_message_detach(struct sl_ws_message *message,
                                    struct sl_buffer *payload);

#endif
