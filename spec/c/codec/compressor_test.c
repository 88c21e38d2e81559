#include "codec/compressor.h"

#include "spec/c/codec/coding.h"

static const struct sl_compressor_class *const libraries[] = {
    &sl_compressor_zlib,
#ifdef SL_HAVE_ISAL
    &sl_compressor_isal,
#endif
};

#define LIBRARIES (sizeof libraries / sizeof libraries[0])

/* Runs into rooms of `out` bytes that end against an unreadable page. */
static size_t run_all(struct sl_compressor *compressor, struct sl_view input,
                      char *to, size_t out, bool flushes)
{
    char *guarded = guard_copy(input.data, input.size);
    struct sl_view left = sl_view(guarded, input.size);
    size_t size = 0;
    enum sl_status status;

    do {
        char *target = guard_copy(to, out);
        struct sl_room room = {target, out};

        status = compressor->class->run(compressor, &left, &room, flushes);
        memcpy(to + size, target, out - room.size);
        size += out - room.size;
        guard_free(target);
    } while (status == SL_OK);
    CHECK_INT(status, SL_AGAIN);
    CHECK_INT(left.size, 0);
    guard_free(guarded);
    return size;
}

/* Raw deflate, which goes on behind its last byte. */
static void check_inflates(struct sl_view coded, struct sl_view content)
{
    struct bytes got = bytes_new(content.size);
    z_stream stream;

    memset(&stream, 0, sizeof stream);
    inflateInit2(&stream, -15);
    stream.next_in = (Bytef *)(uintptr_t)coded.data;
    stream.avail_in = (uInt)coded.size;
    stream.next_out = (Bytef *)got.data;
    stream.avail_out = (uInt)got.size;
    CHECK_INT(inflate(&stream, Z_NO_FLUSH), Z_OK);
    CHECK_INT(stream.avail_in, 0);
    CHECK_BYTES(got.data, stream.total_out, content.data, content.size);
    inflateEnd(&stream);
    bytes_free(&got);
}

static void check_steps(const struct sl_compressor_class *class, size_t in,
                        size_t out)
{
    struct test_allocator allocator;
    struct sl_compressor *compressor;
    struct bytes content = make_text(3000, 11);
    struct bytes noise = make_noise(1000, 12);
    struct bytes coded = bytes_new(20000 + out);
    size_t size = 0;
    size_t taken = 0;

    test_note("in %zu, out %zu", in, out);
    memcpy(content.data + 1000, noise.data, noise.size);
    test_allocator_init(&allocator);
    REQUIRE(sl_compressor_create(class, &allocator.base, 15, &compressor) ==
            SL_OK);
    while (taken < content.size) {
        size_t piece = content.size - taken < in ? content.size - taken : in;

        size += run_all(compressor, sl_view(content.data + taken, piece),
                        coded.data + size, out, false);
        taken += piece;
    }
    size += run_all(compressor, sl_view("", 0), coded.data + size, out, true);
    CHECK_BYTES(coded.data + size - 4, 4, "\0\0\xff\xff", 4);
    check_inflates(sl_view(coded.data, size), bytes_view(content));
    sl_compressor_destroy(compressor);
    test_allocator_fini(&allocator);
    bytes_free(&coded);
    bytes_free(&noise);
    bytes_free(&content);
}

TEST("touches nothing beyond its input or its room")
{
    static const size_t sizes[] = {16, 64, 258, 5000};
    size_t i;
    size_t k;
    size_t l;

    for (l = 0; l < LIBRARIES; l++)
        for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
                check_steps(libraries[l], sizes[i], sizes[k]);
}

TEST("takes nothing when the buffer cannot grow")
{
    size_t l;

    for (l = 0; l < LIBRARIES; l++) {
        struct test_allocator allocator;
        struct sl_pool pool;
        struct sl_buffer output;
        struct sl_compressor *compressor;
        struct sl_view input = SL_VIEW("Hello");

        test_allocator_init(&allocator);
        pool_begin(&pool, &allocator.base, SMALL_SEGMENT);
        sl_buffer_init(&output, &pool, 15);
        REQUIRE(sl_compressor_create(libraries[l], &allocator.base, 9,
                                     &compressor) == SL_OK);
        CHECK_INT(sl_compressor_step(compressor, &input, &output, true),
                  SL_LIMIT);
        CHECK_INT(input.size, 5);
        CHECK_INT(output.length, 0);
        output.max_size = 100;
        while (sl_compressor_step(compressor, &input, &output, true) == SL_OK)
            ;
        check_inflates(sl_buffer_peek(&output), SL_VIEW("Hello"));
        sl_compressor_destroy(compressor);
        sl_compressor_destroy(NULL);
        sl_buffer_fini(&output);
        pool_end(&pool);
        test_allocator_fini(&allocator);
    }
}

static void create_one(struct sl_allocator *allocator, void *argument)
{
    struct sl_compressor *compressor = NULL;
    enum sl_status status =
        sl_compressor_create(argument, allocator, 15, &compressor);

    CHECK(status == SL_OK || status == SL_MEMORY);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    sl_compressor_destroy(compressor);
}

TEST("gives everything back, whatever allocation fails")
{
    size_t l;

    for (l = 0; l < LIBRARIES; l++)
        test_each_failure(create_one, (void *)(uintptr_t)libraries[l]);
}

int main(void)
{
    return test_main();
}
