#include "tls/gnutls/verify.h"

#include "tls/gnutls/certificate.h"
#include "tls/gnutls/engine.h"

#include <time.h>

/* The length of a name from the wire that a reason shows. */
#define SHOWN 96

/* The most certificates of a handshake. */
#define MOST_SHOWN_CERTIFICATES 16

/* The peer's certificates, parsed: the leaf first. */
struct chain {
    gnutls_x509_crt_t certificates[MOST_SHOWN_CERTIFICATES];
    unsigned count;
};

static void chain_fini(struct chain *chain)
{
    while (chain->count > 0)
        gnutls_x509_crt_deinit(chain->certificates[--chain->count]);
}

static enum sl_status chain_init(struct chain *chain, gnutls_session_t session,
                                 struct sl_failure *failure)
{
    unsigned count = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);

    chain->count = 0;
    if (shown == NULL || count == 0)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "the peer showed no certificate");
    if (count > MOST_SHOWN_CERTIFICATES)
        count = MOST_SHOWN_CERTIFICATES;
    while (chain->count < count) {
        gnutls_x509_crt_t *next = &chain->certificates[chain->count];

        if (gnutls_x509_crt_init(next) < 0)
            break;
        if (gnutls_x509_crt_import(*next, &shown[chain->count],
                                   GNUTLS_X509_FMT_DER) < 0) {
            gnutls_x509_crt_deinit(*next);
            break;
        }
        chain->count++;
    }
    if (chain->count == count)
        return SL_OK;
    chain_fini(chain);
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "the peer's certificate cannot be read");
}

/* ---- single checks ---- */

static enum sl_status check_host(const struct sl_tls_peer *peer,
                                 gnutls_x509_crt_t certificate,
                                 struct sl_failure *failure)
{
    char hosts[SHOWN];

    if (sl_gnutls_certificate_is_for(certificate, peer))
        return SL_OK;
    sl_gnutls_certificate_hosts(certificate, hosts, sizeof hosts);
    return sl_tls_peer_refuse(peer, hosts, failure);
}

static enum sl_status check_pins(const struct sl_tls_context *context,
                                 gnutls_x509_crt_t certificate,
                                 struct sl_failure *failure)
{
    unsigned char pin[SL_TLS_PIN_SIZE];

    if (context->policy.pin_count == 0)
        return SL_OK;
    if (!sl_gnutls_certificate_pin(certificate, pin))
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    return sl_tls_policy_check_pin(&context->policy, pin, failure);
}

static bool is_self_issued(gnutls_x509_crt_t certificate)
{
    return gnutls_x509_crt_check_issuer(certificate, certificate) != 0;
}

/* ---- revocation: GnuTLS takes a missing, old or forged list for "nothing is
 * revoked", so all of it is looked at here ---- */

static bool has_name(const gnutls_datum_t *a, const gnutls_datum_t *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Finds the certificate called `name`, above the leaf or among the roots; the
 * caller deinits it. NULL: not found. */
static gnutls_x509_crt_t find_issuer(const struct sl_tls_context *context,
                                     const struct chain *chain,
                                     const gnutls_datum_t *name)
{
    gnutls_x509_trust_list_t roots;
    gnutls_x509_crt_t found = NULL;
    gnutls_datum_t subject;
    gnutls_datum_t copy;

    for (unsigned i = 1; i < chain->count && found == NULL; i++) {
        if (gnutls_x509_crt_get_raw_dn(chain->certificates[i], &subject) < 0)
            continue;
        if (has_name(&subject, name) &&
            gnutls_x509_crt_export2(chain->certificates[i], GNUTLS_X509_FMT_DER,
                                    &copy) == 0) {
            if (gnutls_x509_crt_init(&found) == 0 &&
                gnutls_x509_crt_import(found, &copy, GNUTLS_X509_FMT_DER) < 0) {
                gnutls_x509_crt_deinit(found);
                found = NULL;
            }
            gnutls_free(copy.data);
        }
        gnutls_free(subject.data);
    }
    if (found != NULL)
        return found;
    gnutls_certificate_get_trust_list(context->credentials, &roots);
    if (gnutls_x509_trust_list_get_issuer_by_dn(roots, name, &found,
                                                GNUTLS_TL_GET_COPY) < 0)
        return NULL;
    return found;
}

/* Checks a certificate against one list of its issuer's. */
static enum sl_status check_list(gnutls_x509_crl_t list,
                                 gnutls_x509_crt_t issuer,
                                 gnutls_x509_crt_t certificate,
                                 struct sl_failure *failure)
{
    unsigned faults = GNUTLS_CERT_INVALID;
    char subject[SHOWN];
    char name[SHOWN];

    sl_gnutls_certificate_subject(certificate, subject, sizeof subject);
    sl_gnutls_certificate_issuer(certificate, name, sizeof name);
    if (issuer == NULL ||
        gnutls_x509_crl_verify(list, &issuer, 1, 0, &faults) < 0 ||
        (faults & ~(unsigned)GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED &
         ~(unsigned)GNUTLS_CERT_INVALID) != 0)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "the revocation list of %s is not trusted", name);
    if (faults != 0)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "the revocation list of %s has expired", name);
    if (gnutls_x509_crt_check_revocation(certificate, &list, 1) != 0)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate %s was revoked by %s", subject, name);
    return SL_OK;
}

static enum sl_status check_revocation(const struct sl_tls_context *context,
                                       const struct chain *chain,
                                       gnutls_x509_crt_t certificate,
                                       struct sl_failure *failure)
{
    gnutls_x509_crt_t issuer;
    gnutls_datum_t wanted;
    gnutls_datum_t found;
    enum sl_status status = SL_OK;
    bool has_list = false;
    char name[SHOWN];

    if (gnutls_x509_crt_get_raw_issuer_dn(certificate, &wanted) < 0)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    issuer = find_issuer(context, chain, &wanted);
    for (unsigned i = 0; i < context->list_count && status == SL_OK; i++) {
        gnutls_x509_crl_t list = context->lists[i];

        if (gnutls_x509_crl_get_raw_issuer_dn(list, &found) < 0)
            continue;
        if (has_name(&found, &wanted)) {
            has_list = true;
            status = check_list(list, issuer, certificate, failure);
        }
        gnutls_free(found.data);
    }
    gnutls_free(wanted.data);
    if (issuer != NULL)
        gnutls_x509_crt_deinit(issuer);
    if (status != SL_OK || has_list)
        return status;
    return sl_fail(
        failure, SL_TLS, SL_STAGE_TLS, "crl_file has no revocation list of %s",
        sl_gnutls_certificate_issuer(certificate, name, sizeof name));
}

static enum sl_status check_lists(const struct sl_tls_context *context,
                                  const struct chain *chain,
                                  struct sl_failure *failure)
{
    enum sl_status status = SL_OK;

    if (context->list_count == 0)
        return SL_OK;
    for (unsigned i = 0; i < chain->count && status == SL_OK; i++)
        if (!is_self_issued(chain->certificates[i]))
            status = check_revocation(context, chain, chain->certificates[i],
                                      failure);
    return status;
}

/* ---- the chain ---- */

static enum sl_status explain_unknown(const struct chain *chain,
                                      struct sl_failure *failure)
{
    gnutls_x509_crt_t last = chain->certificates[chain->count - 1];
    char subject[SHOWN];
    char issuer[SHOWN];

    sl_gnutls_certificate_subject(last, subject, sizeof subject);
    sl_gnutls_certificate_issuer(last, issuer, sizeof issuer);
    if (!is_self_issued(last))
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "no trusted root: %s was issued by %s, which is not "
                       "known",
                       subject, issuer);
    if (chain->count == 1)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate %s is self-signed and not trusted",
                       subject);
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "root %s is not trusted",
                   subject);
}

/* Names the certificate whose time has not begun or is over; false: none is. */
static bool explain_time(const struct chain *chain, struct sl_failure *failure)
{
    time_t now = time(NULL);
    char subject[SHOWN];
    char date[32];

    for (unsigned i = 0; i < chain->count; i++) {
        gnutls_x509_crt_t at = chain->certificates[i];
        time_t begins = gnutls_x509_crt_get_activation_time(at);
        time_t ends = gnutls_x509_crt_get_expiration_time(at);
        bool has_ended = ends < now;

        if (!has_ended && begins <= now)
            continue;
        sl_fail(failure, SL_TLS, SL_STAGE_TLS, "certificate %s %s %s",
                sl_gnutls_certificate_subject(at, subject, sizeof subject),
                has_ended ? "expired on" : "is not valid before",
                sl_gnutls_certificate_time(has_ended ? ends : begins, date,
                                           sizeof date));
        return true;
    }
    return false;
}

static enum sl_status explain(const struct chain *chain, unsigned faults,
                              struct sl_failure *failure)
{
    gnutls_datum_t words = {NULL, 0};

    if ((faults & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) &&
        explain_time(chain, failure))
        return SL_TLS;
    if (faults & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return explain_unknown(chain, failure);
    if (gnutls_certificate_verification_status_print(faults, GNUTLS_CRT_X509,
                                                     &words, 0) < 0)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "the certificate is not trusted");
    sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s", (const char *)words.data);
    gnutls_free(words.data);
    return SL_TLS;
}

static enum sl_status verify_signatures(struct sl_tls_engine *engine,
                                        const struct chain *chain,
                                        struct sl_failure *failure)
{
    gnutls_typed_vdata_st purpose = {
        GNUTLS_DT_KEY_PURPOSE_OID,
        (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER, 0};
    unsigned faults = GNUTLS_CERT_INVALID;
    int result =
        gnutls_certificate_verify_peers(engine->session, &purpose, 1, &faults);

    if (result < 0)
        return sl_fail(failure,
                       result == GNUTLS_E_MEMORY_ERROR ? SL_MEMORY : SL_TLS,
                       SL_STAGE_TLS, "verify the certificate: %s",
                       gnutls_strerror(result));
    if (faults != 0)
        return explain(chain, faults, failure);
    return check_lists(engine->context, chain, failure);
}

/* Checks all that can be checked. A resumed session proved its chain before it
 * was kept, and shows that no part of it has ended since. */
static enum sl_status verify(struct sl_tls_engine *engine, bool is_resumed,
                             struct sl_failure *failure)
{
    const struct sl_tls_context *context = engine->context;
    struct chain chain;
    enum sl_status status = chain_init(&chain, engine->session, failure);

    if (status != SL_OK)
        return status;
    if (context->policy.verifies && !is_resumed)
        status = verify_signatures(engine, &chain, failure);
    else if (context->policy.verifies && explain_time(&chain, failure))
        status = SL_TLS;
    if (status == SL_OK && context->policy.verifies)
        status = check_host(&engine->expected, chain.certificates[0], failure);
    if (status == SL_OK)
        status = check_pins(context, chain.certificates[0], failure);
    chain_fini(&chain);
    return status;
}

int sl_gnutls_verify_chain(gnutls_session_t session)
{
    struct sl_tls_engine *engine = gnutls_session_get_ptr(session);

    if (verify(engine, false, &engine->state.failure) != SL_OK)
        return GNUTLS_E_CERTIFICATE_ERROR;
    engine->is_checked = true;
    return 0;
}

enum sl_status sl_gnutls_verify_again(struct sl_tls_engine *engine,
                                      struct sl_failure *failure)
{
    bool is_resumed = gnutls_session_is_resumed(engine->session) != 0;

    if (!is_resumed && !engine->is_checked)
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "the certificate was not checked");
    return verify(engine, true, failure);
}
