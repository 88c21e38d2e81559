/* Readiness by poll(2), for systems without anything better and for proof that
 * nothing depends on edges: each wait asks for awaited directions that are not
 * known to be ready. */
#include "base/debug.h"
#include "io/backends/readiness.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* The peer's end, though bytes are before it, where poll(2) reports that. */
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

struct poll_backend {
    struct sl_backend base;
    struct sl_slots slots;  /* found by handle while results are handed out */
    struct pollfd *entries; /* room for all sockets and watched descriptors */
    uint64_t *handles;      /* whose entry it is; 0: a watched descriptor */
    size_t capacity;
    int *watched;
    size_t watched_count;
    size_t watched_capacity;
};

static struct poll_backend *self_of(struct sl_backend *backend)
{
    return (struct poll_backend *)(void *)backend;
}

static bool poll_is_present(void)
{
    return true;
}

static enum sl_status poll_open(struct sl_loop *loop,
                                struct sl_backend **backend)
{
    struct poll_backend *self =
        sl_allocate_zeroed(loop->allocator, sizeof *self);

    if (self == NULL)
        return SL_MEMORY;
    self->base.class = &sl_backend_poll;
    self->base.loop = loop;
    sl_slots_init(&self->slots, loop->allocator);
    *backend = &self->base;
    return SL_OK;
}

static void poll_close(struct sl_backend *backend)
{
    struct poll_backend *self = self_of(backend);
    struct sl_allocator *allocator = backend->loop->allocator;

    sl_slots_fini(&self->slots);
    sl_free(allocator, self->entries, self->capacity * sizeof *self->entries);
    sl_free(allocator, self->handles, self->capacity * sizeof *self->handles);
    sl_free(allocator, self->watched,
            self->watched_capacity * sizeof *self->watched);
    sl_free(allocator, self, sizeof *self);
}

/* Room for one entry more, so that a wait never allocates. */
static enum sl_status reserve_entry(struct poll_backend *self)
{
    struct sl_allocator *allocator = self->base.loop->allocator;
    size_t needed = self->slots.count + self->watched_count + 1;
    size_t capacity = self->capacity == 0 ? 16 : self->capacity * 2;
    struct pollfd *entries;
    uint64_t *handles;

    if (needed <= self->capacity)
        return SL_OK;
    entries = sl_allocate(allocator, capacity * sizeof *entries);
    if (entries == NULL)
        return SL_MEMORY;
    handles = sl_allocate(allocator, capacity * sizeof *handles);
    if (handles == NULL) {
        sl_free(allocator, entries, capacity * sizeof *entries);
        return SL_MEMORY;
    }
    sl_free(allocator, self->entries, self->capacity * sizeof *entries);
    sl_free(allocator, self->handles, self->capacity * sizeof *handles);
    self->entries = entries;
    self->handles = handles;
    self->capacity = capacity;
    return SL_OK;
}

static enum sl_status poll_attach(struct sl_backend *backend,
                                  struct sl_socket *socket)
{
    struct poll_backend *self = self_of(backend);

    if (reserve_entry(self) != SL_OK ||
        sl_slots_put(&self->slots, socket, &socket->handle) != SL_OK)
        return SL_MEMORY;
    socket->backend = backend;
    return SL_OK;
}

static void poll_detach(struct sl_backend *backend, struct sl_socket *socket)
{
    sl_slots_remove(&self_of(backend)->slots, socket->handle);
    socket->handle = 0;
    socket->backend = NULL;
}

static void poll_move(struct sl_backend *backend, struct sl_socket *socket,
                      struct sl_socket *to)
{
    *to = *socket;
    sl_slots_set(&self_of(backend)->slots, to->handle, to);
    socket->handle = 0;
    socket->backend = NULL;
    socket->fd = -1;
}

static void add_entry(struct poll_backend *self, size_t *count, int fd,
                      bool wants_in, bool wants_out, uint64_t handle)
{
    struct pollfd *entry = &self->entries[*count];

    entry->fd = fd;
    entry->events = (short)((wants_in ? POLLIN | POLLRDHUP : 0) |
                            (wants_out ? POLLOUT : 0));
    entry->revents = 0;
    self->handles[*count] = handle;
    (*count)++;
}

static size_t collect(struct poll_backend *self)
{
    size_t count = 0;

    for (size_t i = 0; i < self->watched_count; i++)
        add_entry(self, &count, self->watched[i], true, false, 0);
    for (uint32_t slot = 0; slot < self->slots.used; slot++) {
        const struct sl_socket *socket = self->slots.entries[slot].object;

        if (socket == NULL)
            continue;
        /* A direction known to be ready is not asked for again: poll(2) would
         * return at once, for ever. */
        if ((socket->wants_in && !socket->is_readable) ||
            (socket->wants_out && !socket->is_writable))
            add_entry(self, &count, socket->fd,
                      socket->wants_in && !socket->is_readable,
                      socket->wants_out && !socket->is_writable,
                      socket->handle);
    }
    return count;
}

static void poll_backend_wait(struct sl_backend *backend, int64_t timeout)
{
    struct poll_backend *self = self_of(backend);
    size_t count = collect(self);

    backend->unreported = 0;
    if (poll(self->entries, (nfds_t)count, sl_wait_milliseconds(timeout)) <= 0)
        return;
    for (size_t i = 0; i < count; i++) {
        short seen = self->entries[i].revents;
        struct sl_socket *socket;

        if (seen == 0)
            continue;
        if (self->handles[i] == 0) {
            sl_loop_woken(backend->loop, self->entries[i].fd);
            continue;
        }
        socket = sl_slots_get(&self->slots, self->handles[i]);
        if (socket == NULL) {
            backend->loop->stale_events++;
            continue;
        }
        sl_readiness_event(
            socket,
            (seen & (POLLIN | POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0,
            (seen & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) != 0,
            (seen & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0);
        /* What is reported is not asked for again. */
        if (sl_loop_is_turn_over(backend->loop)) {
            backend->unreported = count - i - 1;
            return;
        }
    }
}

static enum sl_status poll_watch(struct sl_backend *backend, int fd)
{
    struct poll_backend *self = self_of(backend);

    if (self->watched_count == self->watched_capacity) {
        size_t capacity = self->watched_capacity + 4;
        int *watched = sl_reallocate(backend->loop->allocator, self->watched,
                                     self->watched_capacity * sizeof *watched,
                                     capacity * sizeof *watched);

        if (watched == NULL)
            return SL_MEMORY;
        self->watched = watched;
        self->watched_capacity = capacity;
    }
    if (reserve_entry(self) != SL_OK)
        return SL_MEMORY;
    self->watched[self->watched_count++] = fd;
    return SL_OK;
}

static void poll_cancel_all(struct sl_backend *backend)
{
    sl_readiness_cancel_all(&self_of(backend)->slots);
}

static bool poll_has_pending(const struct sl_backend *backend)
{
    return backend->unreported > 0;
}

const struct sl_backend_class sl_backend_poll = {
    .name = "poll",
    .benefit = "none",
    .rank = 3,
    .has_readiness = true,
    .tells_all = true,
    .is_present = poll_is_present,
    .open = poll_open,
    .close = poll_close,
    .attach = poll_attach,
    .detach = poll_detach,
    .move = poll_move,
    .submit = sl_readiness_submit,
    .cancel = sl_readiness_cancel,
    .cancel_all = poll_cancel_all,
    .wait = poll_backend_wait,
    .watch = poll_watch,
    .pollfd = NULL,
    .has_pending = poll_has_pending,
};
