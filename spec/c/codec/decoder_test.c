#include "spec/c/codec/coding.h"

/* Every coding there is, with both engines of deflate. */
static const struct sl_decoder_class *const codings[] = {
    &sl_coding_gzip_zlib, &sl_coding_deflate_zlib,
#ifdef SL_HAVE_ISAL
    &sl_coding_gzip_isal, &sl_coding_deflate_isal,
#endif
#ifdef SL_HAVE_BROTLI
    &sl_coding_brotli,
#endif
#ifdef SL_HAVE_ZSTD
    &sl_coding_zstd,
#endif
};

#define CODINGS (sizeof(codings) / sizeof(codings[0]))

static struct bytes gzipped(struct sl_view content)
{
    return deflated(content, AS_GZIP, 6, Z_DEFAULT_STRATEGY);
}

/* ---- the table ---- */

static const char *found(struct sl_view coding)
{
    const struct sl_decoder_class *class = sl_decoder_find(coding);

    return class != NULL ? class->name : NULL;
}

TEST("finds codings by name and alias, without case")
{
    CHECK_STR(found(SL_VIEW("gzip")), "gzip");
    CHECK_STR(found(SL_VIEW("GZip")), "gzip");
    CHECK_STR(found(SL_VIEW("x-gzip")), "gzip");
    CHECK_STR(found(SL_VIEW("X-GZIP")), "gzip");
    CHECK_STR(found(SL_VIEW("deflate")), "deflate");
}

TEST("does not find identity, unknown codings or parts of names")
{
    CHECK_STR(found(SL_VIEW("identity")), NULL);
    CHECK_STR(found(SL_VIEW("compress")), NULL);
    CHECK_STR(found(SL_VIEW("")), NULL);
    CHECK_STR(found(SL_VIEW("gzi")), NULL);
    CHECK_STR(found(SL_VIEW("gzipp")), NULL);
    CHECK_STR(found(SL_VIEW("gzip\0")), NULL);
    CHECK_STR(found(SL_VIEW("gzip,deflate")), NULL);
}

TEST("accepts exactly what it finds")
{
    const char *rest = sl_decoder_accepted();
    size_t count = 0;

    while (*rest != '\0') {
        size_t size = strcspn(rest, ",");
        struct sl_view name = sl_view(rest, size);

        CHECK(sl_decoder_find(name) != NULL);
        count++;
        rest += size;
        rest += strspn(rest, ", ");
    }
    CHECK_INT(count, 2 + (found(SL_VIEW("br")) != NULL) +
                         (found(SL_VIEW("zstd")) != NULL));
}

/* ---- fixtures ---- */

struct fixture_run {
    const struct sl_decoder_class *class;
    const struct test_fixture *fixture;
    size_t segment_size;
    size_t room;
};

static void run_fixture(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    const struct fixture_run *run = argument;
    const struct test_fixture_block *content =
        test_fixture_block(run->fixture, "content", 0);
    bool is_good = strcmp(run->fixture->events[0], "end") == 0;
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct outcome outcome;

    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, run->segment_size);
    REQUIRE(sl_decoder_rent(run->class, &shelf, &decoder) == SL_OK);
    outcome = decode_pieces(decoder, &pool, pieces, count, run->room);
    CHECK_INT(outcome.status, is_good ? SL_END : SL_DECODE);
    CHECK((outcome.error == NULL) == is_good);
    if (content != NULL)
        CHECK_BYTES(outcome.content.data, outcome.content.size,
                    content->bytes.data, content->bytes.size);
    else if (is_good)
        CHECK_INT(outcome.content.size, 0);
    outcome_free(&outcome);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

static void each_fixture(const struct test_fixture *fixture, void *argument)
{
    static const struct {
        size_t segment_size;
        size_t room;
    } sizes[] = {{SMALL_SEGMENT, 1}, {SMALL_SEGMENT, 40}, {16384, 100000}};
    const char *name = fixture->blocks[0].info + strlen("coding=");
    size_t *run_count = argument;
    size_t i;
    size_t k;

    REQUIRE(fixture->event_count == 1);
    for (i = 0; i < CODINGS; i++) {
        if (sl_decoder_find(sl_view(name, strlen(name))) == NULL ||
            strcmp(found(sl_view(name, strlen(name))), codings[i]->name) != 0)
            continue;
        for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            struct fixture_run run = {codings[i], fixture,
                                      sizes[k].segment_size, sizes[k].room};

            test_each_cut(fixture->bytes, run_fixture, &run);
        }
        ++*run_count;
    }
}

TEST("decodes each fixture alike whole, cut anywhere and byte by byte")
{
    size_t run_count = 0;

    test_fixture_each("spec/fixtures/codec", each_fixture, &run_count);
    CHECK(run_count >= 20);
}

/* ---- a peer that is silent ---- */

static struct bytes flushed(const struct sl_decoder_class *class,
                            struct sl_view content)
{
#ifdef SL_HAVE_BROTLI
    if (class == &sl_coding_brotli)
        return brotli_flushed(content);
#endif
#ifdef SL_HAVE_ZSTD
    if (class == &sl_coding_zstd)
        return zstd_flushed(content);
#endif
    return deflate_flushed(content, strcmp(class->name, "gzip") == 0 ? AS_GZIP
                                                                     : AS_ZLIB);
}

/* All of it comes without another byte of input. */
static void check_flushed(const struct sl_decoder_class *class,
                          struct sl_view content, size_t segment_size,
                          size_t room)
{
    struct bytes coded = flushed(class, content);
    struct outcome outcome = {SL_AGAIN, NULL, bytes_new(0)};
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct sl_buffer input;
    struct sl_buffer output;

    test_note("%s, %zu bytes, rooms of %zu", class->name, content.size, room);
    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, segment_size);
    REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&output, &pool, SIZE_MAX);
    sl_buffer_append(&input, bytes_view(coded));
    CHECK_INT(decode_all(decoder, &input, &output, room, &outcome), SL_AGAIN);
    CHECK_BYTES(outcome.content.data, outcome.content.size, content.data,
                content.size);
    sl_buffer_fini(&input);
    sl_buffer_fini(&output);
    outcome_free(&outcome);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
    bytes_free(&coded);
}

TEST("decodes all it can before it waits for input, whatever the room")
{
    static const size_t sizes[] = {1, 700, 40000, 300000};
    static const size_t rooms[] = {7, 1000, 8192, 100000};
    size_t coding, kind, i, k;

    for (coding = 0; coding < CODINGS; coding++) {
        for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct bytes contents[] = {make_text(sizes[i], 31),
                                       make_zeros(sizes[i])};

            for (kind = 0; kind < 2; kind++) {
                for (k = 0; k < sizeof(rooms) / sizeof(rooms[0]); k++) {
                    if (sizes[i] <= 100 * rooms[k])
                        check_flushed(codings[coding],
                                      bytes_view(contents[kind]),
                                      k == 0 ? 23 : 16384, rooms[k]);
                }
                bytes_free(&contents[kind]);
            }
        }
    }
}

#ifdef SL_HAVE_ZSTD
/* RFC 8878 3.1.1: a frame of nothing, or of a letter; its window has 8 MiB. */
static void check_frames(struct sl_view frame, size_t content)
{
    const size_t count = 1000;
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct sl_buffer input;
    struct sl_buffer output;
    const char *error = NULL;
    size_t before;
    size_t i;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_decoder_shelf_init(&shelf, &allocator.base);
    REQUIRE(sl_decoder_rent(&sl_coding_zstd, &shelf, &decoder) == SL_OK);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&output, &pool, SIZE_MAX);
    for (i = 0; i < count; i++)
        sl_buffer_append(&input, frame);
    before = allocator.attempts;
    CHECK_INT(sl_decoder_decode(decoder, &input, &output, SIZE_MAX, &error),
              SL_AGAIN);
    CHECK_INT(output.length, count * content);
    CHECK(allocator.attempts - before < 10);
    sl_buffer_fini(&input);
    sl_buffer_fini(&output);
    sl_decoder_release(decoder);
    CHECK(allocator.bytes < 1 << 20);
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

TEST("many small frames take no memory each, however large their window")
{
    check_frames(SL_VIEW("\x28\xb5\x2f\xfd\0\x68\1\0\0"), 0);
    check_frames(SL_VIEW("\x28\xb5\x2f\xfd\0\x68\x09\0\0x"), 1);
}
#endif

/* ---- renting ---- */

TEST("a released decoder is rented again and allocates nothing")
{
    struct bytes text = make_text(100000, 21);
    struct bytes coded = gzipped(bytes_view(text));
    struct sl_view piece = bytes_view(coded);
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *first;
    struct sl_decoder *second;
    size_t blocks;
    int round;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_decoder_shelf_init(&shelf, &allocator.base);
    REQUIRE(sl_decoder_rent(&sl_coding_gzip_zlib, &shelf, &first) == SL_OK);
    check_outcome(decode_pieces(first, &pool, &piece, 1, 300000), SL_END,
                  bytes_view(text));
    sl_decoder_release(first);
    blocks = allocator.blocks;
    for (round = 0; round < 3; round++) {
        size_t attempts;

        REQUIRE(sl_decoder_rent(&sl_coding_gzip_zlib, &shelf, &second) ==
                SL_OK);
        CHECK(second == first);
        check_outcome(decode_pieces(second, &pool, &piece, 1, 300000), SL_END,
                      bytes_view(text));
        attempts = allocator.attempts;
        sl_decoder_release(second);
        CHECK_INT(allocator.attempts, attempts);
        CHECK_INT(allocator.blocks, blocks);
    }
    pool_end(&pool);
    test_allocator_fini(&allocator);
    bytes_free(&coded);
    bytes_free(&text);
}

TEST("a decoder that failed or was abandoned is as new when rented again")
{
    struct bytes text = make_text(5000, 22);
    size_t i;

    for (i = 0; i < CODINGS; i++) {
        struct test_allocator allocator;
        struct sl_pool pool;
        struct sl_decoder *decoder;
        struct bytes coded;
        struct sl_view piece;
        struct sl_view half;
        struct sl_view bad = SL_VIEW("\xff\xff\xff\xff\xff\xff\xff\xff");

        if (strcmp(codings[i]->name, "br") == 0 ||
            strcmp(codings[i]->name, "zstd") == 0)
            continue;
        test_note("%s", codings[i]->name);
        coded = strcmp(codings[i]->name, "gzip") == 0
                    ? gzipped(bytes_view(text))
                    : deflated(bytes_view(text), AS_RAW, 6, 0);
        piece = bytes_view(coded);
        half = sl_view(coded.data, coded.size / 2);
        test_allocator_init(&allocator);
        pool_begin(&pool, &allocator.base, SMALL_SEGMENT);
        REQUIRE(sl_decoder_rent(codings[i], &shelf, &decoder) == SL_OK);
        {
            struct outcome outcome =
                decode_pieces(decoder, &pool, &half, 1, 1000);

            CHECK_INT(outcome.status, SL_DECODE);
            outcome_free(&outcome);
        }
        sl_decoder_release(decoder);
        REQUIRE(sl_decoder_rent(codings[i], &shelf, &decoder) == SL_OK);
        check_outcome(decode_pieces(decoder, &pool, &bad, 1, 1000), SL_DECODE,
                      SL_VIEW(""));
        sl_decoder_release(decoder);
        REQUIRE(sl_decoder_rent(codings[i], &shelf, &decoder) == SL_OK);
        check_outcome(decode_pieces(decoder, &pool, &piece, 1, 1000), SL_END,
                      bytes_view(text));
        sl_decoder_release(decoder);
        pool_end(&pool);
        test_allocator_fini(&allocator);
        bytes_free(&coded);
    }
    bytes_free(&text);
}

TEST("keeps a bounded number of idle decoders, each class found again")
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *rented[SL_DECODER_IDLE + 4];
    struct sl_decoder *other;
    struct sl_decoder *again;
    size_t count = 0;
    size_t i;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_decoder_shelf_init(&shelf, &allocator.base);
    for (i = 0; i < SL_DECODER_IDLE + 4; i++)
        REQUIRE(sl_decoder_rent(&sl_coding_gzip_zlib, &shelf, &rented[i]) ==
                SL_OK);
    REQUIRE(sl_decoder_rent(&sl_coding_deflate_zlib, &shelf, &other) == SL_OK);
    for (i = 0; i < SL_DECODER_IDLE + 4; i++)
        sl_decoder_release(rented[i]);
    sl_decoder_release(other);
    for (again = shelf.idle; again != NULL; again = again->next)
        count++;
    CHECK_INT(count, SL_DECODER_IDLE);
    REQUIRE(sl_decoder_rent(&sl_coding_gzip_zlib, &shelf, &again) == SL_OK);
    CHECK(again == rented[SL_DECODER_IDLE + 3]);
    sl_decoder_release(again);
    REQUIRE(sl_decoder_rent(&sl_coding_deflate_zlib, &shelf, &again) == SL_OK);
    CHECK(again == other);
    sl_decoder_release(again);
    sl_decoder_release(NULL);
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

/* ---- everything before a fault ---- */

/* Decodes `coded` in pieces of that size. */
static struct outcome decode_in(const struct sl_decoder_class *class,
                                struct sl_view coded, size_t piece_size,
                                size_t room)
{
    struct sl_view *pieces = calloc(coded.size + 1, sizeof *pieces);
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct outcome outcome;
    size_t count = 0;

    for (size_t at = 0; at < coded.size; at += piece_size)
        pieces[count++] = sl_view(coded.data + at, coded.size - at < piece_size
                                                       ? coded.size - at
                                                       : piece_size);
    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, SL_SEGMENT_SIZE);
    REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
    outcome = decode_pieces(decoder, &pool, pieces, count, room);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
    free(pieces);
    return outcome;
}

/* The byte at `at` is not as it was sent: in whatever pieces the data comes,
 * what it gives is the same, and at least what the bytes before that give. */
static void check_fault(const struct sl_decoder_class *class,
                        struct bytes coded, size_t at)
{
    struct outcome before =
        decode_in(class, sl_view(coded.data, at), at + 1, 100000);
    struct outcome single, other;

    coded.data[at] = (char)~coded.data[at];
    test_note("%s, byte %zu of %zu", class->name, at, coded.size);
    single = decode_in(class, bytes_view(coded), 1, 100000);
    CHECK(single.content.size >= before.content.size);
    CHECK(before.content.size == 0 ||
          memcmp(single.content.data, before.content.data,
                 before.content.size) == 0);
    for (int i = 0; i < 4; i++) {
        static const size_t rooms[] = {100000, 100000, 7, 100000};
        size_t sizes[] = {coded.size, at > 0 ? at : 1, coded.size, 5};

        other = decode_in(class, bytes_view(coded), sizes[i], rooms[i]);
        CHECK_INT(other.status, single.status);
        CHECK_BYTES(other.content.data, other.content.size, single.content.data,
                    single.content.size);
        outcome_free(&other);
    }
    coded.data[at] = (char)~coded.data[at];
    outcome_free(&single);
    outcome_free(&before);
}

TEST("gives what came before a fault, wherever that is and however it is cut")
{
    struct bytes text = make_text(700, 77);

    for (size_t i = 0; i < CODINGS; i++) {
        struct bytes coded = flushed(codings[i], bytes_view(text));

        for (size_t at = 0; at < coded.size; at++)
            check_fault(codings[i], coded, at);
        bytes_free(&coded);
    }
    bytes_free(&text);
}

/* ---- failures ---- */

struct failing {
    const struct sl_decoder_class *class;
    struct sl_view coded;
    struct sl_view content;
};

/* A body, its release, and the same again by an idle decoder. */
static void run_failing(struct sl_allocator *allocator, void *argument)
{
    const struct failing *failing = argument;
    struct sl_pool pool;
    int round;

    pool_begin(&pool, allocator, 1000);
    for (round = 0; round < 2; round++) {
        struct sl_decoder *decoder;
        struct outcome outcome;
        enum sl_status status =
            sl_decoder_rent(failing->class, &shelf, &decoder);

        if (status != SL_OK) {
            CHECK_INT(status, SL_MEMORY);
            CHECK(test_allocator_has_failed(allocator));
            continue;
        }
        outcome = decode_pieces(decoder, &pool, &failing->coded, 1, 400);
        if (outcome.status != SL_END) {
            const char *error = NULL;

            CHECK_INT(outcome.status, SL_MEMORY);
            CHECK(test_allocator_has_failed(allocator));
            if (outcome.error != NULL) { /* the decoder's own: it repeats */
                CHECK_INT(sl_decoder_finish(decoder, &error), SL_MEMORY);
                CHECK_STR(error, outcome.error);
            }
        } else {
            CHECK_BYTES(outcome.content.data, outcome.content.size,
                        failing->content.data, failing->content.size);
        }
        outcome_free(&outcome);
        sl_decoder_release(decoder);
    }
    pool_end(&pool);
}

static void fail_fixture(const struct test_fixture *fixture, void *argument)
{
    const struct test_fixture_block *content =
        test_fixture_block(fixture, "content", 0);
    const char *name = fixture->blocks[0].info + strlen("coding=");
    struct failing failing;
    size_t *count = argument;
    size_t i;

    if (content == NULL || strcmp(fixture->events[0], "end") != 0)
        return;
    failing.coded = fixture->bytes;
    failing.content = content->bytes;
    for (i = 0; i < CODINGS; i++) {
        if (strcmp(name, codings[i]->name) != 0)
            continue;
        failing.class = codings[i];
        test_each_failure(run_failing, &failing);
        ++*count;
    }
}

TEST("a failing allocation leaves a decoder working, or failed for good")
{
    size_t count = 0;

    test_fixture_each("spec/fixtures/codec", fail_fixture, &count);
    CHECK(count >= 6);
}

TEST("a failure is repeated until the reset, whatever the input")
{
    struct test_allocator allocator;
    struct sl_pool pool;
    size_t i;

    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, SMALL_SEGMENT);
    for (i = 0; i < CODINGS; i++) {
        const struct sl_decoder_class *class = codings[i];
        struct sl_decoder *decoder;
        struct sl_buffer input;
        struct sl_buffer output;
        const char *first = NULL;
        const char *again = NULL;

        test_note("%s", class->name);
        REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
        sl_buffer_init(&input, &pool, SIZE_MAX);
        sl_buffer_init(&output, &pool, SIZE_MAX);
        sl_buffer_append(&input, SL_VIEW("\xff\xff\xff\xff\xff\xff\xff"));
        CHECK_INT(sl_decoder_decode(decoder, &input, &output, 10, &first),
                  SL_DECODE);
        CHECK(first != NULL);
        CHECK_INT(sl_decoder_decode(decoder, &input, &output, 10, &again),
                  SL_DECODE);
        CHECK_STR(again, first);
        again = NULL;
        CHECK_INT(sl_decoder_finish(decoder, &again), SL_DECODE);
        CHECK_STR(again, first);
        sl_decoder_release(decoder);
        REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
        CHECK_INT(sl_decoder_finish(decoder, &again), SL_END);
        sl_buffer_fini(&input);
        sl_buffer_fini(&output);
        sl_decoder_release(decoder);
    }
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

/* ---- bounds ---- */

TEST("a full pool ends the decoding with an error that says so")
{
    struct bytes zeros = make_zeros(100000);
    size_t i;

    for (i = 0; i < CODINGS; i++) {
        struct bytes coded = flushed(codings[i], bytes_view(zeros));
        struct test_allocator allocator;
        struct sl_pool pool;
        struct sl_decoder *decoder;
        struct sl_buffer input;
        struct sl_buffer output;
        const char *error = NULL;

        test_note("%s", codings[i]->name);
        test_allocator_init(&allocator);
        pool_begin(&pool, &allocator.base, 1024);
        REQUIRE(sl_decoder_rent(codings[i], &shelf, &decoder) == SL_OK);
        sl_buffer_init(&input, &pool, SIZE_MAX);
        sl_buffer_init(&output, &pool, SIZE_MAX);
        sl_buffer_append(&input, bytes_view(coded));
        pool.options.max_bytes = pool.stats.bytes + 1024;
        CHECK_INT(sl_decoder_decode(decoder, &input, &output, SIZE_MAX, &error),
                  SL_LIMIT);
        CHECK_STR(error, "the pool is full");
        error = NULL;
        CHECK_INT(sl_decoder_finish(decoder, &error), SL_LIMIT);
        CHECK_STR(error, "the pool is full");
        sl_buffer_fini(&input);
        sl_buffer_fini(&output);
        sl_decoder_release(decoder);
        pool_end(&pool);
        test_allocator_fini(&allocator);
        bytes_free(&coded);
    }
    bytes_free(&zeros);
}

TEST("an output that is exactly large enough suffices, one byte less does not")
{
    struct bytes text = make_text(3000, 23);
    struct bytes coded = gzipped(bytes_view(text));
    size_t sizes[] = {3000, 2999, 2000, 1};
    size_t i;
    size_t k;

    for (i = 0; i < CODINGS; i++) {
        if (strcmp(codings[i]->name, "gzip") != 0)
            continue;
        for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            struct test_allocator allocator;
            struct sl_pool pool;
            struct sl_decoder *decoder;
            struct sl_buffer input;
            struct sl_buffer output;
            const char *error = NULL;
            enum sl_status status;

            test_note("%zu of %zu", sizes[k], text.size);
            test_allocator_init(&allocator);
            pool_begin(&pool, &allocator.base, 1024);
            REQUIRE(sl_decoder_rent(codings[i], &shelf, &decoder) == SL_OK);
            sl_buffer_init(&input, &pool, SIZE_MAX);
            sl_buffer_init(&output, &pool, sizes[k]);
            sl_buffer_append(&input, bytes_view(coded));
            status =
                sl_decoder_decode(decoder, &input, &output, SIZE_MAX, &error);
            CHECK_INT(status, sizes[k] == text.size ? SL_AGAIN : SL_LIMIT);
            CHECK_INT(output.length, sizes[k]);
            CHECK_INT(sl_decoder_finish(decoder, &error),
                      sizes[k] == text.size ? SL_END : SL_LIMIT);
            sl_buffer_fini(&input);
            sl_buffer_fini(&output);
            sl_decoder_release(decoder);
            pool_end(&pool);
            test_allocator_fini(&allocator);
        }
    }
    bytes_free(&coded);
    bytes_free(&text);
}

/* Drains what comes; returns how much that was. */
static uint64_t run_bomb(const struct sl_decoder_class *class,
                         struct sl_view coded, size_t room, size_t *peak)
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct sl_buffer input;
    struct sl_buffer output;
    const char *error = NULL;
    enum sl_status status;
    uint64_t total = 0;

    *peak = 0;
    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_decoder_shelf_init(&shelf, &allocator.base);
    REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&output, &pool, SIZE_MAX);
    sl_buffer_append(&input, coded);
    do {
        status = sl_decoder_decode(decoder, &input, &output, room, &error);
        if (pool.stats.bytes > *peak)
            *peak = pool.stats.bytes;
        total += output.length;
        CHECK(output.length <= room);
        sl_buffer_consume(&output, output.length);
    } while (status == SL_OK);
    CHECK_INT(status, SL_AGAIN);
    CHECK_INT(sl_decoder_finish(decoder, &error), SL_END);
    sl_buffer_fini(&input);
    sl_buffer_fini(&output);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
    return total;
}

TEST("a bomb costs one window, whatever its ratio")
{
    struct bytes zeros = make_zeros((size_t)64 << 20);
    struct bytes coded = gzipped(bytes_view(zeros));
    size_t rooms[] = {65536, 262144, 300001};
    size_t i;
    size_t k;

    for (i = 0; i < CODINGS; i++) {
        if (strcmp(codings[i]->name, "gzip") != 0)
            continue;
        for (k = 0; k < sizeof(rooms) / sizeof(rooms[0]); k++) {
            size_t peak;

            CHECK_INT(run_bomb(codings[i], bytes_view(coded), rooms[k], &peak),
                      zeros.size);
            CHECK(peak <= coded.size + coded.size / 4 + rooms[k] +
                              rooms[k] / 4 + 2 * SL_SEGMENT_SIZE);
        }
    }
    bytes_free(&coded);
    bytes_free(&zeros);
}

/* Two decoders in a row, as for "Content-Encoding: gzip, gzip": the outer one
 * gives the inner one's input a window at a time. */
static void run_layers(const struct sl_decoder_class *class,
                       struct sl_view coded, struct sl_view content)
{
    struct outcome outcome = {SL_AGAIN, NULL, bytes_new(0)};
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *outer;
    struct sl_decoder *inner;
    struct sl_buffer input;
    struct sl_buffer between;
    struct sl_buffer output;
    const char *error = NULL;
    enum sl_status status;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_decoder_shelf_init(&shelf, &allocator.base);
    REQUIRE(sl_decoder_rent(class, &shelf, &outer) == SL_OK);
    REQUIRE(sl_decoder_rent(class, &shelf, &inner) == SL_OK);
    CHECK(outer != inner);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&between, &pool, SIZE_MAX);
    sl_buffer_init(&output, &pool, SIZE_MAX);
    sl_buffer_append(&input, coded);
    do {
        status = sl_decoder_decode(outer, &input, &between, 1000, &error);
        CHECK_INT(decode_all(inner, &between, &output, 65536, &outcome),
                  SL_AGAIN);
    } while (status == SL_OK);
    CHECK_INT(status, SL_AGAIN);
    CHECK_INT(sl_decoder_finish(outer, &error), SL_END);
    outcome.status = sl_decoder_finish(inner, &outcome.error);
    check_outcome(outcome, SL_END, content);
    sl_buffer_fini(&input);
    sl_buffer_fini(&between);
    sl_buffer_fini(&output);
    sl_decoder_release(outer);
    sl_decoder_release(inner);
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

TEST("codings applied one over the other come off one by one")
{
    struct bytes text = make_text(3000000, 24);
    struct bytes once = gzipped(bytes_view(text));
    struct bytes twice = gzipped(bytes_view(once));
    size_t i;

    for (i = 0; i < CODINGS; i++) {
        if (strcmp(codings[i]->name, "gzip") == 0)
            run_layers(codings[i], bytes_view(twice), bytes_view(text));
    }
    bytes_free(&twice);
    bytes_free(&once);
    bytes_free(&text);
}

TEST("a small body does not hold a large block")
{
    struct bytes text = make_text(9000, 25);
    struct bytes coded = gzipped(bytes_view(text));
    size_t i;

    for (i = 0; i < CODINGS; i++) {
        size_t peak;

        if (strcmp(codings[i]->name, "gzip") != 0)
            continue;
        CHECK_INT(run_bomb(codings[i], bytes_view(coded), 262144, &peak),
                  text.size);
        CHECK(peak <= 2 * SL_SEGMENT_SIZE);
    }
    bytes_free(&coded);
    bytes_free(&text);
}

int main(void)
{
    return test_main();
}
