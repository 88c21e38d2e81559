/* memory/slices.h - the ring of slices inside a buffer
 *
 * in, out: memory/buffer.c and memory/join.c, which alone include this
 *
 *   slices   [ 2 | 3 |   |   |   |   | 0 | 1 ]   count 4, capacity 8
 *                                  ^ first
 *
 * The first slices lie in the buffer itself; a larger ring comes from the
 * allocator. A function that adds or removes slices also counts them in `cost`,
 * and in `length` unless it says otherwise.
 */
#ifndef SL_MEMORY_SLICES_H
#define SL_MEMORY_SLICES_H

#include "base/debug.h"
#include "memory/buffer.h"

static inline struct sl_slice *sl_slices_at(const struct sl_buffer *buffer,
                                            uint32_t index)
{
    return &buffer->slices[(buffer->first + index) & (buffer->capacity - 1)];
}

static inline struct sl_slice *sl_slices_tail(const struct sl_buffer *buffer)
{
    return sl_slices_at(buffer, buffer->count - 1);
}

/* Slices of one segment that stand together count it once. */
static inline bool sl_slices_begins_run(const struct sl_buffer *buffer,
                                        uint32_t index)
{
    return index == 0 || sl_slices_at(buffer, index)->segment !=
                             sl_slices_at(buffer, index - 1)->segment;
}

/* Grows the ring to `needed` slices or more; SL_MEMORY changes nothing. */
enum sl_status sl_slices_grow(struct sl_buffer *buffer, size_t needed);

/* Makes sure of `more` free places. */
static inline enum sl_status sl_slices_ensure(struct sl_buffer *buffer,
                                              size_t more)
{
    size_t needed = buffer->count + more;

    return needed <= buffer->capacity ? SL_OK : sl_slices_grow(buffer, needed);
}

/* Forgets all slices and frees a ring from the allocator. */
void sl_slices_free(struct sl_buffer *buffer);

/* Moves all slices of `from` to `to`, which has none; the larger ring stays in
 * use by one of them. Counts nothing. */
void sl_slices_swap(struct sl_buffer *to, struct sl_buffer *from);

/* Pushes a slice. The caller's reference moves into the ring, which has
 * room. */
static inline void sl_slices_push(struct sl_buffer *buffer,
                                  struct sl_segment *segment, char *data,
                                  size_t size)
{
    struct sl_slice *slice = sl_slices_at(buffer, buffer->count++);

    sl_assert(buffer->count <= buffer->capacity);
    slice->segment = segment;
    slice->data = data;
    slice->size = size;
    buffer->length += size;
    if (sl_slices_begins_run(buffer, buffer->count - 1))
        buffer->cost += segment->capacity;
}

/* Removes the first slice. The caller adjusts the length. */
static inline void sl_slices_pop_front(struct sl_buffer *buffer)
{
    const struct sl_slice *front = sl_slices_at(buffer, 0);
    struct sl_segment *segment = front->segment;

    buffer->head_consumed += front->size;
    buffer->first = (buffer->first + 1) & (buffer->capacity - 1);
    buffer->count--;
    if (buffer->count == 0 || sl_slices_at(buffer, 0)->segment != segment) {
        buffer->head_consumed = 0;
        buffer->cost -= segment->capacity;
    }
    sl_segment_release(segment);
}

/* Removes the last slice, which is empty. */
void sl_slices_pop_tail(struct sl_buffer *buffer);

/* ---- the room behind the tail ---- */

/* The room behind the tail slice. Bytes beyond `filled` belong to the owner of
 * the range that ends there, unless something has pinned the segment. */
static inline size_t sl_slices_room(const struct sl_buffer *buffer)
{
    const struct sl_slice *tail;
    const struct sl_segment *segment;

    if (buffer->count == 0)
        return 0;
    tail = sl_slices_tail(buffer);
    segment = tail->segment;
    if (segment->pins != 0 ||
        tail->data + tail->size != segment->data + segment->filled)
        return 0;
    return segment->capacity - segment->filled;
}

static inline void sl_slices_extend(struct sl_buffer *buffer, size_t size)
{
    struct sl_slice *tail = sl_slices_tail(buffer);

    tail->size += size;
    tail->segment->filled += size;
    buffer->length += size;
}

static inline char *sl_slices_end(const struct sl_buffer *buffer)
{
    const struct sl_slice *tail = sl_slices_tail(buffer);

    return tail->data + tail->size;
}

/* Copies `size` bytes into the room. */
static inline void sl_slices_write(struct sl_buffer *buffer, const char *data,
                                   size_t size)
{
    memcpy(sl_slices_end(buffer), data, size);
    sl_slices_extend(buffer, size);
}

#endif
