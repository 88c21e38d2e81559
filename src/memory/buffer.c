#include "memory/buffer.h"

#include <string.h>

/* A range smaller than this costs less to copy than to keep in a slice. */
#define FEW ((size_t)512)

static struct sl_slice *slice_at(const struct sl_buffer *buffer, uint32_t index)
{
    return &buffer->slices[(buffer->first + index) & (buffer->capacity - 1)];
}

static struct sl_slice *tail_of(const struct sl_buffer *buffer)
{
    return slice_at(buffer, buffer->count - 1);
}

bool sl_buffer_is_valid(const struct sl_buffer *buffer)
{
    size_t length = 0;

    if ((buffer->capacity & (buffer->capacity - 1)) != 0 ||
        buffer->count > buffer->capacity || buffer->length > buffer->max_size ||
        buffer->reserved_tail > buffer->reserved ||
        (buffer->spare != NULL && buffer->reserved == 0))
        return false;
    for (uint32_t i = 0; i < buffer->count; i++) {
        const struct sl_slice *slice = slice_at(buffer, i);
        const struct sl_segment *segment = slice->segment;

        if (segment->is_free || segment->refs == 0 ||
            slice->data < segment->data ||
            slice->data + slice->size > segment->data + segment->filled ||
            segment->filled > segment->capacity)
            return false;
        /* Only the slice before reserved room may be empty. */
        if (slice->size == 0 &&
            (i + 1 != buffer->count || buffer->reserved_tail == 0))
            return false;
        length += slice->size;
    }
    return length == buffer->length;
}

/* The full check of a long buffer before and after each call would make every
 * heavy test quadratic. */
static inline bool is_sound(const struct sl_buffer *buffer)
{
    return buffer->count > 64 || sl_buffer_is_valid(buffer);
}

/* ---- the ring ---- */

static enum sl_status ring_ensure(struct sl_buffer *buffer, size_t more)
{
    struct sl_allocator *allocator = buffer->pool->allocator;
    size_t needed = buffer->count + more;
    size_t capacity = buffer->capacity;
    struct sl_slice *slices;

    if (needed <= capacity)
        return SL_OK;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > UINT32_MAX / 2)
        return SL_MEMORY;
    slices = sl_allocate(allocator, capacity * sizeof *slices);
    if (slices == NULL)
        return SL_MEMORY;
    for (uint32_t i = 0; i < buffer->count; i++)
        slices[i] = *slice_at(buffer, i);
    if (buffer->slices != buffer->inline_slices)
        sl_free(allocator, buffer->slices,
                buffer->capacity * sizeof *buffer->slices);
    buffer->slices = slices;
    buffer->first = 0;
    buffer->capacity = (uint32_t)capacity;
    return SL_OK;
}

static void ring_free(struct sl_buffer *buffer)
{
    if (buffer->slices != buffer->inline_slices)
        sl_free(buffer->pool->allocator, buffer->slices,
                buffer->capacity * sizeof *buffer->slices);
    buffer->slices = buffer->inline_slices;
    buffer->capacity = SL_BUFFER_INLINE_SLICES;
    buffer->first = buffer->count = 0;
}

/* The reference is the caller's and moves into the ring, which has room. */
static void push(struct sl_buffer *buffer, struct sl_segment *segment,
                 char *data, size_t size)
{
    struct sl_slice *slice = slice_at(buffer, buffer->count++);

    slice->segment = segment;
    slice->data = data;
    slice->size = size;
}

static void pop_front(struct sl_buffer *buffer)
{
    struct sl_segment *segment = slice_at(buffer, 0)->segment;

    buffer->first = (buffer->first + 1) & (buffer->capacity - 1);
    buffer->count--;
    sl_segment_release(segment);
}

static void pop_tail(struct sl_buffer *buffer)
{
    struct sl_segment *segment = tail_of(buffer)->segment;

    buffer->count--;
    sl_segment_release(segment);
}

/* ---- life ---- */

void sl_buffer_init(struct sl_buffer *buffer, struct sl_pool *pool,
                    size_t max_size)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->pool = pool;
    buffer->max_size = max_size;
    buffer->slices = buffer->inline_slices;
    buffer->capacity = SL_BUFFER_INLINE_SLICES;
}

void sl_buffer_reset(struct sl_buffer *buffer)
{
    if (buffer->reserved != 0)
        sl_buffer_commit(buffer, 0);
    while (buffer->count != 0)
        pop_front(buffer);
    buffer->length = 0;
    ring_free(buffer);
}

void sl_buffer_fini(struct sl_buffer *buffer)
{
    sl_buffer_reset(buffer);
}

/* ---- room ---- */

/* What may be written behind the tail slice. Bytes beyond `filled` belong to
 * whoever's range ends there, unless something has pinned the segment. */
static size_t tail_room(const struct sl_buffer *buffer)
{
    const struct sl_slice *tail;
    const struct sl_segment *segment;

    if (buffer->count == 0)
        return 0;
    tail = tail_of(buffer);
    segment = tail->segment;
    if (segment->pins != 0 ||
        tail->data + tail->size != segment->data + segment->filled)
        return 0;
    return segment->capacity - segment->filled;
}

static size_t limit_room(const struct sl_buffer *buffer)
{
    return buffer->max_size - buffer->length;
}

static void extend_tail(struct sl_buffer *buffer, size_t size)
{
    struct sl_slice *tail = tail_of(buffer);

    tail->size += size;
    tail->segment->filled += size;
    buffer->length += size;
}

static char *tail_end(const struct sl_buffer *buffer)
{
    const struct sl_slice *tail = tail_of(buffer);

    return tail->data + tail->size;
}

static void reserve_tail(struct sl_buffer *buffer, size_t size)
{
    /* Another buffer may show the same range: it must not write there too. */
    sl_segment_pin(tail_of(buffer)->segment);
    buffer->reserved_tail = size;
    buffer->reserved += size;
}

static void release_chain(struct sl_segment *segment)
{
    while (segment != NULL) {
        struct sl_segment *next = segment->next;

        segment->next = NULL;
        sl_segment_release(segment);
        segment = next;
    }
}

enum sl_status sl_buffer_reserve(struct sl_buffer *buffer, size_t at_least,
                                 struct sl_room *room)
{
    struct sl_pool *pool = buffer->pool;
    size_t limit = limit_room(buffer);
    size_t here = tail_room(buffer);
    struct sl_segment *fresh;
    enum sl_status status;

    sl_assert(buffer->reserved == 0);
    sl_check(is_sound(buffer));
    if (at_least == 0)
        at_least = 1;
    if (at_least > limit)
        return SL_LIMIT;
    if (here >= at_least) {
        room->data = tail_end(buffer);
        room->size = here < limit ? here : limit;
        reserve_tail(buffer, room->size);
        return SL_OK;
    }
    status = ring_ensure(buffer, 1);
    if (status == SL_OK)
        status = at_least <= pool->options.segment_size
                     ? sl_pool_rent(pool, &fresh)
                     : sl_pool_rent_block(pool, at_least, &fresh);
    if (status != SL_OK)
        return status;
    buffer->spare = fresh;
    room->data = fresh->data;
    room->size = fresh->capacity < limit ? fresh->capacity : limit;
    buffer->reserved = room->size;
    return SL_OK;
}

enum sl_status sl_buffer_reserve_many(struct sl_buffer *buffer, size_t want,
                                      struct sl_room *rooms, size_t *count)
{
    struct sl_segment **last = &buffer->spare;
    size_t limit = limit_room(buffer);
    size_t here = tail_room(buffer);
    size_t pieces = 0;
    enum sl_status status = SL_OK;

    sl_assert(buffer->reserved == 0 && *count > 0);
    sl_check(is_sound(buffer));
    if (limit == 0)
        return SL_LIMIT;
    if (want == 0)
        want = 1;
    if (want > limit)
        want = limit;
    /* A single piece should not be a remnant; leaving up to an eighth of a
     * segment is within the bound. */
    if (*count == 1 && here < want && here > 0 &&
        here <= tail_of(buffer)->segment->capacity / 8)
        here = 0;
    if (here > 0) {
        rooms[0].data = tail_end(buffer);
        rooms[0].size = here < limit ? here : limit;
        reserve_tail(buffer, rooms[0].size);
        pieces = 1;
    }
    while (pieces < *count && buffer->reserved < want) {
        struct sl_segment *fresh;
        size_t left = limit - buffer->reserved;

        status = ring_ensure(buffer, pieces + 1);
        if (status == SL_OK)
            status = sl_pool_rent(buffer->pool, &fresh);
        if (status != SL_OK)
            break;
        *last = fresh;
        last = &fresh->next;
        rooms[pieces].data = fresh->data;
        rooms[pieces].size = fresh->capacity < left ? fresh->capacity : left;
        buffer->reserved += rooms[pieces].size;
        pieces++;
    }
    if (pieces == 0)
        return status;
    *count = pieces;
    return SL_OK;
}

void sl_buffer_commit(struct sl_buffer *buffer, size_t count)
{
    struct sl_segment *fresh = buffer->spare;
    size_t here = count < buffer->reserved_tail ? count : buffer->reserved_tail;

    sl_assert(count <= buffer->reserved);
    if (buffer->reserved_tail != 0) {
        tail_of(buffer)->segment->pins--;
        extend_tail(buffer, here);
        if (tail_of(buffer)->size == 0) /* consumed meanwhile */
            pop_tail(buffer);
        count -= here;
    }
    buffer->reserved = buffer->reserved_tail = 0;
    buffer->spare = NULL;
    while (fresh != NULL && count > 0) {
        struct sl_segment *next = fresh->next;

        here = count < fresh->capacity ? count : fresh->capacity;
        fresh->next = NULL;
        fresh->filled = here;
        push(buffer, fresh, fresh->data, here);
        buffer->length += here;
        count -= here;
        fresh = next;
    }
    release_chain(fresh);
    sl_check(is_sound(buffer));
}

/* ---- appending ---- */

/* Rents segments for `size` bytes more than the tail has room for, as a chain;
 * makes sure of their slots in the ring. */
static enum sl_status rent_chain(struct sl_buffer *buffer, size_t size,
                                 struct sl_segment **chain)
{
    size_t unit = buffer->pool->options.segment_size;
    struct sl_segment **last = chain;
    enum sl_status status;

    *chain = NULL;
    status = ring_ensure(buffer, size / unit + 1);
    while (status == SL_OK) {
        status = sl_pool_rent(buffer->pool, last);
        if (status != SL_OK)
            break;
        last = &(*last)->next;
        if (size <= unit)
            return SL_OK;
        size -= unit;
    }
    release_chain(*chain);
    return status;
}

static void append_here(struct sl_buffer *buffer, const char *data, size_t size)
{
    memcpy(tail_end(buffer), data, size);
    extend_tail(buffer, size);
}

/* The limit is known to hold. */
static enum sl_status append(struct sl_buffer *buffer, const char *data,
                             size_t size)
{
    size_t here = tail_room(buffer);
    struct sl_segment *chain;
    enum sl_status status;

    if (size <= here) {
        append_here(buffer, data, size);
        return SL_OK;
    }
    status = rent_chain(buffer, size - here, &chain);
    if (status != SL_OK)
        return status;
    if (here > 0) {
        append_here(buffer, data, here);
        data += here;
        size -= here;
    }
    while (chain != NULL) {
        struct sl_segment *next = chain->next;

        here = size < chain->capacity ? size : chain->capacity;
        chain->next = NULL;
        push(buffer, chain, chain->data, 0);
        append_here(buffer, data, here);
        data += here;
        size -= here;
        chain = next;
    }
    return SL_OK;
}

enum sl_status sl_buffer_append(struct sl_buffer *buffer, struct sl_view bytes)
{
    enum sl_status status;

    sl_assert(buffer->reserved == 0);
    sl_check(is_sound(buffer));
    if (bytes.size == 0)
        return SL_OK;
    if (bytes.size > limit_room(buffer))
        return SL_LIMIT;
    status = append(buffer, bytes.data, bytes.size);
    sl_check(is_sound(buffer));
    return status;
}

/* ---- linking ---- */

/* The limit is known to hold and `size` is not 0. */
static enum sl_status link_range(struct sl_buffer *buffer,
                                 struct sl_segment *segment, char *data,
                                 size_t size)
{
    enum sl_status status;
    size_t here;

    if (buffer->count != 0) {
        struct sl_slice *tail = tail_of(buffer);

        if (tail->segment == segment && tail->data + tail->size == data) {
            tail->size += size;
            buffer->length += size;
            return SL_OK;
        }
        if (size < FEW)
            return append(buffer, data, size);
    }
    here = tail_room(buffer);
    status = ring_ensure(buffer, 1);
    if (status != SL_OK)
        return status;
    if (here > 0 && here > tail_of(buffer)->segment->capacity / 8) {
        if (here > size)
            here = size;
        append_here(buffer, data, here);
        data += here;
        size -= here;
        if (size == 0)
            return SL_OK;
    }
    sl_segment_retain(segment);
    push(buffer, segment, data, size);
    buffer->length += size;
    return SL_OK;
}

enum sl_status sl_buffer_link(struct sl_buffer *buffer,
                              struct sl_segment *segment, char *data,
                              size_t size)
{
    enum sl_status status;

    sl_assert(buffer->reserved == 0);
    sl_check(is_sound(buffer));
    if (size == 0)
        return SL_OK;
    if (size > limit_room(buffer))
        return SL_LIMIT;
    status = link_range(buffer, segment, data, size);
    sl_check(is_sound(buffer));
    return status;
}

enum sl_status sl_buffer_move(struct sl_buffer *buffer, struct sl_buffer *from,
                              size_t size)
{
    sl_assert(buffer->reserved == 0 && size <= from->length && buffer != from);
    sl_check(is_sound(buffer));
    if (size > limit_room(buffer))
        return SL_LIMIT;
    while (size > 0) {
        struct sl_slice front = *slice_at(from, 0);
        size_t here = front.size < size ? front.size : size;
        enum sl_status status =
            link_range(buffer, front.segment, front.data, here);

        if (status != SL_OK)
            return status;
        sl_buffer_consume(from, here);
        size -= here;
    }
    sl_check(is_sound(buffer));
    return SL_OK;
}

enum sl_status sl_buffer_take(struct sl_buffer *buffer, struct sl_buffer *from)
{
    return sl_buffer_move(buffer, from, from->length);
}

/* ---- reading ---- */

struct sl_view sl_buffer_peek(const struct sl_buffer *buffer)
{
    const struct sl_slice *front;

    if (buffer->count == 0)
        return sl_view(NULL, 0);
    front = slice_at(buffer, 0);
    return sl_view(front->data, front->size);
}

struct sl_slice sl_buffer_front(const struct sl_buffer *buffer)
{
    struct sl_slice none = {NULL, NULL, 0};

    return buffer->count == 0 ? none : *slice_at(buffer, 0);
}

void sl_buffer_consume(struct sl_buffer *buffer, size_t size)
{
    sl_assert(size <= buffer->length);
    buffer->length -= size;
    while (size > 0) {
        struct sl_slice *front = slice_at(buffer, 0);

        if (size < front->size ||
            (buffer->reserved_tail != 0 && buffer->count == 1)) {
            front->data += size;
            front->size -= size;
            break;
        }
        size -= front->size;
        pop_front(buffer);
    }
    sl_check(is_sound(buffer));
}

size_t sl_buffer_copy_out(const struct sl_buffer *buffer, size_t offset,
                          char *to, size_t size)
{
    size_t copied = 0;

    for (uint32_t i = 0; i < buffer->count && copied < size; i++) {
        const struct sl_slice *slice = slice_at(buffer, i);
        size_t here;

        if (offset >= slice->size) {
            offset -= slice->size;
            continue;
        }
        here = slice->size - offset;
        if (here > size - copied)
            here = size - copied;
        memcpy(to + copied, slice->data + offset, here);
        copied += here;
        offset = 0;
    }
    return copied;
}

enum sl_status sl_buffer_gather(struct sl_buffer *buffer, size_t size,
                                struct sl_view *view)
{
    struct sl_segment *block;
    enum sl_status status;

    sl_assert(size <= buffer->length);
    sl_check(is_sound(buffer));
    *view = sl_buffer_peek(buffer);
    if (view->size >= size)
        return SL_OK;
    status = sl_pool_rent_block(buffer->pool, size, &block);
    if (status != SL_OK)
        return status;
    block->filled = sl_buffer_copy_out(buffer, 0, block->data, size);
    /* It spans two slices at least, so that a slot is free in front. */
    sl_buffer_consume(buffer, size);
    buffer->first = (buffer->first - 1) & (buffer->capacity - 1);
    buffer->count++;
    *slice_at(buffer, 0) = (struct sl_slice){block, block->data, size};
    buffer->length += size;
    *view = sl_view(block->data, size);
    sl_check(is_sound(buffer));
    return SL_OK;
}

/* Replaces slices [index, index + count), which hold `size` bytes, by a block
 * when that is smaller than `cost`. */
static bool compact_range(struct sl_buffer *buffer, uint32_t index,
                          uint32_t count, size_t size, size_t cost)
{
    struct sl_segment *block;

    if (sl_pool_rent_block(buffer->pool, size, &block) != SL_OK)
        return false;
    if (block->capacity >= cost) {
        sl_segment_release(block);
        return false;
    }
    for (uint32_t i = index; i < index + count; i++) {
        struct sl_slice *slice = slice_at(buffer, i);

        memcpy(block->data + block->filled, slice->data, slice->size);
        block->filled += slice->size;
        sl_segment_release(slice->segment);
    }
    *slice_at(buffer, index) = (struct sl_slice){block, block->data, size};
    for (uint32_t i = index + count; i < buffer->count; i++)
        *slice_at(buffer, i - count + 1) = *slice_at(buffer, i);
    buffer->count -= count - 1;
    return true;
}

void sl_buffer_compact(struct sl_buffer *buffer)
{
    sl_assert(buffer->reserved == 0);
    for (uint32_t i = 0; i < buffer->count; i++) {
        struct sl_segment *segment = slice_at(buffer, i)->segment;
        uint32_t count = 1;
        size_t size = slice_at(buffer, i)->size;

        while (i + count < buffer->count &&
               slice_at(buffer, i + count)->segment == segment)
            size += slice_at(buffer, i + count++)->size;
        if (size > segment->capacity / 2 ||
            !compact_range(buffer, i, count, size, segment->capacity))
            i += count - 1;
    }
    sl_check(is_sound(buffer));
}
