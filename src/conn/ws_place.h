/* conn/ws_place.h - who sends over a WebSocket, in order
 *
 * in: conn/websocket.c    below: conn/ws_sending.c frames what they put
 *
 *   line      [ FRAMED ] [ FRAMING ] [ QUEUED ] [ QUEUED ]
 *                            ^ current
 *
 *   place     IDLE --put--> QUEUED --> FRAMING --> FRAMED --> IDLE (sent)
 *                              ^                      |
 *                              |                      `--> HOLDING (a fragment)
 *                              `---------put----------------'
 *                any of them --end--> ENDED
 *
 * A place is one sender's. Its message is whole, or comes in fragments, between
 * which it holds its place.
 */
#ifndef SL_CONN_WS_PLACE_H
#define SL_CONN_WS_PLACE_H

#include "io/loop.h"
#include "memory/sequence.h"
#include "ws/frame.h"

enum sl_ws_place_phase {
    SL_WS_PLACE_IDLE,    /* in no line: `status` of the last piece */
    SL_WS_PLACE_QUEUED,  /* none of its piece is framed */
    SL_WS_PLACE_FRAMING, /* a part of it is */
    SL_WS_PLACE_FRAMED,  /* all of it is, but the link has not all of it */
    SL_WS_PLACE_HOLDING, /* the next fragment is to come */
    SL_WS_PLACE_ENDED,   /* it cannot be sent: `status` */
    SL_WS_PLACE_WAITING  /* for the end of the WebSocket: sends nothing */
};

/* Bytes to send: all of `sequence`, or when that is NULL `text`. */
struct sl_ws_piece {
    struct sl_view text;
    const struct sl_sequence *sequence;
};

static inline size_t sl_ws_piece_size(const struct sl_ws_piece *piece)
{
    return piece->sequence != NULL ? piece->sequence->size : piece->text.size;
}

struct sl_ws_place {
    struct sl_completion completion; /* the piece has been sent, or will not */
    struct sl_ws_line *line;         /* NULL: in none */
    struct sl_ws_place *next;
    struct sl_ws_place *previous;
    struct sl_view text; /* its piece: bytes that the sender keeps alive, or */
    struct sl_sequence content; /* shared ones */
    size_t size;                /* of it */
    size_t taken;               /* bytes of it that are framed */
    enum sl_ws_place_phase phase;
    enum sl_status status;
    enum sl_ws_opcode type;
    bool is_begun; /* a part of its message is framed, not all */
    bool is_last;  /* its piece ends its message */
};

struct sl_ws_places {
    struct sl_ws_place *first;
    struct sl_ws_place *last;
};

struct sl_ws_line {
    struct sl_ws_places sending; /* in the order of sending */
    struct sl_ws_places waiting; /* for the end of the WebSocket */
    struct sl_ws_place *current; /* the first that is not framed to its end */
};

/* ---- for senders ---- */

void sl_ws_place_init(struct sl_ws_place *place, struct sl_loop *loop);
/* In no line any more. */
void sl_ws_place_fini(struct sl_ws_place *place);

/* Queues a piece of a message: at the end of the line, or where the place is
 * held. A text must stay alive until the piece was sent, or the place left. The
 * place is IDLE or HOLDING; one that has ENDED answers with its status.
 * SL_MEMORY: nothing changed. */
enum sl_status sl_ws_place_put(struct sl_ws_place *place,
                               struct sl_ws_line *line, enum sl_ws_opcode type,
                               const struct sl_ws_piece *piece, bool is_last);
/* Waits for what is framed already. */
void sl_ws_place_follow(struct sl_ws_place *place, struct sl_ws_line *line);
/* Waits for sl_ws_line_over. */
void sl_ws_place_wait(struct sl_ws_place *place, struct sl_ws_line *line);
/* Leaves the line; its waiter is notified of SL_CANCELLED. SL_OK: the messages
 * of others are not affected. SL_CANCELLED: its message is incomplete: no other
 * one may follow. */
enum sl_status sl_ws_place_leave(struct sl_ws_place *place);
/* SL_OK: the piece has been sent. SL_AGAIN: `completion` will be signalled. A
 * failure: it was not sent, or only in part. */
enum sl_status sl_ws_place_want(struct sl_ws_place *place);

/* ---- for conn/ws_sending.c ---- */

/* The link has taken all that is framed. */
void sl_ws_line_sent(struct sl_ws_line *line);
/* Ends a place, and all behind it, with `status`. */
void sl_ws_line_end(struct sl_ws_place *first, enum sl_status status);
/* The WebSocket is over: notifies those that wait for it. */
void sl_ws_line_over(struct sl_ws_line *line);

#endif
