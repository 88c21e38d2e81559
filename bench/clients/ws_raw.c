/* bench/clients/ws_raw.c - frames as bytes: the kernel's own price
 *
 * usage: ws_raw echo|text <url> <count> <bytes of a message>
 *
 * Sends the same masked frame again and again, and receives as many bytes as
 * the answer has, 64 KiB at a time. Nothing is masked, parsed or checked.
 */
#define _GNU_SOURCE
#include "meter.h"
#include "ws_dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_SIZE ((size_t)64 * 1024)

static char buffer[BUFFER_SIZE];

static size_t write_head(unsigned char *head, size_t size, unsigned masked)
{
    size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    size_t i;

    head[0] = 0x82;
    head[1] = (unsigned char)(masked | (bytes == 0   ? (unsigned)size
                                        : bytes == 2 ? 126u
                                                     : 127u));
    for (i = 0; i < bytes; i++)
        head[2 + i] = (unsigned char)(size >> (8 * (bytes - 1 - i)) & 0xff);
    return 2 + bytes;
}

static void exchange(int fd, const char *frame, size_t size, size_t answer)
{
    while (size > 0) {
        ssize_t sent = send(fd, frame, size, MSG_NOSIGNAL);

        if (sent <= 0)
            exit(1);
        frame += sent;
        size -= (size_t)sent;
    }
    while (answer > 0) {
        ssize_t received =
            recv(fd, buffer, answer < BUFFER_SIZE ? answer : BUFFER_SIZE, 0);

        if (received <= 0)
            exit(1);
        answer -= (size_t)received;
    }
}

int main(int argc, char **argv)
{
    struct meter meter;
    unsigned char head[16];
    char *frame;
    size_t size;
    size_t sent;
    size_t answer;
    size_t head_size;
    long count;
    int fd;

    if (argc != 5)
        return 2;
    count = atol(argv[3]);
    size = (size_t)atol(argv[4]);
    sent = strcmp(argv[1], "text") == 0 ? 2 : size;
    head_size = write_head(head, sent, 0x80);
    frame = calloc(1, head_size + 4 + sent);
    if (frame == NULL)
        return 1;
    memcpy(frame, head, head_size); /* a key of zeroes */
    answer = write_head(head, size, 0) + size;
    if (sent != size) /* fragments of 16 KiB, with heads of 4 bytes */
        answer = size + size / (16 * 1024) * 4;
    fd = ws_dial(argv[2]);
    exchange(fd, frame, head_size + 4 + sent, answer);
    meter_begin(&meter);
    for (long i = 0; i < count; i++)
        exchange(fd, frame, head_size + 4 + sent, answer);
    meter_end(&meter, (uint64_t)count, (uint64_t)count * size);
    return 0;
}
