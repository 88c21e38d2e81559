/* conn/pool.h - the connections of one client: limits, idle expiry, statistics
 *
 *   pool -- directory of origins -- connections and waiters of each origin
 *    |-- idle      over all origins, oldest first: they expire, or give way
 *    |-- opening   over all origins, also those without a waiter left
 *    `-- turns     origins with waiters that lack room under the total, ordered
 *                  by the age of their first waiter
 *
 * The type is called sl_connections: sl_pool is the pool of memory.
 */
#ifndef SL_CONN_POOL_H
#define SL_CONN_POOL_H

#include "conn/directory.h"
#include "io/lookup.h"
#include "io/resolve.h"
#include "io/transport.h"

struct sl_connection;
struct sl_origin;

struct sl_connections_options {
    size_t per_origin; /* connections, 16 */
    size_t total;      /* 256 */
    size_t unused;     /* origins remembered that nothing uses, 1000 */
    int64_t idle;      /* nanoseconds, 90 s */
    int64_t lifetime;  /* 600 s */
    bool reuses;       /* false: a new connection for each request */
    enum sl_transport_mode mode;
    const struct sl_backend_class *backend; /* NULL: best for the mode */
    /* It is asked for each new connection; those that begin at the same time
     * share the answer. NULL: the resolver. It outlives the connections, which
     * report their end by `source_unused` (NULL: they do not). */
    struct sl_lookup_source *source;
    void (*source_unused)(struct sl_lookup_source *source);
    /* Whose stats are summed; outlives the connections. NULL: no list. */
    struct sl_connections **list;
};

void sl_connections_options_default(struct sl_connections_options *options);

struct sl_connections_stats {
    size_t idle;
    size_t active; /* lent or being opened */
    size_t open;   /* idle or lent */
    size_t queued; /* places for which nothing is being opened */
    uint64_t made;
};

/* Idle and opening connections, by age. */
struct sl_connection_list {
    struct sl_connection *oldest;
    struct sl_connection *newest;
};

struct sl_connections {
    struct sl_connections *next; /* in options.list */
    struct sl_connections *previous;
    struct sl_allocator *allocator;
    struct sl_pool *pool;
    struct sl_loop *loop;
    struct sl_resolver *resolver;
    struct sl_connections_options options;
    struct sl_connections_stats stats;
    struct sl_directory directory; /* of origins */
    struct sl_connection_list idle;
    struct sl_connection_list opening;
    size_t short_count; /* idle connections of less patient servers */
    struct sl_connection
        *oldest_awake;         /* idle; all newer ones are awake, too */
    struct sl_timers turns;    /* `due` is a ticket */
    struct sl_origin *waiting; /* origins with a queue, in no order */
    int64_t next_ticket;       /* for the next waiter */
    struct sl_timer expiry;
    struct sl_timer rest;
    size_t refs;
    bool is_serving;
    bool is_closed;
    bool had_burst; /* many were active at once: memory is given back later */
};

enum sl_status
sl_connections_create(struct sl_allocator *allocator, struct sl_pool *pool,
                      struct sl_loop *loop, struct sl_resolver *resolver,
                      const struct sl_connections_options *options,
                      struct sl_connections **connections);
/* Counts idle and open connections of all pools in a list. */
void sl_connections_count(const struct sl_connections *first, size_t *idle,
                          size_t *open);
void sl_connections_retain(struct sl_connections *connections);
void sl_connections_release(struct sl_connections *connections);
/* Idle connections close at once and queued places are refused. Connections
 * that are lent, or opened for a place, go on and close when they are put
 * back. */
void sl_connections_close(struct sl_connections *connections);

/* ---- called by conn/origin.c and conn/connection.c ---- */

void sl_connections_add_opening(struct sl_connections *connections,
                                struct sl_connection *connection);
void sl_connections_remove_opening(struct sl_connections *connections,
                                   struct sl_connection *connection);
/* Starts its idle time and, for TLS and after a burst, the time after which it
 * rests. */
void sl_connections_add_idle(struct sl_connections *connections,
                             struct sl_connection *connection);
void sl_connections_remove_idle(struct sl_connections *connections,
                                struct sl_connection *connection);

/* Whether one more connection may be opened under the total; the oldest idle
 * connection is closed for it if need be. */
bool sl_connections_make_room(struct sl_connections *connections);
/* Gives room under the total to the origins that wait for it, oldest waiter
 * first. */
void sl_connections_serve(struct sl_connections *connections);

#endif
