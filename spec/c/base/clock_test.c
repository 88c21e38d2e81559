#include "base/clock.h"

#include <math.h>

#include "spec/c/support/test.h"

TEST("the clock never runs backwards")
{
    int64_t before = sl_clock_now();

    CHECK(before > 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = sl_clock_now();

        REQUIRE(now >= before);
        before = now;
    }
}

TEST("seconds become nanoseconds")
{
    CHECK_INT(sl_clock_from_seconds(1), SL_SECOND);
    CHECK_INT(sl_clock_from_seconds(0.25), 250 * SL_MILLISECOND);
    CHECK_INT(sl_clock_from_seconds(1e-9), 1);
    CHECK_INT(sl_clock_from_seconds(1e-10), 0);
}

TEST("an invalid length of time is refused")
{
    CHECK_INT(sl_clock_from_seconds(0), 0);
    CHECK_INT(sl_clock_from_seconds(-1), 0);
    CHECK_INT(sl_clock_from_seconds(-HUGE_VAL), 0);
    CHECK_INT(sl_clock_from_seconds((double)NAN), 0);
}

TEST("a time too long to count means for ever")
{
    CHECK_INT(sl_clock_from_seconds(9e9), SL_NEVER);
    CHECK_INT(sl_clock_from_seconds(1e300), SL_NEVER);
    CHECK_INT(sl_clock_from_seconds(HUGE_VAL), SL_NEVER);
    CHECK(sl_clock_from_seconds(8.9e9) < SL_NEVER);
    CHECK(sl_clock_from_seconds(8.9e9) > 0);
}

TEST("a duration ends behind its start, or never")
{
    CHECK_INT(sl_clock_after(5, 0), 5);
    CHECK_INT(sl_clock_after(5, 3), 8);
    CHECK_INT(sl_clock_after(0, SL_NEVER - 1), SL_NEVER - 1);
    CHECK_INT(sl_clock_after(0, SL_NEVER), SL_NEVER);
    CHECK_INT(sl_clock_after(5, SL_NEVER - 6), SL_NEVER - 1);
    CHECK_INT(sl_clock_after(5, SL_NEVER - 5), SL_NEVER);
    CHECK_INT(sl_clock_after(5, SL_NEVER - 4), SL_NEVER);
    CHECK_INT(sl_clock_after(SL_NEVER, SL_NEVER), SL_NEVER);
}

int main(void)
{
    return test_main();
}
