/* spec/c/io/world.h - a loop with its pool and resolver, and peers to talk to
 *
 * Everything happens in one process over loopback: the test is its own peer,
 * with blocking descriptors of its own. fini checks what every spec must end
 * with: nothing rented, no operation, no descriptor more than before.
 */
#ifndef SPEC_C_IO_WORLD_H
#define SPEC_C_IO_WORLD_H

#include "io/connect.h"
#include "io/platform.h"
#include "io/transport_class.h"
#include "spec/c/support/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a test waits for something that must happen. */
#define PATIENCE (20 * SL_SECOND)

struct world {
    struct test_allocator own;
    struct sl_allocator *allocator;
    struct sl_pool pool;
    struct sl_loop loop;
    struct sl_resolver *resolver;
    size_t descriptors;
};

static inline size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");

    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* With an allocator and pool options of the test's; false: SL_MEMORY. */
static inline bool world_open(struct world *world,
                              struct sl_allocator *allocator,
                              const struct sl_pool_options *options)
{
    world->descriptors = count_descriptors();
    world->allocator = allocator;
    sl_pool_init(&world->pool, allocator, options);
    if (sl_loop_init(&world->loop, allocator, &world->pool) != SL_OK)
        return false;
    world->resolver = NULL;
    if (sl_resolver_create(&world->loop, &world->resolver) == SL_OK)
        return true;
    sl_loop_close(&world->loop, 0);
    sl_pool_fini(&world->pool);
    return false;
}

static inline void world_close(struct world *world)
{
    if (world->resolver != NULL)
        sl_resolver_destroy(world->resolver);
    CHECK(sl_loop_close(&world->loop, SL_SECOND));
    CHECK_INT(world->loop.operations, 0);
    CHECK_INT(world->loop.descriptors, 0);
    CHECK_INT(world->loop.late_writes, 0);
    CHECK_INT(world->loop.timers.count, 0);
    CHECK_INT(sl_pool_outstanding(&world->pool), 0);
    CHECK_INT(sl_pool_fini(&world->pool), 0);
    CHECK_INT(count_descriptors(), world->descriptors);
}

static inline void world_init(struct world *world,
                              const struct sl_pool_options *options)
{
    test_allocator_init(&world->own);
    REQUIRE(world_open(world, &world->own.base, options));
}

static inline void world_fini(struct world *world)
{
    world_close(world);
    test_allocator_fini(&world->own);
}

/* Steps until `*flag`, which must come. */
static inline bool world_until(struct world *world, const bool *flag)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (!*flag && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world->loop, 100 * SL_MILLISECOND), SL_OK);
    return REQUIRE(*flag);
}

/* Steps until nothing more is ready: what was to come has come. */
static inline void world_settle(struct world *world)
{
    for (int i = 0; i < 3 || world->loop.ready.first != NULL; i++)
        CHECK_INT(sl_loop_step(&world->loop, 0), SL_OK);
}

/* ---- how a transport can be run here ---- */

struct manner {
    enum sl_transport_mode mode;
    const struct sl_backend_class *backend;
};

/* Each transport mode on each backend that this machine has. */
static inline size_t manners(struct manner *list)
{
    const struct sl_backend_class *const *backends = sl_platform()->backends;
    size_t count = 0;

    for (size_t i = 0; backends[i] != NULL; i++) {
        if (backends[i]->has_readiness)
            list[count++] = (struct manner){SL_TRANSPORT_STREAM, backends[i]};
        list[count++] = (struct manner){SL_TRANSPORT_COMPLETION, backends[i]};
    }
    return count;
}

#define MANNERS_MOST (2 * SL_PLATFORM_BACKENDS)

static inline const char *mode_name(enum sl_transport_mode mode)
{
    return mode == SL_TRANSPORT_STREAM ? "stream" : "completion";
}

static inline void each_manner(void (*body)(const struct manner *manner))
{
    struct manner list[MANNERS_MOST];
    size_t count = manners(list);

    CHECK(count >= 3);
    for (size_t i = 0; i < count; i++) {
        test_note("%s over %s", mode_name(list[i].mode), list[i].backend->name);
        body(&list[i]);
    }
    test_note(" ");
}

/* ---- peers ---- */

/* A listening socket on a free loopback port. */
static inline int peer_listen(int backlog, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(fd >= 0);
    REQUIRE(bind(fd, (const struct sockaddr *)&address, size) == 0);
    REQUIRE(listen(fd, backlog) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A port that nobody listens on: it was free a moment ago. */
static inline int peer_refused_port(void)
{
    int port;

    close(peer_listen(1, &port));
    return port;
}

static inline void make_nonblocking(int fd)
{
    REQUIRE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

/* Two ends of a TCP connection over loopback; `ours` does not block. */
static inline void peer_tcp(int *ours, int *theirs)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int port;
    int listener = peer_listen(1, &port);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    *ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(*ours, (const struct sockaddr *)&address, sizeof address) ==
            0);
    *theirs = accept(listener, NULL, NULL);
    REQUIRE(*theirs >= 0);
    close(listener);
    make_nonblocking(*ours);
}

static inline void peer_pair(int *ours, int *theirs)
{
    int ends[2];

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    *ours = ends[0];
    *theirs = ends[1];
    make_nonblocking(*ours);
}

static inline void peer_send(int fd, const char *bytes)
{
    REQUIRE(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) ==
            (ssize_t)strlen(bytes));
}

/* A reset, now. */
static inline void peer_reset(int fd)
{
    struct linger linger = {1, 0};

    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close(fd);
}

/* ---- an end of ours, and its notifications ---- */

struct end {
    struct world *world;
    struct sl_transport *transport;
    struct sl_buffer buffer;
    bool can_send;
    bool can_receive;
    int sends_told;
    int receives_told;
};

static inline void end_can_send(void *owner)
{
    struct end *end = owner;

    end->can_send = true;
    end->sends_told++;
}

static inline void end_can_receive(void *owner)
{
    struct end *end = owner;

    end->can_receive = true;
    end->receives_told++;
}

static const struct sl_transport_events end_events = {end_can_send,
                                                      end_can_receive};

/* A transport over a connected, non-blocking stream socket; `fd` is adopted,
 * also on failure. `backend` NULL: the loop's choice. */
static inline enum sl_status
transport_create(struct sl_loop *loop, const struct sl_backend_class *backend,
                 enum sl_transport_mode mode, int fd,
                 struct sl_transport **transport)
{
    struct sl_backend *opened;
    struct sl_socket socket;
    enum sl_status status;

    sl_socket_init(&socket, fd);
    loop->descriptors++;
    status = sl_loop_backend(loop, backend, &opened);
    if (status == SL_OK)
        status = opened->class->attach(opened, &socket);
    if (status == SL_OK)
        status = sl_transport_from_socket(loop, loop->pool, mode, &socket,
                                          transport);
    if (status != SL_OK)
        sl_socket_close(loop, &socket, false);
    return status;
}

static inline enum sl_status end_open(struct end *end, struct world *world,
                                      const struct manner *manner, int fd)
{
    enum sl_status status;

    memset(end, 0, sizeof *end);
    end->world = world;
    status = transport_create(&world->loop, manner->backend, manner->mode, fd,
                              &end->transport);
    if (status != SL_OK)
        return status;
    sl_buffer_init(&end->buffer, &world->pool, SIZE_MAX);
    sl_transport_bind(end->transport, &end_events, end);
    return SL_OK;
}

static inline void end_init(struct end *end, struct world *world,
                            const struct manner *manner, int fd)
{
    REQUIRE(end_open(end, world, manner, fd) == SL_OK);
}

static inline void end_fini(struct end *end)
{
    if (end->transport != NULL)
        sl_transport_close(end->transport);
    end->transport = NULL;
    sl_buffer_fini(&end->buffer);
}

/* The first answer that is not SL_AGAIN, waiting for it. */
static inline enum sl_status end_receive(struct end *end, size_t want,
                                         size_t *received)
{
    for (;;) {
        enum sl_status status;

        end->can_receive = false;
        status =
            sl_transport_receive(end->transport, &end->buffer, want, received);
        if (status != SL_AGAIN || !world_until(end->world, &end->can_receive))
            return status;
    }
}

static inline enum sl_status end_send(struct end *end, struct sl_view view,
                                      size_t *sent)
{
    for (;;) {
        enum sl_status status;

        end->can_send = false;
        status = sl_transport_send(end->transport, &view, 1, sent);
        if (status != SL_AGAIN || !world_until(end->world, &end->can_send))
            return status;
    }
}

/* Receives until `size` bytes are in the buffer or something else happens. */
static inline enum sl_status end_receive_all(struct end *end, size_t size)
{
    while (end->buffer.length < size) {
        size_t received = 0;
        enum sl_status status = end_receive(end, 16384, &received);

        if (status != SL_OK)
            return status;
        CHECK(received > 0);
    }
    return SL_OK;
}

static inline void check_received(struct end *end, const char *expected)
{
    char bytes[512];
    size_t size = strlen(expected);

    CHECK_INT(end_receive_all(end, size), SL_OK);
    CHECK_INT(end->buffer.length, size);
    sl_buffer_copy_out(&end->buffer, 0, bytes, sizeof bytes);
    CHECK_BYTES(bytes, end->buffer.length, expected, size);
    sl_buffer_consume(&end->buffer, end->buffer.length);
}

#endif
