/* base/clock.h - monotonic time in nanoseconds */
#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

#include <stdint.h>

#define SL_SECOND      INT64_C(1000000000)
#define SL_MILLISECOND INT64_C(1000000)
#define SL_NEVER       INT64_MAX

/* CLOCK_MONOTONIC: unmoved by changes of the wall clock. */
int64_t sl_clock_now(void);

/* SL_NEVER behind a `duration` that ends later than that. Neither is
 * negative. */
static inline int64_t sl_clock_after(int64_t start, int64_t duration)
{
    return duration >= SL_NEVER - start ? SL_NEVER : start + duration;
}

/* Saturates: a negative or NaN count is 0, one too large is SL_NEVER. */
int64_t sl_clock_from_seconds(double seconds);

#endif
