#include "tls/openssl/bio.h"

#include "memory/pool.h"
#include "spec/c/support/test.h"

#include <string.h>

struct fixture {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer in;
    struct sl_buffer out;
    struct sl_openssl_bio bio;
    BIO_METHOD *method;
    BIO *made;
};

static void begin(struct fixture *fixture)
{
    struct sl_pool_options options = {.mode = SL_POOL_DIRECT,
                                      .segment_size = 23};

    memset(fixture, 0, sizeof *fixture);
    test_allocator_init(&fixture->allocator);
    sl_pool_init(&fixture->pool, &fixture->allocator.base, &options);
    sl_buffer_init(&fixture->in, &fixture->pool, SIZE_MAX);
    sl_buffer_init(&fixture->out, &fixture->pool, 100);
    fixture->method = sl_openssl_bio_method();
    REQUIRE(fixture->method != NULL);
    fixture->made = sl_openssl_bio_create(fixture->method, &fixture->bio);
    REQUIRE(fixture->made != NULL);
    CHECK(sl_openssl_bio_of(fixture->made) == &fixture->bio);
}

static void end(struct fixture *fixture)
{
    BIO_free(fixture->made);
    BIO_meth_free(fixture->method);
    sl_buffer_fini(&fixture->in);
    sl_buffer_fini(&fixture->out);
    CHECK_INT(sl_pool_fini(&fixture->pool), 0);
    test_allocator_fini(&fixture->allocator);
}

TEST("reads what the buffer holds, and reports an empty buffer")
{
    struct fixture fixture;
    char text[16];
    size_t count = 0;

    begin(&fixture);
    CHECK_INT(BIO_read_ex(fixture.made, text, sizeof text, &count), 0);
    CHECK(BIO_should_read(fixture.made));
    CHECK(fixture.bio.is_starved);
    sl_buffer_append(&fixture.in, SL_VIEW("0123456789abcdefghij"));
    sl_openssl_bio_enter(&fixture.bio, &fixture.in, NULL);
    CHECK(!fixture.bio.is_starved);
    CHECK_INT(BIO_read_ex(fixture.made, text, sizeof text, &count), 1);
    CHECK_BYTES(text, count, "0123456789abcdef", 16);
    CHECK_INT(BIO_read_ex(fixture.made, text, sizeof text, &count), 1);
    CHECK_BYTES(text, count, "ghij", 4);
    CHECK(!fixture.bio.is_starved);
    CHECK_INT(BIO_read_ex(fixture.made, text, sizeof text, &count), 0);
    CHECK(fixture.bio.is_starved);
    sl_openssl_bio_leave(&fixture.bio);
    end(&fixture);
}

TEST("writes all or nothing, and reports why it wrote nothing")
{
    struct fixture fixture;
    char large[101];
    size_t count = 0;

    memset(large, 'x', sizeof large);
    begin(&fixture);
    CHECK_INT(BIO_write_ex(fixture.made, "ab", 2, &count), 0);
    CHECK_INT(fixture.bio.refused, SL_CLOSED);
    sl_openssl_bio_enter(&fixture.bio, NULL, &fixture.out);
    CHECK_INT(fixture.bio.refused, SL_OK);
    CHECK_INT(BIO_write_ex(fixture.made, "ab", 2, &count), 1);
    CHECK_INT(count, 2);
    CHECK_INT(BIO_write_ex(fixture.made, large, sizeof large, &count), 0);
    CHECK_INT(fixture.bio.refused, SL_LIMIT);
    CHECK(!BIO_should_retry(fixture.made));
    CHECK_VIEW(sl_buffer_peek(&fixture.out), "ab");
    CHECK_INT(BIO_flush(fixture.made), 1);
    sl_openssl_bio_leave(&fixture.bio);
    CHECK(fixture.bio.in == NULL && fixture.bio.out == NULL);
    end(&fixture);
}

/* A handshake record, two of content, one of which is empty, an alert. */
static const char records[] = "\x16\3\3\0\3abc"
                              "\x17\3\3\0\2de"
                              "\x17\3\3\0\0"
                              "\x15\3\3\0\1f";
static const size_t records_size = sizeof records - 1;

/* What has to be known once the first `size` bytes have gone by. */
static void check_edge(const struct sl_openssl_edge *edge, size_t size)
{
    static const size_t ends[] = {0, 8, 15, 20, 26};
    size_t last = 0;
    size_t header;

    while (last + 1 < sizeof ends / sizeof *ends && ends[last + 1] <= size)
        last++;
    header = size - ends[last] < 5 ? size - ends[last] : 5;
    CHECK_INT(edge->count, last > 2 ? 2 : last > 1);
    CHECK_INT(edge->header_size, header);
    if (header == 5)
        CHECK_INT(edge->body_left, ends[last + 1] - size);
}

TEST("follows records both ways, wherever they are cut")
{
    char text[32];
    size_t count;

    CHECK_INT(records_size, 26);
    for (size_t cut = 0; cut <= records_size; cut++) {
        const size_t sizes[] = {cut, records_size - cut};
        struct fixture fixture;
        size_t at = 0;

        test_note("cut at %zu", cut);
        begin(&fixture);
        sl_openssl_bio_enter(&fixture.bio, &fixture.in, &fixture.out);
        for (int i = 0; i < 2; i++) {
            if (sizes[i] == 0)
                continue;
            sl_buffer_append(&fixture.in, sl_view(records + at, sizes[i]));
            CHECK_INT(BIO_read_ex(fixture.made, text, sizeof text, &count), 1);
            CHECK_INT(
                BIO_write_ex(fixture.made, records + at, sizes[i], &count), 1);
            at += sizes[i];
            check_edge(&fixture.bio.received, at);
            check_edge(&fixture.bio.sent, at);
        }
        CHECK_INT(fixture.out.length, records_size);
        end(&fixture);
    }
}

int main(void)
{
    return test_main();
}
