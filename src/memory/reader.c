#include "memory/reader.h"

void sl_reader_init(struct sl_reader *reader,
                    const struct sl_sequence *sequence)
{
    reader->sequence = sequence;
    reader->position = 0;
    reader->slice = 0;
}

static bool holds(const struct sl_sequence *sequence, size_t slice,
                  size_t offset)
{
    return slice < sequence->count && offset - sequence->slices[slice].index <
                                          sequence->slices[slice].size;
}

struct sl_view sl_reader_at(struct sl_reader *reader, size_t ahead)
{
    const struct sl_sequence *sequence = reader->sequence;
    const struct sl_sequence_slice *slice;
    size_t offset = reader->position + ahead;

    sl_assert(ahead <= sl_reader_left(reader));
    if (offset >= sequence->size)
        return sl_view(NULL, 0);
    if (!holds(sequence, reader->slice, offset))
        reader->slice = holds(sequence, reader->slice + 1, offset)
                            ? reader->slice + 1
                            : sl_sequence_slice_at(sequence, offset);
    slice = &sequence->slices[reader->slice];
    offset -= slice->index;
    return sl_view(slice->data + offset, slice->size - offset);
}

void sl_reader_skip(struct sl_reader *reader, size_t size)
{
    sl_assert(size <= sl_reader_left(reader));
    reader->position += size;
}

enum sl_status sl_reader_seek(struct sl_reader *reader, enum sl_whence whence,
                              int64_t offset)
{
    size_t size = reader->sequence->size;
    size_t base = whence == SL_SEEK_SET   ? 0
                  : whence == SL_SEEK_END ? size
                                          : reader->position;

    if (offset < 0) {
        uint64_t back = 0 - (uint64_t)offset;

        if (back > base)
            return SL_INVALID;
        reader->position = base - (size_t)back;
    } else {
        size_t left = size - base;

        reader->position =
            (uint64_t)offset < left ? base + (size_t)offset : size;
    }
    return SL_OK;
}
