#include "spec/c/io/world.h"

#include <poll.h>
#include <sys/event.h>

/* Whether `fd` is readable now. */
static bool is_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, 0) == 1;
}

TEST("a gatherer is readable while one of its descriptors is")
{
    int gatherer = sl_gatherer_kqueue.open();
    int ends[2];
    char byte;

    REQUIRE(gatherer >= 0 && pipe(ends) == 0);
    REQUIRE(sl_gatherer_kqueue.add(gatherer, ends[0]) == 0);
    CHECK(!is_readable(gatherer));
    REQUIRE(write(ends[1], "x", 1) == 1);
    CHECK(is_readable(gatherer));
    CHECK(is_readable(gatherer));
    REQUIRE(read(ends[0], &byte, 1) == 1);
    CHECK(!is_readable(gatherer));
    close(gatherer);
    close(ends[0]);
    close(ends[1]);
}

TEST("a descriptor that cannot be watched is refused with its error")
{
    int gatherer = sl_gatherer_kqueue.open();
    struct sl_socket socket;
    struct sl_backend *backend;
    struct world world;

    REQUIRE(gatherer >= 0);
    CHECK(sl_gatherer_kqueue.add(gatherer, 1000000) == -1 && errno == EBADF);
    close(gatherer);
    world_init(&world, NULL);
    REQUIRE(sl_loop_backend(&world.loop, &sl_backend_kqueue, &backend) ==
            SL_OK);
    sl_socket_init(&socket, 1000000);
    CHECK(backend->class->attach(backend, &socket) == SL_LIMIT);
    CHECK(errno == EBADF && socket.handle == 0 && socket.backend == NULL);
    CHECK(backend->class->watch(backend, 1000000) == SL_LIMIT);
    world_fini(&world);
}

/* What the end of the input looks like where the system reports it beside the
 * bytes before it. */
TEST("bytes before the end of the input are received, then the end")
{
    struct sl_backend *backend;
    struct sl_socket socket;
    struct world world;
    int ends[2];

    world_init(&world, NULL);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    REQUIRE(sl_loop_backend(&world.loop, &sl_backend_kqueue, &backend) ==
            SL_OK);
    sl_socket_init(&socket, ends[0]);
    REQUIRE(backend->class->attach(backend, &socket) == SL_OK);
    backend->class->wait(backend, 0);
    CHECK(!socket.is_readable && socket.is_writable && !socket.is_hung_up);
    REQUIRE(write(ends[1], "x", 1) == 1);
    backend->class->wait(backend, 0);
    CHECK(socket.is_readable && !socket.is_hung_up);
    close(ends[1]);
    backend->class->wait(backend, 0);
    CHECK(socket.is_readable && socket.is_hung_up);
    backend->class->detach(backend, &socket);
    close(ends[0]);
    world_fini(&world);
}

int main(void)
{
    return test_main();
}
