#include "conn/opening.h"

#include "base/debug.h"
#include "base/packed.h"

#include <stddef.h>
#include <string.h>

/* For the body of a refusing answer. */
#define REFUSAL_TIMEOUT SL_SECOND

enum phase { CONNECTING, GREETING, TUNNELING, SECURING, OPEN, FAILED };

struct sl_opening {
    enum phase phase;
    size_t size; /* of the whole allocation */
    struct sl_loop *loop;
    struct sl_pool *pool;
    struct sl_connector *connector; /* CONNECTING */
    struct sl_tunnel *tunnel;       /* until it is through; NULL: none */
    struct sl_link link; /* its transport is NULL while it connects */
    struct sl_peer *peer;
    struct sl_opening_tls greeting; /* their texts stand behind the opening */
    struct sl_opening_tls tls;
    struct sl_opening_deadlines deadlines;
    struct sl_timer timer; /* of the stages behind connecting */
    struct sl_opening_times times;
    struct sl_failure failure;
    void (*done)(void *owner);
    void *owner;
    bool is_hastened; /* the proxy has refused */
    bool is_in_engine;
    bool is_abandoned; /* destroyed while the engine was at work */
};

static void end(struct sl_opening *opening, enum phase phase)
{
    sl_timer_disarm(&opening->loop->timers, &opening->timer);
    opening->phase = phase;
    opening->done(opening->owner);
}

/* Begins a stage behind connecting. */
static void enter(struct sl_opening *opening, enum phase phase, int64_t timeout)
{
    int64_t due = sl_clock_after(opening->loop->now, timeout);

    opening->phase = phase;
    sl_timer_disarm(&opening->loop->timers, &opening->timer);
    if (due < SL_NEVER)
        sl_timer_arm(&opening->loop->timers, &opening->timer, due);
}

/* ---- TLS, with the proxy and with the peer ---- */

static enum sl_stage stage_of(const struct sl_opening *opening)
{
    return opening->phase == GREETING ? SL_STAGE_PROXY : SL_STAGE_TLS;
}

static void fail_tls(struct sl_opening *opening)
{
    opening->failure.stage = stage_of(opening);
    end(opening, FAILED);
}

static enum sl_status fail_memory(struct sl_opening *opening)
{
    return sl_fail(&opening->failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
}

/* The owner's verify runs inside and may destroy this opening, which is then
 * freed later: the engine is at work. */
static enum sl_status handshake(struct sl_opening *opening)
{
    enum sl_status status;

    opening->is_in_engine = true;
    status = sl_link_handshake(&opening->link, &opening->failure);
    opening->is_in_engine = false;
    return status;
}

static void greeted(struct sl_opening *opening);

static enum sl_status note_peer(struct sl_opening *opening)
{
    const struct sl_link *link = &opening->link;
    enum sl_status status = sl_peer_create(link->allocator, link->tls->provider,
                                           link->tls->engine, &opening->peer);

    return status == SL_OK ? status : fail_memory(opening);
}

static void advance_tls(struct sl_opening *opening)
{
    enum sl_status status = handshake(opening);

    if (opening->is_abandoned) {
        sl_opening_destroy(opening);
        return;
    }
    if (status == SL_AGAIN)
        return;
    if (status == SL_OK && opening->phase == SECURING)
        status = note_peer(opening);
    if (status != SL_OK) {
        fail_tls(opening);
        return;
    }
    if (opening->phase == GREETING) {
        greeted(opening);
        return;
    }
    opening->times.secured = opening->loop->now;
    end(opening, OPEN);
}

/* Puts a layer of TLS over the link, in the phase that was entered. */
static void secure(struct sl_opening *opening, const struct sl_opening_tls *tls)
{
    struct sl_tls_engine *engine;

    if (tls->provider->engine_create(tls->context, opening->pool, &tls->engine,
                                     &engine, &opening->failure) != SL_OK) {
        fail_tls(opening);
        return;
    }
    if (sl_link_secure(&opening->link, opening->pool, tls->provider, engine,
                       stage_of(opening)) != SL_OK) {
        fail_memory(opening);
        fail_tls(opening);
        return;
    }
    advance_tls(opening);
}

static void secure_or_end(struct sl_opening *opening)
{
    if (opening->tls.provider == NULL) {
        end(opening, OPEN);
        return;
    }
    enter(opening, SECURING, opening->deadlines.tls);
    secure(opening, &opening->tls);
}

/* ---- the tunnel ---- */

static void destroy_tunnel(struct sl_opening *opening)
{
    if (opening->tunnel != NULL)
        sl_tunnel_destroy(opening->tunnel);
    opening->tunnel = NULL;
}

/* The rest of a refusing answer is not worth a long wait. */
static void hasten(struct sl_opening *opening)
{
    int64_t due = opening->loop->now + REFUSAL_TIMEOUT;

    if (opening->is_hastened)
        return;
    opening->is_hastened = true;
    if (opening->timer.is_armed && opening->timer.due <= due)
        return;
    sl_timer_disarm(&opening->loop->timers, &opening->timer);
    sl_timer_arm(&opening->loop->timers, &opening->timer, due);
}

static void advance_tunnel(struct sl_opening *opening)
{
    enum sl_status status =
        sl_tunnel_advance(opening->tunnel, &opening->link, &opening->failure);

    if (status == SL_AGAIN && opening->tunnel->is_refused)
        hasten(opening);
    if (status == SL_AGAIN)
        return;
    if (status != SL_OK) {
        end(opening, FAILED);
        return;
    }
    opening->times.tunneled = opening->loop->now;
    destroy_tunnel(opening);
    secure_or_end(opening);
}

/* The deadline of the proxy's stage began before. */
static void tunnel_or_go_on(struct sl_opening *opening)
{
    if (opening->tunnel == NULL) {
        secure_or_end(opening);
        return;
    }
    opening->phase = TUNNELING;
    advance_tunnel(opening);
}

static void greeted(struct sl_opening *opening)
{
    if (opening->tunnel == NULL)
        opening->times.tunneled = opening->loop->now;
    tunnel_or_go_on(opening);
}

/* ---- what moves them ---- */

static void can_move(void *owner)
{
    struct sl_opening *opening = owner;

    if (opening->phase == TUNNELING)
        advance_tunnel(opening);
    else if ((opening->phase == GREETING || opening->phase == SECURING) &&
             !opening->is_in_engine)
        advance_tls(opening);
}

static const struct sl_transport_events events = {can_move, can_move};

static void time_came(struct sl_timer *timer)
{
    struct sl_opening *opening =
        (struct sl_opening *)(void *)((char *)timer -
                                      offsetof(struct sl_opening, timer));

    bool is_tls = opening->phase == SECURING;
    int64_t limit = is_tls ? opening->deadlines.tls : opening->deadlines.proxy;

    if (opening->phase != TUNNELING ||
        !sl_tunnel_give_up(opening->tunnel, &opening->failure))
        sl_fail(&opening->failure, SL_TIMEOUT,
                is_tls ? SL_STAGE_TLS : SL_STAGE_PROXY,
                "%s within %g s (timeout.%s)",
                opening->phase == TUNNELING ? "tunnel not open"
                                            : "handshake not complete",
                (double)limit / 1e9, is_tls ? "tls" : "proxy");
    end(opening, FAILED);
}

/* ---- connecting ---- */

static void connected(void *owner)
{
    struct sl_opening *opening = owner;
    struct sl_opening_times *times = &opening->times;
    struct sl_transport *transport;
    int64_t resolve;
    int64_t connect;

    sl_connect_timings(opening->connector, &resolve, &connect);
    if (sl_connect_result(opening->connector, &transport, &opening->failure) !=
        SL_OK) {
        end(opening, FAILED);
        return;
    }
    times->resolved = times->began + resolve;
    times->connected = times->resolved + connect;
    sl_connect_destroy(opening->connector);
    opening->connector = NULL;
    sl_transport_bind(transport, &events, opening);
    sl_link_init(&opening->link, opening->loop->allocator, transport);
    if (opening->greeting.provider == NULL && opening->tunnel == NULL) {
        secure_or_end(opening);
        return;
    }
    enter(opening, GREETING, opening->deadlines.proxy);
    if (opening->greeting.provider != NULL)
        secure(opening, &opening->greeting);
    else
        tunnel_or_go_on(opening);
}

/* ---- a life ---- */

/* A layer with the host that it verifies, or none. */
static struct sl_opening_tls
complete_layer(const struct sl_opening_tls *tls,
               const struct sl_opening_options *options)
{
    struct sl_opening_tls layer = {0};

    if (tls->provider == NULL)
        return layer;
    layer = *tls;
    if (layer.engine.host == NULL)
        layer.engine.host = options->connect.host;
    return layer;
}

static size_t packed_size(const struct sl_opening_tls *layer)
{
    return sl_packed_size(layer->engine.host) +
           sl_packed_size(layer->engine.identity);
}

static void copy_layer(struct sl_opening_tls *layer, char **room)
{
    layer->engine.host = sl_packed_copy(room, layer->engine.host);
    layer->engine.identity = sl_packed_copy(room, layer->engine.identity);
    if (layer->provider != NULL)
        layer->provider->context_retain(layer->context);
}

static void release_layer(const struct sl_opening_tls *layer)
{
    if (layer->provider != NULL)
        layer->provider->context_release(layer->context);
}

static struct sl_opening *create(struct sl_loop *loop, struct sl_pool *pool,
                                 const struct sl_opening_options *options)
{
    struct sl_opening_tls greeting =
        complete_layer(&options->greeting, options);
    struct sl_opening_tls tls = complete_layer(&options->tls, options);
    size_t size =
        sizeof(struct sl_opening) + packed_size(&greeting) + packed_size(&tls);
    struct sl_opening *opening = sl_allocate_zeroed(loop->allocator, size);
    char *room;

    if (opening == NULL)
        return NULL;
    opening->size = size;
    opening->loop = loop;
    opening->pool = pool;
    opening->deadlines = options->deadlines;
    sl_timer_init(&opening->timer, time_came);
    room = (char *)(opening + 1);
    opening->greeting = greeting;
    opening->tls = tls;
    copy_layer(&opening->greeting, &room);
    copy_layer(&opening->tls, &room);
    return opening;
}

enum sl_status sl_opening_begin(struct sl_loop *loop, struct sl_pool *pool,
                                struct sl_resolver *resolver,
                                const struct sl_opening_options *options,
                                void (*done)(void *owner), void *owner,
                                struct sl_opening **opening,
                                struct sl_failure *failure)
{
    struct sl_connect_options connect = options->connect;
    struct sl_opening *created = create(loop, pool, options);
    enum sl_status status;

    if (created == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_CONNECT, "out of memory");
    created->done = done;
    created->owner = owner;
    if (options->tunnel != NULL) {
        status = sl_tunnel_create(options->tunnel, loop->allocator, pool,
                                  &options->target, &created->tunnel, failure);
        if (status != SL_OK) {
            sl_opening_destroy(created);
            return status;
        }
    }
    connect.resolve_timeout = options->deadlines.resolve;
    connect.connect_timeout = options->deadlines.connect;
    status = sl_connect_begin(loop, resolver, &connect, connected, created,
                              &created->connector);
    if (status != SL_OK) {
        sl_connect_refuse(&connect, status, failure);
        sl_opening_destroy(created);
        return status;
    }
    created->times.began = loop->now;
    *opening = created;
    return SL_OK;
}

enum sl_status sl_opening_result(struct sl_opening *opening,
                                 struct sl_link *link, struct sl_peer **peer,
                                 struct sl_failure *failure)
{
    if (opening->phase == FAILED) {
        *failure = opening->failure;
        return failure->status;
    }
    sl_assert(opening->phase == OPEN);
    *link = opening->link;
    *peer = opening->peer;
    opening->link.transport = NULL;
    opening->peer = NULL;
    return SL_OK;
}

struct sl_refusal *sl_opening_take_refusal(struct sl_opening *opening)
{
    return opening->tunnel != NULL ? sl_tunnel_take_refusal(opening->tunnel)
                                   : NULL;
}

enum sl_stage sl_opening_stage(const struct sl_opening *opening)
{
    switch (opening->phase) {
    case CONNECTING:
        return sl_connect_stage(opening->connector);
    case GREETING:
    case TUNNELING:
        return SL_STAGE_PROXY;
    case FAILED:
        return opening->failure.stage;
    default:
        return SL_STAGE_TLS;
    }
}

const struct sl_opening_times *
sl_opening_times(const struct sl_opening *opening)
{
    return &opening->times;
}

void sl_opening_destroy(struct sl_opening *opening)
{
    struct sl_loop *loop = opening->loop;

    sl_timer_disarm(&loop->timers, &opening->timer);
    if (opening->is_in_engine) {
        opening->is_abandoned = true;
        return;
    }
    if (opening->connector != NULL)
        sl_connect_destroy(opening->connector);
    destroy_tunnel(opening);
    if (opening->link.transport != NULL)
        sl_link_close(&opening->link, true);
    sl_peer_release(opening->peer);
    release_layer(&opening->greeting);
    release_layer(&opening->tls);
    sl_free(loop->allocator, opening, opening->size);
}
