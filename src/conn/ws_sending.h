/* conn/ws_sending.h - what a WebSocket sends: senders in order, control frames
 *
 * in: conn/websocket.c    below: ws/outgoing.c, conn/link.c
 *
 *   line      [ FRAMED ] [ FRAMING ] [ QUEUED ] [ QUEUED ]
 *                              |
 *   pong, ping, close ---------+--> output --> link
 *                      between frames
 *
 * A piece has been sent when the link has taken all bytes in front of it and
 * its own, so that a slow peer holds the sender back (conn/ws_place.h). At most
 * SL_WS_STEP bytes and one frame's head are framed ahead of the link. Of pongs
 * only the newest waits, and of pings as well.
 */
#ifndef SL_CONN_WS_SENDING_H
#define SL_CONN_WS_SENDING_H

#include "conn/link.h"
#include "conn/ws_place.h"
#include "ws/outgoing.h"

/* A control frame that waits for its turn. */
struct sl_ws_control {
    size_t size;
    char payload[SL_WS_CONTROL_MAX];
};

/* What is being framed; an idle WebSocket has none. */
struct sl_ws_outlet {
    struct sl_ws_outgoing outgoing;
    struct sl_buffer output; /* framed, not taken by the link */
};

struct sl_ws_sending {
    struct sl_allocator *allocator;
    struct sl_pool *pool;
    const struct sl_ws_options *options;
    struct sl_ws_outlet *outlet; /* NULL: nothing is under way */
    struct sl_ws_line line;
    struct sl_ws_control *pong; /* NULL: none waits */
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

/* Frees the outlet if nothing is in it. */
void sl_ws_sending_rest(struct sl_ws_sending *sending);

/* Bytes that are framed and that the link has not taken. */
static inline size_t sl_ws_sending_length(const struct sl_ws_sending *sending)
{
    return sending->outlet != NULL ? sending->outlet->output.length : 0;
}
/* Whether nothing is under way, nor waits for its turn. */
static inline bool sl_ws_sending_is_idle(const struct sl_ws_sending *sending)
{
    return sl_ws_sending_length(sending) == 0 &&
           sending->line.sending.first == NULL && sending->pong == NULL &&
           sending->ping == NULL && sending->close == NULL;
}
/* Whether no frame is under way. */
static inline bool sl_ws_sending_is_between(const struct sl_ws_sending *sending)
{
    return sending->outlet == NULL ||
           sl_ws_outgoing_is_between(&sending->outlet->outgoing);
}
/* Whether a Close frame was framed. */
static inline bool sl_ws_sending_has_closed(const struct sl_ws_sending *sending)
{
    return sending->outlet != NULL && sending->outlet->outgoing.is_closed;
}

/* ---- messages ---- */

/* Frames a whole message of at most SL_WS_STEP bytes at once. SL_OK: it is in
 * the output. SL_AGAIN: others are in front of it, or it is too large: it needs
 * a place. SL_MEMORY, statuses of `random`: no other one may follow. */
enum sl_status sl_ws_sending_frame(struct sl_ws_sending *sending,
                                   enum sl_ws_opcode type,
                                   const struct sl_ws_piece *piece);

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

/* Ends the places with `status`, but for one of which a frame is under way:
 * that ends with this frame. */
void sl_ws_sending_cut(struct sl_ws_sending *sending, enum sl_status status);
/* Ends all places with `status` and drops the output: nothing more is sent. */
void sl_ws_sending_end(struct sl_ws_sending *sending, enum sl_status status);

#endif
