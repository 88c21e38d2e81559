#include "tls/policy.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct test_allocator allocator;

static enum sl_status begin(struct sl_tls_policy *policy,
                            const struct sl_tls_options *options,
                            struct sl_failure *failure)
{
    enum sl_status status;

    test_allocator_init(&allocator);
    status = sl_tls_policy_init(policy, &allocator.base, options, failure);
    if (status != SL_OK) {
        sl_tls_policy_fini(policy);
        test_allocator_fini(&allocator);
    }
    return status;
}

static void end(struct sl_tls_policy *policy)
{
    sl_tls_policy_fini(policy);
    test_allocator_fini(&allocator);
}

TEST("recognises the offered protocols, and no others")
{
    struct sl_tls_options options;
    struct sl_tls_policy policy;
    struct sl_failure failure;

    sl_tls_options_default(&options);
    options.alpn = SL_VIEW("\x08http/1.1\x02h2");
    REQUIRE(begin(&policy, &options, &failure) == SL_OK);
    CHECK_STR(sl_tls_policy_protocol(&policy, SL_VIEW("http/1.1")), "http/1.1");
    CHECK_STR(sl_tls_policy_protocol(&policy, SL_VIEW("h2")), "h2");
    CHECK(sl_tls_policy_protocol(&policy, SL_VIEW("h")) == NULL);
    CHECK(sl_tls_policy_protocol(&policy, SL_VIEW("")) == NULL);
    CHECK(sl_tls_policy_protocol(&policy, SL_VIEW("h2\0")) == NULL);
    end(&policy);
    options.alpn = SL_VIEW("");
    REQUIRE(begin(&policy, &options, &failure) == SL_OK);
    CHECK(sl_tls_policy_protocol(&policy, SL_VIEW("h2")) == NULL);
    end(&policy);
}

TEST("refuses a malformed list, and too many pins")
{
    static const struct sl_view lists[] = {
        {"\0", 1}, {"\2h", 2}, {"\2h2\0", 4}, {"\2h\0", 3}, {"\1a\3", 3}};
    struct sl_tls_options options;
    struct sl_tls_policy policy;
    struct sl_failure failure;

    sl_tls_options_default(&options);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        test_note("list %zu", i);
        options.alpn = lists[i];
        CHECK_INT(begin(&policy, &options, &failure), SL_INVALID);
        CHECK_STR(failure.reason, "alpn: malformed list of protocols");
    }
    sl_tls_options_default(&options);
    options.pin_count = SL_TLS_PINS + 1;
    CHECK_INT(begin(&policy, &options, &failure), SL_INVALID);
    CHECK_STR(failure.reason, "more than 16 pins (fixed)");
}

TEST("accepts a pinned key")
{
    unsigned char pin[SL_TLS_PIN_SIZE] = {1};
    struct sl_tls_options options;
    struct sl_tls_policy policy;
    struct sl_failure failure;

    sl_tls_options_default(&options);
    options.pin_count = 2;
    options.pins[1][0] = 1;
    REQUIRE(begin(&policy, &options, &failure) == SL_OK);
    CHECK_INT(sl_tls_policy_check_pin(&policy, pin, &failure), SL_OK);
    pin[SL_TLS_PIN_SIZE - 1] = 1;
    CHECK_INT(sl_tls_policy_check_pin(&policy, pin, &failure), SL_TLS);
    CHECK_STR(failure.reason, "public key is none of those pinned");
    end(&policy);
}

static bool judge(void *owner, const struct sl_tls_certificate *peer,
                  char *reason, size_t reason_size)
{
    const char *words = owner;

    (void)peer;
    if (words == NULL)
        return true;
    strncpy(reason, words, reason_size - 1);
    return false;
}

TEST("asks its owner, and passes on the reason for a refusal")
{
    struct sl_tls_certificate peer = {0};
    struct sl_tls_options options;
    struct sl_tls_policy policy;
    struct sl_failure failure;

    sl_tls_options_default(&options);
    options.verify = judge;
    REQUIRE(begin(&policy, &options, &failure) == SL_OK);
    CHECK_INT(sl_tls_policy_ask(&policy, NULL, &peer, &failure), SL_OK);
    CHECK_INT(sl_tls_policy_ask(&policy, (char[]){"too old"}, &peer, &failure),
              SL_TLS);
    CHECK_STR(failure.reason, "refused by the verify callback: too old");
    CHECK_INT(sl_tls_policy_ask(&policy, (char[]){""}, &peer, &failure),
              SL_TLS);
    CHECK_STR(failure.reason, "refused by the verify callback");
    end(&policy);
}

TEST("appends its lines to what the log already holds")
{
    char path[] = "/tmp/sluice-log-XXXXXX";
    struct sl_tls_options options;
    struct sl_tls_policy policy;
    struct sl_failure failure;
    char text[32];
    ssize_t size;
    int descriptor = mkstemp(path);

    REQUIRE(descriptor >= 0);
    CHECK_INT(write(descriptor, "before\n", 7), 7);
    sl_tls_options_default(&options);
    REQUIRE(begin(&policy, &options, &failure) == SL_OK);
    CHECK_INT(sl_tls_policy_open_log(&policy, NULL, &failure), SL_OK);
    CHECK_INT(policy.key_log, -1);
    CHECK_INT(sl_tls_policy_open_log(&policy, "/nonexistent/log", &failure),
              SL_TLS);
    CHECK_STR(failure.reason,
              "key_log /nonexistent/log: No such file or directory");
    CHECK_INT(sl_tls_policy_open_log(&policy, path, &failure), SL_OK);
    CHECK(fcntl(policy.key_log, F_GETFD) & FD_CLOEXEC);
    sl_tls_policy_log(&policy, SL_VIEW("a line\n"));
    end(&policy);
    size = pread(descriptor, text, sizeof text, 0);
    CHECK_BYTES(text, (size_t)size, "before\na line\n", 14);
    close(descriptor);
    unlink(path);
}

static void whole_life(struct sl_allocator *from, void *argument)
{
    struct sl_tls_options options;
    struct sl_tls_policy policy;
    struct sl_failure failure;
    enum sl_status status;

    (void)argument;
    sl_tls_options_default(&options);
    status = sl_tls_policy_init(&policy, from, &options, &failure);
    if (status != SL_OK) {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(from));
    }
    sl_tls_policy_fini(&policy);
}

TEST("survives every failing allocation")
{
    test_each_failure(whole_life, NULL);
}

int main(void)
{
    return test_main();
}
