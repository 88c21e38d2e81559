/* memory/join.h - puts bytes behind a buffer's tail, within its bound
 *
 * in, out: memory/buffer.c, which alone includes this
 *
 * Slices of one segment that stand together are a run. A run is dense when it
 * shows four fifths of its segment. Only the head run, which may have been
 * peeked at and must not move, and the tail run, which may still grow, can be
 * other than dense: a tail run that is not gets copied together ("settled")
 * before anything of another segment follows it. Both head and tail may be less
 * than dense only while `cost` is within the budget, 1.25 times the content and
 * a segment; else new bytes come in small blocks.
 *
 * The caller has checked `max_size`.
 */
#ifndef SL_MEMORY_JOIN_H
#define SL_MEMORY_JOIN_H

#include "memory/slices.h"

/* Copies `size` bytes, not 0. All or nothing. */
enum sl_status sl_join_bytes(struct sl_buffer *buffer, const char *data,
                             size_t size);

/* Appends a fresh segment with `size` bytes in it, whose reference is taken;
 * `slots` more may follow, all of which the ring has. Cannot fail: without
 * memory for copying, the bytes stay where they are. */
void sl_join_fresh(struct sl_buffer *buffer, struct sl_segment *fresh,
                   size_t size, uint32_t slots);

/* The part of sl_join_range for bytes that do not simply follow in the tail's
 * own segment. */
enum sl_status sl_join_other(struct sl_buffer *buffer,
                             struct sl_segment *segment, char *data,
                             size_t size);

/* A range smaller than this costs less to copy than to keep in a slice, unless
 * such ranges are rare. */
static inline size_t sl_join_few(const struct sl_buffer *buffer)
{
    size_t eighth = buffer->pool->options.segment_size / 8;

    return eighth < 512 ? eighth : 512;
}

/* Links `size` bytes, not 0, or copies them. All or nothing. */
static inline enum sl_status sl_join_range(struct sl_buffer *buffer,
                                           struct sl_segment *segment,
                                           char *data, size_t size)
{
    struct sl_slice *tail;

    if (buffer->count == 0)
        return sl_join_other(buffer, segment, data, size);
    tail = sl_slices_tail(buffer);
    if (tail->segment != segment)
        return sl_join_other(buffer, segment, data, size);
    if (tail->data + tail->size == data) {
        tail->size += size;
        buffer->length += size;
        return SL_OK;
    }
    if (size < sl_join_few(buffer) || buffer->count == buffer->capacity)
        return sl_join_other(buffer, segment, data, size);
    sl_segment_retain(segment);
    sl_slices_push(buffer, segment, data, size);
    return SL_OK;
}

#endif
