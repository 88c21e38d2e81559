#include "tls/policy.h"

#include "tls/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* From the wire's length-prefixed names. */
static enum sl_status set_protocols(struct sl_tls_policy *policy,
                                    struct sl_view list,
                                    struct sl_failure *failure)
{
    size_t at = 0;

    if (list.size == 0)
        return SL_OK;
    policy->protocols =
        sl_allocate_zeroed(policy->allocator, policy->protocols_size);
    if (policy->protocols == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    while (at < list.size) {
        size_t size = (unsigned char)list.data[at];

        if (size == 0 || size > list.size - at - 1 ||
            memchr(list.data + at + 1, '\0', size) != NULL)
            return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                           "alpn: malformed list of protocols");
        memcpy(policy->protocols + at, list.data + at + 1, size);
        at += size + 1;
    }
    return SL_OK;
}

enum sl_status sl_tls_policy_init(struct sl_tls_policy *policy,
                                  struct sl_allocator *allocator,
                                  const struct sl_tls_options *options,
                                  struct sl_failure *failure)
{
    memset(policy, 0, sizeof *policy);
    policy->allocator = allocator;
    policy->protocols_size = options->alpn.size + 1;
    policy->key_log = -1;
    policy->verifies = options->verifies;
    policy->resumes = options->resumes;
    policy->verify = options->verify;
    if (options->pin_count > SL_TLS_PINS)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "more than %d pins (fixed)", SL_TLS_PINS);
    policy->pin_count = options->pin_count;
    memcpy(policy->pins, options->pins, sizeof policy->pins);
    return set_protocols(policy, options->alpn, failure);
}

void sl_tls_policy_fini(struct sl_tls_policy *policy)
{
    sl_free(policy->allocator, policy->protocols, policy->protocols_size);
    if (policy->key_log >= 0)
        close(policy->key_log);
}

enum sl_status sl_tls_policy_open_log(struct sl_tls_policy *policy,
                                      const char *path,
                                      struct sl_failure *failure)
{
    if (path == NULL)
        return SL_OK;
    policy->key_log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                           S_IRUSR | S_IWUSR);
    if (policy->key_log < 0)
        return sl_tls_file_fail("key_log", path, errno, failure);
    return SL_OK;
}

void sl_tls_policy_log(const struct sl_tls_policy *policy, struct sl_view line)
{
    /* One write per line: several processes may append to one file. A failed
     * write only costs a line of a debugging aid. */
    while (write(policy->key_log, line.data, line.size) < 0 && errno == EINTR)
        ;
}

const char *sl_tls_policy_protocol(const struct sl_tls_policy *policy,
                                   struct sl_view chosen)
{
    const char *name = policy->protocols;

    while (name != NULL && *name != '\0') {
        size_t size = strlen(name);

        if (sl_view_equal(sl_view(name, size), chosen))
            return name;
        name += size + 1;
    }
    return NULL;
}

enum sl_status sl_tls_policy_check_pin(const struct sl_tls_policy *policy,
                                       const unsigned char *pin,
                                       struct sl_failure *failure)
{
    /* Both are hashes of a key that the peer shows to everyone. */
    for (size_t i = 0; i < policy->pin_count; i++)
        if (memcmp(pin, policy->pins[i], SL_TLS_PIN_SIZE) == 0)
            return SL_OK;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "public key is none of those pinned");
}

enum sl_status sl_tls_policy_ask(const struct sl_tls_policy *policy,
                                 void *owner,
                                 const struct sl_tls_certificate *peer,
                                 struct sl_failure *failure)
{
    char reason[160] = "";

    if (policy->verify(owner, peer, reason, sizeof reason))
        return SL_OK;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "refused by the verify callback%s%s",
                   reason[0] != '\0' ? ": " : "", reason);
}
