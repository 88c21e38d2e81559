/* memory/sequence.h - a read-only run of slices of segments
 *
 *   index  0            100                     16484
 *          [ 100 bytes ][ 16384 bytes          ][ ... ]
 *
 * Each slice knows its running index, so that a position is found by binary
 * search. A sequence retains every segment it shows: it stays good whatever
 * happens to the buffer it came from. `sub` copies no bytes.
 */
#ifndef SL_MEMORY_SEQUENCE_H
#define SL_MEMORY_SEQUENCE_H

#include "base/status.h"
#include "base/view.h"
#include "memory/buffer.h"

struct sl_sequence_slice {
    struct sl_segment *segment;
    const char *data;
    size_t size;
    size_t index; /* of its first byte */
};

#define SL_SEQUENCE_INLINE_SLICES 4 /* a piece of 64 KiB */

struct sl_sequence {
    struct sl_allocator *allocator; /* of a slice array beyond the inline one */
    struct sl_sequence_slice *slices;
    size_t count;
    size_t capacity;
    size_t size; /* bytes in all */
    struct sl_sequence_slice inline_slices[SL_SEQUENCE_INLINE_SLICES];
};

void sl_sequence_init(struct sl_sequence *sequence,
                      struct sl_allocator *allocator);
/* Releases the segments shown. Idempotent. */
void sl_sequence_fini(struct sl_sequence *sequence);

/* Shows all unread bytes of `buffer`, which keeps them. `sequence` must be
 * initialised and empty, and stays so on SL_MEMORY; the same holds below. */
enum sl_status sl_sequence_show(struct sl_sequence *sequence,
                                const struct sl_buffer *buffer);
/* The same, but `buffer` is left empty. */
enum sl_status sl_sequence_take(struct sl_sequence *sequence,
                                struct sl_buffer *buffer);
/* The same for whole slices, up to `most` bytes and at least one slice. */
enum sl_status sl_sequence_take_front(struct sl_sequence *sequence,
                                      struct sl_buffer *buffer, size_t most);
/* Shows `size` bytes from `offset` (within bounds) of `from`. */
enum sl_status sl_sequence_sub(struct sl_sequence *sequence,
                               const struct sl_sequence *from, size_t offset,
                               size_t size);
/* Appends a range of a segment, which is retained. */
enum sl_status sl_sequence_append(struct sl_sequence *sequence,
                                  struct sl_segment *segment, const char *data,
                                  size_t size);
/* Moves all of `from`, which is left empty; `to` is initialised and empty. */
void sl_sequence_move(struct sl_sequence *to, struct sl_sequence *from);
/* Appends all of it to `buffer` by sl_buffer_link. SL_LIMIT changes nothing;
 * after SL_MEMORY the bytes appended so far stay, in order. */
enum sl_status sl_sequence_link(const struct sl_sequence *sequence,
                                struct sl_buffer *buffer);

/* The index of the slice that holds the byte at `offset` (within bounds). */
size_t sl_sequence_slice_at(const struct sl_sequence *sequence, size_t offset);
/* The view from `offset` to the end of its slice; empty at the end. */
struct sl_view sl_sequence_at(const struct sl_sequence *sequence,
                              size_t offset);
/* Copies `size` bytes from `offset`; both within bounds. */
void sl_sequence_copy_out(const struct sl_sequence *sequence, size_t offset,
                          char *to, size_t size);

bool sl_sequence_is_valid(const struct sl_sequence *sequence);

#endif
