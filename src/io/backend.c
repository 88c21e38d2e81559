#include "io/backend.h"

#include "base/debug.h"

#include <limits.h>
#include <string.h>

const struct sl_backend_class *const sl_backend_classes[] = {
#ifdef SL_HAVE_URING
    &sl_backend_uring,
#endif
#ifdef SL_HAVE_EPOLL
    &sl_backend_epoll,
#endif
#ifdef SL_HAVE_KQUEUE
    &sl_backend_kqueue,
#endif
    &sl_backend_threads, &sl_backend_poll, NULL,
};

#ifdef SL_HAVE_EPOLL
const struct sl_gatherer *const sl_gatherer = &sl_gatherer_epoll;
#elif defined(SL_HAVE_KQUEUE)
const struct sl_gatherer *const sl_gatherer = &sl_gatherer_kqueue;
#else
const struct sl_gatherer *const sl_gatherer = NULL;
#endif

const struct sl_backend_class *sl_backend_find(const char *name)
{
    for (size_t i = 0; sl_backend_classes[i] != NULL; i++) {
        if (strcmp(sl_backend_classes[i]->name, name) == 0)
            return sl_backend_classes[i];
    }
    return NULL;
}

void sl_socket_init(struct sl_socket *socket, int fd)
{
    memset(socket, 0, sizeof *socket);
    socket->fd = fd;
}

enum sl_status sl_socket_attach(struct sl_backend *backend,
                                struct sl_socket *socket)
{
    socket->backend = backend;
    return SL_OK;
}

void sl_socket_detach(struct sl_backend *backend, struct sl_socket *socket)
{
    (void)backend;
    sl_assert(socket->receiving == NULL && socket->sending == NULL);
    socket->backend = NULL;
}

void sl_socket_move(struct sl_backend *backend, struct sl_socket *socket,
                    struct sl_socket *to)
{
    (void)backend;
    *to = *socket;
    socket->backend = NULL;
    socket->fd = -1;
}

bool sl_backend_look(struct sl_backend *backend, int64_t drained_at,
                     int64_t watched_at)
{
    int64_t now = backend->loop->now;

    if (now - drained_at <= SL_GLANCE ||
        (now - backend->looked_at <= SL_GLANCE &&
         backend->looked_at >= watched_at))
        return true;
    if (!backend->class->tells_all) {
        sl_loop_take_posts(backend->loop);
        return false;
    }
    backend->class->wait(backend, 0);
    if (backend->class->has_pending(backend))
        return false;
    backend->looked_at = now;
    return true;
}

void sl_backend_settle(struct sl_backend *backend)
{
    struct sl_loop *loop = backend->loop;

    if (!loop->is_closing && sl_loop_check(loop) == SL_OK &&
        backend->class->settle != NULL && backend->in_flight > 0)
        backend->class->settle(backend);
}

int sl_wait_milliseconds(int64_t timeout)
{
    int64_t rounded;

    if (timeout == SL_NEVER)
        return -1;
    rounded = timeout / SL_MILLISECOND + (timeout % SL_MILLISECOND != 0);
    return rounded > INT_MAX ? INT_MAX : (int)rounded;
}
