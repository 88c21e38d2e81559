/* bench/clients/floor.c - what a library costs alone, under the client that uses it
 *
 * usage: floor <workload> <url> <count> <connections>
 *
 *   sequential   small requests on one TLS connection: SSL_write and SSL_read
 *   discard      bodies over TLS, 64 KiB for each SSL_read
 *   inflate      no connection: the file in $PAYLOADS of the URL's last part,
 *                through zlib's window of 64 KiB, from memory
 *
 * A response ends where the first one's Content-Length says. $CA_FILE is the
 * root; the server is on this machine, and its chain is verified, its name not.
 */
#define _GNU_SOURCE
#include "meter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <zlib.h>

#define BUFFER_SIZE (64 * 1024)

static unsigned char buffer[BUFFER_SIZE];
static char request[1024];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static SSL *dial(const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char host[64];
    char path[512];
    unsigned port;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    SSL *ssl;

    if (sscanf(url, "https://%63[0-9.]:%u%511s", host, &port, path) != 3)
        fail("https://<address>:<port>/<path> expected");
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n",
             path, host, port);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (SSL_CTX_load_verify_locations(context, getenv("CA_FILE"), NULL) != 1)
        fail("$CA_FILE has no root");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (SSL_set_fd(ssl, descriptor) != 1 || SSL_connect(ssl) != 1)
        fail("no handshake");
    return ssl;
}

/* Bytes of head and body, known from the first answer on. */
static uint64_t fetch(SSL *ssl, uint64_t *whole)
{
    uint64_t received = 0;
    int size = (int)strlen(request);

    if (SSL_write(ssl, request, size) != size)
        fail("cannot send");
    do {
        int count = SSL_read(ssl, buffer, BUFFER_SIZE - 1);

        if (count <= 0)
            fail("the answer was cut");
        if (*whole == 0) {
            const char *length;
            const char *end;

            buffer[count] = '\0';
            length = strcasestr((char *)buffer, "\r\nContent-Length:");
            end = strstr((char *)buffer, "\r\n\r\n");
            if (length == NULL || end == NULL)
                fail("no Content-Length in what came first");
            *whole = strtoull(length + strlen("\r\nContent-Length:"), NULL, 10);
            *whole += (uint64_t)(end + 4 - (char *)buffer);
        }
        received += (uint64_t)count;
    } while (received < *whole);
    return received;
}

static void run_tls(const char *url, uint64_t count, bool is_warm)
{
    SSL *ssl = dial(url);
    struct meter meter;
    uint64_t whole = 0;
    uint64_t bytes = 0;

    for (int i = 0; is_warm && i < 4; i++)
        fetch(ssl, &whole);
    meter_begin(&meter);
    for (uint64_t i = 0; i < count; i++)
        bytes += fetch(ssl, &whole);
    meter_end(&meter, count, bytes);
    SSL_free(ssl);
}

static unsigned char *read_payload(const char *url, size_t *size)
{
    char path[1024];
    unsigned char *bytes;
    FILE *file;
    long end;

    snprintf(path, sizeof path, "%s%s", getenv("PAYLOADS"), strrchr(url, '/'));
    file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 ||
        (end = ftell(file)) < 0)
        fail("no such file in $PAYLOADS");
    rewind(file);
    *size = (size_t)end;
    bytes = malloc(*size);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size)
        fail("cannot read it");
    fclose(file);
    return bytes;
}

static void run_inflate(const char *url, uint64_t count)
{
    size_t size;
    unsigned char *coded = read_payload(url, &size);
    struct meter meter;
    uint64_t bytes = 0;

    meter_begin(&meter);
    for (uint64_t i = 0; i < count; i++) {
        z_stream stream = {.next_in = coded, .avail_in = (uInt)size};
        int answer;

        if (inflateInit2(&stream, 15 + 16) != Z_OK)
            fail("no memory");
        do {
            stream.next_out = buffer;
            stream.avail_out = BUFFER_SIZE;
            answer = inflate(&stream, Z_NO_FLUSH);
            bytes += BUFFER_SIZE - stream.avail_out;
        } while (answer == Z_OK);
        if (answer != Z_STREAM_END)
            fail("not gzip");
        inflateEnd(&stream);
    }
    meter_end(&meter, count, bytes);
    free(coded);
}

int main(int argc, char **argv)
{
    uint64_t count;

    if (argc < 4)
        fail("usage: floor <workload> <url> <count> <connections>");
    count = strtoull(argv[3], NULL, 10);
    if (strcmp(argv[1], "inflate") == 0)
        run_inflate(argv[2], count);
    else
        run_tls(argv[2], count, strcmp(argv[1], "sequential") == 0);
    return 0;
}
