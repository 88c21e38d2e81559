#include "base/allocator.h"

#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static void *system_resize(struct sl_allocator *self, void *pointer,
                           size_t old_size, size_t new_size)
{
    (void)self;
    (void)old_size;
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    return realloc(pointer, new_size);
}

#ifdef __GLIBC__
/* Of itself it gives back only what is free at the very end. */
static void system_trim(struct sl_allocator *self)
{
    (void)self;
    malloc_trim(0);
}
#else
#define system_trim NULL
#endif

void sl_allocator_init_system(struct sl_allocator *allocator)
{
    allocator->resize = system_resize;
    allocator->trim = system_trim;
    allocator->calls = 0;
}

void *sl_allocate(struct sl_allocator *allocator, size_t size)
{
    return sl_reallocate(allocator, NULL, 0, size);
}

void *sl_allocate_zeroed(struct sl_allocator *allocator, size_t size)
{
    void *pointer = sl_allocate(allocator, size);

    if (pointer != NULL)
        memset(pointer, 0, size);
    return pointer;
}

void *sl_reallocate(struct sl_allocator *allocator, void *pointer,
                    size_t old_size, size_t new_size)
{
    allocator->calls++;
    return allocator->resize(allocator, pointer, old_size, new_size);
}

void sl_free(struct sl_allocator *allocator, void *pointer, size_t size)
{
    if (pointer != NULL)
        allocator->resize(allocator, pointer, size, 0);
}

void sl_allocator_trim(struct sl_allocator *allocator)
{
    if (allocator->trim != NULL)
        allocator->trim(allocator);
}
