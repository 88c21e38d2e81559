/* tls/openssl/context.h - a configuration as an SSL_CTX, frozen once made
 *
 * Files are read here, once; nothing is read afterwards but a `ca_path`
 * directory. Counted references: the creator's and one per engine.
 */
#ifndef SL_TLS_OPENSSL_CONTEXT_H
#define SL_TLS_OPENSSL_CONTEXT_H

#include "tls/openssl/bundle.h"
#include "tls/openssl/certificate.h"
#include "tls/openssl/session.h"
#include "tls/policy.h"

#include <openssl/ssl.h>

#define SL_OPENSSL_TEXTS 4 /* of peers met last, kept for their connections */

struct sl_tls_context {
    struct sl_allocator *allocator;
    size_t refs;
    struct sl_tls_policy policy;
    SSL_CTX *ssl;
    struct sl_openssl_bundle *bundle; /* roots not parsed yet; or NULL */
    BIO_METHOD *bio;                  /* of the engines */
    struct sl_openssl_sessions sessions;
    struct sl_tls_texts *texts[SL_OPENSSL_TEXTS]; /* last used first */
    X509 *newest; /* the certificate of the first; retained. NULL: unknown */
    bool has_own_records;
    void (*forget)(void *forgotten);
    void *forgotten;
};

/* SL_INVALID, SL_TLS, SL_MEMORY. */
enum sl_status sl_openssl_context_create(struct sl_allocator *allocator,
                                         const struct sl_tls_options *options,
                                         struct sl_tls_context **context,
                                         struct sl_failure *failure);
void sl_openssl_context_retain(struct sl_tls_context *context);
void sl_openssl_context_release(struct sl_tls_context *context);

/* A certificate's texts, with one reference, made when they are not there yet;
 * NULL without memory. */
struct sl_tls_texts *sl_openssl_context_texts(struct sl_tls_context *context,
                                              X509 *certificate);

#endif
