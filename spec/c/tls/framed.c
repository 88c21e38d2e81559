#include "spec/c/tls/framed.h"

#define HEAD_SIZE      3
#define MOST_ENCRYPTED ((size_t)4 * FRAMED_MOST)
#define PATTERN        0x5a

struct sl_tls_context {
    struct sl_allocator *allocator;
    size_t refs;
    bool verifies;
    bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                   char *reason, size_t reason_size);
};

struct sl_tls_engine {
    struct sl_tls_context *context;
    char head[HEAD_SIZE]; /* of a frame that has not come as a whole */
    size_t head_size;
    size_t left; /* bytes of a content frame still to come */
    size_t message_left;
    bool has_greeted;
    bool is_ready;
    bool is_closed;
    bool has_ended;
    bool is_short_lived;
    struct sl_failure failure;
    void *owner;
    size_t size;
    char host[];
};

/* ---- frames ---- */

static enum sl_status put_patterned(struct sl_buffer *to, struct sl_view bytes)
{
    struct sl_room room;
    enum sl_status status;

    while (bytes.size > 0) {
        size_t count;

        status = sl_buffer_reserve(to, 1, &room);
        if (status != SL_OK)
            return status;
        count = bytes.size < room.size ? bytes.size : room.size;
        for (size_t i = 0; i < count; i++)
            room.data[i] = (char)(bytes.data[i] ^ PATTERN);
        sl_buffer_commit(to, count);
        bytes = sl_view(bytes.data + count, bytes.size - count);
    }
    return SL_OK;
}

enum sl_status framed_put(struct sl_buffer *to, char kind, struct sl_view bytes)
{
    char head[HEAD_SIZE] = {kind, (char)(bytes.size >> 8), (char)bytes.size};
    enum sl_status status = sl_buffer_append(to, sl_view(head, HEAD_SIZE));

    return status == SL_OK ? put_patterned(to, bytes) : status;
}

static size_t frame_size(const char head[HEAD_SIZE])
{
    return (size_t)(unsigned char)head[1] << 8 | (unsigned char)head[2];
}

enum sl_status framed_take(struct sl_buffer *from, char *kind, char *bytes,
                           size_t capacity, size_t *size)
{
    char head[HEAD_SIZE];

    if (sl_buffer_copy_out(from, 0, head, HEAD_SIZE) < HEAD_SIZE ||
        from->length < HEAD_SIZE + frame_size(head))
        return SL_AGAIN;
    if (frame_size(head) > capacity)
        return SL_LIMIT;
    *kind = head[0];
    *size = frame_size(head);
    sl_buffer_copy_out(from, HEAD_SIZE, bytes, *size);
    for (size_t i = 0; i < *size; i++)
        bytes[i] = (char)(bytes[i] ^ PATTERN);
    sl_buffer_consume(from, HEAD_SIZE + *size);
    return SL_OK;
}

/* ---- context ---- */

static enum sl_status context_create(struct sl_allocator *allocator,
                                     const struct sl_tls_options *options,
                                     struct sl_tls_context **context,
                                     struct sl_failure *failure)
{
    struct sl_tls_context *made = sl_allocate_zeroed(allocator, sizeof *made);

    if (made == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    made->allocator = allocator;
    made->refs = 1;
    made->verifies = options->verifies;
    made->verify = options->verify;
    *context = made;
    return SL_OK;
}

static void context_retain(struct sl_tls_context *context)
{
    context->refs++;
}

static void context_release(struct sl_tls_context *context)
{
    if (--context->refs == 0)
        sl_free(context->allocator, context, sizeof *context);
}

/* ---- engine ---- */

static enum sl_status engine_create(struct sl_tls_context *context,
                                    struct sl_pool *pool,
                                    const struct sl_tls_engine_options *options,
                                    struct sl_tls_engine **engine,
                                    struct sl_failure *failure)
{
    const char *host = options->host;
    size_t length = host != NULL ? strlen(host) : 0;
    struct sl_tls_engine *made;

    (void)pool;
    if (length == 0)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS, "no host");
    made = sl_allocate_zeroed(context->allocator, sizeof *made + length + 1);
    if (made == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    made->context = context;
    made->owner = options->owner;
    made->is_short_lived = options->is_short_lived;
    made->size = sizeof *made + length + 1;
    memcpy(made->host, host, length + 1);
    context_retain(context);
    *engine = made;
    return SL_OK;
}

bool framed_is_short_lived(const struct sl_tls_engine *engine)
{
    return engine->is_short_lived;
}

static void engine_destroy(struct sl_tls_engine *engine)
{
    struct sl_tls_context *context = engine->context;

    sl_free(context->allocator, engine, engine->size);
    context_release(context);
}

static enum sl_status repeat(const struct sl_tls_engine *engine,
                             struct sl_failure *failure)
{
    *failure = engine->failure;
    return failure->status;
}

static enum sl_status break_down(struct sl_tls_engine *engine,
                                 enum sl_status status, const char *reason,
                                 struct sl_failure *failure)
{
    sl_fail(&engine->failure, status, SL_STAGE_TLS, "%s", reason);
    return repeat(engine, failure);
}

static enum sl_status handshake(struct sl_tls_engine *engine,
                                struct sl_buffer *in, struct sl_buffer *out,
                                struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    char reason[64];
    size_t size;
    char kind;

    if (engine->failure.status != SL_OK)
        return repeat(engine, failure);
    if (engine->is_ready)
        return SL_OK;
    if (!engine->has_greeted)
        status =
            framed_put(out, 'H', sl_view(engine->host, strlen(engine->host)));
    if (status != SL_OK)
        return break_down(engine, status, "no room to greet", failure);
    engine->has_greeted = true;
    status = framed_take(in, &kind, reason, sizeof reason - 1, &size);
    if (status == SL_AGAIN)
        return SL_AGAIN;
    if (status == SL_OK && kind == 'W') {
        struct sl_tls_certificate peer = {.subject = engine->host};

        if (engine->context->verify != NULL &&
            !engine->context->verify(engine->owner, &peer, reason,
                                     sizeof reason))
            return break_down(engine, SL_TLS, "refused by its owner", failure);
        if (size > 0)
            status = framed_put(out, 'A', sl_view(NULL, 0));
        if (status != SL_OK)
            return break_down(engine, status, "no room for an answer", failure);
        engine->is_ready = true;
        return SL_OK;
    }
    reason[status == SL_OK && kind == 'X' ? size : 0] = '\0';
    return break_down(engine, SL_TLS, reason[0] != '\0' ? reason : "not framed",
                      failure);
}

static enum sl_status skip_message(struct sl_tls_engine *engine,
                                   struct sl_buffer *in)
{
    size_t count =
        in->length < engine->message_left ? in->length : engine->message_left;

    sl_buffer_consume(in, count);
    engine->message_left -= count;
    return engine->message_left > 0 ? SL_AGAIN : SL_OK;
}

/* The next head, if none is open yet. SL_AGAIN, SL_END; SL_OK: see `left`. */
static enum sl_status read_head(struct sl_tls_engine *engine,
                                struct sl_buffer *in, struct sl_buffer *out,
                                struct sl_failure *failure)
{
    enum sl_status status;
    size_t count;

    while (engine->left == 0) {
        if (skip_message(engine, in) == SL_AGAIN)
            return SL_AGAIN;
        count = sl_buffer_copy_out(in, 0, engine->head + engine->head_size,
                                   HEAD_SIZE - engine->head_size);
        sl_buffer_consume(in, count);
        engine->head_size += count;
        if (engine->head_size < HEAD_SIZE)
            return SL_AGAIN;
        engine->head_size = 0;
        if (engine->head[0] == 'C')
            engine->has_ended = true;
        if (engine->has_ended)
            return SL_END;
        status = SL_OK;
        if (engine->head[0] == 'D')
            engine->left = frame_size(engine->head);
        else if (engine->head[0] == 'M')
            engine->message_left = frame_size(engine->head);
        else if (engine->head[0] == 'Q')
            status = framed_put(out, 'A', sl_view(NULL, 0));
        else if (engine->head[0] != 'K' || frame_size(engine->head) > 0)
            return break_down(engine, SL_TLS, "not framed", failure);
        if (status != SL_OK)
            return break_down(engine, status, "no room for an answer", failure);
    }
    return SL_OK;
}

static enum sl_status decrypt(struct sl_tls_engine *engine,
                              struct sl_buffer *in, struct sl_buffer *plain,
                              size_t want, struct sl_buffer *out,
                              struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    size_t total = 0;

    if (engine->failure.status != SL_OK)
        return repeat(engine, failure);
    if (!engine->is_ready)
        return sl_fail(failure, SL_MISUSE, SL_STAGE_TLS, "not ready");
    while (status == SL_OK && total < want) {
        struct sl_view view;
        size_t count;

        status =
            engine->has_ended ? SL_END : read_head(engine, in, out, failure);
        view = sl_buffer_peek(in);
        if (status == SL_OK && view.size == 0)
            status = SL_AGAIN;
        if (status != SL_OK)
            break;
        count = view.size < engine->left ? view.size : engine->left;
        count = count < want - total ? count : want - total;
        status = put_patterned(plain, sl_view(view.data, count));
        if (status != SL_OK)
            break_down(engine, status, "no room for content", failure);
        else
            sl_buffer_consume(in, count);
        engine->left -= count;
        total += count;
    }
    return total > 0 && !sl_is_failure(status) ? SL_OK : status;
}

static enum sl_status encrypt(struct sl_tls_engine *engine,
                              struct sl_view plain, struct sl_buffer *in,
                              struct sl_buffer *out, size_t *consumed,
                              struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    size_t total = 0;

    if (engine->failure.status != SL_OK)
        return repeat(engine, failure);
    if (!engine->is_ready || engine->is_closed)
        return sl_fail(failure, SL_MISUSE, SL_STAGE_TLS, "not ready");
    if (skip_message(engine, in) == SL_AGAIN)
        return SL_AGAIN;
    if (plain.size > MOST_ENCRYPTED)
        plain.size = MOST_ENCRYPTED;
    while (status == SL_OK && total < plain.size) {
        size_t count = plain.size - total;

        if (count > FRAMED_MOST)
            count = FRAMED_MOST;
        status = framed_put(out, 'D', sl_view(plain.data + total, count));
        total += count;
    }
    if (status != SL_OK)
        return break_down(engine, status, "no room for a frame", failure);
    *consumed = total;
    return SL_OK;
}

static void close_engine(struct sl_tls_engine *engine, struct sl_buffer *out)
{
    if (engine->failure.status != SL_OK || !engine->is_ready ||
        engine->is_closed)
        return;
    engine->is_closed = true;
    /* Without room the peer sees an end without notice, as it would anyway. */
    (void)framed_put(out, 'C', sl_view(NULL, 0));
}

static void info(const struct sl_tls_engine *engine, struct sl_tls_info *to)
{
    memset(to, 0, sizeof *to);
    if (!engine->is_ready)
        return;
    to->version = "framed";
    to->cipher = "none";
    to->is_verified = engine->context->verifies;
}

static bool peer(struct sl_tls_engine *engine,
                 struct sl_tls_certificate *certificate)
{
    (void)engine;
    (void)certificate;
    return false;
}

const struct sl_tls_provider framed_provider = {
    .name = "framed",
    .context_create = context_create,
    .context_retain = context_retain,
    .context_release = context_release,
    .engine_create = engine_create,
    .engine_destroy = engine_destroy,
    .handshake = handshake,
    .decrypt = decrypt,
    .encrypt = encrypt,
    .close = close_engine,
    .info = info,
    .peer = peer,
};
