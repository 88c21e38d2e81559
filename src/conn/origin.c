#include "conn/origin.h"

#include "base/debug.h"
#include "conn/exchange.h"

#include <string.h>

/* How long an idle connection keeps what makes its next use quick. */
#define AWAKE (100 * SL_MILLISECOND)

static const struct sl_transport_events connection_events;

void sl_connections_options_default(struct sl_connections_options *options)
{
    options->per_origin = 16;
    options->total = 256;
    options->idle = 90 * SL_SECOND;
    options->lifetime = 600 * SL_SECOND;
    options->reuses = true;
    options->mode = SL_TRANSPORT_STREAM;
    options->backend = NULL;
    options->list = NULL;
}

/* ---- idle connections ---- */

static void link_idle(struct sl_connection *connection)
{
    struct sl_origin *origin = connection->origin;
    struct sl_connections *all = origin->connections;

    connection->previous = NULL;
    connection->next = origin->idle;
    if (origin->idle != NULL)
        origin->idle->previous = connection;
    origin->idle = connection;

    connection->newer = NULL;
    connection->older = all->newest;
    if (all->newest != NULL)
        all->newest->newer = connection;
    else
        all->oldest = connection;
    all->newest = connection;
    connection->is_resting = false;
    if (all->oldest_awake == NULL)
        all->oldest_awake = connection;
    all->stats.idle++;
    all->stats.active--;
}

static void unlink_idle(struct sl_connection *connection)
{
    struct sl_origin *origin = connection->origin;
    struct sl_connections *all = origin->connections;

    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        origin->idle = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;

    if (all->oldest_awake == connection)
        all->oldest_awake = connection->newer;
    if (connection->newer != NULL)
        connection->newer->older = connection->older;
    else
        all->newest = connection->older;
    if (connection->older != NULL)
        connection->older->newer = connection->newer;
    else
        all->oldest = connection->newer;
    all->stats.idle--;
    all->stats.active++;
}

/* Armed for the oldest, lazily: a timer that comes too early arms itself again
 * for whoever is the oldest then. */
static void arm_expiry(struct sl_connections *all)
{
    if (!all->expiry.is_armed && all->oldest != NULL &&
        all->options.idle < SL_NEVER - all->oldest->idle_since)
        sl_timer_arm(&all->loop->timers, &all->expiry,
                     all->oldest->idle_since + all->options.idle);
}

static struct sl_connections *from_expiry(struct sl_timer *timer)
{
    return (struct sl_connections *)((char *)timer -
                                     offsetof(struct sl_connections, expiry));
}

static void expire(struct sl_timer *timer)
{
    struct sl_connections *all = from_expiry(timer);
    int64_t now = all->loop->now;

    while (all->oldest != NULL &&
           now - all->oldest->idle_since >= all->options.idle) {
        struct sl_connection *connection = all->oldest;

        unlink_idle(connection);
        sl_connection_discard(connection, false);
    }
    arm_expiry(all);
}

/* One that is used again at once keeps its buffers; armed as lazily. */
static void arm_rest(struct sl_connections *all)
{
    if (!all->rest.is_armed && all->oldest_awake != NULL)
        sl_timer_arm(&all->loop->timers, &all->rest,
                     all->oldest_awake->idle_since + AWAKE);
}

static void let_rest(struct sl_timer *timer)
{
    struct sl_connections *all =
        (struct sl_connections *)((char *)timer -
                                  offsetof(struct sl_connections, rest));
    int64_t now = all->loop->now;

    while (all->oldest_awake != NULL &&
           now - all->oldest_awake->idle_since >= AWAKE) {
        struct sl_connection *connection = all->oldest_awake;

        connection->is_resting = true;
        sl_link_rest(&connection->link);
        all->oldest_awake = connection->newer;
    }
    arm_rest(all);
}

/* From now on it is told when its peer says something. False: it has. */
static bool become_watched(struct sl_connection *connection)
{
    struct sl_link *link = &connection->link;

    sl_transport_expect(link->transport, 0);
    if (sl_transport_watch(link->transport) != SL_AGAIN ||
        !sl_link_is_quiet(link))
        return false;
    /* Once more: what was for TLS may have been received meanwhile. */
    return link->tls == NULL || sl_transport_watch(link->transport) == SL_AGAIN;
}

/* An idle connection whose peer said something: its end, bytes that nobody asked
 * for, or news for TLS. */
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

/* ---- the pool ---- */

static void enter_list(struct sl_connections *all, struct sl_connections **list)
{
    all->next = *list;
    if (all->next != NULL)
        all->next->previous = all;
    *list = all;
}

static void leave_list(struct sl_connections *all, struct sl_connections **list)
{
    if (all->previous != NULL)
        all->previous->next = all->next;
    else
        *list = all->next;
    if (all->next != NULL)
        all->next->previous = all->previous;
}

enum sl_status
sl_connections_create(struct sl_allocator *allocator, struct sl_pool *pool,
                      struct sl_loop *loop, struct sl_resolver *resolver,
                      const struct sl_connections_options *options,
                      struct sl_connections **connections)
{
    struct sl_connections *all = sl_allocate_zeroed(allocator, sizeof *all);

    if (all == NULL)
        return SL_MEMORY;
    all->allocator = allocator;
    all->pool = pool;
    all->loop = loop;
    all->resolver = resolver;
    all->options = *options;
    sl_timer_init(&all->expiry, expire);
    sl_timer_init(&all->rest, let_rest);
    all->refs = 1;
    if (options->list != NULL)
        enter_list(all, options->list);
    *connections = all;
    return SL_OK;
}

void sl_connections_count(const struct sl_connections *first, size_t *idle,
                          size_t *open)
{
    *idle = *open = 0;
    for (; first != NULL; first = first->next) {
        *idle += first->stats.idle;
        *open += first->stats.open;
    }
}

void sl_connections_retain(struct sl_connections *connections)
{
    connections->refs++;
}

void sl_connections_release(struct sl_connections *connections)
{
    if (--connections->refs > 0)
        return;
    sl_connections_close(connections);
    if (connections->options.list != NULL)
        leave_list(connections, connections->options.list);
    while (connections->spare != NULL) {
        struct sl_exchange *spare = connections->spare;

        connections->spare = spare->next;
        sl_free(connections->allocator, spare, sizeof *spare);
    }
    sl_free(connections->allocator, connections, sizeof *connections);
}

void sl_connections_close(struct sl_connections *connections)
{
    connections->is_closed = true;
    sl_timer_disarm(&connections->loop->timers, &connections->expiry);
    sl_timer_disarm(&connections->loop->timers, &connections->rest);
    /* Closing an idle connection drops its origin's reference to the pool, and
     * that may be the last one. */
    sl_connections_retain(connections);
    while (connections->oldest != NULL) {
        struct sl_connection *connection = connections->oldest;

        unlink_idle(connection);
        sl_connection_discard(connection, false);
    }
    while (connections->first_waiting != NULL)
        sl_exchange_abort(connections->first_waiting, SL_CLOSED,
                          "client is closed");
    while (connections->draining != NULL)
        sl_exchange_abort(connections->draining, SL_CLOSED, "client is closed");
    connections->refs--;
}

/* ---- origins ---- */

static enum sl_status copy_text(struct sl_allocator *allocator,
                                const char *text, char **copy)
{
    if (text == NULL)
        return SL_OK;
    *copy = sl_allocate(allocator, strlen(text) + 1);
    if (*copy == NULL)
        return SL_MEMORY;
    strcpy(*copy, text);
    return SL_OK;
}

static void free_text(struct sl_allocator *allocator, char *text)
{
    if (text != NULL)
        sl_free(allocator, text, strlen(text) + 1);
}

enum sl_status sl_origin_create(struct sl_connections *connections,
                                const struct sl_origin_options *options,
                                struct sl_origin **origin)
{
    struct sl_allocator *allocator = connections->allocator;
    struct sl_origin *created = sl_allocate_zeroed(allocator, sizeof *created);

    if (created == NULL)
        return SL_MEMORY;
    created->connections = connections;
    sl_connections_retain(connections);
    created->refs = 1;
    created->port = options->port;
    created->provider = options->provider;
    created->verify_owner = options->verify_owner;
    if (options->context != NULL) {
        created->context = options->context;
        options->provider->context_retain(options->context);
    }
    if (copy_text(allocator, options->host, &created->host) != SL_OK ||
        copy_text(allocator, options->address, &created->address) != SL_OK ||
        copy_text(allocator, options->unix_path, &created->unix_path) !=
            SL_OK ||
        copy_text(allocator, options->local_address, &created->local_address) !=
            SL_OK ||
        copy_text(allocator, options->identity, &created->identity) != SL_OK) {
        sl_origin_release(created);
        return SL_MEMORY;
    }
    *origin = created;
    return SL_OK;
}

void sl_origin_retain(struct sl_origin *origin)
{
    origin->refs++;
}

void sl_origin_release(struct sl_origin *origin)
{
    struct sl_connections *connections = origin->connections;
    struct sl_allocator *allocator = connections->allocator;

    if (--origin->refs > 0)
        return;
    if (origin->context != NULL)
        origin->provider->context_release(origin->context);
    free_text(allocator, origin->host);
    free_text(allocator, origin->address);
    free_text(allocator, origin->unix_path);
    free_text(allocator, origin->local_address);
    free_text(allocator, origin->identity);
    sl_free(allocator, origin, sizeof *origin);
    sl_connections_release(connections);
}

/* ---- check-out ---- */

static bool is_fit(struct sl_connection *connection)
{
    struct sl_connections *all = connection->origin->connections;
    int64_t now = all->loop->now;

    if (now - connection->idle_since >= all->options.idle ||
        now - connection->created >= all->options.lifetime)
        return false;
    return sl_link_is_quiet(&connection->link);
}

static bool has_place(const struct sl_origin *origin)
{
    const struct sl_connections *all = origin->connections;

    return origin->count < all->options.per_origin &&
           all->stats.idle + all->stats.active < all->options.total;
}

enum sl_checkout sl_origin_checkout(struct sl_origin *origin, bool is_fresh,
                                    struct sl_connection **connection)
{
    struct sl_connections *all = origin->connections;

    while (origin->idle != NULL && !is_fresh) {
        struct sl_connection *idle = origin->idle;

        unlink_idle(idle);
        if (is_fit(idle)) {
            *connection = idle;
            return SL_CHECKOUT_REUSED;
        }
        sl_connection_discard(idle, false);
    }

    /* Idle ones give way: the origin's own when a fresh one is needed, then the
     * oldest of all. */
    if (!has_place(origin) && origin->count >= all->options.per_origin &&
        origin->idle != NULL) {
        struct sl_connection *idle = origin->idle;

        unlink_idle(idle);
        sl_connection_discard(idle, false);
    }
    if (!has_place(origin) && origin->count < all->options.per_origin &&
        all->oldest != NULL) {
        struct sl_connection *idle = all->oldest;

        unlink_idle(idle);
        sl_connection_discard(idle, false);
    }
    if (!has_place(origin))
        return SL_CHECKOUT_WAIT;
    origin->count++;
    all->stats.active++;
    sl_origin_retain(origin);
    return SL_CHECKOUT_DIAL;
}

/* Whether check-out has something for an exchange that waits: also the place of
 * another origin's idle connection. */
static bool can_serve(const struct sl_origin *origin)
{
    const struct sl_connections *all = origin->connections;

    return origin->idle != NULL || has_place(origin) ||
           (origin->count < all->options.per_origin && all->oldest != NULL);
}

/* Those in the queue for whose origin there is a place go on in the next step of
 * the loop, in their order. Places that become free meanwhile are theirs, too. */
static void serve_queue(struct sl_connections *all)
{
    struct sl_exchange *exchange = all->first_waiting;

    if (all->is_serving || sl_loop_is_forked(all->loop))
        return;
    all->is_serving = true;
    while (exchange != NULL) {
        if (can_serve(exchange->origin)) {
            sl_exchange_place(exchange);
            exchange = all->first_waiting;
        } else {
            exchange = exchange->next;
        }
    }
    all->is_serving = false;
}

void sl_origin_free_place(struct sl_origin *origin)
{
    struct sl_connections *all = origin->connections;

    origin->count--;
    all->stats.active--;
    sl_connections_retain(all);
    sl_origin_release(origin);
    serve_queue(all);
    sl_connections_release(all);
}

/* ---- connections ---- */

enum sl_status sl_connection_create(struct sl_origin *origin,
                                    struct sl_transport *transport,
                                    struct sl_connection **connection)
{
    struct sl_connections *all = origin->connections;
    struct sl_connection *created =
        sl_allocate_zeroed(all->allocator, sizeof *created);

    if (created == NULL) {
        sl_transport_abort(transport);
        return SL_MEMORY;
    }
    created->origin = origin;
    created->created = all->loop->now;
    sl_link_init(&created->link, all->allocator, transport);
    sl_buffer_init(&created->input, all->pool, SIZE_MAX);
    sl_transport_bind(transport, &connection_events, created);
    all->stats.made++;
    all->stats.open++;
    *connection = created;
    return SL_OK;
}

void sl_connection_put(struct sl_connection *connection)
{
    struct sl_connections *all = connection->origin->connections;

    connection->exchange = NULL;
    connection->idle_since = all->loop->now;
    if (all->is_closed || !all->options.reuses ||
        connection->input.length > 0 ||
        connection->idle_since - connection->created >= all->options.lifetime ||
        !become_watched(connection)) {
        sl_connection_discard(connection, false);
        return;
    }
    link_idle(connection);
    arm_expiry(all);
    if (connection->link.tls != NULL)
        arm_rest(all);
    if (all->first_waiting != NULL)
        serve_queue(all);
}

void sl_connection_discard(struct sl_connection *connection, bool is_abort)
{
    struct sl_origin *origin = connection->origin;
    struct sl_allocator *allocator = origin->connections->allocator;

    origin->connections->stats.open--;
    sl_link_close(&connection->link, is_abort);
    sl_peer_release(connection->peer);
    sl_buffer_fini(&connection->input);
    sl_free(allocator, connection, sizeof *connection);
    sl_origin_free_place(origin);
}

static void connection_can_send(void *owner)
{
    struct sl_connection *connection = owner;

    if (connection->exchange != NULL)
        sl_exchange_ready(connection->exchange);
}

static void connection_can_receive(void *owner)
{
    struct sl_connection *connection = owner;

    if (connection->exchange != NULL) {
        sl_exchange_ready(connection->exchange);
    } else if (!is_still_idle(connection)) {
        unlink_idle(connection);
        sl_connection_discard(connection, false);
    }
}

static const struct sl_transport_events connection_events = {
    connection_can_send, connection_can_receive};

/* ---- the queue ---- */

void sl_connections_enqueue(struct sl_connections *connections,
                            struct sl_exchange *exchange)
{
    connections->stats.queued++;
    exchange->next = NULL;
    exchange->previous = connections->last_waiting;
    if (connections->last_waiting != NULL)
        connections->last_waiting->next = exchange;
    else
        connections->first_waiting = exchange;
    connections->last_waiting = exchange;
}

void sl_connections_dequeue(struct sl_connections *connections,
                            struct sl_exchange *exchange)
{
    connections->stats.queued--;
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        connections->first_waiting = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    else
        connections->last_waiting = exchange->previous;
    exchange->next = exchange->previous = NULL;
}
