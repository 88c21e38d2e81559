/* Memory that a ring's kernel chooses; nothing of it where none is. */
#include "io/backend.h"
#ifdef SL_HAVE_URING
#include "io/backends/uring_buffers.h"
#endif

#include "spec/c/io/world.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RUNS     64 /* in the ring at most */
#define RUN      4  /* segments */
#define RUN_SIZE (RUN * SL_SEGMENT_SIZE)
#define MANY     100

/* What one waiting transport holds whatever it waits for. */
#define BLOCKS 2

static struct world world;
static struct manner ring = {SL_TRANSPORT_COMPLETION, NULL};

static bool has_ring(void)
{
    ring.backend = sl_backend_find("io_uring");
    return ring.backend != NULL && ring.backend->is_present();
}

static char pattern(size_t offset)
{
    return (char)(((uint32_t)offset * 2654435761u) >> 24);
}

/* The peer: sends the pattern from `offset` on. */
static void send_pattern(int fd, size_t offset, size_t size)
{
    static char bytes[RUN_SIZE];

    while (size > 0) {
        size_t here = size < sizeof bytes ? size : sizeof bytes;

        for (size_t i = 0; i < here; i++)
            bytes[i] = pattern(offset + i);
        REQUIRE(send(fd, bytes, here, MSG_NOSIGNAL) == (ssize_t)here);
        offset += here;
        size -= here;
    }
}

/* Bytes of the buffer that are not those of the pattern from `offset` on. */
static size_t count_wrong(struct sl_buffer *buffer, size_t offset)
{
    size_t wrong = 0;

    while (buffer->length > 0) {
        struct sl_view view = sl_buffer_peek(buffer);

        for (size_t i = 0; i < view.size; i++)
            wrong += view.data[i] != pattern(offset + i);
        offset += view.size;
        sl_buffer_consume(buffer, view.size);
    }
    return wrong;
}

/* ---- one operation, at the backend's door ---- */

struct choice {
    struct sl_operation operation; /* first: found by it */
    struct sl_socket socket;
    struct sl_backend *backend;
    struct iovec piece;
    char lent[16];
    int theirs;
    int told;
    bool is_over;
};

static void chosen(struct sl_completion *completion)
{
    struct choice *choice = (struct choice *)(void *)completion;

    choice->told++;
    choice->is_over = true;
}

static void choice_init(struct choice *choice)
{
    int ours;

    memset(choice, 0, sizeof *choice);
    REQUIRE(sl_loop_backend(&world.loop, ring.backend, &choice->backend) ==
            SL_OK);
    peer_tcp(&ours, &choice->theirs);
    sl_socket_init(&choice->socket, ours);
    REQUIRE(ring.backend->attach(choice->backend, &choice->socket) == SL_OK);
    sl_completion_init(&choice->operation.completion, &world.loop, chosen);
    choice->operation.socket = &choice->socket;
    choice->operation.kind = SL_OPERATION_RECEIVE;
    choice->operation.message.msg_iov = &choice->piece;
    choice->operation.message.msg_iovlen = 1;
    choice->piece = (struct iovec){choice->lent, sizeof choice->lent};
}

static void choice_submit(struct choice *choice)
{
    choice->is_over = false;
    choice->operation.provided = NULL;
    choice->operation.takes_provided =
        ring.backend->can_provide(choice->backend);
    sl_completion_begin(&choice->operation.completion);
    ring.backend->submit(choice->backend, &choice->operation);
    CHECK_INT(choice->operation.completion.state, SL_COMPLETION_PENDING);
}

static void choice_fini(struct choice *choice)
{
    CHECK(choice->operation.completion.state != SL_COMPLETION_PENDING);
    sl_completion_fini(&choice->operation.completion);
    ring.backend->detach(choice->backend, &choice->socket);
    close(choice->socket.fd);
    close(choice->theirs);
}

TEST("bytes arrive in the backend's segments, which the receiver then owns")
{
    struct choice choice;
    struct sl_segment *segment;
    size_t seen = 0;

    if (!has_ring())
        return;
    world_init(&world, NULL);
    choice_init(&choice);
    CHECK_INT(sl_pool_outstanding(&world.pool), 0);
    choice_submit(&choice);
    CHECK(choice.operation.takes_provided);
    CHECK_INT(sl_pool_outstanding(&world.pool), RUN);
    world_settle(&world);
    CHECK(!choice.is_over);
    send_pattern(choice.theirs, 0, SL_SEGMENT_SIZE + 1);
    world_until(&world, &choice.is_over);
    CHECK_INT(choice.operation.completion.status, SL_OK);
    for (segment = choice.operation.provided; segment != NULL;
         segment = segment->next) {
        CHECK_INT(segment->refs, 1);
        CHECK_INT(segment->pins, 0);
        for (size_t i = 0;
             i < segment->capacity && seen < choice.operation.completion.result;
             i++)
            REQUIRE(segment->data[i] == pattern(seen++));
    }
    CHECK_INT(seen, choice.operation.completion.result);
    CHECK_BYTES(choice.lent, sizeof choice.lent, (char[16]){0}, 16);
    CHECK_INT(sl_pool_outstanding(&world.pool), RUN);
    sl_segment_release_chain(choice.operation.provided);
    CHECK_INT(sl_pool_outstanding(&world.pool), 0);
    choice_fini(&choice);
    world_fini(&world);
}

TEST("an end, a cancel and a reset return all segments")
{
    struct choice choice;

    if (!has_ring())
        return;
    for (int way = 0; way < 3; way++) {
        world_init(&world, NULL);
        choice_init(&choice);
        choice_submit(&choice);
        world_settle(&world);
        if (way == 0)
            shutdown(choice.theirs, SHUT_WR);
        else if (way == 1)
            ring.backend->cancel(choice.backend, &choice.operation);
        else
            peer_reset(choice.theirs);
        world_until(&world, &choice.is_over);
        CHECK_INT(choice.operation.completion.status, way == 0   ? SL_END
                                                      : way == 1 ? SL_CANCELLED
                                                                 : SL_CLOSED);
        CHECK(choice.operation.provided == NULL);
        CHECK_INT(sl_pool_outstanding(&world.pool), 0);
        if (way == 2) /* closed already */
            choice.theirs = -1;
        choice_fini(&choice);
        world_fini(&world);
    }
}

#ifdef SL_HAVE_URING
TEST("segments used by a failed receive are returned, too")
{
    struct sl_uring_buffers buffers;
    struct io_uring queue;
    /* As some kernels have it. */
    struct io_uring_cqe entry = {.res = -ECANCELED,
                                 .flags = IORING_CQE_F_BUFFER};

    if (!has_ring())
        return;
    world_init(&world, NULL);
    REQUIRE(io_uring_queue_init(4, &queue, 0) == 0);
    sl_uring_buffers_init(&buffers, &queue, &world.pool);
    REQUIRE(sl_uring_buffers_are_open(&buffers));
    CHECK(sl_uring_buffers_begin(&buffers));
    CHECK(sl_uring_buffers_begin(&buffers));
    CHECK_INT(sl_pool_outstanding(&world.pool), 2 * RUN);
    CHECK(sl_uring_buffers_end(&buffers, &entry) == NULL);
    CHECK_INT(sl_pool_outstanding(&world.pool), RUN);
    entry.flags = 0;
    CHECK(sl_uring_buffers_end(&buffers, &entry) == NULL);
    CHECK_INT(sl_pool_outstanding(&world.pool), 0);
    io_uring_queue_exit(&queue);
    sl_uring_buffers_fini(&buffers);
    world_fini(&world);
}
#endif

/* ---- cancelling races arriving ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

/* Takes in the end of one receive. True: it was cancelled. */
static bool take_choice(struct choice *choice, size_t *received)
{
    struct sl_segment *provided = choice->operation.provided;

    choice->operation.provided = NULL;
    if (choice->operation.completion.status != SL_OK) {
        CHECK_INT(choice->operation.completion.status, SL_CANCELLED);
        CHECK(provided == NULL);
        return true;
    }
    REQUIRE(provided != NULL);
    CHECK(provided->data[0] == pattern(*received));
    *received += choice->operation.completion.result;
    sl_segment_release_chain(provided);
    return false;
}

TEST("a cancel that races with bytes loses no byte and no segment")
{
    static struct choice choices[3];
    size_t sent[3] = {0, 0, 0};
    size_t received[3] = {0, 0, 0};
    int begun = 0;
    int ended = 0;
    int cancelled = 0;
    uint32_t random = 5;
    int64_t until = sl_clock_now() + PATIENCE;

    if (!has_ring())
        return;
    world_init(&world, &(struct sl_pool_options){.mode = SL_POOL_GUARD,
                                                 .spare_limit = SIZE_MAX});
    for (int i = 0; i < 3; i++) {
        choice_init(&choices[i]);
        choices[i].is_over = true;
    }
    while ((ended < 3000 || cancelled < 200 || ended - cancelled < 200) &&
           sl_clock_now() < until) {
        uint32_t step = next_random(&random) % 8;
        int i = (int)(next_random(&random) % 3);

        if (step < 3 && choices[i].is_over) {
            choice_submit(&choices[i]);
            begun++;
        } else if (step == 3 && sent[i] == received[i]) {
            send_pattern(choices[i].theirs, sent[i]++, 1);
        } else if (step == 4 && !choices[i].is_over) {
            ring.backend->cancel(choices[i].backend, &choices[i].operation);
        } else if (step > 5) {
            sl_loop_step(&world.loop, 0);
        }
        for (i = 0; i < 3; i++) {
            if (choices[i].told == 0)
                continue;
            CHECK_INT(choices[i].told, 1);
            choices[i].told = 0;
            ended++;
            cancelled += take_choice(&choices[i], &received[i]);
        }
    }
    CHECK(cancelled >= 200 && ended - cancelled >= 200);
    for (int i = 0; i < 3; i++) {
        if (!choices[i].is_over) {
            ring.backend->cancel(choices[i].backend, &choices[i].operation);
            world_until(&world, &choices[i].is_over);
            take_choice(&choices[i], &received[i]);
            ended++;
        }
    }
    CHECK_INT(begun, ended);
    CHECK_INT(sl_pool_outstanding(&world.pool), 0);
    for (int i = 0; i < 3; i++)
        choice_fini(&choices[i]);
    world_fini(&world);
}

/* ---- transports ---- */

static struct end ends[MANY];
static int peers[MANY];

/* `count` transports, each of which waits for much. */
static void open_waiting(size_t count, const struct sl_pool_options *options)
{
    world_init(&world, options);
    for (size_t i = 0; i < count; i++) {
        int ours;

        peer_tcp(&ours, &peers[i]);
        end_init(&ends[i], &world, &ring, ours);
    }
    for (size_t i = 0; i < count; i++) {
        size_t received;

        sl_transport_expect(ends[i].transport, 100000);
        CHECK_INT(sl_transport_receive(ends[i].transport, &ends[i].buffer,
                                       RUN_SIZE, &received),
                  SL_AGAIN);
    }
    world_settle(&world);
}

static void close_waiting(size_t count)
{
    for (size_t i = 0; i < count; i++)
        end_fini(&ends[i]);
    while (world.loop.descriptors > 0)
        sl_loop_step(&world.loop, SL_SECOND);
    for (size_t i = 0; i < count; i++)
        close(peers[i]);
    CHECK_INT(sl_pool_outstanding(&world.pool), 0);
    world_fini(&world);
}

/* Until `size` bytes have come, consuming them. */
static void receive_pattern(struct end *end, size_t size)
{
    size_t seen = 0;

    while (seen < size) {
        size_t received = 0;

        if (!CHECK_INT(end_receive(end, RUN_SIZE, &received), SL_OK))
            return;
        CHECK_INT(end->buffer.length, received);
        CHECK_INT(count_wrong(&end->buffer, seen), 0);
        seen += received;
    }
    CHECK_INT(seen, size);
}

TEST("bytes in chosen segments are linked, not copied")
{
    struct sl_slice front;

    if (!has_ring())
        return;
    open_waiting(1, NULL);
    CHECK_INT(sl_pool_outstanding(&world.pool), BLOCKS + RUN);
    send_pattern(peers[0], 0, SL_SEGMENT_SIZE);
    CHECK_INT(end_receive_all(&ends[0], SL_SEGMENT_SIZE), SL_OK);
    front = sl_buffer_front(&ends[0].buffer);
    CHECK(front.data == front.segment->data);
    CHECK_INT(front.segment->capacity, SL_SEGMENT_SIZE);
    CHECK_INT(count_wrong(&ends[0].buffer, 0), 0);
    CHECK_INT(sl_pool_outstanding(&world.pool), BLOCKS);
    close_waiting(1);
}

TEST("many waiting receives share few runs, and each gets its bytes")
{
    if (!has_ring())
        return;
    for (int round = 0; round < 3; round++) {
        open_waiting(MANY, NULL);
        CHECK_INT(sl_pool_outstanding(&world.pool), MANY * BLOCKS + RUNS * RUN);
        /* What one has taken is there again for those that still wait. */
        send_pattern(peers[0], 0, 20001);
        receive_pattern(&ends[0], 20001);
        CHECK_INT(sl_pool_outstanding(&world.pool), MANY * BLOCKS + RUNS * RUN);
        /* More at once than there are runs: some come a moment later. */
        for (int i = 1; i < MANY; i++)
            send_pattern(peers[i], 0, 20001);
        for (int i = 1; i < MANY; i++)
            receive_pattern(&ends[i], 20001);
        CHECK_INT(sl_pool_outstanding(&world.pool), MANY * BLOCKS);
        close_waiting(MANY);
    }
}

TEST("a pool with room for one segment still serves many")
{
    static const struct sl_pool_options options = {
        .max_bytes = 10 * BLOCKS * SL_TRANSPORT_BUFFER_SIZE + SL_SEGMENT_SIZE,
        .spare_limit = SIZE_MAX};

    if (!has_ring())
        return;
    open_waiting(10, &options);
    CHECK_INT(sl_pool_outstanding(&world.pool), 10 * BLOCKS + 1);
    for (int i = 0; i < 10; i++) {
        struct pollfd entry = {ends[i].transport->socket.fd, POLLIN, 0};

        ends[i].can_receive = false;
        send_pattern(peers[i], 0, 3000);
        CHECK_INT(poll(&entry, 1, 20000), 1);
    }
    /* All of them at their second try, and not one after the other. */
    for (int i = 0; i < 5; i++)
        CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    for (int i = 0; i < 10; i++)
        CHECK(ends[i].can_receive);
    for (int i = 0; i < 10; i++)
        receive_pattern(&ends[i], 3000);
    close_waiting(10);
}

struct flood {
    int fd;
    size_t size;
};

static void *flood_out(void *argument)
{
    struct flood *flood = argument;

    send_pattern(flood->fd, 0, flood->size);
    shutdown(flood->fd, SHUT_WR);
    return NULL;
}

TEST("bodies of every size arrive whole, in every mode of the pool")
{
    static const size_t sizes[] = {8193, 16385, 65536, 65537, 10485760};
    static const struct sl_pool_options pools[] = {
        {.mode = SL_POOL_SLABS, .spare_limit = SIZE_MAX},
        {.mode = SL_POOL_DIRECT, .spare_limit = SIZE_MAX},
        {.mode = SL_POOL_GUARD, .spare_limit = SIZE_MAX},
        {.segment_size = 23, .spare_limit = SIZE_MAX},
        {.segment_size = 4096, .spare_limit = SIZE_MAX},
        {.segment_size = 100000, .spare_limit = SIZE_MAX},
    };

    if (!has_ring())
        return;
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            struct flood flood = {-1, sizes[j]};
            pthread_t thread;
            size_t received;

            if (pools[i].segment_size == 23 && sizes[j] > 100000)
                continue;
            test_note("pool %zu, %zu bytes", i, sizes[j]);
            open_waiting(1, &pools[i]);
            flood.fd = peers[0];
            REQUIRE(pthread_create(&thread, NULL, flood_out, &flood) == 0);
            receive_pattern(&ends[0], sizes[j]);
            CHECK_INT(end_receive(&ends[0], RUN_SIZE, &received), SL_END);
            pthread_join(thread, NULL);
            close_waiting(1);
        }
    }
    test_note(" ");
}

TEST("a steady stream calls no allocator")
{
    struct flood flood = {-1, 8 * 1024 * 1024};
    pthread_t thread;
    uint64_t calls = 0;
    size_t seen = 0;

    if (!has_ring())
        return;
    open_waiting(1, NULL);
    flood.fd = peers[0];
    REQUIRE(pthread_create(&thread, NULL, flood_out, &flood) == 0);
    while (seen < flood.size) {
        size_t received = 0;

        REQUIRE(end_receive(&ends[0], RUN_SIZE, &received) == SL_OK);
        sl_buffer_consume(&ends[0].buffer, ends[0].buffer.length);
        seen += received;
        if (seen < flood.size / 4)
            calls = world.own.base.calls;
    }
    CHECK_INT(world.own.base.calls, calls);
    CHECK(world.pool.stats.high_water <= BLOCKS + 2 * RUN);
    pthread_join(thread, NULL);
    close_waiting(1);
}

/* ---- closing ---- */

TEST("nothing is written to freed memory after a close with bytes in flight")
{
    static const struct sl_pool_options guarded = {.mode = SL_POOL_GUARD,
                                                   .spare_limit = SIZE_MAX};

    if (!has_ring())
        return;
    for (int state = 0; state < 8; state++) {
        test_note("state %d", state);
        open_waiting(3, &guarded);
        if (state & 1)
            send_pattern(peers[0], 0, 30000);
        if (state & 2)
            sl_loop_step(&world.loop, 0);
        for (int i = 0; i < 3; i++) {
            sl_transport_abort(ends[i].transport);
            ends[i].transport = NULL;
        }
        if (state & 1)
            send(peers[1], "too late", 8, MSG_NOSIGNAL);
        for (int i = 0; i < 3; i++)
            sl_buffer_fini(&ends[i].buffer);
        /* The loop closes with all of it in flight, or sees its end. */
        while ((state & 4) && world.loop.descriptors > 0)
            sl_loop_step(&world.loop, SL_SECOND);
        if (state & 4)
            CHECK_INT(sl_pool_outstanding(&world.pool), 0);
        world.descriptors += 3;
        world_fini(&world);
        for (int i = 0; i < 3; i++)
            close(peers[i]);
    }
    test_note(" ");
}

TEST("the loop's close drops bytes that nobody has taken")
{
    if (!has_ring())
        return;
    open_waiting(3, NULL);
    for (int i = 0; i < 3; i++)
        send_pattern(peers[i], 0, 30000);
    world.loop.backends[0]->class->wait(world.loop.backends[0], SL_SECOND);
    CHECK(world.loop.ready.first != NULL);
    close_waiting(3);
}

TEST("a child of fork does not disturb its parent's receives")
{
    int status = -1;
    pid_t child;

    if (!has_ring())
        return;
    open_waiting(2, NULL);
    child = fork();
    if (child == 0) {
        end_fini(&ends[0]);
        end_fini(&ends[1]);
        sl_resolver_destroy(world.resolver);
        sl_loop_close(&world.loop, 0);
        sl_pool_fini(&world.pool);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    for (int i = 0; i < 2; i++) {
        send_pattern(peers[i], 0, 50000);
        receive_pattern(&ends[i], 50000);
    }
    close_waiting(2);
}

/* ---- kernels without ---- */

/* From now on this process may not register a ring of buffers (22), as in a
 * kernel older than they are. */
static bool forbid_registering(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 22, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* 0, or the number of what went wrong: segments lent, one run for each. */
static int without_buffers(void)
{
    if (!forbid_registering())
        return 1;
    open_waiting(2, NULL);
    if (ring.backend->can_provide(world.loop.backends[0]))
        return 2;
    if (sl_pool_outstanding(&world.pool) != 2 * BLOCKS + 2 * RUN)
        return 3;
    for (int i = 0; i < 2; i++) {
        size_t received = 0;

        send_pattern(peers[i], 0, 100);
        if (end_receive(&ends[i], RUN_SIZE, &received) != SL_OK ||
            received != 100 || count_wrong(&ends[i].buffer, 0) != 0)
            return 4;
    }
    close_waiting(2);
    return 0;
}

TEST("segments are lent if the kernel refuses a ring of buffers")
{
    int status = -1;
    pid_t child;

    if (!has_ring())
        return;
    child = fork();
    if (child == 0)
        _exit(without_buffers());
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

/* ---- failing allocations ---- */

static void fail_somewhere(struct sl_allocator *allocator, void *argument)
{
    size_t count = 0;
    size_t seen = 0;
    enum sl_status status;
    int ours;

    (void)argument;
    if (!world_open(&world, allocator, NULL))
        return;
    peer_tcp(&ours, &peers[0]);
    status = end_open(&ends[0], &world, &ring, ours);
    if (status == SL_OK) {
        sl_transport_expect(ends[0].transport, 100000);
        send_pattern(peers[0], 0, 40000);
        while (seen < 40000 && status == SL_OK) {
            do
                status = end_receive(&ends[0], RUN_SIZE, &count);
            while (status == SL_MEMORY &&
                   !test_allocator_has_failed(allocator));
            if (status == SL_OK)
                seen += count;
        }
        CHECK(seen == 40000 || test_allocator_has_failed(allocator));
        CHECK_INT(count_wrong(&ends[0].buffer, 0), 0);
        end_fini(&ends[0]);
    }
    close(peers[0]);
    world_close(&world);
}

TEST("survives each failing allocation")
{
    if (has_ring())
        test_each_failure(fail_somewhere, NULL);
}

int main(void)
{
    return test_main();
}
