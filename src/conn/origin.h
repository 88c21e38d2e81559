/* conn/origin.h - connections of one client, by the origin they lead to
 *
 *   pool    limits, idle connections oldest first, exchanges that wait
 *    +- origin   where its connections go, and everything that tells two
 *                apart; idle connections, last used first
 *        +- connection   a link, the bytes received and not yet used
 *
 * A connection is idle (in the lists, watched for its end), or lent to exactly
 * one exchange, or being closed. Reuse is proven, not assumed: only
 * sl_connection_put, called by the exchange that saw its message end cleanly,
 * makes a connection idle.
 */
#ifndef SL_CONN_ORIGIN_H
#define SL_CONN_ORIGIN_H

#include "conn/link.h"
#include "conn/peer.h"
#include "io/connect.h"

struct sl_exchange;
struct sl_connection;

struct sl_connections_options {
    size_t per_origin; /* connections, 16 */
    size_t total;      /* 256 */
    int64_t idle;      /* nanoseconds, 90 s */
    int64_t lifetime;  /* 600 s */
    bool reuses;       /* false: a new connection for each request */
    enum sl_transport_mode mode;
    const struct sl_backend_class *backend; /* NULL: best for the mode */
    /* Whose stats are summed; outlives the connections. NULL: no list. */
    struct sl_connections **list;
};

void sl_connections_options_default(struct sl_connections_options *options);

struct sl_connections_stats {
    size_t idle;
    size_t active; /* lent or being made */
    size_t open;   /* idle or lent */
    size_t queued; /* exchanges that wait for a place */
    uint64_t made;
    uint64_t requests;
    uint64_t resends;
};

/* All connections of one client. */
struct sl_connections {
    struct sl_connections *next; /* in options.list */
    struct sl_connections *previous;
    struct sl_allocator *allocator;
    struct sl_pool *pool;
    struct sl_loop *loop;
    struct sl_resolver *resolver;
    struct sl_connections_options options;
    struct sl_connections_stats stats;
    struct sl_connection *oldest; /* idle, by when they became so */
    struct sl_connection *newest;
    struct sl_exchange *first_waiting; /* for a place, in their order */
    struct sl_exchange *last_waiting;
    struct sl_exchange *draining; /* let go by everybody but their connection */
    struct sl_exchange *spare;    /* finished ones kept for the next */
    size_t spare_count;
    struct sl_timer expiry;
    struct sl_connection
        *oldest_awake; /* idle; all newer ones are awake, too */
    struct sl_timer rest;
    size_t refs;
    bool is_serving; /* those that wait */
    bool is_closed;
};

struct sl_origin_options {
    const char *host; /* to resolve, verify and name in messages */
    int port;
    const char *address;       /* to connect to instead of resolving; NULL */
    const char *unix_path;     /* NULL */
    const char *local_address; /* NULL */
    const struct sl_tls_provider *provider; /* NULL: plain */
    struct sl_tls_context *context;         /* retained */
    const char *identity; /* of TLS sessions; everything that tells apart */
    void *verify_owner;
};

struct sl_origin {
    struct sl_connections *connections;
    struct sl_connection *idle; /* last used first */
    size_t count;               /* idle, lent and being made */
    size_t refs;
    int port;
    bool speaks_1_0; /* its last answer was HTTP/1.0 */
    char *host;
    char *address;
    char *unix_path;
    char *local_address;
    char *identity;
    const struct sl_tls_provider *provider;
    struct sl_tls_context *context;
    void *verify_owner;
};

struct sl_connection {
    struct sl_origin *origin;
    struct sl_link link;
    struct sl_peer *peer;         /* NULL: plain */
    struct sl_buffer input;       /* received, not yet parsed */
    struct sl_exchange *exchange; /* NULL: idle */
    struct sl_connection *next;   /* in the origin's idle stack */
    struct sl_connection *previous;
    struct sl_connection *newer; /* in the pool's idle list */
    struct sl_connection *older;
    bool is_resting; /* idle for so long that its link gave memory back */
    int64_t created;
    int64_t idle_since;
    uint32_t requests;
};

enum sl_status
sl_connections_create(struct sl_allocator *allocator, struct sl_pool *pool,
                      struct sl_loop *loop, struct sl_resolver *resolver,
                      const struct sl_connections_options *options,
                      struct sl_connections **connections);
/* Idle connections and open ones of all in a list. */
void sl_connections_count(const struct sl_connections *first, size_t *idle,
                          size_t *open);
void sl_connections_retain(struct sl_connections *connections);
void sl_connections_release(struct sl_connections *connections);
/* Idle connections close at once, waiting exchanges fail; those under way go on
 * unless aborted by their owner, and their connections close after them. */
void sl_connections_close(struct sl_connections *connections);

enum sl_status sl_origin_create(struct sl_connections *connections,
                                const struct sl_origin_options *options,
                                struct sl_origin **origin);
void sl_origin_retain(struct sl_origin *origin);
void sl_origin_release(struct sl_origin *origin);
/* Whether others than its one owner hold it: each of its connections, made or
 * being made, and each exchange. */
static inline bool sl_origin_is_shared(const struct sl_origin *origin)
{
    return origin->refs > 1;
}

enum sl_checkout {
    SL_CHECKOUT_REUSED, /* `*connection` is lent */
    SL_CHECKOUT_DIAL,   /* a place is taken: make one, or free the place */
    SL_CHECKOUT_WAIT    /* the limits are reached: wait in the queue */
};

/* A healthy idle connection, else a place for a new one. `is_fresh`: no idle
 * connection is acceptable. */
enum sl_checkout sl_origin_checkout(struct sl_origin *origin, bool is_fresh,
                                    struct sl_connection **connection);

/* In the place taken by SL_CHECKOUT_DIAL. Adopts `transport`. On failure the
 * place is still the caller's. */
enum sl_status sl_connection_create(struct sl_origin *origin,
                                    struct sl_transport *transport,
                                    struct sl_connection **connection);
/* The message ended cleanly: becomes idle, or closes when it may not be used
 * again (old, surplus input, pool closed). */
void sl_connection_put(struct sl_connection *connection);
/* Closes it and frees its place. */
void sl_connection_discard(struct sl_connection *connection, bool is_abort);
/* A place taken and not used. */
void sl_origin_free_place(struct sl_origin *origin);

/* ---- the queue of exchanges that wait for a place ---- */

void sl_connections_enqueue(struct sl_connections *connections,
                            struct sl_exchange *exchange);
void sl_connections_dequeue(struct sl_connections *connections,
                            struct sl_exchange *exchange);

#endif
