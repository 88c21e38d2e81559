/* io/platform.h - what this machine offers to completion transports
 *
 * Detected once per process: a system may refuse what the build has (seccomp,
 * sysctl, limits).
 */
#ifndef SL_IO_PLATFORM_H
#define SL_IO_PLATFORM_H

#include "io/backend.h"

#define SL_PLATFORM_BACKENDS 8

struct sl_platform {
    bool is_supported; /* completion transport, by any backend */
    /* The source of completions: the best backend's name, or "none". */
    const char *completion_model;
    const char *expected_benefit; /* "full", "reduced", "none" */
    /* The backends present, best first; NULL-terminated. */
    const struct sl_backend_class *backends[SL_PLATFORM_BACKENDS];
};

/* May be called from any thread. */
const struct sl_platform *sl_platform(void);

#endif
