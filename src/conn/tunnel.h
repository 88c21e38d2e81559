/* conn/tunnel.h - asking a proxy for a way through to another host
 *
 *   output ->  [ proxy ]  -> input        questions and answers, in turn
 *
 * in:  conn/opening.c, a link to the proxy    below: conn/link.c
 *
 * A kind of proxy is a table of two functions that read one buffer and write
 * another: it knows no socket and gives the same outcome wherever its input is
 * cut. Behind the last answer the link is the other host's.
 */
#ifndef SL_CONN_TUNNEL_H
#define SL_CONN_TUNNEL_H

#include "conn/link.h"
#include "conn/refusal.h"
#include "memory/writer.h"

/* The tunnel's far end, and the credentials for the proxy. */
struct sl_tunnel_target {
    const char *host; /* name or literal, without brackets */
    int port;
    const char *user; /* NULL: without credentials */
    const char *password;
    const char *authorization; /* the value of Proxy-Authorization, instead of
                                * user and password; NULL */
};

struct sl_tunnel {
    const struct sl_tunnel_class *class;
    struct sl_allocator *allocator;
    struct sl_pool *pool;
    struct sl_tunnel_target target; /* its texts stand behind the tunnel */
    struct sl_buffer input;         /* received, not yet read */
    struct sl_writer output;        /* written by `class`, sent by tunnel.c */
    size_t sent;                    /* of `output` */
    size_t want;               /* the most that may be received, by `class` */
    struct sl_refusal *answer; /* of a kind whose answers are kept, or NULL */
    bool is_refused;           /* by the head of `answer`, whose body comes */
    struct sl_failure refused; /* then: why */
    size_t size;               /* of the whole allocation */
};

struct sl_tunnel_class {
    size_t size; /* of its own struct, which begins with a tunnel */
    /* Writes the first request. SL_INVALID, SL_LIMIT, SL_MEMORY: `failure`. */
    enum sl_status (*begin)(struct sl_tunnel *tunnel,
                            struct sl_failure *failure);
    /* Reads the input. SL_OK: the proxy leads there. SL_AGAIN: more is needed,
     * perhaps after more output. SL_PROXY, SL_MEMORY: `failure`. A kind that
     * has set is_refused may ask for more; whatever ends that is the
     * refusal. */
    enum sl_status (*advance)(struct sl_tunnel *tunnel,
                              struct sl_failure *failure);
};

/* Copies the texts of `target`. SL_INVALID, SL_LIMIT, SL_MEMORY: `failure`. */
enum sl_status sl_tunnel_create(const struct sl_tunnel_class *class,
                                struct sl_allocator *allocator,
                                struct sl_pool *pool,
                                const struct sl_tunnel_target *target,
                                struct sl_tunnel **tunnel,
                                struct sl_failure *failure);

/* SL_OK: the link leads to the target. SL_AGAIN: call again at can_send and
 * can_receive. SL_PROXY, SL_CLOSED, SL_MEMORY: `failure`. */
enum sl_status sl_tunnel_advance(struct sl_tunnel *tunnel, struct sl_link *link,
                                 struct sl_failure *failure);

/* The proxy has ended its side, before the tunnel was open. SL_CLOSED;
 * SL_PROXY: it has refused, and its answer is whole where it ends like that. */
enum sl_status sl_tunnel_end_input(struct sl_tunnel *tunnel, bool is_clean,
                                   struct sl_failure *failure);

/* Nothing more is waited for. Whether the proxy has refused: then `failure`
 * says so, and the answer is there as far as it was received. */
bool sl_tunnel_give_up(struct sl_tunnel *tunnel, struct sl_failure *failure);

/* The answer of a proxy that refused, with its ownership; NULL: there is
 * none. */
struct sl_refusal *sl_tunnel_take_refusal(struct sl_tunnel *tunnel);

void sl_tunnel_destroy(struct sl_tunnel *tunnel);

#endif
