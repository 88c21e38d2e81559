#include "io/resolve.h"
#include "io/resolve_threads.h"

#include "spec/c/io/world.h"

#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

static struct world world;

/* ---- a resolution of the test's own ---- */

static atomic_int lookups;
static atomic_int inside; /* threads that "slow" holds */
static sem_t gate;        /* "slow" waits here */
static sem_t entered;

static int numeric(const char *host, const char *port,
                   const struct addrinfo *hints, struct addrinfo **result)
{
    struct addrinfo own = *hints;

    own.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    return getaddrinfo(host, port, &own, result);
}

static int many(const char *port, const struct addrinfo *hints,
                struct addrinfo **result)
{
    struct addrinfo **place = result;

    for (int i = 1; i <= 100; i++) {
        char host[32];

        snprintf(host, sizeof host, i % 2 == 0 ? "127.0.0.%d" : "::%d", i);
        if (numeric(host, port, hints, place) != 0)
            return EAI_MEMORY;
        place = &(*place)->ai_next;
    }
    return 0;
}

static int lookup(const char *host, const char *port,
                  const struct addrinfo *hints, struct addrinfo **result)
{
    atomic_fetch_add(&lookups, 1);
    if (strcmp(host, "rooted.") == 0)
        return numeric("127.0.0.2", port, hints, result);
    if (strncmp(host, "slow", 4) == 0) {
        atomic_fetch_add(&inside, 1);
        sem_post(&entered);
        while (sem_wait(&gate) != 0)
            continue;
        atomic_fetch_sub(&inside, 1);
    }
    if (strcmp(host, "nowhere") == 0)
        return EAI_NONAME;
    if (strcmp(host, "broken") == 0) {
        errno = EIO;
        return EAI_SYSTEM;
    }
    if (strcmp(host, "many") == 0)
        return many(port, hints, result);
    if (strcmp(host, "six") == 0)
        return numeric("::1", port, hints, result);
    return numeric("127.0.0.1", port, hints, result);
}

static void open_world(void)
{
    atomic_store(&lookups, 0);
    REQUIRE(sem_init(&gate, 0, 0) == 0);
    REQUIRE(sem_init(&entered, 0, 0) == 0);
    world_init(&world, NULL);
    sl_resolver_set_lookup(world.resolver, lookup);
}

/* What a test has let out must be out, before the gate is made anew. */
static void leave_world(void)
{
    while (atomic_load(&inside) > 0)
        sched_yield();
    sem_destroy(&gate);
    sem_destroy(&entered);
}

static void close_world(void)
{
    world_fini(&world);
    leave_world();
}

static void wait_entered(void)
{
    while (sem_wait(&entered) != 0)
        continue;
}

/* ---- asking ---- */

struct ask {
    struct sl_lookup_asker asker;
    bool is_done;
    int times;
};

static void done(void *owner)
{
    struct ask *ask = owner;

    ask->is_done = true;
    ask->times++;
}

static enum sl_status begin(struct ask *ask, const char *host)
{
    memset(ask, 0, sizeof *ask);
    return sl_lookup_ask(sl_resolver_source(world.resolver), host, 80, done,
                         ask, &ask->asker);
}

/* Begins one that a thread is stuck with. */
static void begin_slow(struct ask *ask, const char *host)
{
    REQUIRE(begin(ask, host) == SL_OK);
    wait_entered();
}

static enum sl_status end(struct ask *ask, struct sl_address *addresses,
                          size_t *count, struct sl_failure *failure)
{
    enum sl_status status;

    world_until(&world, &ask->is_done);
    status = sl_lookup_result(&ask->asker, addresses, count, failure);
    sl_lookup_leave(&ask->asker);
    CHECK_INT(ask->times, 1);
    return status;
}

static void end_well(struct ask *ask)
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    CHECK_INT(end(ask, addresses, &count, &failure), SL_OK);
    CHECK_INT(count, 1);
}

static enum sl_status ask_for(const char *host, struct sl_address *addresses,
                              size_t *count, struct sl_failure *failure)
{
    struct ask ask;
    enum sl_status status;

    REQUIRE(begin(&ask, host) == SL_OK);
    CHECK(!ask.is_done);
    CHECK_INT(world.loop.operations, 1);
    status = end(&ask, addresses, count, failure);
    CHECK_INT(world.loop.operations, 0);
    return status;
}

static void check_address(const struct sl_address *address, const char *text,
                          int port)
{
    char seen[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *four = (const void *)&address->storage;
    const struct sockaddr_in6 *six = (const void *)&address->storage;

    if (address->storage.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, seen, sizeof seen);
        CHECK_INT(ntohs(six->sin6_port), port);
        CHECK_INT(address->size, sizeof *six);
    } else {
        CHECK_INT(address->storage.ss_family, AF_INET);
        inet_ntop(AF_INET, &four->sin_addr, seen, sizeof seen);
        CHECK_INT(ntohs(four->sin_port), port);
        CHECK_INT(address->size, sizeof *four);
    }
    CHECK_STR(seen, text);
}

TEST("distinguishes literal addresses from names")
{
    struct sl_address address;

    CHECK(sl_resolve_literal("127.0.0.1", 80, &address));
    check_address(&address, "127.0.0.1", 80);
    CHECK(sl_resolve_literal("::1", 8080, &address));
    check_address(&address, "::1", 8080);
    CHECK(sl_resolve_literal("::ffff:1.2.3.4", 1, &address));
    check_address(&address, "::ffff:1.2.3.4", 1);
    CHECK(sl_resolve_literal("fe80::1%lo", 1, &address));
    check_address(&address, "fe80::1", 1);
    CHECK(!sl_resolve_literal("fe80::1%", 1, &address));
    CHECK(!sl_resolve_literal("fe80::1%nonesuch", 1, &address));
    CHECK(!sl_resolve_literal("localhost", 80, &address));
    CHECK(!sl_resolve_literal("127.1", 80, &address));
    CHECK(!sl_resolve_literal("127.0.0.1.", 80, &address));
    CHECK(!sl_resolve_literal("[::1]", 80, &address));
    CHECK(!sl_resolve_literal("", 80, &address));
}

TEST("a literal is answered without a thread, by the loop")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    CHECK_INT(ask_for("::1", addresses, &count, &failure), SL_OK);
    CHECK_INT(count, 1);
    check_address(&addresses[0], "::1", 80);
    CHECK_INT(atomic_load(&lookups), 0);
    CHECK_INT(world.loop.wake_fd, -1);
    close_world();
}

TEST("a name is answered from another thread, in the resolver's order")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    CHECK_INT(ask_for("four", addresses, &count, &failure), SL_OK);
    CHECK_INT(count, 1);
    check_address(&addresses[0], "127.0.0.1", 80);
    CHECK_INT(ask_for("six", addresses, &count, &failure), SL_OK);
    check_address(&addresses[0], "::1", 80);
    CHECK_INT(ask_for("many", addresses, &count, &failure), SL_OK);
    CHECK_INT(count, SL_LOOKUP_ADDRESSES);
    check_address(&addresses[0], "::1", 80);
    check_address(&addresses[1], "127.0.0.2", 80);
    check_address(&addresses[15], "127.0.0.16", 80);
    close_world();
}

TEST("a rooted name keeps its dot")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    CHECK_INT(ask_for("rooted.", addresses, &count, &failure), SL_OK);
    check_address(&addresses[0], "127.0.0.2", 80);
    CHECK_INT(ask_for("rooted", addresses, &count, &failure), SL_OK);
    check_address(&addresses[0], "127.0.0.1", 80);
    close_world();
}

TEST("reports why a name has no address")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    CHECK_INT(ask_for("nowhere", addresses, &count, &failure), SL_RESOLVE);
    CHECK_INT(failure.status, SL_RESOLVE);
    CHECK_INT(failure.stage, SL_STAGE_RESOLVE);
    CHECK(failure.is_retryable);
    CHECK_STR(failure.reason, "name or service not known");
    CHECK_INT(ask_for("broken", addresses, &count, &failure), SL_RESOLVE);
    CHECK_INT(failure.system_error, EIO);
    CHECK_STR(failure.reason, "input/output error");
    CHECK_INT(ask_for("four", addresses, &count, &failure), SL_OK);
    close_world();
}

TEST("the system's own resolution knows localhost")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    sl_resolver_set_lookup(world.resolver, NULL);
    CHECK_INT(ask_for("localhost", addresses, &count, &failure), SL_OK);
    CHECK(count >= 1);
    CHECK_INT(ask_for("Localhost.", addresses, &count, &failure), SL_OK);
    CHECK(count >= 1);
    close_world();
}

TEST("refuses a name that is too long")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    char host[300];
    struct ask ask;
    size_t count;

    open_world();
    memset(host, 'a', sizeof host);
    host[255] = '\0';
    CHECK_INT(begin(&ask, host), SL_OK);
    sl_lookup_leave(&ask.asker);
    host[255] = 'a';
    host[256] = '\0';
    CHECK_INT(ask_for(host, addresses, &count, &failure), SL_RESOLVE);
    CHECK_STR(failure.reason, "name is longer than 255 bytes");
    close_world();
}

/* ---- many at once ---- */

TEST("simultaneous askers for one name share one question")
{
    static struct ask asks[1000];
    struct ask other;

    open_world();
    begin_slow(&asks[0], "slow");
    for (size_t i = 1; i < 1000; i++)
        REQUIRE(begin(&asks[i], "slow") == SL_OK);
    CHECK_INT(world.loop.operations, 1000);
    /* One of them is not in the others' way. */
    sl_lookup_leave(&asks[0].asker);
    sem_post(&gate);
    for (size_t i = 1; i < 1000; i++)
        end_well(&asks[i]);
    CHECK_INT(asks[0].times, 0);
    CHECK_INT(atomic_load(&lookups), 1);
    /* An answer is not kept. */
    REQUIRE(begin(&other, "four") == SL_OK);
    end_well(&other);
    REQUIRE(begin(&other, "four") == SL_OK);
    end_well(&other);
    CHECK_INT(atomic_load(&lookups), 3);
    close_world();
}

TEST("any number of names waits for a thread, in order, until given up")
{
    static struct ask waiting[2000];
    struct ask stuck[SL_RESOLVE_MOST_THREADS];
    char host[32];

    CHECK_INT(SL_RESOLVE_MOST_THREADS, 16);
    open_world();
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++) {
        snprintf(host, sizeof host, "slow%zu", i);
        begin_slow(&stuck[i], host);
        sl_lookup_leave(&stuck[i].asker);
    }
    for (size_t i = 0; i < 2000; i++) {
        snprintf(host, sizeof host, "four%zu", i);
        REQUIRE(begin(&waiting[i], host) == SL_OK);
    }
    CHECK_INT(world.loop.timers.count, 0);
    for (size_t i = 1; i < 2000; i += 2)
        sl_lookup_leave(&waiting[i].asker);
    CHECK_INT(atomic_load(&lookups), SL_RESOLVE_MOST_THREADS);
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS; i++)
        sem_post(&gate);
    for (size_t i = 0; i < 2000; i += 2)
        end_well(&waiting[i]);
    CHECK_INT(atomic_load(&lookups), SL_RESOLVE_MOST_THREADS + 1000);
    close_world();
}

/* ---- names that nobody answers ---- */

TEST("names that were given up do not hold up others")
{
    struct ask stuck[SL_RESOLVE_MOST_THREADS - 1];
    char host[32];

    open_world();
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS - 1; i++) {
        struct ask ask;

        snprintf(host, sizeof host, "slow%zu", i);
        begin_slow(&stuck[i], host);
        sl_lookup_leave(&stuck[i].asker);
        REQUIRE(begin(&ask, "four") == SL_OK);
        end_well(&ask);
        CHECK_INT(stuck[i].times, 0);
    }
    for (size_t i = 0; i < SL_RESOLVE_MOST_THREADS - 1; i++)
        sem_post(&gate);
    close_world();
}

TEST("a thread is started for what waits as soon as a name is given up")
{
    struct ask stuck[SL_RESOLVE_THREADS];
    struct ask ask;
    char host[32];

    open_world();
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        snprintf(host, sizeof host, "slow%zu", i);
        begin_slow(&stuck[i], host);
    }
    REQUIRE(begin(&ask, "four") == SL_OK);
    sl_lookup_leave(&stuck[0].asker);
    end_well(&ask);
    CHECK_INT(world.loop.timers.count, 0);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        sem_post(&gate);
    for (size_t i = 1; i < SL_RESOLVE_THREADS; i++)
        end_well(&stuck[i]);
    close_world();
}

TEST("names that take longer than a second do not hold up others either")
{
    struct ask stuck[SL_RESOLVE_THREADS];
    struct ask ask;
    char host[32];
    int64_t began = sl_clock_now();

    open_world();
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        snprintf(host, sizeof host, "slow%zu", i);
        begin_slow(&stuck[i], host);
    }
    REQUIRE(begin(&ask, "four") == SL_OK);
    end_well(&ask);
    CHECK(sl_clock_now() - began >= SL_SECOND);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        sem_post(&gate);
    /* They were not cancelled. */
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        end_well(&stuck[i]);
    CHECK_INT(atomic_load(&lookups), SL_RESOLVE_THREADS + 1);
    close_world();
}

TEST("a name that is asked for again after a give-up needs no new thread")
{
    struct ask first;
    struct ask again;

    open_world();
    begin_slow(&first, "slow");
    for (int i = 0; i < 20; i++) {
        sl_lookup_leave(&first.asker);
        REQUIRE(begin(&first, "slow") == SL_OK);
    }
    REQUIRE(begin(&again, "slow") == SL_OK);
    sem_post(&gate);
    end_well(&first);
    end_well(&again);
    CHECK_INT(atomic_load(&lookups), 1);
    close_world();
}

TEST("a late answer to a cancelled question is dropped")
{
    struct ask ask;
    struct ask other;

    open_world();
    begin_slow(&ask, "slow");
    sl_lookup_leave(&ask.asker);
    CHECK_INT(world.loop.operations, 0);
    sem_post(&gate);
    REQUIRE(begin(&other, "four") == SL_OK);
    end_well(&other);
    CHECK_INT(ask.times, 0);
    close_world();
}

TEST("an answer is dropped if its asker leaves before the delivery")
{
    struct ask ask;

    open_world();
    CHECK_INT(begin(&ask, "four"), SL_OK);
    while (world.loop.wake_fd < 0 || atomic_load(&lookups) == 0)
        sched_yield();
    sl_lookup_leave(&ask.asker);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(ask.times, 0);
    close_world();
}

TEST("destroy waits neither for stuck threads nor for queued names")
{
    struct ask stuck[SL_RESOLVE_THREADS];
    struct ask waiting;
    char host[32];

    open_world();
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        snprintf(host, sizeof host, "slow%zu", i);
        begin_slow(&stuck[i], host);
    }
    REQUIRE(begin(&waiting, "four") == SL_OK);
    /* The gate is closed until the loop is gone. */
    sl_resolver_destroy(world.resolver);
    world.resolver = NULL;
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        sl_lookup_leave(&stuck[i].asker);
    sl_lookup_leave(&waiting.asker);
    world_fini(&world);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        sem_post(&gate);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        CHECK_INT(stuck[i].times, 0);
    CHECK_INT(waiting.times, 0);
    leave_world();
}

/* ---- want ---- */

TEST("a name is not reported as unknown if only descriptors are missing")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    struct rlimit before;
    struct rlimit limit;
    struct ask ask;
    size_t count;
    int lowest;

    open_world();
    CHECK_INT(ask_for("four", addresses, &count, &failure), SL_OK);
    sl_resolver_set_lookup(world.resolver, NULL);
    lowest = dup(0);
    close(lowest);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)lowest;
    setrlimit(RLIMIT_NOFILE, &limit);
    REQUIRE(begin(&ask, "localhost") == SL_OK);
    CHECK_INT(end(&ask, addresses, &count, &failure), SL_CONNECT);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_INT(failure.system_error, EMFILE);
    CHECK_INT(failure.stage, SL_STAGE_RESOLVE);
    CHECK(strstr(failure.reason, "oo many open files (ulimit -n: ") != NULL);
    close_world();
}

TEST("comes and goes a hundred times, leaving no thread and no descriptor")
{
    for (int i = 0; i < 100; i++) {
        struct ask ask;

        open_world();
        CHECK_INT(begin(&ask, "four"), SL_OK);
        if (i % 2 == 0)
            world_until(&world, &ask.is_done);
        sl_lookup_leave(&ask.asker);
        close_world();
    }
}

static void fail_somewhere(struct sl_allocator *allocator, void *argument)
{
    struct ask ask;

    (void)argument;
    if (!world_open(&world, allocator, NULL)) {
        CHECK(test_allocator_has_failed(allocator));
        return;
    }
    sl_resolver_set_lookup(world.resolver, lookup);
    if (begin(&ask, "four") == SL_OK) {
        world_until(&world, &ask.is_done);
        sl_lookup_leave(&ask.asker);
    } else {
        CHECK(test_allocator_has_failed(allocator));
    }
    world_close(&world);
}

TEST("survives each failing allocation")
{
    test_each_failure(fail_somewhere, NULL);
}

int main(void)
{
    return test_main();
}
