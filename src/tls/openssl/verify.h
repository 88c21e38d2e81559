/* tls/openssl/verify.h - checks that the peer is the right one, twice
 *
 * First while the handshake runs, as the library's own check of the chain, so
 * that a refusal reaches the peer as an alert. Again when the library reports
 * the end of the handshake: a failed allocation in OpenSSL can lose the wanted
 * name on the way to its check, which then passes. A resumed handshake shows no
 * chain; only what needs no chain is checked then.
 */
#ifndef SL_TLS_OPENSSL_VERIFY_H
#define SL_TLS_OPENSSL_VERIFY_H

#include "base/status.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct sl_tls_engine;

/* For SSL_CTX_set_cert_verify_callback. 1 only when every check passed, which
 * the engine then remembers; else the engine's failure holds the reason. */
int sl_openssl_verify_chain(X509_STORE_CTX *store, void *unused);

/* After the handshake. SL_OK; SL_TLS, SL_MEMORY. */
enum sl_status sl_openssl_verify_again(struct sl_tls_engine *engine,
                                       struct sl_failure *failure);

#endif
