/* bench/origin/origin.c - a small fast HTTP/1.1 origin to measure against
 *
 * One thread, one epoll set, edge-triggered, every connection registered once.
 * It answers from memory, so that what a run shows is the client's price.
 *
 *   GET /1k                    1 KiB with Content-Length
 *   GET /length/<bytes>        that many bytes with Content-Length
 *   GET /chunked/<bytes>/<n>   the same in chunks of n bytes
 *   GET /gzip/<file>           a file of the payload folder, as gzip
 *   GET /file/<file>           the same as it is
 *   GET /gather/<count>        1 KiB, withheld until count connections ask
 *   POST or PUT anything       {"received":<bytes of the body>}
 *
 * usage: origin [payload folder [port]]
 * Prints "<port> <process id>" when it listens and goes on in the background;
 * ends by a signal, or by itself after ten minutes without a request.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
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
#include <sys/uio.h>
#include <unistd.h>

#define PATTERN_SIZE ((size_t)256 * 1024)
#define HEAD_SIZE    512
#define TARGET_SIZE  128
#define INPUT_SIZE   ((size_t)64 * 1024)
#define MAX_PLANS    64
#define MAX_EVENTS   128
#define IDLE_MS      (10 * 60 * 1000)

/* How one target is answered: a head, then `total` bytes taken from `pattern`
 * over and over, then a tail. Made at the first request for that target. */
struct plan {
    char target[TARGET_SIZE];
    char head[HEAD_SIZE];
    size_t head_size;
    const char *pattern;
    size_t pattern_size;
    uint64_t total;
    char tail[64];
    size_t tail_size;
    size_t gather; /* requests to wait for before any is answered */
};

enum sink_state {
    SINK_NONE,       /* not inside a request body */
    SINK_LENGTH,     /* `expected` more bytes of a counted body */
    SINK_CHUNK_HEAD, /* hex digits up to a line feed -> data or trailer */
    SINK_CHUNK_DATA, /* `expected` more bytes, then its CRLF -> head */
    SINK_CHUNK_END,  /* the line feed that ends the data */
    SINK_TRAILER     /* lines up to an empty one -> done */
};

struct connection {
    int fd;
    struct connection *next_waiting; /* in the gathering */
    /* the request being read */
    char *input;
    size_t input_size;
    enum sink_state sink;
    uint64_t expected;
    uint64_t received;
    size_t line_size; /* of the current trailer line */
    int low;          /* SO_RCVLOWAT as it was set last; 0 is never */
    /* the reply being written; NULL when none */
    const struct plan *plan;
    size_t head_sent;
    uint64_t body_sent;
    size_t tail_sent;
    struct plan own; /* the reply of a sink */
};

static struct plan plans[MAX_PLANS];
static size_t plan_count;
static struct connection *waiting;
static size_t waiting_count;
static const char *payload_folder = ".";
static char *pattern;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *allocate(size_t size)
{
    void *block = calloc(1, size);

    if (block == NULL)
        fail("origin: memory");
    return block;
}

/* ---- plans ---- */

static void plan_head(struct plan *plan, const char *fields)
{
    plan->head_size = (size_t)snprintf(
        plan->head, sizeof plan->head,
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 "
        "00:00:00 GMT\r\nContent-Type: text/plain\r\n%s\r\n",
        fields);
}

static void plan_length(struct plan *plan, uint64_t total)
{
    char fields[96];

    snprintf(fields, sizeof fields, "Content-Length: %llu\r\n",
             (unsigned long long)total);
    plan_head(plan, fields);
    plan->pattern = pattern;
    plan->pattern_size = PATTERN_SIZE;
    plan->total = total;
}

/* The pattern is a run of whole chunks, so a reply only ever repeats it. */
static void plan_chunked(struct plan *plan, uint64_t total, size_t size)
{
    char head[32];
    size_t head_size = (size_t)snprintf(head, sizeof head, "%zx\r\n", size);
    size_t wire = head_size + size + 2;
    size_t count = wire > PATTERN_SIZE ? 1 : PATTERN_SIZE / wire;
    char *chunks = allocate(count * wire);

    for (size_t i = 0; i < count; i++) {
        char *at = chunks + i * wire;

        memcpy(at, head, head_size);
        memcpy(at + head_size, pattern, size);
        memcpy(at + head_size + size, "\r\n", 2);
    }
    plan_head(plan, "Transfer-Encoding: chunked\r\n");
    plan->pattern = chunks;
    plan->pattern_size = count * wire;
    plan->total = total / size * wire;
    plan->tail_size =
        (size_t)snprintf(plan->tail, sizeof plan->tail, "0\r\n\r\n");
}

/* `coding` is a field line, or nothing. */
static bool plan_file(struct plan *plan, const char *name, const char *coding)
{
    char path[512];
    char fields[96];
    struct stat info;
    int fd;

    if (strchr(name, '/') != NULL)
        return false;
    snprintf(path, sizeof path, "%s/%s", payload_folder, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(fd, &info) != 0)
        fail(path);
    plan->pattern = mmap(NULL, (size_t)info.st_size, PROT_READ,
                         MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (plan->pattern == MAP_FAILED)
        fail(path);
    close(fd);
    plan->pattern_size = (size_t)info.st_size;
    plan->total = plan->pattern_size;
    snprintf(fields, sizeof fields, "%sContent-Length: %zu\r\n", coding,
             plan->pattern_size);
    plan_head(plan, fields);
    return true;
}

static void plan_missing(struct plan *plan)
{
    plan->head_size =
        (size_t)snprintf(plan->head, sizeof plan->head,
                         "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static const struct plan *find_plan(const char *target, size_t size)
{
    struct plan *plan;
    unsigned long long total;
    size_t chunk;

    for (size_t i = 0; i < plan_count; i++)
        if (strncmp(plans[i].target, target, size) == 0 &&
            plans[i].target[size] == '\0')
            return &plans[i];
    if (plan_count == MAX_PLANS || size >= TARGET_SIZE) {
        fprintf(stderr, "origin: too many targets, or one too long\n");
        exit(1);
    }
    plan = &plans[plan_count++];
    memcpy(plan->target, target, size);
    plan->target[size] = '\0';
    if (strcmp(plan->target, "/1k") == 0)
        plan_length(plan, 1024);
    else if (sscanf(plan->target, "/length/%llu", &total) == 1)
        plan_length(plan, total);
    else if (sscanf(plan->target, "/chunked/%llu/%zu", &total, &chunk) == 2 &&
             chunk > 0 && chunk <= PATTERN_SIZE)
        plan_chunked(plan, total, chunk);
    else if (sscanf(plan->target, "/gather/%zu", &plan->gather) == 1)
        plan_length(plan, 1024);
    else if (!(strncmp(plan->target, "/gzip/", 6) == 0 &&
               plan_file(plan, plan->target + 6,
                         "Content-Encoding: gzip\r\n")) &&
             !(strncmp(plan->target, "/file/", 6) == 0 &&
               plan_file(plan, plan->target + 6, "")))
        plan_missing(plan);
    return plan;
}

/* ---- connections ---- */

static void connection_close(struct connection *connection)
{
    struct connection **link = &waiting;

    while (*link != NULL && *link != connection)
        link = &(*link)->next_waiting;
    if (*link != NULL) {
        *link = connection->next_waiting;
        waiting_count--;
    }
    close(connection->fd);
    free(connection->input);
    free(connection);
}

static void connection_reply(struct connection *connection,
                             const struct plan *plan)
{
    connection->plan = plan;
    connection->head_sent = 0;
    connection->body_sent = 0;
    connection->tail_sent = 0;
}

/* The slices still to be sent of the current reply, at most three. */
static int reply_slices(struct connection *connection, struct iovec *slices)
{
    const struct plan *plan = connection->plan;
    int count = 0;

    if (connection->head_sent < plan->head_size) {
        slices[count].iov_base = (char *)plan->head + connection->head_sent;
        slices[count++].iov_len = plan->head_size - connection->head_sent;
    }
    if (connection->body_sent < plan->total) {
        size_t offset = (size_t)(connection->body_sent % plan->pattern_size);
        uint64_t left = plan->total - connection->body_sent;
        size_t size = plan->pattern_size - offset;

        if (size > left)
            size = (size_t)left;
        slices[count].iov_base = (char *)plan->pattern + offset;
        slices[count++].iov_len = size;
        if (size < left)
            return count;
    }
    if (connection->tail_sent < plan->tail_size) {
        slices[count].iov_base = (char *)plan->tail + connection->tail_sent;
        slices[count++].iov_len = plan->tail_size - connection->tail_sent;
    }
    return count;
}

static void reply_advance(struct connection *connection, size_t count)
{
    const struct plan *plan = connection->plan;
    size_t head = plan->head_size - connection->head_sent;
    uint64_t body = plan->total - connection->body_sent;

    if (head > count)
        head = count;
    connection->head_sent += head;
    count -= head;
    if (body > count)
        body = count;
    connection->body_sent += body;
    connection->tail_sent += count - (size_t)body;
}

/* Returns whether the connection lives. `plan` is NULL again when all of the
 * reply has left. */
static bool connection_write(struct connection *connection)
{
    while (connection->plan != NULL) {
        struct iovec slices[3];
        int count = reply_slices(connection, slices);
        ssize_t sent;

        if (count == 0) {
            connection->plan = NULL;
            break;
        }
        sent = count == 1 ? send(connection->fd, slices[0].iov_base,
                                 slices[0].iov_len, MSG_NOSIGNAL)
                          : writev(connection->fd, slices, count);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        reply_advance(connection, (size_t)sent);
    }
    return true;
}

static bool gather(struct connection *connection, const struct plan *plan)
{
    bool lives = true;

    connection->next_waiting = waiting;
    waiting = connection;
    if (++waiting_count < plan->gather)
        return true;
    while (waiting != NULL) {
        struct connection *one = waiting;

        waiting = one->next_waiting;
        waiting_count--;
        connection_reply(one, plan);
        if (!connection_write(one)) {
            if (one == connection)
                lives = false;
            else
                connection_close(one);
        }
    }
    return lives;
}

/* ---- request bodies: counted and forgotten ---- */

/* A sink that wakes for every 64 KiB makes each send pay for a wake-up, and by
 * chance or not: the sender's time then varies threefold. So a large body is
 * waited for in quarters of a megabyte. */
static void sink_set_patience(struct connection *connection)
{
    const uint64_t patience = 256 * 1024;
    int low =
        connection->sink == SINK_LENGTH && connection->expected >= 2 * patience
            ? (int)patience
            : 1;

    if (low == connection->low)
        return;
    connection->low = low;
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
}

static void sink_start(struct connection *connection, const char *head,
                       size_t size)
{
    const char *end = head + size;

    connection->received = 0;
    connection->expected = 0;
    connection->sink = SINK_LENGTH;
    for (const char *line = head; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));

        if (strncasecmp(line, "content-length:", 15) == 0)
            connection->expected = strtoull(line + 15, NULL, 10);
        else if (strncasecmp(line, "transfer-encoding:", 18) == 0)
            connection->sink = SINK_CHUNK_HEAD;
        else if (strncasecmp(line, "expect:", 7) == 0)
            (void)!write(connection->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        line = next == NULL ? end : next + 1;
    }
    if (connection->sink == SINK_LENGTH && connection->expected == 0)
        connection->sink = SINK_NONE;
}

static void sink_byte(struct connection *connection, char byte)
{
    switch (connection->sink) {
    case SINK_CHUNK_HEAD:
        if (byte >= '0' && byte <= '9')
            connection->expected =
                connection->expected * 16 + (uint64_t)(byte - '0');
        else if ((byte | 32) >= 'a' && (byte | 32) <= 'f')
            connection->expected =
                connection->expected * 16 + (uint64_t)((byte | 32) - 'a' + 10);
        else if (byte == '\n')
            connection->sink =
                connection->expected > 0 ? SINK_CHUNK_DATA : SINK_TRAILER;
        connection->line_size = 0;
        break;
    case SINK_CHUNK_END:
        if (byte == '\n')
            connection->sink = SINK_CHUNK_HEAD;
        break;
    case SINK_TRAILER:
        if (byte == '\n' && connection->line_size == 0)
            connection->sink = SINK_NONE;
        else if (byte == '\n')
            connection->line_size = 0;
        else if (byte != '\r')
            connection->line_size++;
        break;
    case SINK_NONE:
    case SINK_LENGTH:
    case SINK_CHUNK_DATA:
        break;
    }
}

/* Returns how many of the bytes belonged to the body. */
static size_t sink_feed(struct connection *connection, const char *bytes,
                        size_t size)
{
    size_t at = 0;

    while (at < size && connection->sink != SINK_NONE) {
        uint64_t part = size - at;

        if (connection->sink != SINK_LENGTH &&
            connection->sink != SINK_CHUNK_DATA) {
            sink_byte(connection, bytes[at++]);
            continue;
        }
        if (part > connection->expected)
            part = connection->expected;
        at += (size_t)part;
        connection->received += part;
        connection->expected -= part;
        if (connection->expected == 0)
            connection->sink =
                connection->sink == SINK_LENGTH ? SINK_NONE : SINK_CHUNK_END;
    }
    return at;
}

static bool sink_reply(struct connection *connection)
{
    struct plan *plan = &connection->own;
    char body[48];
    int size = snprintf(body, sizeof body, "{\"received\":%llu}",
                        (unsigned long long)connection->received);

    plan->head_size =
        (size_t)snprintf(plan->head, sizeof plan->head,
                         "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: "
                         "application/json\r\nContent-Length: %d\r\n\r\n%s",
                         size, body);
    connection_reply(connection, plan);
    return connection_write(connection);
}

/* ---- requests ---- */

static bool request_answer(struct connection *connection, const char *head,
                           size_t size)
{
    const char *target = memchr(head, ' ', size);
    const char *end;
    const struct plan *plan;

    if (target++ == NULL)
        return false;
    end = memchr(target, ' ', size - (size_t)(target - head));
    if (end == NULL)
        return false;
    if (head[0] == 'P') {
        sink_start(connection, head, size);
        return connection->sink != SINK_NONE || sink_reply(connection);
    }
    plan = find_plan(target, (size_t)(end - target));
    if (plan->gather > 0)
        return gather(connection, plan);
    connection_reply(connection, plan);
    return connection_write(connection);
}

/* Works through what has been received; what is left stays at the front. */
static bool connection_process(struct connection *connection)
{
    char *input = connection->input;
    size_t at = 0;
    bool lives = true;

    while (lives && connection->plan == NULL && at < connection->input_size) {
        size_t left = connection->input_size - at;

        if (connection->sink != SINK_NONE) {
            at += sink_feed(connection, input + at, left);
            sink_set_patience(connection);
            if (connection->sink == SINK_NONE)
                lives = sink_reply(connection);
        } else {
            char *end = memmem(input + at, left, "\r\n\r\n", 4);
            size_t size;

            if (end == NULL)
                break;
            size = (size_t)(end - (input + at)) + 4;
            lives = request_answer(connection, input + at, size);
            at += size;
        }
    }
    connection->input_size -= at;
    memmove(input, input + at, connection->input_size);
    return lives;
}

static bool connection_read(struct connection *connection)
{
    while (connection->input_size < INPUT_SIZE) {
        size_t room = INPUT_SIZE - connection->input_size;
        ssize_t count =
            recv(connection->fd, connection->input + connection->input_size,
                 room, 0);

        if (count == 0)
            return false;
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->input_size += (size_t)count;
        if (!connection_process(connection))
            return false;
        if ((size_t)count < room)
            return true; /* drained: the next edge reports more */
    }
    return true;
}

static void accept_all(int poller, int listener)
{
    int one = 1;

    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        int fd = accept4(listener, (struct sockaddr *)&peer, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET |
                                              EPOLLRDHUP};
        struct connection *connection;

        if (fd < 0)
            return;
        if (ntohl(peer.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) {
            close(fd);
            continue;
        }
        connection = allocate(sizeof *connection);
        connection->input = allocate(INPUT_SIZE);
        connection->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        event.data.ptr = connection;
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
            fail("origin: epoll_ctl");
    }
}

/* On every address, because all of 127/8 is wanted; strangers are turned away
 * when they connect. Port 0: one that is free. */
static int listen_on(unsigned *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_ANY);
    address.sin_port = htons((uint16_t)*port);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        fail("origin: listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static void serve(int listener)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    struct epoll_event events[MAX_EVENTS];

    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0)
        fail("origin: epoll");
    for (;;) {
        int count = epoll_wait(poller, events, MAX_EVENTS, IDLE_MS);

        if (count == 0)
            return;
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            bool lives = true;

            if (connection == NULL) {
                accept_all(poller, listener);
                continue;
            }
            if (connection->plan != NULL)
                lives = connection_write(connection) &&
                        connection_process(connection);
            if (lives && (events[i].events & ~(unsigned)EPOLLOUT) != 0)
                lives = connection_read(connection);
            if (!lives)
                connection_close(connection);
        }
    }
}

int main(int argc, char **argv)
{
    unsigned port = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
    int listener = listen_on(&port);
    pid_t child;

    if (argc > 1)
        payload_folder = argv[1];
    signal(SIGPIPE, SIG_IGN);
    pattern = allocate(PATTERN_SIZE);
    for (size_t i = 0; i < PATTERN_SIZE; i++)
        pattern[i] = (char)('a' + i % 26);
    child = fork();
    if (child < 0)
        fail("origin: fork");
    if (child > 0) {
        printf("%u %d\n", port, (int)child);
        return 0;
    }
    /* a reader of the line above through a pipe must see the end of it */
    fclose(stdout);
    if (freopen("/dev/null", "w", stderr) == NULL)
        return 1;
    serve(listener);
    return 0;
}
