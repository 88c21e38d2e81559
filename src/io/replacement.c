#include "io/replacement.h"

#include "base/debug.h"
#include "io/file_name.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Slices written in one call. */
#define MOST_VIEWS 16
/* The name of a file that is kept, behind that of its target. */
#define KEPT ".sluice-part"
/* Times that a kept file may be renamed away while it is locked. */
#define MOST_RACES 10

void sl_replacement_init(struct sl_replacement *replacement)
{
    replacement->fd = -1;
    replacement->is_direct = false;
    replacement->is_kept = false;
}

static enum sl_status fail(struct sl_failure *failure, int error)
{
    return sl_fail_system(failure, SL_INVALID, SL_STAGE_BODY, error);
}

/* Makes up a name beside the target that is not in use. */
static int name_temporary(struct sl_replacement *replacement)
{
    char suffix[sizeof ".0123456789abcdef.part"];
    uint64_t bits;

    if (getentropy(&bits, sizeof bits) != 0)
        return errno;
    snprintf(suffix, sizeof suffix, ".%016" PRIx64 ".part", bits);
    return sl_file_name_beside(replacement->target, suffix,
                               replacement->temporary);
}

/* ---- opening ---- */

/* Only a regular file can be replaced without harm. Names below these folders
 * lead to files that others have open. */
static bool must_be_direct(const char *path, const struct stat *info)
{
    return !S_ISREG(info->st_mode) || strncmp(path, "/dev/", 5) == 0 ||
           strncmp(path, "/proc/", 6) == 0;
}

static enum sl_status open_direct(struct sl_replacement *replacement,
                                  const char *path, const struct stat *info,
                                  struct sl_failure *failure)
{
    replacement->is_direct = true;
    replacement->fd =
        open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (replacement->fd >= 0)
        return SL_OK;
    if (errno == ENXIO && S_ISFIFO(info->st_mode))
        return sl_fail(failure, SL_INVALID, SL_STAGE_BODY,
                       "no process reads from this FIFO");
    return fail(failure, errno);
}

/* Opens the temporary file. Until it is complete, only its owner may read a
 * file that replaces another. */
static int open_temporary(struct sl_replacement *replacement)
{
    int error = name_temporary(replacement);

    if (error != 0)
        return error;
    replacement->fd =
        open(replacement->temporary,
             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
             replacement->had_file || replacement->is_private ? 0600 : 0666);
    return replacement->fd < 0 ? errno : 0;
}

/* Notes what has the name now. Answers errno; ENOENT: nothing has. */
static int look(struct sl_replacement *replacement, const char *path,
                bool is_private, struct stat *info)
{
    int error = stat(path, info) == 0 ? 0 : errno;

    replacement->is_direct = false;
    replacement->is_kept = false;
    replacement->is_private = is_private;
    replacement->process = (long)getpid();
    replacement->had_file = error == 0;
    replacement->mode = error == 0 ? info->st_mode & 07777 : 0;
    if (is_private)
        replacement->mode = 0600;
    replacement->owner = error == 0 ? info->st_uid : 0;
    replacement->group = error == 0 ? info->st_gid : 0;
    return error;
}

enum sl_status sl_replacement_open(struct sl_replacement *replacement,
                                   const char *path, bool is_private,
                                   struct sl_failure *failure)
{
    struct stat info;
    int error = look(replacement, path, is_private, &info);

    sl_assert(replacement->fd < 0);
    if (error != 0 && error != ENOENT)
        return fail(failure, error);
    if (replacement->had_file && must_be_direct(path, &info))
        return open_direct(replacement, path, &info, failure);
    error = sl_file_name_follow(path, replacement->target);
    if (error == 0)
        error = open_temporary(replacement);
    return error == 0 ? SL_OK : fail(failure, error);
}

/* ---- a file in parts ---- */

/* Opens and locks the kept file. EWOULDBLOCK: another process has it. ESTALE:
 * meanwhile it got its final name. */
static int open_kept(struct sl_replacement *replacement)
{
    struct stat opened, named;
    int fd =
        open(replacement->temporary,
             O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
             replacement->had_file || replacement->is_private ? 0600 : 0666);
    int error = 0;

    if (fd < 0)
        return errno;
    /* Some file systems have no locks. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        error = EWOULDBLOCK;
    else if (fstat(fd, &opened) != 0)
        error = errno;
    else if (!S_ISREG(opened.st_mode) || opened.st_uid != geteuid() ||
             opened.st_nlink > 1) /* a link of somebody's to another file */
        error = EEXIST;
    else if (lstat(replacement->temporary, &named) != 0 ||
             named.st_ino != opened.st_ino || named.st_dev != opened.st_dev)
        error = ESTALE;
    if (error != 0)
        close(fd);
    else
        replacement->fd = fd;
    return error;
}

static int open_parts(struct sl_replacement *replacement, bool is_kept)
{
    int error;

    if (!is_kept)
        return open_temporary(replacement);
    error =
        sl_file_name_beside(replacement->target, KEPT, replacement->temporary);
    if (error != 0)
        return error;
    for (int i = 0; i < MOST_RACES; i++) {
        error = open_kept(replacement);
        if (error != ESTALE)
            break;
    }
    replacement->is_kept = error == 0;
    return error;
}

enum sl_status sl_replacement_open_parts(struct sl_replacement *replacement,
                                         const char *path, bool is_kept,
                                         bool is_private,
                                         struct sl_failure *failure)
{
    struct stat info;
    int error = look(replacement, path, is_private, &info);

    sl_assert(replacement->fd < 0);
    if (error != 0 && error != ENOENT)
        return fail(failure, error);
    if (replacement->had_file && S_ISDIR(info.st_mode))
        return fail(failure, EISDIR);
    if (replacement->had_file && must_be_direct(path, &info))
        return sl_fail(failure, SL_INVALID, SL_STAGE_BODY,
                       "only a regular file can be written in parts");
    error = sl_file_name_follow(path, replacement->target);
    if (error == 0)
        error = open_parts(replacement, is_kept);
    if (error == EWOULDBLOCK)
        return sl_fail(failure, SL_INVALID, SL_STAGE_BODY,
                       "it is being written already");
    if (error == EEXIST)
        return sl_fail(failure, SL_INVALID, SL_STAGE_BODY,
                       "%s is not a regular file of this user alone",
                       replacement->temporary);
    return error == 0 ? SL_OK : fail(failure, error);
}

enum sl_status sl_replacement_size(const struct sl_replacement *replacement,
                                   int64_t *size, struct sl_failure *failure)
{
    struct stat info;

    if (fstat(replacement->fd, &info) != 0)
        return fail(failure, errno);
    *size = (int64_t)info.st_size;
    return SL_OK;
}

enum sl_status sl_replacement_cut(struct sl_replacement *replacement,
                                  int64_t size, struct sl_failure *failure)
{
    int result;

    do
        result = ftruncate(replacement->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? SL_OK : fail(failure, errno);
}

void sl_replacement_discard(struct sl_replacement *replacement)
{
    replacement->is_kept = false;
    sl_replacement_close(replacement);
}

/* ---- writing ---- */

/* A FIFO whose reader has gone sends SIGPIPE to this thread, which the host may
 * not be prepared for. */
static ssize_t write_views(int fd, const struct iovec *views, int count)
{
    sigset_t broken, before, pending;
    ssize_t written;
    int error;

    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    sigpending(&pending);
    written = writev(fd, views, count);
    error = errno;
    if (written < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE)) {
        sigpending(&pending);
        if (sigismember(&pending, SIGPIPE))
            sigwait(&broken, &(int){0});
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

/* `offset` -1: behind what was written last. */
static ssize_t write_some(const struct sl_replacement *replacement,
                          const struct sl_sequence *bytes, size_t from,
                          int64_t offset)
{
    struct iovec views[MOST_VIEWS];
    int filled = 0;
    ssize_t written;

    for (size_t at = from; at < bytes->size && filled < MOST_VIEWS; filled++) {
        struct sl_view view = sl_sequence_at(bytes, at);

        views[filled].iov_base = (void *)(uintptr_t)view.data;
        views[filled].iov_len = view.size;
        at += view.size;
    }
    do {
        if (replacement->is_direct)
            written = write_views(replacement->fd, views, filled);
        else if (offset >= 0)
            written = pwritev(replacement->fd, views, filled, (off_t)offset);
        else
            written = writev(replacement->fd, views, filled);
    } while (written < 0 && errno == EINTR);
    return written;
}

enum sl_status sl_replacement_write(struct sl_replacement *replacement,
                                    const struct sl_sequence *bytes,
                                    size_t from, int64_t offset, size_t *count,
                                    struct sl_failure *failure)
{
    ssize_t written;

    sl_assert(replacement->fd >= 0 && from < bytes->size);
    written = write_some(replacement, bytes, from, offset);
    if (written > 0) {
        *count = (size_t)written;
        return SL_OK;
    }
    if (written == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
        return SL_AGAIN;
    return fail(failure, errno);
}

/* ---- ends ---- */

/* Owner first: giving a file away takes those bits from its mode that make it
 * run as its owner, and so does this where it stays ours. */
static int restore_mode(const struct sl_replacement *replacement)
{
    mode_t mode = replacement->mode;
    struct stat info;

    if (fchown(replacement->fd, replacement->owner, replacement->group) != 0 &&
        fchown(replacement->fd, (uid_t)-1, replacement->group) != 0)
        mode &= (mode_t) ~(S_ISUID | S_ISGID);
    if (fstat(replacement->fd, &info) != 0)
        return errno;
    if (info.st_uid != replacement->owner)
        mode &= (mode_t)~S_ISUID;
    if (info.st_gid != replacement->group)
        mode &= (mode_t)~S_ISGID;
    return fchmod(replacement->fd, mode) == 0 ? 0 : errno;
}

static int close_file(struct sl_replacement *replacement)
{
    int fd = replacement->fd;

    replacement->fd = -1;
    /* Interrupted or not, it is closed. */
    return close(fd) == 0 || errno == EINTR ? 0 : errno;
}

static int commit_direct(struct sl_replacement *replacement, bool is_durable)
{
    int error = 0;

    /* A file that is not on a disk reports that it cannot sync. */
    if (is_durable && fsync(replacement->fd) != 0 && errno != EINVAL &&
        errno != ENOTSUP && errno != EROFS)
        error = errno;
    if (error != 0)
        close_file(replacement);
    else
        error = close_file(replacement);
    return error;
}

/* A kept file stays locked until it has its final name: who got the lock
 * before that would write into the file of that name. The descriptor is closed
 * first, which may report bytes that were lost. */
static int close_and_rename(struct sl_replacement *replacement)
{
    bool is_kept = replacement->is_kept;
    int lock = is_kept ? fcntl(replacement->fd, F_DUPFD_CLOEXEC, 3) : -1;
    int error;

    if (is_kept && lock < 0)
        return errno;
    error = close_file(replacement);
    if (error == 0 && rename(replacement->temporary, replacement->target) != 0)
        error = errno;
    if (error != 0 && !is_kept)
        unlink(replacement->temporary);
    if (lock >= 0)
        close(lock);
    return error;
}

static int commit_file(struct sl_replacement *replacement, bool is_durable)
{
    int error = replacement->had_file ? restore_mode(replacement) : 0;

    if (error == 0 && is_durable && fsync(replacement->fd) != 0)
        error = errno;
    if (error == 0)
        error = close_and_rename(replacement);
    if (error != 0)
        return error;
    return is_durable ? sl_file_name_sync(replacement->target) : 0;
}

enum sl_status sl_replacement_commit(struct sl_replacement *replacement,
                                     bool is_durable,
                                     struct sl_failure *failure)
{
    int error;

    sl_assert(replacement->fd >= 0);
    error = replacement->is_direct ? commit_direct(replacement, is_durable)
                                   : commit_file(replacement, is_durable);
    sl_replacement_close(replacement);
    return error == 0 ? SL_OK : fail(failure, error);
}

void sl_replacement_close(struct sl_replacement *replacement)
{
    if (replacement->fd < 0)
        return;
    close_file(replacement);
    if (!replacement->is_direct && !replacement->is_kept &&
        replacement->process == (long)getpid())
        unlink(replacement->temporary);
}
