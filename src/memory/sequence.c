#include "memory/sequence.h"

#include <string.h>

void sl_sequence_init(struct sl_sequence *sequence,
                      struct sl_allocator *allocator)
{
    memset(sequence, 0, sizeof *sequence);
    sequence->allocator = allocator;
    sequence->slices = sequence->inline_slices;
    sequence->capacity = SL_SEQUENCE_INLINE_SLICES;
}

bool sl_sequence_is_valid(const struct sl_sequence *sequence)
{
    size_t index = 0;

    if (sequence->count > sequence->capacity)
        return false;
    for (size_t i = 0; i < sequence->count; i++) {
        const struct sl_sequence_slice *slice = &sequence->slices[i];
        const struct sl_segment *segment = slice->segment;

        if (slice->index != index || slice->size == 0 || segment->is_free ||
            segment->refs == 0 || slice->data < segment->data ||
            slice->data + slice->size > segment->data + segment->filled)
            return false;
        index += slice->size;
    }
    return index == sequence->size;
}

/* Frees the array and forgets the slices, whose references have gone
 * elsewhere. */
static void forget(struct sl_sequence *sequence)
{
    if (sequence->slices != sequence->inline_slices)
        sl_free(sequence->allocator, sequence->slices,
                sequence->capacity * sizeof *sequence->slices);
    sl_sequence_init(sequence, sequence->allocator);
}

void sl_sequence_fini(struct sl_sequence *sequence)
{
    for (size_t i = 0; i < sequence->count; i++)
        sl_segment_release(sequence->slices[i].segment);
    forget(sequence);
}

static enum sl_status ensure(struct sl_sequence *sequence, size_t capacity)
{
    struct sl_sequence_slice *slices;

    if (capacity <= sequence->capacity)
        return SL_OK;
    if (capacity > SIZE_MAX / sizeof *slices)
        return SL_MEMORY;
    slices = sl_allocate(sequence->allocator, capacity * sizeof *slices);
    if (slices == NULL)
        return SL_MEMORY;
    memcpy(slices, sequence->slices, sequence->count * sizeof *slices);
    if (sequence->slices != sequence->inline_slices)
        sl_free(sequence->allocator, sequence->slices,
                sequence->capacity * sizeof *slices);
    sequence->slices = slices;
    sequence->capacity = capacity;
    return SL_OK;
}

/* Retains nothing; there is room in the array. */
static inline void push(struct sl_sequence *sequence,
                        struct sl_segment *segment, const char *data,
                        size_t size)
{
    struct sl_sequence_slice *slice = &sequence->slices[sequence->count++];

    slice->segment = segment;
    slice->data = data;
    slice->size = size;
    slice->index = sequence->size;
    sequence->size += size;
}

static const struct sl_slice *buffer_slice(const struct sl_buffer *buffer,
                                           uint32_t index)
{
    return &buffer->slices[(buffer->first + index) & (buffer->capacity - 1)];
}

/* Copies the slices, but no references. */
static enum sl_status copy_slices(struct sl_sequence *sequence,
                                  const struct sl_buffer *buffer)
{
    enum sl_status status = ensure(sequence, buffer->count);

    sl_assert(sequence->count == 0);
    if (status != SL_OK)
        return status;
    for (uint32_t i = 0; i < buffer->count; i++) {
        const struct sl_slice *slice = buffer_slice(buffer, i);

        if (slice->size != 0) /* else before reserved room */
            push(sequence, slice->segment, slice->data, slice->size);
    }
    return SL_OK;
}

enum sl_status sl_sequence_show(struct sl_sequence *sequence,
                                const struct sl_buffer *buffer)
{
    enum sl_status status = copy_slices(sequence, buffer);

    if (status != SL_OK)
        return status;
    for (size_t i = 0; i < sequence->count; i++)
        sl_segment_retain(sequence->slices[i].segment);
    sl_check(sl_sequence_is_valid(sequence));
    return SL_OK;
}

enum sl_status sl_sequence_take(struct sl_sequence *sequence,
                                struct sl_buffer *buffer)
{
    enum sl_status status = copy_slices(sequence, buffer);

    if (status != SL_OK)
        return status;
    sl_buffer_forget(buffer);
    sl_check(sl_sequence_is_valid(sequence));
    return status;
}

enum sl_status sl_sequence_take_front(struct sl_sequence *sequence,
                                      struct sl_buffer *buffer, size_t most)
{
    uint32_t count = 0;
    size_t size = 0;
    enum sl_status status;

    while (count < buffer->count &&
           (size == 0 || size + buffer_slice(buffer, count)->size <= most))
        size += buffer_slice(buffer, count++)->size;
    if (count == buffer->count)
        return sl_sequence_take(sequence, buffer);
    status = ensure(sequence, count);
    if (status != SL_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        const struct sl_slice *slice = buffer_slice(buffer, i);

        sl_segment_retain(slice->segment);
        push(sequence, slice->segment, slice->data, slice->size);
    }
    sl_buffer_consume(buffer, size);
    sl_check(sl_sequence_is_valid(sequence));
    return SL_OK;
}

void sl_sequence_move(struct sl_sequence *to, struct sl_sequence *from)
{
    sl_assert(to->slices == to->inline_slices && to->count == 0);
    *to = *from;
    if (from->slices == from->inline_slices)
        to->slices = to->inline_slices;
    sl_sequence_init(from, from->allocator);
}

/* The slice that holds `offset`, which is below the size. */
size_t sl_sequence_slice_at(const struct sl_sequence *sequence, size_t offset)
{
    const struct sl_sequence_slice *slices = sequence->slices;
    size_t base = 0;
    size_t count = sequence->count;

    while (count > 1) {
        size_t half = count / 2;

        if (slices[base + half].index <= offset)
            base += half;
        count -= half;
    }
    return base;
}

enum sl_status sl_sequence_sub(struct sl_sequence *sequence,
                               const struct sl_sequence *from, size_t offset,
                               size_t size)
{
    size_t first, last;
    enum sl_status status;

    sl_assert(sequence->count == 0 && offset <= from->size &&
              size <= from->size - offset);
    if (size == 0)
        return SL_OK;
    first = sl_sequence_slice_at(from, offset);
    last = sl_sequence_slice_at(from, offset + size - 1);
    status = ensure(sequence, last - first + 1);
    if (status != SL_OK)
        return status;
    for (size_t i = first; i <= last; i++) {
        const struct sl_sequence_slice *slice = &from->slices[i];
        size_t skip = i == first ? offset - slice->index : 0;
        size_t here = slice->size - skip;

        if (here > size - sequence->size)
            here = size - sequence->size;
        sl_segment_retain(slice->segment);
        push(sequence, slice->segment, slice->data + skip, here);
    }
    sl_check(sl_sequence_is_valid(sequence));
    return SL_OK;
}

enum sl_status sl_sequence_append(struct sl_sequence *sequence,
                                  struct sl_segment *segment, const char *data,
                                  size_t size)
{
    enum sl_status status;

    if (size == 0)
        return SL_OK;
    if (sequence->count == sequence->capacity) {
        status = ensure(sequence, sequence->capacity * 2);
        if (status != SL_OK)
            return status;
    }
    sl_segment_retain(segment);
    push(sequence, segment, data, size);
    sl_check(sl_sequence_is_valid(sequence));
    return SL_OK;
}

enum sl_status sl_sequence_link(const struct sl_sequence *sequence,
                                struct sl_buffer *buffer)
{
    if (sequence->size > buffer->max_size - buffer->length)
        return SL_LIMIT;
    for (size_t i = 0; i < sequence->count; i++) {
        const struct sl_sequence_slice *slice = &sequence->slices[i];
        char *data =
            slice->segment->data + (slice->data - slice->segment->data);
        enum sl_status status =
            sl_buffer_link(buffer, slice->segment, data, slice->size);

        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

struct sl_view sl_sequence_at(const struct sl_sequence *sequence, size_t offset)
{
    const struct sl_sequence_slice *slice;

    sl_assert(offset <= sequence->size);
    if (offset >= sequence->size)
        return sl_view(NULL, 0);
    slice = &sequence->slices[sl_sequence_slice_at(sequence, offset)];
    offset -= slice->index;
    return sl_view(slice->data + offset, slice->size - offset);
}

void sl_sequence_copy_out(const struct sl_sequence *sequence, size_t offset,
                          char *to, size_t size)
{
    sl_assert(offset <= sequence->size && size <= sequence->size - offset);
    for (size_t i = sl_sequence_slice_at(sequence, offset); size > 0; i++) {
        const struct sl_sequence_slice *slice = &sequence->slices[i];
        size_t skip = offset - slice->index;
        size_t here = slice->size - skip;

        if (here > size)
            here = size;
        memcpy(to, slice->data + skip, here);
        to += here;
        offset += here;
        size -= here;
    }
}
