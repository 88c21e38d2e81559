/* tls/openssl/roots.h - a context's roots, and its list of revocations */
#ifndef SL_TLS_OPENSSL_ROOTS_H
#define SL_TLS_OPENSSL_ROOTS_H

#include "tls/openssl/bundle.h"
#include "tls/provider.h"

#include <openssl/ssl.h>

struct sl_openssl_trust {
    struct sl_allocator *allocator;
    X509_STORE *store;
    struct sl_openssl_bundle **bundle; /* set for a large file */
};

/* Loads `ca`, `ca_file`, `ca_path` together, or, if all three are missing and
 * verification is on, the system's roots; then `crl_file`. SL_TLS,
 * SL_MEMORY. */
enum sl_status sl_openssl_roots_load(const struct sl_openssl_trust *trust,
                                     const struct sl_tls_options *options,
                                     struct sl_failure *failure);

#endif
