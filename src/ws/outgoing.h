/* ws/outgoing.h - messages and control frames become bytes to be sent
 *
 * in: messages, in pieces    out: frames, at the tail of a buffer
 *
 *          begin             write, until all is taken
 *   FREE --------> WRITING -------------------------> FREE
 *
 *   a message whole       [ head | masked payload ]
 *   in pieces             [ head | piece 1 ] [ head | piece 2 ] [ head | last ]
 *   compressed            [ head | up to 64 KiB ] [ head | the rest ]
 *
 * A message is one piece or several. The payload is masked while it is copied,
 * with a fresh key for each frame. When compression was agreed on, whole
 * messages of `compress_from` bytes or more are compressed, and those in
 * pieces. A control frame may stand between two frames, and so between the
 * pieces of a message, but not within one. Behind a Close frame nothing is
 * sent. Whether text is UTF-8 is for the caller to check (codec/utf8.h), before
 * it begins.
 */
#ifndef SL_WS_OUTGOING_H
#define SL_WS_OUTGOING_H

#include "memory/buffer.h"
#include "ws/close.h"
#include "ws/deflate.h"
#include "ws/frame.h"
#include "ws/options.h"

/* The keys that are drawn at a time. */
#define SL_WS_KEYS 64

/* The most payload that one write takes, and the size of the frames of a
 * compressed message. */
#define SL_WS_STEP ((size_t)64 * 1024)

struct sl_ws_outgoing {
    struct sl_pool *pool;
    sl_ws_random random;
    size_t compress_from;
    struct sl_ws_deflater *deflater; /* NULL: no message was compressed, or no
                                      * context is kept of it */
    struct sl_ws_frame frame;        /* the one under way */
    uint64_t frame_left; /* bytes of its payload that are not appended */
    uint64_t piece_left; /* bytes to be compressed, of the piece under way */
    bool is_server;
    bool forgets;       /* each compressed message is on its own */
    unsigned char bits; /* of the own window; 0: nothing was agreed on */
    unsigned char next_opcode;
    bool is_in_message; /* its last piece has not begun */
    bool is_writing;    /* write is to be called for this piece */
    bool is_compressed; /* this message is */
    bool is_head_due;   /* the frame's head is not appended */
    bool is_closed;     /* a Close frame was appended */
    unsigned char keys_left;
    unsigned char keys[SL_WS_KEYS][SL_MASK_SIZE];
};

/* `pool` must outlive it. Acquires nothing. */
void sl_ws_outgoing_init(struct sl_ws_outgoing *outgoing, struct sl_pool *pool,
                         const struct sl_ws_options *options);
/* Forgets a message under way. Idempotent. */
void sl_ws_outgoing_fini(struct sl_ws_outgoing *outgoing);

/* Begins a piece of `size` bytes; nothing is appended yet. `type` is SL_WS_TEXT
 * or SL_WS_BINARY, for a piece behind the first SL_WS_CONTINUATION. SL_CLOSED:
 * a Close frame was sent. SL_MISUSE: the piece before it is not written, or the
 * type does not fit. SL_MEMORY, statuses of `random`: nothing has begun. */
enum sl_status sl_ws_outgoing_begin(struct sl_ws_outgoing *outgoing,
                                    enum sl_ws_opcode type, uint64_t size,
                                    bool is_last);

/* Takes the next bytes of the piece, at most SL_WS_STEP and none behind its
 * end, and appends what is ready: of a compressed message perhaps nothing. To
 * be called while `is_writing`, also when no bytes are left. SL_OK: `*consumed`
 * bytes were taken. SL_MEMORY, SL_LIMIT (of `output` or the pool), statuses of
 * `random`: none were; may be called again. */
enum sl_status sl_ws_outgoing_write(struct sl_ws_outgoing *outgoing,
                                    struct sl_view payload,
                                    struct sl_buffer *output, size_t *consumed);

/* Whether a control frame may be appended now: no frame is under way. */
static inline bool
sl_ws_outgoing_is_between(const struct sl_ws_outgoing *outgoing)
{
    return outgoing->is_head_due || outgoing->frame_left == 0;
}

/* Whether nothing is under way and nothing kept for the next message, so that
 * one made anew would do as well. */
static inline bool sl_ws_outgoing_is_idle(const struct sl_ws_outgoing *outgoing)
{
    return !outgoing->is_in_message && !outgoing->is_writing &&
           !outgoing->is_closed && outgoing->deflater == NULL;
}

/* Appends a ping or pong. SL_AGAIN: a frame is under way. SL_CLOSED: a Close
 * frame was sent. SL_INVALID: the payload exceeds SL_WS_CONTROL_MAX. Else as
 * write: nothing was appended. */
enum sl_status sl_ws_outgoing_control(struct sl_ws_outgoing *outgoing,
                                      enum sl_ws_opcode opcode,
                                      struct sl_view payload,
                                      struct sl_buffer *output);

/* Appends a Close frame: of a message under way nothing more is sent. Statuses
 * as above; SL_INVALID as sl_ws_closing_write. */
enum sl_status sl_ws_outgoing_close(struct sl_ws_outgoing *outgoing,
                                    const struct sl_ws_closing *closing,
                                    struct sl_buffer *output);

#endif
