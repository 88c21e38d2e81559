#include "tls/openssl/session.h"

#include <string.h>
#include <time.h>

void sl_openssl_sessions_init(struct sl_openssl_sessions *cache,
                              struct sl_allocator *allocator)
{
    cache->allocator = allocator;
    cache->first = NULL;
    cache->count = 0;
}

void sl_openssl_sessions_fini(struct sl_openssl_sessions *cache)
{
    while (cache->first != NULL) {
        struct sl_openssl_slot *slot = cache->first;

        cache->first = slot->next;
        sl_openssl_slot_release(slot);
    }
    cache->count = 0;
}

static void drop_last(struct sl_openssl_sessions *cache)
{
    struct sl_openssl_slot **link = &cache->first;
    struct sl_openssl_slot *last;

    while ((*link)->next != NULL)
        link = &(*link)->next;
    last = *link;
    *link = NULL;
    cache->count--;
    sl_openssl_slot_release(last);
}

struct sl_openssl_slot *
sl_openssl_sessions_find(struct sl_openssl_sessions *cache,
                         const char *identity)
{
    struct sl_openssl_slot **link = &cache->first;
    struct sl_openssl_slot *slot;
    size_t length;

    while (*link != NULL && strcmp((*link)->identity, identity) != 0)
        link = &(*link)->next;
    slot = *link;
    if (slot != NULL) {
        *link = slot->next;
    } else {
        length = strlen(identity);
        slot = sl_allocate_zeroed(cache->allocator, sizeof *slot + length + 1);
        if (slot == NULL)
            return NULL;
        slot->allocator = cache->allocator;
        slot->size = sizeof *slot + length + 1;
        slot->refs = 1; /* the cache's */
        memcpy(slot->identity, identity, length + 1);
        if (cache->count == SL_OPENSSL_SLOTS)
            drop_last(cache);
        cache->count++;
    }
    slot->next = cache->first;
    cache->first = slot;
    slot->refs++;
    return slot;
}

void sl_openssl_slot_release(struct sl_openssl_slot *slot)
{
    if (--slot->refs > 0)
        return;
    sl_openssl_slot_clear(slot);
    sl_free(slot->allocator, slot, slot->size);
}

void sl_openssl_slot_put(struct sl_openssl_slot *slot, SSL_SESSION *session)
{
    if (slot->count == SL_OPENSSL_SESSIONS) {
        SSL_SESSION_free(slot->sessions[0]);
        slot->count--;
        memmove(slot->sessions, slot->sessions + 1,
                slot->count * sizeof *slot->sessions);
    }
    slot->sessions[slot->count++] = session;
}

static bool is_good(SSL_SESSION *session)
{
    /* A clock set back makes the age negative: not good either. */
    long age = (long)time(NULL) - SSL_SESSION_get_time(session);

    return SSL_SESSION_is_resumable(session) && age >= 0 &&
           age < SSL_SESSION_get_timeout(session);
}

SSL_SESSION *sl_openssl_slot_take(struct sl_openssl_slot *slot)
{
    while (slot->count > 0) {
        SSL_SESSION *session = slot->sessions[slot->count - 1];

        if (is_good(session) &&
            SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
            return SSL_SESSION_up_ref(session) ? session : NULL;
        slot->sessions[--slot->count] = NULL;
        if (is_good(session))
            return session;
        SSL_SESSION_free(session);
    }
    return NULL;
}

void sl_openssl_slot_clear(struct sl_openssl_slot *slot)
{
    while (slot->count > 0)
        SSL_SESSION_free(slot->sessions[--slot->count]);
}
