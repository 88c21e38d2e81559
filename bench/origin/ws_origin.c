/* bench/origin/ws_origin.c - a WebSocket server to measure against
 *
 * A process for each connection, which receives and sends in turn:
 *
 *   GET /echo                         sends each message back, in one frame
 *   GET /text/<bytes>/<fragment>      answers each message with a text of that
 *                                     many bytes, in fragments of that size
 *
 * usage: ws_origin
 * Prints "<port> <process id>" when it listens and goes on in the background;
 * ends by a signal, or by itself after ten minutes without a connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MS     (10 * 60 * 1000)
#define BUFFER_SIZE ((size_t)8 * 1024 * 1024)
#define HEAD_MAX    14
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static unsigned char buffer[BUFFER_SIZE];
static size_t have;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

        if (sent <= 0)
            exit(0);
        at += sent;
        size -= (size_t)sent;
    }
}

static void receive_more(int fd)
{
    ssize_t received = recv(fd, buffer + have, BUFFER_SIZE - 1 - have, 0);

    if (received <= 0)
        exit(0);
    have += (size_t)received;
}

static void drop(size_t size)
{
    have -= size;
    memmove(buffer, buffer + size, have);
}

/* Answers the handshake; `target` gets what was asked for. */
static void shake_hands(int fd, char target[256])
{
    char text[256];
    unsigned char digest[SHA_DIGEST_LENGTH];
    char accept[64];
    const char *key;
    char *end;

    do {
        receive_more(fd);
        buffer[have] = '\0';
        end = strstr((char *)buffer, "\r\n\r\n");
    } while (end == NULL);
    key = strcasestr((char *)buffer, "\r\nSec-WebSocket-Key:");
    if (key == NULL || sscanf((char *)buffer, "GET %255s", target) != 1)
        exit(1);
    key += strlen("\r\nSec-WebSocket-Key:");
    key += strspn(key, " ");
    snprintf(text, sizeof text, "%.24s" GUID, key);
    SHA1((unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    send_all(fd, text,
             (size_t)snprintf(text, sizeof text,
                              "HTTP/1.1 101 Switching Protocols\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: %s\r\n\r\n",
                              accept));
    drop((size_t)(end - (char *)buffer) + 4);
}

static size_t write_head(unsigned char *head, unsigned first, uint64_t size)
{
    size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    size_t i;

    head[0] = (unsigned char)first;
    head[1] = (unsigned char)(bytes == 0 ? size : bytes == 2 ? 126 : 127);
    for (i = 0; i < bytes; i++)
        head[2 + i] = (unsigned char)(size >> (8 * (bytes - 1 - i)) & 0xff);
    return 2 + bytes;
}

/* Receives a whole masked frame; its payload is unmasked where it lies. */
static unsigned char *receive_frame(int fd, unsigned *first, size_t *size,
                                    size_t *frame)
{
    size_t bytes;
    size_t head;
    size_t i;
    uint32_t key;
    uint64_t length = 0;

    while (have < 2)
        receive_more(fd);
    bytes = (buffer[1] & 127) < 126 ? 0 : (buffer[1] & 127) == 126 ? 2 : 8;
    head = 2 + bytes + 4;
    while (have < head)
        receive_more(fd);
    for (i = 0; i < bytes; i++)
        length = length << 8 | buffer[2 + i];
    *first = buffer[0];
    *size = bytes == 0 ? buffer[1] & 127 : (size_t)length;
    *frame = head + *size;
    if (*frame >= BUFFER_SIZE)
        exit(1);
    while (have < *frame)
        receive_more(fd);
    memcpy(&key, buffer + head - 4, sizeof key);
    for (i = 0; i + 4 <= *size; i += 4) {
        uint32_t word;

        memcpy(&word, buffer + head + i, sizeof word);
        word ^= key;
        memcpy(buffer + head + i, &word, sizeof word);
    }
    for (; i < *size; i++)
        buffer[head + i] ^= buffer[head - 4 + i % 4];
    return buffer + head;
}

/* The head goes into the room of the one that was received, which is longer. */
static void echo(int fd)
{
    for (;;) {
        unsigned char head[HEAD_MAX];
        unsigned first;
        size_t size;
        size_t frame;
        unsigned char *payload = receive_frame(fd, &first, &size, &frame);
        size_t head_size = write_head(head, first, size);

        memcpy(payload - head_size, head, head_size);
        send_all(fd, payload - head_size, head_size + size);
        drop(frame);
        if ((first & 15) == 8)
            exit(0);
    }
}

/* A message of mixed text, with its heads. */
static unsigned char *make_text(size_t size, size_t fragment, size_t *whole)
{
    static const char text[] = "words of ASCII, \xd1\x81\xd0\xbb\xd0\xbe\xd0"
                               "\xb2\xd0\xb0, \xe8\xa8\x80\xe8\x91\x89, caf\xc3"
                               "\xa9 and \xf0\x9f\x98\x80. ";
    size_t heads = (size / fragment + 1) * HEAD_MAX;
    unsigned char *made = mmap(NULL, size + heads, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t at = 0;
    size_t used = 0;

    if (made == MAP_FAILED)
        fail("ws_origin: memory");
    while (at < size) {
        size_t here = size - at < fragment ? size - at : fragment;
        size_t i;

        used += write_head(
            made + used, (at == 0 ? 1u : 0u) | (at + here == size ? 0x80u : 0u),
            here);
        for (i = 0; i < here; i++) {
            size_t place = (at + i) % (sizeof text - 1);
            size_t begun = at + i - place;

            /* no part of a text stands at the end */
            made[used++] =
                (unsigned char)(begun + sizeof text - 1 > size ? '.'
                                                               : text[place]);
        }
        at += here;
    }
    *whole = used;
    return made;
}

static void send_text(int fd, size_t size, size_t fragment)
{
    size_t whole;
    const unsigned char *text = make_text(size, fragment, &whole);

    for (;;) {
        unsigned first;
        size_t payload;
        size_t frame;

        receive_frame(fd, &first, &payload, &frame);
        drop(frame);
        if ((first & 15) == 8)
            exit(0);
        send_all(fd, text, whole);
    }
}

static void serve(int fd)
{
    char target[256];
    size_t size;
    size_t fragment;
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    shake_hands(fd, target);
    if (sscanf(target, "/text/%zu/%zu", &size, &fragment) == 2 && fragment > 0)
        send_text(fd, size, fragment);
    echo(fd);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd waiting = {listener, POLLIN, 0};
    pid_t pid;

    if (listener < 0 || bind(listener, (void *)&address, length) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (void *)&address, &length) != 0)
        fail("ws_origin: listen");
    pid = fork();
    if (pid != 0) {
        printf("%u %ld\n", ntohs(address.sin_port), (long)pid);
        return 0;
    }
    setsid();
    if (freopen("/dev/null", "w", stdout) == NULL ||
        freopen("/dev/null", "w", stderr) == NULL)
        return 1;
    signal(SIGCHLD, SIG_IGN);
    while (poll(&waiting, 1, IDLE_MS) == 1) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0 && fork() == 0)
            serve(fd);
        close(fd);
    }
    return 0;
}
