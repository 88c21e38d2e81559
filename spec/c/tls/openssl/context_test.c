#include "spec/c/tls/wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes a context of the scene's options; the status, and the reason. */
static enum sl_status attempt(const struct scene *scene, char reason[232])
{
    struct wire wire;
    enum sl_status status = wire_init(
        &wire, (struct server *)(uintptr_t)&scene->server, &scene->options, 0);

    reason[0] = '\0';
    if (status != SL_OK) {
        CHECK(wire.context == NULL);
        CHECK_INT(wire.failure.status, status);
        strcpy(reason, wire.failure.reason);
        test_note("%s", reason);
    }
    CHECK_INT(ERR_peek_error(), 0);
    wire_fini(&wire);
    return status;
}

/* Whether a connection to a.test comes about. */
static enum sl_status visit(struct scene *scene, char reason[232])
{
    struct wire wire;
    enum sl_status status =
        wire_init(&wire, &scene->server, &scene->options, 0);

    if (status == SL_OK)
        status = wire_open(&wire, "a.test", NULL);
    if (status == SL_OK) {
        wire_serve(&wire); /* TLS 1.3: the server may refuse now */
        status = wire_receive(&wire, 1);
        if (status == SL_AGAIN)
            status = SL_OK;
    }
    strcpy(reason, wire.failure.reason);
    test_note("%s", reason);
    wire_fini(&wire);
    return status;
}

static char *text_file(const char *text)
{
    return authority_file(text, strlen(text));
}

static void drop_file(char *path)
{
    unlink(path);
    free(path);
}

/* ---- roots ---- */

TEST("trusts all certificates of a PEM text")
{
    struct scene scene;
    struct issued other = authority_issue(
        &(struct wish){.common_name = "other", .is_authority = true});
    char *other_pem = authority_pem(other.certificate);
    char reason[232];
    char both[8192];

    scene_init(&scene);
    snprintf(both, sizeof both, "a comment\n%s\n%s\nanother\n", other_pem,
             scene.root_pem);
    scene.options.ca = sl_view(both, strlen(both));
    CHECK_INT(visit(&scene, reason), SL_OK);
    scene.options.ca = sl_view(other_pem, strlen(other_pem));
    CHECK_INT(visit(&scene, reason), SL_TLS);
    CHECK_STR(reason, "no trusted root: CN=leaf was issued by CN=root, which "
                      "is not known");
    free(other_pem);
    authority_forget(&other);
    scene_fini(&scene);
}

TEST("refuses a PEM text without certificates, or with half a one")
{
    struct scene scene;
    char reason[232];
    char text[8192];

    scene_init(&scene);
    scene.options.ca = SL_VIEW("no certificate");
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason, "ca: has no certificate in PEM (ca_file takes a path)");
    snprintf(text, sizeof text, "%s%.200s", scene.root_pem, scene.root_pem);
    scene.options.ca = sl_view(text, strlen(text));
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    scene_fini(&scene);
}

TEST("takes roots from a file, from a directory, or from both")
{
    struct scene scene;
    char reason[232];
    char directory[] = "/tmp/sluice-ca-XXXXXX";
    char hashed[64];
    char other[64];
    char *file;

    scene_init(&scene);
    scene.options.ca = sl_view(NULL, 0);
    file = text_file(scene.root_pem);
    scene.options.ca_file = file;
    CHECK_INT(visit(&scene, reason), SL_OK);

    REQUIRE(mkdtemp(directory) != NULL);
    scene.options.ca_file = NULL;
    scene.options.ca_path = directory;
    CHECK_INT(visit(&scene, reason), SL_TLS);
    snprintf(hashed, sizeof hashed, "%s/%08lx.0", directory,
             X509_NAME_hash_ex(X509_get_subject_name(scene.root.certificate),
                               NULL, NULL, NULL));
    REQUIRE(link(file, hashed) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    unlink(hashed);
    /* Under any other name OpenSSL would not find it. */
    snprintf(other, sizeof other, "%s/root.pem", directory);
    REQUIRE(link(file, other) == 0);
    CHECK_INT(visit(&scene, reason), SL_TLS);
    CHECK(strstr(reason, "openssl rehash") != NULL);
    REQUIRE(link(file, hashed) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    unlink(hashed);
    unlink(other);
    scene.options.ca_file = file;
    CHECK_INT(visit(&scene, reason), SL_OK);
    rmdir(directory);
    drop_file(file);
    scene_fini(&scene);
}

TEST("names the file that cannot be used, and why")
{
    struct scene scene;
    char reason[232];
    char *garbage = text_file("garbage");
    char *empty = text_file("");
    char expected[128];

    scene_init(&scene);
    scene.options.ca_file = "/nonexistent/roots.pem";
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason,
              "ca_file /nonexistent/roots.pem: No such file or directory");
    scene.options.ca_file = garbage;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    snprintf(expected, sizeof expected, "ca_file %s: ", garbage);
    CHECK(strncmp(reason, expected, strlen(expected)) == 0);
    scene.options.ca_file = empty;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    scene.options.ca_file = "/tmp";
    CHECK_INT(attempt(&scene, reason), SL_TLS);

    scene.options.ca_file = NULL;
    scene.options.ca_path = "/nonexistent";
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason, "ca_path /nonexistent: No such file or directory");
    scene.options.ca_path = garbage;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    snprintf(expected, sizeof expected, "ca_path %s: not a directory", garbage);
    CHECK_STR(reason, expected);

    scene.options.ca_path = NULL;
    scene.options.crl_file = "/nonexistent/list.pem";
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason,
              "crl_file /nonexistent/list.pem: No such file or directory");
    scene.options.crl_file = garbage;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    snprintf(expected, sizeof expected,
             "crl_file %s: has no PEM text of the kind that is expected here",
             garbage);
    CHECK_STR(reason, expected);
    drop_file(garbage);
    drop_file(empty);
    scene_fini(&scene);
}

TEST("asks no one for the password of a list")
{
    static const char locked[] =
        "-----BEGIN X509 CRL-----\n"
        "Proc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n"
        "AAECAwQFBgcICQoLDA0ODw==\n"
        "-----END X509 CRL-----\n";
    int terminal = dup(STDIN_FILENO);
    struct scene scene;
    char reason[232];
    char bytes[8];
    char *file = text_file(locked);
    int ends[2];

    scene_init(&scene);
    REQUIRE(terminal >= 0 && pipe(ends) == 0);
    REQUIRE(write(ends[1], "secret\n", 7) == 7);
    close(ends[1]);
    REQUIRE(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    scene.options.crl_file = file;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_INT(read(ends[0], bytes, sizeof bytes), 7);
    REQUIRE(dup2(terminal, STDIN_FILENO) == STDIN_FILENO);
    close(terminal);
    close(ends[0]);
    drop_file(file);
    scene_fini(&scene);
}

TEST("takes the system's roots if the client names none")
{
    struct scene scene;
    char reason[232];
    char *file;

    scene_init(&scene);
    scene.options.ca = sl_view(NULL, 0);
    file = text_file(scene.root_pem);
    REQUIRE(setenv("SSL_CERT_FILE", file, 1) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    REQUIRE(setenv("SSL_CERT_FILE", "/nonexistent", 1) == 0);
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason, "SSL_CERT_FILE /nonexistent: No such file or directory");
    /* Nothing is looked for that is not used. */
    scene.options.verifies = false;
    CHECK_INT(visit(&scene, reason), SL_OK);
    scene.options.verifies = true;
    scene.options.ca_file = file;
    CHECK_INT(visit(&scene, reason), SL_OK);
    unsetenv("SSL_CERT_FILE");
    REQUIRE(setenv("SSL_CERT_DIR", "/nonexistent", 1) == 0);
    scene.options.ca_file = NULL;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    unsetenv("SSL_CERT_DIR");
    drop_file(file);
    scene_fini(&scene);
}

TEST("reads the environment as OpenSSL does")
{
    struct scene scene;
    char reason[232];
    char directory[] = "/tmp/sluice-ca-XXXXXX";
    char list[128];
    char hashed[64];
    char *file;

    scene_init(&scene);
    scene.options.ca = sl_view(NULL, 0);
    file = text_file(scene.root_pem);
    REQUIRE(mkdtemp(directory) != NULL);
    snprintf(hashed, sizeof hashed, "%s/%08lx.0", directory,
             X509_subject_name_hash(scene.root.certificate));
    REQUIRE(symlink(file, hashed) == 0);

    /* a list, of which a part is there */
    snprintf(list, sizeof list, "/nonexistent::%s", directory);
    REQUIRE(setenv("SSL_CERT_DIR", list, 1) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    snprintf(list, sizeof list, "%s:/nonexistent:", directory);
    REQUIRE(setenv("SSL_CERT_DIR", list, 1) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    /* empty is as if it was not set */
    REQUIRE(setenv("SSL_CERT_FILE", "", 1) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    REQUIRE(setenv("SSL_CERT_DIR", "", 1) == 0);
    REQUIRE(setenv("SSL_CERT_FILE", file, 1) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    /* a list of which nothing is there */
    REQUIRE(setenv("SSL_CERT_DIR", "/nonexistent:/neither", 1) == 0);
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason, "SSL_CERT_DIR /neither: No such file or directory");
    REQUIRE(setenv("SSL_CERT_DIR", "::", 1) == 0);
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason, "SSL_CERT_DIR names no directory");
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    unlink(hashed);
    rmdir(directory);
    drop_file(file);
    scene_fini(&scene);
}

/* ---- versions, ciphers, protocols ---- */

TEST("uses only its versions")
{
    struct scene scene;
    char reason[232];

    scene_init(&scene);
    scene.options.min_version = SL_TLS_1_3;
    scene.options.max_version = SL_TLS_1_2;
    CHECK_INT(attempt(&scene, reason), SL_INVALID);
    CHECK_STR(reason, "min_version is above max_version");

    scene.options.min_version = SL_TLS_1_3;
    scene.options.max_version = SL_TLS_DEFAULT;
    SSL_CTX_set_max_proto_version(scene.server.context, TLS1_2_VERSION);
    CHECK_INT(visit(&scene, reason), SL_TLS);
    CHECK(strstr(reason, "version") != NULL);
    SSL_CTX_set_max_proto_version(scene.server.context, 0);
    CHECK_INT(visit(&scene, reason), SL_OK);

    scene.options.min_version = SL_TLS_DEFAULT;
    scene.options.max_version = SL_TLS_1_2;
    SSL_CTX_set_min_proto_version(scene.server.context, TLS1_3_VERSION);
    CHECK_INT(visit(&scene, reason), SL_TLS);
    SSL_CTX_set_min_proto_version(scene.server.context, 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    scene_fini(&scene);
}

TEST("speaks no version older than TLS 1.2")
{
    struct scene scene;
    char reason[232];

    scene_init(&scene);
    SSL_CTX_set_min_proto_version(scene.server.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(scene.server.context, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(scene.server.context, "ALL:@SECLEVEL=0");
    CHECK_INT(visit(&scene, reason), SL_TLS);
    CHECK(strstr(reason, "version") != NULL);
    scene_fini(&scene);
}

static void check_cipher(const char *list, enum sl_tls_version max,
                         const char *expected)
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_info info;

    scene_init(&scene);
    scene.options.ciphers = list;
    scene.options.max_version = max;
    test_note("%s", list);
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
    wire.provider->info(wire.engine, &info);
    CHECK_STR(info.cipher, expected);
    wire_fini(&wire);
    scene_fini(&scene);
}

TEST("accepts one list of ciphers for both versions")
{
    static const char *const list =
        "ECDHE-ECDSA-CHACHA20-POLY1305:TLS_CHACHA20_POLY1305_SHA256:"
        "ECDHE-ECDSA-AES128-GCM-SHA256";

    check_cipher(list, SL_TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256");
    check_cipher(list, SL_TLS_1_2, "ECDHE-ECDSA-CHACHA20-POLY1305");
    check_cipher("TLS_AES_256_GCM_SHA384", SL_TLS_1_2,
                 "ECDHE-ECDSA-AES128-GCM-SHA256");
    check_cipher("ECDHE+AESGCM", SL_TLS_1_3, "TLS_AES_128_GCM_SHA256");
}

TEST("refuses unknown ciphers, and overlong lists")
{
    struct scene scene;
    char reason[232];
    char list[2000];

    scene_init(&scene);
    scene.options.ciphers = "NO-SUCH-CIPHER";
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK(strncmp(reason, "ciphers: ", 9) == 0);
    scene.options.ciphers = "TLS_NO_SUCH_CIPHER";
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    memset(list, 'x', sizeof list - 1);
    list[sizeof list - 1] = '\0';
    scene.options.ciphers = list;
    CHECK_INT(attempt(&scene, reason), SL_INVALID);
    scene_fini(&scene);
}

TEST("lowers its security level only if the list says so")
{
    struct scene scene;
    struct issued weak;
    char reason[232];

    scene_init(&scene);
    weak = authority_issue(&(struct wish){
        .issuer = &scene.root, .names = "DNS:a.test", .rsa_bits = 1024});
    server_fini(&scene.server);
    server_init(&scene.server, &weak, NULL);
    scene.options.ciphers = "ECDHE+AESGCM";
    CHECK_INT(visit(&scene, reason), SL_TLS);
    scene.options.ciphers = "ECDHE+AESGCM:@SECLEVEL=0";
    CHECK_INT(visit(&scene, reason), SL_OK);
    authority_forget(&weak);
    scene_fini(&scene);
}

TEST("refuses a malformed list of protocols")
{
    static const struct {
        const char *bytes;
        size_t size;
    } lists[] = {
        {"\0", 1},         {"\x05http", 5},
        {"\x02h2\x00", 4}, {"\x02h2\x08http", 8},
        {"\x02h\0", 3},
    };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct scene scene;
        char reason[232];

        scene_init(&scene);
        scene.options.alpn = sl_view(lists[i].bytes, lists[i].size);
        CHECK_INT(attempt(&scene, reason), SL_INVALID);
        CHECK_STR(reason, "alpn: malformed list of protocols");
        scene_fini(&scene);
    }
}

TEST("refuses more pins than it has room for")
{
    struct scene scene;
    char reason[232];

    scene_init(&scene);
    scene.options.pin_count = SL_TLS_PINS + 1;
    CHECK_INT(attempt(&scene, reason), SL_INVALID);
    scene_fini(&scene);
}

/* ---- the client's own certificate ---- */

struct identity {
    struct issued middle;
    struct issued client;
    char *cert_file; /* leaf and intermediate */
    char *key_file;
    char *locked_file; /* the key under "secret" */
    char *pkcs12_file; /* all of it under "secret" */
};

static void make_identity(struct identity *identity, const struct scene *scene)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    unsigned char *bytes = NULL;
    char *leaf;
    char *above;
    char *key;
    char *locked;
    char both[8192];
    PKCS12 *bundle;
    int size;

    identity->middle = authority_issue(&(struct wish){
        .issuer = &scene->root, .common_name = "middle", .is_authority = true});
    identity->client =
        authority_issue(&(struct wish){.issuer = &identity->middle,
                                       .common_name = "client",
                                       .extended_usage = "clientAuth"});
    leaf = authority_pem(identity->client.certificate);
    above = authority_pem(identity->middle.certificate);
    key = authority_key_pem(identity->client.key, NULL);
    locked = authority_key_pem(identity->client.key, "secret");
    snprintf(both, sizeof both, "%s%s", leaf, above);
    identity->cert_file = text_file(both);
    identity->key_file = text_file(key);
    identity->locked_file = text_file(locked);
    sk_X509_push(chain, identity->middle.certificate);
    bundle = PKCS12_create("secret", "client", identity->client.key,
                           identity->client.certificate, chain, 0, 0, 0, 0, 0);
    size = i2d_PKCS12(bundle, &bytes);
    REQUIRE(size > 0);
    identity->pkcs12_file = authority_file(bytes, (size_t)size);
    OPENSSL_free(bytes);
    PKCS12_free(bundle);
    sk_X509_free(chain);
    free(leaf);
    free(above);
    free(key);
    free(locked);
}

static void drop_identity(struct identity *identity)
{
    drop_file(identity->cert_file);
    drop_file(identity->key_file);
    drop_file(identity->locked_file);
    drop_file(identity->pkcs12_file);
    authority_forget(&identity->client);
    authority_forget(&identity->middle);
}

/* A server that insists on a client certificate below the scene's root. */
static void insist(struct scene *scene)
{
    scene_init(scene);
    SSL_CTX_set_verify(scene->server.context,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(scene->server.context),
                        scene->root.certificate);
}

TEST("sends its certificate with the chain, from PEM or PKCS#12")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};
    struct identity identity;
    struct scene scene;
    char reason[232];

    for (size_t i = 0; i < 2; i++) {
        insist(&scene);
        make_identity(&identity, &scene);
        scene.options.max_version = versions[i];
        CHECK(visit(&scene, reason) != SL_OK);
        CHECK(strstr(reason, "the peer refuses with alert") != NULL);
        scene.options.cert_file = identity.cert_file;
        scene.options.key_file = identity.key_file;
        CHECK_INT(visit(&scene, reason), SL_OK);
        scene.options.key_file = identity.locked_file;
        scene.options.key_password = "secret";
        CHECK_INT(visit(&scene, reason), SL_OK);
        scene.options.cert_file = NULL;
        scene.options.key_file = NULL;
        scene.options.pkcs12_file = identity.pkcs12_file;
        CHECK_INT(visit(&scene, reason), SL_OK);
        drop_identity(&identity);
        scene_fini(&scene);
    }
}

/* RFC 8446 4.6.2 */
TEST("sends its certificate behind the handshake, if OpenSSL stays")
{
    struct identity identity;
    struct scene scene;
    struct wire wire;
    X509 *shown;
    char byte;

    for (int has_own_records = 0; has_own_records < 2; has_own_records++) {
        scene_init(&scene);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(scene.server.context),
                            scene.root.certificate);
        make_identity(&identity, &scene);
        scene.options.cert_file = identity.cert_file;
        scene.options.key_file = identity.key_file;
        scene.options.has_own_records = has_own_records;
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        REQUIRE(wire_open(&wire, "a.test", NULL) == SL_OK);
        wire_serve(&wire);
        SSL_set_verify(scene.server.ssl,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        CHECK_INT(SSL_verify_client_post_handshake(scene.server.ssl),
                  !has_own_records);
        ERR_clear_error();
        SSL_do_handshake(scene.server.ssl); /* sends CertificateRequest */
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        wire_to_server(&wire);
        CHECK_INT(SSL_read(scene.server.ssl, &byte, 1), -1);
        shown = SSL_get_peer_certificate(scene.server.ssl);
        CHECK((shown != NULL) == !has_own_records);
        X509_free(shown);
        wire_fini(&wire);
        drop_identity(&identity);
        scene_fini(&scene);
    }
}

TEST("finds certificate and key in one file")
{
    struct identity identity;
    struct scene scene;
    char reason[232];
    char *leaf;
    char *key;
    char both[8192];
    char *file;

    insist(&scene);
    make_identity(&identity, &scene);
    leaf = authority_pem(identity.client.certificate);
    key = authority_key_pem(identity.client.key, "secret");
    snprintf(both, sizeof both, "%s%s", key, leaf);
    file = text_file(both);
    scene.options.cert_file = file;
    scene.options.key_password = "secret";
    /* Without the intermediate the server does not know whose it is. */
    CHECK_INT(visit(&scene, reason), SL_TLS);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(scene.server.context),
                        identity.middle.certificate);
    CHECK_INT(visit(&scene, reason), SL_OK);
    drop_file(file);
    free(leaf);
    free(key);
    drop_identity(&identity);
    scene_fini(&scene);
}

TEST("refuses a wrong or missing password without prompting")
{
    static const char *const passwords[] = {NULL, "", "wrong"};
    struct identity identity;
    struct scene scene;
    char reason[232];
    char huge[4000];
    char expected[232];

    insist(&scene);
    make_identity(&identity, &scene);
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (size_t i = 0; i < 4; i++) {
        scene.options.key_password = i < 3 ? passwords[i] : huge;
        scene.options.cert_file = identity.cert_file;
        scene.options.key_file = identity.locked_file;
        scene.options.pkcs12_file = NULL;
        CHECK_INT(attempt(&scene, reason), SL_TLS);
        snprintf(expected, sizeof expected, "key_file %s: %s",
                 identity.locked_file,
                 i == 0 ? "is encrypted; give key_password"
                        : "key_password does not open it");
        CHECK_STR(reason, expected);
        scene.options.pkcs12_file = identity.pkcs12_file;
        CHECK_INT(attempt(&scene, reason), SL_TLS);
        snprintf(expected, sizeof expected, "pkcs12_file %s: %s",
                 identity.pkcs12_file,
                 i == 0 ? "is encrypted; give key_password"
                        : "key_password does not open it");
        CHECK_STR(reason, expected);
        CHECK(strstr(reason, "wrong") == NULL);
    }
    drop_identity(&identity);
    scene_fini(&scene);
}

TEST("refuses a key that does not belong to the certificate")
{
    struct identity identity;
    struct scene scene;
    char reason[232];
    char expected[232];
    char *key;
    char *file;

    insist(&scene);
    make_identity(&identity, &scene);
    key = authority_key_pem(scene.leaf.key, NULL);
    file = text_file(key);
    scene.options.cert_file = identity.cert_file;
    scene.options.key_file = file;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    snprintf(expected, sizeof expected,
             "key_file %s: is not the key of the certificate", file);
    CHECK_STR(reason, expected);
    scene.options.key_file = identity.cert_file;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    snprintf(expected, sizeof expected, "key_file %s: has no ",
             identity.cert_file);
    CHECK(strncmp(reason, expected, strlen(expected)) == 0);
    scene.options.key_file = NULL;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    snprintf(expected, sizeof expected,
             "cert_file %s: holds no key; give key_file", identity.cert_file);
    CHECK_STR(reason, expected);
    scene.options.key_file = "/nonexistent.key";
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK_STR(reason, "key_file /nonexistent.key: No such file or directory");
    scene.options.cert_file = NULL;
    CHECK_INT(attempt(&scene, reason), SL_INVALID);
    CHECK_STR(reason, "key_file is given without cert_file");
    scene.options.key_file = NULL;
    scene.options.pkcs12_file = file;
    CHECK_INT(attempt(&scene, reason), SL_TLS);
    free(key);
    drop_file(file);
    drop_identity(&identity);
    scene_fini(&scene);
}

static char *pkcs12_file(EVP_PKEY *key, X509 *certificate)
{
    PKCS12 *bundle =
        PKCS12_create("", NULL, key, certificate, NULL, 0, 0, 0, 0, 0);
    unsigned char *bytes = NULL;
    int size = i2d_PKCS12(bundle, &bytes);
    char *file;

    REQUIRE(size > 0);
    file = authority_file(bytes, (size_t)size);
    OPENSSL_free(bytes);
    PKCS12_free(bundle);
    return file;
}

TEST("refuses PKCS#12 without a key or without its certificate")
{
    static const char *const missing[] = {"key", "certificate"};
    struct identity identity;
    struct scene scene;
    char reason[232];
    char expected[232];
    char *file;

    insist(&scene);
    make_identity(&identity, &scene);
    for (int i = 0; i < 2; i++) {
        file = pkcs12_file(i == 0 ? NULL : identity.client.key,
                           i == 0 ? identity.client.certificate : NULL);
        scene.options.pkcs12_file = file;
        snprintf(expected, sizeof expected, "pkcs12_file %s: holds no %s", file,
                 missing[i]);
        for (int is_lax = 0; is_lax < 2; is_lax++) {
            scene.options.ciphers = is_lax ? "DEFAULT@SECLEVEL=0" : NULL;
            CHECK_INT(attempt(&scene, reason), SL_TLS);
            CHECK_STR(reason, expected);
        }
        drop_file(file);
    }
    drop_identity(&identity);
    scene_fini(&scene);
}

/* ---- key log ---- */

TEST("logs keys only on request, into a file only its owner can read")
{
    struct scene scene;
    char reason[232];
    char directory[] = "/tmp/sluice-log-XXXXXX";
    char path[64];
    char text[4096] = "";
    struct stat found;
    FILE *file;

    scene_init(&scene);
    REQUIRE(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/keys", directory);
    REQUIRE(setenv("SSLKEYLOGFILE", path, 1) == 0);
    CHECK_INT(visit(&scene, reason), SL_OK);
    unsetenv("SSLKEYLOGFILE");
    CHECK(stat(path, &found) != 0);

    scene.options.key_log_file = path;
    CHECK_INT(visit(&scene, reason), SL_OK);
    CHECK_INT(visit(&scene, reason), SL_OK);
    CHECK_INT(stat(path, &found), 0);
    CHECK_INT(found.st_mode & 0777, 0600);
    file = fopen(path, "r");
    REQUIRE(file != NULL);
    CHECK(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    CHECK(strstr(text, "CLIENT_TRAFFIC_SECRET_0 ") != NULL);
    CHECK(strstr(text, "SERVER_TRAFFIC_SECRET_0 ") != NULL);
    unlink(path);
    rmdir(directory);

    CHECK_INT(attempt(&scene, reason), SL_TLS);
    CHECK(strncmp(reason, "key_log ", 8) == 0);
    scene_fini(&scene);
}

int main(void)
{
    return test_main();
}
