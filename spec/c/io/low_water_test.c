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

static void open_mark(void)
{
    is_lowered = false;
    world_init(&world, NULL);
    peer_tcp(&ours, &theirs);
    sl_low_water_init(&low_water, &world.loop, ours, on_lowered);
}

static void close_mark(void)
{
    sl_low_water_fini(&low_water);
    close(ours);
    close(theirs);
    world_fini(&world);
}

TEST("is raised only while much is missing and what comes fills its room")
{
    open_mark();
    sl_low_water_expect(&low_water, MUCH);
    CHECK_INT(mark(), 1);
    CHECK(!sl_low_water_is_raised(&low_water));
    sl_low_water_note(&low_water, true);
    sl_low_water_expect(&low_water, 100000);
    CHECK_INT(mark(), 1);
    sl_low_water_expect(&low_water, MUCH);
    CHECK(mark() > 65536);
    CHECK(sl_low_water_is_raised(&low_water));
    CHECK_INT(world.loop.timers.count, 1);
    /* A short one does not take it back, the end does. */
    sl_low_water_note(&low_water, false);
    sl_low_water_expect(&low_water, MUCH / 2);
    CHECK(mark() > 65536);
    sl_low_water_expect(&low_water, 100000);
    CHECK_INT(mark(), 1);
    CHECK_INT(world.loop.timers.count, 0);
    CHECK(!is_lowered);
    close_mark();
}

TEST("is taken back when nothing comes for a while")
{
    int64_t raised;

    open_mark();
    sl_loop_refresh(&world.loop);
    sl_low_water_note(&low_water, true);
    sl_low_water_expect(&low_water, MUCH);
    raised = world.loop.now;
    world_until(&world, &is_lowered);
    CHECK(world.loop.now - raised >= 5 * SL_MILLISECOND);
    CHECK_INT(mark(), 1);
    CHECK_INT(world.loop.timers.count, 0);
    /* Not again before what comes fills its room again. */
    sl_low_water_expect(&low_water, MUCH);
    CHECK_INT(mark(), 1);
    sl_low_water_note(&low_water, true);
    sl_low_water_expect(&low_water, MUCH);
    CHECK(mark() > 65536);
    close_mark();
}

TEST("stays while something comes")
{
    int64_t until;

    open_mark();
    until = sl_loop_refresh(&world.loop) + 40 * SL_MILLISECOND;
    while (world.loop.now < until) {
        sl_low_water_note(&low_water, true);
        sl_low_water_expect(&low_water, MUCH);
        sl_loop_step(&world.loop, SL_MILLISECOND);
    }
    CHECK(mark() > 65536);
    CHECK(!is_lowered);
    close_mark();
}

int main(void)
{
    return test_main();
}
