#include "io/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void format_address(const struct sl_address *address, char *text,
                           size_t size)
{
    const struct sockaddr_in *four = (const void *)&address->storage;
    const struct sockaddr_in6 *six = (const void *)&address->storage;

    text[0] = '\0';
    if (address->storage.ss_family == AF_INET)
        inet_ntop(AF_INET, &four->sin_addr, text, (socklen_t)size);
    else if (address->storage.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, text, (socklen_t)size);
}

static void format_target(const struct sl_target *target,
                          const struct sl_address *address, char *text,
                          size_t size)
{
    char numeric[INET6_ADDRSTRLEN] = "";
    bool is_bare_six;

    if (target->unix_path != NULL) {
        snprintf(text, size, "%s", target->unix_path);
        return;
    }
    is_bare_six = strchr(target->host, ':') != NULL;
    if (address != NULL)
        format_address(address, numeric, sizeof numeric);
    if (numeric[0] == '\0' || strcmp(numeric, target->host) == 0)
        snprintf(text, size, is_bare_six ? "[%s]:%d" : "%s:%d", target->host,
                 target->port);
    else
        snprintf(text, size, is_bare_six ? "[%s]:%d (%s)" : "%s:%d (%s)",
                 target->host, target->port, numeric);
}

void sl_target_fail(const struct sl_target *target,
                    const struct sl_address *address,
                    struct sl_failure *failure, enum sl_status status,
                    enum sl_stage stage, int system_error, const char *reason)
{
    char text[160];
    char clause[sizeof failure->reason];

    format_target(target, address, text, sizeof text);
    snprintf(clause, sizeof clause, "%s", reason);
    clause[0] = (char)tolower((unsigned char)clause[0]);
    sl_fail(failure, status, stage, "%s: %s", text, clause);
    failure->system_error = system_error;
    failure->is_retryable = true;
}
