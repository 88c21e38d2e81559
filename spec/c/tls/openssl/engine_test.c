#include "spec/c/tls/lifetime.h"

#include "tls/openssl/engine.h"
#include "tls/provider.h"

#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (char)(seed >> 16);
    }
}

/* Receives a record cut in two at each position before `last`, then byte by
 * byte. */
static void check_cuts(struct wire *wire, const char *text, size_t size,
                       size_t last)
{
    for (size_t cut = 1; cut < last; cut++) {
        test_note("cut at %zu", cut);
        wire_server_send(wire, text, size);
        wire->cut = wire->handed + cut;
        CHECK_INT(wire_receive(wire, cut % 7 + 1), SL_AGAIN);
        CHECK(holds(&wire->plain, text, size));
    }
    wire->piece = 1;
    wire_server_send(wire, text, size);
    CHECK_INT(wire_receive(wire, 1000), SL_AGAIN);
    CHECK(holds(&wire->plain, text, size));
}

/* ---- the ordinary course ---- */

TEST("shakes hands, sends and receives in both versions")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};
    static const char *const names[] = {"TLSv1.2", "TLSv1.3"};
    static const char *const ciphers[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                          "TLS_AES_128_GCM_SHA256"};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        struct sl_tls_info info;
        char bytes[16];

        begin_as(&scene, &wire, versions[i]);
        require_open(&wire, "a");
        wire.provider->info(wire.engine, &info);
        CHECK_STR(info.version, names[i]);
        CHECK_STR(info.cipher, ciphers[i]);
        CHECK_STR(info.alpn, NULL);
        CHECK(!info.is_resumed);
        CHECK(info.is_verified);
        CHECK_INT(wire_send(&wire, "question", 8), SL_OK);
        CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 8);
        CHECK_BYTES(bytes, 8, "question", 8);
        wire_server_send(&wire, "answer", 6);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        CHECK(holds(&wire.plain, "answer", 6));
        end(&scene, &wire);
    }
}

TEST("asks for AES-128-GCM first even when the server would follow")
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_info info;

    begin(&scene, &wire, 0);
    SSL_CTX_set_ciphersuites(scene.server.context,
                             "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
    require_open(&wire, "a");
    wire.provider->info(wire.engine, &info);
    CHECK_STR(info.cipher, "TLS_AES_128_GCM_SHA256");
    end(&scene, &wire);
}

static int choose_protocol(SSL *ssl, const unsigned char **chosen,
                           unsigned char *size, const unsigned char *offered,
                           unsigned offered_size, void *wanted)
{
    (void)ssl;
    (void)offered;
    (void)offered_size;
    *chosen = wanted;
    *size = (unsigned char)strlen(wanted);
    return SSL_TLSEXT_ERR_OK;
}

TEST("agrees on a protocol, and refuses one that was not offered")
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_info info;

    begin(&scene, &wire, 0);
    SSL_CTX_set_alpn_select_cb(scene.server.context, choose_protocol,
                               (void *)"http/1.1");
    require_open(&wire, "a");
    wire.provider->info(wire.engine, &info);
    CHECK_STR(info.alpn, "http/1.1");
    SSL_CTX_set_alpn_select_cb(scene.server.context, choose_protocol,
                               (void *)"h2");
    CHECK_INT(wire_open(&wire, "a.test", "b"), SL_TLS);
    /* Newer releases of OpenSSL say so themselves, in their own words. */
    CHECK(wire.failure.reason[0] != '\0');
    end(&scene, &wire);
}

static int note_server_name(SSL *ssl, int *alert, void *seen)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    snprintf(seen, 64, "%s", name != NULL ? name : "(none)");
    return SSL_TLSEXT_ERR_OK;
}

TEST("sends a server name for names only, not for addresses")
{
    struct scene scene;
    struct wire wire;
    char seen[64] = "";

    begin(&scene, &wire, 0);
    SSL_CTX_set_tlsext_servername_callback(scene.server.context,
                                           note_server_name);
    SSL_CTX_set_tlsext_servername_arg(scene.server.context, seen);
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
    CHECK_STR(seen, "a.test");
    seen[0] = '\0';
    CHECK_INT(wire_open(&wire, "a.test.", NULL), SL_OK);
    CHECK_STR(seen, "a.test");
    CHECK_INT(wire_open(&wire, "127.0.0.1", NULL), SL_OK);
    CHECK_STR(seen, "(none)");
    end(&scene, &wire);
}

/* ---- cuts ---- */

TEST("shakes hands whatever the cut, in segments of 23 bytes")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;
        size_t total;

        scene_init(&scene);
        scene.options.max_version = versions[i];
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 23) == SL_OK);
        wire.piece = 1;
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
        total = wire.handed;
        CHECK(total > 500);
        wire.piece = 0;
        for (wire.cut = 1; wire.cut < total; wire.cut += 3) {
            test_note("cut at %zu", wire.cut);
            CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
        }
        end(&scene, &wire);
    }
}

TEST("never completes if the handshake stops early")
{
    struct scene scene;
    struct wire wire;
    size_t total;

    begin(&scene, &wire, 23);
    require_open(&wire, "a");
    total = wire.handed;
    /* Signatures differ in length by a few bytes from one to the next. */
    for (wire.limit = 0; wire.limit < total - 16; wire.limit += 3) {
        test_note("stopped after %zu of about %zu", wire.limit, total);
        CHECK_INT(wire_open(&wire, "a.test", NULL), SL_AGAIN);
    }
    end(&scene, &wire);
}

TEST("never completes if a byte of the handshake is changed")
{
    struct scene scene;
    struct wire wire;
    size_t total;

    begin_as(&scene, &wire, SL_TLS_1_3);
    require_open(&wire, "a");
    total = wire.handed;
    for (wire.flip = 1; wire.flip < total - 16; wire.flip += 3) {
        enum sl_status status = wire_open(&wire, "a.test", NULL);
        /* Of a record's header the minor version is nobody's business; of the
         * record that comforts middleboxes all is. */
        bool is_ignored = status == SL_OK && wire.flip < 140;

        test_note("byte %zu of about %zu", wire.flip, total);
        CHECK(status != SL_OK || is_ignored);
    }
    end(&scene, &wire);
}

TEST("decrypts records cut at every byte")
{
    static const char text[] = "forty bytes of content, more or less, so";

    for (size_t segment = 23; segment < 100; segment += 64) {
        struct scene scene;
        struct wire wire;

        begin(&scene, &wire, segment);
        require_open(&wire, "a");
        while (wire_receive(&wire, 10) == SL_OK)
            continue;
        check_cuts(&wire, text, sizeof text, sizeof text + 22);
        end(&scene, &wire);
    }
}

TEST("returns what it holds of a record before it asks for more")
{
    struct scene scene;
    struct wire wire;
    static char content[16384];
    struct sl_failure failure;

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    fill(content, sizeof content, 1);
    wire_server_send(&wire, content, sizeof content);
    while (wire_to_client(&wire))
        continue;
    CHECK_INT(wire.provider->decrypt(wire.engine, &wire.in, &wire.plain, 16,
                                     &wire.out, &failure),
              SL_OK);
    CHECK_INT(wire.plain.length, 16);
    CHECK_INT(wire.in.length, 0);
    CHECK_INT(wire_receive(&wire, 4096), SL_AGAIN);
    CHECK(holds(&wire.plain, content, sizeof content));
    end(&scene, &wire);
}

/* ---- much content ---- */

static void transfer(enum sl_tls_version version, size_t segment_size)
{
    const size_t size = 700 * 1000;
    char *content = malloc(size);
    char *arrived = malloc(size);
    struct scene scene;
    struct wire wire;
    size_t received = 0;

    scene_init(&scene);
    scene.options.max_version = version;
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, segment_size) ==
            SL_OK);
    require_open(&wire, "a");
    fill(content, size, 7);
    /* Both ways at once: whatever the client sends, the server reads later. */
    for (size_t at = 0; at < size; at += 70000) {
        CHECK_INT(wire_send(&wire, content + at, 70000), SL_OK);
        wire_server_send(&wire, content + at, 70000);
        received += wire_server_receive(&wire, arrived + received, 70000);
        CHECK_INT(wire_receive(&wire, 10000), SL_AGAIN);
    }
    CHECK_INT(received, size);
    CHECK(memcmp(content, arrived, size) == 0);
    CHECK(holds(&wire.plain, content, size));
    end(&scene, &wire);
    free(content);
    free(arrived);
}

TEST("moves much content both ways at once")
{
    transfer(SL_TLS_1_2, 0);
    transfer(SL_TLS_1_3, 0);
    transfer(SL_TLS_1_3, 1000);
}

TEST("encrypts at most about 64 KiB a call")
{
    struct scene scene;
    struct wire wire;
    char *content = calloc(1, 200000);
    size_t consumed = 0;

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    CHECK_INT(wire.provider->encrypt(wire.engine, sl_view(content, 200000),
                                     &wire.in, &wire.out, &consumed,
                                     &wire.failure),
              SL_OK);
    CHECK_INT(consumed, 65536);
    CHECK(wire.out.length < 66 * 1024);
    end(&scene, &wire);
    free(content);
}

/* ---- ends ---- */

TEST("distinguishes close_notify from silence")
{
    static const enum sl_tls_version versions[] = {SL_TLS_1_2, SL_TLS_1_3};

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct wire wire;

        begin_as(&scene, &wire, versions[i]);
        require_open(&wire, "a");
        wire_server_send(&wire, "last", 4);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        SSL_shutdown(scene.server.ssl);
        CHECK_INT(wire_receive(&wire, 100), SL_END);
        CHECK_INT(wire_receive(&wire, 100), SL_END);
        CHECK(holds(&wire.plain, "last", 4));
        end(&scene, &wire);
    }
}

TEST("never reports content that the peer has cut as complete")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN); /* the tickets */
    wire_server_send(&wire, "content", 7);
    SSL_shutdown(scene.server.ssl);
    /* 7 + 22 bytes of content, 2 + 22 of close_notify: one byte is missing. */
    wire.limit = wire.handed + 29 + 23;
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK(holds(&wire.plain, "content", 7));
    end(&scene, &wire);
}

TEST("still sends after the peer has closed its half")
{
    struct scene scene;
    struct wire wire;
    char bytes[8];

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    SSL_shutdown(scene.server.ssl);
    CHECK_INT(wire_receive(&wire, 100), SL_END);
    CHECK_INT(wire_send(&wire, "late", 4), SL_OK);
    CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 4);
    end(&scene, &wire);
}

TEST("sends close_notify once and encrypts nothing after it")
{
    struct scene scene;
    struct wire wire;
    char byte;
    size_t consumed;
    int result;

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    wire.provider->close(wire.engine, &wire.out);
    CHECK_INT(wire.out.length, 24);
    wire.provider->close(wire.engine, &wire.out);
    CHECK_INT(wire.out.length, 24);
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("x"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_MISUSE);
    wire_to_server(&wire);
    result = SSL_read(scene.server.ssl, &byte, 1);
    CHECK_INT(SSL_get_error(scene.server.ssl, result), SSL_ERROR_ZERO_RETURN);
    wire_server_send(&wire, "half", 4);
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK(holds(&wire.plain, "half", 4));
    end(&scene, &wire);
}

TEST("sends nothing if closed before the handshake is complete")
{
    struct scene scene;
    struct wire wire;
    size_t consumed;

    begin(&scene, &wire, 0);
    CHECK_INT(wire_connect(&wire, "a.test", NULL), SL_OK);
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("x"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_MISUSE);
    CHECK_INT(wire.provider->decrypt(wire.engine, &wire.in, &wire.plain, 1,
                                     &wire.out, &wire.failure),
              SL_MISUSE);
    wire.provider->close(wire.engine, &wire.out);
    CHECK_INT(wire.out.length, 0);
    CHECK_INT(wire_handshake(&wire), SL_OK);
    end(&scene, &wire);
}

/* ---- what is no content ---- */

TEST("accepts key updates and tickets between content")
{
    struct scene scene;
    struct wire wire;
    char bytes[32];

    begin_as(&scene, &wire, SL_TLS_1_3);
    require_open(&wire, "a");
    wire_server_send(&wire, "one ", 4);
    CHECK(SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_REQUESTED));
    wire_server_send(&wire, "two ", 4);
    CHECK(SSL_new_session_ticket(scene.server.ssl));
    wire_server_send(&wire, "three ", 6);
    CHECK(SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
    wire_server_send(&wire, "four", 4);
    wire.piece = 5;
    CHECK_INT(wire_receive(&wire, 3), SL_AGAIN);
    CHECK(holds(&wire.plain, "one two three four", 18));
    /* The answer to the first update stands before what is sent next. */
    CHECK_INT(wire_send(&wire, "new keys", 8), SL_OK);
    CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 8);
    CHECK_BYTES(bytes, 8, "new keys", 8);
    end(&scene, &wire);
}

TEST("stops a flood of messages without content")
{
    struct scene scene;
    struct wire wire;
    size_t length;

    begin_as(&scene, &wire, SL_TLS_1_3);
    require_open(&wire, "a");
    wire_server_send(&wire, "content", 7);
    for (size_t i = 0; i < 1000; i++) {
        CHECK(SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_REQUESTED));
        CHECK_INT(SSL_do_handshake(scene.server.ssl), 1);
    }
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    CHECK(holds(&wire.plain, "content", 7));
    CHECK_STR(wire.failure.reason,
              "more than 128 messages without content (fixed)");
    length = wire.in.length;
    CHECK_INT(wire.provider->decrypt(wire.engine, &wire.in, &wire.plain, 100,
                                     &wire.out, &wire.failure),
              SL_TLS);
    CHECK_INT(wire.in.length, length);
    end(&scene, &wire);
}

TEST("refuses to renegotiate and goes on")
{
    struct scene scene;
    struct wire wire;
    int result;
    char byte;

    begin_as(&scene, &wire, SL_TLS_1_2);
    require_open(&wire, "a");
    CHECK(SSL_renegotiate(scene.server.ssl));
    SSL_do_handshake(scene.server.ssl); /* sends HelloRequest */
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK_INT(wire.out.length, 26 + 5); /* an alert: no_renegotiation */
    wire_to_server(&wire);
    ERR_clear_error();
    result = SSL_read(scene.server.ssl, &byte, 1);
    CHECK_INT(SSL_get_error(scene.server.ssl, result), SSL_ERROR_SSL);
    CHECK_INT(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    end(&scene, &wire);
}

TEST("says that it refused to renegotiate, if the peer ends without content")
{
    for (int has_content = 0; has_content < 2; has_content++) {
        struct scene scene;
        struct wire wire;
        char byte;

        begin_as(&scene, &wire, SL_TLS_1_2);
        require_open(&wire, "a");
        CHECK(SSL_renegotiate(scene.server.ssl));
        SSL_do_handshake(scene.server.ssl);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        if (has_content)
            wire_server_send(&wire, "content", 7);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        wire_to_server(&wire);
        SSL_read(scene.server.ssl, &byte, 1); /* answers by an alert */
        ERR_clear_error();
        CHECK_INT(wire_receive(&wire, 100), SL_TLS);
        CHECK_STR(wire.failure.reason,
                  has_content
                      ? "the peer refuses with alert 40 (handshake failure)"
                      : "renegotiation was refused: the peer refuses with "
                        "alert 40 (handshake failure)");
        end(&scene, &wire);
    }
}

/* A TLS 1.2 record of the server's, AES-128-GCM, made by hand: OpenSSL would
 * not send all of them. */
static size_t seal(SSL *ssl, unsigned char sequence, unsigned char type,
                   const char *bytes, size_t size, unsigned char *record)
{
    unsigned char secret[48];
    unsigned char seed[13 + 64] = "key expansion";
    unsigned char keys[40]; /* client's key, server's key, their salts */
    unsigned char nonce[12] = {0};
    unsigned char head[13] = {0};
    size_t keys_size = sizeof keys;
    EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new_id(EVP_PKEY_TLS1_PRF, NULL);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int count;

    SSL_SESSION_get_master_key(SSL_get_session(ssl), secret, sizeof secret);
    SSL_get_server_random(ssl, seed + 13, 32);
    SSL_get_client_random(ssl, seed + 45, 32);
    CHECK(EVP_PKEY_derive_init(derive) == 1);
    CHECK(EVP_PKEY_CTX_set_tls1_prf_md(derive, EVP_sha256()) == 1);
    CHECK(EVP_PKEY_CTX_set1_tls1_prf_secret(derive, secret, sizeof secret) ==
          1);
    CHECK(EVP_PKEY_CTX_add1_tls1_prf_seed(derive, seed, sizeof seed) == 1);
    CHECK(EVP_PKEY_derive(derive, keys, &keys_size) == 1);
    EVP_PKEY_CTX_free(derive);

    memcpy(nonce, keys + 36, 4);
    nonce[11] = sequence;
    head[7] = sequence;
    head[8] = type;
    head[9] = 3;
    head[10] = 3;
    head[12] = (unsigned char)size;
    record[0] = type;
    record[1] = 3;
    record[2] = 3;
    record[3] = 0;
    record[4] = (unsigned char)(8 + size + 16);
    memcpy(record + 5, nonce + 4, 8);
    CHECK(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, keys + 16,
                             nonce) == 1);
    CHECK(EVP_EncryptUpdate(cipher, NULL, &count, head, sizeof head) == 1);
    if (size > 0)
        CHECK(EVP_EncryptUpdate(cipher, record + 13, &count,
                                (const unsigned char *)bytes, (int)size) == 1);
    CHECK(EVP_EncryptFinal_ex(cipher, record + 13 + size, &count) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16,
                              record + 13 + size) == 1);
    EVP_CIPHER_CTX_free(cipher);
    return 13 + size + 16;
}

static void give_sealed(struct wire *wire, unsigned char sequence,
                        unsigned char type, const char *bytes, size_t size)
{
    unsigned char record[128];
    size_t length =
        seal(wire->server->ssl, sequence, type, bytes, size, record);

    CHECK_INT(
        sl_buffer_append(&wire->in, sl_view((const char *)record, length)),
        SL_OK);
}

TEST("ignores a few empty records and stops a flood of them")
{
    struct scene scene;
    struct wire wire;
    unsigned char sequence = 1; /* 0 was the server's Finished */

    begin_as(&scene, &wire, SL_TLS_1_2);
    require_open(&wire, "a");
    for (size_t i = 0; i < 5; i++)
        give_sealed(&wire, sequence++, SSL3_RT_APPLICATION_DATA, NULL, 0);
    give_sealed(&wire, sequence++, SSL3_RT_APPLICATION_DATA, "content", 7);
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK(holds(&wire.plain, "content", 7));
    for (size_t i = 0; i < 100; i++)
        give_sealed(&wire, sequence++, SSL3_RT_APPLICATION_DATA, NULL, 0);
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    end(&scene, &wire);
}

TEST("stops a flood of requests to renegotiate")
{
    struct scene scene;
    struct wire wire;

    begin_as(&scene, &wire, SL_TLS_1_2);
    require_open(&wire, "a");
    for (unsigned char i = 1; i < 200; i++)
        give_sealed(&wire, i, SSL3_RT_HANDSHAKE, "\0\0\0\0", 4);
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    CHECK_STR(wire.failure.reason,
              "more than 128 messages without content (fixed)");
    end(&scene, &wire);
}

/* ---- on its own: without the SSL ---- */

/* Opens, and serves a request and the beginning of another: from now on the
 * records are the engine's own. */
static void settle(struct wire *wire)
{
    char bytes[8];

    require_open(wire, "a");
    CHECK_INT(wire_send(wire, "one", 3), SL_OK);
    CHECK_INT(wire_server_receive(wire, bytes, sizeof bytes), 3);
    wire_server_send(wire, "two", 3);
    CHECK_INT(wire_receive(wire, 100), SL_AGAIN);
    CHECK(holds(&wire->plain, "two", 3));
    CHECK_INT(wire_send(wire, "three", 5), SL_OK);
    CHECK_INT(wire_server_receive(wire, bytes, sizeof bytes), 5);
    CHECK(wire->engine->ssl == NULL);
    CHECK(wire->engine->records != NULL);
}

TEST("goes on by itself after the first request, under every cipher")
{
    static const char *const ciphers[] = {"TLS_AES_128_GCM_SHA256",
                                          "TLS_AES_256_GCM_SHA384",
                                          "TLS_CHACHA20_POLY1305_SHA256"};
    const size_t size = 300 * 1000;
    char *content = malloc(size);
    char *arrived = malloc(size);

    fill(content, size, 3);
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        struct wire wire;
        struct sl_tls_info info;
        struct sl_tls_certificate peer;

        scene_init(&scene);
        scene.options.ciphers = ciphers[i];
        REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
        settle(&wire);
        for (int round = 0; round < 3; round++) {
            CHECK_INT(wire_send(&wire, content, size), SL_OK);
            CHECK_INT(wire_server_receive(&wire, arrived, size), size);
            CHECK(memcmp(content, arrived, size) == 0);
            wire_server_send(&wire, content, size);
            CHECK_INT(wire_receive(&wire, 10000), SL_AGAIN);
            CHECK(holds(&wire.plain, content, size));
        }
        wire.provider->info(wire.engine, &info);
        CHECK_STR(info.cipher, ciphers[i]);
        CHECK_STR(info.version, "TLSv1.3");
        CHECK(wire.provider->peer(wire.engine, &peer));
        CHECK_STR(peer.subject, "CN=leaf");
        end(&scene, &wire);
    }
    free(content);
    free(arrived);
}

TEST("by itself decrypts records cut at every byte, padded or not")
{
    static const char text[] = "forty bytes of content, more or less, so";
    struct scene scene;
    struct wire wire;

    for (size_t padding = 0; padding < 2; padding++) {
        begin(&scene, &wire, 23);
        settle(&wire);
        if (padding > 0)
            CHECK(SSL_set_block_padding(scene.server.ssl, 100));
        check_cuts(&wire, text, sizeof text, 130);
        end(&scene, &wire);
    }
}

TEST("by itself follows key updates and ignores tickets")
{
    struct scene scene;
    struct wire wire;
    char bytes[32];

    begin(&scene, &wire, 0);
    settle(&wire);
    for (int round = 0; round < 5; round++) {
        wire_server_send(&wire, "one ", 4);
        CHECK(SSL_key_update(scene.server.ssl,
                             round % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED
                                            : SSL_KEY_UPDATE_NOT_REQUESTED));
        wire_server_send(&wire, "two ", 4);
        CHECK(SSL_new_session_ticket(scene.server.ssl));
        wire_server_send(&wire, "three", 5);
        CHECK_INT(wire_receive(&wire, 3), SL_AGAIN);
        CHECK(holds(&wire.plain, "one two three", 13));
        CHECK_INT(wire_send(&wire, "new keys", 8), SL_OK);
        CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 8);
        CHECK_BYTES(bytes, 8, "new keys", 8);
    }
    end(&scene, &wire);
}

TEST("by itself stops floods and refuses what is corrupt")
{
    struct scene scene;
    struct wire wire;
    char byte;
    size_t size;

    begin(&scene, &wire, 0);
    settle(&wire);
    wire_server_send(&wire, "content", 7);
    for (size_t i = 0; i < 1000; i++) {
        CHECK(SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
        CHECK_INT(SSL_do_handshake(scene.server.ssl), 1);
    }
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    CHECK(holds(&wire.plain, "content", 7));
    CHECK_STR(wire.failure.reason,
              "more than 128 messages without content (fixed)");
    CHECK_INT(wire_send(&wire, "x", 1), SL_TLS);

    for (size_t flip = 1; flip <= 29; flip++) {
        settle(&wire);
        wire_server_send(&wire, "content", 7);
        wire.flip = wire.handed + flip;
        test_note("byte %zu", flip);
        if (flip == 4 || flip == 5) /* the length: more is waited for */
            CHECK(wire_receive(&wire, 100) != SL_END);
        else
            CHECK_INT(wire_receive(&wire, 100), SL_TLS);
        size = wire.plain.length;
        CHECK_INT(size, 0);
        wire.flip = 0;
    }
    /* The server learns why. */
    wire_to_server(&wire);
    ERR_clear_error();
    CHECK(SSL_read(scene.server.ssl, &byte, 1) <= 0);
    CHECK_INT(ERR_GET_REASON(ERR_peek_error()),
              SSL_AD_REASON_OFFSET + SSL_AD_BAD_RECORD_MAC);
    ERR_clear_error();
    end(&scene, &wire);
}

TEST("by itself recognises close_notify, and sends its own once")
{
    struct scene scene;
    struct wire wire;
    char byte;
    size_t length;
    int result;

    begin(&scene, &wire, 0);
    settle(&wire);
    wire_server_send(&wire, "content", 7);
    SSL_shutdown(scene.server.ssl);
    wire.limit = wire.handed + 29 + 23;
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK(holds(&wire.plain, "content", 7));
    wire.limit = SIZE_MAX;
    CHECK_INT(wire_receive(&wire, 100), SL_END);
    CHECK_INT(wire_receive(&wire, 100), SL_END);
    wire.provider->close(wire.engine, &wire.out);
    length = wire.out.length;
    CHECK_INT(length, 24);
    wire.provider->close(wire.engine, &wire.out);
    CHECK_INT(wire.out.length, length);
    wire_to_server(&wire);
    result = SSL_read(scene.server.ssl, &byte, 1);
    CHECK_INT(SSL_get_error(scene.server.ssl, result), SSL_ERROR_ZERO_RETURN);
    end(&scene, &wire);
}

TEST("by itself returns what it holds of a record before asking for more")
{
    struct scene scene;
    struct wire wire;
    static char content[16384];
    struct sl_failure failure;

    begin(&scene, &wire, 0);
    settle(&wire);
    fill(content, sizeof content, 1);
    wire_server_send(&wire, content, sizeof content);
    while (wire_to_client(&wire))
        continue;
    CHECK_INT(wire.provider->decrypt(wire.engine, &wire.in, &wire.plain, 16,
                                     &wire.out, &failure),
              SL_OK);
    CHECK_INT(wire.plain.length, 16);
    CHECK_INT(wire_receive(&wire, 4096), SL_AGAIN);
    CHECK(holds(&wire.plain, content, sizeof content));
    end(&scene, &wire);
}

TEST("stores sessions that can be resumed")
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_info info;

    begin(&scene, &wire, 0);
    for (int round = 0; round < 4; round++) {
        settle(&wire);
        wire.provider->info(wire.engine, &info);
        CHECK_INT(info.is_resumed, round > 0);
    }
    end(&scene, &wire);
}

TEST("keeps the SSL after a key update under it, and under TLS 1.2")
{
    struct scene scene;
    struct wire wire;
    char bytes[8];

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    CHECK(SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
    for (int round = 0; round < 3; round++) {
        wire_server_send(&wire, "content", 7);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        CHECK(holds(&wire.plain, "content", 7));
        CHECK_INT(wire_send(&wire, "more", 4), SL_OK);
        CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 4);
        wire.provider->rest(wire.engine);
    }
    CHECK(wire.engine->ssl != NULL);
    end(&scene, &wire);

    begin_as(&scene, &wire, SL_TLS_1_2);
    require_open(&wire, "a");
    for (int round = 0; round < 3; round++) {
        wire_server_send(&wire, "content", 7);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        CHECK(holds(&wire.plain, "content", 7));
        CHECK_INT(wire_send(&wire, "more", 4), SL_OK);
        CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 4);
        wire.provider->rest(wire.engine);
    }
    CHECK(wire.engine->ssl != NULL);
    end(&scene, &wire);
}

/* Moves much content both ways, through updates of keys from both sides, a rest
 * and both ends. */
static void serve_much(struct wire *wire, const char *content, size_t size)
{
    SSL *server = wire->server->ssl;
    char *arrived = malloc(size);

    for (int round = 0; round < 3; round++) {
        CHECK_INT(wire_send(wire, content, size), SL_OK);
        CHECK_INT(wire_server_receive(wire, arrived, size), size);
        CHECK(memcmp(content, arrived, size) == 0);
        wire_server_send(wire, content, size);
        CHECK_INT(wire_receive(wire, 10000), SL_AGAIN);
        CHECK(holds(&wire->plain, content, size));
        wire->provider->rest(wire->engine);
        if (round == 1)
            CHECK(SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED));
    }
    SSL_shutdown(server);
    CHECK_INT(wire_receive(wire, 100), SL_END);
    wire->provider->close(wire->engine, &wire->out);
    wire_to_server(wire);
    CHECK_INT(wire_server_receive(wire, arrived, 1), 0);
    CHECK(SSL_get_shutdown(server) & SSL_RECEIVED_SHUTDOWN);
    free(arrived);
}

TEST("leaves a short-lived connection with OpenSSL to its end")
{
    const size_t size = 300 * 1000;
    char *content = malloc(size);

    fill(content, size, 5);
    for (int i = 0; i < 4; i++) {
        struct scene scene;
        struct wire wire;

        test_note("connection %d", i);
        begin_as(&scene, &wire, SL_TLS_1_3);
        wire.is_short_lived = i % 2 == 0;
        require_open(&wire, "a");
        if (i >= 2) /* resumed */
            require_open(&wire, "a");
        CHECK_INT(wire.engine->notes.is_void, wire.is_short_lived);
        CHECK_INT(wire.engine->notes.receiving.size,
                  wire.is_short_lived ? 0 : 32);
        CHECK_INT(wire.engine->notes.sending.size,
                  wire.is_short_lived ? 0 : 32);
        serve_much(&wire, content, size);
        CHECK((wire.engine->ssl != NULL) == wire.is_short_lived);
        CHECK((wire.engine->records == NULL) == wire.is_short_lived);
        end(&scene, &wire);
    }
    free(content);
}

TEST("does not cross over to its own records inside a record")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    for (size_t cut = 1; cut < 29; cut++) {
        require_open(&wire, "a");
        wire_server_send(&wire, "one", 3);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        wire_server_send(&wire, "content", 7);
        wire.limit = wire.handed + cut;
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        wire.provider->rest(wire.engine);
        CHECK(wire.engine->ssl != NULL);
        CHECK_INT(wire_send(&wire, "x", 1), SL_OK);
        CHECK(wire.engine->ssl != NULL);
        wire.limit = SIZE_MAX;
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        CHECK(holds(&wire.plain, "onecontent", 10));
        wire.provider->rest(wire.engine);
        CHECK(wire.engine->ssl == NULL);
    }
    end(&scene, &wire);
}

static void settle_through_failures(struct sl_allocator *allocator,
                                    void *argument)
{
    struct scene *scene = argument;
    const struct sl_tls_provider *provider = sl_tls_provider_find("openssl");
    struct wire wire = {
        .server = &scene->server, .limit = SIZE_MAX, .provider = provider};
    enum sl_status status;
    char bytes[8];

    sl_pool_init(&wire.pool, allocator, NULL);
    sl_buffer_init(&wire.in, &wire.pool, SIZE_MAX);
    sl_buffer_init(&wire.out, &wire.pool, SIZE_MAX);
    sl_buffer_init(&wire.plain, &wire.pool, SIZE_MAX);
    status = provider->context_create(allocator, &scene->options, &wire.context,
                                      &wire.failure);
    if (status == SL_OK)
        status = wire_connect(&wire, "a.test", "a");
    for (int i = 0; i < 8 && wire.engine != NULL; i++) {
        status = provider->handshake(wire.engine, &wire.in, &wire.out,
                                     &wire.failure);
        if (status != SL_AGAIN)
            break;
        wire_to_server(&wire);
        wire_serve(&wire);
        wire_to_client(&wire);
    }
    for (int round = 0; round < 3 && status == SL_OK; round++) {
        status = wire_send(&wire, "x", 1);
        if (status == SL_OK)
            wire_server_receive(&wire, bytes, sizeof bytes);
        if (status == SL_OK)
            wire_server_send(&wire, "y", 1);
        if (status == SL_OK)
            status = wire_receive(&wire, 1);
        if (status == SL_AGAIN)
            status = SL_OK;
        if (status == SL_OK && round > 0)
            provider->rest(wire.engine);
    }
    if (status != SL_OK)
        CHECK(test_allocator_has_failed(allocator));
    wire_disconnect(&wire);
    if (wire.context != NULL)
        provider->context_release(wire.context);
    sl_buffer_fini(&wire.in);
    sl_buffer_fini(&wire.out);
    sl_buffer_fini(&wire.plain);
    sl_pool_fini(&wire.pool);
}

TEST("goes on with the SSL if there is no memory to replace it")
{
    struct scene scene;

    scene_init(&scene);
    test_each_failure(settle_through_failures, &scene);
    scene_fini(&scene);
}

/* ---- failures ---- */

TEST("repeats its first failure and loses no content before it")
{
    struct scene scene;
    struct wire wire;
    struct sl_failure failure;
    size_t consumed;

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    wire_receive(&wire, 100);
    wire_server_send(&wire, "good", 4);
    wire_server_send(&wire, "spoiled", 7);
    wire.flip = wire.handed + 26 + 10;
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    CHECK_STR(wire.failure.reason, "a record is corrupt");
    CHECK(holds(&wire.plain, "good", 4));
    CHECK(wire.out.length > 0); /* the alert */
    failure = wire.failure;
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    CHECK_STR(wire.failure.reason, failure.reason);
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("x"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_TLS);
    end(&scene, &wire);
}

TEST("is not misled by errors that others left in the queue")
{
    struct scene scene;
    struct wire wire;
    enum sl_status status;
    char bytes[8];

    begin(&scene, &wire, 0);
    CHECK_INT(wire_connect(&wire, "a.test", NULL), SL_OK);
    do {
        ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
        status = wire.provider->handshake(wire.engine, &wire.in, &wire.out,
                                          &wire.failure);
        CHECK_INT(ERR_peek_error(), 0);
        wire_to_server(&wire);
        wire_serve(&wire);
    } while (status == SL_AGAIN && wire_to_client(&wire));
    CHECK_INT(status, SL_OK);
    ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    CHECK_INT(wire_send(&wire, "x", 1), SL_OK);
    CHECK_INT(wire_server_receive(&wire, bytes, sizeof bytes), 1);
    wire_server_send(&wire, "answer", 6);
    while (wire_to_client(&wire))
        continue;
    for (size_t i = 0; i < 3; i++) {
        ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
        status = wire.provider->decrypt(wire.engine, &wire.in, &wire.plain, 3,
                                        &wire.out, &wire.failure);
        CHECK_INT(status, i < 2 ? SL_OK : SL_AGAIN);
        CHECK_INT(ERR_peek_error(), 0);
    }
    CHECK(holds(&wire.plain, "answer", 6));
    end(&scene, &wire);
}

TEST("reports a peer that does not speak TLS")
{
    static const char *const texts[] = {
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
        "220 mail.test ESMTP\r\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct scene scene;
        struct wire wire;

        begin(&scene, &wire, 0);
        CHECK_INT(wire_connect(&wire, "a.test", NULL), SL_OK);
        sl_buffer_append(&wire.in, sl_view(texts[i], strlen(texts[i])));
        CHECK_INT(wire.provider->handshake(wire.engine, &wire.in, &wire.out,
                                           &wire.failure),
                  SL_TLS);
        CHECK_STR(wire.failure.reason, "the peer does not speak TLS");
        end(&scene, &wire);
    }
}

TEST("reports the alert with which the peer refused")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    SSL_CTX_set_verify(scene.server.context,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* TLS 1.3: the client is done before the server has looked. */
    CHECK_INT(wire_open(&wire, "a.test", NULL), SL_OK);
    wire_serve(&wire);
    CHECK_INT(wire_receive(&wire, 100), SL_TLS);
    test_note("%s", wire.failure.reason);
    CHECK(strstr(wire.failure.reason, "alert 116") != NULL);
    end(&scene, &wire);
}

TEST("fails if there is no room for what it must send")
{
    struct scene scene;
    struct wire wire;
    size_t consumed;

    begin(&scene, &wire, 0);
    CHECK_INT(wire_connect(&wire, "a.test", NULL), SL_OK);
    wire.out.max_size = 100;
    CHECK_INT(wire.provider->handshake(wire.engine, &wire.in, &wire.out,
                                       &wire.failure),
              SL_LIMIT);
    wire.out.max_size = SIZE_MAX;
    require_open(&wire, "a");
    wire.out.max_size = 20;
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("x"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_LIMIT);
    wire.out.max_size = SIZE_MAX;
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("x"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_LIMIT);
    end(&scene, &wire);
}

TEST("keeps its content if there is no room for it, and goes on later")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire, 0);
    require_open(&wire, "a");
    wire_server_send(&wire, "content", 7);
    wire.plain.max_size = 3;
    CHECK_INT(wire_receive(&wire, 100), SL_LIMIT);
    CHECK(holds(&wire.plain, "con", 3));
    wire.plain.max_size = SIZE_MAX;
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    CHECK(holds(&wire.plain, "tent", 4));
    end(&scene, &wire);
}

static void live_through_failures(struct sl_allocator *allocator,
                                  void *argument)
{
    struct scene *scene = argument;
    const struct sl_tls_provider *provider = sl_tls_provider_find("openssl");
    struct sl_tls_certificate peer;
    struct sl_tls_context *context = NULL;
    struct wire wire = {.server = &scene->server, .limit = SIZE_MAX};
    enum sl_status status;

    sl_pool_init(&wire.pool, allocator, NULL);
    sl_buffer_init(&wire.in, &wire.pool, SIZE_MAX);
    sl_buffer_init(&wire.out, &wire.pool, SIZE_MAX);
    sl_buffer_init(&wire.plain, &wire.pool, SIZE_MAX);
    wire.provider = provider;
    status = provider->context_create(allocator, &scene->options, &context,
                                      &wire.failure);
    wire.context = context;
    if (status == SL_OK)
        status = wire_connect(&wire, "a.test", "a");
    if (status == SL_OK) {
        status = SL_AGAIN;
        for (int i = 0; i < 8 && status == SL_AGAIN; i++) {
            status = provider->handshake(wire.engine, &wire.in, &wire.out,
                                         &wire.failure);
            wire_to_server(&wire);
            wire_serve(&wire);
            wire_to_client(&wire);
        }
    }
    if (status == SL_OK && !provider->peer(wire.engine, &peer))
        CHECK(test_allocator_has_failed(allocator));
    if (status == SL_AGAIN) /* bytes were lost on their way in */
        CHECK(test_allocator_has_failed(allocator));
    if (sl_is_failure(status)) {
        CHECK(test_allocator_has_failed(allocator));
        CHECK_INT(status, SL_MEMORY);
    }
    wire_disconnect(&wire);
    if (context != NULL)
        provider->context_release(context);
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

/* ---- memory ---- */

static size_t library_bytes;
static size_t library_calls;

static void *count_allocate(size_t size, const char *file, int line)
{
    size_t *block = malloc(size + 16);

    (void)file;
    (void)line;
    if (block == NULL)
        return NULL;
    *block = size;
    library_calls++;
    library_bytes += size;
    return block + 2;
}

static void count_free(void *pointer, const char *file, int line)
{
    size_t *block = pointer;

    (void)file;
    (void)line;
    if (pointer == NULL)
        return;
    library_bytes -= block[-2];
    free(block - 2);
}

static void *count_resize(void *pointer, size_t size, const char *file,
                          int line)
{
    size_t *block = pointer;
    void *made;

    if (size == 0) {
        count_free(pointer, file, line);
        return NULL;
    }
    made = count_allocate(size, file, line);
    if (made != NULL && pointer != NULL) {
        memcpy(made, pointer, block[-2] < size ? block[-2] : size);
        count_free(pointer, file, line);
    }
    return made;
}

/* What the engine frees when it goes, idle after a request. */
static size_t idle_size(struct wire *wire, const char *identity)
{
    size_t before;
    char byte;

    REQUIRE(wire_open(wire, "a.test", identity) == SL_OK);
    CHECK_INT(wire_send(wire, "x", 1), SL_OK);
    CHECK_INT(wire_server_receive(wire, &byte, 1), 1);
    wire_server_send(wire, "y", 1);
    CHECK_INT(wire_receive(wire, 100), SL_AGAIN);
    sl_buffer_reset(&wire->in);
    sl_buffer_reset(&wire->out);
    sl_buffer_reset(&wire->plain);
    wire->provider->rest(wire->engine);
    before = library_bytes + wire->allocator.bytes;
    wire->provider->engine_destroy(wire->engine);
    wire->engine = NULL;
    return before - library_bytes - wire->allocator.bytes;
}

TEST("holds keys and counters while idle, and no more")
{
    struct scene scene;
    struct wire wire;
    size_t size;

    begin(&scene, &wire, 0);
    idle_size(&wire, NULL); /* the texts of the peer are the context's */
    size = idle_size(&wire, NULL);
    test_note("%zu bytes", size);
    CHECK(size < 4 * 1024);
    end(&scene, &wire);
}

TEST("knows the certificate of a resumed session without looking into it")
{
    struct scene scene;
    struct wire wire;
    struct sl_tls_certificate peers[2];
    size_t calls;

    begin_as(&scene, &wire, SL_TLS_1_3);
    require_open(&wire, "a");
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN); /* the tickets */
    CHECK(wire.provider->peer(wire.engine, &peers[0]));
    require_open(&wire, "a");
    CHECK(wire.engine->info.is_resumed);
    calls = library_calls;
    CHECK(wire.provider->peer(wire.engine, &peers[1]));
    CHECK_INT(library_calls, calls);
    CHECK(peers[1].sha256 == peers[0].sha256);
    require_open(&wire, "b"); /* the same one, received again */
    CHECK(wire.provider->peer(wire.engine, &peers[1]));
    CHECK(library_calls > calls);
    CHECK(peers[1].sha256 == peers[0].sha256);
    end(&scene, &wire);
}

TEST("holds no record buffers while idle under TLS 1.2")
{
    struct scene scene;
    struct wire wire;
    size_t size;

    begin_as(&scene, &wire, SL_TLS_1_2);
    size = idle_size(&wire, NULL);
    test_note("%zu bytes", size);
    CHECK(size < 19 * 1024);
    end(&scene, &wire);
}

TEST("keeps only the leaf of a chain")
{
    struct scene scene;
    struct wire wire;
    struct issued middle;
    struct issued lower;
    struct issued leaf;
    X509 *sent[3] = {NULL, NULL, NULL};
    size_t size;

    scene_init(&scene);
    middle = authority_issue(&(struct wish){
        .issuer = &scene.root, .common_name = "middle", .is_authority = true});
    lower = authority_issue(&(struct wish){
        .issuer = &middle, .common_name = "lower", .is_authority = true});
    leaf = authority_issue(
        &(struct wish){.issuer = &lower, .names = "DNS:a.test"});
    sent[0] = lower.certificate;
    sent[1] = middle.certificate;
    server_fini(&scene.server);
    server_init(&scene.server, &leaf, sent);
    scene.options.max_version = SL_TLS_1_2;
    REQUIRE(wire_init(&wire, &scene.server, &scene.options, 0) == SL_OK);
    size = idle_size(&wire, NULL);
    test_note("%zu bytes", size);
    CHECK(size < 19 * 1024);
    wire_fini(&wire);
    authority_forget(&leaf);
    authority_forget(&lower);
    authority_forget(&middle);
    scene_fini(&scene);
}

int main(void)
{
    if (!CRYPTO_set_mem_functions(count_allocate, count_resize, count_free))
        return 1;
    return test_main();
}
