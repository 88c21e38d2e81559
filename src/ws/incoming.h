/* ws/incoming.h - what a peer sends, as events: messages, pings, pongs, the end
 *
 * in:  received bytes, cut anywhere    out: one event a call
 *
 *   HEAD --+-> DATA ----> HEAD     a message: its last fragment is complete
 *          +-> CONTROL -> HEAD     a ping or pong, also between fragments
 *                    `--> CLOSED   a Close frame: nothing behind it counts
 *
 * A failure is for good; sl_ws_code_of tells with which code to close.
 */
#ifndef SL_WS_INCOMING_H
#define SL_WS_INCOMING_H

#include "ws/close.h"
#include "ws/frame.h"
#include "ws/message.h"
#include "ws/options.h"

/* What one call inflates, about. */
#define SL_WS_PART ((size_t)64 * 1024)

enum sl_ws_event_type {
    SL_WS_GOT_MESSAGE, /* to be detached before the next call */
    SL_WS_GOT_PING,
    SL_WS_GOT_PONG,
    SL_WS_GOT_CLOSE,
    SL_WS_GOT_PART /* of a message, inflated: there is more to do */
};

struct sl_ws_event {
    enum sl_ws_event_type type;
    struct sl_view payload;       /* of a control frame; until the next call */
    struct sl_ws_closing closing; /* of a Close frame; as long as the payload */
};

struct sl_ws_incoming {
    struct sl_ws_reader reader;
    struct sl_ws_message message;
    struct sl_ws_frame frame; /* the one under way */
    int phase;                /* see incoming.c */
    char control[SL_WS_CONTROL_MAX];
    size_t control_size;
    const char *error; /* says what a failure was */
    enum sl_status failed;
};

/* `pool` must outlive it. Acquires nothing. */
void sl_ws_incoming_init(struct sl_ws_incoming *incoming, struct sl_pool *pool,
                         const struct sl_ws_options *options);
/* Idempotent. */
void sl_ws_incoming_fini(struct sl_ws_incoming *incoming);

/* Whether nothing is under way and nothing kept for the next message, so that
 * one made anew would do as well. */
bool sl_ws_incoming_is_idle(const struct sl_ws_incoming *incoming);

/* Whether the next byte is the first of a frame, or belongs to its head: with
 * an empty input, sl_ws_incoming_next answers SL_AGAIN. */
bool sl_ws_incoming_is_between(const struct sl_ws_incoming *incoming);

/* Takes bytes from `input` until something is complete, or SL_WS_PART bytes or
 * so were inflated: the caller may do something else meanwhile. SL_OK: `*event`
 * is it. SL_AGAIN: all was taken, more is needed. SL_END: the peer has closed;
 * what it sent behind that is dropped. SL_PROTOCOL, SL_DECODE, SL_LIMIT (a
 * message is too large), SL_MEMORY: `error` says why, and repeats. */
enum sl_status sl_ws_incoming_next(struct sl_ws_incoming *incoming,
                                   struct sl_buffer *input,
                                   struct sl_ws_event *event);

#endif
