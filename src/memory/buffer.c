#include "memory/buffer.h"

#include <string.h>

static inline struct sl_slice *slice_at(const struct sl_buffer *buffer,
                                        uint32_t index)
{
    return &buffer->slices[(buffer->first + index) & (buffer->capacity - 1)];
}

static inline struct sl_slice *tail_of(const struct sl_buffer *buffer)
{
    return slice_at(buffer, buffer->count - 1);
}

/* Slices of one segment that stand together count it once. */
static inline bool begins_run(const struct sl_buffer *buffer, uint32_t index)
{
    return index == 0 || slice_at(buffer, index)->segment !=
                             slice_at(buffer, index - 1)->segment;
}

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
        if (begins_run(buffer, i))
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

/* ---- the ring ---- */

static inline enum sl_status ring_ensure(struct sl_buffer *buffer, size_t more)
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

/* Moves all slices of `from` to `to`, which has none; the larger ring stays in
 * use by one of them. */
static void ring_swap(struct sl_buffer *to, struct sl_buffer *from)
{
    struct sl_slice *slices = to->slices;
    uint32_t capacity = to->capacity;

    to->slices = from->slices;
    if (from->slices == from->inline_slices) {
        memcpy(to->inline_slices, from->inline_slices,
               sizeof to->inline_slices);
        to->slices = to->inline_slices;
    }
    from->slices = slices == to->inline_slices ? from->inline_slices : slices;
    to->first = from->first;
    to->count = from->count;
    to->capacity = from->capacity;
    from->capacity = capacity;
    from->first = from->count = 0;
}

/* The reference is the caller's and moves into the ring, which has room. */
static inline void push(struct sl_buffer *buffer, struct sl_segment *segment,
                        char *data, size_t size)
{
    struct sl_slice *slice = slice_at(buffer, buffer->count++);

    slice->segment = segment;
    slice->data = data;
    slice->size = size;
    buffer->length += size;
    if (begins_run(buffer, buffer->count - 1))
        buffer->cost += segment->capacity;
}

/* The length is the caller's to adjust. */
static inline void pop_front(struct sl_buffer *buffer)
{
    const struct sl_slice *front = slice_at(buffer, 0);
    struct sl_segment *segment = front->segment;

    buffer->head_consumed += front->size;
    buffer->first = (buffer->first + 1) & (buffer->capacity - 1);
    buffer->count--;
    if (buffer->count == 0 || slice_at(buffer, 0)->segment != segment) {
        buffer->head_consumed = 0;
        buffer->cost -= segment->capacity;
    }
    sl_segment_release(segment);
}

static void pop_tail(struct sl_buffer *buffer)
{
    struct sl_segment *segment = tail_of(buffer)->segment;

    buffer->count--;
    if (buffer->count == 0 || tail_of(buffer)->segment != segment)
        buffer->cost -= segment->capacity;
    if (buffer->count == 0)
        buffer->head_consumed = 0;
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
    for (uint32_t i = 0; i < buffer->count; i++)
        sl_segment_release(slice_at(buffer, i)->segment);
    buffer->length = buffer->cost = buffer->head_consumed = 0;
    ring_free(buffer);
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
}

/* ---- room ---- */

/* What may be written behind the tail slice. Bytes beyond `filled` belong to
 * whoever's range ends there, unless something has pinned the segment. */
static inline size_t tail_room(const struct sl_buffer *buffer)
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

static inline size_t limit_room(const struct sl_buffer *buffer)
{
    return buffer->max_size - buffer->length;
}

static inline void extend_tail(struct sl_buffer *buffer, size_t size)
{
    struct sl_slice *tail = tail_of(buffer);

    tail->size += size;
    tail->segment->filled += size;
    buffer->length += size;
}

static inline char *tail_end(const struct sl_buffer *buffer)
{
    const struct sl_slice *tail = tail_of(buffer);

    return tail->data + tail->size;
}

static inline void reserve_tail(struct sl_buffer *buffer, size_t size)
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

        status = ring_ensure(buffer, pieces - (buffer->reserved_tail != 0) + 1);
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

struct sl_segment *sl_buffer_reserved_segment(const struct sl_buffer *buffer,
                                              size_t index)
{
    struct sl_segment *segment = buffer->spare;

    if (buffer->reserved_tail != 0 && index-- == 0)
        return tail_of(buffer)->segment;
    while (index-- > 0)
        segment = segment->next;
    return segment;
}

/* ---- the bound ----
 *
 * Slices of one segment that stand together are a run. A run is dense when it
 * shows four fifths of its segment. Only the head run, which may have been
 * peeked at and must not move, and the tail run, which may still grow, can be
 * other than dense: a tail run that is not gets copied together ("settled")
 * before anything of another segment follows it. Head and tail both may be
 * only while `cost` is within the budget; else new bytes come in small blocks.
 */

static inline bool is_dense(size_t size, size_t capacity)
{
    return size >= capacity - capacity / 5;
}

/* What may be spent when `more` bytes are added. */
static inline size_t budget(const struct sl_buffer *buffer, size_t more)
{
    size_t arrived = buffer->length + buffer->head_consumed + more;

    return arrived + arrived / 4 + buffer->pool->options.segment_size;
}

/* Whether `size` bytes may follow in another's segment of `capacity`. One larger
 * than the standard must be worth its own cost: the budget may be spent on one
 * wasteful standard segment. */
static inline bool is_affordable(const struct sl_buffer *buffer,
                                 size_t capacity, size_t size)
{
    return buffer->cost + capacity <= budget(buffer, size) &&
           (capacity <= buffer->pool->options.segment_size ||
            is_dense(size, capacity));
}

/* A range smaller than this costs less to copy than to keep in a slice, unless
 * such ranges are rare. */
static inline size_t few(const struct sl_buffer *buffer)
{
    size_t eighth = buffer->pool->options.segment_size / 8;

    return eighth < 512 ? eighth : 512;
}

/* The room that must not be left behind: that of more than an eighth. */
static inline size_t precious_room(const struct sl_buffer *buffer)
{
    size_t room = tail_room(buffer);

    return room > 0 && room > tail_of(buffer)->segment->capacity / 8 ? room : 0;
}

/* Rents what `size` bytes need within the budget, as a chain, and makes sure
 * of the slots in the ring. Standard segments, unless the head is wasteful. */
static enum sl_status rent_chain(struct sl_buffer *buffer, size_t size,
                                 uint32_t slots, struct sl_segment **chain)
{
    struct sl_pool *pool = buffer->pool;
    size_t unit = pool->options.segment_size;
    size_t left = budget(buffer, size);
    struct sl_segment **last = chain;
    enum sl_status status = SL_OK;

    *chain = NULL;
    left = left > buffer->cost ? left - buffer->cost : 0;
    while (size > 0 && status == SL_OK) {
        if (left >= unit)
            status = sl_pool_rent(pool, last);
        else if (left >= 512)
            status = sl_pool_rent_block(
                pool, (size_t)1 << (63 - __builtin_clzll(left)), last);
        else
            status = sl_pool_rent_exact(pool, left > size ? left : size, last);
        if (status == SL_OK) {
            size_t capacity = (*last)->capacity;

            left -= left < capacity ? left : capacity;
            size -= size < capacity ? size : capacity;
            last = &(*last)->next;
            slots++;
        }
    }
    if (status == SL_OK)
        status = ring_ensure(buffer, slots);
    if (status == SL_OK)
        return SL_OK;
    release_chain(*chain);
    return status;
}

static inline void append_here(struct sl_buffer *buffer, const char *data,
                               size_t size)
{
    memcpy(tail_end(buffer), data, size);
    extend_tail(buffer, size);
}

/* Copies all of `data` into the chain and appends that. */
static void append_chain(struct sl_buffer *buffer, struct sl_segment *chain,
                         const char *data, size_t size)
{
    while (size > 0) {
        struct sl_segment *next = chain->next;
        size_t here = size < chain->capacity ? size : chain->capacity;

        chain->next = NULL;
        push(buffer, chain, chain->data, 0);
        append_here(buffer, data, here);
        data += here;
        size -= here;
        chain = next;
    }
}

/* Copies the `count` slices from `index` on, the last ones, into the chain and
 * lets them go. The ring has room for both. */
static void move_run(struct sl_buffer *buffer, uint32_t index, uint32_t count,
                     struct sl_segment *chain)
{
    for (uint32_t i = index; i < index + count; i++) {
        const struct sl_slice from = *slice_at(buffer, i);
        size_t done = 0;

        while (done < from.size) {
            size_t here = buffer->count > index + count ? tail_room(buffer) : 0;

            if (here == 0) {
                struct sl_segment *next = chain->next;

                chain->next = NULL;
                push(buffer, chain, chain->data, 0);
                here = chain->capacity;
                chain = next;
            }
            if (here > from.size - done)
                here = from.size - done;
            append_here(buffer, from.data + done, here);
            done += here;
        }
        sl_segment_release(from.segment);
    }
    for (uint32_t i = index + count; i < buffer->count; i++)
        *slice_at(buffer, i - count) = *slice_at(buffer, i);
    buffer->count -= count;
}

/* Called before bytes that are not of the tail's segment follow, of which
 * `here` will be copied to its room. Leaves `slots` in the ring, or everything
 * as it was when there is no memory. */
static void settle_tail(struct sl_buffer *buffer, size_t here, uint32_t slots)
{
    struct sl_segment *segment, *chain;
    uint32_t index = buffer->count;
    size_t size = 0;

    if (index == 0)
        return;
    segment = tail_of(buffer)->segment;
    while (index > 0 && slice_at(buffer, index - 1)->segment == segment) {
        size += slice_at(buffer, --index)->size;
        if (is_dense(size + here, segment->capacity))
            return;
    }
    if (index == 0) /* the head run: somebody may be looking at it */
        return;
    buffer->cost -= segment->capacity;
    buffer->length -= size;
    if (rent_chain(buffer, size, slots, &chain) == SL_OK) {
        move_run(buffer, index, buffer->count - index, chain);
    } else {
        buffer->cost += segment->capacity;
        buffer->length += size;
    }
}

/* The limit is known to hold. All or nothing. */
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
    settle_tail(buffer, here, 0);
    here = tail_room(buffer);
    if (here > size)
        here = size;
    status = rent_chain(buffer, size - here, 0, &chain);
    if (status != SL_OK)
        return status;
    if (here > 0)
        append_here(buffer, data, here);
    append_chain(buffer, chain, data + here, size - here);
    return SL_OK;
}

enum sl_status sl_buffer_append(struct sl_buffer *buffer, struct sl_view bytes)
{
    enum sl_status status;

    sl_assert(buffer->reserved == 0);
    sl_check(is_sound(buffer));
    if (bytes.size > limit_room(buffer))
        return SL_LIMIT;
    if (bytes.size == 0)
        return SL_OK;
    status = append(buffer, bytes.data, bytes.size);
    sl_check(is_sound(buffer));
    return status;
}

/* Appends a fresh segment with `size` bytes in it; `slots` more may follow,
 * all of which the ring has. Cannot fail: without memory the bytes stay where
 * they are. */
static inline void append_fresh(struct sl_buffer *buffer,
                                struct sl_segment *fresh, size_t size,
                                uint32_t slots)
{
    fresh->filled = size;
    if (buffer->cost != 0)
        settle_tail(buffer, 0, slots + 1);
    /* Copy when room was passed over or too little of the segment is used. */
    if ((precious_room(buffer) != 0 ||
         buffer->cost + fresh->capacity > budget(buffer, size)) &&
        append(buffer, fresh->data, size) == SL_OK)
        sl_segment_release(fresh);
    else
        push(buffer, fresh, fresh->data, size);
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
    while (count > 0) {
        struct sl_segment *next = fresh->next;
        uint32_t slots = 0;

        here = count < fresh->capacity ? count : fresh->capacity;
        count -= here;
        for (size_t left = count; left > 0; slots++) /* all are of one size */
            left -= left < fresh->capacity ? left : fresh->capacity;
        fresh->next = NULL;
        append_fresh(buffer, fresh, here, slots);
        fresh = next;
    }
    release_chain(fresh);
    sl_check(is_sound(buffer));
}

/* ---- linking ---- */

/* Bytes that do not simply follow in the tail's own segment. */
static enum sl_status link_other(struct sl_buffer *buffer,
                                 struct sl_segment *segment, char *data,
                                 size_t size)
{
    size_t here = 0;
    enum sl_status status;

    if (size < few(buffer) &&
        (buffer->count == 0 || size <= tail_room(buffer) ||
         tail_of(buffer)->size < few(buffer)))
        return append(buffer, data, size);
    if (buffer->count == 0 || tail_of(buffer)->segment != segment) {
        settle_tail(buffer, precious_room(buffer), 0);
        here = precious_room(buffer);
        if ((here > 0 && size < here + few(buffer)) ||
            !is_affordable(buffer, segment->capacity, size - here))
            return append(buffer, data, size);
    }
    status = ring_ensure(buffer, 1);
    if (status != SL_OK)
        return status;
    if (here > 0)
        append_here(buffer, data, here);
    sl_segment_retain(segment);
    push(buffer, segment, data + here, size - here);
    return SL_OK;
}

/* The limit is known to hold and `size` is not 0. All or nothing. */
static inline enum sl_status link_range(struct sl_buffer *buffer,
                                        struct sl_segment *segment, char *data,
                                        size_t size)
{
    struct sl_slice *tail;

    if (buffer->count == 0)
        return link_other(buffer, segment, data, size);
    tail = tail_of(buffer);
    if (tail->segment != segment)
        return link_other(buffer, segment, data, size);
    if (tail->data + tail->size == data) {
        tail->size += size;
        buffer->length += size;
        return SL_OK;
    }
    if (size < few(buffer) || buffer->count == buffer->capacity)
        return link_other(buffer, segment, data, size);
    sl_segment_retain(segment);
    push(buffer, segment, data, size);
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

/* The way of a tiny chunk: into the tail's room. */
static inline bool move_tiny(struct sl_buffer *buffer, struct sl_buffer *from,
                             size_t size)
{
    const struct sl_slice *front = slice_at(from, 0);
    size_t room = tail_room(buffer);

    if (from->count == 0 || size == 0 || size >= front->size || size > room ||
        size > 64 || tail_end(buffer) == front->data)
        return false;
    if (size <= 16 && front->size >= 16 && room >= 16) {
        memcpy(tail_end(buffer), front->data, 16);
        extend_tail(buffer, size);
    } else {
        append_here(buffer, front->data, size);
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
        const struct sl_slice front = *slice_at(from, 0);
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
    sl_assert(buffer->reserved == 0 && from->reserved == 0 && buffer != from);
    if (buffer->count != 0 || buffer->pool != from->pool)
        return sl_buffer_move(buffer, from, from->length);
    if (from->length > buffer->max_size)
        return SL_LIMIT;
    ring_swap(buffer, from);
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
        struct sl_slice *front = slice_at(buffer, 0);

        if (size < front->size ||
            (buffer->reserved_tail != 0 && buffer->count == 1)) {
            front->data += size;
            front->size -= size;
            buffer->head_consumed += size;
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
    buffer->cost += block->capacity;
    /* The reader asked for this copy: what it costs is no waste of ours. */
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
    size_t capacity = slice_at(buffer, index)->segment->capacity;
    struct sl_segment *block;

    if (sl_pool_rent_block(buffer->pool, size, &block) != SL_OK)
        return false;
    if (block->capacity >= capacity) {
        sl_segment_release(block);
        return false;
    }
    for (uint32_t i = index; i < index + count; i++) {
        const struct sl_slice *slice = slice_at(buffer, i);

        memcpy(block->data + block->filled, slice->data, slice->size);
        block->filled += slice->size;
        sl_segment_release(slice->segment);
    }
    *slice_at(buffer, index) = (struct sl_slice){block, block->data, size};
    for (uint32_t i = index + count; i < buffer->count; i++)
        *slice_at(buffer, i - count + 1) = *slice_at(buffer, i);
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
        const struct sl_segment *segment = slice_at(buffer, index)->segment;
        uint32_t count = 0;
        size_t size = 0;

        while (index + count < buffer->count &&
               slice_at(buffer, index + count)->segment == segment)
            size += slice_at(buffer, index + count++)->size;
        if (size <= segment->capacity / 2 &&
            compact_run(buffer, index, count, size))
            count = 1;
        index += count;
    }
    sl_check(is_sound(buffer));
}
