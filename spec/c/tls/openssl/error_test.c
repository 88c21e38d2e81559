#include "tls/openssl/error.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

TEST("reports the earliest reason and empties the queue")
{
    struct sl_failure failure;

    ERR_raise(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER);
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, NULL), SL_TLS);
    CHECK_INT(failure.status, SL_TLS);
    CHECK_INT(failure.stage, SL_STAGE_TLS);
    CHECK_STR(failure.reason, "the peer does not speak TLS");
    CHECK_INT(ERR_peek_error(), 0);
}

TEST("reports the caller's reason rather than that of a lower layer")
{
    struct sl_failure failure;

    ERR_raise(ERR_LIB_PROV, 1);
    ERR_raise(ERR_LIB_SSL, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);
    ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, NULL), SL_TLS);
    CHECK_STR(failure.reason, "a record is corrupt");
    CHECK_INT(ERR_peek_error(), 0);
}

TEST("reports memory if an allocation failed anywhere on the way")
{
    struct sl_failure failure;

    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_EXTENSION);
    ERR_raise(ERR_LIB_X509, ERR_R_MALLOC_FAILURE);
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, "load"), SL_MEMORY);
    CHECK_STR(failure.reason, "load: out of memory");
}

TEST("has messages for an empty queue, an alert and an unknown error")
{
    struct sl_failure failure;

    CHECK_INT(sl_openssl_error_take(&failure, SL_MEMORY, NULL), SL_MEMORY);
    CHECK_STR(failure.reason, "failed without a reason");
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE);
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, NULL), SL_TLS);
    CHECK_STR(failure.reason,
              "the peer refuses with alert 40 (handshake failure)");
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + 116);
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, NULL), SL_TLS);
    CHECK_STR(failure.reason,
              "the peer refuses with alert 116 (certificate required)");
    ERR_raise(ERR_LIB_SSL, 998);
    sl_openssl_error_take(&failure, SL_TLS, "ciphers");
    CHECK_STR(failure.reason, "ciphers: unknown failure");
}

TEST("reports the system's own error")
{
    struct sl_failure failure;

    ERR_raise_data(ERR_LIB_SYS, EACCES, "calling fopen");
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, "roots a"), SL_TLS);
    CHECK_STR(failure.reason, "roots a: Permission denied");
    ERR_raise_data(ERR_LIB_SYS, EMFILE, "calling fopen");
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, "roots a"), SL_TLS);
    CHECK(strncmp(failure.reason,
                  "roots a: Too many open files (ulimit -n: ", 41) == 0);
    CHECK_INT(failure.system_error, EMFILE);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_EXTENSION);
    CHECK_INT(sl_openssl_error_take(&failure, SL_TLS, NULL), SL_TLS);
    CHECK_INT(failure.system_error, 0);
}

TEST("clears the queue")
{
    sl_openssl_error_clear();
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_EXTENSION);
    sl_openssl_error_clear();
    CHECK_INT(ERR_peek_error(), 0);
}

int main(void)
{
    return test_main();
}
