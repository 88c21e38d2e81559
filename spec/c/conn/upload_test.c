#include "conn/upload.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_upload upload;
static bool may_map; /* how files are filled */

static void open_upload(void)
{
    struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT, .segment_size = 7, .spare_limit = SIZE_MAX};

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    sl_upload_init(&upload, &allocator.base, &pool);
}

static void close_upload(void)
{
    sl_upload_dispose(&upload);
    sl_upload_dispose(&upload);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

/* Takes everything out, `piece` bytes at a time. */
static void check_sent(size_t piece, const char *expected)
{
    char sent[256];
    size_t size = 0;
    struct sl_view view;

    while (sl_upload_fill(&upload, may_map) == SL_OK &&
           sl_upload_views(&upload, &view, 1) > 0) {
        size_t count = view.size < piece ? view.size : piece;

        REQUIRE(size + count <= sizeof sent);
        memcpy(sent + size, view.data, count);
        size += count;
        sl_upload_advance(&upload, count);
    }
    CHECK_BYTES(sent, size, expected, strlen(expected));
}

static enum sl_status push(const char *text)
{
    struct sl_buffer piece;
    enum sl_status status;

    sl_buffer_init(&piece, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_append(&piece, sl_view(text, strlen(text))) == SL_OK);
    status = sl_upload_push(&upload, &piece);
    sl_buffer_fini(&piece);
    return status;
}

TEST("has nothing to send when there is no body")
{
    struct sl_view view;

    open_upload();
    CHECK_INT(sl_upload_views(&upload, &view, 1), 0);
    CHECK(sl_upload_is_over(&upload));
    CHECK(sl_upload_is_replayable(&upload));
    close_upload();
}

TEST("gives text in pieces of any size, and again")
{
    for (size_t piece = 1; piece <= 12; piece++) {
        open_upload();
        sl_upload_set_text(&upload, SL_VIEW("hello world"));
        CHECK(!sl_upload_is_over(&upload));
        check_sent(piece, "hello world");
        CHECK(sl_upload_is_over(&upload));
        sl_upload_rewind(&upload);
        check_sent(piece, "hello world");
        close_upload();
    }
}

TEST("gives a sequence across its segments")
{
    for (size_t piece = 1; piece <= 8; piece++) {
        struct sl_buffer buffer;
        struct sl_sequence content;

        open_upload();
        sl_buffer_init(&buffer, &pool, SIZE_MAX);
        sl_sequence_init(&content, &allocator.base);
        REQUIRE(sl_buffer_append(&buffer, SL_VIEW("a body in segments")) ==
                SL_OK);
        REQUIRE(sl_sequence_take(&content, &buffer) == SL_OK);
        CHECK_INT(sl_upload_set_sequence(&upload, &content), SL_OK);
        CHECK_INT(content.size, 0);
        check_sent(piece, "a body in segments");
        CHECK(sl_upload_is_over(&upload));
        sl_buffer_fini(&buffer);
        close_upload();
    }
}

TEST("frames pushed pieces as chunks and ends them with trailers")
{
    open_upload();
    sl_upload_set_pushed(&upload, UINT64_MAX);
    CHECK(!sl_upload_is_replayable(&upload));
    CHECK_INT(push("hello"), SL_OK);
    CHECK_INT(push(""), SL_OK); /* would end the body */
    check_sent(3, "5\r\nhello\r\n");
    CHECK(!sl_upload_is_over(&upload));
    CHECK_INT(push("sixteen bytes..."), SL_OK);
    CHECK_INT(sl_upload_finish(&upload, SL_VIEW("A: b\r\n")), SL_OK);
    check_sent(100, "10\r\nsixteen bytes...\r\n0\r\nA: b\r\n\r\n");
    CHECK(sl_upload_is_over(&upload));
    close_upload();
}

TEST("holds pushed pieces to the declared length")
{
    open_upload();
    sl_upload_set_pushed(&upload, 8);
    CHECK_INT(push("hello"), SL_OK);
    CHECK_INT(push("four"), SL_INVALID);
    CHECK_INT(sl_upload_finish(&upload, SL_VIEW("")), SL_INVALID);
    CHECK_INT(push("you"), SL_OK);
    CHECK_INT(sl_upload_finish(&upload, SL_VIEW("")), SL_OK);
    check_sent(2, "helloyou");
    CHECK(sl_upload_is_over(&upload));
    close_upload();
}

/* An open file with that content; `*fd` is for the upload. */
static FILE *make_file(const char *content, int *fd)
{
    FILE *file = tmpfile();

    REQUIRE(file != NULL && fputs(content, file) >= 0 && fflush(file) == 0);
    *fd = dup(fileno(file));
    REQUIRE(*fd >= 0);
    return file;
}

TEST("closes its file when it is disposed")
{
    int fd;
    FILE *file = make_file("", &fd);

    open_upload();
    sl_upload_set_file(&upload, fd, 0, 10, "body");
    CHECK(!sl_upload_is_over(&upload));
    close_upload();
    CHECK_INT(write(fd, "x", 1), -1);
    fclose(file);
}

static void send_range(void)
{
    for (size_t piece = 1; piece < 12; piece++) {
        int fd;
        FILE *file = make_file("<<a file of some length>>", &fd);

        open_upload();
        sl_upload_set_file(&upload, fd, 2, 21, "body");
        for (int again = 0; again < 2; again++) {
            CHECK_INT(sl_upload_fill(&upload, may_map), SL_OK);
            CHECK_INT(sl_upload_fill(&upload, may_map),
                      SL_OK); /* no more than that */
            check_sent(piece, "a file of some length");
            CHECK_INT(sl_upload_fill(&upload, may_map), SL_OK);
            CHECK(sl_upload_is_over(&upload));
            CHECK_INT(sl_upload_delivered(&upload), 21);
            sl_upload_rewind(&upload);
            CHECK_INT(sl_upload_fill(&upload, may_map), SL_OK);
            sl_upload_advance(&upload, 3);
            sl_upload_rewind(&upload);
        }
        close_upload();
        fclose(file);
    }
}

TEST("reads or maps a range of a file as it is sent, and again")
{
    send_range();
    may_map = true;
    send_range();
    may_map = false;
}

TEST("maps a large file range by range")
{
    static char content[9 * 1024 * 1024];
    size_t size = sizeof content - 1;
    size_t done = 0;
    struct sl_view view;
    FILE *file;
    int fd;

    for (size_t i = 0; i < size; i++)
        content[i] = (char)('a' + i % 23);
    file = make_file(content, &fd);
    open_upload();
    sl_upload_set_file(&upload, fd, 5, size - 5, "body");
    while (!sl_upload_is_over(&upload)) {
        REQUIRE(sl_upload_fill(&upload, true) == SL_OK);
        REQUIRE(sl_upload_views(&upload, &view, 1) == 1);
        CHECK(memcmp(view.data, content + 5 + done, view.size) == 0);
        if (view.size > 1000)
            view.size -= 999;
        done += view.size;
        sl_upload_advance(&upload, view.size);
    }
    CHECK_INT(done, size - 5);
    CHECK_INT(upload.pushed.length, 0);
    close_upload();
    fclose(file);
}

TEST("a mapped file that has become shorter fails, in a send, too")
{
    FILE *file;
    struct sl_view view;
    int ends[2];
    int fd;

    file = make_file("some bytes", &fd);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    open_upload();
    sl_upload_set_file(&upload, fd, 0, 10, "body");
    CHECK_INT(sl_upload_fill(&upload, true), SL_OK);
    REQUIRE(sl_upload_views(&upload, &view, 1) == 1);
    REQUIRE(ftruncate(fd, 0) == 0);
    CHECK_INT(send(ends[0], view.data, view.size, 0), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sl_upload_fill(&upload, true), SL_END);
    close_upload();
    close(ends[0]);
    close(ends[1]);
    fclose(file);
}

TEST("tells of a file that has become shorter, or cannot be read")
{
    int fd;
    FILE *file = make_file("short", &fd);

    open_upload();
    sl_upload_set_file(&upload, fd, 0, 6, "body");
    CHECK_INT(sl_upload_fill(&upload, may_map), SL_OK);
    check_sent(3, "short");
    CHECK(!sl_upload_is_over(&upload));
    CHECK_INT(sl_upload_fill(&upload, may_map), SL_END);
    close_upload();
    fclose(file);

    fd = open("/", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    open_upload();
    sl_upload_set_file(&upload, fd, 0, 6, "body");
    CHECK_INT(sl_upload_fill(&upload, may_map), SL_INVALID);
    CHECK_INT(upload.pushed.length, 0);
    close_upload();
}

int main(void)
{
    return test_main();
}
