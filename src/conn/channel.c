#include "conn/channel.h"

#include "base/debug.h"

#include <string.h>

#define SEND_VIEWS 8

/* The longest time that bytes which arrived before the deadline may take from
 * the kernel to here. */
#define ARRIVAL SL_SECOND

/* ---- operations ---- */

static bool is_pending(const struct sl_channel_operation *operation)
{
    return operation->completion.state == SL_COMPLETION_PENDING;
}

/* `is_inside`: during the call that began it, when finishing needs no
 * signal. */
static void end(struct sl_channel_operation *operation, enum sl_status status,
                bool is_inside)
{
    sl_timer_disarm(&operation->channel->loop->timers, &operation->timer);
    if (is_inside)
        sl_completion_finish(&operation->completion, status, operation->moved);
    else
        sl_completion_signal(&operation->completion, status, operation->moved);
}

static void fail(struct sl_channel_operation *operation, enum sl_status status,
                 const char *reason)
{
    sl_fail(&operation->failure, status, SL_STAGE_NONE, "%s", reason);
    end(operation, status, false);
}

static void release_outgoing(struct sl_channel *channel)
{
    sl_sequence_fini(&channel->outgoing);
    sl_sequence_init(&channel->outgoing, channel->allocator);
    channel->text = sl_view(NULL, 0);
}

/* Ends an operation with `status` if it is under way. A send that was cut in
 * the middle leaves a stream that cannot be used any more. */
static void stop(struct sl_channel_operation *operation, enum sl_status status,
                 const char *reason)
{
    struct sl_channel *channel = operation->channel;

    if (!is_pending(operation))
        return;
    if (operation == &channel->sending) {
        /* A send that has put nothing on the wire leaves the stream whole. */
        if (operation->moved > 0 || sl_link_is_stuck(&channel->link))
            channel->is_broken = true;
        release_outgoing(channel);
        sl_transport_unwait(channel->link.transport, SL_TRANSPORT_SENDING);
    }
    if (operation == &channel->receiving)
        sl_transport_unwait(channel->link.transport, SL_TRANSPORT_RECEIVING);
    fail(operation, status, reason);
}

#define FROM(member, pointer)                                    \
    ((struct sl_channel_operation *)((char *)(pointer)-offsetof( \
        struct sl_channel_operation, member)))

/* Bytes that have arrived are received however short the time was, though
 * another thread may have to bring them. */
static bool is_arriving(const struct sl_channel_operation *operation)
{
    const struct sl_channel *channel = operation->channel;

    return operation == &channel->receiving &&
           channel->loop->now - operation->due < ARRIVAL &&
           sl_transport_has_arrived(channel->link.transport);
}

static void time_came(struct sl_timer *timer)
{
    struct sl_channel_operation *operation = FROM(timer, timer);
    struct sl_loop *loop = operation->channel->loop;

    if (is_arriving(operation))
        sl_timer_arm(&loop->timers, timer, loop->now + SL_MILLISECOND);
    else
        stop(operation, SL_TIMEOUT, "not complete in time");
}

/* Ends the opening while it is under way; the failure keeps the stage. */
static void stop_opening(struct sl_channel *channel, const char *reason)
{
    struct sl_opening *opener = channel->opener;
    enum sl_stage stage;

    if (opener == NULL)
        return;
    stage = sl_opening_stage(opener);
    channel->opener = NULL;
    channel->phase = SL_CHANNEL_CLOSED;
    sl_opening_destroy(opener);
    stop(&channel->opening, SL_CANCELLED, reason);
    channel->opening.failure.stage =
        stage == SL_STAGE_TLS || stage == SL_STAGE_PROXY ? stage
                                                         : SL_STAGE_NONE;
}

static void cancel(struct sl_completion *completion)
{
    struct sl_channel_operation *operation = FROM(completion, completion);

    if (operation == &operation->channel->opening)
        stop_opening(operation->channel, "cancelled");
    else
        stop(operation, SL_CANCELLED, "cancelled");
}

static void begin(struct sl_channel_operation *operation, int64_t due)
{
    struct sl_loop *loop = operation->channel->loop;

    sl_completion_begin(&operation->completion);
    operation->moved = 0;
    operation->is_taken = false;
    operation->due = due;
    if (due != SL_NEVER)
        sl_timer_arm(&loop->timers, &operation->timer, due);
}

static void init_operation(struct sl_channel *channel,
                           struct sl_channel_operation *operation)
{
    operation->channel = channel;
    operation->is_taken = true;
    sl_completion_init(&operation->completion, channel->loop, NULL);
    operation->completion.cancel = cancel;
    sl_timer_init(&operation->timer, time_came);
}

static void fini_operation(struct sl_channel_operation *operation)
{
    sl_timer_disarm(&operation->channel->loop->timers, &operation->timer);
    sl_completion_fini(&operation->completion);
}

/* ---- moving bytes ---- */

static size_t gather(const struct sl_channel *channel, struct sl_view *views)
{
    size_t offset = channel->sending.moved;
    size_t count = 0;

    if (channel->text.data != NULL) {
        views[0] =
            sl_view(channel->text.data + offset, channel->text.size - offset);
        return views[0].size > 0;
    }
    while (count < SEND_VIEWS && offset < channel->outgoing.size) {
        views[count] = sl_sequence_at(&channel->outgoing, offset);
        offset += views[count++].size;
    }
    return count;
}

static void take_turn(struct sl_channel *channel)
{
    if (channel->turn.state == SL_COMPLETION_READY)
        return;
    sl_completion_begin(&channel->turn);
    sl_completion_signal(&channel->turn, SL_OK, 0);
}

static bool is_turn_over(const struct sl_channel *channel, size_t moved)
{
    const struct sl_loop *loop = channel->turn.loop;

    if (sl_loop_has_budget(loop))
        return moved > 0 && sl_loop_is_turn_over(loop);
    return moved >= SL_TURN_BUDGET;
}

static void advance_send(struct sl_channel *channel, bool is_inside)
{
    struct sl_channel_operation *operation = &channel->sending;
    struct sl_view views[SEND_VIEWS];
    enum sl_status status = SL_OK;
    size_t begun = operation->moved;
    size_t count;

    if (!is_pending(operation))
        return;
    while (status == SL_OK && (count = gather(channel, views)) > 0) {
        size_t sent;

        if (is_turn_over(channel, operation->moved - begun)) {
            take_turn(channel);
            return;
        }
        status = sl_link_send(&channel->link, views, count, &sent,
                              &operation->failure);
        operation->moved += sent;
    }
    if (status == SL_OK)
        status = sl_link_drain(&channel->link, &operation->failure);
    if (status == SL_AGAIN)
        return;
    if (status != SL_OK)
        channel->is_broken = true;
    release_outgoing(channel);
    end(operation, status, is_inside);
}

static void advance_receive(struct sl_channel *channel, bool is_inside)
{
    struct sl_channel_operation *operation = &channel->receiving;
    bool was_stuck = sl_link_is_stuck(&channel->link);
    enum sl_status status;

    if (!is_pending(operation))
        return;
    status =
        sl_link_receive(&channel->link, &channel->incoming, channel->wanted,
                        &operation->moved, &operation->failure);
    if (was_stuck && !sl_link_is_stuck(&channel->link))
        advance_send(channel, false);
    if (status == SL_AGAIN)
        return;
    if (status == SL_END && !channel->link.is_clean_end)
        status = sl_fail(&operation->failure, SL_CLOSED, SL_STAGE_NONE,
                         "connection ended without close_notify");
    end(operation, status, is_inside);
}

/* With TLS either event may serve either direction. */
static void can_move(void *owner)
{
    struct sl_channel *channel = owner;

    advance_send(channel, false);
    advance_receive(channel, false);
}

static void turn_came(struct sl_completion *completion)
{
    advance_send((struct sl_channel *)((char *)completion -
                                       offsetof(struct sl_channel, turn)),
                 false);
}

static const struct sl_transport_events events = {can_move, can_move};

/* ---- opening ---- */

static void opened(void *owner)
{
    struct sl_channel *channel = owner;
    struct sl_channel_operation *operation = &channel->opening;
    enum sl_status status = sl_opening_result(
        channel->opener, &channel->link, &channel->peer, &operation->failure);
    struct sl_failure ignored;

    sl_opening_destroy(channel->opener);
    channel->opener = NULL;
    channel->phase = status == SL_OK ? SL_CHANNEL_OPEN : SL_CHANNEL_CLOSED;
    if (status == SL_OK) {
        sl_transport_bind(channel->link.transport, &events, channel);
        /* The program may wait before it sends. A peer that cannot be written
         * to shows itself then. */
        sl_link_flush(&channel->link, &ignored);
    }
    end(operation, status, false);
}

enum sl_status sl_channel_create(struct sl_loop *loop, struct sl_pool *pool,
                                 struct sl_resolver *resolver,
                                 const struct sl_opening_options *options,
                                 struct sl_channel **channel,
                                 struct sl_failure *failure)
{
    struct sl_channel *created =
        sl_allocate_zeroed(loop->allocator, sizeof *created);
    enum sl_status status;

    if (created == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_CONNECT, "out of memory");
    created->allocator = loop->allocator;
    created->pool = pool;
    created->loop = loop;
    init_operation(created, &created->opening);
    init_operation(created, &created->sending);
    init_operation(created, &created->receiving);
    sl_completion_init(&created->turn, loop, turn_came);
    sl_sequence_init(&created->outgoing, created->allocator);
    sl_buffer_init(&created->incoming, pool, SIZE_MAX);
    status = sl_opening_begin(loop, pool, resolver, options, opened, created,
                              &created->opener, failure);
    if (status != SL_OK) {
        created->phase = SL_CHANNEL_CLOSED;
        sl_channel_destroy(created);
        return status;
    }
    begin(&created->opening, SL_NEVER);
    *channel = created;
    return SL_OK;
}

/* ---- a life ---- */

void sl_channel_destroy(struct sl_channel *channel)
{
    sl_channel_close(channel);
    fini_operation(&channel->opening);
    fini_operation(&channel->sending);
    fini_operation(&channel->receiving);
    sl_completion_fini(&channel->turn);
    release_outgoing(channel);
    sl_buffer_fini(&channel->incoming);
    sl_peer_release(channel->peer);
    sl_free(channel->allocator, channel, sizeof *channel);
}

/* Nothing was received: take room of that pool, no larger than the receive. */
static void prepare(struct sl_channel *channel, struct sl_pool *pool,
                    size_t room)
{
    struct sl_buffer *incoming = &channel->incoming;

    if (incoming->pool == pool && incoming->max_size == room) {
        sl_buffer_reset(incoming);
        return;
    }
    sl_buffer_fini(incoming);
    sl_buffer_init(incoming, pool, room);
}

void sl_channel_close(struct sl_channel *channel)
{
    bool is_busy = is_pending(&channel->sending) || channel->is_broken;

    if (channel->phase == SL_CHANNEL_CLOSED)
        return;
    stop_opening(channel, "transport is closed");
    stop(&channel->sending, SL_CANCELLED, "transport is closed");
    stop(&channel->receiving, SL_CANCELLED, "transport is closed");
    sl_completion_fini(&channel->turn);
    prepare(channel, channel->pool, SIZE_MAX);
    channel->phase = SL_CHANNEL_CLOSED;
    if (channel->link.transport != NULL)
        sl_link_close(&channel->link, is_busy);
}

enum sl_status sl_channel_begin_send(struct sl_channel *channel,
                                     struct sl_view text,
                                     struct sl_sequence *content, int64_t due)
{
    if (channel->phase != SL_CHANNEL_OPEN || is_pending(&channel->sending) ||
        channel->sending.completion.state == SL_COMPLETION_READY)
        return SL_MISUSE;
    channel->text = text;
    if (text.data == NULL) {
        enum sl_status status =
            sl_sequence_sub(&channel->outgoing, content, 0, content->size);

        if (status != SL_OK)
            return status;
        sl_sequence_fini(content);
    }
    begin(&channel->sending, due);
    if (channel->is_broken) {
        sl_fail(&channel->sending.failure, SL_CLOSED, SL_STAGE_SEND,
                "an earlier send ended in the middle");
        release_outgoing(channel);
        end(&channel->sending, SL_CLOSED, true);
        return SL_OK;
    }
    advance_send(channel, true);
    return SL_OK;
}

/* Whether bytes are there: left over, or offered to a caller that could not
 * take them. */
static bool has_left(const struct sl_channel *channel)
{
    return channel->incoming.length > 0 &&
           (channel->receiving.is_taken || channel->was_asked);
}

bool sl_channel_is_unasked(const struct sl_channel *channel)
{
    const struct sl_channel_operation *operation = &channel->receiving;

    return operation->completion.state == SL_COMPLETION_DONE &&
           operation->completion.status == SL_OK && !operation->is_taken &&
           !has_left(channel);
}

enum sl_status sl_channel_begin_receive(struct sl_channel *channel,
                                        struct sl_pool *pool, size_t room,
                                        size_t wanted, int64_t due)
{
    struct sl_channel_operation *operation = &channel->receiving;
    bool is_left = has_left(channel);

    if (channel->phase != SL_CHANNEL_OPEN || is_pending(operation) ||
        operation->completion.state == SL_COMPLETION_READY ||
        sl_channel_is_unasked(channel))
        return SL_MISUSE;
    channel->wanted = wanted;
    channel->was_asked = false;
    if (!is_left)
        prepare(channel, pool, room);
    begin(operation, due);
    if (is_left) {
        operation->moved = channel->incoming.length;
        end(operation, SL_OK, true);
    } else {
        advance_receive(channel, true);
    }
    return SL_OK;
}

/* ---- results ---- */

void sl_channel_settle(struct sl_channel_operation *operation)
{
    operation->is_taken = true;
}

size_t sl_channel_received(struct sl_channel *channel)
{
    size_t there = channel->incoming.length;

    channel->was_asked = true;
    return there < channel->wanted ? there : channel->wanted;
}

enum sl_status sl_channel_take(struct sl_channel *channel, struct sl_buffer *to,
                               size_t size)
{
    struct sl_buffer *incoming = &channel->incoming;

    return size == incoming->length ? sl_buffer_take(to, incoming)
                                    : sl_buffer_move(to, incoming, size);
}

enum sl_status sl_channel_peek(struct sl_channel *channel, size_t size,
                               struct sl_view *view)
{
    return sl_buffer_gather(&channel->incoming, size, view);
}

void sl_channel_consume(struct sl_channel *channel, size_t size)
{
    if (size <= channel->incoming.length)
        sl_buffer_consume(&channel->incoming, size);
}
