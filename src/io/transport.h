/* io/transport.h - a connected byte stream: two operations, one per direction
 *
 * in:  a socket from io/connect.c    out: conn/link.c
 *
 * Both kinds answer alike: a call does what it can at once; SL_AGAIN means that
 * `can_send` or `can_receive` will be called from the loop, and that the same
 * call should then be made again.
 *
 *   stream       readiness: try first, wait only when it would block; scatters
 *                and gathers where the bytes lie; no buffers of its own
 *   completion   operations submitted with lent memory: 8 KiB per direction
 *                that live as long as the transport, or segments for large
 *                receives
 */
#ifndef SL_IO_TRANSPORT_H
#define SL_IO_TRANSPORT_H

#include "base/view.h"
#include "io/loop.h"
#include "memory/buffer.h"

#include <sys/types.h>

enum sl_transport_mode { SL_TRANSPORT_STREAM, SL_TRANSPORT_COMPLETION };
enum sl_transport_direction { SL_TRANSPORT_SENDING, SL_TRANSPORT_RECEIVING };

#define SL_TRANSPORT_BUFFER_SIZE ((size_t)8 * 1024)

struct sl_transport;

/* Called from the loop, at most once per SL_AGAIN. May close the transport. */
struct sl_transport_events {
    void (*can_send)(void *owner);
    void (*can_receive)(void *owner);
};

/* Sets the receiver of events from now on. NULL events: none. */
void sl_transport_bind(struct sl_transport *transport,
                       const struct sl_transport_events *events, void *owner);

/* Sends from the front of `views`; `*sent` > 0 with SL_OK, perhaps not all.
 * SL_AGAIN: see above. SL_CLOSED: sl_transport_error has the errno. */
enum sl_status sl_transport_send(struct sl_transport *transport,
                                 const struct sl_view *views, size_t count,
                                 size_t *sent);
/* The same for views of which some are of a mapped file: the kernel cannot read
 * them where the file has shrunk. SL_INVALID: this is so at the first byte, and
 * the transport is as it was. Only where sl_transport_can_map. */
enum sl_status sl_transport_send_mapped(struct sl_transport *transport,
                                        const struct sl_view *views,
                                        size_t count, size_t *sent);
/* Whether it sends from where the bytes lie, so that only the kernel reads
 * them. */
bool sl_transport_can_map(const struct sl_transport *transport);
/* Adds a few bytes behind a send under way, right before an orderly close,
 * where send answered SL_AGAIN. False: there is no room for them. */
bool sl_transport_send_last(struct sl_transport *transport,
                            struct sl_view bytes);
/* SL_OK: the kernel has all that send took. SL_AGAIN: until `can_send`;
 * SL_CLOSED. */
enum sl_status sl_transport_flush(struct sl_transport *transport);

/* Receives at most `want` bytes into the tail of `buffer`. SL_OK with
 * `*received` > 0; SL_AGAIN; SL_END: the peer will send no more; SL_CLOSED;
 * SL_MEMORY, SL_LIMIT from the buffer. */
enum sl_status sl_transport_receive(struct sl_transport *transport,
                                    struct sl_buffer *buffer, size_t want,
                                    size_t *received);

/* Asks for `can_receive` without a receive: an idle connection learns that its
 * peer is gone. SL_AGAIN, or SL_OK when there already is something. */
enum sl_status sl_transport_watch(struct sl_transport *transport);

/* At least `bytes` more will arrive: wake-ups may wait for a part of them. 0:
 * no longer. Whether they do, so that there is more than usual to receive. */
bool sl_transport_expect(struct sl_transport *transport, size_t bytes);

/* Whether the transport is connected with nothing to read, without blocking.
 * True as of SL_GLANCE (0.3 ms) ago by the loop's clock: refresh it before. If
 * nothing was received since then the kernel is queried, for all transports at
 * once where the backend can. A transport that is not quiet can be received
 * from now, if the bytes can be seen. */
bool sl_transport_is_quiet(struct sl_transport *transport);

/* Whether bytes or the end have arrived, perhaps not reported yet. */
bool sl_transport_has_arrived(struct sl_transport *transport);

/* The direction has no waiter after SL_AGAIN any more: it is not notified.
 * Operations in flight go on behind, and are no operations of the loop's. */
void sl_transport_unwait(struct sl_transport *transport,
                         enum sl_transport_direction direction);

/* Closes and frees it. Close is orderly; abort resets. Memory that the kernel
 * may still touch stays until its completion; no callback runs any more. */
void sl_transport_close(struct sl_transport *transport);
void sl_transport_abort(struct sl_transport *transport);

/* Whether this is a child of fork: the connection is the parent's, and may only
 * be closed here. */
bool sl_transport_is_forked(const struct sl_transport *transport);

int sl_transport_error(const struct sl_transport *transport);

#endif
