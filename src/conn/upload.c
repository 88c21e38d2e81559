#include "conn/upload.h"

#include "base/debug.h"

#include <stdio.h>

void sl_upload_init(struct sl_upload *upload, struct sl_allocator *allocator,
                    struct sl_pool *pool)
{
    upload->allocator = allocator;
    upload->last = NULL;
    upload->current = NULL;
    upload->is_pushed = false;
    upload->is_chunked = false;
    upload->is_complete = true;
    sl_buffer_init(&upload->pushed, pool, SIZE_MAX);
    upload->size = 0;
    upload->pushed_size = 0;
    upload->sent = 0;
}

void sl_upload_dispose(struct sl_upload *upload)
{
    struct sl_source *source = upload->last == NULL ? NULL : &upload->first;
    struct sl_pool *pool = upload->pushed.pool;

    while (source != NULL) {
        struct sl_source *next = source->next;

        sl_source_dispose(source);
        if (source != &upload->first)
            sl_free(upload->allocator, source, sizeof *source);
        source = next;
    }
    if (upload->last == NULL && !upload->is_pushed)
        return;
    sl_buffer_fini(&upload->pushed);
    sl_upload_init(upload, upload->allocator, pool);
}

/* ---- sources ---- */

/* The slot in which the next source is made. NULL: out of memory. */
static struct sl_source *new_source(struct sl_upload *upload)
{
    sl_assert(!upload->is_pushed);
    if (upload->last == NULL)
        return &upload->first;
    return sl_allocate(upload->allocator, sizeof *upload->last);
}

static void append(struct sl_upload *upload, struct sl_source *source)
{
    if (upload->last == NULL)
        upload->current = source;
    else
        upload->last->next = source;
    upload->last = source;
    upload->size += source->size;
}

enum sl_status sl_upload_add_text(struct sl_upload *upload, struct sl_view text)
{
    struct sl_source *source = new_source(upload);

    if (source == NULL)
        return SL_MEMORY;
    sl_source_init_text(source, text);
    append(upload, source);
    return SL_OK;
}

enum sl_status sl_upload_add_sequence(struct sl_upload *upload,
                                      struct sl_sequence *content)
{
    struct sl_source *source = new_source(upload);

    if (source == NULL)
        return SL_MEMORY;
    sl_source_init_sequence(source, upload->allocator, content);
    append(upload, source);
    return SL_OK;
}

static enum sl_status add_bytes_of(struct sl_upload *upload, int fd,
                                   int64_t offset, size_t size)
{
    struct sl_sequence content;
    struct sl_buffer buffer;
    enum sl_status status;

    sl_buffer_init(&buffer, upload->pushed.pool, SIZE_MAX);
    sl_sequence_init(&content, upload->allocator);
    status = sl_file_read_all(fd, offset, size, &buffer);
    if (status == SL_OK)
        status = sl_sequence_take(&content, &buffer);
    if (status == SL_OK)
        status = sl_upload_add_sequence(upload, &content);
    sl_sequence_fini(&content);
    sl_buffer_fini(&buffer);
    return status;
}

enum sl_status sl_upload_add_file(struct sl_upload *upload, int fd,
                                  int64_t offset, uint64_t size,
                                  const char *name)
{
    struct sl_source *source;
    enum sl_status status;

    if (upload->size + size <= SL_SEND_AT_ONCE)
        return add_bytes_of(upload, fd, offset, (size_t)size);
    source = new_source(upload);
    if (source == NULL)
        return SL_MEMORY;
    status = sl_source_init_file(source, upload->pushed.pool, fd, offset, size,
                                 name);
    if (status == SL_OK)
        append(upload, source);
    else if (source != &upload->first)
        sl_free(upload->allocator, source, sizeof *source);
    return status;
}

/* ---- pushed ---- */

void sl_upload_set_pushed(struct sl_upload *upload, uint64_t size)
{
    sl_assert(upload->last == NULL);
    upload->is_pushed = true;
    upload->is_chunked = size == UINT64_MAX;
    upload->is_complete = false;
    upload->size = size;
}

enum sl_status sl_upload_push(struct sl_upload *upload, struct sl_buffer *piece)
{
    char line[20];
    enum sl_status status;
    size_t size = piece->length;
    int line_size;

    if (size == 0)
        return SL_OK;
    if (!upload->is_chunked) {
        if (size > upload->size - upload->pushed_size)
            return SL_INVALID;
        status = sl_buffer_take(&upload->pushed, piece);
        if (status == SL_OK)
            upload->pushed_size += size;
        return status;
    }

    line_size = snprintf(line, sizeof line, "%zx\r\n", size);
    status =
        sl_buffer_append(&upload->pushed, sl_view(line, (size_t)line_size));
    if (status == SL_OK)
        status = sl_buffer_take(&upload->pushed, piece);
    if (status == SL_OK)
        status = sl_buffer_append(&upload->pushed, SL_VIEW("\r\n"));
    if (status == SL_OK)
        upload->pushed_size += size;
    return status;
}

enum sl_status sl_upload_finish(struct sl_upload *upload,
                                struct sl_view trailers)
{
    enum sl_status status = SL_OK;

    if (upload->is_complete)
        return SL_OK;
    if (!upload->is_chunked) {
        if (upload->pushed_size < upload->size)
            return SL_INVALID;
    } else {
        status = sl_buffer_append(&upload->pushed, SL_VIEW("0\r\n"));
        if (status == SL_OK)
            status = sl_buffer_append(&upload->pushed, trailers);
        if (status == SL_OK)
            status = sl_buffer_append(&upload->pushed, SL_VIEW("\r\n"));
    }
    if (status == SL_OK)
        upload->is_complete = true;
    return status;
}

/* ---- sending ---- */

/* The file to send next, unless so much comes before it that it can wait. */
static struct sl_source *next_file(const struct sl_upload *upload)
{
    struct sl_source *source = upload->current;
    uint64_t before = 0;

    while (source != NULL && before < SL_SEND_AT_ONCE) {
        uint64_t left = sl_source_left(source);

        if (source->kind == SL_SOURCE_FILE && left > 0)
            return source;
        before += left;
        source = source->next;
    }
    return NULL;
}

enum sl_status sl_upload_fill(struct sl_upload *upload, bool may_map)
{
    struct sl_source *file = next_file(upload);

    return file == NULL ? SL_OK : sl_source_fill(file, may_map);
}

const char *sl_upload_file_name(const struct sl_upload *upload)
{
    const struct sl_source *file = next_file(upload);

    return file == NULL ? "" : file->of.range.name;
}

bool sl_upload_is_mapped(const struct sl_upload *upload)
{
    const struct sl_source *file = next_file(upload);

    return file != NULL && sl_source_is_mapped(file);
}

enum sl_status sl_upload_verify(const struct sl_upload *upload,
                                bool has_faulted)
{
    const struct sl_source *file = next_file(upload);

    return file == NULL ? SL_OK : sl_source_verify(file, has_faulted);
}

static uint64_t size_of(const struct sl_view *views, size_t count)
{
    uint64_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += views[i].size;
    return size;
}

size_t sl_upload_views(const struct sl_upload *upload, struct sl_view *views,
                       size_t count)
{
    const struct sl_source *source = upload->current;
    size_t given = 0;

    if (upload->is_pushed)
        return sl_buffer_views(&upload->pushed, views, count);
    while (source != NULL && given < count) {
        size_t more = sl_source_views(source, views + given, count - given);

        given += more;
        if (size_of(views + given - more, more) < sl_source_left(source))
            break; /* the rest of it is not there yet, or has no view */
        source = source->next;
    }
    return given;
}

size_t sl_upload_copy_out(const struct sl_upload *upload, char *to, size_t size)
{
    const struct sl_source *source = upload->current;
    size_t copied = 0;

    if (upload->is_pushed)
        return sl_buffer_copy_out(&upload->pushed, 0, to, size);
    while (source != NULL && copied < size) {
        size_t more = sl_source_copy_out(source, to + copied, size - copied);

        copied += more;
        if (more < sl_source_left(source))
            break;
        source = source->next;
    }
    return copied;
}

void sl_upload_advance(struct sl_upload *upload, size_t size)
{
    upload->sent += size;
    if (upload->is_pushed) {
        sl_buffer_consume(&upload->pushed, size);
        return;
    }
    while (upload->current != NULL) {
        uint64_t left = sl_source_left(upload->current);
        size_t part = size < left ? size : (size_t)left;

        sl_source_advance(upload->current, part);
        size -= part;
        if (part < left || upload->current->next == NULL)
            break;
        upload->current = upload->current->next;
    }
    sl_assert(size == 0);
}

uint64_t sl_upload_delivered(const struct sl_upload *upload)
{
    if (!upload->is_pushed)
        return upload->sent;
    return upload->pushed_size > upload->pushed.length
               ? upload->pushed_size - upload->pushed.length
               : 0;
}

bool sl_upload_is_over(const struct sl_upload *upload)
{
    if (upload->is_pushed)
        return upload->pushed.length == 0 &&
               (upload->is_complete ||
                (!upload->is_chunked && upload->pushed_size == upload->size));
    return upload->sent == upload->size;
}

bool sl_upload_is_replayable(const struct sl_upload *upload)
{
    return !upload->is_pushed;
}

void sl_upload_rewind(struct sl_upload *upload)
{
    struct sl_source *source = upload->last == NULL ? NULL : &upload->first;

    sl_assert(sl_upload_is_replayable(upload));
    upload->sent = 0;
    upload->current = source;
    for (; source != NULL; source = source->next)
        sl_source_rewind(source);
}
