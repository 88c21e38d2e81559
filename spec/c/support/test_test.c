#include "spec/c/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TEST("guarded memory is a copy, and several live at once")
{
    char *first = guard_copy("abc", 3);
    char *empty = guard_copy("", 0);

    first[0] = 'x';
    CHECK_BYTES(first, 3, "xbc", 3);
    CHECK(first + 3 != empty);
    guard_free(first);
    guard_free(empty);
}

/* Whether reading that byte kills a process. */
static bool is_deadly(const char *byte)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(write(STDOUT_FILENO, byte, 1) == 1 ? 0 : 1);
    waitpid(child, &status, 0);
    return status != 0;
}

TEST("the byte behind guarded memory cannot be read")
{
    CHECK(is_deadly(guard_copy("abc", 3) + 3));
    CHECK(is_deadly(guard_copy("", 0)));
}

struct tally {
    size_t calls;
    size_t pieces;
};

static void count_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    struct tally *tally = argument;
    char joined[8] = "";
    size_t i;

    for (i = 0; i < count; i++)
        strncat(joined, pieces[i].data, pieces[i].size);
    CHECK_STR(joined, "hello");
    tally->calls++;
    tally->pieces += count;
}

TEST("an input is cut nowhere, everywhere once, and everywhere at once")
{
    struct tally tally = {0};

    test_each_cut(SL_VIEW("hello"), count_pieces, &tally);
    CHECK_INT(tally.calls, 1 + 4 + 1);
    CHECK_INT(tally.pieces, 1 + 4 * 2 + 5);
}

/* Two allocations, the second a growth. */
static void grow_once(struct sl_allocator *allocator, void *argument)
{
    char *block = sl_allocate(allocator, 10);
    char *grown = NULL;

    (*(size_t *)argument)++;
    if (block != NULL) {
        memset(block, 'a', 10);
        grown = sl_reallocate(allocator, block, 10, 20);
    }
    CHECK_INT(grown == NULL, test_allocator_has_failed(allocator));
    if (grown != NULL)
        CHECK_BYTES(grown, 10, "aaaaaaaaaa", 10);
    if (grown != NULL)
        sl_free(allocator, grown, 20);
    else
        sl_free(allocator, block, 10);
}

TEST("each allocation fails once, with the next, and with all after it")
{
    size_t rounds = 0;

    test_each_failure(grow_once, &rounds);
    CHECK_INT(rounds, 3 * 3);
}

TEST("the allocator counts what is live")
{
    struct test_allocator allocator;
    void *first;
    void *second;

    test_allocator_init(&allocator);
    first = sl_allocate(&allocator.base, 5);
    second = sl_allocate(&allocator.base, 7);
    CHECK_INT(allocator.blocks, 2);
    CHECK_INT(allocator.bytes, 12);
    sl_free(&allocator.base, first, 5);
    CHECK_INT(allocator.bytes, 7);
    sl_free(&allocator.base, second, 7);
    test_allocator_fini(&allocator);
}

static const char document[] = "# A title\n"
                               "\n"
                               "The reason.\n"
                               "\n"
                               "```bytes eof\n"
                               "HTTP/1.1 \n"
                               "200\\r\\n\n"
                               "\\x41\\0\\t\\\\\n"
                               "```\n"
                               "\n"
                               "```events\n"
                               "status 200\n"
                               "end\n"
                               "```\n"
                               "```bytes\n"
                               "```\n";

static void check_fixture(const struct test_fixture *fixture, void *argument)
{
    const struct test_fixture_block *second =
        test_fixture_block(fixture, "bytes", 1);

    (*(size_t *)argument)++;
    CHECK_STR(fixture->title, "A title");
    CHECK_STR(fixture->reason, "The reason.");
    CHECK_BYTES(fixture->bytes.data, fixture->bytes.size,
                "HTTP/1.1 200\r\nA\0\t\\", 18);
    CHECK_INT(fixture->block_count, 3);
    CHECK_STR(fixture->blocks[0].info, "eof");
    CHECK_INT(fixture->event_count, 2);
    CHECK_STR(fixture->events[1], "end");
    if (CHECK(second != NULL))
        CHECK_INT(second->bytes.size, 0);
}

TEST("a fixture is read as its document states")
{
    char directory[] = "/tmp/sluice-fixtures-XXXXXX";
    char path[64];
    size_t count = 0;
    FILE *file;

    REQUIRE(mkdtemp(directory) != NULL);
    snprintf(path, sizeof(path), "%s/one.md", directory);
    file = fopen(path, "w");
    REQUIRE(file != NULL);
    CHECK(fputs(document, file) >= 0);
    CHECK_INT(fclose(file), 0);

    test_fixture_each(directory, check_fixture, &count);
    CHECK_INT(count, 1);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(rmdir(directory), 0);
}

int main(void)
{
    return test_main();
}
