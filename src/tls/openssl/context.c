#include "tls/openssl/context.h"

#include "tls/file.h"
#include "tls/openssl/bio.h"
#include "tls/openssl/engine.h"
#include "tls/openssl/error.h"
#include "tls/openssl/roots.h"
#include "tls/openssl/verify.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>

/* AES-128-GCM comes first: it is the least work per byte where the machine has
 * AES, and breaking it is no easier than breaking the rest of the connection.
 * Only ciphers with forward secrecy and authentication of the whole record. */
#define CIPHERS_1_3                                  \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
    "TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS_1_2                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* 112 bits: RSA from 2048, no SHA-1 signatures. A cipher list with @SECLEVEL
 * changes it. */
#define SECURITY_LEVEL 2

/* The most intermediates: real chains have three or four, and each more costs a
 * signature check. */
#define MOST_INTERMEDIATES 10

static enum sl_status fail_library(struct sl_failure *failure, const char *what)
{
    return sl_openssl_error_take(failure, SL_TLS, what);
}

/* ---- versions, ciphers, protocol names ---- */

static int wire_version(enum sl_tls_version version, int otherwise)
{
    switch (version) {
    case SL_TLS_1_2:
        return TLS1_2_VERSION;
    case SL_TLS_1_3:
        return TLS1_3_VERSION;
    default:
        return otherwise;
    }
}

static enum sl_status set_versions(SSL_CTX *ssl,
                                   const struct sl_tls_options *options,
                                   struct sl_failure *failure)
{
    int min = wire_version(options->min_version, TLS1_2_VERSION);
    int max = wire_version(options->max_version, TLS1_3_VERSION);

    if (min > max)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "min_version is above max_version");
    if (!SSL_CTX_set_min_proto_version(ssl, min) ||
        !SSL_CTX_set_max_proto_version(ssl, max))
        return fail_library(failure, "min_version or max_version");
    return SL_OK;
}

/* Sets the ciphers of both versions from one list: TLS 1.3 names begin with
 * TLS_. A version without names in the list keeps its default. */
static enum sl_status set_ciphers(SSL_CTX *ssl, const char *list,
                                  struct sl_failure *failure)
{
    char newer[1024] = "";
    char older[1024] = "";
    size_t newer_size = 0;
    size_t older_size = 0;

    if (list != NULL && strlen(list) >= sizeof newer)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "ciphers: longer than %zu bytes", sizeof newer - 1);
    while (list != NULL && *list != '\0') {
        size_t size = strcspn(list, ":");
        bool is_newer = strncmp(list, "TLS_", 4) == 0;
        char *to = is_newer ? newer : older;
        size_t *used = is_newer ? &newer_size : &older_size;

        if (*used > 0)
            to[(*used)++] = ':';
        memcpy(to + *used, list, size);
        *used += size;
        to[*used] = '\0';
        list += size;
        list += *list == ':';
    }
    if (!SSL_CTX_set_ciphersuites(ssl, newer_size > 0 ? newer : CIPHERS_1_3) ||
        !SSL_CTX_set_cipher_list(ssl, older_size > 0 ? older : CIPHERS_1_2))
        return fail_library(failure, "ciphers");
    return SL_OK;
}

/* ---- the client's own certificate ---- */

struct password {
    const char *text; /* NULL: none */
    bool was_asked_for;
};

static int give_password(char *to, int size, int is_writing, void *pointer)
{
    struct password *password = pointer;
    size_t length;

    (void)is_writing;
    /* Without this callback OpenSSL would ask on the terminal. */
    if (password == NULL)
        return -1;
    password->was_asked_for = true;
    if (password->text == NULL)
        return -1;
    length = strlen(password->text);
    if (length > (size_t)size)
        return -1;
    memcpy(to, password->text, length);
    return (int)length;
}

static enum sl_status fail_file(struct sl_failure *failure, const char *option,
                                const char *path)
{
    char what[160];

    snprintf(what, sizeof what, "%s %s", option, path);
    return fail_library(failure, what);
}

static enum sl_status use_key(SSL_CTX *ssl,
                              const struct sl_tls_options *options,
                              struct sl_failure *failure)
{
    struct password password = {.text = options->key_password};
    bool is_apart = options->key_file != NULL;
    const char *option = is_apart ? "key_file" : "cert_file";
    const char *path = is_apart ? options->key_file : options->cert_file;
    enum sl_status status;
    bool is_used;

    SSL_CTX_set_default_passwd_cb_userdata(ssl, &password);
    is_used = SSL_CTX_use_PrivateKey_file(ssl, path, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
    if (is_used)
        return SL_OK;
    status = fail_file(failure, option, path);
    if (status == SL_MEMORY)
        return status;
    if (password.was_asked_for)
        return sl_tls_file_fail_locked(option, path, options->key_password,
                                       failure);
    if (is_apart)
        return status;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "cert_file %.120s: holds no key; give key_file", path);
}

static enum sl_status use_pem(SSL_CTX *ssl,
                              const struct sl_tls_options *options,
                              struct sl_failure *failure)
{
    enum sl_status status;

    status = sl_tls_file_check("cert_file", options->cert_file, failure);
    if (status == SL_OK && options->key_file != NULL)
        status = sl_tls_file_check("key_file", options->key_file, failure);
    if (status != SL_OK)
        return status;
    if (!SSL_CTX_use_certificate_chain_file(ssl, options->cert_file))
        return fail_file(failure, "cert_file", options->cert_file);
    return use_key(ssl, options, failure);
}

/* What PKCS#12 holds. */
struct contents {
    EVP_PKEY *key;
    X509 *certificate;
    STACK_OF(X509) * chain;
};

/* PKCS12_parse accepts a file without either, but SSL_CTX_use_cert_and_key may
 * read a certificate that is not there. */
static enum sl_status use_contents(SSL_CTX *ssl, const char *path,
                                   const struct contents *contents,
                                   struct sl_failure *failure)
{
    if (contents->key == NULL || contents->certificate == NULL)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "pkcs12_file %.120s: holds no %s", path,
                       contents->key == NULL ? "key" : "certificate");
    if (!SSL_CTX_use_cert_and_key(ssl, contents->certificate, contents->key,
                                  contents->chain, 1))
        return fail_file(failure, "pkcs12_file", path);
    return SL_OK;
}

static enum sl_status fail_pkcs12(struct sl_failure *failure,
                                  const struct sl_tls_options *options)
{
    bool is_locked =
        ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_PKCS12 &&
        ERR_GET_REASON(ERR_peek_error()) == PKCS12_R_MAC_VERIFY_FAILURE;
    enum sl_status status =
        fail_file(failure, "pkcs12_file", options->pkcs12_file);

    if (!is_locked || status == SL_MEMORY)
        return status;
    return sl_tls_file_fail_locked("pkcs12_file", options->pkcs12_file,
                                   options->key_password, failure);
}

static enum sl_status use_pkcs12(SSL_CTX *ssl,
                                 const struct sl_tls_options *options,
                                 struct sl_failure *failure)
{
    const char *path = options->pkcs12_file;
    enum sl_status status;
    BIO *file = NULL;
    PKCS12 *bundle = NULL;
    struct contents contents = {NULL, NULL, NULL};

    status = sl_tls_file_check("pkcs12_file", path, failure);
    if (status != SL_OK)
        return status;
    file = BIO_new_file(path, "rb");
    bundle = file != NULL ? d2i_PKCS12_bio(file, NULL) : NULL;
    if (bundle == NULL ||
        !PKCS12_parse(bundle, options->key_password, &contents.key,
                      &contents.certificate, &contents.chain))
        status = fail_pkcs12(failure, options);
    else
        status = use_contents(ssl, path, &contents, failure);
    sk_X509_pop_free(contents.chain, X509_free);
    X509_free(contents.certificate);
    EVP_PKEY_free(contents.key);
    PKCS12_free(bundle);
    BIO_free(file);
    return status;
}

static enum sl_status use_certificate(SSL_CTX *ssl,
                                      const struct sl_tls_options *options,
                                      struct sl_failure *failure)
{
    enum sl_status status = SL_OK;

    SSL_CTX_set_default_passwd_cb(ssl, give_password);
    if (options->pkcs12_file != NULL)
        status = use_pkcs12(ssl, options, failure);
    else if (options->cert_file != NULL)
        status = use_pem(ssl, options, failure);
    else if (options->key_file != NULL)
        status = sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                         "key_file is given without cert_file");
    /* RFC 8446 4.6.2. Own records know no such message, and when one comes the
     * SSL that could answer it may be gone. */
    if (options->pkcs12_file != NULL || options->cert_file != NULL)
        SSL_CTX_set_post_handshake_auth(ssl, !options->has_own_records);
    return status;
}

/* ---- the whole of it ---- */

static void set_modes(struct sl_tls_context *context)
{
    SSL_CTX *ssl = context->ssl;
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

    if (context->policy.resumes)
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
    else
        options |= SSL_OP_NO_TICKET;
    if (!context->policy.resumes)
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_msg_callback(ssl, sl_openssl_engine_note_message);
    SSL_CTX_sess_set_new_cb(ssl, sl_openssl_engine_keep_session);
    SSL_CTX_set_options(ssl, options);
    /* A call handles one record, and returns after each message that is not
     * content, so the work of one call is bounded. Buffers are given back at
     * rest, not after each record. */
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    SSL_CTX_set_verify(
        ssl, context->policy.verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
        NULL);
    SSL_CTX_set_verify_depth(ssl, MOST_INTERMEDIATES);
    SSL_CTX_set_cert_verify_callback(ssl, sl_openssl_verify_chain, NULL);
}

static enum sl_status load_roots(struct sl_tls_context *context,
                                 const struct sl_tls_options *options,
                                 struct sl_failure *failure)
{
    struct sl_openssl_trust trust = {
        .allocator = context->allocator,
        .store = SSL_CTX_get_cert_store(context->ssl),
        .bundle = &context->bundle,
    };

    return sl_openssl_roots_load(&trust, options, failure);
}

static enum sl_status configure(struct sl_tls_context *context,
                                const struct sl_tls_options *options,
                                struct sl_failure *failure)
{
    enum sl_status status;

    context->ssl = SSL_CTX_new(TLS_client_method());
    context->bio = sl_openssl_bio_method();
    if (context->ssl == NULL || context->bio == NULL)
        return fail_library(failure, "create a context");
    set_modes(context);
    status = set_versions(context->ssl, options, failure);
    if (status == SL_OK)
        status = set_ciphers(context->ssl, options->ciphers, failure);
    if (status == SL_OK && options->alpn.size > 0 &&
        SSL_CTX_set_alpn_protos(context->ssl,
                                (const unsigned char *)options->alpn.data,
                                (unsigned)options->alpn.size) != 0)
        status = fail_library(failure, "alpn");
    if (status == SL_OK)
        status = use_certificate(context->ssl, options, failure);
    if (status == SL_OK)
        status = load_roots(context, options, failure);
    if (status == SL_OK)
        status = sl_tls_policy_open_log(&context->policy, options->key_log_file,
                                        failure);
    if (context->policy.key_log >= 0)
        SSL_CTX_set_keylog_callback(context->ssl,
                                    sl_openssl_engine_note_secret);
    return status;
}

enum sl_status sl_openssl_context_create(struct sl_allocator *allocator,
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
    made->has_own_records = options->has_own_records;
    sl_openssl_sessions_init(&made->sessions, allocator);

    sl_openssl_error_clear();
    status = sl_tls_policy_init(&made->policy, allocator, options, failure);
    if (status == SL_OK)
        status = configure(made, options, failure);
    sl_openssl_error_clear();
    if (status != SL_OK) {
        sl_openssl_context_release(made);
        return status;
    }
    made->forget = options->forget;
    made->forgotten = options->forgotten;
    *context = made;
    return SL_OK;
}

void sl_openssl_context_retain(struct sl_tls_context *context)
{
    context->refs++;
}

void sl_openssl_context_release(struct sl_tls_context *context)
{
    if (--context->refs > 0)
        return;
    sl_openssl_sessions_fini(&context->sessions);
    for (size_t i = 0; i < SL_OPENSSL_TEXTS; i++)
        sl_tls_texts_release(context->texts[i]);
    X509_free(context->newest);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio);
    sl_openssl_bundle_destroy(context->bundle);
    sl_tls_policy_fini(&context->policy);
    if (context->forget != NULL)
        context->forget(context->forgotten);
    sl_free(context->allocator, context, sizeof *context);
}

/* Puts texts first, one place up from `at` for those before them. */
static struct sl_tls_texts *put_first(struct sl_tls_context *context, size_t at,
                                      struct sl_tls_texts *texts,
                                      X509 *certificate)
{
    memmove(context->texts + 1, context->texts,
            at * sizeof(struct sl_tls_texts *));
    context->texts[0] = texts;
    X509_free(context->newest);
    context->newest = X509_up_ref(certificate) ? certificate : NULL;
    texts->refs++;
    return texts;
}

struct sl_tls_texts *sl_openssl_context_texts(struct sl_tls_context *context,
                                              X509 *certificate)
{
    struct sl_tls_texts *texts;
    unsigned char digest[32];

    /* That of a resumed session is the same object: a digest costs 1 % of its
     * handshake. */
    if (context->newest == certificate) {
        context->texts[0]->refs++;
        return context->texts[0];
    }
    if (!X509_digest(certificate, EVP_sha256(), digest, NULL))
        return NULL;
    for (size_t i = 0; i < SL_OPENSSL_TEXTS; i++) {
        texts = context->texts[i];
        if (texts != NULL && memcmp(texts->digest, digest, sizeof digest) == 0)
            return put_first(context, i, texts, certificate);
    }
    if (sl_openssl_certificate_texts(context->allocator, certificate, &texts) !=
        SL_OK)
        return NULL;
    sl_tls_texts_release(context->texts[SL_OPENSSL_TEXTS - 1]);
    return put_first(context, SL_OPENSSL_TEXTS - 1, texts, certificate);
}
