/* tls/openssl/engine.h - one connection, fed from and to buffers
 *
 *   `in`  -> BIO read  -> [ SSL ] -> SSL_read  -> room at the tail of `plain`
 *   `out` <- BIO write <- [ SSL ] <- SSL_write <- view of the caller
 *
 * OpenSSL has record buffers of its own, into and out of which everything is
 * copied; it holds them until the connection rests.
 *
 * With TLS 1.3 the SSL makes the connection and serves the first request, with
 * the tickets before its answer. When another request follows, much content
 * arrives, or the connection rests, record.h takes over with what notes.h knows
 * and the SSL is freed. The SSL stays where keys were updated before: it does
 * not reveal those secrets. It also stays with a short-lived engine, because a
 * secret costs 3 % of a resumed handshake to note.
 *
 * The first failure is kept and repeated by every later call.
 */
#ifndef SL_TLS_OPENSSL_ENGINE_H
#define SL_TLS_OPENSSL_ENGINE_H

#include "tls/openssl/bio.h"
#include "tls/openssl/certificate.h"
#include "tls/openssl/context.h"
#include "tls/openssl/notes.h"
#include "tls/openssl/record.h"
#include "tls/openssl/verify.h"
#include "tls/engine.h"
#include "tls/peer.h"

#include <stdint.h>

struct sl_tls_engine {
    struct sl_openssl_bio bio; /* first: its callbacks lead to the engine */
    struct sl_tls_context *context;
    SSL *ssl;                           /* NULL once it is not needed */
    struct sl_openssl_records *records; /* NULL until then */
    struct sl_openssl_slot *slot;       /* NULL: nothing is kept */
    SSL_SESSION *early_session;         /* from before the peer's acceptance */
    void *owner;
    struct sl_tls_texts *texts; /* of the peer, once asked for */
    size_t content_size;        /* received through the SSL */
    struct sl_openssl_notes notes;
    struct sl_tls_info info;
    bool is_checked;                /* the chain was verified, name and all */
    bool has_refused_renegotiation; /* since the last content */
    struct sl_tls_engine_state state;
    struct sl_tls_peer expected;
    size_t size; /* of this block */
    char host[];
};

enum sl_status
sl_openssl_engine_create(struct sl_tls_context *context, struct sl_pool *pool,
                         const struct sl_tls_engine_options *options,
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
enum sl_status
sl_openssl_engine_encrypt(struct sl_tls_engine *engine, struct sl_view plain,
                          struct sl_buffer *in, struct sl_buffer *out,
                          size_t *consumed, struct sl_failure *failure);
void sl_openssl_engine_close(struct sl_tls_engine *engine,
                             struct sl_buffer *out);
void sl_openssl_engine_info(const struct sl_tls_engine *engine,
                            struct sl_tls_info *info);
bool sl_openssl_engine_peer(struct sl_tls_engine *engine,
                            struct sl_tls_certificate *certificate);

/* ---- for the context and its callbacks ---- */

/* During a call of the engine only. */
struct sl_tls_engine *sl_openssl_engine_of(const SSL *ssl);
/* For SSL_CTX_sess_set_new_cb. */
int sl_openssl_engine_keep_session(SSL *ssl, SSL_SESSION *session);
/* For SSL_CTX_set_keylog_callback, which costs 1 % of a handshake for each
 * secret: OpenSSL prints it. Without a log it is set only between a Finished
 * and the secret of the content that is made behind it. */
void sl_openssl_engine_note_secret(const SSL *ssl, const char *line);
/* For SSL_CTX_set_msg_callback. */
void sl_openssl_engine_note_message(int is_sent, int version, int kind,
                                    const void *bytes, size_t size, SSL *ssl,
                                    void *unused);

#endif
