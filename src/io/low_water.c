#include "io/low_water.h"

#include <string.h>
#include <sys/socket.h>

/* A receive of this size still fits the cache. With twice as much, the receiver
 * and a sender that fills its buffer take turns, which takes four times as
 * long. */
#define RAISED   (128 * 1024)
#define PATIENCE (10 * SL_MILLISECOND)

static void set(struct sl_low_water *self, int bytes)
{
    struct sl_timers *timers = &self->loop->timers;

    if (self->bytes == bytes)
        return;
    self->bytes = bytes;
    setsockopt(self->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
    if (bytes == 1)
        sl_timer_disarm(timers, &self->timer);
    else
        sl_timer_arm(timers, &self->timer, self->loop->now + PATIENCE);
}

static void check_flow(struct sl_timer *timer)
{
    struct sl_low_water *self = (struct sl_low_water *)(void *)timer;
    int64_t due = self->last_received + PATIENCE;

    if (due > self->loop->now) {
        sl_timer_arm(&self->loop->timers, timer, due);
        return;
    }
    self->is_flowing = false;
    set(self, 1);
    self->on_lowered(self);
}

void sl_low_water_init(struct sl_low_water *low_water, struct sl_loop *loop,
                       int fd, void (*on_lowered)(struct sl_low_water *))
{
    memset(low_water, 0, sizeof *low_water);
    sl_timer_init(&low_water->timer, check_flow);
    low_water->timer.is_pause = true;
    low_water->loop = loop;
    low_water->on_lowered = on_lowered;
    low_water->fd = fd;
    low_water->bytes = 1;
}

void sl_low_water_fini(struct sl_low_water *low_water)
{
    sl_timer_disarm(&low_water->loop->timers, &low_water->timer);
}

void sl_low_water_note(struct sl_low_water *low_water, bool is_room_filled)
{
    low_water->is_flowing = is_room_filled;
    low_water->last_received = low_water->loop->now;
}

void sl_low_water_expect(struct sl_low_water *low_water, size_t bytes)
{
    if (bytes < 2 * RAISED)
        set(low_water, 1);
    else if (bytes >= 4 * RAISED && low_water->is_flowing)
        set(low_water, RAISED);
}
