/* bench/clients/curl.c - libcurl's multi interface, used with care
 *
 * usage: curl <workload> <url> <count> <connections>
 *
 *   sequential   one after the other on one connection
 *   concurrent   that many at once: the socket interface over epoll
 *   discard      one after the other, bodies counted and dropped
 *   hold         bodies collected in one growing block
 *   upload       POST of the file named by $UPLOAD; multipart: as a part of one
 *   post         POST of $JSON, printed into a block again for each request
 *
 * Environment: $CA_FILE certificates to trust; $FRESH=1 a new connection for
 * each request; $RESUME=0 no TLS session cache; $DECODE=1 asks for gzip and
 * decodes it. Easy handles are made once and used again, as curl recommends.
 */
#define _GNU_SOURCE
#include "meter.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct transfer {
    CURL *easy;
    FILE *file; /* what is uploaded */
    char *held; /* the body, when it is kept */
    size_t held_size;
    size_t held_room;
};

static CURLM *multi;
static struct transfer *transfers;
static const char *workload;
static const char *url;
static uint64_t bytes;
static char json[4096];

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "curl: %s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL)
        fail("memory", "none left");
    return block;
}

/* ---- bodies ---- */

static bool is(const char *name)
{
    return strcmp(workload, name) == 0;
}

static bool is_upload(void)
{
    return is("upload") || is("multipart");
}

static size_t on_discard(char *data, size_t one, size_t size, void *context)
{
    (void)data;
    (void)one;
    (void)context;
    bytes += size;
    return size;
}

/* The answer to an upload is not what was measured: what was sent counts. */
static size_t on_answer(char *data, size_t one, size_t size, void *context)
{
    (void)data;
    (void)one;
    (void)context;
    return size;
}

static size_t on_hold(char *data, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;

    (void)one;
    if (transfer->held_size + size > transfer->held_room) {
        transfer->held_room = (transfer->held_size + size) * 2;
        transfer->held = realloc(transfer->held, transfer->held_room);
        if (transfer->held == NULL)
            fail("memory", "none left");
    }
    memcpy(transfer->held + transfer->held_size, data, size);
    transfer->held_size += size;
    bytes += size;
    return size;
}

/* ---- transfers ---- */

static void set_upload(struct transfer *transfer)
{
    const char *path = getenv("UPLOAD");
    struct stat info;

    if (path == NULL || stat(path, &info) != 0)
        fail("UPLOAD", "names no file");
    transfer->file = fopen(path, "rb");
    curl_easy_setopt(transfer->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_READDATA, transfer->file);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)info.st_size);
}

static void set_multipart(struct transfer *transfer)
{
    curl_mime *mime = curl_mime_init(transfer->easy);
    curl_mimepart *part = curl_mime_addpart(mime);

    if (curl_mime_name(part, "file") != CURLE_OK ||
        curl_mime_filedata(part, getenv("UPLOAD")) != CURLE_OK)
        fail("UPLOAD", "names no file");
    curl_easy_setopt(transfer->easy, CURLOPT_MIMEPOST, mime);
}

static void transfer_init(struct transfer *transfer)
{
    static struct curl_slist *fields;
    const char *ca_file = getenv("CA_FILE");
    const char *resume = getenv("RESUME");
    CURL *easy = curl_easy_init();

    transfer->easy = easy;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                     is("hold")    ? on_hold
                     : is_upload() ? on_answer
                                   : on_discard);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    if (ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    if (resume != NULL && strcmp(resume, "0") == 0)
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (getenv("FRESH") != NULL)
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (getenv("DECODE") != NULL)
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    if (is("upload"))
        set_upload(transfer);
    if (is("multipart"))
        set_multipart(transfer);
    if (is_upload() || is("post")) {
        /* no waiting for a 100: the other contenders do not ask either */
        if (fields == NULL) {
            fields = curl_slist_append(NULL, "Expect:");
            if (is("post"))
                fields =
                    curl_slist_append(fields, "Content-Type: application/json");
        }
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
    }
}

static void transfer_start(struct transfer *transfer, long number)
{
    CURLMcode code;

    if (transfer->file != NULL)
        rewind(transfer->file);
    if (is("post")) {
        snprintf(json, sizeof json,
                 "{\"id\":%ld,\"name\":\"item %ld\",\"price\":%.2f,"
                 "\"tags\":[\"a\",\"b\",\"c\"],\"stock\":%ld}",
                 number, number, (double)number / 100, number % 1000);
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, json);
    }
    transfer->held_size = 0;
    code = curl_multi_add_handle(multi, transfer->easy);
    if (code != CURLM_OK)
        fail("add", curl_multi_strerror(code));
}

/* Takes finished transfers off the multi handle; returns how many. */
static long collect(struct transfer **finished, long room)
{
    CURLMsg *message;
    int left;
    long count = 0;

    while (count < room &&
           (message = curl_multi_info_read(multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        struct transfer *transfer;
        curl_off_t sent = 0;
        long status = 0;

        if (message->data.result != CURLE_OK)
            fail(url, curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200)
            fail(url, "status is not 200");
        if (is_upload()) {
            curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
            bytes += (uint64_t)sent;
        }
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        curl_multi_remove_handle(multi, easy);
        if (transfer->held != NULL) {
            free(transfer->held);
            transfer->held = NULL;
            transfer->held_room = 0;
        }
        finished[count++] = transfer;
    }
    return count;
}

/* ---- one at a time: perform and poll ---- */

static void run_sequential(long count)
{
    struct transfer *finished;

    for (long i = 0; i < count; i++) {
        int running;

        transfer_start(&transfers[0], i);
        for (;;) {
            curl_multi_perform(multi, &running);
            if (collect(&finished, 1) == 1)
                break;
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
        }
    }
}

/* ---- many at once: the socket interface over epoll ---- */

static int poller;
static long timeout_ms = -1;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context,
                     void *known)
{
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    (void)context;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    epoll_ctl(poller, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
              &event);
    if (known == NULL)
        curl_multi_assign(multi, fd, transfers);
    return 0;
}

static int on_timer(CURLM *handle, long ms, void *context)
{
    (void)handle;
    (void)context;
    timeout_ms = ms;
    return 0;
}

static void run_concurrent(long count, int connections)
{
    struct transfer **finished =
        allocate((size_t)connections, sizeof(struct transfer *));
    struct epoll_event events[128];
    long started = 0;
    long done = 0;
    int running;

    for (; started < connections && started < count; started++)
        transfer_start(&transfers[started], started);
    while (done < count) {
        int ready = epoll_wait(poller, events, 128, (int)timeout_ms);
        long ended;

        if (ready == 0) {
            timeout_ms = -1;
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        for (int i = 0; i < ready; i++) {
            unsigned seen = events[i].events;
            int mask = (seen & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (seen & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (seen & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

            curl_multi_socket_action(multi, events[i].data.fd, mask, &running);
        }
        ended = collect(finished, connections);
        done += ended;
        for (long i = 0; i < ended && started < count; i++, started++)
            transfer_start(finished[i], started);
    }
    free(finished);
}

static void run(long count, int connections)
{
    if (connections > 1)
        run_concurrent(count, connections);
    else
        run_sequential(count);
}

int main(int argc, char **argv)
{
    struct meter meter;
    long count;
    int connections;
    bool is_small;

    if (argc != 5) {
        fprintf(stderr, "usage: curl <workload> <url> <count> "
                        "<connections>\n");
        return 2;
    }
    workload = argv[1];
    url = argv[2];
    count = atol(argv[3]);
    connections = atoi(argv[4]);
    is_small = is("sequential") || is("concurrent") || is("post");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    poller = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections + 1);
    if (connections > 1) {
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    }
    transfers = allocate((size_t)connections, sizeof *transfers);
    for (int i = 0; i < connections; i++)
        transfer_init(&transfers[i]);
    if (is_small)
        run(connections * 4, connections);
    bytes = 0;
    meter_begin(&meter);
    run(count, connections);
    meter_end(&meter, (uint64_t)count, bytes);
    return 0;
}
