/* Readiness by edges on macOS and the BSDs. A socket has two filters, one for
 * each direction, added once: an edge is remembered in the socket's flags until
 * it is used up. */
#include "base/debug.h"
#include "io/backends/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/event.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 128
/* Under a budget: each event may cost a receive. */
#define EVENTS_PER_PIECE 8

/* A watched descriptor's event: no slot has this number. */
#define WATCHED ((uint64_t)UINT32_MAX << 32)

_Static_assert(sizeof(void *) >= sizeof(uint64_t),
               "an event carries a handle of 64 bits in a pointer");

struct kqueue_backend {
    struct sl_backend base;
    struct sl_slots slots;
    int fd;
    size_t watched_count;
    bool is_full; /* the last wait filled the array: there may be more */
};

static struct kqueue_backend *self_of(struct sl_backend *backend)
{
    return (struct kqueue_backend *)(void *)backend;
}

static enum sl_status status_of(int error)
{
    return error == ENOMEM ? SL_MEMORY : SL_LIMIT;
}

/* A child of fork has no queue, but a program that replaces this one would keep
 * it. */
static int open_queue(void)
{
    int fd = kqueue();

    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* Adds or removes one filter. Answers 0 or errno. */
static int change(int queue, int fd, short filter, unsigned short flags,
                  uint64_t handle)
{
    struct kevent event = {0};

    event.ident = (uintptr_t)fd;
    event.filter = filter;
    event.flags = flags;
    event.udata = (void *)(uintptr_t)handle;
    return kevent(queue, &event, 1, NULL, 0, NULL) == 0 ? 0 : errno;
}

static bool kqueue_is_present(void)
{
    return true;
}

static enum sl_status kqueue_open(struct sl_loop *loop,
                                  struct sl_backend **backend)
{
    struct kqueue_backend *self =
        sl_allocate_zeroed(loop->allocator, sizeof *self);

    if (self == NULL)
        return SL_MEMORY;
    self->fd = open_queue();
    if (self->fd < 0) {
        int error = errno;

        sl_free(loop->allocator, self, sizeof *self);
        errno = error;
        return status_of(error);
    }
    self->base.class = &sl_backend_kqueue;
    self->base.loop = loop;
    sl_slots_init(&self->slots, loop->allocator);
    *backend = &self->base;
    return SL_OK;
}

static void kqueue_close(struct sl_backend *backend)
{
    struct kqueue_backend *self = self_of(backend);

    close(self->fd);
    sl_slots_fini(&self->slots);
    sl_free(backend->loop->allocator, self, sizeof *self);
}

static int add_filters(int queue, int fd, uint64_t handle)
{
    int error = change(queue, fd, EVFILT_READ, EV_ADD | EV_CLEAR, handle);

    if (error != 0)
        return error;
    error = change(queue, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, handle);
    if (error != 0)
        change(queue, fd, EVFILT_READ, EV_DELETE, 0);
    return error;
}

static enum sl_status kqueue_attach(struct sl_backend *backend,
                                    struct sl_socket *socket)
{
    struct kqueue_backend *self = self_of(backend);
    int error;

    if (sl_slots_put(&self->slots, socket, &socket->handle) != SL_OK)
        return SL_MEMORY;
    error = add_filters(self->fd, socket->fd, socket->handle);
    if (error != 0) {
        sl_slots_remove(&self->slots, socket->handle);
        socket->handle = 0;
        errno = error;
        return status_of(error);
    }
    socket->backend = backend;
    return SL_OK;
}

/* Detach comes before the descriptor is closed: a duplicate of it would keep
 * its filters. A child of fork has no queue: its descriptor of that number may
 * be another one's. */
static void kqueue_detach(struct sl_backend *backend, struct sl_socket *socket)
{
    struct kqueue_backend *self = self_of(backend);

    if (!sl_loop_is_forked(backend->loop)) {
        change(self->fd, socket->fd, EVFILT_READ, EV_DELETE, 0);
        change(self->fd, socket->fd, EVFILT_WRITE, EV_DELETE, 0);
    }
    sl_slots_remove(&self->slots, socket->handle);
    socket->handle = 0;
    socket->backend = NULL;
}

static void kqueue_move(struct sl_backend *backend, struct sl_socket *socket,
                        struct sl_socket *to)
{
    *to = *socket;
    sl_slots_set(&self_of(backend)->slots, to->handle, to);
    socket->handle = 0;
    socket->backend = NULL;
    socket->fd = -1;
}

/* The kernel reports events in the order in which they became ready, and later
 * ones come last: after as many events as there are filters, all events that
 * were ready at first have been reported. */
static void note_reported(struct kqueue_backend *self, int count, int most)
{
    struct sl_backend *backend = &self->base;

    self->is_full = count == most;
    if (backend->unreported == 0)
        backend->unreported = 2 * self->slots.count + self->watched_count;
    if (!self->is_full || backend->unreported <= (size_t)most)
        backend->unreported = 0;
    else
        backend->unreported -= (size_t)most;
}

/* A receive stops before an urgent byte. Where the system does not report such
 * a byte, each receive may have stopped there. */
static bool may_have_mark(const struct kevent *event)
{
#ifdef EV_OOBAND
    return (event->flags & EV_OOBAND) != 0;
#else
    return event->filter == EVFILT_READ;
#endif
}

static void report(struct kqueue_backend *self, const struct kevent *event)
{
    uint64_t handle = (uint64_t)(uintptr_t)event->udata;
    struct sl_loop *loop = self->base.loop;
    bool is_write = event->filter == EVFILT_WRITE;
    /* Of reading: the peer's end, or an error. Of writing: the connection takes
     * no more bytes, which a receive or send has to find out. */
    bool is_over = (event->flags & (EV_EOF | EV_ERROR)) != 0;
    bool has_failed = is_over && event->fflags != 0;
    struct sl_socket *socket;

    if (handle >= WATCHED) {
        sl_loop_woken(loop, (int)(handle - WATCHED));
        return;
    }
    socket = sl_slots_get(&self->slots, handle);
    if (socket == NULL) {
        loop->stale_events++;
        return;
    }
    socket->has_mark = socket->has_mark || may_have_mark(event);
    sl_readiness_event(socket, !is_write || is_over, is_write || has_failed,
                       is_over);
}

static void kqueue_wait(struct sl_backend *backend, int64_t timeout)
{
    struct kqueue_backend *self = self_of(backend);
    struct kevent events[EVENTS_PER_WAIT];
    struct timespec until = {0};
    int most =
        sl_loop_has_budget(backend->loop) ? EVENTS_PER_PIECE : EVENTS_PER_WAIT;
    int count;

    if (timeout != SL_NEVER) {
        until.tv_sec = (time_t)(timeout / SL_SECOND);
        until.tv_nsec = (long)(timeout % SL_SECOND);
    }
    count = kevent(self->fd, NULL, 0, events, most,
                   timeout == SL_NEVER ? NULL : &until);
    note_reported(self, count, most);
    for (int i = 0; i < count; i++)
        report(self, &events[i]);
}

static enum sl_status kqueue_watch(struct sl_backend *backend, int fd)
{
    struct kqueue_backend *self = self_of(backend);
    int error =
        change(self->fd, fd, EVFILT_READ, EV_ADD, WATCHED + (uint32_t)fd);

    if (error != 0) {
        errno = error;
        return status_of(error);
    }
    self->watched_count++;
    return SL_OK;
}

static void kqueue_cancel_all(struct sl_backend *backend)
{
    sl_readiness_cancel_all(&self_of(backend)->slots);
}

static int kqueue_pollfd(struct sl_backend *backend)
{
    return self_of(backend)->fd;
}

static bool kqueue_has_pending(const struct sl_backend *backend)
{
    return ((const struct kqueue_backend *)(const void *)backend)->is_full;
}

const struct sl_backend_class sl_backend_kqueue = {
    .name = "kqueue",
    .benefit = "full",
    .rank = 1,
    .has_readiness = true,
    .tells_all = true,
    .is_present = kqueue_is_present,
    .open = kqueue_open,
    .close = kqueue_close,
    .attach = kqueue_attach,
    .detach = kqueue_detach,
    .move = kqueue_move,
    .submit = sl_readiness_submit,
    .cancel = sl_readiness_cancel,
    .cancel_all = kqueue_cancel_all,
    .wait = kqueue_wait,
    .watch = kqueue_watch,
    .pollfd = kqueue_pollfd,
    .has_pending = kqueue_has_pending,
};

static int gatherer_add(int gatherer, int fd)
{
    int error = change(gatherer, fd, EVFILT_READ, EV_ADD, 0);

    errno = error;
    return error == 0 ? 0 : -1;
}

const struct sl_gatherer sl_gatherer_kqueue = {
    .open = open_queue,
    .add = gatherer_add,
    .is_left_behind = true,
};
