#include "tls/openssl/certificate.h"

#include "spec/c/support/test.h"
#include "spec/c/tls/authority.h"

#include <stdio.h>
#include <string.h>

static void check_names(const struct wish *wish, const char *expected)
{
    struct issued issued = authority_issue(wish);
    struct test_allocator allocator;
    struct sl_tls_texts *texts = NULL;

    test_allocator_init(&allocator);
    CHECK_INT(sl_openssl_certificate_texts(&allocator.base, issued.certificate,
                                           &texts),
              SL_OK);
    if (texts != NULL)
        CHECK_STR(texts->view.names, expected);
    sl_tls_texts_release(texts);
    test_allocator_fini(&allocator);
    authority_forget(&issued);
}

TEST("lists names and addresses in their order, and nothing else")
{
    check_names(&(struct wish){.names = "DNS:a.test,IP:10.0.0.1,"
                                        "email:x@a.test,URI:http://a.test/,"
                                        "IP:2001:db8::1,DNS:*.b.test"},
                "DNS:a.test, IP:10.0.0.1, IP:2001:db8:0:0:0:0:0:1, "
                "DNS:*.b.test");
    check_names(&(struct wish){.common_name = "a.test"}, "");
}

TEST("escapes what a name must not contain")
{
    check_names(
        &(struct wish){.raw_name = "a\0b, \\\x7f\xff", .raw_name_size = 8},
        "DNS:a\\x00b\\x2c\\x20\\x5c\\x7f\\xff");
}

TEST("reports subject, issuer, dates and hashes")
{
    struct issued issued = authority_issue(
        &(struct wish){.common_name = "\xc3\xa4, b\n", .from = -100});
    unsigned char pin[32];
    char hex[65];
    struct test_allocator allocator;
    struct sl_tls_texts *texts = NULL;

    test_allocator_init(&allocator);
    REQUIRE(sl_openssl_certificate_texts(&allocator.base, issued.certificate,
                                         &texts) == SL_OK);
    CHECK_STR(texts->view.subject, "CN=\\C3\\A4\\, b\\0A");
    CHECK_STR(texts->view.issuer, texts->view.subject);
    CHECK_INT(strlen(texts->view.not_before), 20);
    CHECK_INT(strlen(texts->view.not_after), 20);
    CHECK(strcmp(texts->view.not_before, texts->view.not_after) < 0);
    authority_pin(issued.certificate, pin);
    for (size_t i = 0; i < sizeof pin; i++)
        snprintf(hex + 2 * i, 3, "%02x", pin[i]);
    CHECK_STR(texts->view.spki_sha256, hex);
    CHECK_INT(strlen(texts->view.sha256), 64);
    CHECK(strcmp(texts->view.sha256, hex) != 0);
    sl_tls_texts_release(texts);
    test_allocator_fini(&allocator);
    authority_forget(&issued);
}

TEST("shortens texts to their room and marks that")
{
    struct issued issued = authority_issue(&(struct wish){
        .common_name = "a name", .names = "DNS:a.test,DNS:b.test,DNS:c.test"});
    char text[24];
    char tiny[4];

    CHECK_STR(sl_openssl_certificate_name(
                  X509_get_subject_name(issued.certificate), text, sizeof text),
              "CN=a name");
    CHECK_STR(
        sl_openssl_certificate_hosts(issued.certificate, text, sizeof text),
        "DNS:a.test, DNS:b.te...");
    CHECK_STR(
        sl_openssl_certificate_hosts(issued.certificate, tiny, sizeof tiny),
        "DNS");
    sl_openssl_certificate_time(X509_get0_notAfter(issued.certificate), text,
                                sizeof text);
    CHECK_INT(strlen(text), 20);
    CHECK_INT(text[10], 'T');
    CHECK_INT(text[19], 'Z');
    authority_forget(&issued);
}

static void texts_through_failures(struct sl_allocator *allocator,
                                   void *argument)
{
    struct issued *issued = argument;
    struct sl_tls_texts *texts = NULL;
    enum sl_status status =
        sl_openssl_certificate_texts(allocator, issued->certificate, &texts);

    if (status != SL_OK) {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
        CHECK(texts == NULL);
    }
    sl_tls_texts_release(texts);
}

TEST("makes no texts if there is no memory")
{
    struct issued issued = authority_issue(&(struct wish){.names = "DNS:a"});

    test_each_failure(texts_through_failures, &issued);
    authority_forget(&issued);
}

int main(void)
{
    return test_main();
}
