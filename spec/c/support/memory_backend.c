#include "spec/c/support/memory_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MOST 16
#define MARK       '\xff'

enum mark { MARK_WAIT, MARK_END, MARK_RESET, MARK_PIECE, MARK_NONE };

struct peer {
    struct sl_socket *socket; /* NULL: a free place */
    struct sl_view wire;      /* what it has not said yet */
    bool has_heard;           /* something, since it last waited */
    bool is_waiting;          /* to hear something */
    bool is_reset;
};

struct memory {
    struct sl_backend base;
    struct memory_script script;
    size_t position; /* of the next wire in the text; SIZE_MAX: there is none */
    struct peer peers[PEERS_MOST];
    int quiet[2]; /* a pair on which nothing ever arrives */
    uint64_t moves;
    bool is_open;
    bool has_ended;
};

static struct memory memory;

/* A fuzz target has no test that could end. */
static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- wires ---- */

/* What the first byte begins. */
static enum mark mark_at(struct sl_view text)
{
    if (text.size < 2 || text.data[0] != MARK ||
        (unsigned char)text.data[1] >= MARK_NONE)
        return MARK_NONE;
    return (enum mark)text.data[1];
}

static void skip(struct sl_view *text, size_t count)
{
    *text = sl_view(text->data + count, text->size - count);
}

/* The size of the content that comes next, `most` of it. */
static size_t content_size(struct sl_view text, size_t most)
{
    size_t size = 0;

    while (size < text.size && size < most &&
           mark_at(sl_view(text.data + size, text.size - size)) == MARK_NONE)
        size++;
    return size;
}

/* The next wire, with the mark that ends it. False: there is none. */
static bool take_wire(struct sl_view *wire)
{
    struct sl_view text = memory.script.text;
    size_t size = 0;

    if (memory.position > text.size)
        return false;
    skip(&text, memory.position);
    *wire = text;
    while (size < wire->size) {
        enum mark mark = mark_at(text);

        size += mark == MARK_NONE ? 1 : 2;
        if (mark == MARK_END || mark == MARK_RESET)
            break;
        skip(&text, mark == MARK_NONE ? 1 : 2);
    }
    memory.position = size < wire->size ? memory.position + size : SIZE_MAX;
    *wire = sl_view(wire->data, size);
    return true;
}

/* ---- operations ---- */

static struct peer *peer_of(const struct sl_socket *socket)
{
    for (size_t i = 0; i < PEERS_MOST; i++)
        if (memory.peers[i].socket == socket)
            return &memory.peers[i];
    demand(false);
    return NULL;
}

static void scatter(const struct sl_operation *operation, struct sl_view bytes)
{
    const struct iovec *piece = operation->message.msg_iov;

    while (bytes.size > 0) {
        size_t size = bytes.size < piece->iov_len ? bytes.size : piece->iov_len;

        if (size > 0)
            memcpy(piece->iov_base, bytes.data, size);
        skip(&bytes, size);
        piece++;
    }
}

static size_t room_of(const struct sl_operation *operation)
{
    size_t size = 0;

    for (size_t i = 0; i < (size_t)operation->message.msg_iovlen; i++)
        size += operation->message.msg_iov[i].iov_len;
    return size;
}

static enum sl_status end_of(struct peer *peer, enum memory_end end,
                             struct sl_operation *operation)
{
    if (end == MEMORY_ENDS)
        return SL_END;
    if (end == MEMORY_IS_SILENT)
        return SL_AGAIN;
    peer->is_reset = true;
    operation->completion.system_error = ECONNRESET;
    return SL_CLOSED;
}

static bool stops_waiting(struct peer *peer)
{
    if (peer->is_waiting && peer->has_heard)
        peer->is_waiting = peer->has_heard = false;
    return !peer->is_waiting;
}

/* The next piece. */
static size_t say(struct peer *peer, const struct sl_operation *operation)
{
    size_t room = room_of(operation);
    size_t most = memory.script.step;
    size_t size = content_size(peer->wire, room < most ? room : most);

    scatter(operation, sl_view(peer->wire.data, size));
    skip(&peer->wire, size);
    return size;
}

static enum sl_status receive(struct peer *peer, struct sl_operation *operation,
                              size_t *result)
{
    if (memory.has_ended || peer->is_reset)
        return end_of(peer, peer->is_reset ? MEMORY_RESETS : MEMORY_ENDS,
                      operation);
    while (stops_waiting(peer)) {
        enum mark mark = mark_at(peer->wire);

        if (peer->wire.size == 0)
            return end_of(peer, memory.script.end, operation);
        if (mark == MARK_END || mark == MARK_RESET)
            return end_of(peer, mark == MARK_END ? MEMORY_ENDS : MEMORY_RESETS,
                          operation);
        if (mark == MARK_NONE) {
            *result = say(peer, operation);
            return SL_OK;
        }
        peer->is_waiting = mark == MARK_WAIT;
        skip(&peer->wire, 2);
    }
    return SL_AGAIN;
}

static enum sl_status attempt(struct sl_operation *operation, size_t *result)
{
    struct peer *peer = peer_of(operation->socket);

    if (operation->kind == SL_OPERATION_RECEIVE)
        return receive(peer, operation, result);
    if (operation->kind == SL_OPERATION_CONNECT) {
        if (!take_wire(&peer->wire)) {
            operation->completion.system_error = ECONNREFUSED;
            return SL_CONNECT;
        }
        peer->is_waiting = !memory.script.speaks_first;
        return SL_OK;
    }
    if (peer->is_reset) {
        operation->completion.system_error = EPIPE;
        return SL_CLOSED;
    }
    *result = room_of(operation);
    if (*result > memory.script.hears)
        *result = memory.script.hears;
    peer->has_heard = true;
    return SL_OK;
}

/* ---- the class ---- */

static bool is_present(void)
{
    return true;
}

static enum sl_status open_memory(struct sl_loop *loop,
                                  struct sl_backend **backend)
{
    demand(!memory.is_open);
    demand(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                      memory.quiet) == 0);
    memory.is_open = true;
    memset(&memory.base, 0, sizeof memory.base);
    memory.base.class = memory_backend();
    memory.base.loop = loop;
    *backend = &memory.base;
    return SL_OK;
}

static void close_memory(struct sl_backend *backend)
{
    (void)backend;
    close(memory.quiet[0]);
    close(memory.quiet[1]);
    memory.is_open = false;
}

static enum sl_status attach(struct sl_backend *backend,
                             struct sl_socket *socket)
{
    struct peer *peer = peer_of(NULL);

    memset(peer, 0, sizeof *peer);
    peer->socket = socket;
    peer->is_waiting = true;
    socket->backend = backend;
    /* Whether it is quiet may be asked of the kernel, too. */
    demand(dup2(memory.quiet[0], socket->fd) == socket->fd);
    return SL_OK;
}

static void detach(struct sl_backend *backend, struct sl_socket *socket)
{
    (void)backend;
    peer_of(socket)->socket = NULL;
    socket->backend = NULL;
}

static void move(struct sl_backend *backend, struct sl_socket *socket,
                 struct sl_socket *to)
{
    (void)backend;
    *to = *socket;
    peer_of(socket)->socket = to;
    socket->backend = NULL;
    socket->fd = -1;
}

static struct sl_operation **place_of(struct sl_operation *operation)
{
    struct sl_socket *socket = operation->socket;

    return operation->kind == SL_OPERATION_RECEIVE ? &socket->receiving
                                                   : &socket->sending;
}

static void submit(struct sl_backend *backend, struct sl_operation *operation)
{
    size_t result = 0;
    enum sl_status status = SL_AGAIN;

    (void)backend;
    operation->is_cancelling = false;
    operation->tried_at = 0;
    operation->completion.system_error = 0;
    if (memory.script.is_eager && !operation->waits_first)
        status = attempt(operation, &result);
    if (status == SL_AGAIN) {
        *place_of(operation) = operation;
        return;
    }
    memory.moves++;
    sl_completion_finish(&operation->completion, status, result);
}

static void cancel(struct sl_backend *backend, struct sl_operation *operation)
{
    struct sl_operation **place = place_of(operation);

    (void)backend;
    if (*place != operation)
        return; /* its completion is on its way */
    *place = NULL;
    operation->is_cancelling = true;
    sl_completion_signal(&operation->completion, SL_CANCELLED, 0);
}

static void progress(struct sl_operation **place)
{
    struct sl_operation *operation = *place;
    size_t result = 0;
    enum sl_status status;

    if (operation == NULL)
        return;
    status = attempt(operation, &result);
    if (status == SL_AGAIN)
        return;
    memory.moves++;
    *place = NULL;
    sl_completion_signal(&operation->completion, status, result);
}

static void cancel_all(struct sl_backend *backend)
{
    for (size_t i = 0; i < PEERS_MOST; i++) {
        struct sl_socket *socket = memory.peers[i].socket;

        if (socket != NULL && socket->receiving != NULL)
            cancel(backend, socket->receiving);
        if (socket != NULL && socket->sending != NULL)
            cancel(backend, socket->sending);
    }
}

static void wait_memory(struct sl_backend *backend, int64_t timeout)
{
    (void)timeout;
    backend->unreported = 0;
    for (size_t i = 0; i < PEERS_MOST; i++) {
        struct sl_socket *socket = memory.peers[i].socket;

        if (socket == NULL)
            continue;
        progress(&socket->sending);
        progress(&socket->receiving);
    }
}

static enum sl_status watch(struct sl_backend *backend, int fd)
{
    (void)backend;
    (void)fd;
    return SL_OK;
}

static bool has_pending(const struct sl_backend *backend)
{
    (void)backend;
    return false;
}

const struct sl_backend_class *memory_backend(void)
{
    static const struct sl_backend_class class = {
        .name = "memory",
        .benefit = "none",
        .rank = 3,
        .tells_all = true,
        .is_present = is_present,
        .open = open_memory,
        .close = close_memory,
        .attach = attach,
        .detach = detach,
        .move = move,
        .submit = submit,
        .cancel = cancel,
        .cancel_all = cancel_all,
        .wait = wait_memory,
        .watch = watch,
        .has_pending = has_pending,
    };

    return &class;
}

/* ---- the test's side ---- */

void memory_play(const struct memory_script *script)
{
    memory.script = *script;
    memory.position = 0;
    memory.has_ended = false;
}

void memory_end(void)
{
    memory.has_ended = true;
    memory.position = SIZE_MAX;
}

size_t memory_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < PEERS_MOST; i++)
        count += memory.peers[i].socket != NULL;
    return count;
}

uint64_t memory_moves(void)
{
    return memory.moves;
}
