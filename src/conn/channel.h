/* conn/channel.h - a byte stream for a caller with a protocol of its own
 *
 *   OPENING -> OPEN -> CLOSED
 *
 * in:  binding/transport.c    below: conn/opening.c, conn/link.c
 *
 * One send and one receive may be under way at once, each with a completion of
 * its own that is reused for every operation of its direction; a second one in
 * the same direction is misuse. What finishes at once is DONE when begin
 * returns.
 *
 *   socket -> incoming -> taken by the caller
 *                `----> not taken: the beginning of the next receive
 *
 * Not a byte is lost when the caller cannot take what it received: a buffer may
 * be gone meanwhile, or memory short.
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

/* A direction of the channel: sending or receiving. */
struct sl_channel_operation {
    struct sl_completion completion; /* result: bytes moved */
    struct sl_timer timer;
    struct sl_channel *channel;
    struct sl_failure failure; /* when it ended with one */
    int64_t due;
    size_t moved;
    bool is_taken; /* its result was given out; so begins a channel */
};

struct sl_channel {
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
    struct sl_buffer incoming;   /* received, not taken yet */
    size_t wanted;               /* of it at once */
    bool was_asked; /* the receive was collected, if without a byte */
    bool is_broken; /* a send ended in the middle: nothing more can follow */
};

/* Begins to open; the completion of `opening` reports the end. SL_MEMORY,
 * SL_INVALID, SL_LIMIT: `failure`. */
enum sl_status sl_channel_create(struct sl_loop *loop, struct sl_pool *pool,
                                 struct sl_resolver *resolver,
                                 const struct sl_opening_options *options,
                                 struct sl_channel **channel,
                                 struct sl_failure *failure);
/* Closes it, and frees it. */
void sl_channel_destroy(struct sl_channel *channel);

/* Sends all of `text`, which must stay alive until the completion is DONE, or
 * when its data is NULL all of `content`, which is moved. `due`: absolute time,
 * SL_NEVER. SL_OK: begun, perhaps finished already. SL_MISUSE: not open, or one
 * is under way; nothing was moved. */
enum sl_status sl_channel_begin_send(struct sl_channel *channel,
                                     struct sl_view text,
                                     struct sl_sequence *content, int64_t due);

/* Receives up to `wanted` bytes, for which at most `room` bytes of segments of
 * `pool` are rented: DONE with SL_OK and their count, or SL_END. What the last
 * receive left is received first, at once. SL_MISUSE: the channel is not open,
 * a receive is under way, or the bytes of the last one were not collected. */
enum sl_status sl_channel_begin_receive(struct sl_channel *channel,
                                        struct sl_pool *pool, size_t room,
                                        size_t wanted, int64_t due);

/* ---- the result of an operation that is DONE ---- */

/* The caller has given the result out: nothing is under way in that direction
 * any more. */
void sl_channel_settle(struct sl_channel_operation *operation);

/* Whether received bytes were not collected by the caller. */
bool sl_channel_is_unasked(const struct sl_channel *channel);
/* The count of bytes that the receive gives, 0 once closed. The caller may take
 * them now; the others are the beginning of the next receive. */
size_t sl_channel_received(struct sl_channel *channel);
/* Moves the first `size` bytes received to the end of `to`. SL_LIMIT: none was
 * moved, they are too many. SL_MEMORY: perhaps only some of them were. */
enum sl_status sl_channel_take(struct sl_channel *channel, struct sl_buffer *to,
                               size_t size);
/* The same in two steps. peek gives a view of at least `size` bytes, which must
 * be there: SL_MEMORY. consume drops them, if the channel still has them. */
enum sl_status sl_channel_peek(struct sl_channel *channel, size_t size,
                               struct sl_view *view);
void sl_channel_consume(struct sl_channel *channel, size_t size);

/* Ends operations under way with SL_CANCELLED and closes, orderly if there are
 * none. Idempotent; also from inside its own handshake (the owner's verify). */
void sl_channel_close(struct sl_channel *channel);

#endif
