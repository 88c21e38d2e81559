/* spec/c/memory/mixture.h - all that buffers do, mixed, beside a model of it
 *
 * Three buffers of one pool append, link, move, reserve, consume and compact in
 * an order that is chosen step by step: by a seed, or by the bytes of a fuzzer.
 * After each step they hold what plain arrays say, and are valid.
 */
#ifndef SPEC_C_MEMORY_MIXTURE_H
#define SPEC_C_MEMORY_MIXTURE_H

#include "memory/pool.h"

#include <stddef.h>
#include <stdint.h>

struct mixture_choices {
    uint64_t seed;       /* not 0: numbers that follow from it, for ever */
    const uint8_t *data; /* else two bytes for each, until there are no more */
    size_t size;
};

/* With segments of `pool`, which nothing else is rented from. NULL, or what is
 * not as it should be. Not for two threads. */
const char *mixture_run(struct mixture_choices *choices, struct sl_pool *pool,
                        int steps);

#endif
