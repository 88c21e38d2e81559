#include "io/loop.h"

#include "base/debug.h"
#include "io/backend.h"
#include "io/round.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The poll backend has no descriptor that an outer loop could wait for. */
#define BLIND_TIMEOUT (10 * SL_MILLISECOND)

/* ---- one process, one thread ---- */

#ifdef MADV_WIPEONFORK
static long *make_stamp(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    long *stamp = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (stamp == MAP_FAILED)
        return NULL;
    if (madvise(stamp, size, MADV_WIPEONFORK) != 0) {
        munmap(stamp, size);
        return NULL;
    }
    *stamp = 1;
    return stamp;
}
#else
static long *make_stamp(void)
{
    return NULL;
}
#endif

bool sl_loop_has_other_process(const struct sl_loop *loop)
{
    return loop->process != (long)getpid();
}

/* ---- a life ---- */

enum sl_status sl_loop_init(struct sl_loop *loop,
                            struct sl_allocator *allocator,
                            struct sl_pool *pool)
{
    memset(loop, 0, sizeof *loop);
    loop->allocator = allocator;
    loop->pool = pool;
    sl_cells_init(&loop->cells, allocator);
    loop->wake_fd = -1;
    loop->wake_write_fd = -1;
    loop->poll_fd = -1;
    loop->until = SL_NEVER;
    loop->process = (long)getpid();
    loop->thread = pthread_self();
    sl_timers_init(&loop->timers);
    if (pthread_mutex_init(&loop->post_lock, NULL) != 0)
        return SL_MEMORY;
    loop->stamp = make_stamp();
    sl_loop_refresh(loop);
    return SL_OK;
}

static size_t in_flight(const struct sl_loop *loop)
{
    size_t count = 0;

    for (size_t i = 0; i < loop->backend_count; i++)
        count += loop->backends[i]->in_flight;
    return count;
}

/* Delivers only what frees memory, without running any user's code. */
static void deliver_quietly(struct sl_ready_queue *queue)
{
    while (queue->first != NULL) {
        if (!queue->first->is_internal)
            queue->first->deliver = NULL;
        sl_completion_deliver(queue->first);
    }
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_descriptors(struct sl_loop *loop)
{
    close_descriptor(&loop->poll_fd);
    close_descriptor(&loop->wake_fd);
    close_descriptor(&loop->wake_write_fd);
    if (loop->stamp != NULL)
        munmap(loop->stamp, (size_t)sysconf(_SC_PAGESIZE));
    loop->stamp = NULL;
}

/* In a child of fork the descriptors are still the parent's too: taking
 * something out of an epoll or cancelling in a ring would do it there. A thread
 * that does not exist in the child may hold the lock. */
static bool abandon(struct sl_loop *loop)
{
    loop->quarantined = loop->operations;
    loop->backend_count = 0;
    /* Its number may belong to another descriptor by now. */
    if (sl_gatherer != NULL && sl_gatherer->is_left_behind)
        loop->poll_fd = -1;
    close_descriptors(loop);
    return loop->quarantined == 0;
}

bool sl_loop_close(struct sl_loop *loop, int64_t patience)
{
    int64_t until;

    /* Perhaps from inside a step: a program may exit wherever it is. */
    loop->is_closing = true;
    if (sl_loop_is_forked(loop))
        return abandon(loop);
    until = patience == SL_NEVER ? SL_NEVER : sl_loop_refresh(loop) + patience;
    for (size_t i = 0; i < loop->backend_count; i++)
        loop->backends[i]->class->cancel_all(loop->backends[i]);
    sl_loop_take_posts(loop);
    deliver_quietly(&loop->ready);
    deliver_quietly(&loop->starts);
    while (in_flight(loop) > 0 && loop->now < until) {
        sl_round_wait(loop, until == SL_NEVER ? SL_NEVER : until - loop->now);
        sl_loop_refresh(loop);
        sl_loop_take_posts(loop);
        deliver_quietly(&loop->ready);
        deliver_quietly(&loop->starts);
    }
    loop->quarantined = in_flight(loop);
    while (loop->backend_count > 0) {
        struct sl_backend *backend = loop->backends[--loop->backend_count];

        backend->class->close(backend);
    }
    sl_loop_take_posts(loop);
    deliver_quietly(&loop->ready);
    deliver_quietly(&loop->starts);
    pthread_mutex_lock(&loop->post_lock);
    close_descriptors(loop);
    pthread_mutex_unlock(&loop->post_lock);
    pthread_mutex_destroy(&loop->post_lock);
    return loop->quarantined == 0;
}

void sl_loop_late_write(struct sl_loop *loop)
{
    loop->late_writes++;
    sl_assert(loop->late_writes == 0 &&
              "memory was given back before its operation had ended");
}

/* ---- backends ---- */

static const struct sl_backend_class *best_for_streams(void)
{
    for (size_t i = 0;; i++) {
        sl_assert(sl_backend_classes[i] != NULL);
        if (sl_backend_classes[i]->has_readiness)
            return sl_backend_classes[i];
    }
}

/* Finds the descriptor by which `backend` is watched from outside; -1: none, or
 * the wake descriptor, which is watched anyway. */
static enum sl_status outer_descriptor(const struct sl_loop *loop,
                                       struct sl_backend *backend, int *fd)
{
    *fd = -1;
    if (backend->class->pollfd == NULL)
        return SL_OK;
    *fd = backend->class->pollfd(backend);
    if (*fd < 0)
        return SL_LIMIT;
    if (*fd == loop->wake_fd)
        *fd = -1;
    return SL_OK;
}

/* Makes `host` wake for the wake descriptor and for all other backends. */
static enum sl_status watch_all(struct sl_loop *loop, struct sl_backend *host)
{
    enum sl_status status = SL_OK;

    if (loop->wake_fd >= 0)
        status = host->class->watch(host, loop->wake_fd);
    for (size_t i = 0; i < loop->backend_count && status == SL_OK; i++) {
        int fd;

        status = outer_descriptor(loop, loop->backends[i], &fd);
        if (status == SL_OK && fd >= 0)
            status = host->class->watch(host, fd);
    }
    return status;
}

static enum sl_status add_backend(struct sl_loop *loop,
                                  struct sl_backend *backend)
{
    struct sl_backend *host =
        loop->backend_count > 0 ? loop->backends[0] : NULL;
    bool is_host = host == NULL || backend->class->rank > host->class->rank;
    bool is_gathered = loop->poll_fd >= 0 && sl_gatherer != NULL;
    enum sl_status status = SL_OK;
    int fd = -1;

    if (loop->backend_count == SL_LOOP_BACKENDS)
        return SL_LIMIT;
    if (!is_host || is_gathered)
        status = outer_descriptor(loop, backend, &fd);
    if (status != SL_OK)
        return status;
    /* The gatherer forgets what is closed; a watch is for life and comes
     * last. */
    if (fd >= 0 && is_gathered && sl_gatherer->add(loop->poll_fd, fd) != 0)
        return SL_LIMIT;
    if (is_host)
        status = watch_all(loop, backend);
    else if (fd >= 0)
        status = host->class->watch(host, fd);
    if (status != SL_OK)
        return status;
    loop->backends[loop->backend_count++] = backend;
    if (is_host) {
        loop->backends[loop->backend_count - 1] = loop->backends[0];
        loop->backends[0] = backend;
    }
    return SL_OK;
}

enum sl_status sl_loop_backend(struct sl_loop *loop,
                               const struct sl_backend_class *class,
                               struct sl_backend **backend)
{
    struct sl_backend *opened;
    enum sl_status status;

    if (class == NULL)
        class = best_for_streams();
    for (size_t i = 0; i < loop->backend_count; i++) {
        if (loop->backends[i]->class == class) {
            *backend = loop->backends[i];
            return SL_OK;
        }
    }
    if (loop->is_closing || sl_loop_check(loop) != SL_OK)
        return SL_MISUSE;
    status = class->open(loop, &opened);
    if (status != SL_OK)
        return status;
    status = add_backend(loop, opened);
    if (status != SL_OK) {
        int error = errno;

        class->close(opened);
        errno = error;
        return status;
    }
    *backend = opened;
    return SL_OK;
}

/* ---- a step ---- */

/* Submits operations begun during delivery, when an outer loop does the
 * waiting. */
static void flush(struct sl_loop *loop)
{
    for (size_t i = 0; i < loop->backend_count; i++) {
        if (loop->backends[i]->class->has_pending(loop->backends[i]))
            loop->backends[i]->class->wait(loop->backends[i], 0);
    }
}

enum sl_status sl_loop_step_within(struct sl_loop *loop, int64_t max_wait,
                                   int64_t budget)
{
    if (loop->is_stepping || loop->is_closing || sl_loop_check(loop) != SL_OK)
        return SL_MISUSE;
    loop->is_stepping = true;
    loop->steps++;
    if (loop->is_host_told)
        sl_loop_take_posts(loop);
    if (budget != SL_NEVER) {
        sl_rounds_run(loop, max_wait, budget);
    } else {
        if (loop->pool->is_hurried)
            sl_pool_hurry(loop->pool, false);
        sl_round_run(loop, max_wait);
    }
    /* A host with a budget does not come back at once either. */
    if (loop->poll_fd >= 0 || sl_loop_has_budget(loop))
        flush(loop);
    loop->until = SL_NEVER;
    loop->has_looked = loop->has_started = false;
    loop->is_stepping = false;
    return SL_OK;
}

enum sl_status sl_loop_step(struct sl_loop *loop, int64_t max_wait)
{
    return sl_loop_step_within(loop, max_wait, SL_NEVER);
}

int64_t sl_loop_timeout(const struct sl_loop *loop)
{
    int64_t timeout;

    if (sl_round_has_something(loop) || loop->phase != SL_LOOP_WAITING)
        return 0;
    for (size_t i = 0; i < loop->backend_count; i++) {
        if (loop->backends[i]->class->has_pending(loop->backends[i]))
            return 0;
    }
    timeout = sl_round_until_timer(loop);
    if (loop->backend_count > 0 && loop->operations > 0 &&
        loop->backends[0]->class->pollfd == NULL && timeout > BLIND_TIMEOUT)
        timeout = BLIND_TIMEOUT;
    return timeout;
}

/* Notifies a new host, which does not know of operations begun before. */
static void greet_host(struct sl_loop *loop)
{
    loop->has_host = true;
    if (sl_loop_has_ready(loop) || loop->operations > 0 ||
        loop->timers.count > 0)
        sl_loop_tell_host(loop);
}

int sl_loop_pollfd(struct sl_loop *loop)
{
    int error;
    int fd;

    if (loop->poll_fd >= 0)
        return loop->poll_fd;
    /* The wake descriptor notifies the host of operations begun outside a
     * step. */
    if (sl_loop_open_posts(loop) != SL_OK)
        return -1;
    if (sl_gatherer == NULL) {
        greet_host(loop);
        return loop->wake_fd;
    }
    fd = sl_gatherer->open();
    if (fd < 0)
        return -1;
    if (sl_gatherer->add(fd, loop->wake_fd) != 0)
        goto fail;
    for (size_t i = 0; i < loop->backend_count; i++) {
        int inner;

        if (outer_descriptor(loop, loop->backends[i], &inner) != SL_OK ||
            (inner >= 0 && sl_gatherer->add(fd, inner) != 0))
            goto fail;
    }
    loop->poll_fd = fd;
    greet_host(loop);
    return fd;

fail:
    error = errno;
    close_descriptor(&fd);
    errno = error;
    return -1;
}
