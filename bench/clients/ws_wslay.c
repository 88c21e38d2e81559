/* bench/clients/ws_wslay.c - the workloads through wslay's events
 *
 * usage: ws_wslay echo|text <url> <count> <bytes of a message>
 *
 * Messages are assembled and checked by the library, and looked at once.
 */
#define _GNU_SOURCE
#include "meter.h"
#include "ws_dial.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

struct session {
    int fd;
    size_t received;
    uint64_t bytes;
};

static ssize_t on_receive(wslay_event_context_ptr context, uint8_t *to,
                          size_t size, int flags, void *user)
{
    struct session *session = user;
    ssize_t received = recv(session->fd, to, size, MSG_DONTWAIT);

    (void)flags;
    if (received > 0)
        return received;
    wslay_event_set_error(context, received < 0 && errno == EAGAIN
                                       ? WSLAY_ERR_WOULDBLOCK
                                       : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *from,
                       size_t size, int flags, void *user)
{
    struct session *session = user;
    ssize_t sent = send(session->fd, from, size, MSG_NOSIGNAL);

    (void)flags;
    if (sent > 0)
        return sent;
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* Random bytes in batches, as OpenSSL would give them. */
static int on_mask(wslay_event_context_ptr context, uint8_t *key, size_t size,
                   void *user)
{
    static uint8_t batch[256];
    static size_t left;

    (void)context;
    (void)user;
    if (left < size) {
        if (getrandom(batch, sizeof batch, 0) != (ssize_t)sizeof batch)
            return -1;
        left = sizeof batch;
    }
    left -= size;
    memcpy(key, batch + left, size);
    return 0;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *message,
                       void *user)
{
    struct session *session = user;

    (void)context;
    session->received++;
    session->bytes += message->msg_length;
}

static void exchange(wslay_event_context_ptr context, struct session *session,
                     struct wslay_event_msg *message)
{
    size_t before = session->received;
    struct pollfd waiting = {session->fd, POLLIN, 0};

    if (wslay_event_queue_msg(context, message) != 0)
        exit(1);
    while (wslay_event_want_write(context))
        if (wslay_event_send(context) != 0)
            exit(1);
    while (session->received == before) {
        poll(&waiting, 1, -1);
        if (wslay_event_recv(context) != 0)
            exit(1);
    }
}

int main(int argc, char **argv)
{
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_receive,
        .send_callback = on_send,
        .genmask_callback = on_mask,
        .on_msg_recv_callback = on_message,
    };
    wslay_event_context_ptr context;
    struct session session = {0};
    struct wslay_event_msg message = {.opcode = WSLAY_BINARY_FRAME};
    struct meter meter;
    char *bytes;
    size_t size;
    long count;

    if (argc != 5)
        return 2;
    count = atol(argv[3]);
    size = (size_t)atol(argv[4]);
    if (strcmp(argv[1], "text") == 0)
        size = 2;
    bytes = malloc(size);
    if (bytes == NULL)
        return 1;
    ws_fill(bytes, size);
    message.msg = (const uint8_t *)bytes;
    message.msg_length = size;
    session.fd = ws_dial(argv[2]);
    if (wslay_event_context_client_init(&context, &callbacks, &session) != 0)
        return 1;
    wslay_event_config_set_max_recv_msg_length(context, (uint64_t)1 << 30);
    exchange(context, &session, &message);
    session.bytes = 0;
    meter_begin(&meter);
    for (long i = 0; i < count; i++)
        exchange(context, &session, &message);
    meter_end(&meter, (uint64_t)count, session.bytes);
    wslay_event_context_free(context);
    return 0;
}
