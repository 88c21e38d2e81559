/* tls/gnutls/verify.h - checks that the peer is the right one, twice
 *
 * While the handshake runs, so that a refusal reaches the peer as an alert, and
 * again when the library reports its end.
 */
#ifndef SL_TLS_GNUTLS_VERIFY_H
#define SL_TLS_GNUTLS_VERIFY_H

#include "base/status.h"

#include <gnutls/gnutls.h>

struct sl_tls_engine;

/* For gnutls_certificate_set_verify_function. 0 only when every check passed,
 * which the engine then remembers; else the engine's failure holds the
 * reason. */
int sl_gnutls_verify_chain(gnutls_session_t session);

/* After the handshake. SL_OK; SL_TLS, SL_MEMORY. */
enum sl_status sl_gnutls_verify_again(struct sl_tls_engine *engine,
                                      struct sl_failure *failure);

#endif
