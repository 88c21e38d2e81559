#include "conn/source.h"

#include "base/debug.h"

#include <string.h>

/* The bytes read from a file at once: they still fit the cache when sent. */
#define FILE_PIECE ((size_t)128 * 1024)

/* The bytes of a mapped range that are shown at once. The kernel's own way from
 * file to socket costs twice as much, because it hands on single pages. */
#define MAPPED_PIECE ((size_t)512 * 1024)

static void init(struct sl_source *source, enum sl_source_kind kind,
                 uint64_t size)
{
    source->kind = kind;
    source->next = NULL;
    source->size = size;
    source->sent = 0;
}

void sl_source_init_text(struct sl_source *source, struct sl_view text)
{
    init(source, SL_SOURCE_TEXT, text.size);
    source->of.text = text;
}

void sl_source_init_sequence(struct sl_source *source,
                             struct sl_allocator *allocator,
                             struct sl_sequence *content)
{
    init(source, SL_SOURCE_SEQUENCE, content->size);
    sl_sequence_init(&source->of.sequence, allocator);
    sl_sequence_move(&source->of.sequence, content);
}

enum sl_status sl_source_init_file(struct sl_source *source,
                                   struct sl_pool *pool, int fd, int64_t offset,
                                   uint64_t size, const char *name)
{
    init(source, SL_SOURCE_FILE, size);
    source->of.range.offset = offset;
    source->of.range.name = name;
    sl_buffer_init(&source->of.range.ahead, pool, SIZE_MAX);
    return sl_file_share(&source->of.range.file, fd);
}

void sl_source_dispose(struct sl_source *source)
{
    switch (source->kind) {
    case SL_SOURCE_TEXT:
        return;
    case SL_SOURCE_SEQUENCE:
        sl_sequence_fini(&source->of.sequence);
        return;
    case SL_SOURCE_FILE:
        sl_buffer_fini(&source->of.range.ahead);
        sl_file_fini(&source->of.range.file);
        return;
    }
}

/* ---- files ---- */

/* The position in the file of the next byte, or of the end of the range. */
static int64_t position(const struct sl_source *source)
{
    return source->of.range.offset + (int64_t)source->sent;
}

static int64_t end_of(const struct sl_source *source)
{
    return source->of.range.offset + (int64_t)source->size;
}

enum sl_status sl_source_fill(struct sl_source *source, bool may_map)
{
    uint64_t left = sl_source_left(source);
    size_t want = left < FILE_PIECE ? (size_t)left : FILE_PIECE;
    struct sl_file *file = &source->of.range.file;

    if (source->kind != SL_SOURCE_FILE || source->of.range.ahead.length > 0 ||
        want == 0)
        return SL_OK;
    if (may_map && sl_file_map(file, position(source), end_of(source)))
        return sl_source_verify(source, false);
    return sl_file_read(file->fd, position(source), want,
                        &source->of.range.ahead);
}

bool sl_source_is_mapped(const struct sl_source *source)
{
    return source->kind == SL_SOURCE_FILE &&
           source->of.range.file.mapped != NULL;
}

enum sl_status sl_source_verify(const struct sl_source *source,
                                bool has_faulted)
{
    const struct sl_file *file = &source->of.range.file;

    if (!sl_file_reaches(file, end_of(source)))
        return SL_END;
    if (!has_faulted)
        return SL_OK;
    /* The device has failed; or the file was shorter, and grew again. */
    return sl_file_can_read(file, position(source)) ? SL_END : SL_INVALID;
}

static size_t file_views(const struct sl_source *source, struct sl_view *views,
                         size_t count)
{
    if (source->of.range.file.mapped == NULL)
        return sl_buffer_views(&source->of.range.ahead, views, count);
    views[0] = sl_file_mapped(&source->of.range.file, position(source));
    if (views[0].size > MAPPED_PIECE)
        views[0].size = MAPPED_PIECE;
    return views[0].size > 0;
}

/* ---- all kinds ---- */

static size_t sequence_views(const struct sl_source *source,
                             struct sl_view *views, size_t count)
{
    const struct sl_sequence *sequence = &source->of.sequence;
    size_t offset = (size_t)source->sent;
    size_t given = 0;

    while (given < count && offset < sequence->size) {
        views[given] = sl_sequence_at(sequence, offset);
        offset += views[given++].size;
    }
    return given;
}

static struct sl_view text_left(const struct sl_source *source)
{
    return sl_view(source->of.text.data + source->sent,
                   (size_t)sl_source_left(source));
}

size_t sl_source_views(const struct sl_source *source, struct sl_view *views,
                       size_t count)
{
    if (count == 0 || sl_source_left(source) == 0)
        return 0;
    switch (source->kind) {
    case SL_SOURCE_TEXT:
        views[0] = text_left(source);
        return 1;
    case SL_SOURCE_SEQUENCE:
        return sequence_views(source, views, count);
    case SL_SOURCE_FILE:
        return file_views(source, views, count);
    }
    return 0;
}

size_t sl_source_copy_out(const struct sl_source *source, char *to, size_t size)
{
    uint64_t left = sl_source_left(source);

    if (size > left)
        size = (size_t)left;
    if (size == 0 || sl_source_is_mapped(source))
        return 0;
    switch (source->kind) {
    case SL_SOURCE_TEXT:
        memcpy(to, text_left(source).data, size);
        return size;
    case SL_SOURCE_SEQUENCE:
        sl_sequence_copy_out(&source->of.sequence, (size_t)source->sent, to,
                             size);
        return size;
    case SL_SOURCE_FILE:
        return sl_buffer_copy_out(&source->of.range.ahead, 0, to, size);
    }
    return 0;
}

void sl_source_advance(struct sl_source *source, size_t size)
{
    sl_assert(size <= sl_source_left(source));
    source->sent += size;
    if (source->kind != SL_SOURCE_FILE)
        return;
    if (source->of.range.ahead.length > 0)
        sl_buffer_consume(&source->of.range.ahead, size);
    if (sl_source_left(source) == 0)
        sl_file_unmap(&source->of.range.file);
}

void sl_source_rewind(struct sl_source *source)
{
    source->sent = 0;
    if (source->kind != SL_SOURCE_FILE)
        return;
    sl_file_unmap(&source->of.range.file);
    sl_buffer_reset(&source->of.range.ahead);
}
