/* conn/origin.h - where connections lead, and who waits for one of them
 *
 *   idle      [connection] -> [connection]      last used first
 *   opening   [place] -> [place]                a connection is opened for each
 *   waiting   [place] -> [place] -> [place]     for which there is no room
 *
 * Both queues are in the order of asking. A connection that becomes free goes
 * to the oldest place of either, as does a new one whose own place was served
 * before it was open: lending is late. A connection without a waiter becomes
 * idle.
 *
 * A client's pool knows one origin for each key. An origin that nothing uses is
 * remembered until there are too many of these.
 */
#ifndef SL_CONN_ORIGIN_H
#define SL_CONN_ORIGIN_H

#include "conn/connection.h"

struct sl_origin_options {
    const char *key; /* everything that tells two apart; of TLS sessions, too */
    const char *host; /* to resolve, verify and name in messages */
    int port;
    const char *address;       /* to connect to instead of resolving; NULL */
    const char *unix_path;     /* NULL */
    const char *local_address; /* NULL */
    const char *proxy_host;    /* connections go there instead; NULL */
    int proxy_port;
    const struct sl_tunnel_class *tunnel; /* through the proxy; NULL: none */
    const char *proxy_user; /* authenticates at the proxy; NULL: no user */
    const char *proxy_password;
    const char *proxy_identity; /* of TLS sessions with the proxy */
    const struct sl_tls_provider *proxy_provider; /* NULL: it speaks no TLS */
    struct sl_tls_context *proxy_context;         /* retained */
    void *proxy_verify_owner;
    const struct sl_tls_provider *provider; /* NULL: plain */
    struct sl_tls_context *context;         /* retained */
    void *verify_owner;
};

/* A request for a connection, embedded in the object that waits for it. */
struct sl_place {
    struct sl_place *next;
    struct sl_place *previous;
    struct sl_origin *origin;      /* that it waits for; NULL: no wait */
    struct sl_connection *opening; /* opened for it, or NULL */
    const struct sl_place_events *events;
    int64_t ticket;                        /* the order of asking */
    struct sl_opening_deadlines deadlines; /* of a connection opened for it */
    struct sl_opening_times times;         /* of the one that was; else 0 */
    const char *authorization;  /* for the proxy of that one, instead of the
                                * origin's; borrowed until then. NULL */
    struct sl_refusal *refusal; /* of a proxy, set with the failure; the owner
                                 * of the place destroys it. NULL: none */
    bool needs_new;      /* only a connection that was never used will do */
    bool is_short_lived; /* a connection that is opened for it */
};

/* Called once for each wait, from the loop or from inside another place's call.
 * They may not ask again at once. */
struct sl_place_events {
    /* A connection is granted: call sl_connection_lend. */
    void (*granted)(struct sl_place *place, struct sl_connection *connection,
                    bool is_new);
    void (*refused)(struct sl_place *place, const struct sl_failure *failure);
};

struct sl_place_queue {
    struct sl_place *first;
    struct sl_place *last;
};

struct sl_origin {
    struct sl_directory_entry entry;
    struct sl_connections *connections;
    struct sl_connection *idle;
    struct sl_place_queue opening;
    struct sl_place_queue waiting;
    struct sl_timer turn;   /* among the pool's turns, by the first ticket */
    struct sl_origin *next; /* of the pool's origins with a queue */
    struct sl_origin *previous;
    size_t count;    /* connections: idle, lent and being opened */
    size_t refs;     /* users: handles, connections, requests; 0: unused */
    bool speaks_1_0; /* its last answer was HTTP/1.0 */
    size_t size;     /* of the origin and the texts behind it */
    struct sl_origin_options options; /* as given; the texts are its own */
};

/* The origin of `options->key`, known or new, with one reference for the
 * caller. The other options count only for a new one. SL_MEMORY. */
enum sl_status sl_origin_find(struct sl_connections *connections,
                              const struct sl_origin_options *options,
                              struct sl_origin **origin);
void sl_origin_retain(struct sl_origin *origin);
void sl_origin_release(struct sl_origin *origin);
/* The host that connections are made to first: the proxy, else the host. */
static inline const char *sl_origin_next_host(const struct sl_origin *origin)
{
    const struct sl_origin_options *options = &origin->options;

    return options->proxy_host != NULL ? options->proxy_host : options->host;
}
static inline int sl_origin_next_port(const struct sl_origin *origin)
{
    const struct sl_origin_options *options = &origin->options;

    return options->proxy_host != NULL ? options->proxy_port : options->port;
}

/* SL_OK: `*connection` was idle and is lent now. SL_AGAIN: `place` waits, and
 * is granted or refused later unless it leaves. Failures: `failure`. */
enum sl_status sl_origin_ask(struct sl_origin *origin, struct sl_place *place,
                             struct sl_connection **connection,
                             struct sl_failure *failure);
/* Gives up waiting; an opening for it ends. Idempotent. */
void sl_place_leave(struct sl_place *place);
/* What `place` waits for: SL_STAGE_QUEUE, or the stage of the opening. */
enum sl_stage sl_place_stage(const struct sl_place *place);

/* ---- called by conn/connection.c and conn/pool.c ---- */

/* A connection is open, with or without a place that still waits for it. */
void sl_origin_opened(struct sl_connection *connection);
void sl_origin_not_opened(struct sl_connection *connection,
                          const struct sl_failure *failure);
/* Lends a free connection to the first place, or makes it idle. */
void sl_origin_offer(struct sl_connection *connection, bool is_new);
void sl_origin_close_idle(struct sl_connection *connection);
/* A connection of the origin is gone. */
void sl_origin_free_room(struct sl_origin *origin);
/* Refuses the first place of the queue: the client is closed. */
void sl_origin_refuse_first(struct sl_origin *origin);
/* Frees an origin that nothing uses. */
void sl_origin_forget(struct sl_directory_entry *entry);

#endif
