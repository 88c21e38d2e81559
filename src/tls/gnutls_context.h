/* tls/gnutls_context.h - a configuration as credentials and priorities
 *
 * Files are read here, once. Counted references: the creator's and one per
 * engine.
 */
#ifndef SL_TLS_GNUTLS_CONTEXT_H
#define SL_TLS_GNUTLS_CONTEXT_H

#include "tls/gnutls_session.h"
#include "tls/provider.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define SL_GNUTLS_PROTOCOLS 8 /* of ALPN */

struct sl_tls_context {
    struct sl_allocator *allocator;
    size_t refs;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_x509_crl_t *lists; /* of what is revoked */
    unsigned list_count;
    struct sl_gnutls_sessions sessions;
    char *alpn; /* the offered names, each ended by NUL */
    size_t alpn_size;
    gnutls_datum_t protocols[SL_GNUTLS_PROTOCOLS]; /* point into `alpn` */
    unsigned protocol_count;
    int key_log; /* descriptor, or -1 */
    bool verifies;
    bool resumes;
    bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                   char *reason, size_t reason_size);
    void (*forget)(void *forgotten);
    void *forgotten;
    size_t pin_count;
    unsigned char pins[SL_TLS_PINS][SL_TLS_PIN_SIZE];
};

/* SL_INVALID, SL_TLS, SL_MEMORY. */
enum sl_status sl_gnutls_context_create(struct sl_allocator *allocator,
                                        const struct sl_tls_options *options,
                                        struct sl_tls_context **context,
                                        struct sl_failure *failure);
void sl_gnutls_context_retain(struct sl_tls_context *context);
void sl_gnutls_context_release(struct sl_tls_context *context);

#endif
