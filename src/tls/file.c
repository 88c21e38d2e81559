#include "tls/file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum sl_status sl_tls_file_fail(const char *option, const char *path,
                                int system_error, struct sl_failure *failure)
{
    struct sl_failure cause;

    sl_fail_system(&cause, SL_TLS, SL_STAGE_TLS, system_error);
    sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s %s: %s", option, path,
            cause.reason);
    failure->system_error = system_error;
    return SL_TLS;
}

enum sl_status sl_tls_file_fail_locked(const char *option, const char *path,
                                       const char *password,
                                       struct sl_failure *failure)
{
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s %.120s: %s", option, path,
                   password == NULL ? "is encrypted; give key_password"
                                    : "key_password does not open it");
}

enum sl_status sl_tls_file_check(const char *option, const char *path,
                                 struct sl_failure *failure)
{
    if (access(path, R_OK) == 0)
        return SL_OK;
    return sl_tls_file_fail(option, path, errno, failure);
}

enum sl_status sl_tls_file_check_directory(const char *option, const char *path,
                                           struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check(option, path, failure);
    struct stat found;

    if (status != SL_OK)
        return status;
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return SL_OK;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s %s: not a directory",
                   option, path);
}
