/* base/allocator.h - the source of every byte outside the Lua heap
 *
 * One allocator per runtime; tests pass another that fails on demand. It counts
 * its calls so that "no malloc per request" can be shown.
 */
#ifndef SL_BASE_ALLOCATOR_H
#define SL_BASE_ALLOCATOR_H

#include <stddef.h>
#include <stdint.h>

struct sl_allocator {
    /* `pointer` NULL allocates; `new_size` 0 frees and returns NULL; else
     * resizes like realloc. NULL with a `new_size` leaves `pointer` alone. */
    void *(*resize)(struct sl_allocator *self, void *pointer, size_t old_size,
                    size_t new_size);
    /* Gives unused pages back to the system; NULL: they go by themselves. */
    void (*trim)(struct sl_allocator *self);
    uint64_t calls; /* allocations and growths so far */
};

/* malloc and free. Each runtime embeds its own so that counts are its own. */
void sl_allocator_init_system(struct sl_allocator *allocator);

/* Uninitialised memory, or NULL. */
void *sl_allocate(struct sl_allocator *allocator, size_t size);
/* Zeroed memory, or NULL. */
void *sl_allocate_zeroed(struct sl_allocator *allocator, size_t size);
void *sl_reallocate(struct sl_allocator *allocator, void *pointer,
                    size_t old_size, size_t new_size);
void sl_free(struct sl_allocator *allocator, void *pointer, size_t size);

/* After much was freed: the pages of it that nothing else lies in go back to
 * the system. Takes time in proportion to what is free. */
void sl_allocator_trim(struct sl_allocator *allocator);

#endif
