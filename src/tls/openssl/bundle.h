/* tls/openssl/bundle.h - a file of roots, each parsed when first asked for
 *
 *   entries  [ hash of subject | range | loaded? ] ...
 *   bytes    [ DER of the first | DER of the second | ... ]
 *
 * A system trusts some 150 roots; parsing them all takes longer than a frame of
 * a game, and a program meets three of them. So only the subjects are read, and
 * a root enters the store when a chain names it as its issuer. Nothing is read
 * from the file after creation.
 */
#ifndef SL_TLS_OPENSSL_BUNDLE_H
#define SL_TLS_OPENSSL_BUNDLE_H

#include "base/allocator.h"
#include "base/status.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct sl_openssl_bundle_entry {
    unsigned long hash;
    uint32_t offset;
    uint32_t size;
    bool is_loaded;
};

struct sl_openssl_bundle {
    struct sl_allocator *allocator;
    unsigned char *bytes;
    size_t used;
    size_t capacity;
    struct sl_openssl_bundle_entry *entries;
    size_t count;
    size_t room; /* for entries */
};

/* SL_UNSUPPORTED: the file holds something other than plain certificates, so it
 * has to be loaded in the ordinary way. SL_TLS, SL_MEMORY. */
enum sl_status sl_openssl_bundle_create(struct sl_allocator *allocator,
                                        const char *path,
                                        struct sl_openssl_bundle **bundle,
                                        struct sl_failure *failure);
void sl_openssl_bundle_destroy(struct sl_openssl_bundle *bundle);

/* Adds the roots called `issuer` to `store`, and those above them. A root that
 * cannot be added for lack of memory is missing, and the chain refused. */
void sl_openssl_bundle_offer(struct sl_openssl_bundle *bundle,
                             X509_STORE *store, const X509_NAME *issuer);

#endif
