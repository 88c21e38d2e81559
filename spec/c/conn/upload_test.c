#include "conn/upload.h"

#include "spec/c/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

TEST("has nothing to send if there is no body")
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
        REQUIRE(sl_upload_add_text(&upload, SL_VIEW("hello world")) == SL_OK);
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
        CHECK_INT(sl_upload_add_sequence(&upload, &content), SL_OK);
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

TEST("refuses pushed pieces beyond the declared length")
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

/* ---- several sources ---- */

#define LARGE ((size_t)100 * 1000) /* too much to go with a head */

static char large[LARGE + 1];

/* An open file of LARGE bytes, which come in order of the alphabet. */
static FILE *make_large_file(void)
{
    FILE *file = tmpfile();

    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)('a' + i % 23);
    REQUIRE(file != NULL && fwrite(large, 1, LARGE, file) == LARGE &&
            fflush(file) == 0);
    return file;
}

static enum sl_status add_sequence(const char *text)
{
    struct sl_buffer buffer;
    struct sl_sequence content;
    enum sl_status status;

    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_sequence_init(&content, &allocator.base);
    status = sl_buffer_append(&buffer, sl_view(text, strlen(text)));
    if (status == SL_OK)
        status = sl_sequence_take(&content, &buffer);
    if (status == SL_OK)
        status = sl_upload_add_sequence(&upload, &content);
    sl_sequence_fini(&content);
    sl_buffer_fini(&buffer);
    return status;
}

/* Mapped bytes are not to be looked at, but for files that stay as they are. */
static void check_large_sent(size_t piece, const char *before,
                             const char *after)
{
    size_t before_size = strlen(before);
    size_t total = before_size + LARGE + strlen(after);
    char *sent = malloc(total);
    size_t size = 0;
    struct sl_view views[4];
    size_t count;

    REQUIRE(sent != NULL);
    while (sl_upload_fill(&upload, may_map) == SL_OK &&
           (count = sl_upload_views(&upload, views, 4)) > 0) {
        size_t left = piece;

        for (size_t i = 0; i < count && left > 0; i++) {
            size_t n = views[i].size < left ? views[i].size : left;

            REQUIRE(size + n <= total);
            memcpy(sent + size, views[i].data, n);
            size += n;
            left -= n;
        }
        sl_upload_advance(&upload, piece - left);
    }
    CHECK_INT(size, total);
    CHECK(memcmp(sent, before, before_size) == 0);
    CHECK(memcmp(sent + before_size, large, LARGE) == 0);
    CHECK(memcmp(sent + before_size + LARGE, after, strlen(after)) == 0);
    CHECK(sl_upload_is_over(&upload));
    CHECK_INT(sl_upload_delivered(&upload), total);
    free(sent);
}

TEST("gives many sources in order, in pieces of any size, and again")
{
    for (size_t piece = 1; piece <= 30; piece++) {
        FILE *file = tmpfile();

        REQUIRE(file != NULL && fputs("of a file", file) >= 0 &&
                fflush(file) == 0);
        open_upload();
        CHECK_INT(sl_upload_add_text(&upload, SL_VIEW("")), SL_OK);
        CHECK_INT(sl_upload_add_text(&upload, SL_VIEW("some text, ")), SL_OK);
        CHECK_INT(add_sequence("a sequence, "), SL_OK);
        CHECK_INT(sl_upload_add_text(&upload, SL_VIEW("")), SL_OK);
        CHECK_INT(sl_upload_add_file(&upload, fileno(file), 3, 6, "body"),
                  SL_OK);
        CHECK_INT(sl_upload_add_text(&upload, SL_VIEW("; end")), SL_OK);
        CHECK_INT(sl_upload_add_text(&upload, SL_VIEW("")), SL_OK);
        fclose(file); /* was read at once */
        CHECK_INT(upload.size, 34);
        CHECK(sl_upload_is_replayable(&upload));
        for (int again = 0; again < 3; again++) {
            if (again < 2)
                check_sent(piece, "some text, a sequence, a file; end");
            else
                sl_upload_advance(&upload, piece);
            sl_upload_rewind(&upload);
            CHECK(!sl_upload_is_over(&upload));
        }
        close_upload();
    }
}

TEST("shows and copies small sources together")
{
    struct sl_view views[8];
    char bytes[64];

    open_upload();
    for (int i = 0; i < 3; i++)
        REQUIRE(sl_upload_add_text(&upload, SL_VIEW("text")) == SL_OK);
    REQUIRE(add_sequence("0123456789") == SL_OK); /* two segments */
    REQUIRE(sl_upload_add_text(&upload, SL_VIEW("end")) == SL_OK);
    sl_upload_advance(&upload, 6);
    CHECK_INT(sl_upload_views(&upload, views, 8), 5);
    CHECK_VIEW(views[0], "xt");
    CHECK_VIEW(views[4], "end");
    CHECK_INT(sl_upload_views(&upload, views, 3), 3);
    CHECK_BYTES(bytes, sl_upload_copy_out(&upload, bytes, sizeof bytes),
                "xttext0123456789end", 19);
    CHECK_BYTES(bytes, sl_upload_copy_out(&upload, bytes, 9), "xttext012", 9);
    close_upload();
}

TEST("reads or maps a file between other sources, and again")
{
    for (int way = 0; way < 2; way++) {
        FILE *file = make_large_file();

        may_map = way == 1;
        for (size_t piece = 1000; piece < 200000; piece *= 3) {
            open_upload();
            REQUIRE(sl_upload_add_text(&upload, SL_VIEW("before ")) == SL_OK);
            REQUIRE(sl_upload_add_file(&upload, fileno(file), 0, LARGE,
                                       "body") == SL_OK);
            REQUIRE(add_sequence(" after") == SL_OK);
            check_large_sent(piece, "before ", " after");
            sl_upload_rewind(&upload);
            check_large_sent(piece, "before ", " after");
            close_upload();
        }
        fclose(file);
    }
    may_map = false;
}

TEST("shows bytes before a file together with the file")
{
    struct sl_view views[4];
    FILE *file = make_large_file();

    open_upload();
    REQUIRE(sl_upload_add_text(&upload, SL_VIEW("before")) == SL_OK);
    REQUIRE(sl_upload_add_file(&upload, fileno(file), 0, LARGE, "body") ==
            SL_OK);
    REQUIRE(sl_upload_add_text(&upload, SL_VIEW("after")) == SL_OK);
    CHECK_INT(sl_upload_views(&upload, views, 4), 1);
    CHECK(!sl_upload_is_mapped(&upload));
    CHECK_INT(sl_upload_fill(&upload, true), SL_OK);
    CHECK(sl_upload_is_mapped(&upload));
    CHECK_INT(sl_upload_views(&upload, views, 4), 3);
    CHECK_INT(views[1].size, LARGE);
    CHECK_VIEW(views[2], "after");
    sl_upload_advance(&upload, 6 + LARGE);
    CHECK(!sl_upload_is_mapped(&upload));
    close_upload();
    fclose(file);
}

TEST("neither reads nor maps a file while many bytes come before it")
{
    FILE *file = make_large_file();
    struct sl_view views[2];

    open_upload();
    REQUIRE(sl_upload_add_text(&upload, sl_view(large, LARGE)) == SL_OK);
    REQUIRE(sl_upload_add_file(&upload, fileno(file), 0, LARGE, "body") ==
            SL_OK);
    CHECK_INT(sl_upload_fill(&upload, false), SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_upload_fill(&upload, true), SL_OK);
    CHECK(!sl_upload_is_mapped(&upload));
    CHECK_INT(sl_upload_views(&upload, views, 2), 1);
    sl_upload_advance(&upload, LARGE - 10);
    CHECK_INT(sl_upload_fill(&upload, true), SL_OK);
    CHECK_INT(sl_upload_views(&upload, views, 2), 2);
    close_upload();
    fclose(file);
}

TEST("never copies what is mapped")
{
    FILE *file = make_large_file();
    char bytes[64];

    open_upload();
    REQUIRE(sl_upload_add_text(&upload, SL_VIEW("before")) == SL_OK);
    REQUIRE(sl_upload_add_file(&upload, fileno(file), 0, LARGE, "body") ==
            SL_OK);
    REQUIRE(sl_upload_fill(&upload, true) == SL_OK);
    REQUIRE(ftruncate(fileno(file), 0) == 0);
    CHECK_BYTES(bytes, sl_upload_copy_out(&upload, bytes, sizeof bytes),
                "before", 6);
    sl_upload_advance(&upload, 6);
    CHECK_INT(sl_upload_copy_out(&upload, bytes, sizeof bytes), 0);
    close_upload();
    fclose(file);
}

TEST("reports a file that has shrunk, or cannot be read")
{
    FILE *file = make_large_file();
    int directory = open("/", O_RDONLY | O_CLOEXEC);

    for (int way = 0; way < 2; way++) {
        open_upload();
        REQUIRE(sl_upload_add_text(&upload, SL_VIEW("before")) == SL_OK);
        REQUIRE(sl_upload_add_file(&upload, fileno(file), 0, LARGE + 1,
                                   "the file") == SL_OK);
        may_map = way == 1;
        if (!may_map) {
            sl_upload_advance(&upload, 6);
            while (sl_upload_fill(&upload, false) == SL_OK) {
                struct sl_view view;

                REQUIRE(sl_upload_views(&upload, &view, 1) == 1);
                sl_upload_advance(&upload, view.size);
            }
            CHECK_INT(sl_upload_delivered(&upload), 6 + LARGE);
        }
        CHECK_INT(sl_upload_fill(&upload, may_map), SL_END);
        CHECK_STR(sl_upload_file_name(&upload), "the file");
        close_upload();
    }
    may_map = false;
    open_upload();
    CHECK_INT(sl_upload_add_file(&upload, fileno(file), 1, LARGE, "body"),
              SL_OK);
    CHECK_INT(sl_upload_add_file(&upload, fileno(file), 0, 0, "body"), SL_OK);
    close_upload();

    open_upload();
    REQUIRE(directory >= 0);
    CHECK_INT(sl_upload_add_file(&upload, directory, 0, 5, "body"), SL_INVALID);
    CHECK_INT(sl_upload_add_file(&upload, fileno(file), LARGE - 5, 6, "body"),
              SL_END);
    CHECK(sl_upload_is_over(&upload));
    CHECK_INT(sl_upload_add_file(&upload, directory, 0, LARGE, "body"), SL_OK);
    CHECK_INT(sl_upload_fill(&upload, false), SL_INVALID);
    close_upload();
    close(directory);
    fclose(file);
}

/* A body of every kind, as far as memory goes. */
static void live(struct sl_allocator *failing, void *argument)
{
    struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT, .segment_size = 512, .spare_limit = SIZE_MAX};
    FILE *file = argument;
    struct sl_view view;
    enum sl_status status;

    sl_pool_init(&pool, failing, &options);
    sl_upload_init(&upload, failing, &pool);
    status = sl_upload_add_text(&upload, SL_VIEW("text"));
    if (status == SL_OK)
        status = sl_upload_add_file(&upload, fileno(file), 0, 1000, "body");
    if (status == SL_OK)
        status = sl_upload_add_file(&upload, fileno(file), 0, LARGE, "body");
    if (status == SL_OK)
        status = sl_upload_add_text(&upload, SL_VIEW("end"));
    while (status == SL_OK && !sl_upload_is_over(&upload)) {
        status = sl_upload_fill(&upload, false);
        if (status == SL_OK && sl_upload_views(&upload, &view, 1) == 1)
            sl_upload_advance(&upload, view.size);
    }
    if (status != SL_OK)
        CHECK(status == SL_MEMORY && test_allocator_has_failed(failing));
    sl_upload_dispose(&upload);
    sl_pool_fini(&pool);
}

TEST("loses nothing if memory runs out")
{
    FILE *file = make_large_file();

    test_each_failure(live, file);
    fclose(file);
}

int main(void)
{
    return test_main();
}
