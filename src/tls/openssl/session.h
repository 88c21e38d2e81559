/* tls/openssl/session.h - sessions that may be resumed, by identity
 *
 *   cache -> slot "https|a.test|443|..." -> [ session, session, ... newest ]
 *         -> slot ...
 *
 * A slot belongs to one identity, and an identity holds everything that two
 * connections must share before one may resume a session of the other. Both an
 * engine and the cache hold references to a slot, so a ticket that arrives late
 * finds its slot even when the cache has dropped it.
 */
#ifndef SL_TLS_OPENSSL_SESSION_H
#define SL_TLS_OPENSSL_SESSION_H

#include "base/allocator.h"

#include <openssl/ssl.h>
#include <stdbool.h>

#define SL_OPENSSL_SLOTS    128 /* identities in a cache */
#define SL_OPENSSL_SESSIONS 8   /* tickets of one identity */

struct sl_openssl_slot {
    struct sl_allocator *allocator;
    struct sl_openssl_slot *next;
    size_t refs;
    size_t count;
    SSL_SESSION *sessions[SL_OPENSSL_SESSIONS]; /* oldest first */
    size_t size;                                /* of this block */
    char identity[];
};

struct sl_openssl_sessions {
    struct sl_allocator *allocator;
    struct sl_openssl_slot *first; /* most recently used first */
    size_t count;
};

void sl_openssl_sessions_init(struct sl_openssl_sessions *cache,
                              struct sl_allocator *allocator);
void sl_openssl_sessions_fini(struct sl_openssl_sessions *cache);

/* The slot of `identity`, with one reference; NULL without memory. The slot not
 * used for longest is dropped when there are too many. */
struct sl_openssl_slot *
sl_openssl_sessions_find(struct sl_openssl_sessions *cache,
                         const char *identity);
void sl_openssl_slot_release(struct sl_openssl_slot *slot);

/* Adopts one reference to `session`; the oldest makes room. */
void sl_openssl_slot_put(struct sl_openssl_slot *slot, SSL_SESSION *session);

/* The newest session still good, with one reference, or NULL. A TLS 1.3 ticket
 * leaves the slot: used twice, it would show an onlooker that both connections
 * have one client (RFC 8446 C.4). */
SSL_SESSION *sl_openssl_slot_take(struct sl_openssl_slot *slot);

/* Forgets all sessions. */
void sl_openssl_slot_clear(struct sl_openssl_slot *slot);

#endif
