/* tls/gnutls/context.h - a configuration as credentials and priorities
 *
 * Files are read here, once. Counted references: the creator's and one per
 * engine.
 */
#ifndef SL_TLS_GNUTLS_CONTEXT_H
#define SL_TLS_GNUTLS_CONTEXT_H

#include "tls/gnutls/session.h"
#include "tls/policy.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define SL_GNUTLS_PROTOCOLS 8 /* of ALPN */

struct sl_tls_context {
    struct sl_allocator *allocator;
    size_t refs;
    struct sl_tls_policy policy;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_x509_crl_t *lists; /* of what is revoked */
    unsigned list_count;
    struct sl_gnutls_sessions sessions;
    gnutls_datum_t protocols[SL_GNUTLS_PROTOCOLS]; /* point into the policy */
    unsigned protocol_count;
    void (*forget)(void *forgotten);
    void *forgotten;
};

/* SL_INVALID, SL_TLS, SL_MEMORY. */
enum sl_status sl_gnutls_context_create(struct sl_allocator *allocator,
                                        const struct sl_tls_options *options,
                                        struct sl_tls_context **context,
                                        struct sl_failure *failure);
void sl_gnutls_context_retain(struct sl_tls_context *context);
void sl_gnutls_context_release(struct sl_tls_context *context);

#endif
