/* memory/buffer.h - a run of bytes held in pooled segments, first in, first out
 *
 * in:  io/transport.c fills the tail
 * out: http/, codec/ and ws/ drain the head
 *
 *      slices[first]                    slices[first + count - 1]
 *   [ ~~~~#### ]    [ ######## ]    [ ####____ ]
 *         ^ next unread byte              ^ room
 *
 * A buffer is a queue of slices, each a range of a segment that it retains, so
 * that bytes move from one buffer to another without being copied and several
 * buffers can show ranges of one segment. The head never moves, so a view stays
 * good until its bytes are consumed.
 *
 * Bound: the segments of a buffer are at most 1.25 times its content plus one
 * segment, whatever the sizes in which the content arrived: bytes are copied
 * together where keeping them in place would cost more. Bytes consumed since
 * leave the rest of the head segment, and of a larger block that is being
 * filled, on top; content for whose copying there was no memory stays in place.
 *
 * One writer and one reader, on one thread. While room is reserved, nothing but
 * commit and the reader's calls may be used.
 */
#ifndef SL_MEMORY_BUFFER_H
#define SL_MEMORY_BUFFER_H

#include "base/status.h"
#include "base/view.h"
#include "memory/pool.h"

#include <stdint.h>
#include <string.h>

struct sl_slice {
    struct sl_segment *segment;
    char *data;
    size_t size;
};

/* Most buffers show a range of one segment at a time, and there are many. */
#define SL_BUFFER_INLINE_SLICES 1

struct sl_buffer {
    struct sl_pool *pool;
    struct sl_slice *slices; /* a ring of `capacity` */
    uint32_t first;
    uint32_t count;
    uint32_t capacity;
    uint32_t reserved_tail;   /* room behind the tail slice, now pinned */
    size_t length;            /* unread bytes over all slices */
    size_t max_size;          /* of length; SIZE_MAX: none */
    struct sl_segment *spare; /* rented for a reservation, not yet used */
    size_t reserved;          /* open room, also behind the tail; 0: none */
    size_t cost;              /* capacity of the segments shown */
    size_t head_consumed;     /* bytes consumed of the head segment */
    struct sl_slice inline_slices[SL_BUFFER_INLINE_SLICES];
};

static inline void sl_buffer_init(struct sl_buffer *buffer,
                                  struct sl_pool *pool, size_t max_size)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->pool = pool;
    buffer->max_size = max_size;
    buffer->slices = buffer->inline_slices;
    buffer->capacity = SL_BUFFER_INLINE_SLICES;
}
/* Returns every segment at once. Idempotent, also after init alone. */
void sl_buffer_fini(struct sl_buffer *buffer);
/* Empties the buffer, which can be used again. */
void sl_buffer_reset(struct sl_buffer *buffer);
/* Empties it of slices whose references now belong to the code that copied
 * them. */
void sl_buffer_forget(struct sl_buffer *buffer);

/* ---- writing: reserve room, fill it, commit what was filled ---- */

/* Reserves room of at least `at_least` bytes in one piece (1 to a segment's
 * size; more asks for a block). SL_LIMIT, SL_MEMORY leave the buffer
 * unchanged. */
enum sl_status sl_buffer_reserve(struct sl_buffer *buffer, size_t at_least,
                                 struct sl_room *room);

/* Reserves room for `size` bytes, which will be all of an empty buffer, in a
 * block that sl_buffer_compact finds nothing to do for. SL_LIMIT, SL_MEMORY. */
enum sl_status sl_buffer_reserve_fitting(struct sl_buffer *buffer, size_t size,
                                         struct sl_room *room);

/* Reserves up to `*count` pieces of room with about `want` bytes in all, for a
 * scatter read; first the rest of the tail segment, then fresh ones. Sets
 * `*count` to the pieces given, at least one. */
enum sl_status sl_buffer_reserve_many(struct sl_buffer *buffer, size_t want,
                                      struct sl_room *rooms, size_t *count);

/* The first `count` reserved bytes become content; the rest is given back
 * (fresh segments not touched return to the pool). Commit 0 cancels a
 * reservation. */
void sl_buffer_commit(struct sl_buffer *buffer, size_t count);

/* Fuses segments among the last `count`, and the one before, where the buffer
 * holds much and is the only holder. To be called by code that held references
 * to what it linked. */
void sl_buffer_fuse(struct sl_buffer *buffer, size_t count);

/* Copies `bytes` to the tail; all or nothing. SL_LIMIT, SL_MEMORY. */
enum sl_status sl_buffer_append(struct sl_buffer *buffer, struct sl_view bytes);

/* Appends `size` bytes at `data` inside `segment` without copying: the segment
 * is retained. Adjacent ranges become one slice. Bytes are copied instead when
 * they are few, when the tail segment would be left more than an eighth empty,
 * and when the bound would not hold. SL_LIMIT, SL_MEMORY: nothing of it was
 * appended. */
enum sl_status sl_buffer_link(struct sl_buffer *buffer,
                              struct sl_segment *segment, char *data,
                              size_t size);

/* Moves the first `size` bytes of `from` to the end of `buffer`, by
 * sl_buffer_link. After a failure the bytes moved so far stay moved, in
 * order. */
enum sl_status sl_buffer_move(struct sl_buffer *buffer, struct sl_buffer *from,
                              size_t size);

/* Appends all of `from`; `from` is left empty and usable. */
enum sl_status sl_buffer_take(struct sl_buffer *buffer, struct sl_buffer *from);

/* ---- reading: peek, use, consume ---- */

/* The longest view from the head in one piece; empty for an empty buffer. */
static inline struct sl_view sl_buffer_peek(const struct sl_buffer *buffer)
{
    const struct sl_slice *front = &buffer->slices[buffer->first];

    return buffer->count == 0 ? sl_view(NULL, 0)
                              : sl_view(front->data, front->size);
}

/* The same over slices that lie side by side: one piece, many segments. */
struct sl_view sl_buffer_peek_run(const struct sl_buffer *buffer);

/* Fills up to `count` views from the head, in order; returns their count. */
size_t sl_buffer_views(const struct sl_buffer *buffer, struct sl_view *views,
                       size_t count);

/* The view from `offset` to the end of its slice; empty at the end. Found from
 * the nearer end of the buffer. */
struct sl_view sl_buffer_at(const struct sl_buffer *buffer, size_t offset);

/* The bytes of sl_buffer_peek, writable, with their segment: for decoding in
 * place. */
static inline struct sl_slice sl_buffer_front(const struct sl_buffer *buffer)
{
    const struct sl_slice none = {NULL, NULL, 0};

    return buffer->count == 0 ? none : buffer->slices[buffer->first];
}

/* Makes at least `size` bytes from the head contiguous, copying them into a
 * block when they span segments that do not lie side by side. Needs `size` <=
 * length. */
enum sl_status sl_buffer_gather(struct sl_buffer *buffer, size_t size,
                                struct sl_view *view);

/* The part of sl_buffer_consume that releases slices. */
void sl_buffer_consume_slices(struct sl_buffer *buffer, size_t size);

static inline void sl_buffer_consume(struct sl_buffer *buffer, size_t size)
{
    struct sl_slice *front = &buffer->slices[buffer->first];

    sl_assert(size <= buffer->length);
    if (buffer->count == 0 || size >= front->size) {
        sl_buffer_consume_slices(buffer, size);
        return;
    }
    front->data += size;
    front->size -= size;
    buffer->length -= size;
    buffer->head_consumed += size;
}

/* Copies up to `size` bytes from `offset` without consuming; returns their
 * count. */
size_t sl_buffer_copy_out(const struct sl_buffer *buffer, size_t offset,
                          char *to, size_t size);

/* Replaces slices that use little of their segment by blocks of fitting size,
 * so that keeping a small body does not keep a segment. Never fails: slices
 * that cannot be compacted stay. */
void sl_buffer_compact(struct sl_buffer *buffer);

bool sl_buffer_is_valid(const struct sl_buffer *buffer);

#endif
