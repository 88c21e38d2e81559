/* bench/origin/ticker.c - streams of events to measure delays with
 *
 * Answers so many requests with a stream of events each. Once all are there it
 * sends an event to one stream after the other, so that each gets a hundred a
 * second, then ends. The data of an event begins with the time when it was sent
 * (CLOCK_MONOTONIC, in nanoseconds).
 *
 * usage: ticker <streams> <events of each>
 * Prints "<port> <process id>" when it listens and goes on in the background.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS   10000000 /* of one stream */
#define MAX_STREAMS 1000
#define GIVE_UP_S   120

static const char head[] = "HTTP/1.1 200 OK\r\n"
                           "Content-Type: text/event-stream\r\n"
                           "Connection: close\r\n\r\n";

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void sleep_until(int64_t when)
{
    struct timespec time = {when / 1000000000, when % 1000000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
        ;
}

static int accept_one(int listener)
{
    char request[4096];
    int one = 1;
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        fail("ticker: accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (recv(fd, request, sizeof request, 0) <= 0 ||
        send(fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0)
        fail("ticker: request");
    return fd;
}

static void send_event(int fd)
{
    char event[256];
    int size = snprintf(event, sizeof event, "data: %lld %0168d\n\n",
                        (long long)now(), 0);

    if (send(fd, event, (size_t)size, MSG_NOSIGNAL) != size)
        fail("ticker: send");
}

static void serve(int listener, int streams, int events)
{
    static int fds[MAX_STREAMS];
    int64_t start;

    alarm(GIVE_UP_S);
    for (int i = 0; i < streams; i++)
        fds[i] = accept_one(listener);
    start = now() + 100000000;
    for (int i = 0; i < streams * events; i++) {
        sleep_until(start + (int64_t)i * (PERIOD_NS / streams));
        send_event(fds[i % streams]);
    }
    sleep(1); /* the last ones arrive before the ends do */
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int streams = argc > 1 ? atoi(argv[1]) : 0;
    int events = argc > 2 ? atoi(argv[2]) : 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pid_t pid;

    if (streams < 1 || streams > MAX_STREAMS || events < 1) {
        fprintf(stderr, "usage: ticker <streams> <events of each>\n");
        return 2;
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, MAX_STREAMS) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        fail("ticker: listen");
    pid = fork();
    if (pid < 0)
        fail("ticker: fork");
    if (pid > 0) {
        printf("%d %d\n", ntohs(address.sin_port), (int)pid);
        return 0;
    }
    setsid();
    if (freopen("/dev/null", "w", stdout) == NULL ||
        freopen("/dev/null", "w", stderr) == NULL)
        exit(1);
    serve(listener, streams, events);
    return 0;
}
