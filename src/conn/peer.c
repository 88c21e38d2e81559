#include "conn/peer.h"

#include "base/packed.h"

#define TEXTS 10

/* The texts to copy, wherever they stand. */
static void list_texts(struct sl_tls_info *info,
                       struct sl_tls_certificate *certificate,
                       const char ***texts)
{
    texts[0] = &info->version;
    texts[1] = &info->cipher;
    texts[2] = &info->alpn;
    texts[3] = &certificate->subject;
    texts[4] = &certificate->issuer;
    texts[5] = &certificate->names;
    texts[6] = &certificate->not_before;
    texts[7] = &certificate->not_after;
    texts[8] = &certificate->sha256;
    texts[9] = &certificate->spki_sha256;
}

enum sl_status sl_peer_create(struct sl_allocator *allocator,
                              const struct sl_tls_provider *provider,
                              struct sl_tls_engine *engine,
                              struct sl_peer **peer)
{
    struct sl_tls_info info = {0};
    struct sl_tls_certificate certificate = {0};
    const char **texts[TEXTS];
    size_t size = sizeof(struct sl_peer);
    bool has_certificate;
    struct sl_peer *created;
    char *to;

    provider->info(engine, &info);
    has_certificate = provider->peer(engine, &certificate);
    list_texts(&info, &certificate, texts);
    for (size_t i = 0; i < TEXTS; i++)
        size += sl_packed_size(*texts[i]);
    created = sl_allocate(allocator, size);
    if (created == NULL)
        return SL_MEMORY;

    created->allocator = allocator;
    created->refs = 1;
    created->size = size;
    created->info = info;
    created->certificate = certificate;
    created->has_certificate = has_certificate;
    list_texts(&created->info, &created->certificate, texts);
    to = created->bytes;
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = sl_packed_copy(&to, *texts[i]);
    *peer = created;
    return SL_OK;
}

struct sl_peer *sl_peer_retain(struct sl_peer *peer)
{
    if (peer != NULL)
        peer->refs++;
    return peer;
}

void sl_peer_release(struct sl_peer *peer)
{
    if (peer != NULL && --peer->refs == 0)
        sl_free(peer->allocator, peer, peer->size);
}
