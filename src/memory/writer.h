/* memory/writer.h - one contiguous pooled block that grows
 *
 * A writer is live, detached (until reset) or disposed (for good); every call
 * on one that is not live answers SL_MISUSE. Growth moves the bytes: a view or
 * room is good until the next call that writes.
 */
#ifndef SL_MEMORY_WRITER_H
#define SL_MEMORY_WRITER_H

#include "memory/lease.h"

enum sl_writer_state { SL_WRITER_LIVE, SL_WRITER_DETACHED, SL_WRITER_DISPOSED };

struct sl_writer {
    struct sl_pool *pool;
    struct sl_segment *block; /* NULL until the first byte */
    size_t size;              /* written bytes */
    size_t reserved;          /* room offered by the last reserve */
    size_t initial_size;
    size_t max_size;
    enum sl_writer_state state;
};

/* SL_INVALID: `initial_size` 0 or above `max_size`. Rents nothing yet. */
enum sl_status sl_writer_init(struct sl_writer *writer, struct sl_pool *pool,
                              size_t initial_size, size_t max_size);

/* Reserves at least `at_least` (0 counts as 1) bytes of room. SL_LIMIT (the
 * maximum fits exactly, one byte more does not), SL_MEMORY: the content is
 * intact. */
enum sl_status sl_writer_reserve(struct sl_writer *writer, size_t at_least,
                                 struct sl_room *room);
/* SL_MISUSE: more than was reserved. */
enum sl_status sl_writer_commit(struct sl_writer *writer, size_t count);
/* Copies all of `bytes`, or nothing. */
enum sl_status sl_writer_write(struct sl_writer *writer, struct sl_view bytes);

/* Forgets all but the first `size` bytes. SL_MISUSE: there are fewer. */
enum sl_status sl_writer_cut(struct sl_writer *writer, size_t size);

/* The bytes written so far. */
struct sl_view sl_writer_view(const struct sl_writer *writer);

/* Moves exactly the written bytes into `lease` (initialised, empty). */
enum sl_status sl_writer_detach(struct sl_writer *writer,
                                struct sl_lease *lease);
/* Empty and live again. SL_MISUSE when disposed. A block beyond the initial
 * size is given back. */
enum sl_status sl_writer_reset(struct sl_writer *writer);
/* Idempotent. */
void sl_writer_dispose(struct sl_writer *writer);

#endif
