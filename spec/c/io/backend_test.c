#include "io/backend.h"

#include "spec/c/io/world.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static struct world world;

static void each_backend(void (*body)(const struct sl_backend_class *class))
{
    const struct sl_backend_class *const *backends = sl_platform()->backends;

    for (size_t i = 0; backends[i] != NULL; i++) {
        test_note("%s", backends[i]->name);
        body(backends[i]);
    }
    test_note(" ");
}

/* ---- one operation on a socket, at the backend's own door ---- */

struct task {
    struct sl_operation operation; /* first: found by it */
    struct sl_socket socket;
    struct iovec pieces[3];
    char bytes[48];
    int theirs;
    int told;
    bool is_over;
};

static void deliver(struct sl_completion *completion)
{
    struct task *task = (struct task *)(void *)completion;

    task->told++;
    task->is_over = true;
}

static struct sl_backend *backend_of(const struct sl_backend_class *class)
{
    struct sl_backend *backend = NULL;

    REQUIRE(sl_loop_backend(&world.loop, class, &backend) == SL_OK);
    return backend;
}

static void task_init(struct task *task, const struct sl_backend_class *class,
                      enum sl_operation_kind kind)
{
    struct sl_backend *backend = backend_of(class);
    int ours;

    memset(task, 0, sizeof *task);
    peer_pair(&ours, &task->theirs);
    make_nonblocking(task->theirs);
    sl_socket_init(&task->socket, ours);
    REQUIRE(class->attach(backend, &task->socket) == SL_OK);
    task->socket.is_writable = true;
    sl_completion_init(&task->operation.completion, &world.loop, deliver);
    task->operation.socket = &task->socket;
    task->operation.kind = kind;
    task->operation.message.msg_iov = task->pieces;
}

static void task_fini(struct task *task)
{
    struct sl_backend *backend = task->socket.backend;

    CHECK(task->operation.completion.state != SL_COMPLETION_PENDING);
    CHECK(task->socket.receiving == NULL);
    CHECK(task->socket.sending == NULL);
    sl_completion_fini(&task->operation.completion);
    backend->class->detach(backend, &task->socket);
    close(task->socket.fd);
    close(task->theirs);
}

static void task_submit(struct task *task, size_t pieces, size_t piece_size)
{
    struct sl_backend *backend = task->socket.backend;

    for (size_t i = 0; i < pieces; i++) {
        task->pieces[i].iov_base = task->bytes + i * piece_size;
        task->pieces[i].iov_len = piece_size;
    }
    task->operation.message.msg_iovlen = pieces;
    task->is_over = false;
    sl_completion_begin(&task->operation.completion);
    backend->class->submit(backend, &task->operation);
    if (task->operation.completion.state == SL_COMPLETION_DONE)
        task->is_over = true;
}

static void task_cancel(struct task *task)
{
    struct sl_backend *backend = task->socket.backend;

    if (task->operation.completion.state == SL_COMPLETION_PENDING)
        backend->class->cancel(backend, &task->operation);
}

static void scatter(const struct sl_backend_class *class)
{
    struct task task;

    world_init(&world, NULL);
    task_init(&task, class, SL_OPERATION_RECEIVE);
    task_submit(&task, 3, 4);
    CHECK(!task.is_over);
    world_settle(&world);
    CHECK(!task.is_over);
    peer_send(task.theirs, "0123456789");
    world_until(&world, &task.is_over);
    CHECK_INT(task.operation.completion.status, SL_OK);
    CHECK_INT(task.operation.completion.result, 10);
    CHECK_BYTES(task.bytes, 10, "0123456789", 10);
    close(dup(task.theirs));
    shutdown(task.theirs, SHUT_WR);
    task_submit(&task, 1, 4);
    world_until(&world, &task.is_over);
    CHECK_INT(task.operation.completion.status, SL_END);
    task_fini(&task);
    world_fini(&world);
}

TEST("receives into several pieces, then the end")
{
    each_backend(scatter);
}

static void send_and_close(const struct sl_backend_class *class)
{
    struct task task;
    char bytes[16];

    world_init(&world, NULL);
    task_init(&task, class, SL_OPERATION_SEND);
    memcpy(task.bytes, "farewell", 8);
    task_submit(&task, 1, 8);
    task.operation.completion.is_internal = true;
    sl_resolver_destroy(world.resolver);
    CHECK(sl_loop_close(&world.loop, PATIENCE));
    CHECK(task.is_over);
    CHECK_INT(task.operation.completion.status, SL_OK);
    CHECK_INT(recv(task.theirs, bytes, sizeof bytes, MSG_DONTWAIT), 8);
    close(task.socket.fd);
    close(task.theirs);
    CHECK_INT(sl_pool_fini(&world.pool), 0);
    test_allocator_fini(&world.own);
}

TEST("sends what was submitted even if the loop closes before any step")
{
    each_backend(send_and_close);
}

#define BATCH 64

TEST("submits all waiting operations of a ring with one system call")
{
    static struct task tasks[BATCH];
    const struct sl_backend_class *class = sl_backend_find("io_uring");
    struct sl_backend *backend;
    char bytes[8];

    if (class == NULL || !class->is_present())
        return;
    world_init(&world, NULL);
    backend = backend_of(class);
    for (int i = 0; i < BATCH; i++) {
        task_init(&tasks[i], class, SL_OPERATION_SEND);
        memcpy(tasks[i].bytes, "batch", 5);
    }
    class->wait(backend, 0);
    CHECK(!class->has_pending(backend));
    for (int i = 0; i < BATCH; i++)
        task_submit(&tasks[i], 1, 5);
    CHECK(class->has_pending(backend));
    CHECK_INT(backend->in_flight, BATCH);
    for (int i = 0; i < BATCH; i++)
        CHECK_INT(recv(tasks[i].theirs, bytes, sizeof bytes, MSG_DONTWAIT), -1);
    class->wait(backend, 0);
    CHECK(!class->has_pending(backend));
    CHECK_INT(backend->in_flight, 0);
    for (int i = 0; i < BATCH; i++)
        CHECK_INT(recv(tasks[i].theirs, bytes, sizeof bytes, MSG_DONTWAIT), 5);
    world_settle(&world);
    for (int i = 0; i < BATCH; i++)
        task_fini(&tasks[i]);
    world_fini(&world);
}

static void many_races(const struct sl_backend_class *class)
{
    struct task task;
    int cancelled = 0;

    world_init(&world, NULL);
    task_init(&task, class, SL_OPERATION_RECEIVE);
    for (int i = 0; i < 2500; i++) {
        char byte[2] = "x";
        ssize_t sent;

        task_submit(&task, 1, 1);
        if (i % 4 == 1)
            sl_loop_step(&world.loop, 0);
        if (i % 2 == 0)
            task_cancel(&task);
        sent = send(task.theirs, byte, 1, MSG_NOSIGNAL);
        CHECK_INT(sent, 1);
        if (i % 2 == 1)
            task_cancel(&task);
        world_until(&world, &task.is_over);
        cancelled += task.operation.completion.status == SL_CANCELLED;
        /* Either it has the byte or the byte is still there. */
        if (task.operation.completion.status == SL_OK) {
            CHECK_INT(task.operation.completion.result, 1);
        } else {
            CHECK_INT(task.operation.completion.status, SL_CANCELLED);
            task_submit(&task, 1, 1);
            world_until(&world, &task.is_over);
            CHECK_INT(task.operation.completion.status, SL_OK);
        }
    }
    test_note("%s, %d cancelled", class->name, cancelled);
    task_fini(&task);
    world_fini(&world);
}

TEST("a cancellation that races with a byte loses neither, ten thousand times")
{
    each_backend(many_races);
}

static void outlives_its_loop(const struct sl_backend_class *class)
{
    struct manner manner = {SL_TRANSPORT_COMPLETION, class};
    struct end end;
    int ours;
    int theirs;
    size_t received;

    for (int is_waiting = 0; is_waiting < 2; is_waiting++) {
        world_init(&world, NULL);
        peer_tcp(&ours, &theirs);
        end_init(&end, &world, &manner, ours);
        if (is_waiting)
            CHECK_INT(
                sl_transport_receive(end.transport, &end.buffer, 9, &received),
                SL_AGAIN);
        sl_resolver_destroy(world.resolver);
        CHECK(sl_loop_close(&world.loop, PATIENCE));
        end_fini(&end);
        CHECK_INT(world.loop.descriptors, 0);
        close(theirs);
        CHECK_INT(sl_pool_fini(&world.pool), 0);
        test_allocator_fini(&world.own);
    }
}

TEST("a transport may be closed after its loop")
{
    each_backend(outlives_its_loop);
}

#define CROWD 300 /* more than a ring has places */

static struct end crowd[CROWD];
static int peers[CROWD];

static void *begin_many(void *argument)
{
    world_init(&world, NULL);
    for (int i = 0; i < CROWD; i++) {
        size_t received;
        int ours;

        peer_pair(&ours, &peers[i]);
        end_init(&crowd[i], &world, argument, ours);
        CHECK_INT(sl_transport_receive(crowd[i].transport, &crowd[i].buffer, 9,
                                       &received),
                  SL_AGAIN);
        if (i == CROWD / 2)
            world_settle(&world);
    }
    sl_resolver_destroy(world.resolver);
    return NULL;
}

static void closed_elsewhere(const struct sl_backend_class *class)
{
    struct manner manner = {SL_TRANSPORT_COMPLETION, class};
    int64_t began;
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, begin_many, &manner) == 0);
    pthread_join(thread, NULL);
    began = sl_clock_now();
    CHECK(sl_loop_close(&world.loop, PATIENCE));
    CHECK(sl_clock_now() - began < PATIENCE / 2);
    for (int i = 0; i < CROWD; i++) {
        char byte;

        end_fini(&crowd[i]);
        CHECK_INT(recv(peers[i], &byte, 1, 0), 0);
        close(peers[i]);
    }
    CHECK_INT(world.loop.descriptors, 0);
    CHECK_INT(sl_pool_outstanding(&world.pool), 0);
    CHECK_INT(sl_pool_fini(&world.pool), 0);
    CHECK_INT(count_descriptors(), world.descriptors);
    test_allocator_fini(&world.own);
}

TEST("a loop may be closed on another thread, at once and completely")
{
    each_backend(closed_elsewhere);
}

/* The descriptor of the one ring that there is; -1: none. */
static int find_ring(void)
{
    for (int fd = 0; fd < 256; fd++) {
        char path[32];
        char target[32] = "";

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 &&
            strcmp(target, "anon_inode:[io_uring]") == 0)
            return fd;
    }
    return -1;
}

static void note_time(struct sl_timer *timer)
{
    timer->due = 0;
}

TEST("operations of a closed ring fail, and the loop goes on")
{
    const struct sl_backend_class *class = sl_backend_find("io_uring");
    struct sl_timer timer;
    struct task task;
    int64_t due;

    if (class == NULL || !class->is_present())
        return;
    world_init(&world, NULL);
    task_init(&task, class, SL_OPERATION_RECEIVE);
    task_submit(&task, 1, 4);
    world_settle(&world);
    CHECK(!task.is_over);
    close(find_ring());
    sl_timer_init(&timer, note_time);
    due = sl_loop_refresh(&world.loop) + 5 * SL_MILLISECOND;
    sl_timer_arm(&world.loop.timers, &timer, due);
    while (timer.due != 0)
        sl_loop_step(&world.loop, SL_NEVER);
    CHECK(sl_clock_now() >= due);
    /* Before Linux 6.1 the kernel may go on: it is not over until then. */
    if (!task.is_over) {
        peer_send(task.theirs, "x");
        world_until(&world, &task.is_over);
        CHECK_INT(task.operation.completion.status, SL_OK);
    } else {
        CHECK_INT(task.operation.completion.status, SL_CLOSED);
        CHECK_INT(task.operation.completion.system_error, EBADF);
    }
    task_submit(&task, 1, 4);
    CHECK(task.is_over);
    CHECK_INT(task.operation.completion.status, SL_CLOSED);
    CHECK_INT(task.operation.completion.system_error, EBADF);
    task_fini(&task);
    world_fini(&world);
}

static void cancel_states(const struct sl_backend_class *class)
{
    for (int steps = 0; steps < 4; steps++) {
        struct task task;

        world_init(&world, NULL);
        task_init(&task, class, SL_OPERATION_RECEIVE);
        task_submit(&task, 1, 16);
        for (int i = 0; i < steps; i++)
            sl_loop_step(&world.loop, 0);
        task_cancel(&task);
        task_cancel(&task);
        world_until(&world, &task.is_over);
        CHECK_INT(task.operation.completion.status, SL_CANCELLED);
        CHECK_INT(task.told, 1);
        /* What comes later is for the next operation. */
        peer_send(task.theirs, "later");
        world_settle(&world);
        CHECK_INT(task.told, 1);
        task_submit(&task, 1, 16);
        world_until(&world, &task.is_over);
        CHECK_INT(task.operation.completion.status, SL_OK);
        CHECK_BYTES(task.bytes, task.operation.completion.result, "later", 5);
        task_fini(&task);
        world_fini(&world);
    }
}

TEST("a cancelled operation ends once, by its own completion")
{
    each_backend(cancel_states);
}

/* ---- cancelling races arriving: no byte lost, none twice, told once ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void cancel_races(const struct sl_backend_class *class)
{
    uint32_t random = 11;
    struct task task;
    unsigned char sent = 0;
    unsigned char received = 0;
    int begun = 0;
    int at_once = 0;
    int ended = 0;
    int cancelled = 0;
    int64_t until = sl_clock_now() + PATIENCE;

    world_init(&world, NULL);
    task_init(&task, class, SL_OPERATION_RECEIVE);
    /* Until both have been met often, however the threads are scheduled. */
    while ((ended < 1500 || cancelled <= 100 || ended - cancelled <= 100) &&
           sl_clock_now() < until) {
        uint32_t choice = next_random(&random) % 8;

        if (choice < 2 && begun == ended) {
            task_submit(&task, 1, 1);
            begun++;
            at_once += task.is_over;
        } else if (choice == 2 && sent == received) {
            char byte = (char)sent++;

            REQUIRE(send(task.theirs, &byte, 1, MSG_NOSIGNAL) == 1);
        } else if (choice == 3) {
            task_cancel(&task);
        } else if (choice > 5) {
            sl_loop_step(&world.loop,
                         random % 64 == 0 ? SL_MILLISECOND / 5 : 0);
        }
        if (begun == ended || !task.is_over)
            continue;
        ended++;
        if (task.operation.completion.status == SL_OK)
            CHECK_INT((unsigned char)task.bytes[0], received++);
        else
            cancelled +=
                CHECK_INT(task.operation.completion.status, SL_CANCELLED);
    }
    task_cancel(&task);
    if (begun > ended)
        world_until(&world, &task.is_over);
    CHECK_INT(task.told + at_once, begun);
    CHECK(cancelled > 100);
    CHECK(ended - cancelled > 100);
    task_fini(&task);
    world_fini(&world);
}

TEST("a cancel that races with bytes loses nothing, notifies once")
{
    each_backend(cancel_races);
}

/* ---- more at once than any queue holds ---- */

#define MANY 700

static void many_at_once(const struct sl_backend_class *class)
{
    static struct task tasks[MANY];

    world_init(&world, NULL);
    for (int i = 0; i < MANY; i++) {
        task_init(&tasks[i], class, SL_OPERATION_RECEIVE);
        task_submit(&tasks[i], 1, 16);
    }
    world_settle(&world);
    for (int i = 0; i < MANY; i++)
        peer_send(tasks[i].theirs, "all at once");
    for (int i = 0; i < MANY; i++) {
        world_until(&world, &tasks[i].is_over);
        CHECK_INT(tasks[i].operation.completion.status, SL_OK);
        CHECK_INT(tasks[i].operation.completion.result, 11);
        CHECK_INT(tasks[i].told, 1);
        tasks[i].is_over = false;
    }
    /* And all of them cancelled at once. */
    for (int i = 0; i < MANY; i++)
        task_submit(&tasks[i], 1, 16);
    for (int i = 0; i < MANY; i++)
        task_cancel(&tasks[i]);
    for (int i = 0; i < MANY; i++) {
        world_until(&world, &tasks[i].is_over);
        CHECK_INT(tasks[i].operation.completion.status, SL_CANCELLED);
        task_fini(&tasks[i]);
    }
    world_fini(&world);
}

TEST("accepts more operations at once than a queue has places")
{
    each_backend(many_at_once);
}

/* ---- the loop ends them ---- */

static void ended_by_loop(const struct sl_backend_class *class)
{
    static struct task tasks[8];

    world_init(&world, NULL);
    for (int i = 0; i < 8; i++) {
        task_init(&tasks[i], class, SL_OPERATION_RECEIVE);
        task_submit(&tasks[i], 1, 16);
    }
    sl_loop_step(&world.loop, 0);
    sl_resolver_destroy(world.resolver);
    CHECK(sl_loop_close(&world.loop, SL_SECOND));
    for (int i = 0; i < 8; i++) {
        /* Nobody's code runs while closing. */
        CHECK_INT(tasks[i].told, 0);
        CHECK_INT(tasks[i].operation.completion.status, SL_CANCELLED);
        close(tasks[i].socket.fd);
        close(tasks[i].theirs);
    }
    CHECK_INT(world.loop.operations, 0);
    CHECK_INT(sl_pool_fini(&world.pool), 0);
    CHECK_INT(count_descriptors(), world.descriptors);
    test_allocator_fini(&world.own);
}

TEST("closing the loop cancels everything and notifies nobody")
{
    each_backend(ended_by_loop);
}

/* ---- a kernel that never ends operations ---- */

/* Operations of this backend never end, not even when cancelled. */
static struct sl_backend stuck;

static bool stuck_is_present(void)
{
    return true;
}

static enum sl_status stuck_open(struct sl_loop *loop,
                                 struct sl_backend **backend)
{
    stuck = (struct sl_backend){.class = stuck.class, .loop = loop};
    *backend = &stuck;
    return SL_OK;
}

static void stuck_close(struct sl_backend *backend)
{
    backend->loop = NULL;
}

static enum sl_status stuck_attach(struct sl_backend *backend,
                                   struct sl_socket *socket)
{
    socket->backend = backend;
    return SL_OK;
}

static void stuck_detach(struct sl_backend *backend, struct sl_socket *socket)
{
    (void)backend;
    socket->backend = NULL;
}

static void stuck_move(struct sl_backend *backend, struct sl_socket *socket,
                       struct sl_socket *to)
{
    (void)backend;
    *to = *socket;
    socket->fd = -1;
    socket->backend = NULL;
}

static void stuck_submit(struct sl_backend *backend,
                         struct sl_operation *operation)
{
    CHECK_INT(operation->completion.state, SL_COMPLETION_PENDING);
    backend->in_flight++;
}

static void stuck_cancel(struct sl_backend *backend,
                         struct sl_operation *operation)
{
    (void)backend;
    operation->is_cancelling = true;
}

static void stuck_cancel_all(struct sl_backend *backend)
{
    (void)backend;
}

static void stuck_wait(struct sl_backend *backend, int64_t timeout)
{
    (void)backend;
    poll(NULL, 0, sl_wait_milliseconds(timeout));
}

static enum sl_status stuck_watch(struct sl_backend *backend, int fd)
{
    (void)backend;
    (void)fd;
    return SL_OK;
}

static bool stuck_has_pending(const struct sl_backend *backend)
{
    (void)backend;
    return false;
}

static const struct sl_backend_class stuck_class = {
    .name = "stuck",
    .benefit = "none",
    .rank = 9,
    .is_present = stuck_is_present,
    .open = stuck_open,
    .close = stuck_close,
    .attach = stuck_attach,
    .detach = stuck_detach,
    .move = stuck_move,
    .submit = stuck_submit,
    .cancel = stuck_cancel,
    .cancel_all = stuck_cancel_all,
    .wait = stuck_wait,
    .watch = stuck_watch,
    .pollfd = NULL,
    .has_pending = stuck_has_pending,
};

TEST("the loop's close gives up in time, and never frees lent memory")
{
    static const struct manner manner = {SL_TRANSPORT_COMPLETION, &stuck_class};
    /* Left to itself with what is lent: not from an allocator that counts. */
    static struct sl_allocator allocator;
    static struct sl_transport
        *volatile left; /* leaked on purpose: seen from here */
    struct end end;
    int64_t began;
    int ours;
    int theirs;
    int fd;
    size_t received;

    stuck.class = &stuck_class;
    sl_allocator_init_system(&allocator);
    REQUIRE(world_open(&world, &allocator, NULL));
    peer_tcp(&ours, &theirs);
    end_init(&end, &world, &manner, ours);
    left = end.transport;
    fd = left->socket.fd;
    CHECK_INT(sl_transport_receive(left, &end.buffer, 10, &received), SL_AGAIN);
    end_fini(&end);
    CHECK_INT(world.loop.operations, 0);
    sl_resolver_destroy(world.resolver);
    began = sl_clock_now();
    CHECK(!sl_loop_close(&world.loop, 30 * SL_MILLISECOND));
    CHECK(sl_clock_now() - began < 5 * SL_SECOND);
    CHECK_INT(world.loop.quarantined, 1);
    /* Both blocks: one pinned, one the transport's that lives on with it. */
    CHECK_INT(sl_pool_outstanding(&world.pool), 2);
    CHECK_INT(sl_pool_fini(&world.pool), 2);
    close(fd);
    close(theirs);
}

/* ---- signals ---- */

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
}

static void under_signals(const struct sl_backend_class *class)
{
    struct sigaction action = {.sa_handler = count_alarm};
    struct sigaction before;
    struct itimerval storm = {{0, 300}, {0, 300}};
    struct itimerval calm = {{0, 0}, {0, 0}};
    struct task task;

    alarms = 0;
    world_init(&world, NULL);
    task_init(&task, class, SL_OPERATION_RECEIVE);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &storm, NULL);
    for (int i = 0; i < 300 || alarms < 20; i++) {
        task_submit(&task, 1, 16);
        if (!task.is_over)
            sl_loop_step(&world.loop, SL_MILLISECOND);
        peer_send(task.theirs, "through");
        world_until(&world, &task.is_over);
        CHECK_INT(task.operation.completion.status, SL_OK);
    }
    setitimer(ITIMER_REAL, &calm, NULL);
    sigaction(SIGALRM, &before, NULL);
    task_fini(&task);
    world_fini(&world);
}

TEST("goes on under a storm of signals")
{
    each_backend(under_signals);
}

int main(void)
{
    return test_main();
}
