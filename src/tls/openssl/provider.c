#include "tls/openssl/provider.h"

#include "tls/openssl/context.h"
#include "tls/openssl/engine.h"
#include "tls/openssl/hash.h"

const struct sl_tls_provider sl_tls_openssl = {
    .name = "openssl",
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
