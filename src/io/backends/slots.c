#include "io/backends/slots.h"

#include "base/debug.h"

#include <string.h>

#define NONE UINT32_MAX

void sl_slots_init(struct sl_slots *slots, struct sl_allocator *allocator)
{
    memset(slots, 0, sizeof *slots);
    slots->allocator = allocator;
    slots->first_free = NONE;
}

void sl_slots_fini(struct sl_slots *slots)
{
    sl_free(slots->allocator, slots->entries,
            slots->capacity * sizeof *slots->entries);
    sl_slots_init(slots, slots->allocator);
}

static enum sl_status grow(struct sl_slots *slots)
{
    uint32_t capacity = slots->capacity == 0 ? 16 : slots->capacity * 2;
    struct sl_slot *entries;

    if (capacity > NONE / 2)
        return SL_MEMORY;
    entries = sl_reallocate(slots->allocator, slots->entries,
                            slots->capacity * sizeof *entries,
                            capacity * sizeof *entries);
    if (entries == NULL)
        return SL_MEMORY;
    slots->entries = entries;
    slots->capacity = capacity;
    return SL_OK;
}

enum sl_status sl_slots_put(struct sl_slots *slots, void *object,
                            uint64_t *handle)
{
    uint32_t slot = slots->first_free;

    if (slot != NONE) {
        slots->first_free = slots->entries[slot].next_free;
    } else {
        if (slots->used == slots->capacity && grow(slots) != SL_OK)
            return SL_MEMORY;
        slot = slots->used++;
        slots->entries[slot].generation = 1;
    }
    slots->entries[slot].object = object;
    slots->count++;
    *handle = (uint64_t)slot << 32 | slots->entries[slot].generation;
    return SL_OK;
}

static struct sl_slot *find(const struct sl_slots *slots, uint64_t handle)
{
    uint32_t slot = (uint32_t)(handle >> 32);

    if (slot >= slots->used ||
        slots->entries[slot].generation != (uint32_t)handle)
        return NULL;
    return &slots->entries[slot];
}

void *sl_slots_get(const struct sl_slots *slots, uint64_t handle)
{
    struct sl_slot *entry = find(slots, handle);

    return entry != NULL ? entry->object : NULL;
}

void sl_slots_set(struct sl_slots *slots, uint64_t handle, void *object)
{
    struct sl_slot *entry = find(slots, handle);

    sl_assert(entry != NULL);
    entry->object = object;
}

void sl_slots_remove(struct sl_slots *slots, uint64_t handle)
{
    struct sl_slot *entry = find(slots, handle);

    sl_assert(entry != NULL);
    entry->object = NULL;
    entry->generation++;
    slots->count--;
    /* A slot whose generations are used up is never used again. */
    if (entry->generation == 0)
        return;
    entry->next_free = slots->first_free;
    slots->first_free = (uint32_t)(handle >> 32);
}
