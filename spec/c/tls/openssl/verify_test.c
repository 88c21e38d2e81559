#include "spec/c/tls/matrix.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t refused_cases;

static void try_case(const struct matrix_case *tried, struct server *server,
                     const struct sl_tls_options *options, void *argument)
{
    struct wire wire;
    struct sl_tls_info info;
    enum sl_status status;
    size_t consumed;
    char byte;

    (void)argument;
    REQUIRE(wire_init(&wire, server, options, 0) == SL_OK);
    status = wire_open(&wire, tried->host, "x");
    test_note("%s: %s", tried->title, wire.failure.reason);
    if (tried->reason == NULL) {
        CHECK_INT(status, SL_OK);
    } else {
        refused_cases++;
        CHECK_INT(status, SL_TLS);
        CHECK_INT(wire.failure.status, SL_TLS);
        CHECK_INT(wire.failure.stage, SL_STAGE_TLS);
        CHECK(strstr(wire.failure.reason, tried->reason) != NULL);
        /* No byte of a request leaves, whatever is tried. */
        CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("GET /"),
                                         &wire.in, &wire.out, &consumed,
                                         &wire.failure),
                  SL_TLS);
        CHECK_INT(wire.provider->handshake(wire.engine, &wire.in, &wire.out,
                                           &wire.failure),
                  SL_TLS);
        wire_to_server(&wire);
        wire_serve(&wire);
        CHECK_INT(wire_server_receive(&wire, &byte, 1), 0);
        wire.provider->info(wire.engine, &info);
        CHECK_STR(info.version, NULL);
        CHECK(!info.is_verified);
    }
    wire_fini(&wire);
}

TEST("refuses every bad certificate with its reason, before any request")
{
    refused_cases = 0;
    matrix_each(try_case, NULL);
    CHECK(refused_cases >= 40);
}

static void try_older(const struct matrix_case *tried, struct server *server,
                      const struct sl_tls_options *options, void *argument)
{
    struct sl_tls_options older = *options;

    older.max_version = SL_TLS_1_2;
    try_case(tried, server, &older, argument);
}

TEST("refuses them under TLS 1.2 as well")
{
    matrix_each(try_older, NULL);
}

TEST("refuses hosts that OpenSSL would not check")
{
    static const char *const hosts[] = {
        "",        ".",          ".a.test",       "a.test..", "a test",
        "a.test/", "a.test:443", "*.test",        "a\ntest",  "user@a.test",
        "[::1]",   "fe80::1%1",  "\xc3\xa4.test", "a.test\t",
    };
    struct scene scene;
    struct wire wire;
    char longest[258];

    for (size_t verifies = 0; verifies < 2; verifies++) {
        scene_init(&scene);
        scene.options.verifies = verifies > 0;
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
            test_note("host '%s'", hosts[i]);
            CHECK_INT(wire_connect(&wire, hosts[i], NULL), SL_INVALID);
            CHECK(wire.engine == NULL);
        }
        CHECK_INT(wire_connect(&wire, NULL, NULL), SL_INVALID);
        memset(longest, 'a', sizeof longest);
        longest[256] = '\0';
        CHECK_INT(wire_connect(&wire, longest, NULL), SL_INVALID);
        longest[255] = '\0';
        CHECK_INT(wire_connect(&wire, longest, NULL), SL_OK);
        wire_fini(&wire);
        scene_fini(&scene);
    }
}

TEST("accepts any certificate if verification is off, and reports that")
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_info info;
    struct issued bad;

    scene_init(&scene);
    bad = authority_issue(&(struct wish){.names = "DNS:b.test", .until = -1});
    server_fini(&scene.server);
    server_init(&scene.server, &bad, NULL);
    scene.options.verifies = false;
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    CHECK_INT(wire_open(&wire, "a.test", "a"), SL_OK);
    wire.provider->info(wire.engine, &info);
    CHECK(!info.is_verified);
    CHECK_STR(info.version, "TLSv1.3");
    wire_fini(&wire);
    authority_forget(&bad);
    scene_fini(&scene);
}

/* ---- pins ---- */

TEST("checks the public key against pins, also without verification")
{
    struct scene scene;
    struct wire wire;

    for (int verifies = 0; verifies < 2; verifies++) {
        scene_init(&scene);
        scene.options.verifies = verifies > 0;
        scene.options.pin_count = 2;
        memset(scene.options.pins[0], 7, SL_TLS_PIN_SIZE);
        authority_pin(scene.leaf.certificate, scene.options.pins[1]);
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
        CHECK_INT(wire_open(&wire, "a.test", "x"), SL_OK);
        wire_receive(&wire, 1);
        CHECK_INT(wire_open(&wire, "a.test", "x"), SL_OK); /* resumed */
        wire_fini(&wire);

        scene.options.pins[1][31] ^= 1;
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_TLS);
        CHECK_STR(wire.failure.reason, "public key is none of those pinned");
        wire_fini(&wire);
        scene_fini(&scene);
    }
}

TEST("refuses a good pin on a bad certificate")
{
    struct scene scene;
    struct wire wire;

    scene_init(&scene);
    scene.options.pin_count = 1;
    authority_pin(scene.leaf.certificate, scene.options.pins[0]);
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    CHECK_INT(wire_open(&wire, "b.test", NULL), SL_TLS);
    wire_fini(&wire);
    scene_fini(&scene);
}

/* ---- the callback ---- */

static size_t asked;
static bool answer;

static bool ask(void *owner, const struct sl_tls_certificate *peer,
                char *reason, size_t reason_size)
{
    asked++;
    CHECK(owner == NULL);
    CHECK_STR(peer->subject, "CN=leaf");
    CHECK_STR(peer->issuer, "CN=root");
    CHECK_STR(peer->names, "DNS:a.test, IP:127.0.0.1");
    CHECK_INT(strlen(peer->sha256), 64);
    if (!answer)
        snprintf(reason, reason_size, "not on a %s", "Friday");
    return answer;
}

TEST("asks the callback last, which can only refuse")
{
    struct scene scene;
    struct wire wire;
    size_t consumed;

    scene_init(&scene);
    scene.options.verify = ask;
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    asked = 0;
    answer = true;
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
    CHECK_INT(asked, 1);
    CHECK_INT(wire_open(&wire, "b.test", NULL), SL_TLS);
    CHECK_INT(asked, 1);
    CHECK_INT(wire_open(&wire, "a.test", "x"), SL_OK);
    wire_receive(&wire, 1);
    answer = false;
    /* Resumed or not, it is asked for each connection. */
    CHECK_INT(wire_open(&wire, "a.test", "x"), SL_TLS);
    CHECK_INT(asked, 3);
    CHECK_STR(wire.failure.reason,
              "refused by the verify callback: not on a Friday");
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("x"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_TLS);
    wire_fini(&wire);
    scene_fini(&scene);
}

int main(void)
{
    return test_main();
}
