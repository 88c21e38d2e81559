/* io/target.h - the target of a connector, in the words of its failures
 *
 *   "127.0.0.1:9", "[::1]:9", "localhost:9 (127.0.0.1)", "/run/socket"
 */
#ifndef SL_IO_TARGET_H
#define SL_IO_TARGET_H

#include "io/lookup.h"

struct sl_target {
    const char *host; /* not copied; without brackets */
    int port;
    const char *unix_path; /* instead of both; NULL */
};

/* Fills `failure`: target, address if that is known and says more (NULL), and
 * reason, in lower case. Nothing was sent yet: the request may be tried
 * again. */
void sl_target_fail(const struct sl_target *target,
                    const struct sl_address *address,
                    struct sl_failure *failure, enum sl_status status,
                    enum sl_stage stage, int system_error, const char *reason);

#endif
