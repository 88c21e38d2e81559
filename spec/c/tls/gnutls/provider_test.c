/* The provider over GnuTLS against an OpenSSL server. */
#include "spec/c/tls/lifetime.h"
#include "spec/c/tls/matrix.h"

#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

TEST("shakes hands, sends and receives in both versions")
{
    static const char *const names[] = {"TLSv1.2", "TLSv1.3"};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        struct sl_tls_info info;
        struct sl_tls_certificate peer;
        char bytes[16];

        begin_as(&scene, &wire, versions[i]);
        require_open(&wire, "a");
        wire.provider->info(wire.engine, &info);
        CHECK_STR(info.version, names[i]);
        CHECK(strstr(info.cipher, "AES_128_GCM") != NULL);
        CHECK(!info.is_resumed);
        CHECK(info.is_verified);
        CHECK_INT(wire_send(&wire, "question", 8), SL_OK);
        CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 8);
        CHECK_BYTES(bytes, 8, "question", 8);
        wire_server_send(&wire, "answer", 6);
        CHECK_INT(wire_receive(&wire, 4), SL_AGAIN);
        CHECK(holds(&wire.plain, "answer", 6));
        CHECK(wire.provider->peer(wire.engine, &peer));
        CHECK_STR(peer.subject, "CN=leaf");
        CHECK_STR(peer.issuer, "CN=root");
        CHECK_STR(peer.names, "DNS:a.test, IP:127.0.0.1");
        CHECK_INT(strlen(peer.not_before), 20);
        CHECK_INT(strlen(peer.not_after), 20);
        CHECK_INT(strlen(peer.sha256), 64);
        CHECK_INT(strlen(peer.spki_sha256), 64);
        end(&scene, &wire);
    }
}

TEST("shakes hands and decrypts whatever the cut")
{
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        size_t total;

        scene_init(&scene);
        scene.options.max_version = versions[i];
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 23) == SL_OK);
        wire.piece = 1;
        require_open(&wire, NULL);
        total = wire.handed;
        wire_server_send(&wire, "forty bytes of content, more or less", 36);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        CHECK(holds(&wire.plain, "forty bytes of content, more or less", 36));
        wire.piece = 0;
        for (wire.cut = 1; wire.cut < total; wire.cut += 7) {
            test_note("cut at %zu", wire.cut);
            CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
        }
        wire.cut = 0;
        for (wire.limit = 0; wire.limit < total - 16; wire.limit += 7) {
            test_note("stopped after %zu", wire.limit);
            CHECK_INT(wire_open(&wire, "a.test", NULL), SL_AGAIN);
        }
        end(&scene, &wire);
    }
}

TEST("never completes if a byte of the handshake is changed")
{
    struct scene scene;
    struct wire wire;
    size_t total;

    begin_as(&scene, &wire, SL_TLS_1_3);
    require_open(&wire, NULL);
    total = wire.handed;
    for (wire.flip = 1; wire.flip < total - 16; wire.flip += 5) {
        enum sl_status status = wire_open(&wire, "a.test", NULL);

        /* See the same test of the other provider. */
        test_note("byte %zu of about %zu", wire.flip, total);
        CHECK(status != SL_OK || wire.flip < 140);
    }
    end(&scene, &wire);
}

TEST("moves much content both ways")
{
    const size_t size = 300 * 1000;
    char *content = malloc(size);
    char *arrived = malloc(size);
    struct scene scene;
    struct wire wire;

    for (size_t i = 0; i < size; i++)
        content[i] = (char)(i * 7 + i / 251);
    begin(&scene, &wire, 0);
    require_open(&wire, NULL);
    CHECK_INT(wire_send(&wire, content, size), SL_OK);
    CHECK_INT(wire_server_receive(&wire, arrived, size), size);
    CHECK(memcmp(content, arrived, size) == 0);
    wire_server_send(&wire, content, size);
    CHECK_INT(wire_receive(&wire, 10000), SL_AGAIN);
    CHECK(holds(&wire.plain, content, size));
    end(&scene, &wire);
    free(content);
    free(arrived);
}

TEST("distinguishes close_notify from silence, and sends its own once")
{
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        char byte;
        size_t length;
        int result;

        begin_as(&scene, &wire, versions[i]);
        require_open(&wire, NULL);
        wire_server_send(&wire, "last", 4);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        SSL_shutdown(scene.server.ssl);
        CHECK_INT(wire_receive(&wire, 100), SL_END);
        CHECK_INT(wire_receive(&wire, 100), SL_END);
        CHECK(holds(&wire.plain, "last", 4));
        wire.provider->close(wire.engine, &wire.out);
        length = wire.out.length;
        CHECK(length > 0);
        wire.provider->close(wire.engine, &wire.out);
        CHECK_INT(wire.out.length, length);
        wire_to_server(&wire);
        result = SSL_read(scene.server.ssl, &byte, 1);
        CHECK_INT(SSL_get_error(scene.server.ssl, result),
                  SSL_ERROR_ZERO_RETURN);
        end(&scene, &wire);
    }
}

TEST("accepts key updates and tickets between content")
{
    struct scene scene;
    struct wire wire;
    char bytes[32];

    begin_as(&scene, &wire, SL_TLS_1_3);
    require_open(&wire, NULL);
    wire_server_send(&wire, "one ", 4);
    CHECK(SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_REQUESTED));
    wire_server_send(&wire, "two ", 4);
    CHECK(SSL_new_session_ticket(scene.server.ssl));
    wire_server_send(&wire, "three", 5);
    wire.piece = 5;
    CHECK_INT(wire_receive(&wire, 3), SL_AGAIN);
    CHECK(holds(&wire.plain, "one two three", 13));
    CHECK_INT(wire_send(&wire, "new keys", 8), SL_OK);
    CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 8);
    end(&scene, &wire);
}

TEST("refuses to renegotiate and goes on")
{
    struct scene scene;
    struct wire wire;

    begin_as(&scene, &wire, SL_TLS_1_2);
    require_open(&wire, NULL);
    CHECK(SSL_renegotiate(scene.server.ssl));
    SSL_do_handshake(scene.server.ssl);
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK_INT(wire.out.length, 26 + 5); /* an alert: no_renegotiation */
    end(&scene, &wire);
}

TEST("resumes sessions of the same identity only")
{
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        static const struct {
            const char *identity;
            bool is_resumed;
        } visits[] = {{"one", false}, {"one", true}, {"two", false},
                      {NULL, false},  {"one", true}, {"two", true}};

        begin_as(&scene, &wire, versions[i]);
        for (size_t k = 0; k < sizeof visits / sizeof *visits; k++) {
            struct sl_tls_info info;

            require_open(&wire, visits[k].identity);
            wire_server_send(&wire, "x", 1);
            CHECK_INT(wire_receive(&wire, 10), SL_AGAIN);
            wire.provider->info(wire.engine, &info);
            test_note("visit %zu in version %zu", k, i);
            CHECK_INT(info.is_resumed, visits[k].is_resumed);
            CHECK_INT(SSL_session_reused(scene.server.ssl), info.is_resumed);
        }
        /* The name is checked again, whatever the identity says. */
        CHECK_INT(wire_open(&wire, "b.test", "one"), SL_TLS);
        end(&scene, &wire);
    }
}

static size_t refused_cases;

static void try_case(const struct matrix_case *tried, struct server *server,
                     const struct sl_tls_options *options, void *argument)
{
    struct wire wire;
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
        CHECK(strlen(wire.failure.reason) > 10);
        CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("GET /"),
                                         &wire.in, &wire.out, &consumed,
                                         &wire.failure),
                  SL_TLS);
        wire_to_server(&wire);
        wire_serve(&wire);
        CHECK_INT(wire_server_receive(&wire, &byte, 1), 0);
    }
    wire_fini(&wire);
}

TEST("refuses every bad certificate, before any request")
{
    refused_cases = 0;
    matrix_each(try_case, NULL);
    CHECK(refused_cases >= 40);
}

TEST("reports what is wrong with a certificate and who was expected")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    CHECK_INT(wire_open(&wire, "b.test", NULL), SL_TLS);
    CHECK_STR(wire.failure.reason,
              "certificate is not for b.test but for DNS:a.test, IP:127.0.0.1");
    CHECK_INT(wire_open(&wire, "127.0.0.2", NULL), SL_TLS);
    CHECK_INT(wire_open(&wire, "127.0.0.1", NULL), SL_OK);
    CHECK_INT(wire_connect(&wire, "", NULL), SL_INVALID);
    CHECK_INT(wire_connect(&wire, ".a.test", NULL), SL_INVALID);
    end(&scene, &wire);
}

TEST("checks the public key against pins, also without verification")
{
    for (int verifies = 0; verifies < 2; verifies++) {
        struct scene scene;
        struct wire wire;

        scene_init(&scene);
        scene.options.verifies = verifies > 0;
        scene.options.pin_count = 1;
        authority_pin(scene.leaf.certificate, scene.options.pins[0]);
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
        wire_fini(&wire);
        scene.options.pins[0][0] ^= 1;
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_TLS);
        CHECK_STR(wire.failure.reason, "public key is none of those pinned");
        wire_fini(&wire);
        scene_fini(&scene);
    }
}

static bool answer;

static bool ask(void *owner, const struct sl_tls_certificate *peer,
                char *reason, size_t reason_size)
{
    (void)owner;
    CHECK_STR(peer->names, "DNS:a.test, IP:127.0.0.1");
    snprintf(reason, reason_size, "not today");
    return answer;
}

/* The alternative names of a certificate become bytes that are none. */
static void spoil(struct issued *issued)
{
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    REQUIRE(ASN1_OCTET_STRING_set(bytes, (const unsigned char *)"\x30\x7f", 2));
    extension =
        X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, bytes);
    REQUIRE(X509_add_ext(issued->certificate, extension, -1));
    REQUIRE(X509_sign(issued->certificate, issued->key, EVP_sha256()) > 0);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(bytes);
}

TEST("refuses a chain it cannot read, wherever, also without verification")
{
    struct scene scene;

    for (int place = 0; place < 2; place++) {
        struct issued bad;
        X509 *chain[3] = {NULL};
        struct wire wire;

        scene_init(&scene);
        bad = authority_issue(&(struct wish){.common_name = "bad"});
        spoil(&bad);
        chain[place] = bad.certificate;
        chain[1 - place] = scene.root.certificate;
        server_fini(&scene.server);
        server_init(&scene.server, &scene.leaf, chain);
        scene.options.verifies = false;
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_TLS);
        CHECK_STR(wire.failure.reason, "the peer's certificate cannot be read");
        end(&scene, &wire);
        authority_forget(&bad);
    }
}

TEST("asks the callback, which can only refuse")
{
    struct scene scene;
    struct wire wire;

    scene_init(&scene);
    scene.options.verify = ask;
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    answer = true;
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
    CHECK_INT(wire_open(&wire, "b.test", NULL), SL_TLS);
    answer = false;
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_TLS);
    CHECK_STR(wire.failure.reason, "refused by the verify callback: not today");
    end(&scene, &wire);
}

TEST("sends its certificate, from PEM or PKCS#12")
{
    struct scene scene;
    struct wire wire;
    struct issued client;
    char *key;
    char *pem;
    char *cert_file;
    char *key_file;

    scene_init(&scene);
    SSL_CTX_set_verify(scene.server.context,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(scene.server.context),
                        scene.root.certificate);
    client = authority_issue(
        &(struct wish){.issuer = &scene.root, .extended_usage = "clientAuth"});
    pem = authority_pem(client.certificate);
    key = authority_key_pem(client.key, "secret");
    cert_file = authority_file(pem, strlen(pem));
    key_file = authority_file(key, strlen(key));
    scene.options.cert_file = cert_file;
    scene.options.key_file = key_file;
    scene.options.key_password = "secret";
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
    wire_serve(&wire);
    CHECK(SSL_is_init_finished(scene.server.ssl));
    CHECK_INT(wire_receive(&wire, 1), SL_AGAIN);
    wire_fini(&wire);
    scene.options.key_password = "wrong";
    CHECK_INT(wire_init(&wire, &scene.server, &scene.options, 0), SL_TLS);
    CHECK(strncmp(wire.failure.reason, "key_file ", 9) == 0);
    wire_fini(&wire);
    remove(cert_file);
    remove(key_file);
    free(cert_file);
    free(key_file);
    free(pem);
    free(key);
    authority_forget(&client);
    scene_fini(&scene);
}

TEST("refuses PKCS#12 without a key or without its certificate")
{
    struct scene scene;
    struct wire wire;
    char *file;

    scene_init(&scene);
    for (int i = 0; i < 2; i++) {
        char expected[160];
        PKCS12 *bundle = PKCS12_create("", NULL, i == 0 ? NULL : scene.leaf.key,
                                       i == 0 ? scene.leaf.certificate : NULL,
                                       NULL, -1, -1, 0, 0, 0);
        unsigned char *bytes = NULL;
        int size = i2d_PKCS12(bundle, &bytes);

        REQUIRE(size > 0);
        file = authority_file(bytes, (size_t)size);
        scene.options.pkcs12_file = file;
        scene.options.key_password = "";
        CHECK_INT(wire_init(&wire, &scene.server, &scene.options, 0), SL_TLS);
        snprintf(expected, sizeof expected,
                 "pkcs12_file %s: lacks a key or its certificate", file);
        CHECK_STR(wire.failure.reason, expected);
        wire_fini(&wire);
        remove(file);
        free(file);
        OPENSSL_free(bytes);
        PKCS12_free(bundle);
    }
    scene_fini(&scene);
}

TEST("names the option that cannot be used")
{
    static const char *const missing = "/nonexistent/file";
    struct scene scene;
    struct wire wire;

    for (int i = 0; i < 6; i++) {
        static const char *const reasons[] = {
            "ca_file /nonexistent/file: No such file or directory",
            "ca_path /nonexistent/file: No such file or directory",
            "crl_file /nonexistent/file: No such file or directory",
            "ca: has no certificate in PEM (ca_file takes a path)",
            "ciphers: ",
            "alpn: malformed list of protocols",
        };

        scene_init(&scene);
        scene.options.ca_file = i == 0 ? missing : NULL;
        scene.options.ca_path = i == 1 ? missing : NULL;
        scene.options.crl_file = i == 2 ? missing : NULL;
        if (i == 3)
            scene.options.ca = SL_VIEW("no certificate");
        scene.options.ciphers = i == 4 ? "NO-SUCH" : NULL;
        if (i == 5)
            scene.options.alpn = SL_VIEW("\x09http");
        CHECK(wire_init(&wire, &scene.server, &scene.options, 0) != SL_OK);
        test_note("%s", wire.failure.reason);
        CHECK(strncmp(wire.failure.reason, reasons[i], strlen(reasons[i])) ==
              0);
        wire_fini(&wire);
        scene_fini(&scene);
    }
}

TEST("reports a peer that does not speak TLS")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    CHECK_INT(wire_connect(&wire, "a.test", NULL), SL_OK);
    sl_buffer_append(&wire.in, SL_VIEW("HTTP/1.1 400 Bad Request\r\n\r\n"));
    CHECK_INT(wire.provider->handshake(wire.engine, &wire.in, &wire.out,
                                       &wire.failure),
              SL_TLS);
    CHECK_STR(wire.failure.reason, "the peer does not speak TLS");
    end(&scene, &wire);
}

TEST("repeats its first failure and loses no content before it")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    require_open(&wire, NULL);
    wire_receive(&wire, 100);
    wire_server_send(&wire, "good", 4);
    wire_server_send(&wire, "spoiled", 7);
    wire.flip = wire.handed + 26 + 10;
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    CHECK_STR(wire.failure.reason, "a record is corrupt");
    CHECK(holds(&wire.plain, "good", 4));
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    end(&scene, &wire);
}

static void live_through_failures(struct sl_allocator *allocator,
                                  void *argument)
{
    struct scene *scene = argument;
    struct wire wire = {.server = &scene->server, .limit = SIZE_MAX};
    struct sl_tls_certificate peer;
    enum sl_status status;

    wire.provider = sl_tls_provider_find(wire_provider);
    sl_pool_init(&wire.pool, allocator, NULL);
    sl_buffer_init(&wire.in, &wire.pool, SIZE_MAX);
    sl_buffer_init(&wire.out, &wire.pool, SIZE_MAX);
    sl_buffer_init(&wire.plain, &wire.pool, SIZE_MAX);
    status = wire.provider->context_create(allocator, &scene->options,
                                           &wire.context, &wire.failure);
    if (status == SL_OK)
        status = wire_connect(&wire, "a.test", "a");
    for (int i = 0; i < 8 && wire.engine != NULL; i++) {
        status = wire.provider->handshake(wire.engine, &wire.in, &wire.out,
                                          &wire.failure);
        if (status != SL_AGAIN)
            break;
        wire_to_server(&wire);
        wire_serve(&wire);
        wire_to_client(&wire);
    }
    if (status != SL_OK || !wire.provider->peer(wire.engine, &peer))
        CHECK(test_allocator_has_failed(allocator));
    if (sl_is_failure(status))
        CHECK_INT(status, SL_MEMORY);
    wire_disconnect(&wire);
    if (wire.context != NULL)
        wire.provider->context_release(wire.context);
    sl_buffer_fini(&wire.in);
    sl_buffer_fini(&wire.out);
    sl_buffer_fini(&wire.plain);
    sl_pool_fini(&wire.pool);
}

TEST("survives every failing allocation of its own")
{
    struct scene scene;

    scene_init(&scene);
    test_each_failure(live_through_failures, &scene);
    scene_fini(&scene);
}

int main(void)
{
    wire_provider = "gnutls";
    return test_main();
}
