/* tls_peer DIRECTORY PORT VERSION [COUNT] - a TLS server that plays the path of a request
 * for
 *
 * Shows the certificate good.pem of DIRECTORY and speaks "1.2" or "1.3" only. With
 * a COUNT it answers that many handshakes and is silent in all that follow.
 * The path of a request is a script, "/length-5/body-whole/notify/fin":
 *
 *   length-N close           a head: Content-Length, or Connection: close
 *   body-TEXT fill-N         content: that text; N letters
 *   update-0 update-1        a key update, which asks for one or not
 *   ticket hello             a ticket (1.3); a request to renegotiate (1.2)
 *   fragment-N               records of at most N bytes from now on
 *   notify                   close_notify
 *   flush record             sends all of that; one record of it
 *   fin reset                flushes and ends; breaks the connection off
 *   garbage                  a malformed record
 *   pause-N                  N milliseconds
 *   await                    flushes, reads until the client has ended
 *
 * What is not sent at the end of a script is sent then; without a head of its
 * own a script answers with the path. One line for each event goes to standard
 * output: "request PATH", "resumed", "close_notify", "eof", "failed REASON".
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_SIZE 65536

struct connection {
    int fd; /* -1: closed */
    SSL *ssl;
    BIO *in;
    BIO *out;
    char head[HEAD_SIZE];
    size_t head_size;
};

static SSL_CTX *context;
static atomic_int handshakes_left = 1 << 30;

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

/* ---- bytes ---- */

static size_t unsent(const struct connection *self, unsigned char **bytes)
{
    return (size_t)BIO_get_mem_data(self->out, (char **)bytes);
}

static void put(const struct connection *self, size_t size)
{
    char *bytes = malloc(size + 1);
    ssize_t at = 0;
    int count = BIO_read(self->out, bytes, (int)size);

    while (self->fd >= 0 && at < count) {
        ssize_t n =
            send(self->fd, bytes + at, (size_t)(count - at), MSG_NOSIGNAL);

        if (n <= 0)
            break;
        at += n;
    }
    free(bytes);
}

static void flush(const struct connection *self)
{
    unsigned char *bytes;

    put(self, unsent(self, &bytes));
}

static void put_record(const struct connection *self)
{
    unsigned char *bytes;
    size_t size = unsent(self, &bytes);

    if (size >= 5)
        put(self, 5 + ((size_t)bytes[3] << 8 | bytes[4]));
}

static bool fill(const struct connection *self)
{
    char bytes[16384];
    ssize_t n = recv(self->fd, bytes, sizeof bytes, 0);

    if (n > 0)
        BIO_write(self->in, bytes, (int)n);
    return n > 0;
}

/* ---- requests ---- */

static void tell_end(int error)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);

    if (error == SSL_ERROR_ZERO_RETURN)
        say("close_notify\n");
    else
        say("failed %s\n", reason != NULL ? reason : "without a reason");
}

/* Some more of what the client sends; false at its end, which is printed. */
static bool read_some(struct connection *self, void *to, size_t size,
                      size_t *count)
{
    for (;;) {
        int error;
        int result;

        ERR_clear_error();
        result = SSL_read_ex(self->ssl, to, size, count);
        if (result == 1)
            return true;
        error = SSL_get_error(self->ssl, result);
        flush(self);
        if (error != SSL_ERROR_WANT_READ) {
            tell_end(error);
            return false;
        }
        if (!fill(self)) {
            say("eof\n");
            return false;
        }
    }
}

/* One request with its body; what follows it is lost. */
static bool read_request(struct connection *self)
{
    const char *end = NULL;
    const char *length;
    size_t size;

    self->head_size = 0;
    for (;;) {
        size_t count;

        self->head[self->head_size] = '\0';
        end = strstr(self->head, "\r\n\r\n");
        length = strstr(self->head, "Content-Length: ");
        size = length != NULL ? (size_t)atol(length + 16) : 0;
        if (end != NULL &&
            self->head_size >= (size_t)(end + 4 - self->head) + size)
            return true;
        if (self->head_size == HEAD_SIZE - 1 ||
            !read_some(self, self->head + self->head_size,
                       HEAD_SIZE - 1 - self->head_size, &count))
            return false;
        self->head_size += count;
    }
}

/* ---- scripts ---- */

static void write_text(const struct connection *self, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    SSL_write(self->ssl, text, (int)strlen(text));
}

static void write_letters(const struct connection *self, long count)
{
    char letters[16384];

    memset(letters, 'r', sizeof letters);
    while (count > 0) {
        int part =
            count < (long)sizeof letters ? (int)count : (int)sizeof letters;

        SSL_write(self->ssl, letters, part);
        count -= part;
    }
}

static void update_keys(const struct connection *self, long asks)
{
    SSL_key_update(self->ssl, asks ? SSL_KEY_UPDATE_REQUESTED
                                   : SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(self->ssl);
}

static void break_off(struct connection *self, bool is_reset)
{
    struct linger linger = {1, 0};

    if (is_reset)
        setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(self->fd);
    self->fd = -1;
}

static void await(struct connection *self)
{
    size_t count;

    flush(self);
    while (read_some(self, self->head, HEAD_SIZE, &count))
        ;
}

static void send_raw(const struct connection *self, const void *bytes,
                     size_t size)
{
    flush(self);
    send(self->fd, bytes, size, MSG_NOSIGNAL);
}

/* A head; false when the step is none. */
static bool begin_answer(const struct connection *self, const char *step,
                         long number)
{
    if (strcmp(step, "length") == 0)
        write_text(self, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n",
                   number);
    else if (strcmp(step, "close") == 0)
        write_text(self, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    else
        return false;
    return true;
}

static void speak_tls(const struct connection *self, const char *step,
                      long number)
{
    if (strcmp(step, "update") == 0) {
        update_keys(self, number);
    } else if (strcmp(step, "ticket") == 0) {
        SSL_new_session_ticket(self->ssl);
        SSL_do_handshake(self->ssl);
    } else if (strcmp(step, "hello") == 0) {
        SSL_renegotiate(self->ssl);
        SSL_do_handshake(self->ssl);
    } else if (strcmp(step, "fragment") == 0) {
        SSL_set_max_send_fragment(self->ssl, number);
    } else if (strcmp(step, "notify") == 0) {
        SSL_shutdown(self->ssl);
    }
}

static void move_bytes(struct connection *self, const char *step)
{
    if (strcmp(step, "flush") == 0) {
        flush(self);
    } else if (strcmp(step, "record") == 0) {
        put_record(self);
    } else if (strcmp(step, "fin") == 0) {
        flush(self);
        shutdown(self->fd, SHUT_WR);
    } else if (strcmp(step, "reset") == 0) {
        flush(self);
        break_off(self, true);
    } else if (strcmp(step, "garbage") == 0) {
        send_raw(self, "\x17\3\3\0\x20garbagegarbagegarbagegarbagegarb", 37);
    } else if (strcmp(step, "await") == 0) {
        await(self);
    }
}

static void run_script(struct connection *self, char *script)
{
    bool has_head = false;
    char *rest = NULL;
    char *step = strtok_r(script, "/", &rest);

    for (; step != NULL && self->fd >= 0; step = strtok_r(NULL, "/", &rest)) {
        char *argument = strchr(step, '-');
        long number;

        if (argument != NULL)
            *argument++ = '\0';
        number = argument != NULL ? atol(argument) : 0;
        ERR_clear_error();
        has_head |= begin_answer(self, step, number);
        if (strcmp(step, "body") == 0)
            write_text(self, "%s", argument);
        else if (strcmp(step, "fill") == 0)
            write_letters(self, number);
        else if (strcmp(step, "pause") == 0)
            usleep((unsigned)number * 1000);
        speak_tls(self, step, number);
        move_bytes(self, step);
    }
    if (!has_head)
        write_text(self, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    flush(self);
}

/* ---- connections ---- */

static bool shake_hands(const struct connection *self)
{
    for (;;) {
        int result = SSL_do_handshake(self->ssl);

        flush(self);
        if (result == 1)
            break;
        if (SSL_get_error(self->ssl, result) != SSL_ERROR_WANT_READ ||
            !fill(self))
            return false;
    }
    if (SSL_session_reused(self->ssl))
        say("resumed\n");
    return true;
}

static void *serve(void *argument)
{
    struct connection *self = calloc(1, sizeof *self);
    char path[1024];
    int yes = 1;
    char byte;

    self->fd = (int)(intptr_t)argument;
    if (recv(self->fd, &byte, 1, MSG_PEEK) == 1 &&
        atomic_fetch_sub(&handshakes_left, 1) <= 0) {
        say("silent\n");
        for (;;)
            pause();
    }
    setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    self->ssl = SSL_new(context);
    self->in = BIO_new(BIO_s_mem());
    self->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(self->in, -1);
    BIO_set_mem_eof_return(self->out, -1);
    SSL_set_bio(self->ssl, self->in, self->out);
    SSL_set_accept_state(self->ssl);
    if (shake_hands(self))
        while (self->fd >= 0 && read_request(self) &&
               sscanf(self->head, "%*s %1023s", path) == 1) {
            say("request %s\n", path);
            run_script(self, path);
        }
    if (self->fd >= 0)
        break_off(self, false);
    SSL_free(self->ssl);
    free(self);
    return NULL;
}

/* Tickets of more than one record of 512 bytes. */
static int enlarge_ticket(SSL *ssl, void *unused)
{
    static const char more[3000];

    (void)unused;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), more,
                                           sizeof more);
}

static SSL_TICKET_RETURN take_ticket(SSL *ssl, SSL_SESSION *session,
                                     const unsigned char *name, size_t size,
                                     SSL_TICKET_STATUS status, void *unused)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)size;
    (void)unused;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
                                        : SSL_TICKET_RETURN_IGNORE;
}

static bool make_context(const char *directory, const char *version)
{
    int number = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    char path[512];

    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context, number);
    SSL_CTX_set_max_proto_version(context, number);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"peer", 4);
    SSL_CTX_set_session_ticket_cb(context, enlarge_ticket, take_ticket, NULL);
    snprintf(path, sizeof path, "%s/good.pem", directory);
    if (SSL_CTX_use_certificate_chain_file(context, path) != 1)
        return false;
    snprintf(path, sizeof path, "%s/good.key", directory);
    return SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1;
}

int main(int count, char **arguments)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int little = 4096; /* so that a client is soon not heard */
    int yes = 1;

    if (count < 4 || count > 5 || !make_context(arguments[1], arguments[3]))
        return 2;
    if (count == 5)
        handshakes_left = atoi(arguments[4]);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(arguments[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 100) != 0)
        return 2;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd >= 0 &&
            pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}
