#include "tls/gnutls/provider.h"

#include "tls/gnutls/context.h"
#include "tls/gnutls/engine.h"
#include "tls/gnutls/hash.h"

#include <gnutls/crypto.h>

static enum sl_status fill_random(void *bytes, size_t size)
{
    return gnutls_rnd(GNUTLS_RND_RANDOM, bytes, size) == 0 ? SL_OK : SL_TLS;
}

const struct sl_tls_provider sl_tls_gnutls = {
    .name = "gnutls",
    .random = fill_random,
    .context_create = sl_gnutls_context_create,
    .context_retain = sl_gnutls_context_retain,
    .context_release = sl_gnutls_context_release,
    .engine_create = sl_gnutls_engine_create,
    .engine_destroy = sl_gnutls_engine_destroy,
    .handshake = sl_gnutls_engine_handshake,
    .decrypt = sl_gnutls_engine_decrypt,
    .encrypt = sl_gnutls_engine_encrypt,
    .close = sl_gnutls_engine_close,
    .info = sl_gnutls_engine_info,
    .peer = sl_gnutls_engine_peer,
    .hash = sl_gnutls_hash,
    .hasher_create = sl_gnutls_hasher_create,
    .hasher_update = sl_gnutls_hasher_update,
    .hasher_finish = sl_gnutls_hasher_finish,
    .hasher_destroy = sl_gnutls_hasher_destroy,
};
