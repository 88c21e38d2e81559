/* spec/c/fuzz/ground.h - what a fuzz target makes once, for all of its inputs
 *
 * A target that makes pools and the states of libraries anew for each input
 * spends most of its time on that. Here they are kept from one input to the
 * next. Under the address sanitizer, what lies free in them is hidden from the
 * program all the same.
 */
#ifndef SPEC_C_FUZZ_GROUND_H
#define SPEC_C_FUZZ_GROUND_H

#include "base/allocator.h"
#include "memory/pool.h"

#include <stdbool.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program with "not so: `what`" unless it holds. */
void ground_demand(bool holds, const char *what);

/* malloc and free, but freed blocks of GROUND_KEPT bytes and more are kept for
 * the next of the same size: the sanitizer maps and unmaps each of them. */
#define GROUND_KEPT ((size_t)32 * 1024)
struct sl_allocator *ground_allocator(void);

/* The pool of this mode and segment size, always the same one, which keeps what
 * is returned to it. */
struct sl_pool *ground_pool(enum sl_pool_mode mode, size_t segment_size);

/* Each block of every pool has been returned. */
void ground_all_returned(void);

#endif
