#include "conn/pace.h"

#include "spec/c/support/test.h"

#include <string.h>

#define SECOND SL_SECOND

static struct sl_pace pace;

TEST("is never too slow where any pace will do")
{
    sl_pace_init(&pace, 0, 10 * SECOND);
    CHECK(!sl_pace_is_kept(&pace));
    CHECK(sl_pace_due(&pace) == SL_NEVER);
    sl_pace_init(&pace, 1024, SL_NEVER);
    CHECK(!sl_pace_is_kept(&pace));
}

TEST("counts from the moment at which it runs")
{
    memset(&pace, 0x5a, sizeof pace); /* what an earlier exchange left */
    sl_pace_init(&pace, 1024, 10 * SECOND);
    CHECK(sl_pace_is_kept(&pace));
    CHECK(sl_pace_due(&pace) == SL_NEVER);
    sl_pace_run(&pace, true, 5 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 15 * SECOND);
    sl_pace_run(&pace, true, 9 * SECOND); /* which changes nothing */
    CHECK_INT(sl_pace_due(&pace), 15 * SECOND);
    sl_pace_move(&pace, 1023, 10 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 15 * SECOND);
    CHECK_INT(pace.moved, 1023);
}

TEST("gives the next bytes as long once enough have moved")
{
    sl_pace_init(&pace, 100, 10 * SECOND);
    sl_pace_run(&pace, true, 0);
    sl_pace_move(&pace, 99, 4 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 10 * SECOND);
    sl_pace_move(&pace, 1, 5 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 15 * SECOND);
    sl_pace_move(&pace, 99, 6 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 15 * SECOND);
    sl_pace_move(&pace, UINT64_MAX, 7 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 17 * SECOND);
    CHECK_INT(pace.moved, 0);
}

TEST("does not count the time in which it is paused")
{
    sl_pace_init(&pace, 100, 10 * SECOND);
    sl_pace_run(&pace, true, 0);
    sl_pace_run(&pace, false, 4 * SECOND);
    CHECK(sl_pace_due(&pace) == SL_NEVER);
    sl_pace_move(&pace, 50, 50 * SECOND); /* what had gathered meanwhile */
    sl_pace_run(&pace, true, 100 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 106 * SECOND);
    sl_pace_run(&pace, false, 200 * SECOND); /* a late step */
    sl_pace_run(&pace, true, 300 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 300 * SECOND);
    sl_pace_run(&pace, false, 300 * SECOND);
    sl_pace_move(&pace, 50, 300 * SECOND);
    CHECK(sl_pace_due(&pace) == SL_NEVER);
    sl_pace_run(&pace, true, 400 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 410 * SECOND);
}

TEST("begins again, running or paused as it is")
{
    sl_pace_init(&pace, 100, 10 * SECOND);
    sl_pace_run(&pace, true, 0);
    sl_pace_move(&pace, 99, SECOND);
    sl_pace_restart(&pace, 2 * SECOND);
    CHECK_INT(pace.moved, 0);
    CHECK_INT(sl_pace_due(&pace), 12 * SECOND);
    sl_pace_run(&pace, false, 8 * SECOND);
    sl_pace_restart(&pace, 9 * SECOND);
    CHECK(sl_pace_due(&pace) == SL_NEVER);
    sl_pace_run(&pace, true, 20 * SECOND);
    CHECK_INT(sl_pace_due(&pace), 30 * SECOND);
}

TEST("does not overflow where the clock is far")
{
    sl_pace_init(&pace, 1, SL_NEVER - 1);
    sl_pace_run(&pace, true, 2);
    CHECK(sl_pace_due(&pace) == SL_NEVER);
}

int main(void)
{
    return test_main();
}
