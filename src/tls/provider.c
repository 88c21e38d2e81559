#include "tls/provider.h"

#ifdef SL_HAVE_OPENSSL
#include "tls/openssl/provider.h"
#endif
#ifdef SL_HAVE_GNUTLS
#include "tls/gnutls/provider.h"
#endif

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

const struct sl_tls_provider *const sl_tls_providers[] = {
#ifdef SL_HAVE_OPENSSL
    &sl_tls_openssl,
#endif
#ifdef SL_HAVE_GNUTLS
    &sl_tls_gnutls,
#endif
    NULL,
};

const struct sl_tls_provider *sl_tls_provider_find(const char *name)
{
    for (size_t i = 0; sl_tls_providers[i] != NULL; i++)
        if (name == NULL || strcmp(sl_tls_providers[i]->name, name) == 0)
            return sl_tls_providers[i];
    return NULL;
}

/* The system gives this many at once. */
#define ENTROPY_PIECE ((size_t)256)

static enum sl_status system_random(char *bytes, size_t size)
{
    while (size > 0) {
        size_t piece = size < ENTROPY_PIECE ? size : ENTROPY_PIECE;

        if (getentropy(bytes, piece) != 0)
            return SL_TLS;
        bytes += piece;
        size -= piece;
    }
    return SL_OK;
}

enum sl_status sl_tls_random(void *bytes, size_t size)
{
    const struct sl_tls_provider *provider = sl_tls_provider_find(NULL);

    if (provider == NULL)
        return system_random(bytes, size);
    return provider->random(bytes, size);
}

void sl_tls_options_default(struct sl_tls_options *options)
{
    memset(options, 0, sizeof *options);
    options->verifies = true;
    options->resumes = true;
    options->has_own_records = true;
    options->alpn = SL_VIEW("\x08http/1.1");
}

enum sl_status sl_tls_hash(enum sl_tls_hash kind, struct sl_view bytes,
                           unsigned char *hash, size_t *size)
{
    const struct sl_tls_provider *provider = sl_tls_provider_find(NULL);

    if (provider == NULL)
        return SL_UNSUPPORTED;
    return provider->hash(kind, bytes, hash, size);
}
