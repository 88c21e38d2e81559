#include "conn/exchanges.h"

#include "conn/exchange.h"

#include <string.h>

/* Of each kind. More would stay after a burst for as long as the client. */
#define SPARE_MOST 256

/* ---- lists ---- */

void sl_exchanges_link(struct sl_exchange **list, struct sl_exchange *exchange)
{
    exchange->previous = NULL;
    exchange->next = *list;
    if (*list != NULL)
        (*list)->previous = exchange;
    *list = exchange;
}

void sl_exchanges_unlink(struct sl_exchange **list,
                         struct sl_exchange *exchange)
{
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        *list = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    exchange->next = exchange->previous = NULL;
}

/* ---- a life ---- */

enum sl_status sl_exchanges_create(struct sl_connections *connections,
                                   struct sl_exchanges **exchanges)
{
    struct sl_allocator *allocator = connections->allocator;
    struct sl_exchanges *created =
        sl_allocate_zeroed(allocator, sizeof *created);

    if (created == NULL)
        return SL_MEMORY;
    created->over = sl_allocate_zeroed(allocator, sizeof *created->over);
    if (created->over == NULL) {
        sl_free(allocator, created, sizeof *created);
        return SL_MEMORY;
    }
    sl_completion_init(&created->over->room, connections->loop, NULL);
    created->over->outgoing.phase = SL_OUTGOING_SENT;
    created->over->outgoing.head_sent = 1;
    created->connections = connections;
    sl_connections_retain(connections);
    created->refs = 1;
    *exchanges = created;
    return SL_OK;
}

static void destroy_input(struct sl_exchanges *exchanges,
                          struct sl_buffer *input)
{
    sl_buffer_fini(input);
    sl_free(exchanges->connections->allocator, input, sizeof *input);
}

void sl_exchanges_retain(struct sl_exchanges *exchanges)
{
    exchanges->refs++;
}

void sl_exchanges_release(struct sl_exchanges *exchanges)
{
    struct sl_connections *connections = exchanges->connections;

    if (--exchanges->refs > 0)
        return;
    while (exchanges->spare != NULL) {
        struct sl_exchange *spare = exchanges->spare;

        exchanges->spare = spare->next;
        sl_free(connections->allocator, spare, sizeof *spare);
    }
    while (exchanges->spare_request != NULL) {
        struct sl_exchange_request *spare = exchanges->spare_request;

        exchanges->spare_request = spare->next;
        sl_free(connections->allocator, spare, sizeof *spare);
    }
    if (exchanges->spare_input != NULL)
        destroy_input(exchanges, exchanges->spare_input);
    sl_free(connections->allocator, exchanges->over, sizeof *exchanges->over);
    sl_free(connections->allocator, exchanges, sizeof *exchanges);
    sl_connections_release(connections);
}

void sl_exchanges_close(struct sl_exchanges *exchanges)
{
    /* The last drain may release the last reference. */
    sl_exchanges_retain(exchanges);
    sl_connections_close(exchanges->connections);
    while (exchanges->draining != NULL)
        sl_exchange_abort(exchanges->draining, SL_CLOSED, "client is closed");
    sl_exchanges_release(exchanges);
}

static struct sl_exchange_request *rent_request(struct sl_exchanges *exchanges)
{
    struct sl_exchange_request *request = exchanges->spare_request;

    if (request == NULL)
        return sl_allocate_zeroed(exchanges->connections->allocator,
                                  sizeof *request);
    exchanges->spare_request = request->next;
    exchanges->spare_request_count--;
    memset(request, 0, offsetof(struct sl_exchange_request, outgoing));
    return request;
}

static void return_request(struct sl_exchanges *exchanges,
                           struct sl_exchange_request *request)
{
    if (exchanges->spare_request_count >= SPARE_MOST) {
        sl_free(exchanges->connections->allocator, request, sizeof *request);
        return;
    }
    request->next = exchanges->spare_request;
    exchanges->spare_request = request;
    exchanges->spare_request_count++;
}

struct sl_exchange *sl_exchanges_rent(struct sl_exchanges *exchanges)
{
    struct sl_exchange_request *request = rent_request(exchanges);
    struct sl_exchange *exchange = exchanges->spare;

    if (request == NULL)
        return NULL;
    if (exchange == NULL) {
        exchange = sl_allocate_zeroed(exchanges->connections->allocator,
                                      sizeof *exchange);
        if (exchange == NULL) {
            return_request(exchanges, request);
            return NULL;
        }
    } else {
        exchanges->spare = exchange->next;
        exchanges->spare_count--;
        memset(exchange, 0, offsetof(struct sl_exchange, total));
    }
    exchange->exchanges = exchanges;
    exchange->request = request;
    request->exchange = exchange;
    return exchange;
}

void sl_exchanges_return(struct sl_exchanges *exchanges,
                         struct sl_exchange *exchange)
{
    sl_exchanges_return_request(exchange);
    if (exchanges->spare_count >= SPARE_MOST) {
        sl_free(exchanges->connections->allocator, exchange, sizeof *exchange);
        return;
    }
    exchange->next = exchanges->spare;
    exchanges->spare = exchange;
    exchanges->spare_count++;
}

struct sl_buffer *sl_exchanges_rent_input(struct sl_exchanges *exchanges)
{
    struct sl_connections *connections = exchanges->connections;
    struct sl_buffer *input = exchanges->spare_input;

    exchanges->spare_input = NULL;
    if (input != NULL)
        return input;
    input = sl_allocate(connections->allocator, sizeof *input);
    if (input != NULL)
        sl_buffer_init(input, connections->pool, SIZE_MAX);
    return input;
}

void sl_exchanges_return_input(struct sl_exchanges *exchanges,
                               struct sl_buffer *input)
{
    if (exchanges->spare_input != NULL) {
        destroy_input(exchanges, input);
        return;
    }
    if (input->length > 0)
        sl_buffer_reset(input);
    exchanges->spare_input = input;
}

void sl_exchanges_return_request(struct sl_exchange *exchange)
{
    struct sl_exchanges *exchanges = exchange->exchanges;

    if (exchange->request != exchanges->over)
        return_request(exchanges, exchange->request);
    exchange->request = exchanges->over;
}

size_t sl_exchanges_unread(const struct sl_exchanges *exchanges,
                           const struct sl_origin *origin)
{
    size_t count = 0;

    for (const struct sl_exchange *exchange = exchanges->active;
         exchange != NULL; exchange = exchange->next)
        count += exchange->origin == origin &&
                 exchange->incoming.response.phase > SL_PHASE_HEAD &&
                 !sl_exchange_is_awaited(exchange);
    return count;
}
