#include "spec/c/http/heads.h"

TEST("finds fields ignoring case, one by one, except hidden ones")
{
    struct fixture fixture;
    struct sl_head *head = &fixture.head;

    open_fixture(&fixture, 0);
    CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 200 OK\r\n"
                                     "Set-Cookie: a\r\n"
                                     "X: y\r\n"
                                     "SET-COOKIE: b\r\n\r\n")),
              SL_OK);
    CHECK_INT(sl_head_find(head, 0, SL_VIEW("set-cookie")), 0);
    CHECK_INT(sl_head_find(head, 1, SL_VIEW("set-cookie")), 2);
    CHECK(sl_head_find(head, 3, SL_VIEW("set-cookie")) == SIZE_MAX);
    CHECK(sl_head_find(head, 0, SL_VIEW("set-cookies")) == SIZE_MAX);
    CHECK(sl_head_find(head, 0, SL_VIEW("")) == SIZE_MAX);
    head->fields[0].is_hidden = true;
    CHECK_INT(sl_head_find(head, 0, SL_VIEW("set-cookie")), 2);
    close_fixture(&fixture);
}

TEST("a head that was forgotten has its status and no field")
{
    struct fixture fixture;
    struct sl_head *head = &fixture.head;

    for (int compact = 0; compact < 2; compact++) {
        open_fixture(&fixture, 0);
        CHECK_INT(feed(&fixture, SL_VIEW("HTTP/1.1 404 No\r\nA: b\r\n\r\n")),
                  SL_OK);
        if (compact)
            sl_head_compact(head);
        sl_head_forget(head);
        CHECK_INT(head->status, 404);
        CHECK_INT(head->count, 0);
        CHECK_VIEW(sl_head_reason(head), "");
        CHECK(sl_head_find(head, 0, SL_VIEW("A")) == SIZE_MAX);
        sl_head_compact(head);
        sl_head_forget(head);
        close_fixture(&fixture);
    }
}

int main(void)
{
    return test_main();
}
