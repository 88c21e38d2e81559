#include "io/backends/readiness.h"

#include "base/debug.h"
#include "io/system.h"

#include <string.h>
#include <sys/uio.h>

/* The result of a connect that was in progress. SO_ERROR is cleared by reading
 * it, so it is read once, here, when the socket has become writable. */
static enum sl_status finish_connect(int fd, int *error)
{
    int pending = 0;
    socklen_t size = sizeof pending;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size) != 0)
        pending = errno;
    *error = pending;
    return pending == 0 ? SL_OK : SL_CONNECT;
}

static enum sl_status try_connect(struct sl_operation *operation, int *error)
{
    int fd = operation->socket->fd;

    /* The address is used up by the first call. */
    if (operation->address == NULL)
        return finish_connect(fd, error);
    if (connect(fd, operation->address, operation->address_size) == 0) {
        operation->address = NULL;
        return SL_OK;
    }
    operation->address = NULL;
    *error = errno;
    /* An interrupted connect goes on by itself. */
    if (*error == EINPROGRESS || *error == EINTR)
        return SL_AGAIN;
    return SL_CONNECT;
}

static enum sl_status try_transfer(struct sl_operation *operation,
                                   size_t *result, int *error)
{
    int fd = operation->socket->fd;
    ssize_t n;

    do
        n = operation->kind == SL_OPERATION_SEND
                ? sendmsg(fd, &operation->message, SL_NO_SIGNAL)
                : recvmsg(fd, &operation->message, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *result = (size_t)n;
        return SL_OK;
    }
    if (n == 0)
        return SL_END;
    *error = errno;
    return sl_would_block(*error) ? SL_AGAIN : SL_CLOSED;
}

enum sl_status sl_operation_try(struct sl_operation *operation, size_t *result,
                                int *error)
{
    *result = 0;
    *error = 0;
    if (operation->kind == SL_OPERATION_CONNECT)
        return try_connect(operation, error);
    return try_transfer(operation, result, error);
}

static size_t total_size(const struct sl_operation *operation)
{
    size_t size = 0;

    for (size_t i = 0; i < (size_t)operation->message.msg_iovlen; i++)
        size += operation->message.msg_iov[i].iov_len;
    return size;
}

/* Tries, keeping the flags: SL_AGAIN waits for the next event. */
static enum sl_status attempt(struct sl_operation *operation, size_t *result)
{
    struct sl_socket *socket = operation->socket;
    int error;
    enum sl_status status;

    operation->tried_at = sl_clock_now();
    status = sl_operation_try(operation, result, &error);
    operation->completion.system_error = error;
    if (error == EFAULT)
        sl_loop_late_write(operation->completion.loop);
    if (operation->kind == SL_OPERATION_RECEIVE) {
        /* Less than there was room for means drained: the next edge reports
         * more. But a receive ends before an urgent byte, whatever is behind
         * it. */
        if (status == SL_AGAIN ||
            (status == SL_OK && *result < total_size(operation)))
            socket->is_readable =
                (socket->is_hung_up || socket->has_mark) && status == SL_OK;
        socket->wants_in = status == SL_AGAIN;
    } else {
        if (status == SL_AGAIN ||
            (status == SL_OK && operation->kind == SL_OPERATION_SEND &&
             *result < total_size(operation)))
            socket->is_writable = false;
        socket->wants_out = status == SL_AGAIN;
    }
    return status;
}

static void progress(struct sl_operation **place)
{
    struct sl_operation *operation = *place;
    size_t result;
    enum sl_status status = attempt(operation, &result);

    if (status == SL_AGAIN)
        return;
    *place = NULL;
    sl_completion_signal(&operation->completion, status, result);
}

void sl_readiness_event(struct sl_socket *socket, bool is_readable,
                        bool is_writable, bool is_hung_up)
{
    socket->is_readable = socket->is_readable || is_readable;
    socket->is_writable = socket->is_writable || is_writable;
    socket->is_hung_up = socket->is_hung_up || is_hung_up;
    if (socket->notify != NULL) {
        socket->notify(socket);
        return;
    }
    if (socket->receiving != NULL && socket->is_readable)
        progress(&socket->receiving);
    if (socket->sending != NULL && socket->is_writable)
        progress(&socket->sending);
}

void sl_readiness_submit(struct sl_backend *backend,
                         struct sl_operation *operation)
{
    struct sl_socket *socket = operation->socket;
    bool is_receive = operation->kind == SL_OPERATION_RECEIVE;
    struct sl_operation **place =
        is_receive ? &socket->receiving : &socket->sending;
    size_t result;
    enum sl_status status;

    (void)backend;
    sl_assert(*place == NULL);
    operation->is_cancelling = false;
    if (operation->kind != SL_OPERATION_CONNECT &&
        !(is_receive ? socket->is_readable : socket->is_writable)) {
        socket->wants_in = socket->wants_in || is_receive;
        socket->wants_out = socket->wants_out || !is_receive;
        *place = operation;
        return;
    }
    status = attempt(operation, &result);
    if (status == SL_AGAIN)
        *place = operation;
    else
        sl_completion_finish(&operation->completion, status, result);
}

void sl_readiness_cancel(struct sl_backend *backend,
                         struct sl_operation *operation)
{
    struct sl_socket *socket = operation->socket;

    (void)backend;
    if (socket->receiving == operation) {
        socket->receiving = NULL;
        socket->wants_in = false;
    } else if (socket->sending == operation) {
        socket->sending = NULL;
        socket->wants_out = false;
    } else {
        return; /* its completion is on its way */
    }
    operation->is_cancelling = true;
    sl_completion_signal(&operation->completion, SL_CANCELLED, 0);
}

void sl_readiness_cancel_all(const struct sl_slots *slots)
{
    for (uint32_t slot = 0; slot < slots->used; slot++) {
        struct sl_socket *socket = slots->entries[slot].object;

        if (socket != NULL && socket->receiving != NULL)
            sl_readiness_cancel(socket->backend, socket->receiving);
        if (socket != NULL && socket->sending != NULL)
            sl_readiness_cancel(socket->backend, socket->sending);
    }
}
