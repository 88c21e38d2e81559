#define _GNU_SOURCE
#include "ws_dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

int ws_dial(const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    char path[256];
    char text[1024];
    unsigned port;
    size_t have = 0;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (sscanf(url, "ws://%63[0-9.]:%u%255s", host, &port, path) != 3) {
        fprintf(stderr, "ws://<address>:<port>/<path> expected\n");
        exit(2);
    }
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    snprintf(text, sizeof text,
             "GET %s HTTP/1.1\r\nHost: origin\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             path);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        fail("send");
    do {
        ssize_t size = recv(fd, text + have, sizeof text - 1 - have, 0);

        if (size <= 0)
            fail("handshake");
        have += (size_t)size;
        text[have] = '\0';
    } while (strstr(text, "\r\n\r\n") == NULL);
    return fd;
}

void ws_fill(char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        bytes[i] = (char)('0' + i % 20 % 10);
}
