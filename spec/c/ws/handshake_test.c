#include "ws/handshake.h"

#include "spec/c/support/test.h"
#include "tls/provider.h"

#include <string.h>

static enum sl_status sha1(struct sl_view bytes,
                           unsigned char digest[SL_WS_DIGEST_SIZE])
{
    unsigned char hash[SL_TLS_HASH_MAX];
    size_t size = 0;
    enum sl_status status = sl_tls_hash(SL_TLS_SHA1, bytes, hash, &size);

    if (status == SL_OK)
        memcpy(digest, hash, SL_WS_DIGEST_SIZE);
    return status;
}

static enum sl_status no_memory(struct sl_view bytes,
                                unsigned char digest[SL_WS_DIGEST_SIZE])
{
    (void)bytes;
    (void)digest;
    return SL_MEMORY;
}

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

TEST("makes the key and the answer of RFC 6455 1.3")
{
    char made[SL_WS_KEY_SIZE];
    char accept[SL_WS_ACCEPT_SIZE];

    sl_ws_make_key((const unsigned char *)"the sample nonce", made);
    CHECK_BYTES(made, sizeof made, key, SL_WS_KEY_SIZE);
    CHECK_INT(sl_ws_make_accept(sha1, made, accept), SL_OK);
    CHECK_BYTES(accept, sizeof accept, ACCEPT, SL_WS_ACCEPT_SIZE);
    CHECK_INT(sl_ws_make_accept(no_memory, made, accept), SL_MEMORY);
}

static struct sl_ws_answer good(void)
{
    struct sl_ws_answer answer = {101,
                                  SL_VIEW("websocket"),
                                  SL_VIEW("Upgrade"),
                                  SL_VIEW(ACCEPT),
                                  {NULL, 0},
                                  {NULL, 0}};

    return answer;
}

/* Offers chat and superchat. */
static enum sl_status check(const struct sl_ws_answer *answer,
                            bool has_extensions, struct sl_view *protocol,
                            const char **error)
{
    const struct sl_view protocols[] = {SL_VIEW("chat"), SL_VIEW("superchat")};
    struct sl_ws_offer offer = {"", protocols, 2, has_extensions};

    memcpy(offer.key, key, SL_WS_KEY_SIZE);
    return sl_ws_check_answer(&offer, answer, sha1, protocol, error);
}

static void check_good(struct sl_ws_answer answer, const char *expected)
{
    struct sl_view protocol = SL_VIEW("not set");
    const char *error = "not set";

    CHECK_INT(check(&answer, false, &protocol, &error), SL_OK);
    CHECK_VIEW(protocol, expected);
    CHECK(error == NULL);
}

static void check_bad(struct sl_ws_answer answer, const char *expected)
{
    struct sl_view protocol;
    const char *error = NULL;

    CHECK_INT(check(&answer, false, &protocol, &error), SL_PROTOCOL);
    CHECK_STR(error, expected);
}

TEST("accepts the answer that fits, in any case and among other words")
{
    struct sl_ws_answer answer = good();

    check_good(answer, "");
    answer.upgrade = SL_VIEW("WebSocket ");
    answer.connection = SL_VIEW("keep-alive, UPGRADE");
    answer.accept = SL_VIEW(" " ACCEPT "\t");
    check_good(answer, "");
    answer.protocol = SL_VIEW("superchat");
    check_good(answer, "superchat");
    answer.extensions = SL_VIEW("");
    check_good(answer, "superchat");
}

TEST("refuses another status, Upgrade or Connection")
{
    struct sl_ws_answer answer = good();

    answer.status = 200;
    check_bad(answer, "the status is not 101");
    answer = good();
    answer.upgrade = SL_VIEW("websocket, h2c");
    check_bad(answer, "Upgrade is not websocket");
    answer.upgrade = sl_view(NULL, 0);
    check_bad(answer, "Upgrade is not websocket");
    answer = good();
    answer.connection = SL_VIEW("keep-alive, upgraded");
    check_bad(answer, "Connection is not Upgrade");
    answer.connection = sl_view(NULL, 0);
    check_bad(answer, "Connection is not Upgrade");
}

TEST("refuses an Accept of another key, in another case, twice, or none")
{
    const struct sl_view wrong[] = {
        SL_VIEW(""), SL_VIEW("s3pPLMBiTxaQ9kYGzzhZRbK+xOo"),
        SL_VIEW("S3PPLMBITXAQ9KYGZZHZRBK+XOO="), SL_VIEW(ACCEPT ", " ACCEPT),
        SL_VIEW("s3pPLMBiTxaQ9kYGzzhZRbK-xOo=")};
    struct sl_ws_answer answer = good();
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        answer.accept = wrong[i];
        check_bad(answer, "Sec-WebSocket-Accept does not fit the key");
    }
    answer.accept = sl_view(NULL, 0);
    check_bad(answer, "without Sec-WebSocket-Accept");
}

TEST("refuses subprotocols and extensions that were not offered")
{
    const struct sl_view wrong[] = {SL_VIEW("Chat"), SL_VIEW("chat, superchat"),
                                    SL_VIEW(""), SL_VIEW("other")};
    struct sl_ws_answer answer = good();
    struct sl_view protocol;
    const char *error;
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        answer.protocol = wrong[i];
        check_bad(answer, "a subprotocol was not offered");
    }
    answer = good();
    answer.extensions = SL_VIEW("permessage-deflate");
    check_bad(answer, "an extension was not offered");
    CHECK_INT(check(&answer, true, &protocol, &error), SL_OK);
}

TEST("offers tokens, each of them once")
{
    const struct sl_view protocols[] = {SL_VIEW("chat"), SL_VIEW("v1.chat"),
                                        SL_VIEW("chat"), SL_VIEW("a b"),
                                        SL_VIEW("")};

    CHECK(sl_ws_may_offer(NULL, 0));
    CHECK(sl_ws_may_offer(protocols, 2));
    CHECK(!sl_ws_may_offer(protocols, 3));
    CHECK(!sl_ws_may_offer(protocols + 3, 1));
    CHECK(!sl_ws_may_offer(protocols + 4, 1));
}

TEST("passes on that there is no memory")
{
    struct sl_ws_answer answer = good();
    struct sl_ws_offer offer = {"", NULL, 0, false};
    struct sl_view protocol;
    const char *error;

    memcpy(offer.key, key, SL_WS_KEY_SIZE);
    CHECK_INT(sl_ws_check_answer(&offer, &answer, no_memory, &protocol, &error),
              SL_MEMORY);
}

int main(void)
{
    return test_main();
}
