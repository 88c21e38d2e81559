/* tls/openssl_engine.h - one connection's SSL, fed from and to buffers
 *
 *   `in`  -> BIO read  -> [ SSL ] -> SSL_read  -> room at the tail of `plain`
 *   `out` <- BIO write <- [ SSL ] <- SSL_write <- view of the caller
 *
 * The buffers are known to the BIO for the length of one call only. OpenSSL has
 * record buffers of its own, into and out of which everything is copied; they
 * are let go whenever they are empty, so that an idle engine holds none.
 *
 * The first failure is kept and repeated by every later call.
 */
#ifndef SL_TLS_OPENSSL_ENGINE_H
#define SL_TLS_OPENSSL_ENGINE_H

#include "tls/openssl_certificate.h"
#include "tls/openssl_context.h"
#include "tls/openssl_verify.h"
#include "tls/peer.h"

#include <stdint.h>

struct sl_tls_engine {
    struct sl_tls_context *context;
    SSL *ssl;
    struct sl_buffer *in; /* these two during a call only */
    struct sl_buffer *out;
    struct sl_openssl_slot *slot; /* NULL: nothing is kept */
    SSL_SESSION *early_session;   /* came before the peer was accepted */
    void *owner;
    struct sl_openssl_texts *texts; /* of the peer, once asked for */
    unsigned quiet_messages;        /* since the last content */
    enum sl_status refused;         /* why the BIO could not write */
    unsigned char header[5];        /* of the record that is being read */
    unsigned char header_size;      /* of it so far; 0: between records */
    uint16_t body_left;
    bool is_starved; /* the BIO had nothing to read */
    bool is_checked; /* the chain was verified, name and all */
    bool is_ready;
    bool is_closed;
    struct sl_failure failure;
    struct sl_tls_peer expected;
    size_t size; /* of this block */
    char host[];
};

enum sl_status sl_openssl_engine_create(struct sl_tls_context *context,
                                        struct sl_pool *pool, const char *host,
                                        const char *identity, void *owner,
                                        struct sl_tls_engine **engine,
                                        struct sl_failure *failure);
void sl_openssl_engine_destroy(struct sl_tls_engine *engine);

enum sl_status sl_openssl_engine_handshake(struct sl_tls_engine *engine,
                                           struct sl_buffer *in,
                                           struct sl_buffer *out,
                                           struct sl_failure *failure);
enum sl_status sl_openssl_engine_decrypt(struct sl_tls_engine *engine,
                                         struct sl_buffer *in,
                                         struct sl_buffer *plain, size_t want,
                                         struct sl_buffer *out,
                                         struct sl_failure *failure);
void sl_openssl_engine_rest(struct sl_tls_engine *engine);
enum sl_status sl_openssl_engine_encrypt(struct sl_tls_engine *engine,
                                         struct sl_view plain,
                                         struct sl_buffer *out,
                                         size_t *consumed,
                                         struct sl_failure *failure);
void sl_openssl_engine_close(struct sl_tls_engine *engine,
                             struct sl_buffer *out);
bool sl_openssl_engine_has_pending(const struct sl_tls_engine *engine);
void sl_openssl_engine_info(const struct sl_tls_engine *engine,
                            struct sl_tls_info *info);
bool sl_openssl_engine_peer(struct sl_tls_engine *engine,
                            struct sl_tls_certificate *certificate);

/* ---- for the context and its callbacks ---- */

/* NULL without memory. */
BIO_METHOD *sl_openssl_engine_bio_method(void);
/* During a call of the engine only. */
struct sl_tls_engine *sl_openssl_engine_of(const SSL *ssl);
/* For SSL_CTX_sess_set_new_cb. */
int sl_openssl_engine_keep_session(SSL *ssl, SSL_SESSION *session);

#endif
