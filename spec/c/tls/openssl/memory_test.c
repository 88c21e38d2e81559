/* Every allocation that OpenSSL makes for a connecting client fails in turn.
 *
 * A copy of the verification parameters whose result OpenSSL does not look at
 * has let wrong hosts pass: so no bad certificate may ever come through,
 * whatever fails. A program of its own: allocators are set before first use.
 */
#include "spec/c/tls/matrix.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool is_armed;
    size_t attempts;
    size_t fail_at; /* 0: never */
    enum test_failing failing;
    bool has_failed;
} shim;

static bool refuses(void)
{
    bool is_refused;

    if (!shim.is_armed)
        return false;
    shim.attempts++;
    is_refused =
        shim.fail_at > 0 &&
        (shim.attempts == shim.fail_at ||
         (shim.failing == TEST_FAIL_PAIR &&
          shim.attempts == shim.fail_at + 1) ||
         (shim.failing == TEST_FAIL_FROM && shim.attempts > shim.fail_at));
    shim.has_failed |= is_refused;
    return is_refused;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuses() ? NULL : malloc(size);
}

static void *resize(void *pointer, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuses() ? NULL : realloc(pointer, size);
}

static void let_go(void *pointer, const char *file, int line)
{
    (void)file;
    (void)line;
    free(pointer);
}

static void arm(bool begins)
{
    shim.is_armed = begins;
}

static void arm_from(size_t k, enum test_failing failing)
{
    shim.attempts = 0;
    shim.fail_at = k;
    shim.failing = failing;
    shim.has_failed = false;
}

struct sweep {
    const char *only; /* a case's title; NULL: all */
    enum test_failing failing;
    size_t step;
    size_t begin;
    size_t handshakes;
    size_t let_through;
};

static void sweep_case(const struct matrix_case *tried, struct server *server,
                       const struct sl_tls_options *options, void *argument)
{
    struct sweep *sweep = argument;
    struct wire wire;
    char byte = 0;
    size_t k;

    if (sweep->only != NULL && strcmp(sweep->only, tried->title) != 0)
        return;
    REQUIRE(wire_init(&wire, server, options, 0) == SL_OK);
    wire.around = arm;
    /* A different place to begin for each case: together they miss little. */
    sweep->begin = sweep->begin % sweep->step + 1;
    for (k = sweep->begin;; k += sweep->step) {
        enum sl_status status;

        arm_from(k, sweep->failing);
        status = wire_open(&wire, tried->host, "x");
        sweep->handshakes++;
        test_note("%s, allocation %zu: %s", tried->title, k,
                  wire.failure.reason);
        if (!shim.has_failed)
            break;
        if (status == SL_OK && tried->reason != NULL) {
            sweep->let_through++;
            CHECK(status != SL_OK);
        }
        if (status == SL_OK && tried->reason == NULL) {
            CHECK_INT(wire_send(&wire, "x", 1), SL_OK);
            CHECK_INT(wire_server_receive(&wire, &byte, 1), 1);
        }
    }
    CHECK(k > 200);
    /* The same context is good afterwards. */
    arm_from(0, TEST_FAIL_NEVER);
    CHECK_INT(wire_open(&wire, tried->host, NULL),
              tried->reason == NULL ? SL_OK : SL_TLS);
    wire_fini(&wire);
}

static void sweep_all(struct sweep sweep)
{
    matrix_each(sweep_case, &sweep);
    CHECK(sweep.handshakes > 1000 / sweep.step);
    CHECK_INT(sweep.let_through, 0);
}

/* SLUICE_TORTURE=1 leaves none out: a few minutes. */
static size_t step_of(size_t step)
{
    return getenv("SLUICE_TORTURE") != NULL ? 1 : step;
}

TEST("accepts no wrong name if an allocation fails")
{
    sweep_all((struct sweep){
        .only = "another name", .failing = TEST_FAIL_ONCE, .step = 1});
}

TEST("accepts no wrong address if an allocation fails")
{
    sweep_all((struct sweep){.only = "an address written as a name",
                             .failing = TEST_FAIL_ONCE,
                             .step = step_of(5)});
}

TEST("accepts no wrong name if two allocations or all others fail")
{
    sweep_all((struct sweep){
        .only = "another name", .failing = TEST_FAIL_PAIR, .step = step_of(7)});
    sweep_all((struct sweep){.only = "another name",
                             .failing = TEST_FAIL_FROM,
                             .step = step_of(17)});
}

TEST("accepts no bad certificate if an allocation fails")
{
    sweep_all((struct sweep){.failing = TEST_FAIL_ONCE, .step = step_of(61)});
}

/* One session of the right host, offered where another host is expected. */
static void open_good(struct wire *wire)
{
    arm_from(0, TEST_FAIL_NEVER);
    REQUIRE(wire_open(wire, "a.test", "x") == SL_OK);
    wire_server_send(wire, "x", 1); /* behind the tickets */
    CHECK_INT(wire_receive(wire, 1), SL_AGAIN);
}

static void sweep_resumed(enum sl_tls_version version,
                          enum test_failing failing, size_t step)
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_info info;
    size_t k;

    scene_init(&scene);
    scene.options.min_version = scene.options.max_version = version;
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    wire.around = arm;
    open_good(&wire);
    CHECK_INT(wire_open(&wire, "a.test", "x"), SL_OK);
    wire.provider->info(wire.engine, &info);
    CHECK(info.is_resumed);
    for (k = 1;; k += step) {
        enum sl_status status;

        open_good(&wire);
        arm_from(k, failing);
        status = wire_open(&wire, "b.test", "x");
        test_note("allocation %zu: %s", k, wire.failure.reason);
        CHECK(sl_is_failure(status));
        if (!shim.has_failed)
            break;
    }
    CHECK(strstr(wire.failure.reason, "is not for b.test") != NULL);
    CHECK(SSL_session_reused(scene.server.ssl));
    CHECK(k > 50);
    wire_fini(&wire);
    scene_fini(&scene);
}

TEST("accepts no wrong name for which a session is offered")
{
    sweep_resumed(SL_TLS_1_3, TEST_FAIL_ONCE, step_of(7));
    sweep_resumed(SL_TLS_1_2, TEST_FAIL_ONCE, step_of(7));
    sweep_resumed(SL_TLS_1_3, TEST_FAIL_PAIR, step_of(31));
    sweep_resumed(SL_TLS_1_3, TEST_FAIL_FROM, step_of(41));
}

int main(void)
{
    if (!CRYPTO_set_mem_functions(allocate, resize, let_go))
        return 1;
    return test_main();
}

TEST("hashes rightly or not at all if an allocation fails")
{
    unsigned char whole[SL_TLS_HASH_MAX];
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size;
    size_t k = 0;

    CHECK_INT(sl_tls_hash(SL_TLS_SHA256, SL_VIEW("abc"), whole, &size), SL_OK);
    do {
        enum sl_status status;

        arm_from(++k, TEST_FAIL_ONCE);
        arm(true);
        status = sl_tls_hash(SL_TLS_SHA256, SL_VIEW("abc"), hash, &size);
        arm(false);
        CHECK(status == SL_OK || status == SL_MEMORY);
        CHECK(status != SL_OK || memcmp(hash, whole, size) == 0);
    } while (shim.has_failed);
    CHECK(k > 1);
}

TEST("hashes pieces rightly or not at all if an allocation fails")
{
    const struct sl_tls_provider *provider = sl_tls_provider_find("openssl");
    unsigned char whole[SL_TLS_HASH_MAX];
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size;
    size_t k = 0;

    CHECK_INT(sl_tls_hash(SL_TLS_SHA512, SL_VIEW("abc"), whole, &size), SL_OK);
    do {
        struct sl_tls_hasher *hasher = NULL;
        enum sl_status status;

        arm_from(++k, TEST_FAIL_ONCE);
        arm(true);
        status = provider->hasher_create(SL_TLS_SHA512, &hasher);
        if (status == SL_OK)
            status = provider->hasher_update(hasher, SL_VIEW("abc"));
        if (status == SL_OK)
            status = provider->hasher_finish(hasher, hash, &size);
        if (hasher != NULL)
            provider->hasher_destroy(hasher);
        arm(false);
        CHECK(status == SL_OK || status == SL_MEMORY);
        CHECK(status != SL_OK || memcmp(hash, whole, size) == 0);
    } while (shim.has_failed);
    CHECK(k > 1);
}
