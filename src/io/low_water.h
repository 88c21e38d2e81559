/* io/low_water.h - fewer wake-ups for large bodies
 *
 * SO_RCVLOWAT lets bytes gather in the kernel before it wakes the loop. The
 * mark is raised only while much more is known to be missing and each receive
 * fills the room it is given. It is taken back near the end, and when nothing
 * arrived for a while: a raised mark hides the bytes of a slow peer. What a
 * raised mark needs is allocated with it, since few connections ever have one.
 * Without memory for that it is not raised.
 */
#ifndef SL_IO_LOW_WATER_H
#define SL_IO_LOW_WATER_H

#include "io/loop.h"

struct sl_low_water {
    struct sl_raised_mark *mark; /* NULL: it is not raised */
    bool is_flowing;             /* the last receive filled its room */
};

/* The socket that a mark belongs to. */
struct sl_low_water_socket {
    struct sl_loop *loop;
    int fd;
    /* The mark was taken back because nothing arrived: there may be something
     * now. Not called by expect, after which the transport receives. */
    void (*on_lowered)(struct sl_low_water *low_water);
};

void sl_low_water_init(struct sl_low_water *low_water);
/* Before the descriptor is closed. */
void sl_low_water_fini(struct sl_low_water *low_water);

/* Bytes were received, and perhaps there were more. */
void sl_low_water_note(struct sl_low_water *low_water, bool is_room_filled);
/* At least `bytes` more will arrive. */
void sl_low_water_expect(struct sl_low_water *low_water,
                         const struct sl_low_water_socket *socket,
                         size_t bytes);

static inline bool sl_low_water_is_raised(const struct sl_low_water *low_water)
{
    return low_water->mark != NULL;
}

#endif
