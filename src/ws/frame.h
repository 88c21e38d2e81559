/* ws/frame.h - frames of WebSocket: their heads, read and written
 *
 * in:  received bytes, cut anywhere    out: ws/message.c, ws/outgoing.c
 *
 *   +-+---+------+ +-+---------+ +-----------------+ +-----------+
 *   |F|RSV|opcode| |M| size 7  | | size 16 or 64   | | key, if M |  payload
 *   +-+---+------+ +-+---------+ +-----------------+ +-----------+
 *
 * The reader enforces RFC 6455 5.1 to 5.5: reserved bits, opcodes, who masks,
 * the shortest form of sizes, 2^63, control frames, and the order of fragments.
 * It refuses a head at the first byte that is wrong, and then for good.
 */
#ifndef SL_WS_FRAME_H
#define SL_WS_FRAME_H

#include "base/status.h"
#include "base/view.h"
#include "codec/mask.h"

#include <stdbool.h>
#include <stdint.h>

enum sl_ws_opcode {
    SL_WS_CONTINUATION = 0,
    SL_WS_TEXT = 1,
    SL_WS_BINARY = 2,
    SL_WS_CLOSE = 8,
    SL_WS_PING = 9,
    SL_WS_PONG = 10
};

#define SL_WS_HEAD_MAX    14
#define SL_WS_CONTROL_MAX 125

struct sl_ws_frame {
    uint8_t opcode;     /* an enum sl_ws_opcode */
    bool is_final;      /* the last of its message */
    bool is_compressed; /* RSV1 (RFC 7692 6) */
    bool is_masked;
    unsigned char key[SL_MASK_SIZE];
    uint64_t size; /* of the payload */
};

static inline bool sl_ws_is_control(const struct sl_ws_frame *frame)
{
    return frame->opcode >= SL_WS_CLOSE;
}

/* ---- reading ---- */

struct sl_ws_reader {
    unsigned char head[SL_WS_HEAD_MAX]; /* what has come of the next one */
    uint8_t held;
    bool is_server; /* the peer must mask, else it must not */
    bool may_compress;
    bool is_in_message; /* a continuation is due */
    const char *error;  /* not NULL: broken */
};

/* `may_compress`: permessage-deflate was agreed on. */
void sl_ws_reader_init(struct sl_ws_reader *reader, bool is_server,
                       bool may_compress);

/* Takes `*consumed` bytes, of one head at the most. The payload that follows
 * it, `frame->size` bytes, is the caller's: the next call is for the head
 * behind that. SL_OK: a frame begins. SL_AGAIN: all bytes were taken, more are
 * needed. SL_PROTOCOL: `error` says why; repeats until init. */
enum sl_status sl_ws_reader_next(struct sl_ws_reader *reader,
                                 struct sl_view bytes, size_t *consumed,
                                 struct sl_ws_frame *frame);

/* ---- writing ---- */

/* Writes the head in its shortest form; returns its size. */
size_t sl_ws_frame_write(const struct sl_ws_frame *frame,
                         char head[SL_WS_HEAD_MAX]);

#endif
