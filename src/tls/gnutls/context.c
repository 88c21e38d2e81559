#include "tls/gnutls/context.h"

#include "tls/file.h"
#include "tls/gnutls/verify.h"
#include "tls/roots.h"

#include <limits.h>
#include <stdio.h>

/* AES-128-GCM first, forward secrecy and authenticated records only, and keys
 * of at least 112 bits (RSA 2048). */
#define CIPHERS                                                            \
    "NORMAL:%PROFILE_MEDIUM:%SAFE_RENEGOTIATION:-CIPHER-ALL:+AES-128-GCM:" \
    "+AES-256-GCM:+CHACHA20-POLY1305:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"     \
    "-MAC-ALL:+AEAD"

/* Real chains have three or four certificates; each costs a signature check. */
#define MOST_CERTIFICATES 11
#define MOST_KEY_BITS     16384

static enum sl_status fail(struct sl_failure *failure, const char *option,
                           const char *path, int result)
{
    if (result == GNUTLS_E_MEMORY_ERROR)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s%s%s: %s", option,
                   path[0] != '\0' ? " " : "", path,
                   result == 0 ? "holds no certificate"
                               : gnutls_strerror(result));
}

/* ---- versions, ciphers, protocol names ---- */

static enum sl_status set_priority(struct sl_tls_context *context,
                                   const struct sl_tls_options *options,
                                   struct sl_failure *failure)
{
    bool has_1_2 = options->min_version != SL_TLS_1_3;
    bool has_1_3 = options->max_version != SL_TLS_1_2;
    char text[1536];
    int size;
    int result;

    if (!has_1_2 && !has_1_3)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "min_version is above max_version");
    size = snprintf(text, sizeof text, "%s:-VERS-ALL%s%s",
                    options->ciphers != NULL ? options->ciphers : CIPHERS,
                    has_1_3 ? ":+VERS-TLS1.3" : "",
                    has_1_2 ? ":+VERS-TLS1.2" : "");
    if (size < 0 || (size_t)size >= sizeof text)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "ciphers: the list is too long");
    result = gnutls_priority_init2(&context->priority, text, NULL, 0);
    return result < 0 ? fail(failure, "ciphers", "", result) : SL_OK;
}

static enum sl_status set_alpn(struct sl_tls_context *context,
                               struct sl_failure *failure)
{
    char *name = context->policy.protocols;

    while (name != NULL && *name != '\0') {
        size_t size = strlen(name);
        gnutls_datum_t *to;

        if (context->protocol_count == SL_GNUTLS_PROTOCOLS)
            return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                           "alpn: more than %d protocols (fixed)",
                           SL_GNUTLS_PROTOCOLS);
        to = &context->protocols[context->protocol_count++];
        to->data = (unsigned char *)name;
        to->size = (unsigned)size;
        name += size + 1;
    }
    return SL_OK;
}

/* ---- roots and revocation ---- */

static enum sl_status add_file(struct sl_tls_context *context,
                               const char *option, const char *path,
                               struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check(option, path, failure);
    int count;

    if (status != SL_OK)
        return status;
    count = gnutls_certificate_set_x509_trust_file(context->credentials, path,
                                                   GNUTLS_X509_FMT_PEM);
    return count <= 0 ? fail(failure, option, path, count) : SL_OK;
}

static enum sl_status add_directory(struct sl_tls_context *context,
                                    const char *option, const char *path,
                                    struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check_directory(option, path, failure);
    int count;

    if (status != SL_OK)
        return status;
    count = gnutls_certificate_set_x509_trust_dir(context->credentials, path,
                                                  GNUTLS_X509_FMT_PEM);
    return count < 0 ? fail(failure, option, path, count) : SL_OK;
}

static enum sl_status add_text(struct sl_tls_context *context,
                               struct sl_view text, struct sl_failure *failure)
{
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)text.data,
                            (unsigned)text.size};
    int count;

    if (text.size > INT_MAX)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "ca: exceeds %d bytes (fixed)", INT_MAX);
    count = gnutls_certificate_set_x509_trust_mem(context->credentials, &datum,
                                                  GNUTLS_X509_FMT_PEM);
    if (count == 0 || count == GNUTLS_E_NO_CERTIFICATE_FOUND)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "ca: has no certificate in PEM (ca_file takes a path)");
    return count < 0 ? fail(failure, "ca", "", count) : SL_OK;
}

static enum sl_status add_system(struct sl_tls_context *context,
                                 struct sl_failure *failure)
{
    struct sl_tls_roots roots;

    if (!sl_tls_roots_find("", &roots))
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "no trusted roots found on this system; give ca_file");
    if (roots.is_directory)
        return add_directory(context, "system roots", roots.path, failure);
    return add_file(context, "system roots", roots.path, failure);
}

static enum sl_status add_revoked(struct sl_tls_context *context,
                                  const char *path, struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check("crl_file", path, failure);
    gnutls_datum_t text;
    int result;

    if (status != SL_OK)
        return status;
    result = gnutls_load_file(path, &text);
    if (result < 0)
        return fail(failure, "crl_file", path, result);
    result = gnutls_x509_crl_list_import2(&context->lists, &context->list_count,
                                          &text, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(text.data);
    return result < 0 ? fail(failure, "crl_file", path, result) : SL_OK;
}

static enum sl_status load_roots(struct sl_tls_context *context,
                                 const struct sl_tls_options *options,
                                 struct sl_failure *failure)
{
    bool has_own = options->ca.size > 0 || options->ca_file != NULL ||
                   options->ca_path != NULL;
    enum sl_status status = SL_OK;

    if (!has_own && options->verifies)
        status = add_system(context, failure);
    if (status == SL_OK && options->ca.size > 0)
        status = add_text(context, options->ca, failure);
    if (status == SL_OK && options->ca_file != NULL)
        status = add_file(context, "ca_file", options->ca_file, failure);
    if (status == SL_OK && options->ca_path != NULL)
        status = add_directory(context, "ca_path", options->ca_path, failure);
    if (status == SL_OK && options->crl_file != NULL)
        status = add_revoked(context, options->crl_file, failure);
    return status;
}

/* ---- the client's own certificate ---- */

static bool is_locked(int result)
{
    return result == GNUTLS_E_DECRYPTION_FAILED ||
           result == GNUTLS_E_MAC_VERIFY_FAILED;
}

static enum sl_status fail_key(struct sl_failure *failure,
                               const struct sl_tls_options *options, int result)
{
    bool is_apart = options->key_file != NULL;
    const char *option = is_apart ? "key_file" : "cert_file";
    const char *path = is_apart ? options->key_file : options->cert_file;

    if (is_locked(result))
        return sl_tls_file_fail_locked(option, path, options->key_password,
                                       failure);
    if (is_apart || result == GNUTLS_E_MEMORY_ERROR)
        return fail(failure, option, path, result);
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "cert_file %.120s: holds no key; give key_file", path);
}

static enum sl_status use_pem(struct sl_tls_context *context,
                              const struct sl_tls_options *options,
                              struct sl_failure *failure)
{
    const char *key =
        options->key_file != NULL ? options->key_file : options->cert_file;
    enum sl_status status =
        sl_tls_file_check("cert_file", options->cert_file, failure);
    int result;

    if (status == SL_OK)
        status = sl_tls_file_check("key_file", key, failure);
    if (status != SL_OK)
        return status;
    result = gnutls_certificate_set_x509_key_file2(
        context->credentials, options->cert_file, key, GNUTLS_X509_FMT_PEM,
        options->key_password, 0);
    return result < 0 ? fail_key(failure, options, result) : SL_OK;
}

static enum sl_status use_certificate(struct sl_tls_context *context,
                                      const struct sl_tls_options *options,
                                      struct sl_failure *failure)
{
    const char *bundle = options->pkcs12_file;
    enum sl_status status;
    int result;

    if (bundle == NULL && options->cert_file != NULL)
        return use_pem(context, options, failure);
    if (bundle == NULL && options->key_file != NULL)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "key_file is given without cert_file");
    if (bundle == NULL)
        return SL_OK;
    status = sl_tls_file_check("pkcs12_file", bundle, failure);
    if (status != SL_OK)
        return status;
    result = gnutls_certificate_set_x509_simple_pkcs12_file(
        context->credentials, bundle, GNUTLS_X509_FMT_DER,
        options->key_password);
    if (is_locked(result))
        return sl_tls_file_fail_locked("pkcs12_file", bundle,
                                       options->key_password, failure);
    if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "pkcs12_file %.120s: lacks a key or its certificate",
                       bundle);
    return result < 0 ? fail(failure, "pkcs12_file", bundle, result) : SL_OK;
}

/* ---- the whole of it ---- */

static enum sl_status configure(struct sl_tls_context *context,
                                const struct sl_tls_options *options,
                                struct sl_failure *failure)
{
    enum sl_status status;
    int result = gnutls_certificate_allocate_credentials(&context->credentials);

    if (result < 0)
        return fail(failure, "create a context", "", result);
    gnutls_certificate_set_verify_function(context->credentials,
                                           sl_gnutls_verify_chain);
    gnutls_certificate_set_verify_limits(context->credentials, MOST_KEY_BITS,
                                         MOST_CERTIFICATES);
    status = set_priority(context, options, failure);
    if (status == SL_OK)
        status = set_alpn(context, failure);
    if (status == SL_OK)
        status = use_certificate(context, options, failure);
    if (status == SL_OK)
        status = load_roots(context, options, failure);
    if (status == SL_OK)
        status = sl_tls_policy_open_log(&context->policy, options->key_log_file,
                                        failure);
    return status;
}

enum sl_status sl_gnutls_context_create(struct sl_allocator *allocator,
                                        const struct sl_tls_options *options,
                                        struct sl_tls_context **context,
                                        struct sl_failure *failure)
{
    struct sl_tls_context *made;
    enum sl_status status;

    made = sl_allocate_zeroed(allocator, sizeof *made);
    if (made == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    made->allocator = allocator;
    made->refs = 1;
    sl_gnutls_sessions_init(&made->sessions, allocator);
    status = sl_tls_policy_init(&made->policy, allocator, options, failure);
    if (status == SL_OK)
        status = configure(made, options, failure);
    if (status != SL_OK) {
        sl_gnutls_context_release(made);
        return status;
    }
    made->forget = options->forget;
    made->forgotten = options->forgotten;
    *context = made;
    return SL_OK;
}

void sl_gnutls_context_retain(struct sl_tls_context *context)
{
    context->refs++;
}

void sl_gnutls_context_release(struct sl_tls_context *context)
{
    if (--context->refs > 0)
        return;
    sl_gnutls_sessions_fini(&context->sessions);
    if (context->priority != NULL)
        gnutls_priority_deinit(context->priority);
    for (unsigned i = 0; i < context->list_count; i++)
        gnutls_x509_crl_deinit(context->lists[i]);
    gnutls_free(context->lists);
    if (context->credentials != NULL)
        gnutls_certificate_free_credentials(context->credentials);
    sl_tls_policy_fini(&context->policy);
    if (context->forget != NULL)
        context->forget(context->forgotten);
    sl_free(context->allocator, context, sizeof *context);
}
