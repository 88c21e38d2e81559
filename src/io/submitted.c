/* The completion transport: operations submitted with lent memory.
 *
 *   send      views -> 8 KiB block -> kernel       what did not fit: next piece
 *   receive   kernel -> 8 KiB block -> buffer       small ones, copied
 *             kernel -> segments => buffer          large ones, linked
 *
 * The segments are lent with the operation, or the backend's until it has
 * bytes. Both blocks are rented with the transport and live as long. Whatever
 * is lent stays pinned until its operation's own completion; closed while
 * something is in flight, the transport lives on until the last of them. */
#include "base/debug.h"
#include "io/lent.h"
#include "io/low_water.h"
#include "io/backends/readiness.h"
#include "io/transport_class.h"

#include <errno.h>
#include <string.h>

/* An orderly close waits this long for accepted bytes to leave: as long as a
 * peer may be silent. */
#define LINGER (30 * SL_SECOND)

struct submitted {
    struct sl_transport base;
    struct sl_operation sending;
    struct sl_operation receiving;
    struct iovec send_piece; /* what of the block is still to be sent */
    size_t appended;         /* behind that, as the last */
    struct sl_segment *send_block;
    struct sl_lent lent; /* to `receiving`, and bytes that arrived */
    size_t expected;
    struct sl_low_water low_water;
    struct sl_timer linger;
    enum sl_status outcome; /* of receiving: SL_OK until the end or a failure */
    bool waits_to_send;     /* SL_AGAIN was answered */
    bool waits_to_receive;
    bool sends_behind; /* the send under way has no waiter */
    bool is_closed;
};

static struct submitted *self_of(struct sl_transport *transport)
{
    return (struct submitted *)(void *)transport;
}

static bool is_in_flight(const struct sl_operation *operation)
{
    return operation->completion.state == SL_COMPLETION_PENDING;
}

/* In flight, or over but not delivered yet. */
static bool is_busy(const struct sl_operation *operation)
{
    return operation->completion.state == SL_COMPLETION_PENDING ||
           operation->completion.state == SL_COMPLETION_READY;
}

static void submit(struct submitted *self, struct sl_operation *operation)
{
    struct sl_backend *backend = self->base.socket.backend;

    sl_completion_begin(&operation->completion);
    backend->class->submit(backend, operation);
}

static void keep_error(struct submitted *self,
                       const struct sl_completion *completion)
{
    if (self->base.error == 0)
        self->base.error = completion->system_error != 0
                               ? completion->system_error
                               : ECANCELED;
}

/* ---- memory lent ---- */

static bool can_provide(const struct submitted *self)
{
    struct sl_backend *backend = self->base.socket.backend;

    return backend->class->can_provide != NULL &&
           backend->class->can_provide(backend);
}

/* `pool` is that of the buffer which the segments are for. */
static void lend(struct submitted *self, struct sl_pool *pool, size_t want)
{
    bool is_large = want > SL_TRANSPORT_BUFFER_SIZE &&
                    (self->low_water.is_flowing ||
                     self->expected > SL_TRANSPORT_BUFFER_SIZE);
    bool is_provided =
        is_large && pool == self->base.loop->pool && can_provide(self);

    sl_lent_begin(&self->lent, &self->receiving, pool, is_large ? want : 0,
                  is_provided);
    /* As an edge would: after less than there was room for, all is drained. */
    self->receiving.waits_first =
        sl_low_water_is_raised(&self->low_water) && !self->low_water.is_flowing;
}

/* ---- closing ---- */

static void let_go(struct submitted *self)
{
    struct sl_loop *loop = self->base.loop;

    sl_timer_disarm(&loop->timers, &self->linger);
    sl_low_water_fini(&self->low_water);
    sl_completion_fini(&self->sending.completion);
    sl_completion_fini(&self->receiving.completion);
    sl_socket_close(loop, &self->base.socket, false);
    sl_lent_release(&self->lent);
    sl_segment_release(self->send_block);
    sl_segment_release(self->lent.block);
    sl_cells_return(&loop->cells, self, sizeof *self);
}

static void let_go_when_over(struct submitted *self)
{
    if (!is_busy(&self->sending) && !is_busy(&self->receiving))
        let_go(self);
}

static void cancel(struct submitted *self, struct sl_operation *operation)
{
    struct sl_backend *backend = self->base.socket.backend;

    if (is_in_flight(operation) && self->base.loop->backend_count > 0)
        backend->class->cancel(backend, operation);
}

static void stop_lingering(struct sl_timer *timer)
{
    struct submitted *self =
        (struct submitted *)(void *)((char *)timer -
                                     offsetof(struct submitted, linger));

    cancel(self, &self->sending);
}

/* ---- sending ---- */

/* Code outside sluice closed the descriptor: no edge will end a receive. */
static void lose_socket(struct submitted *self, int error)
{
    if (error != EBADF)
        return;
    if (self->outcome == SL_OK)
        self->outcome = SL_CLOSED;
    cancel(self, &self->receiving);
}

/* Takes in the result of a send. True: all of the block is over. */
static bool send_is_over(struct submitted *self)
{
    const struct sl_completion *completion = &self->sending.completion;
    struct iovec *piece = &self->send_piece;

    sl_segment_unpin(self->send_block);
    if (completion->status != SL_OK) {
        keep_error(self, completion);
        lose_socket(self, completion->system_error);
        return true;
    }
    piece->iov_base = (char *)piece->iov_base + completion->result;
    piece->iov_len -= completion->result;
    piece->iov_len += self->appended;
    self->appended = 0;
    return piece->iov_len == 0;
}

static void submit_rest(struct submitted *self)
{
    do {
        sl_segment_pin(self->send_block);
        submit(self, &self->sending);
    } while (!is_busy(&self->sending) && !send_is_over(self));
}

static void send_delivered(struct sl_completion *completion)
{
    struct submitted *self =
        (struct submitted *)(void *)((char *)completion -
                                     offsetof(struct submitted, sending));
    bool is_over = send_is_over(self);

    if (!is_over && !self->base.loop->is_closing) {
        submit_rest(self);
        if (is_busy(&self->sending)) {
            sl_completion_set_background(completion,
                                         self->is_closed || self->sends_behind);
            return;
        }
    }
    if (self->is_closed) {
        let_go_when_over(self);
    } else if (self->waits_to_send && !self->base.loop->is_closing) {
        self->waits_to_send = false;
        if (self->base.events != NULL)
            self->base.events->can_send(self->base.owner);
    }
}

static size_t copy_views(char *to, size_t size, const struct sl_view *views,
                         size_t count)
{
    size_t copied = 0;

    for (size_t i = 0; i < count && copied < size; i++) {
        size_t n = views[i].size;

        if (n > size - copied)
            n = size - copied;
        if (n > 0)
            memcpy(to + copied, views[i].data, n);
        copied += n;
    }
    return copied;
}

static enum sl_status submitted_send(struct sl_transport *transport,
                                     const struct sl_view *views, size_t count,
                                     size_t *sent)
{
    struct submitted *self = self_of(transport);
    size_t size;

    if (transport->error != 0)
        return SL_CLOSED;
    if (is_busy(&self->sending)) {
        self->waits_to_send = true;
        return SL_AGAIN;
    }
    size = copy_views(self->send_block->data, SL_TRANSPORT_BUFFER_SIZE, views,
                      count);
    self->waits_to_send = self->sends_behind = false;
    self->send_piece.iov_base = self->send_block->data;
    self->send_piece.iov_len = size;
    submit_rest(self);
    if (transport->error != 0)
        return SL_CLOSED;
    *sent = size;
    return SL_OK;
}

/* The send under way may be reading `send_piece`, so the bytes are only counted
 * here: the piece grows when that send is over. */
static bool submitted_send_last(struct sl_transport *transport,
                                struct sl_view bytes)
{
    struct submitted *self = self_of(transport);
    const struct iovec *piece = &self->send_piece;
    char *end = (char *)piece->iov_base + piece->iov_len + self->appended;
    char *limit = self->send_block->data + SL_TRANSPORT_BUFFER_SIZE;

    if (!is_busy(&self->sending) || transport->error != 0 ||
        bytes.size > (size_t)(limit - end))
        return false;
    memcpy(end, bytes.data, bytes.size);
    self->appended += bytes.size;
    return true;
}

static enum sl_status submitted_flush(struct sl_transport *transport)
{
    struct submitted *self = self_of(transport);

    if (is_busy(&self->sending)) {
        self->waits_to_send = true;
        return SL_AGAIN;
    }
    /* A receive's failure does not count. */
    return self->sending.completion.status == SL_OK ? SL_OK : SL_CLOSED;
}

/* ---- receiving ---- */

/* Takes in the result of a receive. */
static void take_result(struct submitted *self)
{
    const struct sl_completion *completion = &self->receiving.completion;

    sl_lent_end(&self->lent, &self->receiving);
    if (completion->status == SL_OK) {
        bool is_full = completion->result == sl_lent_room(&self->lent);

        self->lent.held = completion->result;
        sl_low_water_note(&self->low_water, is_full);
        self->base.drained_at = is_full || self->base.socket.has_mark
                                    ? 0
                                    : self->receiving.tried_at;
        return;
    }
    sl_lent_release(&self->lent);
    self->outcome = completion->status;
    if (completion->status == SL_END) {
        /* A send that met the reset first has taken its errno from here. */
        if (self->base.error != 0 && self->base.error != EPIPE)
            self->outcome = SL_CLOSED;
        return;
    }
    keep_error(self, completion);
    self->outcome = SL_CLOSED;
}

static void receive_delivered(struct sl_completion *completion)
{
    struct submitted *self =
        (struct submitted *)(void *)((char *)completion -
                                     offsetof(struct submitted, receiving));

    take_result(self);
    if (self->is_closed) {
        let_go_when_over(self);
    } else if (self->waits_to_receive && !self->base.loop->is_closing) {
        self->waits_to_receive = false;
        if (self->base.events != NULL)
            self->base.events->can_receive(self->base.owner);
    }
}

static enum sl_status submitted_receive(struct sl_transport *transport,
                                        struct sl_buffer *buffer, size_t want,
                                        size_t *received)
{
    struct submitted *self = self_of(transport);

    if (!is_busy(&self->receiving) && self->lent.held == 0 &&
        self->outcome == SL_OK) {
        lend(self, buffer->pool, want);
        submit(self, &self->receiving);
        if (!is_busy(&self->receiving))
            take_result(self);
    }
    if (self->receiving.completion.state == SL_COMPLETION_READY) {
        /* The bytes are here, before their arrival was reported. */
        sl_completion_fini(&self->receiving.completion);
        self->waits_to_receive = false;
        take_result(self);
    }
    if (is_busy(&self->receiving)) {
        self->waits_to_receive = true;
        sl_completion_set_background(&self->receiving.completion, false);
        return SL_AGAIN;
    }
    if (self->lent.held == 0)
        return self->outcome;
    return sl_lent_hand_over(&self->lent, buffer, want, received);
}

static enum sl_status submitted_watch(struct sl_transport *transport)
{
    struct submitted *self = self_of(transport);

    if (self->lent.held > 0 || self->outcome != SL_OK)
        return SL_OK;
    if (!is_busy(&self->receiving)) {
        lend(self, self->base.loop->pool, SL_TRANSPORT_BUFFER_SIZE);
        self->receiving.waits_first = true; /* nothing is expected */
        submit(self, &self->receiving);
        if (!is_busy(&self->receiving)) {
            take_result(self);
            return SL_OK;
        }
    }
    sl_completion_set_background(&self->receiving.completion, true);
    self->waits_to_receive = true;
    return SL_AGAIN;
}

/* Some kernels do not report bytes that have gathered already. */
static void lowered(struct sl_low_water *low_water)
{
    struct submitted *self =
        (struct submitted *)(void *)((char *)low_water -
                                     offsetof(struct submitted, low_water));

    if (self->base.socket.backend->class->has_readiness)
        sl_readiness_event(&self->base.socket, true, false, false);
}

static bool submitted_expect(struct sl_transport *transport, size_t bytes)
{
    struct submitted *self = self_of(transport);
    const struct sl_low_water_socket socket = {transport->loop,
                                               transport->socket.fd, lowered};

    self->expected = bytes;
    sl_low_water_expect(&self->low_water, &socket, bytes);
    return sl_low_water_is_raised(&self->low_water);
}

/* Whether bytes are in the transport already. */
static bool is_here(const struct submitted *self)
{
    return self->lent.held > 0 || self->outcome != SL_OK ||
           self->receiving.completion.state == SL_COMPLETION_READY;
}

/* In this order: a worker that took bytes before the look has marked that. */
static bool is_drained(const struct submitted *self)
{
    return sl_socket_is_quiet(self->base.socket.fd) &&
           !(is_in_flight(&self->receiving) &&
             atomic_load(&self->receiving.is_touched));
}

static bool submitted_has_arrived(struct sl_transport *transport)
{
    struct submitted *self = self_of(transport);
    struct sl_backend *backend = transport->socket.backend;

    if (is_here(self))
        return true;
    /* The kernel may have put bytes where a look at the socket misses them. */
    if (is_in_flight(&self->receiving)) {
        backend->class->wait(backend, 0);
        if (!is_in_flight(&self->receiving))
            return true;
    }
    return !is_drained(self);
}

static bool submitted_is_quiet(struct sl_transport *transport)
{
    struct submitted *self = self_of(transport);
    bool is_told =
        is_in_flight(&self->receiving) &&
        sl_backend_look(transport->socket.backend, transport->drained_at,
                        transport->watched_at);

    if (transport->error != 0 || is_here(self) || transport->socket.is_hung_up)
        return false;
    if (is_told)
        return true;
    if (!is_drained(self))
        return false;
    transport->drained_at = transport->loop->now;
    return true;
}

static void submitted_unwait(struct sl_transport *transport,
                             enum sl_transport_direction direction)
{
    struct submitted *self = self_of(transport);
    bool is_send = direction == SL_TRANSPORT_SENDING;
    struct sl_operation *operation =
        is_send ? &self->sending : &self->receiving;

    *(is_send ? &self->waits_to_send : &self->waits_to_receive) = false;
    self->sends_behind = self->sends_behind || is_send;
    if (is_busy(operation))
        sl_completion_set_background(&operation->completion, true);
}

/* ---- a life ---- */

static void init_operation(struct submitted *self,
                           struct sl_operation *operation,
                           enum sl_operation_kind kind,
                           void (*delivered)(struct sl_completion *))
{
    sl_completion_init(&operation->completion, self->base.loop, delivered);
    operation->completion.is_internal = true;
    operation->kind = kind;
    operation->socket = &self->base.socket;
}

static enum sl_status submitted_create(struct sl_loop *loop,
                                       struct sl_pool *pool,
                                       struct sl_socket *socket,
                                       struct sl_transport **transport)
{
    struct submitted *self = sl_cells_rent(&loop->cells, sizeof *self);
    struct sl_segment *block;
    enum sl_status status;

    if (self == NULL)
        return SL_MEMORY;
    status =
        sl_pool_rent_block(pool, SL_TRANSPORT_BUFFER_SIZE, &self->send_block);
    if (status != SL_OK)
        goto fail;
    status = sl_pool_rent_block(pool, SL_TRANSPORT_BUFFER_SIZE, &block);
    if (status != SL_OK)
        goto fail_block;
    sl_lent_init(&self->lent, block, SL_TRANSPORT_BUFFER_SIZE);
    self->base.class = &sl_transport_submitted;
    self->base.loop = loop;
    self->base.drained_at = loop->now;
    socket->backend->class->move(socket->backend, socket, &self->base.socket);
    /* Just connected: there is room to send. */
    self->base.socket.is_writable = true;
    init_operation(self, &self->sending, SL_OPERATION_SEND, send_delivered);
    init_operation(self, &self->receiving, SL_OPERATION_RECEIVE,
                   receive_delivered);
    self->sending.message.msg_iov = &self->send_piece;
    self->sending.message.msg_iovlen = 1;
    sl_timer_init(&self->linger, stop_lingering);
    sl_low_water_init(&self->low_water);
    *transport = &self->base;
    return SL_OK;

fail_block:
    sl_segment_release(self->send_block);
fail:
    sl_cells_return(&loop->cells, self, sizeof *self);
    return status;
}

/* Ends operations that are over but not delivered yet, and never will be: their
 * memory is unpinned. The rest of a send follows when the end is to be
 * orderly. */
static void settle(struct submitted *self, bool is_orderly)
{
    if (self->sending.completion.state == SL_COMPLETION_READY) {
        sl_completion_fini(&self->sending.completion);
        if (!send_is_over(self) && is_orderly)
            submit_rest(self);
    }
    if (self->receiving.completion.state == SL_COMPLETION_READY) {
        sl_lent_end(&self->lent, &self->receiving);
        sl_completion_fini(&self->receiving.completion);
    }
}

/* In a child of fork operations in flight are the parent's; here they are only
 * forgotten. */
static void forget(struct submitted *self)
{
    if (is_in_flight(&self->sending))
        sl_segment_unpin(self->send_block);
    if (is_in_flight(&self->receiving))
        sl_lent_forget(&self->lent);
    let_go(self);
}

static void submitted_close(struct sl_transport *transport, bool is_abort)
{
    struct submitted *self = self_of(transport);
    struct sl_loop *loop = transport->loop;
    bool is_forked = sl_loop_is_forked(loop);
    bool is_orderly = !is_abort && !is_forked && !loop->is_closing;

    self->is_closed = true;
    transport->events = NULL;
    settle(self, is_orderly);
    if (is_forked) {
        forget(self);
        return;
    }
    if (is_in_flight(&self->receiving))
        sl_completion_set_background(&self->receiving.completion, true);
    if (is_in_flight(&self->sending))
        sl_completion_set_background(&self->sending.completion, true);
    cancel(self, &self->receiving);
    if (is_abort) {
        struct linger reset = {1, 0};

        setsockopt(transport->socket.fd, SOL_SOCKET, SO_LINGER, &reset,
                   sizeof reset);
        cancel(self, &self->sending);
    }
    /* The descriptor closes now, and not with the next step, which may be late
     * or never come. */
    if (loop->backend_count > 0 &&
        (is_in_flight(&self->receiving) || is_in_flight(&self->sending)))
        sl_backend_settle(transport->socket.backend);
    settle(self, is_orderly);
    if (!is_abort && is_in_flight(&self->sending))
        sl_timer_arm(&loop->timers, &self->linger, loop->now + LINGER);
    let_go_when_over(self);
}

const struct sl_transport_class sl_transport_submitted = {
    .mode = SL_TRANSPORT_COMPLETION,
    .create = submitted_create,
    .send = submitted_send,
    .send_last = submitted_send_last,
    .flush = submitted_flush,
    .receive = submitted_receive,
    .watch = submitted_watch,
    .expect = submitted_expect,
    .is_quiet = submitted_is_quiet,
    .has_arrived = submitted_has_arrived,
    .unwait = submitted_unwait,
    .close = submitted_close,
};
