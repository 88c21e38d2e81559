/* tls/openssl.h - the provider over OpenSSL 3
 *
 *   openssl_context      options -> SSL_CTX, once per configuration
 *   openssl_engine       one SSL between two buffers
 *   openssl_roots        what a context trusts
 *   openssl_bundle       many roots, each parsed when asked for
 *   openssl_verify       chain, name, pins; checked twice
 *   openssl_session      what may be resumed, per identity
 *   openssl_certificate  a certificate as text
 *   openssl_error        the error queue as a reason
 */
#ifndef SL_TLS_OPENSSL_H
#define SL_TLS_OPENSSL_H

#include "tls/provider.h"

extern const struct sl_tls_provider sl_tls_openssl;

#endif
