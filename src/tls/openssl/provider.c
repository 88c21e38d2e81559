#include "tls/openssl/provider.h"

#include "tls/openssl/context.h"
#include "tls/openssl/engine.h"
#include "tls/openssl/hash.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>

static enum sl_status fill_random(void *bytes, size_t size)
{
    if (size <= INT_MAX && RAND_bytes(bytes, (int)size) == 1)
        return SL_OK;
    ERR_clear_error();
    return SL_TLS;
}

const struct sl_tls_provider sl_tls_openssl = {
    .name = "openssl",
    .random = fill_random,
    .context_create = sl_openssl_context_create,
    .context_retain = sl_openssl_context_retain,
    .context_release = sl_openssl_context_release,
    .engine_create = sl_openssl_engine_create,
    .engine_destroy = sl_openssl_engine_destroy,
    .handshake = sl_openssl_engine_handshake,
    .decrypt = sl_openssl_engine_decrypt,
    .encrypt = sl_openssl_engine_encrypt,
    .close = sl_openssl_engine_close,
    .rest = sl_openssl_engine_rest,
    .info = sl_openssl_engine_info,
    .peer = sl_openssl_engine_peer,
    .hash = sl_openssl_hash,
    .hasher_create = sl_openssl_hasher_create,
    .hasher_update = sl_openssl_hasher_update,
    .hasher_finish = sl_openssl_hasher_finish,
    .hasher_destroy = sl_openssl_hasher_destroy,
};
