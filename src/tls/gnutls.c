#include "tls/gnutls.h"

#include "tls/gnutls_context.h"
#include "tls/gnutls_engine.h"

#include <gnutls/gnutls.h>
#include <string.h>

static enum sl_status base64(struct sl_view bytes, struct sl_room text)
{
    gnutls_datum_t from = {(unsigned char *)bytes.data, (unsigned)bytes.size};
    gnutls_datum_t to;

    if (gnutls_base64_encode2(&from, &to) != GNUTLS_E_SUCCESS)
        return SL_MEMORY;
    memcpy(text.data, to.data, text.size);
    gnutls_free(to.data);
    return SL_OK;
}

const struct sl_tls_provider sl_tls_gnutls = {
    .name = "gnutls",
    .context_create = sl_gnutls_context_create,
    .context_retain = sl_gnutls_context_retain,
    .context_release = sl_gnutls_context_release,
    .engine_create = sl_gnutls_engine_create,
    .engine_destroy = sl_gnutls_engine_destroy,
    .handshake = sl_gnutls_engine_handshake,
    .decrypt = sl_gnutls_engine_decrypt,
    .encrypt = sl_gnutls_engine_encrypt,
    .close = sl_gnutls_engine_close,
    .has_pending = sl_gnutls_engine_has_pending,
    .info = sl_gnutls_engine_info,
    .base64 = base64,
    .peer = sl_gnutls_engine_peer,
};
