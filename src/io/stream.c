/* The stream transport: readiness. A call is tried when the flags say that it
 * can succeed, and answered SL_AGAIN without the kernel when they do not. While
 * idle a connection costs this struct and nothing else. */
#include "base/debug.h"
#include "io/low_water.h"
#include "io/system.h"
#include "io/backends/readiness.h"
#include "io/transport_class.h"

#include <errno.h>
#include <string.h>

#define VIEWS_AT_ONCE 16
#define ROOMS_AT_ONCE 17 /* 256 KiB behind a tail */

struct stream {
    struct sl_transport base;
    struct sl_completion ready; /* PENDING while one of `waits` is set */
    struct sl_low_water low_water;
    bool waits_to_send; /* SL_AGAIN was answered */
    bool waits_to_receive;
    bool is_watching; /* waits to receive only to learn of the end */
};

static struct stream *self_of(struct sl_transport *transport)
{
    return (struct stream *)(void *)transport;
}

/* ---- waiting ---- */

static bool can_go_on(const struct stream *self)
{
    const struct sl_socket *socket = &self->base.socket;

    return (self->waits_to_receive && socket->is_readable) ||
           (self->waits_to_send && socket->is_writable);
}

static void notify(struct sl_socket *socket)
{
    struct stream *self =
        (struct stream *)(void *)((char *)socket -
                                  offsetof(struct stream, base.socket));

    if (self->ready.state == SL_COMPLETION_PENDING && can_go_on(self))
        sl_completion_signal(&self->ready, SL_OK, 0);
}

/* Brings the completion and poll(2)'s interest in line with the flags. */
static void wait_for_flags(struct stream *self)
{
    struct sl_socket *socket = &self->base.socket;
    bool is_waiting = self->waits_to_receive || self->waits_to_send;

    socket->wants_in = self->waits_to_receive;
    socket->wants_out = self->waits_to_send;
    if (!is_waiting)
        return;
    if (self->ready.state != SL_COMPLETION_PENDING &&
        self->ready.state != SL_COMPLETION_READY)
        sl_completion_begin(&self->ready);
    sl_completion_set_background(&self->ready,
                                 self->is_watching && !self->waits_to_send);
    notify(socket);
}

/* Delivers to one direction at a time, because the call may close the
 * transport. */
static void deliver(struct sl_completion *completion)
{
    struct stream *self =
        (struct stream *)(void *)((char *)completion -
                                  offsetof(struct stream, ready));
    struct sl_transport *base = &self->base;
    void (*call)(void *) = NULL;

    if (self->waits_to_receive && base->socket.is_readable) {
        self->waits_to_receive = false;
        self->is_watching = false;
        if (base->events != NULL)
            call = base->events->can_receive;
    } else if (self->waits_to_send && base->socket.is_writable) {
        self->waits_to_send = false;
        if (base->events != NULL)
            call = base->events->can_send;
    }
    wait_for_flags(self);
    if (call != NULL)
        call(base->owner);
}

static enum sl_status wait_to_send(struct stream *self)
{
    self->waits_to_send = true;
    wait_for_flags(self);
    return SL_AGAIN;
}

static enum sl_status wait_to_receive(struct stream *self)
{
    self->waits_to_receive = true;
    self->is_watching = false;
    wait_for_flags(self);
    return SL_AGAIN;
}

static enum sl_status fail(struct stream *self, int error)
{
    if (self->base.error == 0)
        self->base.error = error;
    if (error == EFAULT)
        sl_loop_late_write(self->base.loop);
    if (error == EBADF) {
        /* Code outside sluice closed the descriptor: no event will report
         * it. */
        self->base.socket.is_readable = true;
        notify(&self->base.socket);
    }
    return SL_CLOSED;
}

/* ---- sending ---- */

static ssize_t send_views(int fd, const struct sl_view *views, size_t count,
                          size_t *size)
{
    struct iovec pieces[VIEWS_AT_ONCE];
    struct msghdr message;

    if (count == 1) {
        *size = views[0].size;
        return send(fd, views[0].data, views[0].size, SL_NO_SIGNAL);
    }
    memset(&message, 0, sizeof message);
    message.msg_iov = pieces;
    *size = 0;
    for (size_t i = 0; i < count && i < VIEWS_AT_ONCE; i++) {
        pieces[i].iov_base = (char *)(uintptr_t)views[i].data;
        pieces[i].iov_len = views[i].size;
        *size += views[i].size;
        message.msg_iovlen = SL_PIECES(i + 1);
    }
    return sendmsg(fd, &message, SL_NO_SIGNAL);
}

/* Translates a send's answer of -1. */
static enum sl_status after_failed_send(struct stream *self, int error,
                                        bool is_mapped)
{
    if (error == EFAULT && is_mapped)
        return SL_INVALID;
    if (sl_would_block(error)) {
        self->base.socket.is_writable = false;
        return wait_to_send(self);
    }
    return fail(self, error);
}

static enum sl_status send_some(struct stream *self,
                                const struct sl_view *views, size_t count,
                                size_t *sent, bool is_mapped)
{
    struct sl_transport *transport = &self->base;
    size_t size;
    ssize_t n;

    if (transport->error != 0)
        return SL_CLOSED;
    if (!transport->socket.is_writable)
        return wait_to_send(self);
    do
        n = send_views(transport->socket.fd, views, count, &size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return after_failed_send(self, errno, is_mapped);
    /* A short count means that the kernel's buffer is full. But a missing page
     * of a mapped file cuts a send short as well: the next send says which it
     * was. */
    if ((size_t)n < size && !is_mapped)
        transport->socket.is_writable = false;
    self->waits_to_send = false;
    *sent = (size_t)n;
    return SL_OK;
}

static enum sl_status stream_send(struct sl_transport *transport,
                                  const struct sl_view *views, size_t count,
                                  size_t *sent)
{
    return send_some(self_of(transport), views, count, sent, false);
}

static enum sl_status stream_send_mapped(struct sl_transport *transport,
                                         const struct sl_view *views,
                                         size_t count, size_t *sent)
{
    return send_some(self_of(transport), views, count, sent, true);
}

static enum sl_status stream_flush(struct sl_transport *transport)
{
    (void)transport;
    return SL_OK;
}

/* ---- receiving ---- */

/* Some kernels do not report bytes that have gathered already. */
static void lowered(struct sl_low_water *low_water)
{
    struct stream *self =
        (struct stream *)(void *)((char *)low_water -
                                  offsetof(struct stream, low_water));

    self->base.socket.is_readable = true;
    notify(&self->base.socket);
}

static bool stream_expect(struct sl_transport *transport, size_t bytes)
{
    struct sl_low_water *low_water = &self_of(transport)->low_water;
    const struct sl_low_water_socket socket = {transport->loop,
                                               transport->socket.fd, lowered};

    sl_low_water_expect(low_water, &socket, bytes);
    return sl_low_water_is_raised(low_water);
}

/* Rooms that lie side by side become one piece. Returns their count. */
static size_t join_rooms(const struct sl_room *rooms, size_t count,
                         struct iovec *pieces, size_t *size)
{
    const char *end = NULL;
    size_t joined = 0;

    *size = 0;
    for (size_t i = 0; i < count; i++) {
        if (rooms[i].data != end)
            pieces[joined++] = (struct iovec){rooms[i].data, 0};
        pieces[joined - 1].iov_len += rooms[i].size;
        end = rooms[i].data + rooms[i].size;
        *size += rooms[i].size;
    }
    return joined;
}

static ssize_t receive_into(int fd, const struct sl_room *rooms, size_t count,
                            size_t *size)
{
    struct iovec pieces[ROOMS_AT_ONCE];
    struct msghdr message;

    count = join_rooms(rooms, count, pieces, size);
    if (count == 1)
        return recv(fd, pieces[0].iov_base, pieces[0].iov_len, 0);
    memset(&message, 0, sizeof message);
    message.msg_iov = pieces;
    message.msg_iovlen = SL_PIECES(count);
    return recvmsg(fd, &message, 0);
}

/* The end, unless a send has already taken the reset that it stands for. */
static enum sl_status end_of(const struct stream *self)
{
    if (self->base.error != 0 && self->base.error != EPIPE)
        return SL_CLOSED;
    return SL_END;
}

/* The pool rounds up; bytes after `want` are not for this buffer. */
static void limit_rooms(struct sl_room *rooms, size_t count, size_t want)
{
    for (size_t i = 0; i < count; i++) {
        if (rooms[i].size > want)
            rooms[i].size = want;
        want -= rooms[i].size;
    }
}

static enum sl_status stream_receive(struct sl_transport *transport,
                                     struct sl_buffer *buffer, size_t want,
                                     size_t *received)
{
    struct stream *self = self_of(transport);
    struct sl_socket *socket = &transport->socket;
    struct sl_room rooms[ROOMS_AT_ONCE];
    size_t count = ROOMS_AT_ONCE;
    size_t size;
    ssize_t n;
    int error;
    enum sl_status status;

    if (!socket->is_readable)
        return wait_to_receive(self);
    status = sl_buffer_reserve_many(buffer, want, rooms, &count);
    if (status != SL_OK)
        return status;
    limit_rooms(rooms, count, want);
    do
        n = receive_into(socket->fd, rooms, count, &size);
    while (n < 0 && errno == EINTR);
    error = errno;
    sl_buffer_commit(buffer, n > 0 ? (size_t)n : 0);
    if (n < 0 && sl_would_block(error)) {
        socket->is_readable = false;
        return wait_to_receive(self);
    }
    self->waits_to_receive = false;
    if (n < 0)
        return fail(self, error);
    if (n == 0)
        return end_of(self);
    /* Less than there was room for means drained: the next edge reports more. A
     * hang-up had its edge already, so the way to it is walked by calls; the
     * same holds for bytes behind an urgent byte, before which a receive
     * ends. */
    sl_low_water_note(&self->low_water, (size_t)n == size);
    if ((size_t)n < size && !socket->has_mark)
        transport->drained_at = transport->loop->now;
    socket->is_readable =
        (size_t)n == size || socket->is_hung_up || socket->has_mark;
    *received = (size_t)n;
    return SL_OK;
}

static enum sl_status stream_watch(struct sl_transport *transport)
{
    struct stream *self = self_of(transport);

    if (transport->socket.is_readable) {
        if (!sl_socket_is_quiet(transport->socket.fd))
            return SL_OK;
        transport->socket.is_readable = false;
        transport->drained_at = transport->loop->now;
    }
    self->waits_to_receive = true;
    self->is_watching = true;
    wait_for_flags(self);
    return SL_AGAIN;
}

static bool stream_is_quiet(struct sl_transport *transport)
{
    struct sl_socket *socket = &transport->socket;
    int64_t now = transport->loop->now;
    bool is_told;

    if (socket->is_readable)
        is_told = false;
    else if (now - transport->drained_at <= SL_GLANCE)
        is_told = true;
    else
        is_told = self_of(transport)->waits_to_receive &&
                  sl_backend_look(socket->backend, transport->drained_at,
                                  transport->watched_at);
    if (transport->error != 0 || socket->is_hung_up)
        return false;
    if (is_told && !socket->is_readable)
        return true;
    socket->is_readable = !sl_socket_is_quiet(socket->fd);
    if (!socket->is_readable)
        transport->drained_at = now;
    return !socket->is_readable;
}

static bool stream_has_arrived(struct sl_transport *transport)
{
    return transport->socket.is_readable ||
           !sl_socket_is_quiet(transport->socket.fd);
}

static void stream_unwait(struct sl_transport *transport,
                          enum sl_transport_direction direction)
{
    struct stream *self = self_of(transport);

    if (direction == SL_TRANSPORT_SENDING)
        self->waits_to_send = false;
    else
        self->waits_to_receive = self->is_watching = false;
    wait_for_flags(self);
    if (!self->waits_to_send && !self->waits_to_receive)
        sl_completion_fini(&self->ready);
}

/* ---- a life ---- */

static enum sl_status stream_create(struct sl_loop *loop, struct sl_pool *pool,
                                    struct sl_socket *socket,
                                    struct sl_transport **transport)
{
    struct stream *self = sl_cells_rent(&loop->cells, sizeof *self);
    struct sl_socket *own;

    (void)pool; /* nothing is kept */
    if (self == NULL)
        return SL_MEMORY;
    own = &self->base.socket;
    socket->backend->class->move(socket->backend, socket, own);
    own->notify = notify;
    /* Just connected: there is room to send. */
    own->is_writable = true;
    self->base.class = &sl_transport_stream;
    self->base.loop = loop;
    self->base.drained_at = loop->now;
    sl_completion_init(&self->ready, loop, deliver);
    sl_low_water_init(&self->low_water);
    *transport = &self->base;
    return SL_OK;
}

static void stream_close(struct sl_transport *transport, bool is_abort)
{
    struct stream *self = self_of(transport);
    struct sl_loop *loop = transport->loop;

    sl_low_water_fini(&self->low_water);
    sl_completion_fini(&self->ready);
    sl_socket_close(loop, &transport->socket, is_abort);
    sl_cells_return(&loop->cells, self, sizeof *self);
}

const struct sl_transport_class sl_transport_stream = {
    .mode = SL_TRANSPORT_STREAM,
    .create = stream_create,
    .send = stream_send,
    .send_mapped = stream_send_mapped,
    .flush = stream_flush,
    .receive = stream_receive,
    .watch = stream_watch,
    .expect = stream_expect,
    .is_quiet = stream_is_quiet,
    .has_arrived = stream_has_arrived,
    .unwait = stream_unwait,
    .close = stream_close,
};
