/* memory/poison.h - free memory that shows late writes to it
 *
 * in, out: memory/pool.c, memory/block.c, memory/slab.c and memory/cells.c,
 *          which alone include this
 *
 * Under the address sanitizer free memory is hidden from the program. A
 * poisoned pool also fills it, which catches what no sanitizer sees: the
 * kernel.
 */
#ifndef SL_MEMORY_POISON_H
#define SL_MEMORY_POISON_H

#include "memory/segment.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif
#if HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define SL_POISON 0xDB

static inline void sl_hide(char *data, size_t size)
{
#if HAS_ASAN
    ASAN_POISON_MEMORY_REGION(data, size);
#else
    (void)data;
    (void)size;
#endif
}

static inline void sl_unhide(char *data, size_t size)
{
#if HAS_ASAN
    ASAN_UNPOISON_MEMORY_REGION(data, size);
#else
    (void)data;
    (void)size;
#endif
}

static inline void sl_poison_fill(struct sl_segment *segment)
{
    memset(segment->data, SL_POISON, segment->capacity);
}

/* Ends the program, naming the place, when the bytes were written to since. */
void sl_poison_verify(const struct sl_segment *segment);

#endif
