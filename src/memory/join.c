#include "memory/join.h"

static inline bool is_dense(size_t size, size_t capacity)
{
    return size >= capacity - capacity / 5;
}

/* The bytes of segments that may be held when `more` bytes are added. */
static inline size_t budget(const struct sl_buffer *buffer, size_t more)
{
    size_t arrived = buffer->length + buffer->head_consumed + more;

    return arrived + arrived / 4 + buffer->pool->options.segment_size;
}

/* Whether `size` bytes may follow in another segment of `capacity`. A segment
 * larger than the standard must be worth its own cost: the budget may be spent
 * on one wasteful standard segment. */
static inline bool is_affordable(const struct sl_buffer *buffer,
                                 size_t capacity, size_t size)
{
    return buffer->cost + capacity <= budget(buffer, size) &&
           (capacity <= buffer->pool->options.segment_size ||
            is_dense(size, capacity));
}

/* The room at the tail, if it is more than an eighth and must not be left. */
static inline size_t precious_room(const struct sl_buffer *buffer)
{
    size_t room = sl_slices_room(buffer);

    return room > 0 && room > sl_slices_tail(buffer)->segment->capacity / 8
               ? room
               : 0;
}

/* Rents segments for `size` bytes within the budget, as a chain, and makes sure
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
        status = sl_slices_ensure(buffer, slots);
    if (status == SL_OK)
        return SL_OK;
    sl_segment_release_chain(*chain);
    return status;
}

/* Copies all of `data` into the chain and appends that. */
static void append_chain(struct sl_buffer *buffer, struct sl_segment *chain,
                         const char *data, size_t size)
{
    while (size > 0) {
        struct sl_segment *next = chain->next;
        size_t here = size < chain->capacity ? size : chain->capacity;

        chain->next = NULL;
        sl_slices_push(buffer, chain, chain->data, 0);
        sl_slices_write(buffer, data, here);
        data += here;
        size -= here;
        chain = next;
    }
}

/* Copies the `count` slices from `index` on, the last ones, into the chain and
 * releases them. The ring has room for both. */
static void move_run(struct sl_buffer *buffer, uint32_t index, uint32_t count,
                     struct sl_segment *chain)
{
    for (uint32_t i = index; i < index + count; i++) {
        const struct sl_slice from = *sl_slices_at(buffer, i);
        size_t done = 0;

        while (done < from.size) {
            size_t here =
                buffer->count > index + count ? sl_slices_room(buffer) : 0;

            if (here == 0) {
                struct sl_segment *next;

                sl_assert(chain != NULL);
                next = chain->next;
                chain->next = NULL;
                sl_slices_push(buffer, chain, chain->data, 0);
                here = chain->capacity;
                chain = next;
            }
            if (here > from.size - done)
                here = from.size - done;
            sl_slices_write(buffer, from.data + done, here);
            done += here;
        }
        sl_segment_release(from.segment);
    }
    for (uint32_t i = index + count; i < buffer->count; i++)
        *sl_slices_at(buffer, i - count) = *sl_slices_at(buffer, i);
    buffer->count -= count;
}

/* Settles the tail before bytes of another segment follow, of which `here` will
 * be copied to its room. Leaves `slots` in the ring, or everything as it was
 * when there is no memory. */
static void settle_tail(struct sl_buffer *buffer, size_t here, uint32_t slots)
{
    struct sl_segment *segment, *chain;
    uint32_t index = buffer->count;
    size_t size = 0;

    if (index == 0)
        return;
    segment = sl_slices_tail(buffer)->segment;
    while (index > 0 && sl_slices_at(buffer, index - 1)->segment == segment) {
        size += sl_slices_at(buffer, --index)->size;
        if (is_dense(size + here, segment->capacity))
            return;
    }
    if (index == 0) /* the head run: the caller may hold a view of it */
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

/* As sl_join_bytes. Leaves `slots` in the ring; if they were there before, also
 * when it fails. */
static enum sl_status copy_bytes(struct sl_buffer *buffer, const char *data,
                                 size_t size, uint32_t slots)
{
    size_t here = sl_slices_room(buffer);
    struct sl_segment *chain;
    enum sl_status status;

    if (size <= here) {
        sl_slices_write(buffer, data, size);
        return SL_OK;
    }
    settle_tail(buffer, here, slots);
    here = sl_slices_room(buffer);
    if (here > size)
        here = size;
    status = rent_chain(buffer, size - here, slots, &chain);
    if (status != SL_OK)
        return status;
    if (here > 0)
        sl_slices_write(buffer, data, here);
    append_chain(buffer, chain, data + here, size - here);
    return SL_OK;
}

enum sl_status sl_join_bytes(struct sl_buffer *buffer, const char *data,
                             size_t size)
{
    return copy_bytes(buffer, data, size, 0);
}

void sl_join_fresh(struct sl_buffer *buffer, struct sl_segment *fresh,
                   size_t size, uint32_t slots)
{
    fresh->filled = size;
    if (buffer->cost != 0)
        settle_tail(buffer, 0, slots + 1);
    /* Copy when room was passed over or too little of the segment is used. The
     * copy may need more slots than the one that is there for it. */
    if ((precious_room(buffer) != 0 ||
         buffer->cost + fresh->capacity > budget(buffer, size)) &&
        copy_bytes(buffer, fresh->data, size, slots) == SL_OK)
        sl_segment_release(fresh);
    else
        sl_slices_push(buffer, fresh, fresh->data, size);
}

enum sl_status sl_join_other(struct sl_buffer *buffer,
                             struct sl_segment *segment, char *data,
                             size_t size)
{
    size_t here = 0;
    enum sl_status status;

    if (size < sl_join_few(buffer) &&
        (buffer->count == 0 || size <= sl_slices_room(buffer) ||
         sl_slices_tail(buffer)->size < sl_join_few(buffer)))
        return sl_join_bytes(buffer, data, size);
    if (buffer->count == 0 || sl_slices_tail(buffer)->segment != segment) {
        settle_tail(buffer, precious_room(buffer), 0);
        here = precious_room(buffer);
        if ((here > 0 && (size <= here || size - here < sl_join_few(buffer))) ||
            !is_affordable(buffer, segment->capacity, size - here))
            return sl_join_bytes(buffer, data, size);
    }
    status = sl_slices_ensure(buffer, 1);
    if (status != SL_OK)
        return status;
    if (here > 0)
        sl_slices_write(buffer, data, here);
    sl_segment_retain(segment);
    sl_slices_push(buffer, segment, data + here, size - here);
    return SL_OK;
}
