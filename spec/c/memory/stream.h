/* spec/c/memory/stream.h - buffers filled with a stream of known bytes
 *
 * One pool at a time, over the allocator that counts and fails. Included by one
 * test program each.
 */
#ifndef SPEC_C_MEMORY_STREAM_H
#define SPEC_C_MEMORY_STREAM_H

#include <string.h>

#include "memory/buffer.h"
#include "spec/c/support/test.h"

static struct test_allocator allocator;
static struct sl_pool pool;

static inline void pool_open(size_t segment_size)
{
    const struct sl_pool_options options = {
        .segment_size = segment_size,
        .spare_limit = SIZE_MAX,
    };

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
}

static inline void pool_close(void)
{
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

/* Each byte of a stream is computed from its position. */
static inline char byte_at(size_t position)
{
    return (char)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

static inline void fill(char *to, size_t position, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = byte_at(position + i);
}

/* Whether the buffer holds the bytes from `position` on, `size` of them. */
static inline bool holds(const struct sl_buffer *buffer, size_t position,
                         size_t size)
{
    char piece[1000];
    size_t offset = 0;

    if (buffer->length != size || !sl_buffer_is_valid(buffer))
        return false;
    while (offset < size) {
        size_t got = sl_buffer_copy_out(buffer, offset, piece, sizeof piece);

        if (got == 0 || got > size - offset)
            return false;
        for (size_t i = 0; i < got; i++) {
            if (piece[i] != byte_at(position + offset + i))
                return false;
        }
        offset += got;
    }
    return sl_buffer_copy_out(buffer, size, piece, 1) == 0;
}

static inline enum sl_status append(struct sl_buffer *buffer, size_t position,
                                    size_t size)
{
    static char bytes[100000];

    fill(bytes, position, size);
    return sl_buffer_append(buffer, sl_view(bytes, size));
}

/* The capacity of all segments that the buffer keeps from the pool. */
static inline size_t cost_of(const struct sl_buffer *buffer)
{
    size_t cost = 0;

    for (uint32_t i = 0; i < buffer->count; i++) {
        uint32_t mask = buffer->capacity - 1;
        struct sl_segment *segment =
            buffer->slices[(buffer->first + i) & mask].segment;
        bool is_counted = false;

        for (uint32_t j = 0; j < i; j++)
            is_counted |=
                buffer->slices[(buffer->first + j) & mask].segment == segment;
        if (!is_counted)
            cost += segment->capacity;
    }
    return cost;
}

static inline bool is_within_bound(const struct sl_buffer *buffer)
{
    return cost_of(buffer) <=
           buffer->length + buffer->length / 4 + pool.options.segment_size;
}

#endif
