#include "conn/directory.h"

#include "base/debug.h"

#define FIRST_BUCKETS ((size_t)16)

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t hash_of(const struct sl_directory *directory,
                        struct sl_view key)
{
    uint64_t hash = mix(directory->seed, key.size);

    while (key.size > 0) {
        uint64_t word = 0;
        size_t size = key.size < sizeof word ? key.size : sizeof word;

        memcpy(&word, key.data, size);
        hash = mix(hash, word);
        key = sl_view(key.data + size, key.size - size);
    }
    return mix(hash, directory->seed);
}

static struct sl_directory_entry **
bucket_of(const struct sl_directory *directory, uint64_t hash)
{
    return &directory->buckets[hash & (directory->bucket_count - 1)];
}

/* Doubles the buckets; without memory for them the directory stays as it is. */
static void grow(struct sl_directory *directory)
{
    size_t old_count = directory->bucket_count;
    struct sl_directory_entry **old = directory->buckets;
    size_t count = old_count == 0 ? FIRST_BUCKETS : old_count * 2;
    struct sl_directory_entry **grown =
        sl_allocate_zeroed(directory->allocator, count * sizeof *grown);

    if (grown == NULL)
        return;
    directory->buckets = grown;
    directory->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct sl_directory_entry *entry = old[i];
            struct sl_directory_entry **bucket =
                bucket_of(directory, entry->hash);

            old[i] = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    sl_free(directory->allocator, old, old_count * sizeof *old);
}

void sl_directory_init(struct sl_directory *directory,
                       struct sl_allocator *allocator, uint64_t seed)
{
    memset(directory, 0, sizeof *directory);
    directory->allocator = allocator;
    directory->seed = seed;
}

void sl_directory_fini(struct sl_directory *directory)
{
    sl_free(directory->allocator, directory->buckets,
            directory->bucket_count * sizeof *directory->buckets);
    sl_directory_init(directory, directory->allocator, directory->seed);
}

struct sl_directory_entry *
sl_directory_find(const struct sl_directory *directory, struct sl_view key)
{
    uint64_t hash = hash_of(directory, key);
    struct sl_directory_entry *entry;

    if (directory->bucket_count == 0)
        return NULL;
    entry = *bucket_of(directory, hash);
    while (entry != NULL &&
           (entry->hash != hash || !sl_view_equal(entry->key, key)))
        entry = entry->next;
    return entry;
}

enum sl_status sl_directory_add(struct sl_directory *directory,
                                struct sl_directory_entry *entry,
                                struct sl_view key)
{
    struct sl_directory_entry **bucket;

    sl_assert(sl_directory_find(directory, key) == NULL);
    if (directory->count >= directory->bucket_count)
        grow(directory);
    if (directory->bucket_count == 0)
        return SL_MEMORY;
    entry->key = key;
    entry->hash = hash_of(directory, key);
    entry->newer = entry->older = NULL;
    entry->is_unused = false;
    bucket = bucket_of(directory, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    directory->count++;
    return SL_OK;
}

void sl_directory_remove(struct sl_directory *directory,
                         struct sl_directory_entry *entry)
{
    struct sl_directory_entry **link = bucket_of(directory, entry->hash);

    if (entry->is_unused)
        sl_directory_use(directory, entry);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    entry->next = NULL;
    directory->count--;
}

void sl_directory_rest(struct sl_directory *directory,
                       struct sl_directory_entry *entry)
{
    sl_assert(!entry->is_unused);
    entry->is_unused = true;
    entry->newer = NULL;
    entry->older = directory->newest;
    if (directory->newest != NULL)
        directory->newest->newer = entry;
    else
        directory->oldest = entry;
    directory->newest = entry;
    directory->unused_count++;
}

void sl_directory_use(struct sl_directory *directory,
                      struct sl_directory_entry *entry)
{
    sl_assert(entry->is_unused);
    entry->is_unused = false;
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        directory->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        directory->oldest = entry->newer;
    entry->newer = entry->older = NULL;
    directory->unused_count--;
}
