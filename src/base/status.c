#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

const char *sl_status_name(enum sl_status status)
{
    static const char *const names[] = {
        [SL_OK] = "ok",
        [SL_AGAIN] = "again",
        [SL_END] = "end",
        [SL_TIMEOUT] = "timeout",
        [SL_CANCELLED] = "cancelled",
        [SL_RESOLVE] = "resolve",
        [SL_CONNECT] = "connect",
        [SL_TLS] = "tls",
        [SL_PROXY] = "proxy",
        [SL_CLOSED] = "closed",
        [SL_PROTOCOL] = "protocol",
        [SL_DECODE] = "decode",
        [SL_LIMIT] = "limit",
        [SL_REDIRECT] = "redirect",
        [SL_INVALID] = "invalid",
        [SL_MEMORY] = "memory",
        [SL_UNSUPPORTED] = "unsupported",
        [SL_MISUSE] = "misuse",
    };

    return names[status];
}

const char *sl_stage_name(enum sl_stage stage)
{
    static const char *const names[] = {
        [SL_STAGE_NONE] = "",           [SL_STAGE_QUEUE] = "queue",
        [SL_STAGE_RESOLVE] = "resolve", [SL_STAGE_CONNECT] = "connect",
        [SL_STAGE_PROXY] = "proxy",     [SL_STAGE_TLS] = "tls",
        [SL_STAGE_SEND] = "send",       [SL_STAGE_HEAD] = "head",
        [SL_STAGE_BODY] = "body",       [SL_STAGE_WEBSOCKET] = "websocket",
    };

    return names[stage];
}

enum sl_status sl_fail(struct sl_failure *failure, enum sl_status status,
                       enum sl_stage stage, const char *format, ...)
{
    va_list arguments;

    failure->status = status;
    failure->stage = stage;
    failure->system_error = 0;
    failure->is_retryable = false;
    va_start(arguments, format);
    vsnprintf(failure->reason, sizeof failure->reason, format, arguments);
    va_end(arguments);
    return status;
}

/* strerror is not safe from several threads. The GNU form of the other returns
 * its text, which need not be in the buffer; that of POSIX always fills it. */
#ifdef __GLIBC__
static const char *describe(int system_error, char *text, size_t size)
{
    return strerror_r(system_error, text, size);
}
#else
static const char *describe(int system_error, char *text, size_t size)
{
    if (strerror_r(system_error, text, size) != 0)
        snprintf(text, size, "error %d", system_error);
    return text;
}
#endif

enum sl_status sl_fail_system(struct sl_failure *failure, enum sl_status status,
                              enum sl_stage stage, int system_error)
{
    char text[sizeof failure->reason];
    const char *reason = describe(system_error, text, sizeof text);
    struct rlimit limit;

    if (system_error == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        sl_fail(failure, status, stage, "%s (ulimit -n: %llu)", reason,
                (unsigned long long)limit.rlim_cur);
    else
        sl_fail(failure, status, stage, "%s", reason);
    failure->system_error = system_error;
    return status;
}
