/* spec/c/tls/wire.h - a client engine and an OpenSSL server, joined in memory
 *
 *   engine --out--> [ server's BIO ]   server --BIO--> in --> engine
 *
 * No sockets: a test decides how many bytes go over at a time.
 */
#ifndef SPEC_C_TLS_WIRE_H
#define SPEC_C_TLS_WIRE_H

#include "memory/buffer.h"
#include "memory/pool.h"
#include "spec/c/support/test.h"
#include "spec/c/tls/authority.h"
#include "tls/provider.h"

#include <openssl/ssl.h>

struct server {
    SSL_CTX *context;
    SSL *ssl; /* of the present connection */
    BIO *from_client;
    BIO *to_client;
};

/* Shows `leaf`, then `chain` (ended by NULL; itself NULL: none). */
void server_init(struct server *server, const struct issued *leaf,
                 X509 *const *chain);
void server_fini(struct server *server);
/* A new connection; the one before is dropped. */
void server_accept(struct server *server);

/* A root, a leaf for a.test and 127.0.0.1, and a server that shows it. */
struct scene {
    struct issued root;
    struct issued leaf;
    char *root_pem;
    struct server server;
    struct sl_tls_options options; /* trusts the root */
};

void scene_init(struct scene *scene);
void scene_fini(struct scene *scene);

/* The client's side of one or more connections. */
struct wire {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer in;
    struct sl_buffer out;
    struct sl_buffer plain;
    const struct sl_tls_provider *provider;
    struct sl_tls_context *context;
    struct sl_tls_engine *engine;
    struct server *server;
    struct sl_failure failure;
    bool is_short_lived; /* its connections */
    size_t piece;        /* bytes that reach the client at a time; 0: all */
    size_t cut;   /* one hand-over ends after so many bytes in all; 0: none */
    size_t limit; /* nothing goes over beyond these; SIZE_MAX: all does */
    /* Around each call of the client's while it connects; NULL: none. */
    void (*around)(bool begins);
    size_t flip;   /* this byte (from 1) arrives changed; 0: none does */
    size_t handed; /* bytes of the server handed to the client, in all */
};

/* The provider of the client; "openssl" unless a program says otherwise. */
extern const char *wire_provider;

/* A pool with `segment_size`, and a context with `options`. */
enum sl_status wire_init(struct wire *wire, struct server *server,
                         const struct sl_tls_options *options,
                         size_t segment_size);
/* Checks that nothing is outstanding. */
void wire_fini(struct wire *wire);

/* A fresh connection, not yet begun. */
enum sl_status wire_connect(struct wire *wire, const char *host,
                            const char *identity);
void wire_disconnect(struct wire *wire);

/* Both sides until the client is done or has failed, or neither has anything
 * to say (SL_AGAIN). */
enum sl_status wire_handshake(struct wire *wire);
/* connect and handshake. */
enum sl_status wire_open(struct wire *wire, const char *host,
                         const char *identity);

/* One step of the server (handshake or reading away what is not content). */
void wire_serve(struct wire *wire);
/* Everything of the client to the server; of the server to `in`, at most
 * `piece` bytes. False when nothing moved. */
bool wire_to_server(struct wire *wire);
bool wire_to_client(struct wire *wire);

/* The server sends `size` bytes as one record or more. */
void wire_server_send(struct wire *wire, const void *bytes, size_t size);
/* What the server could read, up to `size`. */
size_t wire_server_receive(struct wire *wire, void *bytes, size_t size);
/* Decrypts until SL_AGAIN, SL_END or a failure, `piece` by `piece`. */
enum sl_status wire_receive(struct wire *wire, size_t want);
/* Encrypts all of it and hands it to the server. */
enum sl_status wire_send(struct wire *wire, const void *bytes, size_t size);

#endif
