#include "tls/openssl/hash.h"

#include "tls/openssl/error.h"

#include <openssl/evp.h>

static const EVP_MD *algorithm_of(enum sl_tls_hash kind)
{
    switch (kind) {
    case SL_TLS_MD5:
        return EVP_md5();
    case SL_TLS_SHA1:
        return EVP_sha1();
    case SL_TLS_SHA512:
        return EVP_sha512();
    default:
        return EVP_sha256();
    }
}

/* Empties the queue. An allocation that fails leaves no word of it there, and
 * nothing else can fail in a hash that there is. */
static enum sl_status take_error(void)
{
    enum sl_status status = SL_MEMORY;
    unsigned long code;

    while ((code = ERR_get_error()) != 0)
        if (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED)
            status = SL_UNSUPPORTED;
    return status;
}

enum sl_status sl_openssl_hash(enum sl_tls_hash kind, struct sl_view bytes,
                               unsigned char *hash, size_t *size)
{
    unsigned int length = 0;

    sl_openssl_error_clear();
    if (EVP_Digest(bytes.data, bytes.size, hash, &length, algorithm_of(kind),
                   NULL) != 1)
        return take_error();
    *size = length;
    return SL_OK;
}

/* ---- piece by piece: the hasher is the library's own context ---- */

static EVP_MD_CTX *context_of(struct sl_tls_hasher *hasher)
{
    return (EVP_MD_CTX *)(void *)hasher;
}

enum sl_status sl_openssl_hasher_create(enum sl_tls_hash kind,
                                        struct sl_tls_hasher **hasher)
{
    EVP_MD_CTX *context;

    sl_openssl_error_clear();
    context = EVP_MD_CTX_new();
    if (context == NULL ||
        EVP_DigestInit_ex(context, algorithm_of(kind), NULL) != 1) {
        enum sl_status status = take_error();

        EVP_MD_CTX_free(context);
        return status;
    }
    *hasher = (struct sl_tls_hasher *)(void *)context;
    return SL_OK;
}

enum sl_status sl_openssl_hasher_update(struct sl_tls_hasher *hasher,
                                        struct sl_view bytes)
{
    sl_openssl_error_clear();
    return EVP_DigestUpdate(context_of(hasher), bytes.data, bytes.size) == 1
               ? SL_OK
               : take_error();
}

enum sl_status sl_openssl_hasher_finish(struct sl_tls_hasher *hasher,
                                        unsigned char *hash, size_t *size)
{
    unsigned int length = 0;

    sl_openssl_error_clear();
    if (EVP_DigestFinal_ex(context_of(hasher), hash, &length) != 1)
        return take_error();
    *size = length;
    return SL_OK;
}

void sl_openssl_hasher_destroy(struct sl_tls_hasher *hasher)
{
    EVP_MD_CTX_free(context_of(hasher));
}
