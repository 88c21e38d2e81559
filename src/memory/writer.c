#include "memory/writer.h"

#include <string.h>

enum sl_status sl_writer_init(struct sl_writer *writer, struct sl_pool *pool,
                              size_t initial_size, size_t max_size)
{
    if (initial_size == 0 || initial_size > max_size)
        return SL_INVALID;
    memset(writer, 0, sizeof *writer);
    writer->pool = pool;
    writer->initial_size = initial_size;
    writer->max_size = max_size;
    writer->state = SL_WRITER_LIVE;
    return SL_OK;
}

static size_t capacity_of(const struct sl_writer *writer)
{
    size_t capacity = writer->block == NULL ? 0 : writer->block->capacity;

    return capacity < writer->max_size ? capacity : writer->max_size;
}

static void let_go(struct sl_writer *writer)
{
    if (writer->block != NULL)
        sl_segment_release(writer->block);
    writer->block = NULL;
    writer->size = 0;
    writer->reserved = 0;
}

/* Moves the content to a block of at least `needed` bytes, which fits the
 * maximum. Doubling keeps the copying in proportion to the content. */
static enum sl_status grow(struct sl_writer *writer, size_t needed)
{
    size_t wanted = writer->initial_size;
    size_t capacity = capacity_of(writer);
    struct sl_segment *block;
    enum sl_status status;

    if (wanted < capacity)
        wanted =
            capacity <= writer->max_size / 2 ? capacity * 2 : writer->max_size;
    if (wanted < needed)
        wanted = needed;
    status = sl_pool_rent_block(writer->pool, wanted, &block);
    /* When memory is short the needed size may still fit. */
    if (status != SL_OK && wanted > needed)
        status = sl_pool_rent_block(writer->pool, needed, &block);
    if (status != SL_OK)
        return status;
    if (writer->block != NULL) {
        memcpy(block->data, writer->block->data, writer->size);
        sl_segment_release(writer->block);
    }
    block->filled = writer->size;
    writer->block = block;
    return SL_OK;
}

enum sl_status sl_writer_reserve(struct sl_writer *writer, size_t at_least,
                                 struct sl_room *room)
{
    enum sl_status status;

    if (writer->state != SL_WRITER_LIVE)
        return SL_MISUSE;
    writer->reserved = 0;
    if (at_least == 0)
        at_least = 1;
    if (at_least > writer->max_size - writer->size)
        return SL_LIMIT;
    if (at_least > capacity_of(writer) - writer->size) {
        status = grow(writer, writer->size + at_least);
        if (status != SL_OK)
            return status;
    }
    room->data = writer->block->data + writer->size;
    room->size = capacity_of(writer) - writer->size;
    writer->reserved = room->size;
    return SL_OK;
}

enum sl_status sl_writer_commit(struct sl_writer *writer, size_t count)
{
    if (writer->state != SL_WRITER_LIVE || count > writer->reserved)
        return SL_MISUSE;
    writer->reserved = 0;
    writer->size += count;
    if (count > 0)
        writer->block->filled = writer->size;
    return SL_OK;
}

enum sl_status sl_writer_write(struct sl_writer *writer, struct sl_view bytes)
{
    struct sl_room room;
    enum sl_status status;

    if (writer->state != SL_WRITER_LIVE)
        return SL_MISUSE;
    if (bytes.size == 0)
        return SL_OK;
    status = sl_writer_reserve(writer, bytes.size, &room);
    if (status != SL_OK)
        return status;
    memcpy(room.data, bytes.data, bytes.size);
    return sl_writer_commit(writer, bytes.size);
}

enum sl_status sl_writer_cut(struct sl_writer *writer, size_t size)
{
    if (writer->state != SL_WRITER_LIVE || size > writer->size)
        return SL_MISUSE;
    writer->reserved = 0;
    writer->size = size;
    if (writer->block != NULL)
        writer->block->filled = size;
    return SL_OK;
}

struct sl_view sl_writer_view(const struct sl_writer *writer)
{
    if (writer->block == NULL)
        return sl_view(NULL, 0);
    return sl_view(writer->block->data, writer->size);
}

enum sl_status sl_writer_detach(struct sl_writer *writer,
                                struct sl_lease *lease)
{
    enum sl_status status;

    if (writer->state != SL_WRITER_LIVE || lease->is_live ||
        lease->content.count != 0)
        return SL_MISUSE;
    if (writer->size > 0) {
        status = sl_sequence_append(&lease->content, writer->block,
                                    writer->block->data, writer->size);
        if (status != SL_OK)
            return status;
    }
    lease->is_live = true;
    let_go(writer);
    writer->state = SL_WRITER_DETACHED;
    return SL_OK;
}

enum sl_status sl_writer_reset(struct sl_writer *writer)
{
    size_t initial = writer->initial_size;

    if (writer->state == SL_WRITER_DISPOSED)
        return SL_MISUSE;
    writer->state = SL_WRITER_LIVE;
    writer->size = 0;
    writer->reserved = 0;
    if (writer->block == NULL)
        return SL_OK;
    /* Capacities are powers of two: this one is the initial size rounded up. */
    if (writer->block->capacity / 2 < initial && writer->block->refs == 1 &&
        writer->block->pins == 0)
        writer->block->filled = 0;
    else
        let_go(writer);
    return SL_OK;
}

void sl_writer_dispose(struct sl_writer *writer)
{
    let_go(writer);
    writer->state = SL_WRITER_DISPOSED;
}
