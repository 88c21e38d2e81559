/* tls/gnutls/engine.h - one connection's session, fed from and to buffers
 *
 *   `in`  -> pull -> [ session ] -> room at the tail of `plain`
 *   `out` <- push <- [ session ] <- view of the caller
 *
 * The buffers are known to the session for the length of one call only. The
 * first failure is kept and repeated by every later call.
 */
#ifndef SL_TLS_GNUTLS_ENGINE_H
#define SL_TLS_GNUTLS_ENGINE_H

#include "tls/gnutls/certificate.h"
#include "tls/gnutls/context.h"
#include "tls/engine.h"
#include "tls/peer.h"

struct sl_tls_engine {
    struct sl_tls_context *context;
    gnutls_session_t session;
    struct sl_buffer *in; /* these two during a call only */
    struct sl_buffer *out;
    void *owner;
    struct sl_tls_texts *texts; /* of the peer, once asked for */
    enum sl_status refused;     /* why nothing could be pushed */
    bool is_starved;            /* there was nothing to pull */
    bool has_pulled;
    bool has_ticket; /* one arrived that is not kept yet */
    bool is_checked; /* the chain was verified, name and all */
    struct sl_tls_engine_state state;
    struct sl_tls_peer expected;
    const char *identity; /* behind the host; NULL: nothing is kept */
    size_t size;          /* of this block */
    char host[];
};

enum sl_status
sl_gnutls_engine_create(struct sl_tls_context *context, struct sl_pool *pool,
                        const struct sl_tls_engine_options *options,
                        struct sl_tls_engine **engine,
                        struct sl_failure *failure);
void sl_gnutls_engine_destroy(struct sl_tls_engine *engine);

enum sl_status sl_gnutls_engine_handshake(struct sl_tls_engine *engine,
                                          struct sl_buffer *in,
                                          struct sl_buffer *out,
                                          struct sl_failure *failure);
enum sl_status sl_gnutls_engine_decrypt(struct sl_tls_engine *engine,
                                        struct sl_buffer *in,
                                        struct sl_buffer *plain, size_t want,
                                        struct sl_buffer *out,
                                        struct sl_failure *failure);
enum sl_status sl_gnutls_engine_encrypt(struct sl_tls_engine *engine,
                                        struct sl_view plain,
                                        struct sl_buffer *in,
                                        struct sl_buffer *out, size_t *consumed,
                                        struct sl_failure *failure);
void sl_gnutls_engine_close(struct sl_tls_engine *engine,
                            struct sl_buffer *out);
void sl_gnutls_engine_info(const struct sl_tls_engine *engine,
                           struct sl_tls_info *info);
bool sl_gnutls_engine_peer(struct sl_tls_engine *engine,
                           struct sl_tls_certificate *certificate);

#endif
