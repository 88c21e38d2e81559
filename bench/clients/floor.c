/* bench/clients/floor.c - what a library costs alone, without its client
 *
 * usage: floor <workload> <url> <count> <connections>
 *
 *   sequential   small requests on one TLS connection: SSL_write and SSL_read
 *   handshakes   a TLS 1.3 connection for each request: socket, connect,
 *                SSL_connect, SSL_write, SSL_read, SSL_shutdown, close; each
 *                handshake resumes the session of the one before it, unless
 *                $RESUME is 0
 *   discard      bodies over TLS, 64 KiB for each SSL_read
 *   inflate      no connection: the file in $PAYLOADS of the URL's last part,
 *                through zlib's window of 64 KiB, from memory
 *   isal         the same through ISA-L's of 256 KiB
 *
 * A response ends where the first one's Content-Length says. $CA_FILE is the
 * root; the chain of the server is verified, and its name, which is an address.
 */
#define _GNU_SOURCE
#include "meter.h"

#include <arpa/inet.h>
#include <isa-l/igzip_lib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER_SIZE (64 * 1024)

static unsigned char buffer[BUFFER_SIZE];
static char request[1024];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static struct sockaddr_in address = {.sin_family = AF_INET};

static void parse_url(const char *url)
{
    char host[64];
    char path[512];
    unsigned port;

    if (sscanf(url, "https://%63[0-9.]:%u%511s", host, &port, path) != 3)
        fail("https://<address>:<port>/<path> expected");
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n",
             path, host, port);
}

/* The newest session of any connection; each ticket brings one. */
static SSL_SESSION *session;

static int keep_session(SSL *ssl, SSL_SESSION *made)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = made;
    return 1; /* the reference is ours now */
}

static SSL_CTX *create_context(void)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const char *resume = getenv("RESUME");

    if (SSL_CTX_load_verify_locations(context, getenv("CA_FILE"), NULL) != 1)
        fail("$CA_FILE has no root");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    /* The order of sluice: it saves work in each hash and each record. */
    SSL_CTX_set_ciphersuites(context,
                             "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1);
    /* One receive for all that has arrived. */
    SSL_CTX_set_read_ahead(context, 1);
    if (resume != NULL && strcmp(resume, "0") == 0) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    } else {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT |
                                                    SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    }
    return context;
}

static SSL *dial(SSL_CTX *context)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    SSL *ssl;

    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ssl = SSL_new(context);
    if (ssl == NULL ||
        X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl),
                                  (unsigned char *)&address.sin_addr,
                                  sizeof address.sin_addr) != 1 ||
        (session != NULL && SSL_set_session(ssl, session) != 1) ||
        SSL_set_fd(ssl, descriptor) != 1 || SSL_connect(ssl) != 1)
        fail("no handshake");
    return ssl;
}

static void hang_up(SSL *ssl)
{
    int descriptor = SSL_get_fd(ssl);

    SSL_shutdown(ssl); /* once: the answer is not waited for */
    SSL_free(ssl);
    close(descriptor);
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
    SSL_CTX *context = create_context();
    SSL *ssl;
    struct meter meter;
    uint64_t whole = 0;
    uint64_t bytes = 0;

    parse_url(url);
    ssl = dial(context);
    for (int i = 0; is_warm && i < 4; i++)
        fetch(ssl, &whole);
    meter_begin(&meter);
    for (uint64_t i = 0; i < count; i++)
        bytes += fetch(ssl, &whole);
    meter_end(&meter, count, bytes);
    hang_up(ssl);
    SSL_CTX_free(context);
}

static void run_handshakes(const char *url, uint64_t count)
{
    SSL_CTX *context = create_context();
    struct meter meter;
    uint64_t whole = 0;
    uint64_t bytes = 0;

    parse_url(url);
    for (uint64_t i = 0; i < count + 4; i++) {
        SSL *ssl;

        if (i == 4) {
            bytes = 0;
            meter_begin(&meter);
        }
        ssl = dial(context);
        bytes += fetch(ssl, &whole);
        hang_up(ssl);
    }
    meter_end(&meter, count, bytes);
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
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

/* The same by ISA-L, which checks the checksum, too. */
static void run_isal(const char *url, uint64_t count)
{
    static struct inflate_state state;
    static unsigned char window[256 * 1024];
    size_t size;
    unsigned char *coded = read_payload(url, &size);
    struct meter meter;
    uint64_t bytes = 0;

    meter_begin(&meter);
    for (uint64_t i = 0; i < count; i++) {
        isal_inflate_init(&state);
        state.crc_flag = ISAL_GZIP;
        state.next_in = coded;
        state.avail_in = (uint32_t)size;
        while (state.block_state != ISAL_BLOCK_FINISH) {
            state.next_out = window;
            state.avail_out = sizeof window;
            if (isal_inflate(&state) != ISAL_DECOMP_OK ||
                state.avail_out == sizeof window)
                fail("not gzip");
            bytes += sizeof window - state.avail_out;
        }
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
    else if (strcmp(argv[1], "isal") == 0)
        run_isal(argv[2], count);
    else if (strcmp(argv[1], "handshakes") == 0)
        run_handshakes(argv[2], count);
    else
        run_tls(argv[2], count, strcmp(argv[1], "sequential") == 0);
    return 0;
}
