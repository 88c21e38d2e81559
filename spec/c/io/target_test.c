#include "io/target.h"

#include "io/resolve.h"
#include "spec/c/support/test.h"

#include <errno.h>

static void check(const struct sl_target *target, const char *literal,
                  const char *expected)
{
    struct sl_address address;
    struct sl_failure failure;

    if (literal != NULL)
        REQUIRE(sl_resolve_literal(literal, target->port, &address));
    sl_target_fail(target, literal != NULL ? &address : NULL, &failure,
                   SL_CONNECT, SL_STAGE_CONNECT, EACCES, "Permission denied");
    CHECK_STR(failure.reason, expected);
    CHECK_INT(failure.status, SL_CONNECT);
    CHECK_INT(failure.stage, SL_STAGE_CONNECT);
    CHECK_INT(failure.system_error, EACCES);
    CHECK(failure.is_retryable);
}

TEST("names host and port, and the address if it differs")
{
    struct sl_target name = {.host = "a.test", .port = 80};
    struct sl_target four = {.host = "127.0.0.1", .port = 9};
    struct sl_target six = {.host = "::1", .port = 9};
    struct sl_target path = {.unix_path = "/run/socket"};

    check(&name, NULL, "a.test:80: permission denied");
    check(&name, "127.0.0.1", "a.test:80 (127.0.0.1): permission denied");
    check(&name, "::1", "a.test:80 (::1): permission denied");
    check(&four, "127.0.0.1", "127.0.0.1:9: permission denied");
    check(&six, "::1", "[::1]:9: permission denied");
    check(&six, "::2", "[::1]:9 (::2): permission denied");
    check(&path, NULL, "/run/socket: permission denied");
}

TEST("a target of any length leaves room for the reason")
{
    char host[300];
    struct sl_target target = {.host = host, .port = 80};
    struct sl_failure failure;

    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    sl_target_fail(&target, NULL, &failure, SL_RESOLVE, SL_STAGE_RESOLVE, 0,
                   "Unknown");
    CHECK(strlen(failure.reason) < 200);
    CHECK_STR(failure.reason + strlen(failure.reason) - 9, ": unknown");
}

int main(void)
{
    return test_main();
}
