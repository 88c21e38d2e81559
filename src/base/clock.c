#include "base/clock.h"

#include <time.h>

int64_t sl_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SL_SECOND + now.tv_nsec;
}

int64_t sl_clock_from_seconds(double seconds)
{
    if (!(seconds > 0))
        return 0;
    if (seconds >= 9e9)
        return SL_NEVER;
    return (int64_t)(seconds * 1e9);
}
