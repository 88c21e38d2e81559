/* conn/exchanges.h - the requests of one client
 *
 *   active     hold a connection
 *   draining   hold one, and are held by that alone
 *   spare      have ended: kept for the next requests. A response that is whole
 *              needs its request no more, so that these are kept apart
 */
#ifndef SL_CONN_EXCHANGES_H
#define SL_CONN_EXCHANGES_H

#include "conn/origin.h"

struct sl_exchange;
struct sl_exchange_request;

struct sl_exchanges {
    struct sl_connections *connections; /* retained */
    struct sl_exchange *active;         /* in no order */
    struct sl_exchange *draining;
    struct sl_exchange *spare;
    struct sl_exchange *loose;        /* has the whole body that came last, not
                                       * compact yet; NULL: none */
    struct sl_exchange_request *over; /* in place of those given back */
    struct sl_exchange_request *spare_request;
    struct sl_buffer *spare_input; /* NULL: none */
    size_t spare_count;
    size_t spare_request_count;
    bool has_limits; /* those of `over` are set, for good */
    size_t refs;
    uint64_t requests;
    uint64_t resends;
};

/* Creates the struct with one reference. SL_MEMORY. */
enum sl_status sl_exchanges_create(struct sl_connections *connections,
                                   struct sl_exchanges **exchanges);
void sl_exchanges_retain(struct sl_exchanges *exchanges);
void sl_exchanges_release(struct sl_exchanges *exchanges);
/* Closes the connections, too; requests under way go on. */
void sl_exchanges_close(struct sl_exchanges *exchanges);

/* The count of the origin's requests whose response is neither complete nor
 * awaited: it holds a connection until it is read or disposed. */
size_t sl_exchanges_unread(const struct sl_exchanges *exchanges,
                           const struct sl_origin *origin);

/* ---- called by conn/exchange.c, conn/course.c and conn/lean.c ---- */

/* An exchange with a request, zeroed but for its response; NULL: no memory. */
struct sl_exchange *sl_exchanges_rent(struct sl_exchanges *exchanges);
void sl_exchanges_return(struct sl_exchanges *exchanges,
                         struct sl_exchange *exchange);

/* A buffer for received bytes that are not parsed yet. Nearly always all of
 * them are parsed at once, so that one buffer serves all exchanges of a client.
 * NULL: no memory. */
struct sl_buffer *sl_exchanges_rent_input(struct sl_exchanges *exchanges);
/* Frees what it holds. */
void sl_exchanges_return_input(struct sl_exchanges *exchanges,
                               struct sl_buffer *input);

/* Keeps the request of an exchange, which is over, for the next one.
 * Idempotent. */
void sl_exchanges_return_request(struct sl_exchange *exchange);

void sl_exchanges_link(struct sl_exchange **list, struct sl_exchange *exchange);
void sl_exchanges_unlink(struct sl_exchange **list,
                         struct sl_exchange *exchange);

#endif
