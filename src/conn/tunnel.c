#include "conn/tunnel.h"

#include "base/packed.h"

/* Credentials of a few kilobytes are in use. */
#define OUTPUT_SIZE ((size_t)512)
#define OUTPUT_MOST ((size_t)64 * 1024)

/* ---- moving bytes ---- */

static enum sl_status send_output(struct sl_tunnel *tunnel,
                                  struct sl_link *link,
                                  struct sl_failure *failure)
{
    struct sl_view all = sl_writer_view(&tunnel->output);
    enum sl_status status;

    while (tunnel->sent < all.size) {
        struct sl_view rest =
            sl_view(all.data + tunnel->sent, all.size - tunnel->sent);
        size_t sent;

        status = sl_link_send(link, &rest, 1, &sent, failure);
        tunnel->sent += sent;
        if (status != SL_OK)
            return status;
    }
    status = sl_link_flush(link, failure);
    if (status == SL_OK) {
        sl_writer_reset(&tunnel->output);
        tunnel->sent = 0;
    }
    return status;
}

static enum sl_status receive_input(struct sl_tunnel *tunnel,
                                    struct sl_link *link,
                                    struct sl_failure *failure)
{
    size_t received;
    enum sl_status status =
        sl_link_receive(link, &tunnel->input, tunnel->want, &received, failure);

    return status == SL_END
               ? sl_tunnel_end_input(tunnel, link->is_clean_end, failure)
               : status;
}

enum sl_status sl_tunnel_advance(struct sl_tunnel *tunnel, struct sl_link *link,
                                 struct sl_failure *failure)
{
    enum sl_status status;

    do {
        status = send_output(tunnel, link, failure);
        if (status == SL_OK)
            status = receive_input(tunnel, link, failure);
        if (status == SL_OK) {
            status = tunnel->class->advance(tunnel, failure);
            if (status == SL_AGAIN)
                continue;
        }
        if (!sl_is_failure(status))
            return status;
        failure->stage = SL_STAGE_PROXY;
        return sl_tunnel_give_up(tunnel, failure) ? SL_PROXY : status;
    } while (true);
}

enum sl_status sl_tunnel_end_input(struct sl_tunnel *tunnel, bool is_clean,
                                   struct sl_failure *failure)
{
    if (tunnel->is_refused)
        sl_refusal_end_input(tunnel->answer, &tunnel->input, is_clean);
    if (sl_tunnel_give_up(tunnel, failure))
        return failure->status;
    return sl_fail(failure, SL_CLOSED, SL_STAGE_PROXY,
                   "connection closed before the whole answer");
}

bool sl_tunnel_give_up(struct sl_tunnel *tunnel, struct sl_failure *failure)
{
    if (tunnel->is_refused)
        *failure = tunnel->refused;
    return tunnel->is_refused;
}

struct sl_refusal *sl_tunnel_take_refusal(struct sl_tunnel *tunnel)
{
    struct sl_refusal *refusal = tunnel->is_refused ? tunnel->answer : NULL;

    if (refusal != NULL)
        tunnel->answer = NULL;
    return refusal;
}

/* ---- a life ---- */

enum sl_status sl_tunnel_create(const struct sl_tunnel_class *class,
                                struct sl_allocator *allocator,
                                struct sl_pool *pool,
                                const struct sl_tunnel_target *target,
                                struct sl_tunnel **tunnel,
                                struct sl_failure *failure)
{
    size_t size = class->size + sl_packed_size(target->host) +
                  sl_packed_size(target->user) +
                  sl_packed_size(target->password) +
                  sl_packed_size(target->authorization);
    struct sl_tunnel *created = sl_allocate_zeroed(allocator, size);
    enum sl_status status;
    char *room;

    if (created == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_PROXY, "out of memory");
    room = (char *)created + class->size;
    created->class = class;
    created->allocator = allocator;
    created->pool = pool;
    created->size = size;
    created->target.host = sl_packed_copy(&room, target->host);
    created->target.port = target->port;
    created->target.user = sl_packed_copy(&room, target->user);
    created->target.password = sl_packed_copy(&room, target->password);
    created->target.authorization =
        sl_packed_copy(&room, target->authorization);
    sl_buffer_init(&created->input, pool, SIZE_MAX);
    sl_writer_init(&created->output, pool, OUTPUT_SIZE, OUTPUT_MOST);
    status = class->begin(created, failure);
    if (status != SL_OK) {
        failure->stage = SL_STAGE_PROXY;
        sl_tunnel_destroy(created);
        return status;
    }
    *tunnel = created;
    return SL_OK;
}

void sl_tunnel_destroy(struct sl_tunnel *tunnel)
{
    sl_refusal_destroy(tunnel->answer);
    sl_buffer_fini(&tunnel->input);
    sl_writer_dispose(&tunnel->output);
    sl_free(tunnel->allocator, tunnel, tunnel->size);
}
