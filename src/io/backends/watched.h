/* io/backends/watched.h - descriptors that end a wait, waited for by poll(2)
 *
 * For backends that keep no set of their own in the kernel: the loop's wake
 * descriptor and that of each other backend.
 */
#ifndef SL_IO_BACKENDS_WATCHED_H
#define SL_IO_BACKENDS_WATCHED_H

#include "io/loop.h"

#define SL_WATCHED_MOST (SL_LOOP_BACKENDS + 1)

/* Zeroed: none. */
struct sl_watched {
    int fds[SL_WATCHED_MOST];
    size_t count;
};

/* SL_LIMIT and errno: there is no room for it. */
enum sl_status sl_watched_add(struct sl_watched *watched, int fd);
/* Takes back the last add. */
void sl_watched_drop(struct sl_watched *watched);

/* Waits at most `timeout` nanoseconds until one of them is readable, and
 * reports those that are to the loop. */
void sl_watched_wait(const struct sl_watched *watched, struct sl_loop *loop,
                     int64_t timeout);

#endif
