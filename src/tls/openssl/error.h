/* tls/openssl/error.h - the error queue of OpenSSL as a status and a reason
 *
 * The queue belongs to the thread and outlives the call that filled it: a stale
 * entry turns a harmless SSL_ERROR_WANT_READ into SSL_ERROR_SSL. So it is
 * emptied before each call and read right after.
 */
#ifndef SL_TLS_OPENSSL_ERROR_H
#define SL_TLS_OPENSSL_ERROR_H

#include "base/status.h"

#include <openssl/err.h>

static inline void sl_openssl_error_clear(void)
{
    /* Looking is several times cheaper than clearing. */
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* "handshake failure" */
const char *sl_openssl_error_alert(int alert);

/* Empties the queue into `failure`, behind `what` when it is not NULL ("ca_file
 * roots.pem"). SL_MEMORY when an allocation failed anywhere on the way, else
 * `otherwise`. */
enum sl_status sl_openssl_error_take(struct sl_failure *failure,
                                     enum sl_status otherwise,
                                     const char *what);

/* Whether the queue says only that a text has ended, which is how reading PEM
 * always ends. */
bool sl_openssl_error_is_end_of_pem(void);

#endif
