#include "spec/c/codec/coding.h"

#include "codec/crc32.h"

/* Each test of a format runs over every engine there is. */
static const struct {
    const char *name;
    const struct sl_decoder_class *gzip;
    const struct sl_decoder_class *deflate;
} engines[] = {
    {"zlib", &sl_coding_gzip_zlib, &sl_coding_deflate_zlib},
#ifdef SL_HAVE_ISAL
    {"isal", &sl_coding_gzip_isal, &sl_coding_deflate_isal},
#endif
};

#define ENGINES (sizeof(engines) / sizeof(engines[0]))

static const struct {
    const char *name;
    int format;
    bool is_gzip;
} formats[] = {
    {"gzip", AS_GZIP, true}, {"zlib", AS_ZLIB, false}, {"raw", AS_RAW, false}};

static const struct sl_decoder_class *class_of(size_t engine, size_t format)
{
    return formats[format].is_gzip ? engines[engine].gzip
                                   : engines[engine].deflate;
}

/* Calls back for each engine with each format's coding of `content`. */
static void each_coding(struct sl_view content, int level, int strategy,
                        void (*body)(const struct sl_decoder_class *class,
                                     struct sl_view coded,
                                     struct sl_view content))
{
    size_t engine;
    size_t format;

    for (engine = 0; engine < ENGINES; engine++) {
        for (format = 0; format < 3; format++) {
            struct bytes coded =
                deflated(content, formats[format].format, level, strategy);

            test_note("%s by %s, level %d, strategy %d, %zu bytes",
                      formats[format].name, engines[engine].name, level,
                      strategy, content.size);
            body(class_of(engine, format), bytes_view(coded), content);
            bytes_free(&coded);
        }
    }
    test_note("%s", "");
}

static void check_whole(const struct sl_decoder_class *class,
                        struct sl_view coded, struct sl_view content)
{
    check_outcome(decode_whole(class, coded), SL_END, content);
}

static void each_level(struct bytes content)
{
    int level;

    for (level = 0; level <= 9; level += 3)
        each_coding(bytes_view(content), level, Z_DEFAULT_STRATEGY,
                    check_whole);
    each_coding(bytes_view(content), 6, Z_FIXED, check_whole);
    each_coding(bytes_view(content), 6, Z_HUFFMAN_ONLY, check_whole);
    each_coding(bytes_view(content), 6, Z_RLE, check_whole);
    bytes_free(&content);
}

TEST("decodes stored, fixed and dynamic blocks of every kind of content")
{
    each_level(make_text(300000, 1));
    each_level(make_noise(150000, 2));
    each_level(make_zeros(300000));
}

TEST("decodes content of every small size")
{
    size_t size;

    for (size = 0; size < 70; size++) {
        struct bytes content = make_text(size, 3);

        each_coding(bytes_view(content), 6, Z_DEFAULT_STRATEGY, check_whole);
        bytes_free(&content);
    }
}

/* Sizes about the window, a segment and a block, with matches as far back as
 * they can be: noise that repeats after 32 KiB less a little. */
TEST("finds matches at the far edge of the window")
{
    static const size_t sizes[] = {16383, 16384,  16385,  32767, 32768,
                                   32769, 65535,  65536,  65537, 98304,
                                   98305, 131072, 131073, 200000};
    size_t i;
    size_t k;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct bytes content = make_noise(sizes[i], 4);

        for (k = 32768 - 262; k < content.size; k++)
            content.data[k] = content.data[k - (32768 - 262)];
        each_coding(bytes_view(content), 9, Z_DEFAULT_STRATEGY, check_whole);
        bytes_free(&content);
    }
}

/* ---- cuts ---- */

struct cut {
    const struct sl_decoder_class *class;
    size_t segment_size;
    size_t room;
    enum sl_status status;
    struct sl_view content;
};

static void run_cut(const struct sl_view *pieces, size_t count, void *argument)
{
    const struct cut *cut = argument;
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;

    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, cut->segment_size);
    REQUIRE(sl_decoder_rent(cut->class, &shelf, &decoder) == SL_OK);
    check_outcome(decode_pieces(decoder, &pool, pieces, count, cut->room),
                  cut->status, cut->content);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

static void check_cuts(const struct sl_decoder_class *class,
                       struct sl_view coded, struct sl_view content)
{
    struct cut cut = {class, SMALL_SEGMENT, 1, SL_END, content};

    test_each_cut(coded, run_cut, &cut);
    cut.room = 1000;
    test_each_cut(coded, run_cut, &cut);
    cut.segment_size = SL_SEGMENT_SIZE;
    test_each_cut(coded, run_cut, &cut);
}

TEST("decodes the same wherever the input is cut")
{
    struct bytes content = make_text(600, 5);

    each_coding(bytes_view(content), 6, Z_DEFAULT_STRATEGY, check_cuts);
    each_coding(bytes_view(content), 6, Z_FIXED, check_cuts);
    each_coding(SL_VIEW("stored"), 0, Z_DEFAULT_STRATEGY, check_cuts);
    each_coding(SL_VIEW(""), 6, Z_DEFAULT_STRATEGY, check_cuts);
    bytes_free(&content);
}

/* ---- damage ---- */

static void check_truncated(const struct sl_decoder_class *class,
                            struct sl_view coded, struct sl_view content)
{
    size_t size;

    for (size = 1; size < coded.size; size++) {
        struct bytes head = bytes_copy(coded.data, size);
        struct outcome outcome = decode_whole(class, bytes_view(head));

        CHECK_INT(outcome.status, SL_DECODE);
        CHECK_STR(outcome.error, "compressed data is truncated");
        CHECK(outcome.content.size <= content.size);
        CHECK(memcmp(outcome.content.data, content.data,
                     outcome.content.size) == 0);
        outcome_free(&outcome);
        bytes_free(&head);
    }
}

TEST("reports truncation at every byte")
{
    struct bytes content = make_text(2000, 6);

    each_coding(bytes_view(content), 6, Z_DEFAULT_STRATEGY, check_truncated);
    each_coding(bytes_view(content), 0, Z_DEFAULT_STRATEGY, check_truncated);
    each_coding(SL_VIEW("few"), 6, Z_FIXED, check_truncated);
    bytes_free(&content);
}

/* Every bit of the coded data turned: the content is never wrong and called
 * right. Raw deflate has no checksum and cannot tell. */
static void check_corrupt(const struct sl_decoder_class *class,
                          struct sl_view coded, struct sl_view content)
{
    struct bytes damaged = bytes_copy(coded.data, coded.size);
    size_t failed = 0;
    size_t bit;

    for (bit = 0; bit < coded.size * 8; bit++) {
        char mask = (char)(1 << bit % 8);
        struct outcome outcome;

        damaged.data[bit / 8] ^= mask;
        outcome = decode_whole(class, bytes_view(damaged));
        damaged.data[bit / 8] ^= mask;
        if (outcome.status == SL_END)
            CHECK_BYTES(outcome.content.data, outcome.content.size,
                        content.data, content.size);
        else
            failed += CHECK_INT(outcome.status, SL_DECODE);
        outcome_free(&outcome);
    }
    /* Time, system and level in the header may change without harm. */
    CHECK(failed >= (coded.size - 10) * 8);
    bytes_free(&damaged);
}

TEST("never accepts damaged content if there is a checksum")
{
    struct bytes content = make_text(300, 7);
    size_t engine;
    size_t format;

    for (engine = 0; engine < ENGINES; engine++) {
        for (format = 0; format < 2; format++) {
            struct bytes coded =
                deflated(bytes_view(content), formats[format].format, 6,
                         Z_DEFAULT_STRATEGY);

            test_note("%s by %s", formats[format].name, engines[engine].name);
            check_corrupt(class_of(engine, format), bytes_view(coded),
                          bytes_view(content));
            bytes_free(&coded);
        }
    }
    bytes_free(&content);
}

/* ---- members and headers ---- */

static struct bytes gzipped(struct sl_view content)
{
    return deflated(content, AS_GZIP, 6, Z_DEFAULT_STRATEGY);
}

/* Decodes at every cut by every engine. Frees `coded`. */
static void check_gzip(struct bytes coded, enum sl_status status,
                       struct sl_view content)
{
    size_t engine;

    for (engine = 0; engine < ENGINES; engine++) {
        struct cut cut = {engines[engine].gzip, SMALL_SEGMENT, 100, status,
                          content};

        test_note("by %s", engines[engine].name);
        test_each_cut(bytes_view(coded), run_cut, &cut);
    }
    bytes_free(&coded);
}

static struct bytes join(struct bytes a, struct bytes b)
{
    struct bytes joined = bytes_join(a, b);

    bytes_free(&a);
    bytes_free(&b);
    return joined;
}

TEST("joins the content of several gzip members")
{
    check_gzip(join(gzipped(SL_VIEW("one ")), gzipped(SL_VIEW("two "))), SL_END,
               SL_VIEW("one two "));
    check_gzip(join(join(gzipped(SL_VIEW("")), gzipped(SL_VIEW("middle"))),
                    join(gzipped(SL_VIEW("")), gzipped(SL_VIEW("")))),
               SL_END, SL_VIEW("middle"));
}

TEST("a match never reaches into the previous member")
{
    struct bytes text = make_text(500, 8);
    struct bytes coded = gzipped(bytes_view(text));
    struct bytes other = bytes_copy(coded.data, coded.size);

    /* The second member begins with a match one byte back. */
    static const char match[] = "\x1f\x8b\x08\0\0\0\0\0\0\0\x03\x02\0"
                                "\0\0\0\0\0\0\0\0";

    check_gzip(join(coded, bytes_copy(match, sizeof(match) - 1)), SL_DECODE,
               bytes_view(text));
    bytes_free(&other);
    bytes_free(&text);
}

TEST("refuses bytes after a member that do not begin another")
{
    check_gzip(join(gzipped(SL_VIEW("good")), bytes_copy("x", 1)), SL_DECODE,
               SL_VIEW("good"));
    check_gzip(join(gzipped(SL_VIEW("good")), bytes_copy("\x1f\x8b", 2)),
               SL_DECODE, SL_VIEW("good"));
}

TEST("accepts zeros after the last member, and nothing after them")
{
    check_gzip(join(gzipped(SL_VIEW("good")), bytes_copy("\0\0\0\0", 4)),
               SL_END, SL_VIEW("good"));
    check_gzip(join(join(gzipped(SL_VIEW("go")), gzipped(SL_VIEW("od"))),
                    bytes_copy("\0", 1)),
               SL_END, SL_VIEW("good"));
    check_gzip(join(gzipped(SL_VIEW("good")), bytes_copy("\0\0x", 3)),
               SL_DECODE, SL_VIEW("good"));
    check_gzip(join(join(gzipped(SL_VIEW("good")), bytes_copy("\0", 1)),
                    gzipped(SL_VIEW("more"))),
               SL_DECODE, SL_VIEW("good"));
    check_gzip(bytes_copy("\0\0\0\0", 4), SL_DECODE, SL_VIEW(""));
}

/* A member with the given flags, fields between and content "hello". */
static struct bytes with_header(char flags, struct sl_view fields)
{
    struct bytes head = bytes_copy("\x1f\x8b\x08\0\1\2\3\4\5\6", 10);
    struct bytes content =
        deflated(SL_VIEW("hello"), AS_RAW, 6, Z_DEFAULT_STRATEGY);
    uint32_t crc = sl_crc32(0, SL_VIEW("hello"));
    struct bytes tail = bytes_new(8);
    int i;

    head.data[3] = flags;
    for (i = 0; i < 4; i++)
        tail.data[i] = (char)(crc >> 8 * i & 0xff);
    memcpy(tail.data + 4, "\5\0\0\0", 4);
    return join(join(head, bytes_copy(fields.data, fields.size)),
                join(content, tail));
}

/* The same with the header's own checksum, `wrong` added to it. */
static struct bytes with_checked_header(char flags, struct sl_view fields,
                                        uint32_t wrong)
{
    struct bytes plain = with_header((char)(flags | 2), fields);
    uint32_t crc = sl_crc32(0, sl_view(plain.data, 10 + fields.size)) + wrong;
    char sum[2] = {(char)(crc & 0xff), (char)(crc >> 8 & 0xff)};
    struct bytes head = bytes_copy(plain.data, 10 + fields.size);
    struct bytes rest = bytes_copy(plain.data + 10 + fields.size,
                                   plain.size - 10 - fields.size);

    bytes_free(&plain);
    return join(join(head, bytes_copy(sum, 2)), rest);
}

TEST("skips the optional fields of a gzip header")
{
    check_gzip(with_header(0, SL_VIEW("")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(1, SL_VIEW("")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(4, SL_VIEW("\3\0abc")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(4, SL_VIEW("\0\0")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(8, SL_VIEW("name\0")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(8, SL_VIEW("\0")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(16, SL_VIEW("why\0")), SL_END, SL_VIEW("hello"));
    check_gzip(with_header(28, SL_VIEW("\1\0x"
                                       "name\0why\0")),
               SL_END, SL_VIEW("hello"));
}

TEST("verifies the checksum of a gzip header")
{
    check_gzip(with_checked_header(0, SL_VIEW(""), 0), SL_END,
               SL_VIEW("hello"));
    check_gzip(with_checked_header(28, SL_VIEW("\1\0xname\0why\0"), 0), SL_END,
               SL_VIEW("hello"));
    check_gzip(with_checked_header(28, SL_VIEW("\1\0xname\0why\0"), 1),
               SL_DECODE, SL_VIEW(""));
    check_gzip(join(with_checked_header(8, SL_VIEW("a\0"), 0),
                    with_checked_header(0, SL_VIEW(""), 0)),
               SL_END, SL_VIEW("hellohello"));
}

TEST("refuses what is not gzip, not deflate, or has reserved flags")
{
    check_gzip(bytes_copy("plain text", 10), SL_DECODE, SL_VIEW(""));
    check_gzip(bytes_copy("\x1f\x8b\7\0\0\0\0\0\0\0", 10), SL_DECODE,
               SL_VIEW(""));
    check_gzip(with_header(0x20, SL_VIEW("")), SL_DECODE, SL_VIEW(""));
    check_gzip(with_header((char)0x80, SL_VIEW("")), SL_DECODE, SL_VIEW(""));
}

TEST("verifies checksum and size in the trailer")
{
    struct bytes coded = with_header(0, SL_VIEW(""));

    coded.data[coded.size - 8] ^= 1;
    check_gzip(coded, SL_DECODE, SL_VIEW("hello"));
    coded = with_header(0, SL_VIEW(""));
    coded.data[coded.size - 1] ^= 1;
    check_gzip(coded, SL_DECODE, SL_VIEW("hello"));
}

static void check_deflate(struct bytes coded, enum sl_status status,
                          struct sl_view content)
{
    size_t engine;

    for (engine = 0; engine < ENGINES; engine++) {
        struct cut cut = {engines[engine].deflate, SMALL_SEGMENT, 100, status,
                          content};

        test_note("by %s", engines[engine].name);
        test_each_cut(bytes_view(coded), run_cut, &cut);
    }
    bytes_free(&coded);
}

TEST("refuses bytes after deflate data, wrapped or not")
{
    check_deflate(
        join(deflated(SL_VIEW("good"), AS_ZLIB, 6, 0), bytes_copy("x", 1)),
        SL_DECODE, SL_VIEW("good"));
    check_deflate(join(deflated(SL_VIEW("good"), AS_RAW, 6, 0),
                       bytes_copy("xyzxyzxyzxyz", 12)),
                  SL_DECODE, SL_VIEW("good"));
}

TEST("refuses zlib data that needs a dictionary")
{
    check_deflate(bytes_copy("\x78\xbb\1\2\3\4\3\0", 8), SL_DECODE,
                  SL_VIEW(""));
}

TEST("accepts no input at all as an empty body")
{
    check_gzip(bytes_new(0), SL_END, SL_VIEW(""));
    check_deflate(bytes_new(0), SL_END, SL_VIEW(""));
}

TEST("refuses reserved block types, bad lengths and far distances")
{
    check_deflate(bytes_copy("\x07\0\0\0", 4), SL_DECODE, SL_VIEW(""));
    check_deflate(bytes_copy("\x01\1\0\1\0\0", 6), SL_DECODE, SL_VIEW(""));
    check_deflate(bytes_copy("\x03\x02\0\0\0", 5), SL_DECODE, SL_VIEW(""));
}

/* ---- beyond 4 GiB ---- */

/* The same block over and over, each going on where the last ended on a byte
 * boundary: made once, however long the body. */
static void feed_repeated(const struct sl_decoder_class *class, size_t times)
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct sl_buffer input;
    struct sl_buffer output;
    struct bytes content = bytes_new(((size_t)1 << 20) + 7);
    struct bytes block = bytes_new(65536);
    z_stream stream;
    uLong crc = 0;
    uLong once;
    uint64_t total = 0;
    const char *error = NULL;
    char tail[10] = {3, 0};
    enum sl_status status;
    size_t i;

    for (i = 0; i < content.size; i++)
        content.data[i] = (char)(i / 32000);
    memset(&stream, 0, sizeof(stream));
    REQUIRE(deflateInit2(&stream, 1, Z_DEFLATED, -15, 9, 0) == Z_OK);
    stream.next_in = (Bytef *)content.data;
    stream.avail_in = (uInt)content.size;
    stream.next_out = (Bytef *)block.data;
    stream.avail_out = (uInt)block.size;
    REQUIRE(deflate(&stream, Z_FULL_FLUSH) == Z_OK && stream.avail_out > 0);
    block.size = stream.total_out;
    deflateEnd(&stream);
    once = crc32_z(0, (const Bytef *)content.data, content.size);

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_decoder_shelf_init(&shelf, &allocator.base);
    REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&output, &pool, SIZE_MAX);
    sl_buffer_append(&input, SL_VIEW("\x1f\x8b\x08\0\0\0\0\0\0\3"));
    for (i = 0; i < times; i++) {
        sl_buffer_append(&input, bytes_view(block));
        crc = crc32_combine(crc, once, (z_off_t)content.size);
        do {
            status =
                sl_decoder_decode(decoder, &input, &output, 262144, &error);
            total += output.length;
            sl_buffer_consume(&output, output.length);
        } while (status == SL_OK);
        if (!CHECK_INT(status, SL_AGAIN))
            break;
    }
    for (i = 0; i < 4; i++) {
        tail[2 + i] = (char)(crc >> 8 * i & 0xff);
        tail[6 + i] = (char)(total >> 8 * i & 0xff);
    }
    sl_buffer_append(&input, sl_view(tail, sizeof(tail)));
    CHECK_INT(sl_decoder_decode(decoder, &input, &output, 262144, &error),
              SL_AGAIN);
    CHECK_INT(sl_decoder_finish(decoder, &error), SL_END);
    CHECK_STR(error, NULL);
    CHECK_INT(total, (uint64_t)times * content.size);
    sl_buffer_fini(&input);
    sl_buffer_fini(&output);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
    bytes_free(&content);
    bytes_free(&block);
}

TEST("goes on beyond 4 GiB")
{
    size_t engine;

    for (engine = 0; engine < ENGINES; engine++) {
        test_note("by %s", engines[engine].name);
        feed_repeated(engines[engine].gzip, 4097);
    }
}

int main(void)
{
    return test_main();
}
