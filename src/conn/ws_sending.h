/* conn/ws_sending.h - what a WebSocket sends: senders in order, control frames
 *
 * in: conn/websocket.c    below: ws/outgoing.c, conn/link.c
 *
 *   places    [ FRAMED ] [ FRAMING ] [ QUEUED ] [ QUEUED ]
 *                              |
 *   pong, ping, close ---------+--> output --> link
 *                      between frames
 *
 *   place     IDLE --put--> QUEUED --> FRAMING --> FRAMED --> IDLE (sent)
 *                              ^                      |
 *                              |                      `--> HOLDING (a fragment)
 *                              `---------put----------------'
 *                any of them --cut, end--> ENDED
 *
 * A place is one sender's. Its message is whole, or comes in fragments, between
 * which it holds its place. A piece has been sent when the link has taken all
 * bytes in front of it and its own, so that a slow peer holds the sender back.
 * At most SL_WS_STEP bytes and one frame's head are framed ahead of the link.
 * Of pongs only the newest waits, and of pings as well.
 */
#ifndef SL_CONN_WS_SENDING_H
#define SL_CONN_WS_SENDING_H

#include "conn/link.h"
#include "memory/sequence.h"
#include "ws/outgoing.h"

enum sl_ws_place_phase {
    SL_WS_PLACE_IDLE,    /* in no queue: `status` of the last piece */
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

struct sl_ws_place {
    struct sl_completion completion; /* the piece has been sent, or will not */
    struct sl_ws_sending *sending;   /* NULL: in no queue */
    struct sl_ws_place *next;
    struct sl_ws_place *previous;
    struct sl_view text; /* its piece: bytes that the sender keeps alive, or */
    struct sl_sequence content; /* shared ones */
    size_t size;                /* of it */
    size_t taken;               /* bytes of it that are framed */
    size_t frame_end;           /* of the frame under way, in it */
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

/* A control frame that waits for its turn. */
struct sl_ws_control {
    size_t size;
    char payload[SL_WS_CONTROL_MAX];
};

struct sl_ws_sending {
    struct sl_allocator *allocator;
    struct sl_ws_outgoing outgoing;
    struct sl_buffer output;     /* framed, not taken by the link */
    struct sl_ws_places places;  /* in the order of sending */
    struct sl_ws_places waiting; /* for the end */
    struct sl_ws_place *current; /* the first that is not framed to its end */
    struct sl_ws_control *pong;  /* NULL: none waits */
    struct sl_ws_control *ping;
    struct sl_ws_control *close;
    int64_t moved_at; /* the link took bytes, or there were none */
    enum sl_status cut_status;
    bool is_cut; /* nothing but `close` begins any more */
};

/* `pool`, and what `options` point to, must outlive it. */
void sl_ws_sending_init(struct sl_ws_sending *sending,
                        struct sl_allocator *allocator, struct sl_pool *pool,
                        const struct sl_ws_options *options);
/* After `end` and `over`. Idempotent. */
void sl_ws_sending_fini(struct sl_ws_sending *sending);

/* ---- messages ---- */

/* Frames a whole message of at most SL_WS_STEP bytes at once. SL_OK: it is in
 * the output. SL_AGAIN: others are in front of it, or it is too large: it needs
 * a place. SL_CLOSED: a Close frame is due; SL_MEMORY, statuses of `random`. */
enum sl_status sl_ws_sending_frame(struct sl_ws_sending *sending,
                                   enum sl_ws_opcode type,
                                   const struct sl_ws_piece *piece);

void sl_ws_place_init(struct sl_ws_place *place, struct sl_loop *loop);
/* In no queue any more. */
void sl_ws_place_fini(struct sl_ws_place *place);

/* Queues a piece of a message: at the end of the queue, or where the place is
 * held. A text must stay alive until the piece was sent, or the place left. The
 * place is IDLE or HOLDING. SL_CLOSED as above; SL_MEMORY: nothing changed. */
enum sl_status sl_ws_place_put(struct sl_ws_place *place,
                               struct sl_ws_sending *sending,
                               enum sl_ws_opcode type,
                               const struct sl_ws_piece *piece, bool is_last);
/* Queues a place for what is in the output; perhaps that has been sent. */
void sl_ws_place_follow(struct sl_ws_place *place,
                        struct sl_ws_sending *sending);
/* Waits until sl_ws_sending_over is called. */
void sl_ws_place_wait(struct sl_ws_place *place, struct sl_ws_sending *sending);
/* Leaves the queue. SL_OK: the messages of others are not affected. SL_CANCELLED:
 * its message is incomplete: no other one may follow. */
enum sl_status sl_ws_place_leave(struct sl_ws_place *place);
/* SL_OK: the piece has been sent. SL_AGAIN: `completion` will be signalled. A
 * failure: it was not sent, or only in part. */
enum sl_status sl_ws_place_want(struct sl_ws_place *place);

/* ---- control frames ---- */

/* Each replaces one of its kind that still waits. SL_MEMORY: it does not. */
enum sl_status sl_ws_sending_pong(struct sl_ws_sending *sending,
                                  struct sl_view payload);
enum sl_status sl_ws_sending_ping(struct sl_ws_sending *sending,
                                  struct sl_view payload);
/* A Close frame follows the messages that are queued, and nothing follows it.
 * SL_INVALID as sl_ws_closing_write; SL_MEMORY: nothing changed. Once. */
enum sl_status sl_ws_sending_close(struct sl_ws_sending *sending,
                                   const struct sl_ws_closing *closing);

/* ---- moving ---- */

/* Frames and sends until the link takes no more or `*budget` is used up, which
 * is reduced by the bytes sent. SL_OK: all has been sent. SL_AGAIN: more has to
 * be. Failures: as sl_link_send, SL_MEMORY, statuses of `random`; `failure`. */
enum sl_status sl_ws_sending_advance(struct sl_ws_sending *sending,
                                     struct sl_link *link, int64_t now,
                                     size_t *budget,
                                     struct sl_failure *failure);
/* Whether something has to be sent that can be. */
bool sl_ws_sending_is_due(const struct sl_ws_sending *sending,
                          const struct sl_link *link);
/* Whether the Close frame has been sent. */
bool sl_ws_sending_is_closed(const struct sl_ws_sending *sending,
                             const struct sl_link *link);

/* Ends the places with `status`, but for one of which a frame is under way: that
 * ends with this frame. */
void sl_ws_sending_cut(struct sl_ws_sending *sending, enum sl_status status);
/* Ends all places with `status` and drops the output: nothing more is sent. */
void sl_ws_sending_end(struct sl_ws_sending *sending, enum sl_status status);
/* The WebSocket is over: notifies the places that wait for it. */
void sl_ws_sending_over(struct sl_ws_sending *sending);

#endif
