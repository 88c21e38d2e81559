/* kqueue(2) over epoll, for tests. Both filters of a descriptor share one
 * registration; each of its events is reported for the filter it belongs to.
 *
 * A queue is the epoll's descriptor, and its filters stand in a table by that
 * number. The table of a queue that was closed stays until its number is used
 * again.
 */
#include "spec/c/support/kqueue/sys/event.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct filter {
    bool is_added;
    bool is_edge;
    void *udata;
};

struct entry {
    struct filter read, write;
};

struct queue {
    struct entry *entries; /* by descriptor */
    size_t capacity;
    /* An event for which there was no room: the array was full, so the caller
     * asks again without waiting. */
    struct kevent left;
    bool has_left;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue **queues; /* by descriptor */
static size_t queue_count;

/* NULL: no memory. */
static struct queue *queue_of(int fd)
{
    size_t index = (size_t)fd;

    if (index >= queue_count) {
        size_t count = index + 64;
        struct queue **grown = realloc(queues, count * sizeof(struct queue *));

        if (grown == NULL)
            return NULL;
        memset(grown + queue_count, 0,
               (count - queue_count) * sizeof(struct queue *));
        queues = grown;
        queue_count = count;
    }
    if (queues[index] == NULL)
        queues[index] = calloc(1, sizeof(struct queue));
    return queues[index];
}

static struct entry *entry_of(struct queue *queue, size_t fd)
{
    if (fd >= queue->capacity) {
        size_t capacity = fd + 64;
        struct entry *grown =
            realloc(queue->entries, capacity * sizeof *queue->entries);

        if (grown == NULL)
            return NULL;
        memset(grown + queue->capacity, 0,
               (capacity - queue->capacity) * sizeof *grown);
        queue->entries = grown;
        queue->capacity = capacity;
    }
    return &queue->entries[fd];
}

int kqueue(void)
{
    int fd = epoll_create1(0);
    struct queue *queue;

    if (fd < 0)
        return -1;
    pthread_mutex_lock(&lock);
    queue = queue_of(fd);
    if (queue != NULL) {
        free(queue->entries);
        memset(queue, 0, sizeof *queue);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

/* Registers what the entry has now. 0 or errno. */
static int apply(int fd, int target, const struct entry *entry)
{
    struct epoll_event event = {0};

    event.data.fd = target;
    if (entry->read.is_added)
        event.events |= EPOLLIN | EPOLLRDHUP | EPOLLPRI;
    if (entry->write.is_added)
        event.events |= EPOLLOUT;
    if (event.events == 0)
        return epoll_ctl(fd, EPOLL_CTL_DEL, target, NULL) == 0 ? 0 : errno;
    if (entry->read.is_edge || entry->write.is_edge)
        event.events |= EPOLLET;
    if (epoll_ctl(fd, EPOLL_CTL_MOD, target, &event) == 0 ||
        (errno == ENOENT && epoll_ctl(fd, EPOLL_CTL_ADD, target, &event) == 0))
        return 0;
    return errno;
}

static int change(int fd, struct queue *queue, const struct kevent *change)
{
    struct entry *entry = entry_of(queue, change->ident);
    struct filter *filter;

    if (entry == NULL)
        return ENOMEM;
    filter = change->filter == EVFILT_READ ? &entry->read : &entry->write;
    if ((change->flags & EV_DELETE) != 0 && !filter->is_added)
        return ENOENT;
    filter->is_added = (change->flags & EV_ADD) != 0;
    filter->is_edge = (change->flags & EV_CLEAR) != 0;
    filter->udata = change->udata;
    return apply(fd, (int)change->ident, entry);
}

static void fill(struct kevent *event, int fd, short filter, uint32_t seen,
                 void *udata)
{
    uint32_t over = filter == EVFILT_READ ? EPOLLRDHUP | EPOLLHUP | EPOLLERR
                                          : EPOLLHUP | EPOLLERR;

    memset(event, 0, sizeof *event);
    event->ident = (uintptr_t)fd;
    event->filter = filter;
    event->udata = udata;
    if ((seen & over) != 0)
        event->flags |= EV_EOF;
    if ((seen & EPOLLPRI) != 0 && filter == EVFILT_READ)
        event->flags |= EV_OOBAND;
}

/* The events of one descriptor, at most two. */
static int tell_apart(const struct queue *queue, const struct epoll_event *seen,
                      struct kevent two[2])
{
    int fd = seen->data.fd;
    const struct entry *entry = &queue->entries[fd];
    uint32_t any = EPOLLHUP | EPOLLERR;
    int count = 0;

    if (entry->read.is_added &&
        (seen->events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | any)) != 0)
        fill(&two[count++], fd, EVFILT_READ, seen->events, entry->read.udata);
    if (entry->write.is_added && (seen->events & (EPOLLOUT | any)) != 0)
        fill(&two[count++], fd, EVFILT_WRITE, seen->events, entry->write.udata);
    return count;
}

static int take(struct queue *queue, const struct epoll_event *seen, int got,
                struct kevent *events, int count, int event_count)
{
    for (int i = 0; i < got; i++) {
        struct kevent two[2];
        int found = tell_apart(queue, &seen[i], two);

        for (int j = 0; j < found; j++) {
            if (count < event_count) {
                events[count++] = two[j];
            } else {
                queue->left = two[j];
                queue->has_left = true;
            }
        }
    }
    return count;
}

static int milliseconds(const struct timespec *timeout)
{
    int64_t rounded;

    if (timeout == NULL)
        return -1;
    rounded =
        (int64_t)timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000;
    return rounded > INT_MAX ? INT_MAX : (int)rounded;
}

static int collect(int fd, struct kevent *events, int event_count, int timeout)
{
    struct epoll_event seen[64];
    int count = 0;

    pthread_mutex_lock(&lock);
    if (queues[fd]->has_left) {
        events[count++] = queues[fd]->left;
        queues[fd]->has_left = false;
    }
    pthread_mutex_unlock(&lock);
    while (count < event_count) {
        /* Each gives two at most, of which one may be left over. */
        int room = (event_count - count + 1) / 2;
        int most = room < 64 ? room : 64;
        int got = epoll_wait(fd, seen, most, count > 0 ? 0 : timeout);

        if (got < 0 && count == 0)
            return -1;
        if (got <= 0)
            break;
        pthread_mutex_lock(&lock);
        count = take(queues[fd], seen, got, events, count, event_count);
        pthread_mutex_unlock(&lock);
        if (got < most)
            break;
    }
    return count;
}

int kevent(int fd, const struct kevent *changes, int change_count,
           struct kevent *events, int event_count,
           const struct timespec *timeout)
{
    for (int i = 0; i < change_count; i++) {
        int error;

        pthread_mutex_lock(&lock);
        error = change(fd, queues[fd], &changes[i]);
        pthread_mutex_unlock(&lock);
        if (error != 0) {
            errno = error;
            return -1;
        }
    }
    return event_count > 0
               ? collect(fd, events, event_count, milliseconds(timeout))
               : 0;
}
