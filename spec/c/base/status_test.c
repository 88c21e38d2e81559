#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "spec/c/support/test.h"

TEST("every status has a name of its own")
{
    for (int i = SL_OK; i <= SL_MISUSE; i++) {
        const char *name = sl_status_name((enum sl_status)i);

        REQUIRE(name != NULL && name[0] != '\0');
        for (int j = SL_OK; j < i; j++)
            CHECK(strcmp(name, sl_status_name((enum sl_status)j)) != 0);
    }
    CHECK_STR(sl_status_name(SL_TIMEOUT), "timeout");
    CHECK_STR(sl_status_name(SL_UNSUPPORTED), "unsupported");
}

TEST("every stage has a name of its own")
{
    for (int i = SL_STAGE_NONE; i <= SL_STAGE_WEBSOCKET; i++) {
        const char *name = sl_stage_name((enum sl_stage)i);

        REQUIRE(name != NULL);
        for (int j = SL_STAGE_NONE; j < i; j++)
            CHECK(strcmp(name, sl_stage_name((enum sl_stage)j)) != 0);
    }
    CHECK_STR(sl_stage_name(SL_STAGE_NONE), "");
    CHECK_STR(sl_stage_name(SL_STAGE_BODY), "body");
}

TEST("answers are not failures")
{
    CHECK(!sl_is_failure(SL_OK));
    CHECK(!sl_is_failure(SL_AGAIN));
    CHECK(!sl_is_failure(SL_END));
    for (int i = SL_END + 1; i <= SL_MISUSE; i++)
        CHECK(sl_is_failure((enum sl_status)i));
}

TEST("a failure says what and where, and replaces the one before")
{
    struct sl_failure failure;

    memset(&failure, 0xDB, sizeof failure);
    CHECK_INT(sl_fail(&failure, SL_PROTOCOL, SL_STAGE_HEAD, "line %d", 7),
              SL_PROTOCOL);
    CHECK_INT(failure.status, SL_PROTOCOL);
    CHECK_INT(failure.stage, SL_STAGE_HEAD);
    CHECK_INT(failure.system_error, 0);
    CHECK(!failure.is_retryable);
    CHECK_STR(failure.reason, "line 7");
}

TEST("a reason is cut at the end of its room")
{
    struct sl_failure failure;
    char text[1000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sl_fail(&failure, SL_TLS, SL_STAGE_TLS, "%s", text);
    CHECK_INT(strlen(failure.reason), sizeof failure.reason - 1);
}

TEST("an errno becomes its own message")
{
    struct sl_failure failure;

    CHECK_INT(
        sl_fail_system(&failure, SL_CONNECT, SL_STAGE_CONNECT, ECONNREFUSED),
        SL_CONNECT);
    CHECK_INT(failure.system_error, ECONNREFUSED);
    CHECK_STR(failure.reason, strerror(ECONNREFUSED));
}

TEST("running out of descriptors names the limit that was reached")
{
    struct sl_failure failure;
    struct rlimit limit;
    char expected[100];

    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(expected, sizeof expected, "%s (ulimit -n: %llu)",
             strerror(EMFILE), (unsigned long long)limit.rlim_cur);
    sl_fail_system(&failure, SL_CONNECT, SL_STAGE_CONNECT, EMFILE);
    CHECK_STR(failure.reason, expected);
    CHECK_INT(failure.system_error, EMFILE);
}

int main(void)
{
    return test_main();
}
