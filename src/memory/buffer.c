#include "memory/buffer.h"

#include "memory/join.h"

#include <string.h>

/* Groups of that many segments are what a pool finds whole again: 64 KiB, the
 * size of pieces. */
#define MOST_IN_RUN ((size_t)4)

/* From that many on, as many bytes as such a group has become one segment: a
 * large body has fewer links then, each of which costs time when it is shown or
 * released. */
#define MUCH ((size_t)64)

/* The most slices for which a reset buffer keeps its ring: it will be as full
 * again. */
#define KEPT_SLICES 16

bool sl_buffer_is_valid(const struct sl_buffer *buffer)
{
    size_t length = 0;
    size_t cost = 0;

    if ((buffer->capacity & (buffer->capacity - 1)) != 0 ||
        buffer->count > buffer->capacity || buffer->length > buffer->max_size ||
        buffer->reserved_tail > buffer->reserved ||
        (buffer->spare != NULL && buffer->reserved == 0))
        return false;
    for (uint32_t i = 0; i < buffer->count; i++) {
        const struct sl_slice *slice = sl_slices_at(buffer, i);
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
        if (sl_slices_begins_run(buffer, i))
            cost += segment->capacity;
    }
    return length == buffer->length && cost == buffer->cost &&
           (buffer->count != 0 || buffer->head_consumed == 0);
}

/* The full check of a long buffer before and after each call would make every
 * heavy test quadratic. */
static inline bool is_sound(const struct sl_buffer *buffer)
{
    return buffer->count > 64 || sl_buffer_is_valid(buffer);
}

/* ---- life ---- */

void sl_buffer_reset(struct sl_buffer *buffer)
{
    if (buffer->reserved != 0)
        sl_buffer_commit(buffer, 0);
    for (uint32_t i = 0; i < buffer->count; i++)
        sl_segment_release(sl_slices_at(buffer, i)->segment);
    buffer->length = buffer->cost = buffer->head_consumed = 0;
    buffer->first = buffer->count = 0;
    if (buffer->capacity > KEPT_SLICES)
        sl_slices_free(buffer);
}

void sl_buffer_forget(struct sl_buffer *buffer)
{
    sl_assert(buffer->reserved == 0);
    buffer->first = buffer->count = 0;
    buffer->length = buffer->cost = buffer->head_consumed = 0;
}

void sl_buffer_fini(struct sl_buffer *buffer)
{
    sl_buffer_reset(buffer);
    sl_slices_free(buffer);
}

/* ---- room ---- */

static inline size_t limit_room(const struct sl_buffer *buffer)
{
    return buffer->max_size - buffer->length;
}

/* The room behind the tail slice, as much of it as can be reserved at once. */
static inline size_t tail_room(const struct sl_buffer *buffer)
{
    size_t room = sl_slices_room(buffer);

    return room < UINT32_MAX ? room : UINT32_MAX;
}

static inline void reserve_tail(struct sl_buffer *buffer, size_t size)
{
    /* Another buffer may show the same range: it must not write there too. */
    sl_segment_pin(sl_slices_tail(buffer)->segment);
    buffer->reserved_tail = (uint32_t)size;
    buffer->reserved += size;
}

static inline void reserve_fresh(struct sl_buffer *buffer,
                                 struct sl_segment *fresh, size_t limit,
                                 struct sl_room *room)
{
    buffer->spare = fresh;
    room->data = fresh->data;
    room->size = fresh->capacity < limit ? fresh->capacity : limit;
    buffer->reserved = room->size;
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
        room->data = sl_slices_end(buffer);
        room->size = here < limit ? here : limit;
        reserve_tail(buffer, room->size);
        return SL_OK;
    }
    status = sl_slices_ensure(buffer, 1);
    if (status == SL_OK)
        status = at_least <= pool->options.segment_size
                     ? sl_pool_rent(pool, &fresh)
                     : sl_pool_rent_block(pool, at_least, &fresh);
    if (status == SL_OK)
        reserve_fresh(buffer, fresh, limit, room);
    return status;
}

enum sl_status sl_buffer_reserve_fitting(struct sl_buffer *buffer, size_t size,
                                         struct sl_room *room)
{
    struct sl_segment *fresh;
    enum sl_status status;

    sl_assert(buffer->count == 0 && buffer->reserved == 0 && size > 0);
    if (size > buffer->max_size)
        return SL_LIMIT;
    status = sl_pool_rent_block(buffer->pool, size, &fresh);
    if (status == SL_OK)
        reserve_fresh(buffer, fresh, size, room);
    return status;
}

/* Rents segments for `size` bytes, up to `most`, or a part of them. Where they
 * lie side by side a gather is no copy, and the kernel has one piece to
 * fill. */
static enum sl_status rent_run(struct sl_pool *pool, size_t size, size_t most,
                               struct sl_segment **run)
{
    size_t unit = pool->options.segment_size;
    size_t count = (size - 1) / unit + 1;

    if (count > most)
        count = most;
    return sl_pool_rent_run(pool, count < MOST_IN_RUN ? count : MOST_IN_RUN,
                            run);
}

enum sl_status sl_buffer_reserve_many(struct sl_buffer *buffer, size_t want,
                                      struct sl_room *rooms, size_t *count)
{
    struct sl_segment **last = &buffer->spare;
    struct sl_segment *run = NULL;
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
        here <= sl_slices_tail(buffer)->segment->capacity / 8)
        here = 0;
    if (here > 0) {
        rooms[0].data = sl_slices_end(buffer);
        rooms[0].size = here < limit ? here : limit;
        reserve_tail(buffer, rooms[0].size);
        pieces = 1;
    }
    while (pieces < *count && buffer->reserved < want) {
        struct sl_segment *fresh;
        size_t left = limit - buffer->reserved;

        status =
            sl_slices_ensure(buffer, pieces - (buffer->reserved_tail != 0) + 1);
        if (status == SL_OK && run == NULL)
            status = rent_run(buffer->pool, want - buffer->reserved,
                              *count - pieces, &run);
        if (status != SL_OK)
            break;
        fresh = run;
        run = fresh->next;
        fresh->next = NULL;
        *last = fresh;
        last = &fresh->next;
        rooms[pieces].data = fresh->data;
        rooms[pieces].size = fresh->capacity < left ? fresh->capacity : left;
        buffer->reserved += rooms[pieces].size;
        pieces++;
    }
    sl_segment_release_chain(run);
    if (pieces == 0)
        return status;
    *count = pieces;
    return SL_OK;
}

/* Whether the slice is all of a full segment with no other holder. */
static inline bool is_whole(const struct sl_slice *slice)
{
    const struct sl_segment *segment = slice->segment;

    return slice->size == segment->capacity && segment->refs == 1 &&
           segment->pins == 0;
}

void sl_buffer_fuse(struct sl_buffer *buffer, size_t count)
{
    size_t unit = buffer->pool->options.segment_size;
    uint32_t kept, i;

    if (buffer->length < MUCH * unit)
        return;
    if (count > buffer->count - 1)
        count = buffer->count - 1;
    kept = buffer->count - (uint32_t)count - 1;
    for (i = kept + 1; i < buffer->count; i++) {
        struct sl_slice *last = sl_slices_at(buffer, kept);
        const struct sl_slice *next = sl_slices_at(buffer, i);

        if (is_whole(last) && is_whole(next) &&
            last->size + next->size <= MOST_IN_RUN * unit &&
            sl_segment_fuse(last->segment, next->segment))
            last->size = last->segment->capacity;
        else
            *sl_slices_at(buffer, ++kept) = *next;
    }
    buffer->count = kept + 1;
    sl_check(is_sound(buffer));
}

void sl_buffer_commit(struct sl_buffer *buffer, size_t count)
{
    struct sl_segment *fresh = buffer->spare;
    uint32_t before;
    size_t here = count < buffer->reserved_tail ? count : buffer->reserved_tail;

    sl_assert(count <= buffer->reserved);
    if (buffer->reserved_tail != 0) {
        sl_slices_tail(buffer)->segment->pins--;
        sl_slices_extend(buffer, here);
        if (sl_slices_tail(buffer)->size == 0) /* consumed meanwhile */
            sl_slices_pop_tail(buffer);
        count -= here;
    }
    buffer->reserved = 0;
    buffer->reserved_tail = 0;
    buffer->spare = NULL;
    before = buffer->count;
    while (count > 0) {
        struct sl_segment *next = fresh->next;
        uint32_t slots = 0;

        here = count < fresh->capacity ? count : fresh->capacity;
        count -= here;
        for (size_t left = count; left > 0; slots++) /* all are of one size */
            left -= left < fresh->capacity ? left : fresh->capacity;
        fresh->next = NULL;
        sl_join_fresh(buffer, fresh, here, slots);
        fresh = next;
    }
    sl_segment_release_chain(fresh);
    /* The slice before may have become full. */
    if (buffer->count > before)
        sl_buffer_fuse(buffer, buffer->count - before + 1);
    sl_check(is_sound(buffer));
}

/* ---- appending ---- */

enum sl_status sl_buffer_append(struct sl_buffer *buffer, struct sl_view bytes)
{
    enum sl_status status;

    sl_assert(buffer->reserved == 0);
    sl_check(is_sound(buffer));
    if (bytes.size > limit_room(buffer))
        return SL_LIMIT;
    if (bytes.size == 0)
        return SL_OK;
    status = sl_join_bytes(buffer, bytes.data, bytes.size);
    sl_check(is_sound(buffer));
    return status;
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
    status = sl_join_range(buffer, segment, data, size);
    sl_check(is_sound(buffer));
    return status;
}

/* The way of a tiny chunk: it is copied into the tail's room. */
static inline bool move_tiny(struct sl_buffer *buffer, struct sl_buffer *from,
                             size_t size)
{
    const struct sl_slice *front = sl_slices_at(from, 0);
    size_t room = sl_slices_room(buffer);

    if (from->count == 0 || size == 0 || size >= front->size || size > room ||
        size > 64 || sl_slices_end(buffer) == front->data)
        return false;
    if (size <= 16 && front->size >= 16 && room >= 16) {
        memcpy(sl_slices_end(buffer), front->data, 16);
        sl_slices_extend(buffer, size);
    } else {
        sl_slices_write(buffer, front->data, size);
    }
    sl_buffer_consume(from, size);
    return true;
}

enum sl_status sl_buffer_move(struct sl_buffer *buffer, struct sl_buffer *from,
                              size_t size)
{
    sl_assert(buffer->reserved == 0 && size <= from->length && buffer != from);
    sl_check(is_sound(buffer));
    if (size > limit_room(buffer))
        return SL_LIMIT;
    if (move_tiny(buffer, from, size))
        return SL_OK;
    while (size > 0) {
        const struct sl_slice front = *sl_slices_at(from, 0);
        size_t here = front.size < size ? front.size : size;
        enum sl_status status =
            sl_join_range(buffer, front.segment, front.data, here);

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
    sl_assert(buffer->reserved == 0 && from->reserved == 0 && buffer != from);
    if (buffer->count != 0 || buffer->pool != from->pool)
        return sl_buffer_move(buffer, from, from->length);
    if (from->length > buffer->max_size)
        return SL_LIMIT;
    sl_slices_swap(buffer, from);
    buffer->length = from->length;
    buffer->cost = from->cost;
    buffer->head_consumed = from->head_consumed;
    from->length = from->cost = from->head_consumed = 0;
    sl_check(is_sound(buffer) && is_sound(from));
    return SL_OK;
}

/* ---- reading ---- */

void sl_buffer_consume_slices(struct sl_buffer *buffer, size_t size)
{
    sl_assert(size <= buffer->length);
    buffer->length -= size;
    while (size > 0) {
        struct sl_slice *front = sl_slices_at(buffer, 0);

        if (size < front->size ||
            (buffer->reserved_tail != 0 && buffer->count == 1)) {
            front->data += size;
            front->size -= size;
            buffer->head_consumed += size;
            break;
        }
        size -= front->size;
        sl_slices_pop_front(buffer);
    }
    sl_check(is_sound(buffer));
}

size_t sl_buffer_copy_out(const struct sl_buffer *buffer, size_t offset,
                          char *to, size_t size)
{
    size_t copied = 0;

    for (uint32_t i = 0; i < buffer->count && copied < size; i++) {
        const struct sl_slice *slice = sl_slices_at(buffer, i);
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

struct sl_view sl_buffer_at(const struct sl_buffer *buffer, size_t offset)
{
    size_t start = 0;
    uint32_t index = 0;
    const struct sl_slice *slice;

    sl_assert(offset <= buffer->length);
    if (offset >= buffer->length)
        return sl_view(NULL, 0);
    if (offset > buffer->length / 2) {
        start = buffer->length;
        for (index = buffer->count; start > offset;)
            start -= sl_slices_at(buffer, --index)->size;
    }
    slice = sl_slices_at(buffer, index);
    while (offset - start >= slice->size) {
        start += slice->size;
        slice = sl_slices_at(buffer, ++index);
    }
    offset -= start;
    return sl_view(slice->data + offset, slice->size - offset);
}

size_t sl_buffer_views(const struct sl_buffer *buffer, struct sl_view *views,
                       size_t count)
{
    size_t given = 0;

    while (given < count && given < buffer->count) {
        const struct sl_slice *slice = sl_slices_at(buffer, (uint32_t)given);

        views[given++] = sl_view(slice->data, slice->size);
    }
    return given;
}

/* The bytes of slices that lie side by side from the head on, until there are
 * `size`. */
static size_t adjoining(const struct sl_buffer *buffer, size_t size)
{
    const char *end = NULL;
    size_t length = 0;

    for (uint32_t i = 0; i < buffer->count && length < size; i++) {
        const struct sl_slice *slice = sl_slices_at(buffer, i);

        if (i > 0 && slice->data != end)
            break;
        length += slice->size;
        end = slice->data + slice->size;
    }
    return length;
}

struct sl_view sl_buffer_peek_run(const struct sl_buffer *buffer)
{
    struct sl_view view = sl_buffer_peek(buffer);

    view.size = adjoining(buffer, SIZE_MAX);
    return view;
}

enum sl_status sl_buffer_gather(struct sl_buffer *buffer, size_t size,
                                struct sl_view *view)
{
    struct sl_segment *block;
    enum sl_status status;

    sl_assert(size <= buffer->length);
    sl_check(is_sound(buffer));
    *view = sl_buffer_peek(buffer);
    if (view->size < size)
        view->size = adjoining(buffer, size);
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
    *sl_slices_at(buffer, 0) = (struct sl_slice){block, block->data, size};
    buffer->length += size;
    buffer->cost += block->capacity;
    /* The reader asked for this copy: its cost is not our waste. */
    buffer->head_consumed += block->capacity - size;
    *view = sl_view(block->data, size);
    sl_check(is_sound(buffer));
    return SL_OK;
}

/* Replaces slices [index, index + count), a run of `size` bytes, by a block
 * when that is smaller than their segment. */
static bool compact_run(struct sl_buffer *buffer, uint32_t index,
                        uint32_t count, size_t size)
{
    size_t capacity = sl_slices_at(buffer, index)->segment->capacity;
    struct sl_segment *block;

    if (sl_pool_block_capacity(size) >= capacity ||
        sl_pool_rent_block(buffer->pool, size, &block) != SL_OK)
        return false;
    for (uint32_t i = index; i < index + count; i++) {
        const struct sl_slice *slice = sl_slices_at(buffer, i);

        memcpy(block->data + block->filled, slice->data, slice->size);
        block->filled += slice->size;
        sl_segment_release(slice->segment);
    }
    *sl_slices_at(buffer, index) = (struct sl_slice){block, block->data, size};
    for (uint32_t i = index + count; i < buffer->count; i++)
        *sl_slices_at(buffer, i - count + 1) = *sl_slices_at(buffer, i);
    buffer->count -= count - 1;
    buffer->cost -= capacity - block->capacity;
    if (index == 0)
        buffer->head_consumed = 0;
    return true;
}

void sl_buffer_compact(struct sl_buffer *buffer)
{
    uint32_t index = 0;

    sl_assert(buffer->reserved == 0);
    while (index < buffer->count) {
        const struct sl_segment *segment = sl_slices_at(buffer, index)->segment;
        uint32_t count = 0;
        size_t size = 0;

        while (index + count < buffer->count &&
               sl_slices_at(buffer, index + count)->segment == segment)
            size += sl_slices_at(buffer, index + count++)->size;
        if (size <= segment->capacity / 2 &&
            compact_run(buffer, index, count, size))
            count = 1;
        index += count;
    }
    sl_check(is_sound(buffer));
}
