#include "tls/openssl.h"

#include "tls/openssl_context.h"
#include "tls/openssl_engine.h"

#include <openssl/evp.h>

static enum sl_status base64(struct sl_view bytes, struct sl_room text)
{
    /* Ends its text with a NUL, in the scratch byte. */
    EVP_EncodeBlock((unsigned char *)text.data,
                    (const unsigned char *)bytes.data, (int)bytes.size);
    return SL_OK;
}

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
    .has_pending = sl_openssl_engine_has_pending,
    .info = sl_openssl_engine_info,
    .base64 = base64,
    .peer = sl_openssl_engine_peer,
};
