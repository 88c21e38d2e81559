#include "conn/link.h"

#include "base/debug.h"

/* Four records, so that one system call feeds several decryptions. */
#define CIPHERTEXT_WANT   ((size_t)64 * 1024)
#define CIPHERTEXT_LITTLE ((size_t)16 * 1024)

/* All of what one call encrypts, so that one system call sends it. */
#define FLUSH_VIEWS 8

/* Receives of messages for TLS alone; a peer that sends more is not quiet. */
#define NEWS_MOST 4

/* The end of a handshake that goes with the first content: a Finished, and a
 * small certificate. */
#define MOST_FLIGHT ((size_t)1024)

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
                              struct sl_tls_engine *engine, enum sl_stage stage)
{
    struct sl_link_tls *tls = sl_allocate(link->allocator, sizeof *tls);

    if (tls == NULL) {
        provider->engine_destroy(engine);
        return SL_MEMORY;
    }
    tls->below = link->tls;
    tls->provider = provider;
    tls->engine = engine;
    sl_buffer_init(&tls->in, pool, SIZE_MAX);
    sl_buffer_init(&tls->out, pool, SIZE_MAX);
    tls->stage = stage;
    tls->is_stuck = false;
    tls->has_flight = false;
    tls->is_dry = false;
    link->tls = tls;
    link->is_clean_end = false;
    return SL_OK;
}

/* ---- failures ---- */

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

/* A failure of an engine names the stage of its layer. */
static enum sl_status fail_layer(const struct sl_link_tls *tls,
                                 enum sl_status status,
                                 struct sl_failure *failure)
{
    if (sl_is_failure(status) && failure->stage == SL_STAGE_TLS)
        failure->stage = tls->stage;
    return status;
}

/* ---- one layer over the next: NULL is the transport ---- */

static enum sl_status send_through(struct sl_link *link,
                                   struct sl_link_tls *tls,
                                   const struct sl_view *views, size_t count,
                                   size_t *sent, struct sl_failure *failure);
static enum sl_status receive_through(struct sl_link *link,
                                      struct sl_link_tls *tls,
                                      struct sl_buffer *buffer, size_t want,
                                      size_t *received,
                                      struct sl_failure *failure);

/* Sends ciphertext until none is left, here and below. */
static enum sl_status flush_ciphertext(struct sl_link *link,
                                       struct sl_link_tls *tls,
                                       struct sl_failure *failure)
{
    struct sl_buffer *out = &tls->out;

    tls->has_flight = false;
    while (out->length > 0) {
        struct sl_view views[FLUSH_VIEWS];
        size_t count = sl_buffer_views(out, views, FLUSH_VIEWS);
        size_t sent;
        enum sl_status status =
            send_through(link, tls->below, views, count, &sent, failure);

        sl_buffer_consume(out, sent);
        if (status != SL_OK)
            return status;
    }
    return tls->below == NULL ? SL_OK
                              : flush_ciphertext(link, tls->below, failure);
}

/* Receives the ciphertext of about `want` bytes of content. */
static enum sl_status receive_ciphertext(struct sl_link *link,
                                         struct sl_link_tls *tls, size_t want,
                                         struct sl_failure *failure)
{
    size_t received;
    enum sl_status status = receive_through(
        link, tls->below, &tls->in,
        want <= CIPHERTEXT_LITTLE ? CIPHERTEXT_LITTLE : CIPHERTEXT_WANT,
        &received, failure);

    if (status == SL_OK)
        tls->is_stuck = false;
    return status;
}

/* As the engine's decrypt, which is not asked again for what it has said. */
static enum sl_status decrypt(struct sl_link_tls *tls, struct sl_buffer *plain,
                              size_t want, struct sl_failure *failure)
{
    enum sl_status status;

    if (tls->is_dry && tls->in.length == 0)
        return SL_AGAIN;
    status = tls->provider->decrypt(tls->engine, &tls->in, plain, want,
                                    &tls->out, failure);
    tls->is_dry = status == SL_AGAIN && tls->in.length == 0;
    return status;
}

/* Encrypts some of `plain` to the tail of `out`. */
static enum sl_status encrypt(struct sl_link *link, struct sl_link_tls *tls,
                              struct sl_view plain, size_t *taken,
                              struct sl_failure *failure)
{
    enum sl_status status;

    for (;;) {
        bool has_input = tls->in.length > 0;

        status = tls->provider->encrypt(tls->engine, plain, &tls->in, &tls->out,
                                        taken, failure);
        /* A failure, and the end of what it has read, are the decrypting side's
         * to report, too. */
        if (has_input || sl_is_failure(status))
            tls->is_dry = false;
        if (status != SL_AGAIN)
            return fail_layer(tls, status, failure);
        status = receive_ciphertext(link, tls, CIPHERTEXT_LITTLE, failure);
        if (status == SL_END)
            return sl_fail(failure, SL_CLOSED, SL_STAGE_NONE,
                           "connection closed");
        tls->is_stuck = status == SL_AGAIN;
        if (status != SL_OK)
            return status;
    }
}

static enum sl_status send_through_tls(struct sl_link *link,
                                       struct sl_link_tls *tls,
                                       const struct sl_view *views,
                                       size_t count, size_t *sent,
                                       struct sl_failure *failure)
{
    enum sl_status status =
        tls->has_flight ? SL_OK : flush_ciphertext(link, tls, failure);

    if (status != SL_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        size_t consumed = 0;

        while (consumed < views[i].size && tls->out.length < CIPHERTEXT_WANT) {
            struct sl_view rest =
                sl_view(views[i].data + consumed, views[i].size - consumed);
            size_t taken;

            status = encrypt(link, tls, rest, &taken, failure);
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
        status = flush_ciphertext(link, tls, failure);
    return status == SL_AGAIN && *sent > 0 ? SL_OK : status;
}

static enum sl_status send_through(struct sl_link *link,
                                   struct sl_link_tls *tls,
                                   const struct sl_view *views, size_t count,
                                   size_t *sent, struct sl_failure *failure)
{
    enum sl_status status;

    *sent = 0;
    if (tls != NULL)
        return send_through_tls(link, tls, views, count, sent, failure);
    status = sl_transport_send(link->transport, views, count, sent);
    if (sl_is_failure(status))
        return fail_transport(link, status, failure);
    return status;
}

static enum sl_status receive_through_tls(struct sl_link *link,
                                          struct sl_link_tls *tls,
                                          struct sl_buffer *buffer, size_t want,
                                          size_t *received,
                                          struct sl_failure *failure)
{
    for (;;) {
        size_t before = buffer->length;
        struct sl_failure ignored;
        enum sl_status status;

        *received = 0;
        if (tls->out.length > MOST_UNSENT &&
            flush_ciphertext(link, tls, &ignored) == SL_AGAIN)
            return SL_AGAIN;
        status = decrypt(tls, buffer, want, failure);
        /* Key updates and alerts; a peer that cannot be written to shows itself
         * at the next send or receive. */
        if (tls->out.length > 0 && !tls->has_flight)
            flush_ciphertext(link, tls, &ignored);
        *received = buffer->length - before;
        if (*received > 0)
            return SL_OK;
        /* A clean end below this layer cuts this one off. */
        if (status == SL_END && tls == link->tls)
            link->is_clean_end = true;
        if (status != SL_AGAIN)
            return fail_layer(tls, status, failure);
        status = receive_ciphertext(link, tls, want, failure);
        if (status != SL_OK)
            return status;
    }
}

static enum sl_status receive_through(struct sl_link *link,
                                      struct sl_link_tls *tls,
                                      struct sl_buffer *buffer, size_t want,
                                      size_t *received,
                                      struct sl_failure *failure)
{
    enum sl_status status;

    if (tls != NULL)
        return receive_through_tls(link, tls, buffer, want, received, failure);
    status = sl_transport_receive(link->transport, buffer, want, received);
    if (sl_is_failure(status))
        return fail_transport(link, status, failure);
    return status;
}

/* ---- all layers ---- */

enum sl_status sl_link_handshake(struct sl_link *link,
                                 struct sl_failure *failure)
{
    struct sl_link_tls *tls = link->tls;

    for (;;) {
        struct sl_failure flush_failure;
        enum sl_status status =
            tls->provider->handshake(tls->engine, &tls->in, &tls->out, failure);
        enum sl_status flushed;

        /* Only where a flush is sure to take it: no earlier send is under
         * way. */
        tls->has_flight = status == SL_OK && tls->out.length > 0 &&
                          tls->out.length <= MOST_FLIGHT &&
                          (tls->below == NULL || tls->below->out.length == 0) &&
                          sl_transport_flush(link->transport) == SL_OK;
        if (tls->has_flight)
            return SL_OK;
        /* A failed handshake flushes, too: the alert says why. */
        flushed = flush_ciphertext(
            link, tls, sl_is_failure(status) ? &flush_failure : failure);
        if (sl_is_failure(status))
            return fail_layer(tls, status, failure);
        if (status == SL_OK || sl_is_failure(flushed))
            return flushed;
        status = receive_ciphertext(link, tls, CIPHERTEXT_LITTLE, failure);
        if (status == SL_END)
            return sl_fail(failure, SL_CLOSED, tls->stage,
                           "connection closed during the handshake");
        if (status != SL_OK)
            return status;
    }
}

enum sl_status sl_link_send(struct sl_link *link, const struct sl_view *views,
                            size_t count, size_t *sent,
                            struct sl_failure *failure)
{
    return send_through(link, link->tls, views, count, sent, failure);
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
    return link->tls == NULL ? SL_OK
                             : flush_ciphertext(link, link->tls, failure);
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
    return receive_through(link, link->tls, buffer, want, received, failure);
}

/* ---- between two uses ---- */

/* Opens records that arrived unrequested; their content goes to `content`, or
 * is dropped where that is NULL. False: they hold content, the peer's end, or
 * an incomplete record, which may become either. The engine may know of an end
 * that it has not reported yet. */
static bool is_all_for_tls(struct sl_link *link, struct sl_link_tls *tls,
                           struct sl_buffer *content)
{
    struct sl_buffer dropped;
    struct sl_failure ignored;
    enum sl_status status;

    if (tls->is_dry && tls->in.length == 0)
        return true;
    sl_buffer_init(&dropped, tls->in.pool, SIZE_MAX);
    status = decrypt(tls, content != NULL ? content : &dropped, 1, &ignored);
    sl_buffer_fini(&dropped);
    if (tls->out.length > 0)
        flush_ciphertext(link, tls, &ignored);
    return status == SL_AGAIN && tls->in.length == 0;
}

/* Content of a layer below is ciphertext of the next one, and perhaps a message
 * for that one alone. */
static bool is_quiet(struct sl_link *link, struct sl_link_tls *tls,
                     struct sl_buffer *content)
{
    struct sl_failure ignored;

    if (tls == NULL)
        return sl_transport_is_quiet(link->transport);
    for (int i = 0; i < NEWS_MOST && is_all_for_tls(link, tls, content); i++) {
        if (is_quiet(link, tls->below, &tls->in))
            return true;
        if (tls->in.length == 0 &&
            receive_ciphertext(link, tls, CIPHERTEXT_LITTLE, &ignored) != SL_OK)
            return false;
    }
    return false;
}

bool sl_link_is_quiet(struct sl_link *link)
{
    if (link->tls == NULL)
        return sl_transport_is_quiet(link->transport);
    return is_quiet(link, link->tls, NULL);
}

void sl_link_rest(struct sl_link *link)
{
    for (struct sl_link_tls *tls = link->tls; tls != NULL; tls = tls->below)
        if (tls->provider->rest != NULL)
            tls->provider->rest(tls->engine);
}

/* ---- the end ---- */

/* Sends each layer's alert as far as that goes without waiting. */
static void send_alerts(struct sl_link *link)
{
    struct sl_failure ignored;

    for (struct sl_link_tls *tls = link->tls; tls != NULL; tls = tls->below) {
        struct sl_buffer *out = &tls->out;

        tls->provider->close(tls->engine, out);
        if (flush_ciphertext(link, tls, &ignored) != SL_AGAIN ||
            tls->below != NULL)
            continue;
        while (out->length > 0) {
            struct sl_view view = sl_buffer_peek(out);

            if (!sl_transport_send_last(link->transport, view))
                return;
            sl_buffer_consume(out, view.size);
        }
    }
}

static void remove_layer(struct sl_link *link)
{
    struct sl_link_tls *tls = link->tls;

    link->tls = tls->below;
    tls->provider->engine_destroy(tls->engine);
    sl_buffer_fini(&tls->in);
    sl_buffer_fini(&tls->out);
    sl_free(link->allocator, tls, sizeof *tls);
}

void sl_link_close(struct sl_link *link, bool is_abort)
{
    /* RFC 9112 9.8: a closure alert before the connection is closed. */
    if (link->tls != NULL && !is_abort &&
        !sl_transport_is_forked(link->transport))
        send_alerts(link);
    while (link->tls != NULL)
        remove_layer(link);
    if (link->transport != NULL) {
        if (is_abort)
            sl_transport_abort(link->transport);
        else
            sl_transport_close(link->transport);
        link->transport = NULL;
    }
}
