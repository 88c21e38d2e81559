#include "base/view.h"

#include "spec/c/support/test.h"

TEST("a literal's view leaves its zero out")
{
    CHECK_INT(SL_VIEW("").size, 0);
    CHECK_INT(SL_VIEW("abc").size, 3);
    CHECK_INT(SL_VIEW("a\0b").size, 3);
}

TEST("views are equal when their bytes are")
{
    char *a = guard_copy("abc", 3);

    CHECK(sl_view_equal(sl_view(a, 3), SL_VIEW("abc")));
    CHECK(!sl_view_equal(sl_view(a, 3), SL_VIEW("abd")));
    CHECK(!sl_view_equal(sl_view(a, 3), SL_VIEW("abcd")));
    CHECK(!sl_view_equal(SL_VIEW("abcd"), sl_view(a, 3)));
    CHECK(sl_view_equal(sl_view(NULL, 0), sl_view(a, 0)));
    guard_free(a);
}

TEST("a cut gives the front, and leaves what is behind it")
{
    struct sl_view rest = SL_VIEW("abcd");

    CHECK(sl_view_equal(sl_view_cut(&rest, 0), SL_VIEW("")));
    CHECK(sl_view_equal(sl_view_cut(&rest, 3), SL_VIEW("abc")));
    CHECK(sl_view_equal(rest, SL_VIEW("d")));
    CHECK(sl_view_equal(sl_view_cut(&rest, 1), SL_VIEW("d")));
    CHECK_INT(rest.size, 0);
}

int main(void)
{
    return test_main();
}
