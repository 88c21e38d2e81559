#include "events/sse.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a parser, and what it gave as text ---- */

struct scene {
    struct sl_pool pool;
    struct sl_sse parser;
    char log[2048]; /* (type|data|id|retry), "message" and "-" left out */
    size_t size;
};

static void begin(struct scene *scene, struct sl_allocator *allocator,
                  const struct sl_sse_limits *limits)
{
    struct sl_pool_options options = {
        .segment_size = 23, .spare_limit = SIZE_MAX, .poison = true};

    scene->size = 0;
    sl_pool_init(&scene->pool, allocator, &options);
    sl_sse_init(&scene->parser, &scene->pool, limits);
}

static void end(struct scene *scene)
{
    sl_sse_fini(&scene->parser);
    sl_sse_fini(&scene->parser);
    CHECK_INT(sl_pool_outstanding(&scene->pool), 0);
    CHECK_INT(sl_pool_fini(&scene->pool), 0);
}

static void note(struct scene *scene, struct sl_view bytes)
{
    if (!REQUIRE(scene->size + bytes.size < sizeof scene->log))
        return;
    if (bytes.size > 0)
        memcpy(scene->log + scene->size, bytes.data, bytes.size);
    scene->size += bytes.size;
}

static void note_event(struct scene *scene, const struct sl_sse_event *event)
{
    char retry[32] = "";

    if (event->retry != SL_SSE_NO_RETRY)
        snprintf(retry, sizeof retry, "%llu", (unsigned long long)event->retry);
    note(scene, SL_VIEW("("));
    note(scene, event->type);
    note(scene, SL_VIEW("|"));
    note(scene, event->data);
    note(scene, SL_VIEW("|"));
    note(scene, sl_sse_id(&scene->parser));
    note(scene, SL_VIEW("|"));
    note(scene, sl_view(retry, strlen(retry)));
    note(scene, SL_VIEW(")"));
}

static enum sl_status feed(struct scene *scene, struct sl_view bytes)
{
    enum sl_status status;

    do {
        size_t used;

        status = sl_sse_feed(&scene->parser, bytes, &used);
        if (status == SL_OK) {
            struct sl_sse_event event = sl_sse_given(&scene->parser);

            note_event(scene, &event);
        }
        bytes.data += used;
        bytes.size -= used;
    } while (status == SL_OK);
    if (status == SL_AGAIN)
        CHECK_INT(bytes.size, 0);
    return status;
}

struct expectation {
    const struct sl_sse_limits *limits;
    const char *log;
    size_t log_size;
    enum sl_status status;
    size_t unfinished;
};

static void check_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct expectation *expected = argument;
    struct sl_allocator allocator;
    struct scene scene;
    enum sl_status status = SL_AGAIN;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, expected->limits);
    for (size_t i = 0; i < count && status == SL_AGAIN; i++)
        status = feed(&scene, pieces[i]);
    CHECK_INT(status, expected->status);
    CHECK_BYTES(scene.log, scene.size, expected->log, expected->log_size);
    CHECK_INT(sl_sse_unfinished(&scene.parser), expected->unfinished);
    if (sl_is_failure(status)) {
        size_t used = 1;

        CHECK_INT(sl_sse_feed(&scene.parser, SL_VIEW("data: x\n\n"), &used),
                  status);
        CHECK_INT(used, 0);
        CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
        sl_sse_reset(&scene.parser);
        scene.size = 0;
        CHECK_INT(feed(&scene, SL_VIEW("data: x\n\n")), SL_AGAIN);
        CHECK(scene.size > 0);
    }
    end(&scene);
}

static void check_end(struct sl_view wire, struct sl_view log,
                      size_t unfinished)
{
    struct expectation expected = {NULL, log.data, log.size, SL_AGAIN,
                                   unfinished};

    test_note("%.*s", (int)log.size, log.data);
    test_each_cut(wire, check_pieces, &expected);
}

#define CHECK_EVENTS(wire, log) check_end(SL_VIEW(wire), SL_VIEW(log), 0)

/* ---- lines ---- */

TEST("ends lines with LF, CRLF and CR, and mixtures, wherever they are cut")
{
    CHECK_EVENTS("data: a\n\ndata: b\n\n", "(|a||)(|b||)");
    CHECK_EVENTS("data: a\r\n\r\ndata: b\r\n\r\n", "(|a||)(|b||)");
    CHECK_EVENTS("data: a\r\rdata: b\r\r", "(|a||)(|b||)");
    CHECK_EVENTS("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n",
                 "(|a||)(|b||)(|c||)");
    CHECK_EVENTS("data: a\r\n\rdata: b\n\r", "(|a||)(|b||)");
    CHECK_EVENTS("event: e\r\ndata: a\r\ndata: b\r\n\r\n", "(e|a\nb||)");
    CHECK_EVENTS("event: e\rdata: a\rdata: b\r\r\n", "(e|a\nb||)");
}

TEST("gives an event with the first byte that ends its blank line")
{
    struct sl_allocator allocator;
    struct scene scene;
    const char *wires[] = {"data: x\r\r", "data: x\n\n", "data: x\r\n\r"};

    sl_allocator_init_system(&allocator);
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(wires[i]);

        begin(&scene, &allocator, NULL);
        CHECK_INT(feed(&scene, sl_view(wires[i], size - 1)), SL_AGAIN);
        CHECK_INT(scene.size, 0);
        CHECK_INT(feed(&scene, sl_view(wires[i] + size - 1, 1)), SL_AGAIN);
        CHECK_BYTES(scene.log, scene.size, "(|x||)", 6);
        /* The LF that belongs to the CR ends no other line. */
        CHECK_INT(feed(&scene, SL_VIEW("\ndata: y\n\n")), SL_AGAIN);
        CHECK_BYTES(scene.log, scene.size, "(|x||)(|y||)", 12);
        end(&scene);
    }
}

TEST("skips one byte order mark at the start alone")
{
    CHECK_EVENTS("\xef\xbb\xbf"
                 "data: a\n\n",
                 "(|a||)");
    CHECK_EVENTS("\xef\xbb\xbf\xef\xbb\xbf"
                 "data: a\n\ndata: b\n\n",
                 "(|b||)");
    CHECK_EVENTS("\xef\xbb"
                 "data: a\n\ndata: b\n\n",
                 "(|b||)");
    CHECK_EVENTS("\xef"
                 ": x\ndata: a\n\n",
                 "(|a||)");
    CHECK_EVENTS("data: a\n\n\xef\xbb\xbf"
                 "data: b\n\n",
                 "(|a||)");
    CHECK_EVENTS("\xef\xbb\xbf\ndata: a\n\n", "(|a||)");
}

TEST("ignores comments, unknown fields and other letters")
{
    CHECK_EVENTS(": hello\n:\n\ndata: a\n:x\ndata: b\n\n", "(|a\nb||)");
    CHECK_EVENTS("Data: x\nDATA: y\n data: z\ndata : w\nfoo\nfoo: bar\n\n", "");
    CHECK_EVENTS("data: a\ndatax: b\ndat: c\n\n", "(|a||)");
    CHECK_EVENTS("foo: 1\nretr: 2\nretryx: 3\n: 4\ndata: a\n\n", "(|a||)");
    CHECK_EVENTS("xxxx:y\ndata\n\n", "(|||)");
}

/* ---- fields ---- */

TEST("removes one space behind the colon, and no more")
{
    CHECK_EVENTS("data:a\n\ndata: b\n\ndata:  c\n\ndata:\td\n\ndata: e \n\n",
                 "(|a||)(|b||)(| c||)(|\td||)(|e ||)");
    CHECK_EVENTS("data::x:y\n\ndata: : z\n\n", "(|:x:y||)(|: z||)");
}

TEST("takes a line without a colon as a field without a value")
{
    CHECK_EVENTS("data\n\ndata\ndata\n\n", "(|||)(|\n||)");
    CHECK_EVENTS("event: a\nevent\ndata: x\n\n", "(|x||)");
    CHECK_EVENTS("id: 1\ndata: x\n\nid\ndata: y\n\n", "(|x|1|)(|y||)");
}

TEST("joins data lines with LF")
{
    CHECK_EVENTS("data: one\ndata: two\ndata: three\n\n",
                 "(|one\ntwo\nthree||)");
    CHECK_EVENTS("data:\ndata: a\ndata:\ndata:\ndata: b\ndata:\n\n",
                 "(|\na\n\n\nb\n||)");
    CHECK_EVENTS("data: YHOO\ndata: +2\ndata: 10\n\n", "(|YHOO\n+2\n10||)");
}

TEST("dispatches nothing without data, and forgets the type then")
{
    CHECK_EVENTS("event: a\n\ndata: x\n\n", "(|x||)");
    CHECK_EVENTS("\n\n\n\r\n\r\r", "");
    CHECK_EVENTS("event: a\nid: 7\n\ndata: x\n\n", "(|x|7|)");
}

TEST("keeps the type for one event, the last one given")
{
    CHECK_EVENTS("event: a\ndata: 1\nevent: bb\n\ndata: 2\n\n"
                 "data: 3\nevent: c\n\n",
                 "(bb|1||)(|2||)(c|3||)");
}

TEST("keeps the ID until another one comes, and ignores one with NUL")
{
    CHECK_EVENTS("id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n",
                 "(|a|1|)(|b|1|)(|c|2|)");
    CHECK_EVENTS("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid:\0\ndata: c\n\n",
                 "(|a|1|)(|b|1|)(|c|1|)");
    CHECK_EVENTS("id: 1\nid: 22\ndata: a\n\nid:\ndata: b\n\n",
                 "(|a|22|)(|b||)");
    /* An event that the end cuts off sets none. */
    check_end(SL_VIEW("id: 1\ndata: a\n\nid: 2\n"), SL_VIEW("(|a|1|)"), 6);
}

TEST("takes a retry of digits alone, and gives it once")
{
    CHECK_EVENTS("retry: 3000\ndata: a\n\ndata: b\n\n", "(|a||3000)(|b||)");
    CHECK_EVENTS("retry: 1\n\nretry: 002\n\ndata: a\n\ndata: b\n\ndata: c\n\n",
                 "(|a||2)(|b||)(|c||)");
    CHECK_EVENTS("retry: 1s\nretry: -1\nretry: +1\nretry: 1.5\nretry:\nretry\n"
                 "retry:  1\nretry: 1 \ndata: a\n\n",
                 "(|a||)");
    CHECK_EVENTS("retry: 9223372036854775807\ndata: a\n\n"
                 "retry: 9223372036854775808\ndata: b\n\n"
                 "retry: 99999999999999999999999\ndata: c\n\n",
                 "(|a||9223372036854775807)(|b||9223372036854775807)"
                 "(|c||9223372036854775807)");
}

TEST("passes on bytes as they are: UTF-8, halves of it, zero bytes")
{
    CHECK_EVENTS("data: \xe2\x82\xac\xf0\x9f\x98\x80\n\n",
                 "(|\xe2\x82\xac\xf0\x9f\x98\x80||)");
    CHECK_EVENTS("event: \xc3\ndata: \xff\xfe\0x\xe2\x82\n\n",
                 "(\xc3|\xff\xfe\0x\xe2\x82||)");
}

TEST("takes events of one line between any others")
{
    static const char *const wires[] = {"data: a\n\n",
                                        "data: a\r\n\r\n",
                                        "data:a\r\r",
                                        "\n",
                                        ": c\n",
                                        "event: e\ndata: a\n\n",
                                        "data: a\ndata: b\n\n",
                                        "retry: 1\n\n"};
    static const char *const logs[] = {"(|a||)", "(|a||)",  "(|a||)",    "",
                                       "",       "(e|a||)", "(|a\nb||)", NULL};

    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        char wire[96];
        char log[96];

        snprintf(wire, sizeof wire,
                 "data: 1\n\ndata: 2\n\n%sdata: 3\n\ndata:4\n\n", wires[i]);
        snprintf(log, sizeof log, "(|1||)(|2||)%s(|3||%s)(|4||)",
                 logs[i] != NULL ? logs[i] : "", logs[i] != NULL ? "" : "1");
        check_end(sl_view(wire, strlen(wire)), sl_view(log, strlen(log)), 0);
    }
}

/* ---- the end ---- */

TEST("drops an event that the end cuts off, and reports its bytes")
{
    check_end(SL_VIEW("data: a\n\ndata: b\n"), SL_VIEW("(|a||)"), 8);
    check_end(SL_VIEW("data: a\n\ndata: b"), SL_VIEW("(|a||)"), 7);
    check_end(SL_VIEW("data: a\n\ndata: b\ndata"), SL_VIEW("(|a||)"), 12);
    check_end(SL_VIEW("data: a\n\n: b\n: c"), SL_VIEW("(|a||)"), 0);
    check_end(SL_VIEW("data: a\n\nid: 2"), SL_VIEW("(|a||)"), 5);
    check_end(SL_VIEW("\xef\xbb"), SL_VIEW(""), 2);
    check_end(SL_VIEW(""), SL_VIEW(""), 0);
}

TEST("begins another stream after a reset, with the last ID and retry")
{
    struct sl_allocator allocator;
    struct scene scene;
    size_t used;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, NULL);
    CHECK_INT(
        feed(&scene, SL_VIEW("id: 5\nretry: 9\n\nevent: a\ndata: b\ndat")),
        SL_AGAIN);
    CHECK_INT(sl_sse_unfinished(&scene.parser), 20);
    sl_sse_reset(&scene.parser);
    CHECK_INT(sl_sse_unfinished(&scene.parser), 0);
    CHECK_INT(scene.parser.retry, 9);
    CHECK_INT(feed(&scene, SL_VIEW("\xef\xbb\xbf"
                                   "data: c\n\n")),
              SL_AGAIN);
    CHECK_INT(sl_sse_set_id(&scene.parser, SL_VIEW("six")), SL_OK);
    CHECK_INT(feed(&scene, SL_VIEW("data: d\n\n")), SL_AGAIN);
    CHECK_BYTES(scene.log, scene.size, "(|c|5|)(|d|six|)", 16);
    CHECK_INT(sl_sse_feed(&scene.parser, SL_VIEW("data: e\n\n"), &used), SL_OK);
    sl_sse_reset(&scene.parser); /* while an event is given */
    CHECK_INT(feed(&scene, SL_VIEW("\xef\xbb\xbf"
                                   "data: f\n\n")),
              SL_AGAIN);
    CHECK_BYTES(scene.log + 16, scene.size - 16, "(|f|six|)", 9);
    end(&scene);
}

#define FORTY "0123456789012345678901234567890123456789"

TEST("gives a type and an ID that are longer than what nearly all are")
{
    static const char wire[] = "event: " FORTY FORTY FORTY "\n"
                               "id: " FORTY FORTY "\n"
                               "data: one\n\n"
                               "event: " FORTY FORTY FORTY FORTY FORTY "\n"
                               "data: two\n\n"
                               "id: 3\nevent: tick\ndata: three\n\n";
    static const char log[] = "(" FORTY FORTY FORTY "|one|" FORTY FORTY "|)"
                              "(" FORTY FORTY FORTY FORTY FORTY
                              "|two|" FORTY FORTY "|)(tick|three|3|)";
    struct expectation expected = {NULL, log, sizeof log - 1, SL_AGAIN, 0};

    test_each_cut(sl_view(wire, sizeof wire - 1), check_pieces, &expected);
}

/* ---- limits ---- */

static void check_limited(struct sl_view wire, size_t line, size_t event,
                          const char *log, enum sl_status status)
{
    struct sl_sse_limits limits = {line, event};
    struct expectation expected = {&limits, log, strlen(log), status, 0};

    test_note("line %zu, event %zu", line, event);
    test_each_cut(wire, check_pieces, &expected);
}

TEST("limits a line: the maximum fits, one byte more does not")
{
    struct sl_view wire = SL_VIEW("data: x\n\ndata: 12345\n\ndata: z\n\n");

    check_limited(wire, 11, 1000, "(|x||)(|12345||)(|z||)", SL_AGAIN);
    check_limited(wire, 10, 1000, "(|x||)", SL_LIMIT);
    check_limited(SL_VIEW("data: x\n\n:1234567890\n"), 10, 1000, "(|x||)",
                  SL_LIMIT);
    check_limited(SL_VIEW("data: x\n\n:1234567890"), 10, 1000, "(|x||)",
                  SL_LIMIT);
}

TEST("limits what comes until an event is complete, comments too")
{
    struct sl_view wire = SL_VIEW("data: x\n\n:\ndata: 1\ndata: 2\n\n");

    check_limited(wire, 100, 19, "(|x||)(|1\n2||)", SL_AGAIN);
    check_limited(wire, 100, 18, "(|x||)", SL_LIMIT);
    check_limited(SL_VIEW("data: x\n\n\n\n\n\n\n\n\n\n\n\n"), 100, 9, "(|x||)",
                  SL_LIMIT);
    check_limited(SL_VIEW("data: x\n\n:a\n:b\n:c\n:d\n"), 100, 11, "(|x||)",
                  SL_LIMIT);
    check_limited(SL_VIEW("data: x\n\n:a\n:b\n:c\n"), 100, 9, "(|x||)",
                  SL_AGAIN);
}

static void check_fault(struct sl_view wire, const struct sl_sse_limits *limits,
                        const char *reason)
{
    struct sl_allocator allocator;
    struct scene scene;
    struct sl_failure failure;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, limits);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(feed(&scene, wire), SL_LIMIT);
        CHECK_INT(sl_sse_explain(&scene.parser, &failure), SL_LIMIT);
        CHECK_STR(failure.reason, reason);
        sl_sse_reset(&scene.parser); /* another stream counts from its start */
    }
    end(&scene);
}

TEST("says which line or event was too long")
{
    struct sl_sse_limits limits = {10, 20};

    check_fault(SL_VIEW("data: a\n\ndata: 123456789"), &limits,
                "line 3 is longer than 10 bytes (max_line_size)");
    check_fault(SL_VIEW("data: a\n\ndata: 1\ndata: 2\ndata: 3\n\n"), &limits,
                "event 2 is not complete within 20 bytes (max_event_size)");
}

/* ---- memory ---- */

TEST("holds no block between two feeds when no event is open")
{
    struct sl_allocator allocator;
    struct scene scene;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, NULL);
    feed(&scene, SL_VIEW("event: a\ndata: b\ndata: c\n"));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 2);
    feed(&scene, SL_VIEW("\n"));
    feed(&scene, SL_VIEW(""));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
    feed(&scene, SL_VIEW("event: a\ndata: b\n\n: c\nevent: d\n\n"));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
    feed(&scene, SL_VIEW("id: 0123456789abcdefghijklmn\n\n"));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
    feed(&scene, SL_VIEW("id: 0123456789abcdefghijklmno\n\n"));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 1); /* what is no short ID */
    feed(&scene, SL_VIEW("id: 0123456789abcdefghijklmnop\n\n"));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 1);
    feed(&scene, SL_VIEW("id: 1\n\n"));
    CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
    feed(&scene, SL_VIEW("id: 0123456789abcdefghijklmno\n\n"));
    end(&scene);
}

static void run_without_memory(struct sl_allocator *allocator, void *argument)
{
    static const char *const pieces[] = {
        "id: 1\nevent: tick\ndata: on", "e\ndata: two\nda", "ta: three\n\n",
        "id: 2\ndata: four\n\nda", "ta: five\n\n"};
    struct scene scene;
    enum sl_status status = SL_AGAIN;

    (void)argument;
    begin(&scene, allocator, NULL);
    for (size_t i = 0; i < 5 && status == SL_AGAIN; i++)
        status = feed(&scene, sl_view(pieces[i], strlen(pieces[i])));
    if (status == SL_AGAIN)
        CHECK_BYTES(scene.log, scene.size,
                    "(tick|one\ntwo\nthree|1|)(|four|2|)(|five|2|)", 43);
    else
        CHECK(status == SL_MEMORY && test_allocator_has_failed(allocator));
    if (status != SL_AGAIN) {
        struct sl_failure failure;

        CHECK_INT(feed(&scene, SL_VIEW("x")), SL_MEMORY);
        CHECK_INT(sl_sse_explain(&scene.parser, &failure), SL_MEMORY);
        sl_sse_reset(&scene.parser);
        feed(&scene, SL_VIEW("data: x\n\n"));
    }
    end(&scene);
}

TEST("holds no block at rest behind an event, and goes on from there")
{
    static const char text[] = "event: tick\nid: 7\nretry: 5\ndata: a\n\n";
    struct sl_allocator allocator;
    struct scene scene;

    sl_allocator_init_system(&allocator);
    begin(&scene, &allocator, NULL);
    for (int i = 0; i < 2; i++) {
        struct sl_sse_event event;
        size_t used;

        CHECK_INT(
            sl_sse_feed(&scene.parser, sl_view(text, sizeof text - 1), &used),
            SL_OK);
        event = sl_sse_given(&scene.parser);
        note_event(&scene, &event);
        CHECK_INT(sl_pool_outstanding(&scene.pool), 1);
        sl_sse_rest(&scene.parser);
        CHECK_INT(sl_pool_outstanding(&scene.pool), 0);
        CHECK_INT(sl_sse_unfinished(&scene.parser), 0);
        CHECK_INT(sl_sse_type(&scene.parser).size, 0);
    }
    feed(&scene, SL_VIEW("event: tock\ndata: b"));
    sl_sse_rest(&scene.parser); /* no event was given: it does nothing */
    feed(&scene, SL_VIEW("\n\ndata: c\n\n"));
    CHECK_BYTES(scene.log, scene.size,
                "(tick|a|7|5)(tick|a|7|5)(tock|b|7|)(|c|7|)", 42);
    end(&scene);
}

static void set_id_without_memory(struct sl_allocator *allocator,
                                  void *argument)
{
    struct scene scene;
    const char *expected;

    (void)argument;
    begin(&scene, allocator, NULL);
    CHECK_INT(sl_sse_set_id(&scene.parser, SL_VIEW("1")), SL_OK);
    for (int i = 0; i < 2; i++) {
        enum sl_status status = sl_sse_set_id(
            &scene.parser,
            i == 0 ? SL_VIEW(FORTY)
                   : SL_VIEW(FORTY FORTY FORTY FORTY FORTY FORTY FORTY FORTY));

        CHECK(status == SL_OK ||
              (status == SL_MEMORY && test_allocator_has_failed(allocator)));
        expected = status != SL_OK ? ""
                   : i == 0        ? FORTY
                            : FORTY FORTY FORTY FORTY FORTY FORTY FORTY FORTY;
        CHECK_VIEW(sl_sse_id(&scene.parser), expected);
        CHECK_INT(sl_sse_has_id(&scene.parser), status == SL_OK);
    }
    end(&scene);
}

TEST("has no ID where there was no memory for one")
{
    test_each_failure(set_id_without_memory, NULL);
}

TEST("fails for good without memory, and leaks nothing")
{
    test_each_failure(run_without_memory, NULL);
}

int main(void)
{
    return test_main();
}
