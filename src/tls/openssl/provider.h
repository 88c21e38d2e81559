/* tls/openssl/provider.h - the provider over OpenSSL 3
 *
 *   context      options -> SSL_CTX, once per configuration
 *   engine       one SSL between two buffers
 *   roots        the certificates that a context trusts
 *   bundle       many roots, each parsed when asked for
 *   verify       chain, name, pins; checked twice
 *   session      sessions to resume, per identity
 *   certificate  a certificate as text
 *   error        the error queue as a reason
 */
#ifndef SL_TLS_OPENSSL_PROVIDER_H
#define SL_TLS_OPENSSL_PROVIDER_H

#include "tls/provider.h"

extern const struct sl_tls_provider sl_tls_openssl;

#endif
