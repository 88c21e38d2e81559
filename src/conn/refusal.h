/* conn/refusal.h - what a proxy answered to CONNECT, kept where it refused
 *
 * in:  conn/tunnel_http.c
 * out: binding/refusal.c, through the place that waits
 *
 * Head and body, the body up to a bound. It goes from the tunnel to the
 * opening, to the place and to the failure of the request: each takes it out of
 * the one before. It is never the answer of the host behind the proxy.
 */
#ifndef SL_CONN_REFUSAL_H
#define SL_CONN_REFUSAL_H

#include "http/response.h"

/* Bytes of a body that are kept, and that are waited for. */
#define SL_REFUSAL_MOST ((size_t)64 * 1024)

struct sl_refusal {
    struct sl_allocator *allocator;
    struct sl_response_limits limits;
    struct sl_response response;
    bool is_whole; /* the body has not been cut */
};

/* For an answer to CONNECT that is still to come. SL_MEMORY. */
enum sl_status sl_refusal_create(struct sl_allocator *allocator,
                                 struct sl_pool *pool,
                                 struct sl_refusal **refusal);
/* Takes NULL. */
void sl_refusal_destroy(struct sl_refusal *refusal);

/* A refusing head is there. Reads on in its body. SL_AGAIN: more is needed.
 * SL_OK: nothing more will be read. */
enum sl_status sl_refusal_step(struct sl_refusal *refusal,
                               struct sl_buffer *input);
/* The input has ended: a body that ends with it is whole if that `is_clean`. */
void sl_refusal_end_input(struct sl_refusal *refusal, struct sl_buffer *input,
                          bool is_clean);

#endif
