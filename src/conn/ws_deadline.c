#include "conn/ws_deadline.h"

#include "conn/ws_ending.h"
#include "conn/ws_receiving.h"

/* The most turns that a deadline waits for. What arrived in time counts, and
 * may lie behind so much that one turn does not reach it. But a peer that sends
 * without end always leaves another turn to take. As the loop's LATE_ROUNDS. */
#define LATE_TURNS 16

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

static bool is_listening(const struct sl_websocket *socket)
{
    return socket->phase == SL_WEBSOCKET_OPEN && !socket->is_held;
}

static int64_t ping_due(const struct sl_websocket *socket)
{
    int64_t since = socket->heard_at > socket->pinged_at ? socket->heard_at
                                                         : socket->pinged_at;

    if (socket->pong_due != 0)
        return socket->pong_due;
    return sl_clock_after(since, socket->ping_interval);
}

/* What makes it quick is kept for this long after the last byte. */
static int64_t rest_due(const struct sl_websocket *socket)
{
    int64_t sent_at = socket->sending.moved_at;

    if (socket->is_resting || sl_websocket_is_sending(socket))
        return SL_NEVER;
    return SL_SECOND +
           (socket->heard_at > sent_at ? socket->heard_at : sent_at);
}

static void rest(struct sl_websocket *socket)
{
    sl_link_rest(&socket->link);
    sl_ws_sending_rest(&socket->sending);
    sl_websocket_rest_intake(socket);
    sl_ws_queue_rest(&socket->queue);
    socket->is_resting = true;
}

/* The next deadline. */
static int64_t deadline_of(const struct sl_websocket *socket)
{
    int64_t due = SL_NEVER;

    if (socket->completion.state == SL_COMPLETION_PENDING)
        due = socket->receive_due;
    if (sl_websocket_is_sending(socket))
        due = earlier(due, sl_clock_after(socket->sending.moved_at,
                                          socket->send_timeout));
    if (socket->phase == SL_WEBSOCKET_OPEN)
        due = earlier(due, sl_clock_after(socket->message_at, socket->idle));
    else
        due = earlier(due, socket->close_due);
    if (is_listening(socket))
        due = earlier(due, ping_due(socket));
    return earlier(due, rest_due(socket));
}

/* A deadline that has passed waits for a look at what arrived in time. */
static int64_t due_of(const struct sl_websocket *socket)
{
    int64_t soonest = sl_loop_next_look(socket->loop);
    int64_t due;

    if (socket->has_turn)
        return sl_loop_next_turn(socket->loop);
    due = deadline_of(socket);
    return due > soonest ? due : soonest;
}

void sl_websocket_arm(struct sl_websocket *socket)
{
    struct sl_timer *timer = &socket->timer;
    int64_t due;

    if (socket->phase == SL_WEBSOCKET_OVER)
        return;
    due = due_of(socket);
    /* A timer that fires too early arms itself again. */
    if (due == SL_NEVER || (timer->is_armed && timer->due <= due))
        return;
    timer->is_pause = socket->has_turn;
    sl_timer_arm(&socket->loop->timers, timer, due);
    sl_loop_tell_host(socket->loop);
}

/* ---- what follows ---- */

static double seconds(int64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

static void lose(struct sl_websocket *socket, const char *format, int64_t limit)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET, format, seconds(limit));
    sl_websocket_lose(socket, &failure);
}

static void be_idle(struct sl_websocket *socket)
{
    struct sl_failure failure;

    sl_fail(&failure, SL_CLOSED, SL_STAGE_WEBSOCKET,
            "no message for %g s (idle_timeout)", seconds(socket->idle));
    sl_websocket_fail(socket, SL_WS_GOING_AWAY, &failure);
    sl_websocket_advance(socket);
}

static void ping(struct sl_websocket *socket, int64_t now)
{
    socket->pinged_at = now;
    if (socket->pong_timeout != SL_NEVER)
        socket->pong_due = sl_clock_after(now, socket->pong_timeout);
    /* Without memory for it, silence is judged all the same. */
    sl_ws_sending_ping(&socket->sending, sl_view(NULL, 0));
    sl_websocket_advance(socket);
}

static void end_closing(struct sl_websocket *socket)
{
    if (socket->phase == SL_WEBSOCKET_PARTING)
        sl_websocket_end(socket, sl_websocket_is_sending(socket));
    else
        lose(socket, "no Close frame within %g s (close_timeout)",
             socket->close_timeout);
}

/* The deadlines of the peer. */
static void judge(struct sl_websocket *socket, int64_t now)
{
    bool is_open = socket->phase == SL_WEBSOCKET_OPEN;

    if (!is_open && now >= socket->close_due)
        end_closing(socket);
    else if (sl_websocket_is_sending(socket) &&
             now >=
                 sl_clock_after(socket->sending.moved_at, socket->send_timeout))
        lose(socket, "the peer takes no bytes for %g s (send_timeout)",
             socket->send_timeout);
    else if (is_open && now >= sl_clock_after(socket->message_at, socket->idle))
        be_idle(socket);
    else if (is_listening(socket) && now >= ping_due(socket) &&
             socket->pong_due != 0)
        lose(socket, "no pong within %g s (pong_timeout)",
             socket->pong_timeout);
    else if (is_listening(socket) && now >= ping_due(socket))
        ping(socket, now);
}

/* Whether to leave the deadlines to a later turn: they are not over, or what
 * arrived in time may not be read yet. */
static bool take_turn(struct sl_websocket *socket, int64_t now)
{
    bool is_late = now >= deadline_of(socket);

    if (!is_late)
        socket->late_turns = 0;
    sl_websocket_advance(socket); /* which arms the timer */
    return socket->phase == SL_WEBSOCKET_OVER || !is_late ||
           socket->late_turns < LATE_TURNS;
}

void sl_websocket_time_came(struct sl_timer *timer)
{
    struct sl_websocket *socket =
        (struct sl_websocket *)(void *)((char *)timer -
                                        offsetof(struct sl_websocket, timer));
    int64_t now = socket->loop->looked_at;

    if (socket->has_turn && take_turn(socket, now))
        return;
    socket->late_turns = 0;
    if (socket->completion.state == SL_COMPLETION_PENDING &&
        now >= socket->receive_due) {
        sl_completion_signal(&socket->completion, SL_TIMEOUT, 0);
        sl_websocket_rest(socket);
    }
    if (now >= rest_due(socket))
        rest(socket);
    judge(socket, now);
    sl_websocket_arm(socket);
}
