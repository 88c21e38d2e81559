/* From the SSL to records of its own, wherever the bytes happen to be cut and
 * whatever the server says meanwhile. */

#include "spec/c/tls/wire.h"

#include "tls/openssl/engine.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CONTENT 4096

static int enlarge_ticket(SSL *ssl, void *unused)
{
    static const char more[1500];

    (void)unused;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), more,
                                           sizeof more);
}

static SSL_TICKET_RETURN take_ticket(SSL *ssl, SSL_SESSION *session,
                                     const unsigned char *name, size_t size,
                                     SSL_TICKET_STATUS status, void *unused)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)size;
    (void)unused;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
                                        : SSL_TICKET_RETURN_IGNORE;
}

/* A server whose tickets do not fit into one record. */
static void begin(struct scene *scene, struct wire *wire)
{
    scene_init(scene);
    SSL_CTX_set_session_ticket_cb(scene->server.context, enlarge_ticket,
                                  take_ticket, NULL);
    SSL_CTX_set_num_tickets(scene->server.context, 0);
    REQUIRE(wire_init(wire, &scene->server, &scene->options, 0) == SL_OK);
}

static void end(struct scene *scene, struct wire *wire)
{
    wire_fini(wire);
    scene_fini(scene);
}

static void open_wire(struct wire *wire)
{
    REQUIRE(wire_open(wire, "a.test", "a") == SL_OK);
    SSL_set_max_send_fragment(wire->server->ssl, 512);
    wire_server_send(wire, "first", 5);
    CHECK_INT(wire_receive(wire, 100), SL_AGAIN);
    CHECK_VIEW(sl_buffer_peek(&wire->plain), "first");
    sl_buffer_reset(&wire->plain);
}

static void send_ticket(SSL *ssl)
{
    CHECK(SSL_new_session_ticket(ssl));
    CHECK_INT(SSL_do_handshake(ssl), 1);
}

/* The size of what the server has to say. */
static size_t unsent(const struct wire *wire)
{
    char *bytes;

    return (size_t)BIO_get_mem_data(wire->server->to_client, &bytes);
}

/* ---- a message in several records ---- */

static void wait_for_ticket(struct wire *wire, size_t cut)
{
    struct sl_tls_engine *engine = wire->engine;
    size_t consumed;
    char bytes[8];

    send_ticket(wire->server->ssl);
    wire->limit = wire->handed + cut;
    CHECK_INT(wire_receive(wire, 100), SL_AGAIN);
    wire->provider->rest(engine);
    CHECK(engine->ssl != NULL);
    if (SSL_in_init(engine->ssl)) {
        /* Nothing can be sent before the rest of it is here. */
        CHECK_INT(wire->provider->encrypt(engine, SL_VIEW("more"), &wire->in,
                                          &wire->out, &consumed,
                                          &wire->failure),
                  SL_AGAIN);
        CHECK(engine->ssl != NULL);
        CHECK_INT(wire->out.length, 0);
    }
    wire->limit = SIZE_MAX;
    while (wire_to_client(wire))
        ;
    CHECK_INT(wire_send(wire, "more", 4), SL_OK);
    CHECK_INT(wire_server_receive(wire, bytes, sizeof bytes), 4);
    CHECK_BYTES(bytes, 4, "more", 4);
    wire_server_send(wire, "content", 7);
    CHECK_INT(wire_receive(wire, 100), SL_AGAIN);
    CHECK_VIEW(sl_buffer_peek(&wire->plain), "content");
    sl_buffer_reset(&wire->plain);
}

TEST("waits for the rest of a message that the server has started")
{
    struct scene scene;
    struct wire wire;
    size_t size;

    begin(&scene, &wire);
    open_wire(&wire);
    send_ticket(scene.server.ssl);
    size = unsent(&wire);
    CHECK(size > 2 * 512);
    for (size_t cut = 1; cut < size; cut += 7) {
        test_note("cut at %zu", cut);
        open_wire(&wire);
        wait_for_ticket(&wire, cut);
        wire.provider->rest(wire.engine);
        CHECK(wire.engine->ssl == NULL);
    }
    end(&scene, &wire);
}

TEST("sends nothing when it is closed between the halves of a message")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire);
    open_wire(&wire);
    send_ticket(scene.server.ssl);
    wire.limit = wire.handed + 600;
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    wire.provider->close(wire.engine, &wire.out);
    CHECK_INT(wire.out.length, 0);
    CHECK_INT(ERR_peek_error(), 0);
    end(&scene, &wire);
}

TEST("fails if the server closes in the middle of a message")
{
    struct scene scene;
    struct wire wire;
    size_t consumed;

    begin(&scene, &wire);
    open_wire(&wire);
    SSL_set_quiet_shutdown(scene.server.ssl, 0);
    send_ticket(scene.server.ssl);
    wire.limit = wire.handed + 512 + 5 + 17; /* the first of its records */
    CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
    /* A record that is not of the message, nor of the connection. */
    CHECK_INT(sl_buffer_append(&wire.in, SL_VIEW("\x17\3\3\0\x13"
                                                 "abcdefghijklmnopqrstuvw")),
              SL_OK);
    CHECK_INT(wire.provider->encrypt(wire.engine, SL_VIEW("more"), &wire.in,
                                     &wire.out, &consumed, &wire.failure),
              SL_TLS);
    CHECK_STR(wire.failure.reason, "a record is corrupt");
    end(&scene, &wire);
}

/* ---- anything, cut anywhere ---- */

static unsigned choose(unsigned *seed, unsigned count)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % count;
}

struct talk {
    unsigned seed;
    char expected[MOST_CONTENT]; /* of the server, all of it */
    size_t size;
    size_t sent; /* bytes of the client that the server has read */
};

static void server_says_something(struct wire *wire, struct talk *talk)
{
    SSL *ssl = wire->server->ssl;
    size_t size = 1 + choose(&talk->seed, 90);

    switch (choose(&talk->seed, 8)) {
    case 0:
    case 1:
        send_ticket(ssl);
        break;
    case 2: /* rarely: the SSL is kept ever after, unless it is gone */
        if (choose(&talk->seed, 8) == 0) {
            CHECK(SSL_key_update(ssl, (int)choose(&talk->seed, 2)));
            CHECK_INT(SSL_do_handshake(ssl), 1);
        }
        break;
    case 3:
        SSL_set_block_padding(ssl, 1 + choose(&talk->seed, 300));
        break;
    default:
        if (talk->size + size > sizeof talk->expected)
            break;
        for (size_t i = 0; i < size; i++)
            talk->expected[talk->size + i] = (char)choose(&talk->seed, 256);
        wire_server_send(wire, talk->expected + talk->size, size);
        talk->size += size;
    }
}

static void client_does_something(struct wire *wire, struct talk *talk)
{
    enum sl_status status;
    size_t consumed;
    char bytes[8];

    wire->limit = wire->handed + choose(&talk->seed, 700);
    CHECK_INT(wire_receive(wire, 1 + choose(&talk->seed, 200)), SL_AGAIN);
    if (choose(&talk->seed, 3) == 0)
        wire->provider->rest(wire->engine);
    if (choose(&talk->seed, 3) > 0)
        return;
    status = wire->provider->encrypt(wire->engine, SL_VIEW("x"), &wire->in,
                                     &wire->out, &consumed, &wire->failure);
    test_note("%s", sl_is_failure(status) ? wire->failure.reason : "");
    REQUIRE(status == SL_OK || status == SL_AGAIN);
    talk->sent += status == SL_OK;
    wire_to_server(wire);
    if (status == SL_OK)
        CHECK_INT(wire_server_receive(wire, bytes, 1), 1);
}

TEST("crosses over wherever bytes are cut, whatever is sent meanwhile")
{
    struct scene scene;
    struct wire wire;
    char arrived[MOST_CONTENT];
    size_t crossed = 0;

    begin(&scene, &wire);
    for (unsigned round = 0; round < 300; round++) {
        struct talk talk = {.seed = round};

        open_wire(&wire);
        for (int i = 0; i < 40; i++) {
            server_says_something(&wire, &talk);
            client_does_something(&wire, &talk);
        }
        wire.limit = SIZE_MAX;
        test_note("round %u: %s", round, wire.failure.reason);
        CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        CHECK_INT(wire.plain.length, talk.size);
        sl_buffer_copy_out(&wire.plain, 0, arrived, sizeof arrived);
        CHECK(memcmp(arrived, talk.expected, talk.size) == 0);
        crossed += wire.engine->ssl == NULL;
    }
    CHECK(crossed > 150 && crossed < 300);
    end(&scene, &wire);
}

/* ---- secrets ---- */

static bool is_zero(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const char *)bytes)[i] != 0)
            return false;
    return true;
}

TEST("erases its secrets when it crosses over, and if it never can")
{
    struct scene scene;
    struct wire wire;

    begin(&scene, &wire);
    for (int updates = 0; updates < 2; updates++) {
        open_wire(&wire);
        CHECK(!is_zero(&wire.engine->notes.sending,
                       sizeof wire.engine->notes.sending));
        if (updates) {
            CHECK(
                SSL_key_update(scene.server.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
            CHECK_INT(SSL_do_handshake(scene.server.ssl), 1);
            CHECK_INT(wire_receive(&wire, 100), SL_AGAIN);
        } else {
            wire.provider->rest(wire.engine);
        }
        CHECK_INT(wire.engine->ssl != NULL, updates);
        CHECK(is_zero(&wire.engine->notes.sending,
                      sizeof wire.engine->notes.sending));
        CHECK(is_zero(&wire.engine->notes.receiving,
                      sizeof wire.engine->notes.receiving));
    }
    end(&scene, &wire);
}

int main(void)
{
    return test_main();
}
