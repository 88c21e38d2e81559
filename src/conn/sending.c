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

/* Many small pieces leave as few large ones: what the transport is given it
 * uses before it returns. */
static enum sl_status send_joined(struct sl_exchange *exchange, size_t *count)
{
    char bytes[SEND_JOINED];
    size_t size = 0;
    struct sl_view view;

    if (exchange->head != NULL) {
        size = exchange->head->filled - exchange->head_sent;
        memcpy(bytes, exchange->head->data + exchange->head_sent, size);
    }
    size += sl_upload_copy_out(&exchange->upload, bytes + size,
                               sizeof bytes - size);
    view = sl_view(bytes, size);
    return sl_link_send(&exchange->connection->link, &view, 1, count,
                        &exchange->failure);
}

static enum sl_status send_views(struct sl_exchange *exchange,
                                 const struct sl_view *views, size_t view_count,
                                 size_t *count)
{
    size_t size = 0;

    for (size_t i = 0; i < view_count; i++)
        size += views[i].size;
    if (view_count == SEND_VIEWS && size < SEND_JOINED)
        return send_joined(exchange, count);
    return sl_link_send(&exchange->connection->link, views, view_count, count,
                        &exchange->failure);
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
    struct sl_upload *upload = &exchange->upload;
    const struct sl_link *link = &exchange->connection->link;
    bool is_direct = link->tls == NULL &&
                     sl_transport_mode(link->transport) == SL_TRANSPORT_STREAM;
    enum sl_status status = sl_upload_fill(upload, is_direct);

    if (status == SL_OK)
        return status;
    if (status == SL_END || status == SL_INVALID)
        return sl_fail(&exchange->failure, SL_INVALID, SL_STAGE_SEND, "%s %s",
                       upload->file_name,
                       status == SL_END ? "is shorter than it was"
                                        : "cannot be read");
    return sl_fail(&exchange->failure, status, SL_STAGE_SEND, "out of memory");
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
