#include "io/round.h"

#include "spec/c/io/world.h"

/* Steps with a budget. How long a delivery takes is measured by the loop's own
 * clock, so that a busy machine makes steps shorter and never longer. */

#define UNIT (SL_MILLISECOND / 10)

static struct world world;

static void be_busy(int64_t time)
{
    int64_t until = sl_clock_now() + time;

    while (sl_clock_now() < until)
        continue;
}

/* ---- units of work ---- */

struct unit {
    struct sl_completion completion;
    int order; /* of delivery, from 1; 0: not yet */
    bool is_endless;
};

static int delivered;

static void signal_unit(struct unit *unit)
{
    sl_completion_begin(&unit->completion);
    sl_completion_signal(&unit->completion, SL_OK, 0);
}

static void deliver_unit(struct sl_completion *completion)
{
    struct unit *unit = (struct unit *)(void *)completion;

    unit->order = ++delivered;
    be_busy(UNIT);
    if (unit->is_endless)
        signal_unit(unit);
}

static void begin_units(struct unit *units, int count, bool is_start)
{
    delivered = 0;
    for (int i = 0; i < count; i++) {
        sl_completion_init(&units[i].completion, &world.loop, deliver_unit);
        units[i].completion.is_start = is_start;
        units[i].order = 0;
        units[i].is_endless = false;
        signal_unit(&units[i]);
    }
}

/* Steps until all are delivered. None of the steps delivers more units than fit
 * into its budget, and one. */
static int step_through(int count, int64_t budget)
{
    int steps = 0;

    while (delivered < count) {
        int before = delivered;

        CHECK(sl_loop_has_work(&world.loop));
        CHECK_INT(sl_loop_timeout(&world.loop), 0);
        CHECK_INT(sl_loop_step_within(&world.loop, PATIENCE, budget), SL_OK);
        CHECK(delivered - before <= budget / UNIT + 1);
        CHECK(!sl_loop_has_budget(&world.loop));
        REQUIRE(++steps < 10 * count + 10);
    }
    sl_loop_step(&world.loop, 0);
    CHECK(!sl_loop_has_work(&world.loop));
    CHECK_INT(world.loop.operations, 0);
    return steps;
}

TEST("a step ends within its budget and one unit, and the next one goes on")
{
    static const int64_t budgets[] = {0, UNIT / 2, 3 * UNIT, 10 * UNIT};
    static struct unit units[60];

    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        world_init(&world, NULL);
        begin_units(units, 60, false);
        CHECK(step_through(60, budgets[i]) >=
              60 / (int)(budgets[i] / UNIT + 1));
        for (int k = 0; k < 60; k++)
            CHECK_INT(units[k].order, k + 1);
        world_fini(&world);
    }
}

TEST("coroutines that begin are divided, too, and keep their order")
{
    static struct unit units[200];

    world_init(&world, NULL);
    begin_units(units, 200, true);
    step_through(200, 4 * UNIT);
    for (int i = 0; i < 200; i++)
        CHECK_INT(units[i].order, i + 1);
    world_fini(&world);
}

TEST("a step without a budget goes on where one with a budget has ended")
{
    static struct unit units[40];

    world_init(&world, NULL);
    begin_units(units, 40, false);
    sl_loop_step_within(&world.loop, 0, 0);
    sl_loop_step_within(&world.loop, 0, 2 * UNIT);
    CHECK(delivered <= 4);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    CHECK_INT(delivered, 40);
    CHECK(!sl_loop_has_work(&world.loop));
    world_fini(&world);
}

TEST("what is taken out of a batch that was ended leaves no hole")
{
    static struct unit units[10];

    world_init(&world, NULL);
    begin_units(units, 10, false);
    while (delivered == 0)
        sl_loop_step_within(&world.loop, 0, 0);
    for (int i = 0; i < 10; i++)
        sl_completion_fini(&units[i].completion);
    for (int i = 0; i < 10; i++)
        sl_loop_step_within(&world.loop, 0, 0);
    CHECK(!sl_loop_has_work(&world.loop));
    CHECK_INT(world.loop.operations, 0);
    world_fini(&world);
}

TEST("closes after a step that its budget has ended")
{
    static struct unit units[10];

    world_init(&world, NULL);
    begin_units(units, 10, false);
    while (delivered == 0)
        sl_loop_step_within(&world.loop, 0, 0);
    world_fini(&world);
    CHECK(delivered < 10);
}

/* ---- rounds ---- */

static int turns_left;

static void take_turn(struct sl_completion *completion)
{
    if (--turns_left > 0) {
        sl_completion_begin(completion);
        sl_completion_signal(completion, SL_OK, 0);
    }
}

TEST("works as long as there is work and budget")
{
    struct sl_completion completion;
    int steps = 0;

    world_init(&world, NULL);
    sl_completion_init(&completion, &world.loop, take_turn);
    turns_left = 1000;
    sl_completion_begin(&completion);
    sl_completion_signal(&completion, SL_OK, 0);
    while (turns_left > 0 && steps++ < 1000)
        sl_loop_step_within(&world.loop, 0, PATIENCE);
    CHECK(steps <= 2);
    CHECK_INT(sl_loop_step_within(&world.loop, 0, SL_NEVER - 1), SL_OK);
    CHECK(!sl_loop_has_work(&world.loop));
    world_fini(&world);
}

static bool was_over;

static void work_in_turns(struct sl_completion *completion)
{
    (void)completion;
    was_over = sl_loop_is_turn_over(&world.loop);
    be_busy(30 * UNIT);
    was_over = !was_over && sl_loop_is_turn_over(&world.loop);
}

TEST("a delivery's turn is a part of the budget, and none without one")
{
    struct sl_completion completion;

    world_init(&world, NULL);
    CHECK(!sl_loop_is_turn_over(&world.loop));
    sl_completion_init(&completion, &world.loop, work_in_turns);
    sl_completion_begin(&completion);
    sl_completion_signal(&completion, SL_OK, 0);
    sl_loop_step(&world.loop, 0);
    CHECK(!was_over);
    sl_completion_begin(&completion);
    sl_completion_signal(&completion, SL_OK, 0);
    while (completion.state != SL_COMPLETION_DONE)
        sl_loop_step_within(&world.loop, 0, 100 * UNIT);
    CHECK(was_over);
    CHECK(!sl_loop_is_turn_over(&world.loop));
    world_fini(&world);
}

static bool had_time[3];

static void look_at_time(struct sl_completion *completion)
{
    (void)completion;
    had_time[0] = sl_loop_has_time(&world.loop, 90 * UNIT);
    be_busy(40 * UNIT);
    had_time[1] = sl_loop_has_time(&world.loop, 90 * UNIT);
    had_time[2] = sl_loop_has_time(&world.loop, 0);
}

TEST("long work has time while most of the budget is left, or without one")
{
    struct sl_completion completion;
    int tries = 0;

    world_init(&world, NULL);
    CHECK(sl_loop_has_time(&world.loop, 1000 * UNIT));
    sl_completion_init(&completion, &world.loop, look_at_time);
    do { /* another program may have had the core meanwhile */
        REQUIRE(tries++ < 1000);
        sl_completion_begin(&completion);
        sl_completion_signal(&completion, SL_OK, 0);
        while (completion.state != SL_COMPLETION_DONE)
            sl_loop_step_within(&world.loop, 0, 100 * UNIT);
        CHECK(!had_time[1]);
    } while (!had_time[0] || !had_time[2]);
    world_fini(&world);
}

TEST("the most that long work may ask for is three of four turns")
{
    world_init(&world, NULL);
    world.loop.turn = 1000 * SL_SECOND;
    world.loop.until = sl_clock_now() + 3500 * SL_SECOND;
    CHECK(sl_loop_has_time(&world.loop, 9000 * SL_SECOND));
    world.loop.until = sl_clock_now() + 2500 * SL_SECOND;
    CHECK(!sl_loop_has_time(&world.loop, 9000 * SL_SECOND));
    CHECK(sl_loop_has_time(&world.loop, 2000 * SL_SECOND));
    world.loop.until = SL_NEVER;
    world_fini(&world);
}

static int64_t until_seen;

static void look_at_end(struct sl_completion *completion)
{
    (void)completion;
    until_seen = world.loop.until;
}

TEST("a budget that ends behind the end of time is still a budget")
{
    struct sl_completion completion;

    world_init(&world, NULL);
    sl_completion_init(&completion, &world.loop, look_at_end);
    sl_completion_begin(&completion);
    sl_completion_signal(&completion, SL_OK, 0);
    sl_loop_step_within(&world.loop, 0, SL_NEVER - 1);
    CHECK_INT(completion.state, SL_COMPLETION_DONE);
    CHECK_INT(until_seen, SL_NEVER - 1);
    world_fini(&world);
}

TEST("what begins and what is ready share the steps, whatever there is of both")
{
    static struct unit starts[30];
    struct unit busy;
    int begun = 0;
    int steps = 0;

    world_init(&world, NULL);
    begin_units(starts, 30, true);
    begin_units(&busy, 1, false);
    busy.is_endless = true;
    while (begun < 30) {
        REQUIRE(steps++ < 1000);
        sl_loop_step_within(&world.loop, 0, 2 * UNIT);
        begun = 0;
        for (int i = 0; i < 30; i++)
            begun += starts[i].order != 0;
    }
    CHECK(delivered - begun > 5);
    sl_completion_fini(&busy.completion);
    world_fini(&world);
}

/* ---- timers ---- */

struct alarm {
    struct sl_timer timer;
    struct unit *unit; /* which has to be delivered before */
    int fired;
    bool is_late; /* it was not */
};

static void fire(struct sl_timer *timer)
{
    struct alarm *alarm = (struct alarm *)(void *)timer;

    alarm->fired++;
    alarm->is_late = alarm->unit != NULL && alarm->unit->order == 0;
}

TEST("no deadline fires before what was reported in time is delivered")
{
    static struct unit units[30];
    struct alarm alarm = {.unit = &units[29]};

    world_init(&world, NULL);
    sl_timer_init(&alarm.timer, fire);
    begin_units(units, 30, false);
    sl_timer_arm(&world.loop.timers, &alarm.timer, 0);
    for (int i = 0; alarm.fired == 0 && i < 1000; i++)
        sl_loop_step_within(&world.loop, 0, 2 * UNIT);
    CHECK_INT(alarm.fired, 1);
    CHECK(!alarm.is_late);
    world_fini(&world);
}

TEST("a deadline fires though something is always ready, and a pause soon")
{
    struct alarm deadline = {.fired = 0};
    struct alarm pause = {.fired = 0};
    struct unit busy;
    int steps = 0;

    world_init(&world, NULL);
    sl_timer_init(&deadline.timer, fire);
    sl_timer_init(&pause.timer, fire);
    pause.timer.is_pause = true;
    begin_units(&busy, 1, false);
    busy.is_endless = true;
    sl_timer_arm(&world.loop.timers, &pause.timer, 1);
    sl_timer_arm(&world.loop.timers, &deadline.timer, 2);
    for (; pause.fired == 0; steps++) {
        REQUIRE(steps < 10);
        sl_loop_step_within(&world.loop, 0, UNIT);
    }
    for (; deadline.fired == 0; steps++) {
        REQUIRE(steps < 100);
        sl_loop_step_within(&world.loop, 0, UNIT);
    }
    sl_completion_fini(&busy.completion);
    world_fini(&world);
}

static int pauses;
static int64_t paused_at;

static void pause_again(struct sl_timer *timer)
{
    CHECK(world.loop.looked_at > paused_at);
    paused_at = world.loop.looked_at;
    pauses++;
    sl_timer_arm(&world.loop.timers, timer, sl_clock_now());
}

TEST("a pause that is over at once fires once a look, whatever the budget")
{
    struct sl_timer timer;

    world_init(&world, NULL);
    pauses = 0;
    paused_at = 0;
    sl_timer_init(&timer, pause_again);
    timer.is_pause = true;
    sl_timer_arm(&world.loop.timers, &timer, 0);
    for (int i = 1; i <= 20; i++) {
        sl_loop_step_within(&world.loop, 0, 5 * SL_MILLISECOND);
        CHECK_INT(world.loop.steps, i);
    }
    CHECK(pauses > 0);
    sl_timer_disarm(&world.loop.timers, &timer);
    world_fini(&world);
}

/* ---- timers that take turns ---- */

#define TURNERS 5

struct turner {
    struct sl_timer timer;
    int turns;
};

/* It has more work than a turn takes. */
static void turn_again(struct sl_timer *timer)
{
    struct turner *turner = (struct turner *)(void *)timer;

    turner->turns++;
    be_busy(UNIT);
    timer->is_pause = true;
    sl_timer_arm(&world.loop.timers, timer, sl_loop_next_turn(&world.loop));
}

TEST("timers that take turn after turn leave some to all others")
{
    static const int64_t budgets[] = {0, UNIT, 3 * UNIT};

    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        struct turner turners[TURNERS];
        struct unit units[2];

        world_init(&world, NULL);
        for (size_t n = 0; n < TURNERS; n++) {
            sl_timer_init(&turners[n].timer, turn_again);
            turners[n].turns = 0;
            turners[n].timer.is_pause = true;
            sl_timer_arm(&world.loop.timers, &turners[n].timer, 0);
        }
        begin_units(&units[0], 1, true);
        begin_units(&units[1], 1, false);
        units[1].is_endless = units[0].is_endless = true;
        for (int steps = 0; steps < 200; steps++)
            sl_loop_step_within(&world.loop, 0, budgets[i]);
        CHECK(units[0].order > 5);
        CHECK(units[1].order > 5);
        for (size_t n = 0; n < TURNERS; n++) {
            CHECK(turners[n].turns > 5);
            sl_timer_disarm(&world.loop.timers, &turners[n].timer);
        }
        for (size_t n = 0; n < 2; n++)
            sl_completion_fini(&units[n].completion);
        world_fini(&world);
    }
}

/* ---- sockets ---- */

#define CROWD 200

struct late {
    struct end end;
    struct sl_timer deadline;
    int theirs;
    bool is_over;
    bool has_failed;
};

static void deadline_came(struct sl_timer *timer)
{
    struct late *late =
        (struct late *)(void *)((char *)timer -
                                offsetof(struct late, deadline));

    late->has_failed = true;
}

static void receive_late(void *owner)
{
    struct late *late = owner;
    size_t received;

    if (late->is_over ||
        sl_transport_receive(late->end.transport, &late->end.buffer,
                             SL_TRANSPORT_BUFFER_SIZE, &received) != SL_OK)
        return;
    late->is_over = true;
    sl_timer_disarm(&world.loop.timers, &late->deadline);
}

static const struct sl_transport_events late_events = {receive_late,
                                                       receive_late};

/* All bytes are there when all deadlines are over. */
static void crowd_within(const struct manner *manner)
{
    static struct late crowd[CROWD];
    size_t in_time = 0;
    size_t over = 0;

    world_init(&world, NULL);
    for (size_t i = 0; i < CROWD; i++) {
        struct late *late = &crowd[i];
        int ours;

        memset(late, 0, sizeof *late);
        peer_pair(&ours, &late->theirs);
        end_init(&late->end, &world, manner, ours);
        sl_timer_init(&late->deadline, deadline_came);
        sl_transport_bind(late->end.transport, &late_events, late);
        receive_late(late);
    }
    world_settle(&world);
    for (size_t i = 0; i < CROWD; i++) {
        peer_send(crowd[i].theirs, "x");
        sl_timer_arm(&world.loop.timers, &crowd[i].deadline, sl_clock_now());
    }
    be_busy(UNIT);
    for (int steps = 0; over < CROWD && steps < 20 * CROWD; steps++) {
        CHECK_INT(sl_loop_step_within(&world.loop, 0, 0), SL_OK);
        over = in_time = 0;
        for (size_t i = 0; i < CROWD; i++) {
            over += crowd[i].is_over || crowd[i].has_failed;
            in_time += crowd[i].is_over && !crowd[i].has_failed;
        }
    }
    CHECK_INT(in_time, CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        sl_timer_disarm(&world.loop.timers, &crowd[i].deadline);
        end_fini(&crowd[i].end);
        close(crowd[i].theirs);
    }
    world_fini(&world);
}

TEST("no deadline of a socket fires before a step has looked at it")
{
    each_manner(crowd_within);
}

int main(void)
{
    return test_main();
}
