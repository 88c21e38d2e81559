/* spec/c/conn/scene.h - a client's connections and the server they lead to
 *
 * One process and one thread: the test steps the loop, then acts as the server.
 */
#ifndef SPEC_C_CONN_SCENE_H
#define SPEC_C_CONN_SCENE_H

#include "codec/decoder.h"
#include "conn/pushing.h"
#include "spec/c/io/world.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

struct scene {
    struct world world;
    struct sl_connections *connections; /* held by `exchanges` */
    struct sl_exchanges *exchanges;
    struct sl_origin *origin;
    struct sl_exchange_options options;
    struct sl_decoder_shelf shelf;
    int listener;
    int port;
};

static inline enum sl_status
scene_open(struct scene *scene, struct sl_allocator *allocator,
           const struct sl_connections_options *limits)
{
    struct sl_pool_options pool = {
        .mode = SL_POOL_DIRECT, .segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_origin_options origin = {.key = "x", .host = "127.0.0.1"};
    enum sl_status status;

    scene->connections = NULL;
    scene->exchanges = NULL;
    scene->origin = NULL;
    if (!world_open(&scene->world, allocator, &pool))
        return SL_MEMORY;
    scene->listener = peer_listen(16, &scene->port);
    origin.port = scene->port;
    status = sl_connections_create(allocator, &scene->world.pool,
                                   &scene->world.loop, scene->world.resolver,
                                   limits, &scene->connections);
    if (status == SL_OK) {
        status = sl_exchanges_create(scene->connections, &scene->exchanges);
        sl_connections_release(scene->connections);
    }
    if (status == SL_OK)
        status = sl_origin_find(scene->connections, &origin, &scene->origin);
    memset(&scene->options, 0, sizeof scene->options);
    scene->options.is_idempotent = true;
    sl_decoder_shelf_init(&scene->shelf, allocator);
    scene->options.shelf = &scene->shelf;
    sl_response_limits_default(&scene->options.limits);
    sl_deadlines_default(&scene->options.deadlines);
    return status;
}

static inline void scene_close(struct scene *scene)
{
    if (scene->origin != NULL)
        sl_origin_release(scene->origin);
    if (scene->exchanges != NULL) {
        sl_exchanges_close(scene->exchanges);
        sl_exchanges_release(scene->exchanges);
    }
    close(scene->listener);
    sl_decoder_shelf_fini(&scene->shelf);
    world_close(&scene->world);
}

static inline void scene_init(struct scene *scene)
{
    struct sl_connections_options limits;

    sl_connections_options_default(&limits);
    test_allocator_init(&scene->world.own);
    REQUIRE(scene_open(scene, &scene->world.own.base, &limits) == SL_OK);
}

static inline void scene_fini(struct scene *scene)
{
    scene_close(scene);
    test_allocator_fini(&scene->world.own);
}

static inline struct sl_exchange *scene_begin(struct scene *scene,
                                              const char *head)
{
    struct sl_exchange *exchange;

    REQUIRE(sl_exchange_create(scene->exchanges, scene->origin, &scene->options,
                               sl_view(head, strlen(head)),
                               &exchange) == SL_OK);
    sl_exchange_start(exchange);
    return exchange;
}

/* The server's end of the connection that comes next. */
static inline int scene_accept(struct scene *scene)
{
    int64_t until = sl_clock_now() + PATIENCE;
    int fd = -1;

    make_nonblocking(scene->listener);
    while (fd < 0 && sl_clock_now() < until) {
        CHECK_INT(sl_loop_step(&scene->world.loop, SL_MILLISECOND), SL_OK);
        fd = accept(scene->listener, NULL, NULL);
    }
    REQUIRE(fd >= 0);
    return fd;
}

/* Reads exactly `expected` from the client. */
static inline void scene_expect(struct scene *scene, int fd,
                                const char *expected)
{
    int64_t until = sl_clock_now() + PATIENCE;
    size_t size = strlen(expected);
    char *got = malloc(size);
    size_t count = 0;

    while (count < size && sl_clock_now() < until) {
        ssize_t n = recv(fd, got + count, size - count, MSG_DONTWAIT);

        if (n > 0)
            count += (size_t)n;
        else if (n == 0)
            break;
        else
            CHECK_INT(sl_loop_step(&scene->world.loop, SL_MILLISECOND), SL_OK);
    }
    CHECK_BYTES(got, count, expected, size);
    free(got);
}

/* Waits for what is wanted. */
static inline enum sl_status scene_want(struct scene *scene,
                                        struct sl_exchange *exchange,
                                        enum sl_interest interest,
                                        size_t wanted)
{
    int64_t until = sl_clock_now() + PATIENCE;
    enum sl_status status = SL_AGAIN;

    while (status == SL_AGAIN && sl_clock_now() < until) {
        while (exchange->completion.state == SL_COMPLETION_PENDING ||
               exchange->completion.state == SL_COMPLETION_READY)
            CHECK_INT(sl_loop_step(&scene->world.loop, SL_SECOND), SL_OK);
        status = sl_exchange_want(exchange, interest, wanted);
    }
    return status;
}

static inline enum sl_status scene_want_room(struct scene *scene,
                                             struct sl_exchange *exchange)
{
    int64_t until = sl_clock_now() + PATIENCE;
    enum sl_status status = SL_AGAIN;

    while (status == SL_AGAIN && sl_clock_now() < until) {
        while (exchange->request->room.state == SL_COMPLETION_PENDING ||
               exchange->request->room.state == SL_COMPLETION_READY)
            CHECK_INT(sl_loop_step(&scene->world.loop, SL_SECOND), SL_OK);
        status = sl_exchange_want_room(exchange);
    }
    return status;
}

static inline void scene_check_body(struct sl_exchange *exchange,
                                    const char *expected)
{
    char bytes[4096];
    size_t size = sl_buffer_copy_out(&exchange->incoming.response.body, 0,
                                     bytes, sizeof bytes);

    CHECK_BYTES(bytes, size, expected, strlen(expected));
}

#endif
