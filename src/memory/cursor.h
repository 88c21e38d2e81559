/* memory/cursor.h - a place in a buffer that only moves forward
 *
 * in:  memory/buffer.h, its unread bytes    out: http/head_parse.c reads them
 *
 *   slices  [ ######## ] [ ######## ] [ #### ]
 *                        ^ start  ^ offset
 *
 * For a reader that goes through bytes it does not consume yet, by their offset
 * from the head of the buffer. A cursor keeps no reference: it is good until
 * the buffer changes.
 */
#ifndef SL_MEMORY_CURSOR_H
#define SL_MEMORY_CURSOR_H

#include "memory/buffer.h"

struct sl_cursor {
    const struct sl_buffer *input;
    uint32_t index;   /* of the slice in the ring */
    size_t start;     /* offset of the slice's first byte */
    const char *data; /* of the slice */
    size_t size;
};

static inline void sl_cursor_load(struct sl_cursor *cursor)
{
    const struct sl_slice *slice = &cursor->input->slices[cursor->index];

    cursor->data = slice->data;
    cursor->size = slice->size;
}

/* Begins at the first byte of a buffer that is not empty. */
static inline void sl_cursor_init(struct sl_cursor *cursor,
                                  const struct sl_buffer *input)
{
    cursor->input = input;
    cursor->index = input->first;
    cursor->start = 0;
    sl_cursor_load(cursor);
}

/* Moves to the slice that holds the byte at `offset`, which is in the buffer
 * and not in an earlier slice. */
static inline const char *sl_cursor_seek(struct sl_cursor *cursor,
                                         size_t offset)
{
    while (offset - cursor->start >= cursor->size) {
        cursor->start += cursor->size;
        cursor->index++;
        if (cursor->index == cursor->input->capacity)
            cursor->index = 0;
        sl_cursor_load(cursor);
    }
    return cursor->data + (offset - cursor->start);
}

#endif
