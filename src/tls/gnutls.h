/* tls/gnutls.h - the provider over GnuTLS, for hosts without OpenSSL
 *
 *   gnutls_context      options -> credentials and priorities
 *   gnutls_engine       one session between two buffers
 *   gnutls_verify       chain, name, pins
 *   gnutls_certificate  a certificate as text
 *   gnutls_session      what may be resumed, per identity
 */
#ifndef SL_TLS_GNUTLS_H
#define SL_TLS_GNUTLS_H

#include "tls/provider.h"

extern const struct sl_tls_provider sl_tls_gnutls;

#endif
