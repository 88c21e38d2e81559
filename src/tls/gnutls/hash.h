/* tls/gnutls/hash.h - hashes by GnuTLS */
#ifndef SL_TLS_GNUTLS_HASH_H
#define SL_TLS_GNUTLS_HASH_H

#include "tls/provider.h"

/* As sl_tls_provider.hash. */
enum sl_status sl_gnutls_hash(enum sl_tls_hash kind, struct sl_view bytes,
                              unsigned char *hash, size_t *size);

#endif
