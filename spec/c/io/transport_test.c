#include "io/transport.h"

#include "io/transport_class.h"
#include "spec/c/io/world.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

static struct world world;
static struct end end;

/* Most tests: an end of ours in the manner given, and theirs. */
static int open_pair(const struct manner *manner,
                     const struct sl_pool_options *options,
                     void (*make)(int *ours, int *theirs))
{
    int ours;
    int theirs;

    world_init(&world, options);
    make(&ours, &theirs);
    end_init(&end, &world, manner, ours);
    return theirs;
}

static void close_pair(int theirs)
{
    end_fini(&end);
    if (theirs >= 0)
        close(theirs);
    world_fini(&world);
}

/* ---- plain talk ---- */

static void talk(const struct manner *manner,
                 const struct sl_pool_options *options,
                 void (*make)(int *ours, int *theirs))
{
    int theirs = open_pair(manner, options, make);
    struct sl_view views[3] = {SL_VIEW("one "), SL_VIEW(""), SL_VIEW("three")};
    size_t sent = 0;
    size_t received;
    char bytes[64];

    CHECK_INT(end.transport->class->mode, manner->mode);
    CHECK_STR(end.transport->socket.backend->class->name,
              manner->backend->name);
    for (int i = 0; i < 20; i++) {
        enum sl_status status;

        end.can_send = false;
        status = sl_transport_send(end.transport, views, 3, &sent);
        if (status == SL_AGAIN) {
            world_until(&world, &end.can_send);
            status = sl_transport_send(end.transport, views, 3, &sent);
        }
        CHECK_INT(status, SL_OK);
        CHECK_INT(sent, 9);
        /* The answer cannot be there: this must not take anything for it. */
        CHECK_INT(
            sl_transport_receive(end.transport, &end.buffer, 100, &received),
            SL_AGAIN);
        sl_loop_step(&world.loop, 0);
        CHECK_INT(recv(theirs, bytes, 9, MSG_WAITALL), 9);
        CHECK_BYTES(bytes, 9, "one three", 9);
        peer_send(theirs, "the answer to that");
        check_received(&end, "the answer to that");
    }
    close_pair(theirs);
}

static void talk_plainly(const struct manner *manner)
{
    static const struct sl_pool_options tiny = {.segment_size = 23,
                                                .spare_limit = SIZE_MAX};

    talk(manner, NULL, peer_tcp);
    talk(manner, NULL, peer_pair);
    talk(manner, &tiny, peer_tcp);
}

TEST("carries small messages both ways, in segments of any size")
{
    each_manner(talk_plainly);
}

/* ---- both directions at once, with checksums ---- */

static uint32_t pattern(size_t offset)
{
    uint32_t x = (uint32_t)offset * 2654435761u;

    return x >> 24;
}

struct flood {
    int fd;
    size_t total;
    size_t wrong;
};

/* The peer: a thread for each direction, blocking. */
static void *flood_out(void *argument)
{
    struct flood *flood = argument;
    char bytes[30000];
    size_t done = 0;

    while (done < flood->total) {
        size_t size = sizeof bytes;
        ssize_t n;

        if (size > flood->total - done)
            size = flood->total - done;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)pattern(done + i);
        n = send(flood->fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    shutdown(flood->fd, SHUT_WR);
    return NULL;
}

static void *flood_in(void *argument)
{
    struct flood *flood = argument;
    char bytes[50000];
    size_t done = 0;
    ssize_t n;

    while ((n = recv(flood->fd, bytes, sizeof bytes, 0)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++)
            flood->wrong += bytes[i] != (char)pattern(done + i);
        done += (size_t)n;
    }
    flood->total = done;
    return NULL;
}

struct duplex {
    size_t total;
    size_t sent;
    size_t received;
    size_t wrong;
    bool is_sent;
    bool is_over; /* the peer's end has come, and all is sent */
};

static struct duplex duplex;

static void go_on_sending(void *owner)
{
    static char bytes[70000];

    (void)owner;
    while (duplex.sent < duplex.total) {
        struct sl_view views[2];
        size_t size = duplex.total - duplex.sent;
        size_t sent = 0;
        enum sl_status status;

        if (size > sizeof bytes)
            size = sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)pattern(duplex.sent + i);
        views[0] = sl_view(bytes, size / 3);
        views[1] = sl_view(bytes + size / 3, size - size / 3);
        status = sl_transport_send(end.transport, views, 2, &sent);
        if (status == SL_AGAIN)
            return;
        if (!CHECK_INT(status, SL_OK) || !CHECK(sent > 0 && sent <= size))
            return;
        duplex.sent += sent;
    }
    duplex.is_sent = true;
}

static void drain(void)
{
    while (end.buffer.length > 0) {
        struct sl_view view = sl_buffer_peek(&end.buffer);

        for (size_t i = 0; i < view.size; i++)
            duplex.wrong += view.data[i] != (char)pattern(duplex.received + i);
        duplex.received += view.size;
        sl_buffer_consume(&end.buffer, view.size);
    }
}

static void go_on_receiving(void *owner)
{
    (void)owner;
    for (;;) {
        size_t received = 0;
        enum sl_status status =
            sl_transport_receive(end.transport, &end.buffer, 65536, &received);

        if (status == SL_AGAIN)
            return;
        if (status == SL_END) {
            duplex.is_over = true;
            return;
        }
        if (!CHECK_INT(status, SL_OK))
            return;
        drain();
        sl_transport_expect(end.transport, duplex.total - duplex.received);
    }
}

static const struct sl_transport_events duplex_events = {go_on_sending,
                                                         go_on_receiving};

static void full_duplex(const struct manner *manner)
{
    const size_t total = 6 * 1024 * 1024 + 12345;
    int theirs = open_pair(manner, NULL, peer_tcp);
    struct flood out = {theirs, total, 0};
    struct flood in = {theirs, 0, 0};
    pthread_t threads[2];

    duplex = (struct duplex){.total = total};
    sl_transport_bind(end.transport, &duplex_events, NULL);
    REQUIRE(pthread_create(&threads[0], NULL, flood_out, &out) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, flood_in, &in) == 0);
    go_on_receiving(NULL);
    go_on_sending(NULL);
    world_until(&world, &duplex.is_over);
    world_until(&world, &duplex.is_sent);
    /* Orderly: what was accepted leaves before the end. */
    end_fini(&end);
    while (world.loop.descriptors > 0)
        sl_loop_step(&world.loop, SL_SECOND);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    CHECK_INT(duplex.received, total);
    CHECK_INT(duplex.wrong, 0);
    CHECK_INT(in.total, total);
    CHECK_INT(in.wrong, 0);
    close(theirs);
    world_fini(&world);
}

TEST("moves megabytes both ways at once, all of them and in order")
{
    each_manner(full_duplex);
}

/* ---- sizes around the buffer's ---- */

static void send_sizes(const struct manner *manner)
{
    static const size_t sizes[] = {1,     8191,  8192,  8193,
                                   16384, 16385, 65536, 200001};
    static char bytes[200001];
    static char seen[200001];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int theirs = open_pair(manner, NULL, peer_tcp);
        size_t done = 0;
        struct flood in = {theirs, 0, 0};
        pthread_t thread;

        REQUIRE(pthread_create(&thread, NULL, flood_in, &in) == 0);
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = (char)pattern(j);
        while (done < sizes[i]) {
            size_t sent = 0;

            CHECK_INT(
                end_send(&end, sl_view(bytes + done, sizes[i] - done), &sent),
                SL_OK);
            if (manner->mode == SL_TRANSPORT_COMPLETION)
                CHECK(sent <= SL_TRANSPORT_BUFFER_SIZE);
            done += sent;
            /* The bytes are the caller's again. */
            memset(seen, 0, sizeof seen);
        }
        end_fini(&end);
        while (world.loop.descriptors > 0)
            sl_loop_step(&world.loop, SL_SECOND);
        pthread_join(thread, NULL);
        CHECK_INT(in.total, sizes[i]);
        CHECK_INT(in.wrong, 0);
        close(theirs);
        world_fini(&world);
    }
}

TEST("sends data larger than its buffer in pieces")
{
    each_manner(send_sizes);
}

static void want_little(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    peer_send(theirs, "abcdefghij");
    while (end.buffer.length < 10) {
        CHECK_INT(end_receive(&end, 3, &received), SL_OK);
        CHECK(received > 0);
        /* "About": the rest of a segment may come along in a stream. */
        if (manner->mode == SL_TRANSPORT_COMPLETION)
            CHECK(received <= 3);
    }
    check_received(&end, "abcdefghij");
    close_pair(theirs);
}

TEST("keeps bytes beyond the requested count for the next call")
{
    each_manner(want_little);
}

/* ---- ends ---- */

static void end_of_peer(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    peer_send(theirs, "last words");
    shutdown(theirs, SHUT_WR);
    check_received(&end, "last words");
    CHECK_INT(end_receive(&end, 10, &received), SL_END);
    CHECK_INT(end_receive(&end, 10, &received), SL_END);
    CHECK_INT(sl_transport_error(end.transport), 0);
    CHECK(!sl_transport_is_quiet(end.transport));
    close_pair(theirs);
}

TEST("returns bytes before the peer's end, then the end for ever")
{
    each_manner(end_of_peer);
}

static void half_close(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t count;
    char bytes[32];

    shutdown(theirs, SHUT_WR);
    CHECK_INT(end_receive(&end, 10, &count), SL_END);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(end_send(&end, SL_VIEW("still talking"), &count), SL_OK);
        world_settle(&world);
        CHECK_INT(recv(theirs, bytes, 13, MSG_WAITALL), 13);
    }
    close_pair(theirs);
}

TEST("sends on after the peer has closed its half")
{
    each_manner(half_close);
}

static void reset_after_data(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    peer_send(theirs, "before the fall");
    peer_reset(theirs);
    check_received(&end, "before the fall");
    CHECK_INT(end_receive(&end, 10, &received), SL_CLOSED);
    CHECK_INT(sl_transport_error(end.transport), ECONNRESET);
    CHECK_INT(end_receive(&end, 10, &received), SL_CLOSED);
    CHECK_INT(end_send(&end, SL_VIEW("x"), &received), SL_CLOSED);
    CHECK_INT(sl_transport_error(end.transport), ECONNRESET);
    CHECK(!sl_transport_is_quiet(end.transport));
    close_pair(-1);
}

TEST("returns bytes before a reset, then the reset, never an end")
{
    each_manner(reset_after_data);
}

static void reset_seen_by_send(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t count;
    int sends = 0;

    peer_reset(theirs);
    while (end_send(&end, SL_VIEW("hello"), &count) == SL_OK) {
        world_settle(&world);
        REQUIRE(++sends < 1000);
    }
    CHECK_INT(sl_transport_error(end.transport), ECONNRESET);
    /* The kernel reports a reset only once: this must not look like an end. */
    CHECK_INT(end_receive(&end, 10, &count), SL_CLOSED);
    close_pair(-1);
}

TEST("a reset met by a send is not an end for receive")
{
    each_manner(reset_seen_by_send);
}

static void closed_while_sending(const struct manner *manner)
{
    static char bytes[100000];
    int theirs = open_pair(manner, NULL, peer_tcp);
    enum sl_status status = SL_OK;
    size_t count;

    close(theirs);
    for (int i = 0; i < 1000 && status == SL_OK; i++) {
        status = end_send(&end, sl_view(bytes, sizeof bytes), &count);
        sl_loop_step(&world.loop, 0);
    }
    CHECK_INT(status, SL_CLOSED);
    CHECK(sl_transport_error(end.transport) == EPIPE ||
          sl_transport_error(end.transport) == ECONNRESET);
    close_pair(-1);
}

TEST("sending to a closed peer fails, and raises no signal")
{
    each_manner(closed_while_sending);
}

/* ---- back pressure ---- */

static void slow_reader(const struct manner *manner)
{
    static char bytes[65536];
    int theirs = open_pair(manner, NULL, peer_tcp);
    enum sl_status status = SL_OK;
    size_t total = 0;
    size_t seen = 0;
    size_t count = 0;

    /* Until nothing more can be taken in. */
    for (int idle = 0; idle < 20;) {
        status = sl_transport_send(
            end.transport, &(struct sl_view){bytes, sizeof bytes}, 1, &count);
        if (status == SL_OK) {
            total += count;
            idle = 0;
        } else {
            CHECK_INT(status, SL_AGAIN);
            sl_loop_step(&world.loop, SL_MILLISECOND);
            idle++;
        }
    }
    end.can_send = false;
    CHECK_INT(sl_transport_send(end.transport,
                                &(struct sl_view){bytes, sizeof bytes}, 1,
                                &count),
              SL_AGAIN);
    while (!end.can_send) {
        ssize_t n = recv(theirs, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n > 0)
            seen += (size_t)n;
        sl_loop_step(&world.loop, SL_MILLISECOND);
    }
    CHECK_INT(end_send(&end, sl_view(bytes, 1), &count), SL_OK);
    total += count;
    shutdown(end.transport->socket.fd, SHUT_RD);
    while (seen < total) {
        ssize_t n = recv(theirs, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n > 0)
            seen += (size_t)n;
        sl_loop_step(&world.loop, 0);
    }
    CHECK_INT(seen, total);
    close_pair(theirs);
}

TEST("waits for a slow reader, and goes on once there is room")
{
    each_manner(slow_reader);
}

/* ---- mapped files ---- */

/* A file of `pages` of 4 KiB, all mapped, whose last two are gone again. */
static struct sl_view map_cut(size_t pages)
{
    size_t size = pages * 4096;
    FILE *file = tmpfile();
    void *mapped;

    REQUIRE(file != NULL && ftruncate(fileno(file), (off_t)size) == 0);
    mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fileno(file), 0);
    REQUIRE(mapped != MAP_FAILED);
    REQUIRE(ftruncate(fileno(file), (off_t)(size - 2 * 4096)) == 0);
    fclose(file);
    return sl_view(mapped, size);
}

/* Sends until the kernel meets the end of the file; how many bytes it took. */
static size_t send_up_to_the_cut(struct sl_view head, struct sl_view mapped)
{
    size_t done = 0;

    for (;;) {
        struct sl_view views[2] = {{NULL, 0}, mapped};
        size_t of_mapped = done > head.size ? done - head.size : 0;
        enum sl_status status;
        size_t count = 0;

        if (done < head.size)
            views[0] = sl_view(head.data + done, head.size - done);
        views[1].data += of_mapped;
        views[1].size -= of_mapped;
        status = sl_transport_send_mapped(end.transport, views, 2, &count);
        if (status == SL_INVALID)
            return done;
        REQUIRE(status == SL_OK); /* there is room: nothing to wait for */
        done += count;
    }
}

static void send_cut(const struct manner *manner,
                     void (*make)(int *ours, int *theirs))
{
    int theirs = open_pair(manner, NULL, make);
    struct sl_view mapped = map_cut(8);
    size_t count = 0;
    size_t done;
    char byte;

    done = send_up_to_the_cut(SL_VIEW("head"), mapped);
    CHECK(done <= 4 + 6 * 4096);
    CHECK_INT(sl_transport_error(end.transport), 0);
    CHECK_INT(world.loop.late_writes, 0);
    CHECK_INT(sl_transport_send(end.transport, &(struct sl_view){"more", 4}, 1,
                                &count),
              SL_OK);
    CHECK_INT(count, 4);
    for (size_t i = 0; i < done + 4; i++)
        REQUIRE(recv(theirs, &byte, 1, 0) == 1);
    CHECK_INT(byte, 'e');
    munmap((void *)(uintptr_t)mapped.data, mapped.size);
    close_pair(theirs);
}

/* Bytes that are there are sent like others, also when the kernel is full. */
static void send_mapped_whole(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    struct sl_view mapped = map_cut(4096 + 2);
    enum sl_status status;
    size_t total = 0;
    size_t seen = 0;
    size_t count = 0;

    mapped.size -= 2 * 4096;
    while (seen < mapped.size) {
        char bytes[30000];
        struct sl_view view = sl_view(mapped.data + total, mapped.size - total);
        ssize_t n;

        if (view.size > 0) {
            status = sl_transport_send_mapped(end.transport, &view, 1, &count);
            REQUIRE(status == SL_OK || status == SL_AGAIN);
            total += status == SL_OK ? count : 0;
        }
        n = recv(theirs, bytes, sizeof bytes, MSG_DONTWAIT);
        seen += n > 0 ? (size_t)n : 0;
        sl_loop_step(&world.loop, 0);
    }
    CHECK_INT(total, mapped.size);
    munmap((void *)(uintptr_t)mapped.data, mapped.size + 2 * 4096);
    close_pair(theirs);
}

static void send_mapped(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    bool can_map = sl_transport_can_map(end.transport);

    CHECK_INT(can_map, manner->mode == SL_TRANSPORT_STREAM);
    close_pair(theirs);
    if (!can_map)
        return;
    send_cut(manner, peer_tcp);
    send_cut(manner, peer_pair);
    send_mapped_whole(manner);
}

TEST("a mapped file that has shrunk is not taken for a full socket")
{
    each_manner(send_mapped);
}

/* ---- watching while idle ---- */

static void watch(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    CHECK_INT(sl_transport_watch(end.transport), SL_AGAIN);
    CHECK_INT(sl_transport_watch(end.transport), SL_AGAIN);
    CHECK_INT(world.loop.operations, 0);
    world_settle(&world);
    CHECK(sl_transport_is_quiet(end.transport));
    CHECK_INT(end.receives_told, 0);
    /* A request starts: now it counts. */
    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    CHECK_INT(world.loop.operations, 1);
    peer_send(theirs, "answer");
    check_received(&end, "answer");
    CHECK_INT(sl_transport_watch(end.transport), SL_AGAIN);
    CHECK_INT(world.loop.operations, 0);
    end.can_receive = false;
    close(theirs);
    world_until(&world, &end.can_receive);
    CHECK(!sl_transport_is_quiet(end.transport));
    CHECK_INT(sl_transport_watch(end.transport), SL_OK);
    CHECK_INT(end_receive(&end, 10, &received), SL_END);
    close_pair(-1);
}

TEST("an idle connection notices its peer's close, and is no operation")
{
    each_manner(watch);
}

/* As the loop knows the time. */
static void pass_glance(void)
{
    int64_t until = world.loop.now + 2 * SL_GLANCE;

    while (sl_loop_refresh(&world.loop) < until)
        continue;
}

static void not_quiet(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    struct pollfd entry = {end.transport->socket.fd, POLLIN, 0};

    world_settle(&world);
    CHECK(sl_transport_is_quiet(end.transport));
    peer_send(theirs, "unasked");
    poll(&entry, 1, 5000);
    pass_glance();
    /* The step that would report it has not been made. */
    CHECK(!sl_transport_is_quiet(end.transport));
    check_received(&end, "unasked");
    close_pair(theirs);
}

/* A worker that is just looking counts as one that may have found something. */
static bool becomes_quiet(struct sl_transport *transport)
{
    int64_t until = sl_clock_now() + PATIENCE;

    while (sl_clock_now() < until) {
        if (sl_transport_is_quiet(transport))
            return true;
        world_settle(&world);
    }
    return false;
}

static void not_quiet_while_watched(const struct manner *manner)
{
    for (int round = 0; round < 50; round++) {
        int theirs = open_pair(manner, NULL, peer_tcp);

        CHECK_INT(sl_transport_watch(end.transport), SL_AGAIN);
        world_settle(&world);
        CHECK(becomes_quiet(end.transport));
        /* Over loopback a sent byte is in the socket, or on its way from there
         * to us, when send returns. */
        peer_send(theirs, "unasked");
        pass_glance();
        CHECK(!sl_transport_is_quiet(end.transport));
        check_received(&end, "unasked");
        close_pair(theirs);
    }
}

TEST("unrequested bytes are seen before the loop has reported them")
{
    struct manner list[MANNERS_MOST];
    size_t count = manners(list);

    for (size_t i = 0; i < count; i++) {
        test_note("%s over %s", mode_name(list[i].mode), list[i].backend->name);
        not_quiet(&list[i]);
        not_quiet_while_watched(&list[i]);
    }
}

/* ---- large bodies ---- */

static void trickle(const struct manner *manner)
{
    static char bytes[1024 * 1024];
    int theirs = open_pair(manner, NULL, peer_tcp);
    struct flood out = {dup(theirs), 2 * sizeof bytes, 0};
    pthread_t thread;
    size_t seen = 0;

    /* A fast start raises the mark; then the peer becomes slow. */
    REQUIRE(pthread_create(&thread, NULL, flood_out, &out) == 0);
    while (seen < out.total) {
        size_t received = 0;

        CHECK_INT(end_receive(&end, 65536, &received), SL_OK);
        seen += received;
        sl_buffer_consume(&end.buffer, end.buffer.length);
        sl_transport_expect(end.transport, sizeof bytes * 16);
    }
    pthread_join(thread, NULL);
    close(out.fd);
    CHECK_INT(end_receive(&end, 65536, &seen), SL_END);
    close_pair(theirs);
}

static void stalled_flow(const struct manner *manner)
{
    static char bytes[256 * 1024];
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t seen = 0;

    make_nonblocking(theirs);
    for (int i = 0; i < 40; i++) {
        size_t received = 0;
        ssize_t n = send(theirs, bytes, sizeof bytes, MSG_NOSIGNAL);

        if (n < 0)
            continue;
        for (size_t left = (size_t)n; left > 0; left -= received) {
            CHECK_INT(end_receive(&end, 65536, &received), SL_OK);
            REQUIRE(received <= left);
            sl_buffer_consume(&end.buffer, end.buffer.length);
            sl_transport_expect(end.transport, 64 * sizeof bytes);
        }
        seen += (size_t)n;
    }
    CHECK(seen > sizeof bytes);
    /* Far less than any mark: it must be reported all the same. */
    for (int i = 0; i < 3; i++) {
        peer_send(theirs, "drip");
        check_received(&end, "drip");
        sl_transport_expect(end.transport, 64 * sizeof bytes);
    }
    close_pair(theirs);
}

TEST("no byte of a large body stays unseen, however slow the peer becomes")
{
    each_manner(trickle);
    each_manner(stalled_flow);
}

/* ---- descriptor numbers in use again ---- */

static void reuse_numbers(const struct manner *manner)
{
    struct manner own = *manner;
    int first_theirs;
    int second_ours;
    int second_theirs;
    struct end second;
    int number;
    size_t received;

    first_theirs = open_pair(&own, NULL, peer_tcp);
    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    world_settle(&world);
    number = end.transport->socket.fd;
    /* An event is on its way when the socket goes and its number comes back. */
    peer_send(first_theirs, "for the first");
    end_fini(&end);
    while (world.loop.descriptors > 0)
        sl_loop_step(&world.loop, SL_SECOND);
    peer_tcp(&second_ours, &second_theirs);
    if (second_ours != number) {
        REQUIRE(dup2(second_ours, number) == number);
        close(second_ours);
        second_ours = number;
    }
    end_init(&second, &world, &own, second_ours);
    CHECK_INT(
        sl_transport_receive(second.transport, &second.buffer, 10, &received),
        SL_AGAIN);
    world_settle(&world);
    CHECK_INT(second.receives_told, 0);
    peer_send(second_theirs, "for the second");
    check_received(&second, "for the second");
    end_fini(&second);
    close(first_theirs);
    close(second_theirs);
    world_fini(&world);
}

TEST("an event for a closed socket does not reach its successor")
{
    each_manner(reuse_numbers);
}

TEST("events of a duplicate that outlives its socket are counted and ignored")
{
    static const struct manner manner = {SL_TRANSPORT_STREAM, NULL};
    struct manner own = manner;
    int theirs;
    int copy;
    int ours;

    own.backend = sl_backend_find("epoll");
    if (own.backend == NULL)
        own.backend = sl_platform()->backends[0];
    world_init(&world, NULL);
    peer_tcp(&ours, &theirs);
    end_init(&end, &world, &own, ours);
    copy = dup(ours);
    end_fini(&end);
    peer_send(theirs, "to nobody");
    for (int i = 0; i < 5; i++)
        sl_loop_step(&world.loop, 0);
    /* Taken out before the close, so not even stale. */
    CHECK_INT(world.loop.stale_events, 0);
    close(copy);
    close(theirs);
    world_fini(&world);
}

/* ---- closing with operations in flight ---- */

static void close_in_flight(const struct manner *manner)
{
    static const struct sl_pool_options guarded = {.mode = SL_POOL_GUARD,
                                                   .spare_limit = SIZE_MAX};
    static char bytes[65536];

    for (int state = 0; state < 6; state++) {
        int theirs = open_pair(manner, &guarded, peer_tcp);
        size_t count;

        test_note("%s over %s, state %d", mode_name(manner->mode),
                  manner->backend->name, state);
        if (state % 2 == 1)
            CHECK_INT(
                sl_transport_receive(end.transport, &end.buffer, 65536, &count),
                SL_AGAIN);
        if (state >= 2) {
            for (int i = 0; i < 200; i++) {
                sl_transport_send(end.transport,
                                  &(struct sl_view){bytes, sizeof bytes}, 1,
                                  &count);
                sl_loop_step(&world.loop, 0);
            }
        }
        if (state >= 4)
            sl_transport_abort(end.transport);
        else
            sl_transport_close(end.transport);
        end.transport = NULL;
        sl_buffer_fini(&end.buffer);
        /* What arrives now must not be written anywhere that is freed. */
        if (state % 2 == 1)
            send(theirs, "too late", 8, MSG_NOSIGNAL);
        world_settle(&world);
        if (state >= 4)
            close(theirs);
        end.sends_told = end.receives_told = 0;
        while (state >= 4 && world.loop.descriptors > 0)
            sl_loop_step(&world.loop, SL_SECOND);
        CHECK_INT(end.sends_told, 0);
        CHECK_INT(end.receives_told, 0);
        /* In the others an unsent rest may be left to the loop's close. */
        if (state < 4)
            close(theirs);
        world_fini(&world);
    }
}

TEST("closed in any state, it notifies nobody and frees nothing too early")
{
    each_manner(close_in_flight);
}

static void loop_closes_first(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    world_settle(&world);
    end_fini(&end);
    /* No step: the cancelled operation is the loop's to wait for. */
    world.descriptors++; /* theirs stays open meanwhile */
    world_fini(&world);
    close(theirs);
}

TEST("the loop's close waits for what is still in flight")
{
    each_manner(loop_closes_first);
}

/* ---- reset on purpose ---- */

static void abort_resets(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    char byte;

    sl_transport_abort(end.transport);
    end.transport = NULL;
    while (world.loop.descriptors > 0)
        sl_loop_step(&world.loop, SL_SECOND);
    CHECK_INT(recv(theirs, &byte, 1, 0), -1);
    CHECK_INT(errno, ECONNRESET);
    close_pair(theirs);
}

static void close_ends(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    char bytes[8];
    size_t sent;

    CHECK_INT(end_send(&end, SL_VIEW("goodbye"), &sent), SL_OK);
    sl_transport_close(end.transport);
    end.transport = NULL;
    while (world.loop.descriptors > 0)
        sl_loop_step(&world.loop, SL_SECOND);
    CHECK_INT(recv(theirs, bytes, sizeof bytes, MSG_WAITALL), 7);
    CHECK_INT(recv(theirs, bytes, 1, 0), 0);
    close_pair(theirs);
}

/* The end of the first send was not delivered yet: a second one has to wait. */
static void close_behind(const struct manner *manner)
{
    static const char full[SL_TRANSPORT_BUFFER_SIZE];
    int theirs = open_pair(manner, NULL, peer_tcp);
    char bytes[16];
    size_t sent;

    CHECK_INT(end_send(&end, SL_VIEW("first"), &sent), SL_OK);
    if (sl_transport_send_last(end.transport, SL_VIEW(" then"))) {
        CHECK(sl_transport_send_last(end.transport, SL_VIEW(" last")));
        CHECK(
            !sl_transport_send_last(end.transport, sl_view(full, sizeof full)));
    } else { /* it is over already */
        CHECK_INT(end_send(&end, SL_VIEW(" then last"), &sent), SL_OK);
    }
    sl_transport_close(end.transport);
    end.transport = NULL;
    while (world.loop.descriptors > 0)
        sl_loop_step(&world.loop, SL_SECOND);
    CHECK_INT(recv(theirs, bytes, sizeof bytes, MSG_WAITALL), 15);
    CHECK_BYTES(bytes, 15, "first then last", 15);
    close_pair(theirs);
}

/* Closed when a part of what was accepted is sent and nobody was notified. */
static void close_in_part(const struct manner *manner)
{
    static const char data[SL_TRANSPORT_BUFFER_SIZE];
    int theirs = open_pair(manner, NULL, peer_pair);
    int64_t until = sl_clock_now() + PATIENCE;
    size_t accepted = 0;
    size_t arrived = 0;
    struct sl_view view = sl_view(data, sizeof data);
    int fd = end.transport->socket.fd;
    size_t sent = 0;
    ssize_t n;
    char bytes[8192];
    int size = 2304;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    make_nonblocking(theirs);
    /* Full, so that all of the block has to wait. */
    while ((n = send(fd, data, sizeof data, MSG_NOSIGNAL)) > 0)
        accepted += (size_t)n;
    if (sl_transport_send(end.transport, &view, 1, &sent) == SL_OK)
        accepted += sent;
    world_settle(&world);
    while ((n = recv(theirs, bytes, sizeof bytes, 0)) > 0)
        arrived += (size_t)n;
    /* A wait that delivers nothing. */
    if (end.transport->socket.backend->class->tells_all)
        end.transport->socket.backend->class->wait(
            end.transport->socket.backend, 0);
    sl_transport_close(end.transport);
    end.transport = NULL;
    while (n != 0 && sl_clock_now() < until) {
        sl_loop_step(&world.loop, 0);
        n = recv(theirs, bytes, sizeof bytes, 0);
        arrived += n > 0 ? (size_t)n : 0;
    }
    CHECK_INT(arrived, accepted);
    world_settle(&world);
    close_pair(theirs);
}

TEST("close in the middle of a block sends the rest of the block")
{
    each_manner(close_in_part);
}

TEST("abort resets, close sends what was accepted and then ends")
{
    each_manner(abort_resets);
    each_manner(close_ends);
}

static void close_frees(const struct manner *manner)
{
    for (int is_abort = 0; is_abort < 2; is_abort++) {
        int theirs = open_pair(manner, NULL, peer_tcp);
        size_t received;
        char byte;

        CHECK_INT(
            sl_transport_receive(end.transport, &end.buffer, 10, &received),
            SL_AGAIN);
        world_settle(&world);
        if (is_abort)
            sl_transport_abort(end.transport);
        else
            sl_transport_close(end.transport);
        end.transport = NULL;
        CHECK_INT(world.loop.descriptors, 0);
        CHECK_INT(recv(theirs, &byte, 1, 0), is_abort ? -1 : 0);
        close_pair(theirs);
    }
}

TEST("closes its descriptor at once, not with the next step")
{
    each_manner(close_frees);
}

TEST("the last send follows the bytes under way")
{
    each_manner(close_behind);
}

/* ---- urgent bytes ---- */

static void urgent(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    for (int i = 0; i < 3; i++) {
        CHECK_INT(
            sl_transport_receive(end.transport, &end.buffer, 100, &received),
            SL_AGAIN);
        world_settle(&world);
        /* All of it is there when the first receive ends before the mark. */
        peer_send(theirs, "before ");
        REQUIRE(send(theirs, "!", 1, MSG_OOB) == 1);
        peer_send(theirs, "and behind");
        check_received(&end, "before and behind");
    }
    close_pair(theirs);
}

TEST("an urgent byte does not hide the bytes after it")
{
    each_manner(urgent);
}

/* ---- closing from inside ---- */

static void close_now(void *owner)
{
    struct end *told = owner;

    told->can_receive = true;
    sl_transport_close(told->transport);
    told->transport = NULL;
}

static void close_inside(const struct manner *manner)
{
    static const struct sl_transport_events events = {close_now, close_now};
    int theirs = open_pair(manner, NULL, peer_tcp);
    size_t received;

    sl_transport_bind(end.transport, &events, &end);
    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    peer_send(theirs, "go away");
    world_until(&world, &end.can_receive);
    CHECK(end.transport == NULL);
    close_pair(theirs);
}

TEST("may be closed from inside its own callback")
{
    each_manner(close_inside);
}

/* ---- costs ---- */

static void count_costs(const struct manner *manner)
{
    int theirs = open_pair(manner, NULL, peer_tcp);
    uint64_t calls;
    uint64_t rented;

    for (int i = 0; i < 2000; i++) {
        size_t count;

        if (i == 100) {
            calls = world.allocator->calls;
            rented = sl_pool_outstanding(&world.pool);
        }
        CHECK_INT(end_send(&end, SL_VIEW("ping"), &count), SL_OK);
        peer_send(theirs, "pong");
        check_received(&end, "pong");
    }
    CHECK_INT(world.allocator->calls, calls);
    CHECK_INT(sl_pool_outstanding(&world.pool), rented);
    if (manner->mode == SL_TRANSPORT_STREAM)
        CHECK_INT(rented, 0);
    else
        CHECK_INT(rented, 2);
    close_pair(theirs);
}

TEST("a request and its answer allocate nothing, an idle stream holds none")
{
    each_manner(count_costs);
}

/* ---- failing allocations ---- */

static const struct manner *manner_to_fail;

static void fail_somewhere(struct sl_allocator *allocator, void *argument)
{
    int ours;
    int theirs;
    size_t count = 0;
    enum sl_status status;

    (void)argument;
    if (!world_open(&world, allocator, NULL))
        return;
    peer_tcp(&ours, &theirs);
    status = end_open(&end, &world, manner_to_fail, ours);
    if (status == SL_OK) {
        peer_send(theirs, "hello");
        status = end_send(&end, SL_VIEW("hello"), &count);
        CHECK(status == SL_OK || status == SL_CLOSED || status == SL_MEMORY);
        /* A receive that failed for want of memory has lost nothing. */
        do
            status = end_receive(&end, 100, &count);
        while (status == SL_MEMORY && !test_allocator_has_failed(allocator));
        CHECK(status == SL_OK || test_allocator_has_failed(allocator));
        end_fini(&end);
    } else {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    close(theirs);
    world_close(&world);
}

static void fail_allocations(const struct manner *manner)
{
    manner_to_fail = manner;
    test_each_failure(fail_somewhere, NULL);
}

TEST("survives each failing allocation")
{
    each_manner(fail_allocations);
}

int main(void)
{
    return test_main();
}
