#include "io/backends/slots.h"

#include "spec/c/support/test.h"

#define MANY 100

TEST("finds an entry until it is removed")
{
    struct test_allocator allocator;
    struct sl_slots slots;
    uint64_t handles[MANY];
    int objects[MANY];

    test_allocator_init(&allocator);
    sl_slots_init(&slots, &allocator.base);
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(sl_slots_put(&slots, &objects[i], &handles[i]), SL_OK);
        CHECK(handles[i] != 0);
        CHECK(handles[i] >> 32 != UINT32_MAX);
    }
    CHECK_INT(slots.count, MANY);
    for (int i = 0; i < MANY; i += 2)
        sl_slots_remove(&slots, handles[i]);
    for (int i = 0; i < MANY; i++)
        CHECK(sl_slots_get(&slots, handles[i]) ==
              (i % 2 == 0 ? NULL : &objects[i]));
    CHECK_INT(slots.count, MANY / 2);
    sl_slots_fini(&slots);
    test_allocator_fini(&allocator);
}

TEST("a reused slot does not answer to its old handle")
{
    struct test_allocator allocator;
    struct sl_slots slots;
    uint64_t before;
    uint64_t after;
    int first;
    int second;

    test_allocator_init(&allocator);
    sl_slots_init(&slots, &allocator.base);
    CHECK_INT(sl_slots_put(&slots, &first, &before), SL_OK);
    sl_slots_remove(&slots, before);
    CHECK_INT(sl_slots_put(&slots, &second, &after), SL_OK);
    CHECK_INT(before >> 32, after >> 32);
    CHECK(sl_slots_get(&slots, before) == NULL);
    CHECK(sl_slots_get(&slots, after) == &second);
    sl_slots_set(&slots, after, &first);
    CHECK(sl_slots_get(&slots, after) == &first);
    CHECK(sl_slots_get(&slots, UINT64_MAX) == NULL);
    sl_slots_fini(&slots);
    test_allocator_fini(&allocator);
}

TEST("a slot whose generations are used up is not used again")
{
    struct test_allocator allocator;
    struct sl_slots slots;
    uint64_t handle;
    uint64_t other;
    int object;

    test_allocator_init(&allocator);
    sl_slots_init(&slots, &allocator.base);
    CHECK_INT(sl_slots_put(&slots, &object, &handle), SL_OK);
    sl_slots_remove(&slots, handle);
    slots.entries[0].generation = UINT32_MAX;
    CHECK_INT(sl_slots_put(&slots, &object, &handle), SL_OK);
    CHECK_INT(handle, UINT32_MAX);
    sl_slots_remove(&slots, handle);
    CHECK_INT(sl_slots_put(&slots, &object, &other), SL_OK);
    CHECK_INT(other >> 32, 1);
    CHECK(sl_slots_get(&slots, handle) == NULL);
    sl_slots_fini(&slots);
    test_allocator_fini(&allocator);
}

static void fill(struct sl_allocator *allocator, void *argument)
{
    struct sl_slots slots;
    uint64_t handle;
    int object;

    (void)argument;
    sl_slots_init(&slots, allocator);
    for (int i = 0; i < MANY; i++) {
        uint32_t count = slots.count;
        enum sl_status status = sl_slots_put(&slots, &object, &handle);

        if (status != SL_OK) {
            CHECK_INT(status, SL_MEMORY);
            CHECK(test_allocator_has_failed(allocator));
            CHECK_INT(slots.count, count);
        } else {
            CHECK(sl_slots_get(&slots, handle) == &object);
        }
    }
    sl_slots_fini(&slots);
}

TEST("keeps its entries if it cannot grow")
{
    test_each_failure(fill, NULL);
}

int main(void)
{
    return test_main();
}
