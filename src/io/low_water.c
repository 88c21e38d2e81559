#include "io/low_water.h"

#include <string.h>
#include <sys/socket.h>

/* A receive of this size still fits the cache. With twice as much, the receiver
 * and a sender that fills its buffer take turns, which takes four times as
 * long. */
#define RAISED   (128 * 1024)
#define PATIENCE (10 * SL_MILLISECOND)

struct sl_raised_mark {
    struct sl_timer timer; /* armed */
    struct sl_low_water_socket socket;
    struct sl_low_water *low_water;
    int64_t last_received;
};

static void set(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static void forget(struct sl_low_water *self)
{
    struct sl_loop *loop = self->mark->socket.loop;

    sl_timer_disarm(&loop->timers, &self->mark->timer);
    sl_free(loop->cells.allocator, self->mark, sizeof *self->mark);
    self->mark = NULL;
}

static void lower(struct sl_low_water *self)
{
    set(self->mark->socket.fd, 1);
    forget(self);
}

static void check_flow(struct sl_timer *timer)
{
    struct sl_raised_mark *mark = (struct sl_raised_mark *)(void *)timer;
    struct sl_low_water *self = mark->low_water;
    const struct sl_low_water_socket socket = mark->socket;
    int64_t due = mark->last_received + PATIENCE;

    if (due > socket.loop->now) {
        sl_timer_arm(&socket.loop->timers, timer, due);
        return;
    }
    self->is_flowing = false;
    lower(self);
    socket.on_lowered(self);
}

static void raise(struct sl_low_water *self,
                  const struct sl_low_water_socket *socket)
{
    struct sl_loop *loop = socket->loop;
    struct sl_raised_mark *mark =
        sl_allocate_zeroed(loop->cells.allocator, sizeof *mark);

    if (mark == NULL)
        return;
    sl_timer_init(&mark->timer, check_flow);
    mark->timer.is_pause = true;
    mark->socket = *socket;
    mark->low_water = self;
    mark->last_received = loop->now;
    self->mark = mark;
    set(socket->fd, RAISED);
    sl_timer_arm(&loop->timers, &mark->timer, loop->now + PATIENCE);
}

void sl_low_water_init(struct sl_low_water *low_water)
{
    memset(low_water, 0, sizeof *low_water);
}

void sl_low_water_fini(struct sl_low_water *low_water)
{
    if (low_water->mark != NULL)
        forget(low_water);
}

void sl_low_water_note(struct sl_low_water *low_water, bool is_room_filled)
{
    low_water->is_flowing = is_room_filled;
    if (low_water->mark != NULL)
        low_water->mark->last_received = low_water->mark->socket.loop->now;
}

void sl_low_water_expect(struct sl_low_water *low_water,
                         const struct sl_low_water_socket *socket, size_t bytes)
{
    bool is_raised = low_water->mark != NULL;

    if (bytes < 2 * RAISED && is_raised)
        lower(low_water);
    else if (bytes >= 4 * RAISED && low_water->is_flowing && !is_raised)
        raise(low_water, socket);
}
