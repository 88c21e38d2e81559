#include "conn/exchange_parts.h"

static void attach(struct sl_exchange *exchange,
                   struct sl_connection *connection)
{
    connection->exchange = exchange;
    connection->requests++;
    exchange->connection = connection;
}

static void secure(struct sl_exchange *exchange)
{
    struct sl_origin *origin = exchange->origin;
    struct sl_tls_engine *engine;
    enum sl_status status = origin->provider->engine_create(
        origin->context, origin->connections->pool, origin->host,
        origin->identity, origin->verify_owner, &engine, &exchange->failure);

    if (status == SL_OK) {
        status =
            sl_link_secure(&exchange->connection->link,
                           origin->connections->pool, origin->provider, engine);
        if (status != SL_OK)
            sl_fail(&exchange->failure, status, SL_STAGE_TLS, "out of memory");
    }
    exchange->phase = SL_EXCHANGE_SECURING;
    exchange->stage_began = sl_exchange_loop(exchange)->now;
    if (status != SL_OK) {
        exchange->failure.stage = SL_STAGE_TLS;
        sl_exchange_fail(exchange);
    }
}

static void dialed(void *owner)
{
    struct sl_exchange *exchange = owner;
    struct sl_origin *origin = exchange->origin;
    struct sl_transport *transport;
    struct sl_connection *connection;
    int64_t resolve;
    int64_t connect;
    enum sl_status status;

    sl_exchange_retain(exchange);
    status =
        sl_connect_result(exchange->connector, &transport, &exchange->failure);
    if (status != SL_OK) {
        sl_exchange_fail(exchange);
        sl_exchange_release(exchange);
        return;
    }
    sl_connect_timings(exchange->connector, &resolve, &connect);
    exchange->times.resolved = exchange->times.placed + resolve;
    exchange->times.connected = exchange->times.resolved + connect;
    status = sl_connection_create(origin, transport, &connection);
    if (status != SL_OK) {
        sl_exchange_fail_with(exchange, status, "out of memory");
        sl_exchange_release(exchange);
        return;
    }
    sl_connect_destroy(exchange->connector);
    exchange->connector = NULL;
    attach(exchange, connection);
    if (origin->provider != NULL)
        secure(exchange);
    else
        sl_exchange_activate(exchange);
    sl_exchange_advance(exchange);
    sl_exchange_release(exchange);
}

static void dial(struct sl_exchange *exchange)
{
    struct sl_origin *origin = exchange->origin;
    struct sl_connections *all = origin->connections;
    struct sl_connect_options options = {
        .pool = all->pool,
        .host = origin->address != NULL ? origin->address : origin->host,
        .port = origin->port,
        .unix_path = origin->unix_path,
        .local_address = origin->local_address,
        .source = all->options.source,
        .mode = all->options.mode,
        .backend = all->options.backend,
        .resolve_timeout = exchange->options.deadlines.resolve,
        .connect_timeout = exchange->options.deadlines.connect,
        .deadline = exchange->deadline,
    };
    enum sl_status status;

    exchange->is_reused = false;
    exchange->times.placed = all->loop->now;
    status = sl_connect_begin(all->loop, all->resolver, &options, dialed,
                              exchange, &exchange->connector);
    if (status == SL_OK) {
        exchange->phase = SL_EXCHANGE_DIALING;
        return;
    }
    sl_origin_free_place(origin);
    exchange->phase = SL_EXCHANGE_NEW;
    sl_fail(&exchange->failure, status, SL_STAGE_CONNECT, "%s",
            sl_connect_refusal(&options, status));
    sl_exchange_fail(exchange);
}

void sl_exchange_find_place(struct sl_exchange *exchange)
{
    struct sl_connection *connection;

    if (sl_exchange_connections(exchange)->is_closed) {
        exchange->phase = SL_EXCHANGE_NEW;
        sl_exchange_fail_with(exchange, SL_CLOSED, "client is closed");
        return;
    }
    switch (sl_origin_checkout(exchange->origin, exchange->has_resent,
                               &connection)) {
    case SL_CHECKOUT_REUSED:
        exchange->is_reused = true;
        exchange->times.placed = sl_exchange_loop(exchange)->now;
        attach(exchange, connection);
        sl_exchange_activate(exchange);
        return;
    case SL_CHECKOUT_DIAL:
        dial(exchange);
        return;
    case SL_CHECKOUT_WAIT:
        exchange->phase = SL_EXCHANGE_QUEUED;
        exchange->stage_began = sl_exchange_loop(exchange)->now;
        sl_connections_enqueue(sl_exchange_connections(exchange), exchange);
        return;
    }
}

void sl_exchange_place(struct sl_exchange *exchange)
{
    sl_connections_dequeue(sl_exchange_connections(exchange), exchange);
    sl_loop_refresh(sl_exchange_loop(exchange)); /* to see what is fit now */
    sl_exchange_find_place(exchange);
    if (exchange->phase == SL_EXCHANGE_ACTIVE)
        sl_exchange_take_turn(exchange);
}
