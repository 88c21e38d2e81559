#include "tls/provider.h"

#include "spec/c/support/test.h"
#include "spec/c/tls/framed.h"

#include <string.h>

TEST("finds a provider by its name, and the default without one")
{
    CHECK(sl_tls_provider_find(NULL) == sl_tls_providers[0]);
    CHECK(sl_tls_provider_find("openssl") != NULL);
    CHECK_STR(sl_tls_provider_find("openssl")->name, "openssl");
    CHECK(sl_tls_provider_find("nothing") == NULL);
    CHECK(sl_tls_provider_find("") == NULL);
}

TEST("has complete tables")
{
    for (size_t i = 0; sl_tls_providers[i] != NULL; i++) {
        const struct sl_tls_provider *provider = sl_tls_providers[i];

        CHECK(provider->random != NULL);
        CHECK(provider->name != NULL && provider->context_create != NULL &&
              provider->context_retain != NULL &&
              provider->context_release != NULL);
        CHECK(provider->engine_create != NULL &&
              provider->engine_destroy != NULL && provider->handshake != NULL &&
              provider->decrypt != NULL && provider->encrypt != NULL);
        CHECK(provider->close != NULL && provider->info != NULL &&
              provider->peer != NULL && provider->hash != NULL &&
              provider->hasher_create != NULL);
    }
}

/* RFC 1321 A.5, RFC 3174 7.3, FIPS 180-2 B.1 */
TEST("hashes by every provider as the standards do")
{
    static const unsigned char md5[] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2,
                                        0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d,
                                        0x28, 0xe1, 0x7f, 0x72};
    static const unsigned char sha1[] = {
        0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
        0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
    static const unsigned char sha256[] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size = 0;

    for (size_t i = 0; sl_tls_providers[i] != NULL; i++) {
        const struct sl_tls_provider *provider = sl_tls_providers[i];

        CHECK_INT(provider->hash(SL_TLS_MD5, SL_VIEW("abc"), hash, &size),
                  SL_OK);
        CHECK_INT(size, sizeof md5);
        CHECK(memcmp(hash, md5, size) == 0);
        CHECK_INT(provider->hash(SL_TLS_SHA1, SL_VIEW("abc"), hash, &size),
                  SL_OK);
        CHECK_INT(size, sizeof sha1);
        CHECK(memcmp(hash, sha1, size) == 0);
        CHECK_INT(provider->hash(SL_TLS_SHA256, SL_VIEW("abc"), hash, &size),
                  SL_OK);
        CHECK_INT(size, sizeof sha256);
        CHECK(memcmp(hash, sha256, size) == 0);
    }
    CHECK_INT(sl_tls_hash(SL_TLS_MD5, SL_VIEW("abc"), hash, &size), SL_OK);
    CHECK(memcmp(hash, md5, sizeof md5) == 0);
}

/* FIPS 180-2 C.1 */
static const unsigned char sha512[] = {
    0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba, 0xcc, 0x41, 0x73,
    0x49, 0xae, 0x20, 0x41, 0x31, 0x12, 0xe6, 0xfa, 0x4e, 0x89, 0xa9,
    0x7e, 0xa2, 0x0a, 0x9e, 0xee, 0xe6, 0x4b, 0x55, 0xd3, 0x9a, 0x21,
    0x92, 0x99, 0x2a, 0x27, 0x4f, 0xc1, 0xa8, 0x36, 0xba, 0x3c, 0x23,
    0xa3, 0xfe, 0xeb, 0xbd, 0x45, 0x4d, 0x44, 0x23, 0x64, 0x3c, 0xe8,
    0x0e, 0x2a, 0x9a, 0xc9, 0x4f, 0xa5, 0x4c, 0xa4, 0x9f};

/* The hash of "abc" in two pieces, cut at `at`. */
static void check_pieces(const struct sl_tls_provider *provider, size_t at)
{
    unsigned char hash[SL_TLS_HASH_MAX];
    struct sl_tls_hasher *hasher;
    size_t size = 0;

    REQUIRE(provider->hasher_create(SL_TLS_SHA512, &hasher) == SL_OK);
    CHECK_INT(provider->hasher_update(hasher, sl_view("abc", at)), SL_OK);
    CHECK_INT(provider->hasher_update(hasher, sl_view(&"abc"[at], 3 - at)),
              SL_OK);
    CHECK_INT(provider->hasher_finish(hasher, hash, &size), SL_OK);
    CHECK_INT(size, sizeof sha512);
    CHECK(memcmp(hash, sha512, size) == 0);
    provider->hasher_destroy(hasher);
}

TEST("hashes the same in pieces, by every provider")
{
    for (size_t i = 0; sl_tls_providers[i] != NULL; i++) {
        const struct sl_tls_provider *provider = sl_tls_providers[i];
        unsigned char hash[SL_TLS_HASH_MAX];
        struct sl_tls_hasher *hasher;
        size_t size = 0;

        for (size_t at = 0; at <= 3; at++)
            check_pieces(provider, at);
        CHECK_INT(provider->hash(SL_TLS_SHA512, SL_VIEW("abc"), hash, &size),
                  SL_OK);
        CHECK_INT(size, sizeof sha512);
        CHECK(memcmp(hash, sha512, size) == 0);
        REQUIRE(provider->hasher_create(SL_TLS_SHA256, &hasher) == SL_OK);
        provider->hasher_destroy(hasher); /* unfinished */
    }
}

TEST("gives random bytes, as many as asked for")
{
    for (size_t i = 0; sl_tls_providers[i] != NULL; i++) {
        unsigned char first[32];
        unsigned char second[32];

        memset(first, 0xaa, sizeof first);
        memset(second, 0xaa, sizeof second);
        CHECK_INT(sl_tls_providers[i]->random(first, 31), SL_OK);
        CHECK_INT(sl_tls_random(second, 31), SL_OK);
        CHECK(memcmp(first, second, 31) != 0);
        CHECK_INT(first[31], 0xaa);
        CHECK_INT(second[31], 0xaa);
    }
}

TEST("verifies, resumes and offers HTTP/1.1 by default")
{
    struct sl_tls_options options;

    memset(&options, 0xff, sizeof options);
    sl_tls_options_default(&options);
    CHECK(options.verifies);
    CHECK(options.resumes);
    CHECK_VIEW(options.alpn, "\x08http/1.1");
    CHECK_INT(options.min_version, SL_TLS_DEFAULT);
    CHECK_INT(options.max_version, SL_TLS_DEFAULT);
    CHECK(options.ca_file == NULL && options.ca_path == NULL);
    CHECK_INT(options.ca.size, 0);
    CHECK(options.key_log_file == NULL && options.verify == NULL);
    CHECK_INT(options.pin_count, 0);
}

/* ---- the provider without cryptography keeps the table's contract ---- */

struct side {
    struct sl_allocator *allocator;
    struct sl_pool pool;
    struct sl_buffer in;
    struct sl_buffer out;
    struct sl_buffer plain;
    struct sl_tls_context *context;
    struct sl_tls_engine *engine;
    struct sl_failure failure;
};

static enum sl_status begin(struct side *side, struct sl_allocator *allocator)
{
    struct sl_pool_options pool = {.segment_size = 23, .spare_limit = SIZE_MAX};
    struct sl_tls_options options;
    enum sl_status status;

    memset(side, 0, sizeof *side);
    sl_tls_options_default(&options);
    sl_pool_init(&side->pool, allocator, &pool);
    sl_buffer_init(&side->in, &side->pool, SIZE_MAX);
    sl_buffer_init(&side->out, &side->pool, SIZE_MAX);
    sl_buffer_init(&side->plain, &side->pool, SIZE_MAX);
    status = framed_provider.context_create(allocator, &options, &side->context,
                                            &side->failure);
    if (status == SL_OK)
        status = framed_provider.engine_create(
            side->context, &side->pool,
            &(struct sl_tls_engine_options){.host = "a.test", .identity = "a"},
            &side->engine, &side->failure);
    return status;
}

static void end(struct side *side)
{
    if (side->engine != NULL)
        framed_provider.engine_destroy(side->engine);
    if (side->context != NULL)
        framed_provider.context_release(side->context);
    sl_buffer_fini(&side->in);
    sl_buffer_fini(&side->out);
    sl_buffer_fini(&side->plain);
    CHECK_INT(sl_pool_fini(&side->pool), 0);
}

static void converse(const struct sl_view *pieces, size_t count, void *argument)
{
    struct test_allocator allocator;
    struct side side;
    enum sl_status status = SL_AGAIN;
    char bytes[64];
    size_t size = 0;
    char kind = 0;
    bool is_open = false;

    (void)argument;
    test_allocator_init(&allocator);
    REQUIRE(begin(&side, &allocator.base) == SL_OK);
    CHECK_INT(framed_provider.decrypt(side.engine, &side.in, &side.plain, 1,
                                      &side.out, &side.failure),
              SL_MISUSE);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(sl_buffer_append(&side.in, pieces[i]) == SL_OK);
        if (!is_open) {
            status = framed_provider.handshake(side.engine, &side.in, &side.out,
                                               &side.failure);
            is_open = status == SL_OK;
        }
        while (is_open && status == SL_OK)
            status = framed_provider.decrypt(side.engine, &side.in, &side.plain,
                                             3, &side.out, &side.failure);
        if (status == SL_AGAIN && is_open)
            status = SL_OK;
    }
    CHECK_INT(status, SL_END);
    CHECK_INT(sl_buffer_copy_out(&side.plain, 0, bytes, sizeof bytes), 11);
    CHECK_BYTES(bytes, 11, "one and two", 11);
    CHECK_INT(framed_take(&side.out, &kind, bytes, sizeof bytes, &size), SL_OK);
    CHECK_INT(kind, 'H');
    CHECK_BYTES(bytes, size, "a.test", 6);
    end(&side);
    test_allocator_fini(&allocator);
}

static void forget(void *forgotten)
{
    ++*(int *)forgotten;
}

static void forgets(const struct sl_tls_provider *provider)
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_tls_context *context;
    struct sl_tls_engine *engine;
    struct sl_tls_options options;
    struct sl_failure failure;
    int count = 0;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_tls_options_default(&options);
    options.ca_file = "/no/such/file";
    options.forget = forget;
    options.forgotten = &count;
    CHECK(provider->context_create(&allocator.base, &options, &context,
                                   &failure) != SL_OK);
    CHECK_INT(count, 0);

    options.ca_file = NULL;
    options.verifies = false;
    REQUIRE(provider->context_create(&allocator.base, &options, &context,
                                     &failure) == SL_OK);
    REQUIRE(provider->engine_create(context, &pool,
                                    &(struct sl_tls_engine_options){
                                        .host = "host.test", .identity = "x"},
                                    &engine, &failure) == SL_OK);
    provider->context_release(context);
    CHECK_INT(count, 0);
    provider->engine_destroy(engine);
    CHECK_INT(count, 1);
    sl_pool_fini(&pool);
    test_allocator_fini(&allocator);
}

TEST("reports once that the verify callback is gone")
{
    for (size_t i = 0; sl_tls_providers[i] != NULL; i++)
        forgets(sl_tls_providers[i]);
}

TEST("the provider without cryptography reads frames however they are cut")
{
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer wire;
    struct sl_view whole;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    sl_buffer_init(&wire, &pool, SIZE_MAX);
    framed_put(&wire, 'W', sl_view(NULL, 0));
    framed_put(&wire, 'D', SL_VIEW("one"));
    framed_put(&wire, 'K', sl_view(NULL, 0));
    framed_put(&wire, 'D', sl_view(NULL, 0));
    framed_put(&wire, 'D', SL_VIEW(" and two"));
    framed_put(&wire, 'C', sl_view(NULL, 0));
    REQUIRE(sl_buffer_gather(&wire, wire.length, &whole) == SL_OK);
    test_each_cut(whole, converse, NULL);
    sl_buffer_fini(&wire);
    sl_pool_fini(&pool);
    test_allocator_fini(&allocator);
}

static void live(struct sl_allocator *allocator, void *argument)
{
    struct side side;
    enum sl_status status = begin(&side, allocator);
    struct sl_tls_info info;
    size_t consumed = 0;

    (void)argument;
    if (status == SL_OK)
        status = framed_put(&side.in, 'W', sl_view(NULL, 0));
    if (status == SL_OK)
        status = framed_provider.handshake(side.engine, &side.in, &side.out,
                                           &side.failure);
    if (status == SL_OK)
        status =
            framed_provider.encrypt(side.engine, SL_VIEW("question"), &side.in,
                                    &side.out, &consumed, &side.failure);
    if (status == SL_OK) {
        CHECK_INT(consumed, 8);
        framed_provider.info(side.engine, &info);
        CHECK_STR(info.version, "framed");
        framed_provider.close(side.engine, &side.out);
        CHECK_INT(framed_provider.encrypt(side.engine, SL_VIEW("x"), &side.in,
                                          &side.out, &consumed, &side.failure),
                  SL_MISUSE);
    } else {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    end(&side);
}

TEST("the provider without cryptography survives failing allocations")
{
    test_each_failure(live, NULL);
}

TEST("the provider without cryptography refuses bad peers and garbage")
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *reason;
    } answers[] = {
        {"X\0\x04\x34\x35\x2a\x3f", 7, "nope"},
        {"W\0", 2, NULL}, /* not all there */
        {"D\0\0", 3, "not framed"},
    };

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct test_allocator allocator;
        struct side side;

        test_allocator_init(&allocator);
        REQUIRE(begin(&side, &allocator.base) == SL_OK);
        sl_buffer_append(&side.in, sl_view(answers[i].bytes, answers[i].size));
        for (int again = 0; again < 2; again++) {
            enum sl_status status = framed_provider.handshake(
                side.engine, &side.in, &side.out, &side.failure);

            CHECK_INT(status, answers[i].reason == NULL ? SL_AGAIN : SL_TLS);
            if (answers[i].reason != NULL)
                CHECK_STR(side.failure.reason, answers[i].reason);
        }
        end(&side);
        test_allocator_fini(&allocator);
    }
}

int main(void)
{
    return test_main();
}
