/* conn/directory.h - which origins a client knows, by key
 *
 *   buckets [ . | . | . | . ]        unused   newest <-> ... <-> oldest
 *             |       |
 *           entry   entry -> entry
 *
 * An entry is embedded in what it stands for. The directory never allocates for
 * an entry, so adding fails only where there are no buckets at all: where they
 * cannot grow, their chains do. Unused entries form a list, from which the
 * oldest is forgotten first.
 */
#ifndef SL_CONN_DIRECTORY_H
#define SL_CONN_DIRECTORY_H

#include "base/allocator.h"
#include "base/status.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_directory_entry {
    struct sl_view key;               /* kept alive by the entry's owner */
    struct sl_directory_entry *next;  /* in its bucket */
    struct sl_directory_entry *newer; /* in the list of the unused */
    struct sl_directory_entry *older;
    uint64_t hash;
    bool is_unused;
};

struct sl_directory {
    struct sl_allocator *allocator;
    struct sl_directory_entry **buckets; /* NULL while there is no entry */
    size_t bucket_count;                 /* a power of two */
    size_t count;
    struct sl_directory_entry *newest; /* unused */
    struct sl_directory_entry *oldest;
    size_t unused_count;
    uint64_t seed;
};

/* `seed` decides which keys share a bucket; a peer must not know it. */
void sl_directory_init(struct sl_directory *directory,
                       struct sl_allocator *allocator, uint64_t seed);
/* Forgets every entry; their owners free them. */
void sl_directory_fini(struct sl_directory *directory);

/* The entry of `key`; NULL: not known. */
struct sl_directory_entry *
sl_directory_find(const struct sl_directory *directory, struct sl_view key);
/* Adds an entry in use whose key is not known yet. SL_MEMORY: there are no
 * buckets at all. */
enum sl_status sl_directory_add(struct sl_directory *directory,
                                struct sl_directory_entry *entry,
                                struct sl_view key);
void sl_directory_remove(struct sl_directory *directory,
                         struct sl_directory_entry *entry);

/* Puts an entry into the list of the unused, as its newest, and takes it
 * out. */
void sl_directory_rest(struct sl_directory *directory,
                       struct sl_directory_entry *entry);
void sl_directory_use(struct sl_directory *directory,
                      struct sl_directory_entry *entry);

#endif
