#include "conn/link.h"

#include "base/debug.h"

/* Four records, so that one system call feeds several decryptions. */
#define CIPHERTEXT_WANT   ((size_t)64 * 1024)
#define CIPHERTEXT_LITTLE ((size_t)16 * 1024)

/* All of what one call encrypts, so that one system call sends it. */
#define FLUSH_VIEWS 8

/* Receives of messages for TLS alone; a peer that sends more is not quiet. */
#define NEWS_MOST 4

/* TLS answers that may wait for a peer which asks and does not read. */
#define MOST_UNSENT ((size_t)64 * 1024)

void sl_link_init(struct sl_link *link, struct sl_allocator *allocator,
                  struct sl_transport *transport)
{
    link->allocator = allocator;
    link->transport = transport;
    link->tls = NULL;
    link->is_clean_end = true;
}

enum sl_status sl_link_secure(struct sl_link *link, struct sl_pool *pool,
                              const struct sl_tls_provider *provider,
                              struct sl_tls_engine *engine)
{
    struct sl_link_tls *tls = sl_allocate(link->allocator, sizeof *tls);

    if (tls == NULL) {
        provider->engine_destroy(engine);
        return SL_MEMORY;
    }
    tls->provider = provider;
    tls->engine = engine;
    sl_buffer_init(&tls->in, pool, SIZE_MAX);
    sl_buffer_init(&tls->out, pool, SIZE_MAX);
    tls->is_stuck = false;
    link->tls = tls;
    link->is_clean_end = false;
    return SL_OK;
}

/* Fills the failure for an error of the transport itself. */
static enum sl_status fail_transport(struct sl_link *link,
                                     enum sl_status status,
                                     struct sl_failure *failure)
{
    int error = sl_transport_error(link->transport);

    if (status == SL_CLOSED && error != 0)
        return sl_fail_system(failure, status, SL_STAGE_NONE, error);
    if (status == SL_CLOSED)
        return sl_fail(failure, status, SL_STAGE_NONE, "connection closed");
    if (status == SL_MEMORY)
        return sl_fail(failure, status, SL_STAGE_NONE, "out of memory");
    return sl_fail(failure, status, SL_STAGE_NONE, "%s",
                   sl_status_name(status));
}

/* Sends ciphertext until none is left. */
static enum sl_status flush_ciphertext(struct sl_link *link,
                                       struct sl_failure *failure)
{
    struct sl_buffer *out = &link->tls->out;

    while (out->length > 0) {
        struct sl_view views[FLUSH_VIEWS];
        size_t count = sl_buffer_views(out, views, FLUSH_VIEWS);
        size_t sent;
        enum sl_status status =
            sl_transport_send(link->transport, views, count, &sent);

        if (status == SL_AGAIN)
            return status;
        if (status != SL_OK)
            return fail_transport(link, status, failure);
        sl_buffer_consume(out, sent);
    }
    return SL_OK;
}

/* Receives the ciphertext of about `want` bytes of content. */
static enum sl_status receive_ciphertext(struct sl_link *link, size_t want,
                                         struct sl_failure *failure)
{
    size_t received;
    enum sl_status status = sl_transport_receive(
        link->transport, &link->tls->in,
        want <= CIPHERTEXT_LITTLE ? CIPHERTEXT_LITTLE : CIPHERTEXT_WANT,
        &received);

    if (sl_is_failure(status))
        return fail_transport(link, status, failure);
    if (status == SL_OK)
        link->tls->is_stuck = false;
    return status;
}

enum sl_status sl_link_handshake(struct sl_link *link,
                                 struct sl_failure *failure)
{
    struct sl_link_tls *tls = link->tls;

    for (;;) {
        struct sl_failure flush_failure;
        enum sl_status status =
            tls->provider->handshake(tls->engine, &tls->in, &tls->out, failure);
        /* A failed handshake flushes, too: the alert says why. */
        enum sl_status flushed = flush_ciphertext(
            link, sl_is_failure(status) ? &flush_failure : failure);

        if (sl_is_failure(status))
            return status;
        if (status == SL_OK || sl_is_failure(flushed))
            return flushed;
        status = receive_ciphertext(link, CIPHERTEXT_LITTLE, failure);
        if (status == SL_END)
            return sl_fail(failure, SL_CLOSED, SL_STAGE_TLS,
                           "connection closed during the handshake");
        if (status != SL_OK)
            return status;
    }
}

/* Encrypts some of `plain` to the tail of `out`. */
static enum sl_status encrypt(struct sl_link *link, struct sl_view plain,
                              size_t *taken, struct sl_failure *failure)
{
    struct sl_link_tls *tls = link->tls;
    enum sl_status status;

    for (;;) {
        status = tls->provider->encrypt(tls->engine, plain, &tls->in, &tls->out,
                                        taken, failure);
        if (status != SL_AGAIN)
            return status;
        status = receive_ciphertext(link, CIPHERTEXT_LITTLE, failure);
        if (status == SL_END)
            return sl_fail(failure, SL_CLOSED, SL_STAGE_NONE,
                           "connection closed");
        tls->is_stuck = status == SL_AGAIN;
        if (status != SL_OK)
            return status;
    }
}

enum sl_status sl_link_send(struct sl_link *link, const struct sl_view *views,
                            size_t count, size_t *sent,
                            struct sl_failure *failure)
{
    struct sl_link_tls *tls = link->tls;
    enum sl_status status;

    *sent = 0;
    if (tls == NULL) {
        status = sl_transport_send(link->transport, views, count, sent);
        if (sl_is_failure(status))
            return fail_transport(link, status, failure);
        return status;
    }

    status = flush_ciphertext(link, failure);
    if (status != SL_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        size_t consumed = 0;

        while (consumed < views[i].size && tls->out.length < CIPHERTEXT_WANT) {
            struct sl_view rest =
                sl_view(views[i].data + consumed, views[i].size - consumed);
            size_t taken;

            status = encrypt(link, rest, &taken, failure);
            if (sl_is_failure(status))
                return status;
            if (status == SL_AGAIN)
                break;
            consumed += taken;
            *sent += taken;
        }
        if (consumed < views[i].size)
            break;
    }
    if (tls->out.length > 0 || status == SL_OK)
        status = flush_ciphertext(link, failure);
    return status == SL_AGAIN && *sent > 0 ? SL_OK : status;
}

enum sl_status sl_link_send_mapped(struct sl_link *link,
                                   const struct sl_view *views, size_t count,
                                   size_t *sent, struct sl_failure *failure)
{
    enum sl_status status;

    *sent = 0;
    status = sl_transport_send_mapped(link->transport, views, count, sent);
    if (sl_is_failure(status) && status != SL_INVALID)
        return fail_transport(link, status, failure);
    return status;
}

enum sl_status sl_link_flush(struct sl_link *link, struct sl_failure *failure)
{
    return link->tls == NULL ? SL_OK : flush_ciphertext(link, failure);
}

enum sl_status sl_link_drain(struct sl_link *link, struct sl_failure *failure)
{
    enum sl_status status = sl_link_flush(link, failure);

    if (status != SL_OK)
        return status;
    status = sl_transport_flush(link->transport);
    return sl_is_failure(status) ? fail_transport(link, status, failure)
                                 : status;
}

enum sl_status sl_link_receive(struct sl_link *link, struct sl_buffer *buffer,
                               size_t want, size_t *received,
                               struct sl_failure *failure)
{
    struct sl_link_tls *tls = link->tls;
    enum sl_status status;

    if (tls == NULL) {
        status = sl_transport_receive(link->transport, buffer, want, received);
        if (sl_is_failure(status))
            return fail_transport(link, status, failure);
        return status;
    }

    for (;;) {
        size_t before = buffer->length;
        struct sl_failure ignored;

        *received = 0;
        if (tls->out.length > MOST_UNSENT &&
            flush_ciphertext(link, &ignored) == SL_AGAIN)
            return SL_AGAIN;
        status = tls->provider->decrypt(tls->engine, &tls->in, buffer, want,
                                        &tls->out, failure);
        /* Key updates and alerts; a peer that cannot be written to shows itself
         * at the next send or receive. */
        if (tls->out.length > 0)
            flush_ciphertext(link, &ignored);
        *received = buffer->length - before;
        if (*received > 0)
            return SL_OK;
        if (status == SL_END) {
            link->is_clean_end = true;
            return SL_END;
        }
        if (status != SL_AGAIN)
            return status;
        status = receive_ciphertext(link, want, failure);
        if (status != SL_OK)
            return status;
    }
}

/* Opens records that arrived unrequested. False: they hold content, the peer's
 * end, or an incomplete record, which may become either. The engine may know of
 * an end that it has not reported yet. */
static bool is_all_for_tls(struct sl_link *link)
{
    struct sl_link_tls *tls = link->tls;
    struct sl_buffer content;
    struct sl_failure ignored;
    enum sl_status status;

    sl_buffer_init(&content, tls->in.pool, SIZE_MAX);
    status = tls->provider->decrypt(tls->engine, &tls->in, &content, 1,
                                    &tls->out, &ignored);
    sl_buffer_fini(&content);
    if (tls->out.length > 0)
        flush_ciphertext(link, &ignored);
    return status == SL_AGAIN && tls->in.length == 0;
}

bool sl_link_is_quiet(struct sl_link *link)
{
    struct sl_failure ignored;

    if (link->tls == NULL)
        return sl_transport_is_quiet(link->transport);
    for (int i = 0; i < NEWS_MOST && is_all_for_tls(link); i++) {
        if (sl_transport_is_quiet(link->transport))
            return true;
        if (receive_ciphertext(link, CIPHERTEXT_LITTLE, &ignored) != SL_OK)
            return false;
    }
    return false;
}

void sl_link_rest(struct sl_link *link)
{
    if (link->tls != NULL && link->tls->provider->rest != NULL)
        link->tls->provider->rest(link->tls->engine);
}

/* Sends an alert as far as that goes without waiting. */
static void send_alert(struct sl_link *link)
{
    struct sl_buffer *out = &link->tls->out;
    struct sl_failure ignored;

    link->tls->provider->close(link->tls->engine, out);
    if (flush_ciphertext(link, &ignored) != SL_AGAIN)
        return;
    while (out->length > 0) {
        struct sl_view view = sl_buffer_peek(out);

        if (!sl_transport_send_last(link->transport, view))
            return;
        sl_buffer_consume(out, view.size);
    }
}

void sl_link_close(struct sl_link *link, bool is_abort)
{
    struct sl_link_tls *tls = link->tls;

    if (tls != NULL) {
        /* RFC 9112 9.8: a closure alert before the connection is closed. */
        if (!is_abort && !sl_transport_is_forked(link->transport))
            send_alert(link);
        tls->provider->engine_destroy(tls->engine);
        sl_buffer_fini(&tls->in);
        sl_buffer_fini(&tls->out);
        sl_free(link->allocator, tls, sizeof *tls);
        link->tls = NULL;
    }
    if (link->transport != NULL) {
        if (is_abort)
            sl_transport_abort(link->transport);
        else
            sl_transport_close(link->transport);
        link->transport = NULL;
    }
}
