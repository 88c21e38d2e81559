/* spec/c/conn/talk.h - a tunnel and the answers of its proxy, no socket */
#ifndef SPEC_C_CONN_TALK_H
#define SPEC_C_CONN_TALK_H

#include "conn/tunnel.h"
#include "spec/c/support/test.h"

#include <string.h>

struct talk {
    struct sl_allocator *allocator;
    struct sl_pool pool;
    struct sl_tunnel *tunnel;
    struct sl_failure failure;
    enum sl_status status; /* of the last call */
    char said[2048];       /* to the proxy */
    size_t size;           /* of `said` */
};

/* What tunnel.c would send. */
static inline void talk_hear(struct talk *talk)
{
    struct sl_view view = sl_writer_view(&talk->tunnel->output);

    if (view.size > sizeof talk->said - talk->size)
        view.size = sizeof talk->said - talk->size;
    if (view.size > 0)
        memcpy(talk->said + talk->size, view.data, view.size);
    talk->size += view.size;
    sl_writer_reset(&talk->tunnel->output);
}

static inline void talk_begin(struct talk *talk, struct sl_allocator *allocator,
                              const struct sl_tunnel_class *class,
                              const struct sl_tunnel_target *target)
{
    struct sl_pool_options options = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};

    memset(talk, 0, sizeof *talk);
    talk->allocator = allocator;
    sl_pool_init(&talk->pool, allocator, &options);
    talk->status = sl_tunnel_create(class, allocator, &talk->pool, target,
                                    &talk->tunnel, &talk->failure);
    if (talk->status == SL_OK) {
        talk_hear(talk);
        talk->status = SL_AGAIN;
    }
}

/* Some bytes of the proxy; a tunnel that takes no more than it wants gets no
 * more at a time. */
static inline void talk_answer(struct talk *talk, struct sl_view bytes)
{
    while (talk->status == SL_AGAIN && bytes.size > 0) {
        size_t size = talk->tunnel->want;

        CHECK(size > 0);
        if (size > bytes.size || size == 0)
            size = bytes.size;
        talk->status =
            sl_buffer_append(&talk->tunnel->input, sl_view(bytes.data, size));
        if (talk->status == SL_OK)
            talk->status =
                talk->tunnel->class->advance(talk->tunnel, &talk->failure);
        talk_hear(talk);
        bytes = sl_view(bytes.data + size, bytes.size - size);
    }
}

static inline void talk_end(struct talk *talk)
{
    if (talk->tunnel != NULL)
        sl_tunnel_destroy(talk->tunnel);
    CHECK_INT(sl_pool_outstanding(&talk->pool), 0);
    CHECK_INT(sl_pool_fini(&talk->pool), 0);
}

/* A whole conversation; the answer comes in `pieces`. */
static inline void talk_whole(struct talk *talk, struct sl_allocator *allocator,
                              const struct sl_tunnel_class *class,
                              const struct sl_tunnel_target *target,
                              const struct sl_view *pieces, size_t count)
{
    talk_begin(talk, allocator, class, target);
    for (size_t i = 0; i < count; i++)
        talk_answer(talk, pieces[i]);
    talk_end(talk);
}

/* ---- what becomes of an answer, wherever it is cut ---- */

struct talk_expected {
    const struct sl_tunnel_class *class;
    const struct sl_tunnel_target *target;
    enum sl_status status;
    const char *reason;  /* NULL: not looked at */
    struct sl_view said; /* NULL: not looked at */
};

static inline void talk_expect_pieces(const struct sl_view *pieces,
                                      size_t count, void *argument)
{
    const struct talk_expected *expected = argument;
    struct test_allocator allocator;
    struct talk talk;

    test_allocator_init(&allocator);
    talk_whole(&talk, &allocator.base, expected->class, expected->target,
               pieces, count);
    CHECK_INT(talk.status, expected->status);
    if (expected->reason != NULL) {
        CHECK_STR(talk.failure.reason, expected->reason);
        CHECK_INT(talk.failure.stage, SL_STAGE_PROXY);
    }
    if (expected->said.data != NULL)
        CHECK_BYTES(talk.said, talk.size, expected->said.data,
                    expected->said.size);
    test_allocator_fini(&allocator);
}

static inline void talk_expect(struct sl_view answers,
                               struct talk_expected expected)
{
    test_note("%.*s", (int)answers.size, answers.data);
    test_each_cut(answers, talk_expect_pieces, &expected);
    test_note(" ");
}

/* What comes of the first request alone: SL_AGAIN, or a reason not to begin. */
static inline void talk_expect_begin(const struct sl_tunnel_class *class,
                                     const struct sl_tunnel_target *target,
                                     enum sl_status status, const char *reason)
{
    struct talk_expected expected = {class, target, status, reason, {NULL, 0}};

    talk_expect_pieces(NULL, 0, &expected);
}

/* ---- failed allocations ---- */

struct talk_life {
    const struct sl_tunnel_class *class;
    const struct sl_tunnel_target *target;
    struct sl_view answers;
    enum sl_status status;
    size_t said; /* in all, unless there is no memory */
};

static inline void talk_live(struct sl_allocator *allocator, void *argument)
{
    const struct talk_life *life = argument;
    struct talk talk;

    talk_whole(&talk, allocator, life->class, life->target, &life->answers, 1);
    if (talk.status != life->status) {
        CHECK_INT(talk.status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    } else {
        CHECK_INT(talk.size, life->said);
    }
}

#endif
