/* conn/websocket.h - a WebSocket over a link: messages both ways, and its end
 *
 * in:  binding/websocket.c
 * below: conn/link.c, conn/ws_sending.c, conn/ws_queue.c, ws/incoming.c
 * also: conn/ws_receiving.c, conn/ws_ending.c, conn/ws_deadline.c
 *
 *   OPEN --close--> CLOSING --their Close--> PARTING --their end, time--> OVER
 *     |               |   |                   ^  ^                         ^
 *     |               |   `---a failure-------'  |                         |
 *     +---their Close, a failure-----------------'                         |
 *     +---------------+---their end, a reset, silence, time----------------+
 *
 *   OPEN      messages go both ways
 *   CLOSING   our Close is on its way, behind messages that were queued; what
 *             the peer sends before its own still counts
 *   PARTING   `end` says how it ended. Our Close, or the echo of theirs,
 *             leaves; what arrives is dropped until the peer ends the
 *             connection
 *   OVER      the link is closed
 *
 * What arrives is read as soon as it is there, so that pings are answered and
 * the end is noticed while nobody receives; but nothing is while the queue of
 * messages is full. Messages that came before the end are still given out. One
 * receiver waits by `completion`, any number of senders by places of their own.
 * One timer serves all deadlines (conn/ws_deadline.c).
 */
#ifndef SL_CONN_WEBSOCKET_H
#define SL_CONN_WEBSOCKET_H

#include "conn/ws_queue.h"
#include "conn/ws_sending.h"
#include "ws/incoming.h"

enum sl_websocket_phase {
    SL_WEBSOCKET_OPEN,
    SL_WEBSOCKET_CLOSING,
    SL_WEBSOCKET_PARTING,
    SL_WEBSOCKET_OVER
};

/* Durations in nanoseconds, SL_NEVER for none. */
struct sl_websocket_options {
    struct sl_ws_options protocol;
    size_t queue_count;
    size_t queue_bytes;
    int64_t ping_interval; /* of silence, then a ping */
    int64_t pong_timeout;  /* of silence behind it */
    int64_t idle;          /* without a message either way */
    int64_t close_timeout; /* from our Close to the end of the connection */
    int64_t send_timeout;  /* in which the peer takes no byte */
};

void sl_websocket_options_default(struct sl_websocket_options *options);

/* How it ended. */
struct sl_ws_end {
    struct sl_failure failure; /* SL_CLOSED: by Close frames, or lost */
    unsigned code;             /* of the first Close frame; SL_WS_ABNORMAL */
    bool is_clean;             /* both Close frames were exchanged */
    size_t reason_size;
    char reason[SL_WS_REASON_MAX];
};

/* What has arrived of a message; an idle WebSocket has none. */
struct sl_ws_intake {
    struct sl_buffer input; /* received, not parsed */
    struct sl_ws_incoming incoming;
};

struct sl_websocket {
    enum sl_websocket_phase phase;
    struct sl_loop *loop;
    struct sl_pool *pool;
    struct sl_link link;
    struct sl_ws_options protocol;
    struct sl_ws_intake *intake; /* NULL: nothing has begun to arrive */
    struct sl_ws_queue queue;
    struct sl_ws_sending sending;
    struct sl_completion completion; /* a message, the end, the time is here */
    const struct sl_ws_end *end;     /* NULL: it goes on */

    struct sl_timer timer;
    int64_t receive_due;
    int64_t close_due;
    int64_t pinged_at;
    int64_t pong_due;   /* 0: no ping is under way */
    int64_t heard_at;   /* the peer gave a sign of life */
    int64_t message_at; /* the last message, either way */
    size_t unheard;     /* bytes received since `heard_at` */
    int64_t ping_interval;
    int64_t pong_timeout;
    int64_t idle;
    int64_t close_timeout;
    int64_t send_timeout;

    bool is_held;       /* nothing is received: the queue is or was full */
    bool is_resting;    /* nothing has moved for a second: it keeps little */
    bool has_turn;      /* goes on in the next step of the loop */
    bool cannot_send;   /* the peer takes no more */
    bool has_ended;     /* the peer sends no more */
    uint8_t late_turns; /* turns since its deadlines were in time */
    uint8_t much;       /* receives to come in which much is expected */
};

/* A WebSocket without a link, to be opened. SL_MEMORY. */
enum sl_status sl_websocket_create(struct sl_loop *loop, struct sl_pool *pool,
                                   const struct sl_websocket_options *options,
                                   struct sl_websocket **socket);
/* Adopts `link`, whose handshake is done, and takes what arrived behind it from
 * `input`, a buffer of the same pool. What is there is looked at in the next
 * step of the loop. */
void sl_websocket_open(struct sl_websocket *socket, const struct sl_link *link,
                       struct sl_buffer *input);
/* Ends it now, with a Close frame if that fits into the link; waiters are
 * notified. Messages that came before can still be taken. Idempotent. */
void sl_websocket_abort(struct sl_websocket *socket, unsigned code,
                        const char *reason);
/* The same, and frees it. Its receiver has gone. */
void sl_websocket_destroy(struct sl_websocket *socket);

/* ---- receiving ---- */

/* SL_OK: a message is there. SL_END: none will come, see `end`. SL_TIMEOUT:
 * none is there, and `due` (absolute) is now or was. SL_AGAIN: `completion`
 * will be signalled, with SL_TIMEOUT at `due`; call again then. SL_MISUSE:
 * somebody else waits. */
enum sl_status sl_websocket_want(struct sl_websocket *socket, int64_t due);
/* The waiter is gone. */
void sl_websocket_unwant(struct sl_websocket *socket);
/* The oldest message, whose payload may be taken; NULL: none is there. */
static inline struct sl_ws_arrival *
sl_websocket_first(const struct sl_websocket *socket)
{
    return socket->queue.first;
}
/* The oldest message was taken. */
void sl_websocket_drop(struct sl_websocket *socket);

/* ---- sending: all answer SL_CLOSED, or another failure, once it is closing or
 * has ended ---- */

/* A place for a sender, in no queue; to be ended by sl_ws_place_fini.
 * Cancelling its completion leaves it. */
void sl_websocket_init_place(struct sl_websocket *socket,
                             struct sl_ws_place *place);
/* Sends a short message if nothing is in front of it. SL_OK: it has been sent.
 * SL_AGAIN: it was taken, follow it by a place. SL_END: it was not taken: put
 * it in a place. */
enum sl_status sl_websocket_send(struct sl_websocket *socket,
                                 enum sl_ws_opcode type,
                                 const struct sl_ws_piece *piece);
/* See sl_ws_place_follow, sl_ws_place_put. SL_OK: it has been sent. SL_AGAIN:
 * the completion of the place will be signalled; sl_ws_place_want then. */
enum sl_status sl_websocket_follow(struct sl_websocket *socket,
                                   struct sl_ws_place *place);
enum sl_status sl_websocket_put(struct sl_websocket *socket,
                                struct sl_ws_place *place,
                                enum sl_ws_opcode type,
                                const struct sl_ws_piece *piece, bool is_last);
/* The sender gives up; its waiter is notified of SL_CANCELLED. Where this
 * breaks a message in the middle the WebSocket fails, with SL_WS_INTERNAL. Also
 * for a closer; for a place that is in no queue nothing happens. */
void sl_websocket_leave(struct sl_ws_place *place);
/* Sends a ping when it can, in place of one that waits still. */
enum sl_status sl_websocket_ping(struct sl_websocket *socket,
                                 struct sl_view payload);

/* ---- the end ---- */

/* Closes from this side, unless that was begun already. SL_INVALID: the code or
 * reason may not be sent; SL_MEMORY. */
enum sl_status sl_websocket_close(struct sl_websocket *socket,
                                  const struct sl_ws_closing *closing);
/* SL_OK: it is OVER. SL_AGAIN: the completion of the place will be signalled
 * then. */
enum sl_status sl_websocket_want_over(struct sl_websocket *socket,
                                      struct sl_ws_place *place);

/* ---- called by its other files ---- */

/* Whether bytes wait that the link does not take. */
static inline bool sl_websocket_is_sending(const struct sl_websocket *socket)
{
    return !socket->cannot_send &&
           sl_ws_sending_is_due(&socket->sending, &socket->link);
}
/* Moves bytes until nothing more moves or the turn is over. */
void sl_websocket_advance(struct sl_websocket *socket);
/* Nobody receives: what it waits for does not keep a program running. */
void sl_websocket_rest(struct sl_websocket *socket);

#endif
