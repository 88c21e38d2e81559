/* conn/connection.h - one connection of an origin
 *
 *   OPENING --> LENT <--> IDLE
 *      \_________\_________\____> gone (discarded, or taken out of its link)
 *
 * While it opens it may have a place that it is opened for. While it is lent
 * one user alone moves bytes over its link, and is notified when they can move.
 * While it is idle it is watched for news of its peer. Reuse is proven, not
 * assumed: only sl_connection_put, called by a user whose message ended
 * cleanly, makes a connection idle or lends it on.
 */
#ifndef SL_CONN_CONNECTION_H
#define SL_CONN_CONNECTION_H

#include "conn/opening.h"
#include "conn/pool.h"

struct sl_place;

struct sl_connection {
    struct sl_origin *origin;
    struct sl_opening *opening; /* NULL once it is open */
    struct sl_link link;
    struct sl_peer *peer;                     /* NULL: plain */
    const struct sl_transport_events *events; /* LENT: of its user; else NULL */
    void *user; /* OPENING: the place it is opened for; NULL: for the next */
    struct sl_connection *next; /* in the origin's idle stack */
    struct sl_connection *previous;
    struct sl_connection *newer; /* in a list of the pool */
    struct sl_connection *older;
    int64_t idle_since;
    uint32_t opened;   /* milliseconds of the clock, modulo 2^32 */
    uint16_t patience; /* idle seconds, if fewer than the pool's; else 0 */
    bool is_resting;   /* idle for so long that its link gave memory back */
};

/* The place that a connection is opened for, if it is being opened for one. */
static inline struct sl_place *
sl_connection_place(const struct sl_connection *connection)
{
    return connection->opening != NULL ? connection->user : NULL;
}

/* Begins to open a connection for `place`, in room that the origin has counted.
 * Failures as of sl_opening_begin. */
enum sl_status sl_connection_open(struct sl_origin *origin,
                                  struct sl_place *place,
                                  struct sl_connection **connection,
                                  struct sl_failure *failure);

/* The user of a connection that was granted: its events come from the loop. */
static inline void sl_connection_lend(struct sl_connection *connection,
                                      const struct sl_transport_events *events,
                                      void *user)
{
    connection->events = events;
    connection->user = user;
}

/* The user's message ended cleanly. The connection goes to the next waiter,
 * becomes idle, or closes where it may not be used again (old, pool closed, or
 * the peer has spoken). `announced`: the seconds for which its
 * server keeps it, -1 if unknown; it is given up a second before. */
void sl_connection_put(struct sl_connection *connection, int64_t announced);
/* Closes a connection in any state, and frees its room. */
void sl_connection_discard(struct sl_connection *connection, bool is_abort);
/* Moves the link out of a lent connection and frees its room; the pool forgets
 * them. The caller binds the transport. */
void sl_connection_take(struct sl_connection *connection, struct sl_link *link);

/* ---- called by conn/origin.c and conn/pool.c ---- */

/* Whether an idle connection may be lent: young enough, and its peer is
 * quiet. */
bool sl_connection_is_fit(struct sl_connection *connection);
/* Starts the idle time of a connection; false: there is none, since its server
 * keeps it for a second at most. */
bool sl_connection_begin_idle(struct sl_connection *connection,
                              int64_t announced);
/* When an idle connection expires. */
int64_t sl_connection_expires(const struct sl_connection *connection);
/* Watches an idle connection for news; false: its peer has spoken. */
bool sl_connection_watch(struct sl_connection *connection);
/* Releases the memory that makes the next use of an idle connection quick. */
void sl_connection_rest(struct sl_connection *connection);

#endif
