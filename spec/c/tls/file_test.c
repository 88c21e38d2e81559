#include "tls/file.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST("names the file and keeps the errno")
{
    struct sl_failure failure;

    CHECK_INT(sl_tls_file_fail("ca_file", "x.pem", ENOENT, &failure), SL_TLS);
    CHECK_STR(failure.reason, "ca_file x.pem: No such file or directory");
    CHECK_INT(failure.system_error, ENOENT);
    CHECK_INT(failure.stage, SL_STAGE_TLS);
}

TEST("says of a locked file whether a password was given")
{
    struct sl_failure failure;

    CHECK_INT(sl_tls_file_fail_locked("key_file", "x.pem", NULL, &failure),
              SL_TLS);
    CHECK_STR(failure.reason,
              "key_file x.pem: is encrypted; give key_password");
    CHECK_INT(sl_tls_file_fail_locked("key_file", "x.pem", "no", &failure),
              SL_TLS);
    CHECK_STR(failure.reason, "key_file x.pem: key_password does not open it");
    CHECK_INT(failure.stage, SL_STAGE_TLS);
}

TEST("distinguishes files, directories and missing paths")
{
    struct sl_failure failure;
    char path[] = "/tmp/sluice-file-XXXXXX";
    char expected[64];
    int descriptor = mkstemp(path);

    REQUIRE(descriptor >= 0);
    close(descriptor);
    CHECK_INT(sl_tls_file_check("ca_file", path, &failure), SL_OK);
    CHECK_INT(sl_tls_file_check_directory("ca_path", "/tmp", &failure), SL_OK);
    CHECK_INT(sl_tls_file_check_directory("ca_path", path, &failure), SL_TLS);
    snprintf(expected, sizeof expected, "ca_path %s: not a directory", path);
    CHECK_STR(failure.reason, expected);
    unlink(path);
    CHECK_INT(sl_tls_file_check("ca_file", path, &failure), SL_TLS);
    snprintf(expected, sizeof expected, "ca_file %s: No such file or directory",
             path);
    CHECK_STR(failure.reason, expected);
    CHECK_INT(sl_tls_file_check_directory("ca_path", path, &failure), SL_TLS);
    CHECK_INT(failure.system_error, ENOENT);
}

int main(void)
{
    return test_main();
}
