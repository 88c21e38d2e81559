#include "memory/segment.h"

#include "memory/pool.h"
#include "spec/c/support/test.h"

static struct test_allocator allocator;
static struct sl_pool pool;

static struct sl_segment *rent(void)
{
    struct sl_segment *segment = NULL;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    REQUIRE(sl_pool_rent(&pool, &segment) == SL_OK);
    return segment;
}

static void check_returned(void)
{
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

TEST("the last release returns the segment")
{
    struct sl_segment *segment = rent();

    sl_segment_retain(segment);
    sl_segment_retain(segment);
    CHECK_INT(segment->refs, 3);
    sl_segment_release(segment);
    sl_segment_release(segment);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_segment_release(segment);
    check_returned();
}

TEST("the last owner or pin returns the segment, in either order")
{
    struct sl_segment *segment = rent();

    sl_segment_pin(segment);
    sl_segment_release(segment);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_segment_unpin(segment);
    check_returned();

    segment = rent();
    sl_segment_pin(segment);
    sl_segment_unpin(segment);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_segment_release(segment);
    check_returned();
}

TEST("a segment that is only pinned can be owned again")
{
    struct sl_segment *segment = rent();

    sl_segment_pin(segment);
    sl_segment_release(segment);
    sl_segment_retain(segment);
    sl_segment_unpin(segment);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    sl_segment_release(segment);
    check_returned();
}

TEST("a chain is released link by link, also if others hold parts of it")
{
    struct sl_segment *first = rent();
    struct sl_segment *held = NULL;

    sl_segment_release_chain(NULL);
    REQUIRE(sl_pool_rent(&pool, &held) == SL_OK);
    sl_segment_retain(held);
    first->next = held;
    REQUIRE(sl_pool_rent(&pool, &held->next) == SL_OK);
    sl_segment_release_chain(first);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    CHECK(held->next == NULL);
    sl_segment_release(held);
    check_returned();
}

int main(void)
{
    return test_main();
}
