#include "conn/connection.h"

#include "base/debug.h"
#include "conn/origin.h"

/* ---- events of an open connection ---- */

/* An idle connection's socket has news: the peer's end, unrequested bytes, or
 * something for TLS alone. */
static bool is_still_idle(struct sl_connection *connection)
{
    struct sl_link *link = &connection->link;

    if (!sl_link_is_quiet(link) ||
        sl_transport_watch(link->transport) != SL_AGAIN)
        return false;
    if (connection->is_resting)
        sl_link_rest(link);
    return true;
}

static void can_send(void *owner)
{
    struct sl_connection *connection = owner;

    if (connection->events != NULL)
        connection->events->can_send(connection->user);
}

static void can_receive(void *owner)
{
    struct sl_connection *connection = owner;

    if (connection->events != NULL)
        connection->events->can_receive(connection->user);
    else if (!is_still_idle(connection))
        sl_origin_close_idle(connection);
}

static const struct sl_transport_events events = {can_send, can_receive};

/* ---- opening ---- */

static uint32_t milliseconds(int64_t time)
{
    return (uint32_t)(time / SL_MILLISECOND);
}

/* Right for 49 days. */
static int64_t age_of(const struct sl_connection *connection, int64_t now)
{
    uint32_t age = milliseconds(now) - connection->opened;

    return age * SL_MILLISECOND;
}

static void opened(void *owner)
{
    struct sl_connection *connection = owner;
    struct sl_connections *all = connection->origin->connections;
    struct sl_failure failure;
    enum sl_status status = sl_opening_result(
        connection->opening, &connection->link, &connection->peer, &failure);

    if (status != SL_OK) {
        sl_origin_not_opened(connection, &failure);
        return;
    }
    sl_connections_remove_opening(all, connection);
    sl_transport_bind(connection->link.transport, &events, connection);
    connection->opened = milliseconds(all->loop->now);
    all->stats.made++;
    all->stats.open++;
    sl_origin_opened(connection);
}

enum sl_status sl_connection_open(struct sl_origin *origin,
                                  struct sl_place *place,
                                  struct sl_connection **connection,
                                  struct sl_failure *failure)
{
    struct sl_connections *all = origin->connections;
    const struct sl_origin_options *to = &origin->options;
    struct sl_connection *created =
        sl_cells_rent(&all->loop->cells, sizeof *created);
    struct sl_opening_options options = {
        .connect.pool = all->pool,
        .connect.host =
            to->address != NULL ? to->address : sl_origin_next_host(origin),
        .connect.port = sl_origin_next_port(origin),
        .connect.unix_path = to->unix_path,
        .connect.local_address = to->local_address,
        .connect.source = all->options.source,
        .connect.mode = all->options.mode,
        .connect.backend = all->options.backend,
        .connect.deadline = SL_NEVER, /* the waiter has its own */
        .deadlines = place->deadlines,
        .greeting = {to->proxy_provider,
                     to->proxy_context,
                     {to->proxy_host, to->proxy_identity,
                      to->proxy_verify_owner, place->is_short_lived}},
        .tunnel = to->tunnel,
        .target = {to->host, to->port, to->proxy_user, to->proxy_password,
                   place->authorization},
        .tls = {to->provider,
                to->context,
                {to->host, to->key, to->verify_owner, place->is_short_lived}},
    };
    enum sl_status status;

    if (created == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_CONNECT, "out of memory");
    status = sl_opening_begin(all->loop, all->pool, all->resolver, &options,
                              opened, created, &created->opening, failure);
    if (status != SL_OK) {
        sl_cells_return(&all->loop->cells, created, sizeof *created);
        return status;
    }
    created->origin = origin;
    created->user = place;
    sl_connections_add_opening(all, created);
    *connection = created;
    return SL_OK;
}

/* ---- between two users ---- */

bool sl_connection_is_fit(struct sl_connection *connection)
{
    const struct sl_connections *all = connection->origin->connections;
    int64_t now = all->loop->now;

    return now < sl_connection_expires(connection) &&
           age_of(connection, now) < all->options.lifetime &&
           sl_link_is_quiet(&connection->link);
}

bool sl_connection_watch(struct sl_connection *connection)
{
    struct sl_link *link = &connection->link;

    sl_transport_expect(link->transport, 0);
    if (sl_transport_watch(link->transport) != SL_AGAIN ||
        !sl_link_is_quiet(link))
        return false;
    /* Look again: bytes for TLS may have been received meanwhile. */
    return link->tls == NULL || sl_transport_watch(link->transport) == SL_AGAIN;
}

void sl_connection_rest(struct sl_connection *connection)
{
    connection->is_resting = true;
    sl_link_rest(&connection->link);
}

int64_t sl_connection_expires(const struct sl_connection *connection)
{
    int64_t idle = connection->patience == 0
                       ? connection->origin->connections->options.idle
                       : connection->patience * SL_SECOND;

    return sl_clock_after(connection->idle_since, idle);
}

bool sl_connection_begin_idle(struct sl_connection *connection,
                              int64_t announced)
{
    const struct sl_connections *all = connection->origin->connections;
    bool is_short = announced >= 0 &&
                    announced <= all->options.idle / SL_SECOND &&
                    announced <= UINT16_MAX;

    connection->is_resting = false;
    connection->idle_since = all->loop->now;
    /* A request may take a second to arrive. */
    connection->patience =
        is_short && announced > 1 ? (uint16_t)(announced - 1) : 0;
    return all->options.idle > 0 && (!is_short || connection->patience > 0);
}

void sl_connection_put(struct sl_connection *connection, int64_t announced)
{
    const struct sl_connections *all = connection->origin->connections;

    connection->events = NULL;
    connection->user = NULL;
    if (!sl_connection_begin_idle(connection, announced) || all->is_closed ||
        !all->options.reuses ||
        age_of(connection, connection->idle_since) >= all->options.lifetime ||
        !sl_connection_watch(connection))
        sl_connection_discard(connection, false);
    else
        sl_origin_offer(connection, false);
}

/* ---- ends ---- */

/* Releases the rest of a connection once its link is closed or moved. */
static void leave(struct sl_connection *connection)
{
    struct sl_origin *origin = connection->origin;
    struct sl_connections *all = origin->connections;

    if (connection->opening != NULL) {
        sl_connections_remove_opening(all, connection);
        sl_opening_destroy(connection->opening);
    } else {
        all->stats.open--;
    }
    sl_peer_release(connection->peer);
    sl_cells_return(&all->loop->cells, connection, sizeof *connection);
    sl_origin_free_room(origin);
}

void sl_connection_discard(struct sl_connection *connection, bool is_abort)
{
    if (connection->opening == NULL)
        sl_link_close(&connection->link, is_abort);
    leave(connection);
}

void sl_connection_take(struct sl_connection *connection, struct sl_link *link)
{
    sl_assert(connection->events != NULL);
    *link = connection->link;
    leave(connection);
}
