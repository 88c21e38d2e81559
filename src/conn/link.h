/* conn/link.h - bytes to and from a peer, plain or through TLS
 *
 *   plain   [ transport ] <--------------------------> http
 *   TLS     [ transport ] <-> in/out <-> [ engine ] <-> http
 *   TLS through a proxy's TLS
 *           [ transport ] <-> in/out <-> [ engine ] <-> in/out <-> [ engine ]
 *                                        of the proxy    <-> http
 *
 * The same calls and answers for all of them. A link owns its transport and its
 * layers of TLS; the ciphertext buffers are empty while nothing moves. What a
 * layer encrypts is content for the layer below it.
 */
#ifndef SL_CONN_LINK_H
#define SL_CONN_LINK_H

#include "io/transport.h"
#include "tls/provider.h"

/* Bytes that one connection moves before others get their turn. In a step with
 * a budget the time decides, which is read after each piece of that many. */
#define SL_TURN_BUDGET ((size_t)1024 * 1024)
#define SL_TURN_PIECE  ((size_t)64 * 1024)

/* The bytes that a turn begins with. */
static inline size_t sl_turn_begin(const struct sl_loop *loop)
{
    return sl_loop_has_budget(loop) ? SL_TURN_PIECE : SL_TURN_BUDGET;
}

/* Those that it goes on with where `left` are left; 0: it is over. */
static inline size_t sl_turn_go_on(const struct sl_loop *loop, size_t left)
{
    if (!sl_loop_has_budget(loop))
        return left;
    return sl_loop_is_turn_over(loop) ? 0 : SL_TURN_PIECE;
}

struct sl_link_tls {
    struct sl_link_tls *below; /* NULL: the transport */
    const struct sl_tls_provider *provider;
    struct sl_tls_engine *engine;
    struct sl_buffer in;  /* ciphertext received */
    struct sl_buffer out; /* ciphertext to send */
    enum sl_stage stage;  /* that its failures name */
    bool is_stuck;        /* a send waits for bytes of the peer */
    bool has_flight;      /* `out` holds the end of the handshake */
    bool is_dry;          /* the engine has nothing to give without more `in` */
};

struct sl_link {
    struct sl_allocator *allocator;
    struct sl_transport *transport;
    struct sl_link_tls *tls; /* the uppermost layer; NULL: plain */
    bool is_clean_end;       /* the peer's end can be trusted */
};

/* Adopts `transport`. */
void sl_link_init(struct sl_link *link, struct sl_allocator *allocator,
                  struct sl_transport *transport);

/* Goes over to TLS, over the TLS that there is: the handshake comes next.
 * Adopts `engine`; its failures will name `stage`. SL_MEMORY. */
enum sl_status sl_link_secure(struct sl_link *link, struct sl_pool *pool,
                              const struct sl_tls_provider *provider,
                              struct sl_tls_engine *engine,
                              enum sl_stage stage);

/* SL_OK: done and verified. SL_AGAIN: call again at can_send, can_receive. The
 * last messages may stay behind to go with the first send; who does not send at
 * once flushes, because the peer waits for them. */
enum sl_status sl_link_handshake(struct sl_link *link,
                                 struct sl_failure *failure);

/* Accepts from the front of `views`; `*sent` may be 0 with SL_AGAIN: call again
 * at can_send, can_receive, and when it is no longer stuck. What TLS accepted
 * may still have to be flushed. */
enum sl_status sl_link_send(struct sl_link *link, const struct sl_view *views,
                            size_t count, size_t *sent,
                            struct sl_failure *failure);
/* The same for views of which some are of a mapped file, where sl_link_can_map.
 * SL_INVALID: the file has shrunk; `failure` is not filled. */
enum sl_status sl_link_send_mapped(struct sl_link *link,
                                   const struct sl_view *views, size_t count,
                                   size_t *sent, struct sl_failure *failure);
/* Whether the kernel alone looks at what is sent. */
static inline bool sl_link_can_map(const struct sl_link *link)
{
    return link->tls == NULL && sl_transport_can_map(link->transport);
}
/* Whether a send waits until the peer has ended a TLS message, which
 * sl_link_receive may notice. */
static inline bool sl_link_is_stuck(const struct sl_link *link)
{
    for (const struct sl_link_tls *tls = link->tls; tls != NULL;
         tls = tls->below)
        if (tls->is_stuck)
            return true;
    return false;
}
/* Whether the transport has everything that was accepted. */
static inline bool sl_link_is_flushed(const struct sl_link *link)
{
    for (const struct sl_link_tls *tls = link->tls; tls != NULL;
         tls = tls->below)
        if (tls->out.length > 0)
            return false;
    return true;
}
/* Bytes that were accepted and that the transport does not have. */
static inline size_t sl_link_unsent(const struct sl_link *link)
{
    size_t size = 0;

    for (const struct sl_link_tls *tls = link->tls; tls != NULL;
         tls = tls->below)
        size += tls->out.length;
    return size;
}
/* SL_OK: the transport has everything that was accepted. */
enum sl_status sl_link_flush(struct sl_link *link, struct sl_failure *failure);
/* SL_OK: the kernel has it, so that no close takes it back. */
enum sl_status sl_link_drain(struct sl_link *link, struct sl_failure *failure);

/* SL_OK with `*received` > 0; SL_AGAIN, also while the peer does not take what
 * TLS has to answer; SL_END, see is_clean_end; failures. */
enum sl_status sl_link_receive(struct sl_link *link, struct sl_buffer *buffer,
                               size_t want, size_t *received,
                               struct sl_failure *failure);

/* Whether the link is connected and the peer has said nothing for us, as far as
 * sl_transport_is_quiet can see, without waiting. Messages for TLS alone
 * (tickets, key updates) are taken. No request may follow on a link that is not
 * quiet. */
bool sl_link_is_quiet(struct sl_link *link);

/* Nothing moves for a while: releases the memory that makes TLS quick. */
void sl_link_rest(struct sl_link *link);

/* Orderly close (with each layer's close_notify where it fits into the socket),
 * or abort. In a child of fork nothing is sent to the peer. */
void sl_link_close(struct sl_link *link, bool is_abort);

#endif
