#include "io/replacement.h"

#include "base/debug.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The longest chain of links, as in the kernel. */
#define MOST_LINKS 40
/* Slices written in one call. */
#define MOST_VIEWS 16
/* The longest name in a folder, and what a temporary one has behind it. */
#define MOST_NAME 255
#define SUFFIX    ".0123456789abcdef.part"

void sl_replacement_init(struct sl_replacement *replacement)
{
    replacement->fd = -1;
    replacement->is_direct = false;
}

static enum sl_status fail(struct sl_failure *failure, int error)
{
    return sl_fail_system(failure, SL_INVALID, SL_STAGE_BODY, error);
}

/* ---- names ---- */

/* The bytes up to and with the last slash: the folder; 0: the current one. */
static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* Follows links to where `path` leads, whether or not a file is there. Answers
 * errno, or 0. */
static int follow_links(const char *path, char target[PATH_MAX])
{
    char link[PATH_MAX];

    if (strlen(path) >= PATH_MAX)
        return ENAMETOOLONG;
    strcpy(target, path);
    for (int i = 0; i < MOST_LINKS; i++) {
        ssize_t size = readlink(target, link, sizeof link - 1);
        size_t folder;

        if (size < 0)
            return errno == EINVAL || errno == ENOENT ? 0 : errno;
        link[size] = '\0';
        folder = link[0] == '/' ? 0 : folder_size(target);
        if (folder + (size_t)size >= PATH_MAX)
            return ENAMETOOLONG;
        memcpy(target + folder, link, (size_t)size + 1);
    }
    return ELOOP;
}

/* Makes up a name beside the target that is not in use. */
static int name_temporary(struct sl_replacement *replacement)
{
    const char *target = replacement->target;
    size_t folder = folder_size(target);
    size_t name = strlen(target + folder);
    uint64_t bits;

    if (name > MOST_NAME - (sizeof SUFFIX - 1))
        name = MOST_NAME - (sizeof SUFFIX - 1);
    if (folder + name + sizeof SUFFIX > sizeof replacement->temporary)
        return ENAMETOOLONG;
    if (getentropy(&bits, sizeof bits) != 0)
        return errno;
    memcpy(replacement->temporary, target, folder + name);
    snprintf(replacement->temporary + folder + name, sizeof SUFFIX,
             ".%016" PRIx64 ".part", bits);
    return 0;
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

enum sl_status sl_replacement_open(struct sl_replacement *replacement,
                                   const char *path, bool is_private,
                                   struct sl_failure *failure)
{
    struct stat info;
    int error;

    sl_assert(replacement->fd < 0);
    replacement->is_direct = false;
    replacement->is_private = is_private;
    replacement->process = (long)getpid();
    replacement->had_file = stat(path, &info) == 0;
    if (!replacement->had_file && errno != ENOENT)
        return fail(failure, errno);
    if (replacement->had_file && must_be_direct(path, &info))
        return open_direct(replacement, path, &info, failure);
    replacement->mode = replacement->had_file ? info.st_mode & 07777 : 0;
    if (is_private)
        replacement->mode = 0600;
    replacement->owner = replacement->had_file ? info.st_uid : 0;
    replacement->group = replacement->had_file ? info.st_gid : 0;
    error = follow_links(path, replacement->target);
    if (error == 0)
        error = open_temporary(replacement);
    return error == 0 ? SL_OK : fail(failure, error);
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

enum sl_status sl_replacement_write(struct sl_replacement *replacement,
                                    const struct sl_sequence *bytes,
                                    size_t from, size_t *count,
                                    struct sl_failure *failure)
{
    struct iovec views[MOST_VIEWS];
    int filled = 0;
    ssize_t written;

    sl_assert(replacement->fd >= 0 && from < bytes->size);
    for (size_t at = from; at < bytes->size && filled < MOST_VIEWS; filled++) {
        struct sl_view view = sl_sequence_at(bytes, at);

        views[filled].iov_base = (void *)(uintptr_t)view.data;
        views[filled].iov_len = view.size;
        at += view.size;
    }
    do
        written = replacement->is_direct
                      ? write_views(replacement->fd, views, filled)
                      : writev(replacement->fd, views, filled);
    while (written < 0 && errno == EINTR);
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

static int make_folder_durable(const char *target)
{
    char folder[PATH_MAX];
    size_t size = folder_size(target);
    int error;
    int fd;

    memcpy(folder, target, size);
    strcpy(folder + size, size == 0 ? "." : "");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return error;
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

static int commit_file(struct sl_replacement *replacement, bool is_durable)
{
    int error = replacement->had_file ? restore_mode(replacement) : 0;

    if (error == 0 && is_durable && fsync(replacement->fd) != 0)
        error = errno;
    if (error != 0)
        return error;
    error = close_file(replacement);
    if (error == 0 && rename(replacement->temporary, replacement->target) != 0)
        error = errno;
    if (error != 0) {
        unlink(replacement->temporary);
        return error;
    }
    return is_durable ? make_folder_durable(replacement->target) : 0;
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
    if (!replacement->is_direct && replacement->process == (long)getpid())
        unlink(replacement->temporary);
}
