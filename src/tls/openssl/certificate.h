/* tls/openssl/certificate.h - certificates as text, and their digests
 *
 * All text is printable ASCII: what a peer wrote into its names is escaped.
 */
#ifndef SL_TLS_OPENSSL_CERTIFICATE_H
#define SL_TLS_OPENSSL_CERTIFICATE_H

#include "tls/text.h"

#include <openssl/x509.h>

/* Creates the texts with one reference. SL_MEMORY. */
enum sl_status sl_openssl_certificate_texts(struct sl_allocator *allocator,
                                            X509 *certificate,
                                            struct sl_tls_texts **texts);

/* Short forms for reasons, cut at the room; return `text`. */
const char *sl_openssl_certificate_name(const X509_NAME *name, char *text,
                                        size_t size);
const char *sl_openssl_certificate_hosts(X509 *certificate, char *text,
                                         size_t size);
const char *sl_openssl_certificate_time(const ASN1_TIME *time, char *text,
                                        size_t size);

/* SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo). */
bool sl_openssl_certificate_pin(X509 *certificate,
                                unsigned char pin[SL_TLS_PIN_SIZE]);

#endif
