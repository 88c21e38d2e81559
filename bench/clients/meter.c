#define _GNU_SOURCE
#include "meter.h"

#include <stdio.h>
#include <string.h>

static long status_kib(const char *field)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), ": %ld", &kib);
    fclose(file);
    return kib;
}

static double seconds_between(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) +
           (double)(to.tv_usec - from.tv_usec) / 1e6;
}

void meter_begin(struct meter *meter)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");

    /* 5 sets the peak back to what is resident now */
    if (file != NULL) {
        fputs("5", file);
        fclose(file);
    }
    meter->start_kib = status_kib("VmRSS");
    clock_gettime(CLOCK_MONOTONIC, &meter->wall);
    getrusage(RUSAGE_SELF, &meter->usage);
}

void meter_end(const struct meter *meter, uint64_t requests, uint64_t bytes)
{
    struct rusage usage;
    struct timespec wall;
    double user, sys;

    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_MONOTONIC, &wall);
    user = seconds_between(meter->usage.ru_utime, usage.ru_utime);
    sys = seconds_between(meter->usage.ru_stime, usage.ru_stime);
    printf("cpu=%.6f user=%.6f sys=%.6f wall=%.6f requests=%llu bytes=%llu "
           "rss=%ld\n",
           user + sys, user, sys,
           (double)(wall.tv_sec - meter->wall.tv_sec) +
               (double)(wall.tv_nsec - meter->wall.tv_nsec) / 1e9,
           (unsigned long long)requests, (unsigned long long)bytes,
           status_kib("VmHWM") - meter->start_kib);
}
