#include "io/lookup.h"

#include "base/debug.h"

#include <string.h>

/* The host stands behind the struct. */
struct sl_lookup {
    struct sl_lookup_source *source; /* NULL: answered, or given up */
    struct sl_lookup *next;          /* in its chain, while in progress */
    struct sl_lookup_asker *first;
    struct sl_lookup_asker *last;
    void *data;
    size_t size; /* of the whole allocation */
    uint32_t hash;
    int port;
    struct sl_failure failure;
    size_t count; /* 0: `failure` */
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    char host[];
};

/* ---- the source's list ---- */

/* FNV-1a. A host chosen to collide costs its own client a walk. */
static uint32_t hash_of(const char *host, int port)
{
    uint32_t hash = 2166136261U ^ (uint32_t)port;

    for (; *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619U;
    return hash;
}

static struct sl_lookup **chain_of(struct sl_lookup_source *source,
                                   uint32_t hash)
{
    return &source->chains[hash % SL_LOOKUP_CHAINS];
}

static struct sl_lookup *find(struct sl_lookup_source *source, const char *host,
                              int port)
{
    uint32_t hash = hash_of(host, port);
    struct sl_lookup *lookup = *chain_of(source, hash);

    while (lookup != NULL && (lookup->hash != hash || lookup->port != port ||
                              strcmp(lookup->host, host) != 0))
        lookup = lookup->next;
    return lookup;
}

/* Takes a look-up out of its chain, so that no asker joins it. */
static void take_out(struct sl_lookup *lookup)
{
    struct sl_lookup **place = chain_of(lookup->source, lookup->hash);

    while (*place != lookup)
        place = &(*place)->next;
    *place = lookup->next;
    lookup->source = NULL;
}

void sl_lookup_source_init(
    struct sl_lookup_source *source, struct sl_loop *loop,
    void (*start)(void *owner, struct sl_lookup *lookup),
    void (*cancel)(void *owner, struct sl_lookup *lookup), void *owner)
{
    memset(source, 0, sizeof *source);
    source->loop = loop;
    source->start = start;
    source->cancel = cancel;
    source->owner = owner;
}

void sl_lookup_source_fini(struct sl_lookup_source *source)
{
    for (size_t i = 0; i < SL_LOOKUP_CHAINS; i++) {
        while (source->chains[i] != NULL) {
            struct sl_lookup *lookup = source->chains[i];

            take_out(lookup);
            source->cancel(source->owner, lookup);
        }
    }
}

/* ---- answers ---- */

const char *sl_lookup_host(const struct sl_lookup *lookup)
{
    return lookup->host;
}

int sl_lookup_port(const struct sl_lookup *lookup)
{
    return lookup->port;
}

void sl_lookup_set_data(struct sl_lookup *lookup, void *data)
{
    lookup->data = data;
}

void *sl_lookup_data(const struct sl_lookup *lookup)
{
    return lookup->data;
}

static void finish(struct sl_lookup *lookup)
{
    take_out(lookup);
    for (struct sl_lookup_asker *asker = lookup->first; asker != NULL;
         asker = asker->next)
        sl_completion_signal(&asker->completion, SL_OK, 0);
}

void sl_lookup_answer(struct sl_lookup *lookup,
                      const struct sl_address *addresses, size_t count)
{
    sl_assert(lookup->source != NULL);
    if (count > SL_LOOKUP_ADDRESSES)
        count = SL_LOOKUP_ADDRESSES;
    if (count > 0)
        memcpy(lookup->addresses, addresses, count * sizeof *addresses);
    else
        sl_fail(&lookup->failure, SL_RESOLVE, SL_STAGE_RESOLVE, "no address");
    lookup->count = count;
    finish(lookup);
}

void sl_lookup_fail(struct sl_lookup *lookup, const struct sl_failure *failure)
{
    sl_assert(lookup->source != NULL);
    lookup->failure = *failure;
    finish(lookup);
}

/* ---- askers ---- */

static struct sl_lookup *create(struct sl_lookup_source *source,
                                const char *host, int port)
{
    size_t host_size = strlen(host) + 1;
    size_t size = sizeof(struct sl_lookup) + host_size;
    struct sl_lookup *lookup =
        sl_allocate_zeroed(source->loop->allocator, size);
    struct sl_lookup **chain;

    if (lookup == NULL)
        return NULL;
    lookup->source = source;
    lookup->size = size;
    lookup->port = port;
    lookup->hash = hash_of(host, port);
    memcpy(lookup->host, host, host_size);
    chain = chain_of(source, lookup->hash);
    lookup->next = *chain;
    *chain = lookup;
    return lookup;
}

static void deliver(struct sl_completion *completion)
{
    struct sl_lookup_asker *asker =
        (struct sl_lookup_asker *)(void *)completion;

    asker->done(asker->owner);
}

enum sl_status sl_lookup_ask(struct sl_lookup_source *source, const char *host,
                             int port, void (*done)(void *owner), void *owner,
                             struct sl_lookup_asker *asker)
{
    struct sl_lookup *lookup = find(source, host, port);
    bool is_first = lookup == NULL;

    if (is_first)
        lookup = create(source, host, port);
    if (lookup == NULL)
        return SL_MEMORY;
    asker->done = done;
    asker->owner = owner;
    asker->lookup = lookup;
    asker->next = NULL;
    asker->previous = lookup->last;
    if (lookup->last != NULL)
        lookup->last->next = asker;
    else
        lookup->first = asker;
    lookup->last = asker;
    sl_completion_init(&asker->completion, source->loop, deliver);
    sl_completion_begin(&asker->completion);
    if (is_first)
        source->start(source->owner, lookup);
    return SL_OK;
}

enum sl_status sl_lookup_result(const struct sl_lookup_asker *asker,
                                struct sl_address *addresses, size_t *count,
                                struct sl_failure *failure)
{
    const struct sl_lookup *lookup = asker->lookup;

    if (lookup->count == 0) {
        *failure = lookup->failure;
        return failure->status;
    }
    memcpy(addresses, lookup->addresses, lookup->count * sizeof *addresses);
    *count = lookup->count;
    return SL_OK;
}

void sl_lookup_leave(struct sl_lookup_asker *asker)
{
    struct sl_lookup *lookup = asker->lookup;
    struct sl_allocator *allocator;

    if (lookup == NULL)
        return;
    allocator = asker->completion.loop->allocator;
    asker->lookup = NULL;
    sl_completion_fini(&asker->completion);
    if (asker->previous != NULL)
        asker->previous->next = asker->next;
    else
        lookup->first = asker->next;
    if (asker->next != NULL)
        asker->next->previous = asker->previous;
    else
        lookup->last = asker->previous;
    if (lookup->first != NULL)
        return;
    if (lookup->source != NULL) {
        struct sl_lookup_source *source = lookup->source;

        take_out(lookup);
        source->cancel(source->owner, lookup);
    }
    sl_free(allocator, lookup, lookup->size);
}
