/* tls/gnutls/provider.h - the provider over GnuTLS, for hosts without OpenSSL
 *
 *   context      options -> credentials and priorities
 *   engine       one session between two buffers
 *   verify       chain, name, pins
 *   certificate  a certificate as text
 *   session      sessions to resume, per identity
 */
#ifndef SL_TLS_GNUTLS_PROVIDER_H
#define SL_TLS_GNUTLS_PROVIDER_H

#include "tls/provider.h"

extern const struct sl_tls_provider sl_tls_gnutls;

#endif
