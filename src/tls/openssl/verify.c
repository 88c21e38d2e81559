#include "tls/openssl/verify.h"

#include "tls/openssl/certificate.h"
#include "tls/openssl/engine.h"
#include "tls/openssl/error.h"

#include <openssl/crypto.h>
#include <openssl/x509v3.h>

/* Alternative names only, the common name says nothing; a wildcard stands for
 * one whole label. */
#define HOST_FLAGS \
    (X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

/* The length of a name from the wire that a reason shows. */
#define SHOWN 96

/* ---- single checks ---- */

static enum sl_status check_host(const struct sl_tls_peer *peer,
                                 X509 *certificate, struct sl_failure *failure)
{
    char hosts[SHOWN];
    int matches;

    if (peer->address_size > 0)
        matches = X509_check_ip(certificate, peer->address, peer->address_size,
                                HOST_FLAGS);
    else
        matches = X509_check_host(certificate, peer->host, peer->host_size,
                                  HOST_FLAGS, NULL);
    if (matches == 1)
        return SL_OK;
    if (matches < 0)
        return sl_openssl_error_take(failure, SL_TLS, "check the host name");
    sl_openssl_certificate_hosts(certificate, hosts, sizeof hosts);
    return sl_tls_peer_refuse(peer, hosts, failure);
}

static enum sl_status check_pins(const struct sl_tls_context *context,
                                 X509 *certificate, struct sl_failure *failure)
{
    unsigned char pin[SL_TLS_PIN_SIZE];

    if (context->policy.pin_count == 0)
        return SL_OK;
    if (!sl_openssl_certificate_pin(certificate, pin))
        return sl_openssl_error_take(failure, SL_MEMORY, "hash the public key");
    return sl_tls_policy_check_pin(&context->policy, pin, failure);
}

static enum sl_status check_dates(X509 *certificate, struct sl_failure *failure)
{
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    char text[32];

    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
        X509_cmp_current_time(end) > 0)
        return SL_OK;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "certificate of the resumed session expired on %s",
                   sl_openssl_certificate_time(end, text, sizeof text));
}

/* ---- the chain ---- */

/* Explains an error whose name alone would not. */
static enum sl_status explain(X509_STORE_CTX *store, struct sl_failure *failure)
{
    X509 *current = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    char subject[SHOWN] = "?";
    char issuer[SHOWN] = "?";
    char from[32] = "?";
    char until[32] = "?";

    if (error == X509_V_ERR_OUT_OF_MEM)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    if (current != NULL) {
        sl_openssl_certificate_name(X509_get_subject_name(current), subject,
                                    sizeof subject);
        sl_openssl_certificate_name(X509_get_issuer_name(current), issuer,
                                    sizeof issuer);
        sl_openssl_certificate_time(X509_get0_notBefore(current), from,
                                    sizeof from);
        sl_openssl_certificate_time(X509_get0_notAfter(current), until,
                                    sizeof until);
    }
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate %s expired on %s", subject, until);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate %s is not valid before %s", subject, from);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "no trusted root: %s was issued by %s, which is not "
                       "known",
                       subject, issuer);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate %s is self-signed and not trusted",
                       subject);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "root %s is not trusted",
                       subject);
    case X509_V_ERR_CERT_REVOKED:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate %s was revoked by %s", subject, issuer);
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "crl_file has no revocation list of %s", issuer);
    default:
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "certificate %s: %s",
                       subject, X509_verify_cert_error_string(error));
    }
}

/* Every setting is made here, on the very parameters that are used, and its
 * result checked: the connection's own parameters may be lost in copying. */
static bool set_expectations(X509_STORE_CTX *store,
                             const struct sl_tls_peer *peer)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);

    X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS);
    if (!X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) ||
        !X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER))
        return false;
    if (peer->address_size > 0)
        return X509_VERIFY_PARAM_set1_ip(param, peer->address,
                                         peer->address_size);
    return X509_VERIFY_PARAM_set1_host(param, peer->host, peer->host_size);
}

/* The roots that a chain may end in must be in the store before the chain is
 * built. */
static void fetch_roots(struct sl_openssl_bundle *bundle, X509_STORE_CTX *store)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    X509_STORE *known = X509_STORE_CTX_get0_store(store);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);

    if (bundle == NULL)
        return;
    sl_openssl_bundle_offer(bundle, known, X509_get_issuer_name(leaf));
    for (int i = 0; i < sk_X509_num(sent); i++)
        sl_openssl_bundle_offer(bundle, known,
                                X509_get_issuer_name(sk_X509_value(sent, i)));
    sl_openssl_error_clear();
}

static bool is_name_mismatch(int error)
{
    return error == X509_V_ERR_HOSTNAME_MISMATCH ||
           error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

static enum sl_status verify_chain(struct sl_tls_engine *engine,
                                   X509_STORE_CTX *store)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct sl_failure *failure = &engine->state.failure;
    enum sl_status status;
    bool holds;

    if (!set_expectations(store, &engine->expected)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        return sl_openssl_error_take(failure, SL_MEMORY, "verify");
    }
    fetch_roots(engine->context->bundle, store);
    holds = X509_verify_cert(store) == 1 &&
            X509_STORE_CTX_get_error(store) == X509_V_OK;
    if (!holds && !is_name_mismatch(X509_STORE_CTX_get_error(store)))
        return explain(store, failure);
    status = check_host(&engine->expected, leaf, failure);
    if (!holds && status == SL_OK)
        return explain(store, failure);
    if (status == SL_OK)
        status = check_pins(engine->context, leaf, failure);
    if (status != SL_OK && holds)
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return status;
}

int sl_openssl_verify_chain(X509_STORE_CTX *store, void *unused)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sl_tls_engine *engine = sl_openssl_engine_of(ssl);

    (void)unused;
    if (!engine->context->policy.verifies) {
        /* Remembered with the session: it stays without proof later. */
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 1;
    }
    engine->is_checked = verify_chain(engine, store) == SL_OK;
    return engine->is_checked;
}

/* ---- afterwards ---- */

static enum sl_status verify_peer(struct sl_tls_engine *engine,
                                  X509 *certificate, struct sl_failure *failure)
{
    const struct sl_tls_context *context = engine->context;
    enum sl_status status = SL_OK;

    if (context->policy.verifies) {
        long result = SSL_get_verify_result(engine->ssl);

        if (result != X509_V_OK)
            return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "certificate: %s",
                           X509_verify_cert_error_string(result));
        if (SSL_session_reused(engine->ssl))
            status = check_dates(certificate, failure);
        else if (!engine->is_checked)
            status = sl_fail(failure, SL_MEMORY, SL_STAGE_TLS,
                             "the certificate was not checked");
        if (status == SL_OK)
            status = check_host(&engine->expected, certificate, failure);
    }
    if (status == SL_OK)
        status = check_pins(context, certificate, failure);
    return status;
}

enum sl_status sl_openssl_verify_again(struct sl_tls_engine *engine,
                                       struct sl_failure *failure)
{
    X509 *certificate = SSL_get_peer_certificate(engine->ssl);
    enum sl_status status;

    /* Also with verification off: a peer without a certificate is refused. */
    if (certificate == NULL)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "the peer showed no certificate");
    status = verify_peer(engine, certificate, failure);
    X509_free(certificate);
    return status;
}
