#include "base/allocator.h"

#include <string.h>

#include "spec/c/support/test.h"

TEST("memory is resized with its content and freed")
{
    struct sl_allocator allocator;
    char *text;

    sl_allocator_init_system(&allocator);
    text = sl_allocate(&allocator, 4);
    REQUIRE(text != NULL);
    memcpy(text, "abc", 4);
    text = sl_reallocate(&allocator, text, 4, 4096);
    REQUIRE(text != NULL);
    CHECK_STR(text, "abc");
    sl_free(&allocator, text, 4096);
}

TEST("zeroed memory is zero")
{
    struct sl_allocator allocator;
    unsigned char *bytes, sum = 0;

    sl_allocator_init_system(&allocator);
    bytes = sl_allocate_zeroed(&allocator, 100);
    REQUIRE(bytes != NULL);
    for (int i = 0; i < 100; i++)
        sum |= bytes[i];
    CHECK_INT(sum, 0);
    sl_free(&allocator, bytes, 100);
}

TEST("allocations and growths are counted, frees are not")
{
    struct sl_allocator allocator;
    void *pointer;

    sl_allocator_init_system(&allocator);
    CHECK_INT(allocator.calls, 0);
    pointer = sl_allocate(&allocator, 1);
    CHECK_INT(allocator.calls, 1);
    pointer = sl_reallocate(&allocator, pointer, 1, 2);
    CHECK_INT(allocator.calls, 2);
    sl_free(&allocator, pointer, 2);
    CHECK_INT(allocator.calls, 2);
}

TEST("freeing nothing is nothing")
{
    struct test_allocator allocator;

    test_allocator_init(&allocator);
    sl_free(&allocator.base, NULL, 0);
    CHECK_INT(allocator.base.calls, 0);
    test_allocator_fini(&allocator);
}

TEST("a failure returns NULL and leaves the block as it was")
{
    struct test_allocator allocator;
    char *text;

    test_allocator_init(&allocator);
    text = sl_allocate(&allocator.base, 4);
    REQUIRE(text != NULL);
    memcpy(text, "abc", 4);
    test_allocator_fail(&allocator, TEST_FAIL_FROM, 1);
    CHECK(sl_allocate(&allocator.base, 1) == NULL);
    CHECK(sl_allocate_zeroed(&allocator.base, 1) == NULL);
    CHECK(sl_reallocate(&allocator.base, text, 4, 8) == NULL);
    CHECK_STR(text, "abc");
    sl_free(&allocator.base, text, 4);
    test_allocator_fini(&allocator);
}

static void count_trim(struct sl_allocator *self)
{
    self->calls++;
}

TEST("trimming asks the allocator, if it can")
{
    struct sl_allocator allocator = {.trim = count_trim};

    sl_allocator_trim(&allocator);
    CHECK_INT(allocator.calls, 1);
    allocator.trim = NULL;
    sl_allocator_trim(&allocator);
    sl_allocator_init_system(&allocator);
    sl_allocator_trim(&allocator);
    CHECK_INT(allocator.calls, 0);
}

int main(void)
{
    return test_main();
}
