/* Operations that go to the kernel. Operations submitted while delivering go
 * there with the next wait, all at once; results are read from shared memory.
 * An operation is found by slot and generation, never by its address: a
 * completion for a retired operation finds nothing. */
#include "base/debug.h"
#include "io/backend.h"
#include "io/backends/slots.h"
#include "io/backends/uring_buffers.h"
#include "io/backends/uring_ring.h"
#include "io/backends/watched.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* The pause between two calls that the kernel refuses for want of memory. */
#define REFUSED_PAUSE SL_MILLISECOND

/* The entry of a watched descriptor, and one whose result is not needed: no
 * slot has this number. */
#define WATCHED ((uint64_t)UINT32_MAX << 32)
#define UNASKED (WATCHED | UINT32_MAX)

struct uring_backend {
    struct sl_backend base;
    struct sl_slots slots; /* operations in flight */
    struct sl_uring_buffers buffers;
    struct sl_uring_ring ring;
    struct sl_watched watched;
    bool is_armed[SL_WATCHED_MOST]; /* its poll is in the ring, or on its way */
    bool owes_cancels;              /* some cancels had no entry */
};

static struct uring_backend *self_of(struct sl_backend *backend)
{
    return (struct uring_backend *)(void *)backend;
}

static bool uring_is_present(void)
{
    struct sl_uring_ring ring;
    int error = sl_uring_ring_open(&ring);

    if (error == 0)
        sl_uring_ring_close(&ring);
    /* A missing descriptor: that passes, and the kernel asks for one only when
     * it would grant the ring. Want of memory is mostly a limit. */
    return error == 0 || error == EMFILE || error == ENFILE;
}

static enum sl_status uring_open(struct sl_loop *loop,
                                 struct sl_backend **backend)
{
    struct uring_backend *self =
        sl_allocate_zeroed(loop->allocator, sizeof *self);
    int error;

    if (self == NULL)
        return SL_MEMORY;
    error = sl_uring_ring_open(&self->ring);
    if (error != 0) {
        sl_free(loop->allocator, self, sizeof *self);
        errno = error;
        return error == EMFILE || error == ENFILE ? SL_LIMIT : SL_UNSUPPORTED;
    }
    self->base.class = &sl_backend_uring;
    self->base.loop = loop;
    sl_slots_init(&self->slots, loop->allocator);
    sl_uring_buffers_init(&self->buffers, &self->ring.kernel, loop->pool);
    *backend = &self->base;
    return SL_OK;
}

static void uring_close(struct sl_backend *backend)
{
    struct uring_backend *self = self_of(backend);

    sl_uring_ring_close(&self->ring);
    sl_uring_buffers_fini(&self->buffers);
    sl_slots_fini(&self->slots);
    sl_free(backend->loop->allocator, self, sizeof *self);
}

static void prepare(struct uring_backend *self, struct io_uring_sqe *entry,
                    struct sl_operation *operation)
{
    int fd = operation->socket->fd;
    struct iovec *first = operation->message.msg_iov;

    if (operation->takes_provided)
        operation->takes_provided = sl_uring_buffers_begin(&self->buffers);
    if (operation->kind == SL_OPERATION_CONNECT)
        io_uring_prep_connect(entry, fd, operation->address,
                              operation->address_size);
    else if (operation->kind == SL_OPERATION_SEND)
        io_uring_prep_send(entry, fd, first->iov_base, first->iov_len,
                           MSG_NOSIGNAL);
    else if (operation->takes_provided)
        sl_uring_buffers_prepare(entry, fd);
    else if (operation->message.msg_iovlen == 1)
        io_uring_prep_recv(entry, fd, first->iov_base, first->iov_len, 0);
    else
        io_uring_prep_recvmsg(entry, fd, &operation->message, 0);
    /* As old as the best way of setting up: older kernels refuse it. */
    if (operation->waits_first && sl_uring_ring_is_deferred(&self->ring))
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(entry, operation->own.uring.handle);
}

static struct sl_operation **place_of(struct sl_operation *operation)
{
    struct sl_socket *socket = operation->socket;

    return operation->kind == SL_OPERATION_RECEIVE ? &socket->receiving
                                                   : &socket->sending;
}

static bool uring_can_provide(struct sl_backend *backend)
{
    return sl_uring_buffers_are_open(&self_of(backend)->buffers);
}

static enum sl_status outcome(const struct sl_operation *operation, int result)
{
    if (result > 0)
        return SL_OK;
    if (result == 0)
        return operation->kind == SL_OPERATION_RECEIVE ? SL_END : SL_OK;
    if (result == -ECANCELED && operation->is_cancelling)
        return SL_CANCELLED;
    return operation->kind == SL_OPERATION_CONNECT ? SL_CONNECT : SL_CLOSED;
}

/* 0 or errno. */
static int hand_in(struct uring_backend *self, struct sl_operation *operation)
{
    struct io_uring_sqe *entry;

    sl_assert(*place_of(operation) == NULL);
    operation->is_cancelling = operation->own.uring.is_cancel_due = false;
    if (self->ring.broken != 0)
        return self->ring.broken;
    if (sl_slots_put(&self->slots, operation, &operation->own.uring.handle) !=
        SL_OK)
        return ENOMEM;
    entry = sl_uring_ring_entry(&self->ring);
    if (entry == NULL) {
        sl_slots_remove(&self->slots, operation->own.uring.handle);
        return self->ring.refusal;
    }
    prepare(self, entry, operation);
    *place_of(operation) = operation;
    self->base.in_flight++;
    return 0;
}

static void uring_submit(struct sl_backend *backend,
                         struct sl_operation *operation)
{
    int error = hand_in(self_of(backend), operation);

    if (error == 0)
        return;
    operation->completion.system_error = error;
    sl_completion_finish(&operation->completion, outcome(operation, -error), 0);
}

static void hand_in_cancel(struct uring_backend *self,
                           struct sl_operation *operation)
{
    struct io_uring_sqe *entry = sl_uring_ring_entry(&self->ring);

    sl_loop_tell_host(self->base.loop);
    operation->own.uring.is_cancel_due = entry == NULL;
    if (entry == NULL) {
        self->owes_cancels = true;
        return;
    }
    io_uring_prep_cancel64(entry, operation->own.uring.handle, 0);
    io_uring_sqe_set_data64(entry, UNASKED);
}

static void uring_cancel(struct sl_backend *backend,
                         struct sl_operation *operation)
{
    if (operation->is_cancelling || *place_of(operation) != operation)
        return;
    operation->is_cancelling = true;
    hand_in_cancel(self_of(backend), operation);
}

/* Submits cancels for which there was no entry before. */
static void pay_cancels(struct uring_backend *self)
{
    const struct sl_slots *slots = &self->slots;

    self->owes_cancels = false;
    for (uint32_t slot = 0; slot < slots->used; slot++) {
        struct sl_operation *operation = slots->entries[slot].object;

        if (operation != NULL && operation->own.uring.is_cancel_due)
            hand_in_cancel(self, operation);
    }
}

static void uring_cancel_all(struct sl_backend *backend)
{
    const struct sl_slots *slots = &self_of(backend)->slots;

    for (uint32_t slot = 0; slot < slots->used; slot++) {
        if (slots->entries[slot].object != NULL)
            uring_cancel(backend, slots->entries[slot].object);
    }
}

/* Whether a result does not end the operation: it was interrupted, or others
 * have taken all runs to choose from, so that it goes before them the next
 * time. A unix socket whose backlog is full answers EAGAIN to a connect, which
 * is an end. */
static bool is_to_be_repeated(const struct sl_operation *operation, int result)
{
    return result == -EINTR ||
           (result == -EAGAIN && operation->kind != SL_OPERATION_CONNECT) ||
           (result == -ENOBUFS && operation->takes_provided);
}

/* The one place where an operation leaves the kernel's hands. */
static void retire(struct uring_backend *self, struct sl_operation *operation,
                   const struct io_uring_cqe *entry)
{
    struct sl_completion *completion = &operation->completion;
    int result = entry->res;

    sl_slots_remove(&self->slots, operation->own.uring.handle);
    operation->own.uring.handle = 0;
    *place_of(operation) = NULL;
    self->base.in_flight--;
    if (operation->takes_provided)
        operation->provided = sl_uring_buffers_end(&self->buffers, entry);
    if (is_to_be_repeated(operation, result)) {
        /* Unless it was asked to end. */
        result =
            operation->is_cancelling ? -ECANCELED : -hand_in(self, operation);
        if (result == 0)
            return;
    }
    /* Its call was made in the wait that brought it here; with another set-up
     * it may have been made long ago. */
    operation->tried_at = (entry->flags & IORING_CQE_F_SOCK_NONEMPTY) == 0 &&
                                  sl_uring_ring_is_deferred(&self->ring)
                              ? sl_clock_now()
                              : 0;
    completion->system_error = result < 0 ? -result : 0;
    sl_completion_signal(completion, outcome(operation, result),
                         result > 0 ? (size_t)result : 0);
}

/* One shot: it looks when it is armed, so that a descriptor that is still
 * readable is reported again. Many shots would report only new events. */
static void arm_watch(struct uring_backend *self, size_t place)
{
    struct io_uring_sqe *entry = sl_uring_ring_entry(&self->ring);
    int fd = self->watched.fds[place];

    self->is_armed[place] = entry != NULL;
    if (entry == NULL)
        return;
    io_uring_prep_poll_add(entry, fd, POLLIN);
    io_uring_sqe_set_data64(entry, WATCHED | (uint32_t)fd);
}

/* Arms the watches. False: the queue is full, and a wait might miss
 * something. */
static bool arm_watches(struct uring_backend *self)
{
    bool is_armed = true;

    for (size_t i = 0; i < self->watched.count; i++) {
        if (!self->is_armed[i])
            arm_watch(self, i);
        is_armed = is_armed && self->is_armed[i];
    }
    return is_armed;
}

static void watch_told(struct uring_backend *self, int fd)
{
    for (size_t i = 0; i < self->watched.count; i++) {
        if (self->watched.fds[i] == fd)
            self->is_armed[i] = false;
    }
    sl_loop_woken(self->base.loop, fd);
}

static void take_entry(struct uring_backend *self,
                       const struct io_uring_cqe *entry)
{
    uint64_t handle = entry->user_data;
    struct sl_operation *operation;

    if (entry->res == -EFAULT)
        sl_loop_late_write(self->base.loop);
    if (handle == UNASKED)
        return;
    if (handle >= WATCHED) {
        watch_told(self, (int)(uint32_t)handle);
        return;
    }
    operation = sl_slots_get(&self->slots, handle);
    if (operation == NULL)
        self->base.loop->stale_events++;
    else
        retire(self, operation, entry);
}

static void take_entries(struct uring_backend *self)
{
    struct io_uring_cqe *entry;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&self->ring.kernel, head, entry)
    {
        take_entry(self, entry);
        count++;
        if (sl_loop_is_turn_over(self->base.loop))
            break;
    }
    io_uring_cq_advance(&self->ring.kernel, count);
}

/* ---- waiting ---- */

/* Waits for everything but the ring. */
static void wait_without_ring(struct uring_backend *self, int64_t timeout)
{
    sl_watched_wait(&self->watched, self->base.loop, timeout);
}

/* Acts on a call's result. Want of memory may pass: the call is tried again,
 * but not without a pause. Another thread than the ring's is refused, and
 * closes the loop or only looks, from a finaliser. Any other error ends the
 * ring: code outside sluice has closed its descriptor, or a filter refuses the
 * call. */
static void take_result(struct uring_backend *self, int error, int64_t timeout)
{
    switch (error) {
    case 0:
    case EINTR:
    case ETIME:
        return;
    case EAGAIN:
    case EBUSY:
    case ENOMEM:
        if (timeout > 0)
            wait_without_ring(self, timeout < REFUSED_PAUSE ? timeout
                                                            : REFUSED_PAUSE);
        return;
    case EEXIST:
        if (!self->base.loop->is_closing)
            return;
        break;
    default:
        break;
    }
    sl_uring_ring_break(&self->ring, error);
}

/* With deferred task work the kernel touches lent memory only within the calls
 * of the ring's own thread. There will be none, so that each operation is over.
 * With another set-up they stay in flight, and their memory stays lent. */
static void give_up(struct uring_backend *self)
{
    const struct sl_slots *slots = &self->slots;

    self->base.unreported = 0;
    if (!sl_uring_ring_is_deferred(&self->ring))
        return;
    for (uint32_t slot = 0; slot < slots->used; slot++) {
        struct sl_operation *operation = slots->entries[slot].object;
        struct io_uring_cqe entry;

        if (operation == NULL)
            continue;
        memset(&entry, 0, sizeof entry);
        entry.res = operation->is_cancelling ? -ECANCELED : -self->ring.broken;
        retire(self, operation, &entry);
    }
}

/* The kernel does some twenty pieces of its work for us with each call, oldest
 * first, and at least one: after as many calls as there are operations, all
 * work that was there at first is done. */
static void note_reported(struct uring_backend *self, size_t expected)
{
    struct sl_backend *backend = &self->base;
    bool has_more = sl_uring_ring_has_work(&self->ring) ||
                    io_uring_cq_ready(&self->ring.kernel) > 0;

    if (backend->unreported == 0)
        backend->unreported = expected;
    backend->unreported =
        has_more && backend->unreported > 0 ? backend->unreported - 1 : 0;
}

static void uring_wait(struct sl_backend *backend, int64_t timeout)
{
    struct uring_backend *self = self_of(backend);
    size_t expected = backend->in_flight + self->watched.count;

    if (self->ring.broken != 0) {
        wait_without_ring(self, timeout);
        take_entries(self); /* what the kernel did all the same */
        return;
    }
    if (self->owes_cancels)
        pay_cancels(self);
    if (!arm_watches(self) || self->owes_cancels)
        timeout = 0;
    take_result(self, sl_uring_ring_enter(&self->ring, timeout), timeout);
    sl_uring_ring_take_event(&self->ring);
    take_entries(self);
    note_reported(self, expected);
    if (self->ring.broken != 0)
        give_up(self);
}

static bool uring_has_pending(const struct sl_backend *backend)
{
    const struct uring_backend *self =
        (const struct uring_backend *)(const void *)backend;

    return self->ring.broken == 0 && sl_uring_ring_has_pending(&self->ring);
}

static void uring_settle(struct sl_backend *backend)
{
    do {
        if (!uring_has_pending(backend))
            backend->unreported = 0;
        else
            uring_wait(backend, 0);
    } while (backend->unreported > 0);
}

static enum sl_status uring_watch(struct sl_backend *backend, int fd)
{
    struct uring_backend *self = self_of(backend);
    size_t place = self->watched.count;

    if (sl_watched_add(&self->watched, fd) != SL_OK)
        return SL_LIMIT;
    arm_watch(self, place);
    if (!self->is_armed[place]) {
        sl_watched_drop(&self->watched);
        errno = EBUSY;
        return SL_LIMIT;
    }
    return SL_OK;
}

static int uring_pollfd(struct sl_backend *backend)
{
    return sl_uring_ring_event(&self_of(backend)->ring);
}

const struct sl_backend_class sl_backend_uring = {
    .name = "io_uring",
    .benefit = "full",
    .rank = 2,
    .has_readiness = false,
    .tells_all = true,
    .is_present = uring_is_present,
    .open = uring_open,
    .close = uring_close,
    .attach = sl_socket_attach,
    .detach = sl_socket_detach,
    .move = sl_socket_move,
    .submit = uring_submit,
    .can_provide = uring_can_provide,
    .cancel = uring_cancel,
    .cancel_all = uring_cancel_all,
    .settle = uring_settle,
    .wait = uring_wait,
    .watch = uring_watch,
    .pollfd = uring_pollfd,
    .has_pending = uring_has_pending,
};
