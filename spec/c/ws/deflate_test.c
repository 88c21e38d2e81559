#include "ws/deflate.h"

#include "spec/c/codec/coding.h"

/* ---- the libraries of this build ---- */

static const struct sl_engine_class *const engines[] = {
    &sl_engine_inflate,
#ifdef SL_HAVE_ISAL
    &sl_engine_isal,
#endif
};

static const struct sl_compressor_class *const compressors[] = {
    &sl_compressor_zlib,
#ifdef SL_HAVE_ISAL
    &sl_compressor_isal,
#endif
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- one who receives ---- */

struct scene {
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer output;
    struct sl_ws_inflater *inflater;
    struct sl_utf8 utf8;
    const char *error;
};

static void begin(struct scene *scene, const struct sl_engine_class *class,
                  bool keeps_context, size_t limit)
{
    struct sl_pool_options options = {
        .segment_size = SMALL_SEGMENT, .spare_limit = SIZE_MAX, .poison = true};

    memset(scene, 0, sizeof *scene);
    sl_allocator_init_system(&scene->allocator);
    sl_pool_init(&scene->pool, &scene->allocator, &options);
    sl_buffer_init(&scene->output, &scene->pool, limit);
    REQUIRE(sl_ws_inflater_create(class, &scene->pool, 15, keeps_context,
                                  &scene->inflater) == SL_OK);
}

static void end(struct scene *scene)
{
    sl_ws_inflater_destroy(scene->inflater);
    sl_buffer_fini(&scene->output);
    CHECK_INT(sl_pool_fini(&scene->pool), 0);
}

/* Inflates what there is. SL_AGAIN: more input is needed. */
static enum sl_status run(struct scene *scene, bool is_last, bool is_text)
{
    size_t budget = SIZE_MAX;

    return sl_ws_inflater_run(scene->inflater, &scene->output, is_last,
                              is_text ? &scene->utf8 : NULL, &budget,
                              &scene->error);
}

/* One message, in pieces. */
static enum sl_status receive(struct scene *scene, const struct sl_view *pieces,
                              size_t count, bool is_text)
{
    enum sl_status status = SL_AGAIN;
    size_t i;

    sl_buffer_reset(&scene->output);
    sl_utf8_init(&scene->utf8);
    scene->error = NULL;
    for (i = 0; i < count && status == SL_AGAIN; i++) {
        CHECK_INT(
            sl_buffer_append(sl_ws_inflater_input(scene->inflater), pieces[i]),
            SL_OK);
        status = run(scene, false, is_text);
    }
    return status == SL_AGAIN ? run(scene, true, is_text) : status;
}

static void check_output(const struct scene *scene, struct sl_view expected)
{
    struct bytes got = bytes_new(scene->output.length);

    sl_buffer_copy_out(&scene->output, 0, got.data, got.size);
    CHECK_BYTES(got.data, got.size, expected.data, expected.size);
    bytes_free(&got);
}

static void check_message(struct scene *scene, struct sl_view coded,
                          struct sl_view expected)
{
    CHECK_INT(receive(scene, &coded, 1, false), SL_END);
    check_output(scene, expected);
}

/* ---- what an RFC has for examples ---- */

static void read_hello(const struct sl_view *pieces, size_t count,
                       void *argument)
{
    struct scene scene;

    begin(&scene, argument, false, 5);
    CHECK_INT(receive(&scene, pieces, count, true), SL_END);
    check_output(&scene, SL_VIEW("Hello"));
    end(&scene);
}

/* RFC 7692 7.2.3 */
TEST("inflates every kind of block, wherever it is cut")
{
    static const struct {
        const char *bytes;
        size_t size;
    } examples[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},                     /* fixed */
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},    /* stored */
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8},                 /* final */
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07", 12} /* two */
    };
    static const char two_rest[] = "\x00";
    size_t i;
    size_t k;

    for (i = 0; i < COUNT(engines); i++) {
        for (k = 0; k < COUNT(examples); k++) {
            struct bytes coded = bytes_new(examples[k].size + (k == 3));

            memcpy(coded.data, examples[k].bytes, examples[k].size);
            if (k == 3)
                coded.data[12] = two_rest[0];
            test_note("library %zu, example %zu", i, k);
            test_each_cut(bytes_view(coded), read_hello,
                          (void *)(uintptr_t)engines[i]);
            bytes_free(&coded);
        }
    }
}

TEST("keeps what messages before it held, or does not")
{
    const struct sl_view first = SL_VIEW("\xf2\x48\xcd\xc9\xc9\x07\x00");
    const struct sl_view again = SL_VIEW("\xf2\x00\x11\x00\x00");
    size_t i;

    for (i = 0; i < COUNT(engines); i++) {
        struct scene scene;

        test_note("library %zu", i);
        begin(&scene, engines[i], true, 100);
        check_message(&scene, first, SL_VIEW("Hello"));
        check_message(&scene, again, SL_VIEW("Hello"));
        check_message(&scene, again, SL_VIEW("Hello"));
        end(&scene);
        begin(&scene, engines[i], false, 100);
        CHECK_INT(receive(&scene, &again, 1, false), SL_DECODE);
        CHECK(scene.error != NULL);
        end(&scene);
    }
}

TEST("takes messages without any byte, and flushes with nothing")
{
    size_t i;

    for (i = 0; i < COUNT(engines); i++) {
        struct scene scene;

        test_note("library %zu", i);
        begin(&scene, engines[i], true, 5);
        check_message(&scene, SL_VIEW(""), SL_VIEW(""));
        check_message(&scene, SL_VIEW("\x00"), SL_VIEW(""));
        check_message(&scene,
                      SL_VIEW("\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\x00"),
                      SL_VIEW(""));
        check_message(&scene, SL_VIEW("\x02\x00"), SL_VIEW(""));
        check_message(&scene, SL_VIEW("\x03\x00\x03\x00\x00"), SL_VIEW(""));
        check_message(&scene, SL_VIEW("\xf2\x48\xcd\xc9\xc9\x07\x00"),
                      SL_VIEW("Hello"));
        end(&scene);
    }
}

/* ---- final blocks ---- */

/* Raw deflate of `bytes`, which may refer to `before`: with a final block, or
 * flushed. */
static struct bytes deflate_behind(struct sl_view before, struct sl_view bytes,
                                   bool is_final)
{
    struct bytes coded = bytes_new(bytes.size + 100);
    z_stream stream;

    memset(&stream, 0, sizeof stream);
    if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        abort();
    if (before.size > 0)
        deflateSetDictionary(&stream, (const Bytef *)before.data,
                             (uInt)before.size);
    stream.next_in = (Bytef *)(uintptr_t)bytes.data;
    stream.avail_in = (uInt)bytes.size;
    stream.next_out = (Bytef *)coded.data;
    stream.avail_out = (uInt)coded.size;
    deflate(&stream, is_final ? Z_FINISH : Z_SYNC_FLUSH);
    coded.size -= stream.avail_out + (is_final ? 0 : SL_WS_TAIL_SIZE);
    deflateEnd(&stream);
    return coded;
}

/* Messages of `size` bytes, each of two final blocks and a flush, whose
 * contents are the same noise again and again. */
static void check_final(const struct sl_engine_class *class, size_t size,
                        size_t messages, bool keeps_context)
{
    struct bytes noise = make_noise(size, 5);
    struct bytes content = bytes_new(0);
    struct bytes all = bytes_new(size * (messages + 1));
    struct scene scene;
    size_t i;

    begin(&scene, class, keeps_context, SIZE_MAX);
    for (i = 0; i < messages; i++) {
        size_t from = keeps_context ? 0 : size * i;
        size_t third = size / 3;
        size_t at = size * i;
        struct sl_view pieces[3];
        struct bytes coded[3];
        size_t k;

        memcpy(all.data + at, noise.data, size);
        for (k = 0; k < 3; k++) {
            size_t here = k < 2 ? third : size - 2 * third;

            coded[k] =
                deflate_behind(sl_view(all.data + from, at - from),
                               sl_view(noise.data + k * third, here), k < 2);
            pieces[k] = bytes_view(coded[k]);
            at += here;
        }
        test_note("message %zu of %zu bytes", i, size);
        CHECK_INT(receive(&scene, pieces, 3, false), SL_END);
        check_output(&scene, bytes_view(noise));
        if (keeps_context && i > 0)
            CHECK(pieces[2].size < size / 10);
        for (k = 0; k < 3; k++)
            bytes_free(&coded[k]);
    }
    end(&scene);
    bytes_free(&all);
    bytes_free(&content);
    bytes_free(&noise);
}

TEST("goes on behind a final block, which may be referred to")
{
    size_t i;

    for (i = 0; i < COUNT(engines); i++) {
        check_final(engines[i], 3000, 15, true);
        check_final(engines[i], 3000, 3, false);
        check_final(engines[i], 15000, 3, true);
    }
}

/* ---- what may not be ---- */

static void check_refused(struct sl_view coded, enum sl_status status,
                          size_t limit, bool is_text)
{
    size_t i;

    for (i = 0; i < COUNT(engines); i++) {
        struct scene scene;

        test_note("library %zu, %zu bytes", i, coded.size);
        begin(&scene, engines[i], true, limit);
        CHECK_INT(receive(&scene, &coded, 1, is_text), status);
        CHECK(status != SL_DECODE || scene.error != NULL);
        CHECK(scene.output.length <= limit);
        end(&scene);
    }
}

TEST("refuses what is cut off, and what is no deflate")
{
    const struct sl_view hello = SL_VIEW("\xf2\x48\xcd\xc9\xc9\x07\x00");
    size_t i;

    for (i = 1; i < hello.size - 1; i++)
        check_refused(sl_view(hello.data, i), SL_DECODE, 100, false);
    check_refused(SL_VIEW("\xf3\x48\xcd\xc9\xc9\x07\x00"), SL_DECODE, 100,
                  false); /* a final block, and no flush */
    check_refused(SL_VIEW("\x06"), SL_DECODE, 100, false);
    check_refused(SL_VIEW("\x07\x01\x02"), SL_DECODE, 100, false);
    check_refused(SL_VIEW("Hello"), SL_DECODE, 100, false);
    check_refused(SL_VIEW("\xf2\x48\xcd\xc9\xc9\x07\x00\x07"), SL_DECODE, 100,
                  false); /* and garbage */
    check_refused(SL_VIEW("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"),
                  SL_DECODE, 100, false);
}

TEST("takes as many bytes as a message may have, and none more")
{
    const struct sl_view hello = SL_VIEW("\xf2\x48\xcd\xc9\xc9\x07\x00");
    struct bytes zeroes = bytes_new(1000000);
    struct bytes bomb;

    memset(zeroes.data, 0, zeroes.size);
    bomb = deflate_behind(sl_view("", 0), bytes_view(zeroes), false);
    CHECK(bomb.size < 2000);
    check_refused(hello, SL_END, 5, true);
    check_refused(hello, SL_LIMIT, 4, true);
    check_refused(hello, SL_LIMIT, 0, true);
    check_refused(bytes_view(bomb), SL_LIMIT, 1000, false);
    check_refused(bytes_view(bomb), SL_LIMIT, 999999, false);
    check_refused(bytes_view(bomb), SL_END, 1000000, false);
    bytes_free(&bomb);
    bytes_free(&zeroes);
}

static void read_bad_text(const struct sl_view *pieces, size_t count,
                          void *argument)
{
    struct scene scene;

    begin(&scene, argument, true, 100);
    CHECK_INT(receive(&scene, pieces, count, true), SL_DECODE);
    CHECK_STR(scene.error, "text is not UTF-8");
    end(&scene);
}

TEST("refuses text that is not UTF-8 before the message is complete")
{
    size_t i;

    for (i = 0; i < COUNT(engines); i++) {
        struct scene scene;
        struct sl_view bad = SL_VIEW("\x00\x04\x00\xfb\xff"
                                     "ab\xc0\x80");

        test_each_cut(SL_VIEW("\x00\x06\x00\xf9\xff\x68\xc3\xa9\xed\xa0\x80"
                              "\x00"),
                      read_bad_text, (void *)(uintptr_t)engines[i]);
        begin(&scene, engines[i], true, 100);
        sl_utf8_init(&scene.utf8);
        CHECK_INT(sl_buffer_append(sl_ws_inflater_input(scene.inflater), bad),
                  SL_OK);
        CHECK_INT(run(&scene, false, true), SL_DECODE);
        end(&scene);
    }
}

/* How many times a budget of 64 KiB is used up. */
static size_t count_budgets(const struct sl_engine_class *class,
                            struct sl_view coded, size_t repeats)
{
    const size_t most = (size_t)64 * 1024;
    struct scene scene;
    enum sl_status status;
    size_t count = 0;

    begin(&scene, class, true, SIZE_MAX);
    for (; repeats > 0; repeats--)
        CHECK_INT(sl_buffer_append(sl_ws_inflater_input(scene.inflater), coded),
                  SL_OK);
    do {
        size_t budget = most;
        size_t before = scene.output.length;

        status = sl_ws_inflater_run(scene.inflater, &scene.output, false, NULL,
                                    &budget, &scene.error);
        CHECK(scene.output.length - before <= 5 * most);
        count += budget == 0;
    } while (status == SL_OK);
    CHECK_INT(status, SL_AGAIN);
    end(&scene);
    return count;
}

TEST("stops when a budget is used up, by a bomb or by final blocks")
{
    struct bytes zeroes = bytes_new(1000000);
    struct bytes bomb;
    size_t i;

    memset(zeroes.data, 0, zeroes.size);
    bomb = deflate_behind(sl_view("", 0), bytes_view(zeroes), false);
    for (i = 0; i < COUNT(engines); i++) {
        CHECK(count_budgets(engines[i], bytes_view(bomb), 1) >= 3);
        CHECK(count_budgets(engines[i], SL_VIEW("\x03\x00"), 100) >= 20);
    }
    bytes_free(&bomb);
    bytes_free(&zeroes);
}

/* ---- both ways ---- */

struct both {
    const struct sl_compressor_class *compressor;
    const struct sl_engine_class *engine;
    unsigned bits;
    bool keeps_context;
    size_t segment_size;
};

/* Compresses in pieces of `step`, and inflates. Returns the compressed size. */
static size_t pass(struct sl_ws_deflater **deflater, struct sl_pool *pool,
                   const struct both *both, struct sl_ws_inflater **inflater,
                   struct sl_view content, size_t step)
{
    struct sl_buffer message;
    struct sl_buffer *coded;
    struct bytes got = bytes_new(content.size);
    const char *error = NULL;
    struct sl_view left = content;
    size_t budget = SIZE_MAX;
    size_t size;

    if (*deflater == NULL)
        REQUIRE(sl_ws_deflater_create(both->compressor, pool, both->bits,
                                      deflater) == SL_OK);
    if (*inflater == NULL)
        REQUIRE(sl_ws_inflater_create(both->engine, pool, both->bits,
                                      both->keeps_context, inflater) == SL_OK);
    coded = sl_ws_deflater_output(*deflater);
    while (left.size > 0) {
        struct sl_view piece =
            sl_view(left.data, left.size < step ? left.size : step);

        left.data += piece.size;
        left.size -= piece.size;
        CHECK_INT(sl_ws_deflater_run(*deflater, &piece), SL_OK);
        CHECK_INT(piece.size, 0);
    }
    CHECK_INT(sl_ws_deflater_end(*deflater), SL_OK);
    size = coded->length - SL_WS_TAIL_SIZE;
    CHECK_INT(sl_buffer_move(sl_ws_inflater_input(*inflater), coded, size),
              SL_OK);
    sl_buffer_reset(coded);
    sl_buffer_init(&message, pool, content.size);
    CHECK_INT(
        sl_ws_inflater_run(*inflater, &message, true, NULL, &budget, &error),
        SL_END);
    CHECK_INT(message.length, content.size);
    sl_buffer_copy_out(&message, 0, got.data, got.size);
    CHECK_BYTES(got.data, got.size, content.data, content.size);
    sl_buffer_fini(&message);
    bytes_free(&got);
    if (!both->keeps_context) {
        sl_ws_deflater_destroy(*deflater);
        sl_ws_inflater_destroy(*inflater);
        *deflater = NULL;
        *inflater = NULL;
    }
    return size;
}

static void check_both(const struct both *both)
{
    static const size_t sizes[] = {0, 1, 300, 70000, 5, 0, 20000, 300, 300};
    struct sl_pool_options options = {.segment_size = both->segment_size,
                                      .spare_limit = SIZE_MAX,
                                      .poison = true};
    struct bytes text = make_text(70000, 3);
    struct sl_ws_deflater *deflater = NULL;
    struct sl_ws_inflater *inflater = NULL;
    struct sl_allocator allocator;
    struct sl_pool pool;
    size_t unknown = 0;
    size_t i;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, &options);
    for (i = 0; i < COUNT(sizes); i++) {
        size_t size;

        test_note("%u bits, %s, message %zu", both->bits,
                  both->keeps_context ? "context kept" : "no context", i);
        size = pass(&deflater, &pool, both, &inflater,
                    sl_view(text.data, sizes[i]), i % 2 == 0 ? SIZE_MAX : 777);
        CHECK(size <= sizes[i] + 20);
        CHECK(sizes[i] < 1000 || size < sizes[i] * 3 / 4);
        if (i == 2)
            unknown = size;
        /* A window that is large enough knows the last message. */
        if (i == COUNT(sizes) - 1 && both->keeps_context && both->bits == 15)
            CHECK(size < unknown / 2);
    }
    sl_ws_deflater_destroy(deflater);
    sl_ws_inflater_destroy(inflater);
    CHECK_INT(sl_pool_fini(&pool), 0);
    bytes_free(&text);
}

TEST("inflates what it compressed, with each window and library")
{
    struct both both;
    size_t i;
    size_t k;

    for (i = 0; i < COUNT(compressors); i++) {
        for (k = 0; k < COUNT(engines); k++) {
            both.compressor = compressors[i];
            both.engine = engines[k];
            for (both.bits = 9; both.bits <= 15; both.bits++) {
                both.segment_size = both.bits == 12 ? SMALL_SEGMENT : 0;
                both.keeps_context = true;
                check_both(&both);
                both.keeps_context = false;
                check_both(&both);
            }
        }
    }
}

/* No distance exceeds the window: zlib with no larger one inflates it, a byte
 * at a time. */
TEST("refers to no more than its window")
{
    struct bytes text = make_text(100000, 3);
    struct sl_allocator allocator;
    struct sl_pool pool;
    unsigned bits;
    size_t i;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    for (i = 0; i < COUNT(compressors); i++) {
        for (bits = 9; bits <= 15; bits++) {
            struct sl_ws_deflater *deflater;
            struct sl_view left = bytes_view(text);
            struct sl_buffer *coded;
            struct bytes got = bytes_new(text.size);
            z_stream stream;
            int result = Z_OK;

            test_note("library %zu, %u bits", i, bits);
            REQUIRE(sl_ws_deflater_create(compressors[i], &pool, bits,
                                          &deflater) == SL_OK);
            CHECK_INT(sl_ws_deflater_run(deflater, &left), SL_OK);
            CHECK_INT(sl_ws_deflater_end(deflater), SL_OK);
            coded = sl_ws_deflater_output(deflater);
            memset(&stream, 0, sizeof stream);
            inflateInit2(&stream, -(int)bits);
            stream.next_out = (Bytef *)got.data;
            while (coded->length > 0 && (result == Z_OK)) {
                struct sl_view piece = sl_buffer_peek(coded);

                stream.next_in = (Bytef *)(uintptr_t)piece.data;
                stream.avail_in = (uInt)piece.size;
                while (result == Z_OK && stream.total_out < text.size) {
                    stream.avail_out = 1;
                    result = inflate(&stream, Z_NO_FLUSH);
                }
                if (result == Z_BUF_ERROR)
                    result = Z_OK;
                sl_buffer_consume(coded, piece.size);
            }
            CHECK_INT(result, Z_OK);
            CHECK_BYTES(got.data, stream.total_out, text.data, text.size);
            inflateEnd(&stream);
            bytes_free(&got);
            sl_ws_deflater_destroy(deflater);
        }
    }
    CHECK_INT(sl_pool_fini(&pool), 0);
    bytes_free(&text);
}

TEST("writes no window of 8 bits")
{
    CHECK(!sl_ws_deflater_can(8));
    CHECK(sl_ws_deflater_can(9));
    CHECK(sl_ws_deflater_can(15));
    CHECK(!sl_ws_deflater_can(0));
    CHECK(!sl_ws_deflater_can(16));
}

/* ---- failures ---- */

static void compress_some(struct sl_allocator *allocator, void *argument)
{
    struct sl_pool_options options = {.segment_size = SMALL_SEGMENT,
                                      .spare_limit = SIZE_MAX};
    struct bytes text = make_text(400, 3);
    struct sl_ws_deflater *deflater = NULL;
    struct sl_pool pool;
    struct sl_view left = bytes_view(text);
    enum sl_status status;

    sl_pool_init(&pool, allocator, &options);
    status = sl_ws_deflater_create(argument, &pool, 15, &deflater);
    if (status == SL_OK)
        status = sl_ws_deflater_run(deflater, &left);
    if (status == SL_MEMORY) /* may be called again */
        status =
            deflater == NULL ? status : sl_ws_deflater_run(deflater, &left);
    if (status == SL_OK)
        status = sl_ws_deflater_end(deflater);
    if (status == SL_MEMORY && deflater != NULL && left.size == 0)
        status = sl_ws_deflater_end(deflater);
    CHECK(status == SL_OK || status == SL_MEMORY);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    if (status == SL_OK) {
        struct bytes coded = bytes_new(sl_ws_deflater_output(deflater)->length);
        struct bytes got = bytes_new(text.size);
        z_stream stream;

        sl_buffer_copy_out(sl_ws_deflater_output(deflater), 0, coded.data,
                           coded.size);
        memset(&stream, 0, sizeof stream);
        inflateInit2(&stream, -15);
        stream.next_in = (Bytef *)coded.data;
        stream.avail_in = (uInt)coded.size;
        stream.next_out = (Bytef *)got.data;
        stream.avail_out = (uInt)got.size;
        inflate(&stream, Z_NO_FLUSH);
        CHECK_BYTES(got.data, stream.total_out, text.data, text.size);
        inflateEnd(&stream);
        bytes_free(&coded);
        bytes_free(&got);
    }
    sl_ws_deflater_destroy(deflater);
    CHECK_INT(sl_pool_fini(&pool), 0);
    bytes_free(&text);
}

static void inflate_some(struct sl_allocator *allocator, void *argument)
{
    static const struct sl_view coded[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8},
        {"\x00\x2e\x00\xd1\xff"
         "Hello, Hello, Hello, Hello, Hello, Hello, Hell\x00",
         52}};
    struct sl_pool_options options = {.segment_size = SMALL_SEGMENT,
                                      .spare_limit = SIZE_MAX};
    struct sl_ws_inflater *inflater = NULL;
    struct sl_buffer output;
    struct sl_pool pool;
    struct sl_utf8 utf8;
    const char *error;
    size_t budget = SIZE_MAX;
    enum sl_status status;
    size_t i;

    sl_pool_init(&pool, allocator, &options);
    sl_utf8_init(&utf8);
    status = sl_ws_inflater_create(argument, &pool, 15, true, &inflater);
    for (i = 0; i < COUNT(coded) && status == SL_OK; i++) {
        sl_buffer_init(&output, &pool, 1000);
        status = sl_buffer_append(sl_ws_inflater_input(inflater), coded[i]);
        if (status == SL_OK)
            status = sl_ws_inflater_run(inflater, &output, true, &utf8, &budget,
                                        &error);
        if (status == SL_END)
            status = SL_OK;
        CHECK(status != SL_OK || output.length == (i < 2 ? 5 : 46));
        sl_buffer_fini(&output);
    }
    CHECK(status == SL_OK || status == SL_MEMORY);
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    sl_ws_inflater_destroy(inflater);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("gives everything back, whatever allocation fails")
{
    size_t i;

    for (i = 0; i < COUNT(engines); i++)
        test_each_failure(inflate_some, (void *)(uintptr_t)engines[i]);
    for (i = 0; i < COUNT(compressors); i++)
        test_each_failure(compress_some, (void *)(uintptr_t)compressors[i]);
}

int main(void)
{
    return test_main();
}
