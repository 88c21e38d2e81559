#include "tls/gnutls/hash.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static gnutls_digest_algorithm_t algorithm_of(enum sl_tls_hash kind)
{
    switch (kind) {
    case SL_TLS_MD5:
        return GNUTLS_DIG_MD5;
    case SL_TLS_SHA1:
        return GNUTLS_DIG_SHA1;
    default:
        return GNUTLS_DIG_SHA256;
    }
}

enum sl_status sl_gnutls_hash(enum sl_tls_hash kind, struct sl_view bytes,
                              unsigned char *hash, size_t *size)
{
    gnutls_digest_algorithm_t algorithm = algorithm_of(kind);
    int result = gnutls_hash_fast(algorithm, bytes.data, bytes.size, hash);

    if (result == GNUTLS_E_MEMORY_ERROR)
        return SL_MEMORY;
    if (result != 0)
        return SL_UNSUPPORTED;
    *size = gnutls_hash_get_len(algorithm);
    return SL_OK;
}
