/* tls/policy.h - the part of a context that all providers share
 *
 * Part of each provider's context, made from its options.
 */
#ifndef SL_TLS_POLICY_H
#define SL_TLS_POLICY_H

#include "tls/provider.h"

struct sl_tls_policy {
    struct sl_allocator *allocator;
    char *protocols; /* offered names, each ended by NUL, then one more; or
                      * NULL */
    size_t protocols_size;
    int key_log; /* descriptor, or -1 */
    bool verifies;
    bool resumes;
    bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                   char *reason, size_t reason_size);
    size_t pin_count;
    unsigned char pins[SL_TLS_PINS][SL_TLS_PIN_SIZE];
};

/* SL_INVALID (too many pins, a malformed list of protocols), SL_MEMORY: call
 * `fini` all the same. */
enum sl_status sl_tls_policy_init(struct sl_tls_policy *policy,
                                  struct sl_allocator *allocator,
                                  const struct sl_tls_options *options,
                                  struct sl_failure *failure);
void sl_tls_policy_fini(struct sl_tls_policy *policy);

/* NULL: none. SL_TLS. */
enum sl_status sl_tls_policy_open_log(struct sl_tls_policy *policy,
                                      const char *path,
                                      struct sl_failure *failure);
/* `line` ends with its newline. */
void sl_tls_policy_log(const struct sl_tls_policy *policy, struct sl_view line);

/* The offered name that is `chosen`; NULL: it was not offered (RFC 7301
 * 3.2). */
const char *sl_tls_policy_protocol(const struct sl_tls_policy *policy,
                                   struct sl_view chosen);

/* Whether `pin`, of the peer's leaf, is one of the policy's. SL_TLS. */
enum sl_status sl_tls_policy_check_pin(const struct sl_tls_policy *policy,
                                       const unsigned char *pin,
                                       struct sl_failure *failure);

/* Asks `verify`. SL_TLS: it refused. */
enum sl_status sl_tls_policy_ask(const struct sl_tls_policy *policy,
                                 void *owner,
                                 const struct sl_tls_certificate *peer,
                                 struct sl_failure *failure);

#endif
