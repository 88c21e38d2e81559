#include "io/file_name.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The longest chain of links, as in the kernel. */
#define MOST_LINKS 40
/* The longest name in a folder. */
#define MOST_NAME 255

/* The bytes up to and with the last slash: the folder; 0: the current one. */
static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

int sl_file_name_follow(const char *path, char target[PATH_MAX])
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

int sl_file_name_beside(const char *target, const char *suffix,
                        char name[PATH_MAX])
{
    size_t folder = folder_size(target);
    size_t kept = strlen(target + folder);
    size_t added = strlen(suffix);

    if (kept > MOST_NAME - added)
        kept = MOST_NAME - added;
    if (folder + kept + added >= PATH_MAX)
        return ENAMETOOLONG;
    memcpy(name, target, folder + kept);
    memcpy(name + folder + kept, suffix, added + 1);
    return 0;
}

int sl_file_name_sync(const char *target)
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
