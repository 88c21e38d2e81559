#include "io/file.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_buffer buffer;

static void open_buffer(struct sl_allocator *from)
{
    struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT, .segment_size = 7, .spare_limit = SIZE_MAX};

    sl_pool_init(&pool, from, &options);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
}

static void close_buffer(void)
{
    sl_buffer_fini(&buffer);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    sl_pool_fini(&pool);
}

static void begin(void)
{
    test_allocator_init(&allocator);
    open_buffer(&allocator.base);
}

static void end(void)
{
    close_buffer();
    test_allocator_fini(&allocator);
}

static FILE *make_file(const char *content)
{
    FILE *file = tmpfile();

    REQUIRE(file != NULL && fputs(content, file) >= 0 && fflush(file) == 0);
    return file;
}

static void check_content(const char *expected)
{
    char bytes[256];
    size_t size = sl_buffer_copy_out(&buffer, 0, bytes, sizeof bytes);

    CHECK_BYTES(bytes, size, expected, strlen(expected));
    sl_buffer_reset(&buffer);
}

TEST("reads a range of any size and leaves the position of the file alone")
{
    const char *content = "some bytes of a file that is longer than that";
    FILE *file = make_file(content);

    begin();
    for (size_t from = 0; from < strlen(content); from++) {
        char expected[64];

        snprintf(expected, sizeof expected, "%.*s", 20, content + from);
        CHECK_INT(sl_file_read(fileno(file), (int64_t)from, 20, &buffer),
                  SL_OK);
        check_content(expected);
    }
    CHECK_INT(sl_file_read_all(fileno(file), 5, 30, &buffer), SL_OK);
    check_content("bytes of a file that is longer");
    CHECK_INT(lseek(fileno(file), 0, SEEK_CUR), strlen(content));
    end();
    fclose(file);
}

TEST("appends to what the buffer holds")
{
    FILE *file = make_file("0123456789");

    begin();
    REQUIRE(sl_buffer_append(&buffer, SL_VIEW("before ")) == SL_OK);
    CHECK_INT(sl_file_read_all(fileno(file), 1, 9, &buffer), SL_OK);
    check_content("before 123456789");
    CHECK_INT(sl_file_read_all(fileno(file), 1, 0, &buffer), SL_OK);
    end();
    fclose(file);
}

TEST("reports the end of a file, and a file that cannot be read")
{
    FILE *file = make_file("0123456789");
    int directory = open("/", O_RDONLY | O_CLOEXEC);

    begin();
    CHECK_INT(sl_file_read(fileno(file), 10, 1, &buffer), SL_END);
    CHECK_INT(sl_file_read(fileno(file), 9, 5, &buffer), SL_OK);
    CHECK_INT(buffer.length, 1);
    sl_buffer_reset(&buffer);
    CHECK_INT(sl_file_read_all(fileno(file), 3, 8, &buffer), SL_END);
    sl_buffer_reset(&buffer);
    CHECK_INT(sl_file_read(directory, 0, 1, &buffer), SL_INVALID);
    CHECK_INT(sl_file_read_all(directory, 0, 1, &buffer), SL_INVALID);
    CHECK(!sl_file_can_read(&(struct sl_file){.fd = directory}, 0));
    CHECK(sl_file_can_read(&(struct sl_file){.fd = fileno(file)}, 10));
    CHECK_INT(buffer.length, 0);
    end();
    close(directory);
    fclose(file);
}

TEST(
    "has a descriptor of its own, which a program that is started does not get")
{
    FILE *stream = make_file("0123456789");
    struct sl_file file;

    CHECK_INT(sl_file_share(&file, fileno(stream)), SL_OK);
    fclose(stream);
    CHECK_INT(fcntl(file.fd, F_GETFD), FD_CLOEXEC);
    CHECK(sl_file_reaches(&file, 10));
    CHECK(!sl_file_reaches(&file, 11));
    sl_file_fini(&file);
    CHECK_INT(file.fd, -1);
    sl_file_fini(&file);
    CHECK_INT(sl_file_share(&file, -1), SL_LIMIT);
    sl_file_fini(&file);
}

TEST("maps range by range, from any position")
{
    size_t size = (size_t)3 * 1024 * 1024 + 17;
    char *content = malloc(size);
    FILE *stream = tmpfile();
    struct sl_file file;

    REQUIRE(content != NULL && stream != NULL);
    for (size_t i = 0; i < size; i++)
        content[i] = (char)('a' + i % 23);
    REQUIRE(fwrite(content, 1, size, stream) == size && fflush(stream) == 0);
    REQUIRE(sl_file_share(&file, fileno(stream)) == SL_OK);
    CHECK_INT(sl_file_mapped(&file, 0).size, 0);
    for (size_t at = 5; at < size;) {
        struct sl_view view;

        REQUIRE(sl_file_map(&file, (int64_t)at, (int64_t)size));
        view = sl_file_mapped(&file, (int64_t)at);
        REQUIRE(view.size > 0 && view.size <= 1024 * 1024);
        CHECK(memcmp(view.data, content + at, view.size) == 0);
        at += view.size > 100000 ? view.size - 99 : view.size;
        CHECK_INT(sl_file_mapped(&file, 1).size > 0, at < 1024 * 1024 + 100);
    }
    REQUIRE(sl_file_map(&file, 100, 200));
    CHECK_INT(sl_file_mapped(&file, 150).size, 50);
    CHECK_INT(sl_file_mapped(&file, 200).size, 0);
    sl_file_unmap(&file);
    CHECK_INT(sl_file_mapped(&file, 150).size, 0);
    sl_file_unmap(&file);
    sl_file_fini(&file);
    fclose(stream);
    free(content);
}

TEST("maps files only, so that a lost page is an EFAULT from the kernel")
{
    FILE *stream = make_file("some bytes");
    struct sl_file file;
    struct sl_view view;
    int ends[2];

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    REQUIRE(sl_file_share(&file, fileno(stream)) == SL_OK);
    REQUIRE(sl_file_map(&file, 2, 10));
    view = sl_file_mapped(&file, 2);
    CHECK_INT(view.size, 8);
    REQUIRE(ftruncate(fileno(stream), 0) == 0);
    CHECK(!sl_file_reaches(&file, 10));
    CHECK_INT(send(ends[0], view.data, view.size, 0), -1);
    CHECK_INT(errno, EFAULT);
    sl_file_fini(&file);

    REQUIRE(sl_file_share(&file, ends[0]) == SL_OK);
    CHECK(!sl_file_map(&file, 0, 10));
    sl_file_fini(&file);
    close(ends[0]);
    close(ends[1]);
    fclose(stream);
}

static void read_with(struct sl_allocator *failing, void *argument)
{
    FILE *file = argument;
    enum sl_status status;

    open_buffer(failing);
    status = sl_file_read_all(fileno(file), 0, 200, &buffer);
    if (status != SL_OK)
        CHECK(status == SL_MEMORY && test_allocator_has_failed(failing));
    close_buffer();
}

TEST("loses nothing if memory runs out")
{
    char content[201];
    FILE *file;

    memset(content, 'x', 200);
    content[200] = 0;
    file = make_file(content);
    test_each_failure(read_with, file);
    fclose(file);
}

int main(void)
{
    return test_main();
}
