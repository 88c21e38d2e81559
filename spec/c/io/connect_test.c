#include "io/connect.h"

#include "spec/c/io/world.h"

#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>

static struct world world;

/* ---- names ---- */

/* What the names resolve to: literals, in order. */
static const char *names[8];
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t gate;

static int lookup(const char *host, const char *port,
                  const struct addrinfo *hints, struct addrinfo **result)
{
    struct addrinfo own = *hints;
    struct addrinfo **place = result;
    int error = 0;

    if (strcmp(host, "slow.test") == 0) {
        while (sem_wait(&gate) != 0)
            continue;
    }
    if (strcmp(host, "nowhere.test") == 0)
        return EAI_NONAME;
    own.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    pthread_mutex_lock(&names_lock);
    for (size_t i = 0; names[i] != NULL && error == 0; i++) {
        error = getaddrinfo(names[i], port, &own, place);
        if (error == 0)
            place = &(*place)->ai_next;
    }
    pthread_mutex_unlock(&names_lock);
    return error;
}

static void set_names(const char *first, const char *second, const char *third)
{
    pthread_mutex_lock(&names_lock);
    names[0] = first;
    names[1] = second;
    names[2] = third;
    names[3] = NULL;
    pthread_mutex_unlock(&names_lock);
}

/* ---- attempts ---- */

struct
try {
    struct sl_connector *connector;
    struct sl_transport *transport;
    struct sl_failure failure;
    bool is_done;
    int times;
};

static void done(void *owner)
{
    struct try *try = owner;

    try->is_done = true;
    try->times++;
}

static struct sl_connect_options options_for(const struct manner *manner,
                                             const char *host, int port)
{
    struct sl_connect_options options = {
        .host = host,
        .port = port,
        .resolve_timeout = SL_NEVER,
        .connect_timeout = SL_NEVER,
        .deadline = SL_NEVER,
    };

    if (manner != NULL) {
        options.mode = manner->mode;
        options.backend = manner->backend;
    }
    return options;
}

static enum sl_status begin(struct try *try,
                            const struct sl_connect_options *options)
{
    memset(try, 0, sizeof *try);
    return sl_connect_begin(&world.loop, world.resolver, options, done, try,
                            &try->connector);
}

static enum sl_status end_of(struct try *try)
{
    enum sl_status status;

    world_until(&world, &try->is_done);
    status = sl_connect_result(try->connector, &try->transport, &try->failure);
    sl_connect_destroy(try->connector);
    CHECK_INT(try->times, 1);
    return status;
}

static enum sl_status result_of(struct try *try)
{
    CHECK(!try->is_done);
    return end_of(try);
}

static enum sl_status run(struct try *try,
                          const struct sl_connect_options *options)
{
    REQUIRE(begin(try, options) == SL_OK);
    return result_of(try);
}

static void open_world(void)
{
    REQUIRE(sem_init(&gate, 0, 0) == 0);
    world_init(&world, NULL);
    sl_resolver_set_lookup(world.resolver, lookup);
}

/* Releases what cancelled operations still hold. */
static void close_world(void)
{
    world_fini(&world);
}

static int accept_one(int listener)
{
    struct pollfd entry = {listener, POLLIN, 0};

    if (poll(&entry, 1, 0) != 1)
        return -1;
    return accept(listener, NULL, NULL);
}

/* ---- what succeeds ---- */

static void connect_literal(const struct manner *manner)
{
    struct sl_connect_options options;
    struct try try;
    int port;
    int listener;
    int theirs;
    int64_t resolve;
    int64_t connected;
    struct sl_view hello = SL_VIEW("hello");
    size_t sent;
    char bytes[8];

    open_world();
    world.descriptors += 1;
    listener = peer_listen(8, &port);
    options = options_for(manner, "127.0.0.1", port);
    REQUIRE(begin(&try, &options) == SL_OK);
    CHECK_INT(world.loop.operations >= 1, true);
    world_until(&world, &try.is_done);
    CHECK_INT(sl_connect_result(try.connector, &try.transport, &try.failure),
              SL_OK);
    sl_connect_timings(try.connector, &resolve, &connected);
    CHECK_INT(resolve, 0);
    CHECK(connected >= 0 && connected < PATIENCE);
    sl_connect_destroy(try.connector);
    theirs = accept_one(listener);
    CHECK(theirs >= 0);
    CHECK_INT(try.transport->class->mode, manner->mode);
    CHECK_STR(try.transport->socket.backend->class->name,
              manner->backend->name);
    CHECK_INT(world.loop.descriptors, 1);
    CHECK_INT(sl_transport_send(try.transport, &hello, 1, &sent), SL_OK);
    world_settle(&world);
    CHECK_INT(recv(theirs, bytes, 5, MSG_WAITALL), 5);
    sl_transport_close(try.transport);
    close(theirs);
    close_world();
    close(listener);
}

TEST("connects to a literal address in every mode, without a resolver thread")
{
    each_manner(connect_literal);
}

static void connect_name(const struct manner *manner)
{
    struct sl_connect_options options;
    struct try try;
    int port;
    int listener;

    open_world();
    world.descriptors += 1;
    listener = peer_listen(8, &port);
    /* Nobody listens on ::1, so the second address it is. */
    set_names("127.0.0.1", "::1", NULL);
    options = options_for(manner, "both.test", port);
    CHECK_INT(run(&try, &options), SL_OK);
    close(accept_one(listener));
    sl_transport_close(try.transport);
    close_world();
    close(listener);
}

TEST("goes on to the next address if one is refused")
{
    each_manner(connect_name);
}

static void connect_unix(const struct manner *manner)
{
    char path[64];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sl_connect_options options = options_for(manner, NULL, 0);
    struct try try;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(path, sizeof path, "/tmp/sluice-connect-%d", (int)getpid());
    unlink(path);
    memcpy(name.sun_path, path, strlen(path) + 1);
    REQUIRE(bind(listener, (const struct sockaddr *)&name, sizeof name) == 0);
    REQUIRE(listen(listener, 8) == 0);
    open_world();
    options.unix_path = path;
    CHECK_INT(run(&try, &options), SL_OK);
    close(accept_one(listener));
    sl_transport_close(try.transport);
    close(listener);
    world.descriptors--;
    CHECK_INT(run(&try, &options), SL_CONNECT);
    CHECK_INT(try.failure.system_error, ECONNREFUSED);
    unlink(path);
    CHECK_INT(run(&try, &options), SL_CONNECT);
    CHECK_INT(try.failure.system_error, ENOENT);
    CHECK(strncmp(try.failure.reason, path, strlen(path)) == 0);
    CHECK_STR(try.failure.reason + strlen(path), ": no such file or directory");
    close_world();
}

TEST("connects to a unix socket")
{
    each_manner(connect_unix);
}

#define KNOCKS 8

/* A unix socket that listens, with a backlog that is full. */
static int listen_full(const char *path, int *knocks)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int count = 0;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    REQUIRE(bind(listener, (const struct sockaddr *)&address, sizeof address) ==
            0);
    REQUIRE(listen(listener, 1) == 0);
    do {
        REQUIRE(count < KNOCKS);
        knocks[count] =
            socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } while (connect(knocks[count++], (const struct sockaddr *)&address,
                     sizeof address) == 0);
    CHECK_INT(errno, EAGAIN);
    while (count < KNOCKS)
        knocks[count++] = -1;
    return listener;
}

static void close_full(const char *path, int listener, int *knocks)
{
    for (int i = 0; i < KNOCKS; i++) {
        if (knocks[i] >= 0)
            close(knocks[i]);
    }
    close(listener);
    unlink(path);
}

static void wait_for_backlog(const struct manner *manner)
{
    struct sl_connect_options options = options_for(manner, NULL, 0);
    char path[64];
    int knocks[KNOCKS];
    int listener;
    int theirs[2];
    int steps = 0;
    int64_t until;
    struct try try;

    snprintf(path, sizeof path, "/tmp/sluice-full-%ld.sock", (long)getpid());
    listener = listen_full(path, knocks);
    open_world();
    options.unix_path = path;
    REQUIRE(begin(&try, &options) == SL_OK);
    until = sl_clock_now() + 100 * SL_MILLISECOND;
    for (; sl_clock_now() < until; steps++)
        sl_loop_step(&world.loop, until - sl_clock_now());
    CHECK(!try.is_done);
    CHECK(steps < 100);
    for (int i = 0; i < 2; i++)
        theirs[i] = accept(listener, NULL, NULL);
    CHECK_INT(result_of(&try), SL_OK);
    sl_transport_close(try.transport);
    for (int i = 0; i < 2; i++)
        close(theirs[i]);
    world_fini(&world);
    close_full(path, listener, knocks);
}

TEST("waits until the backlog of a unix socket has room, without being busy")
{
    each_manner(wait_for_backlog);
}

static void backlog_stays_full(const struct manner *manner)
{
    struct sl_connect_options options = options_for(manner, NULL, 0);
    char path[64];
    int knocks[KNOCKS];
    int listener;
    struct try try;

    snprintf(path, sizeof path, "/tmp/sluice-full-%ld.sock", (long)getpid());
    listener = listen_full(path, knocks);
    open_world();
    options.unix_path = path;
    options.connect_timeout = 20 * SL_MILLISECOND;
    CHECK_INT(run(&try, &options), SL_TIMEOUT);
    CHECK_INT(try.failure.stage, SL_STAGE_CONNECT);
    CHECK(strstr(try.failure.reason, "backlog is full") != NULL);
    world_fini(&world);
    close_full(path, listener, knocks);
}

TEST("a unix socket whose backlog stays full is a timeout that says so")
{
    each_manner(backlog_stays_full);
}

TEST("binds to the local address it is given")
{
    struct sl_connect_options options;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    struct try try;
    int port;
    int listener;
    int theirs;

    open_world();
    world.descriptors += 1;
    listener = peer_listen(8, &port);
    options = options_for(NULL, "127.0.0.1", port);
    options.local_address = "127.0.0.77";
    CHECK_INT(run(&try, &options), SL_OK);
    theirs = accept(listener, (struct sockaddr *)&from, &size);
    CHECK_INT(ntohl(from.sin_addr.s_addr), 0x7F00004D);
    close(theirs);
    sl_transport_close(try.transport);
    options.local_address = "::1";
    CHECK_INT(run(&try, &options), SL_CONNECT);
    CHECK_INT(try.failure.system_error, EAFNOSUPPORT);
    options.local_address = "192.0.2.1";
    CHECK_INT(run(&try, &options), SL_CONNECT);
    CHECK_INT(try.failure.system_error, EADDRNOTAVAIL);
    options.local_address = "not an address";
    CHECK_INT(begin(&try, &options), SL_INVALID);
    close_world();
    close(listener);
}

TEST("sets what every connection needs")
{
    struct sl_connect_options options;
    struct try try;
    int port;
    int listener;
    int value = 0;
    socklen_t size = sizeof value;
    int fd;

    open_world();
    world.descriptors += 1;
    listener = peer_listen(8, &port);
    options = options_for(NULL, "127.0.0.1", port);
    CHECK_INT(run(&try, &options), SL_OK);
    fd = try.transport->socket.fd;
    CHECK_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &size) == 0);
    CHECK(value != 0);
    value = 0;
    CHECK(getsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &value, &size) == 0);
    CHECK(value != 0);
    sl_transport_close(try.transport);
    close_world();
    close(listener);
}

/* ---- what fails ---- */

static void refused(const struct manner *manner)
{
    int port = peer_refused_port();
    struct sl_connect_options options = options_for(manner, "127.0.0.1", port);
    struct try try;
    char expected[64];

    open_world();
    CHECK_INT(run(&try, &options), SL_CONNECT);
    CHECK_INT(try.failure.status, SL_CONNECT);
    CHECK_INT(try.failure.stage, SL_STAGE_CONNECT);
    CHECK_INT(try.failure.system_error, ECONNREFUSED);
    CHECK(try.failure.is_retryable);
    snprintf(expected, sizeof expected, "127.0.0.1:%d: connection refused",
             port);
    CHECK_STR(try.failure.reason, expected);
    set_names("127.0.0.1", "127.0.0.2", "127.0.0.3");
    options.host = "three.test";
    CHECK_INT(run(&try, &options), SL_CONNECT);
    snprintf(expected, sizeof expected,
             "three.test:%d (127.0.0.3): connection refused", port);
    CHECK_STR(try.failure.reason, expected);
    close_world();
}

TEST("reports the refusal after all addresses have refused")
{
    each_manner(refused);
}

TEST("reports a name that does not resolve")
{
    struct sl_connect_options options = options_for(NULL, "nowhere.test", 80);
    struct try try;

    open_world();
    CHECK_INT(run(&try, &options), SL_RESOLVE);
    CHECK_INT(try.failure.stage, SL_STAGE_RESOLVE);
    CHECK(try.failure.is_retryable);
    CHECK_STR(try.failure.reason, "nowhere.test:80: name or service not known");
    close_world();
}

TEST("refuses what cannot be an address")
{
    struct sl_connect_options options = options_for(NULL, "127.0.0.1", 0);
    char path[200];
    struct try try;

    open_world();
    CHECK_INT(begin(&try, &options), SL_INVALID);
    options.port = 65536;
    CHECK_INT(begin(&try, &options), SL_INVALID);
    options.port = 80;
    options.host = "";
    CHECK_INT(begin(&try, &options), SL_INVALID);
    options.host = NULL;
    CHECK_INT(begin(&try, &options), SL_INVALID);
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    options.unix_path = path;
    CHECK_INT(begin(&try, &options), SL_INVALID);
    options.unix_path = "";
    CHECK_INT(begin(&try, &options), SL_INVALID);
    close_world();
}

/* ---- what hangs ---- */

/* A port whose backlog is full: the kernel answers no further SYN. */
struct full {
    int listener;
    int fillers[8];
    int port;
};

static void full_open(struct full *full)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    full->listener = peer_listen(0, &full->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)full->port);
    for (size_t i = 0; i < 8; i++) {
        full->fillers[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(full->fillers[i], (const struct sockaddr *)&address,
                       sizeof address);
    }
}

static void full_close(struct full *full)
{
    for (size_t i = 0; i < 8; i++)
        close(full->fillers[i]);
    close(full->listener);
}

static void time_out(const struct manner *manner)
{
    struct sl_connect_options options;
    struct full full;
    struct try try;
    int64_t began;
    char expected[96];

    full_open(&full);
    open_world();
    options = options_for(manner, "127.0.0.1", full.port);
    options.connect_timeout = 30 * SL_MILLISECOND;
    began = sl_clock_now();
    CHECK_INT(run(&try, &options), SL_TIMEOUT);
    CHECK(sl_clock_now() - began >= 30 * SL_MILLISECOND);
    CHECK_INT(try.failure.status, SL_TIMEOUT);
    CHECK_INT(try.failure.stage, SL_STAGE_CONNECT);
    CHECK(try.failure.is_retryable);
    snprintf(expected, sizeof expected,
             "127.0.0.1:%d: timed out after 0.03 s (timeout.connect)",
             full.port);
    CHECK_STR(try.failure.reason, expected);
    /* The deadline for all of it counts too. */
    options.connect_timeout = SL_NEVER;
    options.deadline = sl_clock_now() + 20 * SL_MILLISECOND;
    CHECK_INT(run(&try, &options), SL_TIMEOUT);
    CHECK_INT(try.failure.stage, SL_STAGE_CONNECT);
    close_world();
    full_close(&full);
}

TEST("a connect that hangs ends at its deadline, naming the stage")
{
    each_manner(time_out);
}

static void given_up(const struct manner *manner)
{
    struct sl_connect_options options;
    struct full full;
    struct try try;

    full_open(&full);
    open_world();
    options = options_for(manner, "127.0.0.1", full.port);
    for (int is_begun = 0; is_begun < 2; is_begun++) {
        REQUIRE(begin(&try, &options) == SL_OK);
        if (is_begun)
            world_settle(&world);
        CHECK_INT(world.loop.descriptors, 1);
        sl_connect_destroy(try.connector);
        CHECK_INT(world.loop.descriptors, 0);
    }
    close_world();
    full_close(&full);
}

TEST("a connect that is given up closes its descriptor at once")
{
    each_manner(given_up);
}

TEST("a name that hangs ends at its deadline, naming the stage")
{
    struct sl_connect_options options = options_for(NULL, "slow.test", 80);
    struct try try;

    open_world();
    options.resolve_timeout = 20 * SL_MILLISECOND;
    CHECK_INT(run(&try, &options), SL_TIMEOUT);
    CHECK_INT(try.failure.stage, SL_STAGE_RESOLVE);
    CHECK_STR(try.failure.reason,
              "slow.test:80: timed out after 0.02 s (timeout.resolve)");
    sem_post(&gate);
    close_world();
}

static void race(const struct manner *manner)
{
    struct sl_connect_options options;
    struct full full;
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct try try;
    int64_t took;
    int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;

    full_open(&full);
    /* The same port on another loopback address answers. */
    address.sin_addr.s_addr = htonl(0x7F000002);
    address.sin_port = htons((uint16_t)full.port);
    setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    REQUIRE(bind(second, (const struct sockaddr *)&address, sizeof address) ==
            0);
    REQUIRE(listen(second, 8) == 0);
    open_world();
    set_names("127.0.0.1", "127.0.0.2", NULL);
    options = options_for(manner, "two.test", full.port);
    took = sl_clock_now();
    CHECK_INT(run(&try, &options), SL_OK);
    took = sl_clock_now() - took;
    /* RFC 8305 5: not before the delay, and long before SYN is sent again. */
    CHECK(took >= 250 * SL_MILLISECOND);
    CHECK(took < 900 * SL_MILLISECOND);
    close(accept_one(second));
    sl_transport_close(try.transport);
    close_world();
    close(second);
    full_close(&full);
}

TEST("does not wait for an address that hangs if there is another")
{
    each_manner(race);
}

/* ---- a source of the caller's own ---- */

static struct sl_lookup_source source;
static struct sl_lookup *asked;
static int starts;
static int cancels;

static void start(void *owner, struct sl_lookup *lookup)
{
    (void)owner;
    asked = lookup;
    starts++;
}

static void cancel(void *owner, struct sl_lookup *lookup)
{
    (void)owner;
    CHECK(lookup == asked);
    asked = NULL;
    cancels++;
}

static void open_source(void)
{
    open_world();
    asked = NULL;
    starts = cancels = 0;
    sl_lookup_source_init(&source, &world.loop, start, cancel, NULL);
}

static void close_source(void)
{
    sl_lookup_source_fini(&source);
    close_world();
}

static void answer_all(const char *const *texts, int port)
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    size_t count = 0;

    for (; texts[count] != NULL; count++)
        REQUIRE(sl_resolve_literal(texts[count], port, &addresses[count]));
    sl_lookup_answer(asked, addresses, count);
}

static void own_source(const struct manner *manner)
{
    /* The second family answers. */
    static const char *const texts[] = {"::1", "127.0.0.9", "127.0.0.1", NULL};
    struct sl_connect_options options;
    struct try first;
    struct try second;
    int port;
    int listener;

    open_source();
    world.descriptors += 1;
    listener = peer_listen(8, &port);
    options = options_for(manner, "service.test", port);
    options.source = &source;
    REQUIRE(begin(&first, &options) == SL_OK);
    REQUIRE(begin(&second, &options) == SL_OK);
    CHECK_INT(starts, 1);
    CHECK_STR(sl_lookup_host(asked), "service.test");
    CHECK_INT(sl_connect_stage(first.connector), SL_STAGE_RESOLVE);
    answer_all(texts, port);
    CHECK_INT(result_of(&first), SL_OK);
    CHECK_INT(end_of(&second), SL_OK);
    sl_transport_close(first.transport);
    sl_transport_close(second.transport);
    /* The next one asks anew, for a literal too. */
    options.host = "127.0.0.9";
    REQUIRE(begin(&first, &options) == SL_OK);
    CHECK_INT(starts, 2);
    answer_all(texts + 2, port);
    CHECK_INT(result_of(&first), SL_OK);
    sl_transport_close(first.transport);
    for (int i = 0; i < 3; i++)
        close(accept_one(listener));
    CHECK_INT(cancels, 0);
    close_source();
    close(listener);
}

TEST("asks the caller's own source once for simultaneous connects")
{
    each_manner(own_source);
}

TEST("a failing source fails the connect, and the host is named")
{
    struct sl_connect_options options = options_for(NULL, "service.test", 80);
    struct sl_failure failure;
    struct try try;

    open_source();
    options.source = &source;
    REQUIRE(begin(&try, &options) == SL_OK);
    sl_fail(&failure, SL_RESOLVE, SL_STAGE_RESOLVE, "Nobody of that name");
    sl_lookup_fail(asked, &failure);
    CHECK_INT(result_of(&try), SL_RESOLVE);
    CHECK_INT(try.failure.stage, SL_STAGE_RESOLVE);
    CHECK(try.failure.is_retryable);
    CHECK_STR(try.failure.reason, "service.test:80: nobody of that name");
    CHECK_INT(cancels, 0);
    close_source();
}

TEST("a source that does not answer is cancelled at the last deadline")
{
    struct sl_connect_options options = options_for(NULL, "service.test", 80);
    struct try first;
    struct try second;

    open_source();
    options.source = &source;
    options.resolve_timeout = 10 * SL_MILLISECOND;
    REQUIRE(begin(&first, &options) == SL_OK);
    options.resolve_timeout = SL_NEVER;
    REQUIRE(begin(&second, &options) == SL_OK);
    CHECK_INT(result_of(&first), SL_TIMEOUT);
    CHECK_INT(first.failure.stage, SL_STAGE_RESOLVE);
    CHECK_STR(first.failure.reason,
              "service.test:80: timed out after 0.01 s (timeout.resolve)");
    CHECK_INT(cancels, 0);
    sl_connect_destroy(second.connector);
    CHECK_INT(cancels, 1);
    CHECK_INT(starts, 1);
    close_source();
}

/* ---- given up ---- */

static void give_up(const struct manner *manner)
{
    struct full full;
    int port;
    int listener = peer_listen(64, &port);

    full_open(&full);
    /* Steps before it is given up: none while resolving, some while racing. */
    for (int steps = 0; steps < 6; steps++) {
        for (int target = 0; target < 4; target++) {
            static const char *const hosts[] = {"127.0.0.1", "127.0.0.1",
                                                "two.test", "slow.test"};
            struct sl_connect_options options = options_for(
                manner, hosts[target], target == 1 ? full.port : port);
            struct try try;

            open_world();
            set_names("127.0.0.9", "127.0.0.1", NULL);
            REQUIRE(begin(&try, &options) == SL_OK);
            for (int i = 0; i < steps; i++)
                sl_loop_step(&world.loop, 0);
            if (target != 2) /* else it may just have become known */
                CHECK_INT(sl_connect_stage(try.connector),
                          target == 3 ? SL_STAGE_RESOLVE : SL_STAGE_CONNECT);
            sl_connect_destroy(try.connector);
            CHECK_INT(world.loop.operations, 0);
            try.times = 0;
            world_settle(&world);
            CHECK_INT(try.times, 0);
            sem_post(&gate);
            close_world();
        }
    }
    full_close(&full);
    close(listener);
}

TEST("may be given up at any time, and leaves nothing behind")
{
    each_manner(give_up);
}

/* ---- want ---- */

static struct sl_connect_options starved_options;
static struct try starved;

static enum sl_status with_descriptors(rlim_t more)
{
    struct rlimit before;
    struct rlimit limit;
    enum sl_status status;
    int lowest = dup(0);

    close(lowest);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)lowest + more;
    setrlimit(RLIMIT_NOFILE, &limit);
    status = run(&starved, &starved_options);
    setrlimit(RLIMIT_NOFILE, &before);
    return status;
}

static void want_of_descriptors(const struct manner *manner, const char *host)
{
    int port;
    int listener = peer_listen(16, &port);
    int failures = 0;

    starved_options = options_for(manner, host, port);
    for (rlim_t more = 0; more < 10; more++) {
        enum sl_status status;

        open_world();
        set_names("127.0.0.1", NULL, NULL);
        status = with_descriptors(more);
        if (status == SL_OK) {
            sl_transport_close(starved.transport);
        } else {
            CHECK_INT(status, SL_CONNECT);
            CHECK_INT(starved.failure.system_error, EMFILE);
            CHECK(strstr(starved.failure.reason,
                         ": too many open files (ulimit -n: ") != NULL);
            CHECK(strncmp(starved.failure.reason, host, strlen(host)) == 0);
            failures++;
        }
        CHECK_INT(run(&starved, &starved_options), SL_OK);
        sl_transport_close(starved.transport);
        close_world();
        close(accept_one(listener));
        close(accept_one(listener));
    }
    CHECK(failures > 0);
    close(listener);
}

static void want_for_an_address(const struct manner *manner)
{
    want_of_descriptors(manner, "127.0.0.1");
}

static void want_for_a_name(const struct manner *manner)
{
    want_of_descriptors(manner, "one.test");
}

TEST("without descriptors it fails with the errno, and works when there are "
     "some")
{
    each_manner(want_for_an_address);
    each_manner(want_for_a_name);
}

static const struct manner *manner_to_fail;

static void fail_somewhere(struct sl_allocator *allocator, void *argument)
{
    int *port = argument;
    struct sl_connect_options options =
        options_for(manner_to_fail, "one.test", *port);
    struct try try;

    if (!world_open(&world, allocator, NULL))
        return;
    sl_resolver_set_lookup(world.resolver, lookup);
    set_names("127.0.0.1", NULL, NULL);
    if (begin(&try, &options) == SL_OK) {
        enum sl_status status = result_of(&try);

        if (status == SL_OK)
            sl_transport_close(try.transport);
        else
            CHECK(test_allocator_has_failed(allocator));
    } else {
        CHECK(test_allocator_has_failed(allocator));
    }
    world_close(&world);
}

static void fail_allocations(const struct manner *manner)
{
    int port;
    int listener = peer_listen(4096, &port);

    manner_to_fail = manner;
    test_each_failure(fail_somewhere, &port);
    close(listener);
}

TEST("survives each failing allocation")
{
    each_manner(fail_allocations);
}

int main(void)
{
    return test_main();
}
