#include "spec/c/codec/coding.h"

#include "http/decoding.h"

#include <stdlib.h>

#define WINDOW 512

struct fixture {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer body;
    struct sl_decoding decoding;
    const char *error;
};

static void open_fixture(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    test_allocator_init(&fixture->allocator);
    pool_begin(&fixture->pool, &fixture->allocator.base, 64);
    sl_buffer_init(&fixture->body, &fixture->pool, SIZE_MAX);
}

/* Nothing is left in the pool but what the chain gives back. */
static void close_fixture(struct fixture *fixture)
{
    sl_decoding_fini(&fixture->decoding);
    CHECK(!sl_decoding_is_active(&fixture->decoding));
    sl_decoding_fini(&fixture->decoding);
    sl_buffer_fini(&fixture->body);
    pool_end(&fixture->pool);
    test_allocator_fini(&fixture->allocator);
}

static enum sl_status start(struct fixture *fixture, const char *first,
                            const char *second)
{
    struct sl_content_codings codings = {0};

    codings.names[codings.count++] = sl_view(first, strlen(first));
    if (second != NULL)
        codings.names[codings.count++] = sl_view(second, strlen(second));
    return sl_decoding_start(&fixture->decoding, &codings, &shelf,
                             &fixture->pool);
}

static enum sl_status feed(struct fixture *fixture, struct sl_view coded,
                           size_t window, uint64_t most)
{
    CHECK_INT(sl_buffer_append(sl_decoding_input(&fixture->decoding), coded),
              SL_OK);
    fixture->error = "not set";
    return sl_decoding_pump(&fixture->decoding, &fixture->body, window, most,
                            &fixture->error);
}

static struct bytes gzipped(struct bytes content)
{
    return deflated(bytes_view(content), AS_GZIP, 9, Z_DEFAULT_STRATEGY);
}

TEST("removes one coding over the other, a window at a time")
{
    struct bytes text = make_text(20000, 3);
    struct bytes inner = gzipped(text);
    struct bytes outer = gzipped(inner);
    struct outcome outcome = {SL_AGAIN, NULL, bytes_new(0)};
    struct fixture fixture;
    enum sl_status status;

    open_fixture(&fixture);
    CHECK_INT(start(&fixture, "gzip", "x-gzip"), SL_OK);
    status = feed(&fixture, bytes_view(outer), WINDOW, UINT64_MAX);
    while (status == SL_OK) {
        CHECK_INT(fixture.body.length, WINDOW);
        outcome_drain(&outcome, &fixture.body);
        status = feed(&fixture, sl_view("", 0), WINDOW, UINT64_MAX);
    }
    CHECK_INT(status, SL_AGAIN);
    outcome_drain(&outcome, &fixture.body);
    CHECK_INT(sl_decoding_finish(&fixture.decoding, &fixture.error), SL_OK);
    CHECK_BYTES(outcome.content.data, outcome.content.size, text.data,
                text.size);
    outcome_free(&outcome);
    bytes_free(&outer);
    bytes_free(&inner);
    bytes_free(&text);
    close_fixture(&fixture);
}

TEST("does not start without a coding, or with one that is unknown")
{
    struct sl_content_codings none = {0};
    struct fixture fixture;

    open_fixture(&fixture);
    CHECK_INT(
        sl_decoding_start(&fixture.decoding, &none, &shelf, &fixture.pool),
        SL_OK);
    CHECK(!sl_decoding_is_active(&fixture.decoding));
    CHECK_INT(start(&fixture, "gzip", "rot13"), SL_OK);
    CHECK(!sl_decoding_is_active(&fixture.decoding));
    CHECK_INT(start(&fixture, "rot13", NULL), SL_OK);
    CHECK(!sl_decoding_is_active(&fixture.decoding));
    close_fixture(&fixture);
}

TEST("refuses more codings than it has places for")
{
    struct sl_content_codings many = {
        .names = {SL_VIEW("gzip"), SL_VIEW("gzip")},
        .count = SL_CODINGS,
        .has_many = true,
    };
    struct fixture fixture;

    open_fixture(&fixture);
    CHECK_INT(
        sl_decoding_start(&fixture.decoding, &many, &shelf, &fixture.pool),
        SL_DECODE);
    CHECK(!sl_decoding_is_active(&fixture.decoding));
    close_fixture(&fixture);
}

TEST("lets the body grow by what is allowed, and not by one byte more")
{
    struct bytes text = make_text(1000, 7);
    struct bytes coded = gzipped(text);

    for (size_t most = 999; most <= 1000; most++) {
        struct fixture fixture;

        test_note("%zu bytes", most);
        open_fixture(&fixture);
        CHECK_INT(start(&fixture, "gzip", NULL), SL_OK);
        CHECK_INT(sl_buffer_append(&fixture.body, SL_VIEW("before")), SL_OK);
        CHECK_INT(feed(&fixture, bytes_view(coded), SIZE_MAX, most),
                  most < text.size ? SL_LIMIT : SL_AGAIN);
        if (most < text.size)
            CHECK(fixture.error == NULL);
        CHECK_INT(fixture.body.length, strlen("before") + most);
        close_fixture(&fixture);
    }
    bytes_free(&coded);
    bytes_free(&text);
}

TEST("says why, when bytes are wrong or missing")
{
    struct bytes text = make_text(1000, 9);
    struct bytes coded = gzipped(text);
    struct fixture fixture;

    open_fixture(&fixture);
    CHECK_INT(start(&fixture, "gzip", NULL), SL_OK);
    CHECK_INT(feed(&fixture, sl_view(coded.data, coded.size - 1), SIZE_MAX,
                   UINT64_MAX),
              SL_AGAIN);
    CHECK_INT(sl_decoding_finish(&fixture.decoding, &fixture.error), SL_DECODE);
    CHECK(strlen(fixture.error) > 0);
    sl_decoding_fini(&fixture.decoding);

    CHECK_INT(start(&fixture, "gzip", "gzip"), SL_OK);
    CHECK_INT(feed(&fixture, bytes_view(coded), SIZE_MAX, UINT64_MAX),
              SL_DECODE);
    CHECK(strlen(fixture.error) > 0);
    bytes_free(&coded);
    bytes_free(&text);
    close_fixture(&fixture);
}

static void start_failing(struct sl_allocator *allocator, void *argument)
{
    struct sl_content_codings codings = {
        .names = {SL_VIEW("gzip"), SL_VIEW("deflate")},
        .count = 2,
    };
    struct sl_decoding decoding = {0};
    struct sl_pool pool;
    enum sl_status status;

    (void)argument;
    pool_begin(&pool, allocator, 64);
    status = sl_decoding_start(&decoding, &codings, &shelf, &pool);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    CHECK_INT(sl_decoding_is_active(&decoding), status == SL_OK);
    sl_decoding_fini(&decoding);
    pool_end(&pool);
}

TEST("has all of its decoders or none, whatever allocation fails")
{
    test_each_failure(start_failing, NULL);
}

int main(void)
{
    return test_main();
}
