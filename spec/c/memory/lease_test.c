#include "memory/lease.h"

#include "spec/c/support/test.h"

static struct test_allocator allocator;
static struct sl_pool pool;

static void pool_open(void)
{
    const struct sl_pool_options options = {
        .segment_size = 23,
        .spare_limit = SIZE_MAX,
    };

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
}

static void pool_close(void)
{
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

static void lease_open(struct sl_lease *lease, struct sl_view bytes)
{
    struct sl_buffer buffer;

    sl_lease_init(lease, &allocator.base);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_append(&buffer, bytes) == SL_OK);
    REQUIRE(sl_lease_take(lease, &buffer) == SL_OK);
    CHECK_INT(buffer.length, 0);
    sl_buffer_fini(&buffer);
}

static bool holds(const struct sl_lease *lease, struct sl_view bytes)
{
    char copy[64];

    if (lease->content.size != bytes.size)
        return false;
    sl_sequence_copy_out(&lease->content, 0, copy, bytes.size);
    return sl_view_equal(sl_view(copy, bytes.size), bytes);
}

#define TEXT SL_VIEW("forty bytes that span two segments or so")

TEST("bytes are released once, by the first dispose")
{
    struct sl_lease lease;

    pool_open();
    lease_open(&lease, TEXT);
    CHECK(lease.is_live);
    CHECK(holds(&lease, TEXT));
    CHECK_INT(sl_pool_outstanding(&pool), 2);
    CHECK(sl_lease_dispose(&lease));
    CHECK(!lease.is_live);
    CHECK_INT(sl_pool_outstanding(&pool), 0);
    CHECK(!sl_lease_dispose(&lease));
    CHECK_INT(pool.stats.returned, 2);
    pool_close();
}

TEST("an empty lease is live until it is disposed")
{
    struct sl_lease lease;

    pool_open();
    lease_open(&lease, sl_view(NULL, 0));
    CHECK(lease.is_live);
    CHECK(sl_lease_dispose(&lease));
    CHECK(!sl_lease_dispose(&lease));
    CHECK_INT(allocator.base.calls, 0);
    pool_close();
}

TEST("a live lease cannot be filled again")
{
    struct sl_lease a;
    struct sl_buffer buffer;

    pool_open();
    lease_open(&a, TEXT);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_append(&buffer, SL_VIEW("more")) == SL_OK);
    CHECK_INT(sl_lease_take(&a, &buffer), SL_MISUSE);
    CHECK_INT(buffer.length, 4);
    CHECK(holds(&a, TEXT));
    sl_buffer_fini(&buffer);
    sl_lease_dispose(&a);
    pool_close();
}

TEST("a disposed lease can be filled again")
{
    struct sl_lease a;
    struct sl_buffer buffer;

    pool_open();
    lease_open(&a, TEXT);
    sl_lease_dispose(&a);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(sl_buffer_append(&buffer, SL_VIEW("other")) == SL_OK);
    REQUIRE(sl_lease_take(&a, &buffer) == SL_OK);
    CHECK(holds(&a, SL_VIEW("other")));
    sl_buffer_fini(&buffer);
    sl_lease_dispose(&a);
    pool_close();
}

/* More slices than a sequence has room for without an allocation. */
#define TEXTS ((size_t)4)

static void live_and_fail(struct sl_allocator *base, void *argument)
{
    struct sl_lease lease;
    struct sl_buffer buffer;

    (void)argument;
    pool_open();
    sl_lease_init(&lease, base);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    for (size_t i = 0; i < TEXTS; i++)
        REQUIRE(sl_buffer_append(&buffer, TEXT) == SL_OK);
    if (sl_lease_take(&lease, &buffer) == SL_OK) {
        CHECK_INT(lease.content.size, TEXTS * TEXT.size);
        CHECK_INT(buffer.length, 0);
    } else {
        CHECK(test_allocator_has_failed(base));
        CHECK(!lease.is_live);
        CHECK_INT(buffer.length, TEXTS * TEXT.size);
    }
    sl_lease_dispose(&lease);
    sl_buffer_fini(&buffer);
    pool_close();
}

TEST("without memory the buffer keeps its bytes")
{
    test_each_failure(live_and_fail, NULL);
}

static void count_release(void *owner)
{
    ++*(int *)owner;
}

static bool adopt(const char *bytes, size_t size, int *released,
                  struct sl_segment **segment)
{
    return sl_pool_adopt(&pool, bytes, size, count_release, released,
                         segment) == SL_OK;
}

TEST("holds bytes of another owner, who learns once when nothing shows them")
{
    static const char text[] = "of another owner";
    struct sl_segment *segment;
    struct sl_sequence shown;
    struct sl_lease lease;
    int released = 0;

    pool_open();
    sl_lease_init(&lease, &allocator.base);
    REQUIRE(adopt(text, sizeof text - 1, &released, &segment));
    REQUIRE(sl_lease_hold(&lease, segment) == SL_OK);
    CHECK(lease.is_live);
    CHECK(holds(&lease, SL_VIEW("of another owner")));
    CHECK(lease.content.slices[0].data == text);
    CHECK_INT(sl_pool_outstanding(&pool), 1);
    CHECK_INT(pool.stats.bytes, sizeof text - 1);
    CHECK_INT(sl_lease_hold(&lease, segment), SL_MISUSE);

    sl_sequence_init(&shown, &allocator.base);
    REQUIRE(sl_sequence_sub(&shown, &lease.content, 3, 7) == SL_OK);
    CHECK(sl_lease_dispose(&lease));
    CHECK_INT(released, 0);
    sl_segment_pin(segment); /* the kernel still reads them */
    sl_sequence_fini(&shown);
    CHECK_INT(released, 0);
    sl_segment_unpin(segment);
    CHECK_INT(released, 1);
    pool_close();
    CHECK_INT(released, 1);
}

TEST("of no bytes has nothing to hold")
{
    struct sl_segment *segment;
    struct sl_lease lease;
    int released = 0;

    pool_open();
    sl_lease_init(&lease, &allocator.base);
    REQUIRE(adopt(NULL, 0, &released, &segment));
    REQUIRE(sl_lease_hold(&lease, segment) == SL_OK);
    CHECK_INT(released, 1);
    CHECK_INT(lease.content.size, 0);
    CHECK(sl_lease_dispose(&lease));
    pool_close();
}

/* What is sent is appended to a buffer, by reference. */
TEST("links bytes of another owner into buffers, and leaves them as they are")
{
    static const char text[] = "of another owner";
    struct sl_segment *segment;
    struct sl_buffer buffer;
    struct sl_lease lease;
    int released = 0;

    pool_open();
    sl_lease_init(&lease, &allocator.base);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    REQUIRE(adopt(text, sizeof text - 1, &released, &segment));
    REQUIRE(sl_lease_hold(&lease, segment) == SL_OK);
    REQUIRE(sl_sequence_link(&lease.content, &buffer) == SL_OK);
    REQUIRE(sl_buffer_append(&buffer, SL_VIEW(", and ours")) == SL_OK);
    CHECK(sl_lease_dispose(&lease));
    CHECK_INT(buffer.length, 26);
    sl_buffer_consume(&buffer, 26);
    sl_buffer_fini(&buffer);
    CHECK_INT(released, 1);
    CHECK(strcmp(text, "of another owner") == 0);
    pool_close();
}

static void adopt_and_fail(struct sl_allocator *base, void *argument)
{
    struct sl_segment *segment;
    int released = 0;

    (void)argument;
    pool_open();
    pool.allocator = base;
    if (adopt("x", 1, &released, &segment)) {
        sl_segment_release(segment);
        CHECK_INT(released, 1);
    } else {
        CHECK(test_allocator_has_failed(base));
        CHECK_INT(released, 0);
    }
    pool_close();
}

TEST("without memory another owner's bytes are not taken")
{
    test_each_failure(adopt_and_fail, NULL);
}

int main(void)
{
    return test_main();
}
