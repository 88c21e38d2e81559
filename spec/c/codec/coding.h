/* spec/c/codec/coding.h - encoders and a decoding loop for the codec tests */
#ifndef SPEC_C_CODEC_CODING_H
#define SPEC_C_CODEC_CODING_H

#include "spec/c/support/test.h"

#include "codec/codings.h"
#include "memory/pool.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef SL_HAVE_BROTLI
#include <brotli/encode.h>
#endif
#ifdef SL_HAVE_ZSTD
#include <zstd.h>
#endif

#define SMALL_SEGMENT ((size_t)23)

/* Bytes on the heap: so that reading one too many is caught. */
struct bytes {
    char *data;
    size_t size;
};

static inline struct bytes bytes_new(size_t size)
{
    struct bytes bytes = {malloc(size > 0 ? size : 1), size};

    if (bytes.data == NULL)
        abort();
    return bytes;
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    bytes->data = NULL;
    bytes->size = 0;
}

static inline struct sl_view bytes_view(struct bytes bytes)
{
    return sl_view(bytes.data, bytes.size);
}

static inline struct bytes bytes_copy(const void *data, size_t size)
{
    struct bytes copy = bytes_new(size);

    if (size > 0)
        memcpy(copy.data, data, size);
    return copy;
}

static inline struct bytes bytes_join(struct bytes a, struct bytes b)
{
    struct bytes joined = bytes_new(a.size + b.size);

    memcpy(joined.data, a.data, a.size);
    memcpy(joined.data + a.size, b.data, b.size);
    return joined;
}

/* ---- content ---- */

static inline uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Words of a small language: compresses to about a third. */
static inline struct bytes make_text(size_t size, uint32_t seed)
{
    struct bytes text = bytes_new(size);
    size_t i = 0;

    while (i < size) {
        uint32_t word = random_next(&seed) % 200;
        size_t length = 2 + word % 7;

        for (; length > 0 && i < size; length--, word = word * 31 + 7)
            text.data[i++] = (char)('a' + word % 26);
        if (i < size)
            text.data[i++] = ' ';
    }
    return text;
}

static inline struct bytes make_noise(size_t size, uint32_t seed)
{
    struct bytes noise = bytes_new(size);
    size_t i;

    for (i = 0; i < size; i++)
        noise.data[i] = (char)random_next(&seed);
    return noise;
}

static inline struct bytes make_zeros(size_t size)
{
    struct bytes zeros = bytes_new(size);

    memset(zeros.data, 0, size);
    return zeros;
}

/* ---- encoding, by zlib ---- */

#define AS_GZIP 31
#define AS_ZLIB 15
#define AS_RAW  (-15)

static inline struct bytes deflated(struct sl_view content, int format,
                                    int level, int strategy)
{
    struct bytes coded;
    z_stream stream;

    memset(&stream, 0, sizeof(stream));
    REQUIRE(deflateInit2(&stream, level, Z_DEFLATED, format, 9, strategy) ==
            Z_OK);
    coded = bytes_new(deflateBound(&stream, content.size) + 64);
    stream.next_in = (Bytef *)(uintptr_t)content.data;
    stream.avail_in = (uInt)content.size;
    stream.next_out = (Bytef *)coded.data;
    stream.avail_out = (uInt)coded.size;
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    coded.size = stream.total_out;
    deflateEnd(&stream);
    coded.data = realloc(coded.data, coded.size);
    return coded;
}

/* The same, flushed and left open: all of the content can be decoded. */
static inline struct bytes deflate_flushed(struct sl_view content, int format)
{
    struct bytes coded = bytes_new(content.size + 1024);
    z_stream stream;

    memset(&stream, 0, sizeof(stream));
    REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, format, 9,
                         Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)content.data;
    stream.avail_in = (uInt)content.size;
    stream.next_out = (Bytef *)coded.data;
    stream.avail_out = (uInt)coded.size;
    REQUIRE(deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_out > 0);
    coded.size = stream.total_out;
    deflateEnd(&stream);
    return coded;
}

#ifdef SL_HAVE_BROTLI
static inline struct bytes brotli_flushed(struct sl_view content)
{
    struct bytes coded = bytes_new(content.size + 1024);
    BrotliEncoderState *state = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *in = (const uint8_t *)content.data;
    uint8_t *out = (uint8_t *)coded.data;
    size_t size = content.size;
    size_t room = coded.size;

    BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 5);
    REQUIRE(BrotliEncoderCompressStream(state, BROTLI_OPERATION_FLUSH, &size,
                                        &in, &room, &out, NULL));
    REQUIRE(size == 0 && !BrotliEncoderHasMoreOutput(state));
    coded.size -= room;
    BrotliEncoderDestroyInstance(state);
    return coded;
}
#endif

#ifdef SL_HAVE_ZSTD
static inline struct bytes zstd_flushed(struct sl_view content)
{
    struct bytes coded = bytes_new(content.size + 1024);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_inBuffer in = {content.data, content.size, 0};
    ZSTD_outBuffer out = {coded.data, coded.size, 0};

    REQUIRE(ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush) == 0);
    coded.size = out.pos;
    ZSTD_freeCCtx(context);
    return coded;
}
#endif

/* ---- decoding ---- */

struct outcome {
    enum sl_status status; /* SL_END, or the failure */
    const char *error;
    struct bytes content; /* up to the failure */
};

static inline void outcome_free(struct outcome *outcome)
{
    bytes_free(&outcome->content);
}

/* What was decoded moves from `output` to the outcome. */
static inline void outcome_drain(struct outcome *outcome,
                                 struct sl_buffer *output)
{
    struct bytes *content = &outcome->content;
    size_t size = output->length;

    if (size == 0)
        return;
    content->data = realloc(content->data, content->size + size);
    if (content->data == NULL)
        abort();
    sl_buffer_copy_out(output, 0, content->data + content->size, size);
    content->size += size;
    sl_buffer_consume(output, size);
}

/* Runs `decoder` until `input` is used up. Checks the bound as it goes. */
static inline enum sl_status decode_all(struct sl_decoder *decoder,
                                        struct sl_buffer *input,
                                        struct sl_buffer *output, size_t room,
                                        struct outcome *outcome)
{
    enum sl_status status;

    do {
        status =
            sl_decoder_decode(decoder, input, output, room, &outcome->error);
        CHECK(output->length <= room);
        if (status == SL_OK)
            CHECK_INT(output->length, room);
        if (status == SL_AGAIN)
            CHECK_INT(input->length, 0);
        if (sl_is_failure(status))
            CHECK(outcome->error != NULL);
        outcome_drain(outcome, output);
    } while (status == SL_OK);
    return status;
}

/* Decodes `pieces`, one after the other, and finishes. */
static inline struct outcome decode_pieces(struct sl_decoder *decoder,
                                           struct sl_pool *pool,
                                           const struct sl_view *pieces,
                                           size_t count, size_t room)
{
    struct outcome outcome = {SL_AGAIN, NULL, bytes_new(0)};
    struct sl_buffer input;
    struct sl_buffer output;
    size_t i;

    sl_buffer_init(&input, pool, SIZE_MAX);
    sl_buffer_init(&output, pool, SIZE_MAX);
    for (i = 0; i < count && outcome.status == SL_AGAIN; i++) {
        outcome.status = sl_buffer_append(&input, pieces[i]);
        if (outcome.status == SL_OK)
            outcome.status =
                decode_all(decoder, &input, &output, room, &outcome);
    }
    if (outcome.status == SL_AGAIN)
        outcome.status = sl_decoder_finish(decoder, &outcome.error);
    sl_buffer_fini(&input);
    sl_buffer_fini(&output);
    return outcome;
}

/* Where the decoders of a test come from, while it has a pool. */
static struct sl_decoder_shelf shelf;

/* A pool that frees what is returned, so that late use is caught. */
static inline void pool_begin(struct sl_pool *pool,
                              struct sl_allocator *allocator,
                              size_t segment_size)
{
    struct sl_pool_options options = {.mode = SL_POOL_DIRECT,
                                      .segment_size = segment_size};

    sl_pool_init(pool, allocator, &options);
    sl_decoder_shelf_init(&shelf, allocator);
}

static inline void pool_end(struct sl_pool *pool)
{
    sl_decoder_shelf_fini(&shelf);
    CHECK_INT(sl_pool_outstanding(pool), 0);
    CHECK_INT(sl_pool_fini(pool), 0);
}

/* The whole life of a decoder over one input in one piece. */
static inline struct outcome decode_whole(const struct sl_decoder_class *class,
                                          struct sl_view coded)
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_decoder *decoder;
    struct outcome outcome;

    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, SL_SEGMENT_SIZE);
    REQUIRE(sl_decoder_rent(class, &shelf, &decoder) == SL_OK);
    outcome = decode_pieces(decoder, &pool, &coded, 1, 100000);
    sl_decoder_release(decoder);
    pool_end(&pool);
    test_allocator_fini(&allocator);
    return outcome;
}

/* Checks status and content and frees the outcome. */
static inline bool check_outcome(struct outcome outcome, enum sl_status status,
                                 struct sl_view content)
{
    bool held = CHECK_INT(outcome.status, status);

    if (status != SL_END)
        CHECK(outcome.error != NULL);
    held = CHECK_BYTES(outcome.content.data, outcome.content.size, content.data,
                       content.size) &&
           held;
    outcome_free(&outcome);
    return held;
}

#endif
