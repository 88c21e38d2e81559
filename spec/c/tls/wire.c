#include "spec/c/tls/wire.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

const char *wire_provider = "openssl";

/* ---- server ---- */

void server_init(struct server *server, const struct issued *leaf,
                 X509 *const *chain)
{
    memset(server, 0, sizeof *server);
    server->context = SSL_CTX_new(TLS_server_method());
    /* What a server may show is the client's to judge. */
    SSL_CTX_set_security_level(server->context, 0);
    REQUIRE(SSL_CTX_use_cert_and_key(server->context, leaf->certificate,
                                     leaf->key, NULL, 1));
    for (; chain != NULL && *chain != NULL; chain++)
        REQUIRE(SSL_CTX_add1_chain_cert(server->context, *chain));
    SSL_CTX_set_session_id_context(server->context,
                                   (const unsigned char *)"spec", 4);
    /* Resumption by tickets or not at all: nothing is kept here. */
    SSL_CTX_set_session_cache_mode(server->context, SSL_SESS_CACHE_OFF);
}

void server_fini(struct server *server)
{
    SSL_free(server->ssl);
    SSL_CTX_free(server->context);
    memset(server, 0, sizeof *server);
}

void server_accept(struct server *server)
{
    SSL_free(server->ssl);
    server->ssl = SSL_new(server->context);
    server->from_client = BIO_new(BIO_s_mem());
    server->to_client = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(server->from_client, -1);
    BIO_set_mem_eof_return(server->to_client, -1);
    SSL_set_bio(server->ssl, server->from_client, server->to_client);
    SSL_set_accept_state(server->ssl);
}

void scene_init(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    scene->root = authority_issue(
        &(struct wish){.common_name = "root", .is_authority = true});
    scene->leaf = authority_issue(&(struct wish){
        .issuer = &scene->root, .names = "DNS:a.test,IP:127.0.0.1"});
    scene->root_pem = authority_pem(scene->root.certificate);
    server_init(&scene->server, &scene->leaf, NULL);
    sl_tls_options_default(&scene->options);
    scene->options.ca = sl_view(scene->root_pem, strlen(scene->root_pem));
}

void scene_fini(struct scene *scene)
{
    server_fini(&scene->server);
    free(scene->root_pem);
    authority_forget(&scene->leaf);
    authority_forget(&scene->root);
}

/* ---- wire ---- */

enum sl_status wire_init(struct wire *wire, struct server *server,
                         const struct sl_tls_options *options,
                         size_t segment_size)
{
    struct sl_pool_options pool = {.segment_size = segment_size,
                                   .spare_limit = SIZE_MAX};

    memset(wire, 0, sizeof *wire);
    test_allocator_init(&wire->allocator);
    sl_pool_init(&wire->pool, &wire->allocator.base, &pool);
    sl_buffer_init(&wire->in, &wire->pool, SIZE_MAX);
    sl_buffer_init(&wire->out, &wire->pool, SIZE_MAX);
    sl_buffer_init(&wire->plain, &wire->pool, SIZE_MAX);
    wire->server = server;
    wire->limit = SIZE_MAX;
    wire->provider = sl_tls_provider_find(wire_provider);
    return wire->provider->context_create(&wire->allocator.base, options,
                                          &wire->context, &wire->failure);
}

void wire_fini(struct wire *wire)
{
    wire_disconnect(wire);
    sl_buffer_fini(&wire->in);
    sl_buffer_fini(&wire->out);
    sl_buffer_fini(&wire->plain);
    if (wire->context != NULL)
        wire->provider->context_release(wire->context);
    CHECK_INT(sl_pool_outstanding(&wire->pool), 0);
    CHECK_INT(sl_pool_fini(&wire->pool), 0);
    test_allocator_fini(&wire->allocator);
}

void wire_disconnect(struct wire *wire)
{
    if (wire->engine != NULL)
        wire->provider->engine_destroy(wire->engine);
    wire->engine = NULL;
    sl_buffer_reset(&wire->in);
    sl_buffer_reset(&wire->out);
    sl_buffer_reset(&wire->plain);
    wire->handed = 0;
}

static void around(const struct wire *wire, bool begins)
{
    if (wire->around != NULL)
        wire->around(begins);
}

enum sl_status wire_connect(struct wire *wire, const char *host,
                            const char *identity)
{
    struct sl_tls_engine_options options = {.host = host,
                                            .identity = identity,
                                            .is_short_lived =
                                                wire->is_short_lived};
    enum sl_status status;

    wire_disconnect(wire);
    if (wire->server != NULL)
        server_accept(wire->server);
    memset(&wire->failure, 0, sizeof wire->failure);
    around(wire, true);
    status = wire->provider->engine_create(wire->context, &wire->pool, &options,
                                           &wire->engine, &wire->failure);
    around(wire, false);
    return status;
}

bool wire_to_server(struct wire *wire)
{
    bool has_moved = wire->out.length > 0;

    while (wire->out.length > 0) {
        struct sl_view view = sl_buffer_peek(&wire->out);

        BIO_write(wire->server->from_client, view.data, (int)view.size);
        sl_buffer_consume(&wire->out, view.size);
    }
    return has_moved;
}

bool wire_to_client(struct wire *wire)
{
    char *bytes;
    size_t size = (size_t)BIO_get_mem_data(wire->server->to_client, &bytes);
    char piece[4096];
    int count;

    if (wire->piece > 0 && size > wire->piece)
        size = wire->piece;
    if (size > sizeof piece)
        size = sizeof piece;
    if (wire->cut > wire->handed && size > wire->cut - wire->handed)
        size = wire->cut - wire->handed;
    if (size > wire->limit - wire->handed)
        size = wire->limit - wire->handed;
    if (size == 0)
        return false;
    count = BIO_read(wire->server->to_client, piece, (int)size);
    if (count <= 0)
        return false;
    if (wire->flip > wire->handed && wire->flip <= wire->handed + (size_t)count)
        piece[wire->flip - wire->handed - 1] ^= 0x20;
    wire->handed += (size_t)count;
    return sl_buffer_append(&wire->in, sl_view(piece, (size_t)count)) == SL_OK;
}

void wire_serve(struct wire *wire)
{
    char nothing;

    ERR_clear_error();
    if (!SSL_is_init_finished(wire->server->ssl))
        SSL_do_handshake(wire->server->ssl);
    else
        SSL_peek(wire->server->ssl, &nothing, 1);
    ERR_clear_error();
}

enum sl_status wire_handshake(struct wire *wire)
{
    enum sl_status status;
    bool has_moved = true;

    for (;;) {
        around(wire, true);
        status = wire->provider->handshake(wire->engine, &wire->in, &wire->out,
                                           &wire->failure);
        around(wire, false);
        if (wire_to_server(wire) || !has_moved)
            wire_serve(wire);
        if (status != SL_AGAIN)
            return status;
        if (!wire_to_client(wire)) {
            if (!has_moved)
                return SL_AGAIN;
            has_moved = false;
        } else {
            has_moved = true;
        }
    }
}

enum sl_status wire_open(struct wire *wire, const char *host,
                         const char *identity)
{
    enum sl_status status = wire_connect(wire, host, identity);

    return status == SL_OK ? wire_handshake(wire) : status;
}

void wire_server_send(struct wire *wire, const void *bytes, size_t size)
{
    ERR_clear_error();
    if (size > 0)
        CHECK_INT(SSL_write(wire->server->ssl, bytes, (int)size), size);
    ERR_clear_error();
}

size_t wire_server_receive(struct wire *wire, void *bytes, size_t size)
{
    size_t total = 0;
    size_t count;

    ERR_clear_error();
    while (total < size && SSL_read_ex(wire->server->ssl, (char *)bytes + total,
                                       size - total, &count) == 1)
        total += count;
    ERR_clear_error();
    return total;
}

enum sl_status wire_receive(struct wire *wire, size_t want)
{
    enum sl_status status;

    for (;;) {
        status = wire->provider->decrypt(wire->engine, &wire->in, &wire->plain,
                                         want, &wire->out, &wire->failure);
        if (status == SL_OK)
            continue;
        if (status != SL_AGAIN || !wire_to_client(wire))
            return status;
    }
}

enum sl_status wire_send(struct wire *wire, const void *bytes, size_t size)
{
    struct sl_view left = sl_view(bytes, size);
    enum sl_status status = SL_OK;
    size_t count;

    while (left.size > 0 && status == SL_OK) {
        status = wire->provider->encrypt(wire->engine, left, &wire->in,
                                         &wire->out, &count, &wire->failure);
        if (status == SL_OK) {
            CHECK(count > 0 && count <= left.size);
            left = sl_view(left.data + count, left.size - count);
        }
        wire_to_server(wire);
    }
    return status;
}
