/* conn/channel.h - a connected byte stream for a caller with a protocol of its own
 *
 *   OPENING -> OPEN -> CLOSED
 *
 * in:  binding/transport.c    below: conn/opening.c, conn/link.c
 *
 * One send and one receive may be under way at once, each with a completion of
 * its own that is reused for every operation of its direction; a second one in
 * the same direction is misuse. What finishes at once is DONE when begin returns.
 */
#ifndef SL_CONN_CHANNEL_H
#define SL_CONN_CHANNEL_H

#include "conn/opening.h"
#include "memory/sequence.h"

enum sl_channel_phase {
    SL_CHANNEL_OPENING,
    SL_CHANNEL_OPEN,
    SL_CHANNEL_CLOSED
};

/* One direction. */
struct sl_channel_operation {
    struct sl_completion completion; /* result: bytes moved */
    struct sl_timer timer;
    struct sl_channel *channel;
    struct sl_failure failure; /* when it ended with one */
    int64_t due;
    size_t moved;
};

struct sl_channel {
    size_t refs;
    enum sl_channel_phase phase;
    struct sl_allocator *allocator;
    struct sl_pool *pool;
    struct sl_loop *loop;
    struct sl_opening *opener; /* OPENING */
    struct sl_link link;
    struct sl_peer *peer; /* NULL: plain, or not there yet */
    struct sl_channel_operation opening;
    struct sl_channel_operation sending;
    struct sl_channel_operation receiving;
    struct sl_completion turn; /* go on sending in the next step of the loop */
    struct sl_sequence outgoing; /* what is sent, or */
    struct sl_view text;         /* bytes that the caller keeps alive */
    struct sl_buffer *target;    /* of the receive */
    size_t wanted;
    bool is_broken; /* a send ended in the middle: nothing more can follow */
};

/* Begins to open; the completion of `opening` reports the end. One reference.
 * SL_MEMORY, SL_INVALID, SL_LIMIT: `failure`. */
enum sl_status sl_channel_create(struct sl_loop *loop, struct sl_pool *pool,
                                 struct sl_resolver *resolver,
                                 const struct sl_opening_options *options,
                                 struct sl_channel **channel,
                                 struct sl_failure *failure);
void sl_channel_retain(struct sl_channel *channel);
/* The last one closes. */
void sl_channel_release(struct sl_channel *channel);

/* Sends all of `text`, which must stay alive until the completion is DONE, or
 * when its data is NULL all of `content`, which is moved. `due`: absolute time,
 * SL_NEVER. SL_OK: begun, perhaps finished already. SL_MISUSE: not open, or one
 * is under way; nothing was moved. */
enum sl_status sl_channel_begin_send(struct sl_channel *channel,
                                     struct sl_view text,
                                     struct sl_sequence *content, int64_t due);

/* Receives up to `wanted` bytes into the tail of `target`, which must stay alive
 * until the completion is DONE: with SL_OK and their count, or SL_END. */
enum sl_status sl_channel_begin_receive(struct sl_channel *channel,
                                        struct sl_buffer *target, size_t wanted,
                                        int64_t due);

/* Ends what is under way with SL_CANCELLED and closes; orderly where nothing is
 * under way. Idempotent; also from inside its own handshake (the owner's
 * verify). */
void sl_channel_close(struct sl_channel *channel);

#endif
