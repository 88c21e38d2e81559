#include "conn/origin.h"

#include "base/debug.h"
#include "base/packed.h"

#include <string.h>

/* ---- queues of places ---- */

static void append(struct sl_place_queue *queue, struct sl_place *place)
{
    place->next = NULL;
    place->previous = queue->last;
    if (queue->last != NULL)
        queue->last->next = place;
    else
        queue->first = place;
    queue->last = place;
}

static void unlink_from(struct sl_place_queue *queue, struct sl_place *place)
{
    if (place->previous != NULL)
        place->previous->next = place->next;
    else
        queue->first = place->next;
    if (place->next != NULL)
        place->next->previous = place->previous;
    else
        queue->last = place->previous;
    place->next = place->previous = NULL;
}

static void link_waiting(struct sl_origin *origin)
{
    struct sl_connections *all = origin->connections;

    origin->previous = NULL;
    origin->next = all->waiting;
    if (all->waiting != NULL)
        all->waiting->previous = origin;
    all->waiting = origin;
}

static void unlink_waiting(struct sl_origin *origin)
{
    struct sl_connections *all = origin->connections;

    if (origin->previous != NULL)
        origin->previous->next = origin->next;
    else
        all->waiting = origin->next;
    if (origin->next != NULL)
        origin->next->previous = origin->previous;
    origin->next = origin->previous = NULL;
}

/* An origin has a turn while its own limit leaves room for its first waiter.
 * Called whenever its queue or its count has changed. */
static void update_turn(struct sl_origin *origin)
{
    struct sl_connections *all = origin->connections;
    const struct sl_place *first = origin->waiting.first;

    if (first == NULL || origin->count >= all->options.per_origin)
        sl_timer_disarm(&all->turns, &origin->turn);
    else if (!origin->turn.is_armed || origin->turn.due != first->ticket)
        sl_timer_arm(&all->turns, &origin->turn, first->ticket);
}

static void enqueue(struct sl_origin *origin, struct sl_place *place)
{
    if (origin->waiting.first == NULL)
        link_waiting(origin);
    append(&origin->waiting, place);
    origin->connections->stats.queued++;
    update_turn(origin);
}

static void dequeue(struct sl_origin *origin, struct sl_place *place)
{
    unlink_from(&origin->waiting, place);
    origin->connections->stats.queued--;
    if (origin->waiting.first == NULL)
        unlink_waiting(origin);
    update_turn(origin);
}

/* Whether a connection is being opened for a place that may take another
 * first. */
static bool is_listed(const struct sl_place *place)
{
    return place->opening != NULL && !place->needs_new;
}

static void set_opening(struct sl_place *place,
                        struct sl_connection *connection)
{
    place->opening = connection;
    if (is_listed(place))
        append(&place->origin->opening, place);
}

/* Separates a place from the connection that is opened for it. */
static void part(struct sl_place *place)
{
    if (is_listed(place))
        unlink_from(&place->origin->opening, place);
    place->opening->user = NULL;
    place->opening = NULL;
}

/* ---- idle connections ---- */

static void push_idle(struct sl_connection *connection)
{
    struct sl_origin *origin = connection->origin;

    connection->previous = NULL;
    connection->next = origin->idle;
    if (origin->idle != NULL)
        origin->idle->previous = connection;
    origin->idle = connection;
    sl_connections_add_idle(origin->connections, connection);
}

static void pull_idle(struct sl_connection *connection)
{
    struct sl_origin *origin = connection->origin;

    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        origin->idle = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connection->next = connection->previous = NULL;
    sl_connections_remove_idle(origin->connections, connection);
}

void sl_origin_close_idle(struct sl_connection *connection)
{
    pull_idle(connection);
    sl_connection_discard(connection, false);
}

/* Takes the connection used last that is fit; the unfit ones are closed. */
static struct sl_connection *take_idle(struct sl_origin *origin)
{
    while (origin->idle != NULL) {
        struct sl_connection *connection = origin->idle;

        pull_idle(connection);
        if (sl_connection_is_fit(connection))
            return connection;
        sl_connection_discard(connection, false);
    }
    return NULL;
}

/* ---- room ---- */

void sl_origin_free_room(struct sl_origin *origin)
{
    struct sl_connections *all = origin->connections;

    sl_connections_retain(all);
    origin->count--;
    all->stats.active--;
    update_turn(origin);
    sl_origin_release(origin);
    sl_connections_serve(all);
    sl_connections_release(all);
}

static enum sl_status open_for(struct sl_origin *origin, struct sl_place *place,
                               struct sl_failure *failure)
{
    struct sl_connections *all = origin->connections;
    struct sl_connection *connection;
    enum sl_status status =
        sl_connection_open(origin, place, &connection, failure);

    if (status != SL_OK)
        return status;
    origin->count++;
    all->stats.active++;
    sl_origin_retain(origin);
    update_turn(origin);
    set_opening(place, connection);
    return SL_OK;
}

/* There is room under the total for one connection: the first waiter's. */
static void turn_came(struct sl_timer *turn)
{
    struct sl_origin *origin =
        (struct sl_origin *)(void *)((char *)turn -
                                     offsetof(struct sl_origin, turn));
    struct sl_place *place = origin->waiting.first;
    struct sl_failure failure;

    sl_origin_retain(origin);
    dequeue(origin, place);
    if (open_for(origin, place, &failure) != SL_OK) {
        place->origin = NULL;
        place->events->refused(place, &failure);
    }
    sl_origin_release(origin);
}

/* ---- asking and leaving ---- */

/* An origin at its limit closes an idle connection where a new one is
 * needed. */
static void make_own_room(struct sl_origin *origin)
{
    if (origin->count >= origin->connections->options.per_origin &&
        origin->idle != NULL)
        sl_origin_close_idle(origin->idle);
}

enum sl_status sl_origin_ask(struct sl_origin *origin, struct sl_place *place,
                             struct sl_connection **connection,
                             struct sl_failure *failure)
{
    struct sl_connections *all = origin->connections;

    sl_assert(place->origin == NULL);
    if (all->is_closed)
        return sl_fail(failure, SL_CLOSED, SL_STAGE_QUEUE, "client is closed");
    memset(&place->times, 0, sizeof place->times);
    if (place->needs_new)
        make_own_room(origin);
    else if ((*connection = take_idle(origin)) != NULL)
        return SL_OK;

    place->origin = origin;
    place->ticket = all->next_ticket++;
    if (origin->count < all->options.per_origin &&
        sl_connections_make_room(all)) {
        enum sl_status status = open_for(origin, place, failure);

        if (status == SL_OK)
            return SL_AGAIN;
        place->origin = NULL;
        return status;
    }
    enqueue(origin, place);
    return SL_AGAIN;
}

void sl_place_leave(struct sl_place *place)
{
    struct sl_origin *origin = place->origin;
    struct sl_connection *connection = place->opening;

    if (origin == NULL)
        return;
    if (connection == NULL)
        dequeue(origin, place);
    else
        part(place);
    place->origin = NULL;
    if (connection != NULL)
        sl_connection_discard(connection, true);
}

enum sl_stage sl_place_stage(const struct sl_place *place)
{
    return place->opening == NULL ? SL_STAGE_QUEUE
                                  : sl_opening_stage(place->opening->opening);
}

void sl_origin_refuse_first(struct sl_origin *origin)
{
    struct sl_place *place = origin->waiting.first;
    struct sl_failure failure;

    sl_fail(&failure, SL_CLOSED, SL_STAGE_QUEUE, "client is closed");
    dequeue(origin, place);
    place->origin = NULL;
    place->events->refused(place, &failure);
}

/* ---- lending ---- */

/* The place that a free connection goes to; NULL: no waiter. */
static struct sl_place *first_in_line(const struct sl_origin *origin)
{
    struct sl_place *opening = origin->opening.first;
    struct sl_place *waiting = origin->waiting.first;

    if (opening == NULL || waiting == NULL)
        return opening == NULL ? waiting : opening;
    return opening->ticket < waiting->ticket ? opening : waiting;
}

static void grant(struct sl_place *place, struct sl_connection *connection,
                  bool is_new)
{
    if (place->opening == NULL)
        dequeue(place->origin, place);
    else
        part(place);
    place->origin = NULL;
    place->events->granted(place, connection, is_new);
}

/* Whether another origin's waiter asked before `place` (which may be NULL), and
 * lacks nothing but room. */
static bool is_another_before(const struct sl_origin *origin,
                              const struct sl_place *place)
{
    const struct sl_timer *turn = origin->connections->turns.first;

    return turn != NULL && turn != &origin->turn &&
           (place == NULL || turn->due < place->ticket);
}

void sl_origin_offer(struct sl_connection *connection, bool is_new)
{
    struct sl_origin *origin = connection->origin;
    struct sl_place *place = first_in_line(origin);

    if (sl_loop_is_forked(origin->connections->loop))
        place = NULL;
    if (is_another_before(origin, place) ||
        (place != NULL && place->needs_new && !is_new))
        sl_connection_discard(connection, false); /* its room is what counts */
    else if (place != NULL)
        grant(place, connection, is_new);
    else
        push_idle(connection);
}

void sl_origin_opened(struct sl_connection *connection)
{
    struct sl_connections *all = connection->origin->connections;
    struct sl_place *place = sl_connection_place(connection);
    struct sl_opening_times times = *sl_opening_times(connection->opening);

    sl_opening_destroy(connection->opening);
    connection->opening = NULL;
    sl_connection_begin_idle(connection, -1);
    if (place != NULL) {
        place->times = times;
        grant(place, connection, true);
    } else if (all->is_closed || !sl_connection_watch(connection)) {
        sl_connection_discard(connection, false);
    } else {
        sl_origin_offer(connection, true);
    }
}

void sl_origin_not_opened(struct sl_connection *connection,
                          const struct sl_failure *failure)
{
    struct sl_place *place = sl_connection_place(connection);

    if (place != NULL) {
        part(place);
        place->origin = NULL;
        place->refusal = sl_opening_take_refusal(connection->opening);
    }
    sl_connection_discard(connection, true);
    if (place != NULL)
        place->events->refused(place, failure);
}

/* ---- a life ---- */

/* An origin with its options, whose texts stand behind it. NULL out of
 * memory. */
static struct sl_origin *pack(struct sl_allocator *allocator,
                              const struct sl_origin_options *options)
{
    struct sl_origin_options own = *options;
    const char **const texts[] = {
        &own.key,        &own.host,           &own.address,
        &own.unix_path,  &own.local_address,  &own.proxy_host,
        &own.proxy_user, &own.proxy_password, &own.proxy_identity,
    };
    const size_t count = sizeof texts / sizeof *texts;
    size_t size = sizeof(struct sl_origin);
    struct sl_origin *origin;
    char *room;

    for (size_t i = 0; i < count; i++)
        size += sl_packed_size(*texts[i]);
    origin = sl_allocate_zeroed(allocator, size);
    if (origin == NULL)
        return NULL;
    room = (char *)(origin + 1);
    for (size_t i = 0; i < count; i++)
        *texts[i] = sl_packed_copy(&room, *texts[i]);
    origin->size = size;
    origin->options = own;
    return origin;
}

static void retain_context(const struct sl_tls_provider *provider,
                           struct sl_tls_context *context)
{
    if (context != NULL)
        provider->context_retain(context);
}

static void release_context(const struct sl_tls_provider *provider,
                            struct sl_tls_context *context)
{
    if (context != NULL)
        provider->context_release(context);
}

static void destroy(struct sl_origin *origin)
{
    const struct sl_origin_options *options = &origin->options;

    release_context(options->provider, options->context);
    release_context(options->proxy_provider, options->proxy_context);
    sl_free(origin->connections->allocator, origin, origin->size);
}

static enum sl_status create(struct sl_connections *connections,
                             const struct sl_origin_options *options,
                             struct sl_origin **origin)
{
    struct sl_origin *created = pack(connections->allocator, options);
    const char *key;

    if (created == NULL)
        return SL_MEMORY;
    created->connections = connections;
    sl_timer_init(&created->turn, turn_came);
    retain_context(options->proxy_provider, options->proxy_context);
    retain_context(options->provider, options->context);
    key = created->options.key;
    if (sl_directory_add(&connections->directory, &created->entry,
                         sl_view(key, strlen(key))) != SL_OK) {
        destroy(created);
        return SL_MEMORY;
    }
    *origin = created;
    return SL_OK;
}

static struct sl_origin *from_entry(struct sl_directory_entry *entry)
{
    return (struct sl_origin *)(void *)((char *)entry -
                                        offsetof(struct sl_origin, entry));
}

enum sl_status sl_origin_find(struct sl_connections *connections,
                              const struct sl_origin_options *options,
                              struct sl_origin **origin)
{
    struct sl_directory_entry *entry = sl_directory_find(
        &connections->directory, sl_view(options->key, strlen(options->key)));

    if (entry != NULL) {
        *origin = from_entry(entry);
    } else {
        enum sl_status status = create(connections, options, origin);

        if (status != SL_OK)
            return status;
    }
    sl_origin_retain(*origin);
    return SL_OK;
}

void sl_origin_retain(struct sl_origin *origin)
{
    if (origin->refs++ > 0)
        return;
    if (origin->entry.is_unused)
        sl_directory_use(&origin->connections->directory, &origin->entry);
    sl_connections_retain(origin->connections);
}

void sl_origin_forget(struct sl_directory_entry *entry)
{
    struct sl_origin *origin = from_entry(entry);

    sl_assert(origin->refs == 0);
    sl_directory_remove(&origin->connections->directory, entry);
    destroy(origin);
}

/* An unused origin stays known while there are not too many of them, and so
 * keeps what it has learned of its server. */
void sl_origin_release(struct sl_origin *origin)
{
    struct sl_connections *all = origin->connections;

    if (--origin->refs > 0)
        return;
    sl_directory_rest(&all->directory, &origin->entry);
    while (
        all->directory.unused_count > 0 &&
        (all->is_closed || all->directory.unused_count > all->options.unused))
        sl_origin_forget(all->directory.oldest);
    sl_connections_release(all);
}
