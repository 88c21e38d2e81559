#include "tls/text.h"

#include "spec/c/support/test.h"

#include <string.h>

static char room[256];

static struct sl_tls_text begin(void)
{
    return sl_tls_text_begin(room, sizeof room);
}

TEST("lists names and addresses, and escapes what a name must not contain")
{
    struct sl_tls_text text = begin();

    sl_tls_text_put_name(&text, SL_VIEW("a\0b, \\\x7f\xff"), true);
    sl_tls_text_put_address(&text, SL_VIEW("\x0a\0\0\1"), false);
    sl_tls_text_put_address(
        &text, SL_VIEW("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), false);
    sl_tls_text_put_address(&text, SL_VIEW("\1\2\3"), false);
    sl_tls_text_put_name(&text, SL_VIEW("*.b.test"), false);
    CHECK_STR(sl_tls_text_finish(&text),
              "DNS:a\\x00b\\x2c\\x20\\x5c\\x7f\\xff, IP:10.0.0.1, "
              "IP:2001:db8:0:0:0:0:0:1, IP:malformed, DNS:*.b.test");
}

TEST("writes times and hashes")
{
    struct tm time = {.tm_year = 124, .tm_mon = 4, .tm_mday = 1, .tm_sec = 9};
    struct sl_tls_text text = begin();

    sl_tls_text_put_time(&text, &time);
    sl_tls_text_put_time(&text, NULL);
    sl_tls_text_put_hex(&text, SL_VIEW("\0\x7f\xff"));
    CHECK_STR(sl_tls_text_finish(&text), "2024-05-01T00:00:09Zmalformed007fff");
}

TEST("shortens to its room and marks that, but counts everything")
{
    static const char *const expected[] = {"",     "a",     "ab",     "abc",
                                           "a...", "ab...", "abcdef", "abcdef"};
    size_t size;

    for (size = 1; size <= 8; size++) {
        char *data = guard_copy("........", size);
        struct sl_tls_text text = sl_tls_text_begin(data, size);

        test_note("%zu bytes", size);
        sl_tls_text_put(&text, SL_VIEW("abc"));
        sl_tls_text_put(&text, SL_VIEW("def"));
        CHECK_INT(text.size, 6);
        CHECK_STR(sl_tls_text_finish(&text), expected[size - 1]);
        guard_free(data);
    }
}

struct script {
    int calls;
    int fails_at;  /* this call answers false */
    int longer_at; /* this one writes more than the others */
};

static bool write_script(struct sl_tls_text *text, void *argument)
{
    static const char *const words[] = {"subject", "issuer", "names", "from",
                                        "until"};
    struct script *script = argument;

    script->calls++;
    for (size_t i = 0; i < 5; i++) {
        sl_tls_text_put(text, sl_view(words[i], strlen(words[i])));
        if (i == 4 && script->calls == script->longer_at)
            sl_tls_text_put(text, SL_VIEW("s"));
        sl_tls_text_end(text);
    }
    return script->calls != script->fails_at;
}

static const struct sl_tls_digests digests = {{1, 2, 3}, {0xab}};

TEST("keeps the texts of a certificate in one block, for all who hold it")
{
    struct test_allocator allocator;
    struct sl_tls_texts *texts;
    struct script script = {0};

    test_allocator_init(&allocator);
    REQUIRE(sl_tls_texts_create(&allocator.base, &digests, write_script,
                                &script, &texts) == SL_OK);
    CHECK_INT(allocator.blocks, 1);
    CHECK_STR(texts->view.subject, "subject");
    CHECK_STR(texts->view.issuer, "issuer");
    CHECK_STR(texts->view.names, "names");
    CHECK_STR(texts->view.not_before, "from");
    CHECK_STR(texts->view.not_after, "until");
    CHECK_INT(strlen(texts->view.sha256), 64);
    CHECK(strncmp(texts->view.sha256, "01020300", 8) == 0);
    CHECK_INT(strlen(texts->view.spki_sha256), 64);
    CHECK(strncmp(texts->view.spki_sha256, "ab00", 4) == 0);
    CHECK_BYTES(texts->digest, 32, digests.certificate, 32);
    texts->refs++;
    sl_tls_texts_release(texts);
    CHECK_STR(texts->view.names, "names");
    sl_tls_texts_release(texts);
    sl_tls_texts_release(NULL);
    test_allocator_fini(&allocator);
}

TEST("makes no incomplete text")
{
    struct script scripts[] = {
        {.fails_at = 1}, {.fails_at = 2}, {.longer_at = 1}, {.longer_at = 2}};

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct test_allocator allocator;
        struct sl_tls_texts *texts = NULL;

        test_note("script %zu", i);
        test_allocator_init(&allocator);
        CHECK_INT(sl_tls_texts_create(&allocator.base, &digests, write_script,
                                      &scripts[i], &texts),
                  SL_MEMORY);
        CHECK(texts == NULL);
        test_allocator_fini(&allocator);
    }
}

static void create_failing(struct sl_allocator *allocator, void *argument)
{
    struct sl_tls_texts *texts = NULL;
    struct script script = {0};
    enum sl_status status =
        sl_tls_texts_create(allocator, &digests, write_script, &script, &texts);

    (void)argument;
    if (status != SL_OK) {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    sl_tls_texts_release(texts);
}

TEST("survives every failing allocation")
{
    test_each_failure(create_failing, NULL);
}

int main(void)
{
    return test_main();
}
