#include "spec/c/support/script_backend.h"

#include "io/backends/readiness.h"
#include "spec/c/support/test.h"

#include <fcntl.h>
#include <unistd.h>

#define HELD_MOST 64

static struct sl_backend_class class;
static struct sl_operation *held[HELD_MOST];
static size_t held_count;

static void forget(size_t index)
{
    held_count--;
    for (size_t i = index; i < held_count; i++)
        held[i] = held[i + 1];
}

static enum sl_status script_open(struct sl_loop *loop,
                                  struct sl_backend **backend)
{
    enum sl_status status = sl_backend_poll.open(loop, backend);

    held_count = 0;
    if (status == SL_OK)
        (*backend)->class = &class;
    return status;
}

static void script_submit(struct sl_backend *backend,
                          struct sl_operation *operation)
{
    if (operation->kind != SL_OPERATION_CONNECT) {
        sl_readiness_submit(backend, operation);
        return;
    }
    REQUIRE(held_count < HELD_MOST);
    operation->is_cancelling = false;
    operation->socket->sending = operation;
    held[held_count++] = operation;
}

static void script_cancel(struct sl_backend *backend,
                          struct sl_operation *operation)
{
    for (size_t i = 0; i < held_count; i++) {
        if (held[i] == operation) {
            forget(i);
            break;
        }
    }
    sl_readiness_cancel(backend, operation);
}

static void script_cancel_all(struct sl_backend *backend)
{
    held_count = 0;
    sl_backend_poll.cancel_all(backend);
}

const struct sl_backend_class *script_backend(void)
{
    class = sl_backend_poll;
    class.name = "script";
    class.open = script_open;
    class.submit = script_submit;
    class.cancel = script_cancel;
    class.cancel_all = script_cancel_all;
    return &class;
}

size_t script_held(void)
{
    return held_count;
}

static void end_oldest(enum sl_status status, int error)
{
    struct sl_operation *operation = held[0];

    forget(0);
    operation->socket->sending = NULL;
    operation->completion.system_error = error;
    sl_completion_signal(&operation->completion, status, 0);
}

int script_accept(void)
{
    int ends[2];
    int fd;

    REQUIRE(held_count > 0);
    fd = held[0]->socket->fd;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    /* The client's descriptor stays the one it attached. */
    REQUIRE(dup2(ends[0], fd) == fd);
    close(ends[0]);
    REQUIRE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    REQUIRE(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    end_oldest(SL_OK, 0);
    return ends[1];
}

void script_refuse(int error)
{
    REQUIRE(held_count > 0);
    end_oldest(SL_CONNECT, error);
}
