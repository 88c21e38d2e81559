/* tls/openssl/hash.h - hashes by OpenSSL */
#ifndef SL_TLS_OPENSSL_HASH_H
#define SL_TLS_OPENSSL_HASH_H

#include "tls/provider.h"

/* As sl_tls_provider.hash. */
enum sl_status sl_openssl_hash(enum sl_tls_hash kind, struct sl_view bytes,
                               unsigned char *hash, size_t *size);

#endif
