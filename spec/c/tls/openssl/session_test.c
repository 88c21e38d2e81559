#include "tls/openssl/session.h"

#include "spec/c/tls/wire.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The clock that OpenSSL and the cache read: the program's own stands before
 * the C library's. */
static time_t seconds_ahead;

time_t time(time_t *to)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += seconds_ahead;
    if (to != NULL)
        *to = now.tv_sec;
    return now.tv_sec;
}

static void begin_as(struct scene *scene, struct wire *wire,
                     enum sl_tls_version version)
{
    scene_init(scene);
    scene->options.max_version = version;
    REQUIRE(wire_init(wire, &scene->server, &scene->options, 0) == SL_OK);
}

static void end(struct scene *scene, struct wire *wire)
{
    wire_fini(wire);
    scene_fini(scene);
}

/* Connects and takes in what follows the handshake; whether it was resumed. */
static bool visit(struct wire *wire, const char *host, const char *identity)
{
    struct sl_tls_info info;

    test_note("%s", wire->failure.reason);
    REQUIRE(wire_open(wire, host, identity) == SL_OK);
    CHECK_INT(wire_receive(wire, 1), SL_AGAIN);
    wire->provider->info(wire->engine, &info);
    CHECK_INT(SSL_session_reused(wire->server->ssl), info.is_resumed);
    return info.is_resumed;
}

TEST("resumes sessions of the same identity, in both versions")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        struct sl_tls_info info;
        struct sl_tls_certificate peer;

        begin_as(&scene, &wire, versions[i]);
        CHECK(!visit(&wire, "a.test", "one"));
        CHECK(visit(&wire, "a.test", "one"));
        CHECK(visit(&wire, "a.test", "one"));
        wire.provider->info(wire.engine, &info);
        CHECK(info.is_verified);
        CHECK(wire.provider->peer(wire.engine, &peer));
        CHECK_STR(peer.names, "DNS:a.test, IP:127.0.0.1");
        end(&scene, &wire);
    }
}

TEST("never resumes for another identity, or without one")
{
    struct scene scene;
    struct wire wire;

    begin_as(&scene, &wire, SL_TLS_1_3);
    CHECK(!visit(&wire, "a.test", "one"));
    CHECK(!visit(&wire, "a.test", "two"));
    CHECK(!visit(&wire, "a.test", NULL));
    CHECK(visit(&wire, "a.test", "two"));
    CHECK(visit(&wire, "a.test", "one"));
    end(&scene, &wire);
}

TEST("offers no session if resumption is disabled")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;

        scene_init(&scene);
        scene.options.max_version = versions[i];
        scene.options.resumes = false;
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        CHECK(!visit(&wire, "a.test", "one"));
        CHECK(!visit(&wire, "a.test", "one"));
        end(&scene, &wire);
    }
}

TEST("checks the name again when it resumes")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;

        begin_as(&scene, &wire, versions[i]);
        CHECK(!visit(&wire, "127.0.0.1", "one"));
        /* An identity without the host would be the caller's mistake: it must
         * not become an open door. */
        CHECK_INT(wire_open(&wire, "127.0.0.2", "one"), SL_TLS);
        CHECK(strstr(wire.failure.reason, "not for 127.0.0.2") != NULL);
        end(&scene, &wire);
    }
}

TEST("refuses to resume after the certificate has expired")
{
    struct scene scene;
    struct wire wire;
    struct issued brief;

    begin_as(&scene, &wire, SL_TLS_1_3);
    brief = authority_issue(&(struct wish){
        .issuer = &scene.root, .names = "DNS:a.test", .until = 100});
    REQUIRE(SSL_CTX_use_cert_and_key(scene.server.context, brief.certificate,
                                     brief.key, NULL, 1));
    CHECK(!visit(&wire, "a.test", "one"));
    seconds_ahead = 50;
    CHECK(visit(&wire, "a.test", "one"));
    seconds_ahead = 150;
    CHECK_INT(wire_open(&wire, "a.test", "one"), SL_TLS);
    seconds_ahead = 0;
    test_note("%s", wire.failure.reason);
    CHECK(strstr(wire.failure.reason,
                 "certificate of the resumed session expired on 20") != NULL);
    authority_forget(&brief);
    end(&scene, &wire);
}

TEST("forgets the sessions of an identity whose handshake failed")
{
    struct scene scene;
    struct wire wire;

    begin_as(&scene, &wire, SL_TLS_1_2);
    CHECK(!visit(&wire, "a.test", "one"));
    wire.flip = 90;
    CHECK(wire_open(&wire, "a.test", "one") != SL_OK);
    wire.flip = 0;
    CHECK(!visit(&wire, "a.test", "one"));
    CHECK(visit(&wire, "a.test", "one"));
    end(&scene, &wire);
}

TEST("does a full handshake if the server has forgotten the session")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;

        begin_as(&scene, &wire, versions[i]);
        CHECK(!visit(&wire, "a.test", "one"));
        server_fini(&scene.server); /* its ticket keys are gone */
        server_init(&scene.server, &scene.leaf, NULL);
        CHECK(!visit(&wire, "a.test", "one"));
        CHECK(visit(&wire, "a.test", "one"));
        end(&scene, &wire);
    }
}

TEST("keeps nothing of a peer that the callback refused")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        struct wire other;

        begin_as(&scene, &wire, versions[i]);
        scene.options.pin_count = 1; /* which no key has */
        REQUIRE(wire_init(&other, &scene.server, &scene.options, 0) == SL_OK);
        CHECK_INT(wire_open(&other, "a.test", "one"), SL_TLS);
        CHECK_INT(wire_open(&other, "a.test", "one"), SL_TLS);
        CHECK(!SSL_session_reused(scene.server.ssl));
        wire_fini(&other);
        end(&scene, &wire);
    }
}

TEST("keeps a ticket that arrives after another connection has closed")
{
    struct scene scene;
    struct wire wire;
    struct wire other;

    begin_as(&scene, &wire, SL_TLS_1_3);
    REQUIRE(wire_open(&wire, "a.test", "one") == SL_OK);
    /* The context lives as long as its last engine. */
    wire.provider->context_release(wire.context);
    wire.context = NULL;
    CHECK_INT(wire_receive(&wire, 1), SL_AGAIN);
    REQUIRE(wire_init(&other, &scene.server, &scene.options, 0) == SL_OK);
    wire_fini(&other);
    end(&scene, &wire);
}

/* ---- the cache itself ---- */

static SSL_SESSION *make_session(int version, long age, long timeout)
{
    SSL_SESSION *session = SSL_SESSION_new();

    REQUIRE(session != NULL);
    SSL_SESSION_set_protocol_version(session, version);
    SSL_SESSION_set1_id(session, (const unsigned char *)"id", 2);
    SSL_SESSION_set_time(session, (long)time(NULL) - age);
    SSL_SESSION_set_timeout(session, timeout);
    return session;
}

TEST("returns a TLS 1.3 session once and a TLS 1.2 session repeatedly")
{
    struct test_allocator allocator;
    struct sl_openssl_sessions cache;
    struct sl_openssl_slot *slot;
    SSL_SESSION *newer = make_session(TLS1_3_VERSION, 0, 100);
    SSL_SESSION *older = make_session(TLS1_2_VERSION, 0, 100);
    SSL_SESSION *taken;

    test_allocator_init(&allocator);
    sl_openssl_sessions_init(&cache, &allocator.base);
    slot = sl_openssl_sessions_find(&cache, "one");
    REQUIRE(slot != NULL);
    sl_openssl_slot_put(slot, older);
    sl_openssl_slot_put(slot, newer);
    taken = sl_openssl_slot_take(slot);
    CHECK(taken == newer);
    SSL_SESSION_free(taken);
    for (int i = 0; i < 3; i++) {
        taken = sl_openssl_slot_take(slot);
        CHECK(taken == older);
        SSL_SESSION_free(taken);
    }
    sl_openssl_slot_release(slot);
    sl_openssl_sessions_fini(&cache);
    test_allocator_fini(&allocator);
}

TEST("ignores sessions that are too old, or from the future")
{
    struct test_allocator allocator;
    struct sl_openssl_sessions cache;
    struct sl_openssl_slot *slot;

    test_allocator_init(&allocator);
    sl_openssl_sessions_init(&cache, &allocator.base);
    slot = sl_openssl_sessions_find(&cache, "one");
    REQUIRE(slot != NULL);
    sl_openssl_slot_put(slot, make_session(TLS1_3_VERSION, 101, 100));
    sl_openssl_slot_put(slot, make_session(TLS1_2_VERSION, 100, 100));
    sl_openssl_slot_put(slot, make_session(TLS1_3_VERSION, -500, 1000));
    CHECK(sl_openssl_slot_take(slot) == NULL);
    CHECK_INT(slot->count, 0);
    sl_openssl_slot_release(slot);
    sl_openssl_sessions_fini(&cache);
    test_allocator_fini(&allocator);
}

TEST("keeps only the few newest sessions of an identity")
{
    struct test_allocator allocator;
    struct sl_openssl_sessions cache;
    struct sl_openssl_slot *slot;
    SSL_SESSION *last = NULL;
    SSL_SESSION *taken;

    test_allocator_init(&allocator);
    sl_openssl_sessions_init(&cache, &allocator.base);
    slot = sl_openssl_sessions_find(&cache, "one");
    REQUIRE(slot != NULL);
    for (int i = 0; i < 100; i++) {
        last = make_session(TLS1_3_VERSION, 0, 100);
        sl_openssl_slot_put(slot, last);
    }
    CHECK_INT(slot->count, SL_OPENSSL_SESSIONS);
    taken = sl_openssl_slot_take(slot);
    CHECK(taken == last);
    SSL_SESSION_free(taken);
    sl_openssl_slot_release(slot);
    sl_openssl_sessions_fini(&cache);
    test_allocator_fini(&allocator);
}

TEST("drops the least recently used identity; its holders keep it")
{
    struct test_allocator allocator;
    struct sl_openssl_sessions cache;
    struct sl_openssl_slot *held;
    struct sl_openssl_slot *slot;
    char identity[32];

    test_allocator_init(&allocator);
    sl_openssl_sessions_init(&cache, &allocator.base);
    held = sl_openssl_sessions_find(&cache, "held");
    REQUIRE(held != NULL);
    for (int i = 0; i < 3 * SL_OPENSSL_SLOTS; i++) {
        snprintf(identity, sizeof identity, "identity %d", i);
        slot = sl_openssl_sessions_find(&cache, identity);
        REQUIRE(slot != NULL);
        sl_openssl_slot_put(slot, make_session(TLS1_3_VERSION, 0, 100));
        sl_openssl_slot_release(slot);
        slot = sl_openssl_sessions_find(&cache, "identity 0");
        CHECK_INT(slot->count, 1); /* used all the time */
        sl_openssl_slot_release(slot);
    }
    CHECK_INT(cache.count, SL_OPENSSL_SLOTS);
    CHECK_INT(held->refs, 1);
    sl_openssl_slot_put(held, make_session(TLS1_3_VERSION, 0, 100));
    slot = sl_openssl_sessions_find(&cache, "held");
    CHECK(slot != held);
    CHECK_INT(slot->count, 0);
    sl_openssl_slot_release(slot);
    sl_openssl_sessions_fini(&cache);
    sl_openssl_slot_release(held);
    test_allocator_fini(&allocator);
}

int main(void)
{
    return test_main();
}
