#include "tls/gnutls/session.h"

void sl_gnutls_sessions_init(struct sl_gnutls_sessions *cache,
                             struct sl_allocator *allocator)
{
    cache->allocator = allocator;
    cache->first = NULL;
    cache->count = 0;
}

void sl_gnutls_sessions_drop(struct sl_gnutls_sessions *cache,
                             struct sl_gnutls_session *session)
{
    sl_free(cache->allocator, session, session->size);
}

/* Takes what `*link` points to out of the list. */
static struct sl_gnutls_session *unlink_at(struct sl_gnutls_sessions *cache,
                                           struct sl_gnutls_session **link)
{
    struct sl_gnutls_session *session = *link;

    *link = session->next;
    session->next = NULL;
    cache->count--;
    return session;
}

void sl_gnutls_sessions_fini(struct sl_gnutls_sessions *cache)
{
    while (cache->first != NULL)
        sl_gnutls_sessions_drop(cache, unlink_at(cache, &cache->first));
}

void sl_gnutls_sessions_give_back(struct sl_gnutls_sessions *cache,
                                  struct sl_gnutls_session *session)
{
    struct sl_gnutls_session **link = &cache->first;

    session->next = cache->first;
    cache->first = session;
    if (++cache->count <= SL_GNUTLS_SESSIONS)
        return;
    while ((*link)->next != NULL)
        link = &(*link)->next;
    sl_gnutls_sessions_drop(cache, unlink_at(cache, link));
}

void sl_gnutls_sessions_put(struct sl_gnutls_sessions *cache,
                            const char *identity, struct sl_view bytes,
                            bool is_single_use, int64_t expires)
{
    size_t length = strlen(identity) + 1;
    size_t size = sizeof(struct sl_gnutls_session) + length + bytes.size;
    struct sl_gnutls_session *made = sl_allocate(cache->allocator, size);

    if (made == NULL)
        return;
    made->size = size;
    made->expires = expires;
    made->is_single_use = is_single_use;
    memcpy(made->identity, identity, length);
    memcpy(made->identity + length, bytes.data, bytes.size);
    made->bytes = sl_view(made->identity + length, bytes.size);
    sl_gnutls_sessions_give_back(cache, made);
}

struct sl_gnutls_session *
sl_gnutls_sessions_take(struct sl_gnutls_sessions *cache, const char *identity,
                        int64_t now)
{
    struct sl_gnutls_session **link = &cache->first;

    while (*link != NULL) {
        struct sl_gnutls_session *session = *link;

        if (session->expires <= now)
            sl_gnutls_sessions_drop(cache, unlink_at(cache, link));
        else if (strcmp(session->identity, identity) == 0)
            return unlink_at(cache, link);
        else
            link = &session->next;
    }
    return NULL;
}

void sl_gnutls_sessions_forget(struct sl_gnutls_sessions *cache,
                               const char *identity)
{
    struct sl_gnutls_session **link = &cache->first;

    while (*link != NULL) {
        if (strcmp((*link)->identity, identity) == 0)
            sl_gnutls_sessions_drop(cache, unlink_at(cache, link));
        else
            link = &(*link)->next;
    }
}
