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
    case SL_TLS_SHA512:
        return GNUTLS_DIG_SHA512;
    default:
        return GNUTLS_DIG_SHA256;
    }
}

static enum sl_status status_of(int result)
{
    if (result == 0)
        return SL_OK;
    return result == GNUTLS_E_MEMORY_ERROR ? SL_MEMORY : SL_UNSUPPORTED;
}

enum sl_status sl_gnutls_hash(enum sl_tls_hash kind, struct sl_view bytes,
                              unsigned char *hash, size_t *size)
{
    gnutls_digest_algorithm_t algorithm = algorithm_of(kind);
    int result = gnutls_hash_fast(algorithm, bytes.data, bytes.size, hash);

    if (result != 0)
        return status_of(result);
    *size = gnutls_hash_get_len(algorithm);
    return SL_OK;
}

/* ---- piece by piece ---- */

struct sl_tls_hasher {
    gnutls_hash_hd_t handle; /* NULL once it is finished */
    size_t size;
};

enum sl_status sl_gnutls_hasher_create(enum sl_tls_hash kind,
                                       struct sl_tls_hasher **hasher)
{
    struct sl_tls_hasher *created = gnutls_malloc(sizeof *created);
    gnutls_digest_algorithm_t algorithm = algorithm_of(kind);
    int result;

    if (created == NULL)
        return SL_MEMORY;
    result = gnutls_hash_init(&created->handle, algorithm);
    if (result != 0) {
        gnutls_free(created);
        return status_of(result);
    }
    created->size = gnutls_hash_get_len(algorithm);
    *hasher = created;
    return SL_OK;
}

enum sl_status sl_gnutls_hasher_update(struct sl_tls_hasher *hasher,
                                       struct sl_view bytes)
{
    return status_of(gnutls_hash(hasher->handle, bytes.data, bytes.size));
}

enum sl_status sl_gnutls_hasher_finish(struct sl_tls_hasher *hasher,
                                       unsigned char *hash, size_t *size)
{
    gnutls_hash_deinit(hasher->handle, hash);
    hasher->handle = NULL;
    *size = hasher->size;
    return SL_OK;
}

void sl_gnutls_hasher_destroy(struct sl_tls_hasher *hasher)
{
    if (hasher->handle != NULL)
        gnutls_hash_deinit(hasher->handle, NULL);
    gnutls_free(hasher);
}
