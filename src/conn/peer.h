/* conn/peer.h - the outcome of a TLS handshake, and the peer it met
 *
 * Copied once per connection, shared by the responses that arrived over it,
 * which may outlive it.
 */
#ifndef SL_CONN_PEER_H
#define SL_CONN_PEER_H

#include "tls/provider.h"

struct sl_peer {
    struct sl_allocator *allocator;
    size_t refs;
    size_t size; /* of this block */
    struct sl_tls_info info;
    struct sl_tls_certificate certificate;
    bool has_certificate;
    char bytes[]; /* the texts of both */
};

/* Creates it after a finished handshake, with one reference. SL_MEMORY. */
enum sl_status sl_peer_create(struct sl_allocator *allocator,
                              const struct sl_tls_provider *provider,
                              struct sl_tls_engine *engine,
                              struct sl_peer **peer);
/* Both take NULL: a plain connection has no peer. */
struct sl_peer *sl_peer_retain(struct sl_peer *peer);
void sl_peer_release(struct sl_peer *peer);

#endif
