/* spec/c/conn/openings.h - openings, and the peers that they lead to */
#ifndef SPEC_C_CONN_OPENINGS_H
#define SPEC_C_CONN_OPENINGS_H

#include "conn/opening.h"

#include "spec/c/io/world.h"
#include "spec/c/support/script_backend.h"
#include "spec/c/tls/framed.h"

/* One opening, and who waits for it. */
struct wait {
    struct sl_opening *opening;
    struct sl_link link;
    struct sl_peer *peer;
    struct sl_failure failure;
    enum sl_status status;
    bool is_done;
};

static struct world world;
static enum sl_transport_mode mode; /* of what is connected */
static bool greets;                 /* a proxy, by TLS of its own */
static struct sl_tls_context *context;
static bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                      char *reason, size_t reason_size);

static inline void done(void *owner)
{
    struct wait *wait = owner;

    wait->is_done = true;
    wait->status = sl_opening_result(wait->opening, &wait->link, &wait->peer,
                                     &wait->failure);
}

static inline enum sl_status open_world(struct sl_allocator *allocator)
{
    struct sl_pool_options pool = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_tls_options tls = {.verifies = true, .verify = verify};
    struct sl_failure failure;

    context = NULL;
    if (!world_open(&world, allocator, &pool))
        return SL_MEMORY;
    return framed_provider.context_create(allocator, &tls, &context, &failure);
}

static inline void close_world(void)
{
    if (context != NULL)
        framed_provider.context_release(context);
    world_close(&world);
}

static inline void setup(void)
{
    test_allocator_init(&world.own);
    REQUIRE(open_world(&world.own.base) == SL_OK);
}

static inline void teardown(void)
{
    close_world();
    test_allocator_fini(&world.own);
}

static inline enum sl_status
begin_through(struct wait *wait, const struct sl_tunnel_class *tunnel,
              bool is_secure, const struct sl_opening_deadlines *deadlines)
{
    struct sl_opening_options options = {
        .connect.host = "192.0.2.1", /* RFC 5737: nobody */
        .connect.port = 80,
        .connect.backend = script_backend(),
        .connect.mode = mode,
        .connect.deadline = SL_NEVER,
        .deadlines = {SL_NEVER, SL_NEVER, SL_NEVER, SL_NEVER},
        .tls.engine.identity = "x",
        .tunnel = tunnel,
        .target = {"www.example", 443, "me", "pass", NULL},
    };

    memset(wait, 0, sizeof *wait);
    if (deadlines != NULL)
        options.deadlines = *deadlines;
    if (greets) {
        options.greeting.provider = &framed_provider;
        options.greeting.context = context;
        options.greeting.engine.host = "proxy.example";
    }
    if (is_secure) {
        options.tls.provider = &framed_provider;
        options.tls.context = context;
    }
    return sl_opening_begin(&world.loop, &world.pool, world.resolver, &options,
                            done, wait, &wait->opening, &wait->failure);
}

static inline enum sl_status begin(struct wait *wait, bool is_secure,
                                   const struct sl_opening_deadlines *deadlines)
{
    return begin_through(wait, NULL, is_secure, deadlines);
}

static inline void finish(struct wait *wait)
{
    if (wait->is_done && wait->status == SL_OK) {
        sl_link_close(&wait->link, true);
        sl_peer_release(wait->peer);
    }
    if (wait->opening != NULL)
        sl_opening_destroy(wait->opening);
}

static inline void step_until_held(size_t count)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (script_held() < count && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    REQUIRE(script_held() == count);
}

static inline void welcome(int peer)
{
    /* "W", no bytes: welcome */
    REQUIRE(send(peer, "W\0\0", 3, MSG_NOSIGNAL) == 3);
}

/* Destroys an opening before and after it connects, and after each thing that
 * its peer says, bytes as they go over the wire; the last one opens it. */
static inline void destroy_after_each(const struct sl_tunnel_class *tunnel,
                                      const struct sl_view *sayings,
                                      size_t count)
{
    for (size_t steps = 0; steps <= count + 2; steps++) {
        struct wait wait;
        int peer = -1;

        test_note("after %zu steps", steps);
        setup();
        REQUIRE(begin_through(&wait, tunnel, true, NULL) == SL_OK);
        if (steps > 0)
            step_until_held(1);
        if (steps > 1)
            peer = script_accept();
        for (size_t i = 0; i + 2 < steps; i++) {
            world_settle(&world);
            REQUIRE(send(peer, sayings[i].data, sayings[i].size,
                         MSG_NOSIGNAL) == (ssize_t)sayings[i].size);
        }
        if (steps == count + 2)
            world_until(&world, &wait.is_done);
        else if (steps > 1)
            world_settle(&world);
        finish(&wait);
        CHECK_INT(wait.is_done, steps == count + 2);
        if (peer >= 0)
            close(peer);
        teardown();
    }
    test_note(" ");
}

/* ---- failed allocations ---- */

/* What the peer of an opening says at once, and when TLS is due. */
struct life {
    const struct sl_tunnel_class *tunnel;
    struct sl_view first;
    struct sl_view last;
};

static inline void take_part(const struct life *life, const struct wait *wait,
                             int *peer, bool *is_welcome)
{
    if (*peer < 0 && script_held() > 0) {
        *peer = script_accept();
        send(*peer, life->first.data, life->first.size, MSG_NOSIGNAL);
    }
    if (!*is_welcome && !wait->is_done &&
        sl_opening_stage(wait->opening) == SL_STAGE_TLS) {
        *is_welcome = true;
        send(*peer, life->last.data, life->last.size, MSG_NOSIGNAL);
    }
}

/* For test_each_failure, with a life. */
static inline void whole_life(struct sl_allocator *allocator, void *argument)
{
    const struct life *life = argument;
    bool is_welcome = false;
    struct wait wait;
    enum sl_status status;
    int peer = -1;

    world.resolver = NULL;
    status = open_world(allocator);
    if (context == NULL && world.resolver == NULL)
        return; /* the world could not be opened */
    if (status == SL_OK)
        status = begin_through(&wait, life->tunnel, true, NULL);
    if (status == SL_OK) {
        while (!wait.is_done) {
            CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
            take_part(life, &wait, &peer, &is_welcome);
        }
        status = wait.status;
        finish(&wait);
    }
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    if (peer >= 0)
        close(peer);
    close_world();
}

#endif
