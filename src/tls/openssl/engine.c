#include "tls/openssl/engine.h"

#include "tls/openssl/error.h"

#include <stdio.h>

/* The content after which it pays to go on without the SSL. */
#define MUCH_CONTENT ((size_t)64 * 1024)

struct sl_tls_engine *sl_openssl_engine_of(const SSL *ssl)
{
    /* The bio is the first of the engine's members. */
    return (struct sl_tls_engine *)sl_openssl_bio_of(SSL_get_rbio(ssl));
}

/* ---- life ---- */

static enum sl_status offer_session(struct sl_tls_engine *engine)
{
    SSL_SESSION *session = sl_openssl_slot_take(engine->slot);
    int is_set;

    if (session == NULL)
        return SL_OK;
    is_set = SSL_set_session(engine->ssl, session);
    SSL_SESSION_free(session);
    return is_set ? SL_OK : SL_MEMORY;
}

static enum sl_status prepare(struct sl_tls_engine *engine,
                              const char *identity, struct sl_failure *failure)
{
    struct sl_tls_context *context = engine->context;
    BIO *bio;

    engine->ssl = SSL_new(context->ssl);
    bio = engine->ssl != NULL
              ? sl_openssl_bio_create(context->bio, &engine->bio)
              : NULL;
    if (bio == NULL)
        return sl_openssl_error_take(failure, SL_MEMORY, "create an engine");
    SSL_set_bio(engine->ssl, bio, bio); /* adopts the one reference */
    SSL_set_connect_state(engine->ssl);
    /* RFC 6066 3: names only. */
    if (engine->expected.address_size == 0 &&
        !SSL_set_tlsext_host_name(engine->ssl, engine->expected.host))
        return sl_openssl_error_take(failure, SL_MEMORY, "set the host name");

    if (!context->policy.resumes || identity == NULL)
        return SL_OK;
    engine->slot = sl_openssl_sessions_find(&context->sessions, identity);
    /* The callback that keeps sessions finds the slot, never the engine. */
    if (engine->slot == NULL || !SSL_set_app_data(engine->ssl, engine->slot) ||
        offer_session(engine) != SL_OK)
        return sl_openssl_error_take(failure, SL_MEMORY, "resume a session");
    return SL_OK;
}

enum sl_status
sl_openssl_engine_create(struct sl_tls_context *context, struct sl_pool *pool,
                         const struct sl_tls_engine_options *options,
                         struct sl_tls_engine **engine,
                         struct sl_failure *failure)
{
    struct sl_tls_peer expected;
    struct sl_tls_engine *made;
    enum sl_status status;
    size_t size;

    (void)pool;
    sl_openssl_error_clear();
    status = sl_tls_peer_parse(options->host, &expected, failure);
    if (status != SL_OK)
        return status;
    size = sizeof *made + expected.host_size + 1;
    made = sl_allocate_zeroed(context->allocator, size);
    if (made == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    made->context = context;
    made->owner = options->owner;
    made->size = size;
    memcpy(made->host, options->host, expected.host_size); /* zeroed behind */
    made->expected = expected;
    made->expected.host = made->host;
    made->notes.is_void = !context->has_own_records || options->is_short_lived;
    sl_openssl_context_retain(context);
    status = prepare(made, options->identity, failure);
    if (status != SL_OK) {
        sl_openssl_engine_destroy(made);
        return status;
    }
    *engine = made;
    return SL_OK;
}

static void drop_ssl(struct sl_tls_engine *engine)
{
    /* OpenSSL takes a session for spoiled when its connection was not shut
     * down, an idea that RFC 5246 7.2.1 gave up. */
    if (engine->state.is_ready && engine->state.failure.status == SL_OK)
        SSL_set_shutdown(engine->ssl,
                         SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(engine->ssl);
    engine->ssl = NULL;
    if (engine->slot != NULL)
        sl_openssl_slot_release(engine->slot);
    engine->slot = NULL;
}

void sl_openssl_engine_destroy(struct sl_tls_engine *engine)
{
    struct sl_tls_context *context;

    if (engine == NULL)
        return;
    context = engine->context;
    if (engine->ssl != NULL)
        drop_ssl(engine);
    sl_openssl_records_destroy(engine->records);
    sl_openssl_notes_void(&engine->notes);
    SSL_SESSION_free(engine->early_session);
    sl_tls_texts_release(engine->texts);
    sl_free(context->allocator, engine, engine->size);
    sl_openssl_context_release(context);
    sl_openssl_error_clear();
}

/* ---- sessions ---- */

int sl_openssl_engine_keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct sl_openssl_slot *slot = SSL_get_app_data(ssl);
    struct sl_tls_engine *engine;

    if (slot == NULL)
        return 0;
    engine = sl_openssl_engine_of(ssl);
    if (engine->state.is_ready) {
        sl_openssl_slot_put(slot, session);
    } else {
        SSL_SESSION_free(engine->early_session);
        engine->early_session = session;
    }
    return 1; /* the reference is ours now */
}

/* ---- without the SSL ---- */

void sl_openssl_engine_note_secret(const SSL *ssl, const char *line)
{
    struct sl_tls_engine *engine = sl_openssl_engine_of(ssl);
    const struct sl_tls_policy *policy = &engine->context->policy;
    bool is_enough = sl_openssl_notes_secret(&engine->notes, line);
    char text[512];
    int size;

    if (policy->key_log < 0) {
        if (is_enough)
            SSL_CTX_set_keylog_callback(engine->context->ssl, NULL);
        return;
    }
    size = snprintf(text, sizeof text, "%s\n", line);
    if (size > 0 && (size_t)size < sizeof text)
        sl_tls_policy_log(policy, sl_view(text, (size_t)size));
}

void sl_openssl_engine_note_message(int is_sent, int version, int kind,
                                    const void *bytes, size_t size, SSL *ssl,
                                    void *unused)
{
    struct sl_tls_engine *engine = sl_openssl_engine_of(ssl);
    const unsigned char *alert = bytes;

    (void)version;
    (void)unused;
    if (is_sent && kind == SSL3_RT_ALERT && size == 2 &&
        alert[1] == SSL_AD_NO_RENEGOTIATION)
        engine->has_refused_renegotiation = true;
    if (sl_openssl_notes_message(&engine->notes, is_sent, kind, bytes, size))
        SSL_CTX_set_keylog_callback(engine->context->ssl,
                                    sl_openssl_engine_note_secret);
}

/* Goes on without the SSL, when nothing is under way in it. */
static void take_over(struct sl_tls_engine *engine)
{
    X509 *peer;

    if (engine->ssl == NULL || engine->content_size == 0 ||
        !sl_openssl_notes_suffice(&engine->notes) || engine->state.is_closed ||
        engine->state.failure.status != SL_OK ||
        SSL_version(engine->ssl) != TLS1_3_VERSION ||
        SSL_get_shutdown(engine->ssl) != 0 || SSL_has_pending(engine->ssl) ||
        engine->bio.received.header_size > 0 ||
        engine->bio.sent.header_size > 0)
        return;
    if (engine->texts == NULL) {
        peer = SSL_get_peer_certificate(engine->ssl);
        engine->texts = sl_openssl_context_texts(engine->context, peer);
        X509_free(peer);
    }
    if (engine->texts != NULL)
        engine->records = sl_openssl_records_create(
            engine->context->allocator, SSL_get_current_cipher(engine->ssl),
            &engine->notes.receiving, engine->bio.received.count,
            &engine->notes.sending, engine->bio.sent.count);
    sl_openssl_notes_void(&engine->notes);
    if (engine->records != NULL)
        drop_ssl(engine);
}

/* ---- calls ---- */

static void enter(struct sl_tls_engine *engine, struct sl_buffer *in,
                  struct sl_buffer *out)
{
    sl_openssl_bio_enter(&engine->bio, in, out);
    /* SSL_get_error looks into the queue; our own records do not. */
    if (engine->records == NULL)
        sl_openssl_error_clear();
}

static void leave(struct sl_tls_engine *engine)
{
    sl_openssl_bio_leave(&engine->bio);
    /* Leaves nothing in the queue for other users of OpenSSL in this thread;
     * after a success there is nothing. */
    if (engine->state.failure.status != SL_OK)
        sl_openssl_error_clear();
}

void sl_openssl_engine_rest(struct sl_tls_engine *engine)
{
    take_over(engine);
    if (engine->ssl != NULL && engine->state.is_ready &&
        engine->bio.received.header_size == 0 && !SSL_has_pending(engine->ssl))
        SSL_free_buffers(engine->ssl);
}

/* Keeps the reason for good; a reason left by the check of the certificate is
 * better than OpenSSL's. */
static enum sl_status break_down(struct sl_tls_engine *engine)
{
    const char *what = NULL;

    if (engine->state.failure.status != SL_OK)
        return engine->state.failure.status;
    if (engine->bio.refused != SL_OK)
        return sl_fail(&engine->state.failure, engine->bio.refused,
                       SL_STAGE_TLS, "no room for a record: %s",
                       sl_status_name(engine->bio.refused));
    /* Most servers that want to renegotiate end a connection that does not, by
     * an alert that says nothing of that. */
    if (engine->has_refused_renegotiation)
        what = "renegotiation was refused";
    return sl_openssl_error_take(&engine->state.failure, SL_TLS, what);
}

/* Translates OpenSSL's answer. SL_OK: call again; SL_AGAIN, SL_END; else the
 * engine is broken. */
static enum sl_status translate(struct sl_tls_engine *engine, int result)
{
    switch (SSL_get_error(engine->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        if (engine->bio.is_starved)
            return SL_AGAIN;
        return sl_tls_engine_note_quiet(&engine->state, &engine->state.failure);
    case SSL_ERROR_ZERO_RETURN:
        return SL_END;
    default:
        return break_down(engine);
    }
}

/* ---- handshake ---- */

/* RFC 7301 3.2: the server may choose among the protocols offered. */
static enum sl_status check_alpn(struct sl_tls_engine *engine)
{
    const unsigned char *chosen;
    unsigned size;

    SSL_get0_alpn_selected(engine->ssl, &chosen, &size);
    if (size == 0)
        return SL_OK;
    engine->info.alpn = sl_tls_policy_protocol(
        &engine->context->policy, sl_view((const char *)chosen, size));
    if (engine->info.alpn != NULL)
        return SL_OK;
    return sl_fail(&engine->state.failure, SL_TLS, SL_STAGE_TLS,
                   "the peer chose a protocol that was not offered");
}

static enum sl_status ask_owner(struct sl_tls_engine *engine)
{
    const struct sl_tls_policy *policy = &engine->context->policy;
    struct sl_tls_certificate peer;

    if (policy->verify == NULL)
        return SL_OK;
    if (!sl_openssl_engine_peer(engine, &peer))
        return sl_fail(&engine->state.failure, SL_MEMORY, SL_STAGE_TLS,
                       "out of memory");
    return sl_tls_policy_ask(policy, engine->owner, &peer,
                             &engine->state.failure);
}

static void drop_but_first(STACK_OF(X509) * chain)
{
    while (sk_X509_num(chain) > 1)
        X509_free(sk_X509_pop(chain));
}

/* Only the leaf is of use from now on; the certificates above it have been
 * checked and would cost 5 KB each for as long as the connection idles. */
static void drop_chains(struct sl_tls_engine *engine)
{
    drop_but_first(SSL_get_peer_cert_chain(engine->ssl));
    drop_but_first(SSL_get0_verified_chain(engine->ssl));
}

/* Keeps the information, because the SSL may go before the connection does. */
static void note_info(struct sl_tls_engine *engine)
{
    engine->info.version = SSL_get_version(engine->ssl);
    engine->info.cipher = SSL_get_cipher_name(engine->ssl);
    engine->info.is_resumed = SSL_session_reused(engine->ssl);
    engine->info.is_verified = engine->context->policy.verifies;
}

static enum sl_status accept_peer(struct sl_tls_engine *engine)
{
    enum sl_status status;

    /* A refusal that OpenSSL forgot stays one. */
    if (engine->state.failure.status != SL_OK)
        return engine->state.failure.status;
    sl_openssl_error_clear();
    status = sl_openssl_verify_again(engine, &engine->state.failure);
    if (status == SL_OK)
        status = check_alpn(engine);
    if (status == SL_OK)
        status = ask_owner(engine);
    if (status != SL_OK)
        return status;
    drop_chains(engine);
    note_info(engine);
    /* Records from now on are under the keys of the connection. */
    engine->bio.received.count = 0;
    engine->bio.sent.count = 0;
    engine->notes.message_left = 0;
    sl_tls_engine_accept(&engine->state);
    if (engine->early_session != NULL)
        sl_openssl_slot_put(engine->slot, engine->early_session);
    engine->early_session = NULL;
    return SL_OK;
}

enum sl_status sl_openssl_engine_handshake(struct sl_tls_engine *engine,
                                           struct sl_buffer *in,
                                           struct sl_buffer *out,
                                           struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    int result = 0;

    if (engine->state.failure.status != SL_OK)
        return sl_tls_engine_repeat(&engine->state, failure);
    if (engine->state.is_ready)
        return SL_OK;
    enter(engine, in, out);
    while (status == SL_OK && result != 1) {
        result = SSL_do_handshake(engine->ssl);
        if (result != 1)
            status = translate(engine, result);
    }
    if (status == SL_END)
        status = sl_fail(&engine->state.failure, SL_TLS, SL_STAGE_TLS,
                         "the peer closed during the handshake");
    if (engine->context->policy.key_log < 0)
        SSL_CTX_set_keylog_callback(engine->context->ssl, NULL);
    if (status == SL_OK)
        status = accept_peer(engine);
    leave(engine);
    if (!sl_is_failure(status))
        return status;
    /* The session offered may be the reason for the failure. */
    if (engine->slot != NULL)
        sl_openssl_slot_clear(engine->slot);
    return sl_tls_engine_repeat(&engine->state, failure);
}

/* ---- content ---- */

/* Calls SSL_read once, into the tail of `plain`. */
static enum sl_status read_once(struct sl_tls_engine *engine,
                                struct sl_buffer *plain, size_t want,
                                size_t *count, struct sl_failure *failure)
{
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve(plain, 1, &room);
    int result;

    *count = 0;
    if (status != SL_OK)
        return sl_fail(failure, status, SL_STAGE_TLS, "no room for content");
    if (room.size > want)
        room.size = want;
    result = SSL_read_ex(engine->ssl, room.data, room.size, count);
    if (result != 1)
        *count = 0;
    sl_buffer_commit(plain, *count);
    if (*count > 0) {
        sl_tls_engine_note_content(&engine->state);
        engine->content_size += *count;
        engine->has_refused_renegotiation = false;
        return SL_OK;
    }
    status = translate(engine, result);
    if (sl_is_failure(status))
        sl_tls_engine_repeat(&engine->state, failure);
    return status;
}

/* Opens one record, or the rest of one, without the SSL. */
static enum sl_status open_once(struct sl_tls_engine *engine,
                                struct sl_buffer *in, struct sl_buffer *plain,
                                size_t want, size_t *count,
                                struct sl_buffer *out,
                                struct sl_failure *failure)
{
    struct sl_openssl_records *records = engine->records;
    enum sl_status status =
        sl_openssl_records_open(records, in, plain, want, count, out, failure);

    if (status == SL_OK && *count == 0)
        status = sl_tls_engine_note_quiet(&engine->state, failure);
    if (*count > 0)
        sl_tls_engine_note_content(&engine->state);
    if (status == SL_TLS || records->is_broken)
        engine->state.failure = *failure;
    return status;
}

enum sl_status sl_openssl_engine_decrypt(struct sl_tls_engine *engine,
                                         struct sl_buffer *in,
                                         struct sl_buffer *plain, size_t want,
                                         struct sl_buffer *out,
                                         struct sl_failure *failure)
{
    enum sl_status status =
        sl_tls_engine_check_decrypt(&engine->state, failure);
    size_t total = 0;
    size_t count;

    if (status != SL_OK)
        return status;
    enter(engine, in, out);
    while (status == SL_OK && total < want) {
        if (engine->records != NULL)
            status = open_once(engine, in, plain, want - total, &count, out,
                               failure);
        /* Avoids renting room for nothing. */
        else if (in->length == 0 && !SSL_has_pending(engine->ssl) &&
                 !(SSL_get_shutdown(engine->ssl) & SSL_RECEIVED_SHUTDOWN)) {
            engine->bio.is_starved = true;
            status = SL_AGAIN;
        } else
            status = read_once(engine, plain, want - total, &count, failure);
        if (status == SL_OK)
            total += count;
        if (engine->content_size >= MUCH_CONTENT)
            take_over(engine);
    }
    leave(engine);
    /* The next call reports a failure behind content. */
    return total > 0 ? SL_OK : status;
}

/* Writes one record. SL_AGAIN: one of the peer's messages has to end first. */
static enum sl_status write_once(struct sl_tls_engine *engine,
                                 struct sl_view plain, size_t *count)
{
    enum sl_status status = SL_OK;
    int result;

    if (engine->records != NULL)
        return sl_openssl_records_seal(engine->records, plain, engine->bio.out,
                                       count, &engine->state.failure);
    *count = 0;
    result = SSL_write_ex(engine->ssl, plain.data, plain.size, count);
    if (result != 1)
        status = translate(engine, result);
    if (status == SL_END)
        status = sl_fail(&engine->state.failure, SL_TLS, SL_STAGE_TLS,
                         "the peer closed in the middle of a message");
    return status;
}

enum sl_status
sl_openssl_engine_encrypt(struct sl_tls_engine *engine, struct sl_view plain,
                          struct sl_buffer *in, struct sl_buffer *out,
                          size_t *consumed, struct sl_failure *failure)
{
    enum sl_status status =
        sl_tls_engine_check_encrypt(&engine->state, failure);
    size_t total = 0;
    size_t count;

    if (status != SL_OK)
        return status;
    if (plain.size > SL_TLS_MOST_ENCRYPTED)
        plain.size = SL_TLS_MOST_ENCRYPTED;
    enter(engine, in, out);
    /* Another request on the same connection: it pays to go on without it. */
    take_over(engine);
    while (status == SL_OK && total < plain.size) {
        status = write_once(
            engine, sl_view(plain.data + total, plain.size - total), &count);
        if (status == SL_OK)
            total += count;
    }
    leave(engine);
    if (sl_is_failure(status))
        return sl_tls_engine_repeat(&engine->state, failure);
    *consumed = total;
    return total > 0 ? SL_OK : status;
}

void sl_openssl_engine_close(struct sl_tls_engine *engine,
                             struct sl_buffer *out)
{
    if (!sl_tls_engine_begin_close(&engine->state))
        return;
    enter(engine, NULL, out);
    /* Once: announces our end. The reader notices whether the peer answers. */
    if (engine->records != NULL)
        sl_openssl_records_close(engine->records, out);
    else if (!SSL_in_init(engine->ssl)) /* not between a message's halves */
        SSL_shutdown(engine->ssl);
    leave(engine);
}

/* ---- questions ---- */

void sl_openssl_engine_info(const struct sl_tls_engine *engine,
                            struct sl_tls_info *info)
{
    *info = engine->info;
}

bool sl_openssl_engine_peer(struct sl_tls_engine *engine,
                            struct sl_tls_certificate *certificate)
{
    X509 *peer;

    if (engine->texts == NULL) {
        peer = SSL_get_peer_certificate(engine->ssl);
        if (peer == NULL)
            return false;
        engine->texts = sl_openssl_context_texts(engine->context, peer);
        X509_free(peer);
        sl_openssl_error_clear();
        if (engine->texts == NULL)
            return false;
    }
    *certificate = engine->texts->view;
    return true;
}
