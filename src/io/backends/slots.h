/* io/backends/slots.h - handles for objects that the kernel reports back
 *
 *   handle = slot << 32 | generation
 *
 * The generation rises whenever a slot is freed, so that an event for a removed
 * object finds nothing, though the slot is in use again. No handle is 0, and
 * none has slot 0xFFFFFFFF: that is free for other marks.
 */
#ifndef SL_IO_BACKENDS_SLOTS_H
#define SL_IO_BACKENDS_SLOTS_H

#include "base/allocator.h"
#include "base/status.h"

#include <stdint.h>

struct sl_slot {
    void *object; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct sl_slots {
    struct sl_allocator *allocator;
    struct sl_slot *entries;
    uint32_t capacity;
    uint32_t used;       /* entries that ever held something */
    uint32_t first_free; /* UINT32_MAX: none */
    uint32_t count;      /* objects in it */
};

void sl_slots_init(struct sl_slots *slots, struct sl_allocator *allocator);
void sl_slots_fini(struct sl_slots *slots);

/* SL_MEMORY. */
enum sl_status sl_slots_put(struct sl_slots *slots, void *object,
                            uint64_t *handle);
/* The object; NULL: it was removed. */
void *sl_slots_get(const struct sl_slots *slots, uint64_t handle);
/* Sets the handle's object. */
void sl_slots_set(struct sl_slots *slots, uint64_t handle, void *object);
void sl_slots_remove(struct sl_slots *slots, uint64_t handle);

#endif
