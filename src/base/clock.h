/* base/clock.h - monotonic time in nanoseconds */
#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

#include <stdint.h>

#define SL_SECOND      INT64_C(1000000000)
#define SL_MILLISECOND INT64_C(1000000)
#define SL_NEVER       INT64_MAX

/* CLOCK_MONOTONIC: unmoved by changes of the wall clock. */
int64_t sl_clock_now(void);

/* Saturates: a negative or NaN count is 0, one too large is SL_NEVER. */
int64_t sl_clock_from_seconds(double seconds);

#endif
