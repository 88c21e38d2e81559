#include "io/transport.h"

#include "base/debug.h"
#include "io/transport_class.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

void sl_socket_close(struct sl_loop *loop, struct sl_socket *socket,
                     bool is_abort)
{
    int fd = socket->fd;
    bool is_forked = sl_loop_is_forked(loop);

    if (fd < 0)
        return;
    /* Operations in flight are the parent's, and so is the descriptor's
     * file. */
    if (is_forked)
        socket->receiving = socket->sending = NULL;
    /* A closed loop has no backends any more. */
    if (socket->backend != NULL && loop->backend_count > 0)
        socket->backend->class->detach(socket->backend, socket);
    socket->fd = -1;
    if (is_abort && !is_forked) {
        struct linger linger = {1, 0};

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(fd);
    loop->descriptors--;
}

bool sl_socket_is_quiet(int fd)
{
    char byte;
    ssize_t n;

    do
        n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

enum sl_status sl_transport_from_socket(struct sl_loop *loop,
                                        struct sl_pool *pool,
                                        enum sl_transport_mode mode,
                                        struct sl_socket *socket,
                                        struct sl_transport **transport)
{
    int yes = 1;

    if (mode == SL_TRANSPORT_STREAM && !socket->backend->class->has_readiness)
        return SL_UNSUPPORTED;
    /* Small requests must not wait for an acknowledgement; a unix socket does
     * not have the option. */
    setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (mode == SL_TRANSPORT_STREAM)
        return sl_transport_stream.create(loop, pool, socket, transport);
    return sl_transport_submitted.create(loop, pool, socket, transport);
}

void sl_transport_bind(struct sl_transport *transport,
                       const struct sl_transport_events *events, void *owner)
{
    transport->events = events;
    transport->owner = owner;
}

enum sl_status sl_transport_send(struct sl_transport *transport,
                                 const struct sl_view *views, size_t count,
                                 size_t *sent)
{
    return transport->class->send(transport, views, count, sent);
}

enum sl_status sl_transport_send_mapped(struct sl_transport *transport,
                                        const struct sl_view *views,
                                        size_t count, size_t *sent)
{
    return transport->class->send_mapped(transport, views, count, sent);
}

bool sl_transport_can_map(const struct sl_transport *transport)
{
    return transport->class->send_mapped != NULL;
}

bool sl_transport_send_last(struct sl_transport *transport,
                            struct sl_view bytes)
{
    return transport->class->send_last != NULL &&
           transport->class->send_last(transport, bytes);
}

enum sl_status sl_transport_flush(struct sl_transport *transport)
{
    return transport->class->flush(transport);
}

enum sl_status sl_transport_receive(struct sl_transport *transport,
                                    struct sl_buffer *buffer, size_t want,
                                    size_t *received)
{
    return transport->class->receive(transport, buffer, want, received);
}

enum sl_status sl_transport_watch(struct sl_transport *transport)
{
    transport->watched_at = transport->loop->now;
    return transport->class->watch(transport);
}

bool sl_transport_expect(struct sl_transport *transport, size_t bytes)
{
    return transport->class->expect(transport, bytes);
}

bool sl_transport_is_quiet(struct sl_transport *transport)
{
    return transport->class->is_quiet(transport);
}

bool sl_transport_has_arrived(struct sl_transport *transport)
{
    return transport->class->has_arrived(transport);
}

void sl_transport_unwait(struct sl_transport *transport,
                         enum sl_transport_direction direction)
{
    transport->class->unwait(transport, direction);
}

void sl_transport_close(struct sl_transport *transport)
{
    transport->class->close(transport, false);
}

void sl_transport_abort(struct sl_transport *transport)
{
    transport->class->close(transport, true);
}

bool sl_transport_is_forked(const struct sl_transport *transport)
{
    return sl_loop_is_forked(transport->loop);
}

int sl_transport_error(const struct sl_transport *transport)
{
    return transport->error;
}
