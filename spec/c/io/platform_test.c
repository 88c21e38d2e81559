#include "io/platform.h"

#include "spec/c/support/test.h"

#include <string.h>

TEST("names the best backend that is present, and the portable ones always")
{
    const struct sl_platform *platform = sl_platform();
    bool has_poll = false;
    bool has_threads = false;

    CHECK(platform == sl_platform());
    CHECK(platform->is_supported);
    REQUIRE(platform->backends[0] != NULL);
    CHECK_STR(platform->completion_model, platform->backends[0]->name);
    CHECK_STR(platform->expected_benefit, platform->backends[0]->benefit);
    for (size_t i = 0; platform->backends[i] != NULL; i++) {
        has_poll |= platform->backends[i] == &sl_backend_poll;
        has_threads |= platform->backends[i] == &sl_backend_threads;
        CHECK(sl_backend_find(platform->backends[i]->name) ==
              platform->backends[i]);
        CHECK(platform->backends[i]->is_present());
    }
    CHECK(has_poll);
    CHECK(has_threads);
    CHECK(sl_backend_find("iocp") == NULL);
}

int main(void)
{
    return test_main();
}
