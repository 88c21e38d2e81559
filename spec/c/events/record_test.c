#include "events/record.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scene {
    struct sl_pool pool;
    struct sl_records records;
    char log[1024]; /* number<text>, with ! behind one that is cut */
    size_t size;
};

static void begin(struct scene *scene, struct sl_allocator *allocator,
                  size_t limit)
{
    struct sl_pool_options options = {
        .segment_size = 23, .spare_limit = SIZE_MAX, .poison = true};

    scene->size = 0;
    sl_pool_init(&scene->pool, allocator, &options);
    sl_records_init(&scene->records, &scene->pool, limit);
}

static void end(struct scene *scene)
{
    sl_records_fini(&scene->records);
    sl_records_fini(&scene->records);
    CHECK_INT(sl_pool_outstanding(&scene->pool), 0);
    CHECK_INT(sl_pool_fini(&scene->pool), 0);
}

static void note(struct scene *scene, const struct sl_record *record)
{
    int size =
        snprintf(scene->log + scene->size, sizeof scene->log - scene->size,
                 "%d<%.*s>%s", (int)record->number, (int)record->text.size,
                 record->text.data, record->is_cut ? "!" : "");

    scene->size += (size_t)size;
    REQUIRE(scene->size < sizeof scene->log);
}

static enum sl_status feed(struct scene *scene, struct sl_view bytes)
{
    struct sl_record record;
    enum sl_status status;
    size_t used;

    do {
        status = sl_records_feed(&scene->records, bytes, &used, &record);
        if (status == SL_OK)
            note(scene, &record);
        bytes.data += used;
        bytes.size -= used;
    } while (status == SL_OK);
    if (status == SL_AGAIN)
        CHECK_INT(bytes.size, 0);
    return status;
}

static enum sl_status finish(struct scene *scene)
{
    struct sl_record record;
    enum sl_status status = sl_records_end(&scene->records, &record);

    if (status != SL_OK)
        return status;
    note(scene, &record);
    return sl_records_end(&scene->records, &record);
}

struct expectation {
    size_t limit;
    const char *log;
    enum sl_status status;
};

static void check_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct expectation *expected = argument;
    struct sl_allocator allocator;
    struct scene scene;
    enum sl_status status = SL_AGAIN;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, expected->limit);
    for (size_t i = 0; i < count && status == SL_AGAIN; i++)
        status = feed(&scene, pieces[i]);
    if (status == SL_AGAIN)
        status = finish(&scene);
    CHECK_INT(status, expected->status);
    CHECK_BYTES(scene.log, scene.size, expected->log, strlen(expected->log));
    if (sl_is_failure(status)) {
        CHECK_INT(feed(&scene, SL_VIEW("1\n")), status);
        CHECK_INT(finish(&scene), status);
        CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
    }
    end(&scene);
}

static void check_limited(struct sl_view wire, size_t limit, const char *log,
                          enum sl_status status)
{
    struct expectation expected = {limit, log, status};

    test_note("%s", log);
    test_each_cut(wire, check_pieces, &expected);
}

#define CHECK_RECORDS(wire, log) \
    check_limited(SL_VIEW(wire), SL_RECORD_LIMIT, log, SL_END)

/* ---- JSON lines ---- */

TEST("gives lines, with their numbers, wherever they are cut")
{
    CHECK_RECORDS("{\"a\":1}\n[2]\n3\n", "1<{\"a\":1}>2<[2]>3<3>");
    CHECK_RECORDS("1\r\n2\r\n3", "1<1>2<2>3<3>");
    CHECK_RECORDS("", "");
}

TEST("counts blank lines and gives none")
{
    CHECK_RECORDS("\n1\n\n \t\r\n2\n\n", "2<1>5<2>");
    CHECK_RECORDS("  ", "");
    CHECK_RECORDS(" 1\n\t{}\n\r\n \r 2 \n", "1< 1>2<\t{}>4< \r 2 >");
}

TEST("gives a last line without its end")
{
    CHECK_RECORDS("1\n{\"a\"", "1<1>2<{\"a\">");
}

TEST("skips a byte order mark before the first line alone")
{
    CHECK_RECORDS("\xef\xbb\xbf"
                  "1\n2\n",
                  "1<1>2<2>");
    CHECK_RECORDS("1\n\xef\xbb\xbf"
                  "2\n",
                  "1<1>2<\xef\xbb\xbf"
                  "2>");
    CHECK_RECORDS("\xef\xbb\xbf\n1", "2<1>");
    CHECK_RECORDS("\xef\xbb\xbc"
                  "1\n",
                  "1<\xef\xbb\xbc"
                  "1>");
    CHECK_RECORDS("\xef\xbb", "1<\xef\xbb>");
}

TEST("takes RS for the start of a sequence only where a stream begins")
{
    CHECK_RECORDS("1\n\x1e"
                  "2\n",
                  "1<1>2<\x1e"
                  "2>");
}

/* ---- sequences ---- */

TEST("gives the texts of a sequence, as soon as each is whole")
{
    CHECK_RECORDS("\x1e{\"a\":1}\n\x1e[2]\n\x1e"
                  "3\n",
                  "1<{\"a\":1}>2<[2]>3<3>");
    CHECK_RECORDS("\x1e{\n \"a\": [\n1,\n2]\n}\n",
                  "1<{\n \"a\": [\n1,\n2]\n}>");
    CHECK_RECORDS("\x1e\"]}\\\"\\\\\"\n\x1e\"\\n\"\r\n",
                  "1<\"]}\\\"\\\\\">2<\"\\n\">");
    CHECK_RECORDS("\x1e\x1e\n\x1e"
                  "1\n\n \n",
                  "1<1>");
}

TEST("marks texts of a sequence of which more may be missing")
{
    CHECK_RECORDS("\x1e"
                  "12\x1e"
                  "34",
                  "1<12>!2<34>!");
    CHECK_RECORDS("\x1e{\"a\":\x1e{}\x1e[1]", "1<{\"a\":>!2<{}>3<[1]>");
    CHECK_RECORDS("\x1etrue\x1etrue \x1e\"x\"", "1<true>!2<true >3<\"x\">");
    CHECK_RECORDS("\x1e\"abc", "1<\"abc>!");
    CHECK_RECORDS("\x1e{\"a\":\"}\x1e", "1<{\"a\":\"}>!");
    /* what was open there is not open in the next one */
    CHECK_RECORDS("\x1e[\"abc\x1e[1]\n\x1e\"a\\\x1e\"\"\n\x1e{}\n",
                  "1<[\"abc>!2<[1]>3<\"a\\>!4<\"\">5<{}>");
}

/* ---- limits, memory ---- */

TEST("limits a record: the maximum fits, one byte more does not")
{
    check_limited(SL_VIEW("1\n12345\n2"), 5, "1<1>2<12345>3<2>", SL_END);
    check_limited(SL_VIEW("1\n123456\n2"), 5, "1<1>", SL_LIMIT);
    check_limited(SL_VIEW("1\n123456"), 5, "1<1>", SL_LIMIT);
    check_limited(SL_VIEW("\x1e"
                          "1\n\x1e[\n\n\n\n]\n"),
                  5, "1<1>", SL_LIMIT);
}

TEST("fails with the byte that is too many, before the record ends")
{
    struct sl_allocator allocator;
    struct scene scene;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, 5);
    CHECK_INT(feed(&scene, SL_VIEW("123")), SL_AGAIN);
    CHECK_INT(feed(&scene, SL_VIEW("45")), SL_AGAIN);
    CHECK_INT(feed(&scene, SL_VIEW("6")), SL_LIMIT);
    end(&scene);
}

TEST("holds no block while no record has begun")
{
    struct sl_allocator allocator;
    struct scene scene;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, SL_RECORD_LIMIT);
    CHECK_INT(feed(&scene, SL_VIEW("1\n2\n3")), SL_AGAIN);
    CHECK_INT(sl_pool_outstanding(&scene.pool), 1);
    CHECK_INT(feed(&scene, SL_VIEW("4\n")), SL_AGAIN);
    CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
    CHECK_STR(scene.log, "1<1>2<2>3<34>");
    end(&scene);
}

TEST("says which line or record was too long")
{
    static const struct {
        struct sl_view wire;
        const char *reason;
    } cases[] = {
        {{"1\n\n123456", 9}, "line 3 is longer than 5 bytes (max_line_size)"},
        {{"\x1e"
          "1\n\x1e"
          "123456",
          10},
         "record 2 is longer than 5 bytes (max_line_size)"}};
    struct sl_allocator allocator;
    struct sl_failure failure;
    struct scene scene;

    sl_allocator_init_system(&allocator);
    for (size_t i = 0; i < 2; i++) {
        begin(&scene, &allocator, 5);
        CHECK_INT(feed(&scene, cases[i].wire), SL_LIMIT);
        CHECK_INT(sl_records_explain(&scene.records, &failure), SL_LIMIT);
        CHECK_STR(failure.reason, cases[i].reason);
        end(&scene);
    }
}

static void run_without_memory(struct sl_allocator *allocator, void *argument)
{
    static const char *const pieces[] = {"[1,", "2]\n", "3\n[4", "]"};
    struct sl_failure failure;
    struct scene scene;
    enum sl_status status = SL_AGAIN;

    (void)argument;
    begin(&scene, allocator, SL_RECORD_LIMIT);
    for (size_t i = 0; i < 4 && status == SL_AGAIN; i++)
        status = feed(&scene, sl_view(pieces[i], strlen(pieces[i])));
    if (status == SL_AGAIN)
        status = finish(&scene);
    if (status == SL_END)
        CHECK_BYTES(scene.log, scene.size, "1<[1,2]>2<3>3<[4]>", 18);
    else
        CHECK(status == SL_MEMORY && test_allocator_has_failed(allocator) &&
              sl_records_explain(&scene.records, &failure) == SL_MEMORY);
    end(&scene);
}

TEST("fails for good without memory, and leaks nothing")
{
    test_each_failure(run_without_memory, NULL);
}

int main(void)
{
    return test_main();
}
