#include "conn/opening.h"

#include "base/debug.h"

#include <stddef.h>
#include <string.h>

enum phase { CONNECTING, TUNNELING, SECURING, OPEN, FAILED };

struct sl_opening {
    enum phase phase;
    size_t size; /* of the whole allocation */
    struct sl_loop *loop;
    struct sl_pool *pool;
    struct sl_connector *connector; /* CONNECTING */
    struct sl_tunnel *tunnel;       /* until it is through; NULL: none */
    struct sl_link link; /* its transport is NULL while it connects */
    struct sl_peer *peer;
    const struct sl_tls_provider *provider;
    struct sl_tls_context *context;
    const char *host;
    const char *identity;
    void *verify_owner;
    struct sl_opening_deadlines deadlines;
    struct sl_timer timer; /* of the stages behind connecting */
    struct sl_opening_times times;
    struct sl_failure failure;
    void (*done)(void *owner);
    void *owner;
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
    int64_t now = opening->loop->now;

    opening->phase = phase;
    sl_timer_disarm(&opening->loop->timers, &opening->timer);
    if (timeout < SL_NEVER - now)
        sl_timer_arm(&opening->loop->timers, &opening->timer, now + timeout);
}

/* ---- TLS ---- */

static void fail_tls(struct sl_opening *opening)
{
    opening->failure.stage = SL_STAGE_TLS;
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

static void advance_tls(struct sl_opening *opening)
{
    enum sl_status status = handshake(opening);

    if (opening->is_abandoned) {
        sl_opening_destroy(opening);
        return;
    }
    if (status == SL_AGAIN)
        return;
    if (status == SL_OK) {
        const struct sl_link *link = &opening->link;

        if (sl_peer_create(link->allocator, link->tls->provider,
                           link->tls->engine, &opening->peer) != SL_OK)
            status = fail_memory(opening);
    }
    if (status != SL_OK) {
        fail_tls(opening);
        return;
    }
    opening->times.secured = opening->loop->now;
    end(opening, OPEN);
}

static void secure(struct sl_opening *opening)
{
    struct sl_tls_engine *engine;

    enter(opening, SECURING, opening->deadlines.tls);
    if (opening->provider->engine_create(
            opening->context, opening->pool, opening->host, opening->identity,
            opening->verify_owner, &engine, &opening->failure) != SL_OK) {
        fail_tls(opening);
        return;
    }
    if (sl_link_secure(&opening->link, opening->pool, opening->provider,
                       engine) != SL_OK) {
        fail_memory(opening);
        fail_tls(opening);
        return;
    }
    advance_tls(opening);
}

static void secure_or_end(struct sl_opening *opening)
{
    if (opening->provider != NULL)
        secure(opening);
    else
        end(opening, OPEN);
}

/* ---- the tunnel ---- */

static void destroy_tunnel(struct sl_opening *opening)
{
    if (opening->tunnel != NULL)
        sl_tunnel_destroy(opening->tunnel, opening->loop->allocator);
    opening->tunnel = NULL;
}

static void advance_tunnel(struct sl_opening *opening)
{
    enum sl_status status =
        sl_tunnel_advance(opening->tunnel, &opening->link, &opening->failure);

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

/* ---- what moves both ---- */

static void can_move(void *owner)
{
    struct sl_opening *opening = owner;

    if (opening->phase == TUNNELING)
        advance_tunnel(opening);
    else if (opening->phase == SECURING && !opening->is_in_engine)
        advance_tls(opening);
}

static const struct sl_transport_events events = {can_move, can_move};

static void time_came(struct sl_timer *timer)
{
    struct sl_opening *opening =
        (struct sl_opening *)(void *)((char *)timer -
                                      offsetof(struct sl_opening, timer));

    if (opening->phase == TUNNELING)
        sl_fail(&opening->failure, SL_TIMEOUT, SL_STAGE_PROXY,
                "tunnel not open within %g s",
                (double)opening->deadlines.proxy / 1e9);
    else
        sl_fail(&opening->failure, SL_TIMEOUT, SL_STAGE_TLS,
                "handshake not complete within %g s",
                (double)opening->deadlines.tls / 1e9);
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
    if (opening->tunnel == NULL) {
        secure_or_end(opening);
        return;
    }
    enter(opening, TUNNELING, opening->deadlines.proxy);
    advance_tunnel(opening);
}

/* ---- a life ---- */

static char *copy_text(char **room, const char *text)
{
    char *copy = *room;
    size_t size = strlen(text) + 1;

    memcpy(copy, text, size);
    *room += size;
    return copy;
}

static struct sl_opening *create(struct sl_loop *loop, struct sl_pool *pool,
                                 const struct sl_opening_options *options)
{
    const char *host =
        options->host != NULL ? options->host : options->connect.host;
    size_t size = sizeof(struct sl_opening);
    struct sl_opening *opening;
    char *room;

    if (options->provider != NULL)
        size += strlen(host) + 1;
    if (options->provider != NULL && options->identity != NULL)
        size += strlen(options->identity) + 1;
    opening = sl_allocate_zeroed(loop->allocator, size);
    if (opening == NULL)
        return NULL;
    opening->size = size;
    opening->loop = loop;
    opening->pool = pool;
    opening->deadlines = options->deadlines;
    sl_timer_init(&opening->timer, time_came);
    if (options->provider == NULL)
        return opening;
    room = (char *)(opening + 1);
    opening->host = copy_text(&room, host);
    if (options->identity != NULL)
        opening->identity = copy_text(&room, options->identity);
    opening->provider = options->provider;
    opening->context = options->context;
    opening->provider->context_retain(opening->context);
    opening->verify_owner = options->verify_owner;
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
        sl_fail(failure, status, SL_STAGE_CONNECT, "%s",
                sl_connect_refusal(&connect, status));
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

enum sl_stage sl_opening_stage(const struct sl_opening *opening)
{
    switch (opening->phase) {
    case CONNECTING:
        return sl_connect_stage(opening->connector);
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
    if (opening->provider != NULL)
        opening->provider->context_release(opening->context);
    sl_free(loop->allocator, opening, opening->size);
}
