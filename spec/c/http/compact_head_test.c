#include "spec/c/http/heads.h"

#include "http/compact_head.h"

static void compact_failing(struct sl_allocator *allocator, void *argument)
{
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_head head;

    (void)argument;
    sl_pool_init(&pool, allocator, NULL);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_head_init(&head, &pool, &defaults);
    if (sl_buffer_append(&input, sl_view(nginx, sizeof(nginx) - 1)) == SL_OK &&
        sl_head_parse(&head, &input) == SL_OK) {
        uint64_t outstanding = sl_pool_outstanding(&pool);

        sl_head_compact(&head);
        /* Its block went back. That what it has now is of its own size is
         * checked when that is freed. */
        CHECK(head.block == NULL || test_allocator_has_failed(allocator));
        CHECK_INT(sl_pool_outstanding(&pool),
                  outstanding - (head.block == NULL));
        CHECK_INT(head.status, 200);
        CHECK_VIEW(sl_head_reason(&head), "OK");
        CHECK_VIEW(sl_head_name(&head, 0), "Server");
        CHECK_VIEW(sl_head_value(&head, 9), "bytes");
        sl_head_compact(&head);
        CHECK_VIEW(sl_head_value(&head, 9), "bytes");
    }
    sl_head_fini(&head);
    sl_buffer_fini(&input);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("a compact head is as it was, in memory of its own size if there is any")
{
    test_each_failure(compact_failing, NULL);
}

TEST("a compact head has each field, hidden ones too, where it was")
{
    struct fixture fixture;
    struct sl_head *head = &fixture.head;

    open_fixture(&fixture, 0);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 404 Not  Found\r\n"
                                     "Set-Cookie: a\r\n"
                                     "Empty:\r\n"
                                     "Folded: one\r\n two\r\n"
                                     "SET-COOKIE: b\r\n\r\n")),
              SL_OK);
    head->fields[0].is_hidden = true;
    sl_head_compact(head);
    CHECK(head->block == NULL);
    CHECK_INT(head->count, 4);
    CHECK_VIEW(sl_head_reason(head), "Not  Found");
    CHECK_VIEW(sl_head_name(head, 0), "Set-Cookie");
    CHECK(sl_head_is_hidden(head, 0));
    CHECK_VIEW(sl_head_value(head, 1), "");
    CHECK(!sl_head_is_hidden(head, 1));
    CHECK_VIEW(sl_head_name(head, 2), "Folded");
    CHECK_VIEW(sl_head_value(head, 2), "one   two");
    CHECK_VIEW(sl_head_value(head, 3), "b");
    CHECK_INT(sl_head_find(head, 0, SL_VIEW("set-cookie")), 3);
    CHECK_INT(sl_head_find(head, 1, SL_VIEW("empty")), 1);
    CHECK(sl_head_find(head, 2, SL_VIEW("empty")) == SIZE_MAX);
    close_fixture(&fixture);
}

TEST("a head with a value of 64 KiB stays where it is")
{
    struct sl_head_limits limits = {131072, 131072, 256, false};
    struct fixture fixture;
    static char line[UINT16_MAX + 3];

    open_limited(&fixture, 0, &limits);
    memset(line, 'x', sizeof line);
    line[1] = ':';
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n")), SL_AGAIN);
    CHECK_INT(feed(&fixture, sl_view(line, sizeof line)), SL_AGAIN);
    CHECK_INT(feed(&fixture, SL_VIEW("\r\n\r\n")), SL_OK);
    sl_head_compact(&fixture.head);
    CHECK(fixture.head.block != NULL);
    CHECK_INT(sl_head_value(&fixture.head, 0).size, UINT16_MAX + 1);
    close_fixture(&fixture);
}

TEST("a head that is not complete, or has no block, is not made compact")
{
    struct fixture fixture;

    open_fixture(&fixture, 23);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\nA: b\r\n")), SL_AGAIN);
    sl_head_compact(&fixture.head);
    CHECK_INT(feed(&fixture, SL_VIEW("C: d\r\n\r\n")), SL_OK);
    CHECK_VIEW(sl_head_value(&fixture.head, 1), "d");
    sl_head_fini(&fixture.head);
    sl_head_init_trailers(&fixture.head, &fixture.pool, &defaults);
    CHECK_INT(feed(&fixture, SL_VIEW("\r\n")), SL_OK);
    sl_head_compact(&fixture.head);
    CHECK_INT(fixture.head.count, 0);
    close_fixture(&fixture);
}

int main(void)
{
    return test_main();
}
