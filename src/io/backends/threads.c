/* Operations done by worker threads, their results posted to the loop: for
 * systems that have neither a completion queue nor edges, and proof that
 * nothing depends on where a completion comes from.
 *
 *   loop: submit -> inbox    worker: try; would block -> poll(2) -> try again
 *                            worker: over -> post -> loop: arrive -> signal
 *
 * A worker never blocks in an operation, so it serves any number of them and
 * can always be reached. From submit until its post has arrived an operation
 * and its memory are the worker's. */
#include "base/debug.h"
#include "io/backends/readiness.h"
#include "io/backends/watched.h"
#include "io/system.h"
#include "io/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS    2
#define STACK_SIZE ((size_t)128 * 1024)

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    struct sl_operation *inbox; /* under the lock, last come first */
    bool is_told;               /* under the lock: a byte is in the pipe */
    bool is_stopping;           /* under the lock */
    unsigned asked;             /* under the lock: looks that were asked for */
    unsigned answered;          /* under the lock: looks made, by `answer` */
    pthread_cond_t answer;
    int wake_fd;
    int wake_write_fd;
    /* The thread's own: */
    struct sl_operation *tasks;
    struct pollfd *entries;
    size_t capacity;
};

struct threads_backend {
    struct sl_backend base;
    struct worker workers[WORKERS];
    size_t started;
    size_t next; /* whose turn it is */
    struct sl_watched watched;
};

static struct threads_backend *self_of(struct sl_backend *backend)
{
    return (struct threads_backend *)(void *)backend;
}

/* ---- on a worker's thread ---- */

static void arrive(struct sl_post *post);

static void finish(struct sl_operation *operation, enum sl_status status,
                   size_t result, int error)
{
    operation->own.threads.status = status;
    operation->own.threads.result = result;
    operation->own.threads.error = error;
    sl_loop_post(operation->completion.loop, &operation->own.threads.post);
}

/* Tries an operation once. True: it is over, and not the worker's any more. */
static bool try_once(struct sl_operation *operation)
{
    enum sl_status status;
    size_t result;
    int error;

    if (atomic_load_explicit(&operation->own.threads.is_unwanted,
                             memory_order_acquire)) {
        finish(operation, SL_CANCELLED, 0, 0);
        return true;
    }
    atomic_store(&operation->is_touched, true);
    status = sl_operation_try(operation, &result, &error);
    if (status == SL_AGAIN) {
        atomic_store(&operation->is_touched, false);
        return false;
    }
    finish(operation, status, result, error);
    return true;
}

/* Keeps an operation until its next turn. */
static void keep(struct worker *worker, struct sl_operation *operation)
{
    operation->own.threads.next = worker->tasks;
    worker->tasks = operation;
}

static bool ensure_entries(struct worker *worker, size_t count)
{
    size_t capacity = worker->capacity == 0 ? 16 : worker->capacity;
    struct pollfd *entries;

    if (count <= worker->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    entries = realloc(worker->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    worker->entries = entries;
    worker->capacity = capacity;
    return true;
}

/* Takes the inbox, and the looks asked for so far; false when it is time to
 * end. */
static bool empty_inbox(struct worker *worker, struct sl_operation **inbox,
                        unsigned *asked)
{
    bool is_stopping;
    char bytes[16];

    pthread_mutex_lock(&worker->lock);
    if (worker->is_told && read(worker->wake_fd, bytes, sizeof bytes) >= 0)
        worker->is_told = false;
    *inbox = worker->inbox;
    worker->inbox = NULL;
    is_stopping = worker->is_stopping;
    *asked = worker->asked;
    pthread_mutex_unlock(&worker->lock);
    return !is_stopping;
}

static void try_all(struct worker *worker, struct sl_operation *operations)
{
    while (operations != NULL) {
        struct sl_operation *operation = operations;

        operations = operation->own.threads.next;
        if (operation->waits_first || !try_once(operation))
            keep(worker, operation);
    }
}

static void end_all(struct sl_operation *operations, enum sl_status status,
                    int error)
{
    while (operations != NULL) {
        struct sl_operation *operation = operations;

        operations = operation->own.threads.next;
        finish(operation, status, 0, error);
    }
}

/* Ends operations that are not wanted any more. A cancel that comes later
 * writes to the pipe after it was emptied. */
static void drop_unwanted(struct worker *worker)
{
    struct sl_operation *tasks = worker->tasks;

    worker->tasks = NULL;
    while (tasks != NULL) {
        struct sl_operation *operation = tasks;

        tasks = operation->own.threads.next;
        if (atomic_load_explicit(&operation->own.threads.is_unwanted,
                                 memory_order_acquire))
            finish(operation, SL_CANCELLED, 0, 0);
        else
            keep(worker, operation);
    }
}

/* Waits, as poll(2) does, for the descriptors of all tasks and tries those that
 * are ready. */
static void poll_tasks(struct worker *worker, int timeout)
{
    struct sl_operation *tasks = worker->tasks;
    struct sl_operation *operation;
    size_t count = 1;

    for (operation = tasks; operation != NULL;
         operation = operation->own.threads.next)
        count++;
    if (!ensure_entries(worker, count)) {
        worker->tasks = NULL;
        end_all(tasks, SL_MEMORY, ENOMEM);
        return;
    }
    worker->entries[0] = (struct pollfd){worker->wake_fd, POLLIN, 0};
    count = 1;
    for (operation = tasks; operation != NULL;
         operation = operation->own.threads.next) {
        short events =
            operation->kind == SL_OPERATION_RECEIVE ? POLLIN : POLLOUT;

        worker->entries[count++] =
            (struct pollfd){operation->socket->fd, events, 0};
    }
    if (poll(worker->entries, (nfds_t)count, timeout) < 0) {
        if (errno == EINTR)
            return;
        /* The call would fail again, at once and for ever. */
        worker->tasks = NULL;
        end_all(tasks, errno == ENOMEM ? SL_MEMORY : SL_CLOSED, errno);
        return;
    }
    worker->tasks = NULL;
    for (size_t i = 1; tasks != NULL; i++) {
        operation = tasks;
        tasks = operation->own.threads.next;
        if (worker->entries[i].revents == 0 || !try_once(operation))
            keep(worker, operation);
    }
}

/* Sends what has not been tried yet as far as it goes, as any other backend
 * would have done when it was submitted. */
static void send_some(struct sl_operation *operation)
{
    enum sl_status status;
    size_t result;
    int error;

    if (operation->kind != SL_OPERATION_SEND ||
        atomic_load_explicit(&operation->own.threads.is_unwanted,
                             memory_order_acquire)) {
        finish(operation, SL_CANCELLED, 0, 0);
        return;
    }
    status = sl_operation_try(operation, &result, &error);
    finish(operation, status == SL_AGAIN ? SL_CANCELLED : status, result,
           status == SL_AGAIN ? 0 : error);
}

static void send_last(struct sl_operation *operations)
{
    while (operations != NULL) {
        struct sl_operation *operation = operations;

        operations = operation->own.threads.next;
        send_some(operation);
    }
}

static void answer(struct worker *worker, unsigned asked)
{
    pthread_mutex_lock(&worker->lock);
    worker->answered = asked;
    pthread_cond_signal(&worker->answer);
    pthread_mutex_unlock(&worker->lock);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct sl_operation *inbox;
    unsigned answered = 0;
    unsigned asked;

    while (empty_inbox(worker, &inbox, &asked)) {
        try_all(worker, inbox);
        drop_unwanted(worker);
        poll_tasks(worker, asked == answered ? -1 : 0);
        if (asked != answered)
            answer(worker, asked);
        answered = asked;
    }
    send_last(inbox);
    end_all(worker->tasks, SL_CANCELLED, 0);
    free(worker->entries);
    return NULL;
}

/* ---- on the loop's thread ---- */

static void tell(struct worker *worker)
{
    ssize_t n;

    if (worker->is_told)
        return;
    do
        n = write(worker->wake_write_fd, "", 1);
    while (n < 0 && errno == EINTR);
    worker->is_told = true;
}

static struct sl_operation **place_of(struct sl_operation *operation)
{
    struct sl_socket *socket = operation->socket;

    return operation->kind == SL_OPERATION_RECEIVE ? &socket->receiving
                                                   : &socket->sending;
}

static void arrive(struct sl_post *post)
{
    struct sl_operation *operation =
        (struct sl_operation *)(void *)((char *)post -
                                        offsetof(struct sl_operation,
                                                 own.threads.post));

    operation->socket->backend->in_flight--;
    *place_of(operation) = NULL;
    operation->completion.system_error = operation->own.threads.error;
    if (operation->own.threads.error == EFAULT)
        sl_loop_late_write(operation->completion.loop);
    sl_completion_signal(&operation->completion, operation->own.threads.status,
                         operation->own.threads.result);
}

static void threads_submit(struct sl_backend *backend,
                           struct sl_operation *operation)
{
    struct threads_backend *self = self_of(backend);
    struct worker *worker = &self->workers[self->next++ % WORKERS];

    sl_assert(*place_of(operation) == NULL);
    operation->is_cancelling = false;
    operation->tried_at = 0; /* a worker's time is unknown */
    operation->own.threads.post.arrive = arrive;
    atomic_store_explicit(&operation->own.threads.is_unwanted, false,
                          memory_order_relaxed);
    atomic_store_explicit(&operation->is_touched, false, memory_order_relaxed);
    operation->own.threads.worker = (size_t)(worker - self->workers);
    *place_of(operation) = operation;
    backend->in_flight++;
    pthread_mutex_lock(&worker->lock);
    operation->own.threads.next = worker->inbox;
    worker->inbox = operation;
    tell(worker);
    pthread_mutex_unlock(&worker->lock);
}

static void threads_cancel(struct sl_backend *backend,
                           struct sl_operation *operation)
{
    struct worker *worker =
        &self_of(backend)->workers[operation->own.threads.worker];

    if (operation->is_cancelling || *place_of(operation) != operation)
        return;
    operation->is_cancelling = true;
    atomic_store_explicit(&operation->own.threads.is_unwanted, true,
                          memory_order_release);
    pthread_mutex_lock(&worker->lock);
    tell(worker);
    pthread_mutex_unlock(&worker->lock);
}

/* Each worker ends its cancelled operations, and looks once at all the
 * others. */
static void threads_settle(struct sl_backend *backend)
{
    struct threads_backend *self = self_of(backend);

    for (size_t i = 0; i < self->started; i++) {
        struct worker *worker = &self->workers[i];

        pthread_mutex_lock(&worker->lock);
        worker->asked++;
        tell(worker);
        pthread_mutex_unlock(&worker->lock);
    }
    for (size_t i = 0; i < self->started; i++) {
        struct worker *worker = &self->workers[i];

        pthread_mutex_lock(&worker->lock);
        while (worker->answered != worker->asked)
            pthread_cond_wait(&worker->answer, &worker->lock);
        pthread_mutex_unlock(&worker->lock);
    }
    sl_loop_take_posts(backend->loop);
}

static void stop_workers(struct threads_backend *self)
{
    for (size_t i = 0; i < self->started; i++) {
        struct worker *worker = &self->workers[i];

        pthread_mutex_lock(&worker->lock);
        worker->is_stopping = true;
        tell(worker);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
        pthread_cond_destroy(&worker->answer);
        pthread_mutex_destroy(&worker->lock);
        close(worker->wake_fd);
        close(worker->wake_write_fd);
    }
    self->started = 0;
}

/* As cancel_all, but at once: the workers end, and their results have
 * arrived. */
static void threads_cancel_all(struct sl_backend *backend)
{
    stop_workers(self_of(backend));
    sl_loop_take_posts(backend->loop);
}

static void threads_close(struct sl_backend *backend)
{
    struct threads_backend *self = self_of(backend);

    stop_workers(self);
    sl_free(backend->loop->allocator, self, sizeof *self);
}

static int start_worker(struct worker *worker)
{
    int ends[2];
    int error;

    if (sl_pipe_open(ends) != 0)
        return errno;
    worker->wake_fd = ends[0];
    worker->wake_write_fd = ends[1];
    error = pthread_mutex_init(&worker->lock, NULL);
    if (error != 0)
        goto fail;
    error = pthread_cond_init(&worker->answer, NULL);
    if (error != 0)
        goto fail_lock;
    error = sl_thread_start(&worker->thread, STACK_SIZE, work, worker);
    if (error != 0)
        goto fail_answer;
    return 0;

fail_answer:
    pthread_cond_destroy(&worker->answer);
fail_lock:
    pthread_mutex_destroy(&worker->lock);
fail:
    close(ends[0]);
    close(ends[1]);
    return error;
}

static bool threads_is_present(void)
{
    return true;
}

static enum sl_status threads_open(struct sl_loop *loop,
                                   struct sl_backend **backend)
{
    struct threads_backend *self;
    enum sl_status status = sl_loop_open_posts(loop);
    int error = 0;

    if (status != SL_OK)
        return status;
    self = sl_allocate_zeroed(loop->allocator, sizeof *self);
    if (self == NULL)
        return SL_MEMORY;
    self->base.class = &sl_backend_threads;
    self->base.loop = loop;
    while (self->started < WORKERS && error == 0) {
        error = start_worker(&self->workers[self->started]);
        if (error == 0)
            self->started++;
    }
    if (error != 0) {
        threads_close(&self->base);
        errno = error;
        return error == ENOMEM ? SL_MEMORY : SL_LIMIT;
    }
    *backend = &self->base;
    return SL_OK;
}

/* Waits only as the loop's only backend: otherwise others see the posts. */
static void threads_wait(struct sl_backend *backend, int64_t timeout)
{
    if (backend->loop->backends[0] == backend)
        sl_watched_wait(&self_of(backend)->watched, backend->loop, timeout);
}

static enum sl_status threads_watch(struct sl_backend *backend, int fd)
{
    return sl_watched_add(&self_of(backend)->watched, fd);
}

/* Results arrive by posts. */
static int threads_pollfd(struct sl_backend *backend)
{
    return backend->loop->wake_fd;
}

static bool threads_has_pending(const struct sl_backend *backend)
{
    (void)backend;
    return false;
}

const struct sl_backend_class sl_backend_threads = {
    .name = "threads",
    .benefit = "reduced",
    .rank = 0,
    .has_readiness = false,
    .tells_all = false,
    .is_present = threads_is_present,
    .open = threads_open,
    .close = threads_close,
    .attach = sl_socket_attach,
    .detach = sl_socket_detach,
    .move = sl_socket_move,
    .submit = threads_submit,
    .cancel = threads_cancel,
    .cancel_all = threads_cancel_all,
    .settle = threads_settle,
    .wait = threads_wait,
    .watch = threads_watch,
    .pollfd = threads_pollfd,
    .has_pending = threads_has_pending,
};
