#include "tls/openssl/notes.h"

#include "spec/c/support/test.h"

#include <string.h>

#define CLIENT_RANDOM \
    " 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "
#define SECRET \
    "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f"

static const unsigned char finished[] = {SSL3_MT_FINISHED, 0, 0, 1, 0};
static const unsigned char update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 0};
static const unsigned char ticket[] = {SSL3_MT_NEWSESSION_TICKET, 0, 0, 1, 0};

/* A record of that many bytes of a message arrives. */
static void give_record(struct sl_openssl_notes *notes, size_t size)
{
    size_t sealed = size + 1 + 16;
    unsigned char header[] = {23, 3, 3, (unsigned char)(sealed >> 8),
                              (unsigned char)sealed};
    unsigned char kind = SSL3_RT_HANDSHAKE;

    sl_openssl_notes_message(notes, false, SSL3_RT_HEADER, header,
                             sizeof header);
    sl_openssl_notes_message(notes, false, SSL3_RT_INNER_CONTENT_TYPE, &kind,
                             1);
}

TEST("takes the secrets of the content from the log, and no others")
{
    struct sl_openssl_notes notes = {0};

    CHECK(!sl_openssl_notes_secret(&notes, "CLIENT_HANDSHAKE_TRAFFIC_SECRET" //
                                   CLIENT_RANDOM SECRET));
    CHECK(!sl_openssl_notes_secret(&notes,
                                   "EXPORTER_SECRET" CLIENT_RANDOM SECRET));
    CHECK_INT(notes.receiving.size, 0);
    CHECK_INT(notes.sending.size, 0);
    CHECK(sl_openssl_notes_secret(&notes, "SERVER_TRAFFIC_SECRET_0" //
                                  CLIENT_RANDOM SECRET));
    CHECK_INT(notes.receiving.size, 32);
    CHECK_INT(notes.receiving.bytes[0], 0xf0);
    CHECK_INT(notes.receiving.bytes[31], 0x0f);
    CHECK_INT(notes.sending.size, 0);
    CHECK(sl_openssl_notes_secret(&notes, "CLIENT_TRAFFIC_SECRET_0" //
                                  CLIENT_RANDOM SECRET));
    CHECK_INT(notes.sending.size, 32);
}

TEST("does not take a secret that is longer than those of TLS 1.3")
{
    struct sl_openssl_notes notes = {0};

    sl_openssl_notes_secret(&notes, "SERVER_TRAFFIC_SECRET_0" //
                            CLIENT_RANDOM SECRET SECRET);
    CHECK_INT(notes.receiving.size, 0);
}

TEST("announces the secrets of the content when a side has finished")
{
    struct sl_openssl_notes notes = {0};

    CHECK(!sl_openssl_notes_message(&notes, false, SSL3_RT_HANDSHAKE, ticket,
                                    sizeof ticket));
    CHECK(sl_openssl_notes_message(&notes, false, SSL3_RT_HANDSHAKE, finished,
                                   sizeof finished));
    CHECK(sl_openssl_notes_message(&notes, true, SSL3_RT_HANDSHAKE, finished,
                                   sizeof finished));
    CHECK(!sl_openssl_notes_message(&notes, false, SSL3_RT_ALERT, finished,
                                    sizeof finished));
    sl_openssl_notes_void(&notes);
    CHECK(!sl_openssl_notes_message(&notes, false, SSL3_RT_HANDSHAKE, finished,
                                    sizeof finished));
}

TEST("do not suffice between the parts of a message")
{
    struct sl_openssl_notes notes = {0};
    unsigned char content = SSL3_RT_APPLICATION_DATA;

    CHECK(sl_openssl_notes_suffice(&notes));
    give_record(&notes, 3);
    CHECK(!sl_openssl_notes_suffice(&notes));
    give_record(&notes, 2);
    CHECK(!sl_openssl_notes_suffice(&notes));
    sl_openssl_notes_message(&notes, false, SSL3_RT_HANDSHAKE, ticket,
                             sizeof ticket);
    CHECK(sl_openssl_notes_suffice(&notes));
    give_record(&notes, 7); /* two bytes of padding, perhaps */
    sl_openssl_notes_message(&notes, false, SSL3_RT_HANDSHAKE, ticket,
                             sizeof ticket);
    CHECK(!sl_openssl_notes_suffice(&notes));
    sl_openssl_notes_message(&notes, false, SSL3_RT_INNER_CONTENT_TYPE,
                             &content, 1);
    CHECK(sl_openssl_notes_suffice(&notes));
}

TEST("are void once keys are updated, by either side, and keep no secret")
{
    for (int is_sent = 0; is_sent < 2; is_sent++) {
        struct sl_openssl_notes notes = {0};
        struct sl_openssl_secret none = {0};

        sl_openssl_notes_secret(&notes, "SERVER_TRAFFIC_SECRET_0" //
                                CLIENT_RANDOM SECRET);
        CHECK(!sl_openssl_notes_message(&notes, is_sent, SSL3_RT_HANDSHAKE,
                                        update, sizeof update));
        CHECK(!sl_openssl_notes_suffice(&notes));
        CHECK_BYTES((const char *)&notes.receiving, sizeof none,
                    (const char *)&none, sizeof none);
        sl_openssl_notes_secret(&notes, "SERVER_TRAFFIC_SECRET_0" //
                                CLIENT_RANDOM SECRET);
        CHECK_INT(notes.receiving.size, 0);
    }
}

int main(void)
{
    return test_main();
}
