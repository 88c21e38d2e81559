#include "memory/reader.h"

void sl_reader_init(struct sl_reader *reader,
                    const struct sl_sequence *sequence)
{
    reader->sequence = sequence;
    reader->position = 0;
}

size_t sl_reader_read(struct sl_reader *reader, char *to, size_t size)
{
    size_t left = sl_reader_left(reader);

    if (size > left)
        size = left;
    sl_sequence_copy_out(reader->sequence, reader->position, to, size);
    reader->position += size;
    return size;
}

struct sl_view sl_reader_peek(const struct sl_reader *reader)
{
    return sl_sequence_at(reader->sequence, reader->position);
}

void sl_reader_skip(struct sl_reader *reader, size_t size)
{
    sl_assert(size <= sl_reader_left(reader));
    reader->position += size;
}

bool sl_reader_find(const struct sl_reader *reader, char byte, size_t *size)
{
    size_t found = sl_sequence_find(reader->sequence, reader->position, byte);

    if (found == SIZE_MAX)
        return false;
    *size = found - reader->position;
    return true;
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
