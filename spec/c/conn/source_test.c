#include "conn/source.h"

#include "spec/c/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_source source;
static bool may_map; /* how files are filled */

static void begin(void)
{
    struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT, .segment_size = 7, .spare_limit = SIZE_MAX};

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
}

static void end(void)
{
    sl_source_dispose(&source);
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

    while (sl_source_fill(&source, may_map) == SL_OK &&
           sl_source_views(&source, &view, 1) > 0) {
        size_t count = view.size < piece ? view.size : piece;

        REQUIRE(size + count <= sizeof sent);
        memcpy(sent + size, view.data, count);
        size += count;
        sl_source_advance(&source, count);
    }
    CHECK_BYTES(sent, size, expected, strlen(expected));
    CHECK_INT(sl_source_left(&source), 0);
}

static void check_twice(size_t piece, const char *expected)
{
    struct sl_view view;

    check_sent(piece, expected);
    CHECK_INT(sl_source_views(&source, &view, 1), 0);
    sl_source_rewind(&source);
    CHECK_INT(sl_source_left(&source), strlen(expected));
    check_sent(piece, expected);
}

TEST("gives text in pieces of any size, and again")
{
    for (size_t piece = 1; piece <= 12; piece++) {
        begin();
        sl_source_init_text(&source, SL_VIEW("hello world"));
        check_twice(piece, "hello world");
        end();
    }
}

static void take_text(const char *text)
{
    struct sl_buffer buffer;
    struct sl_sequence content;

    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_sequence_init(&content, &allocator.base);
    REQUIRE(sl_buffer_append(&buffer, sl_view(text, strlen(text))) == SL_OK);
    REQUIRE(sl_sequence_take(&content, &buffer) == SL_OK);
    sl_source_init_sequence(&source, &allocator.base, &content);
    CHECK_INT(content.size, 0);
    sl_buffer_fini(&buffer);
}

TEST("gives a sequence across its segments, and again")
{
    for (size_t piece = 1; piece <= 8; piece++) {
        begin();
        take_text("a body in segments");
        check_twice(piece, "a body in segments");
        end();
    }
}

TEST("copies from its current position")
{
    char bytes[32];

    for (int kind = 0; kind < 3; kind++) {
        FILE *file = tmpfile();

        REQUIRE(file != NULL && fputs("0123456789abcdef", file) >= 0 &&
                fflush(file) == 0);
        begin();
        if (kind == 0)
            sl_source_init_text(&source, SL_VIEW("0123456789abcdef"));
        else if (kind == 1)
            take_text("0123456789abcdef");
        else
            REQUIRE(sl_source_init_file(&source, &pool, fileno(file), 0, 16,
                                        "body") == SL_OK);
        CHECK_INT(sl_source_fill(&source, false), SL_OK);
        CHECK_BYTES(bytes, sl_source_copy_out(&source, bytes, sizeof bytes),
                    "0123456789abcdef", 16);
        sl_source_advance(&source, 9);
        CHECK_BYTES(bytes, sl_source_copy_out(&source, bytes, 4), "9abc", 4);
        sl_source_advance(&source, 7);
        CHECK_INT(sl_source_copy_out(&source, bytes, sizeof bytes), 0);
        end();
        fclose(file);
    }
}

/* ---- files ---- */

static FILE *make_file(const char *content)
{
    FILE *file = tmpfile();

    REQUIRE(file != NULL && fputs(content, file) >= 0 && fflush(file) == 0);
    return file;
}

static void send_range(void)
{
    for (size_t piece = 1; piece < 12; piece++) {
        FILE *file = make_file("<<a file of some length>>");

        begin();
        REQUIRE(sl_source_init_file(&source, &pool, fileno(file), 2, 21,
                                    "body") == SL_OK);
        fclose(file); /* which is the caller's */
        for (int again = 0; again < 2; again++) {
            CHECK_INT(sl_source_fill(&source, may_map), SL_OK);
            CHECK_INT(sl_source_fill(&source, may_map), SL_OK);
            CHECK_INT(sl_source_is_mapped(&source), may_map);
            check_twice(piece, "a file of some length");
            CHECK_INT(sl_source_fill(&source, may_map), SL_OK);
            sl_source_rewind(&source);
            CHECK_INT(sl_source_fill(&source, may_map), SL_OK);
            sl_source_advance(&source, 3);
            sl_source_rewind(&source);
        }
        end();
    }
}

TEST("reads or maps a range of a file as it is sent, and again")
{
    send_range();
    may_map = true;
    send_range();
    may_map = false;
}

TEST("reads a file that cannot be mapped")
{
    int ends[2];
    struct sl_view view;

    REQUIRE(pipe(ends) == 0);
    begin();
    REQUIRE(sl_source_init_file(&source, &pool, ends[0], 0, 5, "body") ==
            SL_OK);
    CHECK_INT(sl_source_fill(&source, true),
              SL_INVALID); /* a pipe has no range */
    CHECK(!sl_source_is_mapped(&source));
    CHECK_INT(sl_source_views(&source, &view, 1), 0);
    end();
    close(ends[0]);
    close(ends[1]);
}

TEST("sends only the declared bytes of a file that has grown")
{
    for (int way = 0; way < 2; way++) {
        FILE *file = make_file("declared");

        may_map = way == 1;
        begin();
        REQUIRE(sl_source_init_file(&source, &pool, fileno(file), 0, 8,
                                    "body") == SL_OK);
        REQUIRE(fputs(", and more", file) >= 0 && fflush(file) == 0);
        check_twice(3, "declared");
        end();
        fclose(file);
    }
    may_map = false;
}

TEST("reports a file that has shrunk, also while it is mapped")
{
    FILE *file = make_file("short");

    begin();
    REQUIRE(sl_source_init_file(&source, &pool, fileno(file), 0, 6, "body") ==
            SL_OK);
    CHECK_INT(sl_source_fill(&source, false), SL_OK);
    sl_source_advance(&source, 5);
    CHECK_INT(sl_source_fill(&source, false), SL_END);
    end();

    begin();
    REQUIRE(sl_source_init_file(&source, &pool, fileno(file), 0, 5, "body") ==
            SL_OK);
    CHECK_INT(sl_source_fill(&source, true), SL_OK);
    CHECK_INT(sl_source_verify(&source, false), SL_OK);
    CHECK_INT(sl_source_verify(&source, true), SL_END); /* it grew again */
    REQUIRE(ftruncate(fileno(file), 4) == 0);
    CHECK_INT(sl_source_verify(&source, false), SL_END);
    CHECK_INT(sl_source_fill(&source, true), SL_END);
    end();
    fclose(file);
}

TEST("reports a file that cannot be read")
{
    int fd = open("/", O_RDONLY | O_CLOEXEC);

    REQUIRE(fd >= 0);
    for (int way = 0; way < 2; way++) {
        begin();
        REQUIRE(sl_source_init_file(&source, &pool, fd, 0, 6, "body") == SL_OK);
        CHECK_INT(sl_source_fill(&source, way == 1), SL_INVALID);
        end();
    }
    close(fd);
    begin();
    CHECK_INT(sl_source_init_file(&source, &pool, fd, 0, 6, "body"), SL_LIMIT);
    sl_source_init_text(&source, SL_VIEW(""));
    end();
}

int main(void)
{
    return test_main();
}
