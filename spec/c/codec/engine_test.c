#include "spec/c/codec/coding.h"

#include "codec/engine.h"

/* Engines see memory only through views and rooms: here both end against an
 * unreadable page, which no segment does. */

struct subject {
    const char *name;
    const struct sl_engine_class *class;
    struct bytes (*encode)(struct sl_view content);
};

static struct bytes encode_raw(struct sl_view content)
{
    return deflated(content, AS_RAW, 6, Z_DEFAULT_STRATEGY);
}

#ifdef SL_HAVE_ZSTD
static struct bytes encode_zstd(struct sl_view content)
{
    struct bytes coded = bytes_new(ZSTD_compressBound(content.size));

    coded.size =
        ZSTD_compress(coded.data, coded.size, content.data, content.size, 3);
    REQUIRE(!ZSTD_isError(coded.size));
    return coded;
}
#endif

static size_t subjects(struct subject *list)
{
    size_t count = 0;

    list[count++] = (struct subject){"zlib", &sl_engine_inflate, encode_raw};
#ifdef SL_HAVE_ISAL
    list[count++] = (struct subject){"isal", &sl_engine_isal, encode_raw};
#endif
#ifdef SL_HAVE_ZSTD
    list[count++] =
        (struct subject){"zstd", sl_coding_zstd.engine, encode_zstd};
#endif
    return count;
}

static void each_subject(void (*body)(const struct subject *subject))
{
    struct subject list[3];
    size_t count = subjects(list);
    size_t i;

    for (i = 0; i < count; i++) {
        test_note("%s", list[i].name);
        body(&list[i]);
    }
}

/* Feeds `coded` in pieces of `in`, into rooms of `out` bytes. */
static void run_guarded(const struct subject *subject, struct sl_view coded,
                        struct sl_view content, size_t in, size_t out)
{
    struct test_allocator allocator;
    struct sl_engine *engine;
    struct bytes decoded = bytes_new(content.size + out);
    enum sl_status status = SL_AGAIN;
    const char *error = NULL;
    size_t taken = 0;
    size_t size = 0;

    test_allocator_init(&allocator);
    REQUIRE(sl_engine_create(subject->class, &allocator.base, &engine) ==
            SL_OK);
    while (status == SL_AGAIN && taken < coded.size) {
        size_t piece = coded.size - taken < in ? coded.size - taken : in;
        char *guarded = guard_copy(coded.data + taken, piece);
        struct sl_view input = sl_view(guarded, piece);

        do {
            char *target = guard_copy(decoded.data, out);
            struct sl_room room = {target, out};

            status = engine->class->run(engine, &input, &room, &error);
            memcpy(decoded.data + size, target, out - room.size);
            size += out - room.size;
            guard_free(target);
        } while (status == SL_OK && size <= content.size);
        taken += piece;
        guard_free(guarded);
    }
    CHECK_INT(status, SL_END);
    CHECK_BYTES(decoded.data, size, content.data, content.size);
    sl_engine_destroy(engine);
    test_allocator_fini(&allocator);
    bytes_free(&decoded);
}

static void check_guarded(const struct subject *subject)
{
    static const size_t sizes[] = {1, 3, 8, 64, 258, 5000};
    struct bytes content = make_text(5000, 11);
    struct bytes noise = make_noise(3000, 12);
    struct bytes coded;
    size_t i;
    size_t k;

    memcpy(content.data + 1000, noise.data, noise.size);
    coded = subject->encode(bytes_view(content));
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
            run_guarded(subject, bytes_view(coded), bytes_view(content),
                        sizes[i], sizes[k]);
    }
    bytes_free(&coded);
    bytes_free(&noise);
    bytes_free(&content);
}

TEST("touches nothing beyond its input or its room")
{
    each_subject(check_guarded);
}

static void check_damaged(const struct subject *subject)
{
    struct bytes content = make_text(400, 13);
    struct bytes coded = subject->encode(bytes_view(content));
    size_t at;

    for (at = 0; at < coded.size * 8; at++) {
        struct test_allocator allocator;
        struct sl_engine *engine;
        char *guarded = guard_copy(coded.data, coded.size);
        struct sl_view input = sl_view(guarded, coded.size);
        enum sl_status status = SL_OK;
        const char *error = NULL;
        size_t rounds = 0;

        guarded[at / 8] ^= (char)(1 << at % 8);
        test_allocator_init(&allocator);
        REQUIRE(sl_engine_create(subject->class, &allocator.base, &engine) ==
                SL_OK);
        while (status == SL_OK && rounds++ < 4000) {
            char *target = guard_copy(content.data, 100);
            struct sl_room room = {target, 100};

            status = engine->class->run(engine, &input, &room, &error);
            guard_free(target);
        }
        CHECK(status == SL_END || status == SL_AGAIN || status == SL_DECODE);
        sl_engine_destroy(engine);
        test_allocator_fini(&allocator);
        guard_free(guarded);
    }
    bytes_free(&coded);
    bytes_free(&content);
}

TEST("damaged input is answered without touching bytes beyond it")
{
    each_subject(check_damaged);
}

static void check_behind(const struct subject *subject)
{
    struct bytes content = make_text(300, 14);
    struct bytes coded = subject->encode(bytes_view(content));
    static const char behind[] = "0123456789abcdef";
    struct bytes both =
        bytes_join(coded, (struct bytes){(char *)(uintptr_t)behind, 16});
    size_t cut;

    /* The last piece holds `cut` bytes of the data and all behind it, or a
     * part of what is behind it only. */
    for (cut = coded.size - 12; cut < both.size; cut++) {
        struct test_allocator allocator;
        struct sl_pool pool;
        struct sl_engine *engine;
        struct sl_buffer input;
        struct sl_buffer output;
        struct sl_view produced;
        enum sl_status status = SL_OK;
        const char *error = NULL;
        char rest[16];
        size_t count = 0;

        test_allocator_init(&allocator);
        pool_begin(&pool, &allocator.base, SMALL_SEGMENT);
        REQUIRE(sl_engine_create(subject->class, &allocator.base, &engine) ==
                SL_OK);
        sl_buffer_init(&input, &pool, SIZE_MAX);
        sl_buffer_init(&output, &pool, SIZE_MAX);
        sl_buffer_append(&input, sl_view(both.data, cut));
        while (status == SL_OK) {
            status = sl_engine_step(engine, &input, &output, 1000, &produced,
                                    &error);
            sl_engine_commit(engine, &output, produced);
        }
        sl_buffer_append(&input, sl_view(both.data + cut, both.size - cut));
        if (status == SL_AGAIN)
            status = SL_OK;
        while (status == SL_OK) {
            status = sl_engine_step(engine, &input, &output, 1000, &produced,
                                    &error);
            sl_engine_commit(engine, &output, produced);
        }
        CHECK_INT(status, SL_END);
        while (count < sizeof(rest)) {
            struct sl_view view = sl_engine_peek(engine, &input);

            if (!CHECK(view.size > 0))
                break;
            rest[count++] = view.data[0];
            sl_engine_consume(engine, &input, 1);
        }
        CHECK_BYTES(rest, count, behind, sizeof(rest));
        CHECK_INT(sl_engine_peek(engine, &input).size, 0);
        sl_buffer_fini(&input);
        sl_buffer_fini(&output);
        sl_engine_destroy(engine);
        pool_end(&pool);
        test_allocator_fini(&allocator);
    }
    bytes_free(&both);
    bytes_free(&coded);
    bytes_free(&content);
}

TEST("returns every byte after the end, also of input consumed before")
{
    each_subject(check_behind);
}

TEST("reads returned bytes first, in their order")
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_engine *engine;
    struct sl_buffer input;

    test_allocator_init(&allocator);
    pool_begin(&pool, &allocator.base, SMALL_SEGMENT);
    REQUIRE(sl_engine_create(&sl_engine_inflate, &allocator.base, &engine) ==
            SL_OK);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_append(&input, SL_VIEW("last"));
    sl_engine_unread(engine, SL_VIEW("cd"));
    sl_engine_unread(engine, SL_VIEW("ab"));
    CHECK_VIEW(sl_engine_peek(engine, &input), "abcd");
    sl_engine_consume(engine, &input, 3);
    CHECK_VIEW(sl_engine_peek(engine, &input), "d");
    sl_engine_restart(engine);
    CHECK_VIEW(sl_engine_peek(engine, &input), "d");
    sl_engine_consume(engine, &input, 1);
    CHECK_VIEW(sl_engine_peek(engine, &input), "last");
    sl_engine_unread(engine, SL_VIEW("x"));
    sl_engine_reset(engine);
    CHECK_VIEW(sl_engine_peek(engine, &input), "last");
    sl_buffer_fini(&input);
    sl_engine_destroy(engine);
    pool_end(&pool);
    test_allocator_fini(&allocator);
}

/* "Hello", and "Hello" again by referring to it (RFC 7692 7.2.3). */
#define HELLO SL_VIEW("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff")
#define AGAIN SL_VIEW("\xf2\x00\x11\x00\x00\x00\x00\xff\xff")

static enum sl_status run_once(struct sl_engine *engine, struct sl_view input,
                               size_t size, const char *expected)
{
    char output[16];
    struct sl_room room = {output, size};
    const char *error = NULL;
    enum sl_status status = engine->class->run(engine, &input, &room, &error);

    if (!sl_is_failure(status))
        CHECK_VIEW(sl_view(output, size - room.size), expected);
    return status;
}

static void check_primed(const struct subject *subject)
{
    struct test_allocator allocator;
    struct sl_engine *engine;

    if (subject->class->prime == NULL)
        return;
    test_allocator_init(&allocator);
    REQUIRE(sl_engine_create(subject->class, &allocator.base, &engine) ==
            SL_OK);
    CHECK_INT(run_once(engine, AGAIN, 16, ""), SL_DECODE);
    CHECK_INT(sl_engine_reset(engine), SL_OK);
    CHECK_INT(engine->class->prime(engine, SL_VIEW("Say Hello")), SL_OK);
    CHECK_INT(run_once(engine, AGAIN, 16, "Hello"), SL_AGAIN);
    CHECK_INT(sl_engine_restart(engine), SL_OK);
    CHECK_INT(run_once(engine, AGAIN, 16, ""), SL_DECODE);
    sl_engine_destroy(engine);
    test_allocator_fini(&allocator);
}

TEST("lets data refer to what came before it, if it is told")
{
    each_subject(check_primed);
}

static void check_between(const struct subject *subject)
{
    struct test_allocator allocator;
    size_t i;

    if (subject->class->is_between == NULL)
        return;
    test_allocator_init(&allocator);
    for (i = 1; i <= HELLO.size; i++) {
        struct sl_engine *engine;
        char output[16];
        struct sl_room room = {output, sizeof output};
        struct sl_view input = sl_view(HELLO.data, i);
        const char *error = NULL;

        test_note("%s, %zu bytes", subject->name, i);
        REQUIRE(sl_engine_create(subject->class, &allocator.base, &engine) ==
                SL_OK);
        CHECK_INT(engine->class->run(engine, &input, &room, &error), SL_AGAIN);
        CHECK_INT(engine->class->is_between(engine), i == HELLO.size);
        /* No bytes change nothing. */
        engine->class->run(engine, &input, &room, &error);
        CHECK_INT(engine->class->is_between(engine), i == HELLO.size);
        sl_engine_destroy(engine);
    }
    test_allocator_fini(&allocator);
}

TEST("knows whether it stands between two blocks")
{
    each_subject(check_between);
}

/* ---- steps ---- */

/* Each byte is worth four. */
struct fourfold {
    struct sl_engine base;
    size_t owed; /* of the last byte */
    size_t runs;
    size_t inputs[64]; /* what each run was given */
    size_t rooms[64];
};

static enum sl_status run_fourfold(struct sl_engine *engine,
                                   struct sl_view *input, struct sl_room *room,
                                   const char **error)
{
    struct fourfold *self = (struct fourfold *)engine;

    (void)error;
    REQUIRE(self->runs < 64);
    self->inputs[self->runs] = input->size;
    self->rooms[self->runs++] = room->size;
    while (room->size > 0 && (self->owed > 0 || input->size > 0)) {
        if (self->owed == 0) {
            self->owed = 4;
            input->data++;
            input->size--;
        }
        *room->data++ = 'x';
        room->size--;
        self->owed--;
    }
    return room->size == 0 ? SL_OK : SL_AGAIN;
}

static enum sl_status reset_fourfold(struct sl_engine *engine)
{
    (void)engine;
    return SL_OK;
}

static const struct sl_engine_class fourfold = {
    .size = sizeof(struct fourfold),
    .run = run_fourfold,
    .reset = reset_fourfold,
};

static void append_segments(struct sl_buffer *buffer, size_t count)
{
    struct sl_room rooms[9];
    size_t given = 9;

    REQUIRE(sl_buffer_reserve_many(buffer, count * SL_SEGMENT_SIZE, rooms,
                                   &given) == SL_OK);
    REQUIRE(given == count);
    for (size_t i = 0; i < given; i++)
        memset(rooms[i].data, 'y', rooms[i].size);
    sl_buffer_commit(buffer, count * SL_SEGMENT_SIZE);
}

/* Until the input is used, or `most` bytes are there. */
static void step_until(struct sl_engine *engine, struct sl_buffer *input,
                       struct sl_buffer *output, size_t most)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && output->length < most) {
        struct sl_view produced;
        const char *error = NULL;

        status = sl_engine_step(engine, input, output, most - output->length,
                                &produced, &error);
        sl_engine_commit(engine, output, produced);
    }
    CHECK(status == SL_OK || status == SL_AGAIN);
}

/* An engine between two buffers, whose pool has slabs, in which segments lie
 * side by side. It has run once, and is to be given eight segments. */
struct steps {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_buffer output;
    struct sl_engine *engine;
    struct fourfold *fourfold; /* the same */
};

static void steps_open(struct steps *steps)
{
    struct sl_pool_options options = {.spare_limit = SIZE_MAX};

    test_allocator_init(&steps->allocator);
    sl_pool_init(&steps->pool, &steps->allocator.base, &options);
    sl_buffer_init(&steps->input, &steps->pool, SIZE_MAX);
    sl_buffer_init(&steps->output, &steps->pool, SIZE_MAX);
    REQUIRE(sl_engine_create(&fourfold, &steps->allocator.base,
                             &steps->engine) == SL_OK);
    steps->fourfold = (struct fourfold *)steps->engine;
    append_segments(&steps->input, 1);
    step_until(steps->engine, &steps->input, &steps->output, SIZE_MAX);
    /* what a byte is worth was not known yet */
    CHECK_INT(steps->fourfold->inputs[0], SL_SEGMENT_SIZE);
    CHECK_INT(steps->fourfold->rooms[0], SL_SEGMENT_SIZE);
    sl_buffer_reset(&steps->output);
    steps->fourfold->runs = 0;
    append_segments(&steps->input, 4);
    append_segments(&steps->input, 4);
}

static void steps_close(struct steps *steps)
{
    sl_engine_destroy(steps->engine);
    sl_buffer_fini(&steps->output);
    sl_buffer_fini(&steps->input);
    CHECK_INT(sl_pool_fini(&steps->pool), 0);
    test_allocator_fini(&steps->allocator);
}

TEST("a run is given all input in one piece, and room for what it is worth")
{
    struct steps steps;
    const struct fourfold *engine;

    steps_open(&steps);
    engine = steps.fourfold;
    step_until(steps.engine, &steps.input, &steps.output, 512 * 1024);
    CHECK_INT(steps.output.length, 32 * SL_SEGMENT_SIZE);
    /* the eight may lie side by side, each four do */
    CHECK(engine->inputs[0] == 8 * SL_SEGMENT_SIZE ||
          engine->inputs[0] == 4 * SL_SEGMENT_SIZE);
    CHECK_INT(engine->inputs[1], 4 * SL_SEGMENT_SIZE);
    CHECK_INT(engine->rooms[0], 16 * SL_SEGMENT_SIZE);
    CHECK_INT(engine->rooms[1], 16 * SL_SEGMENT_SIZE);
    CHECK_INT(engine->runs, 2);
    steps_close(&steps);
}

/* The limit is one that a window leaves behind the end of a tail. */
TEST("a block may stay empty by an eighth, and no more, where there is a limit")
{
    static const struct {
        size_t limit;
        size_t rooms[4];
    } cases[] = {
        {224 * 1024, {224 * 1024, 0}},
        {224 * 1024 - 1, {128 * 1024, 64 * 1024, 32 * 1024 - 1, 0}},
        {56 * 1024, {56 * 1024, 0}},
        {56 * 1024 - 1, {32 * 1024, 16 * 1024, 8 * 1024 - 1, 0}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct steps steps;

        test_note("%zu", cases[i].limit);
        steps_open(&steps);
        step_until(steps.engine, &steps.input, &steps.output, cases[i].limit);
        CHECK_INT(steps.output.length, cases[i].limit);
        REQUIRE(steps.fourfold->runs < 4);
        for (size_t run = 0; run < steps.fourfold->runs; run++)
            CHECK_INT(steps.fourfold->rooms[run], cases[i].rooms[run]);
        CHECK_INT(cases[i].rooms[steps.fourfold->runs], 0);
        steps_close(&steps);
    }
}

int main(void)
{
    return test_main();
}
