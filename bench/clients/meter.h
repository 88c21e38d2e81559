/* bench/clients/meter.h - what one run of a C client cost
 *
 * meter_begin after warming up, meter_end right after the last byte; the
 * report is one line of key=value pairs that harness/contender.lua reads.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

struct meter {
    struct rusage usage;
    struct timespec wall;
    long start_kib; /* resident when the run began */
};

void meter_begin(struct meter *meter);

/* Prints CPU and wall seconds, the counts given, and the peak of resident
 * memory above the start, in KiB. */
void meter_end(const struct meter *meter, uint64_t requests, uint64_t bytes);

#endif
