#include "conn/pace.h"

#define PAUSED ((int64_t)-1)

void sl_pace_init(struct sl_pace *pace, uint64_t least, int64_t within)
{
    pace->least = within == SL_NEVER ? 0 : least;
    pace->within = within;
    pace->moved = 0;
    pace->left = within;
    pace->running = PAUSED;
}

void sl_pace_restart(struct sl_pace *pace, int64_t now)
{
    pace->moved = 0;
    pace->left = pace->within;
    if (pace->running != PAUSED)
        pace->running = now;
}

void sl_pace_run(struct sl_pace *pace, bool is_running, int64_t now)
{
    if (is_running == (pace->running != PAUSED))
        return;
    if (is_running) {
        pace->running = now;
        return;
    }
    pace->left -= now - pace->running;
    if (pace->left < 0)
        pace->left = 0;
    pace->running = PAUSED;
}

void sl_pace_move(struct sl_pace *pace, uint64_t count, int64_t now)
{
    if (count < pace->least - pace->moved)
        pace->moved += count;
    else
        sl_pace_restart(pace, now);
}

int64_t sl_pace_due(const struct sl_pace *pace)
{
    if (!sl_pace_is_kept(pace) || pace->running == PAUSED)
        return SL_NEVER;
    return sl_clock_after(pace->running, pace->left);
}
