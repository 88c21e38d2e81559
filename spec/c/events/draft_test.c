#include "events/draft.h"

#include "spec/c/support/test.h"

#include <string.h>

static void begin(struct sl_pool *pool, struct sl_allocator *allocator)
{
    struct sl_pool_options options = {
        .segment_size = 23, .spare_limit = SIZE_MAX, .poison = true};

    sl_pool_init(pool, allocator, &options);
}

static void end(struct sl_pool *pool)
{
    CHECK_INT(sl_pool_outstanding(pool), 0);
    CHECK_INT(sl_pool_fini(pool), 0);
}

/* A line that arrives in pieces, as data. */
static enum sl_status add_line(struct sl_draft *draft, struct sl_pool *pool,
                               const char *name, const char *value)
{
    enum sl_status status =
        sl_draft_add_line(draft, pool, sl_view(name, strlen(name)));

    if (status == SL_OK)
        status = sl_draft_add_line(draft, pool, sl_view(value, strlen(value)));
    if (status == SL_OK) {
        struct sl_view line = sl_draft_line(draft);

        CHECK_INT(line.size, strlen(name) + strlen(value));
        sl_draft_join_line(
            draft, sl_view(line.data + strlen(name), line.size - strlen(name)));
    }
    return status;
}

TEST("moves the value of a line down to the data, behind LF")
{
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_draft *draft;

    sl_allocator_init_system(&allocator);
    begin(&pool, &allocator);
    REQUIRE(sl_draft_rent(&pool, &draft) == SL_OK);
    CHECK(sl_draft_is_empty(draft));
    CHECK_VIEW(sl_draft_data(draft), "");
    CHECK_VIEW(sl_draft_line(draft), "");
    CHECK_INT(add_line(draft, &pool, "data: ", "one"), SL_OK);
    CHECK_VIEW(sl_draft_data(draft), "one");
    CHECK_INT(add_line(draft, &pool, "data:", ""), SL_OK);
    CHECK_INT(
        add_line(draft, &pool, "data: ", "a value beyond one block of 23"),
        SL_OK);
    CHECK_VIEW(sl_draft_data(draft), "one\n\na value beyond one block of 23");
    CHECK_VIEW(sl_draft_line(draft), "");
    CHECK(!sl_draft_is_empty(draft));
    sl_draft_release(draft);
    end(&pool);
}

TEST("keeps the data while a line behind it is dropped")
{
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_draft *draft;

    sl_allocator_init_system(&allocator);
    begin(&pool, &allocator);
    REQUIRE(sl_draft_rent(&pool, &draft) == SL_OK);
    CHECK_INT(sl_draft_add_data(draft, &pool, SL_VIEW("one")), SL_OK);
    CHECK_INT(sl_draft_add_line(draft, &pool, SL_VIEW(": a comment")), SL_OK);
    CHECK_VIEW(sl_draft_line(draft), ": a comment");
    sl_draft_drop_line(draft);
    CHECK_VIEW(sl_draft_line(draft), "");
    CHECK_INT(sl_draft_add_data(draft, &pool, SL_VIEW("\ntwo")), SL_OK);
    CHECK_VIEW(sl_draft_data(draft), "one\ntwo");
    sl_draft_clear(draft);
    CHECK(sl_draft_is_empty(draft));
    CHECK_VIEW(sl_draft_data(draft), "");
    sl_draft_release(draft);
    end(&pool);
}

TEST("keeps names in its own room, and in a block when they outgrow that")
{
    char most[SL_DRAFT_NAMES_ROOM];
    struct sl_view full = sl_view(most, sizeof most);
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_draft *draft;
    struct sl_view name;

    memset(most, 'n', sizeof most);
    sl_allocator_init_system(&allocator);
    begin(&pool, &allocator);
    REQUIRE(sl_draft_rent(&pool, &draft) == SL_OK);
    CHECK_INT(sl_draft_set_name(draft, &pool, &draft->type, full), SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 1); /* the draft's own */
    CHECK_INT(sl_draft_set_name(draft, &pool, &draft->id, SL_VIEW("")), SL_OK);
    CHECK_VIEW(sl_draft_name(draft, &draft->id), "");
    CHECK_INT(sl_draft_set_name(draft, &pool, &draft->id, SL_VIEW("7")), SL_OK);
    CHECK_INT(sl_pool_outstanding(&pool), 2);
    name = sl_draft_name(draft, &draft->type);
    CHECK_BYTES(name.data, name.size, most, sizeof most);
    CHECK_VIEW(sl_draft_name(draft, &draft->id), "7");
    CHECK_INT(sl_draft_set_name(draft, &pool, &draft->type, SL_VIEW("last")),
              SL_OK);
    CHECK_VIEW(sl_draft_name(draft, &draft->type), "last");
    CHECK_VIEW(sl_draft_name(draft, &draft->id), "7");
    sl_draft_clear(draft);
    CHECK_VIEW(sl_draft_name(draft, &draft->type), "");
    sl_draft_release(draft);
    end(&pool);
}

static void run_without_memory(struct sl_allocator *allocator, void *argument)
{
    static const char text[] = "what is kept without a draft, in one block";
    struct sl_kept kept = {NULL, 0};
    struct sl_pool pool;
    enum sl_status status = SL_OK;

    (void)argument;
    begin(&pool, allocator);
    for (size_t i = 0; i < sizeof text && status == SL_OK; i++) {
        status = sl_kept_add(&kept, &pool, sl_view(text + i, 1));
        CHECK_INT(kept.size, status == SL_OK ? i + 1 : i);
        CHECK_BYTES(kept.size > 0 ? kept.block->data : "", kept.size, text,
                    kept.size);
    }
    CHECK(status == SL_OK || test_allocator_has_failed(allocator));
    sl_kept_release(&kept);
    CHECK_INT(kept.size, 0);
    sl_kept_release(&kept);
    end(&pool);
}

TEST("has what it kept before when there is no memory for more")
{
    test_each_failure(run_without_memory, NULL);
}

int main(void)
{
    return test_main();
}
