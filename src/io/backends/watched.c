#include "io/backends/watched.h"

#include "base/debug.h"
#include "io/backend.h"

#include <errno.h>
#include <poll.h>

enum sl_status sl_watched_add(struct sl_watched *watched, int fd)
{
    if (watched->count == SL_WATCHED_MOST) {
        errno = ENOSPC;
        return SL_LIMIT;
    }
    watched->fds[watched->count++] = fd;
    return SL_OK;
}

void sl_watched_drop(struct sl_watched *watched)
{
    sl_assert(watched->count > 0);
    watched->count--;
}

void sl_watched_wait(const struct sl_watched *watched, struct sl_loop *loop,
                     int64_t timeout)
{
    struct pollfd entries[SL_WATCHED_MOST];
    size_t count = watched->count;

    for (size_t i = 0; i < count; i++)
        entries[i] = (struct pollfd){watched->fds[i], POLLIN, 0};
    if (poll(entries, (nfds_t)count, sl_wait_milliseconds(timeout)) <= 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].revents != 0)
            sl_loop_woken(loop, entries[i].fd);
    }
}
