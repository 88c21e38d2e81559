/* tls/openssl/verify.h - is the peer who it should be; asked twice
 *
 * First while the handshake runs, as the library's own check of the chain, so
 * that a refusal reaches the peer as an alert. Again when the library says that
 * the handshake is done: a failed allocation in OpenSSL can lose the wanted name
 * on the way to its check, which then passes. A resumed handshake shows no
 * chain; what can be checked without one is.
 */
#ifndef SL_TLS_OPENSSL_VERIFY_H
#define SL_TLS_OPENSSL_VERIFY_H

#include "base/status.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct sl_tls_engine;

/* For SSL_CTX_set_cert_verify_callback. 1 only when everything held, which the
 * engine then remembers; else the engine's failure says why. */
int sl_openssl_verify_chain(X509_STORE_CTX *store, void *unused);

/* After the handshake. SL_OK; SL_TLS, SL_MEMORY. */
enum sl_status sl_openssl_verify_again(struct sl_tls_engine *engine,
                                       struct sl_failure *failure);

#endif
