/* base/status.h - the answers of calls, and the description of a failure
 *
 * SL_OK, SL_AGAIN and SL_END are answers. Everything after them is a failure;
 * its name (sl_status_name) is the `code` a Lua user sees.
 */
#ifndef SL_BASE_STATUS_H
#define SL_BASE_STATUS_H

#include <stdbool.h>

enum sl_status {
    SL_OK,
    SL_AGAIN, /* needs more bytes, more room, or an event */
    SL_END,   /* the input has ended, in good order */
    SL_TIMEOUT,
    SL_CANCELLED,
    SL_RESOLVE,
    SL_CONNECT,
    SL_TLS,
    SL_PROXY,
    SL_CLOSED,
    SL_PROTOCOL,
    SL_DECODE,
    SL_LIMIT,
    SL_REDIRECT,
    SL_INVALID,
    SL_MEMORY,
    SL_UNSUPPORTED,
    SL_MISUSE /* the program's own mistake: bindings raise it */
};

/* The stage that an attempt had reached, or that a deadline was for. */
enum sl_stage {
    SL_STAGE_NONE,
    SL_STAGE_QUEUE,
    SL_STAGE_RESOLVE,
    SL_STAGE_CONNECT,
    SL_STAGE_PROXY,
    SL_STAGE_TLS,
    SL_STAGE_SEND,
    SL_STAGE_HEAD,
    SL_STAGE_BODY,
    SL_STAGE_WEBSOCKET
};

/* A failure in full. `reason` is one clause without the attempt and its object
 * ("connection refused"); bytes from the wire in it are already escaped. */
struct sl_failure {
    enum sl_status status;
    enum sl_stage stage;
    int system_error; /* errno, or 0 */
    bool is_retryable;
    char reason[232];
};

const char *sl_status_name(enum sl_status status);
const char *sl_stage_name(enum sl_stage stage);

static inline bool sl_is_failure(enum sl_status status)
{
    return status > SL_END;
}

/* Fills `failure`; the reason is cut at its room. Returns `status`. */
enum sl_status sl_fail(struct sl_failure *failure, enum sl_status status,
                       enum sl_stage stage, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same from an errno: its message is the reason, which for EMFILE names the
 * limit. */
enum sl_status sl_fail_system(struct sl_failure *failure, enum sl_status status,
                              enum sl_stage stage, int system_error);

#endif
