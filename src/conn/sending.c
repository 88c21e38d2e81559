#include "conn/exchange_parts.h"

#include <string.h>

#define CONTINUE_TIMEOUT SL_SECOND
#define SEND_VIEWS       16

/* Views that are small are joined to as much as this before they are sent: a
 * head and a body of SL_SEND_AT_ONCE. */
#define SEND_JOINED (SL_SEND_AT_ONCE + (size_t)8 * 1024)

static size_t gather(const struct sl_exchange *exchange, struct sl_view *views)
{
    size_t count = 0;

    if (exchange->head != NULL && exchange->head_sent < exchange->head->filled)
        views[count++] = sl_view(exchange->head->data + exchange->head_sent,
                                 exchange->head->filled - exchange->head_sent);
    if (exchange->continue_until == 0)
        count += sl_upload_views(&exchange->upload, views + count,
                                 SEND_VIEWS - count);
    return count;
}

/* Fills a rented block with what is left of the head and what is there of the
 * body. NULL: there is no memory, or nothing that may be copied. */
static struct sl_segment *join(const struct sl_exchange *exchange)
{
    const struct sl_segment *head = exchange->head;
    size_t head_left = head == NULL ? 0 : head->filled - exchange->head_sent;
    struct sl_segment *block;

    if (sl_pool_rent_block(sl_exchange_connections(exchange)->pool, SEND_JOINED,
                           &block) != SL_OK)
        return NULL;
    if (head_left > 0)
        memcpy(block->data, head->data + exchange->head_sent, head_left);
    block->filled = head_left + sl_upload_copy_out(&exchange->upload,
                                                   block->data + head_left,
                                                   SEND_JOINED - head_left);
    if (block->filled > 0)
        return block;
    sl_segment_release(block);
    return NULL;
}

/* Words for what sl_upload_fill and sl_upload_verify have found. */
static enum sl_status fail_file(struct sl_exchange *exchange,
                                enum sl_status status)
{
    if (status == SL_END || status == SL_INVALID)
        return sl_fail(&exchange->failure, SL_INVALID, SL_STAGE_SEND, "%s %s",
                       sl_upload_file_name(&exchange->upload),
                       status == SL_END
                           ? "has shrunk since the request was made"
                           : "cannot be read");
    return sl_fail(&exchange->failure, status, SL_STAGE_SEND, "out of memory");
}

static enum sl_status send_mapped(struct sl_exchange *exchange,
                                  const struct sl_view *views,
                                  size_t view_count, size_t *count)
{
    enum sl_status status =
        sl_link_send_mapped(&exchange->connection->link, views, view_count,
                            count, &exchange->failure);
    enum sl_status found = SL_OK;

    if (status == SL_OK || status == SL_INVALID)
        found = sl_upload_verify(&exchange->upload, status == SL_INVALID);
    return found == SL_OK ? status : fail_file(exchange, found);
}

/* Many small pieces leave as few large ones: what the transport is given it
 * uses before it returns. */
static enum sl_status send_views(struct sl_exchange *exchange,
                                 const struct sl_view *views, size_t view_count,
                                 size_t *count)
{
    struct sl_link *link = &exchange->connection->link;
    struct sl_segment *joined = NULL;
    enum sl_status status;
    size_t size = 0;

    for (size_t i = 0; i < view_count; i++)
        size += views[i].size;
    if (view_count == SEND_VIEWS && size < SEND_JOINED)
        joined = join(exchange);
    if (joined != NULL) {
        struct sl_view view = sl_view(joined->data, joined->filled);

        status = sl_link_send(link, &view, 1, count, &exchange->failure);
        sl_segment_release(joined);
        return status;
    }
    if (sl_upload_is_mapped(&exchange->upload))
        return send_mapped(exchange, views, view_count, count);
    return sl_link_send(link, views, view_count, count, &exchange->failure);
}

static void sent(struct sl_exchange *exchange, size_t size)
{
    size_t head = exchange->head == NULL
                      ? 0
                      : exchange->head->filled - exchange->head_sent;

    if (size == 0)
        return;
    if (head > size)
        head = size;
    exchange->head_sent += head;
    sl_upload_advance(&exchange->upload, size - head);
    exchange->has_sent_bytes = true;
    exchange->last_activity = sl_exchange_loop(exchange)->now;
}

static enum sl_status read_file(struct sl_exchange *exchange)
{
    enum sl_status status = sl_upload_fill(
        &exchange->upload, sl_link_can_map(&exchange->connection->link));

    return status == SL_OK ? status : fail_file(exchange, status);
}

static enum sl_status send_next(struct sl_exchange *exchange, size_t *count)
{
    struct sl_view views[SEND_VIEWS];
    size_t view_count;
    enum sl_status status = SL_OK;

    *count = 0;
    if (exchange->holds_head)
        return SL_AGAIN; /* until there is a piece to go with it */
    if (exchange->continue_until == 0)
        status = read_file(exchange);
    if (status != SL_OK)
        return status;
    view_count = gather(exchange, views);
    if (view_count > 0)
        return send_views(exchange, views, view_count, count);
    if (exchange->continue_until != 0 || !sl_upload_is_over(&exchange->upload))
        return SL_AGAIN; /* for 100, or for the next pushed piece */
    return sl_link_flush(&exchange->connection->link, &exchange->failure);
}

static void await_continue(struct sl_exchange *exchange)
{
    if (exchange->continue_until == SL_NEVER &&
        exchange->head_sent == exchange->head->filled) {
        exchange->continue_until =
            sl_exchange_loop(exchange)->now + CONTINUE_TIMEOUT;
        sl_exchange_arm(exchange);
    }
}

/* Bytes that were there before the request cannot be its answer; what came while
 * it had to wait, after check-out, shows now. */
static bool is_too_late(const struct sl_exchange *exchange)
{
    return exchange->is_reused && !exchange->has_sent_bytes &&
           !sl_link_is_quiet(&exchange->connection->link);
}

bool sl_exchange_send_some(struct sl_exchange *exchange, size_t *budget)
{
    size_t count;
    enum sl_status status;

    if (is_too_late(exchange)) {
        sl_fail(&exchange->failure, SL_CLOSED, SL_STAGE_SEND,
                "connection was no longer fit when its turn came");
        sl_exchange_lose(exchange);
        return false;
    }
    status = send_next(exchange, &count);
    sent(exchange, count);
    if (status == SL_OK && count == 0 && !exchange->is_upload_over) {
        exchange->is_upload_over = true;
        exchange->times.sent = sl_exchange_loop(exchange)->now;
        exchange->last_activity = exchange->times.sent;
        return true;
    }
    if (status == SL_CLOSED) {
        /* The peer may have answered before it closed: see what it said. */
        exchange->failure.stage = SL_STAGE_SEND;
        exchange->is_upload_over = true;
        exchange->was_cut = true;
        return true;
    }
    if (status == SL_TLS) {
        sl_exchange_lose(exchange);
        return false;
    }
    if (sl_is_failure(status)) {
        sl_exchange_fail(exchange);
        return false;
    }
    await_continue(exchange);
    *budget -= count < *budget ? count : *budget;
    return count > 0;
}
