#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_ROOMS  8
#define MAPPED_MOST ((int64_t)1024 * 1024)

enum sl_status sl_file_share(struct sl_file *file, int fd)
{
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    file->mapped = NULL;
    file->mapped_size = 0;
    file->mapped_at = 0;
    return file->fd < 0 ? SL_LIMIT : SL_OK;
}

void sl_file_fini(struct sl_file *file)
{
    sl_file_unmap(file);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* ---- reading ---- */

static ssize_t read_into(int fd, int64_t offset, const struct sl_room *rooms,
                         size_t count, size_t want)
{
    struct iovec pieces[READ_ROOMS];
    ssize_t n;

    for (size_t i = 0; i < count; i++) {
        pieces[i].iov_base = rooms[i].data;
        pieces[i].iov_len = rooms[i].size < want ? rooms[i].size : want;
        want -= pieces[i].iov_len;
    }
    do
        n = preadv(fd, pieces, (int)count, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

enum sl_status sl_file_read(int fd, int64_t offset, size_t want,
                            struct sl_buffer *buffer)
{
    struct sl_room rooms[READ_ROOMS];
    size_t count = READ_ROOMS;
    enum sl_status status = sl_buffer_reserve_many(buffer, want, rooms, &count);
    ssize_t n;

    if (status != SL_OK)
        return status;
    n = read_into(fd, offset, rooms, count, want);
    sl_buffer_commit(buffer, n > 0 ? (size_t)n : 0);
    if (n < 0)
        return SL_INVALID;
    return n == 0 ? SL_END : SL_OK;
}

enum sl_status sl_file_read_all(int fd, int64_t offset, size_t size,
                                struct sl_buffer *buffer)
{
    size_t target = buffer->length + size;
    enum sl_status status = SL_OK;

    while (status == SL_OK && buffer->length < target) {
        size_t left = target - buffer->length;

        status =
            sl_file_read(fd, offset + (int64_t)(size - left), left, buffer);
    }
    return status;
}

/* ---- mapping ---- */

bool sl_file_map(struct sl_file *file, int64_t offset, int64_t end)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t at = offset / page * page;
    void *mapped;

    if (sl_file_mapped(file, offset).size > 0)
        return true;
    sl_file_unmap(file);
    if (end > at + MAPPED_MOST)
        end = at + MAPPED_MOST;
    mapped = mmap(NULL, (size_t)(end - at), PROT_READ, MAP_SHARED, file->fd,
                  (off_t)at);
    if (mapped == MAP_FAILED)
        return false;
    file->mapped = mapped;
    file->mapped_at = at;
    file->mapped_size = (size_t)(end - at);
    return true;
}

struct sl_view sl_file_mapped(const struct sl_file *file, int64_t offset)
{
    int64_t end = file->mapped_at + (int64_t)file->mapped_size;

    if (file->mapped == NULL || offset < file->mapped_at || offset >= end)
        return sl_view(NULL, 0);
    return sl_view(file->mapped + (offset - file->mapped_at),
                   (size_t)(end - offset));
}

void sl_file_unmap(struct sl_file *file)
{
    if (file->mapped != NULL)
        munmap(file->mapped, file->mapped_size);
    file->mapped = NULL;
}

bool sl_file_reaches(const struct sl_file *file, int64_t end)
{
    struct stat now;

    return fstat(file->fd, &now) == 0 && (int64_t)now.st_size >= end;
}

bool sl_file_can_read(const struct sl_file *file, int64_t offset)
{
    char byte;

    return pread(file->fd, &byte, 1, (off_t)offset) >= 0;
}
