/* Readiness by edges. A socket is registered once, for everything; an edge is
 * remembered in its flags until it is used up, so that a request costs no call
 * here but its share of one wait. */
#include "base/debug.h"
#include "io/backends/readiness.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 128
/* Under a budget: each event may cost a receive. */
#define EVENTS_PER_PIECE 8

/* A watched descriptor's event: no slot has this number. */
#define WATCHED ((uint64_t)UINT32_MAX << 32)

struct epoll_backend {
    struct sl_backend base;
    struct sl_slots slots;
    int fd;
    size_t watched_count;
    bool is_full; /* the last wait filled the array: there may be more */
};

static struct epoll_backend *self_of(struct sl_backend *backend)
{
    return (struct epoll_backend *)(void *)backend;
}

static enum sl_status status_of(int error)
{
    return error == ENOMEM ? SL_MEMORY : SL_LIMIT;
}

static bool epoll_is_present(void)
{
    return true;
}

static enum sl_status epoll_open(struct sl_loop *loop,
                                 struct sl_backend **backend)
{
    struct epoll_backend *self =
        sl_allocate_zeroed(loop->allocator, sizeof *self);

    if (self == NULL)
        return SL_MEMORY;
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->fd < 0) {
        int error = errno;

        sl_free(loop->allocator, self, sizeof *self);
        errno = error;
        return error == ENOSYS ? SL_UNSUPPORTED : status_of(error);
    }
    self->base.class = &sl_backend_epoll;
    self->base.loop = loop;
    sl_slots_init(&self->slots, loop->allocator);
    *backend = &self->base;
    return SL_OK;
}

static void epoll_close(struct sl_backend *backend)
{
    struct epoll_backend *self = self_of(backend);

    close(self->fd);
    sl_slots_fini(&self->slots);
    sl_free(backend->loop->allocator, self, sizeof *self);
}

static enum sl_status epoll_attach(struct sl_backend *backend,
                                   struct sl_socket *socket)
{
    struct epoll_backend *self = self_of(backend);
    struct epoll_event event = {0};

    if (sl_slots_put(&self->slots, socket, &socket->handle) != SL_OK)
        return SL_MEMORY;
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    event.data.u64 = socket->handle;
    if (epoll_ctl(self->fd, EPOLL_CTL_ADD, socket->fd, &event) != 0) {
        int error = errno;

        sl_slots_remove(&self->slots, socket->handle);
        socket->handle = 0;
        errno = error;
        return status_of(error);
    }
    socket->backend = backend;
    return SL_OK;
}

/* Detach comes before the descriptor is closed: a duplicate of it, in a child
 * for instance, would keep the registration, which could then not be removed
 * any more. In the child itself the parent's registration would be removed. */
static void epoll_detach(struct sl_backend *backend, struct sl_socket *socket)
{
    struct epoll_backend *self = self_of(backend);

    if (!sl_loop_is_forked(backend->loop))
        epoll_ctl(self->fd, EPOLL_CTL_DEL, socket->fd, NULL);
    sl_slots_remove(&self->slots, socket->handle);
    socket->handle = 0;
    socket->backend = NULL;
}

static void epoll_move(struct sl_backend *backend, struct sl_socket *socket,
                       struct sl_socket *to)
{
    *to = *socket;
    sl_slots_set(&self_of(backend)->slots, to->handle, to);
    socket->handle = 0;
    socket->backend = NULL;
    socket->fd = -1;
}

/* The kernel reports events in the order in which they became ready, and later
 * ones come last: after as many events as there are descriptors, all events
 * that were ready at first have been reported. */
static void note_reported(struct epoll_backend *self, int count, int most)
{
    struct sl_backend *backend = &self->base;

    self->is_full = count == most;
    if (backend->unreported == 0)
        backend->unreported = self->slots.count + self->watched_count;
    if (!self->is_full || backend->unreported <= (size_t)most)
        backend->unreported = 0;
    else
        backend->unreported -= (size_t)most;
}

static void epoll_backend_wait(struct sl_backend *backend, int64_t timeout)
{
    struct epoll_backend *self = self_of(backend);
    struct sl_loop *loop = backend->loop;
    struct epoll_event events[EVENTS_PER_WAIT];
    int most = sl_loop_has_budget(loop) ? EVENTS_PER_PIECE : EVENTS_PER_WAIT;
    int count =
        epoll_wait(self->fd, events, most, sl_wait_milliseconds(timeout));

    note_reported(self, count, most);
    for (int i = 0; i < count; i++) {
        uint64_t handle = events[i].data.u64;
        uint32_t seen = events[i].events;
        struct sl_socket *socket;

        if (handle >= WATCHED) {
            sl_loop_woken(loop, (int)(handle - WATCHED));
            continue;
        }
        socket = sl_slots_get(&self->slots, handle);
        if (socket == NULL) {
            loop->stale_events++;
            continue;
        }
        socket->has_mark = socket->has_mark || (seen & EPOLLPRI) != 0;
        sl_readiness_event(
            socket, (seen & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
            (seen & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
            (seen & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
}

static enum sl_status epoll_watch(struct sl_backend *backend, int fd)
{
    struct epoll_backend *self = self_of(backend);
    struct epoll_event event = {0};

    event.events = EPOLLIN;
    event.data.u64 = WATCHED + (uint32_t)fd;
    if (epoll_ctl(self->fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return status_of(errno);
    self->watched_count++;
    return SL_OK;
}

static void epoll_cancel_all(struct sl_backend *backend)
{
    sl_readiness_cancel_all(&self_of(backend)->slots);
}

static int epoll_pollfd(struct sl_backend *backend)
{
    return self_of(backend)->fd;
}

static bool epoll_has_pending(const struct sl_backend *backend)
{
    return ((const struct epoll_backend *)(const void *)backend)->is_full;
}

const struct sl_backend_class sl_backend_epoll = {
    .name = "epoll",
    .benefit = "full",
    .rank = 1,
    .has_readiness = true,
    .tells_all = true,
    .is_present = epoll_is_present,
    .open = epoll_open,
    .close = epoll_close,
    .attach = epoll_attach,
    .detach = epoll_detach,
    .move = epoll_move,
    .submit = sl_readiness_submit,
    .cancel = sl_readiness_cancel,
    .cancel_all = epoll_cancel_all,
    .wait = epoll_backend_wait,
    .watch = epoll_watch,
    .pollfd = epoll_pollfd,
    .has_pending = epoll_has_pending,
};

static int gatherer_open(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

static int gatherer_add(int gatherer, int fd)
{
    struct epoll_event event = {0};

    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(gatherer, EPOLL_CTL_ADD, fd, &event);
}

const struct sl_gatherer sl_gatherer_epoll = {
    .open = gatherer_open,
    .add = gatherer_add,
};
