#include "tls/gnutls/session.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <string.h>

static void begin(struct test_allocator *allocator,
                  struct sl_gnutls_sessions *cache)
{
    test_allocator_init(allocator);
    sl_gnutls_sessions_init(cache, &allocator->base);
}

static void end(struct test_allocator *allocator,
                struct sl_gnutls_sessions *cache)
{
    sl_gnutls_sessions_fini(cache);
    CHECK_INT(cache->count, 0);
    test_allocator_fini(allocator);
}

/* Takes, checks what it is, and drops. */
static void check_next(struct sl_gnutls_sessions *cache, const char *identity,
                       int64_t now, const char *expected)
{
    struct sl_gnutls_session *session =
        sl_gnutls_sessions_take(cache, identity, now);

    if (expected == NULL) {
        CHECK(session == NULL);
        return;
    }
    REQUIRE(session != NULL);
    CHECK_VIEW(session->bytes, expected);
    sl_gnutls_sessions_drop(cache, session);
}

TEST("returns the newest session of an identity, and each once")
{
    struct test_allocator allocator;
    struct sl_gnutls_sessions cache;

    begin(&allocator, &cache);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("older"), true, 100);
    sl_gnutls_sessions_put(&cache, "two", SL_VIEW("other"), true, 100);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("newer"), true, 100);
    check_next(&cache, "one", 0, "newer");
    check_next(&cache, "one", 0, "older");
    check_next(&cache, "one", 0, NULL);
    check_next(&cache, "on", 0, NULL);
    check_next(&cache, "two", 0, "other");
    end(&allocator, &cache);
}

TEST("accepts sessions back that may be used again")
{
    struct test_allocator allocator;
    struct sl_gnutls_sessions cache;
    struct sl_gnutls_session *session;

    begin(&allocator, &cache);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("bytes"), false, 100);
    for (int i = 0; i < 3; i++) {
        session = sl_gnutls_sessions_take(&cache, "one", 99);
        REQUIRE(session != NULL);
        CHECK(!session->is_single_use);
        CHECK_INT(cache.count, 0);
        sl_gnutls_sessions_give_back(&cache, session);
    }
    CHECK_INT(cache.count, 1);
    end(&allocator, &cache);
}

TEST("drops expired sessions, and those of a forgotten identity")
{
    struct test_allocator allocator;
    struct sl_gnutls_sessions cache;

    begin(&allocator, &cache);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("a"), true, 100);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("b"), true, 50);
    sl_gnutls_sessions_put(&cache, "two", SL_VIEW("c"), true, 100);
    check_next(&cache, "one", 50, "a");
    CHECK_INT(cache.count, 1);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("d"), true, 100);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("e"), true, 100);
    sl_gnutls_sessions_forget(&cache, "one");
    check_next(&cache, "one", 0, NULL);
    check_next(&cache, "two", 0, "c");
    end(&allocator, &cache);
}

TEST("is bounded, and drops the oldest for a new one")
{
    struct test_allocator allocator;
    struct sl_gnutls_sessions cache;
    char identity[32];

    begin(&allocator, &cache);
    for (int i = 0; i < 2 * SL_GNUTLS_SESSIONS; i++) {
        snprintf(identity, sizeof identity, "identity %d", i);
        sl_gnutls_sessions_put(&cache, identity, SL_VIEW("bytes"), true, 100);
    }
    CHECK_INT(cache.count, SL_GNUTLS_SESSIONS);
    check_next(&cache, "identity 0", 0, NULL);
    check_next(&cache, identity, 0, "bytes");
    end(&allocator, &cache);
}

TEST("keeps nothing if there is no memory")
{
    struct test_allocator allocator;
    struct sl_gnutls_sessions cache;

    begin(&allocator, &cache);
    test_allocator_fail(&allocator, TEST_FAIL_ONCE, 1);
    sl_gnutls_sessions_put(&cache, "one", SL_VIEW("bytes"), true, 100);
    CHECK_INT(cache.count, 0);
    check_next(&cache, "one", 0, NULL);
    end(&allocator, &cache);
}

int main(void)
{
    return test_main();
}
