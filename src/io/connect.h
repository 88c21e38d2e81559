/* io/connect.h - from a name or path to a connected transport
 *
 *   resolve (a source of look-ups, or a literal) -> race addresses (RFC 8305)
 *           -> transport
 *
 * Connectors to one host and port that begin while its look-up is in progress
 * share it; each has its own deadline.
 * Addresses of both families are interleaved, IPv6 first; the next attempt
 * starts 250 ms after the one before or when that failed; the first to connect
 * wins, the others are closed. Each stage has its deadline.
 */
#ifndef SL_IO_CONNECT_H
#define SL_IO_CONNECT_H

#include "io/resolve.h"
#include "io/transport.h"

struct sl_connect_options {
    const char *host; /* name or literal, without brackets */
    int port;
    const char *unix_path;     /* instead of host and port; NULL */
    const char *local_address; /* to bind to; NULL */
    /* The finder of addresses of `host`, also when that is a literal. NULL: the
     * resolver, for names only. It stays until the connector is resolved. */
    struct sl_lookup_source *source;
    enum sl_transport_mode mode;
    struct sl_pool *pool; /* of what a connection keeps; NULL: the loop's */
    const struct sl_backend_class *backend; /* NULL: the best for the mode */
    int64_t resolve_timeout; /* nanoseconds each; SL_NEVER: none */
    int64_t connect_timeout;
    int64_t deadline; /* absolute, for all of it; SL_NEVER: none */
};

/* An attempt in progress; its memory is its own. */
struct sl_connector;

/* Begins. Strings in `options` are copied. `done` is called once from the loop,
 * never from inside this call, unless cancelled before. SL_MEMORY,
 * SL_INVALID. */
enum sl_status sl_connect_begin(struct sl_loop *loop,
                                struct sl_resolver *resolver,
                                const struct sl_connect_options *options,
                                void (*done)(void *owner), void *owner,
                                struct sl_connector **connector);
/* Fills `failure` for the status with which it did not begin. */
void sl_connect_refuse(const struct sl_connect_options *options,
                       enum sl_status status, struct sl_failure *failure);

/* After `done`: SL_OK moves the transport out; else `failure` (codes resolve,
 * connect, timeout, memory; the reason names address and errno text). */
enum sl_status sl_connect_result(struct sl_connector *connector,
                                 struct sl_transport **transport,
                                 struct sl_failure *failure);
/* SL_STAGE_RESOLVE until there are addresses, then SL_STAGE_CONNECT. */
enum sl_stage sl_connect_stage(const struct sl_connector *connector);
/* The time until resolved, and from then until connected. */
void sl_connect_timings(const struct sl_connector *connector, int64_t *resolve,
                        int64_t *connect);

/* Ends it at any time; its resources are released, `done` is not called. */
void sl_connect_destroy(struct sl_connector *connector);

#endif
