/* bench/clients/raw.c - a bare send and receive loop: the kernel's own price
 *
 * usage: raw <workload> <url> <count> <connections>
 *
 *   sequential   one connection, blocking; a response ends where the first
 *                one's Content-Length says
 *   concurrent   the same over edge-triggered epoll
 *   discard      one connection, 64 KiB per receive, up to the end of the body
 *   hold         the same into one block of fresh memory
 *   upload       a POST of the file named by $UPLOAD, sent from a mapping
 *
 * Nothing is parsed but the first head; only plain http on an address.
 */
#define _GNU_SOURCE
#include "meter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)64 * 1024)

static struct sockaddr_in address;
static char request[1024];
static size_t request_size;
static char buffer[BUFFER_SIZE];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void parse_url(const char *url)
{
    char host[64];
    char path[512] = "/";
    unsigned port = 80;

    if (sscanf(url, "http://%63[0-9.]:%u%511s", host, &port, path) < 2) {
        fprintf(stderr, "raw: http://<address>:<port>/<path> expected\n");
        exit(2);
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    request_size = (size_t)snprintf(request, sizeof request,
                                    "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n",
                                    path, host, port);
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("raw: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_request(int fd)
{
    if (send(fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size)
        fail("raw: send");
}

static size_t receive(int fd, char *into, size_t room)
{
    ssize_t count = recv(fd, into, room, 0);

    if (count <= 0)
        fail("raw: receive");
    return (size_t)count;
}

/* Receives a head, and whatever came with it, into `buffer`. `*length` is the
 * body's size, or UINT64_MAX when it is chunked. Returns the bytes of the body
 * that are there already; they follow `*body`. */
static size_t receive_head(int fd, uint64_t *length, char **body)
{
    size_t size = 0;
    char *end;

    do {
        size += receive(fd, buffer + size, BUFFER_SIZE - size);
        end = memmem(buffer, size, "\r\n\r\n", 4);
    } while (end == NULL);
    *length = UINT64_MAX;
    for (char *line = buffer; line < end;
         line = (char *)memchr(line, '\n', size) + 1)
        if (strncasecmp(line, "content-length:", 15) == 0)
            *length = strtoull(line + 15, NULL, 10);
    *body = end + 4;
    return size - (size_t)(end + 4 - buffer);
}

/* The size of a whole response to the request, taken from the first one. */
static size_t learn(int fd)
{
    uint64_t length;
    char *body;
    size_t have;
    size_t size;

    send_request(fd);
    have = receive_head(fd, &length, &body);
    size = (size_t)(body - buffer) + (size_t)length;
    while (have < length)
        have += receive(fd, buffer, BUFFER_SIZE);
    return size;
}

static void run_sequential(long count)
{
    int fd = dial();
    size_t size = learn(fd);
    struct meter meter;

    meter_begin(&meter);
    for (long i = 0; i < count; i++) {
        size_t have = 0;

        send_request(fd);
        while (have < size)
            have += receive(fd, buffer, BUFFER_SIZE);
    }
    meter_end(&meter, (uint64_t)count, (uint64_t)count * size);
}

static void run_concurrent(long count, int connections)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    int *fds = calloc((size_t)connections, sizeof *fds);
    size_t *have = calloc((size_t)connections, sizeof *have);
    struct epoll_event events[128];
    size_t size = 0;
    long sent = 0;
    long done = 0;
    struct meter meter;

    if (poller < 0 || fds == NULL || have == NULL)
        fail("raw: setup");
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET};

        fds[i] = dial();
        size = learn(fds[i]);
        event.data.u32 = (uint32_t)i;
        epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event);
    }
    meter_begin(&meter);
    for (int i = 0; i < connections && sent < count; i++, sent++)
        send_request(fds[i]);
    while (done < count) {
        int ready = epoll_wait(poller, events, 128, -1);

        for (int i = 0; i < ready; i++) {
            uint32_t at = events[i].data.u32;

            /* a short receive has drained the socket: wait for the next edge */
            have[at] += receive(fds[at], buffer, BUFFER_SIZE);
            if (have[at] < size)
                continue;
            have[at] = 0;
            done++;
            if (sent < count) {
                sent++;
                send_request(fds[at]);
            }
        }
    }
    meter_end(&meter, (uint64_t)count, (uint64_t)count * size);
}

/* The end of a chunked body is recognised by its last bytes alone. */
static uint64_t drain(int fd, uint64_t length, size_t have, const char *body)
{
    static const char last[] = "\r\n0\r\n\r\n";
    char tail[7] = {0};
    uint64_t total = have;

    if (length != UINT64_MAX) {
        while (total < length)
            total += receive(fd, buffer, BUFFER_SIZE);
        return total;
    }
    for (;;) {
        size_t kept = have < sizeof tail ? have : sizeof tail;

        memmove(tail, tail + kept, sizeof tail - kept);
        memcpy(tail + sizeof tail - kept, body + have - kept, kept);
        if (memcmp(tail, last, sizeof tail) == 0)
            return total;
        have = receive(fd, buffer, BUFFER_SIZE);
        body = buffer;
        total += have;
    }
}

static void run_discard(long count)
{
    int fd = dial();
    uint64_t total = 0;
    struct meter meter;

    meter_begin(&meter);
    for (long i = 0; i < count; i++) {
        uint64_t length;
        char *body;
        size_t have;

        send_request(fd);
        have = receive_head(fd, &length, &body);
        total += drain(fd, length, have, body);
    }
    meter_end(&meter, (uint64_t)count, total);
}

static void run_hold(long count)
{
    int fd = dial();
    uint64_t total = 0;
    struct meter meter;

    meter_begin(&meter);
    for (long i = 0; i < count; i++) {
        uint64_t length;
        char *body;
        char *held;
        size_t have;

        send_request(fd);
        have = receive_head(fd, &length, &body);
        held = malloc((size_t)length);
        if (held == NULL)
            fail("raw: memory");
        memcpy(held, body, have);
        while (have < length) {
            size_t left = (size_t)length - have;

            have += receive(fd, held + have,
                            left < BUFFER_SIZE ? left : BUFFER_SIZE);
        }
        total += length;
        free(held);
    }
    meter_end(&meter, (uint64_t)count, total);
}

static void run_upload(const char *url, long count)
{
    const size_t part = (size_t)1024 * 1024;
    const char *path = getenv("UPLOAD");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    int fd = dial();
    struct stat info;
    struct meter meter;
    size_t size;
    char *mapped;

    if (file < 0 || fstat(file, &info) != 0)
        fail("raw: $UPLOAD");
    size = (size_t)info.st_size;
    mapped = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    if (mapped == MAP_FAILED)
        fail("raw: map");
    request_size = (size_t)snprintf(
        request, sizeof request,
        "POST %s HTTP/1.1\r\nHost: origin\r\nContent-Length: %zu\r\n\r\n",
        strchr(url + 7, '/'), size);
    meter_begin(&meter);
    for (long i = 0; i < count; i++) {
        uint64_t length;
        char *body;
        ssize_t sent;

        send_request(fd);
        for (size_t at = 0; at < size; at += (size_t)sent) {
            sent = send(fd, mapped + at, size - at < part ? size - at : part,
                        MSG_NOSIGNAL);
            if (sent <= 0)
                fail("raw: send");
        }
        receive_head(fd, &length, &body);
    }
    meter_end(&meter, (uint64_t)count, (uint64_t)count * size);
}

int main(int argc, char **argv)
{
    long count;
    int connections;

    if (argc != 5) {
        fprintf(stderr,
                "usage: raw sequential|concurrent|discard|hold|upload <url> "
                "<count> <connections>\n");
        return 2;
    }
    parse_url(argv[2]);
    count = atol(argv[3]);
    connections = atoi(argv[4]);
    if (strcmp(argv[1], "sequential") == 0)
        run_sequential(count);
    else if (strcmp(argv[1], "concurrent") == 0)
        run_concurrent(count, connections);
    else if (strcmp(argv[1], "discard") == 0)
        run_discard(count);
    else if (strcmp(argv[1], "hold") == 0)
        run_hold(count);
    else if (strcmp(argv[1], "upload") == 0)
        run_upload(argv[2], count);
    else
        return 2;
    return 0;
}
