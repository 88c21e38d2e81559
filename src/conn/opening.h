/* conn/opening.h - from a name or a path to a link ready for its protocol
 *
 *   CONNECTING -> GREETING -> TUNNELING -> SECURING -> OPEN
 *       \____________\____________\____________\______-> FAILED
 *
 * in:  conn/connection.c, conn/channel.c
 * below: io/connect.c, conn/tunnel.c, conn/link.c
 *
 * Resolves, connects, greets a proxy that speaks TLS itself, tunnels where a
 * tunnel is given, and secures where a TLS provider is given. Each stage has
 * its deadline and its timing; greeting and tunneling are one stage, that of
 * the proxy. An opening belongs to its owner, which takes the link out of it
 * and destroys it.
 */
#ifndef SL_CONN_OPENING_H
#define SL_CONN_OPENING_H

#include "conn/link.h"
#include "conn/peer.h"
#include "conn/tunnel.h"
#include "io/connect.h"

/* How long each stage may take; nanoseconds, SL_NEVER for none. */
struct sl_opening_deadlines {
    int64_t resolve;
    int64_t connect;
    int64_t proxy;
    int64_t tls;
};

/* One layer of TLS, and whom it meets. */
struct sl_opening_tls {
    const struct sl_tls_provider *provider; /* NULL: no such layer */
    struct sl_tls_context *context;         /* retained while it opens */
    struct sl_tls_engine_options engine;    /* host NULL: connect.host */
};

struct sl_opening_options {
    struct sl_connect_options connect; /* its timeouts are not read */
    struct sl_opening_deadlines deadlines;
    struct sl_opening_tls greeting;       /* with the proxy at `connect` */
    const struct sl_tunnel_class *tunnel; /* through `connect`; NULL: none */
    struct sl_tunnel_target target;       /* of the tunnel */
    struct sl_opening_tls tls;            /* with the peer at its end */
};

/* Points in time, sl_clock_now; 0: not reached. */
struct sl_opening_times {
    int64_t began;
    int64_t resolved;
    int64_t connected;
    int64_t tunneled; /* or greeted, if nothing else is asked of the proxy */
    int64_t secured;
};

struct sl_opening;

/* Begins. Strings in `options` are copied. `done` is called once from the loop,
 * never from inside this call, unless the opening is destroyed before.
 * SL_MEMORY, SL_INVALID, SL_LIMIT: see `failure`; there is no opening. */
enum sl_status sl_opening_begin(struct sl_loop *loop, struct sl_pool *pool,
                                struct sl_resolver *resolver,
                                const struct sl_opening_options *options,
                                void (*done)(void *owner), void *owner,
                                struct sl_opening **opening,
                                struct sl_failure *failure);

/* After `done`. SL_OK moves the link and the peer (of `tls`, or NULL) to the
 * caller, which binds the link's transport; else `failure` (codes resolve,
 * connect, proxy, tls, closed, timeout, memory). */
enum sl_status sl_opening_result(struct sl_opening *opening,
                                 struct sl_link *link, struct sl_peer **peer,
                                 struct sl_failure *failure);

/* After it failed: the answer of a proxy that refused a tunnel, with its
 * ownership; NULL: there is none. */
struct sl_refusal *sl_opening_take_refusal(struct sl_opening *opening);

/* The stage under way, or the stage in which the opening ended. */
enum sl_stage sl_opening_stage(const struct sl_opening *opening);
const struct sl_opening_times *
sl_opening_times(const struct sl_opening *opening);

/* Ends the opening at any time; its resources are closed and `done` is not
 * called. Also from inside its own handshake (the owner's verify): the engine
 * is then destroyed when the handshake returns. */
void sl_opening_destroy(struct sl_opening *opening);

#endif
