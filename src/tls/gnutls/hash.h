/* tls/gnutls/hash.h - hashes by GnuTLS */
#ifndef SL_TLS_GNUTLS_HASH_H
#define SL_TLS_GNUTLS_HASH_H

#include "tls/provider.h"

/* As sl_tls_provider.hash. */
enum sl_status sl_gnutls_hash(enum sl_tls_hash kind, struct sl_view bytes,
                              unsigned char *hash, size_t *size);

/* As sl_tls_provider.hasher_create and those behind it. */
enum sl_status sl_gnutls_hasher_create(enum sl_tls_hash kind,
                                       struct sl_tls_hasher **hasher);
enum sl_status sl_gnutls_hasher_update(struct sl_tls_hasher *hasher,
                                       struct sl_view bytes);
enum sl_status sl_gnutls_hasher_finish(struct sl_tls_hasher *hasher,
                                       unsigned char *hash, size_t *size);
void sl_gnutls_hasher_destroy(struct sl_tls_hasher *hasher);

#endif
