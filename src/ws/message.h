/* ws/message.h - fragments become messages
 *
 * in:  data frames (ws/frame.h), received bytes    out: whole messages, as
 * slices
 *
 *   input    [ head | payload 1 | head | payload 2 ]   received
 *   message  [ payload 1 ]-[ payload 2 ]               the same segments
 *
 * Payload stays in the segments where it was received: the message shows it
 * there; few bytes are copied together, and so are masked ones. The size of a
 * message is limited when a frame begins, before its payload has come. A
 * compressed one is inflated as it arrives, and limited while it grows. Text is
 * checked as it arrives, or is inflated, and refused at the first byte that is
 * wrong.
 */
#ifndef SL_WS_MESSAGE_H
#define SL_WS_MESSAGE_H

#include "base/status.h"
#include "codec/utf8.h"
#include "memory/buffer.h"
#include "ws/deflate.h"
#include "ws/frame.h"
#include "ws/options.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_ws_message {
    struct sl_buffer payload;        /* what has come */
    struct sl_ws_inflater *inflater; /* NULL: no compressed message has come,
                                      * or no context is kept of it */
    size_t max_size;                 /* of a message */
    unsigned char bits;              /* of the peer's window */
    bool peer_forgets;               /* each compressed message is on its own */
    struct sl_utf8 utf8;
    struct sl_ws_frame frame; /* the one under way */
    uint64_t left;            /* bytes of its payload to come */
    bool is_begun;
    bool is_text;
    bool is_compressed;
    enum sl_status failed;
    const char *error; /* why, where the status does not say it; or NULL */
};

void sl_ws_message_init(struct sl_ws_message *message, struct sl_pool *pool,
                        const struct sl_ws_options *options);
/* Gives back what it holds. Idempotent. */
void sl_ws_message_fini(struct sl_ws_message *message);
/* Forgets a message, complete or not, or a failure. Behind one that was not
 * complete, compressed messages start anew. */
void sl_ws_message_reset(struct sl_ws_message *message);

/* A data frame begins, of which take gets the payload. Its order was checked by
 * the reader. SL_LIMIT: the message would exceed max_size; repeats until
 * reset. */
enum sl_status sl_ws_message_begin(struct sl_ws_message *message,
                                   const struct sl_ws_frame *frame);

/* Takes bytes of the frame's payload from the head of `input`, as many as there
 * are. SL_OK: the message is complete: detach it. SL_END: the frame is over,
 * and the next one goes on with the message. SL_AGAIN: more bytes are needed;
 * or `*budget`, from which the bytes that are inflated are taken, is used up.
 * SL_DECODE (text is not UTF-8, compressed bytes are corrupt), SL_MEMORY,
 * SL_LIMIT (of what is inflated, or of the pool): repeats until reset. */
enum sl_status sl_ws_message_take(struct sl_ws_message *message,
                                  struct sl_buffer *input, size_t *budget);

/* Moves the payload of a complete message to the end of `payload`, and is ready
 * for the next one. SL_MEMORY: what was moved stays moved; call again. */
enum sl_status sl_ws_message_detach(struct sl_ws_message *message,
                                    struct sl_buffer *payload);

#endif
