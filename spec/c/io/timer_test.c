#include "io/timer.h"

#include "base/clock.h"
#include "spec/c/support/test.h"

#include <stdlib.h>
#include <string.h>

#define MOST 300

struct random {
    uint64_t state;
};

static uint32_t next_random(struct random *random)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random->state >> 33);
}

static void never(struct sl_timer *timer)
{
    (void)timer;
    CHECK(false);
}

/* The plain model: all armed timers, the least found by looking at each. */
static int64_t least_due(const struct sl_timer *timers, size_t count)
{
    int64_t due = SL_NEVER;

    for (size_t i = 0; i < count; i++) {
        if (timers[i].is_armed && timers[i].due < due)
            due = timers[i].due;
    }
    return due;
}

static size_t armed_count(const struct sl_timer *timers, size_t count)
{
    size_t armed = 0;

    for (size_t i = 0; i < count; i++)
        armed += timers[i].is_armed;
    return armed;
}

TEST("an empty heap has nothing due")
{
    struct sl_timers timers;

    sl_timers_init(&timers);
    CHECK_INT(sl_timers_next(&timers), SL_NEVER);
    CHECK(sl_timers_take_due(&timers, SL_NEVER - 1) == NULL);
}

TEST("agrees with a plain list over random arming, moving and disarming")
{
    static struct sl_timer nodes[MOST];
    struct random random = {42};
    struct sl_timers timers;
    int64_t now = 0;

    sl_timers_init(&timers);
    for (size_t i = 0; i < MOST; i++)
        sl_timer_init(&nodes[i], never);
    for (int round = 0; round < 60000; round++) {
        struct sl_timer *node = &nodes[next_random(&random) % MOST];
        uint32_t choice = next_random(&random) % 8;

        test_note("round %d", round);
        if (choice < 4) {
            sl_timer_arm(&timers, node, now + next_random(&random) % 500);
        } else if (choice < 6) {
            sl_timer_disarm(&timers, node);
        } else {
            int64_t expected = least_due(nodes, MOST);
            struct sl_timer *taken;

            now += next_random(&random) % 60;
            taken = sl_timers_take_due(&timers, now);
            CHECK(taken == NULL ? expected > now
                                : taken->due == expected && expected <= now);
            if (taken != NULL)
                CHECK(!taken->is_armed);
        }
        if (!CHECK_INT(sl_timers_next(&timers), least_due(nodes, MOST)) ||
            !CHECK_INT(timers.count, armed_count(nodes, MOST)))
            return;
    }
}

static int by_due(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

TEST("takes timers out in the order of a sorted array")
{
    static struct sl_timer nodes[MOST];
    int64_t sorted[MOST];
    struct random random = {7};
    struct sl_timers timers;

    sl_timers_init(&timers);
    for (size_t i = 0; i < MOST; i++) {
        sl_timer_init(&nodes[i], never);
        sorted[i] = next_random(&random) % 100;
        sl_timer_arm(&timers, &nodes[i], sorted[i]);
    }
    qsort(sorted, MOST, sizeof sorted[0], by_due);
    for (size_t i = 0; i < MOST; i++) {
        struct sl_timer *taken = sl_timers_take_due(&timers, 100);

        REQUIRE(taken != NULL);
        CHECK_INT(taken->due, sorted[i]);
    }
    CHECK_INT(timers.count, 0);
}

TEST("arming again moves a timer in either direction")
{
    struct sl_timers timers;
    struct sl_timer a;
    struct sl_timer b;

    sl_timers_init(&timers);
    sl_timer_init(&a, never);
    sl_timer_init(&b, never);
    sl_timer_arm(&timers, &a, 10);
    sl_timer_arm(&timers, &b, 20);
    sl_timer_arm(&timers, &a, 30);
    CHECK_INT(sl_timers_next(&timers), 20);
    sl_timer_arm(&timers, &a, 5);
    CHECK(sl_timers_take_due(&timers, 5) == &a);
    CHECK_INT(timers.count, 1);
    sl_timer_disarm(&timers, &a);
    CHECK_INT(timers.count, 1);
    sl_timer_disarm(&timers, &b);
    CHECK_INT(sl_timers_next(&timers), SL_NEVER);
}

int main(void)
{
    return test_main();
}
