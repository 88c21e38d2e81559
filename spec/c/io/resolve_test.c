#include "io/resolve.h"

#include "spec/c/io/world.h"

#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

static struct world world;

/* ---- a resolution of the test's own ---- */

static atomic_int lookups;
static sem_t gate; /* "slow" waits here */
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
    if (strncmp(host, "slow", 4) == 0) {
        sem_post(&entered);
        while (sem_wait(&gate) != 0)
            continue;
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

static void wait_entered(void)
{
    while (sem_wait(&entered) != 0)
        continue;
}

/* ---- asking ---- */

struct ask {
    struct sl_resolve_job *job;
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
    return sl_resolve_begin(world.resolver, host, 80, done, ask, &ask->job);
}

static enum sl_status ask_for(const char *host, struct sl_address *addresses,
                              size_t *count, struct sl_failure *failure)
{
    struct ask ask;
    enum sl_status status;

    REQUIRE(begin(&ask, host) == SL_OK);
    CHECK(!ask.is_done);
    CHECK_INT(world.loop.operations, 1);
    world_until(&world, &ask.is_done);
    CHECK_INT(world.loop.operations, 0);
    status = sl_resolve_result(ask.job, addresses, count, failure);
    sl_resolve_destroy(ask.job);
    CHECK_INT(ask.times, 1);
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

TEST("knows literal addresses from names")
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
    struct sl_address addresses[SL_RESOLVE_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    CHECK_INT(ask_for("::1", addresses, &count, &failure), SL_OK);
    CHECK_INT(count, 1);
    check_address(&addresses[0], "::1", 80);
    CHECK_INT(atomic_load(&lookups), 0);
    CHECK_INT(world.loop.wake_fd, -1);
    world_fini(&world);
}

TEST("a name is answered from another thread, in the resolver's order")
{
    struct sl_address addresses[SL_RESOLVE_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    CHECK_INT(ask_for("four", addresses, &count, &failure), SL_OK);
    CHECK_INT(count, 1);
    check_address(&addresses[0], "127.0.0.1", 80);
    CHECK_INT(ask_for("six", addresses, &count, &failure), SL_OK);
    check_address(&addresses[0], "::1", 80);
    CHECK_INT(ask_for("many", addresses, &count, &failure), SL_OK);
    CHECK_INT(count, SL_RESOLVE_ADDRESSES);
    check_address(&addresses[0], "::1", 80);
    check_address(&addresses[1], "127.0.0.2", 80);
    check_address(&addresses[15], "127.0.0.16", 80);
    world_fini(&world);
}

TEST("says why a name has no address")
{
    struct sl_address addresses[SL_RESOLVE_ADDRESSES];
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
    world_fini(&world);
}

TEST("the system's own resolution knows localhost")
{
    struct sl_address addresses[SL_RESOLVE_ADDRESSES];
    struct sl_failure failure;
    size_t count;

    open_world();
    sl_resolver_set_lookup(world.resolver, NULL);
    CHECK_INT(ask_for("localhost", addresses, &count, &failure), SL_OK);
    CHECK(count >= 1);
    world_fini(&world);
}

TEST("refuses a name that no name can be as long as")
{
    char host[300];
    struct ask ask;

    open_world();
    memset(host, 'a', sizeof host);
    host[255] = '\0';
    CHECK_INT(begin(&ask, host), SL_OK);
    sl_resolve_destroy(ask.job);
    host[255] = 'a';
    host[256] = '\0';
    CHECK_INT(begin(&ask, host), SL_INVALID);
    world_fini(&world);
}

TEST("slow names do not hold up others while there are threads")
{
    struct sl_address addresses[SL_RESOLVE_ADDRESSES];
    struct sl_failure failure;
    struct ask slow[SL_RESOLVE_THREADS - 1];
    size_t count;

    open_world();
    for (size_t i = 0; i < SL_RESOLVE_THREADS - 1; i++) {
        CHECK_INT(begin(&slow[i], "slow"), SL_OK);
        wait_entered();
    }
    /* The answer comes though three threads are stuck. */
    for (int i = 0; i < 3; i++) {
        struct ask ask;

        CHECK_INT(begin(&ask, "four"), SL_OK);
        world_until(&world, &ask.is_done);
        CHECK_INT(sl_resolve_result(ask.job, addresses, &count, &failure),
                  SL_OK);
        sl_resolve_destroy(ask.job);
    }
    for (size_t i = 0; i < SL_RESOLVE_THREADS - 1; i++)
        sem_post(&gate);
    for (size_t i = 0; i < SL_RESOLVE_THREADS - 1; i++) {
        world_until(&world, &slow[i].is_done);
        CHECK_INT(sl_resolve_result(slow[i].job, addresses, &count, &failure),
                  SL_OK);
        sl_resolve_destroy(slow[i].job);
    }
    CHECK_INT(atomic_load(&lookups), SL_RESOLVE_THREADS - 1 + 3);
    world_fini(&world);
}

TEST("only so many wait, and those that were withdrawn do not count")
{
    static struct ask stuck[SL_RESOLVE_THREADS];
    static struct ask waiting[SL_RESOLVE_WAITING];
    struct ask more;

    open_world();
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        CHECK_INT(begin(&stuck[i], "slow"), SL_OK);
        wait_entered();
    }
    for (size_t i = 0; i < SL_RESOLVE_WAITING; i++)
        REQUIRE(begin(&waiting[i], "four") == SL_OK);
    CHECK_INT(begin(&more, "four"), SL_LIMIT);
    for (size_t i = 1; i < SL_RESOLVE_WAITING; i++)
        sl_resolve_destroy(waiting[i].job);
    CHECK_INT(begin(&more, "four"), SL_OK);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++)
        sem_post(&gate);
    world_until(&world, &more.is_done);
    world_until(&world, &waiting[0].is_done);
    sl_resolve_destroy(more.job);
    sl_resolve_destroy(waiting[0].job);
    for (size_t i = 0; i < SL_RESOLVE_THREADS; i++) {
        world_until(&world, &stuck[i].is_done);
        sl_resolve_destroy(stuck[i].job);
    }
    CHECK_INT(atomic_load(&lookups), SL_RESOLVE_THREADS + 2);
    world_fini(&world);
}

TEST("a late answer to a job that is gone is dropped")
{
    struct ask ask;
    struct ask other;

    open_world();
    CHECK_INT(begin(&ask, "slow"), SL_OK);
    wait_entered();
    sl_resolve_destroy(ask.job);
    CHECK_INT(world.loop.operations, 0);
    sem_post(&gate);
    CHECK_INT(begin(&other, "four"), SL_OK);
    world_until(&world, &other.is_done);
    sl_resolve_destroy(other.job);
    CHECK_INT(ask.times, 0);
    world_fini(&world);
}

TEST(
    "an answer that has arrived is dropped when its job ends before it is told")
{
    struct ask ask;

    open_world();
    CHECK_INT(begin(&ask, "four"), SL_OK);
    while (world.loop.wake_fd < 0 || atomic_load(&lookups) == 0)
        sched_yield();
    sl_resolve_destroy(ask.job);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(ask.times, 0);
    world_fini(&world);
}

TEST(
    "destroy does not wait for a thread that is stuck, nor is told by it later")
{
    struct ask stuck[3];

    open_world();
    for (int i = 0; i < 3; i++) {
        CHECK_INT(begin(&stuck[i], "slow"), SL_OK);
        wait_entered();
    }
    /* The gate is closed until the loop is gone. */
    sl_resolver_destroy(world.resolver);
    world.resolver = NULL;
    for (int i = 0; i < 3; i++)
        sl_resolve_destroy(stuck[i].job);
    world_fini(&world);
    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    for (int i = 0; i < 3; i++)
        CHECK_INT(stuck[i].times, 0);
}

TEST("comes and goes a hundred times, leaving no thread and no descriptor")
{
    for (int i = 0; i < 100; i++) {
        struct ask ask;

        open_world();
        CHECK_INT(begin(&ask, "four"), SL_OK);
        if (i % 2 == 0)
            world_until(&world, &ask.is_done);
        sl_resolve_destroy(ask.job);
        world_fini(&world);
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
        sl_resolve_destroy(ask.job);
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
