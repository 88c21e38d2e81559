#include "tls/gnutls/engine.h"

#include "tls/gnutls/verify.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MOST_HANDSHAKE_BYTES ((size_t)100 * 1024)

/* A ticket is good for a week at most (RFC 8446 4.6.1); two hours are
 * enough. */
#define SESSION_SECONDS 7200

/* ---- the transport ---- */

static ssize_t pull(gnutls_transport_ptr_t pointer, void *to, size_t size)
{
    struct sl_tls_engine *engine = pointer;
    size_t count;

    if (engine->in == NULL || engine->in->length == 0) {
        engine->is_starved = true;
        gnutls_transport_set_errno(engine->session, EAGAIN);
        return -1;
    }
    engine->has_pulled = true;
    count = sl_buffer_copy_out(engine->in, 0, to, size);
    sl_buffer_consume(engine->in, count);
    return (ssize_t)count;
}

/* Called before GnuTLS would wait; it never waits. */
static int has_input(gnutls_transport_ptr_t pointer, unsigned milliseconds)
{
    struct sl_tls_engine *engine = pointer;

    (void)milliseconds;
    return engine->in != NULL && engine->in->length > 0;
}

static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes,
                    size_t size)
{
    struct sl_tls_engine *engine = pointer;

    engine->refused = engine->out == NULL
                          ? SL_CLOSED
                          : sl_buffer_append(engine->out, sl_view(bytes, size));
    if (engine->refused == SL_OK)
        return (ssize_t)size;
    gnutls_transport_set_errno(engine->session, EIO);
    return -1;
}

/* ---- life ---- */

static int log_key(gnutls_session_t session, const char *label,
                   const gnutls_datum_t *secret)
{
    struct sl_tls_engine *engine = gnutls_session_get_ptr(session);
    gnutls_datum_t client;
    gnutls_datum_t server;
    char text[512];
    size_t used;

    gnutls_session_get_random(session, &client, &server);
    if (strlen(label) > 64 || client.size > 32 || secret->size > 64)
        return 0;
    used = (size_t)snprintf(text, sizeof text, "%s ", label);
    for (unsigned i = 0; i < client.size; i++)
        used += (size_t)snprintf(text + used, 3, "%02x", client.data[i]);
    text[used++] = ' ';
    for (unsigned i = 0; i < secret->size; i++)
        used += (size_t)snprintf(text + used, 3, "%02x", secret->data[i]);
    text[used++] = '\n';
    sl_tls_policy_log(&engine->context->policy, sl_view(text, used));
    return 0;
}

static int note_ticket(gnutls_session_t session, unsigned type, unsigned when,
                       unsigned is_incoming, const gnutls_datum_t *message)
{
    struct sl_tls_engine *engine = gnutls_session_get_ptr(session);

    (void)type;
    (void)when;
    (void)message;
    if (is_incoming)
        engine->has_ticket = true;
    return 0;
}

static void offer_session(struct sl_tls_engine *engine)
{
    struct sl_gnutls_sessions *cache = &engine->context->sessions;
    struct sl_gnutls_session *session =
        sl_gnutls_sessions_take(cache, engine->identity, (int64_t)time(NULL));

    if (session == NULL)
        return;
    /* A session that is refused leads to a full handshake. */
    gnutls_session_set_data(engine->session, session->bytes.data,
                            session->bytes.size);
    /* Used twice, a TLS 1.3 ticket would show an onlooker that both connections
     * have one client (RFC 8446 C.4). */
    if (session->is_single_use)
        sl_gnutls_sessions_drop(cache, session);
    else
        sl_gnutls_sessions_give_back(cache, session);
}

static int prepare(struct sl_tls_engine *engine)
{
    struct sl_tls_context *context = engine->context;
    unsigned flags = GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;
    int result;

    if (!context->policy.resumes)
        flags |= GNUTLS_NO_TICKETS;
    result = gnutls_init(&engine->session, flags);
    if (result < 0)
        return result;
    gnutls_session_set_ptr(engine->session, engine);
    gnutls_transport_set_ptr(engine->session, engine);
    gnutls_transport_set_pull_function(engine->session, pull);
    gnutls_transport_set_pull_timeout_function(engine->session, has_input);
    gnutls_transport_set_push_function(engine->session, push);
    gnutls_handshake_set_max_packet_length(engine->session,
                                           MOST_HANDSHAKE_BYTES);
    if (context->policy.key_log >= 0)
        gnutls_session_set_keylog_function(engine->session, log_key);
    gnutls_handshake_set_hook_function(engine->session,
                                       GNUTLS_HANDSHAKE_NEW_SESSION_TICKET,
                                       GNUTLS_HOOK_POST, note_ticket);
    result = gnutls_priority_set(engine->session, context->priority);
    if (result == 0)
        result = gnutls_credentials_set(engine->session, GNUTLS_CRD_CERTIFICATE,
                                        context->credentials);
    /* RFC 6066 3: names only. */
    if (result == 0 && engine->expected.address_size == 0)
        result =
            gnutls_server_name_set(engine->session, GNUTLS_NAME_DNS,
                                   engine->host, engine->expected.host_size);
    if (result == 0 && context->protocol_count > 0)
        result = gnutls_alpn_set_protocols(engine->session, context->protocols,
                                           context->protocol_count, 0);
    if (result == 0 && engine->identity != NULL)
        offer_session(engine);
    return result;
}

enum sl_status
sl_gnutls_engine_create(struct sl_tls_context *context, struct sl_pool *pool,
                        const struct sl_tls_engine_options *options,
                        struct sl_tls_engine **engine,
                        struct sl_failure *failure)
{
    struct sl_tls_peer expected;
    struct sl_tls_engine *made;
    const char *identity = context->policy.resumes ? options->identity : NULL;
    enum sl_status status =
        sl_tls_peer_parse(options->host, &expected, failure);
    size_t identity_size = identity != NULL ? strlen(identity) + 1 : 0;
    size_t size;

    (void)pool;
    if (status != SL_OK)
        return status;
    size = sizeof *made + expected.host_size + 1 + identity_size;
    made = sl_allocate_zeroed(context->allocator, size);
    if (made == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    made->context = context;
    made->owner = options->owner;
    made->size = size;
    memcpy(made->host, options->host, expected.host_size); /* zeroed behind */
    made->expected = expected;
    made->expected.host = made->host;
    if (identity_size > 0)
        made->identity = memcpy(made->host + expected.host_size + 1, identity,
                                identity_size);
    sl_gnutls_context_retain(context);
    if (prepare(made) < 0) {
        sl_gnutls_engine_destroy(made);
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    }
    *engine = made;
    return SL_OK;
}

void sl_gnutls_engine_destroy(struct sl_tls_engine *engine)
{
    struct sl_tls_context *context = engine->context;

    if (engine->session != NULL)
        gnutls_deinit(engine->session);
    sl_tls_texts_release(engine->texts);
    sl_free(context->allocator, engine, engine->size);
    sl_gnutls_context_release(context);
}

/* ---- calls ---- */

static void enter(struct sl_tls_engine *engine, struct sl_buffer *in,
                  struct sl_buffer *out)
{
    engine->in = in;
    engine->out = out;
    engine->refused = SL_OK;
    engine->is_starved = false;
}

static void keep_session(struct sl_tls_engine *engine)
{
    gnutls_datum_t bytes;
    bool is_newest =
        gnutls_protocol_get_version(engine->session) == GNUTLS_TLS1_3;

    engine->has_ticket = false;
    if (engine->identity == NULL ||
        gnutls_session_get_data2(engine->session, &bytes) < 0)
        return;
    sl_gnutls_sessions_put(&engine->context->sessions, engine->identity,
                           sl_view((const char *)bytes.data, bytes.size),
                           is_newest, (int64_t)time(NULL) + SESSION_SECONDS);
    gnutls_free(bytes.data);
}

static void leave(struct sl_tls_engine *engine)
{
    if (engine->has_ticket && engine->state.is_ready &&
        engine->state.failure.status == SL_OK)
        keep_session(engine);
    engine->in = NULL;
    engine->out = NULL;
}

static enum sl_status fail(struct sl_tls_engine *engine, enum sl_status status,
                           const char *reason)
{
    return sl_fail(&engine->state.failure, status, SL_STAGE_TLS, "%s", reason);
}

/* Keeps the reason for good. */
static enum sl_status break_down(struct sl_tls_engine *engine, int result)
{
    gnutls_alert_description_t alert;

    if (engine->state.failure.status != SL_OK)
        return engine->state.failure.status;
    if (engine->refused != SL_OK)
        return fail(engine, engine->refused, "no room for a record");
    switch (result) {
    case GNUTLS_E_MEMORY_ERROR:
        return fail(engine, SL_MEMORY, "out of memory");
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        alert = gnutls_alert_get(engine->session);
        return sl_fail(&engine->state.failure, SL_TLS, SL_STAGE_TLS,
                       "the peer refuses with alert %d (%s)", (int)alert,
                       gnutls_alert_get_name(alert));
    case GNUTLS_E_DECRYPTION_FAILED:
        return fail(engine, SL_TLS, "a record is corrupt");
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_UNEXPECTED_PACKET:
        if (!engine->state.is_ready)
            return fail(engine, SL_TLS, "the peer does not speak TLS");
        break;
    default:
        break;
    }
    return fail(engine, SL_TLS, gnutls_strerror(result));
}

/* Translates GnuTLS's answer. SL_OK: call again; SL_AGAIN; else the engine is
 * broken. */
static enum sl_status translate(struct sl_tls_engine *engine, int result)
{
    if (result == GNUTLS_E_AGAIN && engine->is_starved)
        return SL_AGAIN;
    if (result < 0 && gnutls_error_is_fatal(result)) {
        enum sl_status status = break_down(engine, result);

        /* RFC 8446 6.2: tells the peer why, where there is still room. */
        gnutls_alert_send_appropriate(engine->session, result);
        return status;
    }
    if (result == GNUTLS_E_REHANDSHAKE)
        gnutls_alert_send(engine->session, GNUTLS_AL_WARNING,
                          GNUTLS_A_NO_RENEGOTIATION);
    return sl_tls_engine_note_quiet(&engine->state, &engine->state.failure);
}

/* ---- handshake ---- */

static enum sl_status ask_owner(struct sl_tls_engine *engine)
{
    const struct sl_tls_policy *policy = &engine->context->policy;
    struct sl_tls_certificate peer;

    if (policy->verify == NULL)
        return SL_OK;
    if (!sl_gnutls_engine_peer(engine, &peer))
        return fail(engine, SL_MEMORY, "out of memory");
    return sl_tls_policy_ask(policy, engine->owner, &peer,
                             &engine->state.failure);
}

static const char *chosen_protocol(const struct sl_tls_engine *engine)
{
    gnutls_datum_t chosen;

    if (gnutls_alpn_get_selected_protocol(engine->session, &chosen) < 0)
        return NULL;
    return sl_tls_policy_protocol(
        &engine->context->policy,
        sl_view((const char *)chosen.data, chosen.size));
}

static enum sl_status accept_peer(struct sl_tls_engine *engine)
{
    gnutls_datum_t chosen;
    enum sl_status status = engine->state.failure.status;

    if (status == SL_OK)
        status = sl_gnutls_verify_again(engine, &engine->state.failure);
    /* RFC 7301 3.2: the server may choose among the protocols offered. */
    if (status == SL_OK && chosen_protocol(engine) == NULL &&
        gnutls_alpn_get_selected_protocol(engine->session, &chosen) == 0)
        status = fail(engine, SL_TLS,
                      "the peer chose a protocol that was not offered");
    if (status == SL_OK)
        status = ask_owner(engine);
    if (status != SL_OK)
        return status;
    sl_tls_engine_accept(&engine->state);
    return SL_OK;
}

enum sl_status sl_gnutls_engine_handshake(struct sl_tls_engine *engine,
                                          struct sl_buffer *in,
                                          struct sl_buffer *out,
                                          struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    int result = GNUTLS_E_AGAIN;

    if (engine->state.failure.status != SL_OK)
        return sl_tls_engine_repeat(&engine->state, failure);
    if (engine->state.is_ready)
        return SL_OK;
    enter(engine, in, out);
    while (status == SL_OK && result != 0) {
        result = gnutls_handshake(engine->session);
        if (result != 0)
            status = translate(engine, result);
    }
    if (status == SL_OK)
        status = accept_peer(engine);
    leave(engine);
    if (!sl_is_failure(status))
        return status;
    /* The session offered may be the reason for the failure. */
    if (engine->identity != NULL)
        sl_gnutls_sessions_forget(&engine->context->sessions, engine->identity);
    return sl_tls_engine_repeat(&engine->state, failure);
}

/* ---- content ---- */

static enum sl_status read_once(struct sl_tls_engine *engine,
                                struct sl_buffer *plain, size_t want,
                                size_t *count, struct sl_failure *failure)
{
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve(plain, 1, &room);
    ssize_t result;

    *count = 0;
    if (status != SL_OK)
        return sl_fail(failure, status, SL_STAGE_TLS, "no room for content");
    engine->has_pulled = false;
    result = gnutls_record_recv(engine->session, room.data,
                                room.size < want ? room.size : want);
    *count = result > 0 ? (size_t)result : 0;
    sl_buffer_commit(plain, *count);
    if (*count > 0) {
        sl_tls_engine_note_content(&engine->state);
        return SL_OK;
    }
    /* An empty record looks like the end, which however repeats itself without
     * reading anything. */
    if (result == 0 && !engine->has_pulled)
        return SL_END;
    status = translate(engine, (int)result);
    if (sl_is_failure(status))
        sl_tls_engine_repeat(&engine->state, failure);
    return status;
}

enum sl_status sl_gnutls_engine_decrypt(struct sl_tls_engine *engine,
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
        status = read_once(engine, plain, want - total, &count, failure);
        if (status == SL_OK)
            total += count;
    }
    leave(engine);
    /* The next call reports a failure behind content. */
    return total > 0 ? SL_OK : status;
}

enum sl_status sl_gnutls_engine_encrypt(struct sl_tls_engine *engine,
                                        struct sl_view plain,
                                        struct sl_buffer *in,
                                        struct sl_buffer *out, size_t *consumed,
                                        struct sl_failure *failure)
{
    enum sl_status status =
        sl_tls_engine_check_encrypt(&engine->state, failure);
    size_t total = 0;
    ssize_t result = 0;

    if (status != SL_OK)
        return status;
    if (plain.size > SL_TLS_MOST_ENCRYPTED)
        plain.size = SL_TLS_MOST_ENCRYPTED;
    enter(engine, in, out);
    while (total < plain.size && result >= 0) {
        result = gnutls_record_send(engine->session, plain.data + total,
                                    plain.size - total);
        if (result >= 0)
            total += (size_t)result;
    }
    if (result < 0)
        break_down(engine, (int)result);
    leave(engine);
    if (engine->state.failure.status != SL_OK)
        return sl_tls_engine_repeat(&engine->state, failure);
    *consumed = total;
    return SL_OK;
}

void sl_gnutls_engine_close(struct sl_tls_engine *engine, struct sl_buffer *out)
{
    if (!sl_tls_engine_begin_close(&engine->state))
        return;
    enter(engine, NULL, out);
    gnutls_bye(engine->session, GNUTLS_SHUT_WR);
    leave(engine);
}

/* ---- questions ---- */

void sl_gnutls_engine_info(const struct sl_tls_engine *engine,
                           struct sl_tls_info *info)
{
    memset(info, 0, sizeof *info);
    if (!engine->state.is_ready)
        return;
    info->version =
        gnutls_protocol_get_version(engine->session) == GNUTLS_TLS1_3
            ? "TLSv1.3"
            : "TLSv1.2";
    info->cipher = gnutls_ciphersuite_get(engine->session);
    info->alpn = chosen_protocol(engine);
    info->is_resumed = gnutls_session_is_resumed(engine->session) != 0;
    info->is_verified = engine->context->policy.verifies;
}

bool sl_gnutls_engine_peer(struct sl_tls_engine *engine,
                           struct sl_tls_certificate *certificate)
{
    const gnutls_datum_t *shown;
    gnutls_x509_crt_t leaf;
    unsigned count = 0;

    if (engine->texts == NULL) {
        shown = gnutls_certificate_get_peers(engine->session, &count);
        if (shown == NULL || count == 0 || gnutls_x509_crt_init(&leaf) < 0)
            return false;
        if (gnutls_x509_crt_import(leaf, shown, GNUTLS_X509_FMT_DER) == 0)
            sl_gnutls_certificate_texts(engine->context->allocator, leaf,
                                        &engine->texts);
        gnutls_x509_crt_deinit(leaf);
        if (engine->texts == NULL)
            return false;
    }
    *certificate = engine->texts->view;
    return true;
}
