#include "conn/upload.h"

#include "base/debug.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Read from a file at once: so much still fits the cache when it is sent. */
#define FILE_PIECE ((size_t)128 * 1024)
#define FILE_ROOMS 8

/* Mapped at once, and shown at once. The kernel's own way from file to socket
 * costs twice as much, for it hands on single pages. */
#define MAPPED_MOST  ((int64_t)1024 * 1024)
#define MAPPED_PIECE ((size_t)512 * 1024)

void sl_upload_init(struct sl_upload *upload, struct sl_allocator *allocator,
                    struct sl_pool *pool)
{
    upload->kind = SL_UPLOAD_NONE;
    upload->is_chunked = false;
    upload->is_complete = true;
    upload->text = sl_view("", 0);
    sl_sequence_init(&upload->sequence, allocator);
    sl_buffer_init(&upload->pushed, pool, SIZE_MAX);
    upload->file = -1;
    upload->file_name = NULL;
    upload->file_offset = 0;
    upload->mapped = NULL;
    upload->size = 0;
    upload->pushed_size = 0;
    upload->sent = 0;
}

static void unmap(struct sl_upload *upload)
{
    if (upload->mapped != NULL)
        munmap(upload->mapped, upload->mapped_size);
    upload->mapped = NULL;
}

void sl_upload_dispose(struct sl_upload *upload)
{
    struct sl_allocator *allocator = upload->sequence.allocator;
    struct sl_pool *pool = upload->pushed.pool;

    if (upload->kind == SL_UPLOAD_NONE)
        return;
    sl_sequence_fini(&upload->sequence);
    sl_buffer_fini(&upload->pushed);
    unmap(upload);
    if (upload->file >= 0)
        close(upload->file);
    sl_upload_init(upload, allocator, pool);
}

void sl_upload_set_text(struct sl_upload *upload, struct sl_view text)
{
    upload->kind = SL_UPLOAD_TEXT;
    upload->text = text;
    upload->size = text.size;
}

enum sl_status sl_upload_set_sequence(struct sl_upload *upload,
                                      struct sl_sequence *content)
{
    enum sl_status status =
        sl_sequence_sub(&upload->sequence, content, 0, content->size);

    if (status != SL_OK)
        return status;
    upload->kind = SL_UPLOAD_SEQUENCE;
    upload->size = content->size;
    sl_sequence_fini(content);
    return SL_OK;
}

void sl_upload_set_file(struct sl_upload *upload, int file, int64_t offset,
                        uint64_t size, const char *name)
{
    upload->kind = SL_UPLOAD_FILE;
    upload->file = file;
    upload->file_name = name;
    upload->file_offset = offset;
    upload->size = size;
}

enum sl_status sl_upload_read_file(struct sl_upload *upload, int file,
                                   int64_t offset, size_t size)
{
    struct sl_buffer *buffer = &upload->pushed; /* empty until pushed to */
    enum sl_status status = SL_OK;
    size_t done = 0;

    while (status == SL_OK && done < size) {
        struct sl_room room;
        ssize_t got;

        status = sl_buffer_reserve(buffer, 1, &room);
        if (status != SL_OK)
            break;
        if (room.size > size - done)
            room.size = size - done;
        got = pread(file, room.data, room.size, offset + (int64_t)done);
        sl_buffer_commit(buffer, got > 0 ? (size_t)got : 0);
        if (got > 0)
            done += (size_t)got;
        else
            status = got == 0 ? SL_END : SL_INVALID;
    }
    if (status == SL_OK)
        status = sl_sequence_take(&upload->sequence, buffer);
    sl_buffer_reset(buffer);
    if (status == SL_OK) {
        upload->kind = SL_UPLOAD_SEQUENCE;
        upload->size = size;
    }
    return status;
}

void sl_upload_set_pushed(struct sl_upload *upload, uint64_t size)
{
    upload->kind = SL_UPLOAD_PUSHED;
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

static size_t sequence_views(const struct sl_upload *upload,
                             struct sl_view *views, size_t count)
{
    size_t given = 0;
    size_t offset = (size_t)upload->sent;

    while (given < count && offset < upload->sequence.size) {
        views[given] = sl_sequence_at(&upload->sequence, offset);
        offset += views[given++].size;
    }
    return given;
}

/* Where the next byte is in the file. */
static int64_t position(const struct sl_upload *upload)
{
    return upload->file_offset + (int64_t)upload->sent;
}

static ssize_t read_into(const struct sl_upload *upload,
                         const struct sl_room *rooms, size_t count, size_t want)
{
    off_t offset = (off_t)position(upload);
    struct iovec pieces[FILE_ROOMS];
    ssize_t n;

    for (size_t i = 0; i < count; i++) {
        pieces[i].iov_base = rooms[i].data;
        pieces[i].iov_len = rooms[i].size < want ? rooms[i].size : want;
        want -= pieces[i].iov_len;
    }
    do
        n = preadv(upload->file, pieces, (int)count, offset);
    while (n < 0 && errno == EINTR);
    return n;
}

static size_t mapped_left(const struct sl_upload *upload)
{
    return (size_t)(upload->mapped_at + (int64_t)upload->mapped_size -
                    position(upload));
}

/* The range that the next byte is in. False: it cannot be mapped. */
static bool map(struct sl_upload *upload)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t end = upload->file_offset + (int64_t)upload->size;
    int64_t at = position(upload) / page * page;
    void *mapped;

    if (upload->mapped != NULL && mapped_left(upload) > 0)
        return true;
    unmap(upload);
    if (end > at + MAPPED_MOST)
        end = at + MAPPED_MOST;
    mapped = mmap(NULL, (size_t)(end - at), PROT_READ, MAP_SHARED, upload->file,
                  (off_t)at);
    if (mapped == MAP_FAILED)
        return false;
    upload->mapped = mapped;
    upload->mapped_at = at;
    upload->mapped_size = (size_t)(end - at);
    return true;
}

/* Behind the end of a file its last page shows zeros. */
static bool is_as_long_as_it_was(const struct sl_upload *upload)
{
    struct stat now;

    return fstat(upload->file, &now) == 0 &&
           (int64_t)now.st_size - upload->file_offset >= (int64_t)upload->size;
}

enum sl_status sl_upload_fill(struct sl_upload *upload, bool may_map)
{
    uint64_t left = upload->size - upload->sent;
    size_t want = left < FILE_PIECE ? (size_t)left : FILE_PIECE;
    struct sl_room rooms[FILE_ROOMS];
    size_t count = FILE_ROOMS;
    enum sl_status status;
    ssize_t n;

    if (upload->kind != SL_UPLOAD_FILE || upload->pushed.length > 0 ||
        want == 0)
        return SL_OK;
    if (may_map && map(upload))
        return is_as_long_as_it_was(upload) ? SL_OK : SL_END;
    status = sl_buffer_reserve_many(&upload->pushed, want, rooms, &count);
    if (status != SL_OK)
        return status;
    n = read_into(upload, rooms, count, want);
    sl_buffer_commit(&upload->pushed, n > 0 ? (size_t)n : 0);
    if (n < 0)
        return SL_INVALID;
    return n == 0 ? SL_END : SL_OK;
}

static size_t mapped_view(const struct sl_upload *upload, struct sl_view *view)
{
    size_t left = mapped_left(upload);

    *view = sl_view(upload->mapped + (position(upload) - upload->mapped_at),
                    left < MAPPED_PIECE ? left : MAPPED_PIECE);
    return left > 0;
}

size_t sl_upload_views(const struct sl_upload *upload, struct sl_view *views,
                       size_t count)
{
    switch (upload->kind) {
    case SL_UPLOAD_NONE:
        return 0;
    case SL_UPLOAD_SEQUENCE:
        return sequence_views(upload, views, count);
    case SL_UPLOAD_TEXT:
        if (upload->sent >= upload->text.size || count == 0)
            return 0;
        views[0] = sl_view(upload->text.data + upload->sent,
                           upload->text.size - (size_t)upload->sent);
        return 1;
    case SL_UPLOAD_FILE:
        if (upload->mapped != NULL && count > 0)
            return mapped_view(upload, views);
        return sl_buffer_views(&upload->pushed, views, count);
    case SL_UPLOAD_PUSHED:
        return sl_buffer_views(&upload->pushed, views, count);
    }
    return 0;
}

size_t sl_upload_copy_out(const struct sl_upload *upload, char *to, size_t size)
{
    size_t left = (size_t)(upload->size - upload->sent);

    switch (upload->kind) {
    case SL_UPLOAD_SEQUENCE:
        if (size > left)
            size = left;
        sl_sequence_copy_out(&upload->sequence, (size_t)upload->sent, to, size);
        return size;
    case SL_UPLOAD_PUSHED:
        return sl_buffer_copy_out(&upload->pushed, 0, to, size);
    default:
        return 0; /* one view, or none */
    }
}

void sl_upload_advance(struct sl_upload *upload, size_t size)
{
    upload->sent += size;
    if (upload->pushed.length > 0)
        sl_buffer_consume(&upload->pushed, size);
}

uint64_t sl_upload_delivered(const struct sl_upload *upload)
{
    if (upload->kind != SL_UPLOAD_PUSHED)
        return upload->sent;
    return upload->pushed_size > upload->pushed.length
               ? upload->pushed_size - upload->pushed.length
               : 0;
}

bool sl_upload_is_over(const struct sl_upload *upload)
{
    if (upload->kind == SL_UPLOAD_PUSHED)
        return upload->pushed.length == 0 &&
               (upload->is_complete ||
                (!upload->is_chunked && upload->pushed_size == upload->size));
    return upload->sent == upload->size;
}

bool sl_upload_is_replayable(const struct sl_upload *upload)
{
    return upload->kind != SL_UPLOAD_PUSHED;
}

void sl_upload_rewind(struct sl_upload *upload)
{
    sl_assert(sl_upload_is_replayable(upload));
    upload->sent = 0;
    unmap(upload);
    sl_buffer_reset(&upload->pushed);
}
