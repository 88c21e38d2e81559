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
