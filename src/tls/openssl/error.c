#include "tls/openssl/error.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>

/* Our words for the failures a user meets most; NULL: OpenSSL's own words. */
static const char *plain_words(unsigned long code)
{
    if (ERR_GET_LIB(code) == ERR_LIB_PEM &&
        ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        return "has no PEM text of the kind that is expected here";
    if (ERR_GET_LIB(code) == ERR_LIB_X509 &&
        ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH)
        return "is not the key of the certificate";
#ifdef ERR_LIB_OSSL_DECODER /* OpenSSL 3 */
    if (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER &&
        ERR_GET_REASON(code) == ERR_R_UNSUPPORTED)
        return "has no key in PEM that OpenSSL can read";
#endif
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return NULL;
    switch (ERR_GET_REASON(code)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
        return "the peer does not speak TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
        return "no TLS version in common with the peer";
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        return "the peer's certificate chain is too long";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
        return "a record is corrupt";
    default:
        return NULL;
    }
}

const char *sl_openssl_error_alert(int alert)
{
    switch (alert) {
    case SSL_AD_MISSING_EXTENSION:
        return "missing extension";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

static void describe(unsigned long code, char *text, size_t size)
{
    const char *words = plain_words(code);
    const char *reason;

    if (ERR_GET_LIB(code) == ERR_LIB_SYS) {
        struct sl_failure cause;

        sl_fail_system(&cause, SL_TLS, SL_STAGE_TLS, ERR_GET_REASON(code));
        snprintf(text, size, "%s", cause.reason);
        return;
    }
    if (words == NULL && ERR_GET_LIB(code) == ERR_LIB_SSL &&
        ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET) {
        int alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;

        snprintf(text, size, "the peer refuses with alert %d (%s)", alert,
                 sl_openssl_error_alert(alert));
        return;
    }
    if (words == NULL) {
        reason = ERR_reason_error_string(code);
        words = reason != NULL ? reason : "unknown failure";
    }
    snprintf(text, size, "%s", words);
}

enum sl_status sl_openssl_error_take(struct sl_failure *failure,
                                     enum sl_status otherwise, const char *what)
{
    /* The earliest entry is the place of the error, the others are its callers.
     * A caller's entry is chosen if it has plain words and the first has
     * none. */
    unsigned long chosen = ERR_get_error();
    unsigned long code;
    bool is_memory = false;
    char text[sizeof failure->reason];

    for (code = chosen; code != 0; code = ERR_get_error()) {
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
            is_memory = true;
        if (plain_words(chosen) == NULL && plain_words(code) != NULL)
            chosen = code;
    }

    if (is_memory)
        snprintf(text, sizeof text, "out of memory");
    else if (chosen == 0)
        snprintf(text, sizeof text, "failed without a reason");
    else
        describe(chosen, text, sizeof text);

    sl_fail(failure, is_memory ? SL_MEMORY : otherwise, SL_STAGE_TLS, "%s%s%s",
            what != NULL ? what : "", what != NULL ? ": " : "", text);
    if (!is_memory && ERR_GET_LIB(chosen) == ERR_LIB_SYS)
        failure->system_error = ERR_GET_REASON(chosen);
    return failure->status;
}

bool sl_openssl_error_is_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();

    return ERR_GET_LIB(code) == ERR_LIB_PEM &&
           ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}
