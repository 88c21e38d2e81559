/* conn/outgoing.h - a request on its way out over a link
 *
 *   IDLE --> HELD --> ASKED --> SENDING --> SENT
 *     |                           ^  |
 *     |--> EXPECTING -------------+  +----> CUT
 *     +---------------------------+
 *
 *   HELD       the body is pushed and nothing of it is there yet: the head
 *              waits for the first piece, to leave with it
 *   ASKED      the pusher has had time to give some: the next turn sends
 *   EXPECTING  the head goes, the body waits for 100 (Continue) or its time
 *   CUT        ended early: the peer has answered, or takes no more
 *
 * Written by outgoing.c alone. It answers a status; what becomes of the
 * exchange is for course.c to decide.
 */
#ifndef SL_CONN_OUTGOING_H
#define SL_CONN_OUTGOING_H

#include "conn/link.h"
#include "conn/upload.h"

enum sl_outgoing_phase {
    SL_OUTGOING_IDLE,
    SL_OUTGOING_HELD,
    SL_OUTGOING_ASKED,
    SL_OUTGOING_EXPECTING,
    SL_OUTGOING_SENDING,
    SL_OUTGOING_SENT,
    SL_OUTGOING_CUT
};

/* Bytes of a head that needs no memory of its own: nearly any without
 * credentials or cookies. */
#define SL_OUTGOING_ROOM 256

struct sl_outgoing {
    enum sl_outgoing_phase phase;
    struct sl_view head;      /* no bytes once it cannot be sent again */
    struct sl_segment *block; /* of a head for which there is no room below */
    size_t head_sent;
    struct sl_upload upload;
    /* EXPECTING: when the body goes without 100; SL_NEVER until the head is
     * sent. */
    int64_t continue_until;
    uint64_t uploaded; /* body bytes sent, once it has ended */
    char room[SL_OUTGOING_ROOM];
};

/* `head` is copied. SL_MEMORY. */
enum sl_status sl_outgoing_init(struct sl_outgoing *outgoing,
                                struct sl_allocator *allocator,
                                struct sl_pool *pool, struct sl_view head);
/* Frees the head and the body; nothing more is sent. */
void sl_outgoing_end(struct sl_outgoing *outgoing);

/* A connection is there. */
void sl_outgoing_begin(struct sl_outgoing *outgoing, bool expects_continue);
/* Begins again from the start; the body must be replayable. */
void sl_outgoing_rewind(struct sl_outgoing *outgoing);

/* Sends what the link takes. SL_OK: `*count` bytes moved, or a phase ended;
 * call again. SL_AGAIN: nothing more for now, or at all. SL_TLS: the connection
 * is lost. Other failures: the request cannot be sent. `*budget` is less by
 * what moved. A peer that closes does not fail this: it may have answered
 * before. Then the phase is CUT and `failure` says what happened. */
enum sl_status sl_outgoing_advance(struct sl_outgoing *outgoing,
                                   struct sl_link *link, int64_t now,
                                   size_t *budget, size_t *count,
                                   struct sl_failure *failure);

/* 100 (Continue) arrived, or the wait for it is over. */
void sl_outgoing_go_on(struct sl_outgoing *outgoing);
/* The pusher has had its time: a head that is held goes with the next turn. */
void sl_outgoing_ask(struct sl_outgoing *outgoing);
/* The next turn has come, or there is enough to go with the head. */
void sl_outgoing_let_go(struct sl_outgoing *outgoing, bool is_enough);
/* A final answer arrived. Unless it may be written while the request is read
 * (`status` 2xx), no more of the body is wanted. */
void sl_outgoing_answered(struct sl_outgoing *outgoing, int status);

static inline bool sl_outgoing_is_over(const struct sl_outgoing *outgoing)
{
    return outgoing->phase >= SL_OUTGOING_SENT;
}

static inline bool sl_outgoing_has_sent(const struct sl_outgoing *outgoing)
{
    return outgoing->head_sent > 0;
}

/* Whether pushed bytes would be sent before too long. */
bool sl_outgoing_has_room(const struct sl_outgoing *outgoing);
/* Whether bytes of it wait for the peer, and not for the pusher or for 100. */
bool sl_outgoing_is_moving(const struct sl_outgoing *outgoing);
/* Whether the transport has everything, noticed or not. */
bool sl_outgoing_is_sent(const struct sl_outgoing *outgoing,
                         const struct sl_link *link);
/* Whether it could be sent again from the start. */
bool sl_outgoing_is_replayable(const struct sl_outgoing *outgoing);

#endif
