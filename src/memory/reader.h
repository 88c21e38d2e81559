/* memory/reader.h - a seekable cursor over a sequence
 *
 * Shows slice after slice without flattening. It does not own the segments: the
 * sequence must outlive it. Offsets count from 0.
 */
#ifndef SL_MEMORY_READER_H
#define SL_MEMORY_READER_H

#include "memory/sequence.h"

#include <stdint.h>

struct sl_reader {
    const struct sl_sequence *sequence;
    size_t position;
    size_t slice; /* the one that was shown last: the next is near */
};

void sl_reader_init(struct sl_reader *reader,
                    const struct sl_sequence *sequence);

/* The rest of the slice `ahead` of the position; empty at the end. */
struct sl_view sl_reader_at(struct sl_reader *reader, size_t ahead);
/* The rest of the current slice; sl_reader_skip takes it. */
static inline struct sl_view sl_reader_peek(struct sl_reader *reader)
{
    return sl_reader_at(reader, 0);
}
void sl_reader_skip(struct sl_reader *reader, size_t size);

enum sl_whence { SL_SEEK_SET, SL_SEEK_CURRENT, SL_SEEK_END };
/* Moves the position. Past the end it clamps to the end; before the start is
 * SL_INVALID and moves nothing. */
enum sl_status sl_reader_seek(struct sl_reader *reader, enum sl_whence whence,
                              int64_t offset);

static inline size_t sl_reader_left(const struct sl_reader *reader)
{
    return reader->sequence->size - reader->position;
}

#endif
