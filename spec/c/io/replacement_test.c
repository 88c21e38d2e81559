#include "io/replacement.h"

#include "io/file_name.h"
#include "spec/c/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>

static struct test_allocator allocator;
static struct sl_pool pool;
static char folder[] = "/tmp/replacement_XXXXXX";
static char path[PATH_MAX];
static struct sl_replacement replacement;
static struct sl_failure failure;

/* What was given to fsync(2), in order, each with the content that the file's
 * name led to at that time; which of them fails, 0: none. */
static struct {
    bool is_folder[4];
    char content[4][8];
    int count;
    int bad;
} syncs;

/* Instead of the system's. */
int fsync(int fd)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return -1;
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    if (syncs.count < 4) {
        FILE *file = fopen(path, "rb");

        syncs.is_folder[syncs.count] = S_ISDIR(info.st_mode);
        memset(syncs.content[syncs.count], 0, sizeof syncs.content[0]);
        if (file != NULL) {
            char *content = syncs.content[syncs.count];

            content[fread(content, 1, sizeof syncs.content[0] - 1, file)] =
                '\0';
            fclose(file);
        }
    }
    syncs.count++;
    if (syncs.count != syncs.bad)
        return 0;
    errno = EIO;
    return -1;
}

static void world_open(void)
{
    const struct sl_pool_options options = {.segment_size = 7,
                                            .spare_limit = SIZE_MAX};

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/file", folder);
    sl_replacement_init(&replacement);
    memset(&syncs, 0, sizeof syncs);
    umask(022);
}

/* Empties the folder; how many names there were. */
static int clear_folder(void)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(directory)) != NULL) {
        char name[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        unlink(name);
        count++;
    }
    closedir(directory);
    return count;
}

/* With so many names left. */
static void world_close(int count)
{
    CHECK_INT(replacement.fd, -1);
    CHECK_INT(clear_folder(), count);
    CHECK_INT(rmdir(folder), 0);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(name, "wb");

    fputs(text, file);
    fclose(file);
    CHECK_INT(chmod(name, mode), 0);
}

static void check_file(const char *name, const char *text, mode_t mode)
{
    char content[1000] = "";
    struct stat info;
    FILE *file = fopen(name, "rb");

    if (!CHECK(file != NULL))
        return;
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    CHECK_STR(content, text);
    CHECK_INT(stat(name, &info), 0);
    CHECK_INT(info.st_mode & 07777, mode);
}

/* Writes all of it to `offset`, -1: behind what was written last; the status of
 * the write that could not. */
static enum sl_status write_at(const char *text, int64_t offset)
{
    struct sl_buffer buffer;
    struct sl_sequence sequence;
    enum sl_status status = SL_OK;

    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_append(&buffer, sl_view(text, strlen(text))) == SL_OK);
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_sequence_take(&sequence, &buffer) == SL_OK);
    sl_buffer_fini(&buffer);
    for (size_t from = 0; from < sequence.size && status == SL_OK;) {
        int64_t at = offset < 0 ? -1 : offset + (int64_t)from;
        size_t count = 0;

        status = sl_replacement_write(&replacement, &sequence, from, at, &count,
                                      &failure);
        from += count;
    }
    sl_sequence_fini(&sequence);
    return status;
}

static enum sl_status write_text(const char *text)
{
    return write_at(text, -1);
}

static void save(const char *text, bool is_durable)
{
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    CHECK((fcntl(replacement.fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_INT(write_text(text), SL_OK);
    CHECK_INT(sl_replacement_commit(&replacement, is_durable, &failure), SL_OK);
}

static const char long_text[] =
    "a text of many segments, so that one call writes only some of them, and "
    "a second one the rest: sixteen slices of seven bytes are 112 bytes";

TEST("a new file has the mode that any new file has")
{
    world_open();
    save(long_text, false);
    check_file(path, long_text, 0644);
    umask(077);
    unlink(path);
    save("", true);
    check_file(path, "", 0600);
    world_close(1);
}

TEST("a file that is replaced keeps its mode, whatever that is")
{
    static const mode_t modes[] = {0644, 0600, 0755, 0444, 0000, 01640, 06755};

    world_open();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        test_note("mode %o", (unsigned)modes[i]);
        write_file(path, "old", modes[i]);
        REQUIRE(sl_replacement_open(&replacement, path, false, &failure) ==
                SL_OK);
        CHECK_INT(write_text("new"), SL_OK);
        check_file(replacement.temporary, "new", 0600);
        if (modes[i] != 0 || geteuid() == 0)
            check_file(path, "old", modes[i]);
        CHECK_INT(sl_replacement_commit(&replacement, i % 2, &failure), SL_OK);
        CHECK_INT(chmod(path, 0400 | modes[i]), 0);
        check_file(path, "new", 0400 | modes[i]);
        CHECK_INT(unlink(path), 0);
    }
    world_close(0);
}

TEST("a private file may be read by its owner alone, whatever was there")
{
    static const mode_t modes[] = {0644, 0600, 0777, 06755};

    world_open();
    umask(0);
    for (size_t i = 0; i <= sizeof modes / sizeof *modes; i++) {
        if (i > 0)
            write_file(path, "old", modes[i - 1]);
        REQUIRE(sl_replacement_open(&replacement, path, true, &failure) ==
                SL_OK);
        CHECK_INT(write_text("new"), SL_OK);
        check_file(replacement.temporary, "new", 0600);
        CHECK_INT(sl_replacement_commit(&replacement, i % 2, &failure), SL_OK);
        check_file(path, "new", 0600);
        CHECK_INT(unlink(path), 0);
    }
    world_close(0);
}

TEST("a file that is replaced keeps its owner where that may be")
{
    struct stat info;

    world_open();
    write_file(path, "old", 04755);
    if (geteuid() == 0) {
        CHECK_INT(chown(path, 1234, 4321), 0);
        CHECK_INT(chmod(path, 04755), 0);
    }
    save("new", false);
    REQUIRE(stat(path, &info) == 0);
    CHECK_INT(info.st_mode & 07777, 04755);
    CHECK_INT(info.st_uid, geteuid() == 0 ? 1234 : geteuid());
    CHECK_INT(info.st_gid, geteuid() == 0 ? 4321 : getegid());
    world_close(1);
}

TEST("a durable file is on the disk before its name, and then that is, too")
{
    world_open();
    write_file(path, "old", 0644);
    save("new", true);
    CHECK_INT(syncs.count, 2);
    CHECK(!syncs.is_folder[0]);
    CHECK_STR(syncs.content[0], "old");
    CHECK(syncs.is_folder[1]);
    CHECK_STR(syncs.content[1], "new");
    check_file(path, "new", 0644);
    save("newer", false);
    CHECK_INT(syncs.count, 2);
    check_file(path, "newer", 0644);
    world_close(1);
}

TEST("a disk that fails is reported, and leaves the old file")
{
    world_open();
    write_file(path, "old", 0644);
    syncs.bad = 1;
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    CHECK_INT(write_text("new"), SL_OK);
    CHECK_INT(sl_replacement_commit(&replacement, true, &failure), SL_INVALID);
    CHECK_INT(failure.system_error, EIO);
    CHECK_INT(syncs.count, 1);
    check_file(path, "old", 0644);
    world_close(1);
}

TEST("an abandoned file leaves the old one, or none")
{
    world_open();
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    CHECK_INT(write_text("new"), SL_OK);
    sl_replacement_close(&replacement);
    sl_replacement_close(&replacement);
    CHECK_INT(access(path, F_OK), -1);
    write_file(path, "old", 0640);
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    CHECK_INT(write_text("new"), SL_OK);
    sl_replacement_close(&replacement);
    check_file(path, "old", 0640);
    world_close(1);
}

TEST("a child of fork does not touch the file of its parent")
{
    pid_t child;
    int status;

    world_open();
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    CHECK_INT(write_text("new"), SL_OK);
    child = fork();
    if (child == 0) {
        sl_replacement_close(&replacement);
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(sl_replacement_commit(&replacement, false, &failure), SL_OK);
    check_file(path, "new", 0644);
    world_close(1);
}

TEST("links stay, and their targets are replaced or made")
{
    char target[PATH_MAX], middle[PATH_MAX];
    struct stat info;

    world_open();
    snprintf(target, sizeof target, "%s/target", folder);
    snprintf(middle, sizeof middle, "%s/middle", folder);
    REQUIRE(symlink("middle", path) == 0);
    REQUIRE(symlink(target, middle) == 0);
    save("first", false);
    check_file(target, "first", 0644);
    CHECK_INT(chmod(target, 0604), 0);
    save("second", true);
    check_file(target, "second", 0604);
    CHECK_INT(lstat(path, &info), 0);
    CHECK(S_ISLNK(info.st_mode));
    CHECK_INT(lstat(middle, &info), 0);
    CHECK(S_ISLNK(info.st_mode));
    world_close(3);
}

TEST("links in a circle, folders and long names are failures")
{
    char name[300];

    world_open();
    REQUIRE(symlink("file", path) == 0);
    CHECK_INT(sl_replacement_open(&replacement, path, false, &failure),
              SL_INVALID);
    CHECK_INT(failure.system_error, ELOOP);
    CHECK_INT(sl_replacement_open(&replacement, folder, false, &failure),
              SL_INVALID);
    CHECK_INT(failure.system_error, EISDIR);
    unlink(path);
    memset(name, 'n', sizeof name);
    snprintf(path, sizeof path, "%s/%.256s", folder, name);
    CHECK_INT(sl_replacement_open(&replacement, path, false, &failure),
              SL_INVALID);
    CHECK_INT(failure.system_error, ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/none/file", folder);
    CHECK_INT(sl_replacement_open(&replacement, path, false, &failure),
              SL_INVALID);
    CHECK_INT(failure.system_error, ENOENT);
    snprintf(path, sizeof path, "%s/%.255s", folder, name);
    save("long", false);
    check_file(path, "long", 0644);
    world_close(1);
}

TEST("a name without a folder is in the current one")
{
    char before[PATH_MAX];

    world_open();
    REQUIRE(getcwd(before, sizeof before) != NULL);
    REQUIRE(chdir(folder) == 0);
    strcpy(path, "file");
    save("here", true);
    check_file(path, "here", 0644);
    REQUIRE(chdir(before) == 0);
    world_close(1);
}

TEST("a FIFO is written as far as it has room")
{
    char room[2000];
    struct stat info;
    enum sl_status status = SL_OK;
    size_t total = 0;
    int reader;

    world_open();
    REQUIRE(mkfifo(path, 0600) == 0);
    CHECK_INT(sl_replacement_open(&replacement, path, false, &failure),
              SL_INVALID);
    CHECK(strstr(failure.reason, "no process reads") != NULL);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(reader >= 0);
    save("through the pipe", true);
    CHECK_BYTES(room, (size_t)read(reader, room, sizeof room),
                "through the pipe", 16);

    memset(room, 'x', sizeof room - 1);
    room[sizeof room - 1] = '\0';
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    for (int i = 0; i < 1000 && status == SL_OK; i++)
        status = write_text(room);
    CHECK_INT(status, SL_AGAIN);
    for (ssize_t got; (got = read(reader, room, sizeof room)) > 0;)
        total += (size_t)got;
    CHECK(total > 4096);
    CHECK_INT(write_text("goes on"), SL_OK);
    close(reader);
    CHECK_INT(write_text("broken"), SL_INVALID); /* and no signal */
    CHECK_INT(failure.system_error, EPIPE);
    sl_replacement_close(&replacement);
    CHECK_INT(lstat(path, &info), 0);
    CHECK(S_ISFIFO(info.st_mode));
    world_close(1);
}

TEST("a device is written and stays")
{
    struct stat info;

    world_open();
    strcpy(path, "/dev/null");
    save(long_text, true);
    CHECK_INT(stat(path, &info), 0);
    CHECK(S_ISCHR(info.st_mode));
    strcpy(path, "/dev/full");
    if (access(path, W_OK) == 0) {
        REQUIRE(sl_replacement_open(&replacement, path, false, &failure) ==
                SL_OK);
        CHECK_INT(write_text("x"), SL_INVALID);
        CHECK_INT(failure.system_error, ENOSPC);
        sl_replacement_close(&replacement);
    }
    world_close(0);
}

TEST("a file that others have open by a descriptor is appended to")
{
    world_open();
    write_file(path, "old ", 0644);
    {
        char name[PATH_MAX];
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        strcpy(name, path);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (access(path, F_OK) == 0) {
            save("new", false);
            check_file(name, "old new", 0644);
        }
        close(fd);
    }
    world_close(1);
}

/* ---- in parts ---- */

static void open_parts(bool is_kept)
{
    REQUIRE(sl_replacement_open_parts(&replacement, path, is_kept, false,
                                      &failure) == SL_OK);
    CHECK((fcntl(replacement.fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static int64_t size_now(void)
{
    int64_t size = -1;

    CHECK_INT(sl_replacement_size(&replacement, &size, &failure), SL_OK);
    return size;
}

TEST("parts are written in any order, and are there in a later life")
{
    char part[PATH_MAX];

    world_open();
    CHECK_INT(sl_file_name_beside(path, ".sluice-part", part), 0);
    open_parts(true);
    CHECK_STR(replacement.temporary, part);
    CHECK_INT(size_now(), 0);
    CHECK_INT(write_at("world of more than one segment", 6), SL_OK);
    sl_replacement_close(&replacement);
    CHECK_INT(access(path, F_OK), -1);
    open_parts(true);
    CHECK_INT(size_now(), 36);
    CHECK_INT(write_at("hello ", 0), SL_OK);
    CHECK_INT(sl_replacement_cut(&replacement, 11, &failure), SL_OK);
    CHECK_INT(sl_replacement_commit(&replacement, true, &failure), SL_OK);
    check_file(path, "hello world", 0644);
    CHECK_INT(access(part, F_OK), -1);
    world_close(1);
}

TEST("kept parts are there in a later life when they get no final name")
{
    world_open();
    for (int is_kept = 1; is_kept >= 0; is_kept--) {
        open_parts(is_kept);
        CHECK_INT(write_at("hello", 0), SL_OK);
        REQUIRE(mkdir(path, 0700) == 0);
        CHECK_INT(sl_replacement_commit(&replacement, false, &failure),
                  SL_INVALID);
        CHECK_INT(failure.system_error, EISDIR);
        CHECK_INT(replacement.fd, -1);
        REQUIRE(rmdir(path) == 0);
        open_parts(true);
        CHECK_INT(size_now(), is_kept ? 5 : 0);
        sl_replacement_discard(&replacement);
    }
    world_close(0);
}

TEST("parts that are not kept are gone, and so are discarded ones")
{
    world_open();
    write_file(path, "old", 0640);
    open_parts(false);
    CHECK_INT(write_at("new", 0), SL_OK);
    sl_replacement_close(&replacement);
    open_parts(true);
    CHECK_INT(write_at("new", 0), SL_OK);
    sl_replacement_discard(&replacement);
    sl_replacement_discard(&replacement);
    check_file(path, "old", 0640);
    open_parts(false);
    CHECK_INT(write_at("new", 0), SL_OK);
    CHECK_INT(sl_replacement_commit(&replacement, false, &failure), SL_OK);
    check_file(path, "new", 0640);
    world_close(1);
}

/* Whether the file that was renamed last was locked then. */
static bool was_locked;

/* Instead of the system's. */
int rename(const char *from, const char *to)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);

    was_locked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

TEST("kept parts are locked until they have their final name")
{
    world_open();
    for (int is_durable = 0; is_durable < 2; is_durable++) {
        open_parts(true);
        CHECK_INT(write_at("hello", 0), SL_OK);
        CHECK_INT(sl_replacement_commit(&replacement, is_durable, &failure),
                  SL_OK);
        CHECK(was_locked);
        check_file(path, "hello", 0644);
    }
    world_close(1);
}

TEST("a file in parts has one writer at a time, also in one process")
{
    struct sl_replacement second;
    char name[PATH_MAX];

    world_open();
    sl_replacement_init(&second);
    open_parts(true);
    CHECK_INT(sl_replacement_open_parts(&second, path, true, false, &failure),
              SL_INVALID);
    CHECK_STR(failure.reason, "it is being written already");
    CHECK_INT(write_at("first", 0), SL_OK);
    CHECK_INT(sl_replacement_commit(&replacement, false, &failure), SL_OK);
    open_parts(true); /* another file, of the same temporary name */
    CHECK_INT(size_now(), 0);
    sl_replacement_discard(&replacement);
    check_file(path, "first", 0644);

    CHECK_INT(sl_file_name_beside(path, ".sluice-part", name), 0);
    REQUIRE(symlink("elsewhere", name) == 0);
    CHECK_INT(
        sl_replacement_open_parts(&replacement, path, true, false, &failure),
        SL_INVALID);
    CHECK_INT(failure.system_error, ELOOP);
    unlink(name);
    REQUIRE(mkfifo(name, 0600) == 0);
    CHECK_INT(
        sl_replacement_open_parts(&replacement, path, true, false, &failure),
        SL_INVALID);
    world_close(2);
}

TEST("a file in parts has no other name: it might be any file of this user")
{
    char name[PATH_MAX];

    world_open();
    REQUIRE(sl_replacement_open(&replacement, path, false, &failure) == SL_OK);
    CHECK_INT(write_at("mine", -1), SL_OK);
    CHECK_INT(sl_replacement_commit(&replacement, false, &failure), SL_OK);
    CHECK_INT(sl_file_name_beside(path, ".sluice-part", name), 0);
    REQUIRE(link(path, name) == 0);
    CHECK_INT(
        sl_replacement_open_parts(&replacement, path, true, false, &failure),
        SL_INVALID);
    CHECK(strstr(failure.reason, "is not a regular file of this user alone"));
    check_file(path, "mine", 0644);
    world_close(2);
}

TEST("only a regular file is written in parts")
{
    world_open();
    REQUIRE(mkfifo(path, 0600) == 0);
    for (int is_kept = 0; is_kept < 2; is_kept++) {
        CHECK_INT(sl_replacement_open_parts(&replacement, path, is_kept, false,
                                            &failure),
                  SL_INVALID);
        CHECK(strstr(failure.reason, "only a regular file") != NULL);
        CHECK_INT(sl_replacement_open_parts(&replacement, folder, is_kept,
                                            false, &failure),
                  SL_INVALID);
        CHECK_INT(failure.system_error, EISDIR);
    }
    world_close(1);
}

int main(void)
{
    return test_main();
}
