#include "io/lookup.h"

#include "spec/c/io/world.h"

static struct world world;

/* ---- a source of the test's own ---- */

static struct sl_lookup_source source;
static struct sl_lookup *started[8];
static size_t start_count;
static size_t cancel_count;
static bool answers_at_once;

static struct sl_address address_of(const char *text, int port)
{
    struct sl_address address;

    REQUIRE(sl_resolve_literal(text, port, &address));
    return address;
}

static void answer(struct sl_lookup *lookup, const char *text)
{
    struct sl_address address = address_of(text, sl_lookup_port(lookup));

    sl_lookup_answer(lookup, &address, 1);
}

static void start(void *owner, struct sl_lookup *lookup)
{
    CHECK(owner == &world);
    CHECK(sl_lookup_data(lookup) == NULL);
    REQUIRE(start_count < 8);
    sl_lookup_set_data(lookup, &started[start_count]);
    started[start_count++] = lookup;
    if (answers_at_once)
        answer(lookup, "127.0.0.1");
}

static void cancel(void *owner, struct sl_lookup *lookup)
{
    CHECK(owner == &world);
    *(struct sl_lookup **)sl_lookup_data(lookup) = NULL;
    cancel_count++;
}

static void open_source(void)
{
    start_count = cancel_count = 0;
    answers_at_once = false;
    sl_lookup_source_init(&source, &world.loop, start, cancel, &world);
}

static void open_world(void)
{
    world_init(&world, NULL);
    open_source();
}

static void close_world(void)
{
    sl_lookup_source_fini(&source);
    world_fini(&world);
}

/* ---- asking ---- */

struct ask {
    struct sl_lookup_asker asker;
    int times;
};

static void done(void *owner)
{
    ((struct ask *)owner)->times++;
}

static void begin(struct ask *ask, const char *host, int port)
{
    memset(ask, 0, sizeof *ask);
    CHECK_INT(sl_lookup_ask(&source, host, port, done, ask, &ask->asker),
              SL_OK);
}

static void check_answer(struct ask *ask, int port)
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    size_t count = 0;

    CHECK_INT(ask->times, 1);
    CHECK_INT(sl_lookup_result(&ask->asker, addresses, &count, &failure),
              SL_OK);
    CHECK_INT(count, 1);
    CHECK_INT(ntohs(((struct sockaddr_in *)&addresses[0].storage)->sin_port),
              port);
    sl_lookup_leave(&ask->asker);
}

TEST("simultaneous askers for the same name share the answer")
{
    struct ask asks[3];
    struct ask later;

    open_world();
    for (int i = 0; i < 3; i++)
        begin(&asks[i], "a.test", 80);
    CHECK_INT(start_count, 1);
    CHECK_STR(sl_lookup_host(started[0]), "a.test");
    CHECK_INT(sl_lookup_port(started[0]), 80);
    CHECK_INT(world.loop.operations, 3);
    answer(started[0], "127.0.0.1");
    /* One that asks behind the answer asks anew, though nobody knows it yet. */
    begin(&later, "a.test", 80);
    CHECK_INT(start_count, 2);
    CHECK_INT(asks[0].times, 0);
    world_settle(&world);
    for (int i = 0; i < 3; i++)
        check_answer(&asks[i], 80);
    CHECK_INT(later.times, 0);
    sl_lookup_leave(&later.asker);
    CHECK_INT(cancel_count, 1);
    close_world();
}

TEST("another port or another spelling is another look-up")
{
    struct ask asks[4];

    open_world();
    begin(&asks[0], "a.test", 80);
    begin(&asks[1], "a.test", 81);
    begin(&asks[2], "a.test.", 80);
    begin(&asks[3], "b.test", 80);
    CHECK_INT(start_count, 4);
    for (size_t i = 4; i-- > 0;)
        answer(started[i], "127.0.0.1");
    world_settle(&world);
    for (int i = 0; i < 4; i++)
        check_answer(&asks[i], i == 1 ? 81 : 80);
    close_world();
}

TEST("an answer given inside the question is delivered by the loop")
{
    struct ask ask;

    open_world();
    answers_at_once = true;
    begin(&ask, "a.test", 80);
    CHECK_INT(ask.times, 0);
    world_settle(&world);
    check_answer(&ask, 80);
    CHECK_INT(cancel_count, 0);
    close_world();
}

TEST("the source is cancelled when the last asker leaves, not before")
{
    struct ask asks[3];

    open_world();
    for (int i = 0; i < 3; i++)
        begin(&asks[i], "a.test", 80);
    sl_lookup_leave(&asks[1].asker);
    sl_lookup_leave(&asks[1].asker);
    sl_lookup_leave(&asks[0].asker);
    CHECK_INT(cancel_count, 0);
    sl_lookup_leave(&asks[2].asker);
    CHECK_INT(cancel_count, 1);
    CHECK(started[0] == NULL);
    CHECK_INT(world.loop.operations, 0);
    /* An answered one is not cancelled. */
    begin(&asks[0], "a.test", 80);
    begin(&asks[1], "a.test", 80);
    answer(started[1], "127.0.0.1");
    sl_lookup_leave(&asks[0].asker);
    world_settle(&world);
    check_answer(&asks[1], 80);
    CHECK_INT(asks[0].times, 0);
    CHECK_INT(cancel_count, 1);
    close_world();
}

TEST("a failure reaches all askers, and so does an empty answer")
{
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    struct ask asks[2];
    size_t count;

    open_world();
    begin(&asks[0], "a.test", 80);
    begin(&asks[1], "a.test", 80);
    sl_fail(&failure, SL_RESOLVE, SL_STAGE_RESOLVE, "nobody of that name");
    sl_lookup_fail(started[0], &failure);
    world_settle(&world);
    for (int i = 0; i < 2; i++) {
        memset(&failure, 0, sizeof failure);
        CHECK_INT(sl_lookup_result(&asks[i].asker, addresses, &count, &failure),
                  SL_RESOLVE);
        CHECK_STR(failure.reason, "nobody of that name");
        sl_lookup_leave(&asks[i].asker);
    }
    begin(&asks[0], "a.test", 80);
    sl_lookup_answer(started[1], NULL, 0);
    world_settle(&world);
    CHECK_INT(sl_lookup_result(&asks[0].asker, addresses, &count, &failure),
              SL_RESOLVE);
    CHECK_STR(failure.reason, "no address");
    sl_lookup_leave(&asks[0].asker);
    close_world();
}

TEST("addresses beyond the room are left out")
{
    struct sl_address many[SL_LOOKUP_ADDRESSES + 3];
    struct sl_address addresses[SL_LOOKUP_ADDRESSES];
    struct sl_failure failure;
    struct ask ask;
    size_t count = 0;

    open_world();
    for (size_t i = 0; i < SL_LOOKUP_ADDRESSES + 3; i++)
        many[i] = address_of(i % 2 == 0 ? "::1" : "127.0.0.1", 80);
    begin(&ask, "a.test", 80);
    sl_lookup_answer(started[0], many, SL_LOOKUP_ADDRESSES + 3);
    world_settle(&world);
    CHECK_INT(sl_lookup_result(&ask.asker, addresses, &count, &failure), SL_OK);
    CHECK_INT(count, SL_LOOKUP_ADDRESSES);
    CHECK(memcmp(addresses, many, sizeof addresses) == 0);
    sl_lookup_leave(&ask.asker);
    close_world();
}

TEST("the end of a source cancels its look-ups, and notifies nobody")
{
    struct ask asks[3];

    open_world();
    begin(&asks[0], "a.test", 80);
    begin(&asks[1], "b.test", 80);
    begin(&asks[2], "b.test", 80);
    sl_lookup_source_fini(&source);
    CHECK_INT(cancel_count, 2);
    world_settle(&world);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(asks[i].times, 0);
        sl_lookup_leave(&asks[i].asker);
    }
    CHECK_INT(cancel_count, 2);
    close_world();
}

TEST("an asker that asked nothing may leave")
{
    struct sl_lookup_asker asker = {.lookup = NULL};

    sl_lookup_leave(&asker);
    CHECK(asker.lookup == NULL);
}

static void fail_somewhere(struct sl_allocator *allocator, void *argument)
{
    struct ask asks[2];

    (void)argument;
    if (!world_open(&world, allocator, NULL))
        return;
    open_source();
    memset(asks, 0, sizeof asks);
    for (int i = 0; i < 2; i++) {
        if (sl_lookup_ask(&source, "a.test", 80, done, &asks[i],
                          &asks[i].asker) != SL_OK) {
            CHECK(test_allocator_has_failed(allocator));
            CHECK(asks[i].asker.lookup == NULL);
        }
    }
    for (int i = 0; i < 2; i++)
        sl_lookup_leave(&asks[i].asker);
    CHECK_INT(cancel_count, start_count);
    sl_lookup_source_fini(&source);
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
