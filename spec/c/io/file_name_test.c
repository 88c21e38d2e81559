#include "io/file_name.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char name[PATH_MAX];

TEST("puts a suffix behind a name, in any folder")
{
    CHECK_INT(sl_file_name_beside("file", ".part", name), 0);
    CHECK_STR(name, "file.part");
    CHECK_INT(sl_file_name_beside("/a.b/file", ".part", name), 0);
    CHECK_STR(name, "/a.b/file.part");
}

TEST("cuts a name that is too long, and refuses a path that is")
{
    char path[PATH_MAX + 1];

    memset(path, 'n', sizeof path);
    memcpy(path, "/tmp/", 5);
    path[5 + 255] = '\0';
    CHECK_INT(sl_file_name_beside(path, ".part", name), 0);
    CHECK_INT(strlen(name), 5 + 255);
    CHECK_STR(name + 5 + 250, ".part");
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = i % 100 == 0 ? '/' : 'n';
    path[PATH_MAX - 1] = '\0';
    CHECK_INT(sl_file_name_beside(path, ".part", name), ENAMETOOLONG);
    path[PATH_MAX - 1] = 'n';
    path[PATH_MAX] = '\0';
    CHECK_INT(sl_file_name_follow(path, name), ENAMETOOLONG);
}

TEST("follows links to where a file is, or will be")
{
    char folder[] = "/tmp/file_name_XXXXXX";
    char link[PATH_MAX], target[PATH_MAX];

    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(target, sizeof target, "%s/target", folder);
    CHECK_INT(sl_file_name_follow(link, name), 0);
    CHECK_STR(name, link);
    REQUIRE(symlink("target", link) == 0);
    CHECK_INT(sl_file_name_follow(link, name), 0);
    CHECK_STR(name, target);
    REQUIRE(symlink(link, target) == 0);
    CHECK_INT(sl_file_name_follow(link, name), ELOOP);
    unlink(link);
    unlink(target);
    CHECK_INT(sl_file_name_sync(target), 0);
    rmdir(folder);
    CHECK_INT(sl_file_name_sync(target), ENOENT);
    CHECK_INT(sl_file_name_sync("in the current folder"), 0);
}

int main(void)
{
    return test_main();
}
