#include "memory/slices.h"

#define RING_LEAST 4

enum sl_status sl_slices_grow(struct sl_buffer *buffer, size_t needed)
{
    struct sl_allocator *allocator = buffer->pool->allocator;
    size_t capacity =
        buffer->capacity < RING_LEAST ? RING_LEAST : buffer->capacity;
    struct sl_slice *slices;

    while (capacity < needed)
        capacity *= 2;
    if (capacity > UINT32_MAX / 2)
        return SL_MEMORY;
    slices = sl_allocate(allocator, capacity * sizeof *slices);
    if (slices == NULL)
        return SL_MEMORY;
    for (uint32_t i = 0; i < buffer->count; i++)
        slices[i] = *sl_slices_at(buffer, i);
    if (buffer->slices != buffer->inline_slices)
        sl_free(allocator, buffer->slices,
                buffer->capacity * sizeof *buffer->slices);
    buffer->slices = slices;
    buffer->first = 0;
    buffer->capacity = (uint32_t)capacity;
    return SL_OK;
}

void sl_slices_free(struct sl_buffer *buffer)
{
    if (buffer->slices != buffer->inline_slices)
        sl_free(buffer->pool->allocator, buffer->slices,
                buffer->capacity * sizeof *buffer->slices);
    buffer->slices = buffer->inline_slices;
    buffer->capacity = SL_BUFFER_INLINE_SLICES;
    buffer->first = buffer->count = 0;
}

void sl_slices_swap(struct sl_buffer *to, struct sl_buffer *from)
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

void sl_slices_pop_tail(struct sl_buffer *buffer)
{
    struct sl_segment *segment = sl_slices_tail(buffer)->segment;

    buffer->count--;
    if (buffer->count == 0 || sl_slices_tail(buffer)->segment != segment)
        buffer->cost -= segment->capacity;
    if (buffer->count == 0)
        buffer->head_consumed = 0;
    sl_segment_release(segment);
}
