/* tls/gnutls/session.h - sessions that may be resumed, by identity
 *
 * GnuTLS hands a session out as bytes; they are kept with the identity of the
 * connection that earned them, the newest first.
 */
#ifndef SL_TLS_GNUTLS_SESSION_H
#define SL_TLS_GNUTLS_SESSION_H

#include "base/allocator.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_GNUTLS_SESSIONS 256 /* in a cache */

struct sl_gnutls_session {
    struct sl_gnutls_session *next;
    size_t size; /* of this block */
    int64_t expires;
    bool is_single_use;
    struct sl_view bytes;
    char identity[]; /* then the bytes */
};

struct sl_gnutls_sessions {
    struct sl_allocator *allocator;
    struct sl_gnutls_session *first;
    size_t count;
};

void sl_gnutls_sessions_init(struct sl_gnutls_sessions *cache,
                             struct sl_allocator *allocator);
void sl_gnutls_sessions_fini(struct sl_gnutls_sessions *cache);

/* Copies `bytes`; without memory nothing is kept. The oldest makes room. */
void sl_gnutls_sessions_put(struct sl_gnutls_sessions *cache,
                            const char *identity, struct sl_view bytes,
                            bool is_single_use, int64_t expires);

/* Takes the newest that is good at `now` out of the cache, or NULL. The caller
 * gives it back or drops it. */
struct sl_gnutls_session *
sl_gnutls_sessions_take(struct sl_gnutls_sessions *cache, const char *identity,
                        int64_t now);
void sl_gnutls_sessions_give_back(struct sl_gnutls_sessions *cache,
                                  struct sl_gnutls_session *session);
void sl_gnutls_sessions_drop(struct sl_gnutls_sessions *cache,
                             struct sl_gnutls_session *session);
/* Forgets all of `identity`. */
void sl_gnutls_sessions_forget(struct sl_gnutls_sessions *cache,
                               const char *identity);

#endif
