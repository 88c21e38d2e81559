#include "io/low_water.h"

#include "spec/c/io/world.h"

#define MUCH ((size_t)64 * 1024 * 1024)

static struct world world;
static struct sl_low_water low_water;
static bool is_lowered;
static int ours;
static int theirs;

static void on_lowered(struct sl_low_water *told)
{
    CHECK(told == &low_water);
    is_lowered = true;
}

static int mark(void)
{
    int bytes = 0;
    socklen_t size = sizeof bytes;

    REQUIRE(getsockopt(ours, SOL_SOCKET, SO_RCVLOWAT, &bytes, &size) == 0);
    return bytes;
}

static void expect(size_t bytes)
{
    const struct sl_low_water_socket socket = {&world.loop, ours, on_lowered};

    sl_low_water_expect(&low_water, &socket, bytes);
}

static void open_mark(void)
{
    is_lowered = false;
    world_init(&world, NULL);
    peer_tcp(&ours, &theirs);
    memset(&low_water, 0x5a, sizeof low_water); /* another one's memory */
    sl_low_water_init(&low_water);
}

static void close_mark(void)
{
    sl_low_water_fini(&low_water);
    close(ours);
    close(theirs);
    world_fini(&world);
}

TEST("is raised only while much is missing and receives are full")
{
    open_mark();
    expect(MUCH);
    CHECK_INT(mark(), 1);
    CHECK(!sl_low_water_is_raised(&low_water));
    sl_low_water_note(&low_water, true);
    expect(100000);
    CHECK_INT(mark(), 1);
    expect(MUCH);
    CHECK(mark() > 65536);
    CHECK(sl_low_water_is_raised(&low_water));
    CHECK_INT(world.loop.timers.count, 1);
    /* A short one does not take it back, the end does. */
    sl_low_water_note(&low_water, false);
    expect(MUCH / 2);
    CHECK(mark() > 65536);
    expect(100000);
    CHECK_INT(mark(), 1);
    CHECK_INT(world.loop.timers.count, 0);
    CHECK(!is_lowered);
    close_mark();
}

/* The clock is the test's: what is due by now fires. */
static void pass(int64_t time)
{
    struct sl_timer *timer;

    world.loop.now += time;
    while ((timer = sl_timers_take_due(&world.loop.timers, world.loop.now)) !=
           NULL)
        timer->fire(timer);
}

TEST("is lowered when nothing arrives for a while")
{
    open_mark();
    sl_low_water_note(&low_water, true);
    expect(MUCH);
    pass(9 * SL_MILLISECOND);
    CHECK(!is_lowered);
    pass(SL_MILLISECOND);
    CHECK(is_lowered);
    CHECK_INT(mark(), 1);
    CHECK_INT(world.loop.timers.count, 0);
    /* Not again before what comes fills its room again. */
    expect(MUCH);
    CHECK_INT(mark(), 1);
    sl_low_water_note(&low_water, true);
    expect(MUCH);
    CHECK(mark() > 65536);
    close_mark();
}

TEST("stays raised while bytes arrive")
{
    open_mark();
    sl_low_water_note(&low_water, true);
    expect(MUCH);
    for (int i = 0; i < 100; i++) {
        pass(9 * SL_MILLISECOND);
        sl_low_water_note(&low_water, false);
        CHECK_INT(world.loop.timers.count, 1);
    }
    CHECK(mark() > 65536);
    CHECK(!is_lowered);
    pass(10 * SL_MILLISECOND);
    CHECK(is_lowered);
    close_mark();
}

TEST("is not raised without memory for it")
{
    open_mark();
    sl_low_water_note(&low_water, true);
    test_allocator_fail(&world.own, TEST_FAIL_FROM, 1);
    expect(MUCH);
    CHECK(!sl_low_water_is_raised(&low_water));
    CHECK_INT(mark(), 1);
    test_allocator_fail(&world.own, TEST_FAIL_NEVER, 0);
    expect(MUCH);
    CHECK(sl_low_water_is_raised(&low_water));
    close_mark(); /* while it is raised */
}

int main(void)
{
    return test_main();
}
