#include "tls/openssl/record.h"

#include "spec/c/tls/wire.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Two ends that share their secrets. */
struct ends {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer wire; /* from near to far */
    struct sl_buffer back;
    struct sl_buffer plain;
    struct sl_openssl_records *near;
    struct sl_openssl_records *far;
    struct sl_failure failure;
};

static const SSL_CIPHER *find_cipher(SSL_CTX *context, unsigned id)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);

    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        if (SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(ciphers, i)) == id)
            return sk_SSL_CIPHER_value(ciphers, i);
    return NULL;
}

static void begin_with(struct ends *ends, unsigned id, size_t segment_size)
{
    struct sl_pool_options pool = {.segment_size = segment_size,
                                   .spare_limit = SIZE_MAX};
    struct sl_openssl_secret there = {"there", 32};
    struct sl_openssl_secret back = {"back", 32};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const SSL_CIPHER *cipher = find_cipher(context, id);

    if (id == 0x1302)
        there.size = back.size = 48;
    test_allocator_init(&ends->allocator);
    sl_pool_init(&ends->pool, &ends->allocator.base, &pool);
    sl_buffer_init(&ends->wire, &ends->pool, SIZE_MAX);
    sl_buffer_init(&ends->back, &ends->pool, SIZE_MAX);
    sl_buffer_init(&ends->plain, &ends->pool, SIZE_MAX);
    REQUIRE(cipher != NULL);
    ends->near = sl_openssl_records_create(&ends->allocator.base, cipher, &back,
                                           5, &there, 7);
    ends->far = sl_openssl_records_create(&ends->allocator.base, cipher, &there,
                                          7, &back, 5);
    REQUIRE(ends->near != NULL && ends->far != NULL);
    SSL_CTX_free(context);
}

static void begin(struct ends *ends)
{
    begin_with(ends, 0x1301, 0);
}

static void end(struct ends *ends)
{
    sl_openssl_records_destroy(ends->near);
    sl_openssl_records_destroy(ends->far);
    sl_buffer_fini(&ends->wire);
    sl_buffer_fini(&ends->back);
    sl_buffer_fini(&ends->plain);
    CHECK_INT(sl_pool_fini(&ends->pool), 0);
    test_allocator_fini(&ends->allocator);
}

/* Any inner bytes as a record of the near end's. */
static void put_inner(struct ends *ends, const void *inner, size_t size)
{
    struct sl_openssl_keys *keys = &ends->near->sending;
    size_t sealed = size + 16;
    unsigned char header[5] = {23, 3, 3, (unsigned char)(sealed >> 8),
                               (unsigned char)sealed};
    unsigned char nonce[12];
    unsigned char *bytes = malloc(sealed);
    int count;

    memcpy(nonce, keys->iv, sizeof nonce);
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (unsigned char)(keys->sequence >> (8 * i));
    keys->sequence++;
    CHECK(EVP_CipherInit_ex(keys->cipher, NULL, NULL, NULL, nonce, 1) == 1);
    CHECK(EVP_CipherUpdate(keys->cipher, NULL, &count, header, 5) == 1);
    if (size > 0)
        CHECK(EVP_CipherUpdate(keys->cipher, bytes, &count, inner, (int)size) ==
              1);
    CHECK(EVP_CipherFinal_ex(keys->cipher, bytes + size, &count) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_GET_TAG, 16,
                              bytes + size) == 1);
    CHECK_INT(sl_buffer_append(&ends->wire, sl_view((char *)header, 5)), SL_OK);
    CHECK_INT(sl_buffer_append(&ends->wire, sl_view((char *)bytes, sealed)),
              SL_OK);
    free(bytes);
}

/* Opens until something else than SL_OK comes. */
static enum sl_status open_all(struct ends *ends, size_t want)
{
    enum sl_status status = SL_OK;
    size_t count;

    while (status == SL_OK)
        status =
            sl_openssl_records_open(ends->far, &ends->wire, &ends->plain, want,
                                    &count, &ends->back, &ends->failure);
    return status;
}

/* What the far end answered, as the near end sees it. */
static enum sl_status open_answer(struct ends *ends)
{
    struct sl_buffer nothing;
    enum sl_status status = SL_OK;
    size_t count;

    sl_buffer_init(&nothing, &ends->pool, SIZE_MAX);
    while (status == SL_OK)
        status = sl_openssl_records_open(ends->near, &ends->back, &nothing, 100,
                                         &count, &ends->wire, &ends->failure);
    CHECK_INT(nothing.length, 0);
    sl_buffer_fini(&nothing);
    return status;
}

static void check_refused(struct ends *ends, const char *reason,
                          const char *alert)
{
    CHECK_INT(open_all(ends, 100), SL_TLS);
    CHECK_STR(ends->failure.reason, reason);
    CHECK_INT(open_answer(ends), SL_TLS);
    CHECK(strstr(ends->failure.reason, alert) != NULL);
}

TEST("carries content under each cipher, in segments of any size")
{
    static const unsigned ids[] = {0x1301, 0x1302, 0x1303};
    static const size_t segments[] = {23, 100, 1000, 16384};
    const size_t size = 100 * 1000;
    char *content = malloc(size);
    char *arrived = malloc(size);

    for (size_t i = 0; i < size; i++)
        content[i] = (char)(i * 31 + i / 253);
    for (size_t i = 0; i < 12; i++) {
        struct ends ends;
        size_t at = 0;

        begin_with(&ends, ids[i % 3], segments[i / 3]);
        while (at < size) {
            size_t consumed;
            size_t part = 1 + at % 30000;

            if (part > size - at)
                part = size - at;
            CHECK_INT(
                sl_openssl_records_seal(ends.near, sl_view(content + at, part),
                                        &ends.wire, &consumed, &ends.failure),
                SL_OK);
            at += consumed;
        }
        CHECK_INT(open_all(&ends, 777), SL_AGAIN);
        CHECK_INT(sl_buffer_copy_out(&ends.plain, 0, arrived, size), size);
        CHECK(memcmp(content, arrived, size) == 0);
        CHECK_INT(ends.wire.length, 0);
        end(&ends);
    }
    free(content);
    free(arrived);
}

TEST("removes padding, and ignores empty records")
{
    struct ends ends;
    char inner[600] = "content\x17";
    size_t count;

    begin(&ends);
    put_inner(&ends, inner, sizeof inner);
    put_inner(&ends, "\x17", 1);
    put_inner(&ends, "\x17\0\0\0", 4);
    put_inner(&ends, "x\0\x17", 3);
    CHECK_INT(open_all(&ends, 100), SL_AGAIN);
    CHECK_INT(ends.plain.length, 9);
    CHECK_BYTES(sl_buffer_peek(&ends.plain).data,
                sl_buffer_peek(&ends.plain).size, "contentx\0", 9);
    put_inner(&ends, "\x17", 1);
    CHECK_INT(sl_openssl_records_open(ends.far, &ends.wire, &ends.plain, 100,
                                      &count, &ends.back, &ends.failure),
              SL_OK);
    CHECK_INT(count, 0);
    end(&ends);
}

TEST("returns nothing before the tag is verified")
{
    struct ends ends;

    for (size_t flip = 0; flip < 5 + 7 + 1 + 16; flip++) {
        char bytes[64];
        size_t consumed;
        size_t size;

        begin(&ends);
        CHECK_INT(sl_openssl_records_seal(ends.near, SL_VIEW("content"),
                                          &ends.wire, &consumed, &ends.failure),
                  SL_OK);
        size = sl_buffer_copy_out(&ends.wire, 0, bytes, sizeof bytes);
        CHECK_INT(size, 29);
        sl_buffer_reset(&ends.wire);
        bytes[flip] ^= 0x20;
        sl_buffer_append(&ends.wire, sl_view(bytes, size));
        test_note("byte %zu", flip);
        /* A longer record is waited for; its rest does not come. */
        if (flip == 4 || flip == 3)
            CHECK(open_all(&ends, 100) != SL_OK);
        else
            CHECK_INT(open_all(&ends, 100), SL_TLS);
        CHECK_INT(ends.plain.length, 0);
        end(&ends);
    }
}

TEST("refuses a replayed or reordered record")
{
    struct ends ends;
    char bytes[64];
    size_t consumed;
    size_t size;

    begin(&ends);
    sl_openssl_records_seal(ends.near, SL_VIEW("one"), &ends.wire, &consumed,
                            &ends.failure);
    size = sl_buffer_copy_out(&ends.wire, 0, bytes, sizeof bytes);
    CHECK_INT(open_all(&ends, 100), SL_AGAIN);
    sl_buffer_append(&ends.wire, sl_view(bytes, size));
    check_refused(&ends, "a record is corrupt", "refuses with alert 20");
    end(&ends);
}

TEST("refuses records that are not of TLS 1.3")
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *reason;
    } rows[] = {
        {"\x14\3\3\0\1\1", 6, "an unexpected record"},
        {"\x15\3\3\0\2\1\0", 7, "an unexpected record"},
        {"\x16\3\3\0\4\0\0\0\0", 9, "an unexpected record"},
        {"HTTP/1.1 200 OK\r\n", 17, "an unexpected record"},
        {"\x17\2\3\0\x20", 5, "an unexpected record"},
        {"\x17\3\3\x41\1", 5, "a record is too long"},
        {"\x17\3\3\0\x10", 5, "a record is corrupt"},
        {"\x17\3\3\0\0", 5, "a record is corrupt"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ends ends;

        begin(&ends);
        sl_buffer_append(&ends.wire, sl_view(rows[i].bytes, rows[i].size));
        CHECK_INT(open_all(&ends, 100), SL_TLS);
        CHECK_STR(ends.failure.reason, rows[i].reason);
        end(&ends);
    }
}

TEST("refuses types that a record may not contain")
{
    static const struct {
        const char *inner;
        size_t size;
        const char *reason;
    } rows[] = {
        {"\0\0\0\0", 4, "a record of no kind"},
        {"x\x14", 2, "a record of no kind"},
        {"x\x63", 2, "a record of no kind"},
        {"\x16", 1, "an empty message"},
        {"\1\x15", 2, "a malformed alert"},
        {"\1\0\0\x15", 4, "a malformed alert"},
        {"\0\0\0\0\x16", 5, "an unexpected message"}, /* request */
        {"\x0d\0\0\1x\x16", 6, "an unexpected message"},
        {"\x18\0\0\2\0\0\x16", 7, "an unexpected message"},
        {"\x18\0\0\1\2\x16", 6, "a malformed key update"},
        {"\x18\0\0\1\0\x04\x16", 7, "a malformed key update"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ends ends;

        begin(&ends);
        test_note("row %zu", i);
        /* 0x15 without its last zero: padding hides it */
        put_inner(&ends, rows[i].inner, rows[i].size);
        CHECK_INT(open_all(&ends, 100), SL_TLS);
        CHECK_STR(ends.failure.reason, rows[i].reason);
        CHECK(ends.back.length > 0);
        end(&ends);
    }
}

TEST("refuses more than a record may hold, including padding")
{
    struct ends ends;
    char *inner = calloc(1, 16640);

    memset(inner, 'x', 16384);
    inner[16384] = 23;
    begin(&ends);
    put_inner(&ends, inner, 16385);
    CHECK_INT(open_all(&ends, 100000), SL_AGAIN);
    CHECK_INT(ends.plain.length, 16384);
    inner[16383] = 23; /* RFC 8446 5.4: one byte less, and one of padding */
    inner[16384] = 0;
    put_inner(&ends, inner, 16385);
    CHECK_INT(open_all(&ends, 100000), SL_AGAIN);
    CHECK_INT(ends.plain.length, 16384 + 16383);
    put_inner(&ends, inner, 16386);
    CHECK_INT(open_all(&ends, 100000), SL_TLS);
    CHECK_STR(ends.failure.reason, "a record is too long");
    CHECK_INT(open_answer(&ends), SL_TLS);
    CHECK(strstr(ends.failure.reason, "refuses with alert 22") != NULL);
    end(&ends);
    free(inner);
}

TEST("ignores tickets, however they are cut into records")
{
    struct ends ends;
    /* Two tickets of 5 and 0 bytes. */
    static const char tickets[] = "\4\0\0\5abcde\4\0\0\0";

    begin(&ends);
    for (size_t cut = 1; cut < sizeof tickets - 1; cut++) {
        char inner[32];

        memcpy(inner, tickets, cut);
        inner[cut] = 22;
        put_inner(&ends, inner, cut + 1);
        memcpy(inner, tickets + cut, sizeof tickets - 1 - cut);
        inner[sizeof tickets - 1 - cut] = 22;
        put_inner(&ends, inner, sizeof tickets - cut);
        put_inner(&ends, "x\x17", 2);
        CHECK_INT(open_all(&ends, 100), SL_AGAIN);
        CHECK_INT(ends.plain.length, cut);
    }
    /* Nothing may stand between the parts of a message. */
    put_inner(&ends, "\4\0\0\5ab\x16", 7);
    put_inner(&ends, "x\x17", 2);
    check_refused(&ends, "half a message", "refuses with alert 10");
    end(&ends);
}

TEST("follows key updates, and answers those that ask for it")
{
    struct ends ends;
    size_t consumed;

    begin(&ends);
    ends.near->sending.sequence = 1 << 24; /* time for new keys */
    ends.far->receiving.sequence = 1 << 24;
    CHECK_INT(sl_openssl_records_seal(ends.near, SL_VIEW("fresh"), &ends.wire,
                                      &consumed, &ends.failure),
              SL_OK);
    CHECK_INT(ends.near->sending.sequence, 1);
    CHECK_INT(open_all(&ends, 100), SL_AGAIN);
    CHECK_VIEW(sl_buffer_peek(&ends.plain), "fresh");
    CHECK_INT(ends.far->receiving.sequence, 1);
    CHECK_INT(ends.back.length, 0);
    sl_buffer_reset(&ends.plain);

    /* One that asks: both directions change. */
    put_inner(&ends, "\x18\0\0\1\1\x16", 6);
    CHECK_INT(open_all(&ends, 100), SL_AGAIN);
    CHECK(ends.back.length > 0);
    CHECK_INT(ends.far->sending.sequence, 0);
    CHECK_INT(open_answer(&ends), SL_AGAIN);
    CHECK_INT(ends.near->receiving.sequence, 0);
    end(&ends);
}

TEST("never reuses a nonce of a key, even if new keys cannot be made")
{
    struct ends ends;

    for (int asks = 0; asks < 2; asks++) {
        begin_with(&ends, 0x1302, 0);
        /* Secrets of 16 bytes, and none of the 32 that the cipher needs. */
        ends.far->hash = EVP_md5();
        ends.far->receiving.secret.size = 16;
        put_inner(&ends, asks ? "\x18\0\0\1\1\x16" : "\x18\0\0\1\0\x16", 6);
        CHECK_INT(open_all(&ends, 100), SL_MEMORY);
        CHECK(ends.far->is_broken);
        CHECK_INT(ends.far->receiving.sequence, 8);
        CHECK_INT(ends.far->sending.sequence, 5);
        end(&ends);
    }

    begin_with(&ends, 0x1302, 0);
    ends.far->hash = EVP_md5();
    ends.far->sending.secret.size = 16;
    ends.far->sending.sequence = 1 << 24;
    CHECK_INT(sl_openssl_records_seal(ends.far, SL_VIEW("x"), &ends.back,
                                      &(size_t){0}, &ends.failure),
              SL_MEMORY);
    CHECK_INT(ends.far->sending.sequence, (1 << 24) + 1);
    end(&ends);
}

TEST("distinguishes the end, a cancellation and a refusal")
{
    struct ends ends;

    begin(&ends);
    put_inner(&ends, "\1\x5a\x15", 3); /* user_canceled: the end follows */
    CHECK_INT(open_all(&ends, 100), SL_AGAIN);
    sl_openssl_records_close(ends.near, &ends.wire);
    CHECK_INT(open_all(&ends, 100), SL_END);
    CHECK_INT(open_all(&ends, 100), SL_END);
    end(&ends);

    begin(&ends);
    put_inner(&ends, "\1\x5a\x15", 3); /* and is there already */
    sl_openssl_records_close(ends.near, &ends.wire);
    CHECK_INT(open_all(&ends, 100), SL_END);
    end(&ends);

    begin(&ends);
    put_inner(&ends, "\2\x28\x15", 3);
    CHECK_INT(open_all(&ends, 100), SL_TLS);
    CHECK(strstr(ends.failure.reason, "refuses with alert 40") != NULL);
    end(&ends);
}

TEST("keeps content for which there is no room or no request yet")
{
    struct ends ends;
    size_t consumed;
    size_t count;

    begin(&ends);
    sl_openssl_records_seal(ends.near, SL_VIEW("content"), &ends.wire,
                            &consumed, &ends.failure);
    ends.plain.max_size = 3;
    CHECK_INT(open_all(&ends, 2), SL_LIMIT);
    CHECK_VIEW(sl_buffer_peek(&ends.plain), "con");
    CHECK(!ends.far->is_broken);
    ends.plain.max_size = SIZE_MAX;
    CHECK_INT(sl_openssl_records_open(ends.far, &ends.wire, &ends.plain, 1,
                                      &count, &ends.back, &ends.failure),
              SL_OK);
    CHECK_INT(count, 1);
    CHECK_INT(open_all(&ends, 100), SL_AGAIN);
    CHECK_INT(ends.plain.length, 7);
    CHECK_INT(ends.wire.length, 0);
    end(&ends);
}

TEST("takes over only with a known cipher and its secrets")
{
    struct test_allocator allocator;
    struct sl_openssl_secret known = {"known", 32};
    struct sl_openssl_secret unknown = {"", 0};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const SSL_CIPHER *good = find_cipher(context, 0x1301);
    const SSL_CIPHER *older = find_cipher(context, 0xc02b);

    REQUIRE(good != NULL && older != NULL);
    test_allocator_init(&allocator);
    CHECK(sl_openssl_records_create(&allocator.base, older, &known, 0, &known,
                                    0) == NULL);
    CHECK(sl_openssl_records_create(&allocator.base, good, &unknown, 0, &known,
                                    0) == NULL);
    CHECK(sl_openssl_records_create(&allocator.base, good, &known, 0, &unknown,
                                    0) == NULL);
    test_allocator_fail(&allocator, TEST_FAIL_ONCE, 1);
    CHECK(sl_openssl_records_create(&allocator.base, good, &known, 0, &known,
                                    0) == NULL);
    test_allocator_fini(&allocator);
    SSL_CTX_free(context);
}

int main(void)
{
    return test_main();
}
