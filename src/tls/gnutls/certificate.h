/* tls/gnutls/certificate.h - certificates as text, and their digests
 *
 * All text is printable ASCII: what a peer wrote into its names is escaped.
 */
#ifndef SL_TLS_GNUTLS_CERTIFICATE_H
#define SL_TLS_GNUTLS_CERTIFICATE_H

#include "tls/peer.h"
#include "tls/text.h"

#include <gnutls/x509.h>

/* Creates the texts with one reference. SL_MEMORY. */
enum sl_status sl_gnutls_certificate_texts(struct sl_allocator *allocator,
                                           gnutls_x509_crt_t certificate,
                                           struct sl_tls_texts **texts);

/* Short forms for reasons, cut at the room; return `text`. */
const char *sl_gnutls_certificate_subject(gnutls_x509_crt_t certificate,
                                          char *text, size_t size);
const char *sl_gnutls_certificate_issuer(gnutls_x509_crt_t certificate,
                                         char *text, size_t size);
const char *sl_gnutls_certificate_hosts(gnutls_x509_crt_t certificate,
                                        char *text, size_t size);
const char *sl_gnutls_certificate_time(time_t time, char *text, size_t size);

/* Whether one of its alternative names is the peer's. */
bool sl_gnutls_certificate_is_for(gnutls_x509_crt_t certificate,
                                  const struct sl_tls_peer *peer);

/* SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo). */
bool sl_gnutls_certificate_pin(gnutls_x509_crt_t certificate,
                               unsigned char pin[SL_TLS_PIN_SIZE]);

#endif
