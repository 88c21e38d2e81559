/* io/transport_class.h - what the kinds of transport have in common
 *
 * For io/ only: transport.c calls through the table, stream.c and submitted.c
 * fill it.
 */
#ifndef SL_IO_TRANSPORT_CLASS_H
#define SL_IO_TRANSPORT_CLASS_H

#include "io/backend.h"
#include "io/transport.h"

/* The functions of transport.h by these names. */
struct sl_transport_class {
    enum sl_transport_mode mode;
    /* Moves `socket`, attached and connected, into a new transport. SL_MEMORY
     * leaves it alone. */
    enum sl_status (*create)(struct sl_loop *loop, struct sl_pool *pool,
                             struct sl_socket *socket,
                             struct sl_transport **transport);
    enum sl_status (*send)(struct sl_transport *transport,
                           const struct sl_view *views, size_t count,
                           size_t *sent);
    /* NULL: the transport copies what it sends. */
    enum sl_status (*send_mapped)(struct sl_transport *transport,
                                  const struct sl_view *views, size_t count,
                                  size_t *sent);
    /* NULL: bytes that cannot be sent at once cannot be kept either. */
    bool (*send_last)(struct sl_transport *transport, struct sl_view bytes);
    enum sl_status (*flush)(struct sl_transport *transport);
    enum sl_status (*receive)(struct sl_transport *transport,
                              struct sl_buffer *buffer, size_t want,
                              size_t *received);
    enum sl_status (*watch)(struct sl_transport *transport);
    bool (*expect)(struct sl_transport *transport, size_t bytes);
    bool (*is_quiet)(struct sl_transport *transport);
    bool (*has_arrived)(struct sl_transport *transport);
    void (*unwait)(struct sl_transport *transport,
                   enum sl_transport_direction direction);
    void (*close)(struct sl_transport *transport, bool is_abort);
};

struct sl_transport {
    const struct sl_transport_class *class;
    struct sl_loop *loop;
    const struct sl_transport_events *events;
    void *owner;
    struct sl_socket socket;
    int64_t drained_at; /* all bytes until then were taken; 0: never */
    int64_t watched_at; /* since then events have a receiver */
    int error;          /* errno of the first failure; 0: none */
};

extern const struct sl_transport_class sl_transport_stream;
extern const struct sl_transport_class sl_transport_submitted;

/* Makes a transport of an attached, connected stream socket, with blocks of
 * `pool`. On success `socket` is empty, else it is still the caller's.
 * SL_MEMORY; SL_UNSUPPORTED: not in this mode. */
enum sl_status sl_transport_from_socket(struct sl_loop *loop,
                                        struct sl_pool *pool,
                                        enum sl_transport_mode mode,
                                        struct sl_socket *socket,
                                        struct sl_transport **transport);

/* Detaches a socket if attached, and closes it, by a reset if `is_abort`; the
 * loop no longer counts it. */
void sl_socket_close(struct sl_loop *loop, struct sl_socket *socket,
                     bool is_abort);

/* Queries the kernel, without taking anything: open, and nothing to read. */
bool sl_socket_is_quiet(int fd);

#endif
