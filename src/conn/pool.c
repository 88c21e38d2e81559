#include "conn/pool.h"

#include "conn/origin.h"

/* The time for which an idle connection keeps the memory for a quick next
 * use. */
#define AWAKE (100 * SL_MILLISECOND)

/* When more connections than that were active at once, what they left behind is
 * worth the time that it takes to give it back. */
#define BURST 500

void sl_connections_options_default(struct sl_connections_options *options)
{
    options->per_origin = 16;
    options->total = 256;
    options->unused = 1000;
    options->idle = 90 * SL_SECOND;
    options->lifetime = 600 * SL_SECOND;
    options->reuses = true;
    options->mode = SL_TRANSPORT_STREAM;
    options->backend = NULL;
    options->source = NULL;
    options->source_unused = NULL;
    options->list = NULL;
}

/* ---- lists by age ---- */

static void append(struct sl_connection_list *list,
                   struct sl_connection *connection)
{
    connection->newer = NULL;
    connection->older = list->newest;
    if (list->newest != NULL)
        list->newest->newer = connection;
    else
        list->oldest = connection;
    list->newest = connection;
}

static void unlink_from(struct sl_connection_list *list,
                        struct sl_connection *connection)
{
    if (connection->newer != NULL)
        connection->newer->older = connection->older;
    else
        list->newest = connection->older;
    if (connection->older != NULL)
        connection->older->newer = connection->newer;
    else
        list->oldest = connection->newer;
    connection->newer = connection->older = NULL;
}

void sl_connections_add_opening(struct sl_connections *connections,
                                struct sl_connection *connection)
{
    append(&connections->opening, connection);
}

void sl_connections_remove_opening(struct sl_connections *connections,
                                   struct sl_connection *connection)
{
    unlink_from(&connections->opening, connection);
}

/* ---- idle connections ---- */

/* Lazily: a timer that fires too early arms itself again. */
static void arm_expiry(struct sl_connections *all, int64_t due)
{
    if (due != SL_NEVER && (!all->expiry.is_armed || due < all->expiry.due))
        sl_timer_arm(&all->loop->timers, &all->expiry, due);
}

/* Arms the rest timer. A connection that is used again at once keeps its
 * buffers. */
static void arm_rest(struct sl_connections *all)
{
    if (!all->rest.is_armed && all->oldest_awake != NULL)
        sl_timer_arm(&all->loop->timers, &all->rest,
                     all->oldest_awake->idle_since + AWAKE);
}

void sl_connections_add_idle(struct sl_connections *connections,
                             struct sl_connection *connection)
{
    append(&connections->idle, connection);
    if (connections->oldest_awake == NULL)
        connections->oldest_awake = connection;
    if (connections->stats.active > BURST)
        connections->had_burst = true;
    connections->stats.idle++;
    connections->stats.active--;
    connections->short_count += connection->patience != 0;
    arm_expiry(connections, sl_connection_expires(connection));
    if (connection->link.tls != NULL || connections->had_burst)
        arm_rest(connections);
}

void sl_connections_remove_idle(struct sl_connections *connections,
                                struct sl_connection *connection)
{
    if (connections->oldest_awake == connection)
        connections->oldest_awake = connection->newer;
    unlink_from(&connections->idle, connection);
    connections->stats.idle--;
    connections->stats.active++;
    connections->short_count -= connection->patience != 0;
}

/* Closes expired connections; answers when the next one expires, or that there
 * are more of them for the next turn. Connections expire in the order in which
 * they became idle, but for those whose servers wait for less: while there are
 * any, all are looked at, once a second at most. */
static int64_t close_expired(struct sl_connections *all)
{
    int64_t now = all->loop->now;
    struct sl_connection *connection;
    int64_t next = SL_NEVER;

    while (all->idle.oldest != NULL &&
           sl_connection_expires(all->idle.oldest) <= now) {
        sl_origin_close_idle(all->idle.oldest);
        if (sl_loop_is_turn_over(all->loop))
            return now;
    }
    connection = all->idle.oldest;
    if (connection == NULL || all->short_count == 0)
        return connection == NULL ? SL_NEVER
                                  : sl_connection_expires(connection);
    while (connection != NULL) {
        struct sl_connection *newer = connection->newer;
        int64_t expires = sl_connection_expires(connection);

        if (expires <= now)
            sl_origin_close_idle(connection);
        else if (expires < next)
            next = expires;
        if (expires <= now && sl_loop_is_turn_over(all->loop))
            return now;
        connection = newer;
    }
    return next < now + SL_SECOND ? now + SL_SECOND : next;
}

static void expire(struct sl_timer *timer)
{
    struct sl_connections *all =
        (struct sl_connections *)(void *)((char *)timer -
                                          offsetof(struct sl_connections,
                                                   expiry));

    /* Closing the last connection may release the last reference. */
    sl_connections_retain(all);
    arm_expiry(all, close_expired(all));
    sl_connections_release(all);
}

/* Once all is quiet: nothing is kept for what was in flight. */
static void end_burst(struct sl_connections *all)
{
    if (!all->had_burst || all->oldest_awake != NULL ||
        all->stats.active > BURST)
        return;
    all->had_burst = false;
    sl_pool_trim(all->pool, 0);
    sl_allocator_trim(all->allocator);
}

static void let_rest(struct sl_timer *timer)
{
    struct sl_connections *all =
        (struct sl_connections *)(void *)((char *)timer -
                                          offsetof(struct sl_connections,
                                                   rest));
    int64_t now = all->loop->now;

    while (all->oldest_awake != NULL &&
           now - all->oldest_awake->idle_since >= AWAKE) {
        struct sl_connection *connection = all->oldest_awake;

        all->oldest_awake = connection->newer;
        sl_connection_rest(connection);
        if (sl_loop_is_turn_over(all->loop))
            break;
    }
    end_burst(all);
    arm_rest(all);
}

/* ---- room under the total ---- */

bool sl_connections_make_room(struct sl_connections *connections)
{
    const struct sl_connections_stats *stats = &connections->stats;

    if (stats->idle + stats->active >= connections->options.total &&
        connections->idle.oldest != NULL)
        sl_origin_close_idle(connections->idle.oldest);
    return stats->idle + stats->active < connections->options.total;
}

void sl_connections_serve(struct sl_connections *connections)
{
    if (connections->is_serving || sl_loop_is_forked(connections->loop))
        return;
    connections->is_serving = true;
    while (connections->turns.first != NULL &&
           sl_connections_make_room(connections)) {
        struct sl_timer *turn =
            sl_timers_take_due(&connections->turns, SL_NEVER);

        turn->fire(turn);
    }
    connections->is_serving = false;
}

/* ---- a life ---- */

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
    sl_directory_init(&all->directory, allocator,
                      (uint64_t)sl_clock_now() ^ (uint64_t)(uintptr_t)all);
    sl_timers_init(&all->turns);
    sl_timer_init(&all->expiry, expire);
    sl_timer_init(&all->rest, let_rest);
    all->expiry.is_pause = all->rest.is_pause = true;
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
    sl_directory_fini(&connections->directory);
    if (connections->options.source_unused != NULL)
        connections->options.source_unused(connections->options.source);
    sl_free(connections->allocator, connections, sizeof *connections);
}

/* Ends openings that have no waiter. */
static void close_unclaimed(struct sl_connections *all)
{
    struct sl_connection *connection = all->opening.oldest;

    while (connection != NULL) {
        struct sl_connection *newer = connection->newer;

        if (sl_connection_place(connection) == NULL)
            sl_connection_discard(connection, true);
        connection = newer;
    }
}

void sl_connections_close(struct sl_connections *connections)
{
    connections->is_closed = true;
    sl_timer_disarm(&connections->loop->timers, &connections->expiry);
    sl_timer_disarm(&connections->loop->timers, &connections->rest);
    /* Closing a connection releases its origin's reference to the pool, and
     * that may be the last one. */
    sl_connections_retain(connections);
    while (connections->waiting != NULL)
        sl_origin_refuse_first(connections->waiting);
    while (connections->idle.oldest != NULL)
        sl_origin_close_idle(connections->idle.oldest);
    close_unclaimed(connections);
    while (connections->directory.oldest != NULL)
        sl_origin_forget(connections->directory.oldest);
    connections->refs--;
}
